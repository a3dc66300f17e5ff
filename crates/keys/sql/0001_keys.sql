-- Why: to notice an older key ring, to keep the destroyed destroyed, and to keep secrets sealed.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA keys CASCADE; the secrets are lost, and an older ring goes unnoticed here.

CREATE SCHEMA keys;
REVOKE ALL ON SCHEMA keys FROM PUBLIC;
GRANT USAGE ON SCHEMA keys TO amanah_engine;

CREATE TABLE keys.ring_heads (
    -- Nothing else is unique: a row that somebody planted must not keep a true one out. That two
    -- rings do not both call themselves the tenth is checked by whoever adds a row, in turn.
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation   bigint      NOT NULL CHECK (generation > 0),
    installation text        NOT NULL CHECK (octet_length(installation) BETWEEN 1 AND 256),
    public_key   text        NOT NULL CHECK (public_key ~ '^[0-9a-f]{64}$'),
    digest       text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    -- By the ring's own key. A head without it is passed over.
    signature    text        NOT NULL CHECK (signature ~ '^[0-9a-f]{128}$'),
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ring_heads_newest ON keys.ring_heads (public_key, generation DESC);

COMMENT ON TABLE keys.ring_heads IS
    'Every generation of the key ring that was seen, signed. Append-only; the newest is the floor.';

CREATE TABLE keys.tombstones (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Empty for the house's own keys, and for a single key that was removed.
    tenant    text   NOT NULL CHECK (octet_length(tenant) <= 128),
    ids       text[] NOT NULL CHECK (array_position(ids, NULL) IS NULL),
    -- As the ring writes it: a type that counts microseconds would give back another moment.
    at        text   NOT NULL CHECK (at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}Z$'),
    -- By the ring's own key. A tombstone without it destroys nothing.
    signature text   NOT NULL CHECK (signature ~ '^[0-9a-f]{128}$')
);

COMMENT ON TABLE keys.tombstones IS
    'What was destroyed on purpose, signed. Append-only: applied to whatever ring is opened.';

CREATE TABLE keys.secrets (
    name       text        NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
    -- Empty for the house's own.
    tenant     text        NOT NULL CHECK (octet_length(tenant) <= 128),
    -- A secret in clear cannot even be stored.
    sealed     text        NOT NULL CHECK (sealed ~ '^amanah:v[0-9]{1,10}:[A-Za-z0-9+/=]+$'),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, name)
);

COMMENT ON TABLE keys.secrets IS
    'What Amanah itself must be able to read again, sealed by the ring, which lies elsewhere.';
COMMENT ON COLUMN keys.secrets.sealed IS
    'amanah: sealed. Held to that by the proof of rest.fields.';

CREATE FUNCTION keys.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused for everybody, and nothing was changed',
        TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'To go on from an older ring see: amanah keys accept --help';
END $$;

-- ALWAYS: also for a session that plays a replica.
CREATE TRIGGER ring_heads_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON keys.ring_heads
    FOR EACH STATEMENT EXECUTE FUNCTION keys.refuse_change();
ALTER TABLE keys.ring_heads ENABLE ALWAYS TRIGGER ring_heads_append_only;
CREATE TRIGGER tombstones_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON keys.tombstones
    FOR EACH STATEMENT EXECUTE FUNCTION keys.refuse_change();
ALTER TABLE keys.tombstones ENABLE ALWAYS TRIGGER tombstones_append_only;

REVOKE ALL ON FUNCTION keys.refuse_change() FROM PUBLIC;

-- The time of a head is the server's; a login of the engine cannot name another.
GRANT SELECT ON keys.ring_heads, keys.tombstones TO amanah_engine;
GRANT INSERT (generation, installation, public_key, digest, signature) ON keys.ring_heads
    TO amanah_engine;
GRANT INSERT (tenant, ids, at, signature) ON keys.tombstones TO amanah_engine;
GRANT SELECT, INSERT, DELETE ON keys.secrets TO amanah_engine;
GRANT UPDATE (sealed, updated_at) ON keys.secrets TO amanah_engine;
