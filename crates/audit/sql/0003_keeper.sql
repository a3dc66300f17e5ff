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
-- covered by the extension's row. It records with the rights of the desk, which no code of the
-- application has, as those of the recorder: 0003_reading.sql gives it these.
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

-- A text of SQL without what may be a secret: in the place of literals, dollar quotes and comments is a
-- sign that no text of SQL has. It is read from left to right as PostgreSQL reads it, so that none of
-- them is taken for another; names in quotes stay. Of the code of a DO the same is left out, and the
-- rest stays; but of code within that code, nothing does.
CREATE FUNCTION audit.bare(query text, within boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    escaped CONSTANT text := E'\'(?:[^\'\\\\]|\\\\.|\'\')*\'';
    -- A literal goes on in the next line, and one with an E before it as such.
    literal CONSTANT text := concat(E'\\m[eE]', escaped,
        E'(?:[ \t\f]*(?:--[^\n\r]*)?[\n\r](?:\\s|--[^\n\r]*[\n\r])*', escaped, ')*|',
        -- Where backslashes escape in each literal, one is read as one with an E before it.
        CASE current_setting('standard_conforming_strings')
        WHEN 'off' THEN escaped ELSE E'\'(?:[^\']|\'\')*\'' END);
    name CONSTANT text := '"(?:[^"]|"")*"';
    line CONSTANT text := E'--[^\n]*';
    -- A word begins with a letter, and PostgreSQL takes for one what is not ASCII.
    first CONSTANT text := E'[^\x01-\x40\x5b-\x5e\x60\x7b-\x7f]';
    more CONSTANT text := E'[^\x01-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]';
    tag CONSTANT text :=
        concat('[$](?:', first, E'[^\x01-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]*)?[$]');
    -- Up to a dollar quote, a comment that may hold others, or what does not end.
    plain CONSTANT text := concat('^(?:', name, '|', literal, '|', line, '|(?![eE]'')', first, more,
        '*(?!', more, ')|(?!', tag, ')[$]|-(?!-)|/(?![*])|[^"''$/-])*');
    left_out CONSTANT text := concat('(', name, ')|', literal, '|', line);
    rest text := translate(query, chr(1), '');
    done text := '';
    part text;
    quote text;
    n integer;
BEGIN
    LOOP
        part := substring(rest FROM plain);
        rest := substr(rest, length(part) + 1);
        done := replace(concat(done, regexp_replace(part, left_out, E'\\1\x01', 'g')),
                        concat('"', chr(1)), '"');
        EXIT WHEN rest = '';
        quote := substring(rest FROM concat('^', tag));
        n := 0;
        IF quote IS NOT NULL THEN
            n := strpos(substr(rest, length(quote) + 1), quote);
            part := substr(rest, length(quote) + 1, CASE n WHEN 0 THEN length(rest) ELSE n - 1 END);
            rest := substr(rest, 2 * length(quote) + n);
            done := concat(done, CASE WHEN NOT within AND right(done, 200)
                ~* E'(?:^|[;\x01])\\s*do(?:[\\s\x01]+language[\\s\x01]+[a-z0-9_"]+)?[\\s\x01]*$'
                THEN concat(quote, audit.bare(part, true), quote) ELSE chr(1) END);
            EXIT WHEN n = 0;
        ELSE
            done := concat(done, chr(1));
            -- Comments lie within one another. A quote that does not end is no comment.
            WHILE rest LIKE '/*%' OR n > 0 LOOP
                part := substring(rest FROM '^.*?(?:[*]/|/[*])');
                rest := substr(rest, length(part) + 1);
                n := n + CASE right(part, 1) WHEN '*' THEN 1 WHEN '/' THEN -1 ELSE -n END;
                EXIT WHEN n = 0;
            END LOOP;
            EXIT WHEN part IS NULL OR right(part, 2) <> '*/';
        END IF;
    END LOOP;
    RETURN done;
END $$;

-- What was sent, without what may be a secret: literals, numbers and comments are left out. Of several
-- statements those that begin with the word of `tag` are kept, and all where none does, as when the
-- command came from a function or a DO. It is called for each command of a migration, so it looks at no
-- more than the beginning of a long one.
CREATE FUNCTION audit.told(query text, tag text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bare text := replace(audit.bare(left(query, 16384), false), chr(1), '?');
    kept text;
BEGIN
    bare := regexp_replace(bare, E'\\m[0-9][0-9.]*', '?', 'g');
    IF bare !~* '^[[:space:]?]*do([[:space:]]|[$])' THEN
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
                    WHERE t.oid = c.objid) END AS definition,
               -- Which labels of an enum are called otherwise: refuse_early() has noted what they were.
               CASE WHEN c.command_tag = 'ALTER TYPE' AND c.classid = 'pg_type'::regclass THEN (
                   SELECT jsonb_object_agg(b.value, e.enumlabel) FROM pg_enum e
                     JOIN jsonb_each_text(coalesce(nullif(current_setting('amanah.labels', true), ''),
                                                   '{}')::jsonb) b
                       ON b.key = e.oid::text AND b.value <> e.enumlabel
                    WHERE e.enumtypid = c.objid) END AS labels
          FROM pg_event_trigger_ddl_commands() c
         WHERE NOT c.in_extension AND c.schema_name IS DISTINCT FROM 'pg_temp'
           -- What hangs on something temporary goes with it.
           AND NOT EXISTS (
               SELECT FROM pg_namespace n
                WHERE starts_with(n.nspname::text, 'pg_temp_') AND n.oid IN (
                      SELECT k.relnamespace FROM pg_class k WHERE k.oid IN (
                          SELECT t.tgrelid FROM pg_trigger t
                           WHERE c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
                          UNION ALL SELECT r.ev_class FROM pg_rewrite r
                           WHERE c.classid = 'pg_rewrite'::regclass AND r.oid = c.objid
                          UNION ALL SELECT p.polrelid FROM pg_policy p
                           WHERE c.classid = 'pg_policy'::regclass AND p.oid = c.objid)
                      UNION ALL SELECT s.connamespace FROM pg_constraint s
                       WHERE c.classid = 'pg_constraint'::regclass AND s.oid = c.objid
                      UNION ALL SELECT y.typnamespace FROM pg_type y WHERE y.oid IN (
                          SELECT unnest(ARRAY[s.castsource, s.casttarget]) FROM pg_cast s
                           WHERE c.classid = 'pg_cast'::regclass AND s.oid = c.objid)))
           -- Every login may make a large object, as a value.
           AND c.classid IS DISTINCT FROM 'pg_largeobject'::regclass
           AND c.object_type <> 'LARGE OBJECT'
           -- Rights that stay as they are: refuse_early() has looked.
           AND NOT (tg_tag IN ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES')
                    AND coalesce(current_setting('amanah.rights', true), '') = 'unchanged')
    LOOP
        PERFORM audit.record_command(it.command_tag, coalesce(it.schema_name, ''),
            coalesce(it.relation, ''),
            jsonb_strip_nulls(jsonb_build_object('type', it.object_type,
                'object', it.object_identity, 'oid', it.number, 'says', it.says,
                'definition', it.definition, 'labels', it.labels,
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
           AND d.address_names[1] IS DISTINCT FROM 'pg_temp' AND d.object_type <> 'large object'
           AND NOT (d.object_type = 'default acl'
                    AND coalesce(current_setting('amanah.rights', true), '') = 'unchanged')
           AND NOT (d.object_type IN ('cast', 'domain constraint')
                    AND (starts_with(d.address_names[1], 'pg_temp.')
                         OR starts_with(d.address_args[1], 'pg_temp.')))
    LOOP
        PERFORM audit.record_command(tg_tag, coalesce(it.schema_name, ''),
            coalesce(it.relation, ''),
            jsonb_strip_nulls(jsonb_build_object('type', it.object_type,
                'object', it.object_identity, 'oid', it.number, 'dropped', true,
                'statement', audit.told(current_query(), tg_tag))));
    END LOOP;
END $$;
