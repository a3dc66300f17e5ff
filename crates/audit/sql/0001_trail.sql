-- Why: every change to a tracked row must leave a row here that nobody can change afterwards.
-- Lock: none on existing tables; it makes a new schema and puts triggers on its own table alone.
-- Undo: DROP SCHEMA audit CASCADE, as its owner. The trail is lost then: copy it out first.

CREATE SCHEMA audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;

-- Nobody is granted anything on it: reading by auditors will come with row-level security and a
-- record of each reading. The foundation has no such door, so it is shut.
-- Gaps in `id` are writes that were rolled back, and ids are handed out before their transaction
-- ends: a reader who wants a complete order takes finished transactions by (xid, id).
CREATE TABLE audit.system_audit_logs (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_timestamp timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From the verified binding; NULL when a maintenance session was bound to nobody.
    actor_id        text,
    tenant_id       text,
    db_user         name        NOT NULL DEFAULT session_user,
    -- What the application says of itself, for correlation: anybody in the session can set it.
    request_id      text,
    action          text        NOT NULL
                    CHECK (action IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
    table_schema    name        NOT NULL,
    table_name      name        NOT NULL,
    -- NULL for TRUNCATE, and for a table without a primary key.
    row_key         jsonb,
    old_data        jsonb,
    new_data        jsonb,
    -- The top-level transaction, inside savepoints too.
    xid             xid8        NOT NULL DEFAULT pg_current_xact_id(),
    row_hash        bytea       NOT NULL CHECK (octet_length(row_hash) = 32)
);
REVOKE ALL ON audit.system_audit_logs FROM PUBLIC;
COMMENT ON TABLE audit.system_audit_logs IS
    'Append-only: one row for each change to a tracked row, written by triggers alone.';

-- The functions below run in sessions whose search_path an attacker may choose, and whose pg_temp
-- comes first for the names of types whatever the path says. So every function, operator and type
-- in them carries its schema. The recording function, which runs with another's rights, has its
-- path SET besides: a name that was forgotten would still be PostgreSQL's own.
-- CASE x WHEN, IN, BETWEEN and IS DISTINCT FROM look for an unqualified =, and are not used; nor
-- are backslashes in literals, which standard_conforming_strings would change.

-- A value as its length in four bytes, big endian, and its bytes; NULL is the length -1. Both
-- are plain SQL so that the planner puts them into the caller's expression.
CREATE FUNCTION audit.bytes_field(value bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        pg_catalog.int4send(pg_catalog.octet_length(value)) OPERATOR(pg_catalog.||) value,
        pg_catalog.int4send(-1))
$$;

CREATE FUNCTION audit.text_field(value text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        pg_catalog.int4send(pg_catalog.octet_length(pg_catalog.convert_to(value, 'UTF8')))
            OPERATOR(pg_catalog.||) pg_catalog.convert_to(value, 'UTF8'),
        pg_catalog.int4send(-1))
$$;

-- SHA-256 over a row of the trail: the words "amanah/audit-row/v1" and a line feed, then id, time
-- and xid in eight bytes each, then the texts as fields. No setting of the session reaches these
-- forms: the time is microseconds since 2000-01-01 UTC, and JSONB prints in one way. The file
-- encoding.rs is the same thing in Rust, and a test holds the two together.
CREATE FUNCTION audit.row_digest(entry audit.system_audit_logs) RETURNS bytea
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    -- Printed once each: the fields need the bytes and their length.
    row_key CONSTANT pg_catalog.bytea :=
        pg_catalog.convert_to(entry.row_key::pg_catalog.text, 'UTF8');
    old_data CONSTANT pg_catalog.bytea :=
        pg_catalog.convert_to(entry.old_data::pg_catalog.text, 'UTF8');
    new_data CONSTANT pg_catalog.bytea :=
        pg_catalog.convert_to(entry.new_data::pg_catalog.text, 'UTF8');
BEGIN
    RETURN pg_catalog.sha256(
        pg_catalog.decode('616d616e61682f61756469742d726f772f76310a', 'hex')
        OPERATOR(pg_catalog.||) pg_catalog.int8send(entry.id)
        OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(entry.event_timestamp)
        OPERATOR(pg_catalog.||) pg_catalog.xid8send(entry.xid)
        OPERATOR(pg_catalog.||) audit.text_field(entry.actor_id)
        OPERATOR(pg_catalog.||) audit.text_field(entry.tenant_id)
        OPERATOR(pg_catalog.||) audit.text_field(entry.db_user::pg_catalog.text)
        OPERATOR(pg_catalog.||) audit.text_field(entry.request_id)
        OPERATOR(pg_catalog.||) audit.text_field(entry.action)
        OPERATOR(pg_catalog.||) audit.text_field(entry.table_schema::pg_catalog.text)
        OPERATOR(pg_catalog.||) audit.text_field(entry.table_name::pg_catalog.text)
        OPERATOR(pg_catalog.||) audit.bytes_field(row_key)
        OPERATOR(pg_catalog.||) audit.bytes_field(old_data)
        OPERATOR(pg_catalog.||) audit.bytes_field(new_data));
END $$;

CREATE FUNCTION audit.trg_compute_audit_log_hash() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.row_hash := audit.row_digest(NEW);
    RETURN NEW;
END $$;

-- Records one change. The columns of the primary key come as arguments, so that no row costs a
-- look into the catalogue. Whoever writes may have set the settings below to print values with
-- fewer digits than they have, so they are put right for the length of the call.
-- There is no exception handler: when recording fails, the write fails.
CREATE FUNCTION audit.global_track_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601'
SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    was     pg_catalog.jsonb;
    becomes pg_catalog.jsonb;
    key     pg_catalog.jsonb;
BEGIN
    IF TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN
        IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
            was := pg_catalog.to_jsonb(OLD);
        END IF;
        IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN
            becomes := pg_catalog.to_jsonb(NEW);
        END IF;
        -- The key that the row had before: a changed key is found under its old value.
        FOR n IN 0 .. TG_NARGS OPERATOR(pg_catalog.-) 1 LOOP
            key := coalesce(key, '{}') OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(
                TG_ARGV[n], coalesce(was, becomes) OPERATOR(pg_catalog.->) TG_ARGV[n]);
        END LOOP;
    END IF;
    INSERT INTO audit.system_audit_logs
        (actor_id, tenant_id, request_id, action, table_schema, table_name,
         row_key, old_data, new_data)
    VALUES
        (amanah.current_actor(), amanah.current_tenant(),
         CASE WHEN pg_catalog.current_setting('amanah.request_id', true)
                   OPERATOR(pg_catalog.<>) ''
              THEN pg_catalog.left(pg_catalog.current_setting('amanah.request_id', true), 128)
         END,
         TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, key, was, becomes);
    -- A rule or a trigger on the trail that swallows rows would leave this write unrecorded.
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail did not take it',
                                        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
            HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was changed.';
    END IF;
    RETURN NULL;
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
