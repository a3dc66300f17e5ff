//! What can be wrong with a sealed trail, each by its name.

use jiff::Timestamp;

/// The kinds of damage. A verifier that finds one says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The content of a row is not what its own hash says.
    Edited,
    /// The row is whole by its own hash, and that is not the hash that was sealed.
    Rehashed,
    /// The hash beside the content was changed; the content is what was sealed.
    HashChanged,
    /// A row was sealed and is gone.
    Missing,
    /// Rows were sealed and are gone, up to the newest one.
    Cut,
    /// Every row that was sealed is gone.
    Emptied,
    /// Rows were sealed and are gone since an epoch that nobody answers for.
    Undone,
    /// The table of the trail is not there, or is none.
    NoTrail,
    /// A row stands among sealed ones and was never sealed.
    Foreign,
    /// A row stands where another one was sealed, and the other way round.
    Swapped,
    /// A row was sealed under another number or transaction.
    Moved,
    /// The content of a row is gone, and no entry says that it was erased.
    ErasedSilently,
    /// An entry says that the content of a row was erased, and it is still there.
    NotErased,
    /// A checkpoint that the log's key did not sign, or one of another log.
    Forged,
    /// There is no checkpoint.
    NoCheckpoint,
    /// The log is smaller than it was at an earlier checkpoint.
    RolledBack,
    /// Two checkpoints of the log do not belong to one history.
    Split,
    /// The log says that it has entries which are not there, up to its end.
    LogCut,
    /// A tile does not have the hashes that the checkpoint vouches for.
    AlteredTile,
    /// A tile is not there.
    MissingTile,
    /// Entries are not those that the checkpoint vouches for.
    AlteredBundle,
    /// Entries are not there.
    MissingBundle,
    /// Something stands in the log that is no entry of a trail.
    NoEntry,
    /// Entries stand in an order in which rows are not sealed.
    Unordered,
    /// Rows are of another history of the database than the log says.
    Epoch,
    /// An archived month, or a part of it, is gone or is not what was sealed.
    LostArchive,
    /// No new checkpoint came for too long.
    Stale,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 27] = [
        Self::Edited,
        Self::Rehashed,
        Self::HashChanged,
        Self::Missing,
        Self::Cut,
        Self::Emptied,
        Self::Undone,
        Self::NoTrail,
        Self::Foreign,
        Self::Swapped,
        Self::Moved,
        Self::ErasedSilently,
        Self::NotErased,
        Self::Forged,
        Self::NoCheckpoint,
        Self::RolledBack,
        Self::Split,
        Self::LogCut,
        Self::AlteredTile,
        Self::MissingTile,
        Self::AlteredBundle,
        Self::MissingBundle,
        Self::NoEntry,
        Self::Unordered,
        Self::Epoch,
        Self::LostArchive,
        Self::Stale,
    ];

    /// What it means, as a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Edited => "the content of a row is not what its own SHA-256 says",
            Self::Rehashed => {
                "content and SHA-256 of a row fit each other, and are not what was sealed"
            }
            Self::HashChanged => {
                "the SHA-256 beside a row was changed; the content is what was sealed"
            }
            Self::Missing => "sealed rows are gone",
            Self::Cut => "the newest sealed rows are gone",
            Self::Emptied => "all sealed rows are gone",
            Self::Undone => "sealed rows are gone with an epoch that nobody has answered for",
            Self::NoTrail => "the table of the trail is gone, or is none",
            Self::Foreign => "a row stands among sealed ones and was never sealed",
            Self::Swapped => "two rows have the SHA-256 that was sealed for the other",
            Self::Moved => "a row was sealed under another number or transaction",
            Self::ErasedSilently => "the content of a row is gone, and no entry says why",
            Self::NotErased => {
                "an entry says that the content of a row was erased, and it is still there"
            }
            Self::Forged => "the checkpoint is not signed by the log's key, or is of another log",
            Self::NoCheckpoint => "there is no checkpoint",
            Self::RolledBack => "the log has fewer entries than at a checkpoint that was kept",
            Self::Split => "the log's beginning is another one than at a checkpoint that was kept",
            Self::LogCut => "the last entries of the log are not there",
            Self::AlteredTile => "hashes are not what the checkpoint vouches for",
            Self::MissingTile => "a file of the log's hashes is gone",
            Self::AlteredBundle => "entries are not what the checkpoint vouches for",
            Self::MissingBundle => "a file of the log's entries is gone",
            Self::NoEntry => "the key has signed something that is no entry of a trail",
            Self::Unordered => "the key has signed entries in an order in which nothing is sealed",
            Self::Epoch => {
                "the rows are of another history than the log says, and nobody answers for it"
            }
            Self::LostArchive => {
                "an archived month, or a part of it, is gone or is not what was sealed"
            }
            Self::Stale => "no new checkpoint came for five minutes, or it is from the future",
        }
    }

    /// The name that `docs/trail.md` explains.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edited => "edited-row",
            Self::Rehashed => "rewritten-row",
            Self::HashChanged => "changed-hash",
            Self::Missing => "missing-row",
            Self::Cut => "cut-tail",
            Self::Emptied => "emptied-trail",
            Self::Undone => "undone-rows",
            Self::NoTrail => "missing-trail",
            Self::Foreign => "foreign-row",
            Self::Swapped => "swapped-rows",
            Self::Moved => "moved-row",
            Self::ErasedSilently => "silent-erasure",
            Self::NotErased => "unfinished-erasure",
            Self::Forged => "forged-checkpoint",
            Self::NoCheckpoint => "missing-checkpoint",
            Self::RolledBack => "rolled-back-log",
            Self::Split => "split-view",
            Self::LogCut => "cut-log",
            Self::AlteredTile => "altered-tile",
            Self::MissingTile => "missing-tile",
            Self::AlteredBundle => "altered-bundle",
            Self::MissingBundle => "missing-bundle",
            Self::NoEntry => "no-entry",
            Self::Unordered => "unordered-entry",
            Self::Epoch => "unexplained-epoch",
            Self::LostArchive => "lost-archive",
            Self::Stale => "stale-checkpoint",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which kind.
    pub kind: Kind,
    /// What it happened to: "row 123", "rows 5–9", "tile/0/000", "the checkpoint".
    pub object: String,
    /// What happened, as a sentence without its full stop.
    pub what: String,
    /// It happened after this: then it was still right, or not there yet. `None` when that cannot be
    /// told.
    pub after: Option<Timestamp>,
    /// It happened before this: then it was found.
    pub before: Timestamp,
}

impl Damage {
    /// Its kind, what happened and when, for where its object is named already.
    pub(crate) fn happened(&self) -> String {
        format!("{}: {}, {}", self.kind.name(), self.what, self.since())
    }

    fn since(&self) -> String {
        match self.after {
            Some(after) => format!("between {} and {}", seconds(after), seconds(self.before)),
            None => format!("before {}", seconds(self.before)),
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}, {}", self.kind.name(), self.object, self.what, self.since())
    }
}

/// A time to the second, which is as much as a checkpoint says.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Kind;

    /// What the tamper matrix finds, and what is written about it.
    const MATRIX: &str = include_str!(
        "../tests/verifying/snapshots/\
         audit__tests__verifying__tampering__every_damage_is_found_by_its_name.snap"
    );
    const TEXT: &str = include_str!("../../../../docs/trail.md");

    #[test]
    fn every_kind_is_tried_and_explained() {
        let names: HashSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        let table = TEXT.lines().filter(|line| line.starts_with("| `"));
        let explained: Vec<&str> = table.filter_map(|line| line.split('|').nth(1)).collect();
        for name in names {
            assert!(MATRIX.contains(&format!(" {name} (")), "{name} is in no line of the matrix");
            let quoted = format!("`{name}`");
            assert!(explained.iter().any(|cell| cell.contains(&quoted)), "{name} is not explained");
        }
    }
}
