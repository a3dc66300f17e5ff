//! `amanah cell`: the PostgreSQL servers that hold tenants.

mod lost;

use serde_json::{Value, json};
use store::{DatabaseUrl, ident};
use tenancy::{Added, Answer, CellCard, Reach};

use crate::cli::Place;
use crate::cli::cell::Cell;
use crate::commands::certificate;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

pub(crate) async fn run(place: &Place, cell: Cell) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| act(place, installation, cell).await).await
}

async fn act(place: &Place, installation: &Installation, cell: Cell) -> anyhow::Result<Exit> {
    let fleet = &installation.fleet;
    let mut exit = Exit::Holds;
    let (words, data) = match cell {
        Cell::Add { name, url, superuser_url, capacity } => {
            let parse = |url: &str| DatabaseUrl::parse(url).map_err(|e| Usage(e.to_string()));
            let superuser = superuser_url.as_deref().map(parse).transpose()?;
            added(&fleet.add_cell(&name, &parse(&url)?, superuser.as_ref(), capacity).await?)
        }
        Cell::List => {
            let cells = fleet.cells().await?;
            if cells.iter().any(|(_, reach)| reach.is_err()) {
                exit = Exit::CannotTell;
            }
            let lines: Vec<String> = cells.iter().map(|(card, reach)| line(card, reach)).collect();
            (lines.join("\n"), cells.iter().map(|(card, reach)| shown(card, reach)).collect())
        }
        Cell::Set { name, capacity, .. } => changed(&fleet.bound_cell(&name, capacity).await?),
        Cell::Drain { name, undo } => changed(&fleet.drain_cell(&name, !undo).await?),
        Cell::Remove { name, lost: None } => {
            fleet.remove_cell(&name).await?;
            (format!("{name} is removed"), json!({"cell": name, "removed": true}))
        }
        Cell::Remove { name, lost: Some(again) } if again.is_empty() => {
            exit = Exit::Usage;
            lost::previewed(&fleet.look_at_lost_cell(&name).await?)
        }
        Cell::Remove { name, lost: Some(again) } => {
            if again != name {
                let why = format!("the names differ: {name} and {again}. Nothing was changed");
                return Err(Usage(why).into());
            }
            lost::removed(&fleet.remove_lost_cell(&name, &certificate::operator()?).await?)
        }
        Cell::Losses => lost::known(&fleet.losses().await?),
    };
    if place.json {
        out::line(&serde_json::to_string_pretty(&data)?);
    } else {
        out::line(&words);
    }
    Ok(exit)
}

fn added(added: &Added) -> (String, Value) {
    let mut lines = vec![changed(&added.cell).0];
    for database in &added.open_databases {
        lines.push(format!(
            "its database {database} lets in everybody who may log in, tenants too; close it, \
             there: REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
            ident(database)
        ));
    }
    (lines.join("\n"), json!({"cell": added.cell, "open_databases": added.open_databases}))
}

fn changed(card: &CellCard) -> (String, Value) {
    let words = format!("{} is {}, with {}", card.name, card.state.as_str(), room(card));
    (words, json!({"cell": card}))
}

fn room(card: &CellCard) -> String {
    match card.capacity {
        Some(capacity) => format!("{} of {}", card.tenants, out::count(capacity, "tenant")),
        None => format!("{}, without a bound", out::count(card.tenants, "tenant")),
    }
}

fn line(card: &CellCard, reach: &Answer<Reach>) -> String {
    let answers = match reach {
        Ok(Reach { version, latency }) => {
            format!("PostgreSQL {version}, answers in {:.1} ms", latency.as_secs_f64() * 1000.0)
        }
        Err(why) => format!("UNREACHABLE: {why}"),
    };
    format!("  {:<12}  {:<9}  {:<30}  {answers}", card.name, card.state.as_str(), room(card))
}

fn shown(card: &CellCard, reach: &Answer<Reach>) -> Value {
    let (version, latency, why) = match reach {
        Ok(Reach { version, latency }) => {
            (Some(version.to_string()), Some(latency.as_secs_f64() * 1000.0), None)
        }
        Err(why) => (None, None, Some(why)),
    };
    json!({
        "cell": card.name,
        "state": card.state,
        "tenants": card.tenants,
        "capacity": card.capacity,
        "free": card.free(),
        "added_at": card.added_at,
        "reachable": reach.is_ok(),
        "version": version,
        "latency_ms": latency,
        "unreachable": why,
    })
}
