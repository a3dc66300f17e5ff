-- Why: the keeper's functions look at nothing by themselves; and the owner of the application reads
--      what was recorded, and puts the recording on its tables.
-- Lock: none on tables.
-- Undo: DROP EVENT TRIGGER amanah_trail_ddl, and the same for the others below; then ALTER SCHEMA,
--       TABLE and each FUNCTION of schema audit OWNER TO the owner.

DO $$
DECLARE
    owner pg_catalog.name;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    owner := coalesce(
        (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'amanah'),
        (SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database()));
    EXECUTE format('GRANT USAGE ON SCHEMA audit TO %I', owner);
    EXECUTE format('GRANT SELECT ON audit.system_audit_logs TO %I', owner);
    EXECUTE format('GRANT SELECT ON audit.hidden_columns TO %I', owner);
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit.global_track_changes() TO %I', owner);
    -- It takes no argument and makes what is due, so that a day's work needs no superuser.
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit.make_partitions() TO %I', owner);
    PERFORM audit.make_partitions();
END $$;

-- Anybody could fill PostgreSQL's write-ahead log, and what is kept of it for its comparison with the
-- trail. GRANT EXECUTE ON FUNCTION ... TO PUBLIC undoes it.
DO $$
DECLARE
    emits pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    FOR emits IN SELECT p.oid::regprocedure::text FROM pg_proc p
                  WHERE p.pronamespace = 'pg_catalog'::regnamespace
                    AND p.proname = 'pg_logical_emit_message'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', emits);
    END LOOP;
END $$;

CREATE EVENT TRIGGER amanah_trail_ddl ON ddl_command_end
    EXECUTE FUNCTION audit.refuse_weaker_ddl();
CREATE EVENT TRIGGER amanah_trail_drop ON sql_drop
    EXECUTE FUNCTION audit.refuse_drop();
CREATE EVENT TRIGGER amanah_trail_first ON ddl_command_start
    EXECUTE FUNCTION audit.refuse_early();
CREATE EVENT TRIGGER amanah_trail_hiding ON ddl_command_end
    EXECUTE FUNCTION audit.refuse_hiding();
CREATE EVENT TRIGGER amanah_trail_parts ON ddl_command_end
    EXECUTE FUNCTION audit.refuse_filled_part();
CREATE EVENT TRIGGER amanah_trail_rewrite ON table_rewrite
    EXECUTE FUNCTION audit.refuse_rewrite();
ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_first ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_hiding ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_parts ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_rewrite ENABLE ALWAYS;
CREATE EVENT TRIGGER amanah_trail_record_ddl ON ddl_command_end
    EXECUTE FUNCTION audit.record_ddl();
CREATE EVENT TRIGGER amanah_trail_record_drop ON sql_drop
    EXECUTE FUNCTION audit.record_drop();
ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_record_drop ENABLE ALWAYS;
CREATE EVENT TRIGGER amanah_trail_record_rewrite ON table_rewrite
    EXECUTE FUNCTION audit.record_ddl();
ALTER EVENT TRIGGER amanah_trail_record_rewrite ENABLE ALWAYS;
