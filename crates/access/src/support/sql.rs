//! The statements about support, and nothing else. Every value is bound; what may follow what is
//! decided by the triggers in `sql/0020_support.sql`.

/// Parameters: tenant, account, actor, ticket, reason, scope, hours, now, the oldest that still
/// waits, how many may wait. One row: id. None when too many wait already.
pub(super) const ASK: &str = "\
    INSERT INTO access.support_grants (tenant, asked_by, asked_as, ticket, reason, scope, hours, asked_at) \
    SELECT $1, $2::text::uuid, $3, $4, $5, $6, $7, $8 \
    WHERE (SELECT count(*) FROM access.support_grants \
           WHERE tenant = $1 AND approved_at IS NULL AND ended_at IS NULL AND asked_at > $9) < $10 \
    RETURNING id::text";

/// Parameters: id, tenant, account, actor, now, the oldest that still waits. One row, who asked and the
/// ticket, when it waited.
pub(super) const APPROVE: &str = "\
    UPDATE access.support_grants SET approved_by = $3::text::uuid, approved_as = $4, approved_at = $5, \
        ends_at = $5::timestamptz + hours * interval '1 hour' \
    WHERE id = $1::text::uuid AND tenant = $2 AND approved_at IS NULL AND ended_at IS NULL AND asked_at > $6 \
    RETURNING asked_by::text, ticket";

/// Parameters: id, tenant or null, asker or null, actor, now. What was not approved is refused by it.
/// The tenant's, and the asker's own; with neither, whosever it is.
pub(super) const END: &str = "\
    UPDATE access.support_grants SET ended_at = $5, ended_as = $4 \
    WHERE id = $1::text::uuid AND (($2::text IS NULL AND $3::text IS NULL) \
            OR tenant = $2 OR asked_by = $3::text::uuid) AND ended_at IS NULL \
        AND (approved_at IS NULL OR ends_at > $5)";

/// Parameters: account, actor, now. Ends everything that the account asked for.
pub(crate) const END_ALL_OF: &str = "\
    UPDATE access.support_grants SET ended_at = greatest($3, asked_at), ended_as = $2 \
    WHERE asked_by = $1::text::uuid AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $3) \
    RETURNING id::text, tenant";

/// Parameters: id, asker, now. At most one row, of a grant that lives: tenant, scope, end.
pub(super) const LIVE: &str = "\
    SELECT tenant, scope, ends_at FROM access.support_grants \
    WHERE id = $1::text::uuid AND asked_by = $2::text::uuid AND approved_at IS NOT NULL \
        AND ended_at IS NULL AND approved_at <= $3 AND ends_at > $3 AND ends_at > clock_timestamp()";

/// Parameters: tenant or null, asker or null, how many. The tenant's, and the asker's own; with
/// neither, all. The newest first.
pub(super) const LIST: &str = "\
    SELECT g.id::text, g.tenant, g.asked_as, g.ticket, g.reason, g.scope, g.hours, g.asked_at, \
        g.approved_as, g.approved_at, g.ends_at, g.ended_as, g.ended_at, \
        (SELECT count(*) FROM access.support_uses u WHERE u.support_grant = g.id) \
    FROM access.support_grants g \
    WHERE ($1::text IS NULL AND $2::text IS NULL) OR g.tenant = $1 OR g.asked_by = $2::text::uuid \
    ORDER BY g.asked_at DESC, g.id LIMIT $3";

/// Parameters: grant, now, request, method, path. Refused by its trigger when the grant is over.
pub(super) const USE: &str = "\
    INSERT INTO access.support_uses (support_grant, at, request, method, path) \
    VALUES ($1::text::uuid, $2, $3, $4, $5)";

/// Parameters: grant, tenant, how many. The newest first.
pub(super) const USES: &str = "\
    SELECT u.at, u.request, u.method, u.path \
    FROM access.support_uses u JOIN access.support_grants g ON g.id = u.support_grant \
    WHERE g.id = $1::text::uuid AND g.tenant = $2 ORDER BY u.id DESC LIMIT $3";

/// One row: the id of the shipped role that support acts with.
pub(super) const ROLE: &str =
    "SELECT id FROM access.roles WHERE tenant IS NULL AND name = 'support' AND retired_at IS NULL";
