-- The same rows three times to read and three times to write. The two tenant columns have two
-- names, so that the plan which protects `company_id` leaves the peers as they are.
CREATE TABLE item_plain (tenant_id bigint, id bigint, body text NOT NULL,
                         PRIMARY KEY (tenant_id, id));
INSERT INTO item_plain
SELECT 1 + n % 100, n, repeat(md5(n::text), 3) FROM generate_series(0, 99999) n;
CREATE TABLE item_setting (LIKE item_plain INCLUDING ALL);
INSERT INTO item_setting TABLE item_plain;
ALTER TABLE item_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON item_setting USING (
    tenant_id = (SELECT nullif(current_setting('bench.tenant_id', true), '')::bigint));
CREATE TABLE item_bound (LIKE item_plain INCLUDING ALL);
ALTER TABLE item_bound RENAME COLUMN tenant_id TO company_id;
INSERT INTO item_bound TABLE item_plain;

CREATE TABLE sale_plain (tenant_id bigint, id bigint, amount numeric(12, 2) NOT NULL,
                         note text NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO sale_plain
SELECT 1 + n % 100, n, n, 'delivered on the agreed day' FROM generate_series(0, 99999) n;
CREATE TABLE sale_setting (LIKE sale_plain INCLUDING ALL);
INSERT INTO sale_setting TABLE sale_plain;
ALTER TABLE sale_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sale_setting USING (
    tenant_id = (SELECT nullif(current_setting('bench.tenant_id', true), '')::bigint));
CREATE TABLE sale_bound (LIKE sale_plain INCLUDING ALL);
ALTER TABLE sale_bound RENAME COLUMN tenant_id TO company_id;
INSERT INTO sale_bound TABLE sale_plain;
CREATE TABLE sale_recorded (LIKE sale_bound INCLUDING ALL);
INSERT INTO sale_recorded TABLE sale_plain;

ANALYZE item_plain, item_setting, item_bound, sale_plain, sale_setting, sale_bound, sale_recorded;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {app};
