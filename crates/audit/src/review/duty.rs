//! Which months are to be signed, by when, and which of them are: a function of what is kept and of the
//! time, without any other input.
//!
//! The clock: a month is to be signed by the end of the month after it, or so many months later as the
//! promise gives. The month in which a trail began is one of them. Older ones than the last 24 are looked
//! at no longer.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use kernel::{Attestation, Vouched, hex};

use super::{Month, Reports};

/// The claim that a signature is evidence for.
pub const CLAIM: &str = "audit.review";
/// How many months are looked back.
const LOOK_BACK: u32 = 24;
/// How long before its end a time is near.
const NEAR_DAYS: i64 = 7;

/// What a signature of one month is about.
pub fn subject(trail: &str, month: Month) -> String {
    format!("{month} {trail}")
}

/// What is kept about the reviews of one trail.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The trail, as its database is called.
    pub trail: &'a str,
    /// When its first row was recorded; nothing when it has none.
    pub began: Option<Timestamp>,
    /// What is attested about the claim, of whatever trail.
    pub vouched: &'a [Vouched],
    /// Its reports.
    pub reports: &'a Reports,
    /// How many months may go by until a month is signed.
    pub every: u32,
}

/// How the reviews of one trail stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duty {
    /// How many months are due, or were signed before that.
    pub months: usize,
    /// How many of them are signed, with a report that is there and is the one that was signed.
    pub signed: usize,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// The newest month that is signed, and by whom.
    pub last: Option<Signed>,
    /// The first month that is not signed and not overdue, and the first moment at which it is.
    pub next: Option<(Month, Timestamp)>,
}

/// A month that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which.
    pub month: Month,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Something that is wrong with a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody has signed the month in time; since when.
    Overdue(Month, Timestamp),
    /// The report that was signed is gone.
    Gone(Month),
    /// It is another one than was signed, or cannot be read: why.
    Altered(Month, String),
    /// A row of the attestations is none: its number, what it says it is about, and why.
    Forged(i64, String, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overdue(month, since) => {
                write!(
                    f,
                    "nobody has signed the review of {month}, which was due until {}",
                    day(*since)
                )
            }
            Self::Gone(month) => write!(f, "the signed report of {month} is gone"),
            Self::Altered(month, why) => {
                write!(f, "the report of {month} is not what was signed: {why}")
            }
            Self::Forged(id, _, why) => write!(f, "attestation {id} is none: {why}"),
        }
    }
}

impl Duty {
    /// How they stand at `now`.
    pub fn of(kept: &Kept<'_>, now: Timestamp) -> Self {
        let mut duty = Self::default();
        for one in kept.vouched {
            let about = &one.attestation.subject;
            let own = about.split_once(' ').is_some_and(|(_, trail)| trail == kept.trail);
            if let Some(why) = one.wrong.as_ref().filter(|_| own) {
                duty.faults.push(Fault::Forged(one.id, about.clone(), why.clone()));
            }
        }
        let (Some(began), this) = (kept.began, Month::of(now)) else { return duty };
        let mut month = Month::of(began).max(this.earlier(LOOK_BACK));
        while month < this {
            duty.look(kept, month, now);
            month = month.later(1);
        }
        if duty.next.is_none() {
            duty.next = Some((this, due(this, kept.every)));
        }
        duty
    }

    fn look(&mut self, kept: &Kept<'_>, month: Month, now: Timestamp) {
        let due = due(month, kept.every);
        let Some(one) = signature(kept.vouched, kept.trail, month) else {
            if due <= now {
                self.months += 1;
                self.faults.push(Fault::Overdue(month, due));
            } else if self.next.is_none() {
                self.next = Some((month, due));
            }
            return;
        };
        self.months += 1;
        match kept.reports.kept(month, &one.digest) {
            Ok(Some(_)) => self.signed += 1,
            Ok(None) => self.faults.push(Fault::Gone(month)),
            Err(why) => self.faults.push(Fault::Altered(month, why)),
        }
        self.last = Some(Signed { month, by: one.by.clone(), at: one.at });
    }

    /// The month that is to be signed within a week, and until when.
    pub fn near(&self, now: Timestamp) -> Option<(Month, Timestamp)> {
        let week = (NEAR_DAYS * 24).hours();
        self.next.filter(|(_, due)| due.checked_sub(week).is_ok_and(|from| from <= now))
    }
}

/// The newest attestation that counts for a month of a trail.
pub fn signature<'a>(vouched: &'a [Vouched], trail: &str, month: Month) -> Option<&'a Attestation> {
    let about = subject(trail, month);
    let good = |one: &&Vouched| one.wrong.is_none() && one.attestation.subject == about;
    vouched.iter().rev().find(good).map(|one| &one.attestation)
}

/// The first moment at which a month is overdue.
pub fn due(month: Month, every: u32) -> Timestamp {
    month.later(every.saturating_add(1)).begins()
}

/// The last day before a moment.
pub fn day(moment: Timestamp) -> Date {
    let date = moment.to_zoned(TimeZone::UTC).date();
    date.yesterday().unwrap_or(date)
}

/// The attestation by which somebody signs a report.
pub fn attestation(
    (trail, month): (&str, Month),
    digest: [u8; 32],
    document: String,
    (by, finding): (&str, Option<&str>),
    now: Timestamp,
) -> Attestation {
    let found =
        finding.map_or_else(|| "without a finding".to_owned(), |text| format!("finding: {text}"));
    // Whole seconds: more is nobody's business.
    let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Attestation {
        claim: CLAIM.to_owned(),
        subject: subject(trail, month),
        statement: format!(
            "the audit trail of {trail} was reviewed for {month} by its report with the SHA-256 {}; {found}",
            hex(&digest)
        ),
        digest,
        document,
        by: by.to_owned(),
        at,
        // Until the next month has to be signed; who signs late has signed for the past alone.
        until: due(month.later(1), 1).max(at.saturating_add(1.seconds()).unwrap_or(at)),
    }
}
