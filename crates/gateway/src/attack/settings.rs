//! What the operator decides about under-attack mode, and what others are told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whether it may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttackMode {
    /// Never.
    Off,
    /// Always.
    On,
    /// When strangers overload the machine.
    Auto,
}

impl AttackMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::On, Self::Auto];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Auto => "auto",
        }
    }
}

/// Why it was switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttackWhy {
    /// Somebody did it by hand.
    Hand,
    /// The threads were late.
    Lag,
    /// What strangers have in all was used up, see [`crate::Limit`].
    Spent,
    /// Too many answers failed.
    Failing,
    /// Strangers asked for less than half of a flood for long enough.
    Quiet,
}

impl AttackWhy {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Lag => "lag",
            Self::Spent => "spent",
            Self::Failing => "failing",
            Self::Quiet => "quiet",
        }
    }
}

/// It was switched, or another mode was set by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttackSwitch {
    /// Whether it is on from now on.
    pub on: bool,
    /// The mode from now on.
    pub mode: AttackMode,
    /// Why.
    pub why: AttackWhy,
    /// Requests of strangers in the second before.
    pub strangers: u64,
    /// Requests of whoever is signed in, in the second before.
    pub people: u64,
    /// How late the threads were at most.
    pub lag: Duration,
}

/// Writes down each switch. Implemented by the binary.
pub trait AttackLog: Send + Sync {
    /// It was switched. Must not wait.
    fn switched(&self, switch: AttackSwitch);
}

/// What a stranger's browser is asked, for the page that asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Where the form goes, by POST, with `token`, `answer` and `next`.
    pub action: &'static str,
    /// What is asked.
    pub token: String,
    /// The work: a number, in decimal digits, so that the SHA-256 of the token, a full stop and the
    /// number begins with so many zero bits.
    pub bits: u8,
    /// In how many seconds the form may come without a number.
    pub wait: u64,
    /// Where the browser was going: a path of this site.
    pub next: String,
    /// Whether an answer came already, and was wrong or too early.
    pub again: bool,
}

/// What counts as a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Strangers have to ask at least so often in a second, and more often than people: below that,
    /// they are not what keeps the machine busy, and shedding them would help nobody. Five hundred is
    /// more than any site of this kind has by itself, and less than what one core answers.
    pub strangers: u32,
    /// The threads are late by at least so much. A healthy one is late by less than ten milliseconds;
    /// a quarter of a second is what people notice.
    pub lag: Duration,
    /// It has to last so long: a newsletter's burst, or a machine that stalls once, is over by then.
    pub hold: Duration,
    /// It is off once strangers asked for less than half of `strangers` for so long. Floods come in
    /// waves, and each switch costs people who come back a challenge.
    pub quiet: Duration,
}

impl Default for Overload {
    fn default() -> Self {
        Self {
            strangers: 500,
            lag: Duration::from_millis(250),
            hold: Duration::from_secs(5),
            quiet: Duration::from_mins(2),
        }
    }
}

/// Everything about it.
#[derive(Clone)]
pub struct AttackSettings {
    /// Whether it may be on.
    pub mode: AttackMode,
    /// How many requests of strangers are inside at one time while it is on; the rest of the machine
    /// is for whoever is signed in. A quarter of them is for programs that fetch a token, or write as
    /// a directory.
    pub strangers: u32,
    /// For how long whoever passed is not asked again.
    pub passed: Duration,
    /// How long whoever has no script waits, at least.
    pub wait: Duration,
    /// Zero bits that the work has, at least: 16 are 65,536 hashes, a fraction of a second for a
    /// browser. Load adds up to four.
    pub bits: u8,
    /// What counts as a flood.
    pub overload: Overload,
    /// Who writes down each switch.
    pub log: Option<Arc<dyn AttackLog>>,
}

impl Default for AttackSettings {
    fn default() -> Self {
        Self {
            mode: AttackMode::Auto,
            strangers: 64,
            passed: Duration::from_mins(30),
            wait: Duration::from_secs(5),
            bits: 16,
            overload: Overload::default(),
            log: None,
        }
    }
}

impl fmt::Debug for AttackSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, strangers, passed, wait, bits, overload, log } = self;
        f.debug_struct("AttackSettings")
            .field("mode", mode)
            .field("strangers", strangers)
            .field("passed", passed)
            .field("wait", wait)
            .field("bits", bits)
            .field("overload", overload)
            .field("log", &log.is_some())
            .finish()
    }
}
