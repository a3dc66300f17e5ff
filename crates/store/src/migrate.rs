//! Migrations: each room brings its own, in order; an applied one never changes.

use sha2::{Digest, Sha256};

use crate::{Db, Error, OperatorTx, Result};

/// A room's migrations.
#[derive(Debug)]
pub struct Room {
    /// The crate's name, which is also the name of its schema where it has one.
    pub name: &'static str,
    /// In the order in which they are applied.
    pub migrations: &'static [Migration],
}

/// One migration.
#[derive(Debug)]
pub struct Migration {
    /// The file's name without its ending: `0001_evidence`.
    pub name: &'static str,
    /// Its text. It opens with three comment lines: why, lock taken, how to undo.
    pub sql: &'static str,
}

/// Two installers at once would race; the number is the ASCII of "amanah".
const LOCK: i64 = 0x616d_616e_6168;

/// Group roles are cluster-wide, so another database may have made them already, perhaps at this
/// very moment.
const GROUPS: &str = "
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['amanah_engine', 'amanah_admin', 'amanah_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$";

impl Db {
    /// Makes the group roles that rooms grant rights to: `amanah_engine`, `amanah_admin` and
    /// `amanah_auditor`. [`migrate`] does so too; this is for a login that may make roles, on
    /// behalf of an owner who may not.
    ///
    /// # Errors
    /// When one is missing and this login may not make roles.
    pub async fn ensure_groups(&self) -> Result<()> {
        let tx = self.operator().await?;
        tx.batch(GROUPS).await?;
        tx.commit().await
    }
}

/// Refuses a schema `amanah_guard` that was prepared by somebody else than the superuser.
const OWN_GUARD: &str = "
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace n
                WHERE n.nspname = 'amanah_guard' AND n.nspowner <> current_user::regrole)
       OR EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relnamespace = 'amanah_guard'::regnamespace
                     AND (c.relowner <> current_user::regrole OR c.relhastriggers OR c.relhasrules
                          OR c.relname = 'migration' AND c.relkind <> 'r'))
    THEN
        RAISE EXCEPTION 'schema amanah_guard was made by somebody else than the superuser'
            USING HINT = 'Drop it, and look for who made it.';
    END IF;
END $$";

/// Where migrations are noted: table `migration` in the schema of this name.
#[derive(Debug, Clone, Copy)]
struct Ledger(&'static str);

/// The usual place.
const USUAL: Ledger = Ledger("amanah");
/// For the migrations of a superuser, a schema of its own. The usual one belongs to the database's
/// owner, who could have put a view or a trigger there that runs as superuser.
const GUARD: Ledger = Ledger("amanah_guard");

/// Applies what is missing of `rooms` as a superuser in somebody else's database.
///
/// # Errors
/// As [`migrate`], and when the superuser's own schema there was made by somebody else.
pub async fn migrate_privileged(db: &Db, rooms: &[&Room]) -> Result<usize> {
    let tx = locked(db).await?;
    GUARD.make(&tx).await?;
    tx.batch(OWN_GUARD).await?;
    tx.commit().await?;
    run(db, rooms, GUARD).await
}

/// Applies what is missing of `rooms`, in their order, each migration in a transaction of its own.
/// Returns how many were applied.
///
/// # Errors
/// When an applied migration has changed or is unknown here, and when one fails; it is rolled back
/// then, and those before it stay.
pub async fn migrate(db: &Db, rooms: &[&Room]) -> Result<usize> {
    let tx = locked(db).await?;
    tx.batch(GROUPS).await?;
    USUAL.make(&tx).await?;
    tx.commit().await?;
    run(db, rooms, USUAL).await
}

async fn run(db: &Db, rooms: &[&Room], ledger: Ledger) -> Result<usize> {
    let mut applied = 0;
    for room in rooms {
        let tx = locked(db).await?;
        let known = ledger.known(&tx, room).await?;
        tx.rollback().await?;
        for migration in room.migrations.iter().skip(known) {
            ledger.apply(db, room, migration).await?;
            applied += 1;
        }
    }
    Ok(applied)
}

async fn locked(db: &Db) -> Result<OperatorTx> {
    let tx = db.operator().await?;
    tx.execute("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    Ok(tx)
}

impl Ledger {
    /// Makes the schema and the table, if they are missing.
    async fn make(self, tx: &OperatorTx) -> Result<()> {
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS {0};
             CREATE TABLE IF NOT EXISTS {0}.migration (
                 room       text        NOT NULL,
                 name       text        NOT NULL,
                 sha256     bytea       NOT NULL,
                 applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                 PRIMARY KEY (room, name)
             )",
            self.0
        );
        tx.batch(&sql).await
    }

    /// How many of the room's migrations are applied, after checking that they are the same ones.
    async fn known(self, tx: &OperatorTx, room: &Room) -> Result<usize> {
        let sql =
            format!("SELECT name, sha256 FROM {}.migration WHERE room = $1 ORDER BY name", self.0);
        let rows = tx.query(&sql, &[&room.name]).await?;
        for (n, row) in rows.iter().enumerate() {
            let (name, sha256): (String, Vec<u8>) = (row.get(0), row.get(1));
            let wrong = |why| Error::Migration { room: room.name, migration: name.clone(), why };
            let here =
                room.migrations.get(n).ok_or_else(|| wrong("is not known to this version"))?;
            if here.name != name {
                return Err(wrong("is not known to this version"));
            }
            if digest(here) != sha256 {
                return Err(wrong("has changed since it was applied"));
            }
        }
        Ok(rows.len())
    }

    async fn apply(self, db: &Db, room: &Room, migration: &Migration) -> Result<()> {
        let tx = locked(db).await?;
        // Somebody else may have been faster.
        let sql = format!("SELECT FROM {}.migration WHERE room = $1 AND name = $2", self.0);
        if tx.query_opt(&sql, &[&room.name, &migration.name]).await?.is_some() {
            return tx.rollback().await;
        }
        tx.batch(migration.sql).await?;
        let sql =
            format!("INSERT INTO {}.migration (room, name, sha256) VALUES ($1, $2, $3)", self.0);
        tx.execute(&sql, &[&room.name, &migration.name, &digest(migration)]).await?;
        tx.commit().await
    }
}

fn digest(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql.as_bytes()).to_vec()
}
