-- Why: some promises are kept by people, and a person's word is evidence like a proof: dated, with an
--      owner and an expiry, and not to be rewritten by anybody.
-- Lock: none that matters; everything here is new.
-- Undo: DROP TABLE claims.attestation; DROP FUNCTION claims.refuse_attestation_change(); it throws
--       every attestation away, so export them first.

CREATE TABLE claims.attestation (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    claim       text        NOT NULL CHECK (octet_length(claim) BETWEEN 1 AND 100),
    -- What of the claim it is about.
    subject     text        NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 500),
    statement   text        NOT NULL CHECK (octet_length(statement) BETWEEN 1 AND 4000),
    -- The SHA-256 of the document, and where that is kept.
    digest      bytea       NOT NULL CHECK (octet_length(digest) = 32),
    document    text        NOT NULL CHECK (octet_length(document) BETWEEN 1 AND 1000),
    -- Its owner.
    attested_by text        NOT NULL CHECK (octet_length(attested_by) BETWEEN 1 AND 2000),
    attested_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > attested_at),
    -- Of the key ring, over all of the above, as the lines below a note of C2SP. A row counts only
    -- with one that fits: whoever gets at this table does not get at the ring.
    signature   text        NOT NULL CHECK (octet_length(signature) BETWEEN 1 AND 4000),
    received_at timestamptz NOT NULL
);

COMMENT ON TABLE claims.attestation IS
    'What people vouch for. Append-only; a row counts only if the key ring has signed it.';

CREATE INDEX attestation_of ON claims.attestation (claim, id);

CREATE FUNCTION claims.refuse_attestation_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'claims.attestation is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Attest anew instead; what was said before stays.';
END $$;

-- ALWAYS: also for a session that plays a replica.
CREATE TRIGGER attestation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON claims.attestation
    FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_attestation_change();
ALTER TABLE claims.attestation ENABLE ALWAYS TRIGGER attestation_append_only;

CREATE TRIGGER attestation_stamp BEFORE INSERT ON claims.attestation
    FOR EACH ROW EXECUTE FUNCTION claims.stamp();
ALTER TABLE claims.attestation ENABLE ALWAYS TRIGGER attestation_stamp;

REVOKE ALL ON FUNCTION claims.refuse_attestation_change() FROM PUBLIC;

GRANT SELECT ON claims.attestation TO amanah_engine;
GRANT INSERT (claim, subject, statement, digest, document, attested_by, attested_at, expires_at,
              signature)
    ON claims.attestation TO amanah_engine;
