//! A root in a PKCS#11 token: a hardware security module, a smart card, or `SoftHSM`.
//!
//! Each generation is an AES-256 key that is made in the token, sensitive and not extractable, and
//! labelled `NAME-N`. Keys are wrapped with AES-GCM, the context being the associated data. It
//! stops who has this host's disk, a backup or the ring: only the token opens what is wrapped, and
//! only for who has its PIN. It does not stop who can use the token from this host while it is
//! plugged in. A token in software (`SoftHSM`) lies on this host's disk itself and says so. Whether
//! one in hardware is in this host, as a TPM is, its module does not say.
//!
//! Destruction removes the key's object, which the token does at once and for good. It says
//! nothing of a copy that the token's own backup made before.
//!
//! The installation's id ends the name: two that share a name on one token would destroy each other's
//! keys.

#[cfg(test)]
pub(crate) mod tests;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material};
use kernel::{Fut, Rng};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::token::{Held, Library, Login, Nonce, Open, label, library, number};
use crate::settings::{Pkcs11Setting, own};
use crate::{Destruction, Error, Generation, Host, Place, Result, Root, Wrapped, blocking};

/// How long a token may take for one thing. Some are slow, and some never answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A key's id on the token, in bytes.
const ID_BYTES: usize = 8;
/// The longest name, in bytes: labels of some tokens end after 32.
const MAX_NAME_BYTES: usize = 24;

/// A root in a PKCS#11 token. See the [module](self).
pub struct Pkcs11Root {
    shared: Arc<Shared>,
    library: Arc<Mutex<Library>>,
    rng: Arc<dyn Rng>,
    hardware: bool,
}

/// What goes along to the thread that waits for the token.
struct Shared {
    login: Login,
    name: String,
    /// The PIN was refused: it is not tried again, since tries are counted.
    refused: AtomicBool,
}

impl Pkcs11Root {
    /// Loads the library, logs in and finds the newest generation. With `create`, the first one
    /// is made where there is none.
    ///
    /// # Errors
    /// [`Error::Missing`] when the token holds no key of this name, [`Error::Denied`] for a wrong
    /// PIN, [`Error::Settings`] for a key that could leave the token.
    pub async fn open(setting: &Pkcs11Setting, create: bool, rng: Arc<dyn Rng>) -> Result<Self> {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name = own(&setting.key, &setting.installation)?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(named) {
            let why = format!(
                "`{name}` is no name for a key of a token: letters, digits, `-` and `_`, and at \
                 most {MAX_NAME_BYTES} with the installation's id"
            );
            return Err(Error::Settings(why));
        }
        let login = Login {
            module: setting.module.clone(),
            token: setting.label.clone(),
            pin: setting.pin.clone(),
            place: format!("{} ({})", setting.label, setting.module.display()),
        };
        let shared = Shared { login, name, refused: AtomicBool::new(false) };
        let library = library(&setting.module);
        let mut root = Self { shared: Arc::new(shared), library, rng, hardware: false };
        root.hardware = root.begin(create).await?;
        Ok(root)
    }

    /// Whether the token is hardware, once it is known to hold a generation.
    async fn begin(&self, create: bool) -> Result<bool> {
        let id = self.fresh_id()?;
        self.with(move |open, shared| {
            let newest = match shared.newest(open) {
                Err(Error::Missing { .. }) if create => {
                    open.generate(&shared.name, 1, &id)?;
                    shared.newest(open)?
                }
                newest => newest?,
            };
            if !newest.stays {
                let why = format!("key {} can leave the token, so it is no root", shared.name);
                return Err(Error::Settings(why));
            }
            Ok(open.hardware)
        })
        .await
    }

    fn fresh_id(&self) -> Result<[u8; ID_BYTES]> {
        let mut id = [0; ID_BYTES];
        self.rng.fill(&mut id)?;
        Ok(id)
    }

    /// Does `act` with a logged-in session, on a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Open, &Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = async {
            let mut library = self.library.clone().lock_owned().await;
            let shared = self.shared.clone();
            blocking(move || {
                let done = shared.log_in(&mut library).and_then(|open| act(&open, &shared));
                if let Err(Error::Unavailable { .. }) = done {
                    library.end();
                }
                done
            })
            .await
        };
        timeout(PATIENCE, work).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} seconds", PATIENCE.as_secs());
            Err(Error::Unavailable { place: self.shared.login.place.clone(), why })
        })
    }
}

impl Shared {
    fn log_in(&self, library: &mut Library) -> Result<Open> {
        if self.refused.load(Ordering::SeqCst) {
            let why = "the PIN was refused before and is not tried again; start again with the \
                       right one";
            return Err(self.login.denied(why));
        }
        let opened = library.open(&self.login);
        if matches!(opened, Err(Error::Denied { .. })) {
            self.refused.store(true, Ordering::SeqCst);
        }
        opened
    }

    fn newest(&self, open: &Open) -> Result<Held> {
        let newest = open.keys(&self.name)?.pop();
        newest
            .ok_or_else(|| Error::Missing { place: format!("{}: {}", self.login.place, self.name) })
    }

    /// A key as a generation: its label, its id, and the token that holds it.
    fn named(&self, key: &Held, open: &Open) -> Generation {
        Generation(format!("{}.{}.{}", label(&self.name, key.number), key.id, open.serial))
    }

    fn enabled(&self, key: &Held, open: &Open) -> Result<Generation> {
        let generation = self.named(key, open);
        if key.enabled { Ok(generation) } else { Err(Error::Disabled(generation.0)) }
    }

    /// The key of `generation`.
    fn find(&self, open: &Open, generation: &Generation) -> Result<Held> {
        let keys = open.keys(&self.name)?;
        if let Some(key) = keys.iter().find(|key| self.named(key, open) == *generation) {
            return Ok(key.clone());
        }
        // It was ours and this token's, and others came after it: then it was destroyed here.
        let label = generation.0.split('.').next().unwrap_or_default();
        let serial = generation.0.splitn(3, '.').nth(2);
        let newest = keys.last().map_or(0, |key| key.number);
        match number(&self.name, label.as_bytes()) {
            Some(number @ 1..) if serial == Some(&open.serial) && number <= newest => {
                Err(Error::Destroyed(generation.0.clone()))
            }
            _ => Err(Error::Refused),
        }
    }
}

impl Root for Pkcs11Root {
    fn place(&self) -> Place {
        let host = if self.hardware {
            Host::Unclear(
                "a token that calls itself hardware may be in this host all the same, as a TPM or \
                 on its USB, and no module says where it is",
            )
        } else {
            Host::This
        };
        Place { kind: "pkcs11", place: self.shared.login.place.clone(), host }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(self.with(|open, shared| Ok(shared.named(&shared.newest(open)?, open))))
    }

    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>> {
        let (material, context) = (key.clone(), context.clone());
        let nonce = Nonce::draw(&*self.rng);
        Box::pin(async move {
            let nonce = nonce?;
            self.with(move |open, shared| {
                let newest = shared.newest(open)?;
                let generation = shared.enabled(&newest, open)?;
                let bytes = open.encrypt(&newest, nonce, context.as_bytes(), material.expose())?;
                Ok(Wrapped { generation, bytes: BASE64.encode(bytes) })
            })
            .await
        })
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>> {
        let (key, context) = (key.clone(), context.clone());
        let nonce = Nonce::draw(&*self.rng);
        Box::pin(async move {
            // For the case that the token has to be tried out: see `Open::decrypt`.
            let spare = nonce?;
            self.with(move |open, shared| {
                let held = shared.find(open, &key.generation)?;
                shared.enabled(&held, open)?;
                let sealed = BASE64.decode(&key.bytes).map_err(|_| Error::Refused)?;
                let text = open.decrypt(&held, spare, context.as_bytes(), &sealed)?;
                Material::try_from(text.as_slice()).map_err(|_| Error::Refused)
            })
            .await
        })
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        let id = self.fresh_id();
        Box::pin(async move {
            let id = id?;
            self.with(move |open, shared| {
                let number = shared.newest(open)?.number.saturating_add(1);
                open.generate(&shared.name, number, &id)?;
                Ok(shared.named(&shared.newest(open)?, open))
            })
            .await
        })
    }

    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        let generation = generation.clone();
        Box::pin(
            self.with(move |open, shared| open.switch(&shared.find(open, &generation)?, false)),
        )
    }

    fn enable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        let generation = generation.clone();
        Box::pin(self.with(move |open, shared| open.switch(&shared.find(open, &generation)?, true)))
    }

    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<Destruction>> {
        let generation = generation.clone();
        Box::pin(self.with(move |open, shared| {
            if shared.named(&shared.newest(open)?, open) == generation {
                return Err(Error::Current(generation.0));
            }
            match shared.find(open, &generation) {
                Ok(held) => open.destroy(&held)?,
                Err(Error::Destroyed(_)) => {}
                Err(error) => return Err(error),
            }
            Ok(Destruction::Done)
        }))
    }
}
