-- Why: programs get refresh tokens, which are used once, and API keys; services get accounts that nobody signs in to.
-- Lock: ACCESS EXCLUSIVE on identity.accounts and SHARE ROW EXCLUSIVE on identity.sessions, for an instant; what is added is empty.
-- Undo: DROP TABLE identity.refresh_tokens, identity.families, identity.api_keys; DROP FUNCTION identity.tell_owner(),
--   identity.end_families() CASCADE; delete the accounts without a password; ALTER TABLE identity.accounts DROP COLUMN owner.

-- A service's account: somebody answers for it, and there is no password to sign in with.
ALTER TABLE identity.accounts ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE identity.accounts ADD COLUMN owner uuid REFERENCES identity.accounts (id);
COMMENT ON COLUMN identity.accounts.owner IS 'Who answers for a service. A service has no password and cannot sign in.';
ALTER TABLE identity.accounts ADD CONSTRAINT accounts_service_has_no_password
    CHECK (owner IS NULL OR password_hash IS NULL);
CREATE INDEX accounts_owner ON identity.accounts (owner) WHERE owner IS NOT NULL;
GRANT INSERT (owner) ON identity.accounts TO amanah_engine;

-- All refresh tokens that follow from one sign-in.
CREATE TABLE identity.families (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account             uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    -- The session that it was opened from, by its public id: signing out there ends it.
    session             uuid NOT NULL,
    epoch               integer NOT NULL,
    tenant_epoch        integer NOT NULL,
    strength            smallint NOT NULL,
    authenticated_at    timestamptz NOT NULL,
    created_at          timestamptz NOT NULL,
    last_used_at        timestamptz NOT NULL,
    idle_expires_at     timestamptz NOT NULL,
    absolute_expires_at timestamptz NOT NULL,
    revoked_at          timestamptz,
    revoked_why         text,
    CONSTRAINT families_strength_known CHECK (strength BETWEEN 1 AND 3),
    CONSTRAINT families_idle_inside CHECK (idle_expires_at <= absolute_expires_at),
    CONSTRAINT families_why CHECK ((revoked_at IS NULL) = (revoked_why IS NULL))
);
CREATE INDEX families_account ON identity.families (account, created_at);
CREATE INDEX families_session ON identity.families (session) WHERE revoked_at IS NULL;

CREATE TABLE identity.refresh_tokens (
    token_sha256     bytea PRIMARY KEY,
    family           uuid NOT NULL REFERENCES identity.families (id) ON DELETE CASCADE,
    created_at       timestamptz NOT NULL,
    used_at          timestamptz,
    successor_sealed bytea,
    CONSTRAINT refresh_tokens_size CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT refresh_tokens_used CHECK (used_at IS NOT NULL OR successor_sealed IS NULL)
);
CREATE INDEX refresh_tokens_family ON identity.refresh_tokens (family, used_at);
COMMENT ON COLUMN identity.refresh_tokens.token_sha256 IS
    'amanah: hashed. SHA-256 of a token with 256 random bits, which nobody can guess back.';
COMMENT ON COLUMN identity.refresh_tokens.successor_sealed IS
    'amanah: hashed. AES-256-GCM under a key derived from the used token itself, of which only the hash is here: nothing in this database opens it.';

CREATE TABLE identity.api_keys (
    -- Stands in the key itself, for people and logs.
    id           text PRIMARY KEY,
    key_sha256   bytea NOT NULL UNIQUE,
    account      uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    made_by      uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    name         text NOT NULL,
    -- Permissions by number, of those that its maker had. What counts is what is also the account's at each moment.
    scopes       smallint[] NOT NULL,
    epoch        integer NOT NULL,
    tenant_epoch integer NOT NULL,
    strength     smallint NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_keys_id_form CHECK (id ~ '^[0-9a-z]{8}$'),
    CONSTRAINT api_keys_size CHECK (octet_length(key_sha256) = 32),
    CONSTRAINT api_keys_name_size CHECK (octet_length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_keys_strength_known CHECK (strength BETWEEN 1 AND 3),
    CONSTRAINT api_keys_scopes_known CHECK (cardinality(scopes) <= 1024 AND 0 <= ALL (scopes) AND 1024 > ALL (scopes)),
    CONSTRAINT api_keys_end CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days')
);
CREATE INDEX api_keys_account ON identity.api_keys (account, created_at);
COMMENT ON COLUMN identity.api_keys.key_sha256 IS
    'amanah: hashed. SHA-256 of a key with 256 random bits, which nobody can guess back.';

GRANT SELECT, DELETE ON identity.families, identity.refresh_tokens TO amanah_engine;
GRANT INSERT (account, session, epoch, tenant_epoch, strength, authenticated_at, created_at, last_used_at,
              idle_expires_at, absolute_expires_at) ON identity.families TO amanah_engine;
GRANT UPDATE (last_used_at, idle_expires_at, revoked_at, revoked_why)
    ON identity.families TO amanah_engine;
GRANT INSERT (token_sha256, family, created_at) ON identity.refresh_tokens TO amanah_engine;
GRANT UPDATE (used_at, successor_sealed) ON identity.refresh_tokens TO amanah_engine;
-- A key is evidence of who could do what: it is ended and stays.
GRANT SELECT ON identity.api_keys TO amanah_engine;
GRANT INSERT (id, key_sha256, account, made_by, name, scopes, epoch, tenant_epoch, strength,
              created_at, expires_at)
    ON identity.api_keys TO amanah_engine;
GRANT UPDATE (last_used_at, revoked_at) ON identity.api_keys TO amanah_engine;

-- Whoever decides from memory hears of it at the commit.
CREATE FUNCTION identity.tell_owner() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM identity.tell('a:' || OLD.account);
    RETURN NULL;
END $$;
-- Being used is no news: it moves the times on and nothing else.
CREATE TRIGGER families_told AFTER UPDATE ON identity.families
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.epoch IS DISTINCT FROM NEW.epoch
        OR NEW.idle_expires_at < OLD.idle_expires_at OR NEW.absolute_expires_at < OLD.absolute_expires_at)
    EXECUTE FUNCTION identity.tell_owner();
CREATE TRIGGER families_gone AFTER DELETE ON identity.families
    FOR EACH ROW EXECUTE FUNCTION identity.tell_owner();
CREATE TRIGGER api_keys_told AFTER UPDATE ON identity.api_keys
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
        OR OLD.scopes IS DISTINCT FROM NEW.scopes OR OLD.epoch IS DISTINCT FROM NEW.epoch)
    EXECUTE FUNCTION identity.tell_owner();
CREATE TRIGGER api_keys_gone AFTER DELETE ON identity.api_keys
    FOR EACH ROW EXECUTE FUNCTION identity.tell_owner();

-- Who signs out ends what the program beside the browser got from that session.
CREATE FUNCTION identity.end_families() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE identity.families SET revoked_at = NEW.revoked_at, revoked_why = 'signed out'
    WHERE session = NEW.id AND revoked_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_end_families AFTER UPDATE OF revoked_at ON identity.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION identity.end_families();

-- They run where replication or a restore switches ordinary triggers off, too.
ALTER TABLE identity.families ENABLE ALWAYS TRIGGER families_told;
ALTER TABLE identity.families ENABLE ALWAYS TRIGGER families_gone;
ALTER TABLE identity.api_keys ENABLE ALWAYS TRIGGER api_keys_told;
ALTER TABLE identity.api_keys ENABLE ALWAYS TRIGGER api_keys_gone;
ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER sessions_end_families;
