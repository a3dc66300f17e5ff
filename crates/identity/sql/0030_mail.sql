-- Why: letters wait in the transaction of what they tell of; passwords are reset and people invited by links that are
-- made when the letter leaves, so that no row ever holds one; a browser that somebody used before is known again.
-- Lock: ACCESS EXCLUSIVE on identity.accounts for an instant; a constant default rewrites nothing.
-- Undo: DROP TABLE identity.letters, identity.resets, identity.invitations, identity.browsers; ALTER TABLE
-- identity.accounts DROP COLUMN language. Letters that wait are lost, links are dead.

-- What their letters are written in.
ALTER TABLE identity.accounts
    ADD COLUMN language text NOT NULL DEFAULT 'en',
    ADD CONSTRAINT accounts_language_known CHECK (language IN ('en', 'id', 'ar'));

CREATE TABLE identity.invitations (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant       text NOT NULL,
    email        text NOT NULL,
    roles        text[] NOT NULL,
    language     text NOT NULL,
    invited_by   uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    invited_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    -- Not before its letter leaves.
    token_sha256 bytea UNIQUE,
    withdrawn_at timestamptz,
    accepted_at  timestamptz,
    account      uuid REFERENCES identity.accounts (id) ON DELETE SET NULL,
    -- The roles are given after the account is made, by another room: each once, whatever becomes of it,
    -- since what people take away again is theirs to decide.
    given        text[] NOT NULL DEFAULT '{}',
    tried_at     timestamptz,
    granted_at   timestamptz,
    -- The account that was in the way, when it was last tried to end what it held, and when all of it had ended.
    gave_way     uuid REFERENCES identity.accounts (id) ON DELETE SET NULL,
    gave_way_tried_at timestamptz,
    gave_way_ended_at timestamptz,
    CONSTRAINT invitations_email_folded CHECK (email = lower(email)),
    CONSTRAINT invitations_email_size CHECK (octet_length(email) BETWEEN 3 AND 128),
    CONSTRAINT invitations_token_size CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT invitations_language_known CHECK (language IN ('en', 'id', 'ar')),
    CONSTRAINT invitations_one_end CHECK (withdrawn_at IS NULL OR accepted_at IS NULL)
);
CREATE INDEX invitations_tenant ON identity.invitations (tenant, invited_at);
CREATE INDEX invitations_ungranted ON identity.invitations (accepted_at)
    WHERE accepted_at IS NOT NULL AND granted_at IS NULL;
CREATE INDEX invitations_gave_way ON identity.invitations (accepted_at)
    WHERE gave_way IS NOT NULL AND gave_way_ended_at IS NULL;
COMMENT ON COLUMN identity.invitations.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE identity.resets (
    -- One for each account: whoever asks again ends the one before.
    account         uuid PRIMARY KEY REFERENCES identity.accounts (id) ON DELETE CASCADE,
    token_sha256    bytea NOT NULL UNIQUE,
    -- What the account was when the link was made; another password or epoch, and it is over.
    epoch           integer NOT NULL,
    password_sha256 bytea NOT NULL,
    made_at         timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    CONSTRAINT resets_token_size CHECK (octet_length(token_sha256) = 32)
);
COMMENT ON COLUMN identity.resets.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';
COMMENT ON COLUMN identity.resets.password_sha256 IS
    'amanah: hashed. SHA-256 of the Argon2id hash that the account had.';

CREATE TABLE identity.browsers (
    account       uuid NOT NULL REFERENCES identity.accounts (id) ON DELETE CASCADE,
    token_sha256  bytea NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (account, token_sha256),
    CONSTRAINT browsers_token_size CHECK (octet_length(token_sha256) = 32)
);
COMMENT ON COLUMN identity.browsers.token_sha256 IS
    'amanah: hashed. SHA-256 of 256 random bits, which nobody can guess back.';

CREATE TABLE identity.letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    -- As it was asked for, where nobody knows yet whether anybody has it.
    recipient   text NOT NULL,
    account     uuid REFERENCES identity.accounts (id) ON DELETE CASCADE,
    invitation  uuid REFERENCES identity.invitations (id) ON DELETE CASCADE,
    language    text NOT NULL,
    -- What the letter says besides, such as the kind of browser. Never a secret.
    detail      text NOT NULL DEFAULT '',
    queued_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    given_up_at timestamptz,
    problem     text,
    CONSTRAINT letters_recipient_size CHECK (octet_length(recipient) BETWEEN 3 AND 128),
    CONSTRAINT letters_detail_size CHECK (octet_length(detail) <= 500),
    CONSTRAINT letters_language_known CHECK (language IN ('en', 'id', 'ar'))
);
CREATE INDEX letters_due ON identity.letters (due_at)
    WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX letters_recipient ON identity.letters (recipient, kind, sent_at);

GRANT UPDATE (language) ON identity.accounts TO amanah_engine;
-- Whoever changes their password keeps the session they did it in.
GRANT UPDATE (epoch, agent) ON identity.sessions TO amanah_engine;
-- An invitation says who let somebody in: it is never removed.
GRANT SELECT ON identity.invitations TO amanah_engine;
GRANT INSERT (tenant, email, roles, language, invited_by, invited_at, expires_at)
    ON identity.invitations TO amanah_engine;
GRANT UPDATE (token_sha256, withdrawn_at, accepted_at, account, given, tried_at, granted_at, gave_way,
        gave_way_tried_at, gave_way_ended_at)
    ON identity.invitations TO amanah_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.resets, identity.browsers TO amanah_engine;
GRANT SELECT, DELETE ON identity.letters TO amanah_engine;
GRANT INSERT (kind, recipient, account, invitation, language, detail, queued_at, due_at)
    ON identity.letters TO amanah_engine;
GRANT UPDATE (due_at, attempts, sent_at, given_up_at, problem) ON identity.letters TO amanah_engine;
