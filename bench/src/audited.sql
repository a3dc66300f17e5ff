-- Four sets of TPC-B's tables: nobody records the first, the trail the second, and two designs that
-- people use the others. Keys and rows are the same in all.
CREATE TABLE company (company_id text PRIMARY KEY);
DO $$
DECLARE
    way text;
BEGIN
    FOREACH way IN ARRAY ARRAY['bare', 'trail', 'versions', 'chain'] LOOP
        EXECUTE format('CREATE TABLE branch_%1$s (id int PRIMARY KEY, balance int, filler char(88));
            CREATE TABLE teller_%1$s (id int PRIMARY KEY, branch_id int, balance int, filler char(84));
            CREATE TABLE account_%1$s (id int PRIMARY KEY, branch_id int, balance int, filler char(84));
            CREATE TABLE history_%1$s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                teller_id int, branch_id int, account_id int, delta int, at timestamp, filler char(22));
            INSERT INTO branch_%1$s SELECT n, 0 FROM generate_series(1, 20) n;
            INSERT INTO teller_%1$s SELECT n, n %% 20 + 1, 0 FROM generate_series(1, 200) n;
            INSERT INTO account_%1$s SELECT n, n %% 20 + 1, 0, %2$L FROM generate_series(1, 200000) n;
            GRANT SELECT, INSERT, UPDATE ON branch_%1$s, teller_%1$s, account_%1$s, history_%1$s TO {app}',
            way, '');
    END LOOP;
END $$;

-- What supa_audit does, in our own words: both rows whole, a UUID of each made from its key, which
-- is looked up for each row, and five indexes.
CREATE SCHEMA versions;
CREATE TABLE versions.record (
    id bigserial PRIMARY KEY, record_id uuid, old_record_id uuid, op text NOT NULL,
    ts timestamptz NOT NULL DEFAULT now(), table_oid oid NOT NULL, table_schema name NOT NULL,
    table_name name NOT NULL, record jsonb, old_record jsonb,
    CHECK (coalesce(record_id, old_record_id) IS NOT NULL OR op = 'TRUNCATE'));
CREATE INDEX ON versions.record (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX ON versions.record (old_record_id) WHERE old_record_id IS NOT NULL;
CREATE INDEX ON versions.record USING brin (ts);
CREATE INDEX ON versions.record (table_oid);
CREATE FUNCTION versions.key_columns(entity oid) RETURNS text[] STABLE SECURITY DEFINER
LANGUAGE sql SET search_path = '' AS $$
    SELECT coalesce(array_agg(a.attname::text ORDER BY a.attname), '{}')
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = entity AND i.indisprimary
$$;
CREATE FUNCTION versions.to_record_id(entity oid, keys text[], row_of jsonb) RETURNS uuid STABLE
LANGUAGE sql AS $$
    SELECT CASE WHEN row_of IS NULL THEN NULL
                WHEN keys = '{}' THEN gen_random_uuid()
                ELSE (SELECT uuid_generate_v5('fd62bc3d-8d6e-43c2-919c-802ba3762271',
                        (jsonb_build_array(to_jsonb($1)) || jsonb_agg($3 ->> k.key_))::text)
                        FROM unnest($2) AS k (key_)) END
$$;
CREATE FUNCTION versions.keep() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
    keys text[] := versions.key_columns(TG_RELID);
    new_row jsonb := to_jsonb(NEW);
    new_id uuid := versions.to_record_id(TG_RELID, keys, new_row);
    old_row jsonb := to_jsonb(OLD);
    old_id uuid := versions.to_record_id(TG_RELID, keys, old_row);
BEGIN
    INSERT INTO versions.record
        (record_id, old_record_id, op, table_oid, table_schema, table_name, record, old_record)
    SELECT new_id, old_id, TG_OP, TG_RELID, TG_TABLE_SCHEMA, TG_TABLE_NAME, new_row, old_row;
    RETURN coalesce(NEW, OLD);
END $$;

-- A chain: each row holds the hash of the one before, so that writers follow one another.
CREATE SCHEMA chain;
CREATE TABLE chain.head (hash bytea NOT NULL);
INSERT INTO chain.head VALUES (sha256(''));
CREATE TABLE chain.record (
    id bigserial, ts timestamptz NOT NULL DEFAULT now(), op text, table_name text,
    old_record jsonb, record jsonb, previous bytea NOT NULL, hash bytea NOT NULL);
CREATE INDEX ON chain.record USING brin (ts);
CREATE FUNCTION chain.keep() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE
    before bytea;
    new_row jsonb := to_jsonb(NEW);
    old_row jsonb := to_jsonb(OLD);
    now_ bytea;
BEGIN
    SELECT hash INTO before FROM chain.head FOR UPDATE;
    now_ := sha256(before || convert_to(concat_ws('|', TG_OP, TG_TABLE_NAME, old_row, new_row), 'UTF8'));
    INSERT INTO chain.record (op, table_name, old_record, record, previous, hash)
    VALUES (TG_OP, TG_TABLE_NAME, old_row, new_row, before, now_);
    UPDATE chain.head SET hash = now_;
    RETURN NULL;
END $$;

DO $$
DECLARE
    what text;
BEGIN
    FOREACH what IN ARRAY ARRAY['branch', 'teller', 'account', 'history'] LOOP
        EXECUTE format('CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION versions.keep()', what || '_versions');
        EXECUTE format('CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION chain.keep()', what || '_chain');
    END LOOP;
END $$;
