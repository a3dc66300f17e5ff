-- Why: a table in a schema of Amanah's that Amanah has not made is guarded as every other: the
--      migrations' own tables are left out by their names, and nothing for the schema that it is in.
-- Lock: none on existing objects; one function is replaced.
-- Undo: run its part of 0002_guard.sql again with OR REPLACE.

CREATE OR REPLACE FUNCTION amanah_guard.after_ddl() RETURNS event_trigger
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
