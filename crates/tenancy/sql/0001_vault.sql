-- Why: what a superuser changes on behalf of the protection is noted where the owner of the
--      database cannot write, so that undoing it never runs what somebody else has prepared.
-- Lock: none on existing objects; only a new table is made.
-- Undo: DROP TABLE amanah_guard.journal; those rights have to be given back by hand then.

-- As amanah.journal, for the rights on PostgreSQL's own functions and views and on the database.
CREATE TABLE amanah_guard.journal (
    id       bigint      PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text        NOT NULL CHECK (kind IN ('acl', 'function acl', 'database acl',
                                                'parameter acl', 'role')),
    schema   text        NOT NULL,
    name     text        NOT NULL,
    part     text        NOT NULL,
    relation oid,
    before   text,
    after    text,
    CHECK (before IS DISTINCT FROM after)
);
REVOKE ALL ON amanah_guard.journal FROM PUBLIC;
