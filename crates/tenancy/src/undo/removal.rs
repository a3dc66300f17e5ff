//! Removes what was installed: these objects and no others. Whatever somebody else has put beside them
//! or hung on them is named, and everything stays.

use store::{Belongings, Tx};

use crate::{Error, Result};

/// Where the migrations are noted, which stays while one of them does.
const LEDGER: &str = "migration";

/// What this room installs.
pub(super) const OWN: Belongings = Belongings {
    schema: "amanah",
    objects: &[
        ("FUNCTION", "bind(text)"),
        ("FUNCTION", "current_tenant()"),
        ("FUNCTION", "current_actor()"),
        ("FUNCTION", "may_write()"),
        ("FUNCTION", "reading_tenant()"),
        ("FUNCTION", "writing_tenant()"),
        ("FUNCTION", "binding()"),
        ("FUNCTION", "open_token(text)"),
        ("TABLE", "binding_key"),
        ("TABLE", "reviewed"),
        ("TABLE", "journal"),
        ("TABLE", LEDGER),
    ],
};

/// What a superuser installs beside it. Its event triggers go before.
pub(super) const GUARD: Belongings = Belongings {
    schema: "amanah_guard",
    objects: &[
        ("FUNCTION", "after_ddl()"),
        ("FUNCTION", "after_drop()"),
        ("FUNCTION", "look_at(text, oid)"),
        ("FUNCTION", "look_at_table(text, oid)"),
        ("FUNCTION", "protect(text, oid, text, text, text)"),
        ("FUNCTION", "by_parents(oid)"),
        ("FUNCTION", "reads_tenants(oid)"),
        ("FUNCTION", "open_rights(oid)"),
        ("FUNCTION", "refuse(text, text, text)"),
        ("FUNCTION", "lets_through()"),
        ("TABLE", "isolation"),
        ("TABLE", "admitted"),
        ("TABLE", "journal"),
        ("TABLE", LEDGER),
    ],
};

/// Refuses when something of somebody else's is there or hangs on it.
pub(super) async fn alone(tx: &Tx, belongings: &Belongings) -> Result<()> {
    let others = belongings.others(tx, &[]).await?;
    if others.is_empty() { Ok(()) } else { Err(Error::Hanging(others.join("; "))) }
}

/// Removes what this room has installed. Of the migrations, those of the kept rooms stay noted.
pub(super) async fn remove(tx: &Tx, kept_rooms: &[&str]) -> Result<()> {
    alone(tx, &OWN).await?;
    let there = "SELECT FROM pg_catalog.pg_class c \
                 WHERE c.oid = pg_catalog.to_regclass('amanah.migration')";
    if tx.query_opt(there, &[]).await?.is_none() {
        return Ok(());
    }
    tx.execute("DELETE FROM amanah.migration WHERE room <> ALL ($1)", &[&kept_rooms]).await?;
    if tx.query_opt("SELECT FROM amanah.migration LIMIT 1", &[]).await?.is_none() {
        return Ok(tx.batch(&OWN.removal(&[])).await?);
    }
    tx.batch(&OWN.removal(&[LEDGER])).await?;
    Ok(tx.batch("REVOKE USAGE ON SCHEMA amanah FROM PUBLIC").await?)
}
