-- Why: what PostgreSQL's write-ahead log and the trail do not agree about is kept outside of the
--      database that it is about, and so is how far that log was read: whoever moves or removes the
--      slot there is found out by it.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA compared CASCADE; then nobody knows of unrecorded writes, and slots that are left on
--       servers keep their logs until they are dropped.

CREATE SCHEMA compared;
REVOKE ALL ON SCHEMA compared FROM PUBLIC;

CREATE TABLE compared.slots (
    -- The cluster as PostgreSQL numbers it, and the database in it.
    system       text        NOT NULL,
    database     text        NOT NULL,
    -- Up to here the log was compared with the trail.
    lsn          pg_lsn      NOT NULL,
    since        timestamptz NOT NULL,
    looked_at    timestamptz NOT NULL,
    transactions bigint      NOT NULL DEFAULT 0,
    changes      bigint      NOT NULL DEFAULT 0,
    -- When its protection was undone: nobody begins anew until it is protected again.
    ended_at     timestamptz,
    -- When Amanah began to work on its trail: nobody compares until that has ended.
    paused_at    timestamptz,
    PRIMARY KEY (system, database)
);
COMMENT ON TABLE compared.slots IS
    'How far the write-ahead log of each protected database was compared with its trail.';

CREATE TABLE compared.tables (
    system       text   NOT NULL,
    database     text   NOT NULL,
    table_schema text   NOT NULL,
    table_name   text   NOT NULL,
    -- Its number in that database, which stays when it is called otherwise.
    oid          bigint NOT NULL,
    -- Its writes from here on must be recorded. It goes when the trail says that it was dropped.
    since        pg_lsn NOT NULL,
    PRIMARY KEY (system, database, table_schema, table_name),
    FOREIGN KEY (system, database) REFERENCES compared.slots ON DELETE CASCADE
);
COMMENT ON TABLE compared.tables IS 'Tables whose writes are compared with the trail.';

CREATE TABLE compared.names (
    system       text   NOT NULL,
    database     text   NOT NULL,
    table_schema text   NOT NULL,
    table_name   text   NOT NULL,
    oid          bigint NOT NULL,
    PRIMARY KEY (system, database, table_schema, table_name),
    FOREIGN KEY (system, database) REFERENCES compared.slots ON DELETE CASCADE
);
COMMENT ON TABLE compared.names IS
    'Every table that there was when the log was read last: what is written under another name is told.';

CREATE TABLE compared.differences (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system       text        NOT NULL,
    database     text        NOT NULL,
    kind         text        NOT NULL
                 CHECK (kind IN ('unrecorded', 'unfounded', 'other-rows', 'trail-changed',
                                 'unknown-table', 'rewritten', 'gap', 'unread', 'maintenance')),
    -- The transaction, by the lower 32 bits of its number; 0 for a part of the log.
    xid          bigint      NOT NULL,
    table_schema text        NOT NULL,
    table_name   text        NOT NULL,
    action       text        NOT NULL,
    changes      bigint      NOT NULL,
    records      bigint      NOT NULL,
    -- Where in the log.
    lsn          pg_lsn      NOT NULL,
    seen_at      timestamptz NOT NULL,
    -- Who looked into it, and what it was.
    explained_by text,
    explanation  text        CHECK (octet_length(explanation) BETWEEN 1 AND 2000),
    explained_at timestamptz,
    CHECK ((explained_by IS NULL) = (explanation IS NULL)
       AND (explained_by IS NULL) = (explained_at IS NULL)),
    -- What is read again after a crash is not found twice.
    UNIQUE (system, database, lsn, kind, table_schema, table_name, action)
);
COMMENT ON TABLE compared.differences IS
    'Writes that the trail does not tell of, and what it tells that was not written.';
CREATE INDEX differences_open ON compared.differences (system, database) WHERE explained_at IS NULL;
