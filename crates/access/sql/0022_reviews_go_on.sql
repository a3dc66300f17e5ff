-- Why: a review that nobody can finish is given up with a reason, and holds no later one up; and keys of programs are reviewed too, whose
-- ids are no UUIDs.
-- Lock: ACCESS EXCLUSIVE on access.reviews and access.review_rows, while the rows of the latter are rewritten: seconds.
-- Undo: ALTER TABLE access.reviews DROP COLUMN abandoned_at, DROP COLUMN abandoned_as, DROP COLUMN abandoned_why; put the index and the two
--   functions of 0021 back; rows of keys stay, so grant_id stays a text.

ALTER TABLE access.reviews
    ADD COLUMN abandoned_at timestamptz,
    ADD COLUMN abandoned_as text,
    ADD COLUMN abandoned_why text,
    ADD CONSTRAINT reviews_abandoned_whole CHECK (num_nulls(abandoned_at, abandoned_as, abandoned_why) IN (0, 3)),
    ADD CONSTRAINT reviews_abandoned_sizes CHECK (octet_length(abandoned_as) BETWEEN 1 AND 200 AND octet_length(abandoned_why) BETWEEN 1 AND 1000),
    ADD CONSTRAINT reviews_abandoned_order CHECK (abandoned_at >= started_at),
    ADD CONSTRAINT reviews_one_end CHECK (closed_at IS NULL OR abandoned_at IS NULL);
DROP INDEX access.reviews_one_open;
CREATE UNIQUE INDEX reviews_one_open ON access.reviews (tenant) WHERE closed_at IS NULL AND abandoned_at IS NULL;

ALTER TABLE access.review_rows
    DROP CONSTRAINT review_rows_kind,
    ALTER COLUMN grant_id TYPE text USING grant_id::text;
ALTER TABLE access.review_rows
    ADD CONSTRAINT review_rows_kind CHECK (kind IN ('role', 'support', 'key', 'directory')),
    ADD CONSTRAINT review_rows_grant_size CHECK (octet_length(grant_id) BETWEEN 1 AND 200);

CREATE OR REPLACE FUNCTION access.keep_review() RETURNS trigger
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

CREATE OR REPLACE FUNCTION access.keep_review_row() RETURNS trigger
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

GRANT UPDATE (abandoned_at, abandoned_as, abandoned_why) ON access.reviews TO amanah_engine;
