-- Why: the vendor's support reaches a tenant only while somebody of that tenant has let it in, and each request that it makes is kept.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE access.support_uses, access.support_grants; support cannot enter anywhere then, and who was where is lost.

CREATE TABLE access.support_grants (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Who is asked, and who alone can approve.
    tenant      text NOT NULL,
    asked_by    uuid NOT NULL,
    asked_as    text NOT NULL,
    ticket      text NOT NULL,
    reason      text NOT NULL,
    -- Reading, unless writing was asked for in so many words.
    scope       text NOT NULL DEFAULT 'ro',
    hours       smallint NOT NULL,
    asked_at    timestamptz NOT NULL,
    approved_by uuid,
    approved_as text,
    approved_at timestamptz,
    ends_at     timestamptz,
    -- Refused, put out, left for good: whatever ended it, nothing brings it back.
    ended_at    timestamptz,
    ended_as    text,
    CONSTRAINT support_tenant_size CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    CONSTRAINT support_names_size CHECK (octet_length(asked_as) BETWEEN 1 AND 200
        AND octet_length(approved_as) BETWEEN 1 AND 200 AND octet_length(ended_as) BETWEEN 1 AND 200),
    CONSTRAINT support_ticket_size CHECK (octet_length(ticket) BETWEEN 1 AND 100),
    CONSTRAINT support_reason_size CHECK (octet_length(reason) BETWEEN 1 AND 1000),
    CONSTRAINT support_scope_known CHECK (scope IN ('ro', 'rw')),
    CONSTRAINT support_hours_bounded CHECK (hours BETWEEN 1 AND 24),
    CONSTRAINT support_approved_whole CHECK (num_nulls(approved_by, approved_as, approved_at, ends_at) IN (0, 4)),
    CONSTRAINT support_not_by_asker CHECK (approved_by <> asked_by),
    CONSTRAINT support_in_order CHECK (approved_at >= asked_at AND ended_at >= asked_at),
    CONSTRAINT support_ends CHECK (ends_at > approved_at AND ends_at <= approved_at + hours * interval '1 hour'),
    CONSTRAINT support_ended_whole CHECK ((ended_at IS NULL) = (ended_as IS NULL))
);
CREATE INDEX support_grants_tenant ON access.support_grants (tenant, asked_at);
CREATE INDEX support_grants_asker ON access.support_grants (asked_by, asked_at);

CREATE TABLE access.support_uses (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    support_grant uuid NOT NULL REFERENCES access.support_grants (id),
    at            timestamptz NOT NULL,
    request       text NOT NULL,
    method        text NOT NULL,
    path          text NOT NULL,
    CONSTRAINT support_use_sizes CHECK (octet_length(request) BETWEEN 1 AND 100 AND octet_length(method) BETWEEN 1 AND 32
        AND octet_length(path) BETWEEN 1 AND 16384)
);
CREATE INDEX support_uses_grant ON access.support_uses (support_grant, id);

-- What is asked, approved and ended happens once and in this order; what was said stays as it was said. The owner is held to it too.
CREATE FUNCTION access.keep_support() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_at IS NOT NULL OR NEW.ended_at IS NOT NULL THEN
            RAISE EXCEPTION 'access for support is asked for before it is granted' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM FROM identity.accounts a
          WHERE a.id = NEW.asked_by AND a.disabled_at IS NULL AND a.tenant <> NEW.tenant;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'whoever asks is an account of another tenant, and not disabled' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'access for support is evidence: it is never removed';
    END IF;
    IF (NEW.id, NEW.tenant, NEW.asked_by, NEW.asked_as, NEW.ticket, NEW.reason, NEW.scope, NEW.hours, NEW.asked_at)
       IS DISTINCT FROM
       (OLD.id, OLD.tenant, OLD.asked_by, OLD.asked_as, OLD.ticket, OLD.reason, OLD.scope, OLD.hours, OLD.asked_at)
    THEN
        RAISE EXCEPTION 'what was asked for stays as it was asked for' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'this access has ended, and nothing brings it back' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_at IS NOT NULL THEN
        IF (NEW.approved_by, NEW.approved_as, NEW.approved_at, NEW.ends_at)
           IS DISTINCT FROM (OLD.approved_by, OLD.approved_as, OLD.approved_at, OLD.ends_at)
        THEN
            RAISE EXCEPTION 'an approval stays as it was given' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.approved_at IS NOT NULL THEN
        -- Nobody approves for tomorrow, or the end would lie further off than a day.
        IF NEW.approved_at > pg_catalog.clock_timestamp() + interval '1 minute' THEN
            RAISE EXCEPTION 'an approval counts from the moment in which it is given' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM FROM identity.accounts a
          WHERE a.id = NEW.approved_by AND a.disabled_at IS NULL AND a.tenant = NEW.tenant;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'only an account of the tenant that is asked can approve' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.keep_support() FROM PUBLIC;
CREATE TRIGGER support_kept BEFORE INSERT OR UPDATE OR DELETE ON access.support_grants
    FOR EACH ROW EXECUTE FUNCTION access.keep_support();
CREATE TRIGGER support_not_emptied BEFORE TRUNCATE ON access.support_grants
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_support();

-- A use is written down while its grant lives, or it is none. The row is locked, so that ending the grant and using it have one order:
-- when the end is committed, nothing is written down any more, and what is not written down does not pass.
CREATE FUNCTION access.keep_support_use() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'what support has done is evidence: it is neither changed nor removed';
    END IF;
    PERFORM FROM access.support_grants g
      WHERE g.id = NEW.support_grant AND g.approved_at IS NOT NULL AND g.ended_at IS NULL
        AND g.ends_at > NEW.at AND g.ends_at > pg_catalog.clock_timestamp()
      FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the grant of support is over' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.keep_support_use() FROM PUBLIC;
CREATE TRIGGER support_uses_kept BEFORE INSERT OR UPDATE OR DELETE ON access.support_uses
    FOR EACH ROW EXECUTE FUNCTION access.keep_support_use();
CREATE TRIGGER support_uses_not_emptied BEFORE TRUNCATE ON access.support_uses
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_support_use();

CREATE FUNCTION access.tell_asker() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_notify('amanah_identity', 'a:' || NEW.asked_by);
    RETURN NULL;
END $$;
CREATE TRIGGER support_told AFTER INSERT OR UPDATE ON access.support_grants
    FOR EACH ROW EXECUTE FUNCTION access.tell_asker();

GRANT SELECT ON access.support_grants, access.support_uses TO amanah_engine;
GRANT INSERT (tenant, asked_by, asked_as, ticket, reason, scope, hours, asked_at) ON access.support_grants TO amanah_engine;
GRANT UPDATE (approved_by, approved_as, approved_at, ends_at, ended_at, ended_as) ON access.support_grants TO amanah_engine;
GRANT INSERT (support_grant, at, request, method, path) ON access.support_uses TO amanah_engine;
