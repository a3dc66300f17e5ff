//! The statements about letters, resets, invitations and browsers, and nothing else. Every value is bound.

/// Parameters: kind, account, detail, now, since when its letters of this kind are counted, how many
/// there may be. To the address and in the language of the account.
pub(crate) const QUEUE_NOTICE: &str = "\
    INSERT INTO identity.letters (kind, recipient, account, language, detail, queued_at, due_at) \
    SELECT $1, a.email, a.id, a.language, $3, $4, $4 FROM identity.accounts a \
    WHERE a.id = $2::text::uuid \
        AND (a.first_signed_in_at IS NOT NULL OR $1 NOT IN ('roles-granted', 'roles-taken')) \
        AND $6 > (SELECT count(*) FROM (SELECT 1 FROM identity.letters l \
            WHERE l.account = a.id AND l.kind = $1 AND l.queued_at > $5 LIMIT $6) lately)";

/// Parameters: address, language, now, how many of them may wait. What is asked for is written down whether or
/// not anybody has the address.
pub(crate) const QUEUE_ASKED: &str = "\
    INSERT INTO identity.letters (kind, recipient, language, queued_at, due_at) \
    SELECT 'reset', $1, $2, $3, $3 WHERE (SELECT count(*) FROM (SELECT 1 \
        FROM identity.letters WHERE kind = 'reset' AND sent_at IS NULL AND given_up_at IS NULL \
        LIMIT $4) w) < $4";

/// Parameters: invitation, now.
pub(crate) const QUEUE_INVITATION: &str = "\
    INSERT INTO identity.letters (kind, recipient, invitation, language, queued_at, due_at) \
    SELECT 'invited', email, id, language, $2, $2 FROM identity.invitations \
    WHERE id = $1::text::uuid";

/// Parameters: now, until when it is ours. At most one row. Whoever takes a letter counts the
/// attempt first, so that one that kills us is not tried for ever.
pub(crate) const TAKE: &str = "\
    UPDATE identity.letters SET due_at = $2, attempts = attempts + 1 WHERE id = ( \
        SELECT id FROM identity.letters \
        WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= $1 \
        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
    RETURNING id, kind, recipient, account::text, invitation::text, language, detail, queued_at, \
        attempts";

/// Parameters: letter, now.
pub(crate) const SENT: &str =
    "UPDATE identity.letters SET sent_at = $2, problem = NULL WHERE id = $1 AND sent_at IS NULL";

/// Parameters: letter. What nobody is to get leaves no trace.
pub(crate) const DROP: &str = "DELETE FROM identity.letters WHERE id = $1";

/// Parameters: letter, when to try again, what went wrong.
pub(crate) const LATER: &str =
    "UPDATE identity.letters SET due_at = $2, problem = $3 WHERE id = $1";

/// Parameters: letter, now, what went wrong.
pub(crate) const GIVE_UP: &str =
    "UPDATE identity.letters SET given_up_at = $2, problem = $3 WHERE id = $1";

/// Parameters: moment. Removes what was sent or given up before then.
pub(crate) const FORGET: &str =
    "DELETE FROM identity.letters WHERE sent_at < $1 OR given_up_at < $1";

/// One row: how many wait, how many of these have failed at least once, how many were given up,
/// since when the oldest waits, and what went wrong last.
pub(crate) const STATE: &str = "\
    SELECT count(*) FILTER (WHERE given_up_at IS NULL), \
        count(*) FILTER (WHERE given_up_at IS NULL AND problem IS NOT NULL), \
        count(*) FILTER (WHERE given_up_at IS NOT NULL), \
        min(queued_at) FILTER (WHERE given_up_at IS NULL), \
        (array_agg(problem ORDER BY id DESC) FILTER (WHERE problem IS NOT NULL))[1] \
    FROM identity.letters WHERE sent_at IS NULL";

/// Parameters: address, moment. How many letters of a reset left for it since then.
pub(crate) const RESETS_SENT: &str = "\
    SELECT count(*) FROM identity.letters \
    WHERE recipient = $1 AND kind = 'reset' AND sent_at > $2";

/// Parameters: address. At most one row: whoever has it, and may sign in.
pub(crate) const HOLDER: &str = "\
    SELECT id::text, display_name, tenant, language FROM identity.accounts \
    WHERE lower(email) = $1 AND disabled_at IS NULL";

/// Parameters: account. At most one row, disabled or not: of its end it is told too.
pub(crate) const CALLED: &str =
    "SELECT display_name, tenant FROM identity.accounts WHERE id = $1::text::uuid";

/// Parameters: token's SHA-256, now. A row, whose it is, while the link is good: nothing has changed about the
/// account since it was made.
pub(crate) const FIND_RESET: &str = "\
    SELECT a.email, a.display_name, a.tenant FROM identity.resets r JOIN identity.accounts a ON a.id = r.account \
    WHERE r.token_sha256 = $1 AND r.expires_at > $2 AND a.disabled_at IS NULL \
        AND r.epoch = a.epoch \
        AND r.password_sha256 = sha256(convert_to(a.password_hash, 'UTF8'))";

/// Parameters: account, token's SHA-256, now, until when. Whoever asks again ends the one before.
pub(crate) const OPEN_RESET: &str = "\
    INSERT INTO identity.resets (account, token_sha256, epoch, password_sha256, made_at, expires_at) \
    SELECT id, $2, epoch, sha256(convert_to(password_hash, 'UTF8')), $3, $4 \
    FROM identity.accounts WHERE id = $1::text::uuid \
    ON CONFLICT (account) DO UPDATE SET token_sha256 = EXCLUDED.token_sha256, \
        epoch = EXCLUDED.epoch, password_sha256 = EXCLUDED.password_sha256, \
        made_at = EXCLUDED.made_at, expires_at = EXCLUDED.expires_at";

/// Parameters: token's SHA-256, now, new hash. One row, the account's id and address, when the link
/// is good. Of two at once, the second finds another epoch.
pub(crate) const USE_RESET: &str = "\
    UPDATE identity.accounts a SET password_hash = $3, epoch = a.epoch + 1 \
    FROM identity.resets r \
    WHERE r.token_sha256 = $1 AND r.account = a.id AND r.expires_at > $2 \
        AND a.disabled_at IS NULL AND r.epoch = a.epoch \
        AND r.password_sha256 = sha256(convert_to(a.password_hash, 'UTF8')) \
    RETURNING a.id::text, a.email";

/// Parameters: account.
pub(crate) const END_RESET: &str = "DELETE FROM identity.resets WHERE account = $1::text::uuid";

/// Parameters: account, old hash, new hash, the session's id, now. One row, the new epoch, while the old one
/// is the account's and the session lives: what was ended while hashes were computed must not come back.
pub(crate) const CHANGE_PASSWORD: &str = "\
    UPDATE identity.accounts a SET password_hash = $3, epoch = a.epoch + 1 \
    WHERE a.id = $1::text::uuid AND a.password_hash = $2 AND a.disabled_at IS NULL \
        AND EXISTS (SELECT FROM identity.sessions s \
                LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
            WHERE s.id::text = $4 AND s.account = a.id AND s.revoked_at IS NULL \
                AND s.epoch = a.epoch AND s.tenant_epoch = coalesce(t.epoch, 0) \
                AND t.suspended_at IS NULL \
                AND s.idle_expires_at > $5 AND s.absolute_expires_at > $5) \
    RETURNING a.epoch";

/// Parameters: account. At most one row: the hash.
pub(crate) const HASH_OF: &str = "\
    SELECT password_hash FROM identity.accounts WHERE id = $1::text::uuid AND disabled_at IS NULL";

/// Parameters: account, the session's id, epoch. The session in which a password was changed: one row while
/// it lives.
pub(crate) const KEEP_SESSION: &str = "\
    UPDATE identity.sessions SET epoch = $3 \
    WHERE account = $1::text::uuid AND id = $2::text::uuid AND revoked_at IS NULL AND epoch = $3 - 1";

/// Parameters: tenant. Held until the transaction ends.
pub(crate) const TURN_OF_INVITATIONS: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('identity.invitations/' || $1, 0))";

/// Parameters: tenant, account, address, since when those of the tenant and the account count, since when
/// those to the address do. One row: how many there are of the tenant, of the account, and of the tenant to
/// the address.
pub(crate) const INVITED_LATELY: &str = "\
    SELECT count(*) FILTER (WHERE invited_at > $4), \
        count(*) FILTER (WHERE invited_at > $4 AND invited_by = $2::text::uuid), \
        count(*) FILTER (WHERE email = $3) \
    FROM identity.invitations WHERE tenant = $1 AND invited_at > least($4, $5)";

/// Parameters: address, moment. How many letters of an invitation, or of a directory's account, left for it
/// since then.
pub(crate) const INVITATIONS_SENT: &str = "\
    SELECT count(*) FROM identity.letters \
    WHERE recipient = $1 AND kind IN ('invited', 'provisioned') AND sent_at > $2";

/// Parameters: tenant, address, now.
pub(crate) const REPLACE_INVITATION: &str = "\
    UPDATE identity.invitations SET withdrawn_at = $3 \
    WHERE tenant = $1 AND email = $2 AND withdrawn_at IS NULL AND accepted_at IS NULL";

/// Parameters: account. One row while it is open, and until the transaction ends nobody closes it.
pub(crate) const HOLD_INVITER: &str = "\
    SELECT FROM identity.accounts WHERE id = $1::text::uuid AND disabled_at IS NULL FOR SHARE";

/// Parameters: tenant, address, roles, language, by whom, now, until when, how many may be open.
pub(crate) const INVITE: &str = "\
    INSERT INTO identity.invitations (tenant, email, roles, language, invited_by, invited_at, \
        expires_at) \
    SELECT $1, $2, $3, $4, $5::text::uuid, $6, $7 WHERE $8 > (SELECT count(*) \
        FROM identity.invitations WHERE tenant = $1 AND withdrawn_at IS NULL \
            AND accepted_at IS NULL AND expires_at > $6) \
    RETURNING id::text";

/// Parameters: tenant, now, how many.
pub(crate) const PENDING: &str = "\
    SELECT i.id::text, i.email, i.roles, a.email, i.invited_at, i.expires_at \
    FROM identity.invitations i JOIN identity.accounts a ON a.id = i.invited_by \
    WHERE i.tenant = $1 AND i.withdrawn_at IS NULL AND i.accepted_at IS NULL \
        AND i.expires_at > $2 ORDER BY i.invited_at DESC, i.id LIMIT $3";

/// Parameters: tenant, invitation, now.
pub(crate) const WITHDRAW: &str = "\
    UPDATE identity.invitations SET withdrawn_at = $3 \
    WHERE tenant = $1 AND id::text = $2 AND withdrawn_at IS NULL AND accepted_at IS NULL";

/// Parameters: tenant, how many.
pub(crate) const PEOPLE: &str = "\
    SELECT id::text, email, display_name, created_at, disabled_at IS NOT NULL \
    FROM identity.accounts WHERE tenant = $1 ORDER BY email LIMIT $2";

/// Parameters: tenant, account. As [`PEOPLE`], one of them.
pub(crate) const PERSON: &str = "\
    SELECT id::text, email, display_name, created_at, disabled_at IS NOT NULL \
    FROM identity.accounts WHERE tenant = $1 AND id::text = $2";

/// Parameters: token's SHA-256, now. At most one row: address, tenant, who invited.
pub(crate) const FIND_INVITATION: &str = "\
    SELECT i.email, i.tenant, a.display_name \
    FROM identity.invitations i JOIN identity.accounts a ON a.id = i.invited_by \
    WHERE i.token_sha256 = $1 AND i.expires_at > $2 AND i.withdrawn_at IS NULL \
        AND i.accepted_at IS NULL";

/// Which account `o` gives way to an invitation `i` that is accepted: one that a directory of another tenant
/// made, that nobody has ever entered, and that people have not closed.
macro_rules! gives_way {
    () => {
        "o.provisioned AND o.first_signed_in_at IS NULL AND o.tenant <> i.tenant \
            AND (o.disabled_at IS NULL OR o.closed_by_directory)"
    };
}

/// Parameters: invitation, now. At most one row, its id: the account that was in the way. It is closed for
/// good, and its address is free.
pub(crate) const GIVE_WAY: &str = concat!(
    "UPDATE identity.accounts o SET email = o.id::text || '@gave-way.invalid', epoch = o.epoch + 1, \
        disabled_at = coalesce(o.disabled_at, $2), closed_by_directory = false \
    FROM identity.invitations i \
    WHERE i.id = $1::text::uuid AND lower(o.email) = i.email AND ",
    gives_way!(),
    " RETURNING o.id::text"
);

/// Parameters: invitation, token's SHA-256, now. At most one row: who invited, the tenant, and
/// whether there is a link: not where the address has an account that stays.
pub(crate) const ARM_INVITATION: &str = concat!(
    "UPDATE identity.invitations i SET token_sha256 = CASE WHEN EXISTS (SELECT 1 \
            FROM identity.accounts o WHERE lower(o.email) = i.email AND NOT (",
    gives_way!(),
    ")) THEN NULL ELSE $2::bytea END \
    FROM identity.accounts a \
    WHERE i.id = $1::text::uuid AND a.id = i.invited_by AND i.expires_at > $3 \
        AND i.withdrawn_at IS NULL AND i.accepted_at IS NULL \
    RETURNING a.display_name, i.tenant, i.token_sha256 IS NOT NULL"
);

/// Parameters: token's SHA-256, now. One row, its id and language, and it is used.
pub(crate) const USE_INVITATION: &str = "\
    UPDATE identity.invitations SET accepted_at = $2, token_sha256 = NULL \
    WHERE token_sha256 = $1 AND expires_at > $2 AND withdrawn_at IS NULL \
        AND accepted_at IS NULL \
    RETURNING id::text, language";

/// Parameters: invitation, name, hash, now. One row when the address was free.
pub(crate) const MAKE_INVITED: &str = "\
    INSERT INTO identity.accounts (email, display_name, tenant, password_hash, created_at) \
    SELECT email, $2, tenant, $3, $4 FROM identity.invitations \
    WHERE id = $1::text::uuid ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: account, language.
pub(crate) const LANGUAGE_IS: &str =
    "UPDATE identity.accounts SET language = $2 WHERE id = $1::text::uuid";

/// Parameters: invitation, account.
pub(crate) const INVITED_IS: &str = "\
    UPDATE identity.invitations SET account = $2::text::uuid, gave_way = $3::text::uuid \
    WHERE id = $1::text::uuid";

/// Parameters: since when one has to have been accepted, the account or null for all. Invitations with the roles
/// that were not given so far, to accounts that are open: what waited longest for its turn first, so that no
/// tenant's keep another's from theirs.
pub(crate) const UNGRANTED: &str = "\
    SELECT i.id::text, i.account::text, i.tenant, \
        ARRAY(SELECT unnest(i.roles) EXCEPT SELECT unnest(i.given)), i.invited_by::text, a.email \
    FROM identity.invitations i JOIN identity.accounts a ON a.id = i.invited_by \
        JOIN identity.accounts n ON n.id = i.account \
    WHERE i.accepted_at > $1 AND i.granted_at IS NULL AND n.disabled_at IS NULL \
        AND ($2::text IS NULL OR n.id = $2::text::uuid) \
    ORDER BY i.tried_at NULLS FIRST, i.accepted_at LIMIT 100";

/// Parameters: invitation, a role that was given, now.
pub(crate) const GIVEN: &str = "\
    UPDATE identity.invitations SET given = given || $2::text, \
        granted_at = CASE WHEN roles <@ (given || $2::text) THEN $3::timestamptz END \
    WHERE id = $1::text::uuid AND $2 <> ALL (given)";

/// Parameters: invitation, now.
pub(crate) const TRIED: &str =
    "UPDATE identity.invitations SET tried_at = $2 WHERE id = $1::text::uuid";

/// Accounts that gave way, and what they held was not seen to have ended: what waited longest for its turn first.
pub(crate) const GAVE_WAY: &str = "\
    SELECT gave_way::text FROM identity.invitations \
    WHERE gave_way IS NOT NULL AND gave_way_ended_at IS NULL \
    ORDER BY gave_way_tried_at NULLS FIRST, accepted_at LIMIT 100";

/// Parameters: account, now.
pub(crate) const GAVE_WAY_TRIED: &str = "\
    UPDATE identity.invitations SET gave_way_tried_at = $2 WHERE gave_way = $1::text::uuid";

/// Parameters: account, now.
pub(crate) const GAVE_WAY_ENDED: &str = "\
    UPDATE identity.invitations SET gave_way_ended_at = $2 WHERE gave_way = $1::text::uuid";

/// Parameters: account, the SHA-256 of the browser's token, now. No row when it was not seen before.
pub(crate) const SEE_BROWSER: &str = "\
    UPDATE identity.browsers SET last_seen_at = $3 \
    WHERE account = $1::text::uuid AND token_sha256 = $2";

/// Parameters: account. Whether any browser is known.
pub(crate) const ANY_BROWSER: &str =
    "SELECT EXISTS (SELECT 1 FROM identity.browsers WHERE account = $1::text::uuid)";

/// Parameters: account, the SHA-256 of the browser's token, now.
pub(crate) const ADD_BROWSER: &str = "\
    INSERT INTO identity.browsers (account, token_sha256, first_seen_at, last_seen_at) \
    VALUES ($1::text::uuid, $2, $3, $3) ON CONFLICT DO NOTHING";

/// Parameters: account, how many are kept.
pub(crate) const FORGET_BROWSERS: &str = "\
    DELETE FROM identity.browsers WHERE account = $1::text::uuid AND token_sha256 IN ( \
        SELECT token_sha256 FROM identity.browsers WHERE account = $1::text::uuid \
        ORDER BY last_seen_at DESC, token_sha256 OFFSET $2)";

/// Parameters: address, the SHA-256 of the browser's token. Whether it was used by that account.
pub(crate) const KNOWS_BROWSER: &str = "\
    SELECT EXISTS (SELECT 1 FROM identity.browsers b JOIN identity.accounts a ON a.id = b.account \
        WHERE lower(a.email) = $1 AND b.token_sha256 = $2)";

/// Parameters: account, the session's id, the kind of browser.
pub(crate) const NAME_SESSION: &str = "\
    UPDATE identity.sessions SET agent = $3 WHERE account = $1::text::uuid AND id::text = $2";

/// Parameters: address, now. Run by the owner of the control database: closes a canary.
pub(crate) const CLOSE_CANARY: &str = "\
    UPDATE identity.accounts SET disabled_at = $2 \
    WHERE email = $1 AND synthetic AND disabled_at IS NULL";
