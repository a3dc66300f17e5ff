//! How fast a trail is sealed: half a million rows, from the database into a log in a folder that waits
//! for its disk; beside it the same rows read and thrown away, which is what sealing adds to.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use audit::seal::{Folder, LogReader, Sealer, SealerSettings, origin};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kernel::{Fut, Signatory, SystemClock};
use store::Db;
use testkit::Server;

use crate::{Contestant, race_rounds, row, spread};

const ROWS: u64 = 500_000;
/// Rounds: each takes some seconds.
const ROUNDS: usize = 5;
/// Rows of so many transactions, a hundred each.
const FILL: &str = "
DO $$ BEGIN
    FOR n IN 1..5000 LOOP
        INSERT INTO audit.system_audit_logs (action, table_schema, table_name, row_hash)
        SELECT 'INSERT', 'public', 'thing', sha256(int4send(g)) FROM generate_series(1, 100) g;
        COMMIT;
    END LOOP;
END $$";
const COPY: &str = "COPY (SELECT xid, id, event_timestamp, row_hash FROM audit.system_audit_logs
    ORDER BY xid, id) TO STDOUT (FORMAT binary)";
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

struct Reading<'a>(&'a Db);

/// Measures it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let server = testkit::own_postgres().await;
    let db = fill(&server).await?;
    let (mut sealing, mut reading) = (Sealing { db: &db, per_core: Vec::new() }, Reading(&db));
    let [ours, theirs] = race_rounds([&mut sealing, &mut reading], ROUNDS).await?;
    let (least, middle, most) = spread(&sealing.per_core);
    Ok(vec![
        row("trail: rows sealed", &ours, "the same rows read and thrown away", &theirs),
        format!(
            "| trail: rows sealed for each second of one core of ours | {middle:.0} | \
             | {least:.0} / {middle:.0} / {most:.0}, rows |"
        ),
    ])
}

async fn fill(server: &Server) -> anyhow::Result<Db> {
    let db = server.superuser("postgres").await;
    store::migrate(&db, &[&audit::ROOM]).await?;
    let tx = db.operator().await?;
    // Its rows are sealed as they are; recording them is another measurement.
    tx.batch("ALTER TABLE audit.system_audit_logs DISABLE TRIGGER ALL; COMMIT").await?;
    tx.batch(FILL).await?;
    tx.batch("ANALYZE audit.system_audit_logs").await?;
    drop(tx);
    Ok(db)
}

impl Contestant for Sealing<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let dir = tempfile::tempdir()?;
            let log: Arc<Folder> = Arc::new(Folder::new(dir.path()));
            let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32])
                .map_err(|_| anyhow::anyhow!("no key of this seed"))?;
            let settings = SealerSettings {
                db: self.db.clone(),
                shelf: Arc::<Folder>::clone(&log),
                signatory: Arc::new(Pen(pair)),
                origin: origin("bench", "bank"),
                clock: Arc::new(SystemClock),
            };
            let (began, before) = (Instant::now(), processor()?);
            let mut sealer = Sealer::open(settings).await?;
            let mut size = 0;
            loop {
                let (next, round) = sealer.round().await?;
                (sealer, size) = (next, size.max(round.size));
                if !round.more {
                    break;
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "half a million is exact")]
            let rows = ROWS as f64;
            let speed = rows / began.elapsed().as_secs_f64();
            self.per_core.push(rows / (processor()? - before));
            ensure!(
                size == ROWS + 1,
                "{size} entries were sealed, and one more than {ROWS} wanted"
            );
            LogReader::new(log, size).root().await?;
            Ok(speed)
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
            tx.copy_each(COPY, &mut take).await?;
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
