//! The statements about second factors and sign-ins that wait for one.

/// Parameters: token's SHA-256, account, hash, now, end. No row when the account was disabled, or
/// its password changed, while the password was being checked.
pub(crate) const OPEN_PENDING: &str = "\
    INSERT INTO identity.pending (token_sha256, account, epoch, reached, made_at, expires_at) \
    SELECT $1, id, epoch, 1, $4, $5 FROM identity.accounts \
    WHERE id = $2::text::uuid AND password_hash = $3 AND disabled_at IS NULL";

/// Parameters: now, how many. Those that nobody can go on with, whosever they are, and the seeds that were made in
/// them. What another sign-in removes at this moment is left to it.
pub(crate) const FORGET_PENDING: &str = "\
    WITH over AS (DELETE FROM identity.pending WHERE token_sha256 IN ( \
            SELECT token_sha256 FROM identity.pending WHERE expires_at <= $1 \
            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
        RETURNING account, token_sha256) \
    DELETE FROM identity.totp t USING over o WHERE t.account = o.account \
        AND t.asked_by = encode(o.token_sha256, 'hex') AND t.confirmed_at IS NULL";

/// Parameters: token's SHA-256, now, how many tries there are. At most one row.
pub(crate) const FIND_PENDING: &str = "\
    SELECT a.id::text AS account, a.email, a.display_name, a.tenant, p.epoch, p.reached \
    FROM identity.pending p JOIN identity.accounts a ON a.id = p.account \
    WHERE p.token_sha256 = $1 AND p.expires_at > $2 AND p.tries < $3 \
        AND p.epoch = a.epoch AND a.disabled_at IS NULL";

/// Parameters: token's SHA-256, now, how many tries there are. Takes one of them.
pub(crate) const TAKE_TRY: &str = "\
    UPDATE identity.pending SET tries = tries + 1 \
    WHERE token_sha256 = $1 AND expires_at > $2 AND tries < $3";

/// Parameters: token's SHA-256. A code was shown after the password: its tries begin anew.
pub(crate) const RAISE_PENDING: &str = "\
    UPDATE identity.pending SET reached = 2, tries = 0 WHERE token_sha256 = $1 AND reached = 1";

/// Parameters: token's SHA-256. One row for whoever removes it, who has the session. A seed that was made in the
/// step, and does not count, goes with it.
pub(crate) const END_PENDING: &str = "\
    WITH over AS (DELETE FROM identity.pending WHERE token_sha256 = $1 \
        RETURNING account, token_sha256), \
    seeds AS (DELETE FROM identity.totp t USING over o WHERE t.account = o.account \
        AND t.asked_by = encode(o.token_sha256, 'hex') AND t.confirmed_at IS NULL) \
    SELECT FROM over";

/// Parameters: account, now, how many wrong ones are free, the first wait and the longest, in seconds. Counts
/// a guess as wrong before it is looked at, so that many at once count as many. No row while the
/// account has to wait.
pub(crate) const COUNT_GUESS: &str = "\
    INSERT INTO identity.guesses AS g (account, failed, not_before) \
    VALUES ($1::text::uuid, 1, $2) \
    ON CONFLICT (account) DO UPDATE SET failed = g.failed + 1, \
        not_before = CASE WHEN g.failed + 1 < $3 THEN $2::timestamptz \
            ELSE $2::timestamptz + make_interval(secs => least( \
                $4::double precision * power(2, least(g.failed + 1 - $3, 20)), \
                $5::double precision)) END \
    WHERE g.not_before <= $2 \
    RETURNING failed";

/// Parameters: account, now. Nothing was wrong, then.
pub(crate) const FORGIVE: &str = "\
    UPDATE identity.guesses SET failed = 0, not_before = $2 WHERE account = $1::text::uuid";

/// Parameters: account. At most one row: whether there is an app, how many recovery codes are left,
/// how many passkeys there are, the tenant.
pub(crate) const COUNT_FACTORS: &str = "\
    SELECT EXISTS (SELECT FROM identity.totp \
            WHERE account = $1::text::uuid AND confirmed_at IS NOT NULL) AS app, \
        (SELECT count(*) FROM identity.recovery_codes \
            WHERE account = $1::text::uuid AND used_at IS NULL) AS codes, \
        (SELECT count(*) FROM identity.passkeys WHERE account = $1::text::uuid) AS passkeys, \
        tenant, epoch \
    FROM identity.accounts WHERE id = $1::text::uuid AND disabled_at IS NULL";

/// Parameters: account. The same of one whose holder has signed in before; no row otherwise.
pub(crate) const SIGNED_IN_WITH: &str = "\
    SELECT EXISTS (SELECT FROM identity.totp \
            WHERE account = a.id AND confirmed_at IS NOT NULL) AS app, \
        (SELECT count(*) FROM identity.recovery_codes \
            WHERE account = a.id AND used_at IS NULL) AS codes, \
        (SELECT count(*) FROM identity.passkeys WHERE account = a.id) AS passkeys \
    FROM identity.accounts a \
    WHERE a.id = $1::text::uuid AND a.first_signed_in_at IS NOT NULL";

/// Parameters: account. The seed that counts: id, seed.
pub(crate) const FIND_SEED: &str = "\
    SELECT id::text, seed_sealed FROM identity.totp \
    WHERE account = $1::text::uuid AND confirmed_at IS NOT NULL";

/// Parameters: account, who asked. The seed that waits for them to confirm it: id, seed.
pub(crate) const FIND_WAITING_SEED: &str = "\
    SELECT id::text, seed_sealed FROM identity.totp \
    WHERE account = $1::text::uuid AND asked_by = $2 AND confirmed_at IS NULL";

/// Parameters: seed's id, step. Of two at once with the same code, one changes the row, and the
/// other finds that it is no later step.
pub(crate) const TAKE_STEP: &str = "\
    UPDATE identity.totp SET last_step = $2 \
    WHERE id = $1::text::uuid AND confirmed_at IS NOT NULL AND last_step < $2";

/// Parameters: the last id seen as text, how many, tenant or NULL. Rows: id, account, tenant, sealed seed.
pub(crate) const NEXT_SEEDS: &str = "\
    SELECT t.id::text AS id, a.id::text AS account, a.tenant, t.seed_sealed \
    FROM identity.totp t JOIN identity.accounts a ON a.id = t.account \
    WHERE t.id > $1::text::uuid AND ($3::text IS NULL OR a.tenant = $3) ORDER BY t.id LIMIT $2";

/// Parameters: id, the seed as it was sealed, the same sealed anew.
pub(crate) const RESEAL: &str = "\
    UPDATE identity.totp SET seed_sealed = $3 WHERE id = $1::text::uuid AND seed_sealed = $2";

/// Parameters: account, who asked, moment. Their own that waits, and all that waited since before then.
pub(crate) const DROP_WAITING_SEED: &str = "\
    DELETE FROM identity.totp WHERE account = $1::text::uuid AND confirmed_at IS NULL \
        AND (asked_by = $2 OR made_at < $3)";

/// Parameters: account. One counts now: nobody goes on with another.
pub(crate) const DROP_WAITING_SEEDS: &str = "\
    DELETE FROM identity.totp WHERE account = $1::text::uuid AND confirmed_at IS NULL";

/// Parameters: account, sealed seed, now, who asked.
pub(crate) const ADD_SEED: &str = "\
    INSERT INTO identity.totp (account, seed_sealed, made_at, asked_by) \
    VALUES ($1::text::uuid, $2, $3, $4)";

/// Parameters: account. The seed that counts goes.
pub(crate) const DROP_SEED: &str = "\
    DELETE FROM identity.totp WHERE account = $1::text::uuid AND confirmed_at IS NOT NULL";

/// Parameters: seed's id, step, now.
pub(crate) const CONFIRM_SEED: &str = "\
    UPDATE identity.totp SET confirmed_at = $3, last_step = $2, asked_by = NULL \
    WHERE id = $1::text::uuid AND confirmed_at IS NULL";

/// Parameters: account. Used ones go as well: another set is made.
pub(crate) const DROP_CODES: &str = "\
    DELETE FROM identity.recovery_codes WHERE account = $1::text::uuid";

/// Parameters: account, SHA-256, now.
pub(crate) const ADD_CODE: &str = "\
    INSERT INTO identity.recovery_codes (account, code_sha256, made_at) \
    VALUES ($1::text::uuid, $2, $3)";

/// Parameters: account, SHA-256, now. Of two at once, one changes the row.
pub(crate) const TAKE_CODE: &str = "\
    UPDATE identity.recovery_codes SET used_at = $3 \
    WHERE account = $1::text::uuid AND code_sha256 = $2 AND used_at IS NULL";

/// Parameters: account. How many codes were not used.
pub(crate) const CODES_LEFT: &str = "\
    SELECT count(*) FROM identity.recovery_codes WHERE account = $1::text::uuid AND used_at IS NULL";

/// Parameters: account, now.
pub(crate) const FORGET_CHALLENGES: &str = "\
    DELETE FROM identity.challenges WHERE account = $1::text::uuid AND expires_at <= $2";

/// Parameters: challenge, account, purpose, end, who asked.
pub(crate) const ADD_CHALLENGE: &str = "\
    INSERT INTO identity.challenges (challenge, account, purpose, expires_at, asked_by) \
    VALUES ($1, $2::text::uuid, $3, $4, $5)";

/// Parameters: account, who asked, how many of theirs may be open. The oldest beyond that go.
pub(crate) const DROP_CHALLENGES: &str = "\
    DELETE FROM identity.challenges WHERE challenge IN ( \
        SELECT challenge FROM identity.challenges \
        WHERE account = $1::text::uuid AND asked_by = $2 \
        ORDER BY expires_at DESC, challenge OFFSET $3)";

/// Parameters: challenge, account, purpose, now, who answers. Whoever removes the row may answer it.
pub(crate) const TAKE_CHALLENGE: &str = "\
    DELETE FROM identity.challenges \
    WHERE challenge = $1 AND account = $2::text::uuid AND purpose = $3 AND expires_at > $4 \
        AND asked_by = $5";

/// Parameters: account. Rows: id, credential, name, when it was made, when it was last used.
pub(crate) const LIST_PASSKEYS: &str = "\
    SELECT id::text, credential, name, made_at, last_used_at FROM identity.passkeys \
    WHERE account = $1::text::uuid ORDER BY made_at, id";

/// Parameters: account, credential. At most one row: key, party, uses.
pub(crate) const FIND_PASSKEY: &str = "\
    SELECT public_key, party, uses FROM identity.passkeys \
    WHERE account = $1::text::uuid AND credential = $2";

/// Parameters: credential, account, name, key, party, uses, now. No row when it is known already.
pub(crate) const ADD_PASSKEY: &str = "\
    INSERT INTO identity.passkeys (credential, account, name, public_key, party, uses, made_at) \
    VALUES ($1, $2::text::uuid, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

/// Parameters: account, credential, uses, now. A count that did not grow is no use of this key.
pub(crate) const USE_PASSKEY: &str = "\
    UPDATE identity.passkeys SET uses = $3, last_used_at = $4 \
    WHERE account = $1::text::uuid AND credential = $2 AND (uses < $3 OR (uses = 0 AND $3 = 0))";

/// Parameters: account, id, name.
pub(crate) const NAME_PASSKEY: &str = "\
    UPDATE identity.passkeys SET name = $3 WHERE account = $1::text::uuid AND id = $2::text::uuid";

/// Parameters: account, id. One row, its name, when it was there.
pub(crate) const DROP_PASSKEY: &str = "\
    DELETE FROM identity.passkeys WHERE account = $1::text::uuid AND id = $2::text::uuid \
    RETURNING name";

/// Each with the account as its parameter: whatever could be shown beside its password. What waits for an
/// answer is of the epoch before, and over with it.
pub(crate) const DROP_FACTORS: [&str; 3] = [
    "DELETE FROM identity.totp WHERE account = $1::text::uuid",
    DROP_CODES,
    "DELETE FROM identity.passkeys WHERE account = $1::text::uuid",
];

/// Parameters: account, epoch. Everything that was given out under it is over. No row when somebody
/// else ended it meanwhile.
pub(crate) const NEXT_EPOCH: &str = "\
    UPDATE identity.accounts SET epoch = epoch + 1 \
    WHERE id = $1::text::uuid AND disabled_at IS NULL RETURNING epoch";

/// Parameters: account, session's id. The epoch, and the family of its browser, while the session lives.
pub(crate) const LIVE_EPOCH: &str = "\
    SELECT a.epoch, s.agent FROM identity.accounts a JOIN identity.sessions s ON s.account = a.id \
        LEFT JOIN identity.tenants t ON t.tenant = a.tenant \
    WHERE a.id = $1::text::uuid AND s.id = $2::text::uuid AND a.disabled_at IS NULL \
        AND s.revoked_at IS NULL AND s.epoch = a.epoch AND t.suspended_at IS NULL \
        AND s.tenant_epoch = coalesce(t.epoch, 0)";

/// Parameters: account. One row: email, hash, tenant, epoch. Locks it, so that changes to its
/// factors come one after the other.
pub(crate) const LOCK_ACCOUNT: &str = "\
    SELECT email, password_hash, tenant, epoch FROM identity.accounts \
    WHERE id = $1::text::uuid AND disabled_at IS NULL FOR NO KEY UPDATE";

/// For the bite's sandbox: a step that was used is not kept.
pub(crate) const BITE_REPLAY: &str = "\
    CREATE FUNCTION identity.bite_replay() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN NEW.last_step := 0; RETURN NEW; END'; \
    CREATE TRIGGER bite_replay BEFORE UPDATE ON identity.totp \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_replay()";

/// Takes [`BITE_REPLAY`] away.
pub(crate) const UNBITE_REPLAY: &str = "DROP FUNCTION identity.bite_replay() CASCADE";

/// For the bite's sandbox: a recovery code that was used is not marked.
pub(crate) const BITE_RECOVERY: &str = "\
    CREATE FUNCTION identity.bite_recovery() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN NEW.used_at := NULL; RETURN NEW; END'; \
    CREATE TRIGGER bite_recovery BEFORE UPDATE ON identity.recovery_codes \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_recovery()";

/// Takes [`BITE_RECOVERY`] away.
pub(crate) const UNBITE_RECOVERY: &str = "DROP FUNCTION identity.bite_recovery() CASCADE";

/// For the bite's sandbox: neither tries nor guesses are counted.
pub(crate) const BITE_TRIES: &str = "\
    CREATE FUNCTION identity.bite_tries() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN NEW.tries := 0; RETURN NEW; END'; \
    CREATE TRIGGER bite_tries BEFORE UPDATE ON identity.pending \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_tries(); \
    CREATE FUNCTION identity.bite_guesses() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN NEW.failed := 0; RETURN NEW; END'; \
    CREATE TRIGGER bite_guesses BEFORE INSERT OR UPDATE ON identity.guesses \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_guesses()";

/// Takes [`BITE_TRIES`] away.
pub(crate) const UNBITE_TRIES: &str = "\
    DROP FUNCTION identity.bite_tries() CASCADE; \
    DROP FUNCTION identity.bite_guesses() CASCADE";

/// For the bite's sandbox: a step is a session at once.
pub(crate) const BITE_STEP: &str = "\
    CREATE FUNCTION identity.bite_step() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN INSERT INTO identity.sessions (token_sha256, account, epoch, strength, \
            authenticated_at, created_at, last_seen_at, idle_expires_at, absolute_expires_at) \
        VALUES (NEW.token_sha256, NEW.account, NEW.epoch, 2, NEW.made_at, NEW.made_at, \
            NEW.made_at, NEW.expires_at, NEW.expires_at); RETURN NULL; END'; \
    CREATE TRIGGER bite_step AFTER INSERT ON identity.pending \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_step()";

/// Takes [`BITE_STEP`] away.
pub(crate) const UNBITE_STEP: &str = "DROP FUNCTION identity.bite_step() CASCADE";

/// For the bite's sandbox: an app that was confirmed is forgotten.
pub(crate) const BITE_FORGET: &str = "\
    CREATE FUNCTION identity.bite_forget() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN DELETE FROM identity.totp WHERE id = NEW.id; RETURN NULL; END'; \
    CREATE TRIGGER bite_forget AFTER UPDATE ON identity.totp \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_forget()";

/// Takes [`BITE_FORGET`] away.
pub(crate) const UNBITE_FORGET: &str = "DROP FUNCTION identity.bite_forget() CASCADE";

/// For the bite's sandbox, beside [`BITE_ASKED_BY`]: a challenge that was answered can be answered again.
pub(crate) const BITE_CHALLENGE: &str = "\
    CREATE FUNCTION identity.bite_challenge() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN INSERT INTO identity.challenges VALUES (OLD.*); RETURN NULL; END'; \
    CREATE TRIGGER bite_challenge AFTER DELETE ON identity.challenges \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_challenge()";

/// For the bite's sandbox: whoever begins a sign-in can answer what was asked of the ones before it.
pub(crate) const BITE_ASKED_BY: &str = "\
    CREATE FUNCTION identity.bite_asked_by() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
        'BEGIN UPDATE identity.challenges SET asked_by = encode(NEW.token_sha256, ''hex'') \
            WHERE account = NEW.account; RETURN NULL; END'; \
    CREATE TRIGGER bite_asked_by AFTER INSERT ON identity.pending \
        FOR EACH ROW EXECUTE FUNCTION identity.bite_asked_by()";

/// Takes [`BITE_ASKED_BY`] away.
pub(crate) const UNBITE_ASKED_BY: &str = "DROP FUNCTION identity.bite_asked_by() CASCADE";

/// Takes [`BITE_CHALLENGE`] away.
pub(crate) const UNBITE_CHALLENGE: &str = "DROP FUNCTION identity.bite_challenge() CASCADE";

/// Parameters: the last id seen as text, how many. Rows: id, tenant, of accounts that can sign in
/// and are not the proofs' own.
pub(crate) const NEXT_ACCOUNTS: &str = "\
    SELECT id::text, tenant FROM identity.accounts \
    WHERE id > $1::text::uuid AND disabled_at IS NULL AND password_hash IS NOT NULL \
        AND NOT synthetic ORDER BY id LIMIT $2";
