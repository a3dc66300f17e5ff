//! What proofs came to in a stretch of time, for whoever looks back at it.

use jiff::Timestamp;
use serde::Serialize;

/// What the proofs of some claims came to in a stretch of time, by the moment at which they were stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lookback {
    /// For each claim with its parameters that was proven meanwhile.
    pub runs: Vec<Runs>,
    /// What was found, each thing once, the first hundred.
    pub found: Vec<Found>,
    /// Whether there was more than that.
    pub more: bool,
}

/// The proofs of one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Its id.
    pub claim: String,
    /// Its parameters.
    pub params: String,
    /// How many proofs there were.
    pub runs: i64,
    /// How many of them held.
    pub held: i64,
    /// How many found something.
    pub broken: i64,
    /// What the last one came to: `holds`, `broken` or `unknown`.
    pub last: String,
    /// How much the last one looked at: "84 of 84 writes".
    pub population: String,
}

/// Something that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The claim.
    pub claim: String,
    /// What gave way.
    pub object: String,
    /// How.
    pub what: String,
    /// In how many proofs.
    pub times: i64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}
