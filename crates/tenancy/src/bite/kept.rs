//! The right to write where the server keeps what a binding says, as a violation of its own: it
//! holds in every database of a server, so nobody who has business there may ever be given it.

use std::collections::HashSet;

use kernel::{Clock, Rng, Secret, random_hex};
use store::{Db, Protected, ident};

use super::{Bites, Violation};
use crate::attack::{self, SESSION};
use crate::form::{self, Form, PARAMETER};
use crate::{BindingKey, Result, sql};

/// What the violation is called.
const NAME: &str = "a login that may write what is kept of a binding";
/// Logins of a bite are recognised by this, so that those of a run that was killed can be dropped.
const PREFIX: &str = "amanah_bite_";
/// A setting has one row for all roles of the server, and two who change it at one time fail.
const ONE_AT_A_TIME: &str = "LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE";
/// Connections of the attacker.
const SIZE: usize = 4;

/// Lets a login that is made for it, with the application's rights besides, write there, and runs
/// the battery as that login. Where the binding is verified at each statement nothing is kept, and
/// without a superuser nobody could be given the right.
///
/// # Errors
/// When the login cannot be made or dropped, or the battery cannot be run.
pub(super) async fn bite(
    (sandbox, key, clock, rng): (&Protected, &BindingKey, &dyn Clock, &dyn Rng),
    label: &str,
    before: &HashSet<String>,
    bites: &mut Bites,
) -> Result<()> {
    let Some(superuser) = &sandbox.superuser else {
        return Ok(());
    };
    let tx = sandbox.owner.operator().await?;
    let form = form::installed(&tx, &sandbox.app_role).await?;
    tx.rollback().await?;
    if form != Some(Form::VerifyOnce) {
        return Ok(());
    }
    bites.seeded += 1;
    let random = |bytes| random_hex(rng, bytes).map_err(store::Error::from);
    let (role, password) = (format!("{PREFIX}{}", random(6)?), Secret::new(random(24)?));
    drop_expired(superuser).await?;
    superuser.ensure_login(&role, &password).await?;
    let report = async {
        superuser.grant_role(&sandbox.app_role, &role).await?;
        let tx = superuser.operator().await?;
        let grant = format!("GRANT SET ON PARAMETER {PARAMETER} TO {}", ident(&role));
        tx.batch(&format!("{ONE_AT_A_TIME}; {grant}; {}", ending(&role))).await?;
        tx.commit().await?;
        let url = sandbox.intruder.url().login(&role, Some(password));
        let attacker = Protected { intruder: Db::lazy(&url, SIZE)?, ..sandbox.clone() };
        let report = attack::run(&attacker, key, clock, Some(label)).await;
        attacker.intruder.close();
        report
    };
    let report = report.await;
    // Dropped whatever came of it.
    remove(superuser, &role).await?;
    let made = Violation::new(NAME, SESSION.to_owned(), Vec::new(), Vec::new());
    match (Violation { told: "(forge-kept: ", ..made }).given_away(report?, before) {
        Some(finding) => bites.found.push(finding),
        None => bites.missed.push(NAME.to_owned()),
    }
    Ok(())
}

/// Its password ends by itself after ten minutes; after that the login is anybody's to drop.
fn ending(role: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE pg_catalog.format('ALTER ROLE %I VALID UNTIL %L', {}, \
         pg_catalog.now() OPERATOR(pg_catalog.+) '10 minutes'::pg_catalog.interval); END $$",
        store::literal(role)
    )
}

async fn remove(superuser: &Db, role: &str) -> Result<()> {
    let role = ident(role);
    let tx = superuser.operator().await?;
    tx.batch(&format!(
        "{ONE_AT_A_TIME}; REVOKE SET ON PARAMETER {PARAMETER} FROM {role}; DROP ROLE {role}"
    ))
    .await?;
    Ok(tx.commit().await?)
}

async fn drop_expired(superuser: &Db) -> Result<()> {
    let tx = superuser.operator().await?;
    let expired = tx.query(sql::EXPIRED_BITES, &[&PREFIX]).await?;
    tx.rollback().await?;
    for row in expired {
        remove(superuser, row.get(0)).await?;
    }
    Ok(())
}
