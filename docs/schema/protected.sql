CREATE SCHEMA amanah;

ALTER SCHEMA amanah OWNER TO owner;

CREATE SCHEMA amanah_guard;

ALTER SCHEMA amanah_guard OWNER TO postgres;

CREATE SCHEMA audit;

ALTER SCHEMA audit OWNER TO postgres;

CREATE FUNCTION amanah.bind(token text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    wanted CONSTANT pg_catalog.text[] := amanah.open_token(token);
    bound pg_catalog.text[];
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '28000',
            MESSAGE = 'the tenant binding is refused: there is none',
            HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token.';
    END IF;
    IF pg_catalog.current_setting('amanah.token', true) OPERATOR(pg_catalog.<>) '' THEN
        BEGIN
            bound := amanah.open_token(pg_catalog.current_setting('amanah.token', true));
        EXCEPTION WHEN invalid_authorization_specification THEN
            bound := NULL;
        END;
        IF bound[3] OPERATOR(pg_catalog.<>) wanted[3] THEN
            RAISE EXCEPTION USING ERRCODE = '28000',
                MESSAGE = 'the tenant binding is refused: another tenant is bound already',
                HINT = 'Begin a new transaction for another tenant.';
        END IF;
    END IF;
    -- An assignment is no query, as PERFORM would be.
    token := pg_catalog.set_config('amanah.token', token, true);
END $_$;

ALTER FUNCTION amanah.bind(token text) OWNER TO owner;

CREATE FUNCTION amanah.binding() RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN amanah.open_token(pg_catalog.current_setting('amanah.token', true));
END $$;

ALTER FUNCTION amanah.binding() OWNER TO owner;

CREATE FUNCTION amanah.current_actor() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[4], 'hex'), 'UTF8');
END $$;

ALTER FUNCTION amanah.current_actor() OWNER TO owner;

CREATE FUNCTION amanah.current_tenant() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[3], 'hex'), 'UTF8');
END $$;

ALTER FUNCTION amanah.current_tenant() OWNER TO owner;

CREATE FUNCTION amanah.may_write() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN COALESCE((amanah.open_token(pg_catalog.current_setting('amanah.token', true)))[6]
                    OPERATOR(pg_catalog.=) 'rw', false);
END $$;

ALTER FUNCTION amanah.may_write() OWNER TO owner;

CREATE FUNCTION amanah.open_token(token text) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $_$
DECLARE
    bytes CONSTANT pg_catalog.bytea := pg_catalog.convert_to(token, 'UTF8');
    inner_pad pg_catalog.bytea;
    outer_pad pg_catalog.bytea;
    mac pg_catalog.text;
    not_before pg_catalog.timestamptz;
    not_after pg_catalog.timestamptz;
    from_key boolean;
BEGIN
    SELECT k.inner_pad, k.outer_pad, k.not_before, k.not_after
      INTO inner_pad, outer_pad, not_before, not_after
      FROM amanah.binding_key k
     WHERE k.kid OPERATOR(pg_catalog.=) pg_catalog.split_part(token, '.', 2);
    -- Shorter than its MAC or longer than any real one, it is not looked at.
    mac := CASE WHEN pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.>) 65
                 AND pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.<=) 700 THEN
        pg_catalog.encode(
            pg_catalog.sha256(outer_pad OPERATOR(pg_catalog.||)
                pg_catalog.sha256(inner_pad OPERATOR(pg_catalog.||) pg_catalog.convert_to(
                    E'amanah.binding.1\n' OPERATOR(pg_catalog.||)
                    pg_catalog.current_database()::pg_catalog.text OPERATOR(pg_catalog.||) E'\n',
                    'UTF8') OPERATOR(pg_catalog.||) pg_catalog.substr(bytes, 1,
                        pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.-) 65))),
            'hex') END;
    from_key := CASE WHEN pg_catalog.hashtextextended(mac, 0) OPERATOR(pg_catalog.=)
                          pg_catalog.hashtextextended(pg_catalog."right"(token, 64), 0)
        THEN mac OPERATOR(pg_catalog.=) pg_catalog."right"(token, 64) END;
    -- One in the other: only a token from the key is sure to have a number there.
    IF from_key THEN
        IF pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.>)
               pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
           AND pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.-)
               65::pg_catalog.float8 OPERATOR(pg_catalog.<=)
               pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
           AND not_before OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()
           AND not_after OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()
        THEN
            RETURN pg_catalog.string_to_array(token, '.');
        END IF;
    END IF;
    -- After a commit the setting is empty and not unset.
    IF token IS NULL OR token OPERATOR(pg_catalog.=) '' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '28000',
        MESSAGE = pg_catalog.concat('the tenant binding is refused: ', CASE
            WHEN pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.>) 700 THEN 'it is too long'
            WHEN inner_pad IS NULL THEN 'its key is not known here'
            WHEN from_key IS NOT TRUE
            THEN 'it was not made for this database, or it was changed'
            WHEN not_before OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()
                OR not_after OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()
            THEN 'its key is not in use at this time'
            WHEN pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.>)
                pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
            THEN 'it is good for too long'
            ELSE 'it has expired' END),
        HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token. '
               'It is good for at most a minute and for one database.';
END $_$;

ALTER FUNCTION amanah.open_token(token text) OWNER TO owner;

CREATE FUNCTION amanah.reading_tenant() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[3], 'hex'), 'UTF8');
END $$;

ALTER FUNCTION amanah.reading_tenant() OWNER TO owner;

CREATE FUNCTION amanah.writing_tenant() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    bound CONSTANT pg_catalog.text[] :=
        amanah.open_token(pg_catalog.current_setting('amanah.token', true));
BEGIN
    RETURN CASE WHEN bound[6] OPERATOR(pg_catalog.=) 'rw'
        THEN pg_catalog.convert_from(pg_catalog.decode(bound[3], 'hex'), 'UTF8') END;
END $$;

ALTER FUNCTION amanah.writing_tenant() OWNER TO owner;

CREATE FUNCTION amanah_guard.after_ddl() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    weak text;
    touched oid;
BEGIN
    IF amanah_guard.lets_through() THEN
        RETURN;
    END IF;
    -- A policy that was changed or renamed; making one can only narrow what ours let through.
    SELECT format('%s', p.polrelid::regclass) INTO weak
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_policy p ON c.classid = 'pg_policy'::regclass AND p.oid = c.objid
     WHERE c.command_tag = 'ALTER POLICY'
       AND (p.polname ~ '^amanah_'
            OR (SELECT count(*) FROM pg_policy o WHERE o.polrelid = p.polrelid AND o.polname IN
                ('amanah_select', 'amanah_insert', 'amanah_update', 'amanah_delete'))
               NOT IN (0, 4))
     ORDER BY 1 LIMIT 1;
    IF weak IS NOT NULL THEN
        PERFORM amanah_guard.refuse(tg_tag, format('it changes the isolation of tenants in %s', weak),
                                    'Policies of your own may stand beside those of Amanah.');
    END IF;
    -- The tenant column under another name would be no tenant column; the next plan would leave the
    -- table out.
    SELECT format('%s', c.objid::regclass) INTO weak
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_policy p ON p.polrelid = c.objid AND p.polname = 'amanah_insert'
      JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                      AND d.refobjid = c.objid AND d.refobjsubid = c.objsubid
     WHERE c.object_type = 'table column' AND c.objsubid > 0
       AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%amanah.writing_tenant()%'
       AND NOT EXISTS (SELECT FROM pg_attribute a JOIN amanah_guard.isolation i
                           ON a.attname = i.tenant_column
                        WHERE a.attrelid = c.objid AND NOT a.attisdropped)
     ORDER BY 1 LIMIT 1;
    IF weak IS NOT NULL THEN
        PERFORM amanah_guard.refuse(tg_tag, format('%s would not be known to hold tenants'' rows',
            weak), 'The tenant column has to keep its name.');
    END IF;
    FOR touched IN
        WITH RECURSIVE tree AS (
            SELECT c.objid AS oid FROM pg_event_trigger_ddl_commands() c
             WHERE c.classid = 'pg_class'::regclass
            UNION
            SELECT h.inhrelid FROM tree t JOIN pg_inherits h ON h.inhparent = t.oid
        )
        SELECT k.oid FROM tree t JOIN pg_class k ON k.oid = t.oid
          JOIN pg_namespace n ON n.oid = k.relnamespace
         WHERE k.relkind IN ('r', 'p') AND k.relpersistence <> 't'
           AND k.oid >= 16384
           AND (n.nspname, k.relname) NOT IN (
               ('amanah', 'migration'), ('amanah', 'binding_key'), ('amanah', 'journal'),
               ('amanah', 'reviewed'), ('amanah_guard', 'migration'), ('amanah_guard', 'journal'),
               ('amanah_guard', 'isolation'), ('amanah_guard', 'admitted'),
               ('audit', 'system_audit_logs'))
         -- A partition takes NOT NULL from its parent.
         ORDER BY k.relispartition, k.oid
    LOOP
        PERFORM amanah_guard.look_at(tg_tag, touched);
    END LOOP;
    SELECT format('%s', k.oid::regclass) INTO weak
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_class k ON c.classid = 'pg_class'::regclass AND k.oid = c.objid
     WHERE k.relkind = 'v' AND k.relpersistence <> 't' AND amanah_guard.reads_tenants(k.oid)
       AND NOT COALESCE((SELECT o.option_value::boolean FROM pg_options_to_table(k.reloptions) o
                          WHERE o.option_name = 'security_invoker'), false)
     ORDER BY 1 LIMIT 1;
    IF weak IS NOT NULL THEN
        PERFORM amanah_guard.refuse(tg_tag, format(
            'the view %s reads tenants'' rows with the rights of its owner', weak),
            'Make it WITH (security_invoker = true).');
    END IF;
    -- What was granted is not said, so everything is looked at.
    SELECT format('%s', k.oid::regclass) INTO weak
      FROM pg_class k
     WHERE k.relacl IS NOT NULL
       AND (tg_tag = 'GRANT' AND k.relkind IN ('r', 'p', 'm')
            OR k.relkind = 'm' AND k.oid IN (SELECT c.objid FROM pg_event_trigger_ddl_commands() c
                                              WHERE c.classid = 'pg_class'::regclass))
       AND amanah_guard.open_rights(k.oid) IS NOT NULL AND amanah_guard.reads_tenants(k.oid)
     ORDER BY 1 LIMIT 1;
    IF weak IS NOT NULL THEN
        PERFORM amanah_guard.refuse(tg_tag, format(
            'the application would have rights on %s that are not subject to row security', weak),
            'Grant SELECT, INSERT, UPDATE and DELETE on tables, and nothing on a materialised view.');
    END IF;
END $$;

ALTER FUNCTION amanah_guard.after_ddl() OWNER TO postgres;

CREATE FUNCTION amanah_guard.after_drop() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    gone text;
BEGIN
    IF amanah_guard.lets_through() THEN
        RETURN;
    END IF;
    SELECT d.object_identity INTO gone
      FROM pg_event_trigger_dropped_objects() d
     WHERE d.object_type = 'policy' AND d.address_names[3] ~ '^amanah_'
       AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = d.address_names[1] AND c.relname = d.address_names[2])
     ORDER BY 1 LIMIT 1;
    IF gone IS NOT NULL THEN
        PERFORM amanah_guard.refuse(tg_tag, format('%s keeps tenants apart', gone),
                                    '`amanah protect --undo` takes a protection away.');
    END IF;
END $$;

ALTER FUNCTION amanah_guard.after_drop() OWNER TO postgres;

CREATE FUNCTION amanah_guard.by_parents(relation oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH link AS (
        SELECT k.conname,
               format('(EXISTS (SELECT 1 FROM %I.%I %s WHERE (%s)))', n.nspname, t.relname, above.name,
                      string_agg(format('%s.%I = %I.%I', above.name, theirs.attname, me.relname,
                                        own.attname),
                                 ' AND ' ORDER BY u.place)) AS held,
               string_agg(format('%I IS NULL', own.attname), ' OR ' ORDER BY u.place) AS missing,
               bool_and(own.attnotnull) AS required
          FROM pg_constraint k
          JOIN pg_class me ON me.oid = k.conrelid
          JOIN pg_class t ON t.oid = k.confrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace
         -- Under the table's own name the parent would be compared with itself.
         CROSS JOIN LATERAL (SELECT CASE WHEN me.relname = 'p' THEN 'q' ELSE 'p' END) above(name)
         CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u(own, theirs, place)
          JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = u.own
          JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = u.theirs
         WHERE k.conrelid = relation AND k.contype = 'f' AND k.conparentid = 0
           AND k.confrelid <> relation AND amanah_guard.reads_tenants(k.confrelid)
         GROUP BY k.conname, n.nspname, t.relname, above.name
    )
    SELECT string_agg(CASE WHEN required THEN held ELSE format('(%s OR %s)', missing, held) END,
                      ' AND ' ORDER BY conname)
      FROM link HAVING bool_or(required)
$$;

ALTER FUNCTION amanah_guard.by_parents(relation oid) OWNER TO postgres;

CREATE FUNCTION amanah_guard.lets_through() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT NOT EXISTS (SELECT FROM amanah_guard.isolation)
        OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        OR EXISTS (SELECT FROM amanah_guard.admitted WHERE xid = pg_current_xact_id_if_assigned())
$$;

ALTER FUNCTION amanah_guard.lets_through() OWNER TO postgres;

CREATE FUNCTION amanah_guard.look_at(tag text, relation oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = relation AND n.nspname = 'audit'
                  AND c.relname ~ '^system_audit_logs_([0-9]{4}_[0-9]{2}|rest)$')
    THEN
        RETURN;
    END IF;
    PERFORM amanah_guard.look_at_table(tag, relation);
END $_$;

ALTER FUNCTION amanah_guard.look_at(tag text, relation oid) OWNER TO postgres;

CREATE FUNCTION amanah_guard.look_at_table(tag text, relation oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    tenant CONSTANT text := (SELECT tenant_column FROM amanah_guard.isolation);
    it record;
    own record;
    parents text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname) AS place, c.relispartition AS partition,
           c.relrowsecurity AND c.relforcerowsecurity AS in_force,
           c.relowner = (SELECT nspowner FROM pg_namespace WHERE nspname = 'amanah') AS ours,
           EXISTS (SELECT FROM pg_policy p
                    WHERE p.polrelid = c.oid AND p.polname = 'amanah_select') AS guarded
      INTO it
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
    SELECT a.attname, a.attnotnull, b.typname,
           COALESCE(k.collisdeterministic, true) AS exact
      INTO own
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
      LEFT JOIN pg_collation k ON k.oid = a.attcollation
     WHERE a.attrelid = relation AND a.attname = tenant AND a.attnum > 0 AND NOT a.attisdropped;
    IF it.guarded THEN
        IF NOT it.in_force THEN
            PERFORM amanah_guard.refuse(tag, format(
                'it switches the isolation of tenants off in %s', it.place),
                'Row security has to stay enabled and forced.');
        ELSIF NOT it.ours THEN
            PERFORM amanah_guard.refuse(tag, format(
                'the new owner of %s could switch the isolation of tenants off', it.place),
                'It has to belong to the owner of schema amanah.');
        ELSIF own.attname IS NOT NULL AND NOT own.attnotnull AND NOT it.partition THEN
            PERFORM amanah_guard.refuse(tag, format(
                'a row of %s without %I would belong to nobody', it.place, tenant),
                'The column has to stay NOT NULL.');
        END IF;
        RETURN;
    END IF;
    IF own.attname IS NULL THEN
        parents := amanah_guard.by_parents(relation);
        IF parents IS NOT NULL THEN
            PERFORM amanah_guard.protect(tag, relation, parents, NULL, NULL);
        END IF;
        RETURN;
    END IF;
    IF own.typname NOT IN ('uuid', 'int2', 'int4', 'int8', 'text', 'varchar') OR NOT own.exact THEN
        PERFORM amanah_guard.refuse(tag, format(
            'column %I of %s cannot name a tenant', tenant, it.place),
            'It has to be uuid, smallint, integer, bigint, text or varchar, with a collation that'
            ' tells all texts apart.');
    END IF;
    own.typname := CASE own.typname WHEN 'uuid' THEN '::uuid' WHEN 'int2' THEN '::smallint'
        WHEN 'int4' THEN '::integer' WHEN 'int8' THEN '::bigint' ELSE '' END;
    PERFORM amanah_guard.protect(tag, relation,
        format('%I = (SELECT amanah.reading_tenant()%s)', tenant, own.typname),
        tenant, own.typname);
END $$;

ALTER FUNCTION amanah_guard.look_at_table(tag text, relation oid) OWNER TO postgres;

CREATE FUNCTION amanah_guard.open_rights(relation oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT string_agg(DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC'
                                    ELSE quote_ident(pg_get_userbyid(x.grantee)) END, ', ')
      FROM pg_class c
     CROSS JOIN LATERAL aclexplode(c.relacl) x
     WHERE c.oid = relation AND x.grantee <> c.relowner
       AND (c.relkind = 'm' OR x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER'))
       AND CASE WHEN x.grantee = 0 THEN true
                ELSE pg_has_role((SELECT r.oid FROM amanah_guard.isolation i
                                    JOIN pg_roles r ON r.rolname = i.app_role),
                                 x.grantee, 'MEMBER') END
$$;

ALTER FUNCTION amanah_guard.open_rights(relation oid) OWNER TO postgres;

CREATE FUNCTION amanah_guard.protect(tag text, relation oid, condition text, own text, kind text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    place CONSTANT text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
                              JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
    owner CONSTANT name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace
                             WHERE nspname = 'amanah');
    writing CONSTANT text := CASE WHEN own IS NULL
        THEN concat(condition, ' AND (SELECT amanah.may_write())')
        ELSE replace(condition, '(SELECT amanah.reading_tenant()',
                     '(SELECT amanah.writing_tenant()') END;
    open CONSTANT text := amanah_guard.open_rights(relation);
BEGIN
    IF owner <> current_user
       OR owner <> (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = relation)
    THEN
        PERFORM amanah_guard.refuse(tag, format('%s holds tenants'' rows and would not be isolated',
            place), format('Make it as the role %I.', owner));
    END IF;
    -- Where the application has switched row security on by itself, nothing is opened.
    IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = relation)
       AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = relation AND polpermissive)
    THEN
        EXECUTE format('CREATE POLICY amanah_open ON %s USING (true) WITH CHECK (true)', place);
    END IF;
    EXECUTE format('CREATE POLICY amanah_select ON %s AS RESTRICTIVE FOR SELECT USING (%s)',
                   place, condition);
    EXECUTE format('CREATE POLICY amanah_insert ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)',
                   place, writing);
    EXECUTE format('CREATE POLICY amanah_update ON %s AS RESTRICTIVE FOR UPDATE'
                   ' USING (%s) WITH CHECK (%s)', place, condition, writing);
    EXECUTE format('CREATE POLICY amanah_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)',
                   place, writing);
    -- This fires the guard again, for which the table is a protected one by now.
    BEGIN
        EXECUTE format('ALTER TABLE %s %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', place,
            CASE WHEN own IS NOT NULL AND NOT (SELECT relispartition FROM pg_class
                                                WHERE oid = relation)
                 THEN format('ALTER COLUMN %I SET NOT NULL,', own) END);
    EXCEPTION WHEN not_null_violation THEN
        PERFORM amanah_guard.refuse(tag, format(
            'column %I of %s holds NULL, and such a row belongs to nobody', own, place),
            'Add the column under another name, fill it, and rename it then.');
    END;
    IF own IS NOT NULL AND (SELECT NOT atthasdef AND attidentity = '' FROM pg_attribute
                             WHERE attrelid = relation AND attname = own)
    THEN
        EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT amanah.current_tenant()%s',
                       place, own, kind);
    END IF;
    IF open IS NOT NULL THEN
        EXECUTE format('REVOKE TRUNCATE, REFERENCES, TRIGGER ON %s FROM %s', place, open);
    END IF;
END $$;

ALTER FUNCTION amanah_guard.protect(tag text, relation oid, condition text, own text, kind text) OWNER TO postgres;

CREATE FUNCTION amanah_guard.reads_tenants(relation oid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE below AS (
        SELECT relation AS oid
        UNION
        SELECT d.refobjid
          FROM below b
          JOIN pg_rewrite r ON r.ev_class = b.oid
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                          AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.oid
    )
    SELECT EXISTS (SELECT FROM below b JOIN pg_policy p ON p.polrelid = b.oid
                    WHERE p.polname = 'amanah_select')
$$;

ALTER FUNCTION amanah_guard.reads_tenants(relation oid) OWNER TO postgres;

CREATE FUNCTION amanah_guard.refuse(tag text, what text, hint text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'AMISO',
        MESSAGE = format('%s is refused: %s', tag, what),
        HINT = concat('Nothing was changed. ', hint);
END $$;

ALTER FUNCTION amanah_guard.refuse(tag text, what text, hint text) OWNER TO postgres;

CREATE FUNCTION audit.ask(filter jsonb, purpose text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET plan_cache_mode TO 'force_custom_plan'
    SET row_security TO 'on'
    AS $$
DECLARE
    what CONSTANT jsonb := audit.asked_for(filter);
BEGIN
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION 'a superuser does not ask for the trail'
            USING ERRCODE = 'TRAIL',
                  HINT = 'Sign in as a member of amanah_auditor or amanah_admin.';
    END IF;
    IF coalesce(current_setting('amanah.token', true), '') <> '' THEN
        RAISE EXCEPTION 'this session is bound to a tenant, and the trail is not read by tenants'
            USING ERRCODE = 'TRAIL', HINT = 'Read in a session that is bound to nobody, and name the'
            ' tenant in the filter. Nothing was read.';
    END IF;
    IF coalesce(btrim(purpose), '') = '' OR octet_length(purpose) > 1000 THEN
        RAISE EXCEPTION 'the trail is read for a purpose: say which, in 1000 bytes at most'
            USING ERRCODE = '22023', HINT = 'It is recorded. Nothing was read.';
    END IF;
    -- Its transaction comes before what it sees, so that its own row is not among the rows.
    PERFORM pg_current_xact_id();
    RETURN audit.record_reading('ASK', jsonb_build_object(
        'filter', what, 'purpose', btrim(purpose), 'seen', pg_current_snapshot()::text));
END $$;

ALTER FUNCTION audit.ask(filter jsonb, purpose text) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.asked(wanted jsonb, seen pg_snapshot, asking xid8) RETURNS TABLE(id bigint, event_timestamp timestamp with time zone, xid xid8, salt uuid, row_hash bytea, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, row_key jsonb, old_data jsonb, new_data jsonb, erased bytea)
    LANGUAGE sql STABLE
    AS $$
    SELECT t.id, t.event_timestamp, t.xid, t.salt, t.row_hash, t.actor_id, t.tenant_id, t.db_user,
           t.request_id, t.action, t.table_schema, t.table_name, t.row_key, t.old_data, t.new_data,
           t.erased
      FROM audit.system_audit_logs t
     WHERE t.xid OPERATOR(pg_catalog.<>) asking
       AND (pg_catalog.pg_visible_in_snapshot(t.xid, seen)
            OR t.xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(
                   pg_catalog.pg_current_snapshot()))
       AND (wanted OPERATOR(pg_catalog.->>) 'from' IS NULL
            OR t.event_timestamp OPERATOR(pg_catalog.>=)
               (wanted OPERATOR(pg_catalog.->>) 'from')::pg_catalog.timestamptz)
       AND (wanted OPERATOR(pg_catalog.->>) 'to' IS NULL
            OR t.event_timestamp OPERATOR(pg_catalog.<)
               (wanted OPERATOR(pg_catalog.->>) 'to')::pg_catalog.timestamptz)
       AND (wanted OPERATOR(pg_catalog.->>) 'first' IS NULL
            OR t.id OPERATOR(pg_catalog.>=)
               (wanted OPERATOR(pg_catalog.->>) 'first')::pg_catalog.int8)
       AND (wanted OPERATOR(pg_catalog.->>) 'last' IS NULL
            OR t.id OPERATOR(pg_catalog.<=)
               (wanted OPERATOR(pg_catalog.->>) 'last')::pg_catalog.int8)
       AND (wanted OPERATOR(pg_catalog.->>) 'actor' IS NULL
            OR t.actor_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'actor'))
       AND (wanted OPERATOR(pg_catalog.->>) 'tenant' IS NULL
            OR t.tenant_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'tenant'))
       AND (wanted OPERATOR(pg_catalog.->>) 'login' IS NULL
            OR t.db_user OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'login'))
       AND (wanted OPERATOR(pg_catalog.->>) 'request' IS NULL
            OR t.request_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'request'))
       AND (wanted OPERATOR(pg_catalog.->>) 'action' IS NULL
            OR t.action OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'action'))
       AND (wanted OPERATOR(pg_catalog.->>) 'schema' IS NULL
            OR t.table_schema OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'schema'))
       AND (wanted OPERATOR(pg_catalog.->>) 'table' IS NULL
            OR t.table_name OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'table'))
       -- A changed key is found under the new one too.
       AND (wanted OPERATOR(pg_catalog.->) 'key' IS NULL
            OR t.row_key OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->) 'key')
            OR pg_catalog.jsonb_typeof(wanted OPERATOR(pg_catalog.->) 'key')
                   OPERATOR(pg_catalog.=) 'object'
               AND t.new_data OPERATOR(pg_catalog.@>) (wanted OPERATOR(pg_catalog.->) 'key')
               AND ARRAY(SELECT pg_catalog.jsonb_object_keys(t.row_key)) OPERATOR(pg_catalog.=)
                   ARRAY(SELECT pg_catalog.jsonb_object_keys(wanted OPERATOR(pg_catalog.->) 'key'))
            OR pg_catalog.jsonb_typeof(wanted OPERATOR(pg_catalog.->) 'key')
                   OPERATOR(pg_catalog.=) 'string'
               AND (SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 1 AND pg_catalog.bool_or(
                           coalesce(k.value OPERATOR(pg_catalog.=)
                                    (wanted OPERATOR(pg_catalog.->>) 'key'), false)
                           OR coalesce((t.new_data OPERATOR(pg_catalog.->>) k.key)
                                    OPERATOR(pg_catalog.=)
                                    (wanted OPERATOR(pg_catalog.->>) 'key'), false))
                      FROM pg_catalog.jsonb_each_text(t.row_key) k))
$$;

ALTER FUNCTION audit.asked(wanted jsonb, seen pg_snapshot, asking xid8) OWNER TO postgres;

CREATE FUNCTION audit.asked_for(wanted jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    AS $$
DECLARE
    asked jsonb := '{}';
    it record;
    kind text;
BEGIN
    IF jsonb_typeof(wanted) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'what is asked for is no object of JSON'
            USING ERRCODE = '22023', HINT = 'For all of it: {}';
    END IF;
    FOR it IN SELECT e.key, e.value FROM jsonb_each(wanted) e LOOP
        kind := jsonb_typeof(it.value);
        IF it.key IN ('from', 'to') AND kind = 'string' THEN
            asked := asked || jsonb_build_object(it.key, (it.value #>> '{}')::timestamptz);
        ELSIF it.key IN ('actor', 'tenant', 'login', 'schema', 'table', 'action', 'request')
              AND kind = 'string'
           OR it.key = 'key' AND kind IN ('object', 'string')
           OR it.key = 'reveal' AND it.value = 'true'
           OR it.key IN ('first', 'last') AND kind = 'number'
              AND it.value::numeric BETWEEN 0 AND 9223372036854775807
              AND it.value::numeric = trunc(it.value::numeric)
           OR it.key = 'limit' AND kind = 'number' AND it.value::numeric BETWEEN 1 AND 100000
              AND it.value::numeric = trunc(it.value::numeric)
        THEN
            asked := asked || jsonb_build_object(it.key, it.value);
        ELSE
            RAISE EXCEPTION 'nothing can be asked for by "%": %', it.key, left(it.value::text, 100)
                USING ERRCODE = '22023', HINT = 'There are the texts from, to (times), actor,'
                ' tenant, login, schema, table, action, request; key (the key of a record as an'
                ' object, or its only value as a text); the numbers first, last (of rows) and limit'
                ' (the newest so many, 100000 at most); and reveal (true).';
        END IF;
    END LOOP;
    RETURN asked;
END $$;

ALTER FUNCTION audit.asked_for(wanted jsonb) OWNER TO postgres;

CREATE FUNCTION audit.bare(query text, within boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

ALTER FUNCTION audit.bare(query text, within boolean) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.cipher(bytea, bytea, bytea, text) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS '$libdir/pgcrypto', 'pg_encrypt_iv';

ALTER FUNCTION audit.cipher(bytea, bytea, bytea, text) OWNER TO postgres;

CREATE FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT pg_catalog.sha256(
        pg_catalog.decode('616d616e61682f61756469742d636f6e74656e742f76310a', 'hex')
        OPERATOR(pg_catalog.||) pg_catalog.uuid_send(salt)
        OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.array_send(ARRAY[
            pg_catalog.convert_to(row_key::pg_catalog.text, 'UTF8'),
            pg_catalog.convert_to(old_data::pg_catalog.text, 'UTF8'),
            pg_catalog.convert_to(new_data::pg_catalog.text, 'UTF8')]), 21))
$$;

ALTER FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) OWNER TO postgres;

CREATE FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET plan_cache_mode TO 'force_custom_plan'
    SET row_security TO 'on'
    AS $$
DECLARE
    told CONSTANT jsonb := audit.recorded_reading('ASK', asked);
    what CONSTANT jsonb := told -> 'filter';
BEGIN
    SELECT count(*) INTO counted
      FROM (SELECT FROM audit.asked(what, (told ->> 'seen')::pg_snapshot,
                                    (told ->> 'asking')::xid8)
             LIMIT (what ->> 'limit')::bigint) r;
    ticket := audit.record_reading('READ', jsonb_build_object(
        'filter', what, 'purpose', told -> 'purpose', 'rows', counted, 'seen', told -> 'seen',
        'asked', told -> 'asking'));
END $$;

ALTER FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.document(relation oid, given anyelement) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'iso_8601'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET quote_all_identifiers TO 'off'
    AS $_$
DECLARE
    found jsonb;
BEGIN
    RETURN to_jsonb(given);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    EXECUTE concat('SELECT ', audit.leniently(relation, '($1)')) INTO found USING given;
    RETURN found;
END $_$;

ALTER FUNCTION audit.document(relation oid, given anyelement) OWNER TO postgres;

CREATE FUNCTION audit.encrypted(salt uuid, name text, value jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    own    record;
    secret bytea;
    inward bytea;
    outward bytea;
    iv     bytea;
    sealed bytea;
    n      integer;
BEGIN
    SELECT k.number, k.key, k.inside, k.outside INTO own
      FROM audit.cipher_key k ORDER BY k.number DESC LIMIT 1;
    IF NOT FOUND THEN
        -- Nobody's write waits until Amanah has brought a key, and nothing is recorded in clear.
        secret := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                         || uuid_send(gen_random_uuid())) || decode(repeat('00', 32), 'hex');
        inward := secret;
        outward := secret;
        FOR n IN 0 .. 63 LOOP
            inward := set_byte(inward, n, get_byte(secret, n) # 54);
            outward := set_byte(outward, n, get_byte(secret, n) # 92);
        END LOOP;
        INSERT INTO audit.cipher_key (number, key, inside, outside)
        VALUES (0, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                          || uuid_send(gen_random_uuid())), inward, outward)
            ON CONFLICT DO NOTHING;
        SELECT k.number, k.key, k.inside, k.outside INTO STRICT own
          FROM audit.cipher_key k ORDER BY k.number DESC LIMIT 1;
    END IF;
    iv := substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16);
    sealed := iv || audit.cipher(convert_to(value::text, 'UTF8'), own.key, iv, 'aes-cbc/pad:pkcs');
    sealed := sealed || sha256(own.outside || sha256(own.inside
        || decode('616d616e61682f747261696c2d636f6c756d6e2f76310a', 'hex')
        || int8send(own.number) || uuid_send(salt)
        || int4send(octet_length(convert_to(name, 'UTF8'))) || convert_to(name, 'UTF8') || sealed));
    RETURN jsonb_build_object('amanah', 'encrypted', 'key', own.number,
                              'value', translate(encode(sealed, 'base64'), chr(10), ''));
END $$;

ALTER FUNCTION audit.encrypted(salt uuid, name text, value jsonb) OWNER TO postgres;

CREATE FUNCTION audit.erase(xids xid8[], numbers bigint[], sealed bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    taken bigint;
    erased bigint;
BEGIN
    UPDATE audit.system_audit_logs t
       SET erased = audit.content_digest(t.salt, t.row_key, t.old_data, t.new_data),
           salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL
      FROM unnest(xids, numbers, sealed) w (xid, id, row_hash)
     WHERE t.xid = w.xid AND t.id = w.id AND t.row_hash = w.row_hash
       AND t.salt IS NOT NULL AND t.erased IS NULL;
    GET DIAGNOSTICS taken = ROW_COUNT;
    SELECT count(*) INTO erased
      FROM unnest(xids, numbers, sealed) w (xid, id, row_hash)
      JOIN audit.system_audit_logs t
        ON t.xid = w.xid AND t.id = w.id AND t.row_hash = w.row_hash AND t.erased IS NOT NULL;
    IF erased <> cardinality(numbers) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('erasing is refused: %s of %s rows are not there with the hash that was'
                             ' given, or have no salt', cardinality(numbers) - erased,
                             cardinality(numbers)),
            HINT = 'Nothing was erased. amanah audit verify says what became of them.';
    END IF;
    RETURN taken;
END $$;

ALTER FUNCTION audit.erase(xids xid8[], numbers bigint[], sealed bytea[]) OWNER TO amanah_trail_erasing;

CREATE FUNCTION audit.global_track_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
DECLARE
    was     pg_catalog.jsonb;
    becomes pg_catalog.jsonb;
    actor   pg_catalog.text;
    tenant  pg_catalog.text;
    request pg_catalog.text;
    -- Pairs: how a column is not shown, and which.
    rules   pg_catalog.text[];
    -- How values print here, and how they do where the session goes on.
    printed pg_catalog.text[];
    kept    pg_catalog.text[];
    columns pg_catalog.text[];
    wanted  pg_catalog.int8;
    taken   pg_catalog.int8;
BEGIN
    IF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' OR TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
        IF TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 2] OPERATOR(pg_catalog.=) ''
           AND (TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.=) 'plain'
                OR TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.=) 'zoned'
                AND pg_catalog.current_setting('extra_float_digits') OPERATOR(pg_catalog.=) '1'
                AND pg_catalog.current_setting('timezone')
                    OPERATOR(pg_catalog.=) ANY (ARRAY['UTC', 'Etc/UTC']))
        THEN
            IF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV,
                                pg_catalog.to_jsonb(OLD), pg_catalog.to_jsonb(NEW))
            THEN
                RETURN NULL;
            END IF;
        ELSIF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV,
                               audit.document(TG_RELID, OLD), audit.document(TG_RELID, NEW))
        THEN
            RETURN NULL;
        END IF;
    ELSE
        -- Before anything is printed: whose code this is may set what it likes.
        actor := pg_catalog.left(amanah.current_actor(), 128);
        tenant := pg_catalog.left(amanah.current_tenant(), 128);
        kept := ARRAY[
            pg_catalog.current_setting('timezone'), pg_catalog.current_setting('datestyle'),
            pg_catalog.current_setting('intervalstyle'), pg_catalog.current_setting('bytea_output'),
            pg_catalog.current_setting('extra_float_digits'),
            pg_catalog.current_setting('lc_monetary'),
            pg_catalog.current_setting('quote_all_identifiers'),
            pg_catalog.current_setting('search_path')];
        printed := ARRAY[
            'UTC', 'ISO, YMD', 'iso_8601', 'hex', '1', 'C', 'off', 'pg_catalog, pg_temp'];
        request := audit.print_as(printed);
        request := pg_catalog.left(pg_catalog.current_setting('amanah.request_id', true), 128);
        IF request OPERATOR(pg_catalog.=) '' THEN
            request := NULL;
        END IF;
        columns := TG_ARGV;
        IF TG_ARGV[0] OPERATOR(pg_catalog.=) '' THEN
            rules := audit.not_shown(TG_ARGV);
            columns := TG_ARGV[pg_catalog.cardinality(rules) OPERATOR(pg_catalog.+) 2:];
        END IF;
        BEGIN
            IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
                wanted := (SELECT pg_catalog.count(*) FROM amanah_becomes);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, new_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.becomes
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted(s.becomes, s.salt, rules), s.salt
                  FROM (SELECT pg_catalog.to_jsonb(t.*) AS becomes,
                               pg_catalog.gen_random_uuid() AS salt FROM amanah_becomes t) s;
            ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
                wanted := (SELECT pg_catalog.count(*) FROM amanah_was);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, old_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.was
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted(s.was, s.salt, rules), s.salt
                  FROM (SELECT pg_catalog.to_jsonb(t.*) AS was,
                               pg_catalog.gen_random_uuid() AS salt FROM amanah_was t) s;
            ELSE
                -- Both tables are filled together, row by row, so the same place is the same row.
                wanted := (SELECT pg_catalog.count(*) FROM amanah_becomes);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, old_data, new_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.was
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted((
                           SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}')
                             FROM pg_catalog.jsonb_each(s.was) o
                          WHERE o.value::pg_catalog.text OPERATOR(pg_catalog.<>)
                                (s.becomes OPERATOR(pg_catalog.->) o.key)::pg_catalog.text),
                           s.salt, rules),
                       audit.redacted(s.becomes, s.salt, rules), s.salt
                  FROM (SELECT w.was, b.becomes, pg_catalog.gen_random_uuid() AS salt
                          FROM (SELECT pg_catalog.to_jsonb(t.*) AS was,
                                       pg_catalog.row_number() OVER () AS place
                                  FROM amanah_was t) w
                          JOIN (SELECT pg_catalog.to_jsonb(t.*) AS becomes,
                                       pg_catalog.row_number() OVER () AS place
                                  FROM amanah_becomes t) b
                            ON b.place OPERATOR(pg_catalog.=) w.place
                         ORDER BY w.place) s;
            END IF;
            GET DIAGNOSTICS taken = ROW_COUNT;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            taken := 0;
            FOR was, becomes IN EXECUTE CASE
                WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN pg_catalog.concat(
                    'SELECT NULL::pg_catalog.jsonb, ', audit.leniently(TG_RELID, 't'),
                    ' FROM amanah_becomes t')
                WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN pg_catalog.concat(
                    'SELECT ', audit.leniently(TG_RELID, 't'),
                    ', NULL::pg_catalog.jsonb FROM amanah_was t')
                ELSE pg_catalog.concat(
                    'SELECT w.was, b.becomes FROM (SELECT ', audit.leniently(TG_RELID, 't'),
                    ' AS was, pg_catalog.row_number() OVER () AS place FROM amanah_was t) w',
                    ' JOIN (SELECT ', audit.leniently(TG_RELID, 't'),
                    ' AS becomes, pg_catalog.row_number() OVER () AS place FROM amanah_becomes t) b',
                    ' ON b.place OPERATOR(pg_catalog.=) w.place ORDER BY w.place')
                END
            LOOP
                IF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV, was, becomes) THEN
                    taken := taken OPERATOR(pg_catalog.+) 1;
                END IF;
                -- It has asked again who acts.
                request := audit.print_as(printed);
            END LOOP;
        END;
        request := audit.print_as(kept);
    END IF;
    IF taken OPERATOR(pg_catalog.=) wanted THEN
        RETURN NULL;
    END IF;
    -- A rule or a trigger on the trail that swallows rows would leave this write unrecorded.
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail did not take it',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was changed.';
END $$;

ALTER FUNCTION audit.global_track_changes() OWNER TO amanah_trail;

CREATE FUNCTION audit.keyed_digest(salt uuid, value text) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    pads record;
    secret bytea;
    inward bytea;
    outward bytea;
    n integer;
BEGIN
    SELECT k.inside, k.outside INTO pads FROM audit.hash_key k;
    IF NOT FOUND THEN
        -- Three times 122 random bits, and a block of SHA-256 is 64 bytes long.
        secret := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                         || uuid_send(gen_random_uuid())) || decode(repeat('00', 32), 'hex');
        inward := secret;
        outward := secret;
        FOR n IN 0 .. 63 LOOP
            inward := set_byte(inward, n, get_byte(secret, n) # 54);
            outward := set_byte(outward, n, get_byte(secret, n) # 92);
        END LOOP;
        INSERT INTO audit.hash_key (inside, outside) VALUES (inward, outward)
            ON CONFLICT DO NOTHING;
        SELECT k.inside, k.outside INTO STRICT pads FROM audit.hash_key k;
    END IF;
    RETURN sha256(pads.outside || sha256(
        pads.inside || uuid_send(salt) || convert_to(value, 'UTF8')));
END $$;

ALTER FUNCTION audit.keyed_digest(salt uuid, value text) OWNER TO postgres;

CREATE FUNCTION audit.lenient(given anyelement) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN pg_catalog.to_jsonb(given);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN pg_catalog.to_jsonb(pg_catalog.format('%s', given));
END $$;

ALTER FUNCTION audit.lenient(given anyelement) OWNER TO postgres;

CREATE FUNCTION audit.leniently(relation oid, place text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT coalesce(string_agg(format('pg_catalog.jsonb_build_object(%L, audit.lenient(%s.%I))',
                                      a.attname, place, a.attname),
                               ' OPERATOR(pg_catalog.||) ' ORDER BY a.attnum), '''{}''::pg_catalog.jsonb')
      FROM pg_attribute a
     WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
$$;

ALTER FUNCTION audit.leniently(relation oid, place text) OWNER TO postgres;

CREATE FUNCTION audit.make_partition(month timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    part CONSTANT text :=
        concat('system_audit_logs_', coalesce(to_char(month, 'YYYY_MM'), 'rest'));
BEGIN
    IF to_regclass(format('audit.%I', part)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE audit.%I (LIKE audit.system_audit_logs INCLUDING DEFAULTS)', part);
    EXECUTE format(
        'CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.%I
             FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', part);
    EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER refuse_statement', part);
    EXECUTE format(
        'ALTER TABLE audit.system_audit_logs ATTACH PARTITION audit.%I %s', part,
        CASE WHEN month IS NULL THEN 'DEFAULT'
        ELSE format('FOR VALUES FROM (%L) TO (%L)', month, month + interval '1 month') END);
    RETURN true;
EXCEPTION WHEN check_violation THEN
    LOCK TABLE audit.system_audit_logs IN ACCESS EXCLUSIVE MODE;
    IF month IS NULL OR EXISTS (
        SELECT FROM audit.system_audit_logs_rest r
         WHERE r.event_timestamp < month OR r.event_timestamp >= month + interval '1 month')
    THEN
        RETURN false;
    END IF;
    ALTER TABLE audit.system_audit_logs DETACH PARTITION audit.system_audit_logs_rest;
    EXECUTE format('ALTER TABLE audit.system_audit_logs_rest RENAME TO %I', part);
    EXECUTE format('ALTER TABLE audit.system_audit_logs ATTACH PARTITION audit.%I'
                   ' FOR VALUES FROM (%L) TO (%L)', part, month, month + interval '1 month');
    PERFORM audit.make_partition(NULL);
    RETURN true;
END $$;

ALTER FUNCTION audit.make_partition(month timestamp with time zone) OWNER TO postgres;

CREATE FUNCTION audit.make_partitions() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
    made integer := 0;
    ahead integer;
    change text;
BEGIN
    PERFORM audit.make_partition(NULL);
    FOR ahead IN 0 .. 3 LOOP
        IF audit.make_partition(
            date_trunc('month', now(), 'UTC') + make_interval(months => ahead)) THEN
            made := made + 1;
        END IF;
    END LOOP;
    FOR change IN
        WITH parts AS (
            SELECT c.oid, c.relacl, c.relowner
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'audit.system_audit_logs'::regclass
        ), readers AS (
            SELECT a.grantee FROM pg_class c, aclexplode(c.relacl) a
             WHERE c.oid = 'audit.system_audit_logs'::regclass AND a.privilege_type = 'SELECT'
               AND a.grantee <> c.relowner
        ), held AS (
            SELECT p.oid, a.grantee, a.privilege_type AS held FROM parts p, aclexplode(p.relacl) a
             WHERE a.grantee <> p.relowner
        )
        SELECT format('REVOKE %s ON %s FROM %s', h.held, h.oid::regclass,
                      CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE h.grantee::regrole::text END)
          FROM held h
         WHERE h.held <> 'SELECT' OR h.grantee NOT IN (SELECT r.grantee FROM readers r)
        UNION ALL
        SELECT format('GRANT SELECT ON %s TO %s', p.oid::regclass,
                      CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END)
          FROM parts p, readers r
         WHERE NOT EXISTS (SELECT FROM held h WHERE h.oid = p.oid AND h.grantee = r.grantee
                              AND h.held = 'SELECT')
        UNION ALL
        -- What policies of the trail hide, a partition hides by having none.
        SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
                      c.oid::regclass)
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_class t ON t.oid = i.inhparent AND t.relrowsecurity
         WHERE t.oid = 'audit.system_audit_logs'::regclass AND NOT c.relrowsecurity
    LOOP
        EXECUTE change;
    END LOOP;
    RETURN made;
END $$;

ALTER FUNCTION audit.make_partitions() OWNER TO postgres;

CREATE FUNCTION audit.not_shown(arguments text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT arguments[1:pg_catalog.array_position(arguments, '', 1) OPERATOR(pg_catalog.-) 1]
$$;

ALTER FUNCTION audit.not_shown(arguments text[]) OWNER TO postgres;

CREATE FUNCTION audit.print_as(wanted text[]) RETURNS text
    LANGUAGE sql
    AS $$
    SELECT pg_catalog.concat(
        pg_catalog.set_config('timezone', wanted[1], true),
        pg_catalog.set_config('datestyle', wanted[2], true),
        pg_catalog.set_config('intervalstyle', wanted[3], true),
        pg_catalog.set_config('bytea_output', wanted[4], true),
        pg_catalog.set_config('extra_float_digits', wanted[5], true),
        pg_catalog.set_config('lc_monetary', wanted[6], true),
        pg_catalog.set_config('quote_all_identifiers', wanted[7], true),
        pg_catalog.set_config('search_path', wanted[8], true))
$$;

ALTER FUNCTION audit.print_as(wanted text[]) OWNER TO postgres;

CREATE FUNCTION audit.printed_form(relation oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH RECURSIVE held (type) AS (
        SELECT a.atttypid FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
         UNION
        SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
          FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.type
         WHERE t.typtype = 'd' OR t.typcategory = 'A'
    )
    SELECT CASE WHEN pg_catalog.bool_and(k.plain) THEN 'plain'
                WHEN pg_catalog.bool_and(k.plain OR k.zoned) THEN 'zoned' ELSE 'care' END
      FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.type
     CROSS JOIN LATERAL (SELECT t.typtype IN ('d', 'e') OR t.typcategory = 'A'
            OR t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname IN
               ('bool', 'int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'bpchar', 'uuid',
                'jsonb', 'date', 'time', 'timestamp', 'inet', 'cidr') AS plain,
            t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
            AND t.typname IN ('timestamptz', 'float4', 'float8') AS zoned) k
$$;

ALTER FUNCTION audit.printed_form(relation oid) OWNER TO postgres;

CREATE FUNCTION audit.read(ticket uuid, behind_xid xid8 DEFAULT '0'::xid8, behind_id bigint DEFAULT 0, at_most bigint DEFAULT NULL::bigint) RETURNS TABLE(id bigint, event_timestamp timestamp with time zone, xid xid8, salt uuid, row_hash bytea, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, row_key jsonb, old_data jsonb, new_data jsonb, erased bytea)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET plan_cache_mode TO 'force_custom_plan'
    SET row_security TO 'on'
    AS $$
DECLARE
    told   CONSTANT jsonb := audit.recorded_reading('READ', ticket);
    what   CONSTANT jsonb := told -> 'filter';
    seen   CONSTANT pg_snapshot := (told ->> 'seen')::pg_snapshot;
    asking CONSTANT xid8 := (told ->> 'asked')::xid8;
BEGIN
    IF what ? 'limit' THEN
        RETURN QUERY
        SELECT n.* FROM (SELECT a.* FROM audit.asked(what, seen, asking) a
                          ORDER BY a.xid DESC, a.id DESC LIMIT (what ->> 'limit')::bigint) n
         WHERE (n.xid, n.id) > (behind_xid, behind_id) ORDER BY n.xid, n.id LIMIT at_most;
    ELSE
        RETURN QUERY
        SELECT a.* FROM audit.asked(what, seen, asking) a
         WHERE (a.xid, a.id) > (behind_xid, behind_id) ORDER BY a.xid, a.id LIMIT at_most;
    END IF;
END $$;

ALTER FUNCTION audit.read(ticket uuid, behind_xid xid8, behind_id bigint, at_most bigint) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.record_command(tag text, place text, name text, told jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION audit.record_command(tag text, place text, name text, told jsonb) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.record_ddl() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION audit.record_ddl() OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.record_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION audit.record_drop() OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.record_reading(step text, told jsonb) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    digits CONSTANT text := lpad(to_hex(pg_current_xact_id()::text::bigint), 12, '0');
    ticket CONSTANT uuid := (left(digits, 8) || '-' || right(digits, 4) || '-8'
                             || substr(gen_random_uuid()::text, 16))::uuid;
BEGIN
    INSERT INTO audit.system_audit_logs
        (request_id, action, table_schema, table_name, row_key, new_data)
    VALUES
        (left(nullif(current_setting('amanah.request_id', true), ''), 128), step, 'audit',
         'system_audit_logs', jsonb_build_object('ticket', ticket), told);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = 'reading is refused: the audit trail did not take the row about it',
            HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was read.';
    END IF;
    RETURN ticket;
END $$;

ALTER FUNCTION audit.record_reading(step text, told jsonb) OWNER TO postgres;

CREATE FUNCTION audit.record_row(action text, place text, name text, arguments text[], was jsonb, becomes jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    n       pg_catalog.int4 := 0;
    key     pg_catalog.jsonb;
    -- Pairs: how a column is not shown, and which.
    rules   pg_catalog.text[];
    salt    pg_catalog.uuid;
    actor   pg_catalog.text;
    tenant  pg_catalog.text;
    request pg_catalog.text;
BEGIN
    IF arguments[0] OPERATOR(pg_catalog.=) '' THEN
        rules := audit.not_shown(arguments);
        n := pg_catalog.cardinality(rules) OPERATOR(pg_catalog.+) 2;
        salt := pg_catalog.gen_random_uuid();
    END IF;
    -- The key that the row had before: a changed key is found under its old value.
    WHILE arguments[n] OPERATOR(pg_catalog.<>) '' LOOP
        key := CASE WHEN key IS NULL THEN pg_catalog.jsonb_build_object(
                arguments[n], coalesce(was, becomes) OPERATOR(pg_catalog.->) arguments[n])
            ELSE key OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(
                arguments[n], coalesce(was, becomes) OPERATOR(pg_catalog.->) arguments[n]) END;
        n := n OPERATOR(pg_catalog.+) 1;
    END LOOP;
    IF rules OPERATOR(pg_catalog.<>) '{}' THEN
        IF action OPERATOR(pg_catalog.=) 'UPDATE' THEN
            was := was OPERATOR(pg_catalog.-) ARRAY(
                SELECT k FROM pg_catalog.jsonb_object_keys(was) k
                 WHERE (was OPERATOR(pg_catalog.->) k)::pg_catalog.text OPERATOR(pg_catalog.=)
                       (becomes OPERATOR(pg_catalog.->) k)::pg_catalog.text);
        END IF;
        key := audit.redacted(key, salt, rules);
        was := audit.redacted(was, salt, rules);
        becomes := audit.redacted(becomes, salt, rules);
    END IF;
    -- Worked out once for each transaction here, and once for each row within the INSERT.
    actor := pg_catalog.left(amanah.current_actor(), 128);
    tenant := pg_catalog.left(amanah.current_tenant(), 128);
    request := pg_catalog.left(pg_catalog.current_setting('amanah.request_id', true), 128);
    IF request OPERATOR(pg_catalog.=) '' THEN
        request := NULL;
    END IF;
    -- What an UPDATE did not change is left out. Values are compared as they print: to JSONB 1.0 and
    -- 1.00 are one number.
    INSERT INTO audit.system_audit_logs
        (actor_id, tenant_id, request_id, action, table_schema, table_name,
         row_key, old_data, new_data, salt)
    VALUES
        (actor, tenant, request, action, place, name, key,
         CASE WHEN rules OPERATOR(pg_catalog.<>) '{}' OR action OPERATOR(pg_catalog.<>) 'UPDATE'
         THEN was
         ELSE was OPERATOR(pg_catalog.-) ARRAY(
             SELECT k FROM pg_catalog.jsonb_object_keys(was) k
              WHERE (was OPERATOR(pg_catalog.->) k)::pg_catalog.text OPERATOR(pg_catalog.=)
                    (becomes OPERATOR(pg_catalog.->) k)::pg_catalog.text) END,
         becomes, salt);
    RETURN FOUND;
END $$;

ALTER FUNCTION audit.record_row(action text, place text, name text, arguments text[], was jsonb, becomes jsonb) OWNER TO postgres;

CREATE FUNCTION audit.recorded_reading(step text, ticket uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    asking CONSTANT xid8 :=
        (('x' || left(translate(ticket::text, '-', ''), 12))::bit(48)::bigint)::text::xid8;
    told   jsonb;
BEGIN
    SELECT t.new_data || jsonb_build_object('asking', asking::text) INTO told
      FROM audit.system_audit_logs t
     WHERE t.xid = asking AND t.action = step
       AND t.row_key = jsonb_build_object('ticket', ticket)
       AND t.db_user = session_user
       AND t.event_timestamp > clock_timestamp() - interval '15 minutes'
       AND t.xid IS DISTINCT FROM pg_current_xact_id_if_assigned();
    IF told -> 'filter' IS NULL OR told ->> 'seen' IS NULL
       OR pg_xact_status(asking) IS DISTINCT FROM 'committed'
    THEN
        RAISE EXCEPTION 'this ticket opens nothing: no committed row of the trail, of this login and'
                        ' the last 15 minutes, says what is read with it'
            USING ERRCODE = 'TRAIL', HINT = 'SELECT audit.ask(filter, purpose), COMMIT; then SELECT *'
            ' FROM audit.count(what that returned), COMMIT; then SELECT * FROM audit.read(the ticket)'
            ' in a third transaction.';
    END IF;
    RETURN told;
END $$;

ALTER FUNCTION audit.recorded_reading(step text, ticket uuid) OWNER TO postgres;

CREATE FUNCTION audit.redacted(document jsonb, salt uuid, rules text[]) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
DECLARE
    shown pg_catalog.jsonb := document;
    value pg_catalog.text;
    n pg_catalog.int4 := 1;
BEGIN
    WHILE n OPERATOR(pg_catalog.<) pg_catalog.array_length(rules, 1) LOOP
        value := document OPERATOR(pg_catalog.->>) rules[n OPERATOR(pg_catalog.+) 1];
        IF value IS NOT NULL AND rules[n] OPERATOR(pg_catalog.=) 'encrypted' THEN
            shown := pg_catalog.jsonb_set(shown, ARRAY[rules[n OPERATOR(pg_catalog.+) 1]],
                audit.encrypted(salt, rules[n OPERATOR(pg_catalog.+) 1],
                    document OPERATOR(pg_catalog.->) rules[n OPERATOR(pg_catalog.+) 1]));
        ELSIF value IS NOT NULL THEN
            shown := pg_catalog.jsonb_set(shown, ARRAY[rules[n OPERATOR(pg_catalog.+) 1]],
                CASE WHEN rules[n] OPERATOR(pg_catalog.=) 'hashed'
                THEN pg_catalog.jsonb_build_object('amanah', 'hashed', 'hmac_sha256',
                    pg_catalog.encode(audit.keyed_digest(salt, value), 'hex'))
                ELSE pg_catalog.jsonb_build_object('amanah', 'never recorded') END);
        END IF;
        n := n OPERATOR(pg_catalog.+) 2;
    END LOOP;
    RETURN shown;
END $$;

ALTER FUNCTION audit.redacted(document jsonb, salt uuid, rules text[]) OWNER TO postgres;

CREATE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE'
       AND current_user::pg_catalog.text OPERATOR(pg_catalog.=) 'amanah_trail_erasing'
    THEN
        IF TG_LEVEL OPERATOR(pg_catalog.=) 'STATEMENT' THEN
            RETURN NULL;
        END IF;
        IF OLD.salt IS NOT NULL AND OLD.erased IS NULL
           AND NEW.salt IS NULL AND NEW.row_key IS NULL AND NEW.old_data IS NULL
           AND NEW.new_data IS NULL
           AND NEW.erased OPERATOR(pg_catalog.=)
               audit.content_digest(OLD.salt, OLD.row_key, OLD.old_data, OLD.new_data)
           AND NEW.row_hash OPERATOR(pg_catalog.=) audit.row_digest(NEW.id, NEW.event_timestamp,
               NEW.xid, NEW.actor_id, NEW.tenant_id, NEW.db_user, NEW.request_id, NEW.action,
               NEW.table_schema, NEW.table_name, NEW.erased)
           AND pg_catalog.record_image_eq(
               ROW(OLD.id, OLD.event_timestamp, OLD.xid, OLD.row_hash, OLD.actor_id, OLD.tenant_id,
                   OLD.db_user, OLD.request_id, OLD.action, OLD.table_schema, OLD.table_name),
               ROW(NEW.id, NEW.event_timestamp, NEW.xid, NEW.row_hash, NEW.actor_id, NEW.tenant_id,
                   NEW.db_user, NEW.request_id, NEW.action, NEW.table_schema, NEW.table_name))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail is append-only',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Nobody changes or removes what was recorded. Correct the data in the'
               ' application''s own table: the correction is recorded too.';
END $$;

ALTER FUNCTION audit.refuse_change() OWNER TO postgres;

CREATE FUNCTION audit.refuse_drop() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION audit.refuse_drop() OWNER TO postgres;

CREATE FUNCTION audit.refuse_early() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF tg_tag IN ('GRANT', 'REVOKE') THEN
        PERFORM set_config('amanah.rights', CASE WHEN
            EXISTS (SELECT FROM pg_roles r WHERE r.rolsuper AND pg_has_role(r.oid, 'USAGE'))
            OR EXISTS (SELECT FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
                        WHERE b.datname = current_database() AND d.deptype = 'o'
                          AND d.refclassid = 'pg_authid'::regclass
                          AND d.classid NOT IN ('pg_largeobject'::regclass,
                                                'pg_default_acl'::regclass)
                          AND pg_has_role(d.refobjid, 'USAGE')
                          AND NOT starts_with(coalesce((pg_identify_object(
                              d.classid, d.objid, 0)).schema, ''), 'pg_temp'))
            -- What belongs to PostgreSQL's own roles stands in no list.
            OR EXISTS (SELECT FROM (SELECT relowner FROM pg_class UNION SELECT proowner FROM pg_proc
                                     UNION SELECT nspowner FROM pg_namespace
                                     UNION SELECT typowner FROM pg_type) o (owner)
                        WHERE o.owner::bigint < 16384 AND pg_has_role(o.owner, 'USAGE'))
            OR EXISTS (SELECT FROM (SELECT relacl FROM pg_class UNION ALL SELECT attacl FROM pg_attribute
                                     UNION ALL SELECT proacl FROM pg_proc
                                     UNION ALL SELECT nspacl FROM pg_namespace
                                     UNION ALL SELECT typacl FROM pg_type
                                     UNION ALL SELECT lanacl FROM pg_language
                                     UNION ALL SELECT srvacl FROM pg_foreign_server
                                     UNION ALL SELECT fdwacl FROM pg_foreign_data_wrapper) o (acl),
                              aclexplode(o.acl) a
                        WHERE a.is_grantable AND pg_has_role(a.grantee, 'USAGE'))
            THEN 'changed' ELSE 'unchanged' END, true);
    ELSIF tg_tag IN ('ALTER DEFAULT PRIVILEGES', 'DROP OWNED') THEN
        PERFORM set_config('amanah.rights', CASE WHEN EXISTS (
            SELECT FROM pg_roles r WHERE pg_has_role(r.oid, 'MEMBER')
               AND (has_database_privilege(r.oid, current_database(), 'CREATE')
                    OR EXISTS (SELECT FROM pg_namespace n
                                WHERE NOT starts_with(n.nspname::text, 'pg_temp_')
                                  AND NOT starts_with(n.nspname::text, 'pg_toast_temp_')
                                  AND has_schema_privilege(r.oid, n.oid, 'CREATE'))))
            THEN 'changed' ELSE 'unchanged' END, true);
    ELSIF tg_tag = 'ALTER TYPE' THEN
        -- What labels of enums were before, which nothing tells afterwards.
        PERFORM set_config('amanah.labels', (SELECT coalesce(jsonb_object_agg(e.oid, e.enumlabel), '{}')
                                               FROM pg_enum e)::text, true);
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN ('amanah_admin', 'amanah_auditor')
                  AND pg_has_role(session_user, r.oid, 'MEMBER'))
       AND NOT pg_has_role(session_user, (SELECT d.datdba FROM pg_database d
                                           WHERE d.datname = current_database()), 'MEMBER')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: whoever reads the audit trail changes no structure',
                             tg_tag),
            HINT = 'Nothing was changed. Sign in as somebody else for that.';
    END IF;
    IF tg_tag = 'ALTER TABLE' AND current_query() ~* 'detach' AND current_query() ~* 'concurrently'
       AND EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                    WHERE c.relkind = 'p' AND t.tgname = 'amanah_audit_row')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: DETACH ... CONCURRENTLY takes rows out of a table before'
                             ' anybody can look', tg_tag),
            HINT = 'Nothing was changed. A superuser detaches a partition of a recorded table.';
    END IF;
END $$;

ALTER FUNCTION audit.refuse_early() OWNER TO postgres;

CREATE FUNCTION audit.refuse_filled_part() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    recorder CONSTANT oid := (SELECT p.oid FROM pg_proc p JOIN pg_namespace n
                                  ON n.oid = p.pronamespace AND n.nspname = 'audit'
                               WHERE p.proname = 'global_track_changes');
    first CONSTANT bigint := pg_current_xact_id()::text::bigint;
    part record;
    anew boolean;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    -- What this transaction has hung there bears its number or that of a savepoint, which comes
    -- after it: the nearest are looked at first.
    FOR part IN
        WITH RECURSIVE hung AS (
            SELECT DISTINCT i.inhrelid, i.inhparent,
                   (i.xmin::text::bigint - first) & 4294967295 AS distance
              FROM pg_event_trigger_ddl_commands() c
              JOIN pg_inherits i ON c.objid IN (i.inhrelid, i.inhparent)
             WHERE c.classid = 'pg_class'::regclass
        ), above AS (
            SELECT h.inhrelid AS part, h.inhparent AS parent FROM hung h
            UNION
            SELECT a.part, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.parent
        )
        SELECT h.inhrelid AS oid, h.distance, c.relispartition
          FROM hung h JOIN pg_class c ON c.oid = h.inhrelid AND c.relkind NOT IN ('i', 'I')
         WHERE h.distance < 2147483648
           AND EXISTS (SELECT FROM above a JOIN pg_trigger t ON t.tgrelid = a.parent
                        WHERE a.part = h.inhrelid AND t.tgfoid = recorder
                          AND t.tgname <> 'amanah_audit_truncate')
         ORDER BY h.distance
    LOOP
        BEGIN
            anew := pg_xact_status((first + part.distance)::text::xid8) = 'in progress';
        EXCEPTION WHEN invalid_parameter_value THEN
            -- No transaction has this number yet: the row is so old that numbers came round.
            EXIT;
        END;
        CONTINUE WHEN NOT coalesce(anew, false);
        IF EXISTS (
            WITH RECURSIVE tree AS (
                SELECT part.oid AS oid
                UNION SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
            SELECT FROM tree t JOIN pg_class c ON c.oid = t.oid
             WHERE c.relkind NOT IN ('r', 'p') OR pg_relation_size(c.oid) > 0)
        THEN
            RAISE EXCEPTION USING
                ERRCODE = 'TRAIL',
                MESSAGE = format('%s is refused: %s brings rows into a recorded table, and no'
                                 ' trigger would record them', tg_tag, part.oid::regclass),
                HINT = 'Nothing was changed. Hang it there while it is empty (TRUNCATE it if its rows'
                       ' were deleted), in a transaction of its own, and then insert its rows, which'
                       ' is recorded; or let a superuser do it.';
        END IF;
        -- A partition has a copy of its parent's trigger for rows.
        IF NOT part.relispartition AND NOT EXISTS (
            SELECT FROM pg_trigger t WHERE t.tgrelid = part.oid AND t.tgfoid = recorder
               AND t.tgname = 'amanah_audit_row')
        THEN
            -- The key is put right by refuse_hiding().
            EXECUTE format('CREATE TRIGGER amanah_audit_row AFTER INSERT OR UPDATE OR DELETE ON %s'
                           ' FOR EACH ROW EXECUTE FUNCTION audit.global_track_changes()',
                           part.oid::regclass);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_trigger t WHERE t.tgrelid = part.oid AND t.tgfoid = recorder
               AND t.tgname = 'amanah_audit_truncate')
        THEN
            EXECUTE format('CREATE OR REPLACE TRIGGER amanah_audit_truncate AFTER TRUNCATE ON %s'
                           ' FOR EACH STATEMENT EXECUTE FUNCTION audit.global_track_changes()',
                           part.oid::regclass);
        END IF;
    END LOOP;
END $$;

ALTER FUNCTION audit.refuse_filled_part() OWNER TO postgres;

CREATE FUNCTION audit.refuse_hiding() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    recorder CONSTANT oid := (SELECT p.oid FROM pg_proc p JOIN pg_namespace n
                                  ON n.oid = p.pronamespace AND n.nspname = 'audit'
                               WHERE p.proname = 'global_track_changes');
    it record;
    super CONSTANT boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
    -- Whoever changes a table of his own may call nothing here, and sees its text.
    printed CONSTANT text := (
        SELECT format('SELECT (%s)', replace(p.prosrc, '= relation', '= $1')) FROM pg_proc p
         WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'audit')
           AND p.proname = 'printed_form');
    form text;
    -- The place of the empty word that ends what is not shown.
    last integer;
    given text[];
    wanted text[];
    wrong text;
    n integer;
BEGIN
    FOR it IN
        WITH RECURSIVE near AS (
            SELECT coalesce(t.tgrelid, k.oid, c.objid) AS oid
              FROM pg_event_trigger_ddl_commands() c
              LEFT JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
              -- Tables of a type get its columns.
              LEFT JOIN pg_type y ON c.classid = 'pg_type'::regclass AND y.oid = c.objid
                     OR c.classid = 'pg_class'::regclass AND y.typrelid = c.objid
              LEFT JOIN pg_class k ON k.reloftype = y.oid
             WHERE c.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_type'::regclass)
            UNION SELECT c.objid FROM pg_event_trigger_ddl_commands() c
                   WHERE c.classid = 'pg_class'::regclass
            UNION SELECT i.inhrelid FROM near b JOIN pg_inherits i ON i.inhparent = b.oid
        )
        SELECT t.tgname, t.tgrelid, t.tgnargs, t.tgenabled, string_to_array(left((
                   SELECT convert_from(decode(string_agg(
                              CASE substr(h.hex, g, 2) WHEN '00' THEN '1f'
                              ELSE substr(h.hex, g, 2) END, '' ORDER BY g), 'hex'),
                              getdatabaseencoding())
                     FROM (SELECT encode(t.tgargs, 'hex') AS hex) h,
                          generate_series(1, length(h.hex), 2) g), -1), chr(31)) AS given,
               ARRAY(SELECT a.attname::text
                       FROM pg_index i
                      CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                      WHERE i.indrelid = t.tgrelid AND i.indisprimary AND k.place <= i.indnkeyatts
                      ORDER BY k.place) AS key
          FROM near JOIN pg_trigger t ON t.tgrelid = near.oid
         -- A partition's is a copy of its parent's.
         WHERE t.tgfoid = recorder AND t.tgparentid = 0
           -- Others are refused elsewhere, or a superuser's own.
           AND t.tgname IN ('amanah_audit_row', 'amanah_audit_insert', 'amanah_audit_update',
                            'amanah_audit_delete')
    LOOP
        given := CASE WHEN it.tgnargs = 0 THEN '{}' ELSE it.given END;
        last := CASE WHEN given[1] = '' THEN array_position(given, '', 2) ELSE 0 END;
        wrong := NULL;
        IF last IS NULL OR last % 2 <> 0 OR cardinality(given) <> it.tgnargs THEN
            wrong := 'is given what is no list of columns';
        END IF;
        n := 2;
        WHILE wrong IS NULL AND n < last LOOP
            IF given[n + 1] = ANY (it.key) AND given[n] <> 'hashed' THEN
                wrong := format('would not tell %I, which is its key, so that nothing tells which'
                                ' row it was', given[n + 1]);
            ELSE
                BEGIN
                    IF NOT EXISTS (
                        SELECT FROM audit.hidden_columns h
                          JOIN pg_attribute a ON a.attrelid = h.relation AND a.attnum = h.attnum
                           AND a.attname = h.column_name AND NOT a.attisdropped
                         WHERE h.relation = it.tgrelid AND h.column_name = given[n + 1]
                           AND h.how = given[n])
                    THEN
                        RAISE insufficient_privilege;
                    END IF;
                EXCEPTION WHEN insufficient_privilege THEN
                    wrong := format('would not tell %I (%s), and nobody has approved that',
                                    given[n + 1], given[n]);
                END;
            END IF;
            n := n + 2;
        END LOOP;
        -- What a superuser hides is looked at by audit.triggers; the rest is put right all the same.
        CONTINUE WHEN super AND (last IS NULL OR last % 2 <> 0);
        IF wrong IS NOT NULL AND NOT super THEN
            RAISE EXCEPTION USING
                ERRCODE = 'TRAIL',
                MESSAGE = format('%s is refused: the record of %s %s', tg_tag,
                                 it.tgrelid::regclass, wrong),
                HINT = 'Nothing was changed. Ask for it in a comment on the column, @audit(never),'
                       ' @audit(hashed) or @audit(encrypted), and run amanah protect with'
                       ' --superuser-url and --apply, which approves it. A column that is kept out of the record is renamed by a'
                       ' superuser, and protect is run again.';
        END IF;
        wanted := it.key;
        IF it.tgname = 'amanah_audit_row' THEN
            EXECUTE printed INTO form USING it.tgrelid;
            wanted := wanted || ARRAY['', form];
        END IF;
        -- An empty word in front would begin what is not shown.
        IF last > 2 THEN
            wanted := given[:last] || wanted;
        ELSIF wanted[1] = '' THEN
            wanted := ARRAY['', ''] || wanted;
        END IF;
        CONTINUE WHEN given = wanted;
        BEGIN
            EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s EXECUTE FUNCTION'
                           ' audit.global_track_changes(%s)', it.tgname,
                format(CASE it.tgname
                       WHEN 'amanah_audit_row'
                       THEN 'INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW'
                       WHEN 'amanah_audit_insert'
                       THEN 'INSERT ON %s REFERENCING NEW TABLE AS amanah_becomes FOR EACH STATEMENT'
                       WHEN 'amanah_audit_update'
                       THEN 'UPDATE ON %s REFERENCING OLD TABLE AS amanah_was'
                            ' NEW TABLE AS amanah_becomes FOR EACH STATEMENT'
                       ELSE 'DELETE ON %s REFERENCING OLD TABLE AS amanah_was FOR EACH STATEMENT'
                       END, it.tgrelid::regclass),
                (SELECT string_agg(quote_literal(u.word), ', ' ORDER BY u.place)
                   FROM unnest(wanted) WITH ORDINALITY u (word, place)));
            -- One that was replaced sleeps in replica sessions; one that a superuser has switched
            -- off stays so.
            EXECUTE format('ALTER TABLE %s %s TRIGGER %I', it.tgrelid::regclass,
                           CASE it.tgenabled WHEN 'D' THEN 'DISABLE' ELSE 'ENABLE ALWAYS' END,
                           it.tgname);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION USING
                ERRCODE = 'TRAIL',
                MESSAGE = format('%s is refused: it changes what is recorded of %s, and %I may not'
                                 ' tell the recording so', tg_tag, it.tgrelid::regclass, current_user),
                HINT = 'Nothing was changed. It takes the right TRIGGER on the table and EXECUTE on'
                       ' audit.global_track_changes(): the owner of the database has the second, and'
                       ' a superuser has both.';
        END;
    END LOOP;
END $_$;

ALTER FUNCTION audit.refuse_hiding() OWNER TO postgres;

CREATE FUNCTION audit.refuse_rewrite() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    place CONSTANT regclass := pg_event_trigger_table_rewrite_oid();
    why CONSTANT integer := pg_event_trigger_table_rewrite_reason();
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR why & 5 = 0
       OR NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                        JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
                       WHERE t.tgrelid = place AND p.proname = 'global_track_changes')
    THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = CASE WHEN why & 1 = 1
                  THEN format('%s is refused: it would take the rows of %s out of the server''s log'
                              ' of writes, or bring them in unseen', tg_tag, place)
                  ELSE format('%s is refused: it would write every row of %s anew, and no trigger'
                              ' would record it', tg_tag, place) END,
        HINT = CASE WHEN why & 1 = 1
               THEN 'Nothing was changed. Only a superuser makes a recorded table logged or'
                    ' unlogged.'
               ELSE 'Nothing was changed. Add a column of the new type, fill it by UPDATE, which is'
                    ' recorded, drop the old one and rename; or let a superuser do it. A type that'
                    ' needs no row to be written anew, such as text instead of varchar, is not'
                    ' refused.' END;
END $$;

ALTER FUNCTION audit.refuse_rewrite() OWNER TO postgres;

CREATE FUNCTION audit.refuse_weaker_ddl() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    recorder CONSTANT oid := (SELECT p.oid FROM pg_proc p JOIN pg_namespace n
                                  ON n.oid = p.pronamespace AND n.nspname = 'audit'
                               WHERE p.proname = 'global_track_changes');
    made record;
    weak text;
    other text;
    cast_made text;
    renamed record;
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
    -- A trigger for statements fires for the table that a statement names, and for none above or
    -- below it; and what a subscription brings in fires none for statements.
    WITH RECURSIVE touched AS (
        SELECT coalesce(t.tgrelid, c.objid) AS oid
          FROM pg_event_trigger_ddl_commands() c
          LEFT JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
         WHERE c.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass)
    ), above AS (
        SELECT oid FROM touched
        UNION SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
    ), below AS (
        SELECT oid FROM touched
        UNION SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
    )
    SELECT t.tgrelid::regclass::text INTO other
      FROM (SELECT oid FROM above UNION SELECT oid FROM below) near
      JOIN pg_trigger t ON t.tgrelid = near.oid
      JOIN pg_class c ON c.oid = t.tgrelid
     WHERE t.tgfoid = recorder
       AND t.tgname IN ('amanah_audit_insert', 'amanah_audit_update', 'amanah_audit_delete')
       AND (c.relkind = 'p'
            OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid))
            OR EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid))
     LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: %s would be recorded by statements, and its rows can'
                             ' be written without one that names it', tg_tag, other),
            HINT = 'Nothing was changed. A table with partitions, parents, children or a'
                   ' subscription is recorded row by row: take @audit(statement) out of its'
                   ' comment, and run amanah protect with --apply.';
    END IF;
    -- to_jsonb() asks such a cast what a value is. Functions in C are a superuser's.
    SELECT format('%s AS %s', k.castsource::regtype, k.casttarget::regtype) INTO cast_made
      FROM pg_event_trigger_ddl_commands() c
      JOIN pg_cast k ON c.classid = 'pg_cast'::regclass AND k.oid = c.objid
      JOIN pg_proc p ON p.oid = k.castfunc
      JOIN pg_language l ON l.oid = p.prolang
     WHERE k.casttarget IN ('json'::regtype, 'jsonb'::regtype)
       AND l.lanname NOT IN ('internal', 'c')
     LIMIT 1;
    IF cast_made IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: the cast %s would decide what the audit trail'
                             ' records', tg_tag, cast_made),
            HINT = 'Nothing was changed. Call its function by name instead: a function may return'
                   ' json, and only a cast is asked by the recording.';
    END IF;
    -- A label that is called otherwise is so in every row: two that change places exchange values.
    WITH RECURSIVE uses AS (
        SELECT e.enumtypid AS oid, b.value AS label, e.enumlabel::text AS becomes
          FROM pg_event_trigger_ddl_commands() c
          JOIN pg_enum e ON c.classid = 'pg_type'::regclass AND e.enumtypid = c.objid
          JOIN jsonb_each_text(coalesce(nullif(current_setting('amanah.labels', true), ''), '{}')::jsonb) b
            ON b.key = e.oid::text AND b.value <> e.enumlabel
        UNION
        SELECT n.oid, u.label, u.becomes
          FROM uses u CROSS JOIN LATERAL (
               SELECT y.oid FROM pg_type y WHERE u.oid IN (y.typelem, y.typbasetype)
               UNION ALL SELECT k.reltype FROM pg_attribute a JOIN pg_class k ON k.oid = a.attrelid
                WHERE a.atttypid = u.oid AND a.attnum > 0 AND NOT a.attisdropped
               UNION ALL SELECT unnest(ARRAY[r.rngtypid, r.rngmultitypid]) FROM pg_range r
                WHERE r.rngsubtype = u.oid) n
    )
    SELECT u.label, u.becomes, t.tgrelid::regclass AS place INTO renamed
      FROM uses u JOIN pg_attribute a ON a.atttypid = u.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_trigger t ON t.tgrelid = a.attrelid AND t.tgfoid = recorder
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('%s is refused: %L would be %L in every row of %s, and no trigger would'
                             ' record it', tg_tag, renamed.label, renamed.becomes, renamed.place),
            HINT = 'Nothing was changed. Add the new label (ALTER TYPE ... ADD VALUE), and bring the'
                   ' rows to it by UPDATE, which is recorded; or let a superuser rename it, of which'
                   ' the record says both labels.';
    END IF;
END $$;

ALTER FUNCTION audit.refuse_weaker_ddl() OWNER TO postgres;

CREATE FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $$
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

ALTER FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea) OWNER TO postgres;

CREATE FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT pg_catalog.sha256(
        pg_catalog.decode('616d616e61682f61756469742d726f772f76320a', 'hex')
        OPERATOR(pg_catalog.||) pg_catalog.int8send(id)
        OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(at)
        OPERATOR(pg_catalog.||) pg_catalog.xid8send(xid)
        OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.array_send(ARRAY[
            pg_catalog.convert_to(actor_id, 'UTF8'), pg_catalog.convert_to(tenant_id, 'UTF8'),
            pg_catalog.convert_to(db_user, 'UTF8'), pg_catalog.convert_to(request_id, 'UTF8'),
            pg_catalog.convert_to(action, 'UTF8'), pg_catalog.convert_to(table_schema, 'UTF8'),
            pg_catalog.convert_to(table_name, 'UTF8')]), 21)
        OPERATOR(pg_catalog.||) content)
$$;

ALTER FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) OWNER TO postgres;

CREATE FUNCTION audit.told(query text, tag text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

ALTER FUNCTION audit.told(query text, tag text) OWNER TO amanah_trail_desk;

CREATE FUNCTION audit.trg_compute_audit_log_hash() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- The recorder calls what the application's owner can replace, and what he puts there could insert
    -- rows of its own: not under another number, transaction, time or login than are its own.
    IF NEW.id OPERATOR(pg_catalog.<>)
           pg_catalog.currval('audit.system_audit_logs_id_seq'::pg_catalog.regclass)
       OR NEW.xid OPERATOR(pg_catalog.<>) pg_catalog.pg_current_xact_id()
       OR NEW.db_user OPERATOR(pg_catalog.<>) session_user::pg_catalog.text
       OR NEW.erased IS NOT NULL
       OR pg_catalog.abs(pg_catalog.date_part('epoch', NEW.event_timestamp
              OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp())) OPERATOR(pg_catalog.>) 60
       -- Readings and changes of structure are recorded by the desk alone, whose rights no code of the
       -- application has.
       OR NEW.action OPERATOR(pg_catalog.=) ANY (ARRAY['ASK', 'READ', 'DDL'])
          AND current_user OPERATOR(pg_catalog.=) 'amanah_trail'
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = 'a row of the audit trail has the number, transaction, time and login of the'
                      ' session that writes it',
            HINT = 'Nothing was recorded. Rows are written by the triggers of recorded tables alone.';
    END IF;
    -- What reads it must be able to: a row as PostgreSQL sends it ends at a gigabyte, and its write-ahead
    -- log is printed with each quote doubled. A small row is measured once and not printed: the longest
    -- number of ten bytes has 131,072 digits, so that 8 kB are 108 MB at most.
    IF pg_catalog.pg_column_size(NEW) OPERATOR(pg_catalog.>) 8192
       AND (pg_catalog.length(pg_catalog.concat(NEW.actor_id, NEW.tenant_id, NEW.request_id,
                NEW.action, NEW.table_schema, NEW.table_name)) OPERATOR(pg_catalog.>) 800
            OR coalesce(pg_catalog.octet_length(NEW.row_key::pg_catalog.text), 0)::pg_catalog.int8
               OPERATOR(pg_catalog.+)
               coalesce(pg_catalog.octet_length(NEW.old_data::pg_catalog.text), 0)
               OPERATOR(pg_catalog.+)
               coalesce(pg_catalog.octet_length(NEW.new_data::pg_catalog.text), 0)
               OPERATOR(pg_catalog.>) 268435456)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = pg_catalog.format('%s on %I.%I is refused: its record would be longer than 256 MB'
                                        ' as text', NEW.action, pg_catalog.left(NEW.table_schema, 63),
                                        pg_catalog.left(NEW.table_name, 63)),
            HINT = 'Nothing was changed. Keep what is so large in a file, or keep its column out of'
                   ' the record with @audit(never).';
    END IF;
    IF NEW.salt IS NULL THEN
        NEW.salt := pg_catalog.gen_random_uuid();
    END IF;
    NEW.row_hash := audit.row_digest(
        NEW.id, NEW.event_timestamp, NEW.xid, NEW.actor_id, NEW.tenant_id, NEW.db_user,
        NEW.request_id, NEW.action, NEW.table_schema, NEW.table_name,
        audit.content_digest(NEW.salt, NEW.row_key, NEW.old_data, NEW.new_data));
    RETURN NEW;
END $$;

ALTER FUNCTION audit.trg_compute_audit_log_hash() OWNER TO postgres;

CREATE TABLE amanah.binding_key (
    kid text NOT NULL,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    CONSTRAINT binding_key_check CHECK ((not_before < not_after)),
    CONSTRAINT binding_key_inner_pad_check CHECK ((octet_length(inner_pad) = 64)),
    CONSTRAINT binding_key_kid_check CHECK ((kid ~ '^[a-z0-9-]{1,32}$'::text)),
    CONSTRAINT binding_key_outer_pad_check CHECK ((octet_length(outer_pad) = 64))
);

ALTER TABLE amanah.binding_key OWNER TO owner;

CREATE TABLE amanah.journal (
    id bigint NOT NULL,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    schema text NOT NULL,
    name text NOT NULL,
    part text NOT NULL,
    relation oid,
    before text,
    after text,
    CONSTRAINT journal_check CHECK ((before IS DISTINCT FROM after))
);

ALTER TABLE amanah.journal OWNER TO owner;

CREATE TABLE amanah.migration (
    room text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE amanah.migration OWNER TO owner;

CREATE TABLE amanah.reviewed (
    object text NOT NULL,
    sha256 text NOT NULL,
    why text NOT NULL,
    declared_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    declared_by name DEFAULT CURRENT_USER NOT NULL,
    CONSTRAINT reviewed_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT reviewed_why_check CHECK ((why <> ''::text))
);

ALTER TABLE amanah.reviewed OWNER TO owner;

CREATE TABLE amanah_guard.admitted (
    xid xid8 NOT NULL
);

ALTER TABLE amanah_guard.admitted OWNER TO postgres;

CREATE TABLE amanah_guard.isolation (
    one boolean DEFAULT true NOT NULL,
    tenant_column text NOT NULL,
    app_role text NOT NULL,
    CONSTRAINT isolation_one_check CHECK (one)
);

ALTER TABLE amanah_guard.isolation OWNER TO postgres;

CREATE TABLE amanah_guard.journal (
    id bigint NOT NULL,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    schema text NOT NULL,
    name text NOT NULL,
    part text NOT NULL,
    relation oid,
    before text,
    after text,
    CONSTRAINT journal_check CHECK ((before IS DISTINCT FROM after)),
    CONSTRAINT journal_kind_check CHECK ((kind = ANY (ARRAY['acl'::text, 'function acl'::text, 'database acl'::text, 'parameter acl'::text, 'role'::text])))
);

ALTER TABLE amanah_guard.journal OWNER TO postgres;

CREATE TABLE amanah_guard.migration (
    room text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE amanah_guard.migration OWNER TO postgres;

CREATE TABLE audit.archived_months (
    month date NOT NULL,
    rows bigint NOT NULL,
    removed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    removed_by name DEFAULT SESSION_USER NOT NULL
);

ALTER TABLE audit.archived_months OWNER TO postgres;

COMMENT ON TABLE audit.archived_months IS 'The months of the trail that were taken out of the database: they lie in the archive.';

CREATE TABLE audit.cipher_key (
    number bigint NOT NULL,
    key bytea NOT NULL,
    inside bytea NOT NULL,
    outside bytea NOT NULL
);

ALTER TABLE audit.cipher_key OWNER TO postgres;

COMMENT ON TABLE audit.cipher_key IS 'What values are encrypted with in the trail now; former keys are in Amanah''s ring alone.';

CREATE TABLE audit.hash_key (
    one boolean DEFAULT true NOT NULL,
    inside bytea NOT NULL,
    outside bytea NOT NULL,
    CONSTRAINT hash_key_one_check CHECK (one)
);

ALTER TABLE audit.hash_key OWNER TO postgres;

CREATE TABLE audit.hidden_columns (
    relation regclass NOT NULL,
    attnum smallint NOT NULL,
    column_name text NOT NULL,
    how text NOT NULL,
    approved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    approved_by text DEFAULT SESSION_USER NOT NULL
);

ALTER TABLE audit.hidden_columns OWNER TO postgres;

COMMENT ON TABLE audit.hidden_columns IS 'Which columns are not shown in the trail, and who has approved that.';

CREATE TABLE audit.retention (
    single boolean DEFAULT true NOT NULL,
    months integer NOT NULL,
    CONSTRAINT retention_months_check CHECK (((months >= 1) AND (months <= 1200))),
    CONSTRAINT retention_single_check CHECK (single)
);

ALTER TABLE audit.retention OWNER TO postgres;

COMMENT ON TABLE audit.retention IS 'How long each month of the trail stays in the database, at least. Only a superuser changes it.';

CREATE TABLE audit.system_audit_logs (
    id bigint NOT NULL,
    event_timestamp timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    salt uuid,
    row_hash bytea NOT NULL,
    actor_id text,
    tenant_id text,
    db_user text DEFAULT SESSION_USER NOT NULL,
    request_id text,
    action text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    row_key jsonb,
    old_data jsonb,
    new_data jsonb,
    erased bytea
)
PARTITION BY RANGE (event_timestamp);

ALTER TABLE ONLY audit.system_audit_logs FORCE ROW LEVEL SECURITY;

ALTER TABLE audit.system_audit_logs OWNER TO postgres;

COMMENT ON TABLE audit.system_audit_logs IS 'Append-only: one row for each change to a tracked row, written by triggers alone.';

ALTER TABLE audit.system_audit_logs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.system_audit_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit.system_audit_logs_rest (
    id bigint NOT NULL,
    event_timestamp timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    salt uuid,
    row_hash bytea NOT NULL,
    actor_id text,
    tenant_id text,
    db_user text DEFAULT SESSION_USER NOT NULL,
    request_id text,
    action text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    row_key jsonb,
    old_data jsonb,
    new_data jsonb,
    erased bytea
);

ALTER TABLE ONLY audit.system_audit_logs_rest FORCE ROW LEVEL SECURITY;

ALTER TABLE audit.system_audit_logs_rest OWNER TO postgres;

ALTER TABLE ONLY audit.system_audit_logs ATTACH PARTITION audit.system_audit_logs_rest DEFAULT;

ALTER TABLE ONLY amanah.binding_key
    ADD CONSTRAINT binding_key_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY amanah.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY amanah.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (room, name);

ALTER TABLE ONLY amanah.reviewed
    ADD CONSTRAINT reviewed_pkey PRIMARY KEY (object, sha256);

ALTER TABLE ONLY amanah_guard.admitted
    ADD CONSTRAINT admitted_pkey PRIMARY KEY (xid);

ALTER TABLE ONLY amanah_guard.isolation
    ADD CONSTRAINT isolation_pkey PRIMARY KEY (one);

ALTER TABLE ONLY amanah_guard.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY amanah_guard.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (room, name);

ALTER TABLE ONLY audit.archived_months
    ADD CONSTRAINT archived_months_pkey PRIMARY KEY (month);

ALTER TABLE ONLY audit.cipher_key
    ADD CONSTRAINT cipher_key_pkey PRIMARY KEY (number);

ALTER TABLE ONLY audit.hash_key
    ADD CONSTRAINT hash_key_pkey PRIMARY KEY (one);

ALTER TABLE ONLY audit.hidden_columns
    ADD CONSTRAINT hidden_columns_pkey PRIMARY KEY (relation, attnum);

ALTER TABLE ONLY audit.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (single);

CREATE INDEX system_audit_logs_place ON ONLY audit.system_audit_logs USING brin (id, event_timestamp) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX system_audit_logs_rest_id_event_timestamp_idx ON audit.system_audit_logs_rest USING brin (id, event_timestamp) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX system_audit_logs_xid ON ONLY audit.system_audit_logs USING btree (xid);

CREATE INDEX system_audit_logs_rest_xid_idx ON audit.system_audit_logs_rest USING btree (xid);

ALTER INDEX audit.system_audit_logs_place ATTACH PARTITION audit.system_audit_logs_rest_id_event_timestamp_idx;

ALTER INDEX audit.system_audit_logs_xid ATTACH PARTITION audit.system_audit_logs_rest_xid_idx;

CREATE TRIGGER hash BEFORE INSERT ON audit.system_audit_logs FOR EACH ROW EXECUTE FUNCTION audit.trg_compute_audit_log_hash();

ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER hash;

CREATE TRIGGER refuse_row BEFORE DELETE OR UPDATE ON audit.system_audit_logs FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();

ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER refuse_row;

CREATE TRIGGER refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.system_audit_logs FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER refuse_statement;

CREATE TRIGGER refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.system_audit_logs_rest FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

ALTER TABLE audit.system_audit_logs_rest ENABLE ALWAYS TRIGGER refuse_statement;

ALTER TABLE audit.archived_months ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit.cipher_key ENABLE ROW LEVEL SECURITY;

CREATE POLICY erasing ON audit.system_audit_logs TO amanah_trail_erasing USING (true) WITH CHECK (true);

ALTER TABLE audit.hash_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit.hidden_columns ENABLE ROW LEVEL SECURITY;

CREATE POLICY proving ON audit.system_audit_logs FOR SELECT TO owner USING (((xid = pg_current_xact_id_if_assigned()) AND (event_timestamp >= transaction_timestamp()) AND (db_user = (SESSION_USER)::text)));

CREATE POLICY reading ON audit.archived_months FOR SELECT USING (true);

CREATE POLICY reading ON audit.hidden_columns FOR SELECT USING (true);

CREATE POLICY reading ON audit.retention FOR SELECT USING (true);

CREATE POLICY reading ON audit.system_audit_logs FOR SELECT TO amanah_trail_desk USING (true);

CREATE POLICY recording ON audit.system_audit_logs FOR INSERT WITH CHECK (true);

ALTER TABLE audit.retention ENABLE ROW LEVEL SECURITY;

CREATE POLICY sealing ON audit.system_audit_logs FOR SELECT TO amanah_trail_reader USING (true);

ALTER TABLE audit.system_audit_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit.system_audit_logs_rest ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA amanah TO PUBLIC;

GRANT USAGE ON SCHEMA amanah_guard TO PUBLIC;

GRANT USAGE ON SCHEMA audit TO amanah_trail;
GRANT USAGE ON SCHEMA audit TO amanah_trail_reader;
GRANT USAGE ON SCHEMA audit TO amanah_admin;
GRANT USAGE ON SCHEMA audit TO amanah_auditor;
GRANT USAGE ON SCHEMA audit TO amanah_trail_desk;
GRANT USAGE ON SCHEMA audit TO owner;
GRANT USAGE ON SCHEMA audit TO amanah_trail_erasing;
GRANT USAGE ON SCHEMA audit TO amanah_trail_eraser;
GRANT USAGE ON SCHEMA audit TO amanah_trail_archivist;

REVOKE ALL ON FUNCTION amanah.open_token(token text) FROM PUBLIC;

REVOKE ALL ON FUNCTION amanah_guard.after_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION amanah_guard.after_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.ask(filter jsonb, purpose text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.ask(filter jsonb, purpose text) TO amanah_admin;
GRANT ALL ON FUNCTION audit.ask(filter jsonb, purpose text) TO amanah_auditor;

REVOKE ALL ON FUNCTION audit.asked(wanted jsonb, seen pg_snapshot, asking xid8) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.asked(wanted jsonb, seen pg_snapshot, asking xid8) TO amanah_trail_desk;

REVOKE ALL ON FUNCTION audit.asked_for(wanted jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.asked_for(wanted jsonb) TO amanah_trail_desk;

REVOKE ALL ON FUNCTION audit.bare(query text, within boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.cipher(bytea, bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) TO amanah_trail;
GRANT ALL ON FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) TO amanah_trail_desk;
GRANT ALL ON FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb) TO amanah_trail_erasing;

REVOKE ALL ON FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint) TO amanah_admin;
GRANT ALL ON FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint) TO amanah_auditor;

REVOKE ALL ON FUNCTION audit.document(relation oid, given anyelement) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.document(relation oid, given anyelement) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.encrypted(salt uuid, name text, value jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.encrypted(salt uuid, name text, value jsonb) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.erase(xids xid8[], numbers bigint[], sealed bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.erase(xids xid8[], numbers bigint[], sealed bytea[]) TO amanah_trail_eraser;

REVOKE ALL ON FUNCTION audit.global_track_changes() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.global_track_changes() TO owner;

REVOKE ALL ON FUNCTION audit.keyed_digest(salt uuid, value text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.keyed_digest(salt uuid, value text) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.lenient(given anyelement) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.lenient(given anyelement) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.leniently(relation oid, place text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.leniently(relation oid, place text) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.make_partition(month timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.make_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.make_partitions() TO owner;

REVOKE ALL ON FUNCTION audit.not_shown(arguments text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.not_shown(arguments text[]) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.print_as(wanted text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.print_as(wanted text[]) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.printed_form(relation oid) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.printed_form(relation oid) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.read(ticket uuid, behind_xid xid8, behind_id bigint, at_most bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.read(ticket uuid, behind_xid xid8, behind_id bigint, at_most bigint) TO amanah_admin;
GRANT ALL ON FUNCTION audit.read(ticket uuid, behind_xid xid8, behind_id bigint, at_most bigint) TO amanah_auditor;

REVOKE ALL ON FUNCTION audit.record_command(tag text, place text, name text, told jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_reading(step text, told jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.record_reading(step text, told jsonb) TO amanah_trail_desk;

REVOKE ALL ON FUNCTION audit.record_row(action text, place text, name text, arguments text[], was jsonb, becomes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.record_row(action text, place text, name text, arguments text[], was jsonb, becomes jsonb) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.recorded_reading(step text, ticket uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.recorded_reading(step text, ticket uuid) TO amanah_trail_desk;

REVOKE ALL ON FUNCTION audit.redacted(document jsonb, salt uuid, rules text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.redacted(document jsonb, salt uuid, rules text[]) TO amanah_trail;

REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.refuse_change() TO amanah_trail;

REVOKE ALL ON FUNCTION audit.refuse_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_early() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_filled_part() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_hiding() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_rewrite() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_weaker_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea) TO amanah_trail_archivist;

REVOKE ALL ON FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) TO amanah_trail;
GRANT ALL ON FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) TO amanah_trail_desk;
GRANT ALL ON FUNCTION audit.row_digest(id bigint, at timestamp with time zone, xid xid8, actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text, table_name text, content bytea) TO amanah_trail_erasing;

REVOKE ALL ON FUNCTION audit.told(query text, tag text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.trg_compute_audit_log_hash() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.trg_compute_audit_log_hash() TO amanah_trail;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, text) FROM PUBLIC;

GRANT SELECT ON TABLE amanah_guard.admitted TO PUBLIC;

GRANT SELECT ON TABLE amanah_guard.isolation TO PUBLIC;

GRANT SELECT ON TABLE audit.archived_months TO owner;
GRANT SELECT ON TABLE audit.archived_months TO amanah_admin;
GRANT SELECT ON TABLE audit.archived_months TO amanah_auditor;
GRANT SELECT ON TABLE audit.archived_months TO amanah_trail_reader;
GRANT SELECT ON TABLE audit.archived_months TO amanah_trail_archivist;

GRANT SELECT ON TABLE audit.hidden_columns TO owner;

GRANT SELECT ON TABLE audit.retention TO owner;
GRANT SELECT ON TABLE audit.retention TO amanah_admin;
GRANT SELECT ON TABLE audit.retention TO amanah_auditor;
GRANT SELECT ON TABLE audit.retention TO amanah_trail_reader;
GRANT SELECT ON TABLE audit.retention TO amanah_trail_archivist;

GRANT INSERT ON TABLE audit.system_audit_logs TO amanah_trail;
GRANT SELECT ON TABLE audit.system_audit_logs TO amanah_trail_reader;
GRANT SELECT,INSERT ON TABLE audit.system_audit_logs TO amanah_trail_desk;
GRANT SELECT ON TABLE audit.system_audit_logs TO owner;
GRANT SELECT ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT UPDATE(salt) ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT UPDATE(row_key) ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT UPDATE(old_data) ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT UPDATE(new_data) ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT UPDATE(erased) ON TABLE audit.system_audit_logs TO amanah_trail_erasing;

GRANT SELECT ON SEQUENCE audit.system_audit_logs_id_seq TO amanah_trail;
GRANT SELECT ON SEQUENCE audit.system_audit_logs_id_seq TO amanah_trail_desk;

GRANT SELECT ON TABLE audit.system_audit_logs_rest TO amanah_trail_reader;
GRANT SELECT ON TABLE audit.system_audit_logs_rest TO amanah_trail_desk;
GRANT SELECT ON TABLE audit.system_audit_logs_rest TO owner;
GRANT SELECT ON TABLE audit.system_audit_logs_rest TO amanah_trail_erasing;

CREATE EVENT TRIGGER amanah_isolation_ddl ON ddl_command_end
   EXECUTE FUNCTION amanah_guard.after_ddl();

ALTER EVENT TRIGGER amanah_isolation_ddl ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_isolation_ddl OWNER TO postgres;

CREATE EVENT TRIGGER amanah_isolation_drop ON sql_drop
   EXECUTE FUNCTION amanah_guard.after_drop();

ALTER EVENT TRIGGER amanah_isolation_drop ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_isolation_drop OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_ddl ON ddl_command_end
   EXECUTE FUNCTION audit.refuse_weaker_ddl();

ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_ddl OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_drop ON sql_drop
   EXECUTE FUNCTION audit.refuse_drop();

ALTER EVENT TRIGGER amanah_trail_drop ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_drop OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_first ON ddl_command_start
   EXECUTE FUNCTION audit.refuse_early();

ALTER EVENT TRIGGER amanah_trail_first ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_first OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_hiding ON ddl_command_end
   EXECUTE FUNCTION audit.refuse_hiding();

ALTER EVENT TRIGGER amanah_trail_hiding ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_hiding OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_parts ON ddl_command_end
   EXECUTE FUNCTION audit.refuse_filled_part();

ALTER EVENT TRIGGER amanah_trail_parts ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_parts OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_record_ddl ON ddl_command_end
   EXECUTE FUNCTION audit.record_ddl();

ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_record_ddl OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_record_drop ON sql_drop
   EXECUTE FUNCTION audit.record_drop();

ALTER EVENT TRIGGER amanah_trail_record_drop ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_record_drop OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_record_rewrite ON table_rewrite
   EXECUTE FUNCTION audit.record_ddl();

ALTER EVENT TRIGGER amanah_trail_record_rewrite ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_record_rewrite OWNER TO postgres;

CREATE EVENT TRIGGER amanah_trail_rewrite ON table_rewrite
   EXECUTE FUNCTION audit.refuse_rewrite();

ALTER EVENT TRIGGER amanah_trail_rewrite ENABLE ALWAYS;

ALTER EVENT TRIGGER amanah_trail_rewrite OWNER TO postgres;

