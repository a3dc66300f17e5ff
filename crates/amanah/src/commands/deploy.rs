//! `amanah deploy`: another release of the application behind the house that runs, or another program of the
//! house itself.

use anyhow::bail;
use serde_json::to_string_pretty;

use crate::cli::Place;
use crate::cli::deploy::Deploy;
use crate::control::{self, Said, Wish};
use crate::data::Data;
use crate::exit::{Exit, Usage};
use crate::out;
use crate::releases::{Ended, How, Standing};
use crate::upgrade::Upgraded;

pub(crate) async fn run(place: &Place, deploy: Deploy) -> anyhow::Result<Exit> {
    let data = Data::of(place)?;
    let wish = match deploy {
        Deploy::Status => Wish::Releases {},
        Deploy::Switch { to, watch, health } => {
            Wish::Switch { to, watch_seconds: watch.as_secs(), health }
        }
        Deploy::Upgrade { program, drain } => {
            // The house may stand in another folder than whoever asks.
            let program = program.map(std::path::absolute).transpose()?;
            Wish::Upgrade { program, drain_seconds: drain.as_secs() }
        }
    };
    let step = |text: &str| if place.json { out::aside(text) } else { out::line(text) };
    match control::ask(&data, &wish, step).await? {
        Said::Ended(ended) => {
            out::line(&if place.json { to_string_pretty(&ended)? } else { told(&ended) });
            Ok(if ended.outcome == How::Switched { Exit::Holds } else { Exit::Fails })
        }
        Said::Upgraded(upgraded) => {
            let told = if place.json { to_string_pretty(&upgraded)? } else { taken(&upgraded) };
            out::line(&told);
            Ok(if upgraded.taken { Exit::Holds } else { Exit::Fails })
        }
        Said::Releases(standing) => {
            out::line(&if place.json { to_string_pretty(&standing)? } else { shown(&standing) });
            Ok(Exit::Holds)
        }
        Said::Refused { why, usage: true } => Err(Usage(why).into()),
        Said::Refused { why, usage: false } => bail!(why),
        Said::Step { .. } | Said::Attack(_) => bail!("the house answered something else last"),
    }
}

fn told(ended: &Ended) -> String {
    let Ended { from, to, current, requests, errors, left, .. } = ended;
    let why = ended.why.as_deref().unwrap_or_default();
    let first = match ended.outcome {
        How::Switched => {
            format!("switched from {from} to {to}; {errors} of {requests} requests failed there")
        }
        How::Unhealthy => format!("{to} was not taken: {why}; requests go to {current} as before"),
        How::RolledBack => format!("{to} was rolled back: {why}; requests go to {current} again"),
    };
    let over = if ended.outcome == How::Switched { from } else { to };
    match (ended.outcome, left) {
        (How::Unhealthy, _) => first,
        (_, 0) => format!("{first}\nnothing is under way at {over} any more: it can be ended"),
        (_, left) => format!(
            "{first}\n{left} still under way at {over}: they end when they are done, or with it"
        ),
    }
}

fn taken(upgraded: &Upgraded) -> String {
    let Upgraded { program, before, now, version, why, .. } = upgraded;
    let program = program.display();
    match why {
        None => format!(
            "upgraded to amanah {}: process {now} is the house, and {before} ends when its connections do",
            version.as_deref().unwrap_or_default()
        ),
        Some(why) => format!("{program} was not taken: {why}; process {now} serves as before"),
    }
}

fn shown(standing: &Standing) -> String {
    let current = standing.current.as_deref().unwrap_or("none");
    let configured = match standing.configured.as_deref() {
        None => "the sample application",
        Some("") => "none",
        Some(url) => url,
    };
    let last = standing.last.as_ref().map(|last| {
        let second = last.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("{second} from {} to {}: {}", last.from, last.to, last.end)
    });
    format!(
        "current     {current}\nconfigured  {configured}\nswitching   {}\nlast        {}",
        if standing.switching { "yes" } else { "no" },
        last.as_deref().unwrap_or("none"),
    )
}
