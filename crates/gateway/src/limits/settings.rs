//! What the operator decides about limits, and what each is called.

use std::time::Duration;

pub use super::table::Rate;

/// One of the limits. Its label is what metrics, the log and `RateLimit` call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// What one address asks without being signed in (of version 6: one /64).
    Address,
    /// The same of its neighbourhood: /24, of version 6 /48.
    Prefix,
    /// What all of a tenant ask.
    Tenant,
    /// What one account asks.
    Account,
    /// What one account asks by one permission.
    Permission,
    /// Pages that everybody may read, asked by nobody in particular.
    Reading,
    /// Changes by nobody in particular.
    Changing,
    /// The application, asked by nobody in particular.
    Application,
    /// What browsers report that the policy has stopped.
    Reports,
    /// Health and measurements, for the machine itself.
    Machine,
    /// Sign-ins from one address.
    SignIn,
    /// Sign-ins from one neighbourhood.
    SignInPrefix,
    /// Letters for a new password, asked for from one address.
    Reset,
    /// Letters for a new password, asked for from one neighbourhood.
    ResetPrefix,
    /// Messages from one address.
    Contact,
    /// Messages from one neighbourhood.
    ContactPrefix,
    /// Sessions and tokens to look up, of addresses that have used up theirs.
    Doubtful,
    /// An address that asked for bait.
    Banned,
}

impl Limit {
    /// Whether it is what all strangers have together, so that being over it says nothing about who asks.
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Self::Reading | Self::Changing | Self::Application | Self::Reports)
    }

    /// One of each, for counting.
    pub(crate) const ALL: [Self; 18] = [
        Self::Address,
        Self::Prefix,
        Self::Tenant,
        Self::Account,
        Self::Permission,
        Self::Reading,
        Self::Changing,
        Self::Application,
        Self::Reports,
        Self::Machine,
        Self::SignIn,
        Self::SignInPrefix,
        Self::Reset,
        Self::ResetPrefix,
        Self::Contact,
        Self::ContactPrefix,
        Self::Doubtful,
        Self::Banned,
    ];

    /// Its number where gateways tell one another; never another one's.
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// The word that metrics, the log and `RateLimit` use.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Tenant => "tenant",
            Self::Account => "account",
            Self::Permission => "permission",
            Self::Reading => "reading",
            Self::Changing => "changing",
            Self::Application => "application",
            Self::Reports => "reports",
            Self::Machine => "machine",
            Self::SignIn => "sign-in",
            Self::SignInPrefix => "sign-in-prefix",
            Self::Reset => "reset",
            Self::ResetPrefix => "reset-prefix",
            Self::Contact => "contact",
            Self::ContactPrefix => "contact-prefix",
            Self::Doubtful => "doubtful",
            Self::Banned => "banned",
        }
    }
}

/// What refused a request, and what its headers say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which.
    pub limit: Limit,
    /// How many at once.
    pub quota: u32,
    /// In how many seconds all of them are back.
    pub window: u64,
    /// In how many seconds there is one.
    pub wait: u64,
}

/// For one address, and for its neighbourhood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// For one address.
    pub address: Rate,
    /// For its neighbourhood.
    pub prefix: Rate,
}

impl Preset {
    /// `address` at once for one address and `prefix` for its neighbourhood; of each, all are back in
    /// the time in which one address gets `address` times one more in each `every`.
    pub const fn new(address: u32, prefix: u32, every: Duration) -> Self {
        let whole = every.as_nanos().saturating_mul(address as u128);
        let nanos = whole / if prefix == 0 { 1 } else { prefix as u128 };
        #[expect(clippy::cast_possible_truncation, reason = "more is brought within a day below")]
        let shared = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Self {
            address: Rate::new(address, every),
            prefix: Rate::new(prefix, Duration::from_nanos(shared)),
        }
    }
}

/// How many connections there may be. One is known once a request with a valid session came over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatSettings {
    /// Of one address (of version 6: one /64) that are not known.
    pub address: u32,
    /// The same of its neighbourhood: /24, of version 6 /48.
    pub prefix: u32,
    /// How many of a hundred may be taken by those that are not known. Beyond, a new one has to begin
    /// with a request of somebody who is signed in.
    pub strangers_percent: u32,
    /// Of one account that are known. Beyond, they count as if they were not.
    pub account: u32,
}

/// Every rate and bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// [`Limit::Address`].
    pub address: Rate,
    /// [`Limit::Prefix`].
    pub prefix: Rate,
    /// [`Limit::Tenant`].
    pub tenant: Rate,
    /// [`Limit::Account`].
    pub account: Rate,
    /// [`Limit::Permission`].
    pub permission: Rate,
    /// [`Limit::Reading`], of everybody together.
    pub reading: Rate,
    /// [`Limit::Changing`], of everybody together.
    pub changing: Rate,
    /// [`Limit::Application`], of everybody together.
    pub application: Rate,
    /// [`Limit::SignIn`] and [`Limit::SignInPrefix`].
    pub sign_in: Preset,
    /// [`Limit::Reset`] and [`Limit::ResetPrefix`].
    pub reset: Preset,
    /// [`Limit::Contact`] and [`Limit::ContactPrefix`].
    pub contact: Preset,
    /// Paths of the application by which strangers send messages: exact ones, or all below one that
    /// ends in `/*`.
    pub contact_paths: Vec<String>,
    /// Names of cookies by which the pages for signing in tell whom to count apart. A request for one of
    /// them that carries one is left to them.
    pub judged_by_pages: Vec<&'static str>,
    /// How many connections there may be.
    pub seats: SeatSettings,
    /// Whether other gateways are told what was taken, and heard. Somebody has to carry it, see
    /// [`crate::Gateway::sharing`].
    pub shared: bool,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let (micros, secs) = (Duration::from_micros, Duration::from_secs);
        Self {
            address: Rate::new(1_000, micros(10_000)),
            prefix: Rate::new(4_000, micros(2_500)),
            tenant: Rate::new(10_000, micros(500)),
            account: Rate::new(2_000, micros(5_000)),
            permission: Rate::new(1_000, micros(10_000)),
            reading: Rate::new(4_000, micros(500)),
            changing: Rate::new(2_000, micros(2_000)),
            application: Rate::new(4_000, micros(500)),
            sign_in: Preset::new(10, 50, secs(30)),
            reset: Preset::new(5, 20, secs(60)),
            contact: Preset::new(5, 20, secs(60)),
            contact_paths: Vec::new(),
            judged_by_pages: Vec::new(),
            seats: SeatSettings { address: 256, prefix: 512, strangers_percent: 75, account: 128 },
            shared: false,
        }
    }
}

impl LimitSettings {
    /// Everything is counted and nobody is refused: for measuring.
    #[must_use]
    pub fn ample() -> Self {
        // A million in a second, and as much time: a thread that was interrupted between the clock and the
        // table brings an old time, and is to be forgiven.
        let rate = Rate::new(super::table::MAX_BURST, Duration::from_micros(1));
        let preset = Preset { address: rate, prefix: rate };
        Self {
            address: rate,
            prefix: rate,
            tenant: rate,
            account: rate,
            permission: rate,
            reading: rate,
            changing: rate,
            application: rate,
            sign_in: preset,
            reset: preset,
            contact: preset,
            contact_paths: Vec::new(),
            judged_by_pages: Vec::new(),
            seats: SeatSettings {
                address: u32::MAX,
                prefix: u32::MAX,
                strangers_percent: 100,
                account: u32::MAX,
            },
            shared: false,
        }
    }
}
