//! One logged-in session with a token, and the few things a root asks of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error as Fault, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use kernel::{Rng, Secret, hex};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{Error, Result};

/// The length of AES-GCM's nonce, in bytes.
pub(super) const NONCE_BYTES: usize = 12;
/// The length of AES-GCM's tag, in bits.
const TAG_BITS: u64 = 128;
/// The length of the key, in bytes.
const KEY_BYTES: u64 = 32;
/// More keys than these are not looked through on one token.
const MAX_KEYS: usize = 10_000;

/// A vendor's library. A process has one of each, and does one thing at a time with it: a token
/// that hangs then holds up one thread and no more.
#[derive(Default)]
pub(super) struct Library {
    loaded: Option<Pkcs11>,
    /// Whether it may be used: some libraries find a token that was away only when they begin anew.
    begun: bool,
}

/// A session, logged in. It closes when it is dropped.
pub(super) struct Open {
    session: Session,
    place: String,
    /// The token's own number, by which names of its keys are told from another token's.
    pub(super) serial: String,
    /// Whether the slot says that it is hardware.
    pub(super) hardware: bool,
}

/// A generation's key on the token.
#[derive(Debug, Clone)]
pub(super) struct Held {
    handle: ObjectHandle,
    /// Counted from 1.
    pub(super) number: u64,
    /// Its id on the token, in hexadecimal.
    pub(super) id: String,
    /// Whether it encrypts and decrypts.
    pub(super) enabled: bool,
    /// Whether it can never leave the token in clear.
    pub(super) stays: bool,
}

/// A nonce of AES-GCM, drawn anew. Whoever encrypts gives it up: two messages under one key with one
/// nonce would give the key away.
pub(super) struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    pub(super) fn draw(rng: &dyn Rng) -> Result<Self> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce)?;
        Ok(Self(nonce))
    }
}

/// The library at `path`, shared by all roots of this process.
pub(super) fn library(path: &Path) -> Arc<Mutex<Library>> {
    type Libraries = BTreeMap<PathBuf, Arc<Mutex<Library>>>;
    static LIBRARIES: std::sync::Mutex<Libraries> = std::sync::Mutex::new(BTreeMap::new());
    let mut all = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(path.to_owned()).or_default().clone()
}

/// Which token of a library, and what lets us in.
pub(super) struct Login {
    pub(super) module: PathBuf,
    pub(super) token: String,
    pub(super) pin: Secret,
    /// For people.
    pub(super) place: String,
}

impl Library {
    /// Finds the token and logs in.
    ///
    /// A token locks itself after a few wrong PINs, so its last try is never taken.
    pub(super) fn open(&mut self, login: &Login) -> Result<Open> {
        let fault = |fault: Fault| unavailable(&login.place, &fault);
        let context = self.begin(&login.module).map_err(fault)?;
        let slot = login.slot(&context)?;
        let info = context.get_token_info(slot).map_err(fault)?;
        if info.user_pin_locked() {
            return Err(login.denied("its PIN is locked; unlock it with the token's own tool"));
        }
        if info.user_pin_final_try() {
            let why = "one try is left for its PIN; log in once with the token's own tool";
            return Err(login.denied(why));
        }
        let session = context.open_rw_session(slot).map_err(fault)?;
        match session.login(UserType::User, Some(&AuthPin::from(login.pin.expose().to_owned()))) {
            Ok(()) | Err(Fault::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Fault::Pkcs11(error, _)) if is_refusal(error) => {
                return Err(login.denied(&format!("the PIN is not taken ({error:?})")));
            }
            Err(other) => return Err(fault(other)),
        }
        let hardware = context.get_slot_info(slot).map_err(fault)?.hardware_slot();
        let serial = info.serial_number().trim().to_owned();
        Ok(Open { session, place: login.place.clone(), serial, hardware })
    }

    /// Lets the library begin anew next time.
    pub(super) fn end(&mut self) {
        self.begun = false;
        if let Some(loaded) = self.loaded.clone() {
            // Whatever it says, the next one to ask begins anew.
            let _ = loaded.finalize();
        }
    }

    fn begin(&mut self, path: &Path) -> std::result::Result<Pkcs11, Fault> {
        let context = match &self.loaded {
            Some(loaded) => loaded.clone(),
            None => self.loaded.insert(Pkcs11::new(path)?).clone(),
        };
        if !self.begun {
            match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
                Ok(()) | Err(Fault::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
                Err(fault) => return Err(fault),
            }
            self.begun = true;
        }
        Ok(context)
    }
}

impl Login {
    pub(super) fn denied(&self, why: &str) -> Error {
        Error::Denied { place: self.place.clone(), why: why.to_owned() }
    }

    fn slot(&self, context: &Pkcs11) -> Result<Slot> {
        let fault = |fault: Fault| unavailable(&self.place, &fault);
        let mut found = Vec::new();
        for slot in context.get_slots_with_initialized_token().map_err(fault)? {
            if context.get_token_info(slot).map_err(fault)?.label() == self.token {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(Error::Unavailable {
                place: self.place.clone(),
                why: format!("no token is called `{}`", self.token),
            }),
            _ => Err(Error::Settings(format!("more than one token is called `{}`", self.token))),
        }
    }
}

impl Open {
    /// Every generation whose label is `name-N`, oldest first.
    pub(super) fn keys(&self, name: &str) -> Result<Vec<Held>> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
        ];
        let handles = self.done(self.session.find_objects(&template))?;
        if handles.len() > MAX_KEYS {
            let why = format!("it holds more than {MAX_KEYS} keys");
            return Err(Error::Damaged { place: self.place.clone(), why });
        }
        let mut keys = Vec::new();
        for handle in handles {
            keys.extend(self.held(handle, name)?);
        }
        // Two processes that roll at the same moment make two keys of one number. The id decides,
        // so that all agree on which is the newest.
        keys.sort_by(|a, b| (a.number, &a.id).cmp(&(b.number, &b.id)));
        Ok(keys)
    }

    /// Makes generation `number`: it never leaves the token, and only encrypts and decrypts.
    pub(super) fn generate(&self, name: &str, number: u64, id: &[u8]) -> Result<()> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(KEY_BYTES.into()),
            Attribute::Label(label(name, number).into_bytes()),
            Attribute::Id(id.to_vec()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Modifiable(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::Derive(false),
        ];
        self.done(self.session.generate_key(&Mechanism::AesKeyGen, &template))?;
        Ok(())
    }

    /// Encrypts with AES-GCM: nonce, ciphertext, tag.
    ///
    /// Some tokens take our nonce, others write their own into its place; either way what stands
    /// there afterwards was used.
    pub(super) fn encrypt(
        &self,
        key: &Held,
        Nonce(mut nonce): Nonce,
        aad: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>> {
        let params = GcmParams::new(&mut nonce, aad, TAG_BITS.into());
        let mechanism = Mechanism::AesGcm(self.done(params)?);
        let sealed = self.done(self.session.encrypt(&mechanism, key.handle, text))?;
        drop(mechanism);
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Open::encrypt`] gave.
    ///
    /// Not every token says that bytes were changed in words of their own: then it shows in that
    /// others open, which are encrypted for that with the nonce `spare`.
    pub(super) fn decrypt(
        &self,
        key: &Held,
        spare: Nonce,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self.try_decrypt(key, aad, sealed) {
            Ok(text) => Ok(text),
            Err(Fault::Pkcs11(
                RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange,
                _,
            )) => Err(Error::Refused),
            Err(Fault::Pkcs11(RvError::GeneralError | RvError::FunctionFailed, function)) => {
                let other = self.encrypt(key, spare, b"", b"")?;
                match self.try_decrypt(key, b"", &other) {
                    Ok(_) => Err(Error::Refused),
                    Err(_) => self.done(Err(Fault::Pkcs11(RvError::GeneralError, function))),
                }
            }
            Err(fault) => self.done(Err(fault)),
        }
    }

    /// Lets a key encrypt and decrypt, or not.
    pub(super) fn switch(&self, key: &Held, on: bool) -> Result<()> {
        let template = [Attribute::Encrypt(on), Attribute::Decrypt(on)];
        self.done(self.session.update_attributes(key.handle, &template))
    }

    pub(super) fn destroy(&self, key: &Held) -> Result<()> {
        self.done(self.session.destroy_object(key.handle))
    }

    fn try_decrypt(
        &self,
        key: &Held,
        aad: &[u8],
        sealed: &[u8],
    ) -> std::result::Result<Zeroizing<Vec<u8>>, Fault> {
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE_BYTES>() else {
            return Err(Fault::Pkcs11(RvError::EncryptedDataLenRange, Function::Decrypt));
        };
        let mut nonce = *nonce;
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
        Ok(Zeroizing::new(self.session.decrypt(&mechanism, key.handle, rest)?))
    }

    /// What lies behind `handle`, when it is one of ours.
    fn held(&self, handle: ObjectHandle, name: &str) -> Result<Option<Held>> {
        let wanted = [
            AttributeType::Label,
            AttributeType::Id,
            AttributeType::Encrypt,
            AttributeType::Decrypt,
            AttributeType::Sensitive,
            AttributeType::Extractable,
        ];
        let attributes = match self.session.get_attributes(handle, &wanted) {
            Ok(attributes) => attributes,
            // Another process has just destroyed it.
            Err(Fault::Pkcs11(RvError::ObjectHandleInvalid, _)) => return Ok(None),
            Err(fault) => return self.done(Err(fault)),
        };
        let mut key = Held { handle, number: 0, id: String::new(), enabled: true, stays: true };
        for attribute in attributes {
            match attribute {
                Attribute::Label(label) => key.number = number(name, &label).unwrap_or(0),
                Attribute::Id(id) => key.id = hex(&id),
                Attribute::Encrypt(on) | Attribute::Decrypt(on) => key.enabled &= on,
                Attribute::Sensitive(hidden) => key.stays &= hidden,
                Attribute::Extractable(out) => key.stays &= !out,
                _ => {}
            }
        }
        Ok((key.number > 0).then_some(key))
    }

    fn done<T>(&self, result: std::result::Result<T, Fault>) -> Result<T> {
        result.map_err(|fault| match fault {
            Fault::Pkcs11(error, function) if is_refusal(error) => Error::Denied {
                place: self.place.clone(),
                why: format!("{function:?} answers {error:?}"),
            },
            fault => unavailable(&self.place, &fault),
        })
    }
}

/// What the key of generation `number` is called on the token.
pub(super) fn label(name: &str, number: u64) -> String {
    format!("{name}-{number}")
}

/// The generation that a key's label names.
pub(super) fn number(name: &str, label: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(label).ok()?;
    text.strip_prefix(name)?.strip_prefix('-')?.parse().ok()
}

/// Whether the token answers, and does not let us.
const fn is_refusal(error: RvError) -> bool {
    matches!(
        error,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
            | RvError::UserNotLoggedIn
            | RvError::UserAnotherAlreadyLoggedIn
            | RvError::UserTooManyTypes
            | RvError::ActionProhibited
            | RvError::AttributeReadOnly
            | RvError::TokenWriteProtected
    )
}

/// The standard's long texts about its errors are left out: the names say it.
fn unavailable(place: &str, fault: &Fault) -> Error {
    let why = match fault {
        Fault::Pkcs11(error, function) => format!("{function:?} answers {error:?}"),
        fault => fault.to_string(),
    };
    Error::Unavailable { place: place.to_owned(), why }
}
