//! What can go wrong with the trail.

use kernel::IdError;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Each message says what happened, what was kept and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A table was named that is not there.
    #[error("there is no table {0} to record; nothing was changed. Correct its name")]
    NoTable(String),
    /// A step of the plan was refused.
    #[error("{object}: {why}. Roll the transaction back: then nothing was changed")]
    Step {
        /// The table.
        object: String,
        /// The server's words. They are in the message, so they are no source beside it.
        why: store::Error,
    },
    /// The synthetic tenant cannot be bound.
    #[error("no binding for the synthetic tenant could be minted; nothing was written")]
    NoBinding,
    /// The name that canary writes are signed with is not an id.
    #[error(transparent)]
    Actor(#[from] IdError),
    /// There is no row of the synthetic tenant to write to.
    #[error(
        "no tracked table took a row of the synthetic tenant, so there is nothing to attack: {0}"
    )]
    NoCanary(String),
    /// Contents cannot be erased so.
    #[error("nothing was asked to be erased: {0}")]
    Erasing(String),
    /// The write-ahead log cannot be compared.
    #[error("PostgreSQL's write-ahead log is not compared with the trail: {0}")]
    NotCompared(String),
    /// What should be a line of the write-ahead log.
    #[error("PostgreSQL's write-ahead log holds {0}; the comparison stops there and tries again")]
    Wal(&'static str),
    /// What should be an entry of the log.
    #[error("this is no entry of a trail's log: {0}. `amanah audit verify` says which are none")]
    Leaf(&'static str),
    /// What the database gives out as the rows of the trail.
    #[error(
        "the database did not copy the rows of the trail in the form that was asked for, so none of them \
         was sealed. Look what was done to the columns of audit.system_audit_logs"
    )]
    Copied,
    /// What should be the next step of a log. Whoever reads it says where it lies, and what to do.
    #[error("it is no step of a log: {0}")]
    Stage(&'static str),
    /// The place of a log cannot be read or written.
    #[error("the log in {place} cannot be used: {why}")]
    Shelf {
        /// Where it lies.
        place: String,
        /// What is wrong, and what to do where that is known.
        why: String,
    },
    /// Somebody else writes the log.
    #[error(
        "the log in {place} is being written by {by}; nothing was changed. One sealer writes a log: \
         stop that one first, or leave the log to it"
    )]
    Held {
        /// Where it lies.
        place: String,
        /// Who, as far as it is known.
        by: String,
    },
    /// The checkpoint is another one than was read.
    #[error(
        "the checkpoint in {place} is not the one that was read before: somebody else writes this log. \
         Theirs was kept; stop one of the two"
    )]
    Overtaken {
        /// Where it lies.
        place: String,
    },
    /// A service overwrites what it was asked to leave.
    #[error(
        "{place} does not keep to conditions on a write, so two sealers could fork the log; nothing of \
         it was written there. Use a service that knows If-None-Match and If-Match"
    )]
    Careless {
        /// Which service.
        place: String,
    },
    /// What lies there is not what a sealer leaves.
    #[error("the log in {place} is damaged: {what}")]
    Damaged {
        /// Where it lies.
        place: String,
        /// What is wrong, and with which part.
        what: String,
    },
    /// A log was changed while it was being read.
    #[error(
        "the bundle {0} of the log was changed while the log was being read, so nothing is said of it. \
         Nobody changes a bundle but to add to the last one: try again, and look who writes there"
    )]
    Changing(u64),
    /// A row that no proof can be made for.
    #[error("row {row} cannot be proven: {why}")]
    Unproven {
        /// Which row.
        row: i64,
        /// Why not, and what to do.
        why: String,
    },
    /// A proof that does not hold.
    #[error("this proof does not hold: {0}. Ask whoever handed it out for a new one")]
    Proof(String),
    /// A proof that was signed by somebody else.
    #[error(
        "this proof of the log {0} is not signed by this key. Ask for the log's public key: a log gets a \
         new one from time to time"
    )]
    OtherKey(String),
    /// A proof of another log than the key is of.
    #[error(
        "this is a proof of the log `{origin}`, and the key is of `{key}`: ask for that log's key"
    )]
    OtherLog {
        /// Of which log it says it is.
        origin: String,
        /// Of which one the key is.
        key: String,
    },
    /// The log's key cannot be used.
    #[error(
        "the log's head cannot be signed: {0}; nothing was sealed. `amanah keys list` shows whether the key \
         amanah.trail is there"
    )]
    Signing(String),
    /// A trail without a log that it could be held against.
    #[error("nothing can be said of what is sealed: {0}")]
    Unsealed(String),
    /// What was kept of a log cannot be read or written.
    #[error("{place}, which keeps checkpoints that were seen: {why}")]
    Memory {
        /// Which file.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The reviews of a trail cannot be looked at.
    #[error("the reviews of the trail cannot be looked at: {0}")]
    Review(String),
    /// Nobody at hand may read the trail as a whole.
    #[error(
        "a superuser keeps the trail, and no login at hand may read it as a whole; give one with \
         `amanah protect URL --superuser-url FILE --apply`"
    )]
    NoReader,
    /// The guard over the trail is of an earlier form, or there is none.
    #[error(
        "the database does not say how long the trail stays in it: run `amanah protect URL --superuser-url \
         FILE --apply`, which keeps that out of the owner's hands"
    )]
    NoRetention,
    /// A month that cannot be archived.
    #[error("{0}. Nothing was removed from the database")]
    NotArchived(String),
    /// A month in the archive that was asked for.
    #[error(
        "rows of {month} were asked for, which is in the archive, and cannot be read there: {why}. What was \
         given before is right, and is not all; ask for a time without that month, or put back what is wrong"
    )]
    NotOpened {
        /// Which month.
        month: String,
        /// What is wrong.
        why: String,
    },
    /// A month was taken out of the database while it was read.
    #[error(
        "the month {0} was taken into the archive while the trail was read, so some of its rows may be \
         missing in what was given: ask again"
    )]
    Moved(String),
    /// What should be a row in a file.
    #[error(
        "this is no row of a trail in JSON: {0}. Take it as `amanah audit prove 17 --row FILE` writes it"
    )]
    Json(String),
    /// What should be the keys of encrypted columns. It shows nothing of them.
    #[error(
        "the keys of encrypted columns in the strongbox are damaged: {0}; nothing was changed. Put the \
         control database back as it was"
    )]
    ColumnKeys(&'static str),
    /// What should be a part of a log.
    #[error(transparent)]
    Log(#[from] tlog::Error),
}
