-- Why: a tenant has limits of its own for sessions and can be shut out in one write; a session says what opened it;
-- and whatever ends a session is told to every process that answers from memory, by the transaction that ends it.
-- Lock: ACCESS EXCLUSIVE on identity.sessions and SHARE ROW EXCLUSIVE on identity.accounts, both for an instant.
-- Undo: DROP TABLE identity.tenants; DROP FUNCTION identity.tell(text), identity.tell_account(), identity.tell_session(),
-- identity.tell_tenant(), identity.tell_all(), identity.only_sooner() CASCADE; drop the two columns of identity.sessions.

CREATE TABLE identity.tenants (
    tenant       text PRIMARY KEY,
    epoch        integer NOT NULL DEFAULT 0,
    suspended_at timestamptz,
    -- Limits of its people's sessions, in seconds; none: those of the house.
    idle         integer,
    absolute     integer,
    CONSTRAINT tenants_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT tenants_idle_sane CHECK (idle >= 60),
    CONSTRAINT tenants_absolute_sane CHECK (absolute >= 60)
);
COMMENT ON TABLE identity.tenants IS
    'What holds for all sessions of a tenant''s people. A tenant without a row has the limits of the house.';
COMMENT ON COLUMN identity.tenants.epoch IS
    'Whatever was given out under another number is over.';

ALTER TABLE identity.sessions
    ADD COLUMN tenant_epoch integer NOT NULL DEFAULT 0,
    ADD COLUMN agent text NOT NULL DEFAULT '',
    ADD CONSTRAINT sessions_agent_size CHECK (octet_length(agent) <= 64);
COMMENT ON COLUMN identity.sessions.agent IS
    'The family of the browser that opened it, for its owner to recognise it by.';

-- An end may be brought forward, and never put off.
CREATE FUNCTION identity.only_sooner() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.absolute_expires_at > OLD.absolute_expires_at THEN
        RAISE EXCEPTION 'the end of a session can be brought forward only'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL THEN
        RAISE EXCEPTION 'a session that was ended stays ended'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER only_sooner BEFORE UPDATE OF absolute_expires_at, revoked_at ON identity.sessions
    FOR EACH ROW EXECUTE FUNCTION identity.only_sooner();

-- Heard at the commit of the transaction that changed something, and not at all if it is rolled back.
CREATE FUNCTION identity.tell(what text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_notify('amanah_identity', what)
$$;

CREATE FUNCTION identity.tell_account() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM identity.tell('a:' || OLD.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_changed AFTER UPDATE ON identity.accounts FOR EACH ROW
    WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at
        OR OLD.tenant IS DISTINCT FROM NEW.tenant OR OLD.email IS DISTINCT FROM NEW.email
        OR OLD.display_name IS DISTINCT FROM NEW.display_name OR OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION identity.tell_account();
CREATE TRIGGER tell_gone AFTER DELETE ON identity.accounts FOR EACH ROW
    EXECUTE FUNCTION identity.tell_account();

CREATE FUNCTION identity.tell_session() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM identity.tell('s:' || encode(OLD.token_sha256, 'hex'));
    RETURN NULL;
END
$$;
-- Being used is no news: it moves the times on and nothing else.
CREATE TRIGGER tell_changed AFTER UPDATE ON identity.sessions FOR EACH ROW
    WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.epoch IS DISTINCT FROM NEW.epoch
        OR OLD.tenant_epoch IS DISTINCT FROM NEW.tenant_epoch
        OR OLD.account IS DISTINCT FROM NEW.account
        OR OLD.token_sha256 IS DISTINCT FROM NEW.token_sha256
        OR OLD.strength IS DISTINCT FROM NEW.strength OR OLD.support IS DISTINCT FROM NEW.support
        OR OLD.authenticated_at IS DISTINCT FROM NEW.authenticated_at
        OR NEW.created_at < OLD.created_at OR NEW.last_seen_at < OLD.last_seen_at
        OR NEW.idle_expires_at < OLD.idle_expires_at
        OR NEW.absolute_expires_at < OLD.absolute_expires_at)
    EXECUTE FUNCTION identity.tell_session();
CREATE TRIGGER tell_gone AFTER DELETE ON identity.sessions FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL)
    EXECUTE FUNCTION identity.tell_session();

CREATE FUNCTION identity.tell_tenant() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM identity.tell('t:' || CASE WHEN TG_OP = 'INSERT' THEN NEW.tenant ELSE OLD.tenant END);
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_changed AFTER INSERT OR UPDATE OR DELETE ON identity.tenants FOR EACH ROW
    EXECUTE FUNCTION identity.tell_tenant();

CREATE FUNCTION identity.tell_all() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM identity.tell('*');
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.accounts
    EXECUTE FUNCTION identity.tell_all();
CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.sessions
    EXECUTE FUNCTION identity.tell_all();
CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.tenants
    EXECUTE FUNCTION identity.tell_all();

-- They run where replication or a restore switches ordinary triggers off, too.
ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_changed;
ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_gone;
ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_emptied;
ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_changed;
ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_gone;
ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_emptied;
ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER only_sooner;
ALTER TABLE identity.tenants ENABLE ALWAYS TRIGGER tell_changed;
ALTER TABLE identity.tenants ENABLE ALWAYS TRIGGER tell_emptied;

GRANT SELECT ON identity.tenants TO amanah_engine;
GRANT INSERT, UPDATE (epoch, suspended_at, idle, absolute) ON identity.tenants TO amanah_engine;
GRANT INSERT (tenant_epoch, agent), UPDATE (absolute_expires_at) ON identity.sessions
    TO amanah_engine;
