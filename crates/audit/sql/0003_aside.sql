-- Why: the trail is made anew from 0003_trail.sql, and what was there is put aside first. Nothing
--      that the application's owner has made may become a superuser's: a function that was planted
--      in schema audit would run with a superuser's rights.
-- Lock: ACCESS EXCLUSIVE on audit.system_audit_logs until its rows are in the new one: recording
--      waits, and with it every write to a tracked table.
-- Undo: it is one transaction with 0003_trail.sql and the other files of 0003; see 0003_guard.sql.

DO $$
DECLARE
    guarded pg_catalog.bool;
    strange pg_catalog.text;
BEGIN
    -- The owner of the database chooses the path of sessions in it, a superuser's too.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF to_regnamespace('audit') IS NULL THEN
        RETURN;
    END IF;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_ddl;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_drop;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_hiding;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_first;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_parts;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_rewrite;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_record_ddl;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_record_drop;
    DROP EVENT TRIGGER IF EXISTS amanah_trail_record_rewrite;
    IF to_regclass('audit.system_audit_logs') IS NOT NULL THEN
        LOCK TABLE audit.system_audit_logs IN ACCESS EXCLUSIVE MODE;
    END IF;
    guarded := (SELECT r.rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
                 WHERE n.nspname = 'audit');
    -- An owner's work is not thrown away with what is made anew, so it is named. A function that
    -- became a superuser's by an earlier version is no such work: it goes, in 0003_rows.sql.
    SELECT string_agg(i.type || ' ' || i.identity, ', ' ORDER BY i.type, i.identity) INTO strange
      FROM pg_depend d
     CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('audit')
       AND d.deptype = 'n'
       AND NOT (d.classid = 'pg_class'::regclass
                AND (d.objid IN (coalesce(to_regclass('audit.system_audit_logs')::oid, 0::oid),
                                 coalesce(to_regclass('audit.system_audit_logs_id_seq')::oid,
                                          0::oid),
                                 coalesce(to_regclass('audit.hidden_columns')::oid, 0::oid),
                                 coalesce(to_regclass('audit.hash_key')::oid, 0::oid),
                                 coalesce(to_regclass('audit.cipher_key')::oid, 0::oid))
                     -- Nobody else makes anything where a superuser has the schema.
                     OR guarded AND d.objid IN (
                         coalesce(to_regclass('audit.retention')::oid, 0::oid),
                         coalesce(to_regclass('audit.archived_months')::oid, 0::oid))
                     OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = d.objid
                                   AND h.inhparent = to_regclass('audit.system_audit_logs'))))
       AND NOT (d.classid = 'pg_proc'::regclass
                AND (guarded OR d.objid = ANY (ARRAY(
                     SELECT coalesce(to_regprocedure('audit.' || ours)::oid, 0::oid)
                       FROM unnest(ARRAY[
                         'bytes_field(bytea)', 'text_field(text)', 'global_track_changes()',
                         'row_digest(audit.system_audit_logs)', 'trg_compute_audit_log_hash()',
                         'refuse_change()', 'content_digest(uuid, jsonb, jsonb, jsonb)',
                         'row_digest(bigint, timestamptz, xid8, text, text, text, text, text, text,'
                         ' text, bytea)', 'redacted(jsonb, uuid, text[])',
                         'keyed_digest(uuid, text)', 'lenient(anyelement)',
                         'encrypted(uuid, text, jsonb)', 'cipher(bytea, bytea, bytea, text)',
                         'leniently(oid, text)', 'not_shown(text[])', 'print_as(text[])',
                         'document(oid, anyelement)', 'printed_form(oid)',
                         'record_row(text, text, text, text[], jsonb, jsonb)',
                         'make_partition(timestamptz)', 'make_partitions()']) ours))));
    IF strange IS NOT NULL THEN
        RAISE EXCEPTION 'schema audit holds what Amanah did not put there: %; nothing was changed.'
                        ' Look for who made it, and drop it or move it to another schema', strange;
    END IF;
    ALTER SCHEMA audit RENAME TO amanah_audit_former;
END $$;
