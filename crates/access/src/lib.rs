//! What somebody may do: permissions, roles and who has them.
//!
//! It promises that nobody may do what no role of theirs allows, that a role of one tenant means
//! nothing in another, that nobody gives what they do not have, and that what was taken away counts
//! for nothing at the next reading. The database is the truth; [`kernel::Bits`] is what a reading of
//! it comes to.
//!
//! It does not say who somebody is: that is `identity`. It does not see the application's objects:
//! whether one price may be changed by one person is the application's own question, or one that it
//! asks here.
//!
//! The attacks it stops: whoever is signed in asks for what only others may, defines a role that can
//! do more than they can, or names one so that it is taken for another.

mod attack;
mod bait;
mod by;
mod catalogue;
pub mod controls;
mod directory;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod granting;
mod holder;
mod matrix;
mod name;
mod offboard;
mod review;
mod route;
mod service;
mod sql;
mod support;
mod sweep;
#[cfg(test)]
mod tests;
mod uses;

pub use attack::AttackRow;
pub use bait::{BaitRow, MAX_HITS};
pub use by::By;
pub use catalogue::{Catalogue, Permission, Role};
pub use error::{Error, Result};
pub use holder::{Holder, Over};
pub use matrix::Matrix;
pub use offboard::Withdrawn;
pub use review::{Decision, Review, ReviewDue, ReviewRow, Reviewer, csv, evidence, markdown};
pub use route::{METHODS, Need, Route, Routes};
pub use service::{Access, Held, Listed, NewGrant, NewRole, RoleChange, RoleSheet};
pub use support::{Asking, MAX_HOURS, SupportGrant, SupportState, SupportUse};
pub use sweep::sweep;

/// What puts the shipped permissions and roles into a copy of the structure, which has no rows: for
/// sandboxes.
pub const CATALOGUE: &str = concat!(
    "INSERT INTO access.lineage DEFAULT VALUES;\n",
    include_str!("../sql/0002_catalogue.sql")
);

/// This room's migrations.
pub const ROOM: store::Room = store::Room {
    name: "access",
    migrations: &[
        store::Migration { name: "0001_access", sql: include_str!("../sql/0001_access.sql") },
        store::Migration { name: "0002_catalogue", sql: include_str!("../sql/0002_catalogue.sql") },
        store::Migration { name: "0003_carried", sql: include_str!("../sql/0003_carried.sql") },
        store::Migration { name: "0020_support", sql: include_str!("../sql/0020_support.sql") },
        store::Migration { name: "0021_reviews", sql: include_str!("../sql/0021_reviews.sql") },
        store::Migration {
            name: "0023_role_changes",
            sql: include_str!("../sql/0023_role_changes.sql"),
        },
        store::Migration { name: "0024_synthetic", sql: include_str!("../sql/0024_synthetic.sql") },
        store::Migration { name: "0025_taken", sql: include_str!("../sql/0025_taken.sql") },
        store::Migration { name: "0026_once", sql: include_str!("../sql/0026_once.sql") },
        store::Migration { name: "0030_bait", sql: include_str!("../sql/0030_bait.sql") },
        store::Migration { name: "0031_attack", sql: include_str!("../sql/0031_attack.sql") },
    ],
};
