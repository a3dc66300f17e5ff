//! Which release of the application is behind the gateway, and how it becomes another.
//!
//! What was switched to is remembered in the data directory, together with what the configuration named
//! at that time, so that a restart keeps it. When the configuration names another address afterwards, it
//! is the later word, and counts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use gateway::{Deployer, Outcome, Step, SwitchTerms, Upstream};
use jiff::Timestamp;
use kernel::Clock;
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::exit::Usage;
use crate::out;

/// The file in the data directory.
const REMEMBERED: &str = "upstream.json";
/// One that is larger is none, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Where requests go from the start on: what `configured` says, or the release that was switched to
/// since.
///
/// # Errors
/// [`Usage`] when the configuration names no address.
pub(crate) fn upstream(data: &Data, configured: &str) -> anyhow::Result<Option<Upstream>> {
    if configured.is_empty() {
        return Ok(None);
    }
    let named: Upstream =
        configured.parse().map_err(|error| Usage(format!("upstream.url: {error}")))?;
    let Some(kept) = remembered(data) else { return Ok(Some(named)) };
    if kept.configured != named.to_string() {
        let (then, current) = (&kept.configured, &kept.current);
        tracing::warn!(
            then,
            current,
            now = configured,
            "upstream.url is another one than at the last switch, and counts again"
        );
        return Ok(Some(named));
    }
    match kept.current.parse() {
        Ok(current) if current != named => {
            tracing::warn!(%current, configured, "the release of the last switch is behind the gateway");
            Ok(Some(current))
        }
        _ => Ok(Some(named)),
    }
}

/// What a file says, as far as it can be read. One that is damaged must not keep the house shut.
fn remembered(data: &Data) -> Option<Kept> {
    let file = data.root().join(REMEMBERED);
    let read = || {
        if fs::metadata(&file)?.len() > MAX_BYTES {
            return Err(std::io::Error::other("it is larger than 64 KiB"));
        }
        fs::read(&file)
    };
    let kept = match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match kept {
        Ok(kept) => Some(kept),
        Err(why) => {
            let file = file.display();
            tracing::error!(
                %file,
                why,
                "the release of the last switch cannot be read; upstream.url counts. Switch again, \
                 which writes it anew"
            );
            None
        }
    }
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// What the configuration named at the last switch.
    configured: String,
    current: String,
    last: Option<Last>,
}

/// The last switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) at: Timestamp,
    pub(crate) from: String,
    pub(crate) to: String,
    /// How it ended, in words.
    pub(crate) end: String,
}

/// What there is to know about releases at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) current: Option<String>,
    /// What the configuration names; `None` before the sample application.
    pub(crate) configured: Option<String>,
    pub(crate) switching: bool,
    pub(crate) last: Option<Last>,
}

/// A switch that came to an end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) outcome: How,
    pub(crate) from: String,
    pub(crate) to: String,
    /// Where requests go now.
    pub(crate) current: String,
    /// What was wrong with the new release.
    pub(crate) why: Option<String>,
    /// Requests that the new release got while it was watched, and how many of them failed there.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// How much is still under way at the release that was left, and goes on there.
    pub(crate) left: usize,
}

/// How a switch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Switched,
    Unhealthy,
    RolledBack,
}

/// The releases of the application behind a running gateway.
pub(crate) struct Releases {
    deployer: Deployer,
    data: Data,
    /// What the configuration names, unless the sample application is behind the gateway: that one is
    /// somewhere else after each start, and nothing is remembered.
    configured: Option<String>,
    health: String,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Last>>,
}

impl Releases {
    pub(crate) fn new(
        deployer: Deployer,
        data: Data,
        configured: Option<String>,
        health: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // As an address is shown: a slash more or less in the file makes no other.
        let shown = |url: String| url.parse::<Upstream>().map_or(url, |one| one.to_string());
        let configured = configured.map(shown);
        let last = configured.as_ref().and_then(|_| remembered(&data)?.last);
        Self { deployer, data, configured, health, clock, last: Mutex::new(last) }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            current: self.deployer.current().map(|current| current.to_string()),
            configured: self.configured.clone(),
            switching: self.deployer.is_switching(),
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Switches to the release at `to` and watches it for `watch`; `health` is the page to ask, if not
    /// the one of the configuration.
    pub(crate) async fn switch(
        &self,
        to: &str,
        watch: Duration,
        health: Option<&str>,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Ended> {
        let usage = |error: gateway::GatewayError| Usage(error.to_string());
        let to: Upstream = to.parse().map_err(usage)?;
        let terms = SwitchTerms::new(health.unwrap_or(&self.health), watch).map_err(usage)?;
        let from = self.deployer.current().map_or_else(String::new, |from| from.to_string());
        let each = |step: Step| {
            match &step {
                Step::Switched => tracing::warn!(from, %to, "another release gets the requests"),
                Step::Back(why) => tracing::warn!(from, %to, why, "the release was rolled back"),
                // From here on the old one may be ended: a restart must not go back to it.
                Step::Kept(_) => {
                    let to = to.to_string();
                    self.remember(&to, (&from, &to), "switched");
                }
                _ => {}
            }
            tell(step.to_string());
        };
        let outcome = self.deployer.switch(to.clone(), &terms, &each).await.map_err(|error| {
            let is_wrong = matches!(error, gateway::GatewayError::SameRelease(_));
            if is_wrong { Usage(error.to_string()).into() } else { anyhow::Error::from(error) }
        })?;
        Ok(self.ended(&from, &to.to_string(), outcome))
    }

    fn ended(&self, from: &str, to: &str, outcome: Outcome) -> Ended {
        let ended = |outcome, current: &str, why, tally: gateway::Tally, left| Ended {
            outcome,
            current: current.to_owned(),
            why,
            requests: tally.requests,
            errors: tally.errors(),
            left,
            from: from.to_owned(),
            to: to.to_owned(),
        };
        match outcome {
            Outcome::Switched { watched, left } => {
                tracing::warn!(from, to, left, "the release was kept, and the one before was left");
                ended(How::Switched, to, None, watched, left)
            }
            Outcome::Unhealthy { why } => {
                tracing::warn!(from, to, why, "a release was not healthy and not taken");
                self.remember(from, (from, to), &format!("not healthy, not taken: {why}"));
                ended(How::Unhealthy, from, Some(why), gateway::Tally::default(), 0)
            }
            Outcome::RolledBack { why, watched, left } => {
                self.remember(from, (from, to), &format!("rolled back: {why}"));
                ended(How::RolledBack, from, Some(why), watched, left)
            }
        }
    }

    /// Writes down how a switch ended, and where requests go since.
    fn remember(&self, current: &str, (from, to): (&str, &str), end: &str) {
        let (from, to) = (from.to_owned(), to.to_owned());
        let last = Last { at: self.clock.now(), from, to, end: end.to_owned() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last.clone());
        let Some(configured) = &self.configured else { return };
        let (configured, current) = (configured.clone(), current.to_owned());
        let kept = Kept { configured, current, last: Some(last) };
        let written = serde_json::to_vec_pretty(&kept).context("it cannot be written down");
        let written = written.and_then(|text| self.data.replace(Path::new(REMEMBERED), &text));
        if let Err(error) = written {
            let why = out::words(&error);
            tracing::error!(
                why,
                "the current release is not remembered: a restart may go back to another"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, REMEMBERED, remembered, upstream};
    use crate::data::Data;

    const ONE: &str = "http://127.0.0.1:3000";
    const TWO: &str = "http://127.0.0.1:3001";

    /// A restart keeps the release; another address in the configuration is the later word; and what
    /// cannot be read keeps nothing shut.
    #[test]
    fn a_restart_keeps_the_release() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::open(dir.path()).unwrap();
        let starts = |configured: &str| {
            upstream(&data, configured).unwrap().map(|upstream| upstream.to_string())
        };
        assert_eq!(starts(""), None);
        assert_eq!(starts(ONE).unwrap(), ONE);
        assert!(upstream(&data, "here").is_err());
        let kept = Kept { configured: ONE.to_owned(), current: TWO.to_owned(), last: None };
        let file = dir.path().join(REMEMBERED);
        let text = serde_json::to_vec(&kept).unwrap();
        std::fs::write(&file, &text).unwrap();
        assert_eq!(remembered(&data), Some(kept));
        assert_eq!(starts(ONE).unwrap(), TWO);
        assert_eq!(starts(&format!("{ONE}/")).unwrap(), TWO, "the same, written otherwise");
        let third = "http://127.0.0.1:3002";
        assert_eq!(starts(third).unwrap(), third);
        for damage in [&text[..text.len() / 2], b"", &vec![b'x'; 70_000]] {
            std::fs::write(&file, damage).unwrap();
            assert_eq!(starts(ONE).unwrap(), ONE);
        }
    }
}
