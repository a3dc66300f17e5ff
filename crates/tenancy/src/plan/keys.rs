//! Keys: a tenant column that is never empty and fills itself, foreign keys and unique keys that hold the tenant.
//!
//! The check of a foreign key looks past row-level security, so a key without the tenant lets a row
//! point into another tenant and tells whether a guessed row is there.

use std::collections::HashSet;

use store::{ForeignKey, Table, Tx, Unique, ident};

use super::Plan;
use super::facts::{Facts, column, name};
use crate::census::suffix;
use crate::{Belongs, Census, Held, Result};

impl Plan {
    pub(super) async fn keys(&mut self, owner: &Tx, census: &Census, facts: &Facts) -> Result<()> {
        for held in &census.held {
            self.never_empty(held);
            self.own_default(held);
        }
        let mut made = HashSet::new();
        for held in &census.held {
            for (key, parent) in held.loose_keys(census) {
                let pair = Pair { held, key, parent };
                match pair.obstacle(owner, facts).await? {
                    Some(why) => self.need(pair.label(), why, None),
                    None => self.tie(&pair, &mut made),
                }
            }
            self.keys_without_tenant(census, held);
            self.unique_keys(census, held);
            self.leading_index(held, facts);
        }
        Ok(())
    }

    fn never_empty(&mut self, held: &Held) {
        let table = &held.table;
        let Some(own) = held.column().and_then(|c| table.column(c)) else {
            return;
        };
        // A partition takes it from its parent.
        if !own.not_null && !table.partition {
            let why = "a row without a tenant belongs to nobody, and its keys are not checked";
            let sql = format!(
                "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
                table.quoted(),
                ident(&own.name)
            );
            self.step(table.label(), "NOT NULL", why, sql);
        }
    }

    /// An application that leaves the tenant out writes its own. A tenant's own row is left aside: a
    /// new tenant is not the one that is bound.
    fn own_default(&mut self, held: &Held) {
        let Belongs::Column { column, cast, root: false } = &held.by else {
            return;
        };
        let table = &held.table;
        let bare = table.column(column).is_some_and(|c| !c.has_default && !c.generated);
        if bare {
            // Each partition keeps its own.
            let sql = format!(
                "ALTER TABLE ONLY {} ALTER COLUMN {} SET DEFAULT amanah.current_tenant(){}",
                table.quoted(),
                ident(column),
                suffix(cast)
            );
            let why = "a row whose tenant is left out belongs to the bound one";
            self.step(table.label(), "default", why, sql);
        }
    }

    fn tie(&mut self, pair: &Pair<'_>, made: &mut HashSet<(String, Vec<String>)>) {
        let target = pair.target();
        let parent = &pair.parent.table;
        if !has_unique(parent, &target) && made.insert((parent.label(), target.clone())) {
            let sql = format!("ALTER TABLE {} ADD UNIQUE ({})", parent.quoted(), list(&target));
            let why = "the key that foreign keys with the tenant point to";
            self.step(parent.label(), "unique key with the tenant", why, sql);
        }
        let why = format!(
            "the foreign key {} holds the tenant, so a row cannot point into another",
            pair.key.name
        );
        let brief = format!("foreign key {} with the tenant", pair.key.name);
        self.step(pair.held.table.label(), &brief, why, pair.sql(&target));
    }

    /// No key can hold a tenant that the table it points to does not name, and no policy of a table
    /// can ask the same table.
    fn keys_without_tenant(&mut self, census: &Census, held: &Held) {
        for key in &held.table.foreign_keys {
            let parent = census.find(&key.parent).filter(|p| p.column().is_none());
            let Some(parent) = parent else { continue };
            let itself = name(&parent.table) == name(&held.table);
            if itself || held.column().is_some() {
                let why = format!(
                    "a row can point into another tenant, because {} has no column {}. Add that \
                     column, then plan again",
                    parent.table.label(),
                    self.tenant_column
                );
                let object = format!("{}, foreign key {}", held.table.label(), key.name);
                self.advise(object, why, None);
            }
        }
    }

    fn unique_keys(&mut self, census: &Census, held: &Held) {
        // A partition has the keys of its parent, and they are changed there.
        for unique in held.loose_uniques(census).filter(|_| !held.table.partition) {
            let why = format!(
                "the unique key {} leaves the tenant out: \"already taken\" tells one tenant what \
                 another has",
                unique.name
            );
            self.need(held.table.label(), why, widening(held, unique));
        }
    }

    fn leading_index(&mut self, held: &Held, facts: &Facts) {
        let Some(own) = held.column() else { return };
        if !facts.leading.contains(&column(&held.table, own)) {
            let why = format!(
                "no index begins with {own}: each statement reads the rows of all tenants to find \
                 those of one"
            );
            let sql = format!("CREATE INDEX ON {} ({})", held.table.quoted(), ident(own));
            self.advise(held.table.label(), why, Some(sql));
        }
    }
}

/// A foreign key that leaves the tenant out, between its two tables.
struct Pair<'a> {
    held: &'a Held,
    key: &'a ForeignKey,
    parent: &'a Held,
}

impl Pair<'_> {
    fn label(&self) -> String {
        format!("{}, foreign key {}", self.held.table.label(), self.key.name)
    }

    /// Why the key cannot be replaced, or is better left to a person.
    async fn obstacle(&self, owner: &Tx, facts: &Facts) -> Result<Option<String>> {
        let parent = &self.parent.table;
        let leaks = "it leaves the tenant out, so a row can point into another tenant";
        let why = if self.key.columns.len() != 1 {
            "it has several columns"
        } else if matches!(self.key.on_update, 'n' | 'd') {
            "its ON UPDATE action would empty the tenant column too"
        } else if family(self.held) != family(self.parent) {
            "the two tenant columns have different types"
        } else if parent.partition || self.held.table.partition {
            "it is declared on a partition"
        } else if facts.partitioned(parent) && !has_unique(parent, &self.target()) {
            "the table that it points to is partitioned, and a new unique key has to hold the \
             partition key"
        } else if self.crosses(owner).await? {
            "some rows point into another tenant already; repair them and plan again"
        } else {
            return Ok(None);
        };
        Ok(Some(format!("{leaks}; it was left as it is because {why}")))
    }

    /// Whether rows point into another tenant. Blind where row security is forced already; there,
    /// making the new key finds them.
    async fn crosses(&self, owner: &Tx) -> Result<bool> {
        let (Some(own), Some(theirs)) = (self.held.column(), self.parent.column()) else {
            return Ok(false);
        };
        let pairs = self.key.columns.iter().zip(&self.key.parent_columns);
        let joined: Vec<String> =
            pairs.map(|(c, p)| format!("p.{} = c.{}", ident(p), ident(c))).collect();
        let sql = format!(
            "SELECT FROM {} c JOIN {} p ON {} WHERE p.{} <> c.{} LIMIT 1",
            self.held.table.quoted(),
            self.parent.table.quoted(),
            joined.join(" AND "),
            ident(theirs),
            ident(own)
        );
        Ok(owner.query_opt(&sql, &[]).await?.is_some())
    }

    /// The columns that the new key points to.
    fn target(&self) -> Vec<String> {
        let theirs = self.parent.column().map(str::to_owned);
        theirs.into_iter().chain(self.key.parent_columns.iter().cloned()).collect()
    }

    fn sql(&self, target: &[String]) -> String {
        let own = self.held.column().map(str::to_owned);
        let columns: Vec<String> =
            own.into_iter().chain(self.key.columns.iter().cloned()).collect();
        let name = ident(&self.key.name);
        let child = self.held.table.quoted();
        let delete = match self.key.on_delete {
            'n' | 'd' => format!("{} ({})", action(self.key.on_delete), list(&self.key.columns)),
            other => action(other).to_owned(),
        };
        let wait = match (self.key.deferrable, self.key.deferred) {
            (true, true) => " DEFERRABLE INITIALLY DEFERRED",
            (true, false) => " DEFERRABLE",
            _ => "",
        };
        let swap = format!(
            "ALTER TABLE {child} DROP CONSTRAINT {name},\n  ADD CONSTRAINT {name} FOREIGN KEY \
             ({}) REFERENCES {} ({})\n  ON DELETE {delete} ON UPDATE {}{wait}",
            list(&columns),
            self.parent.table.quoted(),
            list(target),
            action(self.key.on_update)
        );
        self.unforced(swap)
    }

    /// A new key is checked against the rows that its maker sees. Where row security is forced, the
    /// owner sees none, so it is not forced for that moment, which no other transaction observes.
    fn unforced(&self, sql: String) -> String {
        let mut tables = vec![&self.held.table, &self.parent.table];
        tables.retain(|t| t.forced);
        tables.dedup_by_key(|t| name(t));
        let say = |word: &str| -> Vec<String> {
            let all = tables.iter();
            all.map(|t| format!("ALTER TABLE {} {word} ROW LEVEL SECURITY", t.quoted())).collect()
        };
        let (before, after) = (say("NO FORCE"), say("FORCE"));
        let all: Vec<String> = before.into_iter().chain([sql]).chain(after).collect();
        all.join(";\n")
    }
}

/// The statements that let a foreign key hold the tenant.
pub(crate) fn tying(held: &Held, key: &ForeignKey, parent: &Held) -> String {
    let pair = Pair { held, key, parent };
    let target = pair.target();
    let swap = pair.sql(&target);
    if has_unique(&parent.table, &target) {
        return swap;
    }
    let table = parent.table.quoted();
    format!("ALTER TABLE {table} ADD UNIQUE ({});\n{swap}", list(&target))
}

/// The statements that put a unique key with the tenant in the place of one without. What points to
/// the old one stops them.
pub(crate) fn widening(held: &Held, unique: &Unique) -> Option<String> {
    let own = held.column()?.to_owned();
    let columns: Vec<String> = std::iter::once(own).chain(unique.columns.iter().cloned()).collect();
    let table = &held.table;
    // It is a constraint, or an index without one.
    Some(format!(
        "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {};\nDROP INDEX IF EXISTS {};\nCREATE \
         UNIQUE INDEX ON {table} ({})",
        ident(&unique.name),
        store::qualified(&table.schema, &unique.name),
        list(&columns),
        table = table.quoted(),
    ))
}

impl Held {
    /// Unique keys that leave the tenant out. One that holds a reference to a tenant's row is left
    /// aside: it tells something only to somebody who has guessed that row's key. So is a name in
    /// the tenants' own table, which has to be unique over all of them.
    pub(crate) fn loose_uniques<'a>(
        &'a self,
        census: &'a Census,
    ) -> impl Iterator<Item = &'a Unique> {
        self.table.uniques.iter().filter(move |unique| {
            let points = |c: &String| {
                let mut keys = self.table.foreign_keys.iter();
                keys.any(|k| k.columns.contains(c) && census.find(&k.parent).is_some())
            };
            let holds = |c: &String| self.column() == Some(c.as_str());
            let whole_key = |c: &String| self.table.primary_key.contains(c);
            let tied = unique.columns.iter().any(|c| holds(c) || points(c) || whole_key(c));
            !tied && !self.one_each()
        })
    }
}

fn has_unique(table: &Table, columns: &[String]) -> bool {
    let same = |other: &[String]| {
        other.len() == columns.len() && columns.iter().all(|c| other.contains(c))
    };
    same(&table.primary_key) || table.uniques.iter().any(|u| same(&u.columns))
}

/// The type of the tenant column; a foreign key can join any two whole numbers.
fn family(held: &Held) -> Option<&'static str> {
    match &held.by {
        Belongs::Column { cast, .. } => match *cast {
            "smallint" | "integer" | "bigint" => Some("number"),
            other => Some(other),
        },
        Belongs::Parents(_) => None,
    }
}

const fn action(letter: char) -> &'static str {
    match letter {
        'r' => "RESTRICT",
        'c' => "CASCADE",
        'n' => "SET NULL",
        'd' => "SET DEFAULT",
        _ => "NO ACTION",
    }
}

fn list(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|c| ident(c)).collect();
    quoted.join(", ")
}
