//! `amanah audit review`: the report of a month of a trail, and the signature of whoever has read it.
//!
//! It promises to sign nothing but the report that was shown last: it is made again, and where a letter of
//! it is another one, it is shown anew and not signed.

use std::io::Write as _;
use std::path::Path;

use ::audit::review::{
    CLAIM, Month, Review, Sources, attestation, day, digest, due, signature, subject,
};
use anyhow::{Context as _, anyhow};
use claims::Evidence;
use kernel::{Attestations as _, hex};
use serde_json::{Value, json};

use super::desk::{Desk, Reader};
use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::{Log, looked_after};
use crate::{out, reviews};

/// The claims whose proofs a review tells of: those about trails.
const ABOUT_TRAILS: [&str; 9] = [
    "access.production-audited",
    "audit.append-only",
    "audit.context",
    "audit.hash",
    "audit.offsite",
    "audit.reads",
    "audit.retention",
    "audit.tamper-evident",
    "audit.triggers",
];

/// A report, and what became of it.
struct Done {
    review: Review,
    text: String,
    /// The number of the attestation, and the file.
    signed: Option<(i64, String)>,
    /// Why it was not signed, though it was to be.
    refused: Option<String>,
    /// Who has signed this month before, and when.
    before: Option<String>,
}

pub(crate) async fn run(place: &Place, wanted: audit::Review) -> anyhow::Result<Exit> {
    let all = Installation::with(place, async |house| {
        let _turn = house.data.turn().await?;
        let (known, now) = (house.known(), house.cx.clock.now());
        let month = wanted.month.unwrap_or_else(|| Month::of(now).earlier(1));
        if wanted.sign && month.ends() > now {
            let why =
                format!("{month} has not ended: it can be signed from {:.0} on", month.ends());
            return Err(Usage(why).into());
        }
        if month.begins() > now {
            return Err(Usage(format!("{month} has not begun")).into());
        }
        let named = known.named(&house.ground, wanted.database.as_deref())?;
        if wanted.output.is_some() && named.len() > 1 {
            return Err(Usage("say with --database which goes to --output".to_owned()).into());
        }
        let mut all = Vec::new();
        for one in named {
            let done = look(house, &one, month, &wanted).await;
            all.push((one.name, done));
        }
        anyhow::Ok(all)
    });
    let all = all.await?;
    tell(place, &all, wanted.output.as_deref())?;
    Ok(Exit::worst(all.iter().map(|(_, done)| match done {
        Ok(done) if done.refused.is_some() => Exit::Fails,
        Ok(_) => Exit::Holds,
        Err(error) => Exit::of_error(error),
    })))
}

/// Makes the report of one trail, and signs it where that is wanted.
async fn look(
    house: &Installation,
    named: &Named<'_>,
    month: Month,
    wanted: &audit::Review,
) -> anyhow::Result<Done> {
    let review = make(house, named, month, &wanted.by).await?;
    let text = review.text();
    let reports = reviews::reports(&house.data, &named.name);
    let about = reviews::ledger(house)?.about(CLAIM).await.map_err(|why| anyhow!(why))?;
    let last = signature(&about, &named.name, month);
    let before = last.map(|one| format!("{} on {:.0}", one.by, one.at));
    let mut done = Done { review, text, signed: None, refused: None, before };
    let shown = reports.shown(month).map_err(|why| anyhow!(why))?;
    if !wanted.sign || shown.as_deref() != Some(&done.text) {
        if done.review.ended {
            reports.show(month, &done.text).map_err(|why| anyhow!(why))?;
        }
        done.refused = wanted.sign.then(|| match shown {
            None => "this report was not shown before, so nobody can have read it".to_owned(),
            Some(_) => {
                "something about the month is another than when the report was shown".to_owned()
            }
        });
        return Ok(done);
    }
    let sha256 = digest(&done.text);
    if last.is_some_and(|one| one.by == wanted.by && one.digest == sha256) {
        return Err(Usage(format!("{} has signed this report", wanted.by)).into());
    }
    // The report first: a signature without one would be a finding.
    let name = reports.keep(month, &done.text).map_err(|why| anyhow!(why))?;
    let document = reviews::document(&named.name, &name);
    let words = (wanted.by.as_str(), wanted.finding.as_deref());
    let now = house.cx.clock.now();
    let one = attestation((&named.name, month), sha256, document.clone(), words, now);
    let signing = reviews::signing(house).await?;
    let id = signing.attest(&one).await.map_err(|why| anyhow!(why));
    let id = id.with_context(|| format!("{} was not signed", subject(&named.name, month)))?;
    done.signed = Some((id, document));
    Ok(done)
}

async fn make(
    house: &Installation,
    named: &Named<'_>,
    month: Month,
    by: &str,
) -> anyhow::Result<Review> {
    let asked = audit::Asked {
        database: None,
        by: by.to_owned(),
        purpose: format!("monthly review of {month}"),
        reveal: false,
    };
    let desk = Desk::of(house, named, &asked, Reader::Program).await?;
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let sealed = looked_after(house, &log)?;
    let (from, to) = (month.begins(), month.ends());
    let differences = match &named.guarded()?.protected.superuser {
        Some(superuser) => {
            let found = house.comparison().during(superuser, from, to).await?;
            found.ok_or_else(|| "it was never compared with the write-ahead log".to_owned())
        }
        None => Err("it takes a superuser to read the write-ahead log".to_owned()),
    };
    let evidence = Evidence::new(house.ground.engine.clone());
    let sources = Sources {
        database: &named.name,
        hours: &house.config.trail.review.hours,
        log: Ok((&sealed, &log.origin)),
        beyond: &desk.beyond,
        differences,
        proofs: evidence.lookback(&ABOUT_TRAILS, from, to).await?,
    };
    let now = house.cx.clock.now();
    Ok(Review::make(&desk.login, month, sources, &desk.purpose, now).await?)
}

fn tell(
    place: &Place,
    all: &[(String, anyhow::Result<Done>)],
    output: Option<&Path>,
) -> anyhow::Result<()> {
    if place.json {
        let told: Vec<Value> = all.iter().map(|(name, done)| data(name, done)).collect();
        let text = format!("{:#}\n", json!(told));
        return put(output, &text);
    }
    for (name, done) in all {
        match done {
            // Who signs has read it.
            Ok(done) if done.signed.is_none() => {
                put(output, &done.text)?;
                out::aside(&beside(name, done));
            }
            Ok(done) => out::line(&beside(name, done)),
            Err(error) => out::aside(&format!("{name}: {}", out::words(error))),
        }
    }
    Ok(())
}

/// What is said beside a report.
fn beside(name: &str, done: &Done) -> String {
    let month = &done.review.month;
    if let Some((id, document)) = &done.signed {
        return format!("{name}: {month} is signed, by attestation {id} over {document}");
    }
    let refused = match &done.refused {
        Some(why) => {
            format!("{name}: {month} was not signed: {why}. Read it now, and sign again\n")
        }
        None => String::new(),
    };
    let before = match &done.before {
        Some(before) => format!("{name}: {month} was signed by {before}. "),
        None => String::new(),
    };
    let sha256 = hex(&digest(&done.text));
    let next = if done.review.ended {
        let until = done.review.month.parse().map(|month: Month| day(due(month, 1)));
        let until = until.map_or_else(|_| String::new(), |until| format!(", until {until}"));
        format!("Who has read it signs with --sign{until}")
    } else {
        "It can be signed once the month has ended".to_owned()
    };
    format!("{refused}{before}{next}. SHA-256 {sha256}")
}

fn data(name: &str, done: &anyhow::Result<Done>) -> Value {
    match done {
        Ok(done) => json!({
            "database": name,
            "month": done.review.month,
            "sha256": hex(&digest(&done.text)),
            "signed": done.signed.as_ref().map(|(id, document)| json!({"attestation": id, "document": document})),
            "refused": done.refused,
            "signed_before": done.before,
            "review": done.review,
        }),
        Err(error) => json!({"database": name, "why": out::words(error)}),
    }
}

/// To a file that is not there yet, or to whoever reads.
fn put(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(path) = output else {
        out::piece(text);
        return Ok(());
    };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = opened.map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
