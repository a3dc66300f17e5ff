-- Why: people of a tenant take roles from one another, and why is told afterwards, as it is of what they give.
-- Lock: ACCESS EXCLUSIVE on access.grants for an instant; no row is written.
-- Undo: ALTER TABLE access.grants DROP COLUMN revoked_reason; why roles were taken is not known then.

-- None where nobody was asked: a review (which keeps its own reason), a directory, a role that was retired, an end by itself.
ALTER TABLE access.grants ADD COLUMN revoked_reason text;
ALTER TABLE access.grants ADD CONSTRAINT grants_revoked_reason
    CHECK (revoked_reason IS NULL OR (revoked_at IS NOT NULL AND octet_length(revoked_reason) <= 1000));

-- access.keep_grants lets a grant be ended once, whole: nothing of how it ended is changed afterwards.
GRANT UPDATE (revoked_reason) ON access.grants TO amanah_engine;
