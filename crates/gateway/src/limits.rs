//! How often one may ask: each address, neighbourhood, tenant, account and permission, and strangers
//! in all.
//!
//! It promises that its memory never grows, whoever comes; that nobody who is signed in is refused for
//! what strangers at their address do (what they ask is counted to their tenant, their account and the
//! permission of the route, and to no address); and that a key which was forgotten never has more than
//! it had.
//!
//! To an address and its neighbourhood is counted what is asked without being signed in, what is not
//! HTTP, and what shows a session or a token that is none. Where an address has used up its allowance,
//! whoever shows a session there is still looked up, as often as [`DOUBTFUL`] lets all such addresses
//! together; nobody else is.
//!
//! It lives in one process, and nothing is remembered over a restart. It does not see how expensive a
//! request is, and a flood from thousands of neighbourhoods, each of which asks little, meets only what
//! strangers have in all.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use http::header::HeaderMap;
use kernel::{Identity, PermissionId, Rng};

use crate::headers::REPORTS;
use crate::{GatewayError, cookies, origin, own};

mod hash;
mod seats;
mod settings;
mod share;
mod source;
mod table;

pub(crate) use hash::HashKey;
pub(crate) use seats::{NoSeat, Seat, Seats};
pub use settings::{Limit, LimitSettings, Over, Preset, Rate, SeatSettings};
use share::Outbox;
pub(crate) use source::Source;
pub(crate) use table::Table;

/// How many keys a limit of people has room for: 1 MiB.
const MANY_KEYS: usize = 1 << 16;
/// How many keys a limit on forms has room for, or one on tenants: 256 KiB.
const SOME_KEYS: usize = 1 << 14;
/// How many sessions and tokens are looked up for all addresses together that have used up their
/// allowance: what the database bears beside its work.
const DOUBTFUL: Rate = Rate::new(1_000, Duration::from_millis(5));
/// How many reports of browsers are read: nobody waits for one, and no form is to wait for them.
const REPORTED: Rate = Rate::new(200, Duration::from_millis(20));
/// How often the machine asks itself how it is.
const MACHINE: Rate = Rate::new(200, Duration::from_millis(20));
/// The form by which one signs in, and the one that asks for a letter.
const SIGN_IN: &str = "/_amanah/sign-in";
const RESET: &str = "/_amanah/reset";

/// The limits of one process.
pub(crate) struct Limits {
    started: Instant,
    settings: LimitSettings,
    address: Table,
    prefix: Table,
    tenant: Table,
    account: Table,
    permission: Table,
    sign_in: [Table; 2],
    reset: [Table; 2],
    contact: [Table; 2],
    reading: Budget,
    changing: Budget,
    application: Budget,
    reports: Budget,
    machine: Budget,
    doubtful: Budget,
    /// What other gateways are told, where there are others.
    outbox: Option<Outbox>,
}

/// What is asked, as far as limits tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Reading,
    Changing,
    Application,
    Report,
    Machine,
}

impl Limits {
    /// Empty tables.
    ///
    /// # Errors
    /// When there is no randomness: then somebody could choose keys that meet.
    pub(crate) fn new(settings: LimitSettings, rng: &dyn Rng) -> Result<Self, GatewayError> {
        let key = HashKey::draw(rng)?;
        let outbox = if settings.shared { Some(Outbox::draw(rng)?) } else { None };
        let many = |rate| Table::new(rate, MANY_KEYS, key);
        let some = |rate| Table::new(rate, SOME_KEYS, key);
        let pair = |preset: Preset| [some(preset.address), some(preset.prefix)];
        Ok(Self {
            started: Instant::now(),
            address: many(settings.address),
            prefix: many(settings.prefix),
            tenant: some(settings.tenant),
            account: many(settings.account),
            permission: many(settings.permission),
            sign_in: pair(settings.sign_in),
            reset: pair(settings.reset),
            contact: pair(settings.contact),
            reading: Budget::new(settings.reading),
            changing: Budget::new(settings.changing),
            application: Budget::new(settings.application),
            reports: Budget::new(REPORTED),
            machine: Budget::new(MACHINE),
            doubtful: Budget::new(DOUBTFUL),
            outbox,
            settings,
        })
    }

    /// Whether it may be looked up who somebody is that shows a session or a token: always, unless
    /// their address has used up its allowance.
    pub(crate) fn may_show(&self, peer: IpAddr) -> Result<(), Over> {
        let (now, source) = (self.now(), Source::of(peer));
        let spent = self.address.look(&source.address, now).is_err()
            || self.prefix.look(&source.prefix, now).is_err();
        if spent { self.doubtful.take(Limit::Doubtful, now) } else { Ok(()) }
    }

    /// Counts a request of nobody in particular.
    pub(crate) fn stranger(
        &self,
        peer: IpAddr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), Over> {
        let (now, source) = (self.now(), Source::of(peer));
        let class = class(method, path);
        if class == Class::Machine {
            return self.machine.take(Limit::Machine, now);
        }
        self.source(peer)?;
        if let Some(([address, prefix], limits)) = self.preset(method, path, headers) {
            pair(address, prefix, limits, source, now)?;
            self.tell_both(limits, source);
        }
        match class {
            Class::Reading => self.reading.take(Limit::Reading, now),
            Class::Changing => self.changing.take(Limit::Changing, now),
            Class::Application => self.application.take(Limit::Application, now),
            Class::Report => self.reports.take(Limit::Reports, now),
            Class::Machine => Ok(()),
        }
    }

    /// Counts a request to where it came from alone.
    pub(crate) fn source(&self, peer: IpAddr) -> Result<(), Over> {
        let (now, source) = (self.now(), Source::of(peer));
        let limits = [Limit::Address, Limit::Prefix];
        pair(&self.address, &self.prefix, limits, source, now)?;
        self.tell_both(limits, source);
        Ok(())
    }

    /// Counts a request of somebody who is signed in, for a route that needs `permission`.
    pub(crate) fn signed_in(
        &self,
        identity: &Identity,
        permission: Option<PermissionId>,
    ) -> Result<(), Over> {
        let now = self.now();
        let (tenant, account) = (identity.tenant.as_str().as_bytes(), identity.account.as_bytes());
        take(&self.tenant, tenant, Limit::Tenant, now)?;
        if let Err(over) = take(&self.account, account, Limit::Account, now) {
            self.tenant.give_back(tenant);
            return Err(over);
        }
        if let Some(permission) = permission {
            let both = [account, &permission.number().to_be_bytes()].concat();
            take(&self.permission, &both, Limit::Permission, now).inspect_err(|_| {
                self.account.give_back(account);
                self.tenant.give_back(tenant);
            })?;
            self.tell(Limit::Permission, &both);
        }
        self.tell(Limit::Tenant, tenant);
        self.tell(Limit::Account, account);
        Ok(())
    }

    /// Counts to `peer` what was refused before it was counted otherwise.
    pub(crate) fn charge(&self, peer: IpAddr) {
        let (now, source) = (self.now(), Source::of(peer));
        self.address.charge(&source.address, 1, now);
        self.prefix.charge(&source.prefix, 1, now);
        self.tell_both([Limit::Address, Limit::Prefix], source);
    }

    /// What other gateways are to be told; `None` where there are none.
    pub(crate) fn message(&self) -> Option<Vec<u8>> {
        self.outbox.as_ref().map(Outbox::message)
    }

    /// Charges what another gateway tells. How many keys that was, or `None` when it is garbled.
    pub(crate) fn hear(&self, message: &[u8]) -> Option<usize> {
        let (now, taken) = (self.now(), self.outbox.as_ref()?.read(message)?);
        for one in &taken {
            if let Some(table) = self.table(one.limit) {
                table.charge(&one.key, one.times, now);
            }
        }
        Some(taken.len())
    }

    /// How much other gateways were not told.
    pub(crate) fn untold(&self) -> u64 {
        self.outbox.as_ref().map_or(0, Outbox::lost)
    }

    fn tell_both(&self, [narrow, wide]: [Limit; 2], source: Source) {
        self.tell(narrow, &source.address);
        self.tell(wide, &source.prefix);
    }

    fn tell(&self, limit: Limit, key: &[u8]) {
        if let Some(outbox) = &self.outbox {
            outbox.note(limit, key);
        }
    }

    /// The table of a limit that is told to others.
    const fn table(&self, limit: Limit) -> Option<&Table> {
        let ([sign_in, sign_in_wide], [reset, reset_wide], [contact, contact_wide]) =
            (&self.sign_in, &self.reset, &self.contact);
        match limit {
            Limit::Address => Some(&self.address),
            Limit::Prefix => Some(&self.prefix),
            Limit::Tenant => Some(&self.tenant),
            Limit::Account => Some(&self.account),
            Limit::Permission => Some(&self.permission),
            Limit::SignIn => Some(sign_in),
            Limit::SignInPrefix => Some(sign_in_wide),
            Limit::Reset => Some(reset),
            Limit::ResetPrefix => Some(reset_wide),
            Limit::Contact => Some(contact),
            Limit::ContactPrefix => Some(contact_wide),
            Limit::Reading
            | Limit::Changing
            | Limit::Application
            | Limit::Reports
            | Limit::Machine
            | Limit::Doubtful
            | Limit::Banned => None,
        }
    }

    /// The tables of the form that is sent, if it is one that is counted by itself.
    fn preset(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(&[Table; 2], [Limit; 2])> {
        if origin::is_safe(method) {
            return None;
        }
        let judged =
            || self.settings.judged_by_pages.iter().any(|name| cookies::carries(headers, name));
        let is_sent = *method == Method::POST;
        match path {
            SIGN_IN if is_sent && !judged() => {
                Some((&self.sign_in, [Limit::SignIn, Limit::SignInPrefix]))
            }
            RESET if is_sent && !judged() => {
                Some((&self.reset, [Limit::Reset, Limit::ResetPrefix]))
            }
            path if self.is_contact(path) => {
                Some((&self.contact, [Limit::Contact, Limit::ContactPrefix]))
            }
            _ => None,
        }
    }

    fn is_contact(&self, path: &str) -> bool {
        self.settings.contact_paths.iter().any(|contact| match contact.strip_suffix("/*") {
            Some(root) => path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')),
            None => path == contact,
        })
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn class(method: &Method, path: &str) -> Class {
    if own::is_operational(path) {
        Class::Machine
    } else if path == REPORTS {
        Class::Report
    } else if !own::is_own(path) {
        Class::Application
    } else if origin::is_safe(method) {
        Class::Reading
    } else {
        Class::Changing
    }
}

/// Takes from an address and its neighbourhood, or from neither.
fn pair(
    address: &Table,
    prefix: &Table,
    [narrow, wide]: [Limit; 2],
    source: Source,
    now: u64,
) -> Result<(), Over> {
    take(address, &source.address, narrow, now)?;
    take(prefix, &source.prefix, wide, now).inspect_err(|_| address.give_back(&source.address))
}

fn take(table: &Table, key: &[u8], limit: Limit, now: u64) -> Result<(), Over> {
    table.take(key, now).map_err(|wait| over(limit, table.rate(), wait))
}

pub(crate) fn over(limit: Limit, rate: Rate, wait: u64) -> Over {
    let wait = wait.div_ceil(1_000_000_000).max(1);
    Over { limit, quota: rate.burst(), window: rate.window(), wait }
}

/// What everybody has together: one allowance, without a lock.
struct Budget {
    rate: Rate,
    whole_at: AtomicU64,
}

impl Budget {
    const fn new(rate: Rate) -> Self {
        Self { rate, whole_at: AtomicU64::new(0) }
    }

    fn take(&self, limit: Limit, now: u64) -> Result<(), Over> {
        let spend = |whole_at| self.rate.spend(whole_at, now).ok();
        let taken = self.whole_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        taken.map(|_| ()).map_err(|whole_at| {
            let wait = self.rate.spend(whole_at, now).err().unwrap_or_default();
            over(limit, self.rate, wait)
        })
    }
}

#[cfg(test)]
mod tests;
