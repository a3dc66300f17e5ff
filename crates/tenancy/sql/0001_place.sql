-- Why: lets a tenant's database say by itself which migrations it has, in the same transaction.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE amanah.applied; migrations would be run again from the first one.

REVOKE ALL ON SCHEMA amanah FROM PUBLIC;

CREATE TABLE amanah.applied (
    name       text        PRIMARY KEY,
    sha256     bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE ALL ON amanah.applied FROM PUBLIC;
