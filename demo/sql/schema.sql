-- The tables of "prices and margins", a pricing tool for distributors.
--
-- Run once by the owner, before `amanah protect` adds row-level security, the
-- binding and the audit triggers. What an application can do for its own isolation
-- is in this file, and it is five habits:
--
--   1. Every tenant table has `tenant_id`, and its primary key begins with it.
--   2. Foreign keys carry it too: a row cannot point into another tenant, although
--      the check of a foreign key does not look at row-level security.
--   3. Unique keys carry it too: "already taken" tells nothing about other tenants.
--   4. Views are `security_invoker`: they see what their reader may see.
--   5. The application's role owns nothing and gets only the rights it uses.

-- The one table that all tenants share: it holds nothing of any of them.
CREATE TABLE currencies (
    code text PRIMARY KEY CHECK (code ~ '^[A-Z]{3}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60)
);

-- One row for each customer company; a tenant sees its own row only. There is no
-- unique short name here: a key over all tenants would answer "taken" across them.
CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    currency  text NOT NULL REFERENCES currencies (code)
);

CREATE TABLE categories (
    tenant_id uuid NOT NULL REFERENCES tenants (tenant_id),
    id        uuid NOT NULL DEFAULT gen_random_uuid(),
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE products (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    category_id uuid NOT NULL,
    sku         text NOT NULL CHECK (length(sku) BETWEEN 1 AND 40),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    pack        text NOT NULL CHECK (length(pack) BETWEEN 1 AND 40),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sku),
    FOREIGN KEY (tenant_id, category_id) REFERENCES categories (tenant_id, id)
);
CREATE INDEX ON products (tenant_id, category_id);

CREATE TABLE suppliers (
    tenant_id uuid NOT NULL REFERENCES tenants (tenant_id),
    id        uuid NOT NULL DEFAULT gen_random_uuid(),
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    city      text NOT NULL CHECK (length(city) BETWEEN 1 AND 80),
    api_token text CHECK (api_token LIKE 'amanah:v%'),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
-- Declared, so that the proof of `rest.fields` checks that nothing in clear stands here.
COMMENT ON COLUMN suppliers.api_token IS 'amanah: sealed';

-- Who looked at a supplier's token in clear: a look that cannot be written down is refused.
CREATE TABLE token_looks (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    supplier_id uuid NOT NULL,
    revealed_by text NOT NULL CHECK (length(revealed_by) BETWEEN 1 AND 254),
    revealed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE INDEX ON token_looks (tenant_id, supplier_id);

-- What a product costs us from a supplier, from a day on.
CREATE TABLE cost_prices (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    product_id  uuid NOT NULL,
    supplier_id uuid NOT NULL,
    amount      numeric(14, 2) NOT NULL CHECK (amount >= 0 AND amount <> 'NaN'),
    valid_from  date NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, product_id, supplier_id, valid_from),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE INDEX ON cost_prices (tenant_id, supplier_id);

CREATE TABLE price_lists (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    is_standard boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE UNIQUE INDEX price_lists_one_standard ON price_lists (tenant_id) WHERE is_standard;

CREATE TABLE prices (
    tenant_id     uuid NOT NULL REFERENCES tenants (tenant_id),
    id            uuid NOT NULL DEFAULT gen_random_uuid(),
    price_list_id uuid NOT NULL,
    product_id    uuid NOT NULL,
    amount        numeric(14, 2) NOT NULL CHECK (amount >= 0 AND amount <> 'NaN'),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, price_list_id, product_id),
    FOREIGN KEY (tenant_id, price_list_id) REFERENCES price_lists (tenant_id, id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE INDEX ON prices (tenant_id, product_id);

-- The margin below which a price of the category needs a second look.
CREATE TABLE margin_rules (
    tenant_id       uuid NOT NULL REFERENCES tenants (tenant_id),
    id              uuid NOT NULL DEFAULT gen_random_uuid(),
    category_id     uuid NOT NULL,
    minimum_percent numeric(5, 2) NOT NULL CHECK (minimum_percent BETWEEN 0 AND 100),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, category_id),
    FOREIGN KEY (tenant_id, category_id) REFERENCES categories (tenant_id, id)
);

-- A proposal. It is never edited; what became of it is a row of `approvals`, so there
-- is no status column that could disagree with that row.
CREATE TABLE price_changes (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    price_id    uuid NOT NULL,
    old_amount  numeric(14, 2) NOT NULL CHECK (old_amount >= 0 AND old_amount <> 'NaN'),
    new_amount  numeric(14, 2) NOT NULL CHECK (new_amount >= 0 AND new_amount <> 'NaN'),
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    proposed_by text NOT NULL CHECK (length(proposed_by) BETWEEN 1 AND 254),
    proposed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, id, proposed_by), -- the target of the foreign key below
    FOREIGN KEY (tenant_id, price_id) REFERENCES prices (tenant_id, id),
    CONSTRAINT price_changes_change_something CHECK (new_amount <> old_amount)
);
CREATE INDEX ON price_changes (tenant_id, price_id);

-- The decision on a proposal: one for each, and never by its proposer. The foreign key
-- copies the proposer's name from the proposal, so that a plain CHECK can compare the
-- two names without a trigger. What it cannot know is whether the application wrote the
-- true name: for that the audit trail records the actor of the binding by itself.
CREATE TABLE approvals (
    tenant_id   uuid NOT NULL REFERENCES tenants (tenant_id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    change_id   uuid NOT NULL,
    proposed_by text NOT NULL,
    decided_by  text NOT NULL CHECK (length(decided_by) BETWEEN 1 AND 254),
    decision    text NOT NULL CHECK (decision IN ('approved', 'rejected')),
    decided_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT approvals_one_decision UNIQUE (tenant_id, change_id),
    CONSTRAINT approvals_maker_is_not_checker CHECK (lower(decided_by) <> lower(proposed_by)),
    FOREIGN KEY (tenant_id, change_id, proposed_by)
        REFERENCES price_changes (tenant_id, id, proposed_by)
);

CREATE TABLE notes (
    tenant_id  uuid NOT NULL REFERENCES tenants (tenant_id),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    product_id uuid NOT NULL,
    body       text NOT NULL CHECK (length(body) BETWEEN 1 AND 1000),
    written_by text NOT NULL CHECK (length(written_by) BETWEEN 1 AND 254),
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE INDEX ON notes (tenant_id, product_id);

-- Each price beside the cost that is valid today, the margin in percent of the price
-- and the category's minimum; empty where no cost or no rule is known.
CREATE VIEW current_margins WITH (security_invoker = true) AS
SELECT p.tenant_id, p.id AS price_id, p.product_id, g.sku, g.name AS product, g.pack,
       k.name AS category, l.name AS price_list, l.is_standard, p.amount AS price, c.amount AS cost,
       round((p.amount - c.amount) * 100 / nullif(p.amount, 0), 1) AS margin_percent,
       r.minimum_percent
FROM prices p
JOIN products g ON g.tenant_id = p.tenant_id AND g.id = p.product_id
JOIN categories k ON k.tenant_id = g.tenant_id AND k.id = g.category_id
JOIN price_lists l ON l.tenant_id = p.tenant_id AND l.id = p.price_list_id
LEFT JOIN margin_rules r ON r.tenant_id = g.tenant_id AND r.category_id = g.category_id
LEFT JOIN LATERAL (
    SELECT x.amount FROM cost_prices x
    WHERE x.tenant_id = p.tenant_id AND x.product_id = p.product_id
      AND x.valid_from <= current_date
    ORDER BY x.valid_from DESC, x.amount LIMIT 1
) c ON true;

-- The application reads everything, adds proposals, decisions and notes, moves a price and
-- replaces a supplier's token. It cannot delete a row, rewrite a decision or hand a row to another tenant.
GRANT SELECT ON currencies, tenants, categories, products, suppliers, cost_prices, price_lists,
    prices, margin_rules, price_changes, approvals, notes, token_looks, current_margins TO demo_app;
GRANT INSERT ON price_changes, approvals, notes, token_looks TO demo_app;
GRANT UPDATE (api_token) ON suppliers TO demo_app;
GRANT UPDATE (amount, changed_at) ON prices TO demo_app;
