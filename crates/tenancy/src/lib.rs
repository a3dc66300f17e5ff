//! Keeps what belongs to one tenant away from every other, and attacks that separation on a schedule.
//!
//! It promises five things, each of which is a claim that one synthetic tenant proves by going for what
//! is another's:
//!
//! - `isolation.rows`: in a database that [`apply`] has protected, the application's role sees and
//!   changes the rows of the tenant that its transaction is bound to, and of no other. The binding is a
//!   signed [token](BindingKey) that the application cannot make: one injected statement, which can
//!   change any setting, cannot change the tenant. Without a binding there are no rows; with a forged,
//!   changed or expired one there is an error.
//! - `isolation.database`: a tenant's own database in a [`Fleet`] is entered by that tenant's logins, by
//!   the owner of the tables and by superusers alone.
//! - `isolation.cache` and `isolation.channels`: a tenant's logins on [`Redis`] reach the keys, and the
//!   channels, of one prefix and nothing else.
//! - `isolation.files`: what lies in the store of [`Files`] is found under its own tenant alone, and
//!   opens with that tenant's keys alone.
//!
//! Where `Fleet`, `Redis` and `Files` are defined, more is said of what each promises. [`Life`] takes a
//! tenant through all of them in one order.
//!
//! It does not promise anything against superusers and the owner of the tables, nor that
//! nothing can be learned from the side: how many rows all tenants have together, whether a
//! guessed primary key is taken, how busy a server is, how long an answer takes. Injected SQL still has
//! all of its own tenant. It runs on PostgreSQL 15.19, 16.15, 17.11, 18.5 and newer, without an extension
//! and without a superuser; what only a superuser can close in a shared database is listed in the
//! [plan](Plan).
//!
//! The attacks that it stops: a request of one customer that reaches what is another customer's, by a
//! forgotten `WHERE` or prefix, by injected SQL, through a view, a function or a foreign key, with a
//! wrong address or pool, or by a name that was guessed or climbs out of its folder.

mod apply;
mod attack;
mod binder;
mod bite;
mod canary;
mod census;
mod controls;
mod error;
mod files;
mod fleet;
mod form;
mod guard;
mod life;
mod lint;
mod passing;
mod plan;
mod redis;
mod register;
mod report;
mod sql;
mod token;
mod undo;

pub use apply::{Applied, apply, install};
pub use binder::{
    CurrentKey, KnownKey, TenantBinder, end_key, forget_keys, install_key, known_keys,
};
pub use canary::{Canaries, canary_ids, ensure_canaries};
pub use census::{Belongs, Census, Held, Link};
pub use controls::{Caches, FileGuard, Guarded, controls};
pub use error::{Error, Result};
pub use files::{
    Door, Doors, ErasedFiles, FileSettings, FileShelf, Files, Resealed, StandingFiles, Strays,
    Struck, Usage, Walk,
};
pub use fleet::archive;
pub use fleet::{
    Added, Answer, Campaign, CellCard, CellState, Done, Elsewhere, Erasing, Erasure, Exporting,
    Fleet, HOME, Imported, ImportedRows, KnownLoss, Lease, Logins, Loss, LostCell, MAX_LEASE,
    MemoryVault, Moved, Open, Place, Progress, Reach, Remnant, RowErasing, Script, Settings, Stage,
    State, Tally, Tenant, Vault, is_canary,
};
pub use fleet::{
    Certificate, Closing, Erased, Gone, GoneKey, GonePart, GoneRows, MAX_CERTIFICATE_BYTES, Sign,
    Signature, Signed,
};
pub use form::{Choice, Form, choose};
pub use life::{Life, Turned};
pub use lint::{Lint, Linted, RULES, Rule, Severity, Who, lint, sarif};
pub use plan::{Advice, Plan, Sheet, Step, plan, plan_beside};
pub use redis::{
    CacheLease, Cleared, Existing, Hearer, Redis, RedisSettings, SILENCE, Server, ServerSettings,
    Teller, UrlError,
};
pub use register::{Register, Stranger, strangers};
pub use token::{BindingKey, Claims, KeyError};
pub use undo::{Farewell, Undoing, drop_roles, note_role, remove_canaries, undo, undo_plan};

/// What this room installs in every protected database, as the owner of its tables.
pub static ROOM: store::Room = store::Room {
    name: "tenancy",
    migrations: &[
        store::Migration { name: "0001_binding", sql: include_str!("../sql/0001_binding.sql") },
        store::Migration { name: "0002_portable", sql: form::PORTABLE },
        store::Migration { name: "0003_journal", sql: include_str!("../sql/0003_journal.sql") },
        store::Migration { name: "0004_reviewed", sql: include_str!("../sql/0004_reviewed.sql") },
    ],
};

/// What a superuser installs beside it with [`store::migrate_privileged`], where there is one.
pub static GUARD: store::Room = store::Room {
    name: "tenancy_guard",
    migrations: &[
        store::Migration { name: "0001_vault", sql: include_str!("../sql/0001_vault.sql") },
        store::Migration { name: "0002_guard", sql: include_str!("../sql/0002_guard.sql") },
        store::Migration { name: "0003_parents", sql: include_str!("../sql/0003_parents.sql") },
        store::Migration {
            name: "0004_partitions",
            sql: include_str!("../sql/0004_partitions.sql"),
        },
    ],
};

/// What it installs in the control database, for tenants with a database of their own.
pub static FLEET_ROOM: store::Room = store::Room {
    name: "fleet",
    migrations: &[
        store::Migration { name: "0001_fleet", sql: include_str!("../sql/0001_fleet.sql") },
        store::Migration { name: "0002_cells", sql: include_str!("../sql/0002_cells.sql") },
        store::Migration {
            name: "0003_certificates",
            sql: include_str!("../sql/0003_certificates.sql"),
        },
        store::Migration { name: "0004_marks", sql: include_str!("../sql/0004_marks.sql") },
        store::Migration { name: "0005_losses", sql: include_str!("../sql/0005_losses.sql") },
        store::Migration { name: "0006_bitten", sql: include_str!("../sql/0006_bitten.sql") },
        store::Migration { name: "0007_passages", sql: include_str!("../sql/0007_passages.sql") },
        store::Migration { name: "0008_parts", sql: include_str!("../sql/0008_parts.sql") },
        store::Migration {
            name: "0009_made_files",
            sql: include_str!("../sql/0009_made_files.sql"),
        },
    ],
};

/// What it installs in the control database, for files of tenants.
pub static FILES_ROOM: store::Room = store::Room {
    name: "files",
    migrations: &[
        store::Migration { name: "0001_files", sql: include_str!("../sql/0001_files.sql") },
        store::Migration { name: "0002_leaving", sql: include_str!("../sql/0002_leaving.sql") },
        store::Migration { name: "0003_keeper", sql: include_str!("../sql/0003_keeper.sql") },
        store::Migration { name: "0004_turns", sql: include_str!("../sql/0004_turns.sql") },
    ],
};

/// What it installs in the control database, for tenants' places on Redis.
pub static CACHE_ROOM: store::Room = store::Room {
    name: "cache",
    migrations: &[store::Migration {
        name: "0001_cache",
        sql: include_str!("../sql/0001_cache.sql"),
    }],
};

/// What it installs in each such tenant's database.
static PLACE_ROOM: store::Room = store::Room {
    name: "place",
    migrations: &[store::Migration {
        name: "0001_place",
        sql: include_str!("../sql/0001_place.sql"),
    }],
};

#[cfg(test)]
mod tests;
