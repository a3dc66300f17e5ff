//! The policies of row-level security.
//!
//! They are restrictive, so another policy can narrow what a tenant sees and can never widen it.
//! A restrictive policy needs a permissive one beside it to let anything through; that one is
//! added only where the application has none of its own.

use std::fmt::Write as _;

use store::ident;

use super::Plan;
use super::facts::{Facts, Policy};
use crate::{Census, Held};

/// Where the application has no policies of its own.
const OPEN: &str = "amanah_open";
/// What a binding for reading alone does not fulfil.
const WRITES: &str = "(SELECT amanah.may_write())";

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
        let table = held.table.quoted();
        let mut sql = String::new();
        for wanted in wanted(held, now) {
            let there = now.iter().find(|p| p.name == wanted.name);
            if there.is_some_and(|p| wanted.is(p)) {
                continue;
            }
            // Writing to a `String` cannot fail.
            if there.is_some() {
                let _ = writeln!(sql, "DROP POLICY {} ON {table};", wanted.name);
            }
            let _ = writeln!(sql, "{};", wanted.create(&table));
        }
        let sql = sql.trim_end().trim_end_matches(';').to_owned();
        if !sql.is_empty() {
            let why = "a row is seen and changed by its tenant alone";
            self.step(held.table.label(), why, sql);
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
            self.step(table.label(), why, sql);
        }
    }
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
    let writing = format!("{own} AND {WRITES}");
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
/// policies let through; nothing is opened there.
fn needs_open(held: &Held, now: &[Policy]) -> bool {
    let has = |test: &dyn Fn(&Policy) -> bool| now.iter().any(test);
    let foreign = has(&|p| !is_ours(&p.name) && p.permissive);
    let ours = has(&|p| is_ours(&p.name));
    has(&|p| p.name == OPEN) || !held.table.rls || (ours && !foreign)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("amanah_")
}

fn alike(there: Option<&String>, wanted: Option<&String>) -> bool {
    there.map(|t| essence(t)) == wanted.map(|w| essence(w))
}

/// An expression without what PostgreSQL adds when it prints one: spaces, brackets, quotes, names
/// of results, casts to text. Two policies of the same essence mean the same in the two forms that
/// are written here; whether a policy holds is not decided by this, but by the attacks.
fn essence(expression: &str) -> String {
    let bare: String = expression
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"'))
        .collect();
    bare.replace("AScurrent_tenant", "").replace("ASmay_write", "").replace("::text", "")
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn the_printed_form_is_recognised() {
        let wanted = "\"slug\" = (SELECT amanah.current_tenant()) AND (SELECT amanah.may_write())";
        let printed = "(((slug)::text = ( SELECT amanah.current_tenant() AS current_tenant)) AND \
                       ( SELECT amanah.may_write() AS may_write))";
        assert_eq!(essence(wanted), essence(printed));
        assert_ne!(essence(wanted), essence("true"));
    }
}
