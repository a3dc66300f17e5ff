//! `reset.enumeration`: whoever asks for a new password learns nothing about whether there is an
//! account, by the answer or by its time; nor does whoever signs in or follows a link.

use std::sync::Arc;
use std::time::Duration;

use kernel::{
    Card, Control, Cx, Finding, Fut, Params, Population, Proof, SYNTHETIC_TENANTS, Secret, TenantId,
};
use store::{Db, Programs};

use super::answers::{CLOSED, Compared, Fault, Faulty, FormProbe, NOTHING_FOLLOWS, compare};
use super::argon2id::ensure_canary;
use super::timing::Gap;
use crate::mail::{Post, Unsent, Written};
use crate::sql::mail as sql;
use crate::{Email, Error, Identities, Mailroom, NewAccount, Pool, Result};

static CARD: Card = Card {
    id: "reset.enumeration",
    title: "Asking for a new password tells nothing about accounts",
    attack: "Sends the running gateway's forms for a new password, for signing in and for links, \
             about an account, a closed one, nobody, and what is no address; shows links while they \
             are good, and again when they were ended; and compares status, headers and page to \
             the byte, and the times of asking for an account and for nobody.",
    bite: "Services in a copy of the control database that say when nobody has an address, refuse \
           closed accounts, set a header for accounts, tell links apart, tell links that were good \
           once, and write the letter before they answer.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "differences in time of less than a millisecond, which the limits keep from being averaged",
        "whether the mailbox at an address tells that a letter came",
        "pages of the application behind Amanah",
    ],
};

const OF: &str = "pairs of answers";
const THRESHOLD: &str = "the same to the byte, and less than half a transaction apart";

/// The control.
pub(crate) struct ResetEnumeration {
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) probe: Option<Arc<dyn FormProbe>>,
}

impl Control for ResetEnumeration {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(probe) = &self.probe else {
                let why = "no gateway runs to ask; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            if let Err(error) = ensure_canaries(&self.mailroom, &self.owner).await {
                return Proof::unknown(observed_at, error.to_string());
            }
            match compare(&**probe, &self.mailroom, &self.owner).await {
                Ok(compared) => weigh(observed_at, &compared),
                Err(why) => Proof::unknown(observed_at, why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let scratch = match self.owner.scratch(&self.programs, &*cx.rng).await {
                Ok(scratch) => scratch,
                Err(error) => return Proof::unknown(observed_at, format!("no sandbox: {error}")),
            };
            let bitten = seed_and_find(scratch.db(), cx).await;
            let left = scratch.remove().await.err();
            let proof = match bitten {
                Ok((seeded, findings, missed)) if missed.is_empty() => Proof::weigh(
                    observed_at,
                    Population::new(seeded, seeded, "seeded violations"),
                    format!("{seeded} of {seeded} found"),
                    "all found",
                    findings,
                ),
                Ok((seeded, _, missed)) => Proof::missed(
                    observed_at,
                    Population::new(
                        seeded.saturating_sub(missed.len()),
                        seeded,
                        "seeded violations",
                    ),
                    format!("not found: {}", missed.join(", ")),
                ),
                Err(why) => Proof::unknown(observed_at, why),
            };
            match left {
                Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
                None => proof,
            }
        })
    }
}

fn weigh(observed_at: jiff::Timestamp, compared: &Compared) -> Proof {
    let findings = findings(compared);
    let (known, unknown) = compared.times;
    let measured = format!(
        "{} of {} answers the same; asking took {known:.1} ms for an account and {unknown:.1} ms for \
         nobody (medians of {} pairs)",
        compared.answers.saturating_sub(compared.different.len()),
        compared.answers,
        compared.pairs
    );
    if findings.is_empty() && compared.gap != Some(Gap::Same) {
        let why = "the machine is too busy to compare the times of asking";
        return Proof::unknown(observed_at, why);
    }
    let population = Population::new(compared.answers, compared.of, OF);
    Proof::weigh(observed_at, population, measured, THRESHOLD, findings)
}

fn findings(compared: &Compared) -> Vec<Finding> {
    let fix = "Answer all alike, and do what depends on the account after the answer";
    let mut all: Vec<Finding> = compared
        .different
        .iter()
        .map(|(what, how)| Finding::new(what, format!("is answered with {how}")).fix(fix))
        .collect();
    if compared.gap == Some(Gap::Differs) {
        let (known, unknown) = compared.times;
        let what = format!(
            "asking takes {known:.1} ms for an account and {unknown:.1} ms for nobody, so it tells \
             who has one"
        );
        all.push(Finding::new("Reset, times", what).fix(fix));
    }
    all
}

/// Makes the canaries that are not there: one that is open, and one that is closed.
async fn ensure_canaries(mailroom: &Mailroom, owner: &Db) -> Result<()> {
    ensure_canary(&mailroom.identities).await?;
    let mut random = [0; 32];
    mailroom.rng.fill(&mut random)?;
    let closed = NewAccount {
        email: Email::new(CLOSED)?,
        name: "Canary".to_owned(),
        tenant: TenantId::new(SYNTHETIC_TENANTS)
            .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?,
        password: Secret::new(kernel::hex(&random)),
    };
    match mailroom.identities.create_synthetic(&closed).await {
        Ok(_) | Err(Error::Taken) => {}
        Err(error) => return Err(error),
    }
    let tx = owner.operator().await?;
    tx.execute(sql::CLOSE_CANARY, &[&CLOSED, &mailroom.clock.now()]).await?;
    Ok(tx.commit().await?)
}

/// Nothing leaves a sandbox.
struct Nowhere;

impl Post for Nowhere {
    fn name(&self) -> String {
        "nowhere".to_owned()
    }

    fn send<'a>(&'a self, _: &'a Written) -> Fut<'a, std::result::Result<(), Unsent>> {
        Box::pin(async { Ok(()) })
    }
}

/// Runs the attack on a service of each fault in `db`, a sandbox, and on one without.
async fn seed_and_find(
    db: &Db,
    cx: &Cx,
) -> std::result::Result<(usize, Vec<Finding>, Vec<&'static str>), String> {
    let said = |error: Error| error.to_string();
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let identities = Identities::new(
        db.clone(),
        Arc::clone(&clock),
        Arc::clone(&rng),
        Pool::default(),
        Arc::new(kernel::NoStandings),
    );
    let identities = Arc::new(identities.map_err(said)?);
    let mailroom = Mailroom::new(identities, (clock, rng), Arc::new(Nowhere), "https://sandbox");
    let mailroom = Arc::new(mailroom);
    ensure_canaries(&mailroom, db).await.map_err(said)?;
    let seeds = [
        ("a page that tells", Fault::Tells),
        ("a refusal for closed accounts", Fault::RefusesClosed),
        ("a header for accounts", Fault::Header),
        ("a letter that is written at once", Fault::AtOnce),
        ("links that are told apart", Fault::KnowsLinks),
        ("links that are told from those of before", Fault::RemembersLinks),
    ];
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for (name, fault) in seeds {
        // What was asked before does not wait for this one.
        mailroom.deliver().await.map_err(said)?;
        let seen = findings(&compare(&Faulty::new(&mailroom, fault), &mailroom, db).await?);
        if seen.is_empty() {
            missed.push(name);
        }
        found.extend(seen.into_iter().take(1));
    }
    mailroom.deliver().await.map_err(said)?;
    let clean = compare(&Faulty::new(&mailroom, Fault::None), &mailroom, db).await?;
    if !findings(&clean).is_empty() {
        // Then it finds whatever there is, and its findings mean nothing.
        missed.push("the difference between a fault and none");
    }
    // Where nothing arrives, all answers are the same, and mean as little.
    for (name, fault) in
        [("links that do not arrive", Fault::LosesLinks), ("a door that is shut", Fault::Shut)]
    {
        match compare(&Faulty::new(&mailroom, fault), &mailroom, db).await {
            Err(why) if why.ends_with(NOTHING_FOLLOWS) => {}
            Err(why) => return Err(why),
            Ok(_) => missed.push(name),
        }
    }
    Ok((seeds.len(), found, missed))
}
