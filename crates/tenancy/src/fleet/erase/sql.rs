//! The statements about erasures: those that are begun, and those that are kept.

/// Notes what there was of a tenant, unless it was noted before.
pub(super) const BEGIN_ERASING: &str = "
INSERT INTO tenancy.erasing (id, begun_at, bytes, logins, gone) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO NOTHING";

pub(super) const BEGUN: &str =
    "SELECT begun_at, bytes, logins, gone FROM tenancy.erasing WHERE id = $1";

pub(super) const NOTE_GONE: &str = "UPDATE tenancy.erasing SET gone = $2 WHERE id = $1";

pub(super) const ERASURES: &str = "
SELECT tenant_sha256, place, erased_at, bytes, keys, certificate, last
  FROM tenancy.erasures ORDER BY erased_at DESC";
