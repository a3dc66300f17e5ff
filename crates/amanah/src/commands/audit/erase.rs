//! `amanah audit erase`: contents of the trail go, because a person asked for it.
//!
//! It promises to change nothing without `--apply`, and then to say of each row whether its content is
//! gone, and what it did not reach.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::audit::Error;
use ::audit::erasing::{
    Asked, Choice, Chosen, ContentState, Selection, Standing, can_erase, choose_everywhere,
};
use ::audit::reading::Key;
use ::audit::seal::{Sealer, SealerSettings};
use ::audit::verify::Signed;
use anyhow::Context as _;
use kernel::shown;
use serde_json::{Value, json};
use store::{Db, Protected};

use crate::archived;
use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{self, Log, Pen};

/// How long it waits for rows that are not sealed yet.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What an erasure leaves in each row.
const STAYS: &str = "Actor, tenant, login, request, time, table and action of each row stay: its hash is over them. \
                     The key and what the row said before and after go.";
/// What it does not reach.
const BEYOND: &str = "It does not reach backups, archived write-ahead logs, former versions that a bucket keeps, \
                      exports, nor what somebody has read: these hold the contents until they are removed. \
                      The copy at the second place loses them when it is made the next time.";

pub(crate) async fn run(place: &Place, wanted: audit::Erase) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let known = house.known();
        let named = known.only(&house.ground, wanted.database.as_deref())?;
        let protected = &named.guarded()?.protected;
        let superuser = guard(protected, &named.name).await?;
        let reader = trail::reader(named.guarded()?);
        let selection = selection(&wanted);
        let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
        let beyond = archived::beyond(house, &log)?;
        let choice = choose_everywhere(reader, &selection, &beyond).await?;
        let Choice { rows: chosen, unread } = &choice;
        if chosen.is_empty() {
            let why = format!("the trail of {} has no such row whose content is there", named.name);
            if let Some((month, wrong)) = unread.first() {
                let months = out::count(unread.len() as u64, "month");
                anyhow::bail!(
                    "{why}; {months} in the archive could not be looked into. {month}: {wrong}"
                );
            }
            return Err(Usage(why).into());
        }
        let there = chosen.iter().any(|row| row.content == ContentState::There);
        let done = if wanted.apply && there {
            let begun = Begun { house, log: &log, superuser, reader };
            Some(begun.erase(&wanted, &selection.told(), chosen).await?)
        } else {
            None
        };
        tell(place, &named.name, &choice, done.as_ref());
        Ok(comes_to(&choice, done.as_ref()))
    })
    .await
}

/// The superuser who guards the trail.
async fn guard<'a>(protected: &'a Protected, name: &str) -> anyhow::Result<&'a Db> {
    let superuser = protected.superuser.as_ref().filter(|_| protected.reader.is_some());
    let superuser = superuser.with_context(|| {
        format!(
            "no superuser guards the trail of {name}, so nobody there is kept from erasing by hand; see \
             --superuser-url of `amanah protect`"
        )
    })?;
    if !can_erase(superuser).await? {
        anyhow::bail!(
            "the trail of {name} has an earlier form, in which nothing can be erased; run `amanah protect` \
             again with --apply"
        );
    }
    Ok(superuser)
}

fn selection(wanted: &audit::Erase) -> Selection {
    let audit::Erase { table, key, row, tenant, about, .. } = wanted;
    match (table, key, tenant, about) {
        (Some(table), Some(key), ..) => {
            let (schema, table) = audit::table(table);
            Selection::Record { schema, table: table.unwrap_or_default(), key: Key::of(key) }
        }
        (_, _, Some(tenant), _) => Selection::Tenant(tenant.clone()),
        (.., Some(value)) => Selection::About(value.clone()),
        _ => Selection::Rows(row.clone()),
    }
}

/// A request that is being carried out.
struct Begun<'a> {
    house: &'a Installation,
    log: &'a Log,
    superuser: &'a Db,
    reader: &'a Db,
}

/// What became of it.
struct Done {
    request: i64,
    standing: Standing,
}

impl Begun<'_> {
    async fn erase(
        &self,
        wanted: &audit::Erase,
        chosen_by: &str,
        chosen: &[Chosen],
    ) -> anyhow::Result<Done> {
        let erasing = self.house.erasing();
        let pen = Arc::new(Pen::ready(&self.house.ring.keys).await?);
        let keys = pen.verifiers(self.log)?;
        let size = match self.log.shelf.checkpoint().await? {
            Some(stored) => Signed::open(&stored.note, &keys)?.head.size,
            None => 0,
        };
        let asked =
            Asked { log: (&self.log.origin, size), by: &wanted.by, why: &wanted.reason, chosen_by };
        let request = erasing.ask(self.superuser, &asked, chosen).await?;
        let begun = Instant::now();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            if erasing.standing(request).await?.waiting > 0 {
                self.enter(&pen, request).await?;
            }
            crate::erasing::take(self.house, self.superuser, self.log).await?;
            let standing = erasing.standing(request).await?;
            if standing.finished || begun.elapsed() > PATIENCE {
                return Ok(Done { request, standing });
            }
        }
    }

    /// Seals and enters what is to be erased, unless a running `amanah up` does.
    async fn enter(&self, pen: &Arc<Pen>, request: i64) -> anyhow::Result<()> {
        let erasing = self.house.erasing();
        let entered = async {
            let mut sealer = Sealer::open(SealerSettings {
                db: self.reader.clone(),
                shelf: Arc::clone(&self.log.shelf),
                signatory: Arc::<Pen>::clone(pen),
                origin: self.log.origin.clone(),
                clock: Arc::clone(&self.house.cx.clock),
            })
            .await?;
            loop {
                let round;
                (sealer, round) = sealer.round().await?;
                let entered;
                (sealer, entered) = erasing.enter(sealer).await?;
                if !round.more && (entered == 0 || erasing.standing(request).await?.waiting == 0) {
                    return Ok(());
                }
            }
        };
        match entered.await {
            // It is done there, within a second or so.
            Err(Error::Held { .. } | Error::Overtaken { .. }) => Ok(()),
            done => Ok(done?),
        }
    }
}

/// How many rows of one kind there are.
fn with(chosen: &[Chosen], content: ContentState) -> usize {
    chosen.iter().filter(|row| row.content == content).count()
}

fn comes_to(Choice { rows: chosen, unread }: &Choice, done: Option<&Done>) -> Exit {
    match done {
        Some(done) if !done.standing.finished => Exit::CannotTell,
        _ if !unread.is_empty() => Exit::CannotTell,
        Some(done) if !done.standing.refused.is_empty() => Exit::Fails,
        _ if with(chosen, ContentState::First) > 0 => Exit::Fails,
        _ => Exit::Holds,
    }
}

fn tell(place: &Place, name: &str, choice: &Choice, done: Option<&Done>) {
    if place.json {
        out::line(&format!("{:#}", data(name, choice, done)));
        return;
    }
    let Choice { rows: chosen, unread } = choice;
    out::line(&text(name, chosen, done));
    for (month, why) in unread {
        out::line(&format!("{month} could not be looked into: {why}"));
    }
    if done.is_none() && with(chosen, ContentState::There) > 0 {
        out::aside("Nothing was erased. To erase it, add --apply; it cannot be undone.");
    }
}

fn text(name: &str, chosen: &[Chosen], done: Option<&Done>) -> String {
    let there = with(chosen, ContentState::There);
    let mut lines = vec![match done {
        None => format!("{name}: {} would be erased", out::count(there, "content")),
        Some(Done { request, standing: Standing { rows, taken, .. } }) => {
            let of = if rows == taken { String::new() } else { format!("{taken} of ") };
            format!(
                "{name}: {of}{} erased, request {request}",
                out::count(rows.unsigned_abs(), "content")
            )
        }
    }];
    let archived = chosen.iter().filter(|row| row.archived).count();
    if archived > 0 {
        lines.push(format!("  {} of them in the archive alone", out::count(archived, "row")));
    }
    let mut tables: BTreeMap<String, Vec<&Chosen>> = BTreeMap::new();
    for row in chosen.iter().filter(|row| row.content == ContentState::There) {
        tables.entry(format!("{}.{}", row.schema, row.table)).or_default().push(row);
    }
    for (table, rows) in &tables {
        let (first, last) =
            (rows.iter().map(|row| row.at).min(), rows.iter().map(|row| row.at).max());
        if let (Some(first), Some(last)) = (first, last) {
            let rows = rows.len();
            lines.push(format!("  {rows:>6} of {}, from {first:.0} to {last:.0}", shown(table)));
        }
    }
    if let Some(Done { standing, .. }) = done {
        let refused = standing.refused.iter();
        lines.extend(refused.map(|(id, why)| format!("  row {id} was not erased: {why}")));
        if standing.waiting > 0 {
            lines.push(format!(
                "  {} not sealed yet, and nothing goes before the log says so: a running `amanah up` \
                 finishes it",
                out::count(standing.waiting.unsigned_abs(), "row")
            ));
        } else if !standing.finished {
            lines.push("  The rest is on its way: a running `amanah up` finishes it".to_owned());
        }
    }
    let mut besides = |content, what: &str| {
        let rows = with(chosen, content);
        if rows > 0 {
            lines.push(format!("  {} {what}", out::count(rows, "row")));
        }
    };
    besides(ContentState::Erased, "erased before");
    besides(ContentState::Empty, "without a content");
    besides(
        ContentState::First,
        "of the first form, whose hash is over the content itself: they cannot be erased",
    );
    lines.extend([STAYS.to_owned(), BEYOND.to_owned()]);
    lines.join("\n")
}

fn data(name: &str, Choice { rows: chosen, unread }: &Choice, done: Option<&Done>) -> Value {
    let refused = |id: i64| {
        done.and_then(|done| done.standing.refused.iter().find(|(one, _)| *one == id))
            .map(|(_, why)| why)
    };
    let rows = chosen.iter().map(|row| {
        let content = match row.content {
            ContentState::There => "there",
            ContentState::Erased => "erased before",
            ContentState::First => "first form",
            ContentState::Empty => "empty",
        };
        json!({
            "row": row.id, "time": row.at, "schema": row.schema, "table": row.table,
            "action": row.action, "content": content, "archived": row.archived,
            "refused": refused(row.id),
        })
    });
    let standing = done.map(|Done { request, standing }| {
        json!({
            "request": request, "rows": standing.rows, "waiting": standing.waiting,
            "erased": standing.taken, "finished": standing.finished,
        })
    });
    json!({
        "database": name, "applied": done.is_some(), "request": standing,
        "rows": rows.collect::<Vec<_>>(), "stays": STAYS, "not_reached": BEYOND,
        "months_not_looked_into":
            unread.iter().map(|(month, why)| json!({"month": month, "why": why})).collect::<Vec<_>>(),
    })
}
