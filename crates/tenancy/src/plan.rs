//! What has to be done to protect a database, worked out from its catalogue and shown before
//! anything is changed.

mod expression;
mod facts;
mod keys;
mod reach;
mod rows;
mod sheet;

use kernel::shown;
use serde::Serialize;
use store::{Table, Tx};

use crate::{Census, Error, Result, sql};
use facts::Facts;
pub(crate) use keys::{tying, widening};
pub(crate) use rows::{departures, narrowing};
pub use sheet::Sheet;

/// What protecting a database takes. A second plan after the first was applied has no steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The database.
    pub database: String,
    /// The column that names the tenant.
    pub tenant_column: String,
    /// The role whose rights the application has.
    pub app_role: String,
    /// Tables with tenants' rows, and how a row's tenant is known.
    pub held: Vec<(String, String)>,
    /// Tables that are shared by all tenants: they are not isolated, and a person should look
    /// whether that is right.
    pub shared: Vec<String>,
    /// What the owner's login does, in this order, in one transaction.
    pub steps: Vec<Step>,
    /// What only a superuser may do.
    pub privileged: Vec<Step>,
    /// What endangers the protection, in whole sentences.
    pub warnings: Vec<String>,
    /// What would make it stronger and is left to a person, because it may change how the
    /// application behaves.
    pub advice: Vec<Advice>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The table, view or schema that is changed.
    pub object: String,
    /// What is done to it, in a word or two, for a list.
    pub brief: String,
    /// Why, in a few words.
    pub why: String,
    /// The statements.
    pub sql: String,
}

/// One thing that a person should decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The table, view or constraint.
    pub object: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether `isolation.rows` fails as long as it is like this.
    pub needed: bool,
    /// What would put it right, where that is known.
    pub sql: Option<String>,
}

/// How many column names are offered when the tenant column does not exist.
const OFFERED: usize = 5;

/// Works out what it takes to protect the database that `tx`, a transaction of its owner, is in.
/// Nothing is changed, except the transaction's own `search_path`.
///
/// # Errors
/// When no table has the column, the role does not exist, or a table cannot be protected: its
/// tenant column has another type or holds NULL, or the table belongs to somebody else.
pub async fn plan(tx: &Tx, tenant_column: &str, app_role: &str) -> Result<Plan> {
    plan_beside(tx, tx, tenant_column, app_role).await
}

/// As [`plan`], where the owner cannot see all that the plan is about: `catalogue`, which may be a
/// superuser's transaction that has taken the owner's role on, is asked what the catalogue says and
/// nothing else. Rows are looked at in `owner`'s own: reading them runs the owner's code, a policy,
/// and what SET ROLE has put on it can take off again.
///
/// # Errors
/// As [`plan`].
pub async fn plan_beside(
    catalogue: &Tx,
    owner: &Tx,
    tenant_column: &str,
    app_role: &str,
) -> Result<Plan> {
    let tx = catalogue;
    // With an empty path the catalogue prints every name with its schema.
    tx.batch("SET LOCAL search_path = ''").await?;
    let tables = store::tables(tx).await?;
    if !tables.iter().any(|t| t.column(tenant_column).is_some()) {
        return Err(Error::NoTenantColumn {
            column: tenant_column.to_owned(),
            common: common_columns(&tables),
        });
    }
    let census = Census::take(&tables, tenant_column);
    let facts = Facts::read(tx, app_role).await?;
    refuse_unfit(owner, &census, &facts).await?;
    let mut plan = Plan {
        database: facts.database.clone(),
        tenant_column: tenant_column.to_owned(),
        app_role: app_role.to_owned(),
        ..Plan::default()
    };
    for held in &census.held {
        plan.held.push((held.table.label(), held.by.to_string()));
    }
    plan.shared = census.shared.iter().map(Table::label).collect();
    for (table, why) in &census.vague {
        plan.warnings.push(format!(
            "{table} is left as it is, and what it holds is not isolated: {why}. Until then the \
             claim isolation.rows is not proven."
        ));
    }
    plan.guard(tx).await?;
    plan.warn_of_roles(&facts);
    plan.keys(owner, &census, &facts).await?;
    plan.rows(&census, &facts);
    plan.reach(&census, &facts);
    Ok(plan)
}

impl Plan {
    /// Whether there is nothing that the owner would have to do.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    fn step(&mut self, object: String, brief: &str, why: impl Into<String>, sql: String) {
        let (brief, why) = (brief.to_owned(), why.into());
        self.steps.push(Step { object, brief, why, sql });
    }

    fn advise(&mut self, object: String, why: impl Into<String>, sql: Option<String>) {
        self.advice.push(Advice { object, why: why.into(), needed: false, sql });
    }

    /// Advice that `isolation.rows` fails without.
    fn need(&mut self, object: String, why: impl Into<String>, sql: Option<String>) {
        self.advice.push(Advice { object, why: why.into(), needed: true, sql });
    }

    /// What only a superuser can see to: tables that are made later.
    async fn guard(&mut self, tx: &Tx) -> Result<()> {
        if !tx.query_one(sql::GUARD_INSTALLED, &[]).await?.get::<_, bool>(0) {
            self.warnings.push(
                "Where a superuser takes part, tables that are made later are protected at once or \
                 refused. Without one the next proof names them."
                    .to_owned(),
            );
            return Ok(());
        }
        for asleep in tx.query(sql::GUARD_ASLEEP, &[]).await? {
            let (name, sql): (String, String) = (asleep.get(0), asleep.get(1));
            self.privileged.push(Step {
                object: format!("event trigger {name}"),
                brief: "woken".to_owned(),
                why: "without it a table that is made or changed later is not protected".to_owned(),
                sql,
            });
        }
        Ok(())
    }

    fn warn_of_roles(&mut self, facts: &Facts) {
        let role = &self.app_role;
        if facts.app_is_above {
            self.warnings.push(format!(
                "The role {role} is a superuser or has BYPASSRLS: no policy binds it, and nothing \
                 in this plan protects one tenant from another. Let the application log in as a \
                 role of its own."
            ));
        } else if facts.app_is_owner {
            self.warnings.push(format!(
                "The role {role} has the rights of the tables' owner: it can undo every step of \
                 this plan, and so can SQL that is injected into the application. Let the \
                 application log in as a role that owns nothing."
            ));
        }
        if facts.owner_is_above {
            self.warnings.push(format!(
                "The owner {} is a superuser or has BYPASSRLS: its views and SECURITY DEFINER \
                 functions read every tenant's rows. Give the tables to an ordinary role.",
                facts.owner
            ));
        }
        self.warnings.push(format!(
            "The owner {} itself will see the rows of the bound tenant alone. Dumps, reports over \
             all tenants and migrations that change data need a role with BYPASSRLS.",
            facts.owner
        ));
    }
}

/// Collects everything that stands in the way, not the first alone.
async fn refuse_unfit(owner: &Tx, census: &Census, facts: &Facts) -> Result<()> {
    let mut unfit = census.unfit.clone();
    for held in &census.held {
        let table = &held.table;
        if let Some(owner) = facts.stranger(table) {
            let why = format!("it belongs to {owner}; connect as its owner");
            unfit.push((table.label(), why));
        }
        let Some(column) = held.column() else {
            continue;
        };
        if facts.lenient.contains(&facts::column(table, column)) {
            let why = format!(
                "the collation of its column {column} calls different texts equal, so one \
                 tenant's name could match another's"
            );
            unfit.push((table.label(), why));
        }
        let nullable = table.column(column).is_some_and(|c| !c.not_null);
        if nullable && facts.ours(table) && has_null(owner, table, column).await? {
            let why = format!(
                "its column {column} holds NULL, and such a row belongs to nobody. Give each row \
                 a tenant, or move shared rows to a table of their own"
            );
            unfit.push((table.label(), why));
        }
    }
    if unfit.is_empty() {
        return Ok(());
    }
    let all = unfit.iter().map(|(table, why)| shown(&format!("{table}: {why}")));
    Err(Error::Unfit(all.collect::<Vec<_>>().join("; ")))
}

/// Blind where row security is forced already; there, setting NOT NULL finds them.
async fn has_null(tx: &Tx, table: &Table, column: &str) -> Result<bool> {
    let column = store::ident(column);
    let sql = format!("SELECT FROM {} WHERE {column} IS NULL LIMIT 1", table.quoted());
    Ok(tx.query_opt(&sql, &[]).await?.is_some())
}

/// The names that most tables share.
pub(crate) fn common_columns(tables: &[Table]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for column in tables.iter().flat_map(|t| &t.columns) {
        match counts.iter_mut().find(|(name, _)| *name == column.name) {
            Some((_, n)) => *n += 1,
            None => counts.push((&column.name, 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let names: Vec<&str> = counts.iter().take(OFFERED).map(|(name, _)| *name).collect();
    if names.is_empty() {
        return "none, the database has no tables".to_owned();
    }
    names.join(", ")
}
