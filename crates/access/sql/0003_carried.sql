-- Why: until now an account had one role, as a word. Where a shipped role has that name, it becomes a grant.
-- Lock: ROW EXCLUSIVE on access.grants; identity.accounts is only read.
-- Undo: nothing; the grants remain and can be revoked.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_attribute
                WHERE attrelid = to_regclass('identity.accounts') AND attname = 'role' AND NOT attisdropped)
    THEN
        INSERT INTO access.grants (account, tenant, role, granted_by, reason, granted_at)
        SELECT a.id, a.tenant, r.id, 'amanah', 'was the role of the account before there were grants', now()
          FROM identity.accounts a JOIN access.roles r ON r.tenant IS NULL AND r.name = a.role
         WHERE a.disabled_at IS NULL;
    END IF;
END $$;
