//! The verdict: a pure function of the evidence and a moment. Whoever has the rows can compute it
//! again, for today or for any day before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Outcome, Verdict};

use crate::evidence::{History, Mark};

/// How often each control must show that it can fail.
pub(crate) const BITE_EVERY: Duration = Duration::from_hours(24);
/// How many times its period a proof or a bite may be old before it counts no more.
const GRACE: u32 = 2;
/// How far a proof's time may lie ahead of the reader's clock.
const MAX_SKEW: Duration = Duration::from_mins(5);

/// Why a claim has the verdict that it has, as far as its runs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No proof has run yet.
    NotRun,
    /// The last proof found something that gave way.
    Broken,
    /// The last proof could not tell.
    CannotTell,
    /// The last proof says that it was made in the future.
    Ahead,
    /// The control's bite has not run yet.
    NoBite,
    /// The last bite is that of another version of the control than the proof.
    BiteOther,
    /// The control did not find the violation that was seeded for it.
    Blunt,
    /// The last bite says that it was made in the future.
    BiteAhead,
    /// The control's last bite is too long ago.
    BiteOld,
    /// The last proof held, but it is too long ago.
    Old,
    /// The last proof held, in time, and its control can fail.
    Holds,
}

impl Reason {
    /// The verdict that follows.
    pub(crate) const fn verdict(self) -> Verdict {
        match self {
            Self::Broken => Verdict::Failing,
            Self::NotRun
            | Self::CannotTell
            | Self::Ahead
            | Self::NoBite
            | Self::BiteOther
            | Self::Blunt
            | Self::BiteAhead
            | Self::BiteOld => Verdict::Unknown,
            Self::Old => Verdict::Stale,
            Self::Holds => Verdict::Proven,
        }
    }

    /// The word for it in reports.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotRun => "not-run",
            Self::Broken => "broken",
            Self::CannotTell => "cannot-tell",
            Self::Ahead => "ahead",
            Self::NoBite => "no-bite",
            Self::BiteOther => "bite-other",
            Self::Blunt => "blunt",
            Self::BiteAhead => "bite-ahead",
            Self::BiteOld => "bite-old",
            Self::Old => "old",
            Self::Holds => "holds",
        }
    }
}

/// Weighs the last proof of a claim and the last bite of its control as they stand at `at`.
///
/// What gave way stays failing whatever else is known. A control that has not lately shown that it
/// can fail is not believed when it says that something holds; and what an older or a newer program
/// found in its bite says nothing about the control that gave this proof. Both versions are those of
/// the evidence, so that a past page stays what it was when the program is another one.
pub(crate) fn weigh(proof: Option<&Mark>, bite: Option<&Mark>, at: Timestamp) -> Reason {
    let Some(proof) = proof else {
        return Reason::NotRun;
    };
    match proof.outcome {
        Outcome::Broken => return Reason::Broken,
        Outcome::Unknown => return Reason::CannotTell,
        Outcome::Holds => {}
    }
    if is_ahead(proof, at) {
        return Reason::Ahead;
    }
    let Some(bite) = bite else {
        return Reason::NoBite;
    };
    if bite.version != proof.version {
        Reason::BiteOther
    } else if bite.outcome != Outcome::Broken {
        Reason::Blunt
    } else if is_ahead(bite, at) {
        Reason::BiteAhead
    } else if at > bite_expiry(bite) {
        Reason::BiteOld
    } else if at > expiry(proof) {
        Reason::Old
    } else {
        Reason::Holds
    }
}

/// Since when the verdict has been what it is at `at`, as far as `history` reaches back; `None`
/// when no proof has run.
///
/// A verdict changes when a row comes in or when one grows too old, and at no other time: so these
/// moments are walked backwards until one of them says something else.
pub(crate) fn since(history: &History, at: Timestamp) -> Option<Timestamp> {
    let at_most = |mark: &Mark| Mark {
        // The database's clock may be a little ahead of ours.
        received_at: mark.received_at.min(at),
        ..mark.clone()
    };
    let proofs: Vec<Mark> = history.proofs.iter().map(at_most).collect();
    let bites: Vec<Mark> = history.bites.iter().map(at_most).collect();
    let mut moments: Vec<Timestamp> = Vec::new();
    for (marks, expires) in [(&proofs, expiry as fn(&Mark) -> Timestamp), (&bites, bite_expiry)] {
        for mark in marks {
            // It is still good at the very moment of its expiry.
            let tick = SignedDuration::from_micros(1);
            moments.push(mark.received_at);
            moments.push(later(expires(mark), tick));
            // A time that lay ahead of the clock comes true one day.
            moments.push(earlier(mark.observed_at, MAX_SKEW));
        }
    }
    moments.retain(|moment| *moment <= at);
    moments.sort_unstable_by(|a, b| b.cmp(a));
    moments.dedup();
    let verdict = |moment| weigh(latest(&proofs, moment), latest(&bites, moment), moment).verdict();
    latest(&proofs, at)?;
    let now = verdict(at);
    moments
        .into_iter()
        .take_while(|moment| latest(&proofs, *moment).is_some() && verdict(*moment) == now)
        .last()
}

/// The first of `marks`, the latest first, that was there at `moment`.
fn latest(marks: &[Mark], moment: Timestamp) -> Option<&Mark> {
    let later = marks.partition_point(|mark| mark.received_at > moment);
    marks.get(later)
}

fn is_ahead(mark: &Mark, at: Timestamp) -> bool {
    earlier(mark.observed_at, MAX_SKEW) > at
}

fn expiry(proof: &Mark) -> Timestamp {
    later(proof.observed_at, signed(proof.cadence.saturating_mul(GRACE)))
}

fn bite_expiry(bite: &Mark) -> Timestamp {
    later(bite.observed_at, signed(BITE_EVERY.saturating_mul(GRACE)))
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_sub(signed(by)).unwrap_or(Timestamp::MIN)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use kernel::{Outcome, Verdict};
    use proptest::prelude::*;

    use super::{History, Mark, Reason, since, weigh};

    /// Noon of some day, and a control that is proven every hour.
    const NOON: i64 = 1_800_000_000;
    const HOUR: i64 = 3_600;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOON + seconds).unwrap()
    }

    fn mark(outcome: Outcome, observed: i64) -> Mark {
        Mark {
            outcome,
            cadence: Duration::from_hours(1),
            observed_at: time(observed),
            received_at: time(observed),
            version: "1.0.0".to_owned(),
        }
    }

    const ALL: [Outcome; 3] = [Outcome::Holds, Outcome::Broken, Outcome::Unknown];
    const PROOF_AGES: [(&str, i64); 5] = [
        ("now", 0),
        ("2 h", 2 * HOUR),
        ("2 h 1 s", 2 * HOUR + 1),
        ("5 min ahead", -300),
        ("6 min ahead", -360),
    ];
    const BITE_AGES: [(&str, i64); 4] =
        [("now", 0), ("48 h", 48 * HOUR), ("48 h 1 s", 48 * HOUR + 1), ("6 min ahead", -360)];

    fn with<'a>(ages: &'a [(&'a str, i64)]) -> Vec<(String, Option<Mark>)> {
        let mut all = vec![("none".to_owned(), None)];
        for outcome in ALL {
            for (name, age) in ages {
                let name = format!("{}, {name}", outcome.as_str());
                all.push((name, Some(mark(outcome, -age))));
            }
        }
        all
    }

    #[test]
    fn the_matrix_of_proofs_and_bites() {
        let mut golden = String::new();
        for (proof_name, proof) in with(&PROOF_AGES) {
            for (bite_name, bite) in with(&BITE_AGES) {
                let reason = weigh(proof.as_ref(), bite.as_ref(), time(0));
                let verdict = reason.verdict();
                writeln!(
                    golden,
                    "proof {proof_name:<20} bite {bite_name:<20} {verdict:<8} {reason:?}"
                )
                .unwrap();
            }
        }
        assert_eq!(golden.matches(" proven ").count(), 6);
        insta::assert_snapshot!(golden);
    }

    /// A bite vouches for the program that it ran in, and for no other.
    #[test]
    fn the_bite_must_be_of_the_same_version() {
        let (proof, bite) = (mark(Outcome::Holds, 0), mark(Outcome::Broken, 0));
        for (version, reason) in [
            ("1.0.0", Reason::Holds),
            ("0.9.0", Reason::BiteOther),
            ("1.0.1", Reason::BiteOther),
            ("", Reason::BiteOther),
        ] {
            let bite = Mark { version: version.to_owned(), ..bite.clone() };
            assert_eq!(weigh(Some(&proof), Some(&bite), time(0)), reason, "{version}");
        }
        assert_eq!(Reason::BiteOther.verdict(), Verdict::Unknown);
        // What gave way needs no bite to be believed.
        let broken = mark(Outcome::Broken, 0);
        let other = Mark { version: String::new(), ..bite };
        assert_eq!(weigh(Some(&broken), Some(&other), time(0)), Reason::Broken);
    }

    fn history(proofs: &[(Outcome, i64)], bites: &[(Outcome, i64)]) -> History {
        let marks = |all: &[(Outcome, i64)]| all.iter().map(|(o, t)| mark(*o, *t)).collect();
        History { proofs: marks(proofs), bites: marks(bites) }
    }

    #[test]
    fn since_reaches_back_to_the_last_change() {
        use Outcome::{Broken, Holds, Unknown};
        let bite = [(Broken, -30 * HOUR)];
        for (proofs, bites, expected) in [
            (&[][..], &bite[..], None),
            (&[(Holds, 0), (Holds, -HOUR), (Holds, -2 * HOUR)], &bite, Some(-2 * HOUR)),
            (&[(Holds, 0), (Broken, -HOUR), (Holds, -2 * HOUR)], &bite, Some(0)),
            (&[(Broken, 0), (Broken, -40 * HOUR), (Holds, -50 * HOUR)], &bite, Some(-40 * HOUR)),
            // Three hours without a proof: stale from the second on, proven again at noon.
            (&[(Holds, 0), (Holds, -3 * HOUR)], &bite, Some(0)),
            // Proven since the bite came in, though the proofs held before.
            (&[(Holds, 0), (Holds, -HOUR), (Holds, -2 * HOUR)], &[(Broken, -HOUR)], Some(-HOUR)),
            // Two reasons, one verdict.
            (&[(Unknown, 0), (Holds, -HOUR)], &[], Some(-HOUR)),
        ] {
            let found = since(&history(proofs, bites), time(0));
            assert_eq!(found, expected.map(time), "{proofs:?} {bites:?}");
        }
        let stale = history(&[(Holds, -5 * HOUR)], &bite);
        let moment = time(-3 * HOUR).checked_add(SignedDuration::from_micros(1)).unwrap();
        assert_eq!(since(&stale, time(0)), Some(moment));
    }

    fn marks() -> impl Strategy<Value = Vec<Mark>> {
        let one = (0usize..3, 0i64..100 * HOUR, -HOUR..2 * HOUR, any::<bool>());
        let one = one.prop_map(|(o, received, lag, newer)| {
            let mut mark = mark(ALL[o], received - lag);
            mark.received_at = time(received);
            if newer {
                "1.1.0".clone_into(&mut mark.version);
            }
            mark
        });
        prop::collection::vec(one, 0..12).prop_map(|mut all| {
            all.sort_by_key(|mark: &Mark| std::cmp::Reverse(mark.received_at));
            all
        })
    }

    proptest! {
        #[test]
        fn proven_needs_a_fresh_proof_and_a_fresh_bite(
            proof in prop::option::of((0usize..3, -200 * HOUR..HOUR)),
            bite in prop::option::of((0usize..3, -200 * HOUR..HOUR)),
        ) {
            let of = |run: Option<(usize, i64)>| run.map(|(o, t)| mark(ALL[o], t));
            let verdict = weigh(of(proof).as_ref(), of(bite).as_ref(), time(0)).verdict();
            let fresh = |run: Option<(usize, i64)>, outcome, oldest: i64| {
                run.is_some_and(|(o, t)| ALL[o] == outcome && (-oldest..=300).contains(&t))
            };
            let proven = fresh(proof, Outcome::Holds, 2 * HOUR)
                && fresh(bite, Outcome::Broken, 48 * HOUR);
            prop_assert_eq!(verdict == Verdict::Proven, proven);
            let broken = proof.is_some_and(|(o, _)| ALL[o] == Outcome::Broken);
            prop_assert_eq!(verdict == Verdict::Failing, broken);
        }

        #[test]
        fn since_is_true_at_every_second_between(proofs in marks(), bites in marks()) {
            let at = time(100 * HOUR);
            let history = History { proofs, bites };
            let verdict = |moment: Timestamp| {
                let latest = |marks: &[Mark]| {
                    marks.iter().find(|m| m.received_at <= moment).cloned()
                };
                let (proof, bite) = (latest(&history.proofs), latest(&history.bites));
                proof.map(|proof| weigh(Some(&proof), bite.as_ref(), moment).verdict())
            };
            let from = since(&history, at);
            prop_assert_eq!(from.is_some(), verdict(at).is_some());
            if let Some(from) = from {
                let mut moment = at;
                while moment >= from {
                    prop_assert_eq!(verdict(moment), verdict(at));
                    moment = moment.checked_sub(SignedDuration::from_secs(97)).unwrap();
                }
                prop_assert_eq!(verdict(from), verdict(at));
                let before = from.checked_sub(SignedDuration::from_micros(1)).unwrap();
                prop_assert_ne!(verdict(before), verdict(at));
            }
        }
    }
}
