//! Gateways of which each has one fault of under-attack mode.

use std::time::Duration;

use kernel::{Cx, Finding, Outcome, Population, Proof};

use super::{run, settings, steady};
use crate::{AttackMode, AttackSettings};

/// More than anybody needs.
const MANY: u32 = 1_000_000;

/// What is wrong with a gateway, and the one thing that the attack must find.
const FAULTS: [(Fault, &str); 5] = [
    (Fault::Off, "a flood of strangers"),
    (Fault::Endless, "an expired pass"),
    (Fault::Hasty, "an answer before its time"),
    (Fault::Gullible, "work that was not done"),
    (Fault::Roomy, "strangers at one time"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nobody is shed.
    Off,
    /// A pass lives for an hour.
    Endless,
    /// Nobody has to wait.
    Hasty,
    /// Any number is work.
    Gullible,
    /// Everybody who passed is inside at one time.
    Roomy,
}

impl Fault {
    fn seeded(self) -> AttackSettings {
        let mut settings = settings(AttackMode::On);
        match self {
            Self::Off => settings.mode = AttackMode::Off,
            Self::Endless => settings.passed = Duration::from_hours(1),
            Self::Hasty => settings.wait = Duration::ZERO,
            // Nor does the load make it any.
            Self::Gullible => {
                settings.bits = 0;
                settings.overload.strangers = u32::MAX;
            }
            Self::Roomy => settings.strangers = MANY,
        }
        settings
    }
}

pub(super) async fn seed(cx: &Cx) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let intact = steady(cx, &settings(AttackMode::Auto)).await?;
    if intact.outcome() != Outcome::Holds {
        return Err(format!("a scratch gateway without fault does not pass: {}", intact.detail()));
    }
    let (mut findings, mut overlooked) = (Vec::new(), Vec::new());
    for (fault, object) in FAULTS {
        let proof = run(cx, &fault.seeded(), false).await?;
        let found: Vec<&str> = proof.findings().iter().map(|f| f.object.as_str()).collect();
        if found == [object] {
            findings.push(Finding::new(object, "seeded and found"));
        } else {
            overlooked.push(format!("{object} ({})", found.join(", ")));
        }
    }
    let all = FAULTS.len();
    let population = Population::new(findings.len(), all, "faults of under-attack mode");
    if !overlooked.is_empty() {
        let why = format!("seeded and not found alone: {}", overlooked.join("; "));
        return Ok(Proof::missed(observed_at, population, why));
    }
    let measured = format!("{} of {all} faults found", findings.len());
    Ok(Proof::weigh(observed_at, population, measured, format!("{all} of {all}"), findings))
}
