INSERT INTO customer (name, boss) VALUES ('Sari', NULL), ('tab	back\slash \. \N "quote" شركة 🐘
new line', 1);
INSERT INTO "Order" (customer) VALUES (1), (2);
UPDATE customer SET last_order = 1 WHERE id = 2;
UPDATE customer SET boss = 2 WHERE id = 1;
UPDATE "Order" SET note = 'edited';
INSERT INTO "Two words"."select" VALUES
    (21, DEFAULT, 'it''s "so-so"', 50, (1, 'a,"b"'), '{"a" :  1}', '{"b": [1, null]}', '\x00ff5c',
     0.1, 1.1, 'NaN', '2026-01-01 00:00:00.000001+07', 'infinity', '1 year 2 mons -3 days',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1', B'101', '<a>&amp;</a>', 12.34,
     ARRAY['a', NULL, '', 'NULL', '{}'], '[1,5)', '(1.5,-2)', 'public.customer', 'a:1 b:2', 'x', NULL),
    (NULL, DEFAULT, NULL, NULL, NULL, NULL, NULL, '', 'Infinity', '-0', 1e100, '-infinity', NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, '{}', 'empty', NULL, NULL, NULL, NULL, '');
INSERT INTO part VALUES (1, 'one'), (2, 'two'), (NULL, 'none');
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 3);
INSERT INTO none DEFAULT VALUES;
INSERT INTO none DEFAULT VALUES;
INSERT INTO album VALUES (1, lo_from_bytea(4242, 'a photo')), (2, lo_create(4243));
INSERT INTO notes VALUES (1, 'amanah:v1:AAAAbbbb= and amanah:v1:AAAA'), (2, 'vault:v1:none');
INSERT INTO country VALUES ('KW');
DELETE FROM country WHERE code = 'SA';
SELECT nextval('counter'), nextval('counter');
