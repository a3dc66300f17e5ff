-- Why: several PostgreSQL clusters hold tenants' databases, and a tenant can move between them.
-- Lock: ACCESS EXCLUSIVE on tenancy.tenants, for a moment: its rows are few.
-- Undo: move every tenant home, then drop the new columns of tenancy.tenants and the new tables.

CREATE TABLE tenancy.cells (
    name     text        PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,30}$'),
    -- How to log in there is not here: it is sealed among the secrets of the house.
    state    text        NOT NULL CHECK (state IN ('making', 'open', 'draining')),
    -- The most tenants, synthetic ones apart; without it, as many as the server takes.
    capacity bigint      CHECK (capacity > 0),
    -- What PostgreSQL calls the cluster, so that no other answers in its place.
    server   text        UNIQUE,
    added_at timestamptz NOT NULL
);

COMMENT ON TABLE tenancy.cells IS
    'PostgreSQL clusters that hold tenants. `home` is the one of the installation.';

INSERT INTO tenancy.cells (name, state, added_at) VALUES ('home', 'open', clock_timestamp());

ALTER TABLE tenancy.tenants
    ADD COLUMN cell   text NOT NULL DEFAULT 'home' REFERENCES tenancy.cells,
    -- Where it is moving to, and what it was before: there it is, whole, until `cell` says otherwise.
    ADD COLUMN target text REFERENCES tenancy.cells,
    ADD COLUMN before text CHECK (before IN ('active', 'suspended')),
    DROP CONSTRAINT tenants_state_check,
    ADD CONSTRAINT tenants_state_check
        CHECK (state IN ('making', 'active', 'suspended', 'moving', 'erasing')),
    ADD CONSTRAINT tenants_moving_check CHECK (
        (state = 'moving') = (target IS NOT NULL) AND (state = 'moving') = (before IS NOT NULL));
ALTER TABLE tenancy.tenants ALTER COLUMN cell DROP DEFAULT;

CREATE TABLE tenancy.leftovers (
    cell  text        NOT NULL REFERENCES tenancy.cells,
    place text        NOT NULL CHECK (place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'),
    -- Not to be dropped before.
    due   timestamptz NOT NULL,
    PRIMARY KEY (cell, place)
);

COMMENT ON TABLE tenancy.leftovers IS
    'Copies of tenants'' databases that do not count: moves made them, or left them behind.';

GRANT SELECT ON tenancy.cells, tenancy.leftovers TO amanah_engine;
