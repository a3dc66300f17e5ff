//! The policies of row-level security.
//!
//! They are restrictive, so another policy can narrow what a tenant sees and can never widen it.
//! A restrictive policy needs a permissive one beside it to let anything through; that one is
//! added only where the application has none of its own.

use std::fmt::Write as _;

use store::{Tx, ident};

use super::Plan;
use super::expression::alike;
use super::facts::{self, Facts, Policy, name};
use crate::{Census, Held, Result};

/// Where the application has no policies of its own.
const OPEN: &str = "amanah_open";

/// A policy as it should be.
struct Wanted {
    name: &'static str,
    permissive: bool,
    /// The letter in the catalogue and the word in SQL.
    command: (&'static str, &'static str),
    using: Option<String>,
    check: Option<String>,
}

impl Plan {
    pub(super) fn rows(&mut self, census: &Census, facts: &Facts) {
        for held in &census.held {
            let now = facts.policies(&held.table);
            self.policies(held, now);
            self.switch_on(held);
            if shut(held, now) && !now.iter().any(|p| is_ours(&p.name)) {
                self.warnings.push(format!(
                    "{} has row-level security switched on, and no policy lets anything through. \
                     The plan lets each tenant see and change its own rows there, as far as the \
                     application's role has the rights to; take those away where it is to reach \
                     none.",
                    held.table.label()
                ));
            }
            let foreign = now.iter().filter(|p| !is_ours(&p.name));
            for policy in foreign.filter(|p| p.permissive) {
                self.warnings.push(format!(
                    "{} keeps its own policy {}. It can narrow what a tenant sees; it cannot \
                     widen it, because Amanah's policies are restrictive.",
                    held.table.label(),
                    policy.name
                ));
            }
        }
    }

    fn policies(&mut self, held: &Held, now: &[Policy]) {
        let sql = restoring(held, now);
        if !sql.is_empty() {
            let brief = match astray(held, now).count() {
                1 => "1 policy".to_owned(),
                many => format!("{many} policies"),
            };
            let why = "a row is seen and changed by its tenant alone";
            self.step(held.table.label(), &brief, why, sql);
        }
    }

    fn switch_on(&mut self, held: &Held) {
        let table = &held.table;
        let missing: Vec<&str> =
            [(table.rls, "ENABLE ROW LEVEL SECURITY"), (table.forced, "FORCE ROW LEVEL SECURITY")]
                .into_iter()
                .filter_map(|(on, word)| (!on).then_some(word))
                .collect();
        if !missing.is_empty() {
            let sql = format!("ALTER TABLE {} {}", table.quoted(), missing.join(", "));
            let why = "the policies are in force, for the owner's views and functions too";
            let brief = if table.forced { "ENABLE" } else { "FORCE" };
            self.step(table.label(), brief, why, sql);
        }
    }
}

/// What is not as the plan would make it in the policies of each table with tenants' rows, in
/// words, and the statements that put it right; tables where all is well are left out. `tx` must
/// have no schema of the application in its `search_path`, so that every name is printed with its
/// own.
pub(crate) async fn departures(tx: &Tx, census: &Census) -> Result<Vec<(String, String, String)>> {
    let policies = facts::policies(tx).await?;
    let mut all = Vec::new();
    for held in &census.held {
        let now = policies.get(&name(&held.table)).map_or(&[][..], Vec::as_slice);
        let words: Vec<String> = astray(held, now)
            .map(|(wanted, there)| {
                format!("{} is {}", wanted.name, if there { "changed" } else { "missing" })
            })
            .collect();
        if !words.is_empty() {
            all.push((held.table.label(), words.join(", "), restoring(held, now)));
        }
    }
    Ok(all)
}

/// Policies of the application's own that may hide a tenant's rows from the tenant: table and policy.
/// Whoever reads all that a tenant has cannot know then that it was all.
pub(crate) async fn narrowing(tx: &Tx, census: &Census) -> Result<Vec<(String, String)>> {
    let policies = facts::policies(tx).await?;
    let mut all = Vec::new();
    for held in census.held.iter().filter(|held| !held.table.partition) {
        let now = policies.get(&name(&held.table)).map_or(&[][..], Vec::as_slice);
        let reads = |p: &&Policy| matches!(p.command.as_str(), "r" | "*");
        let open = |p: &Policy| p.permissive && p.everybody && p.using.as_deref() == Some("true");
        let wide = now.iter().filter(reads).any(open);
        let narrow = |p: &&Policy| !(is_ours(&p.name) || wide && p.permissive);
        let names = now.iter().filter(reads).filter(narrow).map(|p| p.name.clone());
        all.extend(names.map(|policy| (held.table.label(), policy)));
    }
    Ok(all)
}

/// The policies that are not as they should be, and whether one of that name is there.
fn astray(held: &Held, now: &[Policy]) -> impl Iterator<Item = (Wanted, bool)> {
    wanted(held, now).into_iter().filter_map(|wanted| {
        let there = now.iter().find(|p| p.name == wanted.name);
        let right = there.is_some_and(|p| wanted.is(p));
        (!right).then_some((wanted, there.is_some()))
    })
}

/// The statements that make the policies of a table as they should be; empty when they are.
fn restoring(held: &Held, now: &[Policy]) -> String {
    let table = held.table.quoted();
    let mut sql = String::new();
    for (wanted, there) in astray(held, now) {
        // Writing to a `String` cannot fail.
        if there {
            let _ = writeln!(sql, "DROP POLICY {} ON {table};", wanted.name);
        }
        let _ = writeln!(sql, "{};", wanted.create(&table));
    }
    sql.trim_end().trim_end_matches(';').to_owned()
}

impl Wanted {
    fn is(&self, policy: &Policy) -> bool {
        policy.permissive == self.permissive
            && policy.command == self.command.0
            && policy.everybody
            && alike(policy.using.as_ref(), self.using.as_ref())
            && alike(policy.check.as_ref(), self.check.as_ref())
    }

    fn create(&self, table: &str) -> String {
        let kind = if self.permissive { "PERMISSIVE" } else { "RESTRICTIVE" };
        let (name, command) = (ident(self.name), self.command.1);
        let mut sql = format!("CREATE POLICY {name} ON {table} AS {kind} FOR {command}");
        // Writing to a `String` cannot fail.
        if let Some(using) = &self.using {
            let _ = write!(sql, "\n  USING ({using})");
        }
        if let Some(check) = &self.check {
            let _ = write!(sql, "\n  WITH CHECK ({check})");
        }
        sql
    }
}

fn wanted(held: &Held, now: &[Policy]) -> Vec<Wanted> {
    let own = held.policy();
    let writing = held.writing_policy();
    let make = |name, command, using: Option<&String>, check: Option<&String>| Wanted {
        name,
        permissive: false,
        command,
        using: using.cloned(),
        check: check.cloned(),
    };
    let mut all = vec![
        make("amanah_select", ("r", "SELECT"), Some(&own), None),
        make("amanah_insert", ("a", "INSERT"), None, Some(&writing)),
        // A write under a binding for reading is an error, and not silently nothing: the check
        // refuses what the first condition has let through.
        make("amanah_update", ("w", "UPDATE"), Some(&own), Some(&writing)),
        make("amanah_delete", ("d", "DELETE"), Some(&writing), None),
    ];
    if needs_open(held, now) {
        all.push(Wanted {
            name: OPEN,
            permissive: true,
            command: ("*", "ALL"),
            using: Some("true".to_owned()),
            check: Some("true".to_owned()),
        });
    }
    all
}

/// An application that has switched row security on by itself has its reasons for what its own
/// policies let through; nothing is opened there. Where none of them lets anything through, each
/// tenant is let to its own rows: nobody could be attacked there, and nobody work, otherwise.
fn needs_open(held: &Held, now: &[Policy]) -> bool {
    let opened = now.iter().any(|p| p.name == OPEN);
    opened || !held.table.rls || shut(held, now)
}

/// Row security is on, and no policy of the application's lets anything through.
fn shut(held: &Held, now: &[Policy]) -> bool {
    held.table.rls && !now.iter().any(|p| !is_ours(&p.name) && p.permissive)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("amanah_")
}
