//! What the gateway counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::attack::Told;
use crate::headers::DIRECTIVES;
use crate::limits::{Limit, NoSeat};
use crate::refusal::Refusal;
use crate::reports::{OTHER, UNREADABLE};

/// Counters since the start. Counting is one relaxed addition, so that it is never in the way.
#[derive(Debug)]
pub struct Metrics {
    classes: [(&'static str, AtomicU64); 5],
    refused: BTreeMap<&'static str, AtomicU64>,
    limited: [(&'static str, AtomicU64); Limit::ALL.len()],
    bait: [(&'static str, AtomicU64); 2],
    unseated: [(&'static str, AtomicU64); NoSeat::ALL.len()],
    challenges: [(&'static str, AtomicU64); Told::ALL.len()],
    attack_switches: [(&'static str, AtomicU64); 2],
    reports: Vec<(&'static str, AtomicU64)>,
    upstream_errors: AtomicU64,
    connections: AtomicU64,
    not_accepted: AtomicU64,
    handshakes_failed: AtomicU64,
    fallbacks: AtomicU64,
    unlogged: AtomicU64,
}

/// One counter as it stood when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The counter's name, without a prefix for the program.
    pub name: &'static str,
    /// What it counts, as a sentence without its full stop.
    pub help: &'static str,
    /// What tells it apart from its siblings of the same name: label and value.
    pub label: Option<(&'static str, &'static str)>,
    /// How often it happened.
    pub value: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let labels = Refusal::ALL.iter().map(|refusal| refusal.label());
        Self {
            classes: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| (class, AtomicU64::new(0))),
            refused: labels.map(|label| (label, AtomicU64::new(0))).collect(),
            limited: Limit::ALL.map(|limit| (limit.label(), AtomicU64::new(0))),
            bait: ["route", "key"].map(|kind| (kind, AtomicU64::new(0))),
            unseated: NoSeat::ALL.map(|why| (why.label(), AtomicU64::new(0))),
            challenges: Told::ALL.map(|told| (told.label(), AtomicU64::new(0))),
            attack_switches: ["on", "off"].map(|to| (to, AtomicU64::new(0))),
            reports: (DIRECTIVES.into_iter().chain([OTHER, UNREADABLE]))
                .map(|directive| (directive, AtomicU64::new(0)))
                .collect(),
            upstream_errors: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            not_accepted: AtomicU64::new(0),
            handshakes_failed: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Every counter, each name's siblings side by side.
    pub fn snapshot(&self) -> Vec<Reading> {
        let single = |name, help, counter: &AtomicU64| Reading {
            name,
            help,
            label: None,
            value: counter.load(Ordering::Relaxed),
        };
        let mut all = vec![
            single(
                "gateway_connections_total",
                "Connections that were accepted",
                &self.connections,
            ),
            single(
                "gateway_accepts_failed_total",
                "Times that a connection could not be accepted, for want of descriptors say",
                &self.not_accepted,
            ),
            single(
                "gateway_handshakes_failed_total",
                "Connections that ended before TLS was agreed",
                &self.handshakes_failed,
            ),
            single(
                "gateway_fallbacks_refused_total",
                "Clients that asked for an older TLS than they can and were refused",
                &self.fallbacks,
            ),
            single(
                "gateway_access_log_dropped_total",
                "Requests for whose line in the access log there was no room",
                &self.unlogged,
            ),
            single(
                "gateway_upstream_errors_total",
                "Requests that the application did not answer properly",
                &self.upstream_errors,
            ),
        ];
        let classes = pairs(&self.classes);
        all.extend(family(
            ["gateway_responses_total", "class"],
            "Answers by class of status",
            classes,
        ));
        let refused = self.refused.iter().map(|(reason, counter)| (*reason, counter));
        let help = "Requests that the gateway answered by itself, by reason";
        all.extend(family(["gateway_refused_total", "reason"], help, refused));
        let help = "Requests for bait, by what was taken";
        all.extend(family(["gateway_bait_taken_total", "kind"], help, pairs(&self.bait)));
        let help = "Connections that were one too many, by limit";
        let unseated = pairs(&self.unseated);
        all.extend(family(["gateway_connections_refused_total", "limit"], help, unseated));
        let help = "Reports of browsers that the content security policy has stopped something";
        let reports = pairs(&self.reports);
        all.extend(family(["gateway_csp_reports_total", "directive"], help, reports));
        let help = "Challenges while strangers are shed, by what came of them";
        let challenges = pairs(&self.challenges);
        all.extend(family(["gateway_challenges_total", "outcome"], help, challenges));
        let help = "Switches of under-attack mode, by what it was then";
        let switches = pairs(&self.attack_switches);
        all.extend(family(["gateway_attack_switches_total", "to"], help, switches));
        let help = "Requests that were one too many, by limit";
        all.extend(family(["gateway_limited_total", "limit"], help, pairs(&self.limited)));
        all
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn not_accepted(&self) {
        self.not_accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bait(&self, key: bool) {
        let [(_, route), (_, shown)] = &self.bait;
        let counter = if key { shown } else { route };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reported(&self, directive: &str) {
        if let Some((_, counter)) = self.reports.iter().find(|(label, _)| *label == directive) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn unseated(&self, why: NoSeat) {
        if let Some((_, counter)) = self.unseated.iter().find(|(label, _)| *label == why.label()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn challenge(&self, told: Told) {
        if let Some((_, counter)) = self.challenges.iter().find(|(label, _)| *label == told.label())
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Under-attack mode was switched.
    pub(crate) fn attack(&self, on: bool) {
        let [(_, switched_on), (_, switched_off)] = &self.attack_switches;
        let counter = if on { switched_on } else { switched_off };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests of strangers for which what all of them have was used up.
    pub(crate) fn spent(&self) -> u64 {
        let of_all = [Limit::Reading, Limit::Changing, Limit::Application].map(Limit::label);
        let counters = self.limited.iter().filter(|(label, _)| of_all.contains(label));
        counters.map(|(_, counter)| counter.load(Ordering::Relaxed)).sum()
    }

    /// Answers that failed, but for those to strangers who are shed.
    pub(crate) fn failing(&self) -> u64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [.., (_, failed)] = &self.classes;
        let shed = self.refused.get("under_attack").map_or(0, read);
        let [(_, asked), ..] = &self.challenges;
        read(failed).saturating_sub(shed).saturating_sub(read(asked))
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fallback(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unlogged(&self) {
        self.unlogged.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some((_, counter)) = self.classes.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.get(refusal.label()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Refusal::Limited(over) = refusal {
            let counter = self.limited.iter().find(|(label, _)| *label == over.limit.label());
            if let Some((_, counter)) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        if refusal.is_upstream() {
            self.upstream_errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn pairs<'a>(
    counters: &'a [(&'static str, AtomicU64)],
) -> impl Iterator<Item = (&'static str, &'a AtomicU64)> {
    counters.iter().map(|(label, counter)| (*label, counter))
}

/// Siblings of one name, told apart by a label.
fn family<'a>(
    [name, label]: [&'static str; 2],
    help: &'static str,
    counters: impl Iterator<Item = (&'static str, &'a AtomicU64)>,
) -> impl Iterator<Item = Reading> {
    counters.map(move |(value, counter)| Reading {
        name,
        help,
        label: Some((label, value)),
        value: counter.load(Ordering::Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::Metrics;
    use crate::refusal::Refusal;

    /// Each event is counted where a reader looks for it.
    #[test]
    fn events_are_counted() {
        let metrics = Metrics::default();
        metrics.answered(StatusCode::BAD_GATEWAY);
        metrics.refused(Refusal::UpstreamDown);
        let snapshot = metrics.snapshot();
        let value = |name: &str, label: &str| {
            let hit = |r: &&super::Reading| r.name == name && r.label.is_none_or(|l| l.1 == label);
            snapshot.iter().find(hit).unwrap().value
        };
        assert_eq!(value("gateway_responses_total", "5xx"), 1);
        assert_eq!(value("gateway_responses_total", "2xx"), 0);
        assert_eq!(value("gateway_refused_total", "upstream_down"), 1);
        assert_eq!(value("gateway_upstream_errors_total", ""), 1);
    }
}
