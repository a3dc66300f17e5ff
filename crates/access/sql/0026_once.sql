-- Why: what an invitation gives is given once, also where whoever gave it did not get to write that down: a role that was taken since does not come back.
-- Lock: ACCESS EXCLUSIVE on access.grants for an instant, and SHARE while the empty index is made; no row is written.
-- Undo: DROP TRIGGER grants_once_kept ON access.grants; DROP FUNCTION access.keep_once(); ALTER TABLE access.grants DROP COLUMN once.

-- What it was given for, where that gives it once: an invitation and a role.
ALTER TABLE access.grants ADD COLUMN once text;
ALTER TABLE access.grants ADD CONSTRAINT grants_once_size CHECK (octet_length(once) BETWEEN 1 AND 200);
CREATE UNIQUE INDEX grants_once ON access.grants (once) WHERE once IS NOT NULL;

-- As the rest of it.
CREATE FUNCTION access.keep_once() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'a grant is evidence: it can be revoked once, and neither changed nor removed';
END $$;
CREATE TRIGGER grants_once_kept BEFORE UPDATE ON access.grants
    FOR EACH ROW WHEN (NEW.once IS DISTINCT FROM OLD.once) EXECUTE FUNCTION access.keep_once();

GRANT INSERT (once) ON access.grants TO amanah_engine;
