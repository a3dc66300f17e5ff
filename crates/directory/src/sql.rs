//! The statements of this room, and nothing else. Every value is bound.

/// Parameters: id. At most one row: tenant, name, digest, expires at, revoked at, last used,
/// the account that made it or NULL.
pub(crate) const FIND_TOKEN: &str = "\
    SELECT tenant, name, token_sha256, expires_at, revoked_at IS NOT NULL, last_used_at, \
        made_by::text \
    FROM directory.tokens WHERE id = $1";

/// Parameters: id, now.
pub(crate) const TOUCH_TOKEN: &str =
    "UPDATE directory.tokens SET last_used_at = $2 WHERE id = $1 AND revoked_at IS NULL";

/// Parameters: tenant. Until the end of the transaction.
pub(crate) const TURN: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('directory ' || $1, 0))";

/// Parameters: id, tenant, name, digest, made by or NULL, made as, now, expires at, how many may live.
pub(crate) const ADD_TOKEN: &str = "\
    INSERT INTO directory.tokens (id, tenant, name, token_sha256, made_by, made_as, made_at, expires_at) \
    SELECT $1, $2, $3, $4, $5::text::uuid, $6, $7, $8 WHERE $9 > (SELECT count(*) \
        FROM directory.tokens WHERE tenant = $2 AND revoked_at IS NULL AND expires_at > $7)";

/// Parameters: tenant or NULL, how many. The newest first.
pub(crate) const LIST_TOKENS: &str = "\
    SELECT id, tenant, name, made_as, made_at, expires_at, last_used_at, revoked_at, revoked_as \
    FROM directory.tokens WHERE $1::text IS NULL OR tenant = $1 ORDER BY made_at DESC, id LIMIT $2";

/// Parameters: id, tenant or NULL, now, by whom. One row, the tenant, when it lived.
pub(crate) const END_TOKEN: &str = "\
    UPDATE directory.tokens SET revoked_at = $3, revoked_as = $4 \
    WHERE id = $1 AND ($2::text IS NULL OR tenant = $2) AND revoked_at IS NULL RETURNING tenant";

/// Parameters: tenant, now. Rows: id, name, made by or NULL, made as, made at, last used.
pub(crate) const LIVING_TOKENS: &str = "\
    SELECT id, name, made_by::text, made_as, made_at, last_used_at FROM directory.tokens \
    WHERE tenant = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY made_at, id";

/// Parameters: account, now, by whom. Rows: id and tenant of each that ended.
pub(crate) const END_TOKENS_OF: &str = "\
    UPDATE directory.tokens SET revoked_at = $2, revoked_as = $3 \
    WHERE made_by = $1::text::uuid AND revoked_at IS NULL RETURNING id, tenant";

/// Parameters: tenant, now, by whom. Rows: id and tenant of each that ended.
pub(crate) const END_TOKENS_IN: &str = "\
    UPDATE directory.tokens SET revoked_at = $2, revoked_as = $3 \
    WHERE tenant = $1 AND revoked_at IS NULL RETURNING id, tenant";

/// Parameters: tenant, at, actor, action, target, detail.
pub(crate) const NOTE: &str = "\
    INSERT INTO directory.events (tenant, at, actor, action, target, detail) \
    VALUES ($1, $2, $3, $4, $5, $6)";

/// Parameters: tenant, how many. The newest first.
pub(crate) const EVENTS: &str = "\
    SELECT at, actor, action, target, detail FROM directory.events WHERE tenant = $1 \
    ORDER BY id DESC LIMIT $2";

/// Parameters: tenant, account, user name, external id or NULL, active, attributes, now, made by. One row,
/// its id, when name and account were free.
pub(crate) const ADD_USER: &str = "\
    INSERT INTO directory.users (tenant, account, user_name, external_id, active, attributes, \
        created_at, changed_at, made_by) \
    VALUES ($1, $2::text::uuid, $3, $4, $5, $6, $7, $7, $8) ON CONFLICT DO NOTHING RETURNING id::text";

/// What is read of a user, with the names of the groups that they are in.
macro_rules! user {
    ($where:literal) => {
        concat!(
            "SELECT u.id::text, u.account::text, u.user_name, u.active, u.attributes, u.version, \
                u.created_at, u.changed_at, \
                (SELECT coalesce(jsonb_agg(jsonb_build_object('value', g.id, 'display', g.name, \
                    'type', 'direct') ORDER BY g.created_at, g.id), '[]') \
                    FROM directory.members m JOIN directory.groups g ON g.id = m.group_id \
                    WHERE m.user_id = u.id) \
            FROM directory.users u WHERE ",
            $where
        )
    };
}

/// Parameters: tenant, id.
pub(crate) const FIND_USER: &str = user!("u.tenant = $1 AND u.id = $2::text::uuid");

/// Parameters: tenant, user name.
pub(crate) const USER_OF_NAME: &str = user!("u.tenant = $1 AND lower(u.user_name) = lower($2)");

/// Parameters: account. Whether a directory has a user whose account it is.
pub(crate) const HAS_ACCOUNT: &str =
    "SELECT EXISTS (SELECT FROM directory.users WHERE account = $1::text::uuid)";

/// Parameters: tenant, user name or NULL, external id or NULL, id or NULL, when the last one that was seen
/// was made, its id, how many. In order.
pub(crate) const USERS: &str = user!(
    "u.tenant = $1 AND ($2::text IS NULL OR lower(u.user_name) = lower($2)) \
        AND ($3::text IS NULL OR u.external_id = $3) AND ($4::text IS NULL OR u.id = $4::text::uuid) \
        AND (u.created_at, u.id) > ($5, $6::text::uuid) \
    ORDER BY u.created_at, u.id LIMIT $7"
);

/// Parameters: tenant, id, version, user name, external id or NULL, active, attributes, now. No row when the
/// version is another; an error of uniqueness when the name is taken.
pub(crate) const CHANGE_USER: &str = "\
    UPDATE directory.users SET user_name = $4, external_id = $5, active = $6, attributes = $7, \
        changed_at = $8, version = version + 1 \
    WHERE tenant = $1 AND id = $2::text::uuid AND version = $3";

/// Parameters: tenant, id, now. The groups that they were in.
pub(crate) const GROUPS_LEFT: &str = "\
    UPDATE directory.groups SET version = version + 1, changed_at = $3 WHERE tenant = $1 AND id IN \
        (SELECT group_id FROM directory.members WHERE user_id = $2::text::uuid)";

/// Parameters: tenant, id.
pub(crate) const REMOVE_USER: &str =
    "DELETE FROM directory.users WHERE tenant = $1 AND id = $2::text::uuid";

/// Parameters: account, now. Whoever was closed by others is not active. Rows: id and tenant.
pub(crate) const USER_CLOSED: &str = "\
    UPDATE directory.users SET active = false, attributes = attributes || '{\"active\": false}', \
        version = version + 1, changed_at = $2 \
    WHERE account = $1::text::uuid AND active RETURNING id::text, tenant";

/// Parameters: tenant, name, external id or NULL, now, made by.
pub(crate) const ADD_GROUP: &str = "\
    INSERT INTO directory.groups (tenant, name, external_id, created_at, changed_at, made_by) \
    VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT DO NOTHING RETURNING id::text";

/// What is read of a group.
macro_rules! group {
    ($where:literal) => {
        concat!(
            "SELECT g.id::text, g.name, g.external_id, g.version, g.created_at, g.changed_at \
            FROM directory.groups g WHERE ",
            $where
        )
    };
}

/// Parameters: tenant, id.
pub(crate) const FIND_GROUP: &str = group!("g.tenant = $1 AND g.id = $2::text::uuid");

/// Parameters: tenant, name or id, as an administrator writes it. The group of this id comes first: a
/// directory calls its groups what it likes.
pub(crate) const GROUP_OF: &str = group!(
    "g.tenant = $1 AND (lower(g.name) = lower($2) OR g.id::text = $2) \
    ORDER BY g.id::text = $2 DESC"
);

/// Parameters: tenant, name or NULL, external id or NULL, id or NULL. In order.
pub(crate) const GROUPS: &str = group!(
    "g.tenant = $1 AND ($2::text IS NULL OR lower(g.name) = lower($2)) \
        AND ($3::text IS NULL OR g.external_id = $3) AND ($4::text IS NULL OR g.id = $4::text::uuid) \
    ORDER BY g.created_at, g.id"
);

/// Parameters: tenant, id, version, name, external id or NULL, now.
pub(crate) const CHANGE_GROUP: &str = "\
    UPDATE directory.groups SET name = $4, external_id = $5, changed_at = $6, version = version + 1 \
    WHERE tenant = $1 AND id = $2::text::uuid AND version = $3";

/// Parameters: tenant, name, id. Whether another group is called so.
pub(crate) const NAME_IS_TAKEN: &str = "\
    SELECT EXISTS (SELECT FROM directory.groups \
        WHERE tenant = $1 AND lower(name) = lower($2) AND id <> $3::text::uuid)";

/// Parameters: tenant, id.
pub(crate) const REMOVE_GROUP: &str =
    "DELETE FROM directory.groups WHERE tenant = $1 AND id = $2::text::uuid";

/// Parameters: ids of groups. Rows: group, user, the user's name.
pub(crate) const MEMBERS: &str = "\
    SELECT m.group_id::text, m.user_id::text, u.user_name FROM directory.members m \
        JOIN directory.users u ON u.id = m.user_id \
    WHERE m.group_id = ANY ($1::text[]::uuid[]) ORDER BY m.added_at, m.user_id";

/// Parameters: tenant, ids as texts. Rows: id of each that there is.
pub(crate) const KNOWN_USERS: &str =
    "SELECT id::text FROM directory.users WHERE tenant = $1 AND id = ANY ($2::text[]::uuid[])";

/// Parameters: tenant, group, users, now, the account that answers for it or NULL.
pub(crate) const ADD_MEMBERS: &str = "\
    INSERT INTO directory.members (tenant, group_id, user_id, added_at, added_for) \
    SELECT $1, $2::text::uuid, one::uuid, $4, $5::text::uuid FROM unnest($3::text[]) AS one ON CONFLICT DO NOTHING";

/// Parameters: group, users.
pub(crate) const REMOVE_MEMBERS: &str = "\
    DELETE FROM directory.members WHERE group_id = $1::text::uuid AND user_id = ANY ($2::text[]::uuid[])";

/// Parameters: users, now. What they are told of their groups has changed.
pub(crate) const TOUCH_USERS: &str = "\
    UPDATE directory.users SET version = version + 1, changed_at = $2 WHERE id = ANY ($1::text[]::uuid[])";

/// Parameters: tenant, users or NULL, a group that is left out. Rows: account, role, mapper, group's name,
/// member since, who answers for a member who came after it was mapped or NULL; one for each role that a group gives to an active user, the longest member first. That a
/// role is mapped anew gives back nothing that people took away.
pub(crate) const WANTED_ROLES: &str = "\
    SELECT u.account::text, p.role, p.mapped_by::text, g.name, m.added_at AS since, \
        CASE WHEN m.added_at >= p.mapped_at THEN m.added_for::text END \
    FROM directory.users u JOIN directory.members m ON m.user_id = u.id \
        JOIN directory.groups g ON g.id = m.group_id \
        JOIN directory.mappings p ON p.group_id = m.group_id \
    WHERE u.tenant = $1 AND u.active AND g.id::text <> $3 \
        AND ($2::text[] IS NULL OR u.id = ANY ($2::text[]::uuid[])) \
    ORDER BY since, g.id";

/// Parameters: tenant, users or NULL. Rows: user, account.
pub(crate) const ACCOUNTS: &str = "\
    SELECT id::text, account::text FROM directory.users \
    WHERE tenant = $1 AND ($2::text[] IS NULL OR id = ANY ($2::text[]::uuid[])) ORDER BY created_at, id";

/// Parameters: tenant. Rows: user, account.
pub(crate) const NOT_ACTIVE: &str = "\
    SELECT id::text, account::text FROM directory.users WHERE tenant = $1 AND NOT active";

/// Parameters: the last tenant seen, how many. Rows: tenant.
pub(crate) const TENANTS: &str = "\
    SELECT DISTINCT tenant FROM directory.users WHERE tenant > $1 ORDER BY tenant LIMIT $2";

/// Parameters: tenant. Rows: group, its name, role, by whom, called, when, how many members.
pub(crate) const LIVING_MAPPINGS: &str = "\
    SELECT p.group_id::text, g.name, p.role, p.mapped_by::text, p.mapped_as, p.mapped_at, \
        (SELECT count(*) FROM directory.members m WHERE m.group_id = p.group_id) \
    FROM directory.mappings p JOIN directory.groups g ON g.id = p.group_id \
    WHERE p.tenant = $1 ORDER BY p.mapped_at, p.group_id, p.role";

/// Parameters: tenant, group, role, when it was mapped. Nothing where the group is no UUID.
pub(crate) const UNMAP_IN: &str = "\
    DELETE FROM directory.mappings \
    WHERE tenant = $1 AND group_id::text = $2 AND role = $3 AND mapped_at = $4";

/// Parameters: tenant, group, role, by whom, called, now.
pub(crate) const MAP: &str = "\
    INSERT INTO directory.mappings (tenant, group_id, role, mapped_by, mapped_as, mapped_at) \
    VALUES ($1, $2::text::uuid, $3, $4::text::uuid, $5, $6)";

/// Parameters: group, role.
pub(crate) const UNMAP: &str =
    "DELETE FROM directory.mappings WHERE group_id = $1::text::uuid AND role = $2";

/// Parameters: tenant. Rows: group's name, id, how many members, how many roles.
pub(crate) const GROUP_CARDS: &str = "\
    SELECT g.id::text, g.name, (SELECT count(*) FROM directory.members m WHERE m.group_id = g.id) \
    FROM directory.groups g WHERE g.tenant = $1 ORDER BY lower(g.name), g.id LIMIT $2";

/// Parameters: tenant. Rows: group, role, by whom, when.
pub(crate) const MAPPINGS: &str = "\
    SELECT group_id::text, role, mapped_as, mapped_at FROM directory.mappings \
    WHERE tenant = $1 ORDER BY role";

/// Parameters: tenant. One row: how many users, and how many of them are active.
pub(crate) const COUNT_USERS: &str = "\
    SELECT count(*), count(*) FILTER (WHERE active) FROM directory.users WHERE tenant = $1";

/// Parameters: tenant. All that names people.
pub(crate) const FORGET_USERS: &str = "DELETE FROM directory.users WHERE tenant = $1";
/// The same parameters.
pub(crate) const FORGET_GROUPS: &str = "DELETE FROM directory.groups WHERE tenant = $1";
