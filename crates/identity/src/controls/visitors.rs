//! Synthetic people who sign in for the proofs about sessions, and are removed afterwards.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, NoStandings, Rng, Secret, Standings, TenantId, random_hex};
use store::Db;

use crate::signing::memory::MemoryKeys;
use crate::{Email, Error, Identities, NewAccount, Pool, Result, sql};

/// Their addresses, in a domain that cannot exist (RFC 2606), as a pattern of SQL.
const PATTERN: &str = "session-%@amanah.invalid";
/// Their tenant: no customer has it. It is written out, as in the statements that leave it out; a test looks
/// whether it is one of [`kernel::SYNTHETIC_TENANTS`].
pub(crate) const TENANT: &str = "amanah-canary-sessions";
/// How the tenants begin that are shut out, each by one attack.
pub(crate) const SHUT: &str = "amanah-canary-suspended-";
/// One that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Somebody who can sign in.
pub(crate) struct Visitor {
    pub(crate) account: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
}

/// Makes one.
pub(crate) async fn make(identities: &Identities, tenant: &str) -> Result<Visitor> {
    let rng = identities.rng();
    let email = format!("session-{}@amanah.invalid", random_hex(rng, 8)?);
    let password = Secret::new(random_hex(rng, 20)?);
    let account = identities
        .create_synthetic(&NewAccount {
            email: Email::new(&email)?,
            name: "Canary".to_owned(),
            tenant: tenant_id(tenant)?,
            password: password.clone(),
        })
        .await?;
    Ok(Visitor { account, email, password })
}

/// Removes these, with their sessions, and what a run that was killed left behind.
pub(crate) async fn remove(owner: &Db, visitors: &[Visitor], now: Timestamp) -> Result<()> {
    let names: Vec<&str> = visitors.iter().map(|one| one.email.as_str()).collect();
    let old = now.saturating_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
    let tx = owner.operator().await?;
    tx.execute(sql::REMOVE_CANARIES, &[&names, &PATTERN, &old]).await?;
    tx.execute(sql::REMOVE_SHUT, &[&SHUT]).await?;
    Ok(tx.commit().await?)
}

pub(crate) fn tenant_id(text: &str) -> Result<TenantId> {
    TenantId::new(text).map_err(|e| Error::Field { field: "tenant", why: e.to_string() })
}

/// In whose name a service of its own gives out tokens.
const ISSUER: &str = "amanah:sandbox";

/// A service of its own over `db`, with a memory and a key for tokens of its own, as another process
/// has. Nobody's roles ask for anything.
pub(crate) fn service(db: &Db, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Result<Identities> {
    service_with(db, (clock, rng), Arc::new(NoStandings))
}

/// The same, where `standings` say what they ask for.
pub(crate) fn service_with(
    db: &Db,
    (clock, rng): (&Arc<dyn Clock>, &Arc<dyn Rng>),
    standings: Arc<dyn Standings>,
) -> Result<Identities> {
    let keys = MemoryKeys::default();
    keys.rotate(&**rng, clock.now()).map_err(Error::Signing)?;
    let (clock, rng) = (Arc::clone(clock), Arc::clone(rng));
    let service = Identities::new(db.clone(), clock, rng, Pool::default(), standings)?;
    Ok(service.with_tokens(Arc::new(keys), ISSUER.to_owned()))
}
