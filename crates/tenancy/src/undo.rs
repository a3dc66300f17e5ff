//! Takes the protection away again and puts back what was there before, exactly.
//!
//! Everything that [`apply`](crate::apply) changed is in a journal: the owner's in the schema of
//! the owner, and the superuser's where nobody else can write. What somebody has changed since then
//! is named and nothing is done, unless it is to be left as it is.

mod canaries;
mod parameter;
mod removal;
mod restore;
mod roles;
mod sql;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use kernel::shown;
use serde::Serialize;
use store::{Db, OperatorTx, Tx, ident};

use crate::apply::{begin, run};
use crate::passing::again;
use crate::{Error, Result, Step, guard};
pub use canaries::remove_canaries;
use removal::{GUARD, alone, remove};
use restore::{RowSecurity, rights};
pub use roles::drop_roles;
use state::{Aspect, Journal, Kind, Noted, Right, States};

/// What a plan's privileged steps reach: relations and functions of PostgreSQL's own.
const PRIVILEGED: [&str; 9] = [
    "pg_stat_activity",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "lo_creat",
    "lo_create",
    "lo_from_bytea",
    crate::form::PARAMETER,
];

/// What would be put back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Undoing {
    /// What the owner's login does, in this order, in one transaction.
    pub steps: Vec<Step>,
    /// What the superuser does after that, in one transaction.
    pub privileged: Vec<Step>,
    /// What was changed by somebody else since, each in a sentence.
    pub changed: Vec<String>,
    /// What is not there any more, so that nothing has to be put back.
    pub gone: Vec<String>,
    /// A guard is installed, and no superuser is at hand to take it away.
    pub needs_superuser: bool,
    /// Roles that a superuser made for the application, by the journal that only he writes.
    pub made_roles: Vec<String>,
    /// Roles that the owner made for it, by its own journal: the owner may have written any name.
    pub owners_roles: Vec<String>,
    /// What stays of a right that may serve other databases too, each in a sentence.
    pub left: Vec<String>,
}

/// What else is done in the same transactions, and what is kept.
#[derive(Debug, Clone, Default)]
pub struct Farewell<'a> {
    /// Statements of the superuser, which come first in its part.
    pub privileged: Vec<String>,
    /// Statements of the owner, which come first in its part.
    pub owner: Vec<String>,
    /// Rooms whose migrations stay noted, because what they installed stays.
    pub kept_rooms: &'a [&'a str],
    /// Whether what was changed since is left as it is.
    pub leave_changed: bool,
}

/// One half of the work: the owner's or the superuser's.
#[derive(Default)]
struct Work {
    steps: Vec<Step>,
    wanted: Vec<(Aspect, Option<String>)>,
    changed: Vec<String>,
    gone: Vec<String>,
    roles: Vec<String>,
}

/// Works out what [`undo`] would put back. Nothing is changed.
///
/// # Errors
/// When the catalogue or a journal cannot be read.
pub async fn undo_plan(owner: &Db, superuser: Option<&Db>) -> Result<Undoing> {
    let above = match superuser {
        Some(superuser) => {
            let tx = begin(superuser).await?;
            let work = Work::of_superuser(&tx).await?;
            tx.rollback().await?;
            work
        }
        None => Work::default(),
    };
    let tx = begin(owner).await?;
    let taken = above.wanted.iter().any(|(aspect, _)| aspect.kind == Kind::ParameterAcl);
    let left = if taken { None } else { parameter::left(&tx, &owner.url().user).await? };
    let own = Work::of_owner(&tx, &above.roles).await?;
    let guarded = tx.query_opt(sql::GUARDED, &[]).await?.is_some();
    tx.rollback().await?;
    Ok(Undoing {
        needs_superuser: guarded && superuser.is_none(),
        steps: own.steps,
        privileged: above.steps,
        changed: [above.changed, own.changed].concat(),
        gone: [above.gone, own.gone].concat(),
        made_roles: above.roles,
        owners_roles: own.roles,
        left: left.into_iter().collect(),
    })
}

/// Puts back what [`apply`](crate::apply) changed, and removes what it installed, in up to three
/// transactions: the superuser takes away what guards the database, the owner puts its own back, then
/// the superuser. Stopped in between, a second call does the rest.
///
/// # Errors
/// When something was changed by somebody else, or something outside hangs on what would go, and
/// when a guard is in the way that only a superuser can take away. Each part is done whole or not
/// at all.
pub async fn undo(owner: &Db, superuser: Option<&Db>, farewell: &Farewell<'_>) -> Result<Undoing> {
    let undoing = undo_plan(owner, superuser).await?;
    if undoing.needs_superuser {
        return Err(Error::Guarded);
    }
    if !undoing.changed.is_empty() && !farewell.leave_changed {
        return Err(Error::Changed(shown(&undoing.changed.join("; "))));
    }
    let total = undoing.steps.len() + undoing.privileged.len();
    if let Some(superuser) = superuser {
        again(|| unguard(superuser, farewell)).await?;
    }
    again(|| put_back(owner, &undoing, farewell, total)).await?;
    // Last, since the binding may live on one of these rights.
    if let Some(superuser) = superuser {
        again(|| give_back(superuser, undoing.steps.len(), total)).await?;
    }
    Ok(undoing)
}

/// The superuser takes away what guards the database.
async fn unguard(superuser: &Db, farewell: &Farewell<'_>) -> Result<()> {
    let tx = begin(superuser).await?;
    tx.batch(guard::TAKE_AWAY).await?;
    alone(&tx, &GUARD).await?;
    for statement in &farewell.privileged {
        tx.batch(statement).await?;
    }
    Ok(tx.commit().await?)
}

/// The owner puts its own back, and removes what it installed.
async fn put_back(
    owner: &Db,
    undoing: &Undoing,
    farewell: &Farewell<'_>,
    total: usize,
) -> Result<()> {
    let tx = begin(owner).await?;
    for statement in &farewell.owner {
        tx.batch(statement).await?;
    }
    let work = Work::of_owner(&tx, &undoing.made_roles).await?;
    if !work.changed.is_empty() && !farewell.leave_changed {
        return Err(Error::Changed(shown(&work.changed.join("; "))));
    }
    run(&tx, &work.steps, 0, total).await?;
    work.check(&tx, Journal::Owner).await?;
    remove(&tx, farewell.kept_rooms).await?;
    Ok(tx.commit().await?)
}

/// The superuser puts its own back.
async fn give_back(superuser: &Db, done: usize, total: usize) -> Result<()> {
    let tx = begin(superuser).await?;
    tx.batch(crate::form::ONE_AT_A_TIME).await?;
    let work = Work::of_superuser(&tx).await?;
    run(&tx, &work.steps, done, total).await?;
    work.check(&tx, Journal::Superuser).await?;
    tx.batch(&GUARD.removal(&[])).await?;
    Ok(tx.commit().await?)
}

/// Notes that `role` was made for the application, in the transaction that makes it: by a superuser
/// where the owner cannot write, else where the owner can.
///
/// # Errors
/// When the journal is not there.
pub async fn note_role(tx: &Tx, role: &str, by_superuser: bool) -> Result<()> {
    let aspect = Aspect {
        kind: Kind::Role,
        schema: String::new(),
        name: role.to_owned(),
        part: String::new(),
    };
    let noted = Noted { aspect, before: None, after: Some("made".to_owned()) };
    let journal = if by_superuser { Journal::Superuser } else { Journal::Owner };
    state::write(tx, journal, &noted, None).await
}

/// What was there before a run, to be compared with what is there after it.
pub(crate) struct Watch {
    journal: Journal,
    labels: Vec<String>,
    before: States,
}

impl Watch {
    /// Looks at what `steps` name: what somebody else does elsewhere at the same time is not
    /// mistaken for theirs.
    pub(crate) async fn owner(tx: &Tx, steps: &[Step]) -> Result<Self> {
        let labels: Vec<String> = steps.iter().map(|step| step.object.clone()).collect();
        let before = States::read(tx, &labels).await?;
        Ok(Self { journal: Journal::Owner, labels, before })
    }

    /// Looks at what a superuser changes.
    pub(crate) async fn superuser(tx: &Tx) -> Result<Self> {
        let before = States::read_privileged(tx, &PRIVILEGED).await?;
        Ok(Self { journal: Journal::Superuser, labels: Vec::new(), before })
    }

    /// Writes down what is different by now.
    pub(crate) async fn note(self, tx: &Tx) -> Result<()> {
        let after = match self.journal {
            Journal::Owner => States::read(tx, &self.labels).await?,
            Journal::Superuser => States::read_privileged(tx, &PRIVILEGED).await?,
        };
        self.before.note(&after, tx, self.journal).await?;
        Ok(())
    }
}

impl Work {
    /// `going` are roles that go, and are given nothing back.
    async fn of_owner(tx: &OperatorTx, going: &[String]) -> Result<Self> {
        if tx.query_opt(sql::HAS_JOURNAL, &[]).await?.is_none() {
            return Ok(Self::default());
        }
        tx.execute(sql::FOLLOW, &[]).await?;
        let noted = Journal::Owner.read(tx).await?;
        let labels: Vec<String> =
            noted.iter().map(|n| format!("{}.{}", n.aspect.schema, n.aspect.name)).collect();
        let states = States::read(tx, &labels).await?;
        let mut work = Self::out_of(tx, &noted, &states, going).await?;
        work.later(tx).await?;
        Ok(work)
    }

    /// Tables that the guard has protected when they were made: nothing was there before that.
    async fn later(&mut self, tx: &Tx) -> Result<()> {
        for row in tx.query(sql::LATER, &[]).await? {
            let (schema, name): (&str, &str) = (row.get(0), row.get(1));
            let (policies, own): (Vec<String>, bool) = (row.get(2), row.get(3));
            let filled: Vec<String> = row.get(4);
            let table = store::qualified(schema, name);
            let mut sql: Vec<String> = policies
                .iter()
                .map(|policy| format!("DROP POLICY {} ON {table}", ident(policy)))
                .collect();
            let off = if own { "" } else { "DISABLE ROW LEVEL SECURITY, " };
            sql.push(format!("ALTER TABLE {table} {off}NO FORCE ROW LEVEL SECURITY"));
            sql.extend(filled.iter().map(|column| {
                format!("ALTER TABLE ONLY {table} ALTER COLUMN {} DROP DEFAULT", ident(column))
            }));
            self.steps.push(Step {
                object: format!("{schema}.{name}"),
                brief: "what it came with".to_owned(),
                why: "it was made later; a tenant column that was made NOT NULL stays so, and \
                      rights that were narrowed stay narrow"
                    .to_owned(),
                sql: sql.join(";\n"),
            });
        }
        Ok(())
    }

    async fn of_superuser(tx: &OperatorTx) -> Result<Self> {
        let noted = Journal::Superuser.read(tx).await?;
        let states = States::read_privileged(tx, &PRIVILEGED).await?;
        Self::out_of(tx, &noted, &states, &[]).await
    }

    async fn out_of(tx: &Tx, noted: &[Noted], states: &States, going: &[String]) -> Result<Self> {
        let mut all: BTreeMap<&Aspect, Vec<&Noted>> = BTreeMap::new();
        for one in noted {
            all.entry(&one.aspect).or_default().push(one);
        }
        let roles = existing_roles(tx, noted).await?;
        let made = noted.iter().filter(|one| one.aspect.kind == Kind::Role);
        let going: Vec<&String> = going.iter().chain(made.map(|one| &one.aspect.name)).collect();
        let staying = roles.iter().filter(|role| !going.contains(role)).cloned().collect();
        let shared = parameter::is_shared(tx, noted).await?;
        let mut work = Self::default();
        for (aspect, noted) in all {
            if aspect.kind == Kind::Role {
                work.roles.extend(roles.contains(&aspect.name).then(|| aspect.name.clone()));
            } else if aspect.kind == Kind::ParameterAcl && shared {
                // Another database may live on it.
            } else if aspect.kind.is_rights() {
                work.rights(aspect, &noted, states, &staying);
            } else {
                work.other(aspect, &noted, states);
            }
        }
        work.order(states)?;
        Ok(work)
    }

    /// Each right for itself: what was taken is given again, what was given is taken, and whatever
    /// else was granted meanwhile stays.
    fn rights(
        &mut self,
        aspect: &Aspect,
        noted: &[&Noted],
        states: &States,
        roles: &BTreeSet<String>,
    ) {
        if aspect.kind == Kind::Acl && !states.has_relation(aspect) {
            self.lost(aspect.whole());
            return;
        }
        let read = |state: Option<&String>| rights(state.map(String::as_str)).unwrap_or_default();
        let mut wanted = read(states.state(aspect));
        for one in noted {
            let (before, after) = (read(one.before.as_ref()), read(one.after.as_ref()));
            wanted.retain(|right| before.contains(right) || !after.contains(right));
            let taken = before.into_iter().filter(|right| !after.contains(right));
            let there = |right: &Right| right.0.as_ref().is_none_or(|role| roles.contains(role));
            for right in taken.filter(there) {
                if !wanted.contains(&right) {
                    wanted.push(right);
                }
            }
        }
        let list: Vec<_> = wanted.iter().map(|r| (&r.0, &r.1, &r.2, r.3)).collect();
        // What cannot be written cannot have been read either.
        let wanted = serde_json::to_string(&list).unwrap_or_default();
        self.wanted.push((aspect.clone(), Some(wanted)));
    }

    fn lost(&mut self, what: String) {
        if !self.gone.contains(&what) {
            self.gone.push(what);
        }
    }

    fn other(&mut self, aspect: &Aspect, noted: &[&Noted], states: &States) {
        if !states.has_relation(aspect) {
            self.lost(aspect.whole());
            return;
        }
        if matches!(aspect.kind, Kind::NotNull | Kind::Default) && !states.has_column(aspect) {
            self.lost(format!("{}.{}", aspect.whole(), aspect.part));
            return;
        }
        let (Some(newest), Some(oldest)) = (noted.first(), noted.last()) else {
            return;
        };
        let now = states.state(aspect);
        if now == oldest.before.as_ref() {
            return;
        }
        if now != newest.after.as_ref() {
            let is = if now.is_some() { "is another one now" } else { "is not there any more" };
            self.changed.push(format!("{} {is}", aspect.label()));
            return;
        }
        self.wanted.push((aspect.clone(), oldest.before.clone()));
    }

    /// The statements in an order that works: keys need to see every row, and nothing may point to
    /// a key that goes.
    fn order(&mut self, states: &States) -> Result<()> {
        let mut all: Vec<(usize, bool, Step)> = Vec::new();
        let keyed = self.wanted.iter().any(|(aspect, _)| aspect.kind == Kind::Constraint);
        for (aspect, wanted) in &self.wanted {
            let now = states.state(aspect).map(String::as_str);
            let wanted = wanted.as_deref();
            let damaged = || Error::Journal(aspect.label());
            let partition = states.0.get(aspect).is_some_and(|found| found.partition);
            let mut put = |place: usize, from, to| -> Result<()> {
                let sql = aspect.restore(from, to).ok_or_else(damaged)?;
                if !sql.is_empty() {
                    all.push((place, partition, step(aspect, &sql)));
                }
                Ok(())
            };
            if aspect.kind == Kind::Constraint {
                let foreign =
                    |state: Option<&str>| state.is_some_and(|text| text.contains("FOREIGN KEY"));
                put(if foreign(now) { 1 } else { 2 }, now, None)?;
                put(if foreign(wanted) { 4 } else { 3 }, None, wanted)?;
            } else {
                put(10 + aspect.kind as usize, now, wanted)?;
            }
        }
        if keyed {
            self.unforced(states, &mut all);
        }
        all.sort_by_key(|(place, partition, _)| (*place, *partition));
        self.steps = all.into_iter().map(|(_, _, step)| step).collect();
        Ok(())
    }

    /// Keys are checked against the rows that the owner sees: all of them, for that moment, which no
    /// other transaction observes.
    fn unforced(&self, states: &States, all: &mut Vec<(usize, bool, Step)>) {
        let forced = |text: &String| {
            serde_json::from_str::<RowSecurity>(text).is_ok_and(|found| found.forced)
        };
        for (aspect, found) in &states.0 {
            if aspect.kind != Kind::RowSecurity || !found.state.as_ref().is_some_and(forced) {
                continue;
            }
            let table = store::qualified(&aspect.schema, &aspect.name);
            let mut add = |place: usize, word: &str, why: &str| {
                let sql = format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY");
                let (object, brief) = (aspect.whole(), word.to_owned());
                all.push((place, false, Step { object, brief, why: why.to_owned(), sql }));
            };
            add(0, "NO FORCE", "for a moment, keys are checked against every row");
            if !self.wanted.iter().any(|(other, _)| other == aspect) {
                add(100, "FORCE", "as it was before");
            }
        }
    }

    /// That everything is as it was, and the journal done with.
    async fn check(&self, tx: &OperatorTx, journal: Journal) -> Result<()> {
        let states = match journal {
            Journal::Owner => {
                let label = |(a, _): &(Aspect, _)| format!("{}.{}", a.schema, a.name);
                let labels: Vec<String> = self.wanted.iter().map(label).collect();
                States::read(tx, &labels).await?
            }
            Journal::Superuser => States::read_privileged(tx, &PRIVILEGED).await?,
        };
        let sorted = |state: Option<&String>| {
            let mut all = rights(state.map(String::as_str)).unwrap_or_default();
            all.sort();
            all
        };
        for (aspect, wanted) in &self.wanted {
            let (now, wanted) = (states.state(aspect), wanted.as_ref());
            let same =
                if aspect.kind.is_rights() { sorted(now) == sorted(wanted) } else { now == wanted };
            if !same {
                return Err(Error::NotRestored(aspect.label()));
            }
        }
        if !self.wanted.is_empty() {
            journal.clear(tx).await?;
        }
        Ok(())
    }
}

fn step(aspect: &Aspect, sql: &[String]) -> Step {
    let (object, brief) = (aspect.object(), aspect.brief());
    Step { object, brief, why: "as it was before".to_owned(), sql: sql.join(";\n") }
}

async fn existing_roles(tx: &Tx, noted: &[Noted]) -> Result<BTreeSet<String>> {
    let mut named: Vec<String> = Vec::new();
    for one in noted {
        if one.aspect.kind == Kind::Role {
            named.push(one.aspect.name.clone());
        } else if one.aspect.kind.is_rights() {
            let before = rights(one.before.as_deref()).unwrap_or_default();
            named.extend(before.into_iter().filter_map(|right| right.0));
        }
    }
    let rows = tx.query(sql::ROLES, &[&named]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
