-- Why: the owner of a table may change its structure, and could take the recording off with that, or
--      bring rows in where no trigger looks. What does so is refused, to all but superusers.
-- Lock: none that anybody waits for: what is here was made in the same transaction.
-- Undo: as 0003_guard.sql says; this comes after 0003_keeper.sql, run by a superuser.

-- All of it runs with the rights of whoever gave the command, so it reads the catalogue by name and
-- never casts to regprocedure, which would ask for USAGE on schema audit; nor does it call what is
-- there. No backslash is in a literal, which standard_conforming_strings would change.

-- Before each DDL command: what could not be undone afterwards, and what would wait for a lock on the
-- trail before PostgreSQL asks whose it is, with every write to a recorded table waiting behind it.
-- DETACH ... CONCURRENTLY has ended its first transaction by the time that anything else looks; it
-- runs in no function and in no block, so what was sent is its text.
-- It notes for record_ddl(), which has the rights of somebody else, whether a change of rights can
-- change anything. PostgreSQL takes every GRANT, warns where it grants nothing, and tells nobody what it
-- was about: whoever owns nothing here but what is temporary, and holds no right that he may hand on,
-- changes none. Default rights of who may make nothing here are no more than that.
CREATE FUNCTION audit.refuse_early() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- After each DDL command: whatever it touched must still be recorded.
CREATE FUNCTION audit.refuse_weaker_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- Rows that come along with a table that is hung below a recorded one were never recorded. So it has
-- to be empty, and then gets its own recording, unless it is a partition, which has a copy.
CREATE FUNCTION audit.refuse_filled_part() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- What a recording trigger is given says which columns are not shown, which are the key, and how rows
-- print. What is not shown must have been approved; the others are put right, also for a superuser, so
-- that a column can be renamed, or added.
CREATE FUNCTION audit.refuse_hiding() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
END $$;

-- A rewrite writes each row anew and fires no trigger: 1 is of another persistence, 4 of a column's
-- type. 2 fills a column that is new.
CREATE FUNCTION audit.refuse_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE ALL ON FUNCTION audit.refuse_early(), audit.refuse_weaker_ddl(), audit.refuse_filled_part(), audit.refuse_hiding(),
    audit.refuse_rewrite(), audit.refuse_drop() FROM PUBLIC;
