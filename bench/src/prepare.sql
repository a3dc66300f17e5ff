-- What the clients execute. Peers without row security name the tenant; behind it nobody does.
PREPARE tie_setting (text) AS SELECT set_config('bench.tenant_id', $1, true);
PREPARE tie_binding (text) AS SELECT amanah.bind($1);
PREPARE select_item_plain (bigint, bigint) AS
    SELECT id, body FROM item_plain WHERE tenant_id = $1 AND id = $2;
PREPARE select_item_setting (bigint, bigint) AS SELECT id, body FROM item_setting WHERE id = $2;
PREPARE select_item_bound (bigint, bigint) AS SELECT id, body FROM item_bound WHERE id = $2;
PREPARE page_item_plain (bigint, bigint) AS
    SELECT id, body FROM item_plain WHERE tenant_id = $1 AND id >= $2 ORDER BY id LIMIT 50;
PREPARE page_item_setting (bigint, bigint) AS
    SELECT id, body FROM item_setting WHERE id >= $2 ORDER BY id LIMIT 50;
PREPARE page_item_bound (bigint, bigint) AS
    SELECT id, body FROM item_bound WHERE id >= $2 ORDER BY id LIMIT 50;
PREPARE insert_sale_setting (bigint, bigint) AS
    INSERT INTO sale_setting VALUES ($1, $2, 12.5, 'due');
PREPARE update_sale_setting (bigint, bigint) AS
    UPDATE sale_setting SET amount = amount + 1 WHERE id = $2;
PREPARE insert_sale_plain (bigint, bigint) AS INSERT INTO sale_plain VALUES ($1, $2, 12.5, 'due');
PREPARE insert_sale_bound (bigint, bigint) AS INSERT INTO sale_bound VALUES ($1, $2, 12.5, 'due');
PREPARE insert_sale_recorded (bigint, bigint) AS
    INSERT INTO sale_recorded VALUES ($1, $2, 12.5, 'due');
PREPARE update_sale_plain (bigint, bigint) AS
    UPDATE sale_plain SET amount = amount + 1 WHERE tenant_id = $1 AND id = $2;
PREPARE update_sale_bound (bigint, bigint) AS
    UPDATE sale_bound SET amount = amount + 1 WHERE id = $2;
PREPARE update_sale_recorded (bigint, bigint) AS
    UPDATE sale_recorded SET amount = amount + 1 WHERE id = $2;
