-- Why: the running program can shut an account out, which nobody but the owner could; and never lets it in again by itself.
-- Lock: SHARE ROW EXCLUSIVE on identity.accounts for an instant.
-- Undo: REVOKE UPDATE (disabled_at, owner) ON identity.accounts FROM amanah_engine; DROP FUNCTION identity.keep_closed() CASCADE.

CREATE FUNCTION identity.keep_closed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Who owns the table may: somebody comes back now and then, and that is decided by hand.
    IF pg_catalog.pg_has_role(session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an account that was closed is opened by the owner of the control database alone'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_kept_closed BEFORE UPDATE OF disabled_at ON identity.accounts
    FOR EACH ROW WHEN (OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS DISTINCT FROM OLD.disabled_at)
    EXECUTE FUNCTION identity.keep_closed();

GRANT UPDATE (disabled_at, owner) ON identity.accounts TO amanah_engine;
