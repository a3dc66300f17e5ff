//! `amanah audit log`: rows of a trail, and a row about that they were read.

use ::audit::TrailRow;
use ::audit::reading::{Filter, Key, Reading, row_json};
use kernel::shown;

use super::desk::{Desk, Reader};
use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

pub(crate) async fn run(place: &Place, wanted: audit::Log) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| print(place, house, &wanted).await).await
}

async fn print(place: &Place, house: &Installation, wanted: &audit::Log) -> anyhow::Result<Exit> {
    let known = house.known();
    let named = known.only(&house.ground, wanted.asked.database.as_deref())?;
    let desk = Desk::of(house, &named, &wanted.asked, Reader::of(place)).await?;
    let (asked, beyond) = (filter(wanted)?, &desk.beyond);
    let mut reading = Reading::open(&desk.login, asked, &desk.purpose, beyond).await?;
    let mut rows = 0_u64;
    while let Some(row) = reading.next().await? {
        rows += 1;
        let row = desk.shown.row(row);
        let text = if place.json { row_json(&row) } else { format!("{}\n", line(&row)) };
        // Nobody reads any more: what was read is recorded.
        if !out::piece(&text) {
            return Ok(Exit::Holds);
        }
    }
    if !place.json {
        let more = if wanted.all || rows < u64::from(wanted.limit) {
            String::new()
        } else {
            "; there may be older ones: --limit or --all".to_owned()
        };
        out::aside(&format!(
            "{}{more}. The trail says that they were read",
            out::count(rows, "row")
        ));
    }
    Ok(Exit::Holds)
}

fn filter(wanted: &audit::Log) -> anyhow::Result<Filter> {
    let (schema, table) = match &wanted.table {
        Some(name) => audit::table(name),
        None => (None, None),
    };
    if wanted.key.is_some() && table.is_none() {
        return Err(Usage("a --key is of a record in a --table".to_owned()).into());
    }
    Ok(Filter {
        from: wanted.from,
        to: wanted.to,
        actor: wanted.actor.clone(),
        tenant: wanted.tenant.clone(),
        login: wanted.login.clone(),
        schema,
        table,
        key: wanted.key.as_deref().map(Key::of),
        action: wanted.action.as_ref().map(|action| action.to_uppercase()),
        request: wanted.request.clone(),
        first: None,
        last: None,
        limit: (!wanted.all).then_some(wanted.limit),
        reveal: wanted.asked.reveal,
    })
}

/// A row for people: when, what, of what, by whom.
pub(super) fn line(row: &TrailRow) -> String {
    let table = match (row.table_schema.as_str(), row.table_name.as_str()) {
        ("", _) => String::new(),
        (schema, "") => schema.to_owned(),
        (schema, table) => format!("{schema}.{table}"),
    };
    let told = match row.action.as_str() {
        "DDL" | "READ" => row.new_data.as_deref().unwrap_or_default(),
        _ => row.row_key.as_deref().unwrap_or_default(),
    };
    let erased = if row.is_erased() { "its content was erased" } else { "" };
    let actor = row.actor_id.as_deref().unwrap_or("nobody bound");
    let tenant =
        row.tenant_id.as_deref().map(|tenant| format!(" for {tenant}")).unwrap_or_default();
    shown(&format!(
        "{:>8}  {:.3}  {:<8}  {table} {told}{erased}  by {actor}{tenant}, login {}",
        row.id, row.event_timestamp, row.action, row.db_user
    ))
}
