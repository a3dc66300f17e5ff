//! `amanah audit offsite`: the copies of trails at the second place, made or checked.

use std::time::Duration;

use ::audit::offsite::{Checked, Copied, check};
use ::audit::verify::Signed;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::audit::Offsite;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::{Log, Pen};
use crate::{offsite, out};

/// How old a copy may be that is made every hour.
const LIMIT: Duration = Duration::from_hours(24);

/// What came of one database.
enum Done {
    Copied(Copied),
    Checked(Checked),
    Failed(String),
}

pub(crate) async fn run(place: &Place, wanted: Offsite) -> anyhow::Result<Exit> {
    let all = Installation::with(place, async |house| {
        let known = house.known();
        let mut all = Vec::new();
        for named in known.named(&house.ground, wanted.database.as_deref())? {
            let done = if wanted.check {
                checked(house, &named).await.map(Done::Checked)
            } else {
                offsite::one(house, &named).await.map(Done::Copied)
            };
            let done = match done {
                Err(error) if error.is::<Usage>() => return Err(error),
                done => done.unwrap_or_else(|error| Done::Failed(out::words(&error))),
            };
            all.push((named.name, done));
        }
        Ok(all)
    });
    let all = all.await?;
    if place.json {
        let told: Vec<Value> = all.iter().map(|(name, done)| data(name, done)).collect();
        out::line(&serde_json::to_string_pretty(&told)?);
    } else {
        for (name, done) in &all {
            out::line(&text(name, done));
        }
    }
    Ok(Exit::worst(all.iter().map(|(_, done)| match done {
        Done::Copied(copied) if copied.unlike > 0 => Exit::Fails,
        Done::Checked(checked) if !checked.wrong.is_empty() => Exit::Fails,
        Done::Copied(_) | Done::Checked(_) => Exit::Holds,
        Done::Failed(_) => Exit::CannotTell,
    })))
}

async fn checked(house: &Installation, named: &Named<'_>) -> anyhow::Result<Checked> {
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let none = || Usage("no second place is configured: set trail.offsite".to_owned());
    let copy = offsite::place(house, &log)?.ok_or_else(none)?;
    let keys = Pen::known(&house.ring.keys)?.verifiers(&log)?;
    Ok(check(&copy, &keys, house.cx.clock.now(), LIMIT).await?)
}

fn text(name: &str, done: &Done) -> String {
    match done {
        Done::Copied(copied) => {
            let (entries, rows) =
                (out::count(copied.entries, "entry"), out::count(copied.rows, "row"));
            let erased = match copied.erased {
                0 => String::new(),
                erased => format!(", {} erased there", out::count(erased, "content")),
            };
            let unlike = match copied.unlike {
                0 => String::new(),
                unlike => format!(
                    "\n  {} not copied: gone, not what was sealed, or larger than can be copied. `amanah \
                     audit verify` names the first two",
                    out::count(unlike, "sealed row")
                ),
            };
            format!("{name}: {entries} in the copy, {rows} copied now{erased}{unlike}")
        }
        Done::Checked(checked) => {
            let rows = out::count(checked.rows, "row");
            let head =
                checked.head.as_ref().map_or_else(|| "no checkpoint".to_owned(), Signed::named);
            let mut lines = vec![format!("{name}: {rows} opened and right, under {head}")];
            let wrong = checked.wrong.iter().map(|(part, what)| format!("  {part}: {what}"));
            lines.extend(wrong);
            lines.join("\n")
        }
        Done::Failed(why) => format!("{name}: {why}"),
    }
}

fn data(name: &str, done: &Done) -> Value {
    match done {
        Done::Copied(copied) => json!({
            "database": name, "entries": copied.entries, "rows": copied.rows,
            "unlike": copied.unlike, "erased": copied.erased,
        }),
        Done::Checked(checked) => json!({
            "database": name, "holds": checked.wrong.is_empty(), "rows": checked.rows,
            "erased": checked.erased, "time": checked.head.as_ref().and_then(|head| head.head.time),
            "wrong": checked.wrong.iter()
                .map(|(part, what)| json!({"part": part, "what": what})).collect::<Vec<_>>(),
        }),
        Done::Failed(why) => json!({"database": name, "why": why}),
    }
}
