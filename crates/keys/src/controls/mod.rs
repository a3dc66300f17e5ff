//! The claims that this room can prove, one file each; the others here are their instruments.

pub(crate) mod disk;
mod fields;
mod kms;
mod practice;
mod rotation;
mod scratch;
mod seen;
mod sql;

use std::path::PathBuf;
use std::sync::Arc;

use ::kms::Root;
use kernel::{Control, Custody, Fut};
use store::{Db, Programs, Protected};

pub use disk::Disks;
pub use fields::Keeper;

use scratch::Scratch;
use seen::{Bitten, Seen};

use crate::Keys;

/// Whoever has databases that come and go: those of tenants.
pub trait Tenants: Send + Sync {
    /// Each of them as it is now, by its name on the server, under a login that sees every row.
    /// The error is in words.
    fn databases(&self) -> Fut<'_, Result<Vec<(String, Db)>, String>>;
}

/// What the proofs of this room look at.
pub struct House {
    /// The keys in use.
    pub keys: Keys,
    /// The root that opens their ring.
    pub root: Arc<dyn Root>,
    /// Where a root in a file would lie, whichever root is configured: an earlier one's must be
    /// gone.
    pub root_files: Vec<PathBuf>,
    /// What holds our data.
    pub disks: Disks,
    /// Owns the control database: dumps it, and makes the copies that bites spoil.
    pub owner: Db,
    /// PostgreSQL's programs, for dumps and copies of the control database.
    pub programs: Programs,
    /// Everybody who keeps secrets in the control database.
    pub custodians: Vec<Arc<dyn Custody>>,
    /// The protected databases.
    pub protected: Vec<Protected>,
    /// Who knows the databases of tenants.
    pub tenants: Arc<dyn Tenants>,
    /// A private folder for scratch rings. It is made when it is first needed.
    pub scratch: PathBuf,
}

/// The controls of this room.
pub fn controls(house: House) -> Vec<Arc<dyn Control>> {
    let House { keys, root, root_files, disks, scratch, .. } = house;
    let fields = fields::Fields {
        keys: keys.clone(),
        owner: house.owner,
        programs: house.programs,
        custodians: house.custodians,
        protected: house.protected,
        tenants: house.tenants,
        scratch: scratch.clone(),
    };
    vec![
        Arc::new(rotation::Rotation { keys, scratch: scratch.clone() }),
        Arc::new(kms::Kms { root, root_files }),
        Arc::new(fields),
        Arc::new(disk::Disk { disks, scratch }),
    ]
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| format!("it ended early: {e}"))?
}
