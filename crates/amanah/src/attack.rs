//! Under-attack mode, as the binary sees it: who writes down each switch.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::{Access, AttackRow};
use gateway::{AttackLog, AttackSettings, AttackSwitch};
use jiff::Timestamp;
use kernel::Clock;
use tokio::sync::{Mutex, mpsc};

use crate::installation::Installation;

/// How many switches wait to be written down, while the database is away. More are counted and forgotten.
const WAITING: usize = 256;
/// How often they are.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How many rows are written in an hour: what is measured switches sixty times at most, and whoever
/// switches by hand in a loop does not fill the disk.
const ROWS_AN_HOUR: u32 = 200;

/// As the gateway takes it.
pub(crate) fn settings(installation: &Installation) -> AttackSettings {
    let log = Arc::<AttackBook>::clone(&installation.pen.attacks);
    AttackSettings { log: Some(log), ..installation.config.attack.settings() }
}

/// Where switches wait until they are written down.
pub(crate) struct AttackBook {
    sender: mpsc::Sender<AttackSwitch>,
    receiver: Mutex<mpsc::Receiver<AttackSwitch>>,
    lost: AtomicU64,
}

impl Default for AttackBook {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver), lost: AtomicU64::new(0) }
    }
}

impl AttackLog for AttackBook {
    fn switched(&self, switch: AttackSwitch) {
        // Here, and not where it is decided: the gateways of proofs are switched all the time.
        let AttackSwitch { on, mode, why, strangers, people, lag } = switch;
        let (mode, why, lag_ms) = (mode.name(), why.name(), lag.as_millis());
        tracing::warn!(on, mode, why, strangers, people, lag_ms, "under-attack mode was switched");
        if self.sender.try_send(switch).is_err() {
            self.lose(1);
        }
    }
}

impl AttackBook {
    /// How many switches were not written down since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes down what was switched, until `stop` ends. What the database does not take is tried again,
    /// in its order and with the moment at which it was heard of.
    pub(crate) async fn keep(
        &self,
        access: &Access,
        clock: &dyn Clock,
        stop: impl Future<Output = ()>,
    ) {
        let mut receiver = self.receiver.lock().await;
        let mut tick = tokio::time::interval(WRITE_EVERY);
        let mut stop = std::pin::pin!(stop);
        let (mut waiting, mut allowance) = (VecDeque::new(), Allowance::default());
        loop {
            let stopping = tokio::select! {
                () = &mut stop => true,
                _ = tick.tick() => false,
            };
            let now = clock.now();
            while waiting.len() < WAITING
                && let Ok(switch) = receiver.try_recv()
            {
                if allowance.take(now) {
                    waiting.push_back(row(switch, now));
                } else {
                    self.lose(1);
                }
            }
            while let Some(first) = waiting.front() {
                if let Err(error) = access.write_attack(first).await {
                    tracing::warn!(%error, "it could not be written down that strangers are shed or not");
                    break;
                }
                waiting.pop_front();
            }
            if stopping {
                self.lose(u64::try_from(waiting.len()).unwrap_or(u64::MAX));
                return;
            }
        }
    }

    fn lose(&self, switches: u64) {
        self.lost.fetch_add(switches, Ordering::Relaxed);
    }
}

fn row(switch: AttackSwitch, at: Timestamp) -> AttackRow {
    let AttackSwitch { on, mode, why, strangers, people, lag } = switch;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    AttackRow {
        at,
        shedding: on,
        mode: mode.name().to_owned(),
        why: why.name().to_owned(),
        strangers: number(strangers),
        people: number(people),
        lag_ms: i64::try_from(lag.as_millis()).unwrap_or(i64::MAX),
    }
}

/// How many rows of this hour are left.
#[derive(Default)]
struct Allowance {
    hour: i64,
    written: u32,
}

impl Allowance {
    fn take(&mut self, now: Timestamp) -> bool {
        let hour = now.as_second().div_euclid(3_600);
        if hour != self.hour {
            *self = Self { hour, written: 0 };
        }
        let free = self.written < ROWS_AN_HOUR;
        self.written += u32::from(free);
        free
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway::{AttackLog as _, AttackMode, AttackSwitch, AttackWhy};
    use jiff::Timestamp;

    use super::{Allowance, AttackBook, ROWS_AN_HOUR, WAITING, row};

    const SWITCH: AttackSwitch = AttackSwitch {
        on: true,
        mode: AttackMode::Auto,
        why: AttackWhy::Lag,
        strangers: 12_000,
        people: u64::MAX,
        lag: Duration::from_millis(310),
    };

    #[test]
    fn a_switch_is_a_row() {
        let row = row(SWITCH, Timestamp::UNIX_EPOCH);
        assert_eq!((row.shedding, row.mode.as_str(), row.why.as_str()), (true, "auto", "lag"));
        assert_eq!((row.strangers, row.people, row.lag_ms), (12_000, i64::MAX, 310));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let book = AttackBook::default();
        for _ in 0..WAITING + 3 {
            book.switched(SWITCH);
        }
        assert_eq!(book.lost(), 3);
        let mut allowance = Allowance::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let taken = (0..2 * ROWS_AN_HOUR).filter(|_| allowance.take(at(3_599))).count();
        assert_eq!(u32::try_from(taken).unwrap(), ROWS_AN_HOUR);
        assert!(allowance.take(at(3_600)));
    }
}
