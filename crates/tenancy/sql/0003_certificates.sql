-- Why: each erasure leaves a signed certificate that nobody changes afterwards, and one that is begun again knows what there was before.
-- Lock: ACCESS EXCLUSIVE on tenancy.erasures, for a moment.
-- Undo: DROP TABLE tenancy.erasing; ALTER TABLE tenancy.erasures DROP COLUMN certificate; DROP FUNCTION tenancy.refuse_change() CASCADE.

-- What a tenant had when its erasure was begun. It goes with the tenant.
CREATE TABLE tenancy.erasing (
    id       text        PRIMARY KEY REFERENCES tenancy.tenants ON DELETE CASCADE,
    begun_at timestamptz NOT NULL,
    bytes    bigint      NOT NULL,
    logins   bigint      NOT NULL,
    -- Keys and other things that were destroyed so far.
    gone     jsonb       NOT NULL
);

COMMENT ON TABLE tenancy.erasing IS
    'What there was of a tenant that is being erased, so that beginning again counts the same.';

-- As it was signed. Erasures before this migration have none.
ALTER TABLE tenancy.erasures
    ADD COLUMN certificate text CHECK (octet_length(certificate) <= 4194304);

CREATE FUNCTION tenancy.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'tenancy.erasures is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION tenancy.refuse_change() FROM PUBLIC;

-- ALWAYS: also for a session that plays a replica.
CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.erasures
    FOR EACH STATEMENT EXECUTE FUNCTION tenancy.refuse_change();
ALTER TABLE tenancy.erasures ENABLE ALWAYS TRIGGER erasures_append_only;
