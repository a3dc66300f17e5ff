//! How fast a trail is sealed: half a million rows, from the database into a log in a folder that waits
//! for its disk; beside it the same rows read and thrown away, which is what sealing adds to. And how fast
//! all of it is verified: every row hashed again, every entry and tile read, beside the whole rows read and
//! thrown away.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use audit::seal::{Folder, Sealer, SealerSettings, keys, origin};
use audit::verify::{Job, Report, verify};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kernel::{Clock as _, Fut, Signatory, SystemClock};
use store::Db;
use testkit::Server;

use crate::{Contestant, DEADLINE, race_rounds, row, spread};

const ROWS: u64 = 500_000;
/// Rounds: each takes some seconds.
const ROUNDS: usize = 5;
/// Rows of so many transactions, a hundred each.
const FILL: &str = "
DO $$ BEGIN
    FOR n IN 1..5000 LOOP
        INSERT INTO audit.system_audit_logs (action, table_schema, table_name, row_key, new_data)
        SELECT 'INSERT', 'public', 'thing', jsonb_build_object('id', g),
               jsonb_build_object('id', g, 'name', 'thing ' || g, 'price', n)
          FROM generate_series(1, 100) g;
        COMMIT;
    END LOOP;
END $$";
const COPY: &str = "COPY (SELECT xid, id, event_timestamp, row_hash FROM audit.system_audit_logs
    ORDER BY xid, id) TO STDOUT (FORMAT binary)";
const WHOLE: &str = "COPY (SELECT * FROM audit.system_audit_logs ORDER BY xid, id)
    TO STDOUT (FORMAT binary)";
/// How the kernel counts time of the processor, in parts of a second.
const TICKS: f64 = 100.0;

struct Pen(Ed25519KeyPair);

impl Signatory for Pen {
    fn public_keys(&self) -> Result<Vec<[u8; 32]>, String> {
        let key = self.0.public_key().as_ref().try_into();
        Ok(vec![key.map_err(|_| "the key is none of Ed25519")?])
    }

    fn sign(&self, _: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
        let signature = self.0.sign(text);
        signature.as_ref().try_into().map_err(|_| "the signature is none of Ed25519".to_owned())
    }
}

struct Sealing<'a> {
    db: &'a Db,
    /// Rows for each second of our own processor.
    per_core: Vec<f64>,
}

struct Reading<'a>(&'a Db, &'static str);

struct Verifying<'a> {
    db: &'a Db,
    log: Folder,
}

/// Measures it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let server = testkit::own_postgres().await;
    let db = fill(&server).await?;
    let mut sealing = Sealing { db: &db, per_core: Vec::new() };
    let mut reading = Reading(&db, COPY);
    let [ours, theirs] = race_rounds([&mut sealing, &mut reading], ROUNDS).await?;
    let (least, middle, most) = spread(&sealing.per_core);
    let dir = tempfile::tempdir()?;
    sealed(&db, dir.path()).await?;
    let mut verifying = Verifying { db: &db, log: Folder::new(dir.path()) };
    let mut whole = Reading(&db, WHOLE);
    let [verified, read] = race_rounds([&mut verifying, &mut whole], ROUNDS).await?;
    Ok(vec![
        row("trail: rows sealed", &ours, "the same rows read and thrown away", &theirs),
        format!(
            "| trail: rows sealed for each second of one core of ours | {middle:.0} | \
             | {least:.0} / {middle:.0} / {most:.0}, rows |"
        ),
        row("trail: rows verified", &verified, "the whole rows read and thrown away", &read),
    ])
}

async fn fill(server: &Server) -> anyhow::Result<Db> {
    let db = server.superuser("postgres").await;
    store::migrate(&db, &[&audit::ROOM]).await?;
    let tx = db.operator().await?;
    // The rows come in many transactions. Recording them is another measurement.
    tx.batch("COMMIT").await?;
    tx.batch(FILL).await?;
    tx.batch("ANALYZE audit.system_audit_logs").await?;
    drop(tx);
    Ok(db)
}

impl Contestant for Sealing<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let dir = tempfile::tempdir()?;
            let (began, before) = (Instant::now(), processor()?);
            sealed(self.db, dir.path()).await?;
            #[expect(clippy::cast_precision_loss, reason = "half a million is exact")]
            let rows = ROWS as f64;
            let speed = rows / began.elapsed().as_secs_f64();
            self.per_core.push(rows / (processor()? - before));
            Ok(speed)
        })
    }
}

/// Seals all of it into a log in `folder`.
async fn sealed(db: &Db, folder: &Path) -> anyhow::Result<()> {
    let settings = SealerSettings {
        db: db.clone(),
        shelf: Arc::new(Folder::new(folder)),
        signatory: Arc::new(pen()?),
        origin: origin("bench", "bank"),
        clock: Arc::new(SystemClock),
    };
    let mut sealer = Sealer::open(settings).await?;
    let mut size = 0;
    loop {
        let (next, round) = sealer.round().await?;
        (sealer, size) = (next, size.max(round.size));
        if !round.more {
            break;
        }
    }
    ensure!(size == ROWS + 1, "{size} entries were sealed, and one more than {ROWS} wanted");
    Ok(())
}

fn pen() -> anyhow::Result<Pen> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]);
    Ok(Pen(pair.map_err(|_| anyhow::anyhow!("no key of this seed"))?))
}

impl Contestant for Verifying<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let keys = keys(&pen()?, &origin("bench", "bank"))?;
            let job = Job {
                shelf: &self.log,
                keys: &keys,
                current: keys.first(),
                kept: &[],
                accepted: &[],
                database: Some(self.db),
                archive: None,
                now: SystemClock.now(),
                // How old the checkpoint is by now says nothing of how fast it is verified.
                stale: DEADLINE,
            };
            let began = Instant::now();
            let report = verify(&job, &|_, _, _| {}).await?;
            let speed = began.elapsed().as_secs_f64();
            let Report { whole, .. } = &report;
            ensure!(report.is_clean() && *whole == ROWS, "{whole} rows are whole: {report:?}");
            #[expect(clippy::cast_precision_loss, reason = "half a million is exact")]
            let rows = ROWS as f64;
            Ok(rows / speed)
        })
    }
}

impl Contestant for Reading<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            let tx = self.0.operator().await?;
            let mut rows = 0.0;
            let mut take = |_: &[u8]| -> store::Result<()> {
                rows += 1.0;
                Ok(())
            };
            tx.copy_each(self.1, &mut take).await?;
            tx.rollback().await?;
            Ok(rows / began.elapsed().as_secs_f64())
        })
    }
}

/// Seconds of the processor that this process has had.
fn processor() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: state, then numbers; user and system are 12th and 13th.
    let (_, rest) = stat.rsplit_once(')').context("the kernel counts otherwise here")?;
    let numbers = rest.split_whitespace().skip(11).take(2);
    let ticks = numbers.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
