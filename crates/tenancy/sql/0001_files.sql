-- Why: says which files each tenant has, where their sealed bytes lie, and how much it may keep.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA files CASCADE; the sealed bytes stay in the store, and nothing opens them.

CREATE SCHEMA files;
REVOKE ALL ON SCHEMA files FROM PUBLIC;
GRANT USAGE ON SCHEMA files TO amanah_engine;

CREATE TABLE files.tenants (
    tenant     text   COLLATE "C" PRIMARY KEY CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    -- Where its objects lie. It says nothing about whose they are.
    prefix     text   NOT NULL UNIQUE CHECK (prefix ~ '^[0-9a-f]{32}$'),
    -- What it may keep, where that is not what everybody may.
    max_bytes  bigint CHECK (max_bytes >= 0),
    max_files  bigint CHECK (max_files >= 0),
    used_bytes bigint NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
    used_files bigint NOT NULL DEFAULT 0 CHECK (used_files >= 0)
);

COMMENT ON TABLE files.tenants IS
    'Tenants that have or had files. Whoever writes takes the row first, so quotas hold.';

CREATE TABLE files.files (
    tenant       text        COLLATE "C" NOT NULL REFERENCES files.tenants ON DELETE CASCADE,
    -- Bytes, because two names are the same when their bytes are.
    name         bytea       NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    object       text        NOT NULL UNIQUE CHECK (object ~ '^[0-9a-f]{32}$'),
    -- The object's own key, encrypted by the tenant's.
    sealed_key   text        NOT NULL,
    bytes        bigint      NOT NULL CHECK (bytes >= 0),
    content_type text        NOT NULL CHECK (octet_length(content_type) <= 255),
    sha256       bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant, name)
);

COMMENT ON TABLE files.files IS 'One row for each file: the row is what makes an object a file.';

CREATE TABLE files.loose (
    object   text        PRIMARY KEY CHECK (object ~ '^[0-9a-f]{32}$'),
    tenant   text        COLLATE "C" NOT NULL REFERENCES files.tenants ON DELETE CASCADE,
    state    text        NOT NULL CHECK (state IN ('arriving', 'leaving')),
    -- How much of the quota an upload has taken in advance.
    reserved bigint      NOT NULL CHECK (reserved >= 0),
    -- When its upload was last heard of, or since when it is nobody's.
    since    timestamptz NOT NULL
);
CREATE INDEX loose_by_tenant ON files.loose (tenant);

COMMENT ON TABLE files.loose IS
    'Objects that are no files: not yet, or no more. Noted before they are made, so none is lost.';

-- A second wall: even a statement that forgot its tenant finds the rows of one tenant alone, the one
-- that its transaction has named.
ALTER TABLE files.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE files.files ENABLE ROW LEVEL SECURITY;
ALTER TABLE files.loose ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON files.tenants TO amanah_engine
    USING (tenant = (SELECT pg_catalog.current_setting('amanah_files.tenant', true)));
CREATE POLICY one_tenant ON files.files TO amanah_engine
    USING (tenant = (SELECT pg_catalog.current_setting('amanah_files.tenant', true)));
CREATE POLICY one_tenant ON files.loose TO amanah_engine
    USING (tenant = (SELECT pg_catalog.current_setting('amanah_files.tenant', true)));

-- Who runs the engine cannot give a tenant more room.
GRANT SELECT, INSERT (tenant, prefix), UPDATE (used_bytes, used_files) ON files.tenants
    TO amanah_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON files.files, files.loose TO amanah_engine;
