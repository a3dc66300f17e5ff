//! A listener of its own for the attacks on tenants' files: the same routes, the same keys, and
//! clients that reach the synthetic tenants alone.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use gateway::{Private, PrivateSettings};
use kernel::{Cx, Fut, Secret, TenantFiles, TenantId};
use keys::{Keys, NewClient, Operation, Reach, Strongbox};
use tenancy::{Door, Doors};
use tokio::sync::oneshot;

/// What the clients are called, and where their tokens are kept for the next time: of the attacker,
/// of the attacked, and of an attacker who reaches both, for the bite.
const CLIENTS: [&str; 3] = ["proof-files-a", "proof-files-b", "proof-files-both"];

/// Opens doors to stores of files.
pub(crate) struct FileDoors {
    pub(crate) keys: Keys,
    pub(crate) strongbox: Strongbox,
    pub(crate) cx: Cx,
}

impl Doors for FileDoors {
    fn open<'a>(
        &'a self,
        files: Arc<dyn TenantFiles>,
        tenants: [&'a TenantId; 2],
        loose: bool,
    ) -> Fut<'a, Result<Door, String>> {
        Box::pin(async move {
            let opened = self.serve(files, tenants, loose).await;
            opened.map_err(|error| crate::out::words(&error))
        })
    }
}

impl FileDoors {
    async fn serve(
        &self,
        files: Arc<dyn TenantFiles>,
        [a, b]: [&TenantId; 2],
        loose: bool,
    ) -> anyhow::Result<Door> {
        let [first, second, both] = CLIENTS;
        let attacker =
            if loose { self.token(both, &[a, b]).await? } else { self.token(first, &[a]).await? };
        let tokens = [attacker, self.token(second, &[b]).await?];
        let (clock, rng) = (Arc::clone(&self.cx.clock), Arc::clone(&self.cx.rng));
        let router = console::tenants::files::router(self.keys.clone(), clock, rng, files);
        let settings = PrivateSettings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let private = Private::bind(settings, router).await.context("the scratch listener")?;
        let address = private.local_addr();
        let (guard, dropped) = oneshot::channel::<()>();
        tokio::spawn(private.run(async {
            // It comes when the door is dropped, as an error.
            let _ = dropped.await;
        }));
        Ok(Door { address, tokens, guard: Box::new(guard) })
    }

    /// The token of last time while it is good, or a fresh one.
    async fn token(&self, name: &str, tenants: &[&TenantId]) -> anyhow::Result<Secret> {
        let kept = format!("proof/{name}");
        if let Some(token) = self.strongbox.get(&kept, None).await?
            && self.keys.client(&token).is_some()
        {
            return Ok(token);
        }
        let client = NewClient {
            name: name.to_owned(),
            keys: Vec::new(),
            operations: BTreeSet::from([Operation::ReadFiles, Operation::WriteFiles]),
            reach: Reach::Tenants(tenants.iter().map(|tenant| (*tenant).clone()).collect()),
            databases: [].into(),
            expires_at: None,
        };
        let token = self.keys.admit(client).await?;
        self.strongbox.put(&kept, None, &token).await?;
        Ok(token)
    }
}
