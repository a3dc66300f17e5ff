//! `audit.context`: a row of the trail says who did what, when, in which tenant, for which request, and
//! what it was before and after.
//!
//! It promises that what each canary write left was compared field by field with what was done, while
//! the session that did it said in every setting it could think of that it was somebody else.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Proof, Rng, random_hex};
use store::Table;

use super::triggers::Session;
use super::{Bitten, Ledger, Place, Violation, Watched, Work, alter, news};
use crate::asked::Asked;
use crate::{Result, TRAIL_SQL, sql};

const TRAIL: &str = "audit.system_audit_logs";
/// Where the texts of the recording functions begin, and where each ends.
const RECORDERS: [&str; 2] =
    ["CREATE FUNCTION audit.record_row(", "CREATE FUNCTION audit.global_track_changes("];
const END: &str = "END $$;";

static CARD: Card = Card {
    id: "audit.context",
    title: "Entries say who, what, when and for which request",
    attack: "In each table with tenants' rows a canary row is inserted, changed and deleted by a session \
             that names a request, and that claims to be somebody else in every setting that it may \
             set. Time, actor, tenant, login, request, action, key, old and new data in the trail are \
             compared with what was done.",
    bite: "In a sandbox the recording takes actor or tenant from a setting, leaves out the request, the \
           old or the new data, or writes another time.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "whether the request is true: the application says which one it is",
        "the clock: it is that of the database server",
        "the bite where several databases are protected: its violations are seeded in a sandbox of the \
         first one alone, the others are only attacked",
    ],
};

/// The control.
pub(super) struct Context {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Context {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let all = Ledger::of(&self.databases, &*cx.rng, |database, rng| {
                Box::pin(async move { written(&database.place(), rng).await })
            })
            .await;
            let measured = format!("{} with a wrong field", all.findings.len());
            all.proof(at, "canary writes (table × action)", &measured, "0 with a wrong field")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

/// Writes in every recorded table, and compares what the trail says of it.
async fn written(place: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    let shape = place.shape().await?;
    let asked = place.asked().await?;
    let request = format!("canary-{}", random_hex(rng, 8).map_err(store::Error::from)?);
    let mut ledger = Ledger::default();
    let whole = |table: &&Table| !table.partition;
    for table in place.recorded(&shape)?.into_iter().filter(whole) {
        let hidden = asked.get(&(table.schema.clone(), table.name.clone()));
        let hidden = hidden.map(Asked::columns).unwrap_or_default();
        let session = Session {
            place,
            shape: &shape,
            login: &place.protected.owner,
            replica: false,
            hidden: &hidden,
            request: Some(&request),
        };
        ledger.add(session.rows(table, rng).await?);
    }
    Ok(ledger)
}

async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let keeper = inside.keeper().await?;
    let maker = keeper.unwrap_or(&inside.protected.owner);
    if keeper.is_some() {
        alter(maker, sql::DDL_GUARD_OFF).await?;
    }
    let before = written(inside, rng).await?.findings;
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for Violation { name, seed, undo } in violations() {
        alter(maker, &seed).await?;
        match news(&before, written(inside, rng).await?.findings) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(name.to_owned()),
        }
        alter(maker, &undo).await?;
    }
    Ok(bitten)
}

/// Each takes one field from the wrong place. A change that the text of the recording function does not
/// have is none, and is missed then.
fn violations() -> Vec<Violation> {
    let own = recorder();
    let of = |name, old: &str, new: &str| Violation {
        name,
        seed: own.replace(old, new),
        undo: own.clone(),
    };
    let time = |ago: &str| {
        format!(
            "ALTER TABLE {TRAIL} ALTER event_timestamp SET DEFAULT pg_catalog.clock_timestamp(){ago}"
        )
    };
    let setting = |name: &str| format!("pg_catalog.current_setting('{name}', true)");
    vec![
        of("an actor from a setting", "amanah.current_actor()", &setting("amanah.actor")),
        of("a tenant from a setting", "amanah.current_tenant()", &setting("amanah.tenant_id")),
        of("no request", "'amanah.request_id'", "'amanah.nothing'"),
        of(
            "no old data",
            "CASE WHEN rules OPERATOR",
            "CASE WHEN true THEN NULL WHEN rules OPERATOR",
        ),
        of("no new data", "becomes, salt);", "NULL, salt);"),
        Violation {
            name: "another time",
            seed: time(" OPERATOR(pg_catalog.-) '20 s'::pg_catalog.interval"),
            undo: time(""),
        },
    ]
}

/// The statements that put the recording functions in their place.
pub(crate) fn recorder() -> String {
    let place = |begin: &str| {
        let text = TRAIL_SQL.split_once(begin).and_then(|(_, after)| after.split_once(END));
        let body = text.map(|(body, _)| body).unwrap_or_default();
        format!("{}{body}{END}\n", begin.replacen("CREATE", "CREATE OR REPLACE", 1))
    };
    RECORDERS.map(place).concat()
}
