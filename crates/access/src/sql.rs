//! The statements of this room, and nothing else. Every value is bound.

/// Parameters: account, tenant, now. One row: the names of the roles, the numbers of what they
/// permit, the strongest factor, the shortest idle and absolute limits in seconds, the first end of a grant,
/// the names of the roles with those that they inherit from.
///
/// What is retired, over, revoked, or another tenant's counts for nothing, wherever it stands in
/// the line. `UNION` ends a ring, should there ever be one.
pub(crate) const STANDING: &str = "\
    WITH RECURSIVE held AS ( \
        SELECT DISTINCT r.id, r.name FROM access.grants g JOIN access.roles r ON r.id = g.role \
        WHERE g.account = $1::text::uuid AND g.tenant = $2 AND g.revoked_at IS NULL \
            AND (g.expires_at IS NULL OR g.expires_at > $3) AND r.retired_at IS NULL \
            AND (r.tenant IS NULL OR r.tenant = $2) \
    ), above AS ( \
        SELECT id FROM held \
        UNION \
        SELECT p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = $2) \
    ) \
    SELECT coalesce((SELECT array_agg(name ORDER BY name) FROM held), '{}'), \
        coalesce((SELECT array_agg(DISTINCT rp.permission) FROM access.role_permissions rp \
            JOIN access.permissions p ON p.id = rp.permission \
            WHERE p.retired_at IS NULL AND rp.role IN (SELECT id FROM above)), '{}'), \
        coalesce(max(r.factor), 1::smallint), min(r.idle_seconds), min(r.absolute_seconds), \
        (SELECT min(g.expires_at) FROM access.grants g WHERE g.account = $1::text::uuid \
            AND g.tenant = $2 AND g.revoked_at IS NULL AND g.expires_at > $3), \
        coalesce(array_agg(r.name ORDER BY r.name), '{}') \
    FROM above a JOIN access.roles r ON r.id = a.id";

/// Parameters: tenant, name. One row: the strongest factor that the role asks for, as [`STANDING`]
/// counts it; nothing for a role that is not there.
pub(crate) const ROLE_FACTOR: &str = "\
    WITH RECURSIVE above AS ( \
        SELECT r.id FROM access.roles r WHERE r.name = $2 AND r.retired_at IS NULL \
            AND (r.tenant IS NULL OR r.tenant = $1) \
        UNION \
        SELECT p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = $1) \
    ) \
    SELECT max(r.factor) FROM above a JOIN access.roles r ON r.id = a.id";

/// Parameters: ids of roles, tenant. The numbers of what they permit together, as [`STANDING`]
/// counts it.
pub(crate) const ROLE_PERMITS: &str = "\
    WITH RECURSIVE above AS ( \
        SELECT r.id FROM access.roles r WHERE r.id = ANY ($1) AND r.retired_at IS NULL \
            AND (r.tenant IS NULL OR r.tenant = $2) \
        UNION \
        SELECT p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = $2) \
    ) \
    SELECT coalesce(array_agg(DISTINCT rp.permission), '{}') FROM access.role_permissions rp \
        JOIN access.permissions p ON p.id = rp.permission \
    WHERE p.retired_at IS NULL AND rp.role IN (SELECT id FROM above)";

/// Parameters: tenant, name. At most one row: id. A tenant's own role and a shipped one never have
/// the same name.
pub(crate) const FIND_ROLE: &str = "\
    SELECT id FROM access.roles \
    WHERE (tenant IS NULL OR tenant = $1) AND name = $2 AND retired_at IS NULL";

/// Parameters: tenant, name. As [`FIND_ROLE`], a tenant's own alone, also a retired one.
pub(crate) const FIND_OWN_ROLE: &str = "\
    SELECT id, retired_at IS NULL FROM access.roles WHERE tenant = $1 AND name = $2 FOR UPDATE";

/// Parameters: tenant or null. Rows: name, tenant, title, factor, direct holders, own permissions.
pub(crate) const LIST_ROLES: &str = "\
    SELECT r.id, r.name, r.tenant IS NULL, r.title, r.factor, r.idle_seconds, r.absolute_seconds, \
        (SELECT coalesce(array_agg(o.name ORDER BY o.name), '{}') FROM access.role_parents p \
            JOIN access.roles o ON o.id = p.parent WHERE p.role = r.id), \
        (SELECT count(DISTINCT g.account) FROM access.grants g WHERE g.role = r.id \
            AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $2) \
            AND ($1::text IS NULL OR g.tenant = $1)) \
    FROM access.roles r \
    WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = $1) \
    ORDER BY r.tenant IS NOT NULL, r.id";

/// Parameters: account, tenant, now. Rows: role, granted by, reason, granted at, expires at.
pub(crate) const GRANTS_OF: &str = "\
    SELECT g.id::text, r.name, g.granted_by, g.reason, g.granted_at, g.expires_at \
    FROM access.grants g JOIN access.roles r ON r.id = g.role \
    WHERE g.account = $1::text::uuid AND g.tenant = $2 AND g.revoked_at IS NULL \
        AND (g.expires_at IS NULL OR g.expires_at > $3) \
    ORDER BY r.name";

/// Parameters: account, tenant, role, now. Ends a grant that is over by itself, so that a new one
/// can take its place.
pub(crate) const END_EXPIRED: &str = "\
    UPDATE access.grants SET revoked_at = expires_at, revoked_by = 'its end' \
    WHERE account = $1::text::uuid AND tenant = $2 AND role = $3 AND revoked_at IS NULL \
        AND expires_at <= $4";

/// Parameters: account, tenant, role, by, reason, now, expires at, what gives it once or null. One row when there
/// was none, and that had not given it before.
pub(crate) const GRANT: &str = "\
    INSERT INTO access.grants \
        (account, tenant, role, granted_by, reason, granted_at, expires_at, once) \
    VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: account, tenant, now, how many. The grants that are over, the last that ended first: role, by, at,
/// the end, who ended it, why.
pub(crate) const GRANTS_OVER: &str = "\
    SELECT r.name, g.granted_by, g.granted_at, least(g.revoked_at, g.expires_at) AS ended, \
        g.revoked_by, g.revoked_reason \
    FROM access.grants g JOIN access.roles r ON r.id = g.role \
    WHERE g.account = $1::text::uuid AND g.tenant = $2 \
        AND (g.revoked_at IS NOT NULL OR g.expires_at <= $3) \
    ORDER BY ended DESC, r.name LIMIT $4";

/// Parameters: account, tenant. One row when the account is of the tenant: whether it is closed.
pub(crate) const IS_OF: &str = "\
    SELECT disabled_at IS NOT NULL FROM identity.accounts \
    WHERE id = $1::text::uuid AND tenant = $2";

/// Parameters: account, tenant, role, now, by, why.
pub(crate) const REVOKE: &str = "\
    UPDATE access.grants SET revoked_at = $4, revoked_by = $5, revoked_reason = $6 \
    WHERE account = $1::text::uuid AND tenant = $2 AND role = $3 AND revoked_at IS NULL";

/// Parameters: tenant. How many roles of its own it has, and nobody adds another one meanwhile.
pub(crate) const COUNT_OWN_ROLES: &str = "\
    SELECT count(*) FROM access.roles WHERE tenant = $1 AND retired_at IS NULL";

/// Parameters: what is locked, as a text. Until the end of the transaction.
pub(crate) const LOCK_TENANT: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('access.roles ' || $1, 0))";

/// Parameters: tenant, name, title, factor, idle, absolute. One row: id. None when a role has a
/// name that looks like it.
pub(crate) const ADD_ROLE: &str = "\
    INSERT INTO access.roles (tenant, name, title, factor, idle_seconds, absolute_seconds) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id";

/// Parameters: id, title, factor, idle, absolute.
pub(crate) const CHANGE_ROLE: &str = "\
    UPDATE access.roles SET title = $2, factor = $3, idle_seconds = $4, absolute_seconds = $5, \
        retired_at = NULL WHERE id = $1";

/// Parameters: id, now.
pub(crate) const RETIRE_ROLE: &str =
    "UPDATE access.roles SET retired_at = $2 WHERE id = $1 AND retired_at IS NULL";

/// Parameters: id, now, who does it. Every grant of a role that is retired. Rows: account, and whether the grant
/// had not ended by itself.
pub(crate) const REVOKE_OF_ROLE: &str = "\
    UPDATE access.grants SET revoked_at = greatest($2, granted_at), revoked_by = $3 \
    WHERE role = $1 AND revoked_at IS NULL \
    RETURNING account::text, expires_at IS NULL OR expires_at > $2";

/// Parameters: id. Rows: the names of its own permissions.
pub(crate) const OWN_PERMITS: &str = "\
    SELECT p.name FROM access.role_permissions rp JOIN access.permissions p ON p.id = rp.permission \
    WHERE rp.role = $1 AND p.retired_at IS NULL ORDER BY p.id";

/// Parameters: id, tenant, now. Rows: the address of each account that has it in the tenant.
pub(crate) const HELD_BY: &str = "\
    SELECT DISTINCT coalesce(a.email, g.account::text) FROM access.grants g \
        LEFT JOIN identity.accounts a ON a.id = g.account \
    WHERE g.role = $1 AND g.tenant = $2 AND g.revoked_at IS NULL \
        AND (g.expires_at IS NULL OR g.expires_at > $3) ORDER BY 1";

/// Parameters: id. Rows: the name of each role that has everything of it.
pub(crate) const HEIRS: &str = "\
    SELECT r.name FROM access.role_parents p JOIN access.roles r ON r.id = p.role \
    WHERE p.parent = $1 AND r.retired_at IS NULL ORDER BY r.name";

/// Parameters: id. No role has what is in it any more, nor what another one of its name will have.
pub(crate) const DISINHERIT: &str = "DELETE FROM access.role_parents WHERE parent = $1";

/// Parameters: id, now, who does it, what. The role as it is from now on.
pub(crate) const NOTE_ROLE: &str = "\
    INSERT INTO access.role_changes (role, at, done_by, what, title, factor, idle_seconds, \
        absolute_seconds, permits, parents) \
    SELECT r.id, $2, $3, $4, r.title, r.factor, r.idle_seconds, r.absolute_seconds, \
        ARRAY(SELECT p.name FROM access.role_permissions rp JOIN access.permissions p \
            ON p.id = rp.permission WHERE rp.role = r.id ORDER BY p.id), \
        ARRAY(SELECT o.name FROM access.role_parents rp JOIN access.roles o ON o.id = rp.parent \
            WHERE rp.role = r.id ORDER BY o.name) \
    FROM access.roles r WHERE r.id = $1";

/// Parameters: id. Rows: the id of the role and of each one that has everything of it, by whatever line.
pub(crate) const BELOW: &str = "\
    WITH RECURSIVE below AS ( \
        SELECT $1::integer AS id \
        UNION \
        SELECT p.role FROM below b JOIN access.role_parents p ON p.parent = b.id \
    ) \
    SELECT b.id FROM below b JOIN access.roles r ON r.id = b.id WHERE r.retired_at IS NULL \
    ORDER BY b.id";

/// Parameters: ids. For each of these roles, as [`STANDING`] counts it: id, name, the strongest factor, the
/// shortest idle and absolute limits in seconds.
pub(crate) const ASKS: &str = "\
    WITH RECURSIVE above AS ( \
        SELECT r.id AS role, r.id FROM access.roles r \
        WHERE r.id = ANY ($1) AND r.retired_at IS NULL \
        UNION \
        SELECT a.role, p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.retired_at IS NULL \
    ) \
    SELECT o.id, o.name, max(r.factor), min(r.idle_seconds), min(r.absolute_seconds) \
    FROM above a JOIN access.roles o ON o.id = a.role JOIN access.roles r ON r.id = a.id \
    GROUP BY o.id, o.name ORDER BY o.id";

/// Parameters: factor. The shipped roles that ask for more, the strongest first, as [`STANDING`] counts it:
/// name, factor, numbers of what it permits.
pub(crate) const STRONGER: &str = "\
    WITH RECURSIVE above AS ( \
        SELECT r.id AS role, r.id FROM access.roles r \
        WHERE r.tenant IS NULL AND r.retired_at IS NULL \
        UNION \
        SELECT a.role, p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.tenant IS NULL AND r.retired_at IS NULL \
    ) \
    SELECT o.name, max(r.factor), \
        coalesce(array_agg(DISTINCT p.id) FILTER (WHERE p.id IS NOT NULL), '{}') \
    FROM above a JOIN access.roles o ON o.id = a.role JOIN access.roles r ON r.id = a.id \
        LEFT JOIN access.role_permissions rp ON rp.role = a.id \
        LEFT JOIN access.permissions p ON p.id = rp.permission AND p.retired_at IS NULL \
    GROUP BY o.id, o.name HAVING max(r.factor) > $1 ORDER BY max(r.factor) DESC, o.id";

/// Parameters: ids, tenant, now. Rows: account and the name of the role that it has.
pub(crate) const HOLDERS_OF: &str = "\
    SELECT DISTINCT g.account::text, r.name FROM access.grants g JOIN access.roles r ON r.id = g.role \
    WHERE g.role = ANY ($1) AND g.tenant = $2 AND g.revoked_at IS NULL \
        AND (g.expires_at IS NULL OR g.expires_at > $3) ORDER BY 1, 2";

/// Parameters: id, how many. The newest first: at, by, what, how many permissions, parents, factor,
/// idle, absolute.
pub(crate) const ROLE_CHANGES: &str = "\
    SELECT at, done_by, what, cardinality(permits), parents, factor, idle_seconds, absolute_seconds \
    FROM access.role_changes \
    WHERE role = $1 ORDER BY id DESC LIMIT $2";

/// Parameters: how many. What is over of synthetic people for a day; run by the owner of the database,
/// whose triggers let nothing else go.
pub(crate) const SWEEP_USES: &str = "\
    DELETE FROM access.support_uses WHERE id IN ( \
        SELECT u.id FROM access.support_uses u JOIN access.support_grants g ON g.id = u.support_grant \
        WHERE g.synthetic AND least(g.ended_at, g.ends_at) < now() - interval '25 hours' LIMIT $1)";

/// The same parameter.
pub(crate) const SWEEP_SUPPORT: &str = "\
    DELETE FROM access.support_grants WHERE id IN ( \
        SELECT g.id FROM access.support_grants g \
        WHERE g.synthetic AND coalesce(least(g.ended_at, g.ends_at), g.asked_at + interval '7 days') \
                < now() - interval '25 hours' AND g.asked_at < now() - interval '25 hours' \
            AND NOT EXISTS (SELECT FROM access.support_uses u WHERE u.support_grant = g.id) LIMIT $1)";

/// The same parameter.
pub(crate) const SWEEP_GRANTS: &str = "\
    DELETE FROM access.grants WHERE id IN ( \
        SELECT id FROM access.grants WHERE synthetic \
            AND least(revoked_at, expires_at) < now() - interval '25 hours' LIMIT $1)";

/// The same parameter. What accounts used that are gone: only synthetic ones ever are.
pub(crate) const SWEEP_NOTED: &str = "\
    DELETE FROM access.uses WHERE (account, tenant, permission) IN ( \
        SELECT u.account, u.tenant, u.permission FROM access.uses u \
        WHERE u.last_used_at < now() - interval '25 hours' \
            AND NOT EXISTS (SELECT FROM identity.accounts a WHERE a.id = u.account) LIMIT $1)";

/// Parameters: id.
pub(crate) const EMPTY_ROLE: &str = "DELETE FROM access.role_permissions WHERE role = $1";

/// Parameters: id.
pub(crate) const ORPHAN_ROLE: &str = "DELETE FROM access.role_parents WHERE role = $1";

/// Parameters: id, numbers.
pub(crate) const FILL_ROLE: &str = "\
    INSERT INTO access.role_permissions (role, permission) SELECT $1, unnest($2::smallint[])";

/// Parameters: id, ids of parents.
pub(crate) const ADOPT_ROLE: &str = "\
    INSERT INTO access.role_parents (role, parent) SELECT $1, unnest($2::integer[])";

/// Rows: id, name. What is not retired.
pub(crate) const PERMISSIONS: &str =
    "SELECT id, name FROM access.permissions WHERE retired_at IS NULL ORDER BY id";

/// Parameters: now. Since when uses are written down; the first time counts.
pub(crate) const WATCH: &str =
    "INSERT INTO access.watch (since) VALUES ($1) ON CONFLICT DO NOTHING";

/// Parameters: accounts, tenants, permissions, times, one of each for a use. In one order whoever
/// writes, so that two writers never wait for each other in a ring.
pub(crate) const WRITE_USES: &str = "\
    INSERT INTO access.uses (account, tenant, permission, last_used_at) \
    SELECT account::uuid, tenant, permission, at \
    FROM unnest($1::text[], $2::text[], $3::smallint[], $4::timestamptz[]) \
        AS used (account, tenant, permission, at) \
    ORDER BY 1, 2, 3 \
    ON CONFLICT (account, tenant, permission) DO UPDATE \
        SET last_used_at = greatest(access.uses.last_used_at, excluded.last_used_at)";

/// Rows: name, id. The roles that every tenant has.
pub(crate) const SHIPPED_ROLES: &str = "\
    SELECT name, id FROM access.roles WHERE tenant IS NULL AND retired_at IS NULL ORDER BY id";

/// Rows: the name of a role that is its own ancestor.
pub(crate) const RINGS: &str = "\
    WITH RECURSIVE above (role, parent) AS ( \
        SELECT role, parent FROM access.role_parents \
        UNION \
        SELECT a.role, p.parent FROM above a JOIN access.role_parents p ON p.role = a.parent \
    ) \
    SELECT r.name FROM above a JOIN access.roles r ON r.id = a.role \
    WHERE a.role = a.parent ORDER BY r.name";

/// For the bite's sandbox, which has no rows.
pub(crate) const SEED_LINEAGE: &str = "INSERT INTO access.lineage DEFAULT VALUES";

/// At most one row: since when uses are written down.
pub(crate) const WATCHED_SINCE: &str = "SELECT since FROM access.watch";

/// Parameters: now, the beginning of the period, tenants that are left out. Synthetic people count for
/// nothing: a proof has its own of them use nothing for years. For each role that was given before the period and still counts: grant, role, given at, how many permissions, how many
/// of them were used within the period, the last use of any, account, tenant.
pub(crate) const GRANT_USES: &str = "\
    WITH RECURSIVE above (role, id) AS ( \
        SELECT id, id FROM access.roles WHERE retired_at IS NULL \
        UNION \
        SELECT a.role, p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent WHERE r.retired_at IS NULL \
    ), permits AS ( \
        SELECT DISTINCT a.role, rp.permission FROM above a \
            JOIN access.role_permissions rp ON rp.role = a.id \
            JOIN access.permissions p ON p.id = rp.permission AND p.retired_at IS NULL \
    ) \
    SELECT g.id::text, r.name, g.granted_at, count(p.permission), \
        count(*) FILTER (WHERE u.last_used_at >= $2), max(u.last_used_at), \
        g.account::text, g.tenant \
    FROM access.grants g JOIN access.roles r ON r.id = g.role AND r.retired_at IS NULL \
        LEFT JOIN permits p ON p.role = g.role \
        LEFT JOIN access.uses u ON u.account = g.account AND u.tenant = g.tenant \
            AND u.permission = p.permission \
    WHERE g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $1) \
        AND g.granted_at < $2 AND g.tenant <> ALL ($3) AND NOT g.synthetic \
    GROUP BY g.id, r.name ORDER BY g.granted_at, g.id";

/// Parameters: accounts, the tenant of each, now. Rows: account and the numbers of what it may do there, as
/// [`STANDING`] counts it; those that may do nothing are left out.
pub(crate) const PERMITS_OF: &str = "\
    WITH RECURSIVE held AS ( \
        SELECT DISTINCT w.account, w.tenant, r.id \
        FROM unnest(ARRAY(SELECT unnest($1::text[])::uuid), $2::text[]) AS w (account, tenant) \
            JOIN access.grants g ON g.account = w.account AND g.tenant = w.tenant \
            JOIN access.roles r ON r.id = g.role \
        WHERE g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $3) \
            AND r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = w.tenant) \
    ), above AS ( \
        SELECT account, tenant, id FROM held \
        UNION \
        SELECT a.account, a.tenant, p.parent FROM above a JOIN access.role_parents p ON p.role = a.id \
            JOIN access.roles r ON r.id = p.parent \
        WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = a.tenant) \
    ) \
    SELECT a.account::text, array_agg(DISTINCT rp.permission) FROM above a \
        JOIN access.role_permissions rp ON rp.role = a.id \
        JOIN access.permissions p ON p.id = rp.permission AND p.retired_at IS NULL \
    GROUP BY a.account";

/// Parameters: tenant, permission, now, the last account seen, how many. Rows: account.
pub(crate) const HOLDERS: &str = "\
    WITH RECURSIVE below AS ( \
        SELECT r.id FROM access.role_permissions rp JOIN access.roles r ON r.id = rp.role \
            JOIN access.permissions p ON p.id = rp.permission \
        WHERE rp.permission = $2 AND p.retired_at IS NULL AND r.retired_at IS NULL \
            AND (r.tenant IS NULL OR r.tenant = $1) \
        UNION \
        SELECT c.role FROM below b JOIN access.role_parents c ON c.parent = b.id \
            JOIN access.roles r ON r.id = c.role \
        WHERE r.retired_at IS NULL AND (r.tenant IS NULL OR r.tenant = $1) \
    ) \
    SELECT DISTINCT g.account::text AS account FROM access.grants g \
    WHERE g.tenant = $1 AND g.role IN (SELECT id FROM below) AND g.revoked_at IS NULL \
        AND (g.expires_at IS NULL OR g.expires_at > $3) AND g.account > $4::text::uuid \
    ORDER BY account LIMIT $5";

/// Parameters: account, now, who does it. Rows: tenant and role of each grant that was ended.
pub(crate) const REVOKE_ALL: &str = "\
    UPDATE access.grants g SET revoked_at = greatest($2, g.granted_at), revoked_by = $3 FROM access.roles r \
    WHERE r.id = g.role AND g.account = $1::text::uuid AND g.revoked_at IS NULL \
    RETURNING g.tenant, r.name";

/// Parameters: account, now. Rows: what is left, for people.
pub(crate) const LEFT: &str = "\
    SELECT 'the role ' || r.name || ' in ' || g.tenant FROM access.grants g \
        JOIN access.roles r ON r.id = g.role \
    WHERE g.account = $1::text::uuid AND g.revoked_at IS NULL \
        AND (g.expires_at IS NULL OR g.expires_at > $2) \
    UNION ALL \
    SELECT 'access of support to ' || tenant FROM access.support_grants \
    WHERE asked_by = $1::text::uuid AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $2)";

/// Parameters: account, tenant, role's name, moment. Whether people have taken the role since then, whoever
/// had given it.
pub(crate) const TAKEN_BY_PEOPLE: &str = "\
    SELECT EXISTS (SELECT FROM access.grants g JOIN access.roles r ON r.id = g.role \
        WHERE g.account = $1::text::uuid AND g.tenant = $2 AND r.name = $3 AND g.revoked_at >= $4 \
            AND (g.revoked_by NOT LIKE 'directory:%' OR strpos(g.revoked_by, '@') > 0))";

/// Parameters: tenant, now. Rows: account, role's name.
pub(crate) const MAPPED: &str = "\
    SELECT g.account::text, r.name FROM access.grants g JOIN access.roles r ON r.id = g.role \
    WHERE g.tenant = $1 AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > $2) \
        AND g.granted_by LIKE 'directory:%' AND strpos(g.granted_by, '@') = 0";

/// Parameters: account, tenant, role's name, now, by.
pub(crate) const REVOKE_MAPPED: &str = "\
    UPDATE access.grants g SET revoked_at = greatest($4, g.granted_at), revoked_by = $5 \
    FROM access.roles r \
    WHERE r.id = g.role AND g.account = $1::text::uuid AND g.tenant = $2 AND r.name = $3 \
        AND g.revoked_at IS NULL AND g.granted_by LIKE 'directory:%' AND strpos(g.granted_by, '@') = 0";

/// Parameters, a list each: times, sources, methods, bait, how often, holders.
pub(crate) const WRITE_BAIT: &str = "\
    INSERT INTO access.bait_hits (at, source, method, bait, times, holder) \
    SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[])";

/// Parameters: since, source or null, how many at most.
pub(crate) const BAIT_TAKEN: &str = "\
    SELECT at, source, method, bait, times, holder FROM access.bait_hits \
    WHERE at >= $1 AND ($2::text IS NULL OR source = $2) ORDER BY at DESC, id DESC LIMIT $3";

/// Parameters: when, whether strangers are shed, mode, why, strangers, people, how late in milliseconds.
pub(crate) const WRITE_ATTACK: &str = "\
    INSERT INTO access.attack_switches (at, shedding, mode, why, strangers, people, lag_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Parameters: since, how many at most.
pub(crate) const ATTACK_SWITCHES: &str = "\
    SELECT at, shedding, mode, why, strangers, people, lag_ms FROM access.attack_switches \
    WHERE at >= $1 ORDER BY at DESC, id DESC LIMIT $2";
