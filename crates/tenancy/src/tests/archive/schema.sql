CREATE TYPE mood AS ENUM ('good', 'it''s "so-so"');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE pair AS (a int, b text);
CREATE SCHEMA "Two words";

CREATE TABLE customer (
    id   int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    -- A table that refers to itself, and two that refer to each other.
    boss int REFERENCES customer,
    last_order int
);
CREATE TABLE "Order" (
    id       int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer int NOT NULL REFERENCES customer,
    note     text
);
ALTER TABLE customer ADD CONSTRAINT "the last" FOREIGN KEY (last_order) REFERENCES "Order";
COMMENT ON CONSTRAINT "the last" ON customer IS 'it''s the last one';

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW.note := ''triggered''; RETURN NEW; END';
CREATE TRIGGER touched BEFORE INSERT ON "Order" FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE "Order" ENABLE ALWAYS TRIGGER touched;

CREATE TABLE "Two words"."select" (
    "from"  int,
    twice   int GENERATED ALWAYS AS ("from" * 2) STORED,
    dropped int,
    m mood, p percent, c pair, j json, jb jsonb, b bytea, f float8, r real, n numeric,
    t timestamptz, d date, i interval, u uuid, net inet, bits varbit, x xml, money money,
    a text[], rng int4range, pt point, cls regclass, v tsvector, ch char(5), nothing text
);
ALTER TABLE "Two words"."select" DROP COLUMN dropped;

CREATE TABLE part (k int, v text) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
CREATE TABLE parent (x int);
CREATE TABLE child (y int) INHERITS (parent);
CREATE UNLOGGED TABLE log (line text);
CREATE TABLE none ();
CREATE TABLE album (id int PRIMARY KEY, photo oid);
CREATE TABLE notes (id int PRIMARY KEY, body text);
-- Rows that a migration has put there are in each new tenant's database already.
CREATE TABLE country (code text PRIMARY KEY);
INSERT INTO country VALUES ('ID'), ('SA');
CREATE SEQUENCE counter AS smallint START 100 INCREMENT -5 MINVALUE -100 MAXVALUE 100;
CREATE MATERIALIZED VIEW summary AS SELECT name FROM customer;
CREATE VIEW names AS SELECT name FROM customer;
SELECT lo_from_bytea(777, 'of a migration');
