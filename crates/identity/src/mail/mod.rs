//! Letters: they wait in the database, in the transaction of what they tell of, and leave from there.
//!
//! It promises that no letter is lost once it was accepted, whatever is killed; that a link in a
//! letter is nowhere but in the letter, since its token is made when the letter leaves and the
//! database holds its SHA-256; and that asking for a reset takes the same work whoever is asked for,
//! since everything that depends on the account happens later and elsewhere.
//!
//! A letter can arrive twice, when the power went between its leaving and our noting it; of two
//! letters with links the later one's works.

mod post;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use kernel::{Clock, Fut, Notice, Rng, is_synthetic, random_hex};
use store::{Db, Notices, OperatorTx, Row};

pub(crate) use post::reachable;
pub use post::{FileOutbox, Line, Post, Sender, Smtp, SmtpSettings, Unsent, Written};
pub use words::Language;
use words::{Facts, Kind};

use crate::directory::WELCOME_FOR;
use crate::invitation::ADDRESS_WINDOW;
use crate::reset::GOOD_FOR;
use crate::sql::mail as sql;
use crate::{Email, Error, Identities, Result};

/// How often it is looked for letters that are due. What is asked for is not worked on at once, so
/// that the work cannot be noticed by whoever asks next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many letters leave in one look.
const IN_ONE_LOOK: usize = 200;
/// How many letters may wait; past it, nothing that anybody can ask for is written down.
pub(crate) const MAX_WAITING: i64 = 10_000;
/// How many more of them may wait that browsers ask for which have signed in to the account before.
pub(crate) const KNOWN_WAITING: i64 = 5_000;
/// For how long whoever took a letter has it for themselves.
const TAKEN_FOR: SignedDuration = SignedDuration::from_mins(2);
/// After how long the second try comes; each one after waits twice as long as the one before.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(15);
/// The longest wait between two tries.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// How long a letter with a reset is tried: whoever still wants one has asked again.
const TRY_RESET: SignedDuration = SignedDuration::from_mins(15);
/// How long any other letter is tried.
const TRY: SignedDuration = SignedDuration::from_hours(48);
/// How long it is kept that a letter was sent, and to whom.
const KEEP_SENT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Old letters are removed once in each.
const SECONDS_IN_HOUR: i64 = 60 * 60;
/// How many letters with a reset leave for one account in [`RESET_WINDOW`].
const MAX_RESETS: i64 = 3;
/// See [`MAX_RESETS`].
const RESET_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Domains that nobody can have (RFC 2606): canaries live in one of them. Letters there are made and thrown
/// away.
const NOWHERE: &str = ".invalid";
/// How many invitations leave for one address in a day, of all tenants together.
const MAX_INVITATIONS: i64 = 6;
/// How many letters of one kind an account gets in [`NOTICE_WINDOW`]: whatever goes round in a circle, a
/// mailbox is not filled by it.
pub(crate) const MAX_NOTICES: i64 = 20;
/// See [`MAX_NOTICES`].
pub(crate) const NOTICE_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// The longest detail of a letter, in bytes.
const MAX_DETAIL_BYTES: usize = 500;

/// Letters, resets and invitations over the accounts. Share it in an [`Arc`].
pub struct Mailroom {
    pub(crate) identities: Arc<Identities>,
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    post: Arc<dyn Post>,
    /// Where the links lead, such as `https://amanah.example`, without a slash at its end.
    site: String,
    counts: Counts,
    /// The hour in which old letters were last removed.
    forgot: AtomicI64,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// How the letters stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many wait.
    pub waiting: u64,
    /// How many of them could not be sent so far.
    pub stuck: u64,
    /// How many never left, in the last days.
    pub given_up: u64,
    /// Since when the oldest waits.
    pub since: Option<Timestamp>,
    /// What went wrong last.
    pub problem: Option<String>,
}

/// One letter as it waits.
struct Letter {
    id: i64,
    kind: String,
    recipient: String,
    account: Option<String>,
    invitation: Option<String>,
    language: Language,
    detail: String,
    queued_at: Timestamp,
    attempts: i32,
}

/// What is to be done with a letter.
enum Fate {
    /// It goes.
    Go(Written),
    /// Nobody is to get it.
    Drop,
}

impl Mailroom {
    /// The mailroom of `identities`. Letters leave by `post`, and their links lead to `site`, an
    /// address of this installation that is never taken from a request.
    pub fn new(
        identities: Arc<Identities>,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        post: Arc<dyn Post>,
        site: &str,
    ) -> Self {
        let (db, site) = (identities.db().clone(), site.trim_end_matches('/').to_owned());
        let forgot = AtomicI64::default();
        Self { identities, db, clock, rng, post, site, counts: Counts::default(), forgot }
    }

    /// Where letters go, in a few words for people.
    pub fn post(&self) -> String {
        self.post.name()
    }

    /// Sends letters as they fall due, until `stop` ends.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        let mut well = true;
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = tick.tick() => {}
            }
            // A letter under way is finished: cutting it off would send it twice.
            match self.deliver().await {
                Ok(_) => well = true,
                Err(error) if well => {
                    tracing::warn!(%error, "letters wait, since the database cannot be asked");
                    well = false;
                }
                Err(_) => {}
            }
        }
    }

    /// Sends what is due at this moment, up to a few hundred letters, and says how many left.
    ///
    /// # Errors
    /// When the database cannot be asked. A letter that cannot be sent is no error: it waits.
    pub async fn deliver(&self) -> Result<usize> {
        let mut left = 0;
        for _ in 0..IN_ONE_LOOK {
            let Some(letter) = self.take().await? else { break };
            if self.carry(letter).await? {
                left += 1;
            }
        }
        let hour = self.clock.now().as_second() / SECONDS_IN_HOUR;
        if self.forgot.swap(hour, Ordering::Relaxed) != hour {
            let old = self.clock.now().saturating_sub(KEEP_SENT).unwrap_or(Timestamp::MIN);
            self.note(sql::FORGET, &[&old]).await?;
        }
        Ok(left)
    }

    /// How the letters stand.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn waiting(&self) -> Result<Waiting> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::STATE, &[]).await?;
        tx.commit().await?;
        let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
        Ok(Waiting {
            waiting: count(0),
            stuck: count(1),
            given_up: count(2),
            since: row.get(3),
            problem: row.get(4),
        })
    }

    /// What is measured here, as name, help and value.
    pub fn readings(&self) -> [(&'static str, &'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("mail_sent_total", "Letters that left the house", read(&self.counts.sent)),
            ("mail_failed_total", "Tries to send a letter that failed", read(&self.counts.failed)),
            ("mail_given_up_total", "Letters that never left", read(&self.counts.given_up)),
        ]
    }

    async fn take(&self) -> Result<Option<Letter>> {
        let now = self.clock.now();
        let until = now.saturating_add(TAKEN_FOR).unwrap_or(now);
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::TAKE, &[&now, &until]).await?;
        tx.commit().await?;
        Ok(row.map(|row| Letter::read(&row)))
    }

    /// Has a letter leave, or says why it waits. Whether it left.
    async fn carry(&self, letter: Letter) -> Result<bool> {
        let now = self.clock.now();
        let written = match self.write(&letter, now).await {
            Ok(Fate::Go(written)) => written,
            Ok(Fate::Drop) => {
                self.note(sql::DROP, &[&letter.id]).await?;
                return Ok(false);
            }
            Err(Error::Store(error)) => return Err(error.into()),
            Err(error) => return self.fail(&letter, Unsent::Never(error.to_string())).await,
        };
        let sent = if written.to.as_str().ends_with(NOWHERE) {
            Ok(())
        } else {
            self.post.send(&written).await
        };
        match sent {
            Ok(()) => {
                self.note(sql::SENT, &[&letter.id, &self.clock.now()]).await?;
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
                Ok(true)
            }
            Err(unsent) => self.fail(&letter, unsent).await,
        }
    }

    async fn fail(&self, letter: &Letter, unsent: Unsent) -> Result<bool> {
        let now = self.clock.now();
        let patience = if letter.kind == Kind::Reset.name() { TRY_RESET } else { TRY };
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let (over, why) = match unsent {
            Unsent::Never(why) => (true, why),
            Unsent::Later(why) => (now.duration_since(letter.queued_at) >= patience, why),
        };
        // The address stays out of the log.
        tracing::warn!(letter = letter.id, kind = letter.kind, over, why, "a letter did not leave");
        if over {
            self.counts.given_up.fetch_add(1, Ordering::Relaxed);
            self.note(sql::GIVE_UP, &[&letter.id, &now, &why]).await?;
        } else {
            let next = now.saturating_add(wait(letter.attempts)).unwrap_or(now);
            self.note(sql::LATER, &[&letter.id, &next, &why]).await?;
        }
        Ok(false)
    }

    async fn note(&self, sql: &str, bound: store::Bound<'_>) -> Result<()> {
        let tx = self.db.operator().await?;
        tx.execute(sql, bound).await?;
        Ok(tx.commit().await?)
    }

    /// What the letter says, with a link of its own where it needs one.
    async fn write(&self, letter: &Letter, now: Timestamp) -> Result<Fate> {
        let Some(mut kind) = Kind::named(&letter.kind) else {
            return Err(Error::Mail(format!("no letter is called {}", letter.kind)));
        };
        // What nobody can have is what was typed by mistake.
        let Ok(to) = Email::new(&letter.recipient) else { return Ok(Fate::Drop) };
        let (name, tenant, link);
        match kind {
            Kind::Reset => {
                let Some((holder, token)) = self.reset_for(letter, now).await? else {
                    return Ok(Fate::Drop);
                };
                (name, tenant) = (holder, String::new());
                link = format!("{}/_amanah/reset/new?t={token}", self.site);
            }
            Kind::Provisioned => {
                let Some(welcome) = self.welcome_for(letter, now).await? else {
                    return Ok(Fate::Drop);
                };
                (name, tenant) = (welcome.0, welcome.1);
                link = format!("{}/_amanah/reset/new?t={}", self.site, welcome.2);
            }
            Kind::Invited | Kind::InvitedAgain => {
                if self.invited_enough(&letter.recipient, now).await? {
                    return Ok(Fate::Drop);
                }
                let id = letter.invitation.as_deref().unwrap_or_default();
                let Some(invited) = self.invitation_for(id, now).await? else {
                    return Ok(Fate::Drop);
                };
                (name, tenant) = (invited.by, invited.tenant);
                link = match invited.token {
                    Some(token) => format!("{}/_amanah/invitation?t={token}", self.site),
                    None => String::new(),
                };
                kind = if link.is_empty() { Kind::InvitedAgain } else { Kind::Invited };
            }
            Kind::Notice(_) => {
                let Some(called) = self.called(letter).await? else { return Ok(Fate::Drop) };
                (name, tenant) = called;
                link = String::new();
            }
        }
        let when = letter.queued_at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string();
        let facts = Facts {
            name: &name,
            tenant: &tenant,
            detail: &letter.detail,
            when: &when,
            link: &link,
            site: &self.site,
        };
        let (subject, body) = words::say(kind, letter.language, &facts);
        let id = format!("{}.{}", letter.id, random_hex(&*self.rng, 8)?);
        Ok(Fate::Go(Written { to, subject, body, id, at: now }))
    }

    /// The name of whoever a reset is for, and the token of their link; nobody when there is no such
    /// account, or it has been sent enough of them.
    async fn reset_for(&self, letter: &Letter, now: Timestamp) -> Result<Option<(String, String)>> {
        let tx = self.db.operator().await?;
        let Some(row) = tx.query_opt(sql::HOLDER, &[&letter.recipient]).await? else {
            tx.commit().await?;
            return Ok(None);
        };
        let since = now.saturating_sub(RESET_WINDOW).unwrap_or(Timestamp::MIN);
        let sent: i64 = tx.query_one(sql::RESETS_SENT, &[&letter.recipient, &since]).await?.get(0);
        // A canary is asked for all day.
        if sent >= MAX_RESETS && !is_synthetic(&letter.recipient) {
            tx.commit().await?;
            return Ok(None);
        }
        let token = self.mint_reset(&tx, row.get(0), (now, GOOD_FOR)).await?;
        tx.commit().await?;
        Ok(Some((row.get(1), token)))
    }

    /// Name and tenant of whoever gets an account by a directory, and the token of their link; nobody when
    /// the account is closed, or has another address meanwhile, or the address was sent enough.
    async fn welcome_for(
        &self,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<Option<(String, String, String)>> {
        if self.invited_enough(&letter.recipient, now).await? {
            return Ok(None);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::HOLDER, &[&letter.recipient]).await?;
        let row = row.filter(|row| letter.account.as_deref() == Some(row.get(0)));
        let Some(row) = row else {
            tx.commit().await?;
            return Ok(None);
        };
        let token = self.mint_reset(&tx, row.get(0), (now, WELCOME_FOR)).await?;
        tx.commit().await?;
        Ok(Some((row.get(1), row.get(2), token)))
    }

    /// Whether an address was sent as many invitations as it may be, whoever sent them.
    async fn invited_enough(&self, recipient: &str, now: Timestamp) -> Result<bool> {
        let since = now.saturating_sub(ADDRESS_WINDOW).unwrap_or(Timestamp::MIN);
        let tx = self.db.operator().await?;
        let sent: i64 = tx.query_one(sql::INVITATIONS_SENT, &[&recipient, &since]).await?.get(0);
        tx.commit().await?;
        Ok(sent >= MAX_INVITATIONS && !is_synthetic(recipient))
    }

    async fn called(&self, letter: &Letter) -> Result<Option<(String, String)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::CALLED, &[&letter.account]).await?;
        tx.commit().await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }
}

/// Has `account` told of `notice`, once `tx` is committed and not before; but not of more than
/// [`MAX_NOTICES`] of a kind in an hour. What roles somebody has who never signed in is no news to them.
///
/// # Errors
/// When the letter could not be written down; the transaction is good for a rollback then.
pub(crate) async fn tell(
    tx: &OperatorTx,
    account: &str,
    notice: Notice,
    detail: &str,
    now: Timestamp,
) -> store::Result<()> {
    let detail = bounded(detail);
    let since = now.saturating_sub(NOTICE_WINDOW).unwrap_or(Timestamp::MIN);
    let bound: store::Bound<'_> = &[&notice.name(), &account, &detail, &now, &since, &MAX_NOTICES];
    tx.execute(sql::QUEUE_NOTICE, bound).await?;
    Ok(())
}

/// What other rooms tell people by.
pub struct Letters(Arc<dyn Clock>);

impl Letters {
    /// Letters that are dated by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }
}

impl Notices for Letters {
    fn tell<'a>(
        &'a self,
        tx: &'a OperatorTx,
        account: &'a str,
        notice: Notice,
        detail: &'a str,
    ) -> Fut<'a, store::Result<()>> {
        Box::pin(tell(tx, account, notice, detail, self.0.now()))
    }
}

impl Letter {
    fn read(row: &Row) -> Self {
        Self {
            id: row.get(0),
            kind: row.get(1),
            recipient: row.get(2),
            account: row.get(3),
            invitation: row.get(4),
            language: Language::of(row.get(5)),
            detail: row.get(6),
            queued_at: row.get(7),
            attempts: row.get(8),
        }
    }
}

/// How long a letter waits after this many tries.
fn wait(attempts: i32) -> SignedDuration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(16);
    FIRST_WAIT.checked_mul(1 << doublings).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

/// `detail` in one line of bounded length.
fn bounded(detail: &str) -> String {
    let mut text = kernel::shown(detail);
    let mut end = text.len().min(MAX_DETAIL_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
