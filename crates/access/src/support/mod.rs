//! The vendor's support in a tenant: asked for by staff, let in by the tenant, for hours, and seen.
//!
//! What may follow what is held by the database's own constraints and triggers, so that a bug here
//! cannot approve in a tenant's name. A grant reads, unless writing was asked for and approved; it
//! never allows anything about people; and it is over at its end or when anybody concerned ends it.

mod rights;
mod sql;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use kernel::{Door, Identity, Notice, Scope, TenantId, own};
use store::Row;

pub(crate) use self::sql::END_ALL_OF;
use crate::{Access, Error, Result};

/// How long a question waits for its answer.
const WAITS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many questions of support wait in one tenant at once.
const MAX_WAITING: i64 = 50;
/// The most grants in a list.
const MAX_LISTED: i64 = 200;
/// The most uses in a list.
const MAX_USES: i64 = 1_000;
/// The longest name of a ticket, in bytes.
const MAX_TICKET_BYTES: usize = 100;
/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1_000;
/// The longest time that can be asked for, in hours.
pub const MAX_HOURS: u8 = 24;
/// PostgreSQL's code for a check that failed, also the triggers'.
const CHECK: &str = "23514";

/// What support asks a tenant for.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The tenant that is asked.
    pub tenant: TenantId,
    /// The ticket that it is about, up to 100 bytes.
    pub ticket: String,
    /// Why, in words that the tenant will read, up to 1,000 bytes.
    pub reason: String,
    /// To look, or to change things too.
    pub scope: Scope,
    /// For how long, 1 to 24 hours from the approval on.
    pub hours: u8,
}

/// How it stands with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupportState {
    /// It waits for an answer.
    Asked,
    /// Nobody answered in time.
    Lapsed,
    /// The tenant said no, or it was taken back before an answer.
    Denied,
    /// Support may enter.
    Live,
    /// Somebody ended it before its time.
    Ended,
    /// Its time is over.
    Over,
}

impl SupportState {
    /// The word in lower case, as JSON and the pages' keys write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Lapsed => "lapsed",
            Self::Denied => "denied",
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Over => "over",
        }
    }
}

/// One question of support, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportGrant {
    /// Its id, a UUID.
    pub id: String,
    /// The tenant that was asked.
    pub tenant: String,
    /// Who asked.
    pub asked_as: String,
    /// The ticket.
    pub ticket: String,
    /// Why.
    pub reason: String,
    /// To look, or to change things too.
    pub scope: Scope,
    /// For how many hours.
    pub hours: i16,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Who approved it, and when.
    pub approved: Option<(String, Timestamp)>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// Who ended or denied it, and when.
    pub ended: Option<(String, Timestamp)>,
    /// How many requests were made under it.
    pub uses: i64,
    /// How it stands.
    pub state: SupportState,
}

/// One request that was made under a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportUse {
    /// When.
    pub at: Timestamp,
    /// The id of the request, which the trail has too.
    pub request: String,
    /// Its method.
    pub method: String,
    /// Its path, without a query.
    pub path: String,
}

impl Access {
    /// Asks a tenant to let `who` in, and returns the question's id.
    ///
    /// # Errors
    /// [`Error::Refused`] unless `who` is staff that may ask; [`Error::Field`] when something does
    /// not fit; [`Error::Waiting`] when too many questions wait in this tenant.
    pub async fn ask_support(&self, who: &Identity, asking: &Asking) -> Result<String> {
        in_person(who)?;
        let id = self.ask_support_for(&who.account, who.actor.as_str(), asking).await?;
        self.uses.note((&who.account, &who.tenant), own::SUPPORT_ASK, self.clock.now());
        Ok(id)
    }

    /// The same by the operator of the machine, in the name of the member of staff `account`.
    ///
    /// # Errors
    /// As [`Access::ask_support`].
    pub async fn ask_support_for(
        &self,
        account: &str,
        actor: &str,
        asking: &Asking,
    ) -> Result<String> {
        check(asking)?;
        let staff = self.staff()?;
        if asking.tenant == *staff {
            let why = "it is the tenant of staff itself".to_owned();
            return Err(Error::Field { field: "tenant", why });
        }
        let home = self.standing_now(account, staff).await?;
        if !home.permits.has(own::SUPPORT_ASK) {
            return Err(Error::Refused);
        }
        let now = self.clock.now();
        let (tenant, scope) = (asking.tenant.as_str(), asking.scope.as_str());
        let (hours, waits) = (i16::from(asking.hours), oldest(now));
        let (ticket, reason) = (&asking.ticket, &asking.reason);
        let bound: store::Bound<'_> = &[
            &tenant,
            &account,
            &actor,
            ticket,
            reason,
            &scope,
            &hours,
            &now,
            &waits,
            &MAX_WAITING,
        ];
        let tx = self.db.operator().await?;
        let row = match tx.query_opt(sql::ASK, bound).await {
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::Refused),
            row => row?,
        };
        let id: String = row.ok_or(Error::Waiting(MAX_WAITING))?.get(0);
        tx.commit().await?;
        tracing::info!(id, tenant, actor, scope, "support asks to be let in");
        Ok(id)
    }

    /// Lets support in, until the hours that it asked for are over.
    ///
    /// # Errors
    /// [`Error::NoSupport`] when nothing of this id waits in `who`'s tenant; [`Error::Refused`]
    /// unless they may let support in and came through a browser; [`Error::StepUp`] when they proved
    /// who they are too long ago.
    pub async fn approve_support(&self, who: &Identity, id: &str) -> Result<()> {
        self.answers(who).await?;
        let now = self.clock.now();
        if !who.is_recent(now) {
            return Err(Error::StepUp);
        }
        let id = grant_id(id)?;
        let (tenant, actor, waits) = (who.tenant.as_str(), who.actor.as_str(), oldest(now));
        let bound: store::Bound<'_> = &[&id, &tenant, &who.account, &actor, &now, &waits];
        let tx = self.db.operator().await?;
        let approved = match tx.query_opt(sql::APPROVE, bound).await {
            // The database holds that it is not theirs to do.
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::Refused),
            approved => approved?.ok_or(Error::NoSupport)?,
        };
        let (asker, ticket): (String, String) = (approved.get(0), approved.get(1));
        let told = format!("{tenant}, {ticket}");
        for account in [&who.account, &asker] {
            self.tell(&tx, account, Notice::SupportApproved, &told).await?;
        }
        tx.commit().await?;
        self.uses.note((&who.account, &who.tenant), own::PEOPLE_SUPPORT, now);
        tracing::info!(id, tenant, actor, "support was let in");
        Ok(())
    }

    /// Says no to a question, or puts support out at once. Whoever may let it in can, and whoever
    /// asked.
    ///
    /// # Errors
    /// [`Error::NoSupport`] when there is nothing of this id that could end, or it is another's.
    pub async fn end_support(&self, who: &Identity, id: &str) -> Result<()> {
        let id = grant_id(id)?;
        let own = who.standing.support.as_ref().is_some_and(|support| support.grant == id);
        // Whoever asked ends their own, whatever else they may: staff answer for their own tenant too.
        let asker = Some(who.account.as_str());
        let answers = !own && self.answers(who).await.is_ok();
        let tenant = answers.then_some(who.tenant.as_str());
        let (actor, now) = (who.actor.as_str(), self.clock.now());
        let ended = self.change(sql::END, &[&id, &tenant, &asker, &actor, &now]).await?;
        tracing::info!(id, actor, ended, "access of support was ended");
        if ended == 0 { Err(Error::NoSupport) } else { Ok(()) }
    }

    /// The same by the operator of the machine, whose name is written down.
    ///
    /// # Errors
    /// [`Error::NoSupport`] when there is nothing of this id that could end.
    pub async fn end_support_as(&self, actor: &str, id: &str) -> Result<()> {
        let (nobody, now): (Option<&str>, _) = (None, self.clock.now());
        let id = grant_id(id)?;
        let ended = self.change(sql::END, &[&id, &nobody, &nobody, &actor, &now]).await?;
        if ended == 0 { Err(Error::NoSupport) } else { Ok(()) }
    }

    /// What `who` may see: all of their tenant's for those who may let support in, and what they
    /// asked for themselves. The newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn support_seen(&self, who: &Identity) -> Result<Vec<SupportGrant>> {
        let answers = self.answers(who).await.is_ok();
        self.list_support(answers.then_some(who.tenant.as_str()), Some(&who.account)).await
    }

    /// Every question, of one tenant or of all. For the operator.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn support_list(&self, tenant: Option<&TenantId>) -> Result<Vec<SupportGrant>> {
        self.list_support(tenant.map(TenantId::as_str), None).await
    }

    /// What was done in `who`'s tenant under a grant, the newest first.
    ///
    /// # Errors
    /// [`Error::Refused`] unless they may let support in.
    pub async fn support_uses(&self, who: &Identity, id: &str) -> Result<Vec<SupportUse>> {
        self.answers(who).await?;
        self.support_uses_in(&who.tenant, id).await
    }

    /// The same for the operator and for proofs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn support_uses_in(&self, tenant: &TenantId, id: &str) -> Result<Vec<SupportUse>> {
        let id = grant_id(id)?;
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::USES, &[&id, &tenant.as_str(), &MAX_USES]).await?;
        tx.commit().await?;
        let read = |row: &Row| SupportUse {
            at: row.get(0),
            request: row.get(1),
            method: row.get(2),
            path: row.get(3),
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Whether `who` is asked when support wants in: somebody of this tenant, themselves, in a
    /// browser, who may answer as the database has it now.
    async fn answers(&self, who: &Identity) -> Result<()> {
        in_person(who)?;
        let standing = self.standing_now(&who.account, &who.tenant).await?;
        if standing.permits.has(own::PEOPLE_SUPPORT) { Ok(()) } else { Err(Error::Refused) }
    }

    /// The tenant whose accounts are staff; without one nobody is.
    pub(crate) fn staff(&self) -> Result<&TenantId> {
        self.staff.as_ref().ok_or(Error::Refused)
    }

    async fn change(&self, statement: &str, bound: store::Bound<'_>) -> Result<u64> {
        let tx = self.db.operator().await?;
        let changed = match tx.execute(statement, bound).await {
            // The database holds that it is not theirs to do.
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::Refused),
            changed => changed?,
        };
        tx.commit().await?;
        Ok(changed)
    }

    async fn list_support(
        &self,
        tenant: Option<&str>,
        asker: Option<&str>,
    ) -> Result<Vec<SupportGrant>> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIST, &[&tenant, &asker, &MAX_LISTED]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| read(row, now)).collect())
    }
}

/// Refuses whoever acts for somebody else, or is a program.
pub(crate) fn in_person(who: &Identity) -> Result<()> {
    if who.door == Door::Browser && who.standing.support.is_none() {
        Ok(())
    } else {
        Err(Error::Refused)
    }
}

fn read(row: &Row, now: Timestamp) -> SupportGrant {
    let pair = |name: usize, at: usize| {
        row.get::<_, Option<String>>(name).zip(row.get::<_, Option<Timestamp>>(at))
    };
    let (approved, ended, ends_at) = (pair(8, 9), pair(11, 12), row.get(10));
    let asked_at = row.get(7);
    let state = state(now, asked_at, ends_at, ended.is_some());
    let scope = if row.get::<_, String>(5) == "rw" { Scope::ReadWrite } else { Scope::ReadOnly };
    SupportGrant {
        id: row.get(0),
        tenant: row.get(1),
        asked_as: row.get(2),
        ticket: row.get(3),
        reason: row.get(4),
        scope,
        hours: row.get(6),
        asked_at,
        approved,
        ends_at,
        ended,
        uses: row.get(13),
        state,
    }
}

fn state(
    now: Timestamp,
    asked_at: Timestamp,
    ends_at: Option<Timestamp>,
    ended: bool,
) -> SupportState {
    match (ends_at, ended) {
        (None, true) => SupportState::Denied,
        (None, false) if asked_at <= oldest(now) => SupportState::Lapsed,
        (None, false) => SupportState::Asked,
        (Some(_), true) => SupportState::Ended,
        (Some(end), false) if end <= now => SupportState::Over,
        (Some(_), false) => SupportState::Live,
    }
}

/// What was asked for until then has lapsed.
fn oldest(now: Timestamp) -> Timestamp {
    now.saturating_sub(WAITS).unwrap_or(Timestamp::MIN)
}

fn grant_id(text: &str) -> Result<&str> {
    crate::service::account(text).map_err(|_| Error::NoSupport)
}

fn check(asking: &Asking) -> Result<()> {
    words("ticket", &asking.ticket, MAX_TICKET_BYTES)?;
    words("reason", &asking.reason, MAX_REASON_BYTES)?;
    if (1..=MAX_HOURS).contains(&asking.hours) {
        return Ok(());
    }
    let why = format!("write 1 to {MAX_HOURS} hours");
    Err(Error::Field { field: "time", why })
}

pub(crate) fn words(field: &'static str, text: &str, max: usize) -> Result<()> {
    let why = if text.trim().is_empty() {
        "it is empty; say it in a few words".to_owned()
    } else if text.len() > max {
        format!("it has at most {max} bytes")
    } else if text.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Field { field, why })
}
