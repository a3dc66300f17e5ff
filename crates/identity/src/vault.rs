//! Where there is no vault, and one for tests.

use kernel::{Fut, TenantId, Vault};
use zeroize::Zeroizing;

const NONE: &str = "no vault for them was opened";

/// Keeps nothing and opens nothing.
pub(crate) struct NoVault;

impl Vault for NoVault {
    fn seal<'a>(
        &'a self,
        _tenant: &'a TenantId,
        _context: &'a str,
        _bytes: &'a [u8],
    ) -> Fut<'a, Result<String, String>> {
        Box::pin(async { Err(NONE.to_owned()) })
    }

    fn open<'a>(
        &'a self,
        _tenant: &'a TenantId,
        _context: &'a str,
        _sealed: &'a str,
    ) -> Fut<'a, Result<Zeroizing<Vec<u8>>, String>> {
        Box::pin(async { Err(NONE.to_owned()) })
    }

    fn renew<'a>(
        &'a self,
        _tenant: &'a TenantId,
        _context: &'a str,
        _sealed: &'a str,
    ) -> Fut<'a, Result<Option<String>, String>> {
        Box::pin(async { Err(NONE.to_owned()) })
    }
}

/// Seals by writing tenant and context before it.
#[cfg(test)]
pub(crate) struct Envelope;

#[cfg(test)]
impl Vault for Envelope {
    fn seal<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        bytes: &'a [u8],
    ) -> Fut<'a, Result<String, String>> {
        Box::pin(async move { Ok(format!("{}|{context}|{}", tenant.as_str(), kernel::hex(bytes))) })
    }

    fn open<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, Result<Zeroizing<Vec<u8>>, String>> {
        Box::pin(async move {
            let head = format!("{}|{context}|", tenant.as_str());
            let bytes = sealed.strip_prefix(&head).and_then(kernel::unhex);
            Ok(Zeroizing::new(bytes.ok_or("it was sealed for somebody else")?))
        })
    }

    /// What does not stand in capitals yet is older.
    fn renew<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            self.open(tenant, context, sealed).await?;
            let (head, bytes) = sealed.rsplit_once('|').unwrap_or_default();
            let newest = format!("{head}|{}", bytes.to_ascii_uppercase());
            Ok((newest != sealed).then_some(newest))
        })
    }
}
