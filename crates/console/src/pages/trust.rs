//! The security page: its own text with a verdict behind each promise, a summary above, and the
//! evidence below.
//!
//! What fails or cannot be told is never left out: it comes first in the summary, and a promise for
//! which the report has no fitting entry is shown as unknown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use claims::{ClaimReport, Page, Pledge, Report};
use jiff::Timestamp;
use kernel::catalogue::Kind;
use kernel::{Finding, Verdict};

use crate::moment::Moment;
use crate::pages::part::{Badge, Frame, NavLink};
use crate::prose::{Piece, lay_out};
use crate::words::{Words, direction};
use crate::{LogHead, Witnessed};

/// How many findings of one claim are spelled out; the rest are counted and stand in the JSON.
const MAX_FINDINGS: usize = 50;

/// A security page at one moment.
#[derive(Template)]
#[template(path = "page/trust.html")]
pub(crate) struct TrustPage<'a> {
    frame: Frame,
    page: &'a Page,
    at: Moment,
    past: bool,
    verdict: Verdict,
    headline: String,
    since: Option<(String, Moment)>,
    tally: [Tally; Verdict::ALL.len()],
    pieces: Vec<Piece<'a>>,
    entries: Vec<Entry<'a>>,
    logs: Vec<Log<'a>>,
}

impl<'a> TrustPage<'a> {
    /// Draws `page` from `report`; `past` when a moment was asked for, `pages` for the navigation,
    /// `logs` for whoever wants to keep a checkpoint.
    pub(crate) fn new(
        page: &'a Page,
        report: &'a Report,
        pages: &[Arc<Page>],
        past: bool,
        logs: &'a [LogHead],
    ) -> Self {
        let words = Words::of(page.language);
        let entries = entries(page, report, words);
        let verdict = Verdict::worst(entries.iter().map(|entry| entry.verdict));
        let tally = Verdict::ALL.map(|verdict| Tally::of(words, verdict, &entries));
        let badge = |index: usize| {
            let found = entries.get(index).map(|entry| entry.badge.clone());
            found.unwrap_or_else(|| badge(words, Verdict::Unknown, index.saturating_add(1)))
        };
        Self {
            frame: Frame::among(
                words,
                NavLink::all(pages, &page.name),
                past.then_some(Moment(report.at)),
            ),
            page,
            at: Moment(report.at),
            past,
            verdict,
            headline: headline(words, verdict, &entries),
            since: since(words, verdict, &entries),
            tally,
            pieces: lay_out(&page.blocks, &badge),
            entries,
            logs: logs.iter().map(|head| Log { words, head }).collect(),
        }
    }

    /// What does not stand, worst first, each verdict in the page's order.
    fn attention(&self) -> Vec<&Entry<'a>> {
        let mut list: Vec<_> = self.entries.iter().filter(|e| !stands(e.verdict)).collect();
        list.sort_by_key(|entry| entry.verdict);
        list
    }

    fn title_dir(&self) -> &'static str {
        direction(self.page.title_language)
    }
}

/// How many promises have one verdict.
struct Tally {
    verdict: Verdict,
    count: usize,
    word: String,
    meaning: String,
}

impl Tally {
    fn of(words: Words, verdict: Verdict, entries: &[Entry<'_>]) -> Self {
        Self {
            verdict,
            count: count(entries, verdict),
            word: words.verdict(verdict),
            meaning: words.meaning(verdict),
        }
    }
}

/// The head of a trail's log.
struct Log<'a> {
    words: Words,
    head: &'a LogHead,
}

impl Log<'_> {
    fn entries(&self) -> String {
        self.words.count("trail-entries", &[("count", self.head.size)])
    }

    fn seen(&self, witness: &Witnessed) -> String {
        self.words.count("trail-entries", &[("count", witness.size)])
    }

    fn signed(&self) -> Option<Moment> {
        self.head.signed.map(Moment)
    }
}

impl Witnessed {
    fn moment(&self) -> Moment {
        Moment(self.at)
    }
}

/// The evidence of one promise.
struct Entry<'a> {
    words: Words,
    number: usize,
    verdict: Verdict,
    badge: Badge,
    kind: Kind,
    claim: Cow<'a, ClaimReport>,
    /// The attributes of what the control wrote.
    language: &'static str,
    /// Why, in a sentence, and the attributes of its language.
    detail: (Cow<'a, str>, &'static str),
}

impl Entry<'_> {
    fn observed(&self) -> Option<Moment> {
        self.claim.observed_at.map(Moment)
    }

    fn received(&self) -> Option<Moment> {
        self.claim.received_at.map(Moment)
    }

    fn since(&self) -> Option<Moment> {
        self.claim.since.map(Moment)
    }

    fn bitten(&self) -> Option<Moment> {
        self.claim.bite.as_ref().map(|bite| Moment(bite.at))
    }

    fn by_a_person(&self) -> bool {
        self.kind == Kind::Attested || self.verdict == Verdict::Attested
    }

    /// How the last bite went, in words.
    fn bite(&self) -> String {
        match &self.claim.bite {
            Some(bite) if bite.bit => self.words.say("bite-bit"),
            Some(bite) if bite.made => self.words.say("bite-missed"),
            Some(_) => self.words.say("bite-unmade"),
            None if self.by_a_person() => self.words.say("bite-attested"),
            None => self.words.say("bite-none"),
        }
    }

    /// Whether the proof has not been shown able to fail.
    fn toothless(&self) -> bool {
        match &self.claim.bite {
            Some(bite) => !bite.bit,
            None => !self.by_a_person(),
        }
    }

    /// What stands where no control says how it attacks.
    fn unattacked(&self) -> String {
        if self.by_a_person() {
            self.words.say("attack-attested")
        } else {
            self.words.say("attack-none")
        }
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.claim.findings.iter().take(MAX_FINDINGS)
    }

    fn more_findings(&self) -> u64 {
        number(self.claim.findings.len().saturating_sub(MAX_FINDINGS))
    }
}

fn entries<'a>(page: &'a Page, report: &'a Report, words: Words) -> Vec<Entry<'a>> {
    let entry = |(index, pledge): (usize, &'a Pledge)| {
        let number = index.saturating_add(1);
        let found = report.claims.get(index).filter(|claim| fits(claim, pledge));
        let (claim, language, detail) = match found {
            Some(claim) => (Cow::Borrowed(claim), words.english(), detail(claim, words)),
            None => (Cow::Owned(lost(pledge)), "", (words.say("mismatch").into(), "")),
        };
        Entry {
            words,
            number,
            verdict: claim.verdict,
            badge: badge(words, claim.verdict, number),
            kind: pledge.promise.kind,
            claim,
            language,
            detail,
        }
    };
    page.pledges.iter().enumerate().map(entry).collect()
}

/// Whether the report speaks of the promise that the page makes now.
fn fits(claim: &ClaimReport, pledge: &Pledge) -> bool {
    claim.id == pledge.promise.id && claim.sentence == pledge.sentence
}

/// Why a promise stands as it does: in the page's language where the reason is always put the same
/// way, and otherwise in the control's words.
fn detail(claim: &ClaimReport, words: Words) -> (Cow<'_, str>, &'static str) {
    let own = match claim.reason {
        "not-built" => words.say("reason-not-built"),
        "not-attested" => words.say("reason-not-attested"),
        "not-run" => words.say("reason-not-run"),
        "no-bite" => words.say("reason-no-bite"),
        _ => return (claim.detail.as_str().into(), words.english()),
    };
    (own.into(), "")
}

fn lost(pledge: &Pledge) -> ClaimReport {
    let params: BTreeMap<String, String> =
        pledge.params.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    ClaimReport {
        id: pledge.promise.id.to_owned(),
        params,
        sentence: pledge.sentence.clone(),
        verdict: Verdict::Unknown,
        population: None,
        measured: String::new(),
        threshold: String::new(),
        observed_at: None,
        received_at: None,
        since: None,
        bite: None,
        reason: "mismatch",
        detail: String::new(),
        findings: Vec::new(),
        attack: String::new(),
        not_covered: Vec::new(),
    }
}

fn badge(words: Words, verdict: Verdict, number: usize) -> Badge {
    let word = words.verdict(verdict);
    Badge { verdict, word, number }
}

fn stands(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Attested | Verdict::Proven)
}

fn count(entries: &[Entry<'_>], verdict: Verdict) -> usize {
    entries.iter().filter(|entry| entry.verdict == verdict).count()
}

fn headline(words: Words, worst: Verdict, entries: &[Entry<'_>]) -> String {
    if entries.is_empty() {
        return words.say("headline-none");
    }
    let numbers = [("count", number(count(entries, worst))), ("total", number(entries.len()))];
    words.count(&format!("headline-{worst}"), &numbers)
}

/// Since when: the oldest of what is worst, or, when everything stands, the last change.
fn since(words: Words, worst: Verdict, entries: &[Entry<'_>]) -> Option<(String, Moment)> {
    if stands(worst) {
        // One promise of unknown age leaves the age of the whole unknown.
        let all: Option<Vec<Timestamp>> = entries.iter().map(|e| e.claim.since).collect();
        let last = all?.into_iter().max()?;
        return Some((words.say("since-held"), Moment(last)));
    }
    let worst = entries.iter().filter(|entry| entry.verdict == worst);
    let first = worst.filter_map(|entry| entry.claim.since).min()?;
    Some((words.say("since-broken"), Moment(first)))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
