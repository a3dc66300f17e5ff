-- Why: a tenant that comes to a shared database or leaves one is known again after a crash, with what was done so far.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE tenancy.passages; what was begun is begun anew, and an erasure counts from there.

CREATE TABLE tenancy.passages (
    id       text        NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 128),
    -- The shared database, as the server calls it.
    database text        NOT NULL,
    way      text        NOT NULL CHECK (way IN ('in', 'out')),
    begun_at timestamptz NOT NULL,
    -- What was deleted and destroyed so far.
    noted    jsonb       NOT NULL,
    PRIMARY KEY (id, database)
);

COMMENT ON TABLE tenancy.passages IS
    'Tenants that are being imported into a shared database or erased from one.';
