-- Why: remembers which tenants have a database of their own, and how far each one's schema is.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA tenancy CASCADE; the tenants' databases and roles stay, and nobody knows whose.

CREATE SCHEMA tenancy;
REVOKE ALL ON SCHEMA tenancy FROM PUBLIC;
GRANT USAGE ON SCHEMA tenancy TO amanah_engine;

CREATE TABLE tenancy.tenants (
    id             text        PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 128),
    -- The name of its database and of its role. Every login of the server can read the names of
    -- all databases, so it says nothing about whose it is.
    place          text        NOT NULL UNIQUE CHECK (place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'),
    state          text        NOT NULL
                               CHECK (state IN ('making', 'active', 'suspended', 'erasing')),
    -- Synthetic tenants, on which attacks are made and migrations tried first.
    canary         boolean     NOT NULL,
    -- The last migration that its schema is known to have; the truth is in its own database.
    schema_version text,
    made_at        timestamptz NOT NULL
);

COMMENT ON TABLE tenancy.tenants IS
    'Tenants with a database of their own. Written by commands, read by the proofs.';

CREATE TABLE tenancy.erasures (
    -- Not the tenant's name, which is to be forgotten too: whoever knows it can find the row.
    tenant_sha256 bytea       NOT NULL CHECK (octet_length(tenant_sha256) = 32),
    place         text        NOT NULL,
    erased_at     timestamptz NOT NULL,
    -- How much was in its database when it was dropped, in bytes.
    bytes         bigint      NOT NULL,
    -- How many of its keys were destroyed.
    keys          bigint      NOT NULL,
    PRIMARY KEY (tenant_sha256, erased_at)
);

COMMENT ON TABLE tenancy.erasures IS
    'That a tenant was erased, and when. Nobody who runs the engine can change it.';

GRANT SELECT ON tenancy.tenants, tenancy.erasures TO amanah_engine;
