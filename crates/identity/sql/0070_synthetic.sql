-- Why: proofs, reviews and counts leave the proofs' own people out; nobody else gets among them, by an address of theirs or a tenant.
-- Lock: ACCESS EXCLUSIVE on identity.accounts while its rows are read once; a constant default rewrites nothing.
-- Undo: ALTER TABLE identity.accounts DROP COLUMN synthetic; its two constraints go with it.

ALTER TABLE identity.accounts ADD COLUMN synthetic boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN identity.accounts.synthetic IS
    'Whether the proofs made it. It is said when the account is made and never changes, so that no change of address makes somebody one of theirs.';
UPDATE identity.accounts SET synthetic = true WHERE email LIKE '%@amanah.invalid';
ALTER TABLE identity.accounts
    ADD CONSTRAINT accounts_synthetic_address CHECK (synthetic = (email LIKE '%@amanah.invalid')),
    -- A service is in the tenant of whoever answers for it.
    ADD CONSTRAINT accounts_synthetic_tenant CHECK (synthetic OR owner IS NOT NULL OR tenant NOT LIKE 'amanah-canary%');

GRANT INSERT (synthetic) ON identity.accounts TO amanah_engine;
