//! Under attack: while strangers ask for more than the machine has, whoever is signed in goes first.
//!
//! It promises that, while it is on, a request of a stranger costs little and waits for nothing: a
//! browser is shown a challenge, a program is told to come back, and of strangers who passed the
//! challenge only so many are inside at one time. Sessions, tokens and API keys are never challenged.
//! It is switched by hand, or by what is measured, and each switch is told to [`AttackLog`].
//!
//! The challenge is passed by work (SHA-256, in a small script) or, without script, by waiting. Who
//! passed holds a signed cookie for their neighbourhood, good for half an hour; nothing is kept for
//! it but, for minutes, which challenges were used ([`spent`]).
//!
//! The attack it stops: floods from thousands of networks of which each asks little, so that no limit
//! of an address sees them, and whose requests are expensive. It is a price and no detector of robots:
//! whoever pays it is let in, as far as there is room. It does not stop floods of connections and
//! handshakes, which are bounded by places alone, nor lines that are full before they reach us, and
//! it does not tell good strangers from bad ones. The key is of this process: after a restart, or at
//! another gateway, everybody is asked anew.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kernel::Rng;
use tokio::time::{MissedTickBehavior, interval};

use crate::serve::Shared;
use crate::{GatewayError, Metrics};

mod door;
mod form;
mod gauge;
mod judge;
mod settings;
mod spent;
mod stamp;

pub(crate) use door::{ASKED_COOKIE, CHALLENGE, Met, PASSED_COOKIE, PATH, Told};
pub(crate) use gauge::{Gauge, Lane, feel};
use judge::{Judge, Seen};
pub use settings::{
    AttackLog, AttackMode, AttackSettings, AttackSwitch, AttackWhy, Challenge, Overload,
};
use spent::Spent;
use stamp::Key;
pub(crate) use stamp::solves;

/// Whether bytes are something that comes back from a browser: the form, or a stamp's inside.
pub(crate) fn reads(bytes: &[u8]) -> bool {
    let sent = form::Sent::read(bytes);
    let here = sent.as_ref().is_none_or(|sent| form::is_local(&sent.next));
    debug_assert!(here, "a form led elsewhere");
    let text =
        sent.as_ref().map(|sent| sent.token.as_str()).or_else(|| std::str::from_utf8(bytes).ok());
    // The first is what a key guards; the second is what would be read if that were broken.
    let sealed = text.is_some_and(stamp::fuzz);
    sent.is_some() || sealed || stamp::Stamp::read(bytes).is_some()
}

/// How often it is looked whether it is to be on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look after less than this says nothing about a second.
const LEAST_LOOK: Duration = Duration::from_millis(100);
/// The most bits that load adds to the work: each doubles it, and a telephone is to be done in seconds.
const MOST_MORE_BITS: u8 = 4;

/// The mode of one process.
pub(crate) struct Attack {
    started: Instant,
    settings: AttackSettings,
    key: Key,
    /// What requests look at.
    on: AtomicBool,
    /// How many bits the load adds.
    level: AtomicU8,
    judge: Mutex<Judge>,
    gauges: Mutex<Vec<Arc<Gauge>>>,
    spent: Spent,
}

/// How it stands, for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttackStanding {
    /// What was decided by hand or by the configuration.
    pub mode: AttackMode,
    /// Whether it is on.
    pub on: bool,
    /// Requests of strangers in the last second.
    pub strangers: u64,
    /// Requests of whoever is signed in, in the last second.
    pub people: u64,
    /// How late the threads were at most.
    pub lag: Duration,
    /// Zero bits that the work of a challenge has.
    pub bits: u8,
}

impl Attack {
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn new(settings: AttackSettings, rng: &dyn Rng) -> Result<Self, GatewayError> {
        Ok(Self {
            started: Instant::now(),
            key: Key::draw(rng)?,
            on: AtomicBool::new(settings.mode == AttackMode::On),
            level: AtomicU8::new(0),
            judge: Mutex::new(Judge::new(settings.mode)),
            gauges: Mutex::default(),
            spent: Spent::new(),
            settings,
        })
    }

    /// The measurements of one more thread, of `threads` in all.
    pub(crate) fn gauge(&self, threads: usize) -> Arc<Gauge> {
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        let gauge = Arc::new(Gauge::new(self.settings.strangers.div_ceil(threads)));
        self.gauges().push(Arc::clone(&gauge));
        gauge
    }

    /// Whether strangers are shed. One load that no request writes to.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Zero bits that the work of a challenge has now.
    fn bits(&self) -> u8 {
        self.settings.bits.saturating_add(self.level.load(Ordering::Relaxed))
    }

    /// How long whoever has no script waits now: as much longer as the work is.
    fn wait(&self) -> Duration {
        let level = u32::from(self.level.load(Ordering::Relaxed));
        self.settings.wait.saturating_mul(level.saturating_add(1))
    }

    /// Looks at what the threads counted within `took`, and switches.
    fn look(&self, took: Duration, metrics: &Metrics) {
        let counted = self.gauges().iter().fold(Seen::default(), Seen::and);
        let mut judge = self.judge();
        let counted = judge.since_last(counted, metrics);
        let seen = counted.each_second(took);
        let switched = judge.look(seen, took, &self.settings.overload);
        self.level.store(level(seen.strangers, &self.settings.overload), Ordering::Relaxed);
        self.enforce(&judge, switched, metrics);
    }

    /// Decides by hand.
    fn set(&self, mode: AttackMode, metrics: &Metrics) {
        let mut judge = self.judge();
        let switched = judge.set(mode);
        self.enforce(&judge, switched, metrics);
    }

    /// Lets the threads see what was decided, and tells of it.
    fn enforce(&self, judge: &Judge, switched: Option<AttackSwitch>, metrics: &Metrics) {
        let Some(switch) = switched else { return };
        self.on.store(judge.is_on(), Ordering::Relaxed);
        metrics.attack(switch.on);
        if let Some(log) = &self.settings.log {
            log.switched(switch);
        }
    }

    fn standing(&self) -> AttackStanding {
        let judge = self.judge();
        let Seen { strangers, people, lag, .. } = judge.last();
        AttackStanding {
            mode: judge.mode(),
            on: judge.is_on(),
            strangers,
            people,
            lag,
            bits: self.bits(),
        }
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauges(&self) -> MutexGuard<'_, Vec<Arc<Gauge>>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One bit more for each doubling of the load beyond what counts as a flood.
fn level(strangers: u64, overload: &Overload) -> u8 {
    let times = strangers / u64::from(overload.strangers.max(1));
    let bits = u64::BITS - times.leading_zeros();
    u8::try_from(bits).unwrap_or(MOST_MORE_BITS).saturating_sub(1).min(MOST_MORE_BITS)
}

/// Looks again and again, beside the threads that serve.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        tick.tick().await;
        let took = last.elapsed();
        if took >= LEAST_LOOK {
            last = Instant::now();
            shared.attack.look(took, &shared.metrics);
        }
    }
}

/// Switches the mode of a gateway by hand, while it runs.
#[derive(Clone)]
pub struct AttackDesk(pub(crate) Arc<Shared>);

impl AttackDesk {
    /// From now on it is like this, until the process ends.
    pub fn set(&self, mode: AttackMode) {
        self.0.attack.set(mode, &self.0.metrics);
    }

    /// How it stands.
    pub fn standing(&self) -> AttackStanding {
        self.0.attack.standing()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_MORE_BITS, Overload, level};

    #[test]
    fn work_doubles_with_the_load_up_to_a_bound() {
        let overload = Overload { strangers: 500, ..Overload::default() };
        for (strangers, bits) in
            [(0, 0), (499, 0), (500, 0), (999, 0), (1_000, 1), (2_000, 2), (4_000, 3), (8_000, 4)]
        {
            assert_eq!(level(strangers, &overload), bits, "{strangers}");
        }
        assert_eq!(level(u64::MAX, &overload), MOST_MORE_BITS);
        assert_eq!(level(u64::MAX, &Overload { strangers: 0, ..overload }), MOST_MORE_BITS);
    }
}
