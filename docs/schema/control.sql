CREATE SCHEMA access;

ALTER SCHEMA access OWNER TO owner;

CREATE SCHEMA amanah;

ALTER SCHEMA amanah OWNER TO owner;

CREATE SCHEMA cache;

ALTER SCHEMA cache OWNER TO owner;

CREATE SCHEMA claims;

ALTER SCHEMA claims OWNER TO owner;

CREATE SCHEMA compared;

ALTER SCHEMA compared OWNER TO owner;

CREATE SCHEMA directory;

ALTER SCHEMA directory OWNER TO owner;

CREATE SCHEMA erasing;

ALTER SCHEMA erasing OWNER TO owner;

CREATE SCHEMA files;

ALTER SCHEMA files OWNER TO owner;

CREATE SCHEMA identity;

ALTER SCHEMA identity OWNER TO owner;

CREATE SCHEMA keys;

ALTER SCHEMA keys OWNER TO owner;

CREATE SCHEMA tenancy;

ALTER SCHEMA tenancy OWNER TO owner;

CREATE FUNCTION access.check_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    PERFORM FROM access.roles r
      WHERE r.id = NEW.role AND r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = NEW.tenant)
      FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this tenant has no such role' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION access.check_grant() OWNER TO owner;

CREATE FUNCTION access.check_parent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    UPDATE access.lineage SET changes = changes + 1;
    IF NOT EXISTS (
        SELECT FROM access.roles r JOIN access.roles p ON p.id = NEW.parent
         WHERE r.id = NEW.role AND (p.tenant IS NULL OR p.tenant = r.tenant))
    THEN
        RAISE EXCEPTION 'a role cannot inherit from a role of another tenant' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        WITH RECURSIVE above (id) AS (
            SELECT NEW.parent
            UNION
            SELECT p.parent FROM access.role_parents p JOIN above a ON p.role = a.id)
        SELECT FROM above WHERE id = NEW.role)
    THEN
        RAISE EXCEPTION 'the role would inherit from itself' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION access.check_parent() OWNER TO owner;

CREATE FUNCTION access.check_role() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id <> OLD.id OR NEW.tenant IS DISTINCT FROM OLD.tenant) THEN
        RAISE EXCEPTION 'a role stays the role of its tenant';
    END IF;
    IF NEW.tenant IS NOT NULL AND EXISTS (
        SELECT FROM access.roles r
         WHERE r.tenant IS NULL
           AND translate(lower(r.name), '01i35 -', 'olles') = translate(lower(NEW.name), '01i35 -', 'olles'))
    THEN
        RAISE EXCEPTION 'a shipped role has this name' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION access.check_role() OWNER TO owner;

CREATE FUNCTION access.keep_attack_switch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION 'when strangers were shed is evidence: it is neither changed nor removed';
END $$;

ALTER FUNCTION access.keep_attack_switch() OWNER TO owner;

CREATE FUNCTION access.keep_bait_hit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION 'who took bait is evidence: it is neither changed nor removed';
END $$;

ALTER FUNCTION access.keep_bait_hit() OWNER TO owner;

CREATE FUNCTION access.keep_grants() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL
       AND (NEW.id, NEW.account, NEW.tenant, NEW.role, NEW.granted_by, NEW.reason, NEW.granted_at, NEW.expires_at, NEW.synthetic)
           IS NOT DISTINCT FROM
           (OLD.id, OLD.account, OLD.tenant, OLD.role, OLD.granted_by, OLD.reason, OLD.granted_at, OLD.expires_at, OLD.synthetic)
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.synthetic AND least(OLD.revoked_at, OLD.expires_at) < clock_timestamp() - interval '1 day' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'a grant is evidence: it can be revoked once, and neither changed nor removed';
END $$;

ALTER FUNCTION access.keep_grants() OWNER TO owner;

CREATE FUNCTION access.keep_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION 'a grant is evidence: it can be revoked once, and neither changed nor removed';
END $$;

ALTER FUNCTION access.keep_once() OWNER TO owner;

CREATE FUNCTION access.keep_review() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION access.keep_review() OWNER TO owner;

CREATE FUNCTION access.keep_review_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION access.keep_review_row() OWNER TO owner;

CREATE FUNCTION access.keep_role_changes() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION 'what was changed about a role is evidence: it is neither changed nor removed';
END $$;

ALTER FUNCTION access.keep_role_changes() OWNER TO owner;

CREATE FUNCTION access.keep_support() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION access.keep_support() OWNER TO owner;

CREATE FUNCTION access.keep_support_ended() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    IF NOT (OLD.synthetic AND OLD.asked_at < clock_timestamp() - interval '1 day'
            AND coalesce(least(OLD.ended_at, OLD.ends_at), OLD.asked_at + interval '7 days')
                < clock_timestamp() - interval '1 day')
    THEN
        RAISE EXCEPTION 'access for support is evidence: it is never removed';
    END IF;
    RETURN OLD;
END $$;

ALTER FUNCTION access.keep_support_ended() OWNER TO owner;

CREATE FUNCTION access.keep_support_mark() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    RAISE EXCEPTION 'what was asked for stays as it was asked for' USING ERRCODE = 'check_violation';
END $$;

ALTER FUNCTION access.keep_support_mark() OWNER TO owner;

CREATE FUNCTION access.keep_support_use() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
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

ALTER FUNCTION access.keep_support_use() OWNER TO owner;

CREATE FUNCTION access.keep_support_uses() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    PERFORM FROM access.support_grants g
      WHERE g.id = OLD.support_grant AND g.synthetic
        AND least(g.ended_at, g.ends_at) < clock_timestamp() - interval '1 day';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'what support has done is evidence: it is neither changed nor removed';
    END IF;
    RETURN OLD;
END $$;

ALTER FUNCTION access.keep_support_uses() OWNER TO owner;

CREATE FUNCTION access.mark_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    NEW.synthetic := false;
    -- A house without accounts has no synthetic ones.
    IF to_regclass('identity.accounts') IS NOT NULL THEN
        NEW.synthetic := EXISTS (SELECT FROM identity.accounts a WHERE a.id = NEW.account AND a.email LIKE '%@amanah.invalid');
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION access.mark_grant() OWNER TO owner;

CREATE FUNCTION access.mark_support() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    NEW.synthetic := EXISTS (SELECT FROM identity.accounts a WHERE a.id = NEW.asked_by AND a.email LIKE '%@amanah.invalid');
    RETURN NEW;
END $$;

ALTER FUNCTION access.mark_support() OWNER TO owner;

CREATE FUNCTION access.tell_account() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    PERFORM pg_notify('amanah_identity', 'a:' || NEW.account);
    RETURN NULL;
END $$;

ALTER FUNCTION access.tell_account() OWNER TO owner;

CREATE FUNCTION access.tell_all() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    PERFORM pg_notify('amanah_identity', '*');
    RETURN NULL;
END $$;

ALTER FUNCTION access.tell_all() OWNER TO owner;

CREATE FUNCTION access.tell_asker() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    PERFORM pg_notify('amanah_identity', 'a:' || NEW.asked_by);
    RETURN NULL;
END $$;

ALTER FUNCTION access.tell_asker() OWNER TO owner;

CREATE FUNCTION claims.refuse_attestation_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'claims.attestation is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Attest anew instead; what was said before stays.';
END $$;

ALTER FUNCTION claims.refuse_attestation_change() OWNER TO owner;

CREATE FUNCTION claims.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'claims.proof is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Record a new proof instead; the old one stays.';
END $$;

ALTER FUNCTION claims.refuse_change() OWNER TO owner;

CREATE FUNCTION claims.stamp() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    NEW.received_at := clock_timestamp();
    RETURN NEW;
END $$;

ALTER FUNCTION claims.stamp() OWNER TO owner;

CREATE FUNCTION directory.keep_events() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'what a directory did is neither changed nor removed' USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION directory.keep_events() OWNER TO owner;

CREATE FUNCTION directory.only_sooner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) OR NEW.expires_at > OLD.expires_at
       OR (NEW.id, NEW.tenant, NEW.token_sha256, NEW.made_at) IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.token_sha256, OLD.made_at)
    THEN
        RAISE EXCEPTION 'a token of a directory ends, and does not come back' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION directory.only_sooner() OWNER TO owner;

CREATE FUNCTION identity.end_families() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE identity.families SET revoked_at = NEW.revoked_at, revoked_why = 'signed out'
    WHERE session = NEW.id AND revoked_at IS NULL;
    RETURN NULL;
END $$;

ALTER FUNCTION identity.end_families() OWNER TO owner;

CREATE FUNCTION identity.keep_closed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Who owns the table may: somebody comes back now and then, and that is decided by hand.
    IF pg_catalog.pg_has_role(session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        NEW.closed_by_directory := NEW.closed_by_directory AND NEW.disabled_at IS NOT NULL;
        RETURN NEW;
    END IF;
    -- What a directory closed it opens again, with nothing of what was before.
    IF OLD.closed_by_directory AND NEW.disabled_at IS NULL AND NOT NEW.closed_by_directory
       AND NEW.epoch > OLD.epoch AND NEW.password_hash IS DISTINCT FROM OLD.password_hash
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an account that was closed is opened by the owner of the control database alone'
        USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION identity.keep_closed() OWNER TO owner;

CREATE FUNCTION identity.keep_whose_close() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF pg_catalog.pg_has_role(session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'who closed an account is said when it is closed, and not afterwards'
        USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION identity.keep_whose_close() OWNER TO owner;

CREATE FUNCTION identity.only_sooner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NEW.absolute_expires_at > OLD.absolute_expires_at THEN
        RAISE EXCEPTION 'the end of a session can be brought forward only'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL THEN
        RAISE EXCEPTION 'a session that was ended stays ended'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

ALTER FUNCTION identity.only_sooner() OWNER TO owner;

CREATE FUNCTION identity.tell(what text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT pg_notify('amanah_identity', what)
$$;

ALTER FUNCTION identity.tell(what text) OWNER TO owner;

CREATE FUNCTION identity.tell_account() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM identity.tell('a:' || OLD.id);
    RETURN NULL;
END
$$;

ALTER FUNCTION identity.tell_account() OWNER TO owner;

CREATE FUNCTION identity.tell_all() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM identity.tell('*');
    RETURN NULL;
END
$$;

ALTER FUNCTION identity.tell_all() OWNER TO owner;

CREATE FUNCTION identity.tell_owner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM identity.tell('a:' || OLD.account);
    RETURN NULL;
END $$;

ALTER FUNCTION identity.tell_owner() OWNER TO owner;

CREATE FUNCTION identity.tell_session() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM identity.tell('s:' || encode(OLD.token_sha256, 'hex'));
    RETURN NULL;
END
$$;

ALTER FUNCTION identity.tell_session() OWNER TO owner;

CREATE FUNCTION identity.tell_tenant() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM identity.tell('t:' || CASE WHEN TG_OP = 'INSERT' THEN NEW.tenant ELSE OLD.tenant END);
    RETURN NULL;
END
$$;

ALTER FUNCTION identity.tell_tenant() OWNER TO owner;

CREATE FUNCTION keys.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused for everybody, and nothing was changed',
        TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'To go on from an older ring see: amanah keys accept --help';
END $$;

ALTER FUNCTION keys.refuse_change() OWNER TO owner;

CREATE FUNCTION tenancy.keep_losses() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.tenant IS NULL AND to_jsonb(NEW) - 'tenant' = to_jsonb(OLD) - 'tenant' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'tenancy.losses is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION tenancy.keep_losses() OWNER TO owner;

CREATE FUNCTION tenancy.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'tenancy.erasures is append-only: % is refused for everybody, and nothing was changed', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION tenancy.refuse_change() OWNER TO owner;

CREATE TABLE access.attack_switches (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    shedding boolean NOT NULL,
    mode text NOT NULL,
    why text NOT NULL,
    strangers bigint NOT NULL,
    people bigint NOT NULL,
    lag_ms bigint NOT NULL,
    CONSTRAINT attack_counts CHECK (((strangers >= 0) AND (people >= 0) AND (lag_ms >= 0))),
    CONSTRAINT attack_modes CHECK ((mode = ANY (ARRAY['off'::text, 'on'::text, 'auto'::text]))),
    CONSTRAINT attack_whys CHECK ((why = ANY (ARRAY['hand'::text, 'lag'::text, 'spent'::text, 'failing'::text, 'quiet'::text])))
);

ALTER TABLE access.attack_switches OWNER TO owner;

ALTER TABLE access.attack_switches ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME access.attack_switches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE access.bait_hits (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    source text NOT NULL,
    method text NOT NULL,
    bait text NOT NULL,
    times integer NOT NULL,
    holder text,
    CONSTRAINT bait_happened CHECK ((times > 0)),
    CONSTRAINT bait_sizes CHECK ((((octet_length(source) >= 1) AND (octet_length(source) <= 64)) AND ((octet_length(method) >= 1) AND (octet_length(method) <= 64)) AND ((octet_length(bait) >= 1) AND (octet_length(bait) <= 512)) AND ((octet_length(holder) >= 1) AND (octet_length(holder) <= 128))))
);

ALTER TABLE access.bait_hits OWNER TO owner;

ALTER TABLE access.bait_hits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME access.bait_hits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE access.grants (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account uuid NOT NULL,
    tenant text NOT NULL,
    role integer NOT NULL,
    granted_by text NOT NULL,
    reason text NOT NULL,
    granted_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_by text,
    synthetic boolean DEFAULT false NOT NULL,
    revoked_reason text,
    once text,
    CONSTRAINT grants_by_size CHECK (((octet_length(granted_by) >= 1) AND (octet_length(granted_by) <= 200))),
    CONSTRAINT grants_once_size CHECK (((octet_length(once) >= 1) AND (octet_length(once) <= 200))),
    CONSTRAINT grants_reason_size CHECK ((octet_length(reason) <= 1000)),
    CONSTRAINT grants_revoked_reason CHECK (((revoked_reason IS NULL) OR ((revoked_at IS NOT NULL) AND (octet_length(revoked_reason) <= 1000)))),
    CONSTRAINT grants_revoked_whole CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT grants_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE access.grants OWNER TO owner;

CREATE TABLE access.lineage (
    one boolean DEFAULT true NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT lineage_one_check CHECK (one)
);

ALTER TABLE access.lineage OWNER TO owner;

CREATE TABLE access.permissions (
    id smallint NOT NULL,
    name text NOT NULL,
    title text NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT permissions_id_fits CHECK (((id >= 0) AND (id <= 1023))),
    CONSTRAINT permissions_name_form CHECK ((name ~ '^[a-z][a-z-]{0,30}\.[a-z][a-z-]{0,30}$'::text))
);

ALTER TABLE access.permissions OWNER TO owner;

CREATE TABLE access.review_rows (
    review uuid NOT NULL,
    n integer NOT NULL,
    kind text NOT NULL,
    account uuid NOT NULL,
    holder text NOT NULL,
    what text NOT NULL,
    grant_id text NOT NULL,
    granted_by text NOT NULL,
    granted_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    orphan boolean NOT NULL,
    decision text,
    decided_by uuid,
    decided_as text,
    decided_at timestamp with time zone,
    reason text,
    verified_at timestamp with time zone,
    CONSTRAINT review_rows_decided_whole CHECK ((num_nulls(decision, decided_by, decided_as, decided_at, reason) = ANY (ARRAY[0, 5]))),
    CONSTRAINT review_rows_decision CHECK ((decision = ANY (ARRAY['keep'::text, 'revoke'::text]))),
    CONSTRAINT review_rows_grant_size CHECK (((octet_length(grant_id) >= 1) AND (octet_length(grant_id) <= 200))),
    CONSTRAINT review_rows_kind CHECK ((kind = ANY (ARRAY['role'::text, 'support'::text, 'key'::text, 'directory'::text, 'mapping'::text]))),
    CONSTRAINT review_rows_not_own CHECK ((decided_by <> account)),
    CONSTRAINT review_rows_reason CHECK (((octet_length(reason) >= 1) AND (octet_length(reason) <= 1000))),
    CONSTRAINT review_rows_verified CHECK (((verified_at IS NULL) OR (decision = 'revoke'::text)))
);

ALTER TABLE access.review_rows OWNER TO owner;

CREATE TABLE access.reviews (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL,
    started_as text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    frozen integer NOT NULL,
    rows_sha256 bytea NOT NULL,
    closed_at timestamp with time zone,
    closed_as text,
    abandoned_at timestamp with time zone,
    abandoned_as text,
    abandoned_why text,
    CONSTRAINT reviews_abandoned_order CHECK ((abandoned_at >= started_at)),
    CONSTRAINT reviews_abandoned_sizes CHECK ((((octet_length(abandoned_as) >= 1) AND (octet_length(abandoned_as) <= 200)) AND ((octet_length(abandoned_why) >= 1) AND (octet_length(abandoned_why) <= 1000)))),
    CONSTRAINT reviews_abandoned_whole CHECK ((num_nulls(abandoned_at, abandoned_as, abandoned_why) = ANY (ARRAY[0, 3]))),
    CONSTRAINT reviews_closed_whole CHECK ((((closed_at IS NULL) = (closed_as IS NULL)) AND (closed_at >= started_at))),
    CONSTRAINT reviews_digest_size CHECK ((octet_length(rows_sha256) = 32)),
    CONSTRAINT reviews_names_size CHECK ((((octet_length(started_as) >= 1) AND (octet_length(started_as) <= 200)) AND ((octet_length(closed_as) >= 1) AND (octet_length(closed_as) <= 200)))),
    CONSTRAINT reviews_one_end CHECK (((closed_at IS NULL) OR (abandoned_at IS NULL))),
    CONSTRAINT reviews_some CHECK ((frozen > 0)),
    CONSTRAINT reviews_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE access.reviews OWNER TO owner;

COMMENT ON COLUMN access.reviews.rows_sha256 IS 'amanah: hashed. SHA-256 over the rows that were frozen.';

CREATE TABLE access.role_changes (
    id bigint NOT NULL,
    role integer NOT NULL,
    at timestamp with time zone NOT NULL,
    done_by text NOT NULL,
    what text NOT NULL,
    title text NOT NULL,
    factor smallint NOT NULL,
    idle_seconds integer,
    absolute_seconds integer,
    permits text[] NOT NULL,
    parents text[] NOT NULL,
    CONSTRAINT role_changes_by_size CHECK (((octet_length(done_by) >= 1) AND (octet_length(done_by) <= 200))),
    CONSTRAINT role_changes_what CHECK ((what = ANY (ARRAY['defined'::text, 'retired'::text])))
);

ALTER TABLE access.role_changes OWNER TO owner;

ALTER TABLE access.role_changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME access.role_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE access.role_parents (
    role integer NOT NULL,
    parent integer NOT NULL,
    CONSTRAINT role_parents_other CHECK ((role <> parent))
);

ALTER TABLE access.role_parents OWNER TO owner;

CREATE TABLE access.role_permissions (
    role integer NOT NULL,
    permission smallint NOT NULL
);

ALTER TABLE access.role_permissions OWNER TO owner;

CREATE TABLE access.roles (
    id integer NOT NULL,
    tenant text,
    name text NOT NULL,
    title text NOT NULL,
    factor smallint DEFAULT 1 NOT NULL,
    idle_seconds integer,
    absolute_seconds integer,
    retired_at timestamp with time zone,
    CONSTRAINT roles_factor_known CHECK (((factor >= 1) AND (factor <= 3))),
    CONSTRAINT roles_limits CHECK ((((idle_seconds >= 60) AND (idle_seconds <= 2592000)) AND ((absolute_seconds >= 60) AND (absolute_seconds <= 7776000)))),
    CONSTRAINT roles_name_form CHECK (((name ~ '^[A-Za-z0-9]+([ -][A-Za-z0-9]+)*$'::text) AND (octet_length(name) <= 64))),
    CONSTRAINT roles_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128))),
    CONSTRAINT roles_title_size CHECK (((octet_length(title) >= 1) AND (octet_length(title) <= 200)))
);

ALTER TABLE access.roles OWNER TO owner;

ALTER TABLE access.roles ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME access.roles_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE access.support_grants (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL,
    asked_by uuid NOT NULL,
    asked_as text NOT NULL,
    ticket text NOT NULL,
    reason text NOT NULL,
    scope text DEFAULT 'ro'::text NOT NULL,
    hours smallint NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    approved_by uuid,
    approved_as text,
    approved_at timestamp with time zone,
    ends_at timestamp with time zone,
    ended_at timestamp with time zone,
    ended_as text,
    synthetic boolean DEFAULT false NOT NULL,
    CONSTRAINT support_approved_whole CHECK ((num_nulls(approved_by, approved_as, approved_at, ends_at) = ANY (ARRAY[0, 4]))),
    CONSTRAINT support_ended_whole CHECK (((ended_at IS NULL) = (ended_as IS NULL))),
    CONSTRAINT support_ends CHECK (((ends_at > approved_at) AND (ends_at <= (approved_at + ((hours)::double precision * '01:00:00'::interval))))),
    CONSTRAINT support_hours_bounded CHECK (((hours >= 1) AND (hours <= 24))),
    CONSTRAINT support_in_order CHECK (((approved_at >= asked_at) AND (ended_at >= asked_at))),
    CONSTRAINT support_names_size CHECK ((((octet_length(asked_as) >= 1) AND (octet_length(asked_as) <= 200)) AND ((octet_length(approved_as) >= 1) AND (octet_length(approved_as) <= 200)) AND ((octet_length(ended_as) >= 1) AND (octet_length(ended_as) <= 200)))),
    CONSTRAINT support_not_by_asker CHECK ((approved_by <> asked_by)),
    CONSTRAINT support_reason_size CHECK (((octet_length(reason) >= 1) AND (octet_length(reason) <= 1000))),
    CONSTRAINT support_scope_known CHECK ((scope = ANY (ARRAY['ro'::text, 'rw'::text]))),
    CONSTRAINT support_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128))),
    CONSTRAINT support_ticket_size CHECK (((octet_length(ticket) >= 1) AND (octet_length(ticket) <= 100)))
);

ALTER TABLE access.support_grants OWNER TO owner;

CREATE TABLE access.support_uses (
    id bigint NOT NULL,
    support_grant uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    request text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    CONSTRAINT support_use_sizes CHECK ((((octet_length(request) >= 1) AND (octet_length(request) <= 100)) AND ((octet_length(method) >= 1) AND (octet_length(method) <= 32)) AND ((octet_length(path) >= 1) AND (octet_length(path) <= 16384))))
);

ALTER TABLE access.support_uses OWNER TO owner;

ALTER TABLE access.support_uses ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME access.support_uses_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE access.uses (
    account uuid NOT NULL,
    tenant text NOT NULL,
    permission smallint NOT NULL,
    last_used_at timestamp with time zone NOT NULL
);

ALTER TABLE access.uses OWNER TO owner;

CREATE TABLE access.watch (
    one boolean DEFAULT true NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT watch_one_check CHECK (one)
);

ALTER TABLE access.watch OWNER TO owner;

CREATE TABLE amanah.migration (
    room text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE amanah.migration OWNER TO owner;

CREATE TABLE cache.leases (
    login text NOT NULL,
    place text NOT NULL,
    password_sha256 text NOT NULL,
    until timestamp with time zone NOT NULL,
    CONSTRAINT leases_password_sha256_check CHECK ((password_sha256 ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE cache.leases OWNER TO owner;

COMMENT ON TABLE cache.leases IS 'Logins of tenants on Redis. What is not here is removed from the server, what is, is kept there.';

COMMENT ON COLUMN cache.leases.password_sha256 IS 'amanah: hashed. SHA-256 of 192 random bits, which nobody can guess back.';

CREATE TABLE cache.places (
    place text NOT NULL,
    tenant text NOT NULL,
    canary boolean NOT NULL,
    suspended boolean DEFAULT false NOT NULL,
    made_at timestamp with time zone NOT NULL,
    CONSTRAINT places_place_check CHECK ((place ~ '^amr_[0-9a-f]{8}_[0-9a-f]{32}$'::text)),
    CONSTRAINT places_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE cache.places OWNER TO owner;

COMMENT ON TABLE cache.places IS 'Tenants with a place on Redis. Made with the first login, forgotten when a tenant is erased.';

CREATE TABLE claims.attestation (
    id bigint NOT NULL,
    claim text NOT NULL,
    subject text NOT NULL,
    statement text NOT NULL,
    digest bytea NOT NULL,
    document text NOT NULL,
    attested_by text NOT NULL,
    attested_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    signature text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT attestation_attested_by_check CHECK (((octet_length(attested_by) >= 1) AND (octet_length(attested_by) <= 2000))),
    CONSTRAINT attestation_check CHECK ((expires_at > attested_at)),
    CONSTRAINT attestation_claim_check CHECK (((octet_length(claim) >= 1) AND (octet_length(claim) <= 100))),
    CONSTRAINT attestation_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT attestation_document_check CHECK (((octet_length(document) >= 1) AND (octet_length(document) <= 1000))),
    CONSTRAINT attestation_signature_check CHECK (((octet_length(signature) >= 1) AND (octet_length(signature) <= 4000))),
    CONSTRAINT attestation_statement_check CHECK (((octet_length(statement) >= 1) AND (octet_length(statement) <= 4000))),
    CONSTRAINT attestation_subject_check CHECK (((octet_length(subject) >= 1) AND (octet_length(subject) <= 500)))
);

ALTER TABLE claims.attestation OWNER TO owner;

COMMENT ON TABLE claims.attestation IS 'What people vouch for. Append-only; a row counts only if the key ring has signed it.';

ALTER TABLE claims.attestation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME claims.attestation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE claims.proof (
    id bigint NOT NULL,
    claim text NOT NULL,
    params text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    population_checked bigint NOT NULL,
    population_total bigint NOT NULL,
    population_of text NOT NULL,
    measured text NOT NULL,
    threshold text NOT NULL,
    detail text NOT NULL,
    findings jsonb NOT NULL,
    attack text NOT NULL,
    cadence_ms bigint NOT NULL,
    version text NOT NULL,
    took_ms bigint NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT holds_means_everything_was_checked CHECK (((outcome <> 'holds'::text) OR ((population_total > 0) AND (population_checked >= population_total)))),
    CONSTRAINT proof_cadence_ms_check CHECK (((cadence_ms >= 1) AND (cadence_ms <= '2678400000'::bigint))),
    CONSTRAINT proof_claim_check CHECK (((octet_length(claim) >= 1) AND (octet_length(claim) <= 100))),
    CONSTRAINT proof_findings_check CHECK ((jsonb_typeof(findings) = 'array'::text)),
    CONSTRAINT proof_kind_check CHECK ((kind = ANY (ARRAY['proof'::text, 'bite'::text]))),
    CONSTRAINT proof_outcome_check CHECK ((outcome = ANY (ARRAY['holds'::text, 'broken'::text, 'unknown'::text]))),
    CONSTRAINT proof_params_check CHECK ((octet_length(params) <= 2000)),
    CONSTRAINT proof_population_checked_check CHECK ((population_checked >= 0)),
    CONSTRAINT proof_population_total_check CHECK ((population_total >= 0)),
    CONSTRAINT proof_took_ms_check CHECK ((took_ms >= 0))
);

ALTER TABLE claims.proof OWNER TO owner;

COMMENT ON TABLE claims.proof IS 'Every run of every control and of its bite. Append-only; received_at is the server''s time.';

ALTER TABLE claims.proof ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME claims.proof_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE compared.differences (
    id bigint NOT NULL,
    system text NOT NULL,
    database text NOT NULL,
    kind text NOT NULL,
    xid bigint NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    action text NOT NULL,
    changes bigint NOT NULL,
    records bigint NOT NULL,
    lsn pg_lsn NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    explained_by text,
    explanation text,
    explained_at timestamp with time zone,
    CONSTRAINT differences_check CHECK ((((explained_by IS NULL) = (explanation IS NULL)) AND ((explained_by IS NULL) = (explained_at IS NULL)))),
    CONSTRAINT differences_explanation_check CHECK (((octet_length(explanation) >= 1) AND (octet_length(explanation) <= 2000))),
    CONSTRAINT differences_kind_check CHECK ((kind = ANY (ARRAY['unrecorded'::text, 'unfounded'::text, 'other-rows'::text, 'trail-changed'::text, 'unknown-table'::text, 'rewritten'::text, 'gap'::text, 'unread'::text, 'maintenance'::text])))
);

ALTER TABLE compared.differences OWNER TO owner;

COMMENT ON TABLE compared.differences IS 'Writes that the trail does not tell of, and what it tells that was not written.';

ALTER TABLE compared.differences ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME compared.differences_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE compared.names (
    system text NOT NULL,
    database text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    oid bigint NOT NULL
);

ALTER TABLE compared.names OWNER TO owner;

COMMENT ON TABLE compared.names IS 'Every table that there was when the log was read last: what is written under another name is told.';

CREATE TABLE compared.slots (
    system text NOT NULL,
    database text NOT NULL,
    lsn pg_lsn NOT NULL,
    since timestamp with time zone NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    transactions bigint DEFAULT 0 NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone,
    paused_at timestamp with time zone
);

ALTER TABLE compared.slots OWNER TO owner;

COMMENT ON TABLE compared.slots IS 'How far the write-ahead log of each protected database was compared with its trail.';

CREATE TABLE compared.tables (
    system text NOT NULL,
    database text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    oid bigint NOT NULL,
    since pg_lsn NOT NULL
);

ALTER TABLE compared.tables OWNER TO owner;

COMMENT ON TABLE compared.tables IS 'Tables whose writes are compared with the trail.';

CREATE TABLE directory.events (
    id bigint NOT NULL,
    tenant text NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    CONSTRAINT events_sizes CHECK ((((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)) AND ((octet_length(actor) >= 1) AND (octet_length(actor) <= 200)) AND ((octet_length(action) >= 1) AND (octet_length(action) <= 50)) AND ((octet_length(target) >= 1) AND (octet_length(target) <= 200)) AND (octet_length(detail) <= 1000)))
);

ALTER TABLE directory.events OWNER TO owner;

ALTER TABLE directory.events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME directory.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE directory.groups (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL,
    name text NOT NULL,
    external_id text,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    made_by text NOT NULL,
    CONSTRAINT groups_external_size CHECK (((octet_length(external_id) >= 1) AND (octet_length(external_id) <= 1024))),
    CONSTRAINT groups_name_size CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024))),
    CONSTRAINT groups_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE directory.groups OWNER TO owner;

CREATE TABLE directory.mappings (
    tenant text NOT NULL,
    group_id uuid NOT NULL,
    role text NOT NULL,
    mapped_by uuid NOT NULL,
    mapped_as text NOT NULL,
    mapped_at timestamp with time zone NOT NULL,
    CONSTRAINT mappings_as_size CHECK (((octet_length(mapped_as) >= 1) AND (octet_length(mapped_as) <= 200))),
    CONSTRAINT mappings_role_size CHECK (((octet_length(role) >= 1) AND (octet_length(role) <= 64)))
);

ALTER TABLE directory.mappings OWNER TO owner;

CREATE TABLE directory.members (
    tenant text NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    added_at timestamp with time zone NOT NULL,
    added_for uuid
);

ALTER TABLE directory.members OWNER TO owner;

CREATE TABLE directory.tokens (
    id text NOT NULL,
    tenant text NOT NULL,
    name text NOT NULL,
    token_sha256 bytea NOT NULL,
    made_by uuid,
    made_as text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_as text,
    CONSTRAINT tokens_as_size CHECK ((((octet_length(made_as) >= 1) AND (octet_length(made_as) <= 200)) AND ((octet_length(revoked_as) >= 1) AND (octet_length(revoked_as) <= 200)))),
    CONSTRAINT tokens_bounded CHECK (((expires_at > made_at) AND (expires_at <= (made_at + '366 days'::interval)))),
    CONSTRAINT tokens_digest_size CHECK ((octet_length(token_sha256) = 32)),
    CONSTRAINT tokens_id_form CHECK ((id ~ '^[0-9a-f]{12}$'::text)),
    CONSTRAINT tokens_name_size CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 100))),
    CONSTRAINT tokens_revoked_whole CHECK (((revoked_at IS NULL) = (revoked_as IS NULL))),
    CONSTRAINT tokens_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE directory.tokens OWNER TO owner;

COMMENT ON COLUMN directory.tokens.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE directory.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL,
    account uuid NOT NULL,
    user_name text NOT NULL,
    external_id text,
    active boolean NOT NULL,
    attributes jsonb NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    made_by text NOT NULL,
    CONSTRAINT users_attributes_size CHECK ((octet_length((attributes)::text) <= 262144)),
    CONSTRAINT users_external_size CHECK (((octet_length(external_id) >= 1) AND (octet_length(external_id) <= 1024))),
    CONSTRAINT users_name_size CHECK (((octet_length(user_name) >= 1) AND (octet_length(user_name) <= 1024))),
    CONSTRAINT users_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE directory.users OWNER TO owner;

CREATE TABLE erasing.attempts (
    id bigint NOT NULL,
    log text NOT NULL,
    system text NOT NULL,
    database text NOT NULL,
    xid text NOT NULL,
    rows bigint[] NOT NULL,
    ended pg_lsn
);

ALTER TABLE erasing.attempts OWNER TO owner;

COMMENT ON TABLE erasing.attempts IS 'Transactions that erase, so that the comparison does not take them for somebody else''s.';

ALTER TABLE erasing.attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME erasing.attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE erasing.contents (
    request bigint NOT NULL,
    xid text NOT NULL,
    id bigint NOT NULL,
    row_hash bytea NOT NULL,
    entry bigint,
    taken boolean DEFAULT false NOT NULL,
    refused text
);

ALTER TABLE erasing.contents OWNER TO owner;

COMMENT ON TABLE erasing.contents IS 'The rows of trails whose contents are to be erased.';

CREATE TABLE erasing.requests (
    id bigint NOT NULL,
    log text NOT NULL,
    system text NOT NULL,
    database text NOT NULL,
    requested_by text NOT NULL,
    why text NOT NULL,
    chosen_by text NOT NULL,
    log_size bigint NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);

ALTER TABLE erasing.requests OWNER TO owner;

COMMENT ON TABLE erasing.requests IS 'Who had contents of trails erased, and why.';

ALTER TABLE erasing.requests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME erasing.requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE files.files (
    tenant text NOT NULL COLLATE pg_catalog."C",
    name bytea NOT NULL,
    object text NOT NULL,
    sealed_key text NOT NULL,
    bytes bigint NOT NULL,
    content_type text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT files_bytes_check CHECK ((bytes >= 0)),
    CONSTRAINT files_content_type_check CHECK ((octet_length(content_type) <= 255)),
    CONSTRAINT files_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024))),
    CONSTRAINT files_object_check CHECK ((object ~ '^[0-9a-f]{32}$'::text)),
    CONSTRAINT files_sha256_check CHECK ((octet_length(sha256) = 32))
);

ALTER TABLE files.files OWNER TO owner;

COMMENT ON TABLE files.files IS 'One row for each file: the row is what makes an object a file.';

CREATE TABLE files.keeper (
    single boolean DEFAULT true NOT NULL,
    mark text NOT NULL,
    database text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    turn bigint DEFAULT 0 NOT NULL,
    turned_at timestamp with time zone,
    CONSTRAINT keeper_mark_check CHECK ((mark ~ '^[0-9a-f]{32}$'::text)),
    CONSTRAINT keeper_single_check CHECK (single)
);

ALTER TABLE files.keeper OWNER TO owner;

COMMENT ON TABLE files.keeper IS 'Which database may remove objects from the store: this one, while the store says the same.';

CREATE TABLE files.loose (
    object text NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    reserved bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT loose_object_check CHECK ((object ~ '^[0-9a-f]{32}$'::text)),
    CONSTRAINT loose_reserved_check CHECK ((reserved >= 0)),
    CONSTRAINT loose_state_check CHECK ((state = ANY (ARRAY['arriving'::text, 'leaving'::text])))
);

ALTER TABLE files.loose OWNER TO owner;

COMMENT ON TABLE files.loose IS 'Objects that are no files: not yet, or no more. Noted before they are made, so none is lost.';

COMMENT ON COLUMN files.loose.reserved IS 'What it counts in the quota: what an upload has taken in advance, or how long a file was that is nobody''s and not gone yet.';

CREATE TABLE files.tenants (
    tenant text NOT NULL COLLATE pg_catalog."C",
    prefix text NOT NULL,
    max_bytes bigint,
    max_files bigint,
    used_bytes bigint DEFAULT 0 NOT NULL,
    used_files bigint DEFAULT 0 NOT NULL,
    CONSTRAINT tenants_max_bytes_check CHECK ((max_bytes >= 0)),
    CONSTRAINT tenants_max_files_check CHECK ((max_files >= 0)),
    CONSTRAINT tenants_prefix_check CHECK ((prefix ~ '^[0-9a-f]{32}$'::text)),
    CONSTRAINT tenants_tenant_check CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128))),
    CONSTRAINT tenants_used_bytes_check CHECK ((used_bytes >= 0)),
    CONSTRAINT tenants_used_files_check CHECK ((used_files >= 0))
);

ALTER TABLE files.tenants OWNER TO owner;

COMMENT ON TABLE files.tenants IS 'Tenants that have or had files. Whoever writes takes the row first, so quotas hold.';

CREATE TABLE identity.accounts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email text NOT NULL,
    display_name text NOT NULL,
    tenant text NOT NULL,
    password_hash text,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    epoch integer DEFAULT 0 NOT NULL,
    owner uuid,
    language text DEFAULT 'en'::text NOT NULL,
    first_signed_in_at timestamp with time zone,
    directory boolean DEFAULT false NOT NULL,
    provisioned boolean DEFAULT false NOT NULL,
    closed_by_directory boolean DEFAULT false NOT NULL,
    synthetic boolean DEFAULT false NOT NULL,
    CONSTRAINT accounts_closed_by_directory CHECK (((NOT closed_by_directory) OR (directory AND (disabled_at IS NOT NULL)))),
    CONSTRAINT accounts_email_folded CHECK ((email = lower(email))),
    CONSTRAINT accounts_email_size CHECK (((octet_length(email) >= 3) AND (octet_length(email) <= 128))),
    CONSTRAINT accounts_language_known CHECK ((language = ANY (ARRAY['en'::text, 'id'::text, 'ar'::text]))),
    CONSTRAINT accounts_password_argon2id CHECK ((password_hash ~~ '$argon2id$v=19$m=%'::text)),
    CONSTRAINT accounts_service_has_no_password CHECK (((owner IS NULL) OR (password_hash IS NULL))),
    CONSTRAINT accounts_synthetic_address CHECK ((synthetic = (email ~~ '%@amanah.invalid'::text))),
    CONSTRAINT accounts_synthetic_tenant CHECK ((synthetic OR (owner IS NOT NULL) OR (tenant !~~ 'amanah-canary%'::text)))
);

ALTER TABLE identity.accounts OWNER TO owner;

COMMENT ON COLUMN identity.accounts.password_hash IS 'amanah: hashed. Argon2id; the proof of password.argon2id judges its cost.';

COMMENT ON COLUMN identity.accounts.epoch IS 'Whatever was given out under another number is over.';

COMMENT ON COLUMN identity.accounts.owner IS 'Who answers for a service. A service has no password and cannot sign in.';

COMMENT ON COLUMN identity.accounts.first_signed_in_at IS 'When its holder first had a session by a password. Nobody, as long as it is NULL, could have set up a factor.';

COMMENT ON COLUMN identity.accounts.directory IS 'Whether the tenant''s own directory has the account in hand, because it made it or people gave it there.';

COMMENT ON COLUMN identity.accounts.provisioned IS 'Whether a directory made the account, without the word of whoever has the address. Until somebody has entered it, it gives way.';

COMMENT ON COLUMN identity.accounts.closed_by_directory IS 'Whether a directory closed it and may open it again. Once people have closed it, nobody but the owner of the database may.';

COMMENT ON COLUMN identity.accounts.synthetic IS 'Whether the proofs made it. It is said when the account is made and never changes, so that no change of address makes somebody one of theirs.';

CREATE TABLE identity.api_keys (
    id text NOT NULL,
    key_sha256 bytea NOT NULL,
    account uuid NOT NULL,
    made_by uuid NOT NULL,
    name text NOT NULL,
    scopes smallint[] NOT NULL,
    epoch integer NOT NULL,
    tenant_epoch integer NOT NULL,
    strength smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_end CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '366 days'::interval)))),
    CONSTRAINT api_keys_id_form CHECK ((id ~ '^[0-9a-z]{8}$'::text)),
    CONSTRAINT api_keys_name_size CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 100))),
    CONSTRAINT api_keys_scopes_known CHECK (((cardinality(scopes) <= 1024) AND (0 <= ALL (scopes)) AND (1024 > ALL (scopes)))),
    CONSTRAINT api_keys_size CHECK ((octet_length(key_sha256) = 32)),
    CONSTRAINT api_keys_strength_known CHECK (((strength >= 1) AND (strength <= 3)))
);

ALTER TABLE identity.api_keys OWNER TO owner;

COMMENT ON COLUMN identity.api_keys.key_sha256 IS 'amanah: hashed. SHA-256 of a key with 256 random bits, which nobody can guess back.';

CREATE TABLE identity.browsers (
    account uuid NOT NULL,
    token_sha256 bytea NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT browsers_token_size CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE identity.browsers OWNER TO owner;

COMMENT ON COLUMN identity.browsers.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE identity.challenges (
    challenge bytea NOT NULL,
    account uuid NOT NULL,
    purpose text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    asked_by text NOT NULL,
    CONSTRAINT challenges_asked_by_size CHECK ((octet_length(asked_by) = ANY (ARRAY[36, 64]))),
    CONSTRAINT challenges_purpose CHECK ((purpose = ANY (ARRAY['make'::text, 'use'::text]))),
    CONSTRAINT challenges_size CHECK ((octet_length(challenge) = 32))
);

ALTER TABLE identity.challenges OWNER TO owner;

CREATE TABLE identity.families (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account uuid NOT NULL,
    session uuid NOT NULL,
    epoch integer NOT NULL,
    tenant_epoch integer NOT NULL,
    strength smallint NOT NULL,
    authenticated_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    idle_expires_at timestamp with time zone NOT NULL,
    absolute_expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revoked_why text,
    CONSTRAINT families_idle_inside CHECK ((idle_expires_at <= absolute_expires_at)),
    CONSTRAINT families_strength_known CHECK (((strength >= 1) AND (strength <= 3))),
    CONSTRAINT families_why CHECK (((revoked_at IS NULL) = (revoked_why IS NULL)))
);

ALTER TABLE identity.families OWNER TO owner;

CREATE TABLE identity.guesses (
    account uuid NOT NULL,
    failed integer NOT NULL,
    not_before timestamp with time zone NOT NULL
);

ALTER TABLE identity.guesses OWNER TO owner;

CREATE TABLE identity.invitations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL,
    email text NOT NULL,
    roles text[] NOT NULL,
    language text NOT NULL,
    invited_by uuid NOT NULL,
    invited_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    token_sha256 bytea,
    withdrawn_at timestamp with time zone,
    accepted_at timestamp with time zone,
    account uuid,
    given text[] DEFAULT '{}'::text[] NOT NULL,
    tried_at timestamp with time zone,
    granted_at timestamp with time zone,
    gave_way uuid,
    gave_way_tried_at timestamp with time zone,
    gave_way_ended_at timestamp with time zone,
    CONSTRAINT invitations_email_folded CHECK ((email = lower(email))),
    CONSTRAINT invitations_email_size CHECK (((octet_length(email) >= 3) AND (octet_length(email) <= 128))),
    CONSTRAINT invitations_language_known CHECK ((language = ANY (ARRAY['en'::text, 'id'::text, 'ar'::text]))),
    CONSTRAINT invitations_one_end CHECK (((withdrawn_at IS NULL) OR (accepted_at IS NULL))),
    CONSTRAINT invitations_token_size CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE identity.invitations OWNER TO owner;

COMMENT ON COLUMN identity.invitations.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE identity.letters (
    id bigint NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    account uuid,
    invitation uuid,
    language text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    given_up_at timestamp with time zone,
    problem text,
    CONSTRAINT letters_detail_size CHECK ((octet_length(detail) <= 500)),
    CONSTRAINT letters_language_known CHECK ((language = ANY (ARRAY['en'::text, 'id'::text, 'ar'::text]))),
    CONSTRAINT letters_recipient_size CHECK (((octet_length(recipient) >= 3) AND (octet_length(recipient) <= 128)))
);

ALTER TABLE identity.letters OWNER TO owner;

ALTER TABLE identity.letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME identity.letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE identity.passkeys (
    credential bytea NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account uuid NOT NULL,
    name text NOT NULL,
    public_key bytea NOT NULL,
    party text NOT NULL,
    uses bigint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT passkeys_credential_size CHECK (((octet_length(credential) >= 1) AND (octet_length(credential) <= 1023))),
    CONSTRAINT passkeys_key_size CHECK (((octet_length(public_key) >= 1) AND (octet_length(public_key) <= 4096))),
    CONSTRAINT passkeys_name_size CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200)))
);

ALTER TABLE identity.passkeys OWNER TO owner;

COMMENT ON COLUMN identity.passkeys.credential IS 'amanah: clear. The name of a key, which every ceremony sends to the browser.';

COMMENT ON COLUMN identity.passkeys.public_key IS 'amanah: clear. It verifies signatures, and makes none.';

CREATE TABLE identity.pending (
    token_sha256 bytea NOT NULL,
    account uuid NOT NULL,
    epoch integer NOT NULL,
    reached smallint NOT NULL,
    tries smallint DEFAULT 0 NOT NULL,
    made_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT pending_reached CHECK (((reached >= 1) AND (reached <= 2))),
    CONSTRAINT pending_token_size CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE identity.pending OWNER TO owner;

COMMENT ON COLUMN identity.pending.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE identity.recovery_codes (
    account uuid NOT NULL,
    code_sha256 bytea NOT NULL,
    made_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_codes_size CHECK ((octet_length(code_sha256) = 32))
);

ALTER TABLE identity.recovery_codes OWNER TO owner;

COMMENT ON COLUMN identity.recovery_codes.code_sha256 IS 'amanah: hashed. SHA-256 of 80 random bits, which nobody can guess back.';

CREATE TABLE identity.refresh_tokens (
    token_sha256 bytea NOT NULL,
    family uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    successor_sealed bytea,
    CONSTRAINT refresh_tokens_size CHECK ((octet_length(token_sha256) = 32)),
    CONSTRAINT refresh_tokens_used CHECK (((used_at IS NOT NULL) OR (successor_sealed IS NULL)))
);

ALTER TABLE identity.refresh_tokens OWNER TO owner;

COMMENT ON COLUMN identity.refresh_tokens.token_sha256 IS 'amanah: hashed. SHA-256 of a token with 256 random bits, which nobody can guess back.';

COMMENT ON COLUMN identity.refresh_tokens.successor_sealed IS 'amanah: hashed. AES-256-GCM under a key derived from the used token itself, of which only the hash is here: nothing in this database opens it.';

CREATE TABLE identity.resets (
    account uuid NOT NULL,
    token_sha256 bytea NOT NULL,
    epoch integer NOT NULL,
    password_sha256 bytea NOT NULL,
    made_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT resets_token_size CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE identity.resets OWNER TO owner;

COMMENT ON COLUMN identity.resets.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

COMMENT ON COLUMN identity.resets.password_sha256 IS 'amanah: hashed. SHA-256 of the Argon2id hash that the account had.';

CREATE TABLE identity.sessions (
    token_sha256 bytea NOT NULL,
    account uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    idle_expires_at timestamp with time zone NOT NULL,
    absolute_expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    strength smallint DEFAULT 1 NOT NULL,
    authenticated_at timestamp with time zone NOT NULL,
    support uuid,
    tenant_epoch integer DEFAULT 0 NOT NULL,
    agent text DEFAULT ''::text NOT NULL,
    CONSTRAINT sessions_agent_size CHECK ((octet_length(agent) <= 64)),
    CONSTRAINT sessions_idle_inside CHECK ((idle_expires_at <= absolute_expires_at)),
    CONSTRAINT sessions_strength_known CHECK (((strength >= 1) AND (strength <= 3))),
    CONSTRAINT sessions_token_size CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE identity.sessions OWNER TO owner;

COMMENT ON COLUMN identity.sessions.token_sha256 IS 'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

COMMENT ON COLUMN identity.sessions.agent IS 'The family of the browser that opened it, for its owner to recognise it by.';

CREATE TABLE identity.tenants (
    tenant text NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    suspended_at timestamp with time zone,
    idle integer,
    absolute integer,
    CONSTRAINT tenants_absolute_sane CHECK ((absolute >= 60)),
    CONSTRAINT tenants_idle_sane CHECK ((idle >= 60)),
    CONSTRAINT tenants_tenant_size CHECK (((octet_length(tenant) >= 1) AND (octet_length(tenant) <= 128)))
);

ALTER TABLE identity.tenants OWNER TO owner;

COMMENT ON TABLE identity.tenants IS 'What holds for all sessions of a tenant''s people. A tenant without a row has the limits of the house.';

COMMENT ON COLUMN identity.tenants.epoch IS 'Whatever was given out under another number is over.';

CREATE TABLE identity.totp (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account uuid NOT NULL,
    seed_sealed text NOT NULL,
    last_step bigint DEFAULT 0 NOT NULL,
    made_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    asked_by text,
    CONSTRAINT totp_asked_by_size CHECK ((octet_length(asked_by) = ANY (ARRAY[36, 64]))),
    CONSTRAINT totp_seed_size CHECK (((octet_length(seed_sealed) >= 1) AND (octet_length(seed_sealed) <= 4096))),
    CONSTRAINT totp_waits_for_somebody CHECK (((asked_by IS NULL) = (confirmed_at IS NOT NULL)))
);

ALTER TABLE identity.totp OWNER TO owner;

COMMENT ON COLUMN identity.totp.seed_sealed IS 'amanah: sealed. Under a key of the account''s tenant; see docs/identity.md.';

CREATE TABLE keys.ring_heads (
    id bigint NOT NULL,
    generation bigint NOT NULL,
    installation text NOT NULL,
    public_key text NOT NULL,
    digest text NOT NULL,
    signature text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ring_heads_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT ring_heads_generation_check CHECK ((generation > 0)),
    CONSTRAINT ring_heads_installation_check CHECK (((octet_length(installation) >= 1) AND (octet_length(installation) <= 256))),
    CONSTRAINT ring_heads_public_key_check CHECK ((public_key ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT ring_heads_signature_check CHECK ((signature ~ '^[0-9a-f]{128}$'::text))
);

ALTER TABLE keys.ring_heads OWNER TO owner;

COMMENT ON TABLE keys.ring_heads IS 'Every generation of the key ring that was seen, signed. Append-only; the newest is the floor.';

ALTER TABLE keys.ring_heads ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME keys.ring_heads_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE keys.secrets (
    name text NOT NULL,
    tenant text NOT NULL,
    sealed text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT secrets_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT secrets_sealed_check CHECK ((sealed ~ '^amanah:v[0-9]{1,10}:[A-Za-z0-9+/=]+$'::text)),
    CONSTRAINT secrets_tenant_check CHECK ((octet_length(tenant) <= 128))
);

ALTER TABLE keys.secrets OWNER TO owner;

COMMENT ON TABLE keys.secrets IS 'What Amanah itself must be able to read again, sealed by the ring, which lies elsewhere.';

COMMENT ON COLUMN keys.secrets.sealed IS 'amanah: sealed. Held to that by the proof of rest.fields.';

CREATE TABLE keys.tombstones (
    id bigint NOT NULL,
    tenant text NOT NULL,
    ids text[] NOT NULL,
    at text NOT NULL,
    signature text NOT NULL,
    CONSTRAINT tombstones_at_check CHECK ((at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}Z$'::text)),
    CONSTRAINT tombstones_ids_check CHECK ((array_position(ids, NULL::text) IS NULL)),
    CONSTRAINT tombstones_signature_check CHECK ((signature ~ '^[0-9a-f]{128}$'::text)),
    CONSTRAINT tombstones_tenant_check CHECK ((octet_length(tenant) <= 128))
);

ALTER TABLE keys.tombstones OWNER TO owner;

COMMENT ON TABLE keys.tombstones IS 'What was destroyed on purpose, signed. Append-only: applied to whatever ring is opened.';

ALTER TABLE keys.tombstones ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME keys.tombstones_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tenancy.cells (
    name text NOT NULL,
    state text NOT NULL,
    capacity bigint,
    server text,
    added_at timestamp with time zone NOT NULL,
    mark text,
    bitten_at timestamp with time zone,
    CONSTRAINT cells_capacity_check CHECK ((capacity > 0)),
    CONSTRAINT cells_name_check CHECK ((name ~ '^[a-z][a-z0-9-]{0,30}$'::text)),
    CONSTRAINT cells_state_check CHECK ((state = ANY (ARRAY['making'::text, 'open'::text, 'draining'::text])))
);

ALTER TABLE tenancy.cells OWNER TO owner;

COMMENT ON TABLE tenancy.cells IS 'PostgreSQL clusters that hold tenants. `home` is the one of the installation.';

CREATE TABLE tenancy.erasing (
    id text NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    bytes bigint NOT NULL,
    logins bigint NOT NULL,
    gone jsonb NOT NULL
);

ALTER TABLE tenancy.erasing OWNER TO owner;

COMMENT ON TABLE tenancy.erasing IS 'What there was of a tenant that is being erased, so that beginning again counts the same.';

CREATE TABLE tenancy.erasures (
    tenant_sha256 bytea NOT NULL,
    place text NOT NULL,
    erased_at timestamp with time zone NOT NULL,
    bytes bigint NOT NULL,
    keys bigint NOT NULL,
    certificate text,
    last boolean DEFAULT true NOT NULL,
    CONSTRAINT erasures_certificate_check CHECK ((octet_length(certificate) <= 4194304)),
    CONSTRAINT erasures_tenant_sha256_check CHECK ((octet_length(tenant_sha256) = 32))
);

ALTER TABLE tenancy.erasures OWNER TO owner;

COMMENT ON TABLE tenancy.erasures IS 'That a tenant was erased, and when. Nobody who runs the engine can change it.';

COMMENT ON COLUMN tenancy.erasures.last IS 'Whether it was the last of the tenant, so that its keys, files and place on Redis went with it.';

CREATE TABLE tenancy.leftovers (
    cell text NOT NULL,
    place text NOT NULL,
    due timestamp with time zone NOT NULL,
    CONSTRAINT leftovers_place_check CHECK ((place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'::text))
);

ALTER TABLE tenancy.leftovers OWNER TO owner;

COMMENT ON TABLE tenancy.leftovers IS 'Copies of tenants'' databases that do not count: moves made them, or left them behind.';

CREATE TABLE tenancy.losses (
    cell text NOT NULL,
    server text,
    place text NOT NULL,
    tenant text,
    tenant_sha256 bytea,
    was text NOT NULL,
    schema_version text,
    erasing jsonb,
    lost_at timestamp with time zone NOT NULL,
    lost_by text NOT NULL,
    silence text NOT NULL,
    CONSTRAINT losses_place_check CHECK ((place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'::text)),
    CONSTRAINT losses_tenant_sha256_check CHECK ((octet_length(tenant_sha256) = 32)),
    CONSTRAINT losses_was_check CHECK ((was = ANY (ARRAY['making'::text, 'active'::text, 'suspended'::text, 'erasing'::text, 'copy'::text])))
);

ALTER TABLE tenancy.losses OWNER TO owner;

COMMENT ON TABLE tenancy.losses IS 'Databases that lay on a server which is gone. They were not erased. Nobody changes it.';

CREATE TABLE tenancy.made_files (
    id text NOT NULL,
    place text NOT NULL,
    etag text NOT NULL,
    name bytea NOT NULL,
    CONSTRAINT made_files_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 128)))
);

ALTER TABLE tenancy.made_files OWNER TO owner;

COMMENT ON TABLE tenancy.made_files IS 'Files that imports have made which have not come to their end.';

CREATE TABLE tenancy.passages (
    id text NOT NULL,
    database text NOT NULL,
    way text NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    noted jsonb NOT NULL,
    CONSTRAINT passages_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 128))),
    CONSTRAINT passages_way_check CHECK ((way = ANY (ARRAY['in'::text, 'out'::text])))
);

ALTER TABLE tenancy.passages OWNER TO owner;

COMMENT ON TABLE tenancy.passages IS 'Tenants that are being imported into a shared database or erased from one.';

CREATE TABLE tenancy.tenants (
    id text NOT NULL,
    place text NOT NULL,
    state text NOT NULL,
    canary boolean NOT NULL,
    schema_version text,
    made_at timestamp with time zone NOT NULL,
    cell text NOT NULL,
    target text,
    before text,
    CONSTRAINT tenants_before_check CHECK ((before = ANY (ARRAY['active'::text, 'suspended'::text]))),
    CONSTRAINT tenants_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 128))),
    CONSTRAINT tenants_moving_check CHECK ((((state = 'moving'::text) = (target IS NOT NULL)) AND ((state = 'moving'::text) = (before IS NOT NULL)))),
    CONSTRAINT tenants_place_check CHECK ((place ~ '^amt_[0-9a-f]{8}_[0-9a-f]{16}$'::text)),
    CONSTRAINT tenants_state_check CHECK ((state = ANY (ARRAY['making'::text, 'active'::text, 'suspended'::text, 'moving'::text, 'erasing'::text])))
);

ALTER TABLE tenancy.tenants OWNER TO owner;

COMMENT ON TABLE tenancy.tenants IS 'Tenants with a database of their own. Written by commands, read by the proofs.';

ALTER TABLE ONLY access.attack_switches
    ADD CONSTRAINT attack_switches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.bait_hits
    ADD CONSTRAINT bait_hits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.lineage
    ADD CONSTRAINT lineage_pkey PRIMARY KEY (one);

ALTER TABLE ONLY access.permissions
    ADD CONSTRAINT permissions_name_key UNIQUE (name);

ALTER TABLE ONLY access.permissions
    ADD CONSTRAINT permissions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.review_rows
    ADD CONSTRAINT review_rows_pkey PRIMARY KEY (review, n);

ALTER TABLE ONLY access.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.role_changes
    ADD CONSTRAINT role_changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.role_parents
    ADD CONSTRAINT role_parents_pkey PRIMARY KEY (role, parent);

ALTER TABLE ONLY access.role_permissions
    ADD CONSTRAINT role_permissions_pkey PRIMARY KEY (role, permission);

ALTER TABLE ONLY access.roles
    ADD CONSTRAINT roles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.support_grants
    ADD CONSTRAINT support_grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.support_uses
    ADD CONSTRAINT support_uses_pkey PRIMARY KEY (id);

ALTER TABLE ONLY access.uses
    ADD CONSTRAINT uses_pkey PRIMARY KEY (account, tenant, permission);

ALTER TABLE ONLY access.watch
    ADD CONSTRAINT watch_pkey PRIMARY KEY (one);

ALTER TABLE ONLY amanah.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (room, name);

ALTER TABLE ONLY cache.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (login);

ALTER TABLE ONLY cache.places
    ADD CONSTRAINT places_pkey PRIMARY KEY (place);

ALTER TABLE ONLY cache.places
    ADD CONSTRAINT places_tenant_key UNIQUE (tenant);

ALTER TABLE ONLY claims.attestation
    ADD CONSTRAINT attestation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY claims.proof
    ADD CONSTRAINT proof_pkey PRIMARY KEY (id);

ALTER TABLE ONLY compared.differences
    ADD CONSTRAINT differences_pkey PRIMARY KEY (id);

ALTER TABLE ONLY compared.differences
    ADD CONSTRAINT differences_system_database_lsn_kind_table_schema_table_nam_key UNIQUE (system, database, lsn, kind, table_schema, table_name, action);

ALTER TABLE ONLY compared.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (system, database, table_schema, table_name);

ALTER TABLE ONLY compared.slots
    ADD CONSTRAINT slots_pkey PRIMARY KEY (system, database);

ALTER TABLE ONLY compared.tables
    ADD CONSTRAINT tables_pkey PRIMARY KEY (system, database, table_schema, table_name);

ALTER TABLE ONLY directory.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.groups
    ADD CONSTRAINT groups_tenant_id_key UNIQUE (tenant, id);

ALTER TABLE ONLY directory.mappings
    ADD CONSTRAINT mappings_pkey PRIMARY KEY (group_id, role);

ALTER TABLE ONLY directory.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (group_id, user_id);

ALTER TABLE ONLY directory.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.tokens
    ADD CONSTRAINT tokens_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY directory.users
    ADD CONSTRAINT users_account_key UNIQUE (account);

ALTER TABLE ONLY directory.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY directory.users
    ADD CONSTRAINT users_tenant_id_key UNIQUE (tenant, id);

ALTER TABLE ONLY erasing.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY erasing.contents
    ADD CONSTRAINT contents_pkey PRIMARY KEY (request, id, xid);

ALTER TABLE ONLY erasing.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY files.files
    ADD CONSTRAINT files_object_key UNIQUE (object);

ALTER TABLE ONLY files.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (tenant, name);

ALTER TABLE ONLY files.keeper
    ADD CONSTRAINT keeper_pkey PRIMARY KEY (single);

ALTER TABLE ONLY files.loose
    ADD CONSTRAINT loose_pkey PRIMARY KEY (object);

ALTER TABLE ONLY files.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY files.tenants
    ADD CONSTRAINT tenants_prefix_key UNIQUE (prefix);

ALTER TABLE ONLY identity.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_key_sha256_key UNIQUE (key_sha256);

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.browsers
    ADD CONSTRAINT browsers_pkey PRIMARY KEY (account, token_sha256);

ALTER TABLE ONLY identity.challenges
    ADD CONSTRAINT challenges_pkey PRIMARY KEY (challenge);

ALTER TABLE ONLY identity.families
    ADD CONSTRAINT families_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.guesses
    ADD CONSTRAINT guesses_pkey PRIMARY KEY (account);

ALTER TABLE ONLY identity.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.invitations
    ADD CONSTRAINT invitations_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY identity.letters
    ADD CONSTRAINT letters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.passkeys
    ADD CONSTRAINT passkeys_id_key UNIQUE (id);

ALTER TABLE ONLY identity.passkeys
    ADD CONSTRAINT passkeys_pkey PRIMARY KEY (credential);

ALTER TABLE ONLY identity.pending
    ADD CONSTRAINT pending_pkey PRIMARY KEY (token_sha256);

ALTER TABLE ONLY identity.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (account, code_sha256);

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_sha256);

ALTER TABLE ONLY identity.resets
    ADD CONSTRAINT resets_pkey PRIMARY KEY (account);

ALTER TABLE ONLY identity.resets
    ADD CONSTRAINT resets_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY identity.sessions
    ADD CONSTRAINT sessions_id UNIQUE (id);

ALTER TABLE ONLY identity.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (token_sha256);

ALTER TABLE ONLY identity.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY identity.totp
    ADD CONSTRAINT totp_pkey PRIMARY KEY (id);

ALTER TABLE ONLY keys.ring_heads
    ADD CONSTRAINT ring_heads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY keys.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (tenant, name);

ALTER TABLE ONLY keys.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tenancy.cells
    ADD CONSTRAINT cells_mark_key UNIQUE (mark);

ALTER TABLE ONLY tenancy.cells
    ADD CONSTRAINT cells_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tenancy.cells
    ADD CONSTRAINT cells_server_key UNIQUE (server);

ALTER TABLE ONLY tenancy.erasing
    ADD CONSTRAINT erasing_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tenancy.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (tenant_sha256, erased_at);

ALTER TABLE ONLY tenancy.leftovers
    ADD CONSTRAINT leftovers_pkey PRIMARY KEY (cell, place);

ALTER TABLE ONLY tenancy.losses
    ADD CONSTRAINT losses_pkey PRIMARY KEY (place, cell, lost_at);

ALTER TABLE ONLY tenancy.made_files
    ADD CONSTRAINT made_files_pkey PRIMARY KEY (id, place, etag);

ALTER TABLE ONLY tenancy.passages
    ADD CONSTRAINT passages_pkey PRIMARY KEY (id, database);

ALTER TABLE ONLY tenancy.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tenancy.tenants
    ADD CONSTRAINT tenants_place_key UNIQUE (place);

CREATE INDEX attack_switches_at ON access.attack_switches USING btree (at);

CREATE INDEX bait_hits_at ON access.bait_hits USING btree (at);

CREATE INDEX bait_hits_source ON access.bait_hits USING btree (source, at);

CREATE UNIQUE INDEX grants_live ON access.grants USING btree (account, tenant, role) WHERE (revoked_at IS NULL);

CREATE UNIQUE INDEX grants_once ON access.grants USING btree (once) WHERE (once IS NOT NULL);

CREATE INDEX grants_tenant ON access.grants USING btree (tenant, role) WHERE (revoked_at IS NULL);

CREATE UNIQUE INDEX reviews_one_open ON access.reviews USING btree (tenant) WHERE ((closed_at IS NULL) AND (abandoned_at IS NULL));

CREATE INDEX reviews_tenant ON access.reviews USING btree (tenant, started_at);

CREATE INDEX role_changes_role ON access.role_changes USING btree (role, id);

CREATE UNIQUE INDEX roles_name ON access.roles USING btree (COALESCE(tenant, ''::text), translate(lower(name), '01i35 -'::text, 'olles'::text));

CREATE INDEX support_grants_asker ON access.support_grants USING btree (asked_by, asked_at);

CREATE INDEX support_grants_tenant ON access.support_grants USING btree (tenant, asked_at);

CREATE INDEX support_uses_grant ON access.support_uses USING btree (support_grant, id);

CREATE INDEX leases_place ON cache.leases USING btree (place);

CREATE INDEX leases_until ON cache.leases USING btree (until);

CREATE INDEX attestation_of ON claims.attestation USING btree (claim, id);

CREATE INDEX proof_latest ON claims.proof USING btree (claim, params, kind, received_at DESC, id DESC);

CREATE INDEX differences_open ON compared.differences USING btree (system, database) WHERE (explained_at IS NULL);

CREATE INDEX events_tenant ON directory.events USING btree (tenant, id);

CREATE UNIQUE INDEX groups_name ON directory.groups USING btree (tenant, lower(name));

CREATE INDEX groups_order ON directory.groups USING btree (tenant, created_at, id);

CREATE INDEX members_user ON directory.members USING btree (user_id);

CREATE INDEX tokens_tenant ON directory.tokens USING btree (tenant, made_at);

CREATE INDEX users_external ON directory.users USING btree (tenant, external_id);

CREATE INDEX users_order ON directory.users USING btree (tenant, created_at, id);

CREATE UNIQUE INDEX users_user_name ON directory.users USING btree (tenant, lower(user_name));

CREATE INDEX attempts_of ON erasing.attempts USING btree (system, database, ended);

CREATE INDEX contents_waiting ON erasing.contents USING btree (request) WHERE ((entry IS NULL) AND (refused IS NULL));

CREATE INDEX requests_open ON erasing.requests USING btree (log) WHERE (finished_at IS NULL);

CREATE INDEX loose_by_tenant ON files.loose USING btree (tenant);

CREATE UNIQUE INDEX accounts_email ON identity.accounts USING btree (lower(email));

CREATE INDEX accounts_owner ON identity.accounts USING btree (owner) WHERE (owner IS NOT NULL);

CREATE INDEX api_keys_account ON identity.api_keys USING btree (account, created_at);

CREATE INDEX challenges_account ON identity.challenges USING btree (account, asked_by, expires_at);

CREATE INDEX families_account ON identity.families USING btree (account, created_at);

CREATE INDEX families_session ON identity.families USING btree (session) WHERE (revoked_at IS NULL);

CREATE INDEX invitations_email ON identity.invitations USING btree (email, invited_at);

CREATE INDEX invitations_gave_way ON identity.invitations USING btree (accepted_at) WHERE ((gave_way IS NOT NULL) AND (gave_way_ended_at IS NULL));

CREATE INDEX invitations_tenant ON identity.invitations USING btree (tenant, invited_at);

CREATE INDEX invitations_ungranted ON identity.invitations USING btree (accepted_at) WHERE ((accepted_at IS NOT NULL) AND (granted_at IS NULL));

CREATE INDEX letters_account ON identity.letters USING btree (account, kind, queued_at) WHERE (account IS NOT NULL);

CREATE INDEX letters_due ON identity.letters USING btree (due_at) WHERE ((sent_at IS NULL) AND (given_up_at IS NULL));

CREATE INDEX letters_recipient ON identity.letters USING btree (recipient, kind, sent_at);

CREATE INDEX passkeys_account ON identity.passkeys USING btree (account, made_at);

CREATE INDEX pending_account ON identity.pending USING btree (account);

CREATE INDEX pending_over ON identity.pending USING btree (expires_at);

CREATE INDEX refresh_tokens_family ON identity.refresh_tokens USING btree (family, used_at);

CREATE INDEX sessions_account ON identity.sessions USING btree (account, created_at);

CREATE UNIQUE INDEX totp_confirmed ON identity.totp USING btree (account) WHERE (confirmed_at IS NOT NULL);

CREATE UNIQUE INDEX totp_waiting ON identity.totp USING btree (account, asked_by) WHERE (confirmed_at IS NULL);

CREATE INDEX ring_heads_newest ON keys.ring_heads USING btree (public_key, generation DESC);

CREATE INDEX losses_of ON tenancy.losses USING btree (tenant);

CREATE TRIGGER attack_switches_kept BEFORE DELETE OR UPDATE ON access.attack_switches FOR EACH ROW EXECUTE FUNCTION access.keep_attack_switch();

CREATE TRIGGER attack_switches_not_emptied BEFORE TRUNCATE ON access.attack_switches FOR EACH STATEMENT EXECUTE FUNCTION access.keep_attack_switch();

CREATE TRIGGER bait_hits_kept BEFORE DELETE OR UPDATE ON access.bait_hits FOR EACH ROW EXECUTE FUNCTION access.keep_bait_hit();

CREATE TRIGGER bait_hits_not_emptied BEFORE TRUNCATE ON access.bait_hits FOR EACH STATEMENT EXECUTE FUNCTION access.keep_bait_hit();

CREATE TRIGGER grants_checked BEFORE INSERT ON access.grants FOR EACH ROW EXECUTE FUNCTION access.check_grant();

CREATE TRIGGER grants_kept BEFORE DELETE OR UPDATE ON access.grants FOR EACH ROW EXECUTE FUNCTION access.keep_grants();

CREATE TRIGGER grants_marked BEFORE INSERT ON access.grants FOR EACH ROW EXECUTE FUNCTION access.mark_grant();

CREATE TRIGGER grants_not_emptied BEFORE TRUNCATE ON access.grants FOR EACH STATEMENT EXECUTE FUNCTION access.keep_grants();

CREATE TRIGGER grants_once_kept BEFORE UPDATE ON access.grants FOR EACH ROW WHEN ((new.once IS DISTINCT FROM old.once)) EXECUTE FUNCTION access.keep_once();

CREATE TRIGGER grants_told AFTER INSERT OR UPDATE ON access.grants FOR EACH ROW EXECUTE FUNCTION access.tell_account();

CREATE TRIGGER permissions_told AFTER DELETE OR UPDATE OR TRUNCATE ON access.permissions FOR EACH STATEMENT EXECUTE FUNCTION access.tell_all();

CREATE TRIGGER review_rows_kept BEFORE INSERT OR DELETE OR UPDATE ON access.review_rows FOR EACH ROW EXECUTE FUNCTION access.keep_review_row();

CREATE TRIGGER review_rows_not_emptied BEFORE TRUNCATE ON access.review_rows FOR EACH STATEMENT EXECUTE FUNCTION access.keep_review_row();

CREATE TRIGGER reviews_kept BEFORE DELETE OR UPDATE ON access.reviews FOR EACH ROW EXECUTE FUNCTION access.keep_review();

CREATE TRIGGER reviews_not_emptied BEFORE TRUNCATE ON access.reviews FOR EACH STATEMENT EXECUTE FUNCTION access.keep_review();

CREATE TRIGGER role_changes_kept BEFORE DELETE OR UPDATE ON access.role_changes FOR EACH ROW EXECUTE FUNCTION access.keep_role_changes();

CREATE TRIGGER role_changes_not_emptied BEFORE TRUNCATE ON access.role_changes FOR EACH STATEMENT EXECUTE FUNCTION access.keep_role_changes();

CREATE TRIGGER role_parents_checked BEFORE INSERT OR UPDATE ON access.role_parents FOR EACH ROW EXECUTE FUNCTION access.check_parent();

CREATE TRIGGER role_parents_told AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON access.role_parents FOR EACH STATEMENT EXECUTE FUNCTION access.tell_all();

CREATE TRIGGER role_permissions_told AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON access.role_permissions FOR EACH STATEMENT EXECUTE FUNCTION access.tell_all();

CREATE TRIGGER roles_checked BEFORE INSERT OR UPDATE ON access.roles FOR EACH ROW EXECUTE FUNCTION access.check_role();

CREATE TRIGGER roles_told AFTER DELETE OR UPDATE OR TRUNCATE ON access.roles FOR EACH STATEMENT EXECUTE FUNCTION access.tell_all();

CREATE TRIGGER support_kept BEFORE INSERT OR UPDATE ON access.support_grants FOR EACH ROW EXECUTE FUNCTION access.keep_support();

CREATE TRIGGER support_mark_kept BEFORE UPDATE ON access.support_grants FOR EACH ROW WHEN ((new.synthetic <> old.synthetic)) EXECUTE FUNCTION access.keep_support_mark();

CREATE TRIGGER support_marked BEFORE INSERT ON access.support_grants FOR EACH ROW EXECUTE FUNCTION access.mark_support();

CREATE TRIGGER support_not_emptied BEFORE TRUNCATE ON access.support_grants FOR EACH STATEMENT EXECUTE FUNCTION access.keep_support();

CREATE TRIGGER support_not_removed BEFORE DELETE ON access.support_grants FOR EACH ROW EXECUTE FUNCTION access.keep_support_ended();

CREATE TRIGGER support_told AFTER INSERT OR UPDATE ON access.support_grants FOR EACH ROW EXECUTE FUNCTION access.tell_asker();

CREATE TRIGGER support_uses_kept BEFORE INSERT OR UPDATE ON access.support_uses FOR EACH ROW EXECUTE FUNCTION access.keep_support_use();

CREATE TRIGGER support_uses_not_emptied BEFORE TRUNCATE ON access.support_uses FOR EACH STATEMENT EXECUTE FUNCTION access.keep_support_use();

CREATE TRIGGER support_uses_not_removed BEFORE DELETE ON access.support_uses FOR EACH ROW EXECUTE FUNCTION access.keep_support_uses();

CREATE TRIGGER attestation_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON claims.attestation FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_attestation_change();

ALTER TABLE claims.attestation ENABLE ALWAYS TRIGGER attestation_append_only;

CREATE TRIGGER attestation_stamp BEFORE INSERT ON claims.attestation FOR EACH ROW EXECUTE FUNCTION claims.stamp();

ALTER TABLE claims.attestation ENABLE ALWAYS TRIGGER attestation_stamp;

CREATE TRIGGER proof_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON claims.proof FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_change();

ALTER TABLE claims.proof ENABLE ALWAYS TRIGGER proof_append_only;

CREATE TRIGGER proof_stamp BEFORE INSERT ON claims.proof FOR EACH ROW EXECUTE FUNCTION claims.stamp();

ALTER TABLE claims.proof ENABLE ALWAYS TRIGGER proof_stamp;

CREATE TRIGGER events_kept BEFORE DELETE OR UPDATE ON directory.events FOR EACH ROW EXECUTE FUNCTION directory.keep_events();

ALTER TABLE directory.events ENABLE ALWAYS TRIGGER events_kept;

CREATE TRIGGER events_not_emptied BEFORE TRUNCATE ON directory.events FOR EACH STATEMENT EXECUTE FUNCTION directory.keep_events();

ALTER TABLE directory.events ENABLE ALWAYS TRIGGER events_not_emptied;

CREATE TRIGGER tokens_only_sooner BEFORE UPDATE ON directory.tokens FOR EACH ROW EXECUTE FUNCTION directory.only_sooner();

ALTER TABLE directory.tokens ENABLE ALWAYS TRIGGER tokens_only_sooner;

CREATE TRIGGER accounts_kept_closed BEFORE UPDATE OF disabled_at ON identity.accounts FOR EACH ROW WHEN (((old.disabled_at IS NOT NULL) AND (new.disabled_at IS DISTINCT FROM old.disabled_at))) EXECUTE FUNCTION identity.keep_closed();

CREATE TRIGGER accounts_kept_whose BEFORE UPDATE OF closed_by_directory ON identity.accounts FOR EACH ROW WHEN ((new.closed_by_directory AND (NOT old.closed_by_directory) AND (old.disabled_at IS NOT NULL))) EXECUTE FUNCTION identity.keep_whose_close();

CREATE TRIGGER api_keys_gone AFTER DELETE ON identity.api_keys FOR EACH ROW EXECUTE FUNCTION identity.tell_owner();

ALTER TABLE identity.api_keys ENABLE ALWAYS TRIGGER api_keys_gone;

CREATE TRIGGER api_keys_told AFTER UPDATE ON identity.api_keys FOR EACH ROW WHEN (((old.revoked_at IS DISTINCT FROM new.revoked_at) OR (old.expires_at IS DISTINCT FROM new.expires_at) OR (old.scopes IS DISTINCT FROM new.scopes) OR (old.epoch IS DISTINCT FROM new.epoch))) EXECUTE FUNCTION identity.tell_owner();

ALTER TABLE identity.api_keys ENABLE ALWAYS TRIGGER api_keys_told;

CREATE TRIGGER families_gone AFTER DELETE ON identity.families FOR EACH ROW EXECUTE FUNCTION identity.tell_owner();

ALTER TABLE identity.families ENABLE ALWAYS TRIGGER families_gone;

CREATE TRIGGER families_told AFTER UPDATE ON identity.families FOR EACH ROW WHEN (((old.revoked_at IS DISTINCT FROM new.revoked_at) OR (old.epoch IS DISTINCT FROM new.epoch) OR (new.idle_expires_at < old.idle_expires_at) OR (new.absolute_expires_at < old.absolute_expires_at))) EXECUTE FUNCTION identity.tell_owner();

ALTER TABLE identity.families ENABLE ALWAYS TRIGGER families_told;

CREATE TRIGGER only_sooner BEFORE UPDATE OF absolute_expires_at, revoked_at ON identity.sessions FOR EACH ROW EXECUTE FUNCTION identity.only_sooner();

ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER only_sooner;

CREATE TRIGGER sessions_end_families AFTER UPDATE OF revoked_at ON identity.sessions FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL))) EXECUTE FUNCTION identity.end_families();

ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER sessions_end_families;

CREATE TRIGGER tell_changed AFTER UPDATE ON identity.accounts FOR EACH ROW WHEN (((old.epoch IS DISTINCT FROM new.epoch) OR (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.tenant IS DISTINCT FROM new.tenant) OR (old.email IS DISTINCT FROM new.email) OR (old.display_name IS DISTINCT FROM new.display_name) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION identity.tell_account();

ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_changed;

CREATE TRIGGER tell_changed AFTER UPDATE ON identity.sessions FOR EACH ROW WHEN (((old.revoked_at IS DISTINCT FROM new.revoked_at) OR (old.epoch IS DISTINCT FROM new.epoch) OR (old.tenant_epoch IS DISTINCT FROM new.tenant_epoch) OR (old.account IS DISTINCT FROM new.account) OR (old.token_sha256 IS DISTINCT FROM new.token_sha256) OR (old.strength IS DISTINCT FROM new.strength) OR (old.support IS DISTINCT FROM new.support) OR (old.authenticated_at IS DISTINCT FROM new.authenticated_at) OR (new.created_at < old.created_at) OR (new.last_seen_at < old.last_seen_at) OR (new.idle_expires_at < old.idle_expires_at) OR (new.absolute_expires_at < old.absolute_expires_at))) EXECUTE FUNCTION identity.tell_session();

ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_changed;

CREATE TRIGGER tell_changed AFTER INSERT OR DELETE OR UPDATE ON identity.tenants FOR EACH ROW EXECUTE FUNCTION identity.tell_tenant();

ALTER TABLE identity.tenants ENABLE ALWAYS TRIGGER tell_changed;

CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.accounts FOR EACH STATEMENT EXECUTE FUNCTION identity.tell_all();

ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_emptied;

CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.sessions FOR EACH STATEMENT EXECUTE FUNCTION identity.tell_all();

ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_emptied;

CREATE TRIGGER tell_emptied AFTER TRUNCATE ON identity.tenants FOR EACH STATEMENT EXECUTE FUNCTION identity.tell_all();

ALTER TABLE identity.tenants ENABLE ALWAYS TRIGGER tell_emptied;

CREATE TRIGGER tell_gone AFTER DELETE ON identity.accounts FOR EACH ROW EXECUTE FUNCTION identity.tell_account();

ALTER TABLE identity.accounts ENABLE ALWAYS TRIGGER tell_gone;

CREATE TRIGGER tell_gone AFTER DELETE ON identity.sessions FOR EACH ROW WHEN ((old.revoked_at IS NULL)) EXECUTE FUNCTION identity.tell_session();

ALTER TABLE identity.sessions ENABLE ALWAYS TRIGGER tell_gone;

CREATE TRIGGER ring_heads_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON keys.ring_heads FOR EACH STATEMENT EXECUTE FUNCTION keys.refuse_change();

ALTER TABLE keys.ring_heads ENABLE ALWAYS TRIGGER ring_heads_append_only;

CREATE TRIGGER tombstones_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON keys.tombstones FOR EACH STATEMENT EXECUTE FUNCTION keys.refuse_change();

ALTER TABLE keys.tombstones ENABLE ALWAYS TRIGGER tombstones_append_only;

CREATE TRIGGER erasures_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tenancy.erasures FOR EACH STATEMENT EXECUTE FUNCTION tenancy.refuse_change();

ALTER TABLE tenancy.erasures ENABLE ALWAYS TRIGGER erasures_append_only;

CREATE TRIGGER losses_append_only BEFORE DELETE OR UPDATE ON tenancy.losses FOR EACH ROW EXECUTE FUNCTION tenancy.keep_losses();

ALTER TABLE tenancy.losses ENABLE ALWAYS TRIGGER losses_append_only;

CREATE TRIGGER losses_not_emptied BEFORE TRUNCATE ON tenancy.losses FOR EACH STATEMENT EXECUTE FUNCTION tenancy.keep_losses();

ALTER TABLE tenancy.losses ENABLE ALWAYS TRIGGER losses_not_emptied;

ALTER TABLE ONLY access.grants
    ADD CONSTRAINT grants_role_fkey FOREIGN KEY (role) REFERENCES access.roles(id);

ALTER TABLE ONLY access.review_rows
    ADD CONSTRAINT review_rows_review_fkey FOREIGN KEY (review) REFERENCES access.reviews(id);

ALTER TABLE ONLY access.role_changes
    ADD CONSTRAINT role_changes_role_fkey FOREIGN KEY (role) REFERENCES access.roles(id);

ALTER TABLE ONLY access.role_parents
    ADD CONSTRAINT role_parents_parent_fkey FOREIGN KEY (parent) REFERENCES access.roles(id);

ALTER TABLE ONLY access.role_parents
    ADD CONSTRAINT role_parents_role_fkey FOREIGN KEY (role) REFERENCES access.roles(id);

ALTER TABLE ONLY access.role_permissions
    ADD CONSTRAINT role_permissions_permission_fkey FOREIGN KEY (permission) REFERENCES access.permissions(id);

ALTER TABLE ONLY access.role_permissions
    ADD CONSTRAINT role_permissions_role_fkey FOREIGN KEY (role) REFERENCES access.roles(id);

ALTER TABLE ONLY access.support_uses
    ADD CONSTRAINT support_uses_support_grant_fkey FOREIGN KEY (support_grant) REFERENCES access.support_grants(id);

ALTER TABLE ONLY access.uses
    ADD CONSTRAINT uses_permission_fkey FOREIGN KEY (permission) REFERENCES access.permissions(id);

ALTER TABLE ONLY cache.leases
    ADD CONSTRAINT leases_place_fkey FOREIGN KEY (place) REFERENCES cache.places(place) ON DELETE CASCADE;

ALTER TABLE ONLY compared.names
    ADD CONSTRAINT names_system_database_fkey FOREIGN KEY (system, database) REFERENCES compared.slots(system, database) ON DELETE CASCADE;

ALTER TABLE ONLY compared.tables
    ADD CONSTRAINT tables_system_database_fkey FOREIGN KEY (system, database) REFERENCES compared.slots(system, database) ON DELETE CASCADE;

ALTER TABLE ONLY directory.mappings
    ADD CONSTRAINT mappings_tenant_group_id_fkey FOREIGN KEY (tenant, group_id) REFERENCES directory.groups(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY directory.members
    ADD CONSTRAINT members_tenant_group_id_fkey FOREIGN KEY (tenant, group_id) REFERENCES directory.groups(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY directory.members
    ADD CONSTRAINT members_tenant_user_id_fkey FOREIGN KEY (tenant, user_id) REFERENCES directory.users(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY erasing.contents
    ADD CONSTRAINT contents_request_fkey FOREIGN KEY (request) REFERENCES erasing.requests(id);

ALTER TABLE ONLY files.files
    ADD CONSTRAINT files_tenant_fkey FOREIGN KEY (tenant) REFERENCES files.tenants(tenant) ON DELETE CASCADE;

ALTER TABLE ONLY files.loose
    ADD CONSTRAINT loose_tenant_fkey FOREIGN KEY (tenant) REFERENCES files.tenants(tenant) ON DELETE CASCADE;

ALTER TABLE ONLY identity.accounts
    ADD CONSTRAINT accounts_owner_fkey FOREIGN KEY (owner) REFERENCES identity.accounts(id);

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_made_by_fkey FOREIGN KEY (made_by) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.browsers
    ADD CONSTRAINT browsers_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.challenges
    ADD CONSTRAINT challenges_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.families
    ADD CONSTRAINT families_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.guesses
    ADD CONSTRAINT guesses_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.invitations
    ADD CONSTRAINT invitations_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE SET NULL;

ALTER TABLE ONLY identity.invitations
    ADD CONSTRAINT invitations_gave_way_fkey FOREIGN KEY (gave_way) REFERENCES identity.accounts(id) ON DELETE SET NULL;

ALTER TABLE ONLY identity.invitations
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.letters
    ADD CONSTRAINT letters_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.letters
    ADD CONSTRAINT letters_invitation_fkey FOREIGN KEY (invitation) REFERENCES identity.invitations(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.passkeys
    ADD CONSTRAINT passkeys_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.pending
    ADD CONSTRAINT pending_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.recovery_codes
    ADD CONSTRAINT recovery_codes_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_family_fkey FOREIGN KEY (family) REFERENCES identity.families(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.resets
    ADD CONSTRAINT resets_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.sessions
    ADD CONSTRAINT sessions_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.totp
    ADD CONSTRAINT totp_account_fkey FOREIGN KEY (account) REFERENCES identity.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY tenancy.erasing
    ADD CONSTRAINT erasing_id_fkey FOREIGN KEY (id) REFERENCES tenancy.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY tenancy.leftovers
    ADD CONSTRAINT leftovers_cell_fkey FOREIGN KEY (cell) REFERENCES tenancy.cells(name);

ALTER TABLE ONLY tenancy.tenants
    ADD CONSTRAINT tenants_cell_fkey FOREIGN KEY (cell) REFERENCES tenancy.cells(name);

ALTER TABLE ONLY tenancy.tenants
    ADD CONSTRAINT tenants_target_fkey FOREIGN KEY (target) REFERENCES tenancy.cells(name);

ALTER TABLE access.role_parents ENABLE ROW LEVEL SECURITY;

CREATE POLICY role_parents_add ON access.role_parents FOR INSERT TO amanah_engine WITH CHECK ((EXISTS ( SELECT
   FROM access.roles r
  WHERE ((r.id = role_parents.role) AND (r.tenant IS NOT NULL)))));

CREATE POLICY role_parents_read ON access.role_parents FOR SELECT TO amanah_engine USING (true);

CREATE POLICY role_parents_remove ON access.role_parents FOR DELETE TO amanah_engine USING ((EXISTS ( SELECT
   FROM access.roles r
  WHERE ((r.id = role_parents.role) AND (r.tenant IS NOT NULL)))));

ALTER TABLE access.role_permissions ENABLE ROW LEVEL SECURITY;

CREATE POLICY role_permissions_add ON access.role_permissions FOR INSERT TO amanah_engine WITH CHECK ((EXISTS ( SELECT
   FROM access.roles r
  WHERE ((r.id = role_permissions.role) AND (r.tenant IS NOT NULL)))));

CREATE POLICY role_permissions_read ON access.role_permissions FOR SELECT TO amanah_engine USING (true);

CREATE POLICY role_permissions_remove ON access.role_permissions FOR DELETE TO amanah_engine USING ((EXISTS ( SELECT
   FROM access.roles r
  WHERE ((r.id = role_permissions.role) AND (r.tenant IS NOT NULL)))));

ALTER TABLE access.roles ENABLE ROW LEVEL SECURITY;

CREATE POLICY roles_add ON access.roles FOR INSERT TO amanah_engine WITH CHECK ((tenant IS NOT NULL));

CREATE POLICY roles_change ON access.roles FOR UPDATE TO amanah_engine USING ((tenant IS NOT NULL));

CREATE POLICY roles_read ON access.roles FOR SELECT TO amanah_engine USING (true);

ALTER TABLE files.files ENABLE ROW LEVEL SECURITY;

ALTER TABLE files.loose ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON files.files TO amanah_engine USING ((tenant = ( SELECT current_setting('amanah_files.tenant'::text, true) AS current_setting)));

CREATE POLICY one_tenant ON files.loose TO amanah_engine USING ((tenant = ( SELECT current_setting('amanah_files.tenant'::text, true) AS current_setting)));

CREATE POLICY one_tenant ON files.tenants TO amanah_engine USING ((tenant = ( SELECT current_setting('amanah_files.tenant'::text, true) AS current_setting)));

ALTER TABLE files.tenants ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA access TO amanah_engine;

GRANT USAGE ON SCHEMA claims TO amanah_engine;

GRANT USAGE ON SCHEMA directory TO amanah_engine;

GRANT USAGE ON SCHEMA files TO amanah_engine;

GRANT USAGE ON SCHEMA identity TO amanah_engine;

GRANT USAGE ON SCHEMA keys TO amanah_engine;

GRANT USAGE ON SCHEMA tenancy TO amanah_engine;

REVOKE ALL ON FUNCTION access.check_grant() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.check_parent() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_attack_switch() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_bait_hit() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_review() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_review_row() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_support() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_support_use() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.keep_support_uses() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.mark_grant() FROM PUBLIC;

REVOKE ALL ON FUNCTION access.mark_support() FROM PUBLIC;

REVOKE ALL ON FUNCTION claims.refuse_attestation_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION claims.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION claims.stamp() FROM PUBLIC;

REVOKE ALL ON FUNCTION keys.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.keep_losses() FROM PUBLIC;

REVOKE ALL ON FUNCTION tenancy.refuse_change() FROM PUBLIC;

GRANT SELECT ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(at) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(shedding) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(mode) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(why) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(strangers) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(people) ON TABLE access.attack_switches TO amanah_engine;

GRANT INSERT(lag_ms) ON TABLE access.attack_switches TO amanah_engine;

GRANT SELECT ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(at) ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(source) ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(method) ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(bait) ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(times) ON TABLE access.bait_hits TO amanah_engine;

GRANT INSERT(holder) ON TABLE access.bait_hits TO amanah_engine;

GRANT SELECT ON TABLE access.grants TO amanah_engine;

GRANT INSERT(account) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(tenant) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(role) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(granted_by) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(reason) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(granted_at) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE access.grants TO amanah_engine;

GRANT UPDATE(revoked_at) ON TABLE access.grants TO amanah_engine;

GRANT UPDATE(revoked_by) ON TABLE access.grants TO amanah_engine;

GRANT UPDATE(revoked_reason) ON TABLE access.grants TO amanah_engine;

GRANT INSERT(once) ON TABLE access.grants TO amanah_engine;

GRANT SELECT ON TABLE access.permissions TO amanah_engine;

GRANT SELECT ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(review) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(n) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(kind) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(account) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(holder) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(what) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(grant_id) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(granted_by) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(granted_at) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(last_used_at) ON TABLE access.review_rows TO amanah_engine;

GRANT INSERT(orphan) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(decision) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(decided_by) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(decided_as) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(decided_at) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(reason) ON TABLE access.review_rows TO amanah_engine;

GRANT UPDATE(verified_at) ON TABLE access.review_rows TO amanah_engine;

GRANT SELECT ON TABLE access.reviews TO amanah_engine;

GRANT INSERT(tenant) ON TABLE access.reviews TO amanah_engine;

GRANT INSERT(started_as) ON TABLE access.reviews TO amanah_engine;

GRANT INSERT(started_at) ON TABLE access.reviews TO amanah_engine;

GRANT INSERT(frozen) ON TABLE access.reviews TO amanah_engine;

GRANT INSERT(rows_sha256) ON TABLE access.reviews TO amanah_engine;

GRANT UPDATE(closed_at) ON TABLE access.reviews TO amanah_engine;

GRANT UPDATE(closed_as) ON TABLE access.reviews TO amanah_engine;

GRANT UPDATE(abandoned_at) ON TABLE access.reviews TO amanah_engine;

GRANT UPDATE(abandoned_as) ON TABLE access.reviews TO amanah_engine;

GRANT UPDATE(abandoned_why) ON TABLE access.reviews TO amanah_engine;

GRANT SELECT ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(role) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(at) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(done_by) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(what) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(title) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(factor) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(idle_seconds) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(absolute_seconds) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(permits) ON TABLE access.role_changes TO amanah_engine;

GRANT INSERT(parents) ON TABLE access.role_changes TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE access.role_parents TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE access.role_permissions TO amanah_engine;

GRANT SELECT ON TABLE access.roles TO amanah_engine;

GRANT INSERT(tenant) ON TABLE access.roles TO amanah_engine;

GRANT INSERT(name) ON TABLE access.roles TO amanah_engine;

GRANT INSERT(title),UPDATE(title) ON TABLE access.roles TO amanah_engine;

GRANT INSERT(factor),UPDATE(factor) ON TABLE access.roles TO amanah_engine;

GRANT INSERT(idle_seconds),UPDATE(idle_seconds) ON TABLE access.roles TO amanah_engine;

GRANT INSERT(absolute_seconds),UPDATE(absolute_seconds) ON TABLE access.roles TO amanah_engine;

GRANT UPDATE(retired_at) ON TABLE access.roles TO amanah_engine;

GRANT SELECT ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(tenant) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(asked_by) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(asked_as) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(ticket) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(reason) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(scope) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(hours) ON TABLE access.support_grants TO amanah_engine;

GRANT INSERT(asked_at) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(approved_by) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(approved_as) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(approved_at) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(ends_at) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(ended_at) ON TABLE access.support_grants TO amanah_engine;

GRANT UPDATE(ended_as) ON TABLE access.support_grants TO amanah_engine;

GRANT SELECT ON TABLE access.support_uses TO amanah_engine;

GRANT INSERT(support_grant) ON TABLE access.support_uses TO amanah_engine;

GRANT INSERT(at) ON TABLE access.support_uses TO amanah_engine;

GRANT INSERT(request) ON TABLE access.support_uses TO amanah_engine;

GRANT INSERT(method) ON TABLE access.support_uses TO amanah_engine;

GRANT INSERT(path) ON TABLE access.support_uses TO amanah_engine;

GRANT SELECT ON TABLE access.uses TO amanah_engine;

GRANT INSERT(account) ON TABLE access.uses TO amanah_engine;

GRANT INSERT(tenant) ON TABLE access.uses TO amanah_engine;

GRANT INSERT(permission) ON TABLE access.uses TO amanah_engine;

GRANT INSERT(last_used_at),UPDATE(last_used_at) ON TABLE access.uses TO amanah_engine;

GRANT SELECT ON TABLE access.watch TO amanah_engine;

GRANT INSERT(since) ON TABLE access.watch TO amanah_engine;

GRANT SELECT ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(claim) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(subject) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(statement) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(digest) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(document) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(attested_by) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(attested_at) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE claims.attestation TO amanah_engine;

GRANT INSERT(signature) ON TABLE claims.attestation TO amanah_engine;

GRANT SELECT ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(claim) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(params) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(kind) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(outcome) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(population_checked) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(population_total) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(population_of) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(measured) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(threshold) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(detail) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(findings) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(attack) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(cadence_ms) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(version) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(took_ms) ON TABLE claims.proof TO amanah_engine;

GRANT INSERT(observed_at) ON TABLE claims.proof TO amanah_engine;

GRANT SELECT ON TABLE directory.events TO amanah_engine;

GRANT INSERT(tenant) ON TABLE directory.events TO amanah_engine;

GRANT INSERT(at) ON TABLE directory.events TO amanah_engine;

GRANT INSERT(actor) ON TABLE directory.events TO amanah_engine;

GRANT INSERT(action) ON TABLE directory.events TO amanah_engine;

GRANT INSERT(target) ON TABLE directory.events TO amanah_engine;

GRANT INSERT(detail) ON TABLE directory.events TO amanah_engine;

GRANT SELECT,DELETE ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(tenant) ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(name),UPDATE(name) ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(external_id),UPDATE(external_id) ON TABLE directory.groups TO amanah_engine;

GRANT UPDATE(version) ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(created_at) ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(changed_at),UPDATE(changed_at) ON TABLE directory.groups TO amanah_engine;

GRANT INSERT(made_by) ON TABLE directory.groups TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE directory.mappings TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE directory.members TO amanah_engine;

GRANT SELECT ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(id) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(tenant) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(name) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(token_sha256) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(made_by) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(made_as) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(made_at) ON TABLE directory.tokens TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE directory.tokens TO amanah_engine;

GRANT UPDATE(last_used_at) ON TABLE directory.tokens TO amanah_engine;

GRANT UPDATE(revoked_at) ON TABLE directory.tokens TO amanah_engine;

GRANT UPDATE(revoked_as) ON TABLE directory.tokens TO amanah_engine;

GRANT SELECT,DELETE ON TABLE directory.users TO amanah_engine;

GRANT INSERT(tenant) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(account) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(user_name),UPDATE(user_name) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(external_id),UPDATE(external_id) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(active),UPDATE(active) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(attributes),UPDATE(attributes) ON TABLE directory.users TO amanah_engine;

GRANT UPDATE(version) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(created_at) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(changed_at),UPDATE(changed_at) ON TABLE directory.users TO amanah_engine;

GRANT INSERT(made_by) ON TABLE directory.users TO amanah_engine;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE files.files TO amanah_engine;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE files.loose TO amanah_engine;

GRANT SELECT ON TABLE files.tenants TO amanah_engine;

GRANT INSERT(tenant) ON TABLE files.tenants TO amanah_engine;

GRANT INSERT(prefix) ON TABLE files.tenants TO amanah_engine;

GRANT UPDATE(used_bytes) ON TABLE files.tenants TO amanah_engine;

GRANT UPDATE(used_files) ON TABLE files.tenants TO amanah_engine;

GRANT SELECT ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(email),UPDATE(email) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(display_name),UPDATE(display_name) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(tenant) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(password_hash),UPDATE(password_hash) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(created_at) ON TABLE identity.accounts TO amanah_engine;

GRANT UPDATE(disabled_at) ON TABLE identity.accounts TO amanah_engine;

GRANT UPDATE(epoch) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(owner),UPDATE(owner) ON TABLE identity.accounts TO amanah_engine;

GRANT UPDATE(language) ON TABLE identity.accounts TO amanah_engine;

GRANT UPDATE(first_signed_in_at) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(directory),UPDATE(directory) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(provisioned) ON TABLE identity.accounts TO amanah_engine;

GRANT UPDATE(closed_by_directory) ON TABLE identity.accounts TO amanah_engine;

GRANT INSERT(synthetic) ON TABLE identity.accounts TO amanah_engine;

GRANT SELECT ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(id) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(key_sha256) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(made_by) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(name) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(scopes) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(epoch) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(tenant_epoch) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(strength) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(created_at) ON TABLE identity.api_keys TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE identity.api_keys TO amanah_engine;

GRANT UPDATE(last_used_at) ON TABLE identity.api_keys TO amanah_engine;

GRANT UPDATE(revoked_at) ON TABLE identity.api_keys TO amanah_engine;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE identity.browsers TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE identity.challenges TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.families TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(session),UPDATE(session) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(epoch) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(tenant_epoch) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(strength) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(authenticated_at) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(created_at) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(last_used_at),UPDATE(last_used_at) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(idle_expires_at),UPDATE(idle_expires_at) ON TABLE identity.families TO amanah_engine;

GRANT INSERT(absolute_expires_at) ON TABLE identity.families TO amanah_engine;

GRANT UPDATE(revoked_at) ON TABLE identity.families TO amanah_engine;

GRANT UPDATE(revoked_why) ON TABLE identity.families TO amanah_engine;

GRANT SELECT,INSERT,UPDATE ON TABLE identity.guesses TO amanah_engine;

GRANT SELECT ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(tenant) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(email) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(roles) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(language) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(invited_by) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(invited_at) ON TABLE identity.invitations TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(token_sha256) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(withdrawn_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(accepted_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(account) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(given) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(tried_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(granted_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(gave_way) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(gave_way_tried_at) ON TABLE identity.invitations TO amanah_engine;

GRANT UPDATE(gave_way_ended_at) ON TABLE identity.invitations TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(kind) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(recipient) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(invitation) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(language) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(detail) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(queued_at) ON TABLE identity.letters TO amanah_engine;

GRANT INSERT(due_at),UPDATE(due_at) ON TABLE identity.letters TO amanah_engine;

GRANT UPDATE(attempts) ON TABLE identity.letters TO amanah_engine;

GRANT UPDATE(sent_at) ON TABLE identity.letters TO amanah_engine;

GRANT UPDATE(given_up_at) ON TABLE identity.letters TO amanah_engine;

GRANT UPDATE(problem) ON TABLE identity.letters TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(credential) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(name),UPDATE(name) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(public_key) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(party) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(uses),UPDATE(uses) ON TABLE identity.passkeys TO amanah_engine;

GRANT INSERT(made_at) ON TABLE identity.passkeys TO amanah_engine;

GRANT UPDATE(last_used_at) ON TABLE identity.passkeys TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(token_sha256) ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(epoch) ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(reached),UPDATE(reached) ON TABLE identity.pending TO amanah_engine;

GRANT UPDATE(tries) ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(made_at) ON TABLE identity.pending TO amanah_engine;

GRANT INSERT(expires_at) ON TABLE identity.pending TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.recovery_codes TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.recovery_codes TO amanah_engine;

GRANT INSERT(code_sha256) ON TABLE identity.recovery_codes TO amanah_engine;

GRANT INSERT(made_at) ON TABLE identity.recovery_codes TO amanah_engine;

GRANT UPDATE(used_at) ON TABLE identity.recovery_codes TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT INSERT(token_sha256) ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT INSERT(family) ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT INSERT(created_at) ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT UPDATE(used_at) ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT UPDATE(successor_sealed) ON TABLE identity.refresh_tokens TO amanah_engine;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE identity.resets TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(token_sha256) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(created_at) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(last_seen_at),UPDATE(last_seen_at) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(idle_expires_at),UPDATE(idle_expires_at) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(absolute_expires_at),UPDATE(absolute_expires_at) ON TABLE identity.sessions TO amanah_engine;

GRANT UPDATE(revoked_at) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(epoch),UPDATE(epoch) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(strength) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(authenticated_at) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(support) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(tenant_epoch) ON TABLE identity.sessions TO amanah_engine;

GRANT INSERT(agent),UPDATE(agent) ON TABLE identity.sessions TO amanah_engine;

GRANT SELECT,INSERT ON TABLE identity.tenants TO amanah_engine;

GRANT UPDATE(epoch) ON TABLE identity.tenants TO amanah_engine;

GRANT UPDATE(suspended_at) ON TABLE identity.tenants TO amanah_engine;

GRANT UPDATE(idle) ON TABLE identity.tenants TO amanah_engine;

GRANT UPDATE(absolute) ON TABLE identity.tenants TO amanah_engine;

GRANT SELECT,DELETE ON TABLE identity.totp TO amanah_engine;

GRANT INSERT(account) ON TABLE identity.totp TO amanah_engine;

GRANT INSERT(seed_sealed),UPDATE(seed_sealed) ON TABLE identity.totp TO amanah_engine;

GRANT UPDATE(last_step) ON TABLE identity.totp TO amanah_engine;

GRANT INSERT(made_at) ON TABLE identity.totp TO amanah_engine;

GRANT UPDATE(confirmed_at) ON TABLE identity.totp TO amanah_engine;

GRANT INSERT(asked_by),UPDATE(asked_by) ON TABLE identity.totp TO amanah_engine;

GRANT SELECT ON TABLE keys.ring_heads TO amanah_engine;

GRANT INSERT(generation) ON TABLE keys.ring_heads TO amanah_engine;

GRANT INSERT(installation) ON TABLE keys.ring_heads TO amanah_engine;

GRANT INSERT(public_key) ON TABLE keys.ring_heads TO amanah_engine;

GRANT INSERT(digest) ON TABLE keys.ring_heads TO amanah_engine;

GRANT INSERT(signature) ON TABLE keys.ring_heads TO amanah_engine;

GRANT SELECT,INSERT,DELETE ON TABLE keys.secrets TO amanah_engine;

GRANT UPDATE(sealed) ON TABLE keys.secrets TO amanah_engine;

GRANT UPDATE(updated_at) ON TABLE keys.secrets TO amanah_engine;

GRANT SELECT ON TABLE keys.tombstones TO amanah_engine;

GRANT INSERT(tenant) ON TABLE keys.tombstones TO amanah_engine;

GRANT INSERT(ids) ON TABLE keys.tombstones TO amanah_engine;

GRANT INSERT(at) ON TABLE keys.tombstones TO amanah_engine;

GRANT INSERT(signature) ON TABLE keys.tombstones TO amanah_engine;

GRANT SELECT ON TABLE tenancy.cells TO amanah_engine;

GRANT SELECT ON TABLE tenancy.erasures TO amanah_engine;

GRANT SELECT ON TABLE tenancy.leftovers TO amanah_engine;

GRANT SELECT ON TABLE tenancy.losses TO amanah_engine;

GRANT SELECT ON TABLE tenancy.tenants TO amanah_engine;

