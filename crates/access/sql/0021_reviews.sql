-- Why: from time to time somebody looks at everything that everybody may do in a tenant, and keeps or revokes each; that nothing was
-- skipped can be told afterwards. A review that nobody can finish is given up with a reason, and holds no later one up.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE access.review_rows, access.reviews; what was reviewed is not known any more.

CREATE TABLE access.reviews (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant      text NOT NULL,
    started_as  text NOT NULL,
    started_at  timestamptz NOT NULL,
    -- How many rows were frozen, and the SHA-256 over them.
    frozen      integer NOT NULL,
    rows_sha256 bytea NOT NULL,
    closed_at   timestamptz,
    closed_as   text,
    -- Nobody could finish it: it was given up, and counts for nothing.
    abandoned_at timestamptz,
    abandoned_as text,
    abandoned_why text,
    CONSTRAINT reviews_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT reviews_names_size CHECK (octet_length(started_as) BETWEEN 1 AND 200 AND octet_length(closed_as) BETWEEN 1 AND 200),
    CONSTRAINT reviews_digest_size CHECK (octet_length(rows_sha256) = 32),
    CONSTRAINT reviews_some CHECK (frozen > 0),
    CONSTRAINT reviews_abandoned_whole CHECK (num_nulls(abandoned_at, abandoned_as, abandoned_why) IN (0, 3)),
    CONSTRAINT reviews_abandoned_sizes CHECK (octet_length(abandoned_as) BETWEEN 1 AND 200 AND octet_length(abandoned_why) BETWEEN 1 AND 1000),
    CONSTRAINT reviews_abandoned_order CHECK (abandoned_at >= started_at),
    CONSTRAINT reviews_one_end CHECK (closed_at IS NULL OR abandoned_at IS NULL),
    CONSTRAINT reviews_closed_whole CHECK ((closed_at IS NULL) = (closed_as IS NULL) AND closed_at >= started_at)
);
CREATE UNIQUE INDEX reviews_one_open ON access.reviews (tenant) WHERE closed_at IS NULL AND abandoned_at IS NULL;
CREATE INDEX reviews_tenant ON access.reviews (tenant, started_at);
COMMENT ON COLUMN access.reviews.rows_sha256 IS 'amanah: hashed. SHA-256 over the rows that were frozen.';

CREATE TABLE access.review_rows (
    review       uuid NOT NULL REFERENCES access.reviews (id),
    n            integer NOT NULL,
    kind         text NOT NULL,
    account      uuid NOT NULL,
    holder       text NOT NULL,
    what         text NOT NULL,
    -- What is revoked: a grant of a role or one of support, or a key of a program, whose id is no UUID.
    grant_id     text NOT NULL,
    granted_by   text NOT NULL,
    granted_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    -- Its holder is gone or shut out.
    orphan       boolean NOT NULL,
    decision     text,
    decided_by   uuid,
    decided_as   text,
    decided_at   timestamptz,
    reason       text,
    -- When it was seen that a revoked right counts for nothing.
    verified_at  timestamptz,
    PRIMARY KEY (review, n),
    CONSTRAINT review_rows_kind CHECK (kind IN ('role', 'support', 'key', 'directory', 'mapping')),
    CONSTRAINT review_rows_grant_size CHECK (octet_length(grant_id) BETWEEN 1 AND 200),
    CONSTRAINT review_rows_decision CHECK (decision IN ('keep', 'revoke')),
    CONSTRAINT review_rows_decided_whole CHECK (num_nulls(decision, decided_by, decided_as, decided_at, reason) IN (0, 5)),
    CONSTRAINT review_rows_reason CHECK (octet_length(reason) BETWEEN 1 AND 1000),
    -- Nobody decides about what they have themselves.
    CONSTRAINT review_rows_not_own CHECK (decided_by <> account),
    CONSTRAINT review_rows_verified CHECK (verified_at IS NULL OR decision = 'revoke')
);

CREATE FUNCTION access.keep_review() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a review is evidence: it is never removed';
    END IF;
    IF OLD.closed_at IS NOT NULL OR OLD.abandoned_at IS NOT NULL
       OR (NEW.id, NEW.tenant, NEW.started_as, NEW.started_at, NEW.frozen, NEW.rows_sha256)
          IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.started_as, OLD.started_at, OLD.frozen, OLD.rows_sha256)
    THEN
        RAISE EXCEPTION 'a review stays as it was' USING ERRCODE = 'check_violation';
    END IF;
    -- It is given up as it stands, and counts for nothing.
    IF NEW.abandoned_at IS NOT NULL THEN
        RETURN NEW;
    END IF;
    IF (SELECT count(*) FROM access.review_rows r WHERE r.review = NEW.id) <> NEW.frozen
       OR EXISTS (SELECT FROM access.review_rows r WHERE r.review = NEW.id
                     AND (r.decision IS NULL OR r.decision = 'revoke' AND r.verified_at IS NULL))
    THEN
        RAISE EXCEPTION 'a review is closed when every row is decided and every revocation verified'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.keep_review() FROM PUBLIC;
CREATE TRIGGER reviews_kept BEFORE UPDATE OR DELETE ON access.reviews
    FOR EACH ROW EXECUTE FUNCTION access.keep_review();
CREATE TRIGGER reviews_not_emptied BEFORE TRUNCATE ON access.reviews
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_review();

CREATE FUNCTION access.keep_review_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    of access.reviews;
    -- The transaction that the review was begun in.
    made text;
BEGIN
    IF TG_OP NOT IN ('INSERT', 'UPDATE') THEN
        RAISE EXCEPTION 'a review is evidence: no row of it is removed';
    END IF;
    SELECT * INTO of FROM access.reviews r WHERE r.id = NEW.review FOR SHARE;
    SELECT r.xmin::text INTO made FROM access.reviews r WHERE r.id = NEW.review;
    IF of.closed_at IS NOT NULL OR of.abandoned_at IS NOT NULL THEN
        RAISE EXCEPTION 'this review is over' USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- Only with the review itself, in one transaction: what comes later was not frozen.
        IF NEW.decision IS NOT NULL OR NEW.n > of.frozen
           OR made IS DISTINCT FROM (pg_catalog.pg_current_xact_id()::xid)::text
        THEN
            RAISE EXCEPTION 'rows are frozen when a review begins' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.review, NEW.n, NEW.kind, NEW.account, NEW.holder, NEW.what, NEW.grant_id, NEW.granted_by, NEW.granted_at,
        NEW.last_used_at, NEW.orphan)
       IS DISTINCT FROM
       (OLD.review, OLD.n, OLD.kind, OLD.account, OLD.holder, OLD.what, OLD.grant_id, OLD.granted_by, OLD.granted_at,
        OLD.last_used_at, OLD.orphan)
    THEN
        RAISE EXCEPTION 'what was frozen stays as it was' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.decision IS NOT NULL
       AND (NEW.decision, NEW.decided_by, NEW.decided_as, NEW.decided_at, NEW.reason)
           IS DISTINCT FROM (OLD.decision, OLD.decided_by, OLD.decided_as, OLD.decided_at, OLD.reason)
    THEN
        RAISE EXCEPTION 'a decision stays as it was made' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.decision IS NULL AND NEW.decision IS NOT NULL AND NOT EXISTS (
        SELECT FROM identity.accounts a
         WHERE a.id = NEW.decided_by AND a.disabled_at IS NULL AND a.tenant = of.tenant)
    THEN
        RAISE EXCEPTION 'somebody of the tenant decides' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.keep_review_row() FROM PUBLIC;
CREATE TRIGGER review_rows_kept BEFORE INSERT OR UPDATE OR DELETE ON access.review_rows
    FOR EACH ROW EXECUTE FUNCTION access.keep_review_row();
CREATE TRIGGER review_rows_not_emptied BEFORE TRUNCATE ON access.review_rows
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_review_row();

GRANT SELECT ON access.reviews, access.review_rows TO amanah_engine;
GRANT INSERT (tenant, started_as, started_at, frozen, rows_sha256) ON access.reviews TO amanah_engine;
GRANT UPDATE (closed_at, closed_as, abandoned_at, abandoned_as, abandoned_why) ON access.reviews TO amanah_engine;
GRANT INSERT (review, n, kind, account, holder, what, grant_id, granted_by, granted_at, last_used_at, orphan)
    ON access.review_rows TO amanah_engine;
GRANT UPDATE (decision, decided_by, decided_as, decided_at, reason, verified_at) ON access.review_rows TO amanah_engine;
