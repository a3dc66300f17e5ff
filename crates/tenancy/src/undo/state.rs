//! What a database is like in all that a plan can change, and the journal of what was changed.
//!
//! Two readings, before and after, are compared in the transaction that makes the change; so
//! whatever a step does, and however many tables it reaches, is noted as it was.

use std::collections::BTreeMap;

use serde::Deserialize;
use store::{Row, Tx};

use super::sql;
use crate::Result;

/// One thing that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aspect {
    pub(super) kind: Kind,
    /// Empty for what is in no schema.
    pub(super) schema: String,
    pub(super) name: String,
    /// The policy, column or constraint; empty for the whole.
    pub(super) part: String,
}

/// In the order in which they are put back, but for row security itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Constraint,
    NotNull,
    Default,
    Policy,
    Options,
    Acl,
    SchemaAcl,
    FunctionAcl,
    DatabaseAcl,
    DefaultAcl,
    ParameterAcl,
    RowSecurity,
    /// A role that was made.
    Role,
}

/// A state as the catalogue has it, and what else is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) relation: Option<u32>,
    pub(super) state: Option<String>,
    pub(super) partition: bool,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct States(pub(super) BTreeMap<Aspect, Found>);

/// A row of a journal.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) aspect: Aspect,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A right: who has it, from whom, which, and whether it may be passed on. Nobody is everybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Right(
    pub(super) Option<String>,
    pub(super) String,
    pub(super) String,
    pub(super) bool,
);

/// Whose journal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    Owner,
    Superuser,
}

impl Kind {
    const WORDS: [(Self, &'static str); 13] = [
        (Self::Constraint, "constraint"),
        (Self::NotNull, "not null"),
        (Self::Default, "default"),
        (Self::Policy, "policy"),
        (Self::Options, "options"),
        (Self::Acl, "acl"),
        (Self::SchemaAcl, "schema acl"),
        (Self::FunctionAcl, "function acl"),
        (Self::DatabaseAcl, "database acl"),
        (Self::DefaultAcl, "default acl"),
        (Self::ParameterAcl, "parameter acl"),
        (Self::RowSecurity, "row security"),
        (Self::Role, "role"),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    /// Whether the state is a set of rights, of which each can be put back by itself.
    pub(super) const fn is_rights(self) -> bool {
        matches!(
            self,
            Self::Acl
                | Self::SchemaAcl
                | Self::FunctionAcl
                | Self::DatabaseAcl
                | Self::DefaultAcl
                | Self::ParameterAcl
        )
    }
}

impl Aspect {
    fn of(row: &Row) -> Option<Self> {
        let kind = Kind::of(row.get(0))?;
        Some(Self { kind, schema: row.get(1), name: row.get(2), part: row.get(3) })
    }

    /// The relation, or what else it is a part of.
    pub(super) fn whole(&self) -> String {
        if self.schema.is_empty() {
            return self.name.clone();
        }
        format!("{}.{}", self.schema, self.name)
    }

    /// What it is an aspect of, as people name it.
    pub(super) fn object(&self) -> String {
        let whole = self.whole();
        match self.kind {
            Kind::SchemaAcl => format!("schema {whole}"),
            Kind::DatabaseAcl => format!("database {whole}"),
            Kind::DefaultAcl => format!("default privileges of {whole}"),
            Kind::ParameterAcl => format!("parameter {whole}"),
            Kind::Role => format!("role {whole}"),
            _ => whole,
        }
    }

    /// The aspect alone, in a word or two.
    pub(super) fn brief(&self) -> String {
        let part = &self.part;
        match self.kind {
            Kind::Policy => "policies".to_owned(),
            Kind::Constraint => format!("constraint {part}"),
            Kind::NotNull => format!("NOT NULL of {part}"),
            Kind::Default => format!("default of {part}"),
            Kind::RowSecurity => "row security".to_owned(),
            Kind::Options => "options".to_owned(),
            _ => "rights".to_owned(),
        }
    }

    /// As people name it.
    pub(super) fn label(&self) -> String {
        let whole = self.whole();
        match self.kind {
            Kind::Policy => format!("policy {} on {whole}", self.part),
            Kind::Constraint => format!("constraint {} of {whole}", self.part),
            Kind::NotNull => format!("NOT NULL of {whole}.{}", self.part),
            Kind::Default => format!("default of {whole}.{}", self.part),
            Kind::RowSecurity => format!("row security of {whole}"),
            Kind::Options => format!("options of view {whole}"),
            Kind::SchemaAcl => format!("rights on schema {whole}"),
            Kind::DatabaseAcl => format!("rights on database {whole}"),
            Kind::DefaultAcl => format!("default rights of {whole}"),
            Kind::ParameterAcl => format!("rights on parameter {whole}"),
            Kind::Role => format!("role {whole}"),
            Kind::Acl | Kind::FunctionAcl => format!("rights on {whole}"),
        }
    }
}

impl States {
    /// Reads the state of the relations with these labels, and of the rights beside them. `tx` must
    /// have an empty `search_path`.
    pub(super) async fn read(tx: &Tx, labels: &[String]) -> Result<Self> {
        Ok(Self::of(&tx.query(sql::STATES, &[&labels]).await?))
    }

    /// Reads the rights that a superuser changes, on objects of PostgreSQL's own with these names.
    pub(super) async fn read_privileged(tx: &Tx, names: &[&str]) -> Result<Self> {
        Ok(Self::of(&tx.query(sql::PRIVILEGED_STATES, &[&names]).await?))
    }

    fn of(rows: &[Row]) -> Self {
        let entry = |row: &Row| {
            let found = Found { relation: row.get(4), state: row.get(5), partition: row.get(6) };
            Some((Aspect::of(row)?, found))
        };
        Self(rows.iter().filter_map(entry).collect())
    }

    pub(super) fn state(&self, aspect: &Aspect) -> Option<&String> {
        self.0.get(aspect)?.state.as_ref()
    }

    /// Whether the table or view that the aspect is about is there.
    pub(super) fn has_relation(&self, aspect: &Aspect) -> bool {
        // Rights are read of every relation, whatever it is.
        let (schema, name) = (aspect.schema.clone(), aspect.name.clone());
        self.0.contains_key(&Aspect { kind: Kind::Acl, schema, name, part: String::new() })
    }

    /// Whether the column that the aspect is about is there.
    pub(super) fn has_column(&self, aspect: &Aspect) -> bool {
        self.0.contains_key(&Aspect { kind: Kind::NotNull, ..aspect.clone() })
    }

    fn differences<'a>(&'a self, later: &'a Self) -> Vec<(&'a Aspect, Option<u32>, Noted)> {
        let mut aspects: Vec<&Aspect> = self.0.keys().chain(later.0.keys()).collect();
        aspects.sort();
        aspects.dedup();
        let differs = |aspect: &'a Aspect| {
            let (before, after) = (self.state(aspect), later.state(aspect));
            let relation = [later, self].iter().find_map(|s| s.0.get(aspect)?.relation);
            let noted =
                Noted { aspect: aspect.clone(), before: before.cloned(), after: after.cloned() };
            (before != after).then_some((aspect, relation, noted))
        };
        aspects.into_iter().filter_map(differs).collect()
    }

    /// Writes down what is different in `later`. Returns how many things are.
    pub(super) async fn note(&self, later: &Self, tx: &Tx, journal: Journal) -> Result<usize> {
        let all = self.differences(later);
        for (_, relation, noted) in &all {
            write(tx, journal, noted, *relation).await?;
        }
        Ok(all.len())
    }
}

/// Adds a row to a journal.
pub(super) async fn write(
    tx: &Tx,
    journal: Journal,
    noted: &Noted,
    relation: Option<u32>,
) -> Result<()> {
    let Noted { aspect, before, after } = noted;
    let word = aspect.kind.word();
    let insert = format!(
        "INSERT INTO {0} (id, kind, schema, name, part, relation, before, after)
         VALUES ((SELECT COALESCE(pg_catalog.max(id), 0) + 1 FROM {0}), $1, $2, $3, $4, $5, $6, $7)",
        journal.table()
    );
    let bound: store::Bound<'_> =
        &[&word, &aspect.schema, &aspect.name, &aspect.part, &relation, before, after];
    tx.execute(&insert, bound).await?;
    Ok(())
}

impl Journal {
    const fn table(self) -> &'static str {
        match self {
            Self::Owner => "amanah.journal",
            Self::Superuser => "amanah_guard.journal",
        }
    }

    /// Every row, the newest first; none where there is no journal.
    pub(super) async fn read(self, tx: &Tx) -> Result<Vec<Noted>> {
        let there = match self {
            Self::Owner => sql::HAS_JOURNAL,
            Self::Superuser => sql::HAS_VAULT,
        };
        if tx.query_opt(there, &[]).await?.is_none() {
            return Ok(Vec::new());
        }
        let select = format!(
            "SELECT kind, schema, name, part, before, after FROM {} ORDER BY id DESC",
            self.table()
        );
        let rows = tx.query(&select, &[]).await?;
        let noted = |row: &Row| {
            Some(Noted { aspect: Aspect::of(row)?, before: row.get(4), after: row.get(5) })
        };
        Ok(rows.iter().filter_map(noted).collect())
    }

    /// Forgets everything: it is as it was.
    pub(super) async fn clear(self, tx: &Tx) -> Result<()> {
        tx.execute(&format!("DELETE FROM {}", self.table()), &[]).await?;
        Ok(())
    }
}
