//! The attacks on a table that would change something.

use store::{ForeignKey, ident};

use super::table::own;
use super::victim::{Bound, Victim};
use super::{Expect, Scene, Strike};
use crate::Held;
use crate::census::{ROW, suffix};

pub(super) fn update(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let Some(column) = victim.writable().map(ident) else {
        return Vec::new();
    };
    let mut bound = Bound::default();
    let is_b = victim.is(&victim.b, &mut bound);
    let table = victim.held.table.quoted();
    let sql = format!(
        "WITH hit AS (UPDATE {table} AS {ROW} SET {column} = {column} WHERE {is_b} RETURNING 1) \
         SELECT count(*) FROM hit"
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

pub(super) fn delete(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mut bound = Bound::default();
    let is_b = victim.is(&victim.b, &mut bound);
    let table = victim.held.table.quoted();
    let sql = format!(
        "WITH hit AS (DELETE FROM {table} AS {ROW} WHERE {is_b} RETURNING 1) \
         SELECT count(*) FROM hit"
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

/// A copy of A's own row with B's name on it. The policy is asked before any other constraint, so
/// a duplicate key here means that the policy let the row pass.
pub(super) fn insert_as_other(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let held = victim.held;
    let Some(tenant) = held.column() else {
        // Without a tenant column, B's row itself: its parents are B's.
        return vec![insert(victim, &|column| victim.value(&victim.b, column), "")];
    };
    let other = scene.protected.canaries.1.as_str();
    let value = |column: &str| {
        if column == tenant { Some(other) } else { victim.value(&victim.a, column) }
    };
    vec![insert(victim, &value, "")]
}

fn insert<'v>(
    victim: &Victim<'_>,
    value: &dyn Fn(&str) -> Option<&'v str>,
    behind: &str,
) -> Strike {
    let table = &victim.held.table;
    let mut columns: Vec<_> = table.columns.iter().filter(|c| victim.may_insert(&c.name)).collect();
    if columns.is_empty() {
        // The refusal is for the lack of the right then.
        columns = table.columns.iter().filter(|c| !c.generated).take(1).collect();
    }
    let mut bound = Bound::default();
    let values: Vec<String> =
        columns.iter().map(|c| format!("{}::{}", bound.add(value(&c.name)), c.sql_type)).collect();
    let names: Vec<String> = columns.iter().map(|c| ident(&c.name)).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}){behind}",
        table.quoted(),
        names.join(", "),
        values.join(", ")
    );
    own(sql, bound, Expect::Refused(&["42501"]))
}

pub(super) fn give_away(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let crate::Belongs::Column { column, cast, .. } = &victim.held.by else {
        return Vec::new();
    };
    let mut bound = Bound::default();
    let other = bound.add(Some(scene.protected.canaries.1.as_str()));
    let set = format!("{} = {other}{}", ident(column), suffix(cast));
    vec![change_own(victim, &set, bound, Expect::Refused(&["42501"]))]
}

/// Changes A's own row.
fn change_own(victim: &Victim<'_>, set: &str, mut bound: Bound, expect: Expect) -> Strike {
    let is_a = victim.is(&victim.a, &mut bound);
    let table = victim.held.table.quoted();
    let sql = format!(
        "WITH hit AS (UPDATE {table} AS {ROW} SET {set} WHERE {is_a} RETURNING 1) \
         SELECT count(*) FROM hit"
    );
    own(sql, bound, expect)
}

/// Only where the key alone names a row: with the tenant in the key, B's row is not met.
pub(super) fn overwrite(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let held = victim.held;
    let key = &held.table.primary_key;
    let Some(tenant) = held.column() else {
        return Vec::new();
    };
    let may = key.iter().all(|c| victim.may_insert(c));
    let writable = victim.writable().filter(|c| victim.may_update(c));
    let (Some(column), true) = (writable, may && !key.iter().any(|c| c == tenant)) else {
        return Vec::new();
    };
    if key.is_empty() {
        return Vec::new();
    }
    let keys: Vec<String> = key.iter().map(|c| ident(c)).collect();
    let behind = format!(
        " ON CONFLICT ({}) DO UPDATE SET {column} = excluded.{column}",
        keys.join(", "),
        column = ident(column)
    );
    let value = |column: &str| {
        let values = if key.iter().any(|c| c == column) { &victim.b } else { &victim.a };
        victim.value(values, column)
    };
    vec![insert(victim, &value, &behind)]
}

pub(super) fn point_at(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let held = victim.held;
    let keys = held.table.foreign_keys.iter();
    keys.filter_map(|key| {
        let parent = scene
            .victims
            .iter()
            .find(|v| v.held.table.schema == key.parent.0 && v.held.table.name == key.parent.1)?;
        // A column that names a tenant is the attack `give-away`, or declared.
        if parent.held.column().is_some_and(|c| key.parent_columns == [c]) {
            return None;
        }
        point_one(scene, victim, key, parent)
    })
    .collect()
}

fn point_one(
    scene: &Scene<'_>,
    victim: &Victim<'_>,
    key: &ForeignKey,
    parent: &Victim<'_>,
) -> Option<Strike> {
    let mut bound = Bound::default();
    let pairs = key.columns.iter().zip(&key.parent_columns);
    let set: Vec<String> = pairs
        .filter(|(own, _)| victim.held.column() != Some(own.as_str()))
        .filter_map(|(own, theirs)| {
            let kind = &victim.held.table.column(own)?.sql_type;
            let place = bound.add(parent.value(&parent.b, theirs));
            Some(format!("{} = {place}::{kind}", ident(own)))
        })
        .collect();
    if set.is_empty() {
        return None;
    }
    // Where the key holds the tenant, a unique key that is asked before it hides nothing.
    let expect = if is_loose(scene, victim.held, key) {
        Expect::Refused(&["23503", "42501"])
    } else {
        Expect::Barred(&["23503", "23505", "42501"])
    };
    Some(change_own(victim, &set.join(", "), bound, expect))
}

fn is_loose(scene: &Scene<'_>, held: &Held, key: &ForeignKey) -> bool {
    held.loose_keys(scene.census).any(|(loose, _)| loose.name == key.name)
}

pub(super) fn taken(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let uniques = victim.held.loose_uniques(scene.census);
    uniques
        .filter_map(|unique| {
            let mut bound = Bound::default();
            let set: Option<Vec<String>> = unique
                .columns
                .iter()
                .map(|name| {
                    let column = victim.held.table.column(name)?;
                    let value = victim.value(&victim.b, name)?;
                    let place = bound.add(Some(value));
                    Some(format!("{} = {place}::{}", ident(name), column.sql_type))
                })
                .collect();
            Some(change_own(victim, &set?.join(", "), bound, Expect::NoConflict))
        })
        .collect()
}
