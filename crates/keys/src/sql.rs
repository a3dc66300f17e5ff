//! The statements of this room, and nothing else. Every value is bound.

/// At most one row: installation, public key, generation, digest of the newest ring seen.
pub(crate) const HEAD: &str = "\
    SELECT installation, public_key, generation, digest FROM keys.ring_heads \
    ORDER BY generation DESC LIMIT 1";

/// Parameters: generation, installation, public key, digest. No row when the generation is there.
pub(crate) const ADD_HEAD: &str = "\
    INSERT INTO keys.ring_heads (generation, installation, public_key, digest) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// Parameters: generation. At most one row: installation, public key, generation, digest.
pub(crate) const HEAD_AT: &str = "\
    SELECT installation, public_key, generation, digest FROM keys.ring_heads \
    WHERE generation = $1";

/// Parameters: the tombstone's SHA-256, tenant or nothing, ids, when.
pub(crate) const BURY: &str = "\
    INSERT INTO keys.tombstones (sha256, tenant, ids, at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// Rows: tenant or nothing, ids, when.
pub(crate) const BURIED: &str = "SELECT tenant, ids, at FROM keys.tombstones ORDER BY at, sha256";

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
