-- Why: an owner can disable triggers on its own tables and undo its own trail. Here the trail is a
--      superuser's from the start, and recording is a role's without a login.
-- Lock: none that anybody waits for: what is here was made in the same transaction.
-- Undo: as 0003_guard.sql says; this comes after 0003_trail.sql, run by a superuser.

-- Two keepers, not one. The recording function calls amanah.current_actor(), which the
-- application's owner can replace: planted code runs with the recorder's rights, so the recorder
-- may insert and nothing else. The table's owner must be out of reach of CREATEROLE, which until
-- PostgreSQL 16 can enter every role but a superuser.
DO $$
DECLARE
    recorder CONSTANT pg_catalog.oid := 'audit.global_track_changes()'::pg_catalog.regprocedure;
    who pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    BEGIN
        CREATE ROLE amanah_trail NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        -- Another database of this cluster has made it, unless somebody else did.
        IF EXISTS (SELECT FROM pg_catalog.pg_roles r
                    WHERE r.rolname = 'amanah_trail' AND (r.rolcanlogin OR r.rolsuper
                       OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid)))
        THEN
            RAISE EXCEPTION 'the role amanah_trail exists and can be used by others'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER and revoke it from its members.';
        END IF;
    END;
    -- Whoever seals the trail and checks it is a member of this one, which may read it and no more.
    BEGIN
        CREATE ROLE amanah_trail_reader NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'amanah_trail_reader'
                      AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole))
        THEN
            RAISE EXCEPTION 'the role amanah_trail_reader exists and may do more than read'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER NOCREATEROLE.';
        END IF;
    END;
    ALTER FUNCTION audit.global_track_changes() OWNER TO amanah_trail;
    -- It may have been somebody else's, who gave rights on it.
    FOR who IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC'
                        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
          FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
         WHERE p.oid = recorder AND a.grantee <> p.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION audit.global_track_changes() FROM %s CASCADE', who);
    END LOOP;
    IF EXISTS (SELECT FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
                WHERE p.oid = recorder AND a.grantee <> p.proowner)
    THEN
        RAISE EXCEPTION 'rights on audit.global_track_changes() could not be taken back';
    END IF;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
    GRANT USAGE ON SCHEMA audit TO amanah_trail;
    GRANT INSERT ON audit.system_audit_logs TO amanah_trail;
    GRANT SELECT ON SEQUENCE audit.system_audit_logs_id_seq TO amanah_trail;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA audit TO amanah_trail;
    -- These are the keeper's: one makes tables as a superuser.
    REVOKE EXECUTE ON FUNCTION audit.make_partition(timestamptz), audit.make_partitions()
        FROM amanah_trail;
    GRANT USAGE ON SCHEMA audit TO amanah_trail_reader;
    GRANT SELECT ON audit.system_audit_logs TO amanah_trail_reader;
END $$;

-- After each DDL command of anybody but a superuser: whatever it touched must still be recorded.
-- It runs with the rights of whoever gave the command, so it reads the catalogue by name and never
-- casts to regprocedure, which would ask for USAGE on schema audit.
CREATE FUNCTION audit.refuse_weaker_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorder CONSTANT oid := (SELECT p.oid FROM pg_proc p JOIN pg_namespace n
                                  ON n.oid = p.pronamespace AND n.nspname = 'audit'
                               WHERE p.proname = 'global_track_changes');
    made record;
    weak text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    -- A new trigger sleeps in replica sessions; ours are woken at once.
    FOR made IN
        SELECT t.tgname, t.tgrelid::regclass AS place
          FROM pg_event_trigger_ddl_commands() c
          JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
         WHERE c.command_tag = 'CREATE TRIGGER' AND t.tgfoid = recorder AND t.tgenabled <> 'A'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', made.place, made.tgname);
    END LOOP;
    SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass) INTO weak
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_trigger t ON (c.classid = 'pg_class'::regclass AND t.tgrelid = c.objid)
                        OR (c.classid = 'pg_trigger'::regclass AND t.oid = c.objid)
     WHERE (t.tgfoid = recorder
            OR t.tgname IN ('amanah_audit_row', 'amanah_audit_truncate', 'amanah_audit_insert',
                            'amanah_audit_update', 'amanah_audit_delete'))
       -- 29: after insert, update and delete, for each row; the others after one of them, once.
       AND (t.tgfoid <> recorder OR t.tgenabled <> 'A' OR t.tgconstraint <> 0
            OR t.tgqual IS NOT NULL OR t.tgattr <> ''::int2vector
            OR (t.tgname::text, t.tgtype, coalesce(t.tgoldtable::text, ''),
                coalesce(t.tgnewtable::text, '')) NOT IN
               (('amanah_audit_row', 29, '', ''), ('amanah_audit_truncate', 32, '', ''),
                ('amanah_audit_insert', 4, '', 'amanah_becomes'),
                ('amanah_audit_update', 16, 'amanah_was', 'amanah_becomes'),
                ('amanah_audit_delete', 8, 'amanah_was', '')))
     LIMIT 1;
    -- A detached partition loses its copy of the parent's trigger without a word, but keeps the
    -- trigger for TRUNCATE, which is its own: one without the other tells.
    IF weak IS NULL THEN
        SELECT format('trigger amanah_audit_row on %s', t.tgrelid::regclass) INTO weak
          FROM pg_trigger t
         WHERE t.tgfoid = recorder AND t.tgname = 'amanah_audit_truncate'
           AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = t.tgrelid
                              AND o.tgfoid = recorder
                              AND o.tgname IN ('amanah_audit_row', 'amanah_audit_insert'))
           AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
                         JOIN pg_class k ON c.classid = 'pg_class'::regclass AND k.oid = c.objid
                        WHERE k.relkind = 'p')
         LIMIT 1;
    END IF;
    IF weak IS NULL THEN
        SELECT object_identity INTO weak FROM pg_event_trigger_ddl_commands()
         WHERE schema_name = 'audit' LIMIT 1;
    END IF;
    IF weak IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: %s keeps the audit trail complete', tg_tag, weak),
            HINT = 'Nothing was changed. Only a superuser can turn recording off, and the page'
                   ' will show it.';
    END IF;
END $$;

-- A table may go, and its triggers with it; they may not go alone, unless the table is recorded in
-- the other way by then: for each row, or for each statement.
CREATE FUNCTION audit.refuse_drop() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    SELECT d.object_identity INTO gone
      FROM pg_event_trigger_dropped_objects() d
     WHERE d.schema_name = 'audit'
        OR (d.object_type = 'trigger'
            AND d.address_names[3] IN ('amanah_audit_row', 'amanah_audit_truncate',
                'amanah_audit_insert', 'amanah_audit_update', 'amanah_audit_delete')
            AND EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = d.address_names[1] AND c.relname = d.address_names[2]
                   AND (d.address_names[3] = 'amanah_audit_truncate' OR NOT EXISTS (
                       SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                         JOIN pg_namespace a ON a.oid = p.pronamespace AND a.nspname = 'audit'
                        WHERE t.tgrelid = c.oid AND p.proname = 'global_track_changes'
                          AND t.tgenabled = 'A'
                          AND t.tgname IN ('amanah_audit_row', 'amanah_audit_insert',
                                           'amanah_audit_update', 'amanah_audit_delete')
                       HAVING bool_or(t.tgname = 'amanah_audit_row')
                           OR count(*) FILTER (WHERE t.tgname <> 'amanah_audit_row') = 3))))
     LIMIT 1;
    IF gone IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: %s keeps the audit trail complete', tg_tag, gone),
            HINT = 'Nothing was changed. Only a superuser can turn recording off, and the page'
                   ' will show it.';
    END IF;
END $$;
REVOKE ALL ON FUNCTION audit.refuse_weaker_ddl(), audit.refuse_drop() FROM PUBLIC;

-- Records changes of structure, of everybody: what an event trigger hands over is not the session's
-- to choose. Temporary objects are the session's own affair, and what belongs to an extension is
-- covered by the extension's row. It records with the recorder's rights.
-- They name the login alone: whose binding it is would be asked of a function that the application's
-- owner can replace, and what he puts there could wait for a superuser, who may have become somebody
-- else for a while, to be one again at the end of the transaction.
CREATE FUNCTION audit.record_command(tag text, place text, name text, told jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO audit.system_audit_logs
        (request_id, action, table_schema, table_name, new_data)
    VALUES
        (left(nullif(current_setting('amanah.request_id', true), ''), 128),
         'DDL', place, name, jsonb_build_object('command', tag) || told);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: the audit trail did not take it', tag),
            HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was changed.';
    END IF;
END $$;

CREATE FUNCTION audit.record_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    it record;
BEGIN
    -- What a rewrite makes of the rows is in no log, so at least it is said that there was one.
    IF tg_event = 'table_rewrite' THEN
        SELECT n.nspname, k.relname, k.oid, k.relpersistence INTO it
          FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace
         WHERE k.oid = pg_event_trigger_table_rewrite_oid();
        IF it.relpersistence <> 't' THEN
            PERFORM audit.record_command(tg_tag, it.nspname, it.relname, jsonb_build_object(
                'type', 'table', 'object', format('%I.%I', it.nspname, it.relname),
                'oid', it.oid::int8, 'rewritten', pg_event_trigger_table_rewrite_reason()));
        END IF;
        RETURN;
    END IF;
    FOR it IN
        SELECT DISTINCT c.command_tag, c.object_type, c.schema_name, c.object_identity,
               CASE WHEN c.classid = 'pg_class'::regclass THEN c.objid::int8 END AS number,
               CASE WHEN c.classid = 'pg_class'::regclass
                    THEN (SELECT k.relname FROM pg_class k WHERE k.oid = c.objid) END AS relation
          FROM pg_event_trigger_ddl_commands() c
         WHERE NOT c.in_extension AND c.schema_name IS DISTINCT FROM 'pg_temp'
    LOOP
        PERFORM audit.record_command(it.command_tag, coalesce(it.schema_name, ''),
            coalesce(it.relation, ''),
            jsonb_strip_nulls(jsonb_build_object('type', it.object_type,
                'object', it.object_identity, 'oid', it.number)));
    END LOOP;
END $$;

-- What goes with something else is left out: the row of that names it.
CREATE FUNCTION audit.record_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    it record;
BEGIN
    FOR it IN
        SELECT d.object_type, d.schema_name, d.object_identity,
               CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid::int8 END AS number,
               CASE WHEN d.classid = 'pg_class'::regclass THEN d.object_name END AS relation
          FROM pg_event_trigger_dropped_objects() d
         WHERE NOT d.is_temporary AND (d.original OR d.normal)
    LOOP
        PERFORM audit.record_command(tg_tag, coalesce(it.schema_name, ''),
            coalesce(it.relation, ''),
            jsonb_strip_nulls(jsonb_build_object('type', it.object_type,
                'object', it.object_identity, 'oid', it.number, 'dropped', true)));
    END LOOP;
END $$;

DO $$
DECLARE
    own text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    FOREACH own IN ARRAY ARRAY['record_command(text, text, text, jsonb)', 'record_ddl()',
                               'record_drop()'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION audit.%s FROM PUBLIC', own);
        EXECUTE format('ALTER FUNCTION audit.%s OWNER TO amanah_trail', own);
    END LOOP;
END $$;
