//! `amanah edge`: bait and who took it, and under-attack mode.

use access::{AttackRow, BaitRow};
use anyhow::bail;
use jiff::SignedDuration;
use kernel::shown;
use serde_json::json;

use crate::cli::Place;
use crate::cli::edge::{AttackWish, Edge};
use crate::control::{self, AttackTold, Said, Wish};
use crate::data::Data;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::{bait, out};

/// How far back `amanah edge attack status` looks.
const ATTACKS_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(crate) async fn run(place: &Place, edge: Edge) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let (words, data) = match edge {
            Edge::Hits { hours, all } => {
                let now = house.cx.clock.now();
                let back = SignedDuration::from_hours(i64::from(hours));
                let since = now.checked_sub(back).unwrap_or(now);
                let mut taken = house.access.bait_taken(since, None).await?;
                taken.retain(|hit| all || !bait::is_proof(hit));
                (listed(&taken), json!({"hits": taken}))
            }
            Edge::Bait => {
                let (routes, key) = (bait::laid_out(house)?, bait::key(house)?);
                let words = format!("{}\n\nKey: {}", routes.join("\n"), key.expose());
                (words, json!({"routes": routes, "key": key.expose()}))
            }
            Edge::Attack { wish } => attack(place, house, wish).await?,
        };
        out::line(&if place.json { serde_json::to_string_pretty(&data)? } else { words });
        Ok(Exit::Holds)
    })
    .await
}

/// Sets the mode if that is wanted, and says how it stands and stood.
async fn attack(
    place: &Place,
    house: &Installation,
    wish: AttackWish,
) -> anyhow::Result<(String, serde_json::Value)> {
    let set = match wish {
        AttackWish::On => Some("on"),
        AttackWish::Off => Some("off"),
        AttackWish::Auto => Some("auto"),
        AttackWish::Status => None,
    };
    let wish = Wish::Attack { set: set.map(str::to_owned) };
    let told = match control::ask(&Data::of(place)?, &wish, |_| {}).await? {
        Said::Attack(told) => told,
        Said::Refused { why, usage: true } => return Err(Usage(why).into()),
        Said::Refused { why, usage: false } => bail!(why),
        _ => bail!("the house answered something else; is it of the same version?"),
    };
    if set.is_some() {
        return Ok((standing(&told), json!({"attack": told})));
    }
    let now = house.cx.clock.now();
    let since = now.checked_sub(ATTACKS_BACK).unwrap_or(now);
    let switches = house.access.attack_switches(since).await?;
    let words = format!("{}\n\n{}", standing(&told), switched(&switches));
    Ok((words, json!({"attack": told, "switches": switches})))
}

fn standing(told: &AttackTold) -> String {
    let AttackTold { mode, on, strangers_per_second, people_per_second, lag_ms, bits } = told;
    let now = if *on { "strangers are shed" } else { "nobody is shed" };
    format!(
        "mode        {mode}: {now}\nstrangers   {strangers_per_second} requests in the last second\n\
         people      {people_per_second}\nlateness    {lag_ms} ms\nwork        {bits} bits"
    )
}

fn switched(switches: &[AttackRow]) -> String {
    if switches.is_empty() {
        return "it was not switched within 30 days".to_owned();
    }
    let line = |row: &AttackRow| {
        let AttackRow { at, shedding, mode, why, strangers, people, lag_ms } = row;
        let to = if *shedding { "shedding" } else { "not shedding" };
        format!(
            "{at:.0}  {to}  mode {mode}, by {why}: {strangers} strangers, {people} people, {lag_ms} ms"
        )
    };
    switches.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn listed(taken: &[BaitRow]) -> String {
    if taken.is_empty() {
        return "nobody took bait".to_owned();
    }
    let line = |hit: &BaitRow| {
        let BaitRow { at, source, method, bait, times, holder } = hit;
        let who = holder.as_ref().map(|who| format!("  by account {who}")).unwrap_or_default();
        format!("{at:.0}  {}  {} {bait}  {times}×{who}", shown(source), shown(method))
    };
    taken.iter().map(line).collect::<Vec<_>>().join("\n")
}
