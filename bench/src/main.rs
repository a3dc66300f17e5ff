//! What Amanah costs, measured side by side with what people use instead.
//!
//! It promises that both sides of a ratio were measured in the same run, in turns, and that the
//! protection that is measured was seen to be on. It does not promise absolute numbers: clients,
//! servers and whatever else runs share one machine, so read the ratios and their spread. It uses
//! loopback only. Its PostgreSQL does not wait for the disk, but where recording is measured: elsewhere
//! a commit costs less than on a durable server and is a smaller part of each transaction.

mod access;
mod asking;
mod audited;
mod database;
mod edge;
mod fleet;
mod flood;
mod keys;
mod people;
mod seal;
mod thousand;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kernel::Fut;
use tenancy::Form;
use tokio::time::timeout;

/// As in the program itself.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole run, on a slow and busy machine.
const DEADLINE: Duration = Duration::from_mins(30);
/// What can be measured by itself.
const PARTS: [&str; 11] = [
    "access", "audit", "database", "fleet", "flood", "gateway", "identity", "keys", "seal", LONG,
    THOUSAND,
];
/// A stream far longer than memory: only when it is named, because it takes minutes. `long=20` is
/// one of 20 GB.
const LONG: &str = "long";
/// A thousand tenants on two cells, likewise; `thousand=50` are fifty.
const THOUSAND: &str = "thousand";
/// The rounds that count. One more goes before them, to warm up.
const ROUNDS: usize = 9;

/// Something that can be measured again and again.
trait Contestant: Send {
    /// One turn; its speed in units per second.
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>>;
}

/// One contestant's speeds, in units per second, one for each round.
type Speeds = Vec<f64>;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { timeout(DEADLINE, run()).await.context("it takes too long")? })
}

async fn run() -> anyhow::Result<()> {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    // The parts to measure, all of them when none is named: `make bench ONLY=keys`.
    let only: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|named| named == part);
    let known = |named: &String| {
        PARTS.contains(&named.as_str())
            || number(named, LONG).is_some()
            || number(named, THOUSAND).is_some()
    };
    let unknown = only.iter().find(|named| !known(named));
    ensure!(unknown.is_none(), "there is no part {unknown:?}; there are {PARTS:?}");
    let mut rows = largest(&only).await?;
    rows.extend(usual(wanted).await?);
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | ours | peer | ratio: min / median / max |\n|---|---|---|---|")?;
    for row in &rows {
        writeln!(out, "{row}")?;
    }
    writeln!(
        out,
        "\n{ROUNDS} rounds in alternating order, 3 where a thousand tenants are migrated; ratio = ours / peer within one round, above 1 is \
         faster; where CPU is compared, above 1 is dearer. {cores} cores, load {load} before the start."
    )?;
    Ok(())
}

/// How many of `of` a part named `of=N` asks for.
fn number(named: &str, of: &str) -> Option<Result<u64, std::num::ParseIntError>> {
    Some(named.strip_prefix(of)?.strip_prefix('=')?.parse())
}

/// The parts that run only when they are named.
async fn largest(only: &[String]) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    // Before all others, so that what they leave in memory does not hide what it takes.
    for named in only {
        let gigabytes =
            if named == LONG { Some(Ok(keys::long::DEFAULT_GB)) } else { number(named, LONG) };
        if let Some(gigabytes) = gigabytes {
            let gigabytes = gigabytes.context("`long=` takes a number of GB")?;
            let long = tokio::task::spawn_blocking(move || keys::long::measure(gigabytes));
            rows.extend(long.await?.context("the long stream")?);
        }
    }
    for named in only {
        let tenants = if named == THOUSAND {
            Some(Ok(thousand::DEFAULT as u64))
        } else {
            number(named, THOUSAND)
        };
        if let Some(tenants) = tenants {
            let tenants = usize::try_from(tenants.context("`thousand=` takes a number")?)?;
            rows.extend(thousand::check(tenants).await.context("the thousand tenants")?);
        }
    }
    Ok(rows)
}

/// The parts that are `wanted`.
async fn usual(wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    if wanted("access") {
        rows.extend(access::measure().await.context("access")?);
    }
    if wanted("audit") {
        rows.extend(audited::measure().await.context("recording")?);
    }
    if wanted("database") {
        let portable = database::House::build(Form::Portable).await.context("the database")?;
        let house = database::House::build(Form::VerifyOnce).await.context("the database")?;
        rows.extend(portable.costs(&house).await.context("the binding's cost")?);
        rows.extend(portable.reading().await.context("the binding")?);
        rows.extend(house.reading().await.context("the binding")?);
        rows.extend(house.writing().await.context("the trail")?);
    }
    if wanted("fleet") {
        rows.extend(fleet::measure().await.context("the fleet")?);
    }
    if wanted("flood") {
        rows.extend(flood::measure().await.context("the flood")?);
    }
    if wanted("gateway") {
        rows.extend(edge::measure().await.context("the gateway")?);
    }
    if wanted("identity") {
        rows.extend(people::measure().await.context("identity")?);
    }
    if wanted("keys") {
        rows.extend(keys::measure().await.context("the keys")?);
    }
    if wanted("seal") {
        rows.extend(seal::measure().await.context("the seal")?);
    }
    Ok(rows)
}

/// Lets all of them take their turns in every round; their speeds come in the same order. A busy
/// machine makes everybody slow for a while, so each round goes the opposite way of the last.
async fn race<const N: usize>(
    contestants: [&mut dyn Contestant; N],
) -> anyhow::Result<[Speeds; N]> {
    race_rounds(contestants, ROUNDS).await
}

/// As [`race`], with fewer rounds where one takes long.
async fn race_rounds<const N: usize>(
    contestants: [&mut dyn Contestant; N],
    rounds: usize,
) -> anyhow::Result<[Speeds; N]> {
    let mut speeds = [const { Speeds::new() }; N];
    let mut lanes: Vec<_> = contestants.into_iter().zip(&mut speeds).collect();
    for round in 0..=rounds {
        for (contestant, speeds) in &mut lanes {
            let speed = contestant.turn().await?;
            if round > 0 {
                speeds.push(speed);
            }
        }
        lanes.reverse();
    }
    Ok(speeds)
}

/// One line of the table: medians per second, and the ratios of turns in one round.
fn row(what: &str, ours: &[f64], peer: &str, theirs: &[f64]) -> String {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    let (least, middle, most) = spread(&ratios);
    let (ours, theirs) = (spread(ours).1, spread(theirs).1);
    format!(
        "| {what} | {ours:.0} /s | {peer}: {theirs:.0} /s | {least:.2} / {middle:.2} / {most:.2} |"
    )
}

/// One line of the table in CPU: medians of what one transaction costs, from transactions per second
/// of CPU, and how many times the peer's cost ours is.
fn cost(what: &str, ours: &[f64], peer: &str, theirs: &[f64]) -> String {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| b / a).collect();
    let (least, middle, most) = spread(&ratios);
    let (ours, theirs) = (1e6 / spread(ours).1, 1e6 / spread(theirs).1);
    format!(
        "| {what} | {ours:.0} µs | {peer}: {theirs:.0} µs | {least:.2} / {middle:.2} / {most:.2}, \
         cost |"
    )
}

fn per_second(count: usize, began: Instant) -> f64 {
    in_a_second(count, began.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "a million at most")]
fn in_a_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The least, the middle one and the greatest; zero when there are none.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    /// Ratios are taken within a round, not between the medians.
    #[test]
    fn a_row_compares_rounds() {
        let row = super::row("w", &[10.0, 100.0, 30.0], "p", &[20.0, 100.0, 10.0]);
        assert_eq!(row, "| w | 30 /s | p: 20 /s | 0.50 / 1.00 / 3.00 |");
    }
}
