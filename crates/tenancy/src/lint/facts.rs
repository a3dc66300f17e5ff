//! What the rules are asked against: the shape of the tables, and the catalogue behind the prelude
//! that every statement begins with.

use std::collections::HashSet;

use store::{Table, Tx};

use super::{Find, Found, Rule, prelude};
use crate::{Census, Held, Result, attack, plan, sql};

/// Names are looked up in the server's own schema, and printed with theirs. Compiling a statement takes
/// longer than running it.
pub(super) const PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off";

/// The database, the login, whether the usual role of the application is there.
pub(super) const LOGIN: &str = "
SELECT current_database()::text, current_user::text,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_database() || '_app')";

pub(super) const ROLE: &str = "SELECT FROM pg_roles r WHERE r.rolname = $1";

/// Whether somebody can have declared something as reviewed.
const HAS_REVIEWED: &str = "SELECT pg_catalog.to_regclass('amanah.reviewed') IS NOT NULL";

/// What was declared.
const REVIEWED: &str = "SELECT r.object, r.sha256 FROM amanah.reviewed r ORDER BY r.object";

/// What of it somebody has read, and was not there already.
const READ: &str = "
SELECT DISTINCT r.object FROM amanah.reviewed r
 WHERE r.why <> 'it was there when the database was protected' ORDER BY r.object";

/// The end of a fix: how to declare what was read and found to be in order. `$label` and `$digest` are
/// SQL. It stays one line, whatever the object is called.
macro_rules! or_declare {
    ($label:literal, $digest:literal) => {
        concat!(
            "|| chr(10) || translate(format('-- or, once it was read: INSERT INTO amanah.reviewed \
             (object, sha256, why) VALUES (%L, %L, ''why it is safe'')', ",
            $label,
            ", ",
            $digest,
            "), chr(10) || chr(13), '  ')"
        )
    };
}

/// The shape of a database, and what the application may write.
pub(super) struct Facts<'a> {
    pub(super) tables: &'a [Table],
    pub(super) census: &'a Census,
    pub(super) tenant_column: &'a str,
    app_role: &'a str,
    schemas: Vec<&'a str>,
    names: Vec<&'a str>,
    columns: Vec<&'a str>,
    reviewed: Vec<String>,
    digests: Vec<String>,
    writes: HashSet<(String, String, String)>,
}

impl<'a> Facts<'a> {
    /// `about` is the tenant's column and the application's role.
    pub(super) async fn read(
        tx: &Tx,
        tables: &'a [Table],
        census: &'a Census,
        about: (&'a str, &'a str),
    ) -> Result<Self> {
        let (tenant_column, app_role) = about;
        let rights = tx.query(sql::COLUMN_RIGHTS, &[&app_role]).await?;
        let written = rights.iter().filter(|row| row.get(4) || row.get(5));
        let held = || census.held.iter();
        let reviewed = if tx.query_one(HAS_REVIEWED, &[]).await?.get(0) {
            tx.query(REVIEWED, &[]).await?
        } else {
            Vec::new()
        };
        let text = |n| reviewed.iter().map(|row| row.get(n)).collect();
        Ok(Self {
            tables,
            census,
            tenant_column,
            app_role,
            schemas: held().map(|h| h.table.schema.as_str()).collect(),
            names: held().map(|h| h.table.name.as_str()).collect(),
            columns: held().map(|h| h.column().unwrap_or_default()).collect(),
            reviewed: text(0),
            digests: text(1),
            writes: written.map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
        })
    }

    /// Whether the application may put a value into this column.
    pub(super) fn writes(&self, held: &Held, column: &str) -> bool {
        let table = &held.table;
        self.writes.contains(&(table.schema.clone(), table.name.clone(), column.to_owned()))
    }

    /// What the rules with a statement find, at the place of each. All of them are one statement: what
    /// they begin with is then planned and looked up once, which takes longer than all the rest.
    pub(super) async fn ask(&self, tx: &Tx, rules: &[&Rule]) -> Result<Vec<Vec<Found>>> {
        let mut told: Vec<Vec<Found>> = rules.iter().map(|_| Vec::new()).collect();
        let places = rules.iter().enumerate();
        let asked: Vec<String> = places.filter_map(|(n, rule)| rule.find.asked(n)).collect();
        if asked.is_empty() {
            return Ok(told);
        }
        for row in self.rows(tx, &asked.join("\nUNION ALL\n")).await? {
            let place: i64 = row.get(0);
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let (Some(rule), Some(told)) = (rules.get(place), told.get_mut(place)) else {
                continue;
            };
            let mut material: Vec<String> = row.get(4);
            let fix = match rule.find {
                Find::Then(_, make) => make(&material),
                _ => material.pop(),
            };
            let found = |fix| Found { kind: row.get(1), object: row.get(2), what: row.get(3), fix };
            told.extend(fix.map(found));
        }
        Ok(told)
    }

    async fn rows(&self, tx: &Tx, sql: &str) -> Result<Vec<store::Row>> {
        let sql = prelude::before(sql);
        let Self { app_role, schemas, names, columns, tenant_column, reviewed, digests, .. } = self;
        let bound: [&(dyn store::ToSql + Sync); 7] =
            [app_role, schemas, names, columns, tenant_column, reviewed, digests];
        Ok(tx.query(&sql, &bound).await?)
    }

    /// The policies of a database that was protected once.
    pub(super) async fn policies(&self, tx: &Tx) -> Result<Vec<Found>> {
        if !is_installed(tx).await? {
            return Ok(Vec::new());
        }
        let departures = plan::departures(tx, self.census).await?;
        let found = departures.into_iter().map(|(object, what, fix)| Found {
            kind: "table".to_owned(),
            object,
            what: format!("its policies differ from the plan: {what}"),
            fix,
        });
        Ok(found.collect())
    }

    /// What is in schema `amanah`.
    pub(super) async fn installed(&self, tx: &Tx) -> Result<Vec<Found>> {
        if !is_installed(tx).await? {
            return Ok(Vec::new());
        }
        let found = attack::installed(tx, self.app_role).await?.into_iter().map(|finding| Found {
            kind: "binding".to_owned(),
            object: finding.object,
            what: finding.what,
            fix: format!("-- {}", finding.fix.unwrap_or_default()),
        });
        Ok(found.collect())
    }
}

/// The objects that somebody has declared as reviewed.
pub(super) async fn declared(tx: &Tx) -> Result<Vec<String>> {
    if !tx.query_one(HAS_REVIEWED, &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    Ok(tx.query(READ, &[]).await?.iter().map(|row| row.get(0)).collect())
}

async fn is_installed(tx: &Tx) -> Result<bool> {
    let sql = "SELECT pg_catalog.to_regclass('amanah.binding_key') IS NOT NULL";
    Ok(tx.query_one(sql, &[]).await?.get(0))
}

pub(super) use or_declare;
