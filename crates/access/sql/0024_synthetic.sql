-- Why: proofs give roles to synthetic people, and have synthetic staff ask for access, every hour of the year; what is over of it can go.
-- Lock: ACCESS EXCLUSIVE on access.grants and access.support_grants for an instant; what is there stays as it is, and stays for ever.
-- Undo: ALTER TABLE access.grants DROP COLUMN synthetic; the same of access.support_grants; put the functions of 0001 and 0020 back.

-- Whether it was about somebody of the reserved domain when it was given, which nobody can be. The program cannot write it: no right to
-- this column is granted, and the trigger says what it is.
ALTER TABLE access.grants ADD COLUMN synthetic boolean NOT NULL DEFAULT false;
ALTER TABLE access.support_grants ADD COLUMN synthetic boolean NOT NULL DEFAULT false;

CREATE FUNCTION access.mark_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    NEW.synthetic := false;
    -- A house without accounts has no synthetic ones.
    IF to_regclass('identity.accounts') IS NOT NULL THEN
        NEW.synthetic := EXISTS (SELECT FROM identity.accounts a WHERE a.id = NEW.account AND a.email LIKE '%@amanah.invalid');
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.mark_grant() FROM PUBLIC;
CREATE TRIGGER grants_marked BEFORE INSERT ON access.grants
    FOR EACH ROW EXECUTE FUNCTION access.mark_grant();

CREATE FUNCTION access.mark_support() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    NEW.synthetic := EXISTS (SELECT FROM identity.accounts a WHERE a.id = NEW.asked_by AND a.email LIKE '%@amanah.invalid');
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION access.mark_support() FROM PUBLIC;
CREATE TRIGGER support_marked BEFORE INSERT ON access.support_grants
    FOR EACH ROW EXECUTE FUNCTION access.mark_support();

-- As before, but that what is synthetic and over for a day can be removed: by the owner, for no other login has the right to.
CREATE OR REPLACE FUNCTION access.keep_grants() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
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

CREATE FUNCTION access.keep_support_ended() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT (OLD.synthetic AND OLD.asked_at < clock_timestamp() - interval '1 day'
            AND coalesce(least(OLD.ended_at, OLD.ends_at), OLD.asked_at + interval '7 days')
                < clock_timestamp() - interval '1 day')
    THEN
        RAISE EXCEPTION 'access for support is evidence: it is never removed';
    END IF;
    RETURN OLD;
END $$;
DROP TRIGGER support_kept ON access.support_grants;
CREATE TRIGGER support_kept BEFORE INSERT OR UPDATE ON access.support_grants
    FOR EACH ROW EXECUTE FUNCTION access.keep_support();
CREATE TRIGGER support_not_removed BEFORE DELETE ON access.support_grants
    FOR EACH ROW EXECUTE FUNCTION access.keep_support_ended();
-- What it was found to be when it was asked for stays, too.
CREATE FUNCTION access.keep_support_mark() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what was asked for stays as it was asked for' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER support_mark_kept BEFORE UPDATE ON access.support_grants
    FOR EACH ROW WHEN (NEW.synthetic <> OLD.synthetic) EXECUTE FUNCTION access.keep_support_mark();

CREATE FUNCTION access.keep_support_uses() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM access.support_grants g
      WHERE g.id = OLD.support_grant AND g.synthetic
        AND least(g.ended_at, g.ends_at) < clock_timestamp() - interval '1 day';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'what support has done is evidence: it is neither changed nor removed';
    END IF;
    RETURN OLD;
END $$;
REVOKE ALL ON FUNCTION access.keep_support_uses() FROM PUBLIC;
DROP TRIGGER support_uses_kept ON access.support_uses;
CREATE TRIGGER support_uses_kept BEFORE INSERT OR UPDATE ON access.support_uses
    FOR EACH ROW EXECUTE FUNCTION access.keep_support_use();
CREATE TRIGGER support_uses_not_removed BEFORE DELETE ON access.support_uses
    FOR EACH ROW EXECUTE FUNCTION access.keep_support_uses();
