-- Why: accounts and their sessions, so that somebody can sign in and be recognised.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA identity CASCADE; everybody is signed out and every account is lost.

CREATE SCHEMA identity;
REVOKE ALL ON SCHEMA identity FROM PUBLIC;
GRANT USAGE ON SCHEMA identity TO amanah_engine;

CREATE TABLE identity.accounts (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email         text NOT NULL,
    display_name  text NOT NULL,
    tenant        text NOT NULL,
    role          text NOT NULL,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz,
    CONSTRAINT accounts_email_folded CHECK (email = lower(email)),
    CONSTRAINT accounts_email_size CHECK (octet_length(email) BETWEEN 3 AND 128),
    -- A password in clear, or under another scheme, cannot even be stored. Parameters are judged
    -- by the proof, since the floor rises over the years.
    CONSTRAINT accounts_password_argon2id CHECK (password_hash LIKE '$argon2id$v=19$m=%')
);
CREATE UNIQUE INDEX accounts_email ON identity.accounts (lower(email));

CREATE TABLE identity.sessions (
    -- The token itself is nowhere: whoever reads this table cannot use what is in it.
    token_sha256        bytea PRIMARY KEY,
    account             uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    created_at          timestamptz NOT NULL,
    last_seen_at        timestamptz NOT NULL,
    idle_expires_at     timestamptz NOT NULL,
    absolute_expires_at timestamptz NOT NULL,
    revoked_at          timestamptz,
    CONSTRAINT sessions_token_size CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT sessions_idle_inside CHECK (idle_expires_at <= absolute_expires_at)
);
CREATE INDEX sessions_account ON identity.sessions (account, created_at);

-- The running program never changes who an account belongs to, and never removes an account.
GRANT SELECT ON identity.accounts TO amanah_engine;
GRANT INSERT (email, display_name, tenant, role, password_hash, created_at)
    ON identity.accounts TO amanah_engine;
GRANT UPDATE (password_hash) ON identity.accounts TO amanah_engine;
GRANT SELECT, DELETE ON identity.sessions TO amanah_engine;
GRANT INSERT (token_sha256, account, created_at, last_seen_at, idle_expires_at,
              absolute_expires_at)
    ON identity.sessions TO amanah_engine;
GRANT UPDATE (last_seen_at, idle_expires_at, revoked_at) ON identity.sessions TO amanah_engine;
