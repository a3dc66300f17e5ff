//! The statements about files that an import makes.

pub(super) const NOTE: &str =
    "INSERT INTO tenancy.made_files (id, place, etag, name) VALUES ($1, $2, $3, $4)";

/// Which there are, and what they are called.
pub(super) const MADE: &str =
    "SELECT etag, name FROM tenancy.made_files WHERE id = $1 AND place = $2 ORDER BY name";

/// Those of one database, or all of a tenant's.
pub(super) const FORGET: &str =
    "DELETE FROM tenancy.made_files WHERE id = $1 AND (place = $2 OR $3)";
