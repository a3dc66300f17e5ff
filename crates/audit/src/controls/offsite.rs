//! `audit.offsite`: a copy of each trail lies at a second place, opens, and is what was sealed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng, Value};

use super::trial::Trial;
use super::{Bitten, Ledger, Place, Watched, Work};
use crate::offsite::{Checked, Offsite, check, copy};
use crate::seal::Scratch;
use crate::{Error, Result};

/// The most things that are named one by one.
const NAMED: usize = 100;
/// How old the copy of a sandbox may be.
const DAY: Duration = Duration::from_hours(24);

static CARD: Card = Card {
    id: "audit.offsite",
    title: "A copy of the trail lies elsewhere, and opens",
    attack: "The copy of every trail is fetched from the second place: its log is verified against its \
             checkpoint, every part with rows is opened with the ring's key, and each row is held against \
             its entry. The checkpoint must be younger than the page says.",
    bite: "A trail in a sandbox is copied, and then the copy is not renewed, loses a part with rows, has a \
           byte of one changed, and loses its log.",
    cadence: Duration::from_hours(24),
    deadline: Duration::from_mins(30),
    not_covered: &[
        "whether the place burns with this one: Amanah knows disks and hosts, and no buildings",
        "erased contents in old versions that a bucket keeps",
        "the bite where several databases are protected: it is made in a sandbox of the first alone",
    ],
};

/// The control.
pub(super) struct SecondPlace {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for SecondPlace {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let Some(Value::Period(every)) = params.value("every") else {
                return Proof::unknown(at, "the promise does not say how often: write every=24h");
            };
            let every = *every;
            let all = Ledger::of(&self.databases, &*cx.rng, |database, _| {
                Box::pin(prove(database, every, at))
            })
            .await;
            let measured = format!("{} findings", all.findings.len());
            let wanted = format!("0 findings, none older than {} hours", every.as_secs() / 3_600);
            all.proof(at, "copies of trails", &measured, &wanted)
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

fn second<'a>(place: &Place<'a>) -> Result<&'a Offsite> {
    place.offsite.map_err(|why| Error::Unsealed(why.to_owned()))
}

async fn prove(database: &Watched, every: Duration, now: Timestamp) -> Result<Ledger> {
    let place = database.place();
    let log = place.sealed()?;
    let copy = second(&place)?;
    let checked = check(copy, &(log.keys)()?, now, every).await?;
    let mut ledger = Ledger { total: 1, ..Ledger::default() };
    match &copy.near {
        Some(near) => ledger.open.push(near.clone()),
        None if checked.rows == 0 => ledger.open.push("there is no row in it to open".to_owned()),
        None => ledger.checked = 1,
    }
    ledger.findings = findings(&checked);
    if let Some(head) = &checked.head {
        let (rows, erased, size) = (checked.rows, checked.erased, head.head.size);
        ledger.notes.push(format!(
            "{} in {}: {size} entries, {rows} rows opened and right, {erased} of them erased",
            head.named(),
            copy.shelf.place()
        ));
    }
    Ok(ledger)
}

fn findings(checked: &Checked) -> Vec<Finding> {
    let fix = "`amanah audit offsite` copies what is missing, and says why when it cannot";
    let found = checked.wrong.iter().take(NAMED);
    let mut all: Vec<Finding> =
        found.map(|(part, what)| Finding::new(part, what.clone()).fix(fix)).collect();
    if let more @ 1.. = checked.wrong.len().saturating_sub(NAMED) {
        all.push(Finding::new("the copy", format!("{more} more; `amanah audit offsite --check`")));
    }
    all
}

/// Whether what is wrong with a copy is found.
async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let trial = Trial::of(inside, rng).await?;
    let seals = Arc::clone(&second(inside)?.seals);
    let whole = Arc::new(Scratch::default());
    let at = |shelf: Arc<Scratch>| Offsite { shelf, seals: Arc::clone(&seals), near: None };
    copy(&trial.log(), trial.maker, &at(Arc::clone(&whole))).await?;
    let now = trial.now();
    let look = async |copy: Scratch, now| {
        let checked = check(&at(Arc::new(copy)), &trial.keys(), now, DAY).await?;
        Ok::<_, Error>(findings(&checked).into_iter().next())
    };
    let flip = |bytes: &mut Vec<u8>| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
    };
    let seeded = [
        (
            "a copy that is not renewed",
            Scratch::clone(&whole),
            now + SignedDuration::from_hours(25),
        ),
        ("a missing copy", Scratch::default(), now),
        ("a part with rows, removed", whole.without("rows/"), now),
        ("a byte of a part, changed", whole.changed("rows/", flip), now),
        ("the log, removed", whole.without("tile/"), now),
    ];
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    if let Some(finding) = look(Scratch::clone(&whole), now).await? {
        bitten.missed.push(format!("a copy with which nothing is wrong ({})", finding.what));
    }
    for (name, copy, now) in seeded {
        match look(copy, now).await? {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(name.to_owned()),
        }
    }
    Ok(bitten)
}
