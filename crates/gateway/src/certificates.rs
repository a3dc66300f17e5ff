//! Certificates of the operator's own, from files, chosen by the name that a client asks for.
//!
//! The files are read again every few seconds, so that whoever renews them (certbot, acme.sh, a
//! configuration system) has nothing to tell us. Connections that are open keep what they agreed on.
//! What is broken, expired or weak is refused at the start; of a running gateway it takes nothing
//! away, and what is presented stays what it was.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{GatewayError, LocalAuthority};
pub(crate) use read::strength;
use read::{Pair, Texts};

mod read;
#[cfg(test)]
pub(crate) mod tests;

/// With fewer hours left, it is told that a certificate ends.
const WARN_BELOW: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The most certificates that there may be: all of them are read every few seconds.
const MAX_CERTIFICATES: usize = 100;

/// Where one certificate and its key lie, as PEM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateFiles {
    /// The certificate, followed by those that lead to its authority.
    pub chain: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// What is presented to a client that asks for a name which no certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownName {
    /// Nothing: the alert `unrecognized_name`. No client could accept another name's certificate, and
    /// whoever scans addresses is not told which names live here.
    #[default]
    Refuse,
    /// The first certificate of the configuration.
    First,
}

/// One certificate as it is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The file that it came from.
    pub file: PathBuf,
    /// The names that it is for; `*.` stands for one label.
    pub names: Vec<String>,
    /// When it ends.
    pub until: Timestamp,
}

/// All certificates of a listener: the operator's, and the local authority's for its own names.
pub struct Certificates {
    local: Arc<LocalAuthority>,
    files: Vec<CertificateFiles>,
    unknown: UnknownName,
    clock: Arc<dyn Clock>,
    held: RwLock<Arc<Vec<Pair>>>,
    /// The texts that were looked at last, good or not, so that each is judged once.
    looked: Mutex<BTreeMap<CertificateFiles, Texts>>,
    reloaded: AtomicU64,
    refused: AtomicU64,
}

impl Certificates {
    /// Reads all of them.
    ///
    /// # Errors
    /// When one cannot be read, is not for its key, is expired, not yet valid or too weak, or when
    /// there are more than a hundred.
    pub(crate) fn open(
        files: Vec<CertificateFiles>,
        unknown: UnknownName,
        local: Arc<LocalAuthority>,
    ) -> Result<Self, GatewayError> {
        let clock = local.clock();
        if files.len() > MAX_CERTIFICATES {
            let why =
                format!("{} certificates are configured, {MAX_CERTIFICATES} at most", files.len());
            return Err(GatewayError::Certificate(why));
        }
        let (mut pairs, mut looked) = (Vec::new(), BTreeMap::new());
        for file in &files {
            let texts = Texts::of(file)?;
            pairs.push(Pair::read(file, &texts, clock.now())?);
            looked.insert(file.clone(), texts);
        }
        Ok(Self {
            local,
            files,
            unknown,
            clock,
            held: RwLock::new(Arc::new(pairs)),
            looked: Mutex::new(looked),
            reloaded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Whether there are files to look at.
    pub(crate) const fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Reads every file again. One that has changed and is good is presented from the next handshake
    /// on; one that is not good is told once, and what was there stays. Blocks while it reads.
    pub(crate) fn look(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.held();
        let mut pairs = Vec::clone(&held);
        let mut changed = false;
        for (at, file) in self.files.iter().enumerate() {
            let texts = match Texts::of(file) {
                Ok(texts) if looked.get(file) == Some(&texts) => continue,
                Ok(texts) => texts,
                // Told once: until there is a text again, this is what was looked at.
                Err(_) if looked.get(file) == Some(&Texts::default()) => continue,
                Err(error) => {
                    self.refuse(&error);
                    looked.insert(file.clone(), Texts::default());
                    continue;
                }
            };
            match (Pair::read(file, &texts, self.clock.now()), pairs.get_mut(at)) {
                (Ok(pair), Some(place)) => {
                    tracing::info!(file = %file.chain.display(), until = %pair.presented.until, "a certificate was read anew");
                    *place = pair;
                    changed = true;
                    self.reloaded.fetch_add(1, Ordering::Relaxed);
                }
                (Ok(_), None) => {}
                (Err(error), _) => self.refuse(&error),
            }
            looked.insert(file.clone(), texts);
        }
        if changed {
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pairs);
        }
    }

    fn refuse(&self, error: &GatewayError) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "a certificate's new files were not taken; the one before is presented on");
    }

    /// Says which certificates end soon.
    pub(crate) fn warn(&self) {
        let soon = self.clock.now().checked_add(WARN_BELOW).unwrap_or(Timestamp::MAX);
        for ending in self.presented().iter().filter(|one| one.until < soon) {
            let (file, until) = (ending.file.display(), ending.until);
            tracing::warn!(%file, %until, "a certificate ends in less than 14 days; renew it");
        }
    }

    /// The operator's certificates as they are presented, in the order of the configuration.
    pub fn presented(&self) -> Vec<Presented> {
        self.held().iter().map(|pair| pair.presented.clone()).collect()
    }

    /// How often a file was read anew, and how often one was not taken.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloaded.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Reads the files as a start would, and says what each is, or what is wrong with it.
    pub fn inspect(
        files: &[CertificateFiles],
        now: Timestamp,
    ) -> Vec<Result<Presented, GatewayError>> {
        let read = |file| Ok(Pair::read(file, &Texts::of(file)?, now)?.presented);
        files.iter().map(read).collect()
    }

    /// Whether there is something to present to whoever asks for `name`.
    pub(crate) fn knows(&self, name: Option<&str>) -> bool {
        let Some(name) = name else {
            return true;
        };
        let held = self.held();
        held.is_empty()
            || self.unknown == UnknownName::First
            || self.local.covers(name)
            || held.iter().any(|pair| pair.covers(name))
    }

    /// Whether `name` is one of this site's: of a certificate, or of the local authority's.
    pub fn is_ours(&self, name: &str) -> bool {
        self.local.covers(name) || self.held().iter().any(|pair| pair.covers(name))
    }

    fn held(&self) -> Arc<Vec<Pair>> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificates {
    /// The first certificate for the name whose key the client can verify. An address has no name: it
    /// is answered with the first of all.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let held = self.held();
        let name = hello.server_name();
        let fits = |pair: &&Pair| pair.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = |pair: &&Pair| name.is_none_or(|name| pair.covers(name));
        // Where the client can verify none, the library says so with the first; without one it would
        // say that access was denied.
        let best = held.iter().filter(named).find(fits).or_else(|| held.iter().find(named));
        if let Some(pair) = best {
            return Some(Arc::clone(&pair.key));
        }
        if held.is_empty() || name.is_some_and(|name| self.local.covers(name)) {
            return Some(self.local.certificate());
        }
        match self.unknown {
            UnknownName::Refuse => None,
            UnknownName::First => {
                let best = held.iter().find(fits).or(held.first());
                best.map(|pair| Arc::clone(&pair.key))
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}
