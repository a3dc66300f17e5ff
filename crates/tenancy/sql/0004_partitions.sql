-- Why: the audit trail lies in partitions that come month by month, each with a column for the tenant;
--      they are Amanah's own and no table of tenants, as the trail itself is.
-- Lock: none on tables.
-- Undo: DROP FUNCTION amanah_guard.look_at(text, oid); ALTER FUNCTION
--       amanah_guard.look_at_table(text, oid) RENAME TO look_at.

ALTER FUNCTION amanah_guard.look_at(text, oid) RENAME TO look_at_table;

-- A table that a command has made or changed: it is protected, or becomes so. By name, because a
-- partition is guarded before it is attached; one that never is shows up when tables are counted.
CREATE FUNCTION amanah_guard.look_at(tag text, relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = relation AND n.nspname = 'audit'
                  AND c.relname ~ '^system_audit_logs_([0-9]{4}_[0-9]{2}|rest)$')
    THEN
        RETURN;
    END IF;
    PERFORM amanah_guard.look_at_table(tag, relation);
END $$;
REVOKE ALL ON FUNCTION amanah_guard.look_at(text, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION amanah_guard.look_at(text, oid) TO PUBLIC;
