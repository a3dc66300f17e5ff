-- Why: second factors (codes of an app, recovery codes, passkeys), sign-ins that wait for one, and how often somebody guessed wrong.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE for each; whoever has a second factor signs in without it then.

CREATE TABLE identity.totp (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account      uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    seed_sealed  text NOT NULL,
    -- The last step whose code was accepted; only a later one is accepted after it.
    last_step    bigint NOT NULL DEFAULT 0,
    made_at      timestamptz NOT NULL,
    -- Until a code has shown that the app has the seed, it does not count.
    confirmed_at timestamptz,
    -- While it waits: the step (the SHA-256 of its token, in hexadecimal digits) or the session (its name) that
    -- it was made for. Nobody else sees it, whatever else they know.
    asked_by     text,
    CONSTRAINT totp_seed_size CHECK (octet_length(seed_sealed) BETWEEN 1 AND 4096),
    CONSTRAINT totp_waits_for_somebody CHECK ((asked_by IS NULL) = (confirmed_at IS NOT NULL)),
    CONSTRAINT totp_asked_by_size CHECK (octet_length(asked_by) IN (36, 64))
);
-- One that counts, and one for each who sets one up to take its place.
CREATE UNIQUE INDEX totp_confirmed ON identity.totp (account) WHERE confirmed_at IS NOT NULL;
CREATE UNIQUE INDEX totp_waiting ON identity.totp (account, asked_by) WHERE confirmed_at IS NULL;
COMMENT ON COLUMN identity.totp.seed_sealed IS
    'amanah: sealed. Under a key of the account''s tenant; see docs/identity.md.';

CREATE TABLE identity.recovery_codes (
    account     uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    code_sha256 bytea NOT NULL,
    made_at     timestamptz NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (account, code_sha256),
    CONSTRAINT recovery_codes_size CHECK (octet_length(code_sha256) = 32)
);
COMMENT ON COLUMN identity.recovery_codes.code_sha256 IS
    'amanah: hashed. SHA-256 of 80 random bits, which nobody can guess back.';

CREATE TABLE identity.passkeys (
    credential   bytea PRIMARY KEY,
    id           uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    account      uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    name         text NOT NULL,
    public_key   bytea NOT NULL,
    -- The host's name that it was made for.
    party        text NOT NULL,
    uses         bigint NOT NULL,
    made_at      timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT passkeys_credential_size CHECK (octet_length(credential) BETWEEN 1 AND 1023),
    CONSTRAINT passkeys_key_size CHECK (octet_length(public_key) BETWEEN 1 AND 4096),
    CONSTRAINT passkeys_name_size CHECK (octet_length(name) BETWEEN 1 AND 200)
);
CREATE INDEX passkeys_account ON identity.passkeys (account, made_at);
COMMENT ON COLUMN identity.passkeys.public_key IS
    'amanah: clear. It verifies signatures, and makes none.';
COMMENT ON COLUMN identity.passkeys.credential IS
    'amanah: clear. The name of a key, which every ceremony sends to the browser.';

CREATE TABLE identity.challenges (
    challenge  bytea PRIMARY KEY,
    account    uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    purpose    text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The step or the session that it was given to, as in identity.totp. No other one answers it, or crowds it
    -- out.
    asked_by   text NOT NULL,
    CONSTRAINT challenges_asked_by_size CHECK (octet_length(asked_by) IN (36, 64)),
    CONSTRAINT challenges_size CHECK (octet_length(challenge) = 32),
    CONSTRAINT challenges_purpose CHECK (purpose IN ('make', 'use'))
);
CREATE INDEX challenges_account ON identity.challenges (account, asked_by, expires_at);

-- Sign-ins whose password was right. They are no sessions, and open nothing but the next step.
CREATE TABLE identity.pending (
    token_sha256 bytea PRIMARY KEY,
    account      uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    epoch        integer NOT NULL,
    -- What was shown so far: 1 the password, 2 a code too.
    reached      smallint NOT NULL,
    tries        smallint NOT NULL DEFAULT 0,
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT pending_token_size CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT pending_reached CHECK (reached BETWEEN 1 AND 2)
);
CREATE INDEX pending_account ON identity.pending (account);
CREATE INDEX pending_over ON identity.pending (expires_at);
COMMENT ON COLUMN identity.pending.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

-- Outlives the sign-ins in which it was guessed.
CREATE TABLE identity.guesses (
    account    uuid PRIMARY KEY REFERENCES identity.accounts (id) ON DELETE CASCADE,
    failed     integer NOT NULL,
    not_before timestamptz NOT NULL
);

GRANT SELECT, DELETE ON identity.totp, identity.recovery_codes, identity.passkeys,
    identity.challenges, identity.pending TO amanah_engine;
GRANT INSERT (account, seed_sealed, made_at, asked_by) ON identity.totp TO amanah_engine;
GRANT UPDATE (last_step, confirmed_at, asked_by) ON identity.totp TO amanah_engine;
GRANT INSERT (account, code_sha256, made_at) ON identity.recovery_codes TO amanah_engine;
GRANT UPDATE (used_at) ON identity.recovery_codes TO amanah_engine;
GRANT INSERT (credential, account, name, public_key, party, uses, made_at)
    ON identity.passkeys TO amanah_engine;
GRANT UPDATE (name, uses, last_used_at) ON identity.passkeys TO amanah_engine;
GRANT INSERT ON identity.challenges TO amanah_engine;
GRANT INSERT (token_sha256, account, epoch, reached, made_at, expires_at)
    ON identity.pending TO amanah_engine;
GRANT UPDATE (reached, tries) ON identity.pending TO amanah_engine;
GRANT SELECT, INSERT, UPDATE ON identity.guesses TO amanah_engine;
