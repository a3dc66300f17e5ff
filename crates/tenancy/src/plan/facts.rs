//! What the plan needs to know of the database beyond the shape of its tables.

use std::collections::{HashMap, HashSet};

use store::{Table, Tx};

use crate::census::Name;
use crate::{Error, Result, sql};

/// The state of the database.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) database: String,
    pub(super) owner: String,
    /// Row security does not bind the owner.
    pub(super) owner_is_above: bool,
    /// Row security does not bind the application.
    pub(super) app_is_above: bool,
    /// The application has the owner's rights.
    pub(super) app_is_owner: bool,
    tables: HashMap<Name, TableFact>,
    /// Columns with a collation that calls different texts equal.
    pub(super) lenient: HashSet<(String, String, String)>,
    /// Columns that an index begins with.
    pub(super) leading: HashSet<(String, String, String)>,
    policies: HashMap<Name, Vec<Policy>>,
    pub(super) rights: Vec<Right>,
    pub(super) later: Vec<LaterRight>,
    pub(super) makers: Vec<Maker>,
    pub(super) setters: Vec<Setter>,
    pub(super) views: Vec<Reading>,
    pub(super) shares: Vec<Shares>,
    pub(super) temporary: Temporary,
}

/// Whether everybody may make temporary objects in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporary {
    /// Nobody without a grant may.
    Granted,
    /// Everybody may, and the database is ours.
    OpenHere,
    /// Everybody may, and the database belongs to somebody else.
    OpenElsewhere,
}

#[derive(Debug)]
struct TableFact {
    owner: String,
    ours: bool,
    partitioned: bool,
}

/// A policy as it is.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) permissive: bool,
    /// `r` select, `a` insert, `w` update, `d` delete, `*` all.
    pub(super) command: String,
    pub(super) using: Option<String>,
    pub(super) check: Option<String>,
    pub(super) everybody: bool,
}

/// A right that the application has and should not have.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) relation: Name,
    /// `m` for a materialised view.
    pub(super) kind: String,
    pub(super) word: String,
    /// Empty for everybody.
    pub(super) grantee: String,
}

/// The same on tables and sequences that a role makes later.
#[derive(Debug)]
pub(super) struct LaterRight {
    /// `TABLES` or `SEQUENCES`.
    pub(super) of: String,
    pub(super) role: String,
    /// Empty for all of them.
    pub(super) schema: String,
    pub(super) word: String,
    /// Empty for everybody.
    pub(super) grantee: String,
    pub(super) ours: bool,
}

/// Somebody who may make objects in a schema.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) schema: String,
    pub(super) grantee: String,
    pub(super) ours: bool,
    /// Whether the schema belongs to the grantee.
    pub(super) own: bool,
    /// Whether others than the application look for something in it.
    pub(super) meant: bool,
}

/// Somebody who may set a sequence.
#[derive(Debug)]
pub(super) struct Setter {
    pub(super) sequence: Name,
    /// Empty for everybody.
    pub(super) grantee: String,
    pub(super) ours: bool,
    /// Whether it may draw numbers by another right.
    pub(super) draws: bool,
}

/// One view and one table that it reads.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) view: Name,
    /// `v` or `m`.
    pub(super) kind: String,
    pub(super) rights_of: RightsOf,
    /// Whether we may alter it.
    pub(super) ours: bool,
    pub(super) table: Name,
    pub(super) app_reads_table: bool,
}

/// With whose rights a view reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RightsOf {
    /// Its reader's.
    Reader,
    /// Its owner's, whom the policies bind.
    Owner,
    /// Its owner's, whom they do not bind.
    Above,
}

/// A way in which sessions of one role share something whatever their tenants are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shares {
    /// `pg_stat_activity` is open to the application.
    ActivityView,
    /// So is `pg_stat_get_activity`.
    Activity,
    /// So is `pg_stat_get_backend_activity`.
    BackendActivity,
    /// The application may make large objects.
    MakesLarge,
    /// There are large objects.
    HasLarge,
    /// Every session may end another one of its role.
    Signals,
}

impl Facts {
    pub(super) async fn read(tx: &Tx, app_role: &str) -> Result<Self> {
        let me = tx.query_one(sql::SELF, &[]).await?;
        let app = tx.query_opt(sql::APP_ROLE, &[&app_role]).await?;
        let app = app.ok_or_else(|| Error::NoRole(app_role.to_owned()))?;
        let temporary = tx.query_one(sql::TEMPORARY, &[]).await?;
        Ok(Self {
            database: me.get(0),
            owner: me.get(1),
            owner_is_above: me.get(2),
            app_is_above: app.get(0),
            app_is_owner: app.get(1),
            tables: table_facts(tx).await?,
            lenient: columns(tx, sql::LENIENT).await?,
            leading: columns(tx, sql::LEADING).await?,
            policies: policies(tx).await?,
            rights: rights(tx, app_role).await?,
            later: later(tx, app_role).await?,
            makers: makers(tx, app_role).await?,
            setters: setters(tx, app_role).await?,
            views: views(tx, app_role).await?,
            shares: shares(tx, app_role).await?,
            temporary: match (temporary.get(0), temporary.get(1)) {
                (false, _) => Temporary::Granted,
                (true, true) => Temporary::OpenHere,
                (true, false) => Temporary::OpenElsewhere,
            },
        })
    }

    /// Whether we may alter the table.
    pub(super) fn ours(&self, table: &Table) -> bool {
        self.tables.get(&name(table)).is_some_and(|t| t.ours)
    }

    /// The owner, when it is somebody else.
    pub(super) fn stranger(&self, table: &Table) -> Option<&str> {
        let fact = self.tables.get(&name(table))?;
        (!fact.ours).then_some(fact.owner.as_str())
    }

    pub(super) fn partitioned(&self, table: &Table) -> bool {
        self.tables.get(&name(table)).is_some_and(|t| t.partitioned)
    }

    pub(super) fn policies(&self, table: &Table) -> &[Policy] {
        self.policies.get(&name(table)).map_or(&[], Vec::as_slice)
    }
}

pub(super) fn name(table: &Table) -> Name {
    (table.schema.clone(), table.name.clone())
}

pub(super) fn column(table: &Table, column: &str) -> (String, String, String) {
    (table.schema.clone(), table.name.clone(), column.to_owned())
}

async fn table_facts(tx: &Tx) -> Result<HashMap<Name, TableFact>> {
    let rows = tx.query(sql::TABLES, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let fact = TableFact { owner: row.get(2), ours: row.get(3), partitioned: row.get(4) };
            ((row.get(0), row.get(1)), fact)
        })
        .collect())
}

async fn columns(tx: &Tx, sql: &str) -> Result<HashSet<(String, String, String)>> {
    let rows = tx.query(sql, &[]).await?;
    let names = rows.iter().map(|r| (r.get(0), r.get(1), r.get(2)));
    Ok(names.collect())
}

/// Every policy of every table.
pub(super) async fn policies(tx: &Tx) -> Result<HashMap<Name, Vec<Policy>>> {
    let mut all: HashMap<Name, Vec<Policy>> = HashMap::new();
    for row in tx.query(sql::POLICIES, &[]).await? {
        let policy = Policy {
            name: row.get(2),
            permissive: row.get(3),
            command: row.get(4),
            using: row.get(5),
            check: row.get(6),
            everybody: row.get(7),
        };
        all.entry((row.get(0), row.get(1))).or_default().push(policy);
    }
    Ok(all)
}

async fn rights(tx: &Tx, app_role: &str) -> Result<Vec<Right>> {
    let rows = tx.query(sql::RIGHTS, &[&app_role]).await?;
    let right = |row: &store::Row| Right {
        relation: (row.get(0), row.get(1)),
        kind: row.get(2),
        word: row.get(3),
        grantee: row.get(4),
    };
    Ok(rows.iter().map(right).collect())
}

async fn later(tx: &Tx, app_role: &str) -> Result<Vec<LaterRight>> {
    let rows = tx.query(sql::DEFAULT_RIGHTS, &[&app_role]).await?;
    let right = |row: &store::Row| LaterRight {
        role: row.get(0),
        schema: row.get(1),
        word: row.get(2),
        grantee: row.get(3),
        ours: row.get(4),
        of: row.get(5),
    };
    Ok(rows.iter().map(right).collect())
}

async fn setters(tx: &Tx, app_role: &str) -> Result<Vec<Setter>> {
    let rows = tx.query(sql::SETTERS_OF_SEQUENCES, &[&app_role]).await?;
    let setter = |row: &store::Row| Setter {
        sequence: (row.get(0), row.get(1)),
        grantee: row.get(2),
        ours: row.get(3),
        draws: row.get(4),
    };
    Ok(rows.iter().map(setter).collect())
}

async fn makers(tx: &Tx, app_role: &str) -> Result<Vec<Maker>> {
    let rows = tx.query(sql::MAKERS, &[&app_role]).await?;
    let maker = |row: &store::Row| Maker {
        schema: row.get(0),
        grantee: row.get(1),
        ours: row.get(2),
        own: row.get(3),
        meant: row.get(4),
    };
    Ok(rows.iter().map(maker).collect())
}

async fn views(tx: &Tx, app_role: &str) -> Result<Vec<Reading>> {
    let rows = tx.query(sql::VIEWS, &[&app_role]).await?;
    let reading = |row: &store::Row| Reading {
        view: (row.get(0), row.get(1)),
        kind: row.get(2),
        rights_of: match (row.get(3), row.get(4)) {
            (true, _) => RightsOf::Reader,
            (false, false) => RightsOf::Owner,
            (false, true) => RightsOf::Above,
        },
        ours: row.get(5),
        table: (row.get(6), row.get(7)),
        app_reads_table: row.get(9),
    };
    Ok(rows.iter().map(reading).collect())
}

async fn shares(tx: &Tx, app_role: &str) -> Result<Vec<Shares>> {
    let row = tx.query_one(sql::SHARES, &[&app_role]).await?;
    let all = [
        Shares::ActivityView,
        Shares::Activity,
        Shares::BackendActivity,
        Shares::MakesLarge,
        Shares::HasLarge,
        Shares::Signals,
    ];
    let open = all.into_iter().enumerate().filter(|(n, _)| row.get(*n));
    Ok(open.map(|(_, shares)| shares).collect())
}
