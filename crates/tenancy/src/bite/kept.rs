//! Ways to write where the server keeps what a binding says. The right itself is one in every database
//! of the server, so it is given to nobody but in a transaction that is undone: no proof can meet it, in
//! this process or another, and none has to look away.

use std::collections::HashSet;

use kernel::{Clock, Rng, random_hex};
use store::{Db, Protected, ident};

use super::{Bites, Violation, all};
use crate::attack::{self, SESSION};
use crate::form::{self, Form, PARAMETER};
use crate::{BindingKey, Result};

/// What the right, given to a login, is called.
const GIVEN: &str = "a login that may write what is kept of a binding";
/// What the owner's right, handed on, is called.
const HANDED_ON: &str = "a function that writes what is kept of a binding for whoever asks";
/// Where that function is, before the server's own of that name.
const SCHEMA: &str = "amanah_probe_kept_by";
/// Connections of the attacker.
const SIZE: usize = 4;

/// Seeds them one at a time. Where the binding is verified at each statement nothing is kept.
///
/// # Errors
/// When the sandbox does not answer.
pub(super) async fn bite(
    (sandbox, key, clock, rng): (&Protected, &BindingKey, &dyn Clock, &dyn Rng),
    label: &str,
    before: &HashSet<String>,
    bites: &mut Bites,
) -> Result<()> {
    let tx = sandbox.owner.operator().await?;
    let form = form::installed(&tx, &sandbox.app_role).await?;
    tx.rollback().await?;
    if form != Some(Form::VerifyOnce) {
        return Ok(());
    }
    handed_on((sandbox, key, clock), label, before, bites).await?;
    if let Some(superuser) = &sandbox.superuser {
        let random = random_hex(rng, 6).map_err(store::Error::from)?;
        given(superuser, &sandbox.app_role, &format!("amanah_probe_{random}"), bites).await?;
    }
    Ok(())
}

/// The owner's functions may write there, and this one does for everybody. Sessions that begin in the
/// sandbox from then on mean it by the name of the server's own.
async fn handed_on(
    (sandbox, key, clock): (&Protected, &BindingKey, &dyn Clock),
    label: &str,
    before: &HashSet<String>,
    bites: &mut Bites,
) -> Result<()> {
    let (name, app) = (ident(&sandbox.name), ident(&sandbox.app_role));
    let seed = format!(
        "CREATE SCHEMA {SCHEMA}; GRANT USAGE ON SCHEMA {SCHEMA} TO {app}; \
         CREATE FUNCTION {SCHEMA}.set_config(text, text, boolean) RETURNS text LANGUAGE sql \
         SECURITY DEFINER AS 'SELECT pg_catalog.set_config($1, $2, $3)'; \
         ALTER DATABASE {name} SET search_path = {SCHEMA}, pg_catalog, public"
    );
    let undo = format!("ALTER DATABASE {name} RESET search_path; DROP SCHEMA {SCHEMA} CASCADE");
    bites.seeded += 1;
    if let Err(error) = all(&sandbox.owner, &[seed]).await {
        bites.missed.push(format!("{HANDED_ON} (it could not be seeded: {error})"));
        return Ok(());
    }
    let intruder = Db::lazy(sandbox.intruder.url(), SIZE)?;
    let attacker = Protected { intruder, ..sandbox.clone() };
    let made = Violation::new(HANDED_ON, SESSION.to_owned(), Vec::new(), Vec::new());
    let violation = Violation { told: "(forge-kept: ", ..made };
    let found = violation.hunted((&attacker, key, clock), label, before).await;
    attacker.intruder.close();
    all(&sandbox.owner, &[undo]).await?;
    match found? {
        Some(finding) => bites.found.push(finding),
        None => bites.missed.push(HANDED_ON.to_owned()),
    }
    Ok(())
}

/// Gives the right to a login that is made for it, with the application's rights besides, looks who has
/// it, and undoes all of that. Only a superuser could give it.
async fn given(superuser: &Db, app: &str, role: &str, bites: &mut Bites) -> Result<()> {
    let tx = superuser.operator().await?;
    let (login, group) = (ident(role), ident(app));
    let seed = format!(
        "{}; CREATE ROLE {login} LOGIN; GRANT {group} TO {login}; \
         GRANT SET ON PARAMETER {PARAMETER} TO {login}",
        form::ONE_AT_A_TIME
    );
    bites.seeded += 1;
    if let Err(error) = tx.batch(&seed).await {
        tx.rollback().await?;
        bites.missed.push(format!("{GIVEN} (it could not be seeded: {error})"));
        return Ok(());
    }
    let found = attack::who_writes(&tx, app).await?;
    tx.rollback().await?;
    match found.into_iter().find(|finding| finding.what.contains(role)) {
        Some(finding) => bites.found.push(finding),
        None => bites.missed.push(GIVEN.to_owned()),
    }
    Ok(())
}
