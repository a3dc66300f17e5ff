//! Who may do what: a client's token, and what it was given for.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kernel::{Rng, Secret, TenantId};
use zeroize::Zeroizing;

use crate::name::{MAX_NAME_BYTES, OWN_PREFIX};
use crate::{Client, Error, KeyName, KeyRef, Operation, Reach, Result};

/// How every token begins, so that a search for secrets finds it.
pub(crate) const PREFIX: &str = "amk_";
/// Its random part, in bytes.
const TOKEN_BYTES: usize = 32;
/// The most patterns of a client.
const MAX_PATTERNS: usize = 1_000;
/// The most databases of a client.
const MAX_DATABASES: usize = 100;
/// How long PostgreSQL lets a database's name be, in bytes.
const MAX_DATABASE_BYTES: usize = 63;

/// A fresh token: `amk_` and 43 letters for 256 random bits.
pub(crate) fn token(rng: &dyn Rng) -> Result<Secret> {
    let mut random = Zeroizing::new([0; TOKEN_BYTES]);
    rng.fill(random.as_mut_slice())?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
    Ok(Secret::new(format!("{PREFIX}{}", text.as_str())))
}

/// Whether the client's names and tenants hold this key. Amanah's own keys are nobody's: `*` means
/// every key of applications, also in a ring that admitted the client before this was so.
pub(crate) fn reaches(client: &Client, key: &KeyRef) -> bool {
    let theirs = match (&client.reach, &key.tenant) {
        (Reach::All, _) | (Reach::House, None) => true,
        (Reach::Tenants(tenants), Some(tenant)) => tenants.contains(tenant),
        (Reach::House, Some(_)) | (Reach::Tenants(_), None) => false,
    };
    theirs
        && !key.name.is_own()
        && client.keys.iter().any(|pattern| matches(pattern, key.name.as_str()))
}

/// Whether the client may do this for `tenant` now.
pub(crate) fn acts_for(
    client: &Client,
    tenant: &TenantId,
    does: Operation,
    now: Timestamp,
) -> bool {
    let theirs = match &client.reach {
        Reach::All => true,
        Reach::Tenants(tenants) => tenants.contains(tenant),
        Reach::House => false,
    };
    client.expires_at.is_none_or(|end| now < end) && client.operations.contains(&does) && theirs
}

/// Whether the client may do this with `key` now.
pub(crate) fn allows(client: &Client, key: &KeyRef, does: Operation, now: Timestamp) -> bool {
    client.expires_at.is_none_or(|end| now < end)
        && client.operations.contains(&does)
        && reaches(client, key)
}

/// Refuses a client that could never do anything, or whose patterns are none.
pub(crate) fn check(client: &Client, now: Timestamp) -> Result<()> {
    let refuse = |why| Err(Error::Setting(why));
    if KeyName::new(client.name.as_str()).is_err() {
        return refuse("a client's name has letters, digits, `.`, `_` and `-`, at most 64");
    }
    let with_keys = client.operations.iter().any(|operation| operation.is_with_key());
    if with_keys && client.keys.is_empty() || client.keys.len() > MAX_PATTERNS {
        return refuse("a client is admitted to at least one name of a key, and at most 1,000");
    }
    let for_tenants = client.operations.iter().any(|operation| !operation.is_with_key());
    if for_tenants && client.reach == Reach::House {
        return refuse("binding, connecting and files are done for tenants: say for which");
    }
    let binds = client.operations.contains(&Operation::Bind);
    if binds && client.databases.is_empty() || client.databases.len() > MAX_DATABASES {
        return refuse("a client that binds is admitted to at least one database, and at most 100");
    }
    if client.databases.iter().any(|name| name.is_empty() || name.len() > MAX_DATABASE_BYTES) {
        return refuse("a database's name has 1 to 63 bytes");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let pattern = |text: &String| {
        let name = text.strip_suffix('*').unwrap_or(text);
        !text.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(plain)
    };
    if !client.keys.iter().all(pattern) {
        return refuse("a client is admitted to names of keys, of which one may end in `*`");
    }
    if client.keys.iter().any(|pattern| pattern.starts_with(OWN_PREFIX)) {
        return refuse("keys whose names begin with `amanah.` are Amanah's own, and no client's");
    }
    if client.operations.is_empty() || client.reach == Reach::Tenants(BTreeSet::new()) {
        return refuse("a client without operations or tenants could do nothing");
    }
    if client.expires_at.is_some_and(|end| end <= now) {
        return refuse("a client's token cannot end in the past");
    }
    Ok(())
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    }
}
