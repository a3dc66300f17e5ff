//! What remembers the ring's newest generation apart from the ring, so that an older copy of it
//! is noticed.
//!
//! A memory is obeyed only where the ring's own key signed it. Who can write to the database, but
//! cannot get past the root, can neither have a tenant's keys destroyed nor stop a start with a
//! generation that never was. The rule, which `service/seen.rs` applies, is this:
//!
//! - A head that its own stated key did not sign, and a tombstone that the ring's key did not
//!   sign, are passed over and named: in the log, and by `amanah keys list`.
//! - An anchor that holds a head signed by the ring's key is held to that one. Heads of other
//!   keys beside it are passed over and named, for anybody can make a key and sign with it.
//! - An anchor that holds nothing but heads of other keys says that this ring is another one, and
//!   it is refused: it may have been forged by somebody who can wrap with the root and not
//!   unwrap. Who planted such a head has therefore stopped a start, and no more than that:
//!   `accept` and `recover` go on and name it, provided that an anchor which lies with the data
//!   directory ([`Anchor::guarded`]) knows the ring's key; and `recover --replace` goes on without
//!   that, for the shares have spoken for the kit.
//!
//! What is left: who can write to the database *and* forge a ring through the root is noticed by
//! the file alone; who can delete what an anchor remembers makes it forget; and the key that signs
//! never changes, so that whoever once had it, from a ring key or a kit, can sign here for good.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use cipher::Context;
use jiff::Timestamp;
use kernel::{Fut, TenantId, hex, unhex};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

mod database;
mod file;

pub use database::DatabaseAnchor;
pub use file::FileAnchor;
pub(crate) use file::reread as reread_file;

/// The newest generation that somebody has seen, signed by the key that signs the ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The installation.
    pub installation: String,
    /// The ring's public key, in hexadecimal.
    pub public_key: String,
    /// The generation's number.
    pub generation: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// Ed25519 over all of this, in hexadecimal.
    pub signature: String,
}

impl Head {
    /// The head of `installation`'s `generation`, whose bytes have this digest.
    pub(crate) fn sign(
        installation: &str,
        (generation, digest): (u64, &str),
        signer: &Ed25519KeyPair,
    ) -> Result<Self> {
        let mut head = Self {
            installation: installation.to_owned(),
            public_key: hex(signer.public_key().as_ref()),
            generation,
            digest: digest.to_owned(),
            signature: String::new(),
        };
        head.signature = sign(signer, &head.message())?;
        Ok(head)
    }

    /// Whether the key that it names has signed it. Whose key that is, is for the caller to judge.
    pub fn verifies(&self) -> bool {
        verify(&self.public_key, &self.message(), &self.signature)
    }

    fn message(&self) -> Context {
        Context::of("amanah/ring-head/1")
            .with(&self.installation)
            .with(&self.public_key)
            .with(self.generation.to_be_bytes())
            .with(&self.digest)
    }
}

/// Remembers the newest generation and what was destroyed, apart from the ring, so that an older
/// copy of the ring is noticed. What it gives back is believed where the ring's key signed it.
pub trait Anchor: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;
    /// Whether it lies with the data directory, where who could write to it could do anything.
    fn guarded(&self) -> bool {
        false
    }
    /// The newest generation it has seen of each key that signed one here, and perhaps some that
    /// nobody signed.
    fn heads(&self) -> Fut<'_, Result<Vec<Head>>>;
    /// Remembers `head` unless it has seen a newer one, and `buried` in either case.
    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Buried]) -> Fut<'a, Result<()>>;
    /// What it was told to be destroyed, whoever said so.
    fn buried(&self) -> Fut<'_, Result<Vec<Buried>>>;
}

/// What was destroyed, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// The tenant all of whose keys were destroyed, or `None` for single keys and versions.
    pub tenant: Option<TenantId>,
    /// The ids of the destroyed versions.
    pub ids: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A tombstone as an anchor keeps it: signed, for it is obeyed and cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buried {
    /// What was destroyed.
    pub tombstone: Tombstone,
    /// Ed25519 of the ring's key over the installation and the tombstone, in hexadecimal.
    pub signature: String,
}

impl Buried {
    pub(crate) fn sign(
        tombstone: Tombstone,
        installation: &str,
        signer: &Ed25519KeyPair,
    ) -> Result<Self> {
        let signature = sign(signer, &message(&tombstone, installation))?;
        Ok(Self { tombstone, signature })
    }

    /// Whether the ring of `installation` that has this public key has signed it.
    pub fn verifies(&self, installation: &str, public_key: &str) -> bool {
        verify(public_key, &message(&self.tombstone, installation), &self.signature)
    }
}

fn message(stone: &Tombstone, installation: &str) -> Context {
    let begun = Context::of("amanah/tombstone/1")
        .with(installation)
        .maybe(stone.tenant.as_ref().map(TenantId::as_str))
        .with(stone.at.to_string());
    stone.ids.iter().fold(begun, Context::with)
}

fn sign(signer: &Ed25519KeyPair, message: &Context) -> Result<String> {
    let failed = |_| Error::Malformed("what an anchor is to remember cannot be signed");
    Ok(hex(signer.try_sign(message.as_bytes()).map_err(failed)?.as_ref()))
}

fn verify(public_key: &str, message: &Context, signature: &str) -> bool {
    let (Some(public), Some(signature)) = (unhex(public_key), unhex(signature)) else {
        return false;
    };
    // The length first: the library takes other encodings of a key too. And one spelling of it.
    public.len() == 32
        && hex(&public) == public_key
        && UnparsedPublicKey::new(&ED25519, &public).verify(message.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Buried, Head, Tombstone};
    use crate::wrapping::signer;

    /// Whatever is changed, the signature is of something else.
    #[test]
    fn only_what_was_signed_verifies() {
        let key = signer(&cipher::Material::new([7; 32])).unwrap();
        let head = Head::sign("here", (3, "cd"), &key).unwrap();
        assert!(head.verifies());
        for changed in [
            Head { installation: "there".to_owned(), ..head.clone() },
            Head { public_key: "ab".repeat(32), ..head.clone() },
            Head { public_key: head.public_key.to_uppercase(), ..head.clone() },
            Head { generation: 4, ..head.clone() },
            Head { digest: "ce".to_owned(), ..head.clone() },
            Head { signature: String::new(), ..head.clone() },
            Head { signature: "no digits".to_owned(), ..head.clone() },
        ] {
            assert!(!changed.verifies(), "{changed:?}");
        }
        let at = "2026-01-01T00:00:00.123456Z".parse().unwrap();
        let ids = vec!["aa".to_owned(), "bb".to_owned()];
        let stone = Tombstone { tenant: None, ids, at };
        let buried = Buried::sign(stone.clone(), "here", &key).unwrap();
        assert!(buried.verifies("here", &head.public_key));
        assert!(!buried.verifies("there", &head.public_key));
        assert!(!buried.verifies("here", &"ab".repeat(32)));
        let tenant = kernel::TenantId::new("a").ok();
        for changed in [
            Tombstone { tenant, ..stone.clone() },
            Tombstone { ids: vec!["aabb".to_owned()], ..stone.clone() },
            Tombstone { ids: Vec::new(), ..stone.clone() },
            Tombstone { at: "2026-01-01T00:00:00.123457Z".parse().unwrap(), ..stone },
        ] {
            let forged = Buried { tombstone: changed, ..buried.clone() };
            assert!(!forged.verifies("here", &head.public_key), "{forged:?}");
        }
    }
}
