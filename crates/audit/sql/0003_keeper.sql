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

-- Records changes of structure, of everybody: what an event trigger hands over is not the session's
-- to choose. Temporary objects are the session's own affair, and what belongs to an extension is
-- covered by the extension's row. It records with the recorder's rights.
-- They name the login alone: whose binding it is would be asked of a function that the application's
-- owner can replace, and what he puts there could wait for a superuser, who may have become somebody
-- else for a while, to be one again at the end of the transaction.
CREATE FUNCTION audit.record_command(tag text, place text, name text, told jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Without the partition of the rest the trail is being made anew by make_partition(), and may have
    -- no place for a row.
    IF EXISTS (SELECT FROM pg_partitioned_table p
                WHERE p.partrelid = 'audit.system_audit_logs'::regclass AND p.partdefid = 0)
    THEN
        RETURN;
    END IF;
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

-- What was sent, without what may be a secret: literals, numbers and comments are left out. Of several
-- statements those that begin with the word of `tag` are kept, and all where none does, as when the
-- command came from a function or a DO, of whose text the quoted parts alone are left out. It is
-- called for each command of a migration, so it looks at no more than the beginning of a long one.
CREATE FUNCTION audit.told(query text, tag text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Where backslashes escape in each literal, one is read as one with an E before it.
    text_quote CONSTANT text := CASE current_setting('standard_conforming_strings')
        WHEN 'off' THEN E'[eE]?\'' ELSE E'[eE]\'' END;
    bare text := left(query, 16384);
    kept text;
BEGIN
    -- Names in quotes stay; literals and comments are found in the same pass, so that none is taken
    -- for the other, and leave a sign that no text of SQL has.
    bare := regexp_replace(translate(bare, chr(1), ''), concat(E'("(?:[^"]|"")*")|', text_quote,
        E'(?:[^\'\\\\]|\\\\.|\'\')*\'|\'(?:[^\']|\'\')*\'|--[^\n]*|/[*](?:[^*]|[*]+[^*/])*[*]+/'),
        E'\\1\x01', 'g');
    bare := replace(replace(bare, concat('"', chr(1)), '"'), chr(1), '?');
    -- A quote that does not end: nobody knows where it began.
    bare := regexp_replace(bare, E'^((?:[^"\']|"(?:[^"]|"")*")*)\'.*$', E'\\1?');
    bare := regexp_replace(bare, E'\\m[0-9][0-9.]*', '?', 'g');
    IF bare !~* '^[[:space:]?]*do([[:space:]]|[$])' THEN
        bare := regexp_replace(bare, E'[$]([[:alnum:]_]*?)[$].*?[$]\\1[$]', '?', 'g');
        bare := regexp_replace(bare, '[$][[:alnum:]_]*[$].*', '?');
        SELECT string_agg(ltrim(rtrim(u.one, E' \n\r\t'), E' ?\n\r\t'), '; ' ORDER BY u.place) INTO kept
          FROM unnest(string_to_array(bare, ';')) WITH ORDINALITY u (one, place)
         WHERE upper(ltrim(u.one, E' ?\n\r\t')) LIKE concat(split_part(tag, ' ', 1), ' %');
    END IF;
    bare := btrim(regexp_replace(coalesce(kept, bare), '[[:space:]]+', ' ', 'g'), '; ');
    RETURN concat(left(bare, 1000),
                  CASE WHEN length(bare) > 1000 OR length(query) > 16384 THEN ' ...' END);
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
                'oid', it.oid::int8, 'rewritten', pg_event_trigger_table_rewrite_reason(),
                'statement', audit.told(current_query(), tg_tag)));
        END IF;
        RETURN;
    END IF;
    FOR it IN
        SELECT DISTINCT c.command_tag, c.object_type, c.schema_name, c.object_identity,
               CASE WHEN c.classid = 'pg_class'::regclass THEN c.objid::int8 END AS number,
               CASE WHEN c.classid = 'pg_class'::regclass
                    THEN (SELECT k.relname FROM pg_class k WHERE k.oid = c.objid) END AS relation,
               -- What a comment says and what a recording trigger is given may hide columns.
               CASE WHEN c.command_tag = 'COMMENT' THEN (
                   SELECT left(d.description, 1000) FROM pg_description d
                    WHERE d.objoid = c.objid AND d.classoid = c.classid AND d.objsubid = c.objsubid)
                   END AS says,
               CASE WHEN c.classid = 'pg_trigger'::regclass THEN (
                   SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t
                     JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'global_track_changes'
                     JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
                    WHERE t.oid = c.objid) END AS definition
          FROM pg_event_trigger_ddl_commands() c
         WHERE NOT c.in_extension AND c.schema_name IS DISTINCT FROM 'pg_temp'
    LOOP
        PERFORM audit.record_command(it.command_tag, coalesce(it.schema_name, ''),
            coalesce(it.relation, ''),
            jsonb_strip_nulls(jsonb_build_object('type', it.object_type,
                'object', it.object_identity, 'oid', it.number, 'says', it.says,
                'definition', it.definition,
                'statement', audit.told(current_query(), it.command_tag))));
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
                'object', it.object_identity, 'oid', it.number, 'dropped', true,
                'statement', audit.told(current_query(), tg_tag))));
    END LOOP;
END $$;

DO $$
DECLARE
    own text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    FOREACH own IN ARRAY ARRAY['record_command(text, text, text, jsonb)', 'record_ddl()',
                               'record_drop()', 'told(text, text)'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION audit.%s FROM PUBLIC', own);
        EXECUTE format('ALTER FUNCTION audit.%s OWNER TO amanah_trail', own);
    END LOOP;
END $$;
