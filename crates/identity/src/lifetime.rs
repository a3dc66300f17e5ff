//! How long a session lives: the least of what the house, the tenant and the roles allow.

use jiff::{SignedDuration, Timestamp};
use kernel::Standing;

/// How far another machine's clock may be ahead of this one. A session that was opened or used
/// further in the future has no age that could be told, and is refused.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The shortest limit that can be kept: a use is written down within this time.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);

/// The limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it lives without being used; at least a minute.
    pub idle: SignedDuration,
    /// How long it lives at most, however it is used.
    pub absolute: SignedDuration,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { idle: SignedDuration::from_mins(30), absolute: SignedDuration::from_hours(12) }
    }
}

/// The moments of a session, as the database has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) created: Timestamp,
    pub(crate) seen: Timestamp,
    pub(crate) idle_end: Timestamp,
    pub(crate) end: Timestamp,
}

impl Lifetime {
    /// No longer than `idle` and `absolute`, where there are any.
    #[must_use]
    pub(crate) fn within(
        self,
        idle: Option<SignedDuration>,
        absolute: Option<SignedDuration>,
    ) -> Self {
        let least = |own: SignedDuration, other: Option<SignedDuration>| {
            other.map_or(own, |other| own.min(other)).max(SHORTEST)
        };
        Self { idle: least(self.idle, idle), absolute: least(self.absolute, absolute) }
    }

    /// No longer than a tenant's limits in seconds.
    #[must_use]
    pub(crate) fn of_tenant(self, idle: Option<i32>, absolute: Option<i32>) -> Self {
        let period = |seconds: i32| SignedDuration::from_secs(seconds.into());
        self.within(idle.map(period), absolute.map(period))
    }

    /// No longer than whoever has `standing` may be signed in.
    #[must_use]
    pub(crate) fn of_standing(self, standing: &Standing) -> Self {
        self.within(standing.idle, standing.absolute)
    }

    /// When a session that is opened or used now ends unless it is used again, and when it ends
    /// at the latest. A grant of support ends it too.
    pub(crate) fn ends(self, standing: &Standing, now: Timestamp) -> (Timestamp, Timestamp) {
        let end = later(now, self.absolute);
        let end = standing.support.as_ref().map_or(end, |support| end.min(support.until));
        (later(now, self.idle).min(end), end)
    }

    /// Until when the session that has these moments may be answered for; `None` when it is over,
    /// or its age cannot be told. A limit that became shorter since it was opened counts.
    pub(crate) fn until(
        self,
        at: Moments,
        standing: &Standing,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if at.created.max(at.seen) > later(now, SKEW) {
            return None;
        }
        let support = standing.support.as_ref().map_or(Timestamp::MAX, |support| support.until);
        let ends = [
            at.end,
            at.idle_end,
            later(at.created, self.absolute),
            later(at.seen, self.idle),
            support,
        ];
        ends.into_iter().min().filter(|until| *until > now)
    }

    /// How long a use may go unwritten: a session in use ends up to this much early.
    pub(crate) fn touch_every(self) -> SignedDuration {
        SHORTEST.min(self.idle / 4)
    }

    /// Both in whole seconds, as the database takes them.
    pub(crate) fn seconds(self) -> (i32, i32) {
        let whole = |period: SignedDuration| i32::try_from(period.as_secs()).unwrap_or(i32::MAX);
        (whole(self.idle), whole(self.absolute))
    }
}

/// `by` after `at`, or the last moment there is.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use kernel::Standing;

    use super::{Lifetime, Moments, SKEW};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const SECOND: SignedDuration = SignedDuration::from_secs(1);
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    #[test]
    fn the_least_limit_counts_and_none_is_too_short_to_keep() {
        let house = Lifetime::default();
        let tenant = house.of_tenant(Some(600), None);
        assert_eq!(tenant, Lifetime { idle: MINUTE * 10, ..house });
        let role = Standing {
            idle: Some(MINUTE * 20),
            absolute: Some(MINUTE * 60),
            ..Standing::default()
        };
        let both = tenant.of_standing(&role);
        assert_eq!(both, Lifetime { idle: MINUTE * 10, absolute: MINUTE * 60 });
        assert_eq!(house.of_tenant(Some(-5), Some(0)).seconds(), (60, 60));
        assert_eq!(both.touch_every(), MINUTE);
        assert_eq!(house.of_tenant(Some(60), None).touch_every(), SECOND * 15);
    }

    #[test]
    fn a_session_ends_at_the_first_of_its_ends() {
        let limits = Lifetime { idle: MINUTE * 10, absolute: MINUTE * 60 };
        let none = Standing::default();
        let at = Moments {
            created: NOW - MINUTE * 55,
            seen: NOW - MINUTE,
            idle_end: NOW + MINUTE * 30,
            end: NOW + MINUTE * 30,
        };
        assert_eq!(limits.until(at, &none, NOW), Some(NOW + MINUTE * 5));
        let unused = Moments { seen: NOW - MINUTE * 9, ..at };
        assert_eq!(limits.until(unused, &none, NOW), Some(NOW + MINUTE));
        for over in [
            Moments { created: NOW - MINUTE * 60, ..at },
            Moments { seen: NOW - MINUTE * 10, ..at },
            Moments { end: NOW, ..at },
            Moments { idle_end: NOW, ..at },
            // Its age cannot be told: a clock went back, or somebody wrote it.
            Moments { created: NOW + SKEW + SECOND, ..at },
            Moments { seen: NOW + SKEW + SECOND, ..at },
        ] {
            assert_eq!(limits.until(over, &none, NOW), None, "{over:?}");
        }
        let ahead = Moments { seen: NOW + SKEW, ..at };
        assert!(limits.until(ahead, &none, NOW).is_some());
    }
}
