-- Why: remembers that the store of files belongs to this very database, so that a copy of it, or an
--      older one that was put back, removes nothing that it does not know.
-- Lock: none that waits; the object is new.
-- Undo: DROP TABLE files.keeper; remove the object `amanah-keeper` from the store.

CREATE TABLE files.keeper (
    single     boolean     PRIMARY KEY DEFAULT true CHECK (single),
    -- What stands in the store too.
    mark       text        NOT NULL CHECK (mark ~ '^[0-9a-f]{32}$'),
    -- What PostgreSQL calls this database: it calls a copy by another name.
    database   text        NOT NULL,
    claimed_at timestamptz NOT NULL
);

COMMENT ON TABLE files.keeper IS
    'Which database may remove objects from the store: this one, while the store says the same.';
