-- Why: what somebody may do is decided by grants alone; a role that stands at the account is read by nothing and can only mislead whoever reads the table.
-- Lock: ACCESS EXCLUSIVE on identity.accounts for a moment; nothing is rewritten.
-- Undo: ALTER TABLE identity.accounts ADD COLUMN role text NOT NULL DEFAULT ''; GRANT INSERT (role) ON identity.accounts TO amanah_engine;

ALTER TABLE identity.accounts DROP COLUMN role;
