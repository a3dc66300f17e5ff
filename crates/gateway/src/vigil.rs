//! An answer that goes on for long goes on for as long as whoever asked for it would still get it.
//!
//! A stream of events or a socket can stay open for days. Without this, somebody who was signed out,
//! off-boarded or denied would keep what they had opened.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use kernel::{Identity, TenantId};
use tokio::time::sleep;

use crate::refusal::Refusal;
use crate::who::Shown;
use crate::workers::Worker;

/// How often it is asked again. From memory, mostly, so that it costs next to nothing.
const EVERY: Duration = Duration::from_secs(1);

/// What is asked again while an answer goes on.
pub(crate) struct Vigil {
    worker: Arc<Worker>,
    shown: Shown,
    account: String,
    tenant: TenantId,
    method: Method,
    uri: Uri,
}

impl Vigil {
    /// For the request of `uri` by `method`, which was let through for `identity`.
    pub(crate) fn new(
        worker: &Arc<Worker>,
        shown: Shown,
        identity: &Identity,
        method: Method,
        uri: Uri,
    ) -> Self {
        let (account, tenant) = (identity.account.clone(), identity.tenant.clone());
        Self { worker: Arc::clone(worker), shown, account, tenant, method, uri }
    }

    /// Waits until it would not be let through any more, and says why.
    pub(crate) async fn over(self) -> Refusal {
        loop {
            sleep(EVERY).await;
            if let Err(refusal) = self.holds().await {
                return refusal;
            }
        }
    }

    async fn holds(&self) -> Result<(), Refusal> {
        let shared = &self.worker.shared;
        let identity = shared.who(&self.shown).await?.ok_or(Refusal::SignedOut)?;
        if identity.account != self.account || identity.tenant != self.tenant {
            return Err(Refusal::SignedOut);
        }
        shared.may(&identity, &self.method, self.uri.path())
    }
}
