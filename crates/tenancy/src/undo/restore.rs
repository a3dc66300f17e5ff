//! The statements that put one thing back.
//!
//! They are made anew from the journal's data and the state of now. As the superuser only rights
//! are put back, and of a right nothing is taken as SQL text: its word is one of a list, and every
//! name is quoted.

use serde::Deserialize;
use store::{ident, literal, qualified};

use super::state::{Aspect, Kind, Right};

/// A policy as the journal has it.
#[derive(Deserialize)]
struct Policy {
    permissive: bool,
    command: String,
    roles: Vec<Option<String>>,
    using: Option<String>,
    check: Option<String>,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct Constraint {
    definition: String,
    comment: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RowSecurity {
    pub(super) enabled: bool,
    pub(super) forced: bool,
}

/// The words of rights; a state that has another is damaged.
const RIGHTS: [&str; 13] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "EXECUTE",
    "USAGE",
    "CREATE",
    "CONNECT",
    "TEMPORARY",
    "SET",
];

impl Aspect {
    /// The statements that bring it from the state `now` to the state `wanted`; none where they
    /// are the same. `None` when a state cannot be read.
    pub(super) fn restore(&self, now: Option<&str>, wanted: Option<&str>) -> Option<Vec<String>> {
        if now == wanted {
            return Some(Vec::new());
        }
        let table = qualified(&self.schema, &self.name);
        let part = ident(&self.part);
        let alter = |what: String| format!("ALTER TABLE {table} {what}");
        Some(match self.kind {
            Kind::Constraint => self.constraint(now.is_some(), wanted)?,
            Kind::NotNull => {
                let word = if wanted == Some("true") { "SET" } else { "DROP" };
                vec![alter(format!("ALTER COLUMN {part} {word} NOT NULL"))]
            }
            Kind::Default => {
                let what = match wanted {
                    Some(value) => format!("SET DEFAULT {value}"),
                    None => "DROP DEFAULT".to_owned(),
                };
                vec![format!("ALTER TABLE ONLY {table} ALTER COLUMN {part} {what}")]
            }
            Kind::Policy => self.policy(now.is_some(), wanted)?,
            Kind::Options => self.options(now, wanted)?,
            Kind::RowSecurity => {
                let RowSecurity { enabled, forced } = serde_json::from_str(wanted?).ok()?;
                let (on, force) = (
                    if enabled { "ENABLE" } else { "DISABLE" },
                    if forced { "FORCE" } else { "NO FORCE" },
                );
                vec![alter(format!("{on} ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY"))]
            }
            Kind::Role => return None,
            kind => {
                debug_assert!(kind.is_rights());
                let (now, wanted) = (rights(now)?, rights(wanted)?);
                self.change_rights(&now, &wanted)?
            }
        })
    }

    fn constraint(&self, there: bool, wanted: Option<&str>) -> Option<Vec<String>> {
        let table = qualified(&self.schema, &self.name);
        let name = ident(&self.part);
        let mut all = Vec::new();
        if there {
            all.push(format!("ALTER TABLE {table} DROP CONSTRAINT {name}"));
        }
        if let Some(wanted) = wanted {
            let Constraint { definition, comment } = serde_json::from_str(wanted).ok()?;
            all.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
            let comment = comment.map(|text| literal(&text));
            all.extend(comment.map(|t| format!("COMMENT ON CONSTRAINT {name} ON {table} IS {t}")));
        }
        Some(all)
    }

    fn policy(&self, there: bool, wanted: Option<&str>) -> Option<Vec<String>> {
        let table = qualified(&self.schema, &self.name);
        let name = ident(&self.part);
        let mut all = Vec::new();
        if there {
            all.push(format!("DROP POLICY {name} ON {table}"));
        }
        if let Some(wanted) = wanted {
            let policy: Policy = serde_json::from_str(wanted).ok()?;
            let kind = if policy.permissive { "PERMISSIVE" } else { "RESTRICTIVE" };
            let command = match policy.command.as_str() {
                "r" => "SELECT",
                "a" => "INSERT",
                "w" => "UPDATE",
                "d" => "DELETE",
                _ => "ALL",
            };
            let roles: Vec<String> = policy.roles.iter().map(|r| who(r.as_deref())).collect();
            let using = policy.using.map(|text| format!(" USING ({text})")).unwrap_or_default();
            let check = policy.check.map(|text| format!(" WITH CHECK ({text})"));
            all.push(format!(
                "CREATE POLICY {name} ON {table} AS {kind} FOR {command} TO {}{using}{}",
                roles.join(", "),
                check.unwrap_or_default()
            ));
            let comment = policy.comment.map(|text| literal(&text));
            all.extend(comment.map(|t| format!("COMMENT ON POLICY {name} ON {table} IS {t}")));
        }
        Some(all)
    }

    /// All of them anew: their order is part of what a dump shows.
    fn options(&self, now: Option<&str>, wanted: Option<&str>) -> Option<Vec<String>> {
        let view = qualified(&self.schema, &self.name);
        let read = |state: Option<&str>| -> Option<Vec<(String, String)>> {
            let Some(text) = state else { return Some(Vec::new()) };
            let all: Vec<String> = serde_json::from_str(text).ok()?;
            let pairs = all.iter().filter_map(|option| option.split_once('='));
            Some(pairs.map(|(name, value)| (ident(name), literal(value))).collect())
        };
        let (now, wanted) = (read(now)?, read(wanted)?);
        let mut all = Vec::new();
        if !now.is_empty() {
            let names: Vec<String> = now.into_iter().map(|(name, _)| name).collect();
            all.push(format!("ALTER VIEW {view} RESET ({})", names.join(", ")));
        }
        if !wanted.is_empty() {
            let pairs: Vec<String> = wanted.iter().map(|(n, v)| format!("{n} = {v}")).collect();
            all.push(format!("ALTER VIEW {view} SET ({})", pairs.join(", ")));
        }
        Some(all)
    }

    fn change_rights(&self, now: &[Right], wanted: &[Right]) -> Option<Vec<String>> {
        let mut all = Vec::new();
        for (from, other, give) in [(now, wanted, false), (wanted, now, true)] {
            for right in from.iter().filter(|right| !other.contains(right)) {
                all.push(self.right(right, give)?);
            }
        }
        Some(all)
    }

    fn right(&self, right: &Right, give: bool) -> Option<String> {
        let Right(grantee, _, word, passing) = right;
        let word = RIGHTS.iter().find(|known| *known == word)?;
        let what = if self.part.is_empty() || self.kind == Kind::DefaultAcl {
            (*word).to_owned()
        } else {
            format!("{word} ({})", ident(&self.part))
        };
        let on = match self.kind {
            Kind::Acl => format!("TABLE {}", qualified(&self.schema, &self.name)),
            Kind::SchemaAcl => format!("SCHEMA {}", ident(&self.name)),
            Kind::DatabaseAcl => format!("DATABASE {}", ident(&self.name)),
            Kind::FunctionAcl => {
                let (name, arguments) = self.name.split_once('(')?;
                let plain = |c: char| c.is_ascii_alphanumeric() || ", _[])".contains(c);
                if !arguments.chars().all(plain) {
                    return None;
                }
                format!("FUNCTION {}({arguments}", qualified(&self.schema, name))
            }
            Kind::ParameterAcl => format!("PARAMETER {}", ident(&self.name)),
            Kind::DefaultAcl => if self.part == "S" { "SEQUENCES" } else { "TABLES" }.to_owned(),
            _ => return None,
        };
        let (verb, to) = if give { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
        let passing = if give && *passing { " WITH GRANT OPTION" } else { "" };
        let statement = format!("{verb} {what} ON {on} {to} {}{passing}", who(grantee.as_deref()));
        if self.kind != Kind::DefaultAcl {
            return Some(statement);
        }
        let role = ident(&self.name);
        let place = if self.schema.is_empty() {
            String::new()
        } else {
            format!(" IN SCHEMA {}", ident(&self.schema))
        };
        Some(format!("ALTER DEFAULT PRIVILEGES FOR ROLE {role}{place} {statement}"))
    }
}

/// The rights in a state; none in one that is absent.
pub(super) fn rights(state: Option<&str>) -> Option<Vec<Right>> {
    let Some(text) = state else { return Some(Vec::new()) };
    serde_json::from_str(text).ok()
}

/// A role for SQL; nobody is everybody.
fn who(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), ident)
}
