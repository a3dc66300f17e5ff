//! Admitting applications, and recognising them.

use aws_lc_rs::digest::{SHA256, digest};
use kernel::{Secret, TenantId, hex};

use super::Keys;
use super::change::Step;
use crate::document::Admitted;
use crate::{ClientCard, Error, KeyRef, NewClient, Operation, Result, access};

/// Longer tokens are nobody's, in bytes.
const MAX_TOKEN_BYTES: usize = 128;

impl Keys {
    /// Admits a client, or replaces the one of the same name; its token is shown here alone.
    ///
    /// # Errors
    /// [`Error::Setting`] when it could do nothing, and when the ring cannot be written.
    pub async fn admit(&self, client: NewClient) -> Result<Secret> {
        access::check(&client, self.inner.settings.now())?;
        let token = access::token(self.inner.settings.rng.as_ref())?;
        let token_sha256 = hex(&sha256(&token));
        self.change(Step::Keep, |draft| {
            let (client, token_sha256) = (client.clone(), token_sha256.clone());
            let fresh = Admitted { client, since: draft.now, token_sha256 };
            let clients = &mut draft.document.clients;
            match clients.binary_search_by(|have| have.client.name.cmp(&fresh.client.name)) {
                Ok(at) => {
                    if let Some(have) = clients.get_mut(at) {
                        *have = fresh;
                    }
                }
                Err(at) => clients.insert(at, fresh),
            }
            draft.changed = true;
            Ok(())
        })
        .await?;
        Ok(token)
    }

    /// Ends a client's token. Whether there was one.
    ///
    /// # Errors
    /// When the ring cannot be written.
    pub async fn dismiss(&self, name: &str) -> Result<bool> {
        self.change(Step::Keep, |draft| {
            let before = draft.document.clients.len();
            draft.document.clients.retain(|have| have.client.name != name);
            draft.changed = draft.document.clients.len() < before;
            Ok(draft.changed)
        })
        .await
    }

    /// Every client, ordered by name.
    pub fn clients(&self) -> Vec<ClientCard> {
        self.state().document.clients.iter().map(card).collect()
    }

    /// Whose token this is, or `None` when it is nobody's, or has ended.
    pub fn client(&self, token: &Secret) -> Option<ClientCard> {
        if token.expose().len() > MAX_TOKEN_BYTES {
            return None;
        }
        let state = self.state();
        let admitted = state.client(&sha256(token))?;
        let now = self.inner.settings.now();
        admitted.client.expires_at.is_none_or(|end| now < end).then(|| card(admitted))
    }

    /// Whether the token's holder may do `operation` for `tenant`.
    ///
    /// # Errors
    /// [`Error::Denied`], whatever the reason.
    pub fn authorise_for(
        &self,
        token: &Secret,
        tenant: &TenantId,
        operation: Operation,
    ) -> Result<()> {
        let now = self.inner.settings.now();
        match self.client(token) {
            Some(card) if access::acts_for(&card.client, tenant, operation, now) => Ok(()),
            _ => {
                self.metrics().denied();
                Err(Error::Denied)
            }
        }
    }

    /// Whether the token's holder may do `operation` with `key`.
    ///
    /// # Errors
    /// [`Error::Denied`], whatever the reason.
    pub fn authorise(&self, token: &Secret, key: &KeyRef, operation: Operation) -> Result<()> {
        let client = self.client(token);
        let now = self.inner.settings.now();
        match client {
            Some(card) if access::allows(&card.client, key, operation, now) => Ok(()),
            _ => {
                self.metrics().denied();
                Err(Error::Denied)
            }
        }
    }
}

fn card(admitted: &Admitted) -> ClientCard {
    ClientCard { client: admitted.client.clone(), admitted_at: admitted.since }
}

fn sha256(token: &Secret) -> Vec<u8> {
    digest(&SHA256, token.expose().as_bytes()).as_ref().to_vec()
}
