-- Why: what was recorded before is in the trail afterwards, in the form that its hash was taken
--      over, and the triggers that record go on: they know the recording function by its number.
-- Lock: that of 0003_aside.sql; reading and writing takes as long as the trail is large.
-- Undo: it is one transaction with 0003_trail.sql and the other files of 0003; see 0003_guard.sql.

-- A superuser reads a table here that may be somebody else's, so it must be a plain one: a rule, or
-- the expression of an index, is code that runs while a query is planned. The lock keeps it so.
DO $$
DECLARE
    former CONSTANT pg_catalog.oid :=
        pg_catalog.to_regclass('amanah_audit_former.system_audit_logs')::pg_catalog.oid;
    anew CONSTANT pg_catalog.oid := 'audit.system_audit_logs'::pg_catalog.regclass;
    -- Whether it has partitions, as this form has.
    parted CONSTANT pg_catalog.bool := (SELECT c.relkind OPERATOR(pg_catalog.=) 'p'
        FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) former);
    tree pg_catalog.oid[];
    odd pg_catalog.text;
    month pg_catalog.timestamptz;
    place CONSTANT pg_catalog.text := 'INSERT INTO audit.system_audit_logs (id, event_timestamp,'
        ' actor_id, tenant_id, db_user, request_id, action, table_schema, table_name, row_key,'
        ' old_data, new_data, xid, row_hash, salt, erased) OVERRIDING SYSTEM VALUE ';
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF former IS NULL THEN
        RETURN;
    END IF;
    tree := array_append(ARRAY(SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = former),
                         former);
    odd := CASE
        WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = former)
            OR NOT parted AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = former)
            THEN 'it inherits, or is inherited from'
        WHEN EXISTS (SELECT FROM pg_class c WHERE c.oid = ANY (tree)
                        AND (c.relkind <> CASE WHEN parted AND c.oid = former THEN 'p' ELSE 'r' END
                             OR c.relpersistence <> 'p' OR c.relam >= 16384
                             OR c.relrowsecurity AND NOT parted))
            THEN 'it is not a plain table'
        WHEN parted AND NOT EXISTS (
            SELECT FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid
             WHERE p.partrelid = former AND p.partstrat = 'r' AND p.partnatts = 1
               AND p.partexprs IS NULL AND p.partclass[0] < 16384
               AND a.attnum = p.partattrs[0] AND a.attname = 'event_timestamp')
            THEN 'it is divided otherwise'
        WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = ANY (tree)) THEN 'it has a rule'
        -- Those of 0003_reading.sql hide nothing from a superuser.
        WHEN EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = ANY (tree)
                        AND NOT (parted AND p.polrelid = former AND p.polname IN
                                 ('recording', 'sealing', 'reading', 'proving', 'erasing')))
            THEN 'it has a policy'
        WHEN EXISTS (SELECT FROM pg_statistic_ext s WHERE s.stxrelid = ANY (tree))
            THEN 'it has statistics of somebody''s own'
        WHEN EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                      WHERE i.indrelid = ANY (tree)
                        AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
                             OR EXISTS (SELECT FROM unnest(i.indclass) k WHERE k >= 16384)
                             OR NOT CASE WHEN NOT parted THEN i.indisprimary
                                WHEN i.indrelid = former THEN c.relname IN
                                    ('system_audit_logs_xid', 'system_audit_logs_place')
                                ELSE c.relispartition END))
            THEN 'it has an index of somebody''s own'
        WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = ANY (tree)
                        AND t.tgname NOT IN ('hash', 'refuse_row', 'refuse_statement'))
            THEN 'it has a trigger of somebody''s own'
        WHEN EXISTS (
            SELECT FROM unnest(tree) r
             WHERE (SELECT string_agg(format('%I %s %s', a.attname, a.atttypid::regtype,
                                             a.attgenerated), ',' ORDER BY a.attname::text)
                      FROM pg_attribute a WHERE a.attrelid = r AND a.attnum > 0)
                   IS DISTINCT FROM CASE WHEN parted
                   THEN (SELECT string_agg(format('%I %s %s', a.attname, a.atttypid::regtype,
                                             a.attgenerated), ',' ORDER BY a.attname::text)
                           FROM pg_attribute a WHERE a.attrelid = anew AND a.attnum > 0)
                   ELSE 'action text ,actor_id text ,db_user name ,'
                        'event_timestamp timestamp with time zone ,id bigint ,new_data jsonb ,'
                        'old_data jsonb ,request_id text ,row_hash bytea ,row_key jsonb ,'
                        'table_name name ,table_schema name ,tenant_id text ,xid xid8 ' END)
            THEN 'it has other columns'
        WHEN EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = ANY (tree)
                        AND k.contype <> 'n' AND (parted OR k.conname NOT IN (
                            'system_audit_logs_pkey', 'system_audit_logs_action_check',
                            'system_audit_logs_row_hash_check')))
            OR EXISTS (SELECT FROM pg_constraint k JOIN pg_depend d
                         ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
                        AND d.refobjid >= 16384 AND NOT (d.refclassid = 'pg_class'::regclass
                            AND d.refobjid = k.conrelid)
                        WHERE k.conrelid = ANY (tree) AND d.deptype <> 'P' AND d.deptype <> 'S')
            THEN 'it has other constraints'
        END;
    IF odd IS NOT NULL THEN
        RAISE EXCEPTION 'audit.system_audit_logs is not as Amanah made it: %; nothing was changed.'
                        ' Look for who changed it, and take that away', odd;
    END IF;
    FOR month IN EXECUTE
        'SELECT DISTINCT date_trunc(''month'', event_timestamp, ''UTC'')
           FROM amanah_audit_former.system_audit_logs WHERE isfinite(event_timestamp) LIMIT 600'
    LOOP
        PERFORM audit.make_partition(month);
    END LOOP;
    -- The hash stays as it was recorded: one that does not fit its row must be seen. No content is
    -- bound anew: rows of the first form get no salt.
    ALTER TABLE audit.system_audit_logs DISABLE TRIGGER hash;
    IF parted THEN
        EXECUTE concat(place, 'SELECT id, event_timestamp, actor_id, tenant_id, db_user, request_id,
            action, table_schema, table_name, row_key, old_data, new_data, xid, row_hash,
            salt, erased FROM amanah_audit_former.system_audit_logs ORDER BY xid, id');
    ELSE
        EXECUTE concat(place, 'SELECT id, event_timestamp, actor_id, tenant_id, db_user, request_id,
            action, table_schema, table_name, row_key, old_data, new_data, xid, row_hash,
            NULL, NULL FROM ONLY amanah_audit_former.system_audit_logs ORDER BY xid, id');
    END IF;
    ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER hash;
    PERFORM setval('audit.system_audit_logs_id_seq', max(id)) FROM audit.system_audit_logs
      HAVING max(id) IS NOT NULL;
END $$;

-- The recording function keeps its number and nothing else: its text and its settings are the
-- shipped ones again, and 0003_keeper.sql sees to its owner and its rights.
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
        -- What may be hidden is approved anew, by whoever keeps the trail now.
        DROP TABLE IF EXISTS amanah_audit_former.hidden_columns;
        -- Whoever kept it before may know the key.
        DROP TABLE IF EXISTS amanah_audit_former.hash_key;
        DROP TABLE IF EXISTS amanah_audit_former.cipher_key;
    END IF;
    -- What was archived stays known, and how long months stay; 0003_aside.sql has seen whose they are.
    IF to_regclass('amanah_audit_former.archived_months') IS NOT NULL THEN
        ALTER TABLE amanah_audit_former.archived_months SET SCHEMA audit;
    END IF;
    IF to_regclass('amanah_audit_former.retention') IS NOT NULL THEN
        ALTER TABLE amanah_audit_former.retention SET SCHEMA audit;
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
