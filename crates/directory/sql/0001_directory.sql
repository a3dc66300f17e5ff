-- Why: a tenant's own directory makes the accounts of its people, changes and ends them, and its groups give roles (SCIM 2.0).
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA directory CASCADE; the accounts and roles stay as they are, and no directory reaches them any more.

CREATE SCHEMA directory;
REVOKE ALL ON SCHEMA directory FROM PUBLIC;
GRANT USAGE ON SCHEMA directory TO amanah_engine;

CREATE TABLE directory.tokens (
    -- The part of a token that is no secret.
    id           text PRIMARY KEY,
    tenant       text NOT NULL,
    name         text NOT NULL,
    token_sha256 bytea NOT NULL UNIQUE,
    -- NULL: the operator, by command. Otherwise an account, and the token ends with it.
    made_by      uuid,
    made_as      text NOT NULL,
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    revoked_as   text,
    CONSTRAINT tokens_id_form CHECK (id ~ '^[0-9a-f]{12}$'),
    CONSTRAINT tokens_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT tokens_name_size CHECK (octet_length(name) BETWEEN 1 AND 100),
    CONSTRAINT tokens_digest_size CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT tokens_as_size CHECK (octet_length(made_as) BETWEEN 1 AND 200 AND octet_length(revoked_as) BETWEEN 1 AND 200),
    CONSTRAINT tokens_bounded CHECK (expires_at > made_at AND expires_at <= made_at + interval '366 days'),
    CONSTRAINT tokens_revoked_whole CHECK ((revoked_at IS NULL) = (revoked_as IS NULL))
);
CREATE INDEX tokens_tenant ON directory.tokens (tenant, made_at);
COMMENT ON COLUMN directory.tokens.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE directory.users (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant      text NOT NULL,
    -- Of identity. One person of a directory for each account.
    account     uuid NOT NULL UNIQUE,
    user_name   text NOT NULL,
    external_id text,
    active      boolean NOT NULL,
    -- What the directory says of them, as RFC 7643 writes it.
    attributes  jsonb NOT NULL,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    -- The token that made it, or 'adopted'.
    made_by     text NOT NULL,
    UNIQUE (tenant, id),
    CONSTRAINT users_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT users_name_size CHECK (octet_length(user_name) BETWEEN 1 AND 1024),
    CONSTRAINT users_external_size CHECK (octet_length(external_id) BETWEEN 1 AND 1024),
    CONSTRAINT users_attributes_size CHECK (octet_length(attributes::text) <= 262144)
);
CREATE UNIQUE INDEX users_user_name ON directory.users (tenant, lower(user_name));
CREATE INDEX users_external ON directory.users (tenant, external_id);
CREATE INDEX users_order ON directory.users (tenant, created_at, id);

CREATE TABLE directory.groups (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant      text NOT NULL,
    name        text NOT NULL,
    external_id text,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    made_by     text NOT NULL,
    UNIQUE (tenant, id),
    CONSTRAINT groups_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT groups_name_size CHECK (octet_length(name) BETWEEN 1 AND 1024),
    CONSTRAINT groups_external_size CHECK (octet_length(external_id) BETWEEN 1 AND 1024)
);
CREATE UNIQUE INDEX groups_name ON directory.groups (tenant, lower(name));
CREATE INDEX groups_order ON directory.groups (tenant, created_at, id);

-- Both sides are of one tenant, by the keys themselves.
CREATE TABLE directory.members (
    tenant   text NOT NULL,
    group_id uuid NOT NULL,
    user_id  uuid NOT NULL,
    added_at timestamptz NOT NULL,
    -- The account that made the token by which they came, and that answers for it; NULL: the operator, by command.
    added_for uuid,
    PRIMARY KEY (group_id, user_id),
    FOREIGN KEY (tenant, group_id) REFERENCES directory.groups (tenant, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant, user_id) REFERENCES directory.users (tenant, id) ON DELETE CASCADE
);
CREATE INDEX members_user ON directory.members (user_id);

-- Which role the members of a group have, and in whose name it is given: what that account may not give at the moment, is not given.
CREATE TABLE directory.mappings (
    tenant    text NOT NULL,
    group_id  uuid NOT NULL,
    role      text NOT NULL,
    mapped_by uuid NOT NULL,
    mapped_as text NOT NULL,
    mapped_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, role),
    FOREIGN KEY (tenant, group_id) REFERENCES directory.groups (tenant, id) ON DELETE CASCADE,
    CONSTRAINT mappings_role_size CHECK (octet_length(role) BETWEEN 1 AND 64),
    CONSTRAINT mappings_as_size CHECK (octet_length(mapped_as) BETWEEN 1 AND 200)
);

-- Who did what. It names ids and no person.
CREATE TABLE directory.events (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    at     timestamptz NOT NULL,
    -- 'directory:' and the token, or whoever else.
    actor  text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT events_sizes CHECK (octet_length(tenant) BETWEEN 1 AND 128 AND octet_length(actor) BETWEEN 1 AND 200
        AND octet_length(action) BETWEEN 1 AND 50 AND octet_length(target) BETWEEN 1 AND 200 AND octet_length(detail) <= 1000)
);
CREATE INDEX events_tenant ON directory.events (tenant, id);

-- What happened stays as it was written, for the owner too.
CREATE FUNCTION directory.keep_events() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what a directory did is neither changed nor removed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_kept BEFORE UPDATE OR DELETE ON directory.events
    FOR EACH ROW EXECUTE FUNCTION directory.keep_events();
CREATE TRIGGER events_not_emptied BEFORE TRUNCATE ON directory.events
    FOR EACH STATEMENT EXECUTE FUNCTION directory.keep_events();

-- A token that was revoked stays so, and none lives longer than it was made for.
CREATE FUNCTION directory.only_sooner() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) OR NEW.expires_at > OLD.expires_at
       OR (NEW.id, NEW.tenant, NEW.token_sha256, NEW.made_at) IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.token_sha256, OLD.made_at)
    THEN
        RAISE EXCEPTION 'a token of a directory ends, and does not come back' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tokens_only_sooner BEFORE UPDATE ON directory.tokens
    FOR EACH ROW EXECUTE FUNCTION directory.only_sooner();
ALTER TABLE directory.events ENABLE ALWAYS TRIGGER events_kept;
ALTER TABLE directory.events ENABLE ALWAYS TRIGGER events_not_emptied;
ALTER TABLE directory.tokens ENABLE ALWAYS TRIGGER tokens_only_sooner;

GRANT SELECT ON directory.tokens, directory.users, directory.groups, directory.members, directory.mappings, directory.events
    TO amanah_engine;
GRANT INSERT (id, tenant, name, token_sha256, made_by, made_as, made_at, expires_at) ON directory.tokens TO amanah_engine;
GRANT UPDATE (last_used_at, revoked_at, revoked_as) ON directory.tokens TO amanah_engine;
GRANT INSERT (tenant, account, user_name, external_id, active, attributes, created_at, changed_at, made_by)
    ON directory.users TO amanah_engine;
GRANT UPDATE (user_name, external_id, active, attributes, version, changed_at) ON directory.users TO amanah_engine;
GRANT INSERT (tenant, name, external_id, created_at, changed_at, made_by) ON directory.groups TO amanah_engine;
GRANT UPDATE (name, external_id, version, changed_at) ON directory.groups TO amanah_engine;
GRANT INSERT ON directory.members, directory.mappings TO amanah_engine;
-- Who leaves the directory leaves no personal data here.
GRANT DELETE ON directory.users, directory.groups, directory.members, directory.mappings TO amanah_engine;
GRANT INSERT (tenant, at, actor, action, target, detail) ON directory.events TO amanah_engine;
