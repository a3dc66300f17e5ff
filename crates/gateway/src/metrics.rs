//! What the gateway counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::limits::{Limit, NoSeat};
use crate::refusal::Refusal;

/// Counters since the start. Counting is one relaxed addition, so that it is never in the way.
#[derive(Debug)]
pub struct Metrics {
    classes: [(&'static str, AtomicU64); 5],
    refused: BTreeMap<&'static str, AtomicU64>,
    limited: [(&'static str, AtomicU64); Limit::ALL.len()],
    bait: [(&'static str, AtomicU64); 2],
    unseated: [(&'static str, AtomicU64); NoSeat::ALL.len()],
    upstream_errors: AtomicU64,
    connections: AtomicU64,
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
            upstream_errors: AtomicU64::new(0),
            connections: AtomicU64::new(0),
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
        all.extend(self.classes.iter().map(|(class, counter)| Reading {
            name: "gateway_responses_total",
            help: "Answers by class of status",
            label: Some(("class", class)),
            value: counter.load(Ordering::Relaxed),
        }));
        all.extend(self.refused.iter().map(|(reason, counter)| Reading {
            name: "gateway_refused_total",
            help: "Requests that the gateway answered by itself, by reason",
            label: Some(("reason", reason)),
            value: counter.load(Ordering::Relaxed),
        }));
        all.extend(self.bait.iter().map(|(kind, counter)| Reading {
            name: "gateway_bait_taken_total",
            help: "Requests for bait, by what was taken",
            label: Some(("kind", kind)),
            value: counter.load(Ordering::Relaxed),
        }));
        all.extend(self.unseated.iter().map(|(limit, counter)| Reading {
            name: "gateway_connections_refused_total",
            help: "Connections that were one too many, by limit",
            label: Some(("limit", limit)),
            value: counter.load(Ordering::Relaxed),
        }));
        all.extend(self.limited.iter().map(|(limit, counter)| Reading {
            name: "gateway_limited_total",
            help: "Requests that were one too many, by limit",
            label: Some(("limit", limit)),
            value: counter.load(Ordering::Relaxed),
        }));
        all
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bait(&self, key: bool) {
        let [(_, route), (_, shown)] = &self.bait;
        let counter = if key { shown } else { route };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unseated(&self, why: NoSeat) {
        if let Some((_, counter)) = self.unseated.iter().find(|(label, _)| *label == why.label()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
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
