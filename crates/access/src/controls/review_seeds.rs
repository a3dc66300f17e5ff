//! A whole review in a copy of the control database, and what is done to it there: statements, and
//! nothing else.

use kernel::TenantId;
use store::Db;

use crate::{Access, By, CATALOGUE, Error, NewGrant, Reviewer};

const TENANT: &str = "seed";
const REVIEWER: &str = "00000000-0000-4000-8000-0000000000e1";
const HOLDERS: [&str; 3] = [
    "00000000-0000-4000-8000-0000000000e2",
    "00000000-0000-4000-8000-0000000000e3",
    "00000000-0000-4000-8000-0000000000e4",
];
/// The rows: two tokens of a directory, a key, and three roles.
const ROWS: i32 = 6;
/// Those that are revoked: the first token, the key, and the last role.
const REVOKED: [i32; 3] = [1, 3, 6];
/// Parameters: id. An account of the copy.
const ACCOUNT: &str = "\
    INSERT INTO identity.accounts (id, email, display_name, tenant, password_hash, created_at) \
    VALUES ($1::text::uuid, $1 || '@seed.example', 'Seed', 'seed', '$argon2id$v=19$m=', now())";
/// Parameters: its account. A key of the copy, whose secret nobody has.
const KEY: &str = "\
    INSERT INTO identity.api_keys (id, key_sha256, account, made_by, name, scopes, epoch, tenant_epoch, \
        strength, created_at, expires_at) \
    SELECT 'seedseed', sha256('seed'), id, id, 'seed', '{}', epoch, 0, 1, now() - interval '1 day', \
        now() + interval '1 day' FROM identity.accounts WHERE id = $1::text::uuid";
/// Parameters: its account. Tokens of a directory of the copy, whose secrets nobody has: one that they
/// answer for, and one of the operator.
const TOKENS: &str = "\
    INSERT INTO directory.tokens (id, tenant, name, token_sha256, made_by, made_as, made_at, expires_at) \
    SELECT id, 'seed', 'seed', sha256(id::bytea), made_by, 'seed', now() - interval '1 day', \
        now() + interval '1 day' \
    FROM (VALUES ('5eed5eed5eed', $1::text::uuid), ('5eed5eed5eee', NULL)) AS seed (id, made_by)";
/// Takes away what would refuse the damage.
pub(super) const UNGUARDED: &str = "\
    ALTER TABLE access.reviews DISABLE TRIGGER USER; ALTER TABLE access.review_rows DISABLE TRIGGER USER; \
    ALTER TABLE access.grants DISABLE TRIGGER USER; ALTER TABLE identity.api_keys DISABLE TRIGGER USER; \
    ALTER TABLE directory.tokens DISABLE TRIGGER USER; \
    ALTER TABLE access.review_rows DROP CONSTRAINT review_rows_not_own";
/// What is done to a whole review: what it is, how, how it is undone, and a part of its finding.
pub(super) const SEEDS: [(&str, &str, &str, &str); 11] = [
    // First: the undoing of others leaves other times than those that were signed.
    (
        "a reason that was changed after it was signed",
        "UPDATE access.review_rows SET reason = 'another' WHERE n = 5",
        "UPDATE access.review_rows SET reason = 'a bite' WHERE n = 5",
        "is not what a bite signed",
    ),
    (
        "an entry that its holder decided",
        "UPDATE access.review_rows SET decided_by = account WHERE n = 4",
        "UPDATE access.review_rows SET decided_by = '00000000-0000-4000-8000-0000000000e1' WHERE n = 4",
        "row 4 was decided by its own holder",
    ),
    (
        "a skipped entry",
        "UPDATE access.review_rows SET decision = NULL, decided_by = NULL, decided_as = NULL, \
            decided_at = NULL, reason = NULL WHERE n = 4",
        "UPDATE access.review_rows SET decision = 'keep', decided_by = '00000000-0000-4000-8000-0000000000e1', \
            decided_as = 'seed', decided_at = now(), reason = 'seed' WHERE n = 4",
        "row 4 was skipped",
    ),
    (
        "a changed frozen row",
        "UPDATE access.review_rows SET what = 'owner' WHERE n = 4",
        "UPDATE access.review_rows SET what = 'editor' WHERE n = 4",
        "is not as it was frozen",
    ),
    (
        "a revocation that nobody verified",
        "UPDATE access.review_rows SET verified_at = NULL",
        "UPDATE access.review_rows SET verified_at = now() WHERE decision = 'revoke'",
        "was not verified",
    ),
    (
        "a role that came back",
        "UPDATE access.grants SET revoked_at = NULL, revoked_by = NULL",
        "UPDATE access.grants g SET revoked_at = now(), revoked_by = 'seed' FROM access.review_rows r \
            WHERE r.grant_id = g.id::text AND r.decision = 'revoke'",
        "what row 6 revoked is there again",
    ),
    (
        "a key that came back",
        "UPDATE identity.api_keys SET revoked_at = NULL",
        "UPDATE identity.api_keys SET revoked_at = now()",
        "what row 3 revoked is there again",
    ),
    (
        "a directory's token that came back",
        "UPDATE directory.tokens SET revoked_at = NULL, revoked_as = NULL WHERE id = '5eed5eed5eed'",
        "UPDATE directory.tokens SET revoked_at = now(), revoked_as = 'seed' WHERE id = '5eed5eed5eed'",
        "what row 1 revoked is there again",
    ),
    (
        "a directory's token that was left out",
        "UPDATE directory.tokens SET id = '5eed5eed5eef' WHERE id = '5eed5eed5eee'",
        "UPDATE directory.tokens SET id = '5eed5eed5eee' WHERE id = '5eed5eed5eef'",
        "token 5eed5eed5eef, \"seed\", which makes and ends accounts and fills groups of the directory \
            of seed was there and was left out",
    ),
    (
        "a right that was left out",
        "UPDATE access.grants SET granted_at = now() - interval '1 hour' \
            WHERE account = '00000000-0000-4000-8000-0000000000e1'",
        "UPDATE access.grants SET granted_at = now() \
            WHERE account = '00000000-0000-4000-8000-0000000000e1'",
        "was there and was left out",
    ),
    ("a row that was taken out", "DELETE FROM access.review_rows WHERE n = 4", "", "are there"),
];

/// People, a key, tokens of their directory, and a review of them in which a right of each kind is revoked.
/// Its id.
pub(super) async fn prepare(db: &Db, access: &Access) -> crate::Result<String> {
    run(db, CATALOGUE).await?;
    let tx = db.operator().await?;
    for account in HOLDERS.iter().chain([&REVIEWER]) {
        tx.execute(ACCOUNT, &[account]).await?;
    }
    for account in HOLDERS.iter().take(1) {
        tx.execute(KEY, &[account]).await?;
        tx.execute(TOKENS, &[account]).await?;
    }
    tx.commit().await?;
    let tenant = TenantId::new(TENANT)
        .map_err(|error| Error::Field { field: "tenant", why: error.to_string() })?;
    let by = By::operator("a bite")?;
    let grant = |account: &str, role: &str| NewGrant {
        account: account.to_owned(),
        tenant: tenant.clone(),
        role: role.to_owned(),
        reason: "a bite".to_owned(),
        until: None,
    };
    for holder in HOLDERS {
        access.grant(&by, &grant(holder, "editor")).await?;
    }
    let id = access.start_review("a bite", &tenant).await?;
    access.grant(&by, &grant(REVIEWER, "administrator")).await?;
    let reviewer: Reviewer = access.reviewer_named(REVIEWER, "seed", &tenant).await?;
    for n in 1..=ROWS {
        let keep = !REVOKED.contains(&n);
        access.decide_review(&reviewer, &tenant, (&id, n), (keep, "a bite")).await?;
    }
    access.close_review("a bite", Some(&tenant), &id).await?;
    Ok(id)
}

/// Runs statements without parameters.
pub(super) async fn run(db: &Db, statements: &str) -> crate::Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
