//! What `[attack]` says: when strangers are shed, and what it takes to be let in then.

use gateway::{AttackMode, AttackSettings, Overload};
use serde::Deserialize;

use super::limits::{Burst, Every};

/// The most work that a page may ask for: a telephone is busy with twenty bits for seconds, and load adds
/// four.
const MOST_BITS: u8 = 20;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attack {
    mode: Mode,
    from: Burst,
    strangers: Burst,
    passed: Every,
    wait: Every,
    bits: Bits,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Off,
    On,
    Auto,
}

/// Zero bits of the work: 1 to [`MOST_BITS`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u8")]
struct Bits(u8);

impl TryFrom<u8> for Bits {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        let fits = (1..=MOST_BITS).contains(&bits);
        fits.then_some(Self(bits)).ok_or_else(|| format!("`{bits}` is not from 1 to {MOST_BITS}"))
    }
}

impl Attack {
    pub(crate) const fn mode(&self) -> AttackMode {
        match self.mode {
            Mode::Off => AttackMode::Off,
            Mode::On => AttackMode::On,
            Mode::Auto => AttackMode::Auto,
        }
    }

    /// As the gateway takes it, with nobody who writes switches down.
    pub(crate) fn settings(&self) -> AttackSettings {
        AttackSettings {
            mode: self.mode(),
            strangers: self.strangers.0,
            passed: self.passed.0,
            wait: self.wait.0,
            bits: self.bits.0,
            overload: Overload { strangers: self.from.0, ..Overload::default() },
            log: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway::AttackSettings;

    use super::super::Config;
    use super::Bits;

    /// The shipped default is what the gateway has by itself.
    #[test]
    fn the_default_is_the_gateways() {
        let told = Config::load(None).unwrap().attack.settings();
        assert_eq!(format!("{told:?}"), format!("{:?}", AttackSettings::default()));
    }

    #[test]
    fn nobody_is_asked_for_nothing_or_for_hours_of_work() {
        assert!(Bits::try_from(0).is_err() && Bits::try_from(21).is_err());
        assert!(Bits::try_from(1).is_ok() && Bits::try_from(20).is_ok());
    }
}
