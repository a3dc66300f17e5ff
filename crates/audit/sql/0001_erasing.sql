-- Why: whoever asks for contents to be erased is noted outside of the database that they are erased in,
--      with each row that it is about: what was killed in between is finished by that, and the
--      comparison with PostgreSQL's write-ahead log knows an erasure from a forgery.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA erasing CASCADE; the log of each trail still says what was erased, and why.

CREATE SCHEMA erasing;
REVOKE ALL ON SCHEMA erasing FROM PUBLIC;

CREATE TABLE erasing.requests (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The name of the trail's log.
    log          text        NOT NULL,
    -- The cluster as PostgreSQL numbers it, and the database in it.
    system       text        NOT NULL,
    database     text        NOT NULL,
    requested_by text        NOT NULL,
    why          text        NOT NULL,
    -- How the rows were chosen, without a value that it could be about a person by.
    chosen_by    text        NOT NULL,
    -- How many entries the log had then: what the request has put into it comes later.
    log_size     bigint      NOT NULL,
    asked_at     timestamptz NOT NULL,
    finished_at  timestamptz
);
COMMENT ON TABLE erasing.requests IS 'Who had contents of trails erased, and why.';
CREATE INDEX requests_open ON erasing.requests (log) WHERE finished_at IS NULL;

CREATE TABLE erasing.contents (
    request  bigint NOT NULL REFERENCES erasing.requests,
    xid      text   NOT NULL,
    id       bigint NOT NULL,
    -- The hash that was sealed for the row.
    row_hash bytea  NOT NULL,
    -- The entry of the erasure in the log. No content goes before it is there.
    entry    bigint,
    -- Whether the content is gone.
    taken    boolean NOT NULL DEFAULT false,
    -- Why it cannot go.
    refused  text,
    PRIMARY KEY (request, id, xid)
);
COMMENT ON TABLE erasing.contents IS 'The rows of trails whose contents are to be erased.';
CREATE INDEX contents_waiting ON erasing.contents (request)
    WHERE entry IS NULL AND refused IS NULL;

CREATE TABLE erasing.attempts (
    id       bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    log      text     NOT NULL,
    system   text     NOT NULL,
    database text     NOT NULL,
    -- The transaction that erases, and the rows that it is to erase: noted before it does.
    xid      text     NOT NULL,
    rows     bigint[] NOT NULL,
    -- Where the write-ahead log was once it had ended.
    ended    pg_lsn
);
COMMENT ON TABLE erasing.attempts IS
    'Transactions that erase, so that the comparison does not take them for somebody else''s.';
CREATE INDEX attempts_of ON erasing.attempts (system, database, ended);
