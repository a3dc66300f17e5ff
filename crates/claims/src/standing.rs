//! How a page stands at one moment: every promise with its verdict and what lies behind it.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use kernel::catalogue::Kind;
use kernel::{Card, Outcome, Verdict};

use crate::Result;
use crate::document::{Page, Pledge};
use crate::engine::{Engine, locked};
use crate::evidence::{Key, Record, Run};
use crate::report::{BiteReport, ClaimReport, Report};
use crate::verdict::{Reason, since, weigh};

impl Engine {
    /// How `page` stands at `at`, from the evidence that was stored by then; now, from all of it,
    /// when `at` is `None`.
    ///
    /// A past page is rebuilt from the evidence alone. The controls are those of this program: a
    /// claim that has none is not built, whenever.
    ///
    /// # Errors
    /// When the evidence cannot be read; never a verdict then.
    pub async fn report(&self, page: &Page, at: Option<Timestamp>) -> Result<Report> {
        let moment = at.unwrap_or_else(|| self.inner.cx.clock.now());
        let keys: Vec<(Key, Key)> = page.pledges.iter().map(keys).collect();
        let asked: Vec<Key> = keys
            .iter()
            .filter(|(proof, _)| self.control(&proof.claim).is_some())
            .flat_map(|(proof, bite)| [proof.clone(), bite.clone()])
            .collect();
        let latest = if asked.is_empty() {
            HashMap::new()
        } else {
            self.inner.evidence.latest(&asked, at).await?
        };
        let mut claims = Vec::with_capacity(page.pledges.len());
        for (pledge, (proof, bite)) in page.pledges.iter().zip(&keys) {
            let control = self.control(pledge.promise.id);
            let standing = Standing {
                card: control.as_ref().map(|control| control.card()),
                proof: latest.get(proof),
                bite: latest.get(bite),
                at: moment,
            };
            let mut claim = standing.of(pledge);
            claim.since = self.since(&standing, &claim, at.is_none()).await?;
            claims.push(claim);
        }
        Ok(Report {
            page: page.name.clone(),
            title: page.title.clone(),
            language: page.language,
            at: moment,
            verdict: Verdict::worst(claims.iter().map(|claim| claim.verdict)),
            claims,
        })
    }

    /// Since when the claim stands like this. Walking the history of a claim that was proven every
    /// few minutes for months takes a moment, so for the present page it is remembered until a
    /// row is added or the verdict changes.
    async fn since(
        &self,
        standing: &Standing<'_>,
        claim: &ClaimReport,
        live: bool,
    ) -> Result<Option<Timestamp>> {
        let Some(proof) = standing.proof else {
            return Ok(None);
        };
        let sight = Sight {
            proof: proof.id,
            bite: standing.bite.map(|bite| bite.id),
            verdict: claim.verdict,
        };
        let known = locked(&self.inner.memo).get(&proof.key).copied();
        if let Some((_, since)) = known.filter(|(seen, _)| live && *seen == sight) {
            return Ok(since);
        }
        let received = |record: &Record| record.mark.received_at;
        let (last, bitten) = (received(proof), standing.bite.map(received));
        let until = bitten.map_or(last, |bitten| bitten.max(last));
        let key = &proof.key;
        let mut history = self.inner.evidence.history(&key.claim, &key.params, until).await?;
        // Only what the report itself speaks of.
        history.proofs.retain(|mark| mark.received_at <= last);
        history.bites.retain(|mark| Some(mark.received_at) <= bitten);
        let since = since(&history, standing.at);
        if live {
            locked(&self.inner.memo).insert(key.clone(), (sight, since));
        }
        Ok(since)
    }
}

/// Since when each claim of the present pages stands as it does. While no row is added, a verdict
/// only ever grows worse with time, so the same rows and the same verdict mean that nothing
/// happened in between.
pub(crate) type Memo = HashMap<Key, (Sight, Option<Timestamp>)>;

/// What a remembered moment was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    proof: i64,
    bite: Option<i64>,
    verdict: Verdict,
}

/// The evidence keys of a promise: its proof, and the bite of its control.
pub(crate) fn keys(pledge: &Pledge) -> (Key, Key) {
    let key = |run, params| Key { claim: pledge.promise.id.to_owned(), params, run };
    (key(Run::Proof, pledge.params.to_string()), key(Run::Bite, String::new()))
}

/// What is known of one promise at one moment.
struct Standing<'a> {
    card: Option<&'static Card>,
    proof: Option<&'a Record>,
    bite: Option<&'a Record>,
    at: Timestamp,
}

impl Standing<'_> {
    fn of(&self, pledge: &Pledge) -> ClaimReport {
        let (verdict, reason, detail) = self.verdict(pledge.promise.kind);
        let proof = self.proof;
        let text = |get: fn(&Record) -> &String| proof.map(get).cloned().unwrap_or_default();
        let attack = match (proof, self.card) {
            (Some(proof), _) => proof.attack.clone(),
            (None, Some(card)) => card.attack.to_owned(),
            (None, None) => String::new(),
        };
        let not_covered = self.card.map_or(&[][..], |card| card.not_covered);
        let params = pledge.params.iter();
        ClaimReport {
            id: pledge.promise.id.to_owned(),
            params: params.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            sentence: pledge.sentence.clone(),
            verdict,
            population: proof.map(|p| p.population.clone()).filter(|p| p.total > 0),
            measured: text(|proof| &proof.measured),
            threshold: text(|proof| &proof.threshold),
            observed_at: proof.map(|proof| proof.mark.observed_at),
            received_at: proof.map(|proof| proof.mark.received_at),
            since: None,
            bite: self.bite.map(bite_report),
            reason,
            detail,
            findings: proof.map(|proof| proof.findings.clone()).unwrap_or_default(),
            attack,
            not_covered: not_covered.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    /// The verdict, the word for its reason, and the reason in a sentence.
    fn verdict(&self, kind: Kind) -> (Verdict, &'static str, String) {
        let Some(card) = self.card else {
            let (reason, detail) = match kind {
                Kind::Attested => {
                    ("not-attested", "not attested: nobody can vouch for this here yet")
                }
                Kind::Proven | Kind::Either => {
                    ("not-built", "not built: no control proves this yet")
                }
            };
            return (Verdict::Unknown, reason, detail.to_owned());
        };
        let (proof, bite) = (self.proof.map(|p| &p.mark), self.bite.map(|b| &b.mark));
        let reason = weigh(proof, bite, self.at);
        if let (Reason::Blunt, Some(bite)) = (reason, self.bite.filter(|bite| !was_made(bite))) {
            let why = format!(
                "the proof held, and its bite could not be made, so that it shows nothing: {}",
                bite.detail
            );
            return (reason.verdict(), "bite-unmade", why);
        }
        let verdict = match (reason.verdict(), kind) {
            // A machine has checked a person's word, and not what the word is about.
            (Verdict::Proven, Kind::Attested) => Verdict::Attested,
            (verdict, _) => verdict,
        };
        (verdict, reason.code(), self.detail(reason, card))
    }

    fn detail(&self, reason: Reason, card: &Card) -> String {
        let own = |record: Option<&Record>| record.map(|r| r.detail.clone()).unwrap_or_default();
        let seen = |record: Option<&Record>| record.map_or(self.at, |r| r.mark.observed_at);
        match reason {
            Reason::NotRun => "not yet run".to_owned(),
            Reason::Broken | Reason::Holds => own(self.proof),
            Reason::CannotTell => match own(self.proof) {
                detail if detail.is_empty() => "the proof could not tell".to_owned(),
                detail => detail,
            },
            Reason::Ahead => format!(
                "the last proof says that it was made at {}, which is yet to come: check the \
                 clocks of this machine and of the database",
                seen(self.proof)
            ),
            Reason::NoBite => {
                "the proof held, and counts only once its bite has run: whether the control can \
                 fail is not yet shown"
                    .to_owned()
            }
            Reason::BiteOther => {
                let version = |run: Option<&Record>| run.map_or("", |r| &r.mark.version).to_owned();
                format!(
                    "the proof is that of version {}, and its bite that of version {}: it counts \
                     once both have run in one version, which `amanah verify` does now",
                    version(self.proof),
                    version(self.bite)
                )
            }
            Reason::Blunt => {
                let found = own(self.bite);
                let why = if found.is_empty() { "" } else { ": " };
                format!("its bite did not bite, so the proof shows nothing{why}{found}")
            }
            Reason::BiteAhead => format!(
                "the last bite says that it was made at {}, which is yet to come: check the \
                 clocks of this machine and of the database",
                seen(self.bite)
            ),
            Reason::BiteOld => format!(
                "its bite is too old to count: it ran {} ago",
                period(self.age(seen(self.bite)))
            ),
            Reason::Old => format!(
                "it held {} ago and is due every {}",
                period(self.age(seen(self.proof))),
                period(self.proof.map_or(card.cadence, |proof| proof.mark.cadence))
            ),
        }
    }

    fn age(&self, seen: Timestamp) -> Duration {
        let age = self.at.duration_since(seen);
        Duration::try_from(age).unwrap_or_default()
    }
}

/// Whether a bite has seeded anything: one that has says how much.
fn was_made(bite: &Record) -> bool {
    bite.mark.outcome != Outcome::Unknown || !bite.population.is_nothing()
}

fn bite_report(bite: &Record) -> BiteReport {
    let (made, bit) = (was_made(bite), bite.mark.outcome == Outcome::Broken);
    let found = match (made, bit, bite.detail.as_str()) {
        (false, _, detail) => format!("It could not be made: {detail}."),
        (_, _, "") => "The control did not find it.".to_owned(),
        (_, true, detail) => format!("Found: {detail}."),
        (_, false, detail) => format!("The control did not find it: {detail}."),
    };
    BiteReport { made, bit, at: bite.mark.observed_at, detail: format!("{} {found}", bite.attack) }
}

/// A length of time in its largest unit that leaves at least two of it: "36 hours".
fn period(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    units.into_iter().find(|(_, unit)| seconds >= 2 * unit).map_or_else(
        || format!("{seconds} seconds"),
        |(name, unit)| format!("{} {name}", seconds / unit),
    )
}
