-- Why: a cell whose server is gone for good can be removed, and what lay there stays known: it was
--      lost and not erased, so whoever finds the disk finds the rows.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE tenancy.losses; DROP FUNCTION tenancy.keep_losses(); nobody knows then what was lost.

-- One row for each database that lay there.
CREATE TABLE tenancy.losses (
    cell           text        NOT NULL,
    -- What PostgreSQL called the cluster, by which the server is known when it is found again.
    server         text,
    place          text        NOT NULL CHECK (place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'),
    -- Whose it was. The name goes when the tenant is erased, and its digest stays.
    tenant         text,
    tenant_sha256  bytea       CHECK (octet_length(tenant_sha256) = 32),
    -- What it was: the tenant's state, or a copy that a move had left behind.
    was            text        NOT NULL
                               CHECK (was IN ('making', 'active', 'suspended', 'erasing', 'copy')),
    schema_version text,
    -- What was destroyed already of a tenant that was being erased.
    erasing        jsonb,
    lost_at        timestamptz NOT NULL,
    -- Who said so, and how the server was silent then.
    lost_by        text        NOT NULL,
    silence        text        NOT NULL,
    PRIMARY KEY (place, cell, lost_at)
);
CREATE INDEX losses_of ON tenancy.losses (tenant);

COMMENT ON TABLE tenancy.losses IS
    'Databases that lay on a server which is gone. They were not erased. Nobody changes it.';

CREATE FUNCTION tenancy.keep_losses() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.tenant IS NULL AND to_jsonb(NEW) - 'tenant' = to_jsonb(OLD) - 'tenant' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'tenancy.losses is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION tenancy.keep_losses() FROM PUBLIC;

-- ALWAYS: also for a session that plays a replica.
CREATE TRIGGER losses_append_only BEFORE UPDATE OR DELETE ON tenancy.losses
    FOR EACH ROW EXECUTE FUNCTION tenancy.keep_losses();
CREATE TRIGGER losses_not_emptied BEFORE TRUNCATE ON tenancy.losses
    FOR EACH STATEMENT EXECUTE FUNCTION tenancy.keep_losses();
ALTER TABLE tenancy.losses ENABLE ALWAYS TRIGGER losses_append_only;
ALTER TABLE tenancy.losses ENABLE ALWAYS TRIGGER losses_not_emptied;

GRANT SELECT ON tenancy.losses TO amanah_engine;
