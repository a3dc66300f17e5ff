//! Every promise that a page can make, as data: the id, how it can be kept true, and its
//! parameters with their units.
//!
//! An id without a control is shown on the page as *unknown: not built*, never hidden, so this
//! list is longer than the list of controls until the house is finished.

use crate::Unit;

/// How a promise can be shown to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By an attack or a measurement.
    Proven,
    /// By a dated document with an owner and an expiry.
    Attested,
    /// By either.
    Either,
}

/// One promise that a page can make.
#[derive(Debug, PartialEq, Eq)]
pub struct Promise {
    /// The id in a page's link: `claim:ID`.
    pub id: &'static str,
    /// How it can be shown to hold.
    pub kind: Kind,
    /// The parameters it takes.
    pub params: &'static [Spec],
    /// Whether it takes any other parameter too, as a text: `edge.headers` takes header names.
    pub open: bool,
}

/// One parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the link.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Whether the promise says nothing without it.
    pub required: bool,
}

impl Promise {
    /// The unit of the parameter called `name`, or `None` when there is no such parameter.
    pub fn unit_of(&self, name: &str) -> Option<Unit> {
        let spec = self.params.iter().find(|spec| spec.name == name);
        spec.map(|spec| spec.unit).or_else(|| (self.open && is_token(name)).then_some(Unit::Text))
    }

    /// The names it takes, for error messages.
    pub fn known_names(&self) -> String {
        if self.open {
            return "names in lower case with hyphens".to_owned();
        }
        if self.params.is_empty() {
            return "none".to_owned();
        }
        let quoted: Vec<String> = self.params.iter().map(|p| format!("`{}`", p.name)).collect();
        quoted.join(", ")
    }
}

/// The promise with this id.
pub fn find(id: &str) -> Option<&'static Promise> {
    ALL.iter().find(|promise| promise.id == id)
}

/// The id nearest in spelling to `id`, for error messages.
pub fn nearest(id: &str) -> Option<&'static str> {
    let close = |promise: &&Promise| {
        let (family, rest) = promise.id.split_once('.').unwrap_or((promise.id, ""));
        id.split_once('.').is_some_and(|(f, r)| f == family || r == rest) || id == family
    };
    ALL.iter().filter(close).map(|p| p.id).min_by_key(|known| distance(known, id))
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// How many characters at equal places differ, plus the difference in length: enough to rank.
fn distance(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count() + a.len().abs_diff(b.len())
}

const fn promise(id: &'static str, kind: Kind, params: &'static [Spec]) -> Promise {
    Promise { id, kind, params, open: false }
}

const fn needs(name: &'static str, unit: Unit) -> Spec {
    Spec { name, unit, required: true }
}

const fn may(name: &'static str, unit: Unit) -> Spec {
    Spec { name, unit, required: false }
}

/// Every promise, in the order of the house's rooms.
pub static ALL: &[Promise] = &[
    // Isolation.
    promise("isolation.rows", Kind::Proven, &[]),
    promise("isolation.database", Kind::Proven, &[]),
    promise("isolation.files", Kind::Proven, &[]),
    promise("isolation.cache", Kind::Proven, &[]),
    promise("isolation.channels", Kind::Proven, &[]),
    // Transit.
    promise("transit.tls", Kind::Proven, &[needs("min", Unit::Version)]),
    promise("transit.hsts", Kind::Proven, &[needs("max-age", Unit::Period)]),
    // At rest.
    promise("rest.disk", Kind::Either, &[may("cipher", Unit::Word)]),
    promise("rest.fields", Kind::Proven, &[]),
    promise("rest.backups", Kind::Proven, &[may("cipher", Unit::Word)]),
    promise("rest.audit", Kind::Proven, &[]),
    // Keys.
    promise("keys.rotation", Kind::Proven, &[needs("every", Unit::Period)]),
    promise("keys.kms", Kind::Either, &[]),
    // Sign-in.
    promise("password.argon2id", Kind::Proven, &[]),
    promise("mfa.totp", Kind::Proven, &[]),
    promise("mfa.required", Kind::Proven, &[needs("roles", Unit::Words)]),
    promise("mfa.hardware", Kind::Proven, &[needs("roles", Unit::Words)]),
    promise(
        "session.timeout",
        Kind::Proven,
        &[may("idle", Unit::Period), may("absolute", Unit::Period)],
    ),
    promise("session.cookies", Kind::Proven, &[]),
    promise("session.rotation", Kind::Proven, &[]),
    promise("session.revocation", Kind::Proven, &[needs("within", Unit::Period)]),
    promise("reset.enumeration", Kind::Proven, &[]),
    // Access.
    promise(
        "access.permissions",
        Kind::Proven,
        &[needs("permissions", Unit::Count), needs("roles", Unit::Count)],
    ),
    promise("access.per-action", Kind::Proven, &[]),
    promise("access.least-privilege", Kind::Proven, &[may("unused", Unit::Period)]),
    promise("access.review", Kind::Proven, &[needs("every", Unit::Period)]),
    promise("access.support-consent", Kind::Proven, &[]),
    promise("access.offboarding", Kind::Proven, &[needs("within", Unit::Period)]),
    promise("access.production-audited", Kind::Proven, &[]),
    // Trail.
    promise("audit.append-only", Kind::Proven, &[]),
    promise("audit.triggers", Kind::Proven, &[]),
    promise("audit.context", Kind::Proven, &[]),
    promise("audit.hash", Kind::Proven, &[needs("alg", Unit::Word)]),
    promise("audit.tamper-evident", Kind::Proven, &[]),
    promise("audit.reads", Kind::Proven, &[needs("roles", Unit::Words)]),
    promise("audit.retention", Kind::Proven, &[needs("for", Unit::Period)]),
    promise("audit.review", Kind::Attested, &[needs("every", Unit::Period)]),
    promise("audit.offsite", Kind::Proven, &[needs("every", Unit::Period)]),
    // Backups.
    promise(
        "backup.daily",
        Kind::Proven,
        &[needs("every", Unit::Period), may("keep", Unit::Period)],
    ),
    promise(
        "backup.weekly",
        Kind::Proven,
        &[needs("every", Unit::Period), may("keep", Unit::Period)],
    ),
    promise("backup.tenants", Kind::Proven, &[needs("every", Unit::Period)]),
    promise("backup.wal", Kind::Proven, &[needs("every", Unit::Period)]),
    promise("backup.offsite", Kind::Proven, &[]),
    promise(
        "backup.drill",
        Kind::Proven,
        &[needs("every", Unit::Period), may("rto", Unit::Period)],
    ),
    // Edge.
    Promise { id: "edge.headers", kind: Kind::Proven, params: &[], open: true },
    promise("edge.csp", Kind::Proven, &[]),
    promise("edge.csrf", Kind::Proven, &[]),
    promise("edge.escaping", Kind::Proven, &[]),
    promise("edge.injection", Kind::Proven, &[]),
    promise(
        "edge.limits",
        Kind::Proven,
        &[may("login", Unit::Count), may("reset", Unit::Count), may("contact", Unit::Count)],
    ),
    promise("edge.honeypot", Kind::Proven, &[]),
    promise("edge.waf", Kind::Proven, &[]),
    promise("edge.flood", Kind::Proven, &[]),
    // Host and network.
    promise("host.ports", Kind::Proven, &[needs("public", Unit::Words)]),
    promise("host.database-closed", Kind::Proven, &[may("port", Unit::Count)]),
    promise("host.firewall", Kind::Proven, &[]),
    promise("host.ssh-keys-only", Kind::Proven, &[]),
    promise("host.hardened", Kind::Proven, &[]),
    promise("network.segmented", Kind::Proven, &[]),
    promise("network.vpn", Kind::Attested, &[]),
    promise("hosting.region", Kind::Attested, &[may("region", Unit::Word)]),
    promise("hosting.datacentre", Kind::Attested, &[may("tier", Unit::Count)]),
    promise("hosting.ddos", Kind::Attested, &[]),
    promise("hosting.kms", Kind::Attested, &[]),
    // Secrets and environments.
    promise("secrets.environment", Kind::Proven, &[]),
    promise("environments.separate", Kind::Proven, &[needs("names", Unit::Words)]),
    // Monitoring.
    promise("monitor.scrape", Kind::Proven, &[needs("every", Unit::Period)]),
    promise("monitor.containers", Kind::Proven, &[]),
    promise("monitor.always-on", Kind::Proven, &[]),
    promise("monitor.anomaly", Kind::Proven, &[]),
    promise("alert.cpu", Kind::Proven, &[needs("above", Unit::Percent)]),
    promise("alert.memory", Kind::Proven, &[needs("above", Unit::Percent)]),
    // Deployment.
    promise("deploy.zero-downtime", Kind::Proven, &[]),
    promise("deploy.tested", Kind::Proven, &[]),
    // Incidents.
    promise("incident.severities", Kind::Proven, &[]),
    promise("incident.respond", Kind::Proven, &[needs("sev1", Unit::Period)]),
    promise("incident.contain", Kind::Proven, &[needs("within", Unit::Period)]),
    promise("incident.notify", Kind::Proven, &[needs("within", Unit::Period)]),
    promise("incident.postmortem", Kind::Either, &[]),
    promise("incident.exercised", Kind::Either, &[needs("every", Unit::Period)]),
    // Disclosure.
    promise("disclosure.contact", Kind::Proven, &[]),
    promise("disclosure.scope", Kind::Proven, &[]),
    promise("disclosure.safe-harbour", Kind::Proven, &[]),
    promise("disclosure.credit", Kind::Proven, &[]),
    promise("disclosure.bounty", Kind::Proven, &[]),
    promise("disclosure.acknowledge", Kind::Proven, &[needs("within", Unit::BusinessDays)]),
    promise("disclosure.status", Kind::Proven, &[needs("within", Unit::BusinessDays)]),
    // Development.
    promise("sdlc.sast", Kind::Either, &[]),
    promise("sdlc.dependencies", Kind::Either, &[]),
    promise("sdlc.dast", Kind::Either, &[]),
    promise("sdlc.threat-model", Kind::Either, &[]),
    promise("sdlc.code-review", Kind::Either, &[]),
    promise("sdlc.config-review", Kind::Either, &[]),
    promise("sdlc.pentest", Kind::Attested, &[needs("every", Unit::Period)]),
    // People.
    promise("people.nda", Kind::Attested, &[]),
    promise("people.training", Kind::Attested, &[needs("every", Unit::Period)]),
    promise("people.background", Kind::Attested, &[]),
    promise("people.devices", Kind::Attested, &[]),
    promise("people.sanctions", Kind::Attested, &[]),
    // Frameworks.
    promise("framework.mapped", Kind::Proven, &[needs("id", Unit::Word)]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, find, nearest};

    #[test]
    fn ids_are_unique_and_well_formed() {
        let ids: BTreeSet<&str> = ALL.iter().map(|p| p.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for id in ids {
            let (family, rest) = id.split_once('.').unwrap();
            assert!(super::is_token(family) && super::is_token(rest), "{id}");
        }
    }

    #[test]
    fn a_misspelt_id_is_helped() {
        assert!(find("isolation.row").is_none());
        assert_eq!(nearest("isolation.row"), Some("isolation.rows"));
        assert_eq!(nearest("nonsense"), None);
    }
}
