//! A tenant's own view of the trail, for the console.
//!
//! It promises that whoever looks sees rows of their own tenant alone, whatever they ask for; that each look
//! stands in the trail, with their name, before they see anything; and that no look, and no tenant, keeps the
//! others from theirs: one of a tenant at a time, of all together [`AT_ONCE`], each within [`LOOK_FOR`].
//!
//! It stops a customer's administrator who would read another customer's rows, and one who would read their
//! own without a trace. It does not show who of the operator's read the trail, what programs wrote without a
//! tenant, nor what was recorded in databases without a guard.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::audit::archive::Beyond;
use ::audit::reading::{Filter, Reading};
use ::audit::{Shown, TrailRow};
use console::{TRAIL_ROWS, TrailDesk, TrailLine, TrailQuestion, TrailSeen, TrailTrouble};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use kernel::{Fut, Identity, TenantId, own};
use store::Db;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::archived;
use crate::auditor;
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::Log;

/// How many look at once, and so many wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 16;
/// How long the server looks for one statement's rows.
const STATEMENT_FOR: Duration = Duration::from_secs(5);
/// How long a whole look may take, with its wait.
const LOOK_FOR: Duration = Duration::from_secs(15);
/// How many databases are looked into: each gets a row about it.
const MAX_DATABASES: usize = 8;
/// Ended by the server, since it took too long.
const CANCELED: &str = "57014";

type Answer = Result<TrailSeen, TrailTrouble>;

/// Where the console asks.
pub(crate) struct TrailAtDesk {
    questions: mpsc::Sender<Question>,
    /// The tenants of which somebody looks at this moment.
    busy: Arc<Mutex<BTreeSet<TenantId>>>,
}

struct Question {
    tenant: TenantId,
    by: String,
    wanted: TrailQuestion,
    answer: oneshot::Sender<Answer>,
}

/// Where what was asked is answered.
pub(crate) struct Lookout {
    questions: mpsc::Receiver<Question>,
    logins: Logins,
}

/// The auditor's logins, by the database's name.
type Logins = Mutex<BTreeMap<String, Db>>;

/// Both ends.
pub(crate) fn open() -> (TrailAtDesk, Lookout) {
    let (sender, questions) = mpsc::channel(WAITING);
    let desk = TrailAtDesk { questions: sender, busy: Arc::default() };
    (desk, Lookout { questions, logins: Logins::default() })
}

impl TrailDesk for TrailAtDesk {
    fn rows<'a>(&'a self, who: &'a Identity, wanted: &'a TrailQuestion) -> Fut<'a, Answer> {
        Box::pin(async move {
            if !who.may(own::TRAIL_READ) || who.standing.support.is_some() {
                return Err(TrailTrouble::Refused);
            }
            let _turn = Turn::of(&self.busy, &who.tenant).ok_or(TrailTrouble::Busy)?;
            let (answer, told) = oneshot::channel();
            let (tenant, by) = (who.tenant.clone(), who.actor.to_string());
            let question = Question { tenant, by, wanted: wanted.clone(), answer };
            self.questions.try_send(question).map_err(|_| TrailTrouble::Busy)?;
            match timeout(LOOK_FOR, told).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(TrailTrouble::Unavailable("nobody looks any more".to_owned())),
                Err(_) => Err(TrailTrouble::TooMuch),
            }
        })
    }
}

/// A tenant's turn, until it is dropped.
struct Turn {
    busy: Arc<Mutex<BTreeSet<TenantId>>>,
    tenant: TenantId,
}

impl Turn {
    /// Nothing while somebody of the tenant has it.
    fn of(busy: &Arc<Mutex<BTreeSet<TenantId>>>, tenant: &TenantId) -> Option<Self> {
        locked(busy)
            .insert(tenant.clone())
            .then(|| Self { busy: Arc::clone(busy), tenant: tenant.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.busy).remove(&self.tenant);
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lookout {
    /// Answers what is asked, until `stop` ends.
    pub(crate) async fn keep(self, house: &Installation, stop: impl Future<Output = ()>) {
        let Self { questions, logins } = self;
        let asked = unfold(questions, |mut questions| async {
            questions.recv().await.map(|question| (question, questions))
        });
        let answering =
            asked.for_each_concurrent(AT_ONCE, |question| answer(house, &logins, question));
        tokio::select! {
            () = stop => {}
            () = answering => {}
        }
    }
}

async fn answer(house: &Installation, logins: &Logins, question: Question) {
    let Question { tenant, by, wanted, mut answer } = question;
    let filter = filter(&tenant, &wanted);
    let purpose = format!("their own tenant's view ({by})");
    let told = tokio::select! {
        // Nobody waits for it any more.
        () = answer.closed() => return,
        told = look(house, logins, &filter, &purpose) => told,
    };
    // Whoever has gone meanwhile is not told.
    let _gone = answer.send(told);
}

/// What is asked for, of this tenant alone.
fn filter(tenant: &TenantId, wanted: &TrailQuestion) -> Filter {
    let (schema, table) = match wanted.table.as_deref().map(|name| name.split_once('.').ok_or(name))
    {
        Some(Ok((schema, table))) => (Some(schema.to_owned()), Some(table.to_owned())),
        Some(Err(table)) => (None, Some(table.to_owned())),
        None => (None, None),
    };
    Filter {
        from: Some(wanted.from),
        to: Some(wanted.to),
        actor: wanted.actor.clone(),
        tenant: Some(tenant.to_string()),
        schema,
        table,
        request: wanted.request.clone(),
        // One more than is shown says whether there are more.
        limit: Some(TRAIL_ROWS + 1),
        ..Filter::default()
    }
}

/// Looks into every database whose trail is guarded.
async fn look(house: &Installation, logins: &Logins, filter: &Filter, purpose: &str) -> Answer {
    let known = house.known();
    if known.kept.is_empty() {
        return Err(TrailTrouble::Unguarded);
    }
    let named = known
        .named(&house.ground, None)
        .map_err(|error| TrailTrouble::Unavailable(format!("{error:#}")))?;
    let (mut rows, mut looked) = (Vec::new(), 0);
    let total = named.len();
    for one in named.iter().take(MAX_DATABASES) {
        match rows_of(house, logins, one, filter, purpose).await {
            Ok(Some(found)) => {
                looked += 1;
                rows.extend(found);
            }
            Ok(None) => {}
            Err(error) if is_canceled(&error) => return Err(TrailTrouble::TooMuch),
            Err(error) => {
                locked(logins).remove(&one.name);
                tracing::warn!(
                    database = one.name,
                    error = format!("{error:#}"),
                    "a tenant cannot see its trail"
                );
            }
        }
    }
    if looked == 0 {
        return Err(TrailTrouble::Unguarded);
    }
    rows.sort_by_key(|row: &TrailLine| std::cmp::Reverse(row.at));
    let most = usize::try_from(TRAIL_ROWS).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    Ok(TrailSeen { lines: rows, more, missing: total - looked })
}

/// The rows of one database, the newest first; none where nobody guards its trail.
async fn rows_of(
    house: &Installation,
    logins: &Logins,
    one: &Named<'_>,
    filter: &Filter,
    purpose: &str,
) -> anyhow::Result<Option<Vec<TrailLine>>> {
    let known = locked(logins).get(&one.name).cloned();
    let login = if let Some(login) = known {
        login
    } else {
        let Some(url) = auditor::login(house, one).await? else { return Ok(None) };
        let login = Db::lazy(&url.within(STATEMENT_FOR), AT_ONCE)?;
        locked(logins).insert(one.name.clone(), login.clone());
        login
    };
    let log = Log::of(one.kept, &house.data, &house.config, &house.cx)?;
    let beyond: Beyond = archived::beyond(house, &log)?;
    let mut reading = Reading::open(&login, filter.clone(), purpose, &beyond).await?;
    let mut rows = Vec::new();
    while let Some(row) = reading.next().await? {
        // The database chose them by what was asked; a row of somebody else's is shown to nobody.
        anyhow::ensure!(
            row.tenant_id == filter.tenant,
            "the database gave a row of another tenant"
        );
        rows.push(line(Shown::Short.row(row)));
    }
    rows.reverse();
    Ok(Some(rows))
}

fn line(row: TrailRow) -> TrailLine {
    let erased = row.is_erased();
    TrailLine {
        at: row.event_timestamp,
        actor: row.actor_id.unwrap_or_default(),
        action: row.action,
        table: format!("{}.{}", row.table_schema, row.table_name),
        key: row.row_key.unwrap_or_default(),
        request: row.request_id.unwrap_or_default(),
        before: row.old_data.unwrap_or_default(),
        after: row.new_data.unwrap_or_default(),
        erased,
    }
}

fn is_canceled(error: &anyhow::Error) -> bool {
    let code = |error: &store::Error| error.sqlstate() == Some(CANCELED);
    error.chain().any(|cause| {
        cause.downcast_ref::<store::Error>().is_some_and(code)
            || matches!(cause.downcast_ref(), Some(::audit::Error::Store(error)) if code(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_about_the_tenant_of_whoever_asks() {
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        let wanted = |table: &str| TrailQuestion {
            from: now,
            to: now,
            actor: Some("x\", \"tenant\": \"gulf".to_owned()),
            table: Some(table.to_owned()).filter(|table| !table.is_empty()),
            request: None,
        };
        let sinar = TenantId::new("sinar").unwrap();
        for (table, schema, name) in [
            ("", None, None),
            ("sale", None, Some("sale")),
            ("public.sale", Some("public"), Some("sale")),
        ] {
            let filter = filter(&sinar, &wanted(table));
            assert_eq!(filter.tenant.as_deref(), Some("sinar"));
            assert_eq!((filter.schema.as_deref(), filter.table.as_deref()), (schema, name));
            let told: serde_json::Value = serde_json::from_str(&filter.to_json()).unwrap();
            assert_eq!(told["tenant"], "sinar");
        }
    }

    #[test]
    fn of_one_tenant_one_looks_at_a_time() {
        let busy = Arc::default();
        let (sinar, gulf) = (TenantId::new("sinar").unwrap(), TenantId::new("gulf").unwrap());
        let first = Turn::of(&busy, &sinar).unwrap();
        assert!(Turn::of(&busy, &sinar).is_none());
        assert!(Turn::of(&busy, &gulf).is_some());
        drop(first);
        assert!(Turn::of(&busy, &sinar).is_some());
    }
}
