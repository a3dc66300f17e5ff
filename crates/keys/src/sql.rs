//! The statements of this room, and nothing else. Every value is bound.

/// Rows: the public key of each ring that a head names.
pub(crate) const SIGNERS: &str = "SELECT DISTINCT public_key FROM keys.ring_heads";

/// Parameters: public key, how many, how many to leave out. Rows: installation, public key,
/// generation, digest, signature; the newest first.
pub(crate) const HEADS_OF: &str = "\
    SELECT installation, public_key, generation, digest, signature FROM keys.ring_heads \
    WHERE public_key = $1 ORDER BY generation DESC, id LIMIT $2 OFFSET $3";

/// Parameters: generation, public key. Rows as those of `HEADS_OF`.
pub(crate) const HEADS_AT: &str = "\
    SELECT installation, public_key, generation, digest, signature FROM keys.ring_heads \
    WHERE generation = $1 AND public_key = $2";

/// Writers of heads and tombstones come one after the other until their transaction ends. The
/// number is this lock's own.
pub(crate) const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(7021450183)";

/// Parameters: generation, installation, public key, digest, signature.
pub(crate) const ADD_HEAD: &str = "\
    INSERT INTO keys.ring_heads (generation, installation, public_key, digest, signature) \
    VALUES ($1, $2, $3, $4, $5)";

/// Parameters: tenant or nothing, ids, when, signature.
pub(crate) const BURY: &str = "\
    INSERT INTO keys.tombstones (tenant, ids, at, signature) VALUES ($1, $2, $3, $4)";

/// Rows: tenant or nothing, ids, when, signature.
pub(crate) const BURIED: &str =
    "SELECT tenant, ids, at, signature FROM keys.tombstones ORDER BY id";

/// Parameters: name, tenant or nothing, sealed text.
pub(crate) const PUT_SECRET: &str = "\
    INSERT INTO keys.secrets (name, tenant, sealed, updated_at) \
    VALUES ($1, $2, $3, clock_timestamp()) \
    ON CONFLICT (tenant, name) DO UPDATE \
    SET sealed = excluded.sealed, updated_at = excluded.updated_at";

/// Parameters: name, tenant or nothing. At most one row: the sealed text.
pub(crate) const GET_SECRET: &str =
    "SELECT sealed FROM keys.secrets WHERE name = $1 AND tenant = $2";

/// Parameters: name, tenant or nothing.
pub(crate) const REMOVE_SECRET: &str = "DELETE FROM keys.secrets WHERE name = $1 AND tenant = $2";

/// Parameters: tenant and name of the last row seen, how many. Rows: tenant, name, sealed text,
/// when it was put.
pub(crate) const NEXT_SECRETS: &str = "\
    SELECT tenant, name, sealed, updated_at FROM keys.secrets \
    WHERE (tenant, name) > ($1, $2) ORDER BY tenant, name LIMIT $3";

/// Parameters: name, tenant or nothing, the sealed text that was read, the one that replaces it. A
/// secret that was put in the meantime stays.
pub(crate) const RESEAL_SECRET: &str = "\
    UPDATE keys.secrets SET sealed = $4 WHERE name = $1 AND tenant = $2 AND sealed = $3";
