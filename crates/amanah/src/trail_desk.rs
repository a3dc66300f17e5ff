//! A tenant's own view of the trail, for the console.
//!
//! It promises that whoever looks sees rows of their own tenant alone, whatever they ask for; that each look
//! stands in the trail, with their name, before they see anything; and that no look, and no tenant, keeps the
//! others from theirs: one of a tenant at a time, of all together [`AT_ONCE`], each within [`LOOK_FOR`] and
//! [`LOOK_BYTES`], and the longer one took, the longer its tenant waits for the next. A look whose client has
//! gone is ended first and counted as one until then: the server does not hear that nobody waits.
//!
//! It stops a customer's administrator who would read another customer's rows, and one who would read their
//! own without a trace. It does not show who of the operator's read the trail, what programs wrote without a
//! tenant, nor what was recorded in databases without a guard.

use std::collections::BTreeMap;
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
use tokio::time::{Instant, sleep, timeout};

use crate::archived;
use crate::auditor;
use crate::cli;
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::Log;

/// How many look at once, and so many wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 16;
/// How long the server looks for one statement's rows.
const STATEMENT_FOR: Duration = Duration::from_secs(5);
/// How long a whole look may take, and how long somebody waits for their turn.
const LOOK_FOR: Duration = Duration::from_secs(15);
const TURN_WITHIN: Duration = Duration::from_secs(20);
/// How much one look reads.
const LOOK_BYTES: usize = 64 << 20;
/// The longest text of a row that is kept, in bytes: nothing longer is shown.
const TEXT_BYTES: usize = 8 << 10;
/// What a look takes of its tenant's allowance, beside twice its time; and how much there is at once.
const LOOK_COSTS: Duration = Duration::from_secs(6);
const ALLOWANCE: Duration = Duration::from_mins(1);
/// How many databases are looked into: each gets a row about it.
const MAX_DATABASES: usize = 8;
/// What the server says when it ended a statement that took too long.
const CANCELED: &str = "57014";

type Answer = Result<TrailSeen, TrailTrouble>;

/// Where the console asks.
pub(crate) struct TrailAtDesk {
    questions: mpsc::Sender<Question>,
    turns: Turns,
}

struct Question {
    /// Given back once the look has ended, whoever waits for it.
    turn: Turn,
    by: String,
    wanted: TrailQuestion,
    began: oneshot::Sender<()>,
    answer: oneshot::Sender<Answer>,
}

/// Where what was asked is answered.
pub(crate) struct Lookout {
    questions: mpsc::Receiver<Question>,
    logins: Logins,
}

/// The auditor's logins, by the database's name. Held while one is made, so that none is made twice at once.
type Logins = tokio::sync::Mutex<BTreeMap<String, Db>>;

/// Both ends.
pub(crate) fn open() -> (TrailAtDesk, Lookout) {
    let (sender, questions) = mpsc::channel(WAITING);
    let desk = TrailAtDesk { questions: sender, turns: Turns::default() };
    (desk, Lookout { questions, logins: Logins::default() })
}

impl TrailDesk for TrailAtDesk {
    fn rows<'a>(&'a self, who: &'a Identity, wanted: &'a TrailQuestion) -> Fut<'a, Answer> {
        Box::pin(async move {
            if !who.may(own::TRAIL_READ) || who.standing.support.is_some() {
                return Err(TrailTrouble::Refused);
            }
            let turn = self.turns.take(&who.tenant, Instant::now()).ok_or(TrailTrouble::Busy)?;
            let ((began, turned), (answer, told)) = (oneshot::channel(), oneshot::channel());
            let (by, wanted) = (who.actor.to_string(), wanted.clone());
            let question = Question { turn, by, wanted, began, answer };
            self.questions.try_send(question).map_err(|_| TrailTrouble::Busy)?;
            let over = || TrailTrouble::Unavailable("nobody looks any more".to_owned());
            match timeout(TURN_WITHIN, turned).await {
                Ok(began) => began.map_err(|_| over())?,
                Err(_) => return Err(TrailTrouble::Busy),
            }
            told.await.map_err(|_| over())?
        })
    }
}

/// Which tenants look, and when each may look again.
#[derive(Clone, Default)]
struct Turns(Arc<Mutex<BTreeMap<TenantId, Standing>>>);

#[derive(Clone, Copy)]
struct Standing {
    looks: bool,
    /// When its whole allowance is there again.
    full: Instant,
}

impl Turns {
    /// A turn; nothing while the tenant has one, or has used its allowance up.
    fn take(&self, tenant: &TenantId, now: Instant) -> Option<Turn> {
        let mut all = locked(&self.0);
        all.retain(|_, one| one.looks || one.full > now);
        let one = all.entry(tenant.clone()).or_insert(Standing { looks: false, full: now });
        if one.looks || one.full > now + ALLOWANCE {
            return None;
        }
        *one = Standing { looks: true, full: one.full.max(now) + LOOK_COSTS };
        Some(Turn { turns: self.clone(), tenant: tenant.clone(), began: None })
    }
}

/// A tenant's turn, until it is dropped.
struct Turn {
    turns: Turns,
    tenant: TenantId,
    /// When the look began.
    began: Option<Instant>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(one) = locked(&self.turns.0).get_mut(&self.tenant) {
            one.looks = false;
            one.full += self.began.map_or(Duration::ZERO, |began| began.elapsed() * 2);
        }
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
    let Question { mut turn, by, wanted, began, answer } = question;
    // Nobody waits for it any more, and nothing has begun.
    if began.send(()).is_err() {
        return;
    }
    turn.began = Some(Instant::now());
    let filter = filter(&turn.tenant, &wanted);
    let purpose = format!("their own tenant's view ({by})");
    let told = timeout(LOOK_FOR, look(house, logins, &filter, &purpose)).await;
    let late = told.is_err();
    // Whoever has gone meanwhile is not told.
    let _gone = answer.send(told.unwrap_or(Err(TrailTrouble::TooMuch)));
    if late {
        // The server goes on with its statement until its own limit: until then it counts as a look.
        sleep(STATEMENT_FOR).await;
    }
}

/// What is asked for, of this tenant alone.
fn filter(tenant: &TenantId, wanted: &TrailQuestion) -> Filter {
    let (schema, table) = wanted.table.as_deref().map(cli::audit::table).unwrap_or_default();
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
    let (mut rows, mut looked, mut failed) = (Vec::new(), 0, 0);
    let mut room = LOOK_BYTES;
    let total = named.len();
    for one in named.iter().take(MAX_DATABASES) {
        match rows_of((house, logins), one, (filter, purpose), &mut room).await {
            Ok(Some(found)) => {
                looked += 1;
                rows.extend(found);
            }
            Ok(None) => {}
            Err(error) if is_too_much(&error) => return Err(TrailTrouble::TooMuch),
            Err(error) => {
                failed += 1;
                if is_refused(&error) {
                    logins.lock().await.remove(&one.name);
                }
                tracing::warn!(
                    database = one.name,
                    error = format!("{error:#}"),
                    "a tenant cannot see its trail"
                );
            }
        }
    }
    if looked == 0 && failed > 0 {
        return Err(TrailTrouble::Unavailable(format!(
            "{failed} databases could not be looked into"
        )));
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
    (house, logins): (&Installation, &Logins),
    one: &Named<'_>,
    (filter, purpose): (&Filter, &str),
    room: &mut usize,
) -> anyhow::Result<Option<Vec<TrailLine>>> {
    let Some(login) = login(house, logins, one).await? else { return Ok(None) };
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
        let read = [&row.old_data, &row.new_data, &row.row_key].into_iter().flatten();
        *room = room.checked_sub(read.map(String::len).sum()).ok_or(Large)?;
        rows.push(line(Shown::Short.row(row)));
    }
    rows.reverse();
    Ok(Some(rows))
}

async fn login(
    house: &Installation,
    logins: &Logins,
    one: &Named<'_>,
) -> anyhow::Result<Option<Db>> {
    let mut logins = logins.lock().await;
    if let Some(login) = logins.get(&one.name) {
        return Ok(Some(login.clone()));
    }
    let Some(url) = auditor::login(house, one).await? else { return Ok(None) };
    let login = Db::lazy(&url.within(STATEMENT_FOR), AT_ONCE)?;
    logins.insert(one.name.clone(), login.clone());
    Ok(Some(login))
}

fn line(row: TrailRow) -> TrailLine {
    let erased = row.is_erased();
    TrailLine {
        at: row.event_timestamp,
        actor: row.actor_id.unwrap_or_default(),
        action: row.action,
        table: format!("{}.{}", row.table_schema, row.table_name),
        key: kept(row.row_key),
        request: row.request_id.unwrap_or_default(),
        before: kept(row.old_data),
        after: kept(row.new_data),
        erased,
    }
}

/// No more of a text than is shown: what is read goes on being held until all of it is.
fn kept(text: Option<String>) -> String {
    let mut text = text.unwrap_or_default();
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    text.shrink_to_fit();
    text
}

/// The rows of one look are too large.
#[derive(Debug, thiserror::Error)]
#[error("the rows of one look are larger than {LOOK_BYTES} bytes")]
struct Large;

/// Whether the login is no good any more, and has to be made anew.
fn is_refused(error: &anyhow::Error) -> bool {
    let refused =
        |error: &store::Error| matches!(error, store::Error::Connect { code: Some(_), .. });
    error.chain().any(|cause| match cause.downcast_ref() {
        Some(::audit::Error::Store(error)) => refused(error),
        _ => cause.downcast_ref::<store::Error>().is_some_and(refused),
    })
}

/// Whether a look was ended because it took too long, or read too much.
fn is_too_much(error: &anyhow::Error) -> bool {
    if error.is::<Large>() {
        return true;
    }
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
    fn of_one_tenant_one_looks_at_a_time_and_not_for_ever() {
        let (turns, now) = (Turns::default(), Instant::now());
        let (sinar, gulf) = (TenantId::new("sinar").unwrap(), TenantId::new("gulf").unwrap());
        let first = turns.take(&sinar, now).unwrap();
        assert!(turns.take(&sinar, now).is_none());
        assert!(turns.take(&gulf, now).is_some());
        drop(first);
        let more = (0..100).take_while(|_| turns.take(&sinar, now).is_some()).count();
        assert_eq!(more, 10, "then the allowance is used up");
        assert!(turns.take(&gulf, now).is_some(), "which is that tenant's own");
        assert!(turns.take(&sinar, now + LOOK_COSTS).is_some());
        // What took long costs more.
        let mut long = turns.take(&gulf, now).unwrap();
        long.began = now.checked_sub(ALLOWANCE);
        drop(long);
        assert!(turns.take(&gulf, now).is_none());
        assert!(turns.take(&gulf, now + ALLOWANCE * 2).is_some());
        assert_eq!(locked(&turns.0).len(), 1, "who may look as before is forgotten");
    }

    #[test]
    fn no_more_of_a_text_is_kept_than_is_shown() {
        assert_eq!(kept(None), "");
        assert_eq!(kept(Some("short".to_owned())), "short");
        let long = format!("a{}", "\u{e9}".repeat(TEXT_BYTES));
        let cut = kept(Some(long.clone()));
        assert!(cut.len() <= TEXT_BYTES && long.starts_with(&cut) && cut.len() > TEXT_BYTES - 4);
    }
}
