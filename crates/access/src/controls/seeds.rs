//! What the bites do to a copy of the control database: statements, and nothing else.

/// What the bite does to a copy, and a word that its finding must have.
pub(super) const RIGHTS: [(&str, &str, &str); 9] = [
    (
        "a right added",
        "INSERT INTO access.role_permissions SELECT r.id, p.id FROM access.roles r, access.permissions p \
         WHERE r.tenant IS NULL AND r.name = 'viewer' AND p.name = 'people.roles'",
        "viewer × people.roles: is permitted",
    ),
    (
        "a right taken away",
        "DELETE FROM access.role_permissions USING access.roles r, access.permissions p \
         WHERE role = r.id AND permission = p.id AND r.name = 'approver' AND p.name = 'approvals.approve'",
        "approver × approvals.approve: is refused",
    ),
    (
        "a parent added",
        "INSERT INTO access.role_parents SELECT r.id, p.id FROM access.roles r, access.roles p \
         WHERE r.name = 'sales' AND p.name = 'accountant'",
        "sales × ledger.post: is permitted",
    ),
    (
        "a permission retired",
        "UPDATE access.permissions SET retired_at = now() WHERE name = 'trail.verify'",
        "trail.verify: was reviewed",
    ),
    (
        "a permission that nobody reviewed",
        "INSERT INTO access.permissions (id, name, title) VALUES (1023, 'proof.seed', 'A seed')",
        "proof.seed: is in the database",
    ),
    (
        "a role that nobody reviewed",
        "INSERT INTO access.roles (name, title) VALUES ('root', 'A seed')",
        "role root: was not reviewed",
    ),
    (
        "a role retired",
        "UPDATE access.roles SET retired_at = now() WHERE name = 'auditor'",
        "role auditor: is missing",
    ),
    (
        "a ring of parents",
        "ALTER TABLE access.role_parents DISABLE TRIGGER role_parents_checked; \
         INSERT INTO access.role_parents SELECT r.id, p.id FROM access.roles r, access.roles p \
         WHERE r.name = 'viewer' AND p.name = 'editor'",
        "role viewer: inherits from itself",
    ),
    (
        "a grant of another tenant's role",
        "ALTER TABLE access.grants DISABLE TRIGGER grants_checked",
        "a role of another tenant: can be granted",
    ),
];

/// Parameters: now. Uses were written down for longer than any period.
pub(super) const WATCH: &str = "\
    INSERT INTO access.watch (since) VALUES ($1::timestamptz - interval '400 days')";
/// Parameters: now. Four people with a role, of whom one uses it in its tenant.
pub(super) const GRANTS: &str = "\
    INSERT INTO access.grants (account, tenant, role, granted_by, reason, granted_at) \
    SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'seed', r.id, 'a bite', 'a bite', \
        $1::timestamptz - interval '300 days' \
    FROM access.roles r, generate_series(1, 4) AS n WHERE r.tenant IS NULL AND r.name = 'editor'";
/// Parameters: now. A proof's own person in a real tenant, who is nobody: the mark is the trigger's.
pub(super) const SYNTHETIC: &str = "\
    INSERT INTO access.grants (account, tenant, role, granted_by, reason, granted_at, synthetic) \
    SELECT '00000000-0000-4000-8000-0000000000ca', 'seed', r.id, 'a bite', 'a bite', \
        $1::timestamptz - interval '300 days', true \
    FROM access.roles r WHERE r.tenant IS NULL AND r.name = 'editor'";
/// Nothing says of what is given here whether it is synthetic, but the bite.
pub(super) const UNMARKED: &str = "ALTER TABLE access.grants DISABLE TRIGGER grants_marked";
/// Parameters: now.
pub(super) const USES: &str = "\
    INSERT INTO access.uses (account, tenant, permission, last_used_at) \
    SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, place, p.id, $1::timestamptz - ago \
    FROM (VALUES (1, 'seed', 'products.update', interval '1 day'), \
                 (2, 'seed', 'products.update', interval '200 days'), \
                 (3, 'elsewhere', 'products.update', interval '1 day'), \
                 (4, 'seed', 'people.roles', interval '1 day')) AS used (n, place, name, ago) \
    JOIN access.permissions p ON p.name = used.name";
/// Parameters: now. No use from before is known.
pub(super) const FORGET_HISTORY: &str = "UPDATE access.watch SET since = $1";
