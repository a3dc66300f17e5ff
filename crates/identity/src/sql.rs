//! The statements of this room, and nothing else. Every value is bound.

pub(crate) mod factors;

/// Parameters: email, name, tenant, role, hash, now. One row when the address was free.
pub(crate) const ADD_ACCOUNT: &str = "\
    INSERT INTO identity.accounts (email, display_name, tenant, role, password_hash, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: email. At most one row: id, hash. A disabled account is no account.
pub(crate) const FIND_ACCOUNT: &str = "\
    SELECT id::text, password_hash FROM identity.accounts \
    WHERE lower(email) = lower($1) AND disabled_at IS NULL";

/// Parameters: account, old hash, new hash.
pub(crate) const REHASH: &str = "\
    UPDATE identity.accounts SET password_hash = $3 \
    WHERE id = $1::text::uuid AND password_hash = $2";

/// Parameters: token's SHA-256, account, hash, now, idle end, absolute end. No row when the
/// account was disabled, or its password changed, while the password was being checked.
pub(crate) const OPEN_SESSION: &str = "\
    INSERT INTO identity.sessions (token_sha256, account, epoch, strength, authenticated_at, \
        created_at, last_seen_at, idle_expires_at, absolute_expires_at) \
    SELECT $1, id, epoch, 1, $4, $4, $4, $5, $6 FROM identity.accounts \
    WHERE id = $2::text::uuid AND password_hash = $3 AND disabled_at IS NULL";

/// Parameters: account, now, how many sessions may live. Ends the oldest beyond that.
pub(crate) const END_OLDEST: &str = "\
    UPDATE identity.sessions SET revoked_at = $2 WHERE token_sha256 IN ( \
        SELECT token_sha256 FROM identity.sessions \
        WHERE account = $1::text::uuid AND revoked_at IS NULL AND absolute_expires_at > $2 \
        ORDER BY created_at DESC, token_sha256 OFFSET $3)";

/// Parameters: account, moment. Removes sessions that were over before then.
pub(crate) const FORGET_OLD: &str = "\
    DELETE FROM identity.sessions \
    WHERE account = $1::text::uuid AND absolute_expires_at < $2";

/// Parameters: token's SHA-256, now. At most one row.
pub(crate) const FIND_SESSION: &str = "\
    SELECT a.id::text AS account, a.email, a.display_name, a.tenant, s.id::text AS id, \
        s.strength, s.authenticated_at, s.support::text AS support, s.last_seen_at, \
        s.absolute_expires_at \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
    WHERE s.token_sha256 = $1 AND s.revoked_at IS NULL AND a.disabled_at IS NULL \
        AND s.epoch = a.epoch \
        AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2";

/// Parameters: token's SHA-256, now, idle end. A session that ended meanwhile stays ended.
pub(crate) const TOUCH_SESSION: &str = "\
    UPDATE identity.sessions \
    SET last_seen_at = $2, idle_expires_at = least($3, absolute_expires_at) \
    WHERE token_sha256 = $1 AND revoked_at IS NULL AND last_seen_at < $2";

/// Parameters: token's SHA-256, now.
pub(crate) const END_SESSION: &str = "\
    UPDATE identity.sessions SET revoked_at = $2 WHERE token_sha256 = $1 AND revoked_at IS NULL";

/// One moment for the whole scan, and no writing in it. The first statement of its transaction.
pub(crate) const STAND_STILL: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How many hashes there are.
pub(crate) const COUNT_HASHES: &str = "SELECT count(*) FROM identity.accounts";

/// Parameters: the last id seen as text, how many. Rows: id, hash.
pub(crate) const NEXT_HASHES: &str = "\
    SELECT id::text, password_hash FROM identity.accounts \
    WHERE id > $1::text::uuid ORDER BY id LIMIT $2";

/// For the bite's sandbox: lets it store what the constraint would refuse.
pub(crate) const DROP_SCHEME_CHECK: &str =
    "ALTER TABLE identity.accounts DROP CONSTRAINT accounts_password_argon2id";

/// Parameters: addresses, the domain's pattern, moment. Run by the owner of the control database:
/// removes these canaries, and those that were made before that moment, with their sessions.
pub(crate) const REMOVE_CANARIES: &str = "\
    DELETE FROM identity.accounts \
    WHERE email = ANY ($1) OR (email LIKE $2 AND created_at < $3)";
