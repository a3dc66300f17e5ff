-- Why: the trail grows without end, and a month that is old enough may leave the database once it lies in
--      an archive. Nobody but the function below takes one out, and none that is younger than the period.
-- Lock: none on existing tables. remove_month() takes ACCESS EXCLUSIVE on the trail, for two seconds at
--       most, in which every write to a recorded table waits.
-- Undo: DROP FUNCTION audit.remove_month(date, bigint); DROP TABLE audit.retention, audit.archived_months;
--       DROP ROLE amanah_trail_archivist, once no database of the cluster has it. What was removed lies in
--       the archive and does not come back by it.

-- They are there already where a trail was made anew.
CREATE TABLE IF NOT EXISTS audit.retention (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- For so many months after its end a month stays in the database. Without a row, for ever.
    months integer NOT NULL CHECK (months BETWEEN 1 AND 1200)
);
-- Roles that may write all data are no exception.
ALTER TABLE audit.retention ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS reading ON audit.retention;
CREATE POLICY reading ON audit.retention FOR SELECT USING (true);
COMMENT ON TABLE audit.retention IS
    'How long each month of the trail stays in the database, at least. Only a superuser changes it.';

CREATE TABLE IF NOT EXISTS audit.archived_months (
    month      date        PRIMARY KEY,
    rows       bigint      NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_by name        NOT NULL DEFAULT session_user
);
ALTER TABLE audit.archived_months ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS reading ON audit.archived_months;
CREATE POLICY reading ON audit.archived_months FOR SELECT USING (true);
COMMENT ON TABLE audit.archived_months IS
    'The months of the trail that were taken out of the database: they lie in the archive.';

DO $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    BEGIN
        CREATE ROLE amanah_trail_archivist NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'amanah_trail_archivist'
                      AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole))
        THEN
            RAISE EXCEPTION 'the role amanah_trail_archivist exists and may do more than it should'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER NOCREATEROLE.';
        END IF;
    END;
END $$;

-- Takes a month out of the database. Whoever calls it has archived its rows and read them back, and says
-- how many they are: a row that came or went since is not lost by it. The time is the server's, which no
-- session sets.
CREATE FUNCTION audit.remove_month(gone date, counted bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    first CONSTANT timestamptz := date_trunc('month', gone::timestamp) AT TIME ZONE 'UTC';
    part CONSTANT text := concat('system_audit_logs_', to_char(first, 'YYYY_MM'));
    least integer;
    there bigint;
BEGIN
    IF gone IS NULL OR NOT isfinite(gone) OR counted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TRAIL', MESSAGE = 'no month was named; nothing was removed';
    END IF;
    SELECT r.months INTO least FROM audit.retention r;
    IF least IS NULL OR first + make_interval(months => 1 + least) > now() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the month %s of the trail stays: it is younger than it may be to go',
                             to_char(first, 'YYYY-MM')),
            HINT = coalesce(format('Each month stays in the database for %s months after its end.', least),
                            'Nobody has said how long each month stays: amanah protect does.');
    END IF;
    LOCK TABLE audit.system_audit_logs IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'audit.system_audit_logs'::regclass AND c.relname = part)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the trail has no partition of the month %s', to_char(first, 'YYYY-MM'));
    END IF;
    EXECUTE format('SELECT count(*) FROM audit.%I', part) INTO there;
    IF there <> counted THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the month %s has %s rows, and %s were archived; nothing was removed',
                             to_char(first, 'YYYY-MM'), there, counted);
    END IF;
    EXECUTE format('DROP TABLE audit.%I', part);
    INSERT INTO audit.archived_months (month, rows) VALUES (first::date, there);
END $$;

DO $$
DECLARE
    owner pg_catalog.name;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    owner := coalesce(
        (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'amanah'),
        (SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database()));
    REVOKE ALL ON audit.retention, audit.archived_months FROM PUBLIC;
    REVOKE ALL ON FUNCTION audit.remove_month(date, bigint) FROM PUBLIC;
    GRANT USAGE ON SCHEMA audit TO amanah_trail_archivist;
    GRANT EXECUTE ON FUNCTION audit.remove_month(date, bigint) TO amanah_trail_archivist;
    EXECUTE format('GRANT SELECT ON audit.retention, audit.archived_months TO %I, amanah_admin,'
                   ' amanah_auditor, amanah_trail_reader, amanah_trail_archivist', owner);
END $$;
