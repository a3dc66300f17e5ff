//! The port: what a root can do.

use cipher::{Context, Material};
use jiff::Timestamp;
use kernel::Fut;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One version of the root's key, by the name that the root itself gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub String);

/// A key that only the root can open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrapped {
    /// The generation that wrapped it.
    pub generation: Generation,
    /// The wrapped bytes, as the root gave them, in base64.
    pub bytes: String,
}

/// Where a root is, for people and for the proof that it is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `file`, `aws-kms`, `transit` or `pkcs11`.
    pub kind: &'static str,
    /// The file, key, address or module.
    pub place: String,
    /// Whether it is on this host, as far as that can be told from here.
    pub host: Host,
}

/// Whether a root's key is on this host, so that who copies its disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// It is.
    This,
    /// It is reached over a network, at an address that is not this host's.
    Another,
    /// It cannot be told from here, for this reason.
    Unclear(&'static str),
}

/// When a destroyed generation is beyond recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destruction {
    /// Now.
    Done,
    /// It is refused from now on, and whoever administers the root could bring it back until
    /// this moment.
    Scheduled(Timestamp),
}

/// What holds the root key and never gives it out.
///
/// It wraps a single key of the ring at a time, so none of these is called often: at start, at
/// rotation of the ring's key and at destruction.
pub trait Root: Send + Sync {
    /// Where it is.
    fn place(&self) -> Place;

    /// The generation that wraps now.
    fn current(&self) -> Fut<'_, Result<Generation>>;

    /// Wraps `key` for `context` under the current generation.
    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>>;

    /// Opens what any generation wrapped for the same `context`.
    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>>;

    /// Begins a new generation, which wraps from now on. Earlier ones still open.
    fn roll(&self) -> Fut<'_, Result<Generation>>;

    /// Wraps again under the current generation, all or none.
    ///
    /// Only the conformance suite calls this so far, since the ring gets a new key with each new
    /// generation. It is here for a key that has to stay the same while the root moves on, and the
    /// suite shows that it opens nothing of a generation that is disabled or destroyed.
    fn rewrap<'a>(
        &'a self,
        keys: &'a [Wrapped],
        context: &'a Context,
    ) -> Fut<'a, Result<Vec<Wrapped>>> {
        Box::pin(async move {
            let mut fresh = Vec::with_capacity(keys.len());
            for key in keys {
                let material = self.unwrap(key, context).await?;
                fresh.push(self.wrap(&material, context).await?);
            }
            Ok(fresh)
        })
    }

    /// Refuses this generation until it is enabled again where the root lives.
    ///
    /// Only the conformance suite calls this so far: it stands for an administrator who does so,
    /// and shows that every root tells what is disabled from what is destroyed.
    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>>;

    /// Takes [`Root::disable`] back. Only the conformance suite calls this so far: it shows that
    /// what was disabled opens again, and that nothing brings back what was destroyed.
    fn enable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        let why = format!("generation {} is enabled where the root lives", generation.0);
        Box::pin(async move { Err(Error::Settings(why)) })
    }

    /// Destroys a generation that is not the current one; to destroy a destroyed one is no error.
    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<Destruction>>;
}
