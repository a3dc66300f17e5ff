//! `amanah audit history`: one record through time, or as it was at a moment.

use ::audit::reading::{Filter, History, Key, Moment, Reading, row_json};
use ::audit::{Shown, TrailRow};
use serde_json::json;

use super::desk::{Desk, Reader};
use super::log::line;
use crate::cli::{Place, audit};
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;

pub(crate) async fn run(place: &Place, wanted: audit::History) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| print(place, house, &wanted).await).await
}

async fn print(
    place: &Place,
    house: &Installation,
    wanted: &audit::History,
) -> anyhow::Result<Exit> {
    let known = house.known();
    let named = known.only(&house.ground, wanted.asked.database.as_deref())?;
    let desk = Desk::of(house, &named, &wanted.asked, Reader::of(place)).await?;
    let (schema, table) = audit::table(&wanted.table);
    let reveal = desk.reveal;
    let about = Filter { schema, table, reveal, ..Filter::default() };
    let key = Key::of(&wanted.key);
    let mut both = Both::open(&desk, &about, &key).await?;
    let Some(at) = wanted.at else { return versions(place, both).await };
    let mut history = History::new(key, at);
    while let Some(row) = both.next().await? {
        history.take(&row);
    }
    let moment = history.end();
    out::line(&if place.json { data(&moment).to_string() } else { text(&moment) });
    Ok(match moment {
        Moment::Was { .. } | Moment::Absent { .. } => Exit::Holds,
        Moment::NotKnown { .. } | Moment::Nothing => Exit::CannotTell,
    })
}

/// Each version, oldest first.
async fn versions(place: &Place, mut both: Both<'_>) -> anyhow::Result<Exit> {
    let mut any = false;
    while let Some(row) = both.next().await? {
        any |= row.action != "TRUNCATE";
        let text = if place.json { row_json(&row) } else { format!("{}\n", version(&row)) };
        if !out::piece(&text) {
            return Ok(Exit::Holds);
        }
    }
    if !any {
        out::aside("the trail has no row about this record");
        return Ok(Exit::CannotTell);
    }
    Ok(Exit::Holds)
}

fn version(row: &TrailRow) -> String {
    let part = |word: &str, document: &Option<String>| {
        let document = document.as_deref().map(kernel::shown);
        document.map(|text| format!("\n          {word} {text}")).unwrap_or_default()
    };
    format!("{}{}{}", line(row), part("was", &row.old_data), part("is ", &row.new_data))
}

fn text(moment: &Moment) -> String {
    match moment {
        Moment::Was { record, row, since } => {
            format!("{record}\n  since {since:.0}, row {row} of the trail")
        }
        Moment::Absent { by: Some(by), row, at } => {
            format!("It was not there: {by} on {at:.0}, row {row} of the trail")
        }
        Moment::Absent { by: None, row, at } => {
            format!("It was not there yet: it begins on {at:.0}, row {row} of the trail")
        }
        Moment::NotKnown { before, then } => {
            let then = then.as_ref().map(|record| format!("\n  just before it was {record}"));
            let then = then.unwrap_or_default();
            format!(
                "Not known before {before:.0}, when the trail's first row about it was written{then}"
            )
        }
        Moment::Nothing => "Not known: the trail has no row about this record".to_owned(),
    }
}

fn data(moment: &Moment) -> serde_json::Value {
    match moment {
        Moment::Was { record, row, since } => {
            json!({"known": true, "there": true, "record": record, "row": row, "since": since})
        }
        Moment::Absent { by, row, at } => {
            json!({"known": true, "there": false, "by": by, "row": row, "at": at})
        }
        Moment::NotKnown { before, then } => {
            json!({"known": false, "before": before, "record_then": then})
        }
        Moment::Nothing => json!({"known": false}),
    }
}

/// The rows about a record, and those about its table's being emptied, in the order of the trail.
struct Both<'a> {
    record: Reading<'a>,
    emptied: Reading<'a>,
    ahead: (Option<TrailRow>, Option<TrailRow>),
    shown: &'a Shown,
}

impl<'a> Both<'a> {
    async fn open(desk: &'a Desk, about: &Filter, key: &Key) -> anyhow::Result<Self> {
        let (login, purpose, beyond) = (&desk.login, &desk.purpose, &desk.beyond);
        let record = Filter { key: Some(key.clone()), ..about.clone() };
        let emptied = Filter { action: Some("TRUNCATE".to_owned()), ..about.clone() };
        let mut record = Reading::open(login, record, purpose, beyond).await?;
        let mut emptied = Reading::open(login, emptied, purpose, beyond).await?;
        let ahead = (record.next().await?, emptied.next().await?);
        Ok(Self { record, emptied, ahead, shown: &desk.shown })
    }

    async fn next(&mut self) -> anyhow::Result<Option<TrailRow>> {
        let place = |row: &TrailRow| (row.xid, row.id);
        let (record, emptied) = (self.ahead.0.as_ref(), self.ahead.1.as_ref());
        let first = match (record.map(place), emptied.map(place)) {
            (Some(record), Some(emptied)) => record <= emptied,
            (record, _) => record.is_some(),
        };
        let next = if first {
            std::mem::replace(&mut self.ahead.0, self.record.next().await?)
        } else {
            std::mem::replace(&mut self.ahead.1, self.emptied.next().await?)
        };
        Ok(next.map(|row| self.shown.row(row)))
    }
}
