-- Why: a tenant's own directory makes accounts, changes and closes them, and opens again what it closed; what people closed stays closed.
-- Lock: ACCESS EXCLUSIVE on identity.accounts for an instant; constant defaults rewrite nothing.
-- Undo: ALTER TABLE identity.accounts DROP COLUMN directory, DROP COLUMN provisioned, DROP COLUMN closed_by_directory; DROP FUNCTION
-- identity.keep_whose_close() CASCADE; put identity.keep_closed() back as 0040_close made it.

ALTER TABLE identity.accounts
    ADD COLUMN directory boolean NOT NULL DEFAULT false,
    ADD COLUMN provisioned boolean NOT NULL DEFAULT false,
    ADD COLUMN closed_by_directory boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT accounts_closed_by_directory
        CHECK (NOT closed_by_directory OR (directory AND disabled_at IS NOT NULL));
COMMENT ON COLUMN identity.accounts.directory IS
    'Whether the tenant''s own directory has the account in hand, because it made it or people gave it there.';
COMMENT ON COLUMN identity.accounts.provisioned IS
    'Whether a directory made the account, without the word of whoever has the address. Until somebody has entered it, it gives way.';
COMMENT ON COLUMN identity.accounts.closed_by_directory IS
    'Whether a directory closed it and may open it again. Once people have closed it, nobody but the owner of the database may.';

CREATE OR REPLACE FUNCTION identity.keep_closed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Who owns the table may: somebody comes back now and then, and that is decided by hand.
    IF pg_catalog.pg_has_role(session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        NEW.closed_by_directory := NEW.closed_by_directory AND NEW.disabled_at IS NOT NULL;
        RETURN NEW;
    END IF;
    -- What a directory closed it opens again, with nothing of what was before.
    IF OLD.closed_by_directory AND NEW.disabled_at IS NULL AND NOT NEW.closed_by_directory
       AND NEW.epoch > OLD.epoch AND NEW.password_hash IS DISTINCT FROM OLD.password_hash
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an account that was closed is opened by the owner of the control database alone'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION identity.keep_whose_close() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_catalog.pg_has_role(session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'who closed an account is said when it is closed, and not afterwards'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_kept_whose BEFORE UPDATE OF closed_by_directory ON identity.accounts
    FOR EACH ROW WHEN (NEW.closed_by_directory AND NOT OLD.closed_by_directory AND OLD.disabled_at IS NOT NULL)
    EXECUTE FUNCTION identity.keep_whose_close();

GRANT INSERT (directory, provisioned) ON identity.accounts TO amanah_engine;
GRANT UPDATE (email, display_name, directory, closed_by_directory) ON identity.accounts TO amanah_engine;
