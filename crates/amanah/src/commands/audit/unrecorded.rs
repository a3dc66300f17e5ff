//! `amanah audit unrecorded` and `explain`: what PostgreSQL's write-ahead log and the trail do not agree
//! about.

use anyhow::Context as _;
use audit::wal::{Look, Open, Standing};
use kernel::shown;
use serde_json::json;
use tenancy::Guarded;

use crate::cli::Place;
use crate::cli::audit::{Explain, Unrecorded};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// What was seen in one database: how it stands, or why that cannot be told.
type Seen = Result<Standing, String>;

/// Reads the logs to their end and lists what is open. What is found in one database is told whatever
/// became of the others.
pub(crate) async fn run(place: &Place, wanted: Unrecorded) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| {
        let known = installation.known();
        let mut all = Vec::new();
        for named in known.named(&installation.ground, wanted.database.as_deref())? {
            let seen = match named.opened {
                Ok(guarded) => match look(installation, guarded).await {
                    Ok(seen) => seen,
                    Err(error) => Err(out::words(&error)),
                },
                Err(why) => Err(why.to_owned()),
            };
            all.push((named.name, seen));
        }
        tell(place, &all);
        Ok(comes_to(&all))
    })
    .await
}

fn comes_to(all: &[(String, Seen)]) -> Exit {
    Exit::worst(all.iter().map(|(_, seen)| match seen {
        Ok(standing) if standing.count == 0 => Exit::Holds,
        Ok(_) => Exit::Fails,
        Err(_) => Exit::CannotTell,
    }))
}

/// How one database stands, or why that cannot be told.
async fn look(installation: &Installation, guarded: &Guarded) -> anyhow::Result<Seen> {
    let Some(superuser) = &guarded.protected.superuser else {
        return Ok(Err("it takes a superuser to read the write-ahead log".to_owned()));
    };
    let comparison = installation.comparison();
    Ok(match comparison.read(superuser).await? {
        Look::Impossible(why) => Err(why),
        Look::More => Err("there is more of the log: run it again".to_owned()),
        Look::Paused => Err("amanah protect works on it: run it again".to_owned()),
        Look::Done { held, .. } => {
            if let Some(held) = held {
                out::aside(&held.to_string());
            }
            Ok(comparison.standing(superuser).await?.context("the log was not read")?)
        }
    })
}

fn tell(place: &Place, all: &[(String, Seen)]) {
    if place.json {
        let data = all.iter().map(|(name, seen)| match seen {
            Ok(Standing { open, count, maintained, maintained_at, .. }) => json!({
                "database": name, "holds": *count == 0, "count": count, "differences": open,
                "maintained": maintained, "maintained_at": maintained_at,
            }),
            Err(why) => json!({"database": name, "why": why}),
        });
        out::line(&format!("{:#}", json!(data.collect::<Vec<_>>())));
        return;
    }
    for (name, seen) in all {
        match seen {
            Ok(standing) => out::line(&text(name, standing)),
            Err(why) => out::aside(&format!("{name}: not compared: {why}")),
        }
    }
}

fn text(name: &str, standing: &Standing) -> String {
    let mut lines = Vec::new();
    if standing.count == 0 {
        lines.push(format!("{name}: every write has its record, and every record its write."));
    } else {
        lines.push(format!("{name}: {}", out::count(standing.count, "difference")));
    }
    for open in &standing.open {
        let Open { id, kind, schema, table, seen_at, .. } = open;
        let of =
            if table.is_empty() { String::new() } else { shown(&format!("{schema}.{table}: ")) };
        lines.push(format!("{id:>6}  {seen_at:.0}  {kind:<13}  {of}{open}"));
    }
    if standing.more() > 0 {
        lines.push(format!("  and {} more, which are older", standing.more()));
    }
    if let Some(at) = standing.maintained_at {
        lines.push(format!(
            "  not compared {} while amanah protect worked, last at {at:.0}",
            out::count(standing.maintained, "time")
        ));
    }
    lines.join("\n")
}

/// Notes what a difference was.
pub(crate) async fn explain(place: &Place, wanted: Explain) -> anyhow::Result<Exit> {
    let Explain { number, by, why } = &wanted;
    Installation::with(place, async |installation| {
        if !installation.comparison().explain(*number, by, why).await? {
            return Err(Usage(format!("there is no difference {number} that is still open")).into());
        }
        if place.json {
            out::line(&format!("{:#}", json!({"difference": number, "by": by, "why": why})));
        } else {
            out::line(&format!(
                "Difference {number} is explained; the claim looks at it no longer."
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

#[cfg(test)]
mod tests {
    use audit::wal::{Kind, Open, Standing};
    use jiff::Timestamp;

    use super::{comes_to, text};
    use crate::exit::Exit;

    fn standing(open: &[Kind], count: u64) -> Standing {
        let open = open.iter().zip(1..).map(|(kind, id)| Open {
            id,
            kind: *kind,
            xid: if *kind == Kind::Gap { 0 } else { 7 },
            schema: "public".to_owned(),
            table: if *kind == Kind::Gap { String::new() } else { "sale".to_owned() },
            action: if *kind == Kind::Gap { "from 0/1 to 0/2" } else { "UPDATE" }.to_owned(),
            changes: 2,
            records: 0,
            lsn: "0/1".to_owned(),
            seen_at: Timestamp::UNIX_EPOCH,
        });
        Standing {
            since: Timestamp::UNIX_EPOCH,
            looked_at: Timestamp::UNIX_EPOCH,
            transactions: 1,
            changes: 1,
            count,
            open: open.collect(),
            maintained: 2,
            maintained_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_difference_is_not_hidden_by_a_database_that_is_lost() {
        let name = |seen| ("shop".to_owned(), seen);
        let (well, ill) = (|| Ok(standing(&[], 0)), || Ok(standing(&[Kind::Gap], 1)));
        let lost = || Err("it is gone".to_owned());
        assert_eq!(comes_to(&[name(well()), name(lost())]), Exit::CannotTell);
        assert_eq!(comes_to(&[name(ill()), name(lost())]), Exit::Fails);
        assert_eq!(comes_to(&[name(lost()), name(ill())]), Exit::Fails);
        assert_eq!(comes_to(&[name(well())]), Exit::Holds);
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let text = text("shop", &standing(&Kind::ALL, 108));
        assert!(text.starts_with("shop: 108 differences\n     1  "), "{text}");
        assert!(
            text.contains("unrecorded     public.sale: UPDATE of 2 rows in transaction 7"),
            "{text}"
        );
        assert!(text.contains("gap            the log was not read from 0/1 to 0/2"), "{text}");
        let more = 108 - Kind::ALL.len();
        let more = format!("\n  and {more} more, which are older\n  not compared 2 times ");
        assert!(text.contains(&more), "{text}");
    }
}
