//! The statements of this room, and nothing else.

use store::{Migration, Room};

/// The schema `claims` in the control database.
pub static ROOM: Room = Room {
    name: "claims",
    migrations: &[
        Migration { name: "0001_evidence", sql: include_str!("../sql/0001_evidence.sql") },
        Migration { name: "0002_attestations", sql: include_str!("../sql/0002_attestations.sql") },
    ],
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

/// How each of these claims was proven from $2 until before $3, a line for each claim and parameters:
/// how often, how often it held and was broken, and what the last proof came to and looked at.
pub(crate) const DURING: &str = "
SELECT claim, params, count(*) AS runs,
       count(*) FILTER (WHERE outcome = 'holds') AS held,
       count(*) FILTER (WHERE outcome = 'broken') AS broken,
       (array_agg(outcome ORDER BY received_at DESC, id DESC))[1] AS outcome,
       (array_agg(population_checked || ' of ' || population_total || ' ' || population_of
                  ORDER BY received_at DESC, id DESC))[1] AS population
FROM claims.proof
WHERE claim = ANY($1::text[]) AND kind = 'proof' AND received_at >= $2 AND received_at < $3
GROUP BY claim, params
ORDER BY claim, params";

/// What these claims' proofs found meanwhile, each thing once: claim, object, what, how often, when
/// first and when last. The first so many.
pub(crate) const FOUND: &str = "
SELECT p.claim, f.finding ->> 'object', f.finding ->> 'what', count(*), min(p.received_at),
       max(p.received_at)
FROM claims.proof p, jsonb_array_elements(p.findings) AS f (finding)
WHERE p.claim = ANY($1::text[]) AND p.kind = 'proof' AND p.received_at >= $2
  AND p.received_at < $3
GROUP BY 1, 2, 3
ORDER BY 5, 1, 2, 3
LIMIT $4";

/// Adds an attestation.
pub(crate) const ATTEST: &str = "
INSERT INTO claims.attestation (claim, subject, statement, digest, document, attested_by,
    attested_at, expires_at, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id";

/// What is attested about a claim, the newest first.
pub(crate) const ATTESTED: &str = "
SELECT id, claim, subject, statement, digest, document, attested_by, attested_at, expires_at,
       signature
FROM claims.attestation
WHERE claim = $1
ORDER BY id DESC
LIMIT $2";
