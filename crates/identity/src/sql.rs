//! The statements of this room, and nothing else. Every value is bound.

pub(crate) mod close;
pub(crate) mod directory;
pub(crate) mod factors;
pub(crate) mod mail;
pub(crate) mod support;
pub(crate) mod tokens;

/// Parameters: email, name, tenant, hash, now, whether it is the proofs' own. One row when the address was
/// free.
pub(crate) const ADD_ACCOUNT: &str = "\
    INSERT INTO identity.accounts (email, display_name, tenant, password_hash, created_at, synthetic) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: email. At most one row: id, hash. A disabled account is no account.
pub(crate) const FIND_ACCOUNT: &str = "\
    SELECT id::text, password_hash FROM identity.accounts \
    WHERE lower(email) = lower($1) AND disabled_at IS NULL AND password_hash IS NOT NULL";

/// Parameters: email. At most one row: id, tenant.
pub(crate) const ACCOUNT_OF: &str = "\
    SELECT id::text, tenant FROM identity.accounts WHERE lower(email) = lower($1)";

/// Parameters: emails, ids, in small letters. For each that is an open account's: what was asked, id,
/// tenant. An address has an `@` in it, so that no id is one.
pub(crate) const PEOPLE_OF: &str = "\
    SELECT p.asked, p.id, p.tenant FROM ( \
        SELECT lower(email) AS asked, id::text AS id, tenant, disabled_at FROM identity.accounts \
        WHERE lower(email) = ANY ($1) \
        UNION ALL \
        SELECT id::text, id::text, tenant, disabled_at FROM identity.accounts \
        WHERE id = ANY (ARRAY(SELECT unnest($2::text[])::uuid))) p \
    WHERE p.disabled_at IS NULL AND NOT EXISTS (SELECT FROM identity.tenants t \
        WHERE t.tenant = p.tenant AND t.suspended_at IS NOT NULL)";

/// Parameters: ids of accounts. Whether one of them is open, in a tenant that is, and somebody's: nobody signs in
/// to a service's.
pub(crate) const ANY_OPEN_PERSON: &str = "\
    SELECT EXISTS (SELECT FROM identity.accounts a \
        WHERE a.id = ANY (ARRAY(SELECT unnest($1::text[])::uuid)) AND a.disabled_at IS NULL \
            AND a.owner IS NULL AND NOT EXISTS (SELECT FROM identity.tenants t \
                WHERE t.tenant = a.tenant AND t.suspended_at IS NOT NULL))";

/// Parameters: account, old hash, new hash.
pub(crate) const REHASH: &str = "\
    UPDATE identity.accounts SET password_hash = $3 \
    WHERE id = $1::text::uuid AND password_hash = $2";

/// Parameters: account. At most one row: tenant, and its limits in seconds. A disabled account is no
/// account.
pub(crate) const FIND_LIMITS: &str = "\
    SELECT a.tenant, t.idle, t.absolute \
    FROM identity.accounts a LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE a.id = $1::text::uuid AND a.disabled_at IS NULL";

/// Parameters: token's SHA-256, account, epoch or NULL, hash or NULL, now, idle end, absolute end,
/// strength, grant of support or NULL, agent. No row when the account or its tenant was shut out, or
/// the password or the epoch changed, while it was being checked.
pub(crate) const OPEN_SESSION: &str = "\
    INSERT INTO identity.sessions (token_sha256, account, epoch, tenant_epoch, strength, \
        authenticated_at, created_at, last_seen_at, idle_expires_at, absolute_expires_at, support, \
        agent) \
    SELECT $1, a.id, a.epoch, coalesce(t.epoch, 0), $8, $5, $5, $5, $6, $7, $9::text::uuid, $10 \
    FROM identity.accounts a LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE a.id = $2::text::uuid AND a.disabled_at IS NULL AND t.suspended_at IS NULL \
        AND ($3::integer IS NULL OR a.epoch = $3) \
        AND ($4::text IS NULL OR a.password_hash = $4)";

/// Parameters: account, now. Its holder has a session by what they proved; the first time counts.
pub(crate) const SIGNED_IN: &str = "\
    UPDATE identity.accounts SET first_signed_in_at = $2 \
    WHERE id = $1::text::uuid AND first_signed_in_at IS NULL";

/// Parameters: new token's SHA-256, old one's, strength, now. The same session under a new token,
/// whose limits go on. No row when the old one is over. The account is held first, as by whoever ends its
/// other sessions: they meet the old one or the new. The old one is held: of two at once the second
/// finds it over, and no family is born of it meanwhile. One row: the name of the new one.
pub(crate) const RENEW_SESSION: &str = "\
    INSERT INTO identity.sessions (token_sha256, account, epoch, tenant_epoch, strength, \
        authenticated_at, created_at, last_seen_at, idle_expires_at, absolute_expires_at, support, \
        agent) \
    SELECT $1, s.account, s.epoch, s.tenant_epoch, greatest(s.strength, $3), $4, s.created_at, \
        greatest(s.last_seen_at, $4), \
        least(s.idle_expires_at + (greatest(s.last_seen_at, $4) - s.last_seen_at), \
            s.absolute_expires_at), \
        s.absolute_expires_at, s.support, s.agent \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE s.token_sha256 = $2 AND s.revoked_at IS NULL AND a.disabled_at IS NULL \
        AND s.epoch = a.epoch AND t.suspended_at IS NULL \
        AND s.tenant_epoch = coalesce(t.epoch, 0) \
        AND s.idle_expires_at > $4 AND s.absolute_expires_at > $4 \
    FOR SHARE OF a FOR UPDATE OF s \
    RETURNING id::text";

/// Parameters: old session's token as SHA-256, new session's name. What programs got from a session goes
/// along when it gets a new name.
pub(crate) const MOVE_FAMILIES: &str = "\
    UPDATE identity.families f SET session = $2::text::uuid FROM identity.sessions s \
    WHERE s.token_sha256 = $1 AND f.session = s.id AND f.revoked_at IS NULL";

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

/// Parameters: token's SHA-256, now. At most one row. A moment that is infinite is cut to one that can
/// be read.
pub(crate) const FIND_SESSION: &str = "\
    SELECT a.id::text AS account, a.email, a.display_name, a.tenant, s.id::text AS id, \
        s.strength, s.support::text AS support, t.idle, t.absolute, \
        greatest(s.authenticated_at, timestamptz '1970-01-01') AS authenticated_at, \
        greatest(s.created_at, timestamptz '1970-01-01') AS created_at, \
        greatest(s.last_seen_at, timestamptz '1970-01-01') AS last_seen_at, \
        least(s.idle_expires_at, timestamptz '9999-12-01') AS idle_expires_at, \
        least(s.absolute_expires_at, timestamptz '9999-12-01') AS absolute_expires_at \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE s.token_sha256 = $1 AND s.revoked_at IS NULL AND a.disabled_at IS NULL \
        AND s.epoch = a.epoch AND t.suspended_at IS NULL \
        AND s.tenant_epoch = coalesce(t.epoch, 0) \
        AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2";

/// Parameters: tokens' SHA-256, when each was used, and each one's idle end. A session that ended
/// meanwhile stays ended.
pub(crate) const TOUCH_SESSIONS: &str = "\
    UPDATE identity.sessions s \
    SET last_seen_at = u.seen, idle_expires_at = least(u.idle, s.absolute_expires_at) \
    FROM unnest($1::bytea[], $2::timestamptz[], $3::timestamptz[]) AS u (token, seen, idle) \
    WHERE s.token_sha256 = u.token AND s.revoked_at IS NULL AND s.last_seen_at < u.seen";

/// Parameters: token's SHA-256, now.
pub(crate) const END_SESSION: &str = "\
    UPDATE identity.sessions SET revoked_at = $2 WHERE token_sha256 = $1 AND revoked_at IS NULL";

/// Parameters: account, now. Its living sessions, the one that was used last first.
pub(crate) const LIST_SESSIONS: &str = "\
    SELECT s.id::text AS id, s.created_at, s.last_seen_at, s.strength, s.agent, \
        s.support::text AS support \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE s.account = $1::text::uuid AND s.revoked_at IS NULL AND a.disabled_at IS NULL \
        AND s.epoch = a.epoch AND t.suspended_at IS NULL \
        AND s.tenant_epoch = coalesce(t.epoch, 0) \
        AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2 \
    ORDER BY s.last_seen_at DESC, s.id";

/// Parameters: account, session's id. One row while nobody has ended it, and until the transaction ends nobody
/// does. Its account has to be held, so that its epoch is known.
pub(crate) const HOLD_SESSION: &str = "\
    SELECT FROM identity.sessions \
    WHERE account = $1::text::uuid AND id = $2::text::uuid AND revoked_at IS NULL FOR SHARE";

/// Parameters: account, session's id as whatever text, now. One row while it lives, and until the transaction ends
/// nobody ends it. Its account has to be held.
pub(crate) const HOLD_LIVING: &str = "\
    SELECT FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE s.account = $1::text::uuid AND s.id::text = $2 AND s.revoked_at IS NULL \
        AND a.disabled_at IS NULL AND s.epoch = a.epoch AND t.suspended_at IS NULL \
        AND s.tenant_epoch = coalesce(t.epoch, 0) \
        AND s.idle_expires_at > $3 AND s.absolute_expires_at > $3 \
    FOR SHARE OF s";

/// Parameters: account, session's id as whatever text, now. No row when it is not theirs or over.
pub(crate) const END_ONE: &str = "\
    UPDATE identity.sessions SET revoked_at = $3 \
    WHERE account = $1::text::uuid AND id::text = $2 AND revoked_at IS NULL \
        AND absolute_expires_at > $3";

/// Parameters: account. Until the transaction ends, none of its sessions gets a new name, and neither what
/// it may nor how it proves itself changes.
pub(crate) const HOLD_ACCOUNT: &str = "\
    SELECT FROM identity.accounts WHERE id = $1::text::uuid FOR NO KEY UPDATE";

/// Parameters: account. The same for whoever gives one of its sessions a new name, beside others who do.
pub(crate) const SHARE_ACCOUNT: &str = "\
    SELECT FROM identity.accounts WHERE id = $1::text::uuid FOR SHARE";

/// Parameters: account, the id of the one to keep, now. The account has to be held, so that no session is
/// missed that gets another name at this moment. What programs were given by other sessions
/// ends as well, also where that session is over long since.
pub(crate) const END_OTHERS: &str = "\
    WITH programs AS (UPDATE identity.families \
        SET revoked_at = $3, revoked_why = 'the other sessions were ended' \
        WHERE account = $1::text::uuid AND session::text <> $2 AND revoked_at IS NULL) \
    UPDATE identity.sessions SET revoked_at = $3 \
    WHERE account = $1::text::uuid AND id::text <> $2 AND revoked_at IS NULL \
        AND absolute_expires_at > $3";

/// Parameters: account. Everything that was given out to it is over.
pub(crate) const END_ALL: &str =
    "UPDATE identity.accounts SET epoch = epoch + 1 WHERE id = $1::text::uuid";

/// Parameters: tenant. Whether an account is of it.
pub(crate) const HAS_PEOPLE: &str = "\
    SELECT EXISTS (SELECT FROM identity.accounts WHERE tenant = $1)";

/// Parameters: tenant, now. Shuts its people out, and ends what was given out to them.
pub(crate) const SUSPEND_TENANT: &str = "\
    INSERT INTO identity.tenants AS t (tenant, epoch, suspended_at) VALUES ($1, 1, $2) \
    ON CONFLICT (tenant) DO UPDATE SET epoch = t.epoch + 1, \
        suspended_at = coalesce(t.suspended_at, $2)";

/// Parameters: tenant. Its people may sign in again; what was ended stays so.
pub(crate) const RESUME_TENANT: &str =
    "UPDATE identity.tenants SET suspended_at = NULL WHERE tenant = $1";

/// Parameters: tenant, idle and absolute limit in seconds or NULL.
pub(crate) const LIMIT_TENANT: &str = "\
    INSERT INTO identity.tenants (tenant, idle, absolute) VALUES ($1, $2, $3) \
    ON CONFLICT (tenant) DO UPDATE SET idle = excluded.idle, absolute = excluded.absolute";

/// Parameters: now, the house's idle and absolute limit in seconds. Brings the end of each living
/// session forward to what its limits are by now.
pub(crate) const SHORTEN_SESSIONS: &str = "\
    UPDATE identity.sessions s \
    SET absolute_expires_at = n.absolute, idle_expires_at = least(n.idle, n.absolute) \
    FROM (SELECT o.token_sha256, \
            least(o.absolute_expires_at, \
                o.created_at + make_interval(secs => least($3, t.absolute))) AS absolute, \
            least(o.idle_expires_at, \
                o.last_seen_at + make_interval(secs => least($2, t.idle))) AS idle \
        FROM identity.sessions o JOIN identity.accounts a ON a.id = o.account \
            LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
        WHERE o.revoked_at IS NULL AND o.absolute_expires_at > $1) n \
    WHERE s.token_sha256 = n.token_sha256 \
        AND (s.absolute_expires_at, s.idle_expires_at) \
            IS DISTINCT FROM (n.absolute, least(n.idle, n.absolute))";

/// One moment for the whole scan, and no writing in it. The first statement of its transaction.
pub(crate) const STAND_STILL: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How many hashes there are.
pub(crate) const COUNT_HASHES: &str = "\
    SELECT count(*) FROM identity.accounts WHERE password_hash IS NOT NULL";

/// Parameters: the last id seen as text, how many. Rows: id, hash.
pub(crate) const NEXT_HASHES: &str = "\
    SELECT id::text, password_hash FROM identity.accounts \
    WHERE id > $1::text::uuid AND password_hash IS NOT NULL ORDER BY id LIMIT $2";

/// For the bite's sandbox: lets it store what the constraint would refuse.
pub(crate) const DROP_SCHEME_CHECK: &str =
    "ALTER TABLE identity.accounts DROP CONSTRAINT accounts_password_argon2id";

/// Parameters: how they begin. Forgets the tenants of proofs that nobody is of any more.
pub(crate) const REMOVE_SHUT: &str = "\
    DELETE FROM identity.tenants t WHERE starts_with(t.tenant, $1) \
        AND NOT EXISTS (SELECT FROM identity.accounts a WHERE a.tenant = t.tenant)";

/// Parameters: addresses, the domain's pattern, moment. Run by the owner of the control database:
/// removes these canaries, and those that were made before that moment, with their sessions.
pub(crate) const REMOVE_CANARIES: &str = "\
    DELETE FROM identity.accounts \
    WHERE synthetic AND (email = ANY ($1) OR (email LIKE $2 AND created_at < $3))";

/// For the proofs: an account of theirs is disabled. Parameters: account.
pub(crate) const DISABLE_ACCOUNT: &str =
    "UPDATE identity.accounts SET disabled_at = now() WHERE id = $1::text::uuid";

/// Likewise: its sessions end without the service. Parameters: account.
pub(crate) const REVOKE_ALL: &str =
    "UPDATE identity.sessions SET revoked_at = now() WHERE account = $1::text::uuid";

/// For the bite's sandbox: nobody is told of anything.
pub(crate) const SILENCE_TRIGGERS: &str = "\
    ALTER TABLE identity.accounts DISABLE TRIGGER USER; \
    ALTER TABLE identity.sessions DISABLE TRIGGER USER; \
    ALTER TABLE identity.tenants DISABLE TRIGGER USER; \
    ALTER TABLE identity.families DISABLE TRIGGER USER; \
    ALTER TABLE identity.api_keys DISABLE TRIGGER USER";

/// For the bite's sandbox: whoever decides about this account asks anew. Parameters: account.
pub(crate) const TELL_ACCOUNT: &str = "SELECT identity.tell('a:' || $1)";

/// Parameters: now. How many sessions would be answered for, by their times. Those of the proofs' own
/// people are left out: time is let pass for them.
pub(crate) const COUNT_LIVING: &str = "\
    SELECT count(*) FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
    WHERE s.revoked_at IS NULL AND s.epoch = a.epoch AND a.disabled_at IS NULL \
        AND a.tenant <> 'amanah-canary-sessions' \
        AND s.idle_expires_at > $1 AND s.absolute_expires_at > $1";

/// Parameters: now, idle and absolute limit in seconds, how many. Those of them that live longer.
pub(crate) const LATE_SESSIONS: &str = "\
    SELECT s.id::text AS id, least(s.idle_expires_at, timestamptz '9999-12-01') AS idle_end, \
        least(s.absolute_expires_at, timestamptz '9999-12-01') AS end \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
    WHERE s.revoked_at IS NULL AND s.epoch = a.epoch AND a.disabled_at IS NULL \
        AND a.tenant <> 'amanah-canary-sessions' \
        AND s.idle_expires_at > $1 AND s.absolute_expires_at > $1 \
        AND (s.idle_expires_at > s.last_seen_at + make_interval(secs => $2::integer) \
            OR s.absolute_expires_at > s.created_at + make_interval(secs => $3::integer) \
            OR s.last_seen_at > $1 + interval '5 min' OR s.created_at > $1 + interval '5 min') \
    ORDER BY s.created_at, s.id LIMIT $4";

/// For the proofs: the sessions of an account were not used for so many seconds. Parameters:
/// account, seconds.
pub(crate) const AGE_UNUSED: &str = "\
    UPDATE identity.sessions \
    SET created_at = created_at - make_interval(secs => $2::integer), \
        last_seen_at = last_seen_at - make_interval(secs => $2::integer), \
        idle_expires_at = idle_expires_at - make_interval(secs => $2::integer) \
    WHERE account = $1::text::uuid AND revoked_at IS NULL";

/// Likewise: they were opened so many seconds ago, and used until now.
pub(crate) const AGE_USED: &str = "\
    UPDATE identity.sessions \
    SET created_at = created_at - make_interval(secs => $2::integer), \
        absolute_expires_at = absolute_expires_at - make_interval(secs => $2::integer), \
        idle_expires_at = \
            least(idle_expires_at, absolute_expires_at - make_interval(secs => $2::integer)) \
    WHERE account = $1::text::uuid AND revoked_at IS NULL";

/// For the bite's sandbox: sessions that live too long. Parameters: account, now.
pub(crate) const SEED_LATE: &str = "\
    INSERT INTO identity.sessions (token_sha256, account, epoch, authenticated_at, created_at, \
        last_seen_at, idle_expires_at, absolute_expires_at) \
    SELECT sha256(convert_to(n::text, 'UTF8')), $1::text::uuid, 0, $2, $2::timestamptz - opened, $2::timestamptz - used, \
        idle_end, end_at \
    FROM (VALUES \
        (1, interval '0', interval '0', timestamptz 'infinity', timestamptz 'infinity'), \
        (2, interval '0', interval '0', $2::timestamptz + interval '1 h', $2::timestamptz + interval '12 h'), \
        (3, interval '1 h', interval '0', $2::timestamptz + interval '30 min', $2::timestamptz + interval '12 h'), \
        (4, interval '2 d', interval '0', $2::timestamptz + interval '30 min', $2::timestamptz + interval '1 h'), \
        (5, interval '2 h', interval '1 h', $2::timestamptz + interval '5 min', $2::timestamptz + interval '9 h'), \
        (6, interval '-2 h', interval '-2 h', $2::timestamptz + interval '150 min', $2::timestamptz + interval '13 h') \
    ) AS v (n, opened, used, idle_end, end_at)";
