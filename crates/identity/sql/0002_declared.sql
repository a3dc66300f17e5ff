-- Why: says of each column that looks like a secret how it is kept, so that the proof of rest.fields can hold it to that.
-- Lock: SHARE UPDATE EXCLUSIVE on both tables, for an instant; reading and writing go on.
-- Undo: COMMENT ON COLUMN ... IS NULL for each.

COMMENT ON COLUMN identity.accounts.password_hash IS
    'amanah: hashed. Argon2id; the proof of password.argon2id judges its cost.';
COMMENT ON COLUMN identity.sessions.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';
