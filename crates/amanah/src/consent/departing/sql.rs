//! What the bite does to copies of the control database: statements, and nothing else.

use super::{APP, CODE, HALF_WAY, KEY, PASSKEY, PASSWORD, QUESTION, ROLE, SESSION, SUPPORT};

/// What somebody leaves is kept aside before they do.
pub(super) const KEEP: &str = "\
    CREATE SCHEMA spare; \
    CREATE TABLE spare.accounts (LIKE identity.accounts); \
    CREATE TABLE spare.pending (LIKE identity.pending); \
    CREATE TABLE spare.totp (LIKE identity.totp); \
    CREATE TABLE spare.codes (LIKE identity.recovery_codes); \
    CREATE TABLE spare.passkeys (LIKE identity.passkeys); \
    INSERT INTO spare.accounts SELECT * FROM identity.accounts; \
    INSERT INTO spare.pending SELECT * FROM identity.pending; \
    INSERT INTO spare.totp SELECT * FROM identity.totp; \
    INSERT INTO spare.codes SELECT * FROM identity.recovery_codes; \
    INSERT INTO spare.passkeys SELECT * FROM identity.passkeys";

/// A place that names accounts, and that nobody has thought of.
pub(super) const FORGOTTEN: &str =
    "CREATE TABLE identity.forgotten (who uuid REFERENCES identity.accounts (id))";

/// As if the account had not been closed.
const OPEN: &str = "\
    UPDATE identity.accounts a SET disabled_at = NULL, epoch = k.epoch \
    FROM spare.accounts k WHERE k.id = a.id;";

/// Brings one credential back that the off-boarding ended.
pub(super) fn revive(what: &str) -> String {
    match what {
        SESSION => format!(
            "{OPEN} ALTER TABLE identity.sessions DISABLE TRIGGER USER; \
             UPDATE identity.sessions SET revoked_at = NULL"
        ),
        PASSWORD => format!(
            "{OPEN} UPDATE identity.accounts a SET password_hash = k.password_hash \
             FROM spare.accounts k WHERE k.id = a.id"
        ),
        HALF_WAY => {
            format!("{OPEN} {ROLES} INSERT INTO identity.pending SELECT * FROM spare.pending")
        }
        KEY => format!(
            "{OPEN} {ROLES} ALTER TABLE identity.api_keys DISABLE TRIGGER USER; \
             UPDATE identity.api_keys SET revoked_at = NULL"
        ),
        APP => "INSERT INTO identity.totp SELECT * FROM spare.totp".to_owned(),
        CODE => "INSERT INTO identity.recovery_codes SELECT * FROM spare.codes".to_owned(),
        PASSKEY => "INSERT INTO identity.passkeys SELECT * FROM spare.passkeys".to_owned(),
        ROLE => ROLES.to_owned(),
        SUPPORT => format!(
            "{GRANTS} UPDATE access.support_grants SET ended_at = NULL, ended_as = NULL \
                            WHERE approved_at IS NOT NULL"
        ),
        QUESTION => format!(
            "{GRANTS} UPDATE access.support_grants SET ended_at = NULL, ended_as = NULL \
                             WHERE approved_at IS NULL"
        ),
        _ => String::new(),
    }
}

const ROLES: &str = "\
    ALTER TABLE access.grants DISABLE TRIGGER USER; \
    UPDATE access.grants SET revoked_at = NULL, revoked_by = NULL;";
const GRANTS: &str = "ALTER TABLE access.support_grants DISABLE TRIGGER USER;";
