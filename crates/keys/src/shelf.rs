//! Where the ring lies, apart from the database: otherwise a restored dump would bring destroyed
//! keys back.

use kernel::Fut;

use crate::Result;

mod bucket;
mod directory;

pub use self::bucket::Bucket;
pub use directory::Directory;

/// A generation's number and bytes.
pub type Numbered = (u64, Vec<u8>);

/// Where the ring's generations lie: a folder or a bucket.
///
/// Generations are never overwritten: who writes one that is there already has lost the race.
/// Older ones go from the oldest up, so where the generation that somebody holds is gone, there is
/// a newer one.
pub trait Shelf: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;
    /// The newest generation's number and bytes, or `None` when there is none. One that is there
    /// and damaged is given as it is; never is an older one given in its place.
    fn newest(&self) -> Fut<'_, Result<Option<Numbered>>>;
    /// Writes generation `number`, whole and lasting; `false` when there is one already, or a
    /// newer one: then this one may have been there and gone.
    fn put(&self, number: u64, bytes: Vec<u8>) -> Fut<'_, Result<bool>>;
    /// Whether there is a generation after `number`, as cheaply as it can be told.
    fn has_after(&self, number: u64) -> Fut<'_, Result<bool>>;
    /// Removes every generation before `number`.
    fn prune(&self, number: u64) -> Fut<'_, Result<()>>;
    /// The bytes of generation `number`, or `None` when it is not there.
    fn read(&self, number: u64) -> Fut<'_, Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            let newest = self.newest().await?;
            Ok(newest.and_then(|(found, bytes)| (found == number).then_some(bytes)))
        })
    }
    /// The newest generation if there is one after `number` and that can be told without waiting
    /// for anything but a local disk. Each use of a key asks this, so that what another process
    /// wrote holds at once. A shelf that is elsewhere looks behind the caller's back, at most once
    /// a second, and tells the next caller.
    fn glance(&self, number: u64) -> Result<Option<Numbered>> {
        let _ = number;
        Ok(None)
    }
}
