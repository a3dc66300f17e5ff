//! What `[limits]` says: how often one may ask, and how many connections there may be.

use std::time::Duration;

use gateway::{LimitSettings, Preset, Rate, SeatSettings};
use identity::Tries;
use jiff::SignedDuration;
use kernel::{Unit, Value};
use serde::Deserialize;

/// The most of anything at once.
const MOST: u32 = 1_000_000;
/// The shortest time in which there is one more of what is counted by forms.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    shared: bool,
    address: Often,
    prefix: Often,
    tenant: Often,
    account: Often,
    permission: Often,
    reading: Often,
    changing: Often,
    application: Often,
    pub(crate) sign_in: SignIn,
    pub(crate) reset: Form,
    pub(crate) contact: Contact,
    connections: Connections,
}

/// Tries of passwords.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) address: Burst,
    pub(crate) prefix: Burst,
    pub(crate) account: Burst,
    every: Every,
}

/// A form that strangers send.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub(crate) address: Burst,
    pub(crate) prefix: Burst,
    every: Every,
}

/// The application's forms that strangers send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) address: Burst,
    pub(crate) prefix: Burst,
    every: Every,
    pub(crate) paths: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connections {
    address: Burst,
    prefix: Burst,
    strangers_percent: u32,
    account: Burst,
}

/// So many at once: 1 to a million.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Burst(pub(crate) u32);

impl TryFrom<u32> for Burst {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        let fits = (1..=MOST).contains(&number);
        fits.then_some(Self(number)).ok_or_else(|| format!("`{number}` is not from 1 to {MOST}"))
    }
}

/// In how long there is one more.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Every(pub(crate) Duration);

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Unit::Period.parse(&text).map_err(|error| error.to_string())? {
            Value::Period(every) if every >= SHORTEST => Ok(Self(every)),
            _ => Err(format!("`{text}` is shorter than a second")),
        }
    }
}

/// `1000, then 100 in 1s`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Often(Rate);

impl TryFrom<String> for Often {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        rate(&text).map(Self).ok_or_else(|| {
            format!("`{text}` is not of the form `1000, then 100 in 1s`, with numbers up to {MOST}")
        })
    }
}

fn rate(text: &str) -> Option<Rate> {
    let (burst, rest) = text.split_once(", then ")?;
    let (more, span) = rest.split_once(" in ")?;
    let number = |text: &str| text.parse().ok().filter(|n| (1..=MOST).contains(n));
    let (burst, more) = (number(burst)?, number(more)?);
    let Value::Period(span) = Unit::Period.parse(span).ok()? else { return None };
    Some(Rate::new(burst, span / more))
}

impl Limits {
    /// As the gateway takes them. `judged` names cookies by which pages know whom to count apart.
    pub(crate) fn at_the_edge(&self, judged: &[&'static str]) -> LimitSettings {
        let form =
            |address: Burst, prefix: Burst, every: Every| Preset::new(address.0, prefix.0, every.0);
        let Self { sign_in, reset, contact, connections, .. } = self;
        LimitSettings {
            address: self.address.0,
            prefix: self.prefix.0,
            tenant: self.tenant.0,
            account: self.account.0,
            permission: self.permission.0,
            reading: self.reading.0,
            changing: self.changing.0,
            application: self.application.0,
            sign_in: form(sign_in.address, sign_in.prefix, sign_in.every),
            reset: form(reset.address, reset.prefix, reset.every),
            contact: form(contact.address, contact.prefix, contact.every),
            contact_paths: contact.paths.clone(),
            judged_by_pages: judged.to_vec(),
            shared: self.shared,
            seats: SeatSettings {
                address: connections.address.0,
                prefix: connections.prefix.0,
                strangers_percent: connections.strangers_percent,
                account: connections.account.0,
            },
        }
    }

    /// As the pages for signing in take them.
    pub(crate) fn at_the_pages(&self) -> Tries {
        let span = |every: Every| SignedDuration::try_from(every.0).unwrap_or(SignedDuration::MAX);
        let Self { sign_in, reset, .. } = self;
        Tries {
            sign_in: [sign_in.address.0, sign_in.prefix.0],
            sign_in_every: span(sign_in.every),
            reset: [reset.address.0, reset.prefix.0],
            reset_every: span(reset.every),
            account: sign_in.account.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway::LimitSettings;

    use super::super::Config;

    fn with(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("amanah.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file))
    }

    /// The shipped default is what the gateway has by itself.
    #[test]
    fn the_default_is_the_gateways() {
        let limits = Config::load(None).unwrap().limits;
        assert_eq!(limits.at_the_edge(&[]), LimitSettings::default());
        assert_eq!(limits.at_the_pages().account, 10);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_said_how_it_is_written() {
        let error = |text: &str| format!("{:#}", with(&format!("[limits]\n{text}")).unwrap_err());
        for wrong in ["lots", "10, then 0 in 1s", "0, then 1 in 1s", "10, then 1 in 1", "10/s"] {
            let told = error(&format!("address = \"{wrong}\""));
            assert!(told.contains("1000, then 100 in 1s"), "{told}");
        }
        assert!(error("sign_in.address = 0").contains("1 to 1000000"));
        assert!(error("reset.every = \"0s\"").contains("every"));
        let own = with("[limits]\naddress = \"5, then 1 in 2s\"").unwrap().limits;
        let address = own.at_the_edge(&[]).address;
        assert_eq!((address.burst(), address.every().as_secs()), (5, 2));
    }
}
