//! What can go wrong in this room, in words for the person who protects a database.

use kernel::TenantId;

use crate::State;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Nothing in the database was changed, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused something.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No table has the tenant column.
    #[error(
        "no table of this database has a column `{column}`, so there is nothing to protect. \
         The columns that most tables share are: {common}. Name one of them as the tenant column"
    )]
    NoTenantColumn {
        /// The name that was given.
        column: String,
        /// The most frequent column names.
        common: String,
    },
    /// Tables have the tenant column, but none of them with a type that can name a tenant.
    #[error(
        "no canary fits the column `{0}`: it is no uuid, whole number or text in any table. Name \
         another column as the tenant column"
    )]
    TenantType(String),
    /// Some tables cannot be protected as they are.
    #[error("nothing was changed, because these tables cannot be protected as they are: {0}")]
    Unfit(String),
    /// The application's role is not there.
    #[error(
        "the role `{0}` does not exist. Name the role that the application logs in as, or create \
         it first"
    )]
    NoRole(String),
    /// Which keys this installation has made could not be read.
    #[error(
        "which keys of bindings this installation has made cannot be told: {0}. Whether the database \
         honours others is not known until that is read"
    )]
    Register(String),
    /// One step of a plan failed.
    #[error("step {number} of {total} failed on {object}: {why}. The database is as it was")]
    Step {
        /// Which step, from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// What it was about to change.
        object: String,
        /// The server's words. They are in the message, so they are no source beside it.
        why: store::Error,
    },
    /// Somebody has changed what is to be put back.
    #[error(
        "nothing was undone, because this was changed since it was protected: {0}. Put it back, or \
         leave it as it is with --leave-changed"
    )]
    Changed(String),
    /// Something else uses what would be removed, or is where that is.
    #[error(
        "what Amanah has installed was kept, with what the owner had changed: it is still in use, or \
         others are in its schemas: {0}. Remove these, or what they use of it, then undo again"
    )]
    Hanging(String),
    /// Only a superuser can take the guard away.
    #[error("nothing was undone: a superuser guards this database. Name one with --superuser-url")]
    Guarded,
    /// A thing is not as it was after it was put back.
    #[error("{0} could not be put back as it was; what the owner had changed was kept")]
    NotRestored(String),
    /// A journal's row cannot be read.
    #[error("the journal of {0} is damaged; nothing was undone")]
    Journal(String),
    /// The key that came with the database is not usable.
    #[error(transparent)]
    Key(#[from] crate::KeyError),
    /// An id that cannot name a tenant.
    #[error(transparent)]
    Id(#[from] kernel::IdError),
    /// There is no such tenant.
    #[error("there is no tenant `{0}` with a database of its own; `amanah tenant list` shows all")]
    NoTenant(TenantId),
    /// There is one already.
    #[error("tenant `{0}` has a database already; nothing was changed")]
    Exists(TenantId),
    /// Another command works on it.
    #[error(
        "another command works on tenant `{0}`; nothing was changed. Try again when it is done"
    )]
    Taken(TenantId),
    /// It has as many logins as it may have.
    #[error(
        "the tenant has {0} logins that still let in sessions, and gets no more until one ends; \
         nothing was made. Use a login for as long as it is good"
    )]
    Leases(i64),
    /// It is in a state in which this cannot be done.
    #[error("tenant `{tenant}` is {state}: {}; nothing was changed", state.way_out())]
    NotActive {
        /// Which one.
        tenant: TenantId,
        /// What it is instead.
        state: State,
    },
    /// Its name is left of an erasure.
    #[error(
        "tenant `{0}` was erased, so nothing is made for it; nothing was changed. A new tenant gets \
         its name with `amanah tenant add`"
    )]
    WasErased(TenantId),
    /// The synthetic tenants belong to the proofs.
    #[error(
        "names that begin with `amanah-canary-` are the synthetic tenants', which the proofs make \
         and attack; nothing was changed"
    )]
    Canary,
    /// A newer Amanah has written a word that this one does not know.
    #[error(
        "a {what} is in the state `{state}`, which this Amanah does not know: a newer one has worked \
         here. Go on with that one; nothing was changed"
    )]
    Newer {
        /// What is in that state.
        what: &'static str,
        /// The word.
        state: String,
    },
    /// There is no such cell.
    #[error("there is no cell `{0}`; `amanah cell list` shows all")]
    NoCell(String),
    /// A cell does not answer, or it is not known how to log in there.
    #[error("cell `{cell}` cannot be reached: {why}")]
    Unreachable {
        /// Which one.
        cell: String,
        /// Why not.
        why: String,
    },
    /// A cell does not do what it was asked to.
    #[error("the cell `{cell}` {why}")]
    Cell {
        /// Which one.
        cell: String,
        /// Why not, and what was kept.
        why: String,
    },
    /// The name of a cell cannot be used for this.
    #[error("the cell `{cell}` {why}")]
    CellName {
        /// The name.
        cell: String,
        /// Why not.
        why: String,
    },
    /// A tenant's database is not where the registry says.
    #[error(
        "the database {place} of tenant `{tenant}` is not on the cell `{cell}`, so nothing was erased: \
         was it renamed or dropped by hand, or is the registry older than its last move? When you \
         know that it is gone, say so with --missing; the certificate will say that it was not dropped"
    )]
    NotThere {
        /// Whose.
        tenant: TenantId,
        /// Its database.
        place: String,
        /// Where it should be.
        cell: String,
    },
    /// Somebody has changed what it is while something worked on it.
    #[error("tenant `{0}` was moved, shut out, let in or erased meanwhile; run the same again")]
    Moved(TenantId),
    /// A copy of a tenant is not the same as the tenant.
    #[error("the copy is not the same: {0}")]
    Differs(String),
    /// A tenant was not moved.
    #[error("tenant `{tenant}` was not moved: {why}. {kept}")]
    NotMoved {
        /// Which one.
        tenant: TenantId,
        /// Why not. Its words are in the message, so it is no source beside it.
        why: Box<Error>,
        /// Where it is, and what to do.
        kept: String,
    },
    /// It is not known whether the move was noted.
    #[error(
        "it is not known whether tenant `{tenant}` was moved to {to}, because the registry was lost \
         while it was noted: {why}. It is whole on one of the two, and `amanah tenant list` says on \
         which. When it is `moving`, `amanah tenant resume` lets it in where it was"
    )]
    Unsure {
        /// Which one.
        tenant: TenantId,
        /// Where it was going.
        to: String,
        /// What the registry said. Its words are in the message, so it is no source beside it.
        why: Box<Error>,
    },
    /// A tenant was shut out or let in only in part.
    #[error("tenant `{tenant}` {told}. When what is missing answers, run the same command again")]
    Partly {
        /// Which one.
        tenant: TenantId,
        /// What was done and what was not, and why not.
        told: String,
    },
    /// What was begun failed, and so did removing it.
    #[error("{why}. What was made before that is still there, because removing it failed: {left}")]
    StillThere {
        /// Why it failed.
        why: String,
        /// Why it is still there.
        left: String,
    },
    /// No cell takes a tenant.
    #[error(
        "no cell takes a tenant now, and nothing was made: {0}. Add one with `amanah cell add`, or \
         let one take more with `amanah cell set`"
    )]
    NoRoom(String),
    /// A migration cannot be run.
    #[error("{0}; nothing was changed")]
    Script(String),
    /// An archive cannot be used.
    #[error(
        "the archive cannot be imported: {0}. Nothing was made, and the archive was left as it is"
    )]
    Archive(String),
    /// An archive cannot be written.
    #[error("the archive cannot be written: {0}. The tenant goes on as it is")]
    Write(std::io::Error),
    /// A table cannot be read or written whole.
    #[error("the rows of {table} cannot be copied: {why}. Nothing was changed")]
    Table {
        /// Which one.
        table: String,
        /// The server's words.
        why: store::Error,
    },
    /// A certificate of erasure is none, or cannot be written.
    #[error("the certificate of erasure cannot be used: {0}")]
    Certificate(String),
    /// It cannot be signed.
    #[error(
        "the certificate of erasure cannot be signed: {0}. What was destroyed is gone; run the same \
         command again to finish and to get the certificate"
    )]
    Unsigned(String),
    /// The files of a tenant cannot be read or written.
    #[error("the tenant's file {name}: {why}. Nothing was changed")]
    File {
        /// Which one, as it may be shown.
        name: String,
        /// What the store says.
        why: kernel::FileFault,
    },
    /// There are files of a tenant of this name.
    #[error(
        "there are files of a tenant `{0}` already, which a new one must not get: remove them with \
         `amanah file remove`, or give the tenant another name; nothing was changed"
    )]
    HasFiles(TenantId),
    /// Large objects of a tenant that is shut out.
    #[error(
        "tenant `{0}` has large objects, which only a login of its own can read, and it is \
         suspended: let it in again first, with `amanah tenant resume`; nothing was changed"
    )]
    ShutObjects(TenantId),
    /// A tenant of a shared database has nothing there.
    #[error(
        "database {database} has no rows of a tenant `{tenant}`, and there is nothing else of it: the \
         name is what its column {column} holds. Nothing was changed"
    )]
    NoRows {
        /// Whose.
        tenant: TenantId,
        /// Where.
        database: String,
        /// The column that names tenants.
        column: String,
    },
    /// A text that cannot name a tenant there.
    #[error("`{tenant}` names no tenant in database {database}: {why}. Nothing was changed")]
    NoName {
        /// The text.
        tenant: TenantId,
        /// Where.
        database: String,
        /// Why not, or how it is written.
        why: String,
    },
    /// A tenant of a shared database is there already.
    #[error(
        "the tenant `{tenant}` has rows in {table} already, so nothing was imported. Erase it there first, \
         or import into another database"
    )]
    HasRows {
        /// Whose.
        tenant: TenantId,
        /// The first table that has some.
        table: String,
    },
    /// An archive brings files for a tenant that lives in another database too.
    #[error(
        "the archive has files, and the tenant `{tenant}` has {elsewhere}: files are one for all of its \
         databases, so these would be among its own there. Nothing was imported. Remove them with \
         `amanah file remove` where it is exported, and export it again without them"
    )]
    LivesElsewhere {
        /// Whose.
        tenant: TenantId,
        /// What, and where.
        elsewhere: String,
    },
    /// It is not known whether an import has come to its end.
    #[error(
        "it is not known whether tenant `{tenant}` was imported into database {database}, because its \
         server was lost at the very end: {why}. The files that were made for it were kept. Run the same \
         command again when the server answers: it says that the tenant has rows there if it was \
         imported, and imports it if it was not"
    )]
    Undecided {
        /// Whose.
        tenant: TenantId,
        /// Where.
        database: String,
        /// The server's words. They are in the message, so they are no source beside it.
        why: Box<store::Error>,
    },
    /// What is read or written through the binding would not be all, or more than is the tenant's.
    #[error("{why}, in database {database}. Nothing was changed")]
    Premises {
        /// Where.
        database: String,
        /// What is not as it should be, and what to do.
        why: String,
    },
    /// Rows of a tenant that were to be deleted are there.
    #[error(
        "{rows} rows of the tenant are still in {table}, so it is not erased: {why}. Then run the same again"
    )]
    RowsLeft {
        /// How many.
        rows: i64,
        /// Where.
        table: String,
        /// What keeps them, and what to do.
        why: &'static str,
    },
    /// Redis did not do what it should.
    #[error("Redis at {place}: {why}")]
    Redis {
        /// Its address.
        place: String,
        /// Its words, or ours.
        why: String,
    },
    /// There is no Redis.
    #[error("there is no Redis: {0}")]
    NoRedis(String),
    /// A suspended tenant gets no login on Redis.
    #[error(
        "tenant `{0}` is suspended on Redis; let it in again first, with `amanah tenant resume`"
    )]
    NoCache(TenantId),
    /// What a migration did in one tenant's database.
    #[error("migration {script}: {why}")]
    Migration {
        /// Its name.
        script: String,
        /// The server's words, or ours.
        why: String,
    },
}

impl Error {
    /// Its words without the promise that nothing was made, where it was made after all.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Archive(why) => format!("the archive cannot be imported: {why}"),
            Self::Table { table, why } => format!("the rows of {table} cannot be copied: {why}"),
            Self::File { name, why } => format!("the tenant's file {name}: {why}"),
            other => other.to_string(),
        }
    }
}
