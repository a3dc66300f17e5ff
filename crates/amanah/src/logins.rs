//! What Amanah's own logins in other people's databases are called: one name for each purpose, each
//! installation and each database, and never one for two.

use sha2::{Digest as _, Sha256};

/// How much of a database's name goes into the name of our login, for people; PostgreSQL cuts names
/// at 63 bytes. Which database it is, a digest says.
const NAME_BYTES: usize = 12;
/// How much of that digest.
const DIGEST_BYTES: usize = 8;

/// `at` says which database it is, for a digest: the beginning of a name can be many databases'.
pub(crate) fn login_name(what: &str, installation: &str, database: &str, at: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let name: String = database.chars().filter(plain).take(NAME_BYTES).collect();
    let digest = Sha256::digest(at.as_bytes());
    let digest: Vec<u8> = digest.iter().copied().take(DIGEST_BYTES).collect();
    format!("amanah_{what}_{installation}_{name}_{}", kernel::hex(&digest))
}
