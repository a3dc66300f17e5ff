//! In which order tables are filled: what is pointed to before what points to it.

use std::collections::HashMap;
use std::ops::Range;

use store::ForeignKey;

use crate::census::Name;
use crate::{Census, Held};

/// The tables with tenants' rows, partitions left out: their rows are those of the whole. A table
/// comes after those that it points to, as far as there is such an order. `roots` says of what a
/// partition is a part.
pub(super) fn parents_first(census: &Census, roots: &HashMap<Name, Name>) -> Vec<Held> {
    let mut left: Vec<&Held> = census.held.iter().filter(|h| !h.table.partition).collect();
    let mut order: Vec<Held> = Vec::with_capacity(left.len());
    let points = pointers(census, roots, &|_| true);
    while !left.is_empty() {
        let waits = |held: &&Held| {
            let me = name(held);
            let mut others = left.iter().map(|other| name(other));
            others.any(|other| other != me && points.contains(&(me.clone(), other)))
        };
        // In a circle somebody has to be first; `runs` keeps its tables together.
        let next = left.iter().position(|held| !waits(held)).unwrap_or_default();
        order.push(left.remove(next).clone());
    }
    order
}

/// The tables in this order, cut into runs such that no table points to one of a later run. Tables that
/// point to each other, or to themselves, are `knotted`: they have to be filled by one statement.
/// Keys that wait for the end of the transaction tie none.
pub(super) fn runs(order: &[Held], census: &Census, roots: &HashMap<Name, Name>) -> Vec<Run> {
    let points = pointers(census, roots, &|key| !key.deferrable);
    let mut all: Vec<Run> = Vec::new();
    let (mut start, mut end, mut knotted) = (0, 0, false);
    for (at, held) in order.iter().enumerate() {
        let me = name(held);
        let ahead = order.iter().enumerate().skip(at);
        let mut ahead = ahead.filter(|(_, other)| points.contains(&(me.clone(), name(other))));
        if let Some((last, _)) = ahead.next_back() {
            (end, knotted) = (end.max(last), true);
        }
        end = end.max(at);
        if at == end {
            all.push(Run { tables: start..at + 1, knotted });
            (start, end, knotted) = (at + 1, at + 1, false);
        }
    }
    all
}

/// Tables that are filled or emptied together.
pub(super) struct Run {
    /// Their places in the order.
    pub(super) tables: Range<usize>,
    /// Whether they have to be filled by one statement.
    pub(super) knotted: bool,
}

/// Which table points to which, each as the whole that it is a part of.
fn pointers(
    census: &Census,
    roots: &HashMap<Name, Name>,
    counts: &dyn Fn(&ForeignKey) -> bool,
) -> Vec<(Name, Name)> {
    let whole = |name: Name| roots.get(&name).cloned().unwrap_or(name);
    let keys = census.held.iter().flat_map(|held| {
        let me = whole(name(held));
        let counted = held.table.foreign_keys.iter().filter(|key| counts(key));
        counted.map(move |key| (me.clone(), key.parent.clone()))
    });
    keys.map(|(me, parent)| (me, whole(parent))).collect()
}

pub(super) fn name(held: &Held) -> Name {
    (held.table.schema.clone(), held.table.name.clone())
}
