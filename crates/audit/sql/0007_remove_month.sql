-- Why: a month left the database when it had as many rows as were archived, whichever these were. Now each
--      of them is one that was archived: whoever calls gives a digest over their numbers and hashes.
-- Lock: none on existing tables. remove_month() takes SHARE ROW EXCLUSIVE on the partition of the month while
--       its rows are read, in which nobody waits who writes, since the month is past; and then ACCESS
--       EXCLUSIVE on the trail, for two seconds at most, in which every write to a recorded table waits.
-- Undo: DROP FUNCTION audit.remove_month(date, bigint, bytea), and what 0005_retention.sql makes.

DROP FUNCTION IF EXISTS audit.remove_month(date, bigint);

-- Takes a month out of the database. Whoever calls it has archived its rows and read them back, and says
-- how many they are and which: `sealed` is the SHA-256 over those of each 4,096 rows in the order of
-- transaction and number, and these over the number, in eight bytes, and the hash of each row. A row that
-- came, went or was changed since is not lost by it. The time is the server's, which no session sets.
CREATE FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    first CONSTANT timestamptz := date_trunc('month', gone::timestamp) AT TIME ZONE 'UTC';
    part CONSTANT text := concat('system_audit_logs_', to_char(first, 'YYYY_MM'));
    least integer;
    there bigint;
    digest bytea;
BEGIN
    IF gone IS NULL OR NOT isfinite(gone) OR counted IS NULL OR sealed IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TRAIL', MESSAGE = 'no month was named; nothing was removed';
    END IF;
    -- An older snapshot would not show what came before the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = 'a month is removed in a transaction that is READ COMMITTED; nothing was removed';
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
    IF NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'audit.system_audit_logs'::regclass
                      AND c.relname = part AND c.relnamespace = 'audit'::regnamespace)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the trail has no partition of the month %s', to_char(first, 'YYYY-MM'));
    END IF;
    EXECUTE format('LOCK TABLE audit.%I IN SHARE ROW EXCLUSIVE MODE', part);
    EXECUTE format(
        'SELECT coalesce(sum(c.rows), 0), sha256(coalesce(string_agg(c.digest, '''' ORDER BY c.n), ''''))'
        '  FROM (SELECT r.n, count(*) AS rows,'
        '               sha256(string_agg(int8send(r.id) || r.row_hash, '''' ORDER BY r.xid, r.id)) AS digest'
        '          FROM (SELECT t.xid, t.id, t.row_hash,'
        '                       (row_number() OVER (ORDER BY t.xid, t.id) - 1) / 4096 AS n'
        '                  FROM audit.%I t) r'
        '         GROUP BY r.n) c', part) INTO there, digest;
    IF there <> counted THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the month %s has %s rows, and %s were archived; nothing was removed',
                             to_char(first, 'YYYY-MM'), there, counted);
    END IF;
    IF digest IS DISTINCT FROM sealed THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('the rows of the month %s are not those that were archived; nothing was removed',
                             to_char(first, 'YYYY-MM')),
            HINT = 'amanah audit verify says what became of them.';
    END IF;
    LOCK TABLE audit.system_audit_logs IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE audit.%I', part);
    INSERT INTO audit.archived_months (month, rows) VALUES (first::date, there);
END $$;

REVOKE ALL ON FUNCTION audit.remove_month(date, bigint, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.remove_month(date, bigint, bytea) TO amanah_trail_archivist;
