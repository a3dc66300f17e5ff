//! `audit.hash`: each row of the trail carries the SHA-256 of what it says.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Rng, Value};
use store::ident;

use super::whole::Judge;
use super::{Bitten, Ledger, Place, Violation, Watched, Work, alter, news, tamper};
use crate::verify::{Hashes, Kind, Rows};
use crate::{Result, canary, sql};

/// The only algorithm that rows are hashed with.
const SHA_256: &str = "sha-256";
const TRAIL: &str = "audit.system_audit_logs";

static CARD: Card = Card {
    id: "audit.hash",
    title: "Each row of the trail fits its SHA-256",
    attack: "Every row of every trail is read in one snapshot, its SHA-256 is computed anew from what \
             the row says, and compared with the one that stands beside it. The rows of a sealed trail are \
             those that are read for `audit.tamper-evident`, at most half an hour before.",
    bite: "In a sandbox, a byte of a row's content, who did it, its time, its salt and its SHA-256 are \
           changed, one after the other.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(30),
    not_covered: &[
        "a row whose content and SHA-256 were both changed, and a row that is gone: only the seal \
         outside of the database shows that, with `amanah audit verify`",
        "trails of which not every row is read within the deadline",
        "the bite where several databases are protected: its violations are seeded in a sandbox of \
         the first one alone, the others are only read",
    ],
};

/// The control.
pub(super) struct Hash {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Hash {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            if let Some(Value::Text(wanted)) = params.value("alg")
                && !wanted.eq_ignore_ascii_case(SHA_256)
            {
                let what = format!("rows are hashed with {SHA_256}, and not with {wanted}");
                let population = Population::new(1, 1, "algorithms");
                let finding = Finding::new(TRAIL, what);
                return Proof::weigh(at, population, SHA_256, wanted, vec![finding]);
            }
            let all =
                Ledger::of(&self.databases, &*cx.rng, |database, _| Box::pin(prove(database, at)))
                    .await;
            let measured = format!("{} that do not fit", all.findings.len());
            all.proof(at, "rows of the trail", &measured, "every row fits its SHA-256")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

async fn prove(database: &Watched, now: Timestamp) -> Result<Ledger> {
    let place = database.place();
    // An empty trail proves nothing.
    canary::write(place.protected, &*place.binder, &place.shape().await?).await?;
    match database.whole.read(Judge::Hash, now, tamper::read(&place)).await {
        Ok(reading) if reading.report.hashes.rows > 0 => {
            let mut ledger = ledger(&reading.report.hashes);
            let damage = &reading.report.damage;
            let lost = damage.iter().filter(|one| one.kind == Kind::LostArchive).count();
            if lost > 0 {
                ledger.total += lost;
                let what = "of the archive could not be opened, and their rows were not read";
                ledger.open.push(format!("{lost} files {what}: `audit.tamper-evident` names them"));
            }
            Ok(Ledger { seen: Some(reading.at), ..ledger })
        }
        // What a log says of the rows, or that there is none, does not matter here.
        _ => examine(&place).await,
    }
}

/// Computes the SHA-256 of every row anew.
async fn examine(place: &Place<'_>) -> Result<Ledger> {
    let mut rows = Rows::open(place.trail().await?.operator().await?).await?;
    let mut hashes = Hashes::default();
    while let Some(row) = rows.next().await? {
        hashes.take(&row);
    }
    Ok(ledger(&hashes))
}

fn ledger(hashes: &Hashes) -> Ledger {
    let rows = usize::try_from(hashes.rows).unwrap_or(usize::MAX);
    let fix = "`amanah audit verify` says what was sealed; find out who changed it";
    let unfit = hashes
        .unfit
        .iter()
        .map(|id| Finding::new(TRAIL, format!("row {id} does not fit its SHA-256")).fix(fix));
    let more = (hashes.more > 0).then(|| {
        Finding::new(TRAIL, format!("{} more rows do not fit their SHA-256", hashes.more))
    });
    let findings = unfit.chain(more).collect();
    Ledger { checked: rows, total: rows, findings, ..Ledger::default() }
}

async fn bite(inside: &Place<'_>, _: &dyn Rng) -> Result<Bitten> {
    let shape = inside.shape().await?;
    let row = canary::write(inside.protected, &*inside.binder, &shape).await?.row;
    let keeper = inside.keeper().await?;
    let maker = keeper.unwrap_or(&inside.protected.owner);
    if keeper.is_some() {
        alter(maker, sql::DDL_GUARD_OFF).await?;
    }
    alter(maker, sql::UNGUARD).await?;
    alter(maker, &format!("CREATE TABLE audit.pristine AS TABLE {TRAIL}")).await?;
    let before = examine(inside).await?.findings;
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for Violation { name, seed, undo } in violations(row) {
        alter(maker, &seed).await?;
        match news(&before, examine(inside).await?.findings) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(name.to_owned()),
        }
        alter(maker, &undo).await?;
    }
    Ok(bitten)
}

/// Each of them changes one thing of the row `row`, and nothing else.
fn violations(row: i64) -> Vec<Violation> {
    let of = |name, column: &str, value: &str| {
        let column = ident(column);
        Violation {
            name,
            seed: format!("UPDATE {TRAIL} SET {column} = {value} WHERE id = {row}"),
            undo: format!(
                "UPDATE {TRAIL} t SET {column} = p.{column} FROM audit.pristine p
                  WHERE t.id = {row} AND p.id = t.id"
            ),
        }
    };
    let content = "coalesce(new_data, '{}') || '{\"amanah\": 1}'";
    vec![
        of("content, edited", "new_data", content),
        of("who did it, edited", "actor_id", "coalesce(actor_id, '') || 'x'"),
        of("the time, edited", "event_timestamp", "event_timestamp + interval '1 us'"),
        of("the salt, exchanged", "salt", "pg_catalog.gen_random_uuid()"),
        of("the SHA-256, exchanged", "row_hash", "pg_catalog.sha256(row_hash)"),
    ]
}
