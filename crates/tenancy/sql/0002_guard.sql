-- Why: a table that is made or changed later is protected in the same transaction, or the statement
--      is refused; so is what weakens the protection.
-- Lock: none on existing objects; functions, two tables and two event triggers are made.
-- Undo: DROP EVENT TRIGGER amanah_isolation_ddl, amanah_isolation_drop; then the functions and tables.

-- Only a superuser can make event triggers, so a superuser runs this file. The functions run with
-- the rights of whoever gave the command, so they can do nothing that he could not; what they refuse
-- is refused to everybody but a superuser.

-- What is guarded: one row, or none. The structure of a database is copied for the bites without its
-- rows, so a bite's sandbox is not guarded, and violations can be seeded there.
CREATE TABLE amanah_guard.isolation (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    tenant_column text    NOT NULL,
    app_role      text    NOT NULL
);

-- Transactions of the owner that a superuser has let through: `amanah protect` itself. The number of
-- a transaction is never given twice, and nobody but a superuser writes here.
CREATE TABLE amanah_guard.admitted (
    xid xid8 PRIMARY KEY
);
REVOKE ALL ON amanah_guard.isolation, amanah_guard.admitted FROM PUBLIC;
GRANT USAGE ON SCHEMA amanah_guard TO PUBLIC;
GRANT SELECT ON amanah_guard.isolation, amanah_guard.admitted TO PUBLIC;

-- Whether the command may do what it likes.
CREATE FUNCTION amanah_guard.lets_through() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM amanah_guard.isolation)
        OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        OR EXISTS (SELECT FROM amanah_guard.admitted WHERE xid = pg_current_xact_id_if_assigned())
$$;

-- Ends the command.
CREATE FUNCTION amanah_guard.refuse(tag text, what text, hint text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'AMISO',
        MESSAGE = format('%s is refused: %s', tag, what),
        HINT = concat('Nothing was changed. ', hint);
END $$;

-- The rights on a relation that are not subject to row security, held by the application or by
-- everybody: who has them, for REVOKE.
CREATE FUNCTION amanah_guard.open_rights(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
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

-- Whether a relation is a table with tenants' rows, or reads one: through views too.
CREATE FUNCTION amanah_guard.reads_tenants(relation oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
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

-- The condition by which a row belongs to its parents' tenant, or NULL when the table has no parents
-- with tenants' rows that every row points to. It is written as `amanah protect` writes it.
CREATE FUNCTION amanah_guard.by_parents(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH link AS (
        SELECT k.conname,
               format('(EXISTS (SELECT 1 FROM %I.%I p WHERE (%s)))', n.nspname, t.relname,
                      string_agg(format('p.%I = %I.%I', theirs.attname, me.relname, own.attname),
                                 ' AND ' ORDER BY u.place)) AS held,
               string_agg(format('%I IS NULL', own.attname), ' OR ' ORDER BY u.place) AS missing,
               bool_and(own.attnotnull) AS required
          FROM pg_constraint k
          JOIN pg_class me ON me.oid = k.conrelid
          JOIN pg_class t ON t.oid = k.confrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace
         CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u(own, theirs, place)
          JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = u.own
          JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = u.theirs
         WHERE k.conrelid = relation AND k.contype = 'f' AND k.conparentid = 0
           AND k.confrelid <> relation AND amanah_guard.reads_tenants(k.confrelid)
         GROUP BY k.conname, n.nspname, t.relname
    )
    SELECT string_agg(CASE WHEN required THEN held ELSE format('(%s OR %s)', missing, held) END,
                      ' AND ' ORDER BY conname)
      FROM link HAVING bool_or(required)
$$;
REVOKE ALL ON FUNCTION amanah_guard.lets_through(), amanah_guard.refuse(text, text, text),
    amanah_guard.open_rights(oid), amanah_guard.reads_tenants(oid), amanah_guard.by_parents(oid)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION amanah_guard.lets_through(), amanah_guard.refuse(text, text, text),
    amanah_guard.open_rights(oid), amanah_guard.reads_tenants(oid), amanah_guard.by_parents(oid)
    TO PUBLIC;

-- Protects a table that has no policies of ours yet, as `amanah protect` would.
CREATE FUNCTION amanah_guard.protect(tag text, relation oid, condition text, own text, kind text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- A table that a command has made or changed: it is protected, or becomes so.
CREATE FUNCTION amanah_guard.look_at(tag text, relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION amanah_guard.after_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- A table may go, and its policies with it; they may not go alone.
CREATE FUNCTION amanah_guard.after_drop() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE ALL ON FUNCTION amanah_guard.protect(text, oid, text, text, text),
    amanah_guard.look_at(text, oid), amanah_guard.after_ddl(), amanah_guard.after_drop() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION amanah_guard.protect(text, oid, text, text, text),
    amanah_guard.look_at(text, oid) TO PUBLIC;

CREATE EVENT TRIGGER amanah_isolation_ddl ON ddl_command_end
    EXECUTE FUNCTION amanah_guard.after_ddl();
CREATE EVENT TRIGGER amanah_isolation_drop ON sql_drop
    EXECUTE FUNCTION amanah_guard.after_drop();
ALTER EVENT TRIGGER amanah_isolation_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_isolation_drop ENABLE ALWAYS;
