-- Why: what was recorded before a superuser kept the trail is in the trail afterwards, and the
--      triggers that record go on: they know the recording function by its number.
-- Lock: that of 0002_aside.sql; reading and writing takes as long as the trail is large.
-- Undo: it is one transaction with 0001_trail.sql and the other files of 0002; see 0002_watch.sql.

-- A superuser reads a table here that may be somebody else's, so it must be a plain one: a rule, or
-- the expression of an index, is code that runs while a query is planned. The lock keeps it so.
DO $$
DECLARE
    former CONSTANT pg_catalog.oid :=
        pg_catalog.to_regclass('amanah_audit_former.system_audit_logs')::pg_catalog.oid;
    anew CONSTANT pg_catalog.oid := 'audit.system_audit_logs'::pg_catalog.regclass;
    odd pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF former IS NULL THEN
        RETURN;
    END IF;
    odd := CASE
        WHEN (SELECT (c.relkind, c.relpersistence, c.relam, c.relispartition, c.relrowsecurity)
                  IS DISTINCT FROM
                  (n.relkind, n.relpersistence, n.relam, n.relispartition, n.relrowsecurity)
                FROM pg_class c, pg_class n WHERE c.oid = former AND n.oid = anew)
            THEN 'it is not a plain table'
        WHEN EXISTS (SELECT FROM pg_inherits i WHERE former IN (i.inhrelid, i.inhparent))
            THEN 'it inherits, or is inherited from'
        WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = former) THEN 'it has a rule'
        WHEN EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = former) THEN 'it has a policy'
        WHEN EXISTS (SELECT FROM pg_statistic_ext s WHERE s.stxrelid = former)
            THEN 'it has statistics of somebody''s own'
        WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = former AND NOT i.indisprimary)
            THEN 'it has an index of somebody''s own'
        WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = former
                        AND t.tgname NOT IN ('hash', 'refuse_row', 'refuse_statement'))
            THEN 'it has a trigger of somebody''s own'
        WHEN (SELECT string_agg(format('%I %s %s %s %s', a.attname, a.atttypid, a.atttypmod,
                                       a.attcollation, a.attgenerated), ',' ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = former AND a.attnum > 0)
             IS DISTINCT FROM
             (SELECT string_agg(format('%I %s %s %s %s', a.attname, a.atttypid, a.atttypmod,
                                       a.attcollation, a.attgenerated), ',' ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = anew AND a.attnum > 0)
            THEN 'it has other columns'
        WHEN (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY k.conname)
                FROM pg_constraint k WHERE k.conrelid = former)
             IS DISTINCT FROM
             (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY k.conname)
                FROM pg_constraint k WHERE k.conrelid = anew)
            THEN 'it has other constraints'
        END;
    IF odd IS NOT NULL THEN
        RAISE EXCEPTION 'audit.system_audit_logs is not as Amanah made it: %; nothing was changed.'
                        ' Look for who changed it, and take that away', odd;
    END IF;
    -- The hash stays as it was recorded: one that does not fit its row must be seen.
    ALTER TABLE audit.system_audit_logs DISABLE TRIGGER hash;
    INSERT INTO audit.system_audit_logs
        (id, event_timestamp, actor_id, tenant_id, db_user, request_id, action, table_schema,
         table_name, row_key, old_data, new_data, xid, row_hash)
    OVERRIDING SYSTEM VALUE
    SELECT id, event_timestamp, actor_id, tenant_id, db_user, request_id, action, table_schema,
           table_name, row_key, old_data, new_data, xid, row_hash
      FROM ONLY amanah_audit_former.system_audit_logs;
    ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER hash;
    PERFORM setval('audit.system_audit_logs_id_seq', max(id)) FROM audit.system_audit_logs
      HAVING max(id) IS NOT NULL;
END $$;

-- The recording function keeps its number and nothing else: its text and its settings are the
-- shipped ones again, and 0002_keeper.sql sees to its owner and its rights.
DO $$
DECLARE
    recorder CONSTANT pg_catalog.oid :=
        pg_catalog.to_regprocedure('amanah_audit_former.global_track_changes()')::pg_catalog.oid;
    shipped pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF recorder IS NULL THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                  AND d.objid = recorder AND d.deptype IN ('e', 'x'))
    THEN
        RAISE EXCEPTION 'audit.global_track_changes() was tied to an extension; nothing was'
                        ' changed. Look for who did it, and untie it';
    END IF;
    shipped := pg_get_functiondef('audit.global_track_changes()'::regprocedure);
    DROP FUNCTION audit.global_track_changes();
    ALTER FUNCTION amanah_audit_former.global_track_changes() SET SCHEMA audit;
    EXECUTE shipped;
END $$;

-- What was put aside goes, unless somebody has hung something on it.
DO $$
DECLARE
    helper pg_catalog.text;
    needed pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF to_regnamespace('amanah_audit_former') IS NULL THEN
        RETURN;
    END IF;
    IF to_regclass('amanah_audit_former.system_audit_logs') IS NOT NULL THEN
        DROP FUNCTION IF EXISTS
            amanah_audit_former.row_digest(amanah_audit_former.system_audit_logs);
        DROP TABLE amanah_audit_former.system_audit_logs;
    END IF;
    FOR helper IN
        SELECT p.oid::regprocedure::text FROM pg_proc p
         WHERE p.pronamespace = to_regnamespace('amanah_audit_former')
    LOOP
        EXECUTE format('DROP ROUTINE %s', helper);
    END LOOP;
    DROP SCHEMA amanah_audit_former;
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS needed = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION 'the trail cannot be made anew while others use the one that is there: %;'
                    ' nothing was changed. Drop these, and make them again afterwards',
                    replace(needed, 'amanah_audit_former', 'audit');
END $$;

