-- Why: remembers which tenants have a place on Redis, and which logins are good until when: Redis
--      itself knows no end of a login and forgets all of them when it starts anew.
-- Lock: none that waits; every object is new.
-- Undo: DROP SCHEMA cache CASCADE; logins that are left on the server have no end then.

CREATE SCHEMA cache;
REVOKE ALL ON SCHEMA cache FROM PUBLIC;

CREATE TABLE cache.places (
    -- What its keys and channels begin with. It says nothing about whose they are.
    place     text        PRIMARY KEY CHECK (place ~ '^amr_[0-9a-f]{8}_[0-9a-f]{32}$'),
    tenant    text        NOT NULL UNIQUE CHECK (octet_length(tenant) BETWEEN 1 AND 128),
    -- Synthetic tenants, on which attacks are made.
    canary    boolean     NOT NULL,
    -- No new logins.
    suspended boolean     NOT NULL DEFAULT false,
    made_at   timestamptz NOT NULL
);

COMMENT ON TABLE cache.places IS
    'Tenants with a place on Redis. Made with the first login, forgotten when a tenant is erased.';

CREATE TABLE cache.leases (
    login           text        PRIMARY KEY,
    place           text        NOT NULL REFERENCES cache.places ON DELETE CASCADE,
    -- The password has 192 random bits, so its digest is no way to it. Redis keeps the same one.
    password_sha256 text        NOT NULL CHECK (password_sha256 ~ '^[0-9a-f]{64}$'),
    until           timestamptz NOT NULL
);

COMMENT ON COLUMN cache.leases.password_sha256 IS
    'amanah: hashed. SHA-256 of 192 random bits, which nobody can guess back.';

CREATE INDEX leases_place ON cache.leases (place);
CREATE INDEX leases_until ON cache.leases (until);

COMMENT ON TABLE cache.leases IS
    'Logins of tenants on Redis. What is not here is removed from the server, what is, is kept there.';
