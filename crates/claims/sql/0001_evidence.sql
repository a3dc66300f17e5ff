-- Why: what a page says must be rebuilt from evidence that nobody can rewrite, Amanah included.
-- Lock: none that matters; everything here is new.
-- Undo: DROP SCHEMA claims CASCADE; it throws all evidence away, so export it first.

CREATE SCHEMA claims;

CREATE TABLE claims.proof (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    claim              text        NOT NULL CHECK (octet_length(claim) BETWEEN 1 AND 100),
    -- Part of the index below, whose entries end near 2,700 bytes.
    params             text        NOT NULL CHECK (octet_length(params) <= 2000),
    kind               text        NOT NULL CHECK (kind IN ('proof', 'bite')),
    outcome            text        NOT NULL CHECK (outcome IN ('holds', 'broken', 'unknown')),
    population_checked bigint      NOT NULL CHECK (population_checked >= 0),
    population_total   bigint      NOT NULL CHECK (population_total >= 0),
    population_of      text        NOT NULL,
    measured           text        NOT NULL,
    threshold          text        NOT NULL,
    detail             text        NOT NULL,
    findings           jsonb       NOT NULL CHECK (jsonb_typeof(findings) = 'array'),
    -- What the control said that it does, and how often, when it ran: a past page is judged by the
    -- rules of its time.
    attack             text        NOT NULL,
    -- At most 31 days: a row cannot keep itself fresh for ever, whoever writes it.
    cadence_ms         bigint      NOT NULL CHECK (cadence_ms BETWEEN 1 AND 2678400000),
    version            text        NOT NULL,
    took_ms            bigint      NOT NULL CHECK (took_ms >= 0),
    observed_at        timestamptz NOT NULL,
    received_at        timestamptz NOT NULL,
    -- An empty or a partial population proves nothing, whoever writes the row.
    CONSTRAINT holds_means_everything_was_checked CHECK (
        outcome <> 'holds' OR (population_total > 0 AND population_checked >= population_total)
    )
);

COMMENT ON TABLE claims.proof IS
    'Every run of every control and of its bite. Append-only; received_at is the server''s time.';

CREATE INDEX proof_latest ON claims.proof (claim, params, kind, received_at DESC, id DESC);

CREATE FUNCTION claims.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'claims.proof is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Record a new proof instead; the old one stays.';
END $$;

-- ALWAYS: also for a session that plays a replica.
CREATE TRIGGER proof_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON claims.proof
    FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_change();
ALTER TABLE claims.proof ENABLE ALWAYS TRIGGER proof_append_only;

-- A column default could be overridden by whoever may insert; this cannot.
CREATE FUNCTION claims.stamp() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.received_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER proof_stamp BEFORE INSERT ON claims.proof
    FOR EACH ROW EXECUTE FUNCTION claims.stamp();
ALTER TABLE claims.proof ENABLE ALWAYS TRIGGER proof_stamp;

REVOKE ALL ON FUNCTION claims.refuse_change(), claims.stamp() FROM PUBLIC;

GRANT USAGE ON SCHEMA claims TO amanah_engine;
GRANT SELECT ON claims.proof TO amanah_engine;
GRANT INSERT (claim, params, kind, outcome, population_checked, population_total, population_of,
              measured, threshold, detail, findings, attack, cadence_ms, version, took_ms,
              observed_at)
    ON claims.proof TO amanah_engine;
