//! What a battery came to, whatever it went for: rows, databases, keys, channels or files.

use jiff::Timestamp;
use kernel::{Finding, Population, Proof};

use crate::attack::Outcome;

/// How many things that could not be attacked are spelled out.
const LISTED: usize = 5;

/// What came of it, with notes `N` for whoever reads it and lines `M` of the golden matrix.
#[derive(Debug, Default)]
pub(crate) struct Report<N = String, M = (&'static str, &'static str)> {
    /// How many things there are that it is about.
    pub(crate) total: usize,
    /// Those on which every attack that applies was made.
    pub(crate) attacked: usize,
    /// The others, and why.
    pub(crate) missed: Vec<(String, String)>,
    /// How many attempts were made.
    pub(crate) strikes: usize,
    /// How many of them got through.
    pub(crate) through: usize,
    /// What gave way: one for each object and attack, however many of its attempts got through.
    pub(crate) findings: Vec<Finding>,
    /// What a reader should know beside it.
    pub(crate) notes: Vec<N>,
    /// Each attack and its result.
    pub(crate) matrix: Vec<M>,
}

/// One kind of attack, for those who read of it.
pub(crate) struct Kind {
    /// Its name in the matrix.
    pub(crate) name: &'static str,
    /// What a tenant does when it gets through.
    pub(crate) told: &'static str,
    /// What a finding names.
    pub(crate) object: &'static str,
    /// What to do then.
    pub(crate) fix: &'static str,
}

impl<N, M> Report<N, M> {
    /// The proof that it comes to; `of` says what was counted. It holds when everything that there is
    /// was attacked and nothing gave way.
    pub(crate) fn weigh(self, now: Timestamp, of: &str) -> Proof {
        let Self { findings, through, strikes, .. } = self;
        let measured =
            format!("{} findings; {through} of {strikes} attacks got through", findings.len());
        let population = Population::new(self.attacked, self.total, of);
        let mut proof = Proof::weigh(now, population, measured, "0", findings);
        for (what, why) in self.missed.iter().take(LISTED) {
            proof = proof.note(&format!("{what}: {why}"));
        }
        proof
    }
}

impl<N> Report<N> {
    /// Counts what came of one kind of attack that concerns everything: when an attempt could not be
    /// made, nothing is proven of anybody.
    pub(crate) fn count(&mut self, kind: &Kind, outcomes: Vec<Outcome>) {
        let Kind { name, told, object, fix } = *kind;
        let (mut word, mut unsure, mut whats) = ("held", None, Vec::new());
        for outcome in outcomes {
            self.strikes += 1;
            match outcome {
                Outcome::Held | Outcome::Declared => {}
                Outcome::Leaked(what) => {
                    word = "LEAKED";
                    self.through += 1;
                    whats.push(what);
                }
                Outcome::Unsure(why) => {
                    word = if word == "LEAKED" { word } else { "unsure" };
                    unsure = Some(format!("the attack {name} could not be made: {why}"));
                }
            }
        }
        if !whats.is_empty() {
            let told = format!("a tenant {told} ({name}: {})", whats.join(", "));
            self.findings.push(Finding::new(object, told).fix(fix));
        }
        if let Some(why) = unsure {
            self.attacked = 0;
            self.missed.push((object.to_owned(), why));
        }
        self.matrix.push((name, word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { name: "peek", told: "peeks", object: "logins", fix: "shut it" };

    fn counted(outcomes: Vec<Outcome>) -> (Report, kernel::Outcome) {
        let fresh = || Report::<String> { total: 2, attacked: 2, ..Report::default() };
        let (mut kept, mut weighed) = (fresh(), fresh());
        kept.count(&KIND, outcomes.clone());
        weighed.count(&KIND, outcomes);
        (kept, weighed.weigh(Timestamp::UNIX_EPOCH, "logins").outcome())
    }

    #[test]
    fn one_attempt_that_gets_through_breaks_it_and_one_that_was_not_made_leaves_it_unknown() {
        let leaked = || Outcome::Leaked("all of it".to_owned());
        let unsure = || Outcome::Unsure("no answer".to_owned());
        let (held, outcome) = counted(vec![Outcome::Held, Outcome::Declared]);
        assert_eq!((held.matrix[0], outcome), (("peek", "held"), kernel::Outcome::Holds));
        let (unmade, outcome) = counted(vec![Outcome::Held, unsure()]);
        assert_eq!((unmade.matrix[0], outcome), (("peek", "unsure"), kernel::Outcome::Unknown));
        assert_eq!(unmade.missed[0].1, "the attack peek could not be made: no answer");
        for outcomes in [vec![leaked(), unsure()], vec![unsure(), leaked()]] {
            let (both, outcome) = counted(outcomes);
            assert_eq!((both.matrix[0], outcome), (("peek", "LEAKED"), kernel::Outcome::Broken));
            assert_eq!((both.strikes, both.through, both.findings.len()), (2, 1, 1));
            assert_eq!(both.findings[0].what, "a tenant peeks (peek: all of it)");
        }
    }

    #[test]
    fn what_was_not_attacked_is_listed_and_not_without_end() {
        let missed = (0..9).map(|n| (format!("d{n}"), "no answer".to_owned())).collect();
        let report = Report::<String> { total: 9, missed, ..Report::default() };
        let proof = report.weigh(Timestamp::UNIX_EPOCH, "databases");
        assert_eq!(proof.outcome(), kernel::Outcome::Unknown);
        assert!(proof.detail().contains("d4: no answer"), "{}", proof.detail());
        assert!(!proof.detail().contains("d5"), "{}", proof.detail());
    }
}
