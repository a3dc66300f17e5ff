//! The proofs' own people and tenants. No customer is one of them: proofs, reviews and counts leave
//! them out, and so would leave out whoever got in among them.

/// How the address of every synthetic account ends: in a domain that nobody can have (RFC 2606).
pub const SYNTHETIC_DOMAIN: &str = "@amanah.invalid";
/// How the name of every synthetic tenant begins.
pub const SYNTHETIC_TENANTS: &str = "amanah-canary";

/// Whether an account with this address, however it is written, is the proofs' own.
pub fn is_synthetic(address: &str) -> bool {
    address.trim().to_ascii_lowercase().ends_with(SYNTHETIC_DOMAIN)
}
