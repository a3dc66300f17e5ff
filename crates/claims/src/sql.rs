//! The statements of this room, and nothing else.

use store::{Migration, Room};

/// The schema `claims` in the control database.
pub static ROOM: Room = Room {
    name: "claims",
    migrations: &[Migration {
        name: "0001_evidence",
        sql: include_str!("../sql/0001_evidence.sql"),
    }],
};

/// Adds one row; returns what the server gave it.
pub(crate) const RECORD: &str = "
INSERT INTO claims.proof (
    claim, params, kind, outcome, population_checked, population_total, population_of,
    measured, threshold, detail, findings, attack, cadence_ms, version, took_ms, observed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
RETURNING id, observed_at, received_at";

/// The latest row for each of the wanted claims, parameters and kinds, as far as it was there at
/// $4. One short walk down the index for each, however long the history is.
pub(crate) const LATEST: &str = "
SELECT latest.*
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (claim, params, kind)
CROSS JOIN LATERAL (
    SELECT id, claim, params, kind, outcome, population_checked, population_total, population_of,
           measured, threshold, detail, findings, attack, cadence_ms, version, took_ms,
           observed_at, received_at
    FROM claims.proof
    WHERE proof.claim = wanted.claim
      AND proof.params = wanted.params
      AND proof.kind = wanted.kind
      AND proof.received_at <= coalesce($4::timestamptz, 'infinity')
    ORDER BY proof.received_at DESC, proof.id DESC
    LIMIT 1
) AS latest";

/// When one claim was proven or bitten with which outcome until $4, the latest first.
pub(crate) const HISTORY: &str = "
SELECT outcome, cadence_ms, observed_at, received_at, version
FROM claims.proof
WHERE claim = $1 AND params = $2 AND kind = $3 AND received_at <= $4
ORDER BY received_at DESC, id DESC
LIMIT $5";
