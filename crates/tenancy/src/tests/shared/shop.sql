-- A shared database with what makes its tenants hard to part: a circle of keys, rows that point to
-- their own table, a table without tenant column, one without primary key, partitions, columns of
-- many types, a table that all tenants share.
CREATE SCHEMA "the ""shop""";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'o''k "1"');
CREATE TABLE plan (code char(3) PRIMARY KEY, price numeric NOT NULL);
CREATE TABLE shop (name text PRIMARY KEY, plan char(3) REFERENCES plan);
CREATE TABLE person (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop  text NOT NULL REFERENCES shop,
    boss  bigint REFERENCES person,
    mail  varchar(40),
    photo bytea,
    extra jsonb,
    tags  text[],
    mood  mood
);
CREATE TABLE orders (
    id     serial PRIMARY KEY,
    shop   text NOT NULL REFERENCES shop,
    person bigint NOT NULL REFERENCES person ON DELETE RESTRICT,
    last   bigint,
    total  numeric(12, 2) NOT NULL,
    twice  numeric GENERATED ALWAYS AS (total * 2) STORED,
    at     timestamptz
);
CREATE TABLE payment (
    id     bigint PRIMARY KEY,
    shop   text NOT NULL REFERENCES shop,
    orders integer NOT NULL REFERENCES orders
);
ALTER TABLE orders ADD CONSTRAINT orders_last FOREIGN KEY (last) REFERENCES payment;
CREATE TABLE "the ""shop"""."li""ne" (
    orders integer NOT NULL REFERENCES orders ON DELETE CASCADE,
    "no'te" text
);
CREATE TABLE visit (shop text NOT NULL, day date NOT NULL, page text) PARTITION BY RANGE (day);
CREATE TABLE visit_2020 PARTITION OF visit FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE visit_2021 PARTITION OF visit FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');

GRANT USAGE ON SCHEMA "the ""shop""" TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, "the ""shop""" TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
