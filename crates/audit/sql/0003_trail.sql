-- Why: the trail grows without end, so it lies in one partition for each month; and what a person
--      may have erased is bound to its row by a digest alone, which stays when the content goes.
-- Lock: none that anybody waits for: it makes a new schema and new tables.
-- Undo: DROP SCHEMA audit CASCADE, as its owner. The trail is lost then: copy it out first.

CREATE SCHEMA audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;

-- Nobody is granted anything on it: 0003_reading.sql is the door for auditors, which records each
-- reading.
-- Gaps in `id` are writes that were rolled back, and ids are handed out before their transaction
-- ends: a reader who wants a complete order takes finished transactions by (xid, id).
-- `text` and not `name`, which takes 64 bytes for every word; what has a fixed width comes first,
-- so that nothing is lost between the columns. There are no checks: PostgreSQL reads and compiles
-- them again for every row that a trigger writes, and nobody but the triggers writes here.
CREATE TABLE audit.system_audit_logs (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    event_timestamp timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The top-level transaction, inside savepoints too.
    xid             xid8        NOT NULL DEFAULT pg_current_xact_id(),
    -- Without it nobody can guess content from a digest. NULL in rows that were recorded in the
    -- first form of the trail, and once the content was erased.
    salt            uuid,
    row_hash        bytea       NOT NULL,
    -- From the verified binding; NULL when a maintenance session was bound to nobody.
    actor_id        text,
    tenant_id       text,
    db_user         text        NOT NULL DEFAULT session_user,
    -- What the application says of itself, for correlation: anybody in the session can set it.
    request_id      text,
    -- INSERT, UPDATE, DELETE, TRUNCATE, DDL, ASK or READ.
    action          text        NOT NULL,
    table_schema    text        NOT NULL,
    table_name      text        NOT NULL,
    -- NULL for TRUNCATE and DDL, and for a table without a primary key.
    row_key         jsonb,
    -- The row before; of an UPDATE the columns that it changed, so that `new_data || old_data` is
    -- the whole of it.
    old_data        jsonb,
    new_data        jsonb,
    -- Instead of the content, once it was erased: its digest.
    erased          bytea
) PARTITION BY RANGE (event_timestamp);
REVOKE ALL ON audit.system_audit_logs FROM PUBLIC;
COMMENT ON TABLE audit.system_audit_logs IS
    'Append-only: one row for each change to a tracked row, written by triggers alone.';
-- Whoever seals goes by transactions, each second; rows come in that order, so the tree only grows
-- at its end. There are no minimum and maximum of an xid8 for a BRIN.
CREATE INDEX system_audit_logs_xid ON audit.system_audit_logs (xid);
-- For whoever looks for a row or a time. A writer pays next to nothing for it.
CREATE INDEX system_audit_logs_place ON audit.system_audit_logs
    USING brin (id, event_timestamp) WITH (pages_per_range = 32, autosummarize = on);

-- What may be kept out of the record: columns whose hiding somebody has approved by amanah protect,
-- who is the only one to write here. Number and name must both fit, so that no other column takes
-- the place of one.
CREATE TABLE audit.hidden_columns (
    relation    regclass    NOT NULL,
    attnum      smallint    NOT NULL,
    column_name text        NOT NULL,
    -- never, hashed or encrypted.
    how         text        NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    approved_by text        NOT NULL DEFAULT session_user,
    PRIMARY KEY (relation, attnum)
);
REVOKE ALL ON audit.hidden_columns FROM PUBLIC;
-- PostgreSQL's roles that read or write all data are no exception: what may be hidden is nobody's to
-- approve by them. The owner of the table passes, and a superuser.
ALTER TABLE audit.hidden_columns ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON audit.hidden_columns FOR SELECT USING (true);
COMMENT ON TABLE audit.hidden_columns IS
    'Which columns are not shown in the trail, and who has approved that.';

-- The key of the hashes that stand for hidden values: without it, whoever reads the trail cannot try
-- out what a value may have been. The two halves of HMAC, so that each hash is two digests. Nobody
-- may read it.
CREATE TABLE audit.hash_key (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    inside  bytea   NOT NULL,
    outside bytea   NOT NULL
);
REVOKE ALL ON audit.hash_key FROM PUBLIC;
ALTER TABLE audit.hash_key ENABLE ROW LEVEL SECURITY;

-- The functions below run in sessions whose search_path an attacker may choose, and whose pg_temp
-- comes first for the names of types whatever the path says. So every function, operator and type
-- in them carries its schema, and a test reads that off the texts of the two that run for each row.
-- CASE x WHEN, IN, BETWEEN and IS DISTINCT FROM look for an unqualified =, and are not used; nor
-- are backslashes in literals, which standard_conforming_strings would change.

-- A field is a value's length in four bytes, big endian, and its bytes; NULL is the length -1. That is
-- how PostgreSQL sends the elements of an array, behind twenty bytes that say what kind of array it
-- is: so all fields are made in one call. Both functions use each argument once and are plain SQL, so
-- that the planner puts them into the caller's expression.

-- SHA-256 over what may be erased: the words "amanah/audit-content/v1" and a line feed, the sixteen
-- bytes of the salt, then the documents as fields, as JSONB prints them.
CREATE FUNCTION audit.content_digest(salt uuid, row_key jsonb, old_data jsonb, new_data jsonb)
RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.sha256(
        pg_catalog.decode('616d616e61682f61756469742d636f6e74656e742f76310a', 'hex')
        OPERATOR(pg_catalog.||) pg_catalog.uuid_send(salt)
        OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.array_send(ARRAY[
            pg_catalog.convert_to(row_key::pg_catalog.text, 'UTF8'),
            pg_catalog.convert_to(old_data::pg_catalog.text, 'UTF8'),
            pg_catalog.convert_to(new_data::pg_catalog.text, 'UTF8')]), 21))
$$;

-- SHA-256 over a row of the trail: the words "amanah/audit-row/v2" and a line feed, then id, time
-- and xid in eight bytes each, then the texts as fields, then the digest of the content. No setting
-- of the session reaches these forms: the time is microseconds since 2000-01-01 UTC. The file
-- encoding.rs is the same thing in Rust, and a test holds the two together.
CREATE FUNCTION audit.row_digest(id bigint, at timestamptz, xid xid8, actor_id text, tenant_id text,
    db_user text, request_id text, action text, table_schema text, table_name text, content bytea)
RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.sha256(
        pg_catalog.decode('616d616e61682f61756469742d726f772f76320a', 'hex')
        OPERATOR(pg_catalog.||) pg_catalog.int8send(id)
        OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(at)
        OPERATOR(pg_catalog.||) pg_catalog.xid8send(xid)
        OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.array_send(ARRAY[
            pg_catalog.convert_to(actor_id, 'UTF8'), pg_catalog.convert_to(tenant_id, 'UTF8'),
            pg_catalog.convert_to(db_user, 'UTF8'), pg_catalog.convert_to(request_id, 'UTF8'),
            pg_catalog.convert_to(action, 'UTF8'), pg_catalog.convert_to(table_schema, 'UTF8'),
            pg_catalog.convert_to(table_name, 'UTF8')]), 21)
        OPERATOR(pg_catalog.||) content)
$$;

CREATE FUNCTION audit.trg_compute_audit_log_hash() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- The recorder calls what the application's owner can replace, and what he puts there could insert
    -- rows of its own: not under another number, transaction, time or login than are its own.
    IF NEW.id OPERATOR(pg_catalog.<>)
           pg_catalog.currval('audit.system_audit_logs_id_seq'::pg_catalog.regclass)
       OR NEW.xid OPERATOR(pg_catalog.<>) pg_catalog.pg_current_xact_id()
       OR NEW.db_user OPERATOR(pg_catalog.<>) session_user::pg_catalog.text
       OR NEW.erased IS NOT NULL
       OR pg_catalog.abs(pg_catalog.date_part('epoch', NEW.event_timestamp
              OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp())) OPERATOR(pg_catalog.>) 60
       -- Readings and changes of structure are recorded by the desk alone, whose rights no code of the
       -- application has.
       OR NEW.action OPERATOR(pg_catalog.=) ANY (ARRAY['ASK', 'READ', 'DDL'])
          AND current_user OPERATOR(pg_catalog.=) 'amanah_trail'
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = 'a row of the audit trail has the number, transaction, time and login of the'
                      ' session that writes it',
            HINT = 'Nothing was recorded. Rows are written by the triggers of recorded tables alone.';
    END IF;
    -- What reads it must be able to: a row as PostgreSQL sends it ends at a gigabyte, and its write-ahead
    -- log is printed with each quote doubled. A small row is measured once and not printed: the longest
    -- number of ten bytes has 131,072 digits, so that 8 kB are 108 MB at most.
    IF pg_catalog.pg_column_size(NEW) OPERATOR(pg_catalog.>) 8192
       AND (pg_catalog.length(pg_catalog.concat(NEW.actor_id, NEW.tenant_id, NEW.request_id,
                NEW.action, NEW.table_schema, NEW.table_name)) OPERATOR(pg_catalog.>) 800
            OR coalesce(pg_catalog.octet_length(NEW.row_key::pg_catalog.text), 0)::pg_catalog.int8
               OPERATOR(pg_catalog.+)
               coalesce(pg_catalog.octet_length(NEW.old_data::pg_catalog.text), 0)
               OPERATOR(pg_catalog.+)
               coalesce(pg_catalog.octet_length(NEW.new_data::pg_catalog.text), 0)
               OPERATOR(pg_catalog.>) 268435456)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = pg_catalog.format('%s on %I.%I is refused: its record would be longer than 256 MB'
                                        ' as text', NEW.action, pg_catalog.left(NEW.table_schema, 63),
                                        pg_catalog.left(NEW.table_name, 63)),
            HINT = 'Nothing was changed. Keep what is so large in a file, or keep its column out of'
                   ' the record with @audit(never).';
    END IF;
    IF NEW.salt IS NULL THEN
        NEW.salt := pg_catalog.gen_random_uuid();
    END IF;
    NEW.row_hash := audit.row_digest(
        NEW.id, NEW.event_timestamp, NEW.xid, NEW.actor_id, NEW.tenant_id, NEW.db_user,
        NEW.request_id, NEW.action, NEW.table_schema, NEW.table_name,
        audit.content_digest(NEW.salt, NEW.row_key, NEW.old_data, NEW.new_data));
    RETURN NEW;
END $$;

-- HMAC-SHA256 of a salt and a value. The recorder may ask for it and not for the key, which is made
-- when it is first needed.
CREATE FUNCTION audit.keyed_digest(salt uuid, value text) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pads record;
    secret bytea;
    inward bytea;
    outward bytea;
    n integer;
BEGIN
    SELECT k.inside, k.outside INTO pads FROM audit.hash_key k;
    IF NOT FOUND THEN
        -- Three times 122 random bits, and a block of SHA-256 is 64 bytes long.
        secret := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                         || uuid_send(gen_random_uuid())) || decode(repeat('00', 32), 'hex');
        inward := secret;
        outward := secret;
        FOR n IN 0 .. 63 LOOP
            inward := set_byte(inward, n, get_byte(secret, n) # 54);
            outward := set_byte(outward, n, get_byte(secret, n) # 92);
        END LOOP;
        INSERT INTO audit.hash_key (inside, outside) VALUES (inward, outward)
            ON CONFLICT DO NOTHING;
        SELECT k.inside, k.outside INTO STRICT pads FROM audit.hash_key k;
    END IF;
    RETURN sha256(pads.outside || sha256(
        pads.inside || uuid_send(salt) || convert_to(value, 'UTF8')));
END $$;
REVOKE ALL ON FUNCTION audit.keyed_digest(uuid, text) FROM PUBLIC;

-- A document in which some columns are not shown. `rules` holds pairs: how, and of which column.
CREATE FUNCTION audit.redacted(document jsonb, salt uuid, rules text[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    shown pg_catalog.jsonb := document;
    value pg_catalog.text;
    n pg_catalog.int4 := 1;
BEGIN
    WHILE n OPERATOR(pg_catalog.<) pg_catalog.array_length(rules, 1) LOOP
        value := document OPERATOR(pg_catalog.->>) rules[n OPERATOR(pg_catalog.+) 1];
        IF value IS NOT NULL AND rules[n] OPERATOR(pg_catalog.=) 'encrypted' THEN
            shown := pg_catalog.jsonb_set(shown, ARRAY[rules[n OPERATOR(pg_catalog.+) 1]],
                audit.encrypted(salt, rules[n OPERATOR(pg_catalog.+) 1],
                    document OPERATOR(pg_catalog.->) rules[n OPERATOR(pg_catalog.+) 1]));
        ELSIF value IS NOT NULL THEN
            shown := pg_catalog.jsonb_set(shown, ARRAY[rules[n OPERATOR(pg_catalog.+) 1]],
                CASE WHEN rules[n] OPERATOR(pg_catalog.=) 'hashed'
                THEN pg_catalog.jsonb_build_object('amanah', 'hashed', 'hmac_sha256',
                    pg_catalog.encode(audit.keyed_digest(salt, value), 'hex'))
                ELSE pg_catalog.jsonb_build_object('amanah', 'never recorded') END);
        END IF;
        n := n OPERATOR(pg_catalog.+) 2;
    END LOOP;
    RETURN shown;
END $$;

-- A value as JSON, and as the text that it prints where JSONB cannot take it: a column of type json may
-- hold a zero character, half of a character, or a number beyond every bound.
CREATE FUNCTION audit.lenient(given anyelement) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN pg_catalog.to_jsonb(given);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN pg_catalog.to_jsonb(pg_catalog.format('%s', given));
END $$;

-- An expression that makes a document of a row of `relation`, called `place`, column by column.
CREATE FUNCTION audit.leniently(relation oid, place text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(format('pg_catalog.jsonb_build_object(%L, audit.lenient(%s.%I))',
                                      a.attname, place, a.attname),
                               ' OPERATOR(pg_catalog.||) ' ORDER BY a.attnum), '''{}''::pg_catalog.jsonb')
      FROM pg_attribute a
     WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- Which columns are not shown, of the arguments of a recording trigger: pairs of how and which, between
-- two empty words in front of the columns of the primary key. Only where there are such words.
CREATE FUNCTION audit.not_shown(arguments text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT arguments[1:pg_catalog.array_position(arguments, '', 1) OPERATOR(pg_catalog.-) 1]
$$;

-- Records one row, of which the whole states are known: `was` is NULL for an INSERT, `becomes` for a
-- DELETE, and both for a TRUNCATE. The arguments are those of the trigger. It is one function for
-- all tables, since a session prepares the expressions of each trigger's own copy once more; and it
-- is called by the recorder alone. Who acts is bounded: the application's owner can replace what says
-- it. False when something swallowed the row.
CREATE FUNCTION audit.record_row(action text, place text, name text, arguments text[],
    was jsonb, becomes jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    n       pg_catalog.int4 := 0;
    key     pg_catalog.jsonb;
    -- Pairs: how a column is not shown, and which.
    rules   pg_catalog.text[];
    salt    pg_catalog.uuid;
    actor   pg_catalog.text;
    tenant  pg_catalog.text;
    request pg_catalog.text;
BEGIN
    IF arguments[0] OPERATOR(pg_catalog.=) '' THEN
        rules := audit.not_shown(arguments);
        n := pg_catalog.cardinality(rules) OPERATOR(pg_catalog.+) 2;
        salt := pg_catalog.gen_random_uuid();
    END IF;
    -- The key that the row had before: a changed key is found under its old value.
    WHILE arguments[n] OPERATOR(pg_catalog.<>) '' LOOP
        key := CASE WHEN key IS NULL THEN pg_catalog.jsonb_build_object(
                arguments[n], coalesce(was, becomes) OPERATOR(pg_catalog.->) arguments[n])
            ELSE key OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(
                arguments[n], coalesce(was, becomes) OPERATOR(pg_catalog.->) arguments[n]) END;
        n := n OPERATOR(pg_catalog.+) 1;
    END LOOP;
    IF rules OPERATOR(pg_catalog.<>) '{}' THEN
        IF action OPERATOR(pg_catalog.=) 'UPDATE' THEN
            was := was OPERATOR(pg_catalog.-) ARRAY(
                SELECT k FROM pg_catalog.jsonb_object_keys(was) k
                 WHERE (was OPERATOR(pg_catalog.->) k)::pg_catalog.text OPERATOR(pg_catalog.=)
                       (becomes OPERATOR(pg_catalog.->) k)::pg_catalog.text);
        END IF;
        key := audit.redacted(key, salt, rules);
        was := audit.redacted(was, salt, rules);
        becomes := audit.redacted(becomes, salt, rules);
    END IF;
    -- Worked out once for each transaction here, and once for each row within the INSERT.
    actor := pg_catalog.left(amanah.current_actor(), 128);
    tenant := pg_catalog.left(amanah.current_tenant(), 128);
    request := pg_catalog.left(pg_catalog.current_setting('amanah.request_id', true), 128);
    IF request OPERATOR(pg_catalog.=) '' THEN
        request := NULL;
    END IF;
    -- What an UPDATE did not change is left out. Values are compared as they print: to JSONB 1.0 and
    -- 1.00 are one number.
    INSERT INTO audit.system_audit_logs
        (actor_id, tenant_id, request_id, action, table_schema, table_name,
         row_key, old_data, new_data, salt)
    VALUES
        (actor, tenant, request, action, place, name, key,
         CASE WHEN rules OPERATOR(pg_catalog.<>) '{}' OR action OPERATOR(pg_catalog.<>) 'UPDATE'
         THEN was
         ELSE was OPERATOR(pg_catalog.-) ARRAY(
             SELECT k FROM pg_catalog.jsonb_object_keys(was) k
              WHERE (was OPERATOR(pg_catalog.->) k)::pg_catalog.text OPERATOR(pg_catalog.=)
                    (becomes OPERATOR(pg_catalog.->) k)::pg_catalog.text) END,
         becomes, salt);
    RETURN FOUND;
END $$;

-- A row of `relation` as JSON, whatever the session has set: it may print values with fewer digits
-- than they have. Values that JSONB cannot take are recorded as the text that they are.
CREATE FUNCTION audit.document(relation oid, given anyelement) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601'
SET bytea_output = 'hex' SET extra_float_digits = 1 SET lc_monetary = 'C'
SET quote_all_identifiers = off AS $$
DECLARE
    found jsonb;
BEGIN
    RETURN to_jsonb(given);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    EXECUTE concat('SELECT ', audit.leniently(relation, '($1)')) INTO found USING given;
    RETURN found;
END $$;

-- Sets, for the transaction, what decides how values print, in the order of the names below.
CREATE FUNCTION audit.print_as(wanted text[]) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.concat(
        pg_catalog.set_config('timezone', wanted[1], true),
        pg_catalog.set_config('datestyle', wanted[2], true),
        pg_catalog.set_config('intervalstyle', wanted[3], true),
        pg_catalog.set_config('bytea_output', wanted[4], true),
        pg_catalog.set_config('extra_float_digits', wanted[5], true),
        pg_catalog.set_config('lc_monetary', wanted[6], true),
        pg_catalog.set_config('quote_all_identifiers', wanted[7], true),
        pg_catalog.set_config('search_path', wanted[8], true))
$$;

-- What it takes to print a row of `relation`: nothing, where no setting of a session reaches its columns
-- and JSONB takes whatever they hold; or a time zone and digits; or care. Recording is told so by its
-- trigger, since no row shall cost a look into the catalogue. The text is run by others too: by the
-- plan, where no trail is yet, and by the guard, in sessions that may call nothing here.
CREATE FUNCTION audit.printed_form(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE held (type) AS (
        SELECT a.atttypid FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
         UNION
        SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
          FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.type
         WHERE t.typtype = 'd' OR t.typcategory = 'A'
    )
    SELECT CASE WHEN pg_catalog.bool_and(k.plain) THEN 'plain'
                WHEN pg_catalog.bool_and(k.plain OR k.zoned) THEN 'zoned' ELSE 'care' END
      FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.type
     CROSS JOIN LATERAL (SELECT t.typtype IN ('d', 'e') OR t.typcategory = 'A'
            OR t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname IN
               ('bool', 'int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'bpchar', 'uuid',
                'jsonb', 'date', 'time', 'timestamp', 'inet', 'cidr') AS plain,
            t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
            AND t.typname IN ('timestamptz', 'float4', 'float8') AS zoned) k
$$;

-- Records what a statement changed: called for each row, or once with all rows in amanah_was and
-- amanah_becomes. The columns of the primary key come as arguments; before them, between two empty
-- words, which columns are not shown; and behind them, for each row, after an empty word, what
-- printed_form() says: always, or a key of that name would be taken for it.
-- It has no path of its own, which would cost each row more than its record does: each name in it
-- carries its schema. When recording fails, the write fails.
CREATE FUNCTION audit.global_track_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    was     pg_catalog.jsonb;
    becomes pg_catalog.jsonb;
    actor   pg_catalog.text;
    tenant  pg_catalog.text;
    request pg_catalog.text;
    -- Pairs: how a column is not shown, and which.
    rules   pg_catalog.text[];
    -- How values print here, and how they do where the session goes on.
    printed pg_catalog.text[];
    kept    pg_catalog.text[];
    columns pg_catalog.text[];
    wanted  pg_catalog.int8;
    taken   pg_catalog.int8;
BEGIN
    IF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' OR TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
        IF TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 2] OPERATOR(pg_catalog.=) ''
           AND (TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.=) 'plain'
                OR TG_ARGV[TG_NARGS OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.=) 'zoned'
                AND pg_catalog.current_setting('extra_float_digits') OPERATOR(pg_catalog.=) '1'
                AND pg_catalog.current_setting('timezone')
                    OPERATOR(pg_catalog.=) ANY (ARRAY['UTC', 'Etc/UTC']))
        THEN
            IF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV,
                                pg_catalog.to_jsonb(OLD), pg_catalog.to_jsonb(NEW))
            THEN
                RETURN NULL;
            END IF;
        ELSIF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV,
                               audit.document(TG_RELID, OLD), audit.document(TG_RELID, NEW))
        THEN
            RETURN NULL;
        END IF;
    ELSE
        -- Before anything is printed: whose code this is may set what it likes.
        actor := pg_catalog.left(amanah.current_actor(), 128);
        tenant := pg_catalog.left(amanah.current_tenant(), 128);
        kept := ARRAY[
            pg_catalog.current_setting('timezone'), pg_catalog.current_setting('datestyle'),
            pg_catalog.current_setting('intervalstyle'), pg_catalog.current_setting('bytea_output'),
            pg_catalog.current_setting('extra_float_digits'),
            pg_catalog.current_setting('lc_monetary'),
            pg_catalog.current_setting('quote_all_identifiers'),
            pg_catalog.current_setting('search_path')];
        printed := ARRAY[
            'UTC', 'ISO, YMD', 'iso_8601', 'hex', '1', 'C', 'off', 'pg_catalog, pg_temp'];
        request := audit.print_as(printed);
        request := pg_catalog.left(pg_catalog.current_setting('amanah.request_id', true), 128);
        IF request OPERATOR(pg_catalog.=) '' THEN
            request := NULL;
        END IF;
        columns := TG_ARGV;
        IF TG_ARGV[0] OPERATOR(pg_catalog.=) '' THEN
            rules := audit.not_shown(TG_ARGV);
            columns := TG_ARGV[pg_catalog.cardinality(rules) OPERATOR(pg_catalog.+) 2:];
        END IF;
        BEGIN
            IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
                wanted := (SELECT pg_catalog.count(*) FROM amanah_becomes);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, new_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.becomes
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted(s.becomes, s.salt, rules), s.salt
                  FROM (SELECT pg_catalog.to_jsonb(t.*) AS becomes,
                               pg_catalog.gen_random_uuid() AS salt FROM amanah_becomes t) s;
            ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
                wanted := (SELECT pg_catalog.count(*) FROM amanah_was);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, old_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.was
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted(s.was, s.salt, rules), s.salt
                  FROM (SELECT pg_catalog.to_jsonb(t.*) AS was,
                               pg_catalog.gen_random_uuid() AS salt FROM amanah_was t) s;
            ELSE
                -- Both tables are filled together, row by row, so the same place is the same row.
                wanted := (SELECT pg_catalog.count(*) FROM amanah_becomes);
                INSERT INTO audit.system_audit_logs
                    (actor_id, tenant_id, request_id, action, table_schema, table_name,
                     row_key, old_data, new_data, salt)
                SELECT actor, tenant, request, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                       audit.redacted((SELECT pg_catalog.jsonb_object_agg(k, s.was
                           OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest(columns) k),
                           s.salt, rules),
                       audit.redacted((
                           SELECT coalesce(pg_catalog.jsonb_object_agg(o.key, o.value), '{}')
                             FROM pg_catalog.jsonb_each(s.was) o
                          WHERE o.value::pg_catalog.text OPERATOR(pg_catalog.<>)
                                (s.becomes OPERATOR(pg_catalog.->) o.key)::pg_catalog.text),
                           s.salt, rules),
                       audit.redacted(s.becomes, s.salt, rules), s.salt
                  FROM (SELECT w.was, b.becomes, pg_catalog.gen_random_uuid() AS salt
                          FROM (SELECT pg_catalog.to_jsonb(t.*) AS was,
                                       pg_catalog.row_number() OVER () AS place
                                  FROM amanah_was t) w
                          JOIN (SELECT pg_catalog.to_jsonb(t.*) AS becomes,
                                       pg_catalog.row_number() OVER () AS place
                                  FROM amanah_becomes t) b
                            ON b.place OPERATOR(pg_catalog.=) w.place
                         ORDER BY w.place) s;
            END IF;
            GET DIAGNOSTICS taken = ROW_COUNT;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            taken := 0;
            FOR was, becomes IN EXECUTE CASE
                WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN pg_catalog.concat(
                    'SELECT NULL::pg_catalog.jsonb, ', audit.leniently(TG_RELID, 't'),
                    ' FROM amanah_becomes t')
                WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN pg_catalog.concat(
                    'SELECT ', audit.leniently(TG_RELID, 't'),
                    ', NULL::pg_catalog.jsonb FROM amanah_was t')
                ELSE pg_catalog.concat(
                    'SELECT w.was, b.becomes FROM (SELECT ', audit.leniently(TG_RELID, 't'),
                    ' AS was, pg_catalog.row_number() OVER () AS place FROM amanah_was t) w',
                    ' JOIN (SELECT ', audit.leniently(TG_RELID, 't'),
                    ' AS becomes, pg_catalog.row_number() OVER () AS place FROM amanah_becomes t) b',
                    ' ON b.place OPERATOR(pg_catalog.=) w.place ORDER BY w.place')
                END
            LOOP
                IF audit.record_row(TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV, was, becomes) THEN
                    taken := taken OPERATOR(pg_catalog.+) 1;
                END IF;
                -- It has asked again who acts.
                request := audit.print_as(printed);
            END LOOP;
        END;
        request := audit.print_as(kept);
    END IF;
    IF taken OPERATOR(pg_catalog.=) wanted THEN
        RETURN NULL;
    END IF;
    -- A rule or a trigger on the trail that swallows rows would leave this write unrecorded.
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail did not take it',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was changed.';
END $$;
REVOKE ALL ON FUNCTION audit.global_track_changes() FROM PUBLIC;

CREATE FUNCTION audit.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail is append-only',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Nobody changes or removes what was recorded. Correct the data in the'
               ' application''s own table: the correction is recorded too.';
END $$;

-- Each partition gets its own copies of the two triggers for rows.
CREATE TRIGGER hash BEFORE INSERT ON audit.system_audit_logs
    FOR EACH ROW EXECUTE FUNCTION audit.trg_compute_audit_log_hash();
-- The statement is refused even when it would touch no row; the row, even when the statement names
-- another table that this one was hung under.
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.system_audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_row BEFORE UPDATE OR DELETE ON audit.system_audit_logs
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
-- An ordinary trigger sleeps while session_replication_role is replica.
ALTER TABLE audit.system_audit_logs
    ENABLE ALWAYS TRIGGER hash,
    ENABLE ALWAYS TRIGGER refuse_statement,
    ENABLE ALWAYS TRIGGER refuse_row;

-- Makes one partition, guarded before it is a part of the trail: of the month that begins at
-- `month`, or, when that is NULL, of whatever has no month of its own. Where the rest holds rows of
-- that month already and of no other, it becomes the month's, and a new rest is made: no row moves,
-- and who writes meanwhile waits until it was read. Where it holds rows of several months, nothing is
-- made; audit.append-only tells it.
-- Attaching one takes the rest from everybody for as long as it takes to read it, which is no time as
-- long as it is empty.
CREATE FUNCTION audit.make_partition(month timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    part CONSTANT text :=
        concat('system_audit_logs_', coalesce(to_char(month, 'YYYY_MM'), 'rest'));
BEGIN
    IF to_regclass(format('audit.%I', part)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE audit.%I (LIKE audit.system_audit_logs INCLUDING DEFAULTS)', part);
    EXECUTE format(
        'CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.%I
             FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', part);
    EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER refuse_statement', part);
    EXECUTE format(
        'ALTER TABLE audit.system_audit_logs ATTACH PARTITION audit.%I %s', part,
        CASE WHEN month IS NULL THEN 'DEFAULT'
        ELSE format('FOR VALUES FROM (%L) TO (%L)', month, month + interval '1 month') END);
    RETURN true;
EXCEPTION WHEN check_violation THEN
    LOCK TABLE audit.system_audit_logs IN ACCESS EXCLUSIVE MODE;
    IF month IS NULL OR EXISTS (
        SELECT FROM audit.system_audit_logs_rest r
         WHERE r.event_timestamp < month OR r.event_timestamp >= month + interval '1 month')
    THEN
        RETURN false;
    END IF;
    ALTER TABLE audit.system_audit_logs DETACH PARTITION audit.system_audit_logs_rest;
    EXECUTE format('ALTER TABLE audit.system_audit_logs_rest RENAME TO %I', part);
    EXECUTE format('ALTER TABLE audit.system_audit_logs ATTACH PARTITION audit.%I'
                   ' FOR VALUES FROM (%L) TO (%L)', part, month, month + interval '1 month');
    PERFORM audit.make_partition(NULL);
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION audit.make_partition(timestamptz) FROM PUBLIC;

-- This month and three more; and whoever may read the trail may read each partition, as a dump
-- does, and nobody may do more there. Returns how many were made.
CREATE FUNCTION audit.make_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    made integer := 0;
    ahead integer;
    change text;
BEGIN
    PERFORM audit.make_partition(NULL);
    FOR ahead IN 0 .. 3 LOOP
        IF audit.make_partition(
            date_trunc('month', now(), 'UTC') + make_interval(months => ahead)) THEN
            made := made + 1;
        END IF;
    END LOOP;
    FOR change IN
        WITH parts AS (
            SELECT c.oid, c.relacl, c.relowner
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'audit.system_audit_logs'::regclass
        ), readers AS (
            SELECT a.grantee FROM pg_class c, aclexplode(c.relacl) a
             WHERE c.oid = 'audit.system_audit_logs'::regclass AND a.privilege_type = 'SELECT'
               AND a.grantee <> c.relowner
        ), held AS (
            SELECT p.oid, a.grantee, a.privilege_type AS held FROM parts p, aclexplode(p.relacl) a
             WHERE a.grantee <> p.relowner
        )
        SELECT format('REVOKE %s ON %s FROM %s', h.held, h.oid::regclass,
                      CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE h.grantee::regrole::text END)
          FROM held h
         WHERE h.held <> 'SELECT' OR h.grantee NOT IN (SELECT r.grantee FROM readers r)
        UNION ALL
        SELECT format('GRANT SELECT ON %s TO %s', p.oid::regclass,
                      CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END)
          FROM parts p, readers r
         WHERE NOT EXISTS (SELECT FROM held h WHERE h.oid = p.oid AND h.grantee = r.grantee
                              AND h.held = 'SELECT')
        UNION ALL
        -- What policies of the trail hide, a partition hides by having none.
        SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
                      c.oid::regclass)
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_class t ON t.oid = i.inhparent AND t.relrowsecurity
         WHERE t.oid = 'audit.system_audit_logs'::regclass AND NOT c.relrowsecurity
    LOOP
        EXECUTE change;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION audit.make_partitions() FROM PUBLIC;

DO $$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM audit.make_partitions();
    PERFORM audit.keyed_digest(gen_random_uuid(), '');
END $$;
