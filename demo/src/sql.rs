//! The statements of the application, and nothing else.
//!
//! None of them chooses a tenant: row-level security does, under every table and view named
//! here. Joins carry `tenant_id` because the keys do. An INSERT names the tenant of the binding,
//! and the policy refuses any other value. Money travels in hundredths, as `bigint`.

/// Ties the transaction to the tenant of the token, or raises an error; and names the request for the trail.
pub(crate) const BIND: &str = "SELECT amanah.bind($1), set_config('amanah.request_id', $2, true)";

/// One row, for a tenant without any data too. If a lost policy showed a second company, the
/// scalar subquery would be an error, not a leak.
pub(crate) const VIEWER: &str = "
    SELECT coalesce((SELECT name FROM tenants), 'New company') AS company,
           coalesce((SELECT currency FROM tenants), '') AS currency,
           coalesce(amanah.current_actor(), '') AS actor,
           (SELECT count(*) FROM price_changes c WHERE NOT EXISTS (
                SELECT FROM approvals a
                WHERE a.tenant_id = c.tenant_id AND a.change_id = c.id)) AS pending";

pub(crate) const SUMMARY: &str = "
    SELECT (SELECT count(*) FROM products) AS products,
           (SELECT count(*) FROM suppliers) AS suppliers,
           avg(margin_percent)::float8 AS average_margin,
           count(*) FILTER (WHERE margin_percent < minimum_percent) AS below_minimum
    FROM current_margins WHERE is_standard";

pub(crate) const LOWEST_MARGINS: &str = "
    SELECT product_id::text, sku, product, pack, category, price_list,
           (price * 100)::bigint AS price, (cost * 100)::bigint AS cost,
           margin_percent::float8, minimum_percent::float8
    FROM current_margins WHERE is_standard AND margin_percent IS NOT NULL
    ORDER BY margin_percent - coalesce(minimum_percent, 0), sku LIMIT $1";

/// Products whose name, code or category contains $1, with their standard price.
pub(crate) const PRODUCTS: &str = "
    SELECT g.id::text AS product_id, g.sku, g.name AS product, g.pack, k.name AS category,
           coalesce(m.price_list, '') AS price_list,
           (m.price * 100)::bigint AS price, (m.cost * 100)::bigint AS cost,
           m.margin_percent::float8, m.minimum_percent::float8
    FROM products g
    JOIN categories k ON k.tenant_id = g.tenant_id AND k.id = g.category_id
    LEFT JOIN current_margins m
           ON m.tenant_id = g.tenant_id AND m.product_id = g.id AND m.is_standard
    WHERE strpos(lower(g.name || ' ' || g.sku || ' ' || k.name), lower($1)) > 0
    ORDER BY g.sku LIMIT $2";

pub(crate) const PRODUCT: &str = "
    SELECT g.id::text, g.sku, g.name, g.pack, k.name AS category, r.minimum_percent::float8
    FROM products g
    JOIN categories k ON k.tenant_id = g.tenant_id AND k.id = g.category_id
    LEFT JOIN margin_rules r ON r.tenant_id = g.tenant_id AND r.category_id = g.category_id
    WHERE g.id = $1::text::uuid";

pub(crate) const PRODUCT_PRICES: &str = "
    SELECT price_id::text, price_list, (price * 100)::bigint AS price,
           (cost * 100)::bigint AS cost, margin_percent::float8, minimum_percent::float8
    FROM current_margins WHERE product_id = $1::text::uuid
    ORDER BY is_standard DESC, price_list";

pub(crate) const PRODUCT_NOTES: &str = "
    SELECT body, written_by,
           to_char(written_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS written_at
    FROM notes WHERE product_id = $1::text::uuid
    ORDER BY notes.written_at DESC LIMIT $2";

/// Proposals with what became of them; $1 is a product or null for all, $2 true for those that
/// wait for a decision, false for decided ones, null for both. The newest first.
pub(crate) const CHANGES: &str = "
    SELECT c.id::text, m.product_id::text, m.sku, m.product, m.pack, m.price_list,
           (c.old_amount * 100)::bigint AS old_amount, (c.new_amount * 100)::bigint AS new_amount,
           round((c.new_amount - m.cost) * 100 / nullif(c.new_amount, 0), 1)::float8 AS new_margin,
           m.minimum_percent::float8, c.reason, c.proposed_by,
           to_char(c.proposed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS proposed_at,
           lower(c.proposed_by) = lower(amanah.current_actor()) AS mine,
           a.decision, a.decided_by,
           to_char(a.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS decided_at
    FROM price_changes c
    JOIN current_margins m ON m.tenant_id = c.tenant_id AND m.price_id = c.price_id
    LEFT JOIN approvals a ON a.tenant_id = c.tenant_id AND a.change_id = c.id
    WHERE ($1::text IS NULL OR m.product_id = $1::text::uuid)
      AND ($2::boolean IS NULL OR (a.id IS NULL) = $2)
    ORDER BY coalesce(a.decided_at, c.proposed_at) DESC, c.id LIMIT $3";

/// $1 product, $2 price, $3 new amount in hundredths, $4 reason. No row: no such price.
pub(crate) const PROPOSE: &str = "
    INSERT INTO price_changes (tenant_id, price_id, old_amount, new_amount, reason, proposed_by)
    SELECT (SELECT amanah.current_tenant()::uuid), p.id, p.amount, $3::bigint / 100.0, $4,
           amanah.current_actor()
    FROM prices p WHERE p.id = $2::text::uuid AND p.product_id = $1::text::uuid";

/// $1 product, $2 text. A product of another tenant is refused by the foreign key.
pub(crate) const ADD_NOTE: &str = "
    INSERT INTO notes (tenant_id, product_id, body, written_by)
    VALUES ((SELECT amanah.current_tenant()::uuid), $1::text::uuid, $2, amanah.current_actor())";

/// $1 proposal, $2 'approved' or 'rejected'. No row: no such proposal. The constraints refuse
/// a second decision and a decision by the proposer.
pub(crate) const DECIDE: &str = "
    INSERT INTO approvals (tenant_id, change_id, proposed_by, decided_by, decision)
    SELECT (SELECT amanah.current_tenant()::uuid), c.id, c.proposed_by, amanah.current_actor(), $2
    FROM price_changes c WHERE c.id = $1::text::uuid";

/// Moves the price of an approved proposal, unless the price is no longer the one that the
/// proposal was made for: then no row changes.
pub(crate) const APPLY: &str = "
    UPDATE prices p SET amount = c.new_amount, changed_at = now()
    FROM price_changes c
    WHERE c.id = $1::text::uuid AND p.tenant_id = c.tenant_id AND p.id = c.price_id
      AND p.amount = c.old_amount";

/// Suppliers, with the version of the key that their token is encrypted with.
pub(crate) const SUPPLIERS: &str = "
    SELECT id::text, name, city, substring(api_token FROM '^amanah:(v[0-9]+):') AS version
    FROM suppliers ORDER BY name";

pub(crate) const SUPPLIER: &str = "
    SELECT id::text, name, city, substring(api_token FROM '^amanah:(v[0-9]+):') AS version,
           tenant_id::text AS tenant
    FROM suppliers WHERE id = $1::text::uuid";

/// The ciphertext of a supplier's token; no row when it has none.
pub(crate) const SEALED_TOKEN: &str = "
    SELECT id::text, tenant_id::text AS tenant, api_token
    FROM suppliers WHERE id = $1::text::uuid AND api_token IS NOT NULL";

/// $1 supplier, $2 ciphertext.
pub(crate) const SET_TOKEN: &str = "UPDATE suppliers SET api_token = $2 WHERE id = $1::text::uuid";

/// Who looks at the token of supplier $1.
pub(crate) const NOTE_LOOK: &str = "
    INSERT INTO token_looks (tenant_id, supplier_id, revealed_by)
    VALUES ((SELECT amanah.current_tenant()::uuid), $1::text::uuid, amanah.current_actor())";

pub(crate) const LOOKS: &str = "
    SELECT revealed_by,
           to_char(revealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS revealed_at
    FROM token_looks WHERE supplier_id = $1::text::uuid
    ORDER BY token_looks.revealed_at DESC LIMIT $2";
