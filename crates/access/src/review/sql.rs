//! The statements about reviews, and nothing else. Every value is bound; what may follow what is
//! decided by the triggers in `sql/0021_reviews.sql`.

/// The first statement of the transaction that freezes: one moment for all of it.
pub(super) const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Parameters: tenant, now. The roles and the accesses of support in a tenant. Rows: kind, account,
/// holder, what, grant, granted by, granted at, last use, whether its holder is gone.
pub(super) const POPULATION: &str = "\
    SELECT 'role' AS kind, g.account::text AS account, coalesce(a.email, 'nobody') AS holder, \
        r.name AS what, g.id::text AS grant_id, g.granted_by, g.granted_at, \
        (SELECT max(u.last_used_at) FROM access.uses u \
         WHERE u.account = g.account AND u.tenant = g.tenant) AS last_used_at, \
        a.id IS NULL OR a.disabled_at IS NOT NULL AS orphan \
    FROM access.grants g JOIN access.roles r ON r.id = g.role \
        LEFT JOIN identity.accounts a ON a.id = g.account \
    WHERE g.tenant = $1 AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $2) \
    UNION ALL \
    SELECT 'support', s.asked_by::text, s.asked_as, 'support ' || s.scope, s.id::text, \
        s.approved_as, s.approved_at, \
        (SELECT max(u.at) FROM access.support_uses u WHERE u.support_grant = s.id), \
        a.id IS NULL OR a.disabled_at IS NOT NULL \
    FROM access.support_grants s LEFT JOIN identity.accounts a ON a.id = s.asked_by \
    WHERE s.tenant = $1 AND s.approved_at IS NOT NULL AND s.ended_at IS NULL AND s.ends_at > $2";

/// Parameters: accounts. Those of them that are open.
pub(super) const OPEN_ACCOUNTS: &str = "\
    SELECT a.id::text FROM identity.accounts a \
    WHERE a.id = ANY ($1::text[]::uuid[]) AND a.disabled_at IS NULL";

/// Parameters: tenant, started as, now, how many, digest. One row: id. None while one is open.
pub(super) const START: &str = "\
    INSERT INTO access.reviews (tenant, started_as, started_at, frozen, rows_sha256) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (tenant) WHERE closed_at IS NULL AND abandoned_at IS NULL DO NOTHING \
    RETURNING id::text";

/// Parameters: review, n, and the columns of [`POPULATION`].
pub(super) const FREEZE: &str = "\
    INSERT INTO access.review_rows (review, n, kind, account, holder, what, grant_id, granted_by, \
        granted_at, last_used_at, orphan) \
    VALUES ($1::text::uuid, $2, $3, $4::text::uuid, $5, $6, $7, $8, $9, $10, $11)";

/// Parameters: review, tenant or null. At most one row.
pub(super) const FIND: &str = "\
    SELECT id::text, tenant, started_as, started_at, frozen, rows_sha256, closed_as, closed_at, \
        abandoned_as, abandoned_at, abandoned_why \
    FROM access.reviews WHERE id = $1::text::uuid AND ($2::text IS NULL OR tenant = $2)";

/// Parameters: tenant or null. The newest first.
pub(super) const LIST: &str = "\
    SELECT id::text, tenant, started_as, started_at, frozen, rows_sha256, closed_as, closed_at, \
        abandoned_as, abandoned_at, abandoned_why \
    FROM access.reviews WHERE $1::text IS NULL OR tenant = $1 ORDER BY started_at DESC, id LIMIT 200";

/// Parameters: review. In the order in which they were frozen.
pub(super) const ROWS: &str = "\
    SELECT n, kind, account::text, holder, what, grant_id, granted_by, granted_at, last_used_at, \
        orphan, decision, decided_as, decided_at, reason, verified_at, decided_by::text \
    FROM access.review_rows WHERE review = $1::text::uuid ORDER BY n";

/// Parameters: review, n, tenant, decision, account, actor, now, reason. One row: kind, account, what,
/// grant. None when it is decided already, or there is no such row.
pub(super) const DECIDE: &str = "\
    UPDATE access.review_rows r SET decision = $4, decided_by = $5::text::uuid, decided_as = $6, \
        decided_at = $7, reason = $8 \
    FROM access.reviews v \
    WHERE r.review = $1::text::uuid AND r.n = $2 AND v.id = r.review AND v.tenant = $3 \
        AND v.closed_at IS NULL AND v.abandoned_at IS NULL AND r.decision IS NULL \
    RETURNING r.kind, r.account::text, r.what, r.grant_id";

/// Parameters: review, n, tenant. One row, as [`DECIDE`] has it: what was revoked in an open review and
/// was not seen to be gone.
pub(super) const HALF_DONE: &str = "\
    SELECT r.kind, r.account::text, r.what, r.grant_id \
    FROM access.review_rows r JOIN access.reviews v ON v.id = r.review \
    WHERE r.review = $1::text::uuid AND r.n = $2 AND v.tenant = $3 AND v.closed_at IS NULL \
        AND v.abandoned_at IS NULL AND r.decision = 'revoke' AND r.verified_at IS NULL";

/// Parameters: account, tenant, role, now, by. Also the same role that was given to them since.
pub(super) const REVOKE_ROLE: &str = "\
    UPDATE access.grants g SET revoked_at = greatest($4, g.granted_at), revoked_by = $5 \
    FROM access.roles r \
    WHERE g.account = $1::text::uuid AND g.tenant = $2 AND r.id = g.role AND r.name = $3 \
        AND (r.tenant IS NULL OR r.tenant = $2) AND g.revoked_at IS NULL";

/// Parameters: grant, now, by.
pub(super) const END_SUPPORT: &str = "\
    UPDATE access.support_grants SET ended_at = greatest($2, approved_at), ended_as = $3 \
    WHERE id = $1::text::uuid AND ended_at IS NULL";

/// Parameters: review, n, now.
pub(super) const VERIFIED: &str = "\
    UPDATE access.review_rows SET verified_at = $3 \
    WHERE review = $1::text::uuid AND n = $2 AND decision = 'revoke' AND verified_at IS NULL";

/// Parameters: review, tenant or null, now, actor. Refused by its trigger while anything is open.
pub(super) const CLOSE: &str = "\
    UPDATE access.reviews SET closed_at = $3, closed_as = $4 \
    WHERE id = $1::text::uuid AND ($2::text IS NULL OR tenant = $2) AND closed_at IS NULL \
        AND abandoned_at IS NULL";

/// Parameters: review, now, actor, why.
pub(super) const ABANDON: &str = "\
    UPDATE access.reviews SET abandoned_at = $2, abandoned_as = $3, abandoned_why = $4 \
    WHERE id = $1::text::uuid AND closed_at IS NULL AND abandoned_at IS NULL";

/// Parameters: now, tenants that are left out. Canaries count for nothing. Rows: tenant, when the first
/// grant to anybody who still has an account was given, also one that counts no more: whoever gives all of
/// them anew puts no review off.
pub(super) const TENANTS: &str = "\
    SELECT g.tenant, least(min(g.granted_at), (SELECT min(o.granted_at) FROM access.grants o \
        JOIN identity.accounts b ON b.id = o.account \
        WHERE o.tenant = g.tenant AND b.email NOT LIKE '%@amanah.invalid')) FROM access.grants g \
        LEFT JOIN identity.accounts a ON a.id = g.account \
    WHERE g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $1) AND g.tenant <> ALL ($2) \
        AND coalesce(a.email, '') NOT LIKE '%@amanah.invalid' \
    GROUP BY g.tenant ORDER BY g.tenant";

/// Parameters: tenant. At most one row: id of the review that was closed last, and when it was begun.
pub(super) const LAST_CLOSED: &str = "\
    SELECT id::text, started_at FROM access.reviews WHERE tenant = $1 AND closed_at IS NOT NULL \
    ORDER BY started_at DESC, id LIMIT 1";
