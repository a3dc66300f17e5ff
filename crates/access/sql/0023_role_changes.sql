-- Why: who made a tenant's role what it is can be told afterwards, as who gave it to whom can.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE access.role_changes; DROP FUNCTION access.keep_role_changes(); who changed which role is not known then.

CREATE TABLE access.role_changes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role    integer NOT NULL REFERENCES access.roles (id),
    at      timestamptz NOT NULL,
    done_by text NOT NULL,
    what    text NOT NULL,
    -- The role as it was from then on.
    title   text NOT NULL,
    factor  smallint NOT NULL,
    idle_seconds     integer,
    absolute_seconds integer,
    permits text[] NOT NULL,
    parents text[] NOT NULL,
    CONSTRAINT role_changes_what CHECK (what IN ('defined', 'retired')),
    CONSTRAINT role_changes_by_size CHECK (octet_length(done_by) BETWEEN 1 AND 200)
);
CREATE INDEX role_changes_role ON access.role_changes (role, id);

CREATE FUNCTION access.keep_role_changes() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what was changed about a role is evidence: it is neither changed nor removed';
END $$;
CREATE TRIGGER role_changes_kept BEFORE UPDATE OR DELETE ON access.role_changes
    FOR EACH ROW EXECUTE FUNCTION access.keep_role_changes();
CREATE TRIGGER role_changes_not_emptied BEFORE TRUNCATE ON access.role_changes
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_role_changes();

GRANT SELECT ON access.role_changes TO amanah_engine;
GRANT INSERT (role, at, done_by, what, title, factor, idle_seconds, absolute_seconds,
    permits, parents) ON access.role_changes TO amanah_engine;
