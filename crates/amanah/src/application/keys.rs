//! The sample application's keys: one of its own for each tenant, a client with a token, and the
//! tokens of its suppliers in its seed, sealed.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::Context;
use kernel::{Rng, Secret, TenantId, random_hex};
use keys::{
    Error, KeyName, KeyRef, Keys, Kind, NewClient, Operation, Plain, Purpose, Reach, Spec,
    Strongbox,
};
use store::Tx;

/// The key's name, as `demo/src/keys.rs` has it.
const KEY: &str = "supplier-tokens";
/// What the client is called.
const CLIENT: &str = "demo";
/// Where its token is kept for the next start.
const KEPT: &str = "demo/keys-client";
/// The column, unless the database was made by an earlier version.
const COLUMN: &str =
    "SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'public'
     AND table_name = 'suppliers' AND column_name = 'api_token')";
const SUPPLIERS: &str = "SELECT tenant_id::text, id::text FROM public.suppliers ORDER BY 1, 2";
const SET: &str = "UPDATE public.suppliers SET api_token = $3
     WHERE tenant_id = $1::text::uuid AND id = $2::text::uuid";

/// How the sample application reaches its keys.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) url: String,
    pub(crate) token: Secret,
}

/// Admits the sample application, or finds the token of last time while that is good.
pub(crate) async fn admit(
    keys: &Keys,
    strongbox: &Strongbox,
    address: SocketAddr,
) -> anyhow::Result<Access> {
    let url = format!("http://{address}");
    if let Some(token) = strongbox.get(KEPT, None).await?
        && keys.client(&token).is_some()
    {
        return Ok(Access { url, token });
    }
    let client = NewClient {
        name: CLIENT.to_owned(),
        keys: vec![KEY.to_owned()],
        operations: BTreeSet::from([Operation::Encrypt, Operation::Decrypt]),
        reach: Reach::All,
        databases: BTreeSet::new(),
        expires_at: None,
    };
    let token = keys.admit(client).await?;
    strongbox.put(KEPT, None, &token).await?;
    Ok(Access { url, token })
}

/// Makes the house's key, after which the tenants' are made, and those of `tenants`.
pub(crate) async fn prepare(keys: &Keys, tenants: &[&str]) -> anyhow::Result<()> {
    let spec = Spec { kind: Kind::Aes256Gcm, purpose: Purpose::Fields, needs_context: true };
    match keys.create(&key(None)?, &spec).await {
        Ok(_) | Err(Error::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for tenant in tenants {
        match keys.ensure(&key(Some(tenant))?).await {
            // A tenant whose keys were destroyed never gets new ones.
            Ok(()) | Err(Error::Shredded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives each supplier of the seed a made-up token, as the application would seal it.
pub(crate) async fn seal_seed(keys: &Keys, tx: &Tx, rng: &dyn Rng) -> anyhow::Result<()> {
    for row in tx.query(SUPPLIERS, &[]).await? {
        let (tenant, supplier): (String, String) = (row.get(0), row.get(1));
        let token = Secret::new(format!("sup_{}", random_hex(rng, 16)?));
        let context = format!("suppliers.api_token/{supplier}");
        let text = Plain { text: token.expose().as_bytes(), context: context.as_bytes() };
        let sealed = keys.encrypt(&key(Some(&tenant))?, &[text])?;
        let sealed = sealed.first().context("nothing was encrypted")?.text();
        tx.execute(SET, &[&tenant, &supplier, &sealed]).await?;
    }
    Ok(())
}

/// Whether the database was made by an earlier version, before suppliers had tokens.
pub(crate) async fn is_old(tx: &Tx) -> anyhow::Result<bool> {
    Ok(!tx.query_one(COLUMN, &[]).await?.get::<_, bool>(0))
}

fn key(tenant: Option<&str>) -> anyhow::Result<KeyRef> {
    let tenant = tenant.map(TenantId::new).transpose()?;
    Ok(KeyRef { tenant, name: KeyName::new(KEY)? })
}
