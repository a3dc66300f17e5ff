-- Why: a tenant may have more than what was erased, in another database; then its name is not that of one who is gone.
-- Lock: ACCESS EXCLUSIVE on tenancy.erasures, for a moment.
-- Undo: ALTER TABLE tenancy.erasures DROP COLUMN last; whoever has more is then shut out of its files and of Redis.

-- Until now it was not noted. Who is taken for gone gets nothing back that was to be forgotten.
ALTER TABLE tenancy.erasures ADD COLUMN last boolean NOT NULL DEFAULT true;

COMMENT ON COLUMN tenancy.erasures.last IS
    'Whether it was the last of the tenant, so that its keys, files and place on Redis went with it.';
