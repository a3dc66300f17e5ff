-- Why: what protecting the database changes is noted here in the same transaction, so that it can
--      be put back exactly.
-- Lock: none on existing objects; only a new table is made.
-- Undo: DROP TABLE amanah.journal; nothing can be put back by Amanah then.

-- One row for each thing that a run has changed: a policy, a constraint, a right. Both states are
-- data as the catalogue has them; the statements that go from one to the other are never stored.
CREATE TABLE amanah.journal (
    id       bigint      PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text        NOT NULL,
    -- The schema and name of the relation; or what else it is that has rights.
    schema   text        NOT NULL,
    name     text        NOT NULL,
    -- The policy, column or constraint of it.
    part     text        NOT NULL,
    -- The relation's number: it may be renamed meanwhile.
    relation oid,
    -- NULL where there was no such thing, and where there is none any more.
    before   text,
    after    text,
    CHECK (before IS DISTINCT FROM after)
);
REVOKE ALL ON amanah.journal FROM PUBLIC;
