//! What the bite does to a copy of the control database: statements, and nothing else.

use super::{
    ACCESS, APP, CODE, DIRECTORY, HALF_WAY, INSIDE, INVITATION, KEY, PASSKEY, PASSWORD, QUESTION,
    REFRESH, RESET, ROLE, SERVICE, SESSION, STORED, SUPPORT,
};

/// Where it is kept what somebody leaves, before they do.
pub(super) const SPARE: &str = "\
    CREATE SCHEMA spare; \
    CREATE TABLE spare.accounts (LIKE identity.accounts); \
    CREATE TABLE spare.pending (LIKE identity.pending); \
    CREATE TABLE spare.totp (LIKE identity.totp); \
    CREATE TABLE spare.codes (LIKE identity.recovery_codes); \
    CREATE TABLE spare.passkeys (LIKE identity.passkeys); \
    CREATE TABLE spare.resets (LIKE identity.resets)";

/// Parameters: account. Keeps it.
pub(super) const KEEP: [&str; 6] = [
    "INSERT INTO spare.accounts SELECT * FROM identity.accounts WHERE id = $1::text::uuid",
    "INSERT INTO spare.pending SELECT * FROM identity.pending WHERE account = $1::text::uuid",
    "INSERT INTO spare.totp SELECT * FROM identity.totp WHERE account = $1::text::uuid",
    "INSERT INTO spare.codes SELECT * FROM identity.recovery_codes WHERE account = $1::text::uuid",
    "INSERT INTO spare.passkeys SELECT * FROM identity.passkeys WHERE account = $1::text::uuid",
    "INSERT INTO spare.resets SELECT * FROM identity.resets WHERE account = $1::text::uuid",
];

/// What would not let anything be brought back. Once for a copy, after a departure in which all of it
/// held.
pub(super) const LOOSEN: &str = "\
    ALTER TABLE identity.sessions DISABLE TRIGGER USER; \
    ALTER TABLE access.grants DISABLE TRIGGER USER; \
    ALTER TABLE access.support_grants DISABLE TRIGGER USER; \
    ALTER TABLE directory.tokens DISABLE TRIGGER USER";

/// A place that names accounts, and that nobody has thought of.
pub(super) const FORGOTTEN: &str =
    "CREATE TABLE identity.forgotten (who uuid REFERENCES identity.accounts (id))";

/// As if the account had not been closed.
const OPEN: &str = "\
    UPDATE identity.accounts a SET disabled_at = NULL, epoch = k.epoch \
    FROM spare.accounts k WHERE k.id = a.id AND a.id = $1::text::uuid";
const OLD_PASSWORD: &str = "\
    UPDATE identity.accounts a SET password_hash = k.password_hash \
    FROM spare.accounts k WHERE k.id = a.id AND a.id = $1::text::uuid";
const ROLES: &str = "\
    UPDATE access.grants SET revoked_at = NULL, revoked_by = NULL WHERE account = $1::text::uuid";
const SESSIONS: &str =
    "UPDATE identity.sessions SET revoked_at = NULL WHERE account = $1::text::uuid";
const STEPS: &str =
    "INSERT INTO identity.pending SELECT * FROM spare.pending WHERE account = $1::text::uuid";
const FAMILIES: &str = "\
    UPDATE identity.families SET revoked_at = NULL, revoked_why = NULL \
    WHERE account = $1::text::uuid";
const APPS: &str =
    "INSERT INTO identity.totp SELECT * FROM spare.totp WHERE account = $1::text::uuid";
const CODES: &str =
    "INSERT INTO identity.recovery_codes SELECT * FROM spare.codes WHERE account = $1::text::uuid";
const PASSKEYS: &str =
    "INSERT INTO identity.passkeys SELECT * FROM spare.passkeys WHERE account = $1::text::uuid";
const GRANTS: &str = "\
    UPDATE access.support_grants SET ended_at = NULL, ended_as = NULL \
    WHERE asked_by = $1::text::uuid AND approved_at IS NOT NULL";
const QUESTIONS: &str = "\
    UPDATE access.support_grants SET ended_at = NULL, ended_as = NULL \
    WHERE asked_by = $1::text::uuid AND approved_at IS NULL";

const TOKENS: &str = "\
    UPDATE directory.tokens SET revoked_at = NULL, revoked_as = NULL WHERE made_by = $1::text::uuid";

/// Parameters of each: account. Brings one credential back that the off-boarding ended, with what it
/// takes for it to work.
pub(super) fn revive(what: &str) -> &'static [&'static str] {
    match what {
        SESSION => &[OPEN, SESSIONS],
        INSIDE => &[OPEN, ROLES, GRANTS, SESSIONS],
        PASSWORD => &[OPEN, OLD_PASSWORD],
        HALF_WAY | APP => &[OPEN, ROLES, APPS, STEPS],
        CODE => &[OPEN, ROLES, APPS, CODES, STEPS],
        PASSKEY => &[OPEN, ROLES, PASSKEYS, STEPS],
        ACCESS | REFRESH => &[OPEN, FAMILIES],
        KEY => {
            &[OPEN, "UPDATE identity.api_keys SET revoked_at = NULL WHERE account = $1::text::uuid"]
        }
        SERVICE => {
            &["UPDATE identity.api_keys SET revoked_at = NULL WHERE made_by = $1::text::uuid"]
        }
        RESET => &[
            OPEN,
            OLD_PASSWORD,
            "INSERT INTO identity.resets SELECT * FROM spare.resets WHERE account = $1::text::uuid",
        ],
        INVITATION => &[
            "UPDATE identity.invitations SET withdrawn_at = NULL WHERE invited_by = $1::text::uuid",
        ],
        DIRECTORY => &[OPEN, ROLES, TOKENS],
        STORED => &[APPS],
        ROLE => &[ROLES],
        SUPPORT => &[GRANTS],
        QUESTION => &[QUESTIONS],
        _ => &[],
    }
}
