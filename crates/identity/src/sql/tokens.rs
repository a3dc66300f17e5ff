//! The statements about refresh tokens and API keys.

/// Whether family `f` of account `a`, of a tenant with the row `t` if it has one, is alive at the
/// moment that is bound as `$now`.
macro_rules! alive {
    ($now:literal) => {
        concat!(
            "f.revoked_at IS NULL AND a.disabled_at IS NULL AND f.epoch = a.epoch \
             AND t.suspended_at IS NULL AND f.tenant_epoch = coalesce(t.epoch, 0) \
             AND f.idle_expires_at > ",
            $now,
            " AND f.absolute_expires_at > ",
            $now,
            " AND (t.idle IS NULL OR f.last_used_at + make_interval(secs => t.idle) > ",
            $now,
            ") AND (t.absolute IS NULL OR f.created_at + make_interval(secs => t.absolute) > ",
            $now,
            ")"
        )
    };
}

/// Parameters: session's SHA-256, now, idle end, absolute end. One row when the session lives and is
/// none of support: family, account, tenant, epoch, strength. The session is held, so that it
/// cannot be ended beside the family that is born of it.
pub(crate) const OPEN_FAMILY: &str = "\
    WITH s AS ( \
        SELECT s.id, s.account, s.epoch, s.tenant_epoch, s.strength, s.authenticated_at, a.tenant, \
            LEAST($4::timestamptz, $2::timestamptz + make_interval(secs => t.absolute), \
                s.absolute_expires_at) AS absolute, \
            LEAST($3::timestamptz, $2::timestamptz + make_interval(secs => t.idle)) AS idle \
        FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
            LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
        WHERE s.token_sha256 = $1 AND s.revoked_at IS NULL AND a.disabled_at IS NULL \
            AND s.epoch = a.epoch AND s.support IS NULL AND t.suspended_at IS NULL \
            AND s.tenant_epoch = coalesce(t.epoch, 0) \
            AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2 \
        FOR SHARE OF s), \
    f AS ( \
        INSERT INTO identity.families (account, session, epoch, tenant_epoch, strength, \
            authenticated_at, created_at, last_used_at, idle_expires_at, absolute_expires_at) \
        SELECT account, id, epoch, tenant_epoch, strength, authenticated_at, $2, $2, \
            LEAST(idle, absolute), absolute FROM s \
        RETURNING id) \
    SELECT f.id::text AS family, s.account::text, s.tenant, s.epoch, s.strength FROM f, s";

/// Parameters: token's SHA-256, family, now.
pub(crate) const ADD_TOKEN: &str = "\
    INSERT INTO identity.refresh_tokens (token_sha256, family, created_at) \
    VALUES ($1, $2::text::uuid, $3)";

/// Parameters: account, now, how many families may live. Ends the oldest beyond that.
pub(crate) const END_OLDEST_FAMILIES: &str = "\
    UPDATE identity.families SET revoked_at = $2, revoked_why = 'too many' WHERE id IN ( \
        SELECT id FROM identity.families \
        WHERE account = $1::text::uuid AND revoked_at IS NULL \
            AND idle_expires_at > $2 AND absolute_expires_at > $2 \
        ORDER BY created_at DESC, id OFFSET $3)";

/// Parameters: account, moment. Forgets families that ended before it, with their tokens.
pub(crate) const FORGET_FAMILIES: &str = "\
    DELETE FROM identity.families WHERE account = $1::text::uuid \
        AND (revoked_at < $2 OR absolute_expires_at < $2 OR idle_expires_at < $2)";

/// Parameters: token's SHA-256, now. At most one row, of a dead family too.
pub(crate) const FIND_TOKEN: &str = concat!(
    "SELECT f.id::text AS family, f.account::text, a.tenant, f.epoch, f.strength, f.created_at, \
        r.used_at, r.successor_sealed, ",
    alive!("$2"),
    " AS alive \
    FROM identity.refresh_tokens r JOIN identity.families f ON f.id = r.family \
        JOIN identity.accounts a ON a.id = f.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE r.token_sha256 = $1"
);

/// Parameters: token's SHA-256, now, its successor sealed, the successor's SHA-256, idle end.
/// Changes one row when the token was not used and its family lives; whoever comes second at the
/// same moment waits for the first and changes none.
pub(crate) const USE_TOKEN: &str = concat!(
    "WITH used AS ( \
        UPDATE identity.refresh_tokens r SET used_at = $2, successor_sealed = $3 \
        FROM identity.families f JOIN identity.accounts a ON a.id = f.account \
            LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
        WHERE r.token_sha256 = $1 AND r.used_at IS NULL AND f.id = r.family AND ",
    alive!("$2"),
    " RETURNING r.family, make_interval(secs => t.idle) AS idle), \
    born AS ( \
        INSERT INTO identity.refresh_tokens (token_sha256, family, created_at) \
        SELECT $4, family, $2 FROM used RETURNING family) \
    UPDATE identity.families f \
    SET last_used_at = $2, \
        idle_expires_at = LEAST($5::timestamptz, f.absolute_expires_at, $2::timestamptz + used.idle) \
    FROM born JOIN used ON used.family = born.family \
    WHERE f.id = born.family AND f.revoked_at IS NULL"
);

/// Parameters: now, the house's idle and absolute limit in seconds. Brings the end of each living
/// family forward to what its limits are by now.
pub(crate) const SHORTEN_FAMILIES: &str = "\
    UPDATE identity.families f SET idle_expires_at = n.idle \
    FROM (SELECT o.id, LEAST(o.idle_expires_at, o.absolute_expires_at, \
            o.last_used_at + make_interval(secs => LEAST($2, t.idle)), \
            o.created_at + make_interval(secs => LEAST($3, t.absolute))) AS idle \
        FROM identity.families o JOIN identity.accounts a ON a.id = o.account \
            LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
        WHERE o.revoked_at IS NULL AND o.idle_expires_at > $1) n \
    WHERE f.id = n.id AND f.idle_expires_at > n.idle";

/// Parameters: now. How many families would be answered for, by their times. Those of the proofs'
/// own people are left out: time is let pass for them.
pub(crate) const COUNT_FAMILIES: &str = "\
    SELECT count(*) FROM identity.families f JOIN identity.accounts a ON a.id = f.account \
    WHERE f.revoked_at IS NULL AND f.epoch = a.epoch AND a.disabled_at IS NULL \
        AND a.tenant <> 'amanah-canary-sessions' \
        AND f.idle_expires_at > $1 AND f.absolute_expires_at > $1";

/// Parameters: now, idle and absolute limit in seconds, how many. Those of them that live longer. A
/// family is as old as the session that it came from.
pub(crate) const LATE_FAMILIES: &str = "\
    SELECT f.id::text AS id, f.idle_expires_at AS idle_end, f.absolute_expires_at AS end \
    FROM identity.families f JOIN identity.accounts a ON a.id = f.account \
        LEFT JOIN identity.sessions s ON s.id = f.session \
    WHERE f.revoked_at IS NULL AND f.epoch = a.epoch AND a.disabled_at IS NULL \
        AND a.tenant <> 'amanah-canary-sessions' \
        AND f.idle_expires_at > $1 AND f.absolute_expires_at > $1 \
        AND (f.idle_expires_at > f.last_used_at + make_interval(secs => $2::integer) \
            OR f.idle_expires_at > LEAST(f.created_at, s.created_at) \
                + make_interval(secs => $3::integer) \
            OR f.last_used_at > $1 + interval '5 min' OR f.created_at > $1 + interval '5 min') \
    ORDER BY f.created_at, f.id LIMIT $4";

/// For the proofs: the families of an account were not used for so many seconds. Parameters: account,
/// seconds.
pub(crate) const AGE_FAMILIES: &str = "\
    UPDATE identity.families \
    SET created_at = created_at - make_interval(secs => $2::integer), \
        last_used_at = last_used_at - make_interval(secs => $2::integer), \
        idle_expires_at = idle_expires_at - make_interval(secs => $2::integer) \
    WHERE account = $1::text::uuid AND revoked_at IS NULL";

/// Likewise: they began so many seconds ago, and were used until now.
pub(crate) const AGE_USED_FAMILIES: &str = "\
    UPDATE identity.families \
    SET created_at = created_at - make_interval(secs => $2::integer), \
        absolute_expires_at = absolute_expires_at - make_interval(secs => $2::integer), \
        idle_expires_at = \
            least(idle_expires_at, absolute_expires_at - make_interval(secs => $2::integer)) \
    WHERE account = $1::text::uuid AND revoked_at IS NULL";

/// For the bite's sandbox: families that live too long. Parameters: account, now.
pub(crate) const SEED_LATE_FAMILIES: &str = "\
    INSERT INTO identity.families (account, session, epoch, tenant_epoch, strength, authenticated_at, \
        created_at, last_used_at, idle_expires_at, absolute_expires_at) \
    SELECT $1::text::uuid, gen_random_uuid(), 0, 0, 1, $2, $2::timestamptz - opened, $2, \
        $2::timestamptz + unused, $2::timestamptz + interval '30 d' \
    FROM (VALUES (interval '0', interval '7 d'), (interval '2 d', interval '20 min')) AS v (opened, unused)";

/// Parameters: family, moment. Forgets tokens that were used before it.
pub(crate) const FORGET_USED: &str = "\
    DELETE FROM identity.refresh_tokens WHERE family = $1::text::uuid AND used_at < $2";

/// Parameters: family, moment. Drops the successors of tokens that were used before it.
pub(crate) const FORGET_SUCCESSORS: &str = "\
    UPDATE identity.refresh_tokens SET successor_sealed = NULL \
    WHERE family = $1::text::uuid AND used_at < $2 AND successor_sealed IS NOT NULL";

/// Parameters: family, now, why. One row when it lived: account.
pub(crate) const END_FAMILY: &str = "\
    UPDATE identity.families SET revoked_at = $2, revoked_why = $3 \
    WHERE id = $1::text::uuid AND revoked_at IS NULL RETURNING account::text";

/// Parameters: family, account, epoch, now. At most one row: whoever holds an access token.
pub(crate) const FIND_FAMILY: &str = concat!(
    "SELECT a.id::text AS account, a.email, a.display_name, a.tenant, f.id::text AS id, \
        f.strength, f.authenticated_at, LEAST(f.idle_expires_at, f.absolute_expires_at) AS until \
    FROM identity.families f JOIN identity.accounts a ON a.id = f.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE f.id = $1::text::uuid AND f.account = $2::text::uuid AND f.epoch = $3 AND ",
    alive!("$4")
);

/// Parameters: id, key's SHA-256, account, maker, name, scopes, maker's session, now, end, how many
/// may live. One row when it was made: its id, and who answers for the service. The account is the
/// maker's, or a service of their tenant. The maker is held: whoever closes their account meanwhile waits, and
/// ends this key with the rest.
pub(crate) const ADD_KEY: &str = "\
    INSERT INTO identity.api_keys (id, key_sha256, account, made_by, name, scopes, epoch, \
        tenant_epoch, strength, created_at, expires_at) \
    SELECT $1, $2, a.id, m.id, $5, $6, a.epoch, s.tenant_epoch, s.strength, $8, $9 \
    FROM identity.sessions s JOIN identity.accounts m ON m.id = s.account \
        JOIN identity.accounts a ON a.id = $3::text::uuid \
        LEFT JOIN identity.tenants t ON t.tenant = m.tenant \
    WHERE s.id = $7::text::uuid AND m.id = $4::text::uuid AND s.revoked_at IS NULL \
        AND s.epoch = m.epoch AND s.support IS NULL AND m.disabled_at IS NULL \
        AND t.suspended_at IS NULL AND s.tenant_epoch = coalesce(t.epoch, 0) \
        AND a.disabled_at IS NULL AND a.tenant = m.tenant AND (a.id = m.id OR a.owner IS NOT NULL) \
        AND $10 > (SELECT count(*) FROM identity.api_keys k \
            WHERE k.account = a.id AND k.revoked_at IS NULL AND k.expires_at > $8) \
    FOR SHARE OF m, s \
    RETURNING id, (SELECT o.owner::text FROM identity.accounts o WHERE o.id = account)";

/// Parameters: key's SHA-256, now. At most one row.
pub(crate) const FIND_KEY: &str = "\
    SELECT a.id::text AS account, a.email, a.display_name, a.tenant, k.id, k.scopes, k.strength, \
        k.created_at AS authenticated_at, k.last_used_at, k.expires_at AS until \
    FROM identity.api_keys k JOIN identity.accounts a ON a.id = k.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE k.key_sha256 = $1 AND k.revoked_at IS NULL AND k.expires_at > $2 \
        AND k.epoch = a.epoch AND a.disabled_at IS NULL AND t.suspended_at IS NULL \
        AND k.tenant_epoch = coalesce(t.epoch, 0)";

/// Parameters: id, now.
pub(crate) const TOUCH_KEY: &str = "\
    UPDATE identity.api_keys SET last_used_at = $2 WHERE id = $1";

/// Parameters: account, its tenant, whether services' keys are listed too, how many. The newest
/// first. A key of an earlier epoch is over, though nobody revoked it.
pub(crate) const LIST_KEYS: &str = "\
    SELECT k.id, k.name, k.scopes, k.created_at, k.expires_at, k.last_used_at, \
        k.revoked_at IS NOT NULL OR k.epoch <> a.epoch \
            OR k.tenant_epoch <> coalesce(t.epoch, 0) AS revoked, \
        CASE WHEN a.owner IS NOT NULL THEN a.display_name END AS service \
    FROM identity.api_keys k JOIN identity.accounts a ON a.id = k.account \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE a.id = $1::text::uuid OR ($3 AND a.owner IS NOT NULL AND a.tenant = $2) \
    ORDER BY k.created_at DESC, k.id LIMIT $4";

/// Parameters: id, account, its tenant, whether services' keys may be ended, now. One row when it
/// lived: whose it was.
pub(crate) const END_KEY: &str = "\
    UPDATE identity.api_keys k SET revoked_at = $5 FROM identity.accounts a \
    WHERE k.id = $1 AND a.id = k.account AND k.revoked_at IS NULL \
        AND (a.id = $2::text::uuid OR ($4 AND a.owner IS NOT NULL AND a.tenant = $3)) \
    RETURNING k.account::text";

/// Parameters: tenant, now. Every key of people and of services that would be let in, or would be again
/// once the tenant is: id, name, how many permissions, account, address, the service's name, its
/// maker's address, made at, last use, whether nobody answers for it.
pub(crate) const LIVING_KEYS: &str = "\
    SELECT k.id, k.name, cardinality(k.scopes), a.id::text, a.email, \
        CASE WHEN a.owner IS NOT NULL THEN a.display_name END, m.email, k.created_at, k.last_used_at, \
        m.disabled_at IS NOT NULL OR o.disabled_at IS NOT NULL \
    FROM identity.api_keys k JOIN identity.accounts a ON a.id = k.account \
        JOIN identity.accounts m ON m.id = k.made_by \
        LEFT JOIN identity.accounts o ON o.id = a.owner \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE a.tenant = $1 AND k.revoked_at IS NULL AND k.expires_at > $2 AND k.epoch = a.epoch \
        AND a.disabled_at IS NULL AND k.tenant_epoch = coalesce(t.epoch, 0)";

/// Parameters: id, tenant, now. Of whomever in the tenant: somebody decided so in a review.
pub(crate) const END_REVIEWED_KEY: &str = "\
    UPDATE identity.api_keys k SET revoked_at = greatest($3, k.created_at) FROM identity.accounts a \
    WHERE k.id = $1 AND a.id = k.account AND a.tenant = $2 AND k.revoked_at IS NULL";

/// Parameters: address, name, tenant, now, owner. One row when the address was free: id. The owner is held, as
/// for [`ADD_KEY`].
pub(crate) const ADD_SERVICE: &str = "\
    INSERT INTO identity.accounts (email, display_name, tenant, created_at, owner) \
    SELECT $1, $2, $3, $4, id FROM identity.accounts \
    WHERE id = $5::text::uuid AND tenant = $3 AND disabled_at IS NULL FOR SHARE \
    ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: tenant, how many. Rows: id, name, owner's address.
pub(crate) const LIST_SERVICES: &str = "\
    SELECT a.id::text, a.display_name, o.email FROM identity.accounts a \
        JOIN identity.accounts o ON o.id = a.owner \
    WHERE a.tenant = $1 AND a.disabled_at IS NULL ORDER BY a.display_name, a.id LIMIT $2";

/// Parameters: address of a canary. How many tokens of its living families were not used yet. Run by
/// the owner of the control database, as the rest is: for the proof of session.rotation.
pub(crate) const COUNT_UNUSED: &str = "\
    SELECT count(*) FROM identity.refresh_tokens t JOIN identity.families f ON f.id = t.family \
        JOIN identity.accounts a ON a.id = f.account \
    WHERE a.email = $1 AND f.revoked_at IS NULL AND t.used_at IS NULL";

/// Parameters: address of a canary. Its tokens were used so long ago that their window is over.
pub(crate) const AGE_USED: &str = "\
    UPDATE identity.refresh_tokens t SET used_at = t.used_at - interval '31 seconds' \
    FROM identity.families f, identity.accounts a \
    WHERE f.id = t.family AND a.id = f.account AND a.email = $1 AND t.used_at IS NOT NULL";

/// Parameters: address of a canary. Whatever was given out to it is over.
pub(crate) const BUMP_EPOCH: &str = "\
    UPDATE identity.accounts SET epoch = epoch + 1 WHERE email = $1";

/// Parameters: address of a canary. Its families were idle for too long.
pub(crate) const END_IDLE: &str = "\
    UPDATE identity.families f SET idle_expires_at = f.created_at - interval '1 second' \
    FROM identity.accounts a WHERE a.id = f.account AND a.email = $1 AND f.revoked_at IS NULL";

/// Parameters: address of a canary. Its families lived for as long as any may.
pub(crate) const END_ABSOLUTE: &str = "\
    UPDATE identity.families f SET idle_expires_at = f.created_at - interval '1 second', \
        absolute_expires_at = f.created_at - interval '1 second' \
    FROM identity.accounts a WHERE a.id = f.account AND a.email = $1 AND f.revoked_at IS NULL";

/// Parameters: address of a canary. Its keys ended yesterday.
pub(crate) const EXPIRE_KEYS: &str = "\
    UPDATE identity.api_keys k SET created_at = k.created_at - interval '3 days', \
        expires_at = k.created_at - interval '1 day' \
    FROM identity.accounts a WHERE a.id = k.account AND a.email = $1 AND k.revoked_at IS NULL";

/// For the bite's sandbox: each violation is a trigger that undoes what should count.
pub(crate) const SEEDS: [(&str, &str, &str, &str); 7] = [
    (
        "a used token that is not marked",
        "refresh_tokens",
        "NEW.used_at := NULL; NEW.successor_sealed := NULL;",
        "a used token after its window",
    ),
    (
        "a successor that is lost",
        "refresh_tokens",
        "NEW.successor_sealed := NULL;",
        "a used token within its window",
    ),
    (
        "a family that lives on",
        "families",
        "NEW.revoked_at := OLD.revoked_at; NEW.revoked_why := OLD.revoked_why;",
        "the newest tokens after a reuse",
    ),
    (
        "a family that outlives the session that it came from",
        "families",
        "IF NEW.revoked_why = 'signed out' THEN \
         NEW.revoked_at := OLD.revoked_at; NEW.revoked_why := OLD.revoked_why; END IF;",
        "tokens of a session that was signed out",
    ),
    (
        "a family that never ends by itself",
        "families",
        "NEW.idle_expires_at := OLD.idle_expires_at; \
         NEW.absolute_expires_at := OLD.absolute_expires_at;",
        "a token of a family that was idle",
    ),
    (
        "an epoch that does not count",
        "accounts",
        "NEW.epoch := OLD.epoch;",
        "tokens of an earlier epoch",
    ),
    (
        "a key whose end does not count",
        "api_keys",
        "NEW.expires_at := OLD.expires_at; NEW.revoked_at := OLD.revoked_at;",
        "an expired key",
    ),
];

/// Seeds the violation `body` on `table`, both of [`SEEDS`].
pub(crate) fn seed(table: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION identity.seeded() RETURNS trigger LANGUAGE plpgsql AS \
         $seed$ BEGIN {body} RETURN NEW; END $seed$; \
         CREATE TRIGGER aa_seeded BEFORE UPDATE ON identity.{table} FOR EACH ROW \
         EXECUTE FUNCTION identity.seeded();"
    )
}

/// Takes it away again.
pub(crate) fn unseed(table: &str) -> String {
    format!("DROP TRIGGER aa_seeded ON identity.{table}")
}
