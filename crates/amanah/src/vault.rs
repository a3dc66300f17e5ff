//! What rooms have sealed for a tenant, over the keys.

use kernel::{Fut, TenantId, Vault};
use keys::{Ciphertext, Error, KeyName, KeyRef, Keys, Kind, Plain, Purpose, Result, Sealed, Spec};
use zeroize::Zeroizing;

/// The key that seals, each tenant's own: when a tenant's keys are destroyed, what it sealed goes.
pub(crate) const KEY: &str = "amanah.factors";
/// Who uses it, for those who list keys.
const USER: &str = "Second factors of accounts";
const NOTHING: Error = Error::Malformed("nothing came back");

/// Seals with a key of each tenant.
pub(crate) struct KeyVault {
    keys: Keys,
}

impl KeyVault {
    /// Over the open ring.
    pub(crate) const fn new(keys: Keys) -> Self {
        Self { keys }
    }

    async fn sealed(&self, tenant: &TenantId, context: &str, bytes: &[u8]) -> Result<String> {
        let key = self.key(tenant).await?;
        let plain = Plain { text: bytes, context: context.as_bytes() };
        let sealed = self.keys.encrypt(&key, &[plain])?;
        Ok(sealed.first().ok_or(NOTHING)?.text())
    }

    fn opened(&self, tenant: &TenantId, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let ciphertext = Ciphertext::parse(sealed)?;
        let sealed = Sealed { ciphertext: &ciphertext, context: context.as_bytes() };
        let opened = self.keys.decrypt(&named(Some(tenant))?, &[sealed])?;
        opened.into_iter().next().ok_or(NOTHING)?
    }

    fn renewed(&self, tenant: &TenantId, context: &str, sealed: &str) -> Result<Option<String>> {
        let key = named(Some(tenant))?;
        let ciphertext = Ciphertext::parse(sealed)?;
        let card = self.keys.card(&key)?;
        if card.newest().is_none_or(|newest| ciphertext.version >= newest.version) {
            return Ok(None);
        }
        let sealed = Sealed { ciphertext: &ciphertext, context: context.as_bytes() };
        let renewed = self.keys.rewrap(&key, &[sealed])?.into_iter().next().ok_or(NOTHING)??;
        Ok(Some(renewed.text()))
    }

    /// The tenant's key, made where it is missing, after the pattern of the house's.
    async fn key(&self, tenant: &TenantId) -> Result<KeyRef> {
        let house = named(None)?;
        let spec = Spec { kind: Kind::Aes256Gcm, purpose: Purpose::Fields, needs_context: true };
        match self.keys.card(&house) {
            Err(Error::Unknown(_)) => match self.keys.create(&house, &spec).await {
                // Another process was faster.
                Ok(_) | Err(Error::Exists(_)) => {}
                Err(other) => return Err(other),
            },
            Ok(_) => {}
            Err(other) => return Err(other),
        }
        let own = named(Some(tenant))?;
        self.keys.ensure(&own).await?;
        self.keys.registers(USER, &own);
        Ok(own)
    }
}

impl Vault for KeyVault {
    fn seal<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        bytes: &'a [u8],
    ) -> Fut<'a, std::result::Result<String, String>> {
        Box::pin(async move {
            self.sealed(tenant, context, bytes).await.map_err(|error| error.to_string())
        })
    }

    fn open<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, std::result::Result<Zeroizing<Vec<u8>>, String>> {
        Box::pin(
            async move { self.opened(tenant, context, sealed).map_err(|error| error.to_string()) },
        )
    }

    fn renew<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, std::result::Result<Option<String>, String>> {
        Box::pin(
            async move { self.renewed(tenant, context, sealed).map_err(|error| error.to_string()) },
        )
    }
}

fn named(tenant: Option<&TenantId>) -> Result<KeyRef> {
    Ok(KeyRef { tenant: tenant.cloned(), name: KeyName::new(KEY)? })
}
