//! `amanah audit archive`: months of trails whose time in the database is over, shown or archived.

use ::audit::archive::{Gone, Plan};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::audit::Archive;
use crate::config::shown;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::known::Named;
use crate::{archived, out};

/// What came of one database.
struct Done {
    plan: Plan,
    gone: Vec<Gone>,
    /// Why it was ended, if it was.
    why: Option<String>,
}

pub(crate) async fn run(place: &Place, wanted: Archive) -> anyhow::Result<Exit> {
    let all = Installation::with(place, async |house| {
        let known = house.known();
        let mut all = Vec::new();
        for named in known.named(&house.ground, wanted.database.as_deref())? {
            let done = match of(house, &named, wanted.apply).await {
                Err(error) if error.is::<Usage>() => return Err(error),
                done => done.map_err(|error| out::words(&error)),
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
            out::line(&text(name, done, wanted.apply));
        }
    }
    Ok(Exit::worst(all.iter().map(|(_, done)| match done {
        Ok(Done { why: None, .. }) => Exit::Holds,
        Ok(_) | Err(_) => Exit::CannotTell,
    })))
}

async fn of(house: &Installation, named: &Named<'_>, apply: bool) -> anyhow::Result<Done> {
    let plan = archived::due(house, named).await?;
    let (mut gone, mut why) = (Vec::new(), None);
    if apply {
        match archived::keep(house, named, &plan, &mut |one| gone.push(one.clone())).await {
            Err(error) if error.is::<Usage>() => return Err(error),
            done => why = done.err().map(|error| out::words(&error)),
        }
    }
    Ok(Done { plan, gone, why })
}

fn text(name: &str, done: &Result<Done, String>, apply: bool) -> String {
    let Done { plan, gone, why } = match done {
        Ok(done) => done,
        Err(why) => return format!("{name}: {why}"),
    };
    let mut lines = vec![match plan.stays {
        Some(months) => format!(
            "{name}: each month stays in the database for {months} months after its end; {} due",
            out::count(plan.due.len() as u64, "month")
        ),
        None => format!("{name}: nobody has said how long months stay; `amanah protect` does"),
    }];
    for due in &plan.due {
        let left = gone.iter().any(|one| one.month == due.month);
        let what = match (left, apply) {
            (true, _) => "archived, read back, and removed from the database",
            (false, true) => "still in the database",
            (false, false) => "would be archived, read back, and removed from the database",
        };
        let (rows, bytes) = (out::count(due.rows, "row"), shown(due.bytes));
        lines.push(format!("  {}: {rows}, {bytes}: {what}", due.month));
    }
    lines.extend(why.iter().map(|why| format!("  {why}")));
    if !apply && !plan.due.is_empty() {
        lines.push("  Nothing was changed. `amanah audit archive --apply` does it".to_owned());
    }
    lines.join("\n")
}

fn data(name: &str, done: &Result<Done, String>) -> Value {
    match done {
        Ok(Done { plan, gone, why }) => json!({
            "database": name,
            "stays_months": plan.stays,
            "due": plan.due.iter().map(|due| json!({
                "month": due.month.to_string(), "rows": due.rows, "bytes": due.bytes,
            })).collect::<Vec<_>>(),
            "archived": gone.iter().map(|one| json!({
                "month": one.month.to_string(), "rows": one.rows,
            })).collect::<Vec<_>>(),
            "why": why,
        }),
        Err(why) => json!({"database": name, "why": why}),
    }
}
