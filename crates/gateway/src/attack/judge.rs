//! When it is on: a state machine over what was measured in each second, without a clock of its own.
//!
//! Three signs count, and each only while strangers ask for a flood's worth and for more than people
//! do: threads that are late, allowances of all strangers together that are used up, and answers that
//! fail. So a slow database, or a neighbour who takes the core, does not switch it on by itself.

use std::time::Duration;

use super::Gauge;
use super::settings::{AttackMode, AttackSwitch, AttackWhy, Overload};
use crate::Metrics;

/// Of so many requests of strangers, one that meets an allowance that is used up is a sign.
const SPENT_OF: u64 = 10;
/// Of so many answers, one that fails is a sign.
const FAILING_OF: u64 = 5;

/// What was seen, in a span or in each second of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests of strangers.
    pub(super) strangers: u64,
    /// Requests of whoever is signed in.
    pub(super) people: u64,
    /// How late a thread was at most.
    pub(super) lag: Duration,
    /// Requests of strangers for which what all of them have was used up.
    pub(super) spent: u64,
    /// Answers that failed, those of this mode left out.
    pub(super) failing: u64,
}

impl Seen {
    /// With what one thread counted.
    pub(super) fn and(mut self, gauge: &std::sync::Arc<Gauge>) -> Self {
        let (strangers, people, lag) = gauge.take();
        self.strangers += strangers;
        self.people += people;
        self.lag = self.lag.max(lag);
        self
    }

    /// What that is in each second, when all of it was seen in `took`.
    pub(super) fn each_second(self, took: Duration) -> Self {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let each = |count: u64| count.saturating_mul(1_000) / millis;
        Self {
            strangers: each(self.strangers),
            people: each(self.people),
            spent: each(self.spent),
            failing: each(self.failing),
            ..self
        }
    }

    /// The sign of a flood, if there is one.
    fn flood(&self, overload: &Overload) -> Option<AttackWhy> {
        if self.strangers < u64::from(overload.strangers.max(1)) || self.strangers < self.people {
            return None;
        }
        let answers = self.strangers.saturating_add(self.people);
        if self.lag >= overload.lag {
            Some(AttackWhy::Lag)
        } else if self.spent.saturating_mul(SPENT_OF) >= self.strangers {
            Some(AttackWhy::Spent)
        } else if self.failing.saturating_mul(FAILING_OF) >= answers {
            Some(AttackWhy::Failing)
        } else {
            None
        }
    }
}

/// What was decided, and for how long there were signs of the contrary.
pub(super) struct Judge {
    mode: AttackMode,
    on: bool,
    /// For how long there was a sign of a flood, or none while it is on.
    against: Duration,
    last: Seen,
    /// The counters as they stood at the last look: spent, failing.
    counters: (u64, u64),
}

impl Judge {
    pub(super) const fn new(mode: AttackMode) -> Self {
        let last = Seen { strangers: 0, people: 0, lag: Duration::ZERO, spent: 0, failing: 0 };
        let on = matches!(mode, AttackMode::On);
        Self { mode, on, against: Duration::ZERO, last, counters: (0, 0) }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    pub(super) const fn mode(&self) -> AttackMode {
        self.mode
    }

    pub(super) const fn last(&self) -> Seen {
        self.last
    }

    /// With what the counters of the gateway have grown by.
    pub(super) fn since_last(&mut self, seen: Seen, metrics: &Metrics) -> Seen {
        let now = (metrics.spent(), metrics.failing());
        let before = std::mem::replace(&mut self.counters, now);
        Seen {
            spent: now.0.saturating_sub(before.0),
            failing: now.1.saturating_sub(before.1),
            ..seen
        }
    }

    /// Looks at a span of `took`, in each second of which this was seen.
    pub(super) fn look(
        &mut self,
        seen: Seen,
        took: Duration,
        overload: &Overload,
    ) -> Option<AttackSwitch> {
        self.last = seen;
        if self.mode != AttackMode::Auto {
            return None;
        }
        let (why, long_enough) = if self.on {
            let quiet = seen.strangers < u64::from(overload.strangers.max(1)).div_ceil(2);
            (quiet.then_some(AttackWhy::Quiet), overload.quiet)
        } else {
            (seen.flood(overload), overload.hold)
        };
        let Some(why) = why else {
            self.against = Duration::ZERO;
            return None;
        };
        self.against = self.against.saturating_add(took);
        if self.against < long_enough {
            return None;
        }
        self.turn(!self.on);
        Some(self.told(why))
    }

    /// Decides by hand. From on to auto it stays on until it is quiet.
    pub(super) fn set(&mut self, mode: AttackMode) -> Option<AttackSwitch> {
        if mode == self.mode {
            return None;
        }
        self.mode = mode;
        match mode {
            AttackMode::On => self.turn(true),
            AttackMode::Off => self.turn(false),
            AttackMode::Auto => self.turn(self.on),
        }
        Some(self.told(AttackWhy::Hand))
    }

    fn turn(&mut self, on: bool) {
        self.on = on;
        self.against = Duration::ZERO;
    }

    const fn told(&self, why: AttackWhy) -> AttackSwitch {
        let Seen { strangers, people, lag, .. } = self.last;
        AttackSwitch { on: self.on, mode: self.mode, why, strangers, people, lag }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AttackMode, AttackWhy, Judge, Overload, Seen};

    const SECOND: Duration = Duration::from_secs(1);
    const OVERLOAD: Overload = Overload {
        strangers: 100,
        lag: Duration::from_millis(200),
        hold: Duration::from_secs(3),
        quiet: Duration::from_secs(10),
    };

    fn late(strangers: u64) -> Seen {
        Seen { strangers, lag: Duration::from_millis(300), ..Seen::default() }
    }

    fn looks(judge: &mut Judge, seen: Seen, seconds: usize) -> Vec<Option<AttackWhy>> {
        let look = |_| judge.look(seen, SECOND, &OVERLOAD).map(|switch| switch.why);
        (0..seconds).map(look).collect()
    }

    #[test]
    fn it_is_on_after_it_held_and_off_after_a_longer_quiet() {
        let mut judge = Judge::new(AttackMode::Auto);
        assert_eq!(looks(&mut judge, late(100), 3), [None, None, Some(AttackWhy::Lag)]);
        assert!(judge.is_on());
        // Half of a flood, however late the threads are, is what keeps it on.
        assert!(looks(&mut judge, late(50), 30).iter().all(Option::is_none));
        let quiet = looks(&mut judge, late(49), 10);
        assert_eq!(quiet.iter().flatten().collect::<Vec<_>>(), [&AttackWhy::Quiet]);
        assert_eq!(quiet[9], Some(AttackWhy::Quiet));
        assert!(!judge.is_on());
    }

    #[test]
    fn it_does_not_flap() {
        let mut judge = Judge::new(AttackMode::Auto);
        for _ in 0..20 {
            assert!(looks(&mut judge, late(100), 2).iter().all(Option::is_none));
            assert!(looks(&mut judge, Seen::default(), 1).iter().all(Option::is_none));
        }
        looks(&mut judge, late(100), 3);
        for _ in 0..20 {
            assert!(looks(&mut judge, Seen::default(), 9).iter().all(Option::is_none));
            assert!(looks(&mut judge, late(100), 1).iter().all(Option::is_none));
        }
        assert!(judge.is_on());
    }

    #[test]
    fn each_sign_counts_and_only_with_strangers_who_are_many() {
        let many = Seen { strangers: 1_000, people: 10, ..Seen::default() };
        let spent = Seen { spent: 100, ..many };
        let failing = Seen { failing: 202, ..many };
        for (seen, why) in [
            (many, None),
            (spent, Some(AttackWhy::Spent)),
            (Seen { spent: 99, ..many }, None),
            (failing, Some(AttackWhy::Failing)),
            (Seen { failing: 201, ..many }, None),
            (late(99), None),
            (Seen { people: 101, ..late(100) }, None),
            (late(100), Some(AttackWhy::Lag)),
        ] {
            assert_eq!(seen.flood(&OVERLOAD), why, "{seen:?}");
        }
    }

    #[test]
    fn the_hand_counts_until_it_is_auto_again() {
        let mut judge = Judge::new(AttackMode::Off);
        assert!(looks(&mut judge, late(10_000), 60).iter().all(Option::is_none));
        let on = judge.set(AttackMode::On).unwrap();
        assert_eq!((on.on, on.why, on.strangers), (true, AttackWhy::Hand, 10_000));
        assert_eq!(judge.set(AttackMode::On), None, "nothing was changed");
        assert!(looks(&mut judge, Seen::default(), 600).iter().all(Option::is_none));
        assert!(judge.set(AttackMode::Auto).unwrap().on, "it stays on until it is quiet");
        assert_eq!(looks(&mut judge, Seen::default(), 10)[9], Some(AttackWhy::Quiet));
        assert!(!judge.set(AttackMode::Off).unwrap().on);
    }

    #[test]
    fn a_look_that_came_late_counts_for_what_it_is() {
        let seen = Seen { strangers: 300, people: 6, spent: 3, failing: 9, lag: SECOND };
        let each = seen.each_second(Duration::from_secs(3));
        let lag = SECOND;
        assert_eq!(each, Seen { strangers: 100, people: 2, spent: 1, failing: 3, lag });
        assert_eq!(seen.each_second(Duration::ZERO).strangers, 300_000);
    }
}
