//! Reads every stored hash and judges it.

use kernel::Finding;
use store::Db;

use crate::stored::{Cost, Stored};
use crate::{Result, sql};

/// How many hashes are read at once, so that a million accounts do not fill the memory.
const PAGE: i64 = 5_000;
/// How many weak hashes are named; the rest are counted in the last finding.
const NAMED: usize = 100;

/// What all stored hashes say.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) checked: usize,
    pub(crate) total: usize,
    /// The cheapest cost among the good ones, in memory times passes.
    pub(crate) weakest: Option<Cost>,
    pub(crate) findings: Vec<Finding>,
}

/// Judges every hash in `db`, at one moment.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn scan(db: &Db) -> Result<Scan> {
    let tx = db.operator().await?;
    tx.batch(sql::STAND_STILL).await?;
    let total: i64 = tx.query_one(sql::COUNT_HASHES, &[]).await?.get(0);
    let mut scan = Scan {
        checked: 0,
        total: usize::try_from(total).unwrap_or_default(),
        weakest: None,
        findings: Vec::new(),
    };
    let mut weak = 0_usize;
    // The smallest UUID; no random one is equal to it.
    let mut last = "00000000-0000-0000-0000-000000000000".to_owned();
    loop {
        let rows = tx.query(sql::NEXT_HASHES, &[&last, &PAGE]).await?;
        for row in &rows {
            let (id, hash): (String, String) = (row.get(0), row.get(1));
            scan.checked += 1;
            match Stored::judge(&hash) {
                Ok(cost) => scan.weigh(cost),
                Err(weakness) => {
                    weak += 1;
                    if weak <= NAMED {
                        scan.findings.push(
                            Finding::new(format!("account {id}"), weakness.to_string()).fix(
                                "Let this person sign in, which hashes anew, or give them a new \
                                 account",
                            ),
                        );
                    }
                }
            }
            last = id;
        }
        if rows.is_empty() {
            break;
        }
    }
    tx.commit().await?;
    if weak > NAMED {
        scan.findings
            .push(Finding::new("accounts", format!("{} more have weak hashes", weak - NAMED)));
    }
    Ok(scan)
}

impl Scan {
    fn weigh(&mut self, cost: Cost) {
        if self.weakest.is_none_or(|weakest| cost.work() < weakest.work()) {
            self.weakest = Some(cost);
        }
    }
}
