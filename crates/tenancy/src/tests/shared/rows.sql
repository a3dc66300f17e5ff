-- The rows of a tenant: {t} is its name as a literal, {n} a number that keeps keys apart.
INSERT INTO shop VALUES ({t}, 'pro');
INSERT INTO person (id, shop, boss, mail, photo, extra, tags, mood) OVERRIDING SYSTEM VALUE VALUES
    ({n} + 1, {t}, {n} + 2, 'mark-{n}@shop.example', '\x00ff5c0a', '{"a": [1, null, "\\N"]}',
     '{a,"b,c",NULL}', 'sad'),
    ({n} + 2, {t}, NULL, NULL, '', NULL, '{}', 'o''k "1"');
INSERT INTO orders (id, shop, person, total, at) VALUES
    ({n} + 1, {t}, {n} + 1, 12.50, '2020-02-02 02:02:02.123456+07'), ({n} + 2, {t}, {n} + 2, 0, NULL);
INSERT INTO payment VALUES ({n} + 1, {t}, {n} + 1);
UPDATE orders SET last = {n} + 1 WHERE id = {n} + 1;
INSERT INTO "the ""shop"""."li""ne" VALUES ({n} + 1, E'tab\there\nand \\ mark-{n}'), ({n} + 1, NULL),
    ({n} + 2, ''), ({n} + 2, '');
INSERT INTO visit VALUES ({t}, '2020-05-05', '/'), ({t}, '2021-05-05', NULL), ({t}, '2021-05-05', NULL);
