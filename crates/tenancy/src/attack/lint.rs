//! What can be seen to be wrong from the catalogue alone, whatever rows there are.

use std::collections::HashSet;

use kernel::Finding;
use store::{Protected, Tx};

use super::installed;
use crate::{Census, Held, Result, plan, sql};

const PROTECT: &str = "run `amanah protect` again and apply its plan";

/// Every finding, or those about the table `only` and about things that are no table.
pub(super) async fn findings(
    protected: &Protected,
    census: &Census,
    only: Option<&str>,
) -> Result<Vec<Finding>> {
    let tx = protected.owner.operator().await?;
    // With an empty path the catalogue prints every name with its schema.
    tx.batch("SET LOCAL search_path = ''").await?;
    let app: &str = &protected.app_role;
    let views = tx.query(sql::VIEWS, &[&app]).await?;
    let rights = tx.query(sql::COLUMN_RIGHTS, &[&app]).await?;
    let foreign = tx.query(sql::FOREIGN, &[&app]).await?;
    let policies = plan::departures(&tx, census).await?;
    let definers = definers(&tx, app, census).await?;
    let mut all = installed::findings(&tx, app).await?;
    tx.rollback().await?;
    let writes: HashSet<(&str, &str, &str)> = rights
        .iter()
        .filter(|row| row.get(4) || row.get(5))
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    for held in &census.held {
        if only.is_none_or(|only| only == held.table.label()) {
            switches(held, &mut all);
            loose_keys(held, census, &writes, &mut all);
        }
    }
    for (table, what) in policies {
        if only.is_none_or(|only| only == table) {
            let what = format!("its policies differ from the plan: {what}");
            all.push(Finding::new(table, what).fix(PROTECT));
        }
    }
    all.extend(definers);
    for row in &foreign {
        let label = format!("{}.{}", row.get::<_, &str>(0), row.get::<_, &str>(1));
        let what = "it is a foreign table that the application may use: no policy binds it";
        all.push(Finding::new(label, what).fix("revoke it from the application's role"));
    }
    for row in &views {
        view(row, census, &mut all);
    }
    all.dedup();
    Ok(all)
}

fn switches(held: &Held, all: &mut Vec<Finding>) {
    let table = &held.table;
    let what = if !table.rls {
        "it has no row-level security: every tenant reads it whole"
    } else if !table.forced {
        "row-level security is not forced: the owner's views and functions read every tenant"
    } else {
        return;
    };
    all.push(Finding::new(table.label(), what).fix(PROTECT));
}

fn loose_keys(
    held: &Held,
    census: &Census,
    writes: &HashSet<(&str, &str, &str)>,
    all: &mut Vec<Finding>,
) {
    let table = &held.table;
    for (key, parent) in held.loose_keys(census) {
        let may_write =
            |c: &String| writes.contains(&(table.schema.as_str(), table.name.as_str(), c.as_str()));
        if key.columns.iter().any(may_write) {
            let what = format!(
                "its foreign key {} leaves the tenant out: a row can point into another tenant's \
                 {}",
                key.name,
                parent.table.label()
            );
            let fix = "let the foreign key hold the tenant column; `amanah protect` plans it \
                       where it can";
            all.push(Finding::new(table.label(), what).fix(fix));
        }
    }
}

/// A function with the rights of an owner whom the policies do not bind reads every tenant. That of
/// the tables' owner does so too: it can switch FORCE ROW LEVEL SECURITY off and on in one call.
async fn definers(tx: &Tx, app: &str, census: &Census) -> Result<Vec<Finding>> {
    let tables = tx.query(sql::TABLES, &[]).await?;
    let held = |row: &&store::Row| census.find(&(row.get(0), row.get(1))).is_some();
    let mut owners: Vec<String> = tables.iter().filter(held).map(|row| row.get(2)).collect();
    owners.sort_unstable();
    owners.dedup();
    let rows = tx.query(sql::DEFINERS, &[&app, &owners]).await?;
    let each = rows.iter().map(|row| {
        let (schema, signature, owner): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let what = format!(
            "the application may call it, and it runs with the rights of {owner}, who can reach \
             past row security"
        );
        let fix = "make it SECURITY INVOKER, give it to an ordinary role, or revoke EXECUTE";
        Finding::new(format!("{schema}.{signature}"), what).fix(fix)
    });
    Ok(each.collect())
}

fn view(row: &store::Row, census: &Census, all: &mut Vec<Finding>) {
    let Some(held) = census.find(&(row.get(6), row.get(7))) else {
        return;
    };
    let (kind, invoker, above, readable): (&str, bool, bool, bool) =
        (row.get(2), row.get(3), row.get(4), row.get(8));
    let kept: bool = row.get(10);
    let label = format!("{}.{}", row.get::<_, &str>(0), row.get::<_, &str>(1));
    let finding = if !readable {
        return;
    } else if kind == "m" {
        let what = "it is a materialised view: it holds rows of every tenant and knows no policies";
        Finding::new(label, what).fix("revoke it from the application's role")
    } else if !invoker && kept {
        let what = "it reads a materialised view, which holds rows of every tenant, with the \
                    rights of its owner";
        Finding::new(label, what).fix("ALTER VIEW … SET (security_invoker = true)")
    } else if !invoker && (above || !held.table.forced) {
        let what = "it reads with the rights of its owner, whom row security does not bind";
        Finding::new(label, what).fix("ALTER VIEW … SET (security_invoker = true)")
    } else {
        return;
    };
    if !all.contains(&finding) {
        all.push(finding);
    }
}
