//! Gateways in each of which one of the limits is off.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Cx, Finding, Outcome, Params, Population, Proof};

use super::super::LimitTarget;
use super::super::stand::{PlainForms, Stand};
use super::{Site, judge, promised};
use crate::{LimitSettings, LocalAuthority, Preset};

/// What the scratch gateways let through, from one address and from one neighbourhood, and in which time
/// one more: nothing is given back while a bite runs.
const PRESETS: [(u32, u32); 3] = [(6, 12), (4, 8), (3, 6)];
const EVERY: Duration = Duration::from_hours(1);
/// How many wrong passwords of one account the scratch pages look at.
const ACCOUNT: u32 = 5;
/// The path by which strangers send messages.
const CONTACT: &str = "/contact";
/// As good as none.
const OFF: u32 = 1_000_000;

/// What is off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Off {
    Nothing,
    /// The first or second number of a preset.
    Edge(usize, bool),
    Account,
}

pub(super) async fn seed(cx: &Cx) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let clock = Arc::clone(&cx.clock);
    let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
    let intact = attacked(cx, &authority, Off::Nothing).await?;
    if intact.outcome() != Outcome::Holds {
        return Err(format!(
            "the scratch gateway with all its limits does not pass, so that nothing can be said of one \
             with less: {}",
            intact.detail()
        ));
    }
    let mut off = vec![(Off::Account, "sign-in for one account")];
    for (form, [narrow, wide]) in [
        ["sign-in from one address", "sign-in from one neighbourhood"],
        ["reset from one address", "reset from one neighbourhood"],
        ["contact from one address", "contact from one neighbourhood"],
    ]
    .into_iter()
    .enumerate()
    {
        off.extend([(Off::Edge(form, false), narrow), (Off::Edge(form, true), wide)]);
    }
    let (mut findings, mut overlooked) = (Vec::new(), Vec::new());
    for (what, name) in &off {
        let proof = attacked(cx, &authority, *what).await?;
        let found: Vec<&str> = proof.findings().iter().map(|f| f.object.as_str()).collect();
        if found == [*name] {
            findings.push(Finding::new(*name, "off, and found to let too many through"));
        } else {
            overlooked.push(*name);
        }
    }
    let population = Population::new(findings.len(), off.len(), "limits that were off");
    if !overlooked.is_empty() {
        let why = format!("off and not found: {}", overlooked.join(", "));
        return Ok(Proof::missed(observed_at, population, why));
    }
    let all = off.len();
    let measured = format!("{} of {all} limits that were off found", findings.len());
    Ok(Proof::weigh(observed_at, population, measured, format!("{all} of {all}"), findings))
}

/// The same attack on a gateway of which this is off.
async fn attacked(cx: &Cx, authority: &Arc<LocalAuthority>, off: Off) -> Result<Proof, String> {
    let preset = |form: usize| {
        let (address, prefix) = PRESETS.get(form).copied().unwrap_or((1, 1));
        Preset::new(address, prefix, EVERY)
    };
    let [sign_in, reset, contact] = [preset(0), preset(1), preset(2)];
    let in_force = |form: usize| {
        let mut preset = preset(form);
        let none = Preset::new(OFF, OFF, Duration::from_millis(1));
        if off == Off::Edge(form, false) {
            preset.address = none.address;
        }
        if off == Off::Edge(form, true) {
            preset.prefix = none.prefix;
        }
        preset
    };
    let wrong = if off == Off::Account { OFF } else { ACCOUNT };
    let stand = Stand::start(cx, authority, wrong, |settings| {
        settings.limits = LimitSettings {
            sign_in: in_force(0),
            reset: in_force(1),
            contact: in_force(2),
            contact_paths: vec![CONTACT.to_owned()],
            ..LimitSettings::default()
        };
    })
    .await?;
    let pair = |preset: Preset| [preset.address, preset.prefix];
    let limits = LimitTarget {
        forms: Arc::new(PlainForms(Arc::clone(&stand.visitors))),
        sign_in: pair(sign_in),
        account: ACCOUNT,
        reset: pair(reset),
        contact: pair(contact),
        contact_path: Some(CONTACT.to_owned()),
    };
    let bursts = promised(&limits, &Params::none())?;
    let site = Site { forms: &*limits.forms, visitors: &stand.visitors, contact_path: CONTACT };
    judge(cx, &site, &bursts, cx.clock.now()).await
}
