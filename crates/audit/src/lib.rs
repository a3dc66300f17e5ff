//! The audit trail: who changed what, when, from what to what, in a table that nobody edits.
//!
//! It promises that each INSERT, UPDATE, DELETE and TRUNCATE on a tracked table leaves its row in
//! `audit.system_audit_logs` or does not happen; that the actor and the tenant in it come from the
//! verified binding and never from a setting; and that no role of the application, of an
//! administrator, of an auditor or of the owner changes what was recorded. These promises are
//! attacked by the controls in `controls/`.
//!
//! The attack it stops: somebody with an application's or an owner's login does something and
//! removes the trace, or switches the recording off first.
//!
//! It does not stop a superuser, who can disable every trigger. What he changes after it was sealed
//! (`seal/`) is found by whoever verifies (`verify/`), against what a witness has seen (`handover/`); and
//! what he writes without a record is found in PostgreSQL's write-ahead log (`wal/`).
//! What a person asks to be erased goes, and its proofs stay (`erasing/`).
//! Where no superuser can install the [`GUARD`], the owner of the tables can switch recording off,
//! and `audit.append-only` says so as failing.

pub mod archive;
mod asked;
mod attack;
mod canary;
pub mod controls;
mod encoding;
mod encrypted;
pub mod erasing;
mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod handover;
mod inspect;
mod leaf;
mod month;
pub mod offsite;
pub mod reading;
mod rehearsal;
pub mod retention;
pub mod review;
mod row;
pub mod seal;
mod sql;
#[cfg(test)]
mod tests;
mod track;
mod undo;
pub mod verify;
pub mod wal;

use store::{Migration, Room};

pub use controls::{Binders, Critical, Reviewed, SealedLog, Watched, Whole, controls};
pub use encoding::{Content, Documents, Fields};
pub use encrypted::{ColumnKeys, Shown, encrypts};
pub use error::{Error, Result};
pub use leaf::{EpochLeaf, ErasureLeaf, Leaf, RowLeaf};
pub use row::{TrailRow, make_partitions};
pub use track::{Step, apply, approve, plan};
pub use undo::{has_trail, others, removal};

const FIRST_SQL: &str = include_str!("../sql/0001_trail.sql");
const TRAIL_SQL: &str = include_str!("../sql/0003_trail.sql");
const KEEPER_SQL: &str = include_str!("../sql/0003_keeper.sql");
const REFUSALS_SQL: &str = include_str!("../sql/0003_refusals.sql");
const READING_SQL: &str = include_str!("../sql/0003_reading.sql");
const ERASING_SQL: &str = include_str!("../sql/0004_erasing.sql");
const CIPHER_SQL: &str = include_str!("../sql/0006_cipher.sql");
/// Columns that are encrypted in the trail, whoever keeps it.
const ENCRYPTED_SQL: &str =
    concat!(include_str!("../sql/0006_cipher.sql"), include_str!("../sql/0006_encrypted.sql"));
const DDL_GUARD_SQL: &str = include_str!("../sql/0003_guard.sql");
const RETENTION_SQL: &str = include_str!("../sql/0005_retention.sql");
const REMOVE_MONTH_SQL: &str = include_str!("../sql/0007_remove_month.sql");
/// The owner makes its trail anew, if it has one: where a superuser keeps it, that is the guard's.
const PARTITIONS_SQL: &str = concat!(
    "-- Why: the trail that the owner keeps gets the form of 0003_trail.sql, with its rows.\n",
    "-- Lock: that of 0003_aside.sql.\n",
    "-- Undo: none; 0003_rows.sql drops the former table once its rows are in the new one.\n",
    "DO $owner$ BEGIN IF pg_catalog.pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n\n",
    "    WHERE n.nspname OPERATOR(pg_catalog.=) 'audit'), 'USAGE') THEN EXECUTE $form$\n",
    include_str!("../sql/0003_aside.sql"),
    include_str!("../sql/0003_trail.sql"),
    include_str!("../sql/0003_rows.sql"),
    "$form$; END IF; END $owner$;\n",
);
/// The same for what the owner keeps.
const OWN_ENCRYPTED_SQL: &str = concat!(
    "-- Why: the trail that the owner keeps gets what 0006_encrypted.sql makes.\n",
    "-- Lock: none that anybody waits for.\n",
    "-- Undo: that of 0006_encrypted.sql.\n",
    "DO $owner$ BEGIN IF pg_catalog.pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n\n",
    "    WHERE n.nspname OPERATOR(pg_catalog.=) 'audit'), 'USAGE') THEN EXECUTE $form$\n",
    include_str!("../sql/0006_cipher.sql"),
    include_str!("../sql/0006_encrypted.sql"),
    "$form$; END IF; END $owner$;\n",
);
/// A superuser takes nothing over: it makes the trail anew from our own text.
const GUARD_SQL: &str = concat!(
    include_str!("../sql/0003_aside.sql"),
    include_str!("../sql/0003_trail.sql"),
    include_str!("../sql/0003_rows.sql"),
    include_str!("../sql/0003_keeper.sql"),
    include_str!("../sql/0003_refusals.sql"),
    include_str!("../sql/0003_reading.sql"),
    include_str!("../sql/0003_guard.sql"),
);

/// The trail. Installed in each protected database by its owner, after the room `tenancy`.
pub static ROOM: Room = Room {
    name: "audit",
    migrations: &[
        Migration { name: "0001_trail", sql: FIRST_SQL },
        Migration { name: "0003_partitions", sql: PARTITIONS_SQL },
        Migration { name: "0006_encrypted", sql: OWN_ENCRYPTED_SQL },
    ],
};

/// The guard over the trail. Installed by a superuser with [`store::migrate_privileged`], after
/// [`ROOM`], where there is one; the owner of the database must not hold `CREATEROLE` then. The
/// rows that were recorded before are kept; of everything else there, nothing is. It takes the place
/// of the room `audit_keeper`, which guarded the first form of the trail.
pub static GUARD: Room = Room {
    name: "audit_guard",
    migrations: &[
        Migration { name: "0003_guard", sql: GUARD_SQL },
        Migration { name: "0004_erasing", sql: ERASING_SQL },
        Migration { name: "0005_retention", sql: RETENTION_SQL },
        Migration { name: "0006_encrypted", sql: ENCRYPTED_SQL },
        Migration { name: "0007_remove_month", sql: REMOVE_MONTH_SQL },
    ],
};

/// What the [erasures](erasing) keep in the control database.
pub static ERASING_ROOM: Room = Room {
    name: "erasing",
    migrations: &[Migration { name: "0001_erasing", sql: include_str!("../sql/0001_erasing.sql") }],
};

/// What the [comparison](wal) keeps in the control database.
pub static COMPARED_ROOM: Room = Room {
    name: "compared",
    migrations: &[Migration {
        name: "0001_compared",
        sql: include_str!("../sql/0001_compared.sql"),
    }],
};
