-- Why: a person may ask that what was recorded of them is erased. The content of a row goes, and the
--      digest that its hash was taken over stays, so the hash and every proof are what they were.
--      Nobody but one function does it, and nobody calls that but Amanah's own login for it.
-- Lock: ACCESS EXCLUSIVE on audit.system_audit_logs for the moment in which a policy is made.
-- Undo: DROP FUNCTION audit.erase(xid8[], bigint[], bytea[]); DROP POLICY erasing ON
--       audit.system_audit_logs; REVOKE ALL ON audit.system_audit_logs FROM amanah_trail_erasing; and
--       audit.refuse_change() as 0003_trail.sql has it. What was erased stays erased.

-- Two roles. The function runs as the first, which nobody can become; who may call it is a member of
-- the second, which may do nothing else.
DO $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    BEGIN
        CREATE ROLE amanah_trail_erasing NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        IF EXISTS (SELECT FROM pg_roles r
                    WHERE r.rolname = 'amanah_trail_erasing' AND (r.rolcanlogin OR r.rolsuper
                       OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid)))
        THEN
            RAISE EXCEPTION 'the role amanah_trail_erasing exists and can be used by others'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER and revoke it from its members.';
        END IF;
    END;
    BEGIN
        CREATE ROLE amanah_trail_eraser NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'amanah_trail_eraser'
                      AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole))
        THEN
            RAISE EXCEPTION 'the role amanah_trail_eraser exists and may do more than erase'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER NOCREATEROLE.';
        END IF;
    END;
END $$;

-- It refuses what it refused, but for one change of a row: the content goes and its digest takes its
-- place. Whoever calls decides about no name in it, as in 0003_trail.sql.
CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE'
       AND current_user::pg_catalog.text OPERATOR(pg_catalog.=) 'amanah_trail_erasing'
    THEN
        IF TG_LEVEL OPERATOR(pg_catalog.=) 'STATEMENT' THEN
            RETURN NULL;
        END IF;
        IF OLD.salt IS NOT NULL AND OLD.erased IS NULL
           AND NEW.salt IS NULL AND NEW.row_key IS NULL AND NEW.old_data IS NULL
           AND NEW.new_data IS NULL
           AND NEW.erased OPERATOR(pg_catalog.=)
               audit.content_digest(OLD.salt, OLD.row_key, OLD.old_data, OLD.new_data)
           AND NEW.row_hash OPERATOR(pg_catalog.=) audit.row_digest(NEW.id, NEW.event_timestamp,
               NEW.xid, NEW.actor_id, NEW.tenant_id, NEW.db_user, NEW.request_id, NEW.action,
               NEW.table_schema, NEW.table_name, NEW.erased)
           AND pg_catalog.record_image_eq(
               ROW(OLD.id, OLD.event_timestamp, OLD.xid, OLD.row_hash, OLD.actor_id, OLD.tenant_id,
                   OLD.db_user, OLD.request_id, OLD.action, OLD.table_schema, OLD.table_name),
               ROW(NEW.id, NEW.event_timestamp, NEW.xid, NEW.row_hash, NEW.actor_id, NEW.tenant_id,
                   NEW.db_user, NEW.request_id, NEW.action, NEW.table_schema, NEW.table_name))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'TRAIL',
        MESSAGE = pg_catalog.format('%s on %I.%I is refused: the audit trail is append-only',
                                    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Nobody changes or removes what was recorded. Correct the data in the'
               ' application''s own table: the correction is recorded too.';
END $$;

-- Takes the content out of the rows with these transactions and numbers, if each is there with the hash
-- that was sealed for it and fits it; of one that does not, of none. What was erased before stays as it
-- is, so that a second call is none.
CREATE FUNCTION audit.erase(xids xid8[], numbers bigint[], sealed bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    taken bigint;
    erased bigint;
BEGIN
    UPDATE audit.system_audit_logs t
       SET erased = audit.content_digest(t.salt, t.row_key, t.old_data, t.new_data),
           salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL
      FROM unnest(xids, numbers, sealed) w (xid, id, row_hash)
     WHERE t.xid = w.xid AND t.id = w.id AND t.row_hash = w.row_hash
       AND t.salt IS NOT NULL AND t.erased IS NULL;
    GET DIAGNOSTICS taken = ROW_COUNT;
    SELECT count(*) INTO erased
      FROM unnest(xids, numbers, sealed) w (xid, id, row_hash)
      JOIN audit.system_audit_logs t
        ON t.xid = w.xid AND t.id = w.id AND t.row_hash = w.row_hash AND t.erased IS NOT NULL;
    IF erased <> cardinality(numbers) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = format('erasing is refused: %s of %s rows are not there with the hash that was'
                             ' given, or have no salt', cardinality(numbers) - erased,
                             cardinality(numbers)),
            HINT = 'Nothing was erased. amanah audit verify says what became of them.';
    END IF;
    RETURN taken;
END $$;

DO $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    REVOKE ALL ON FUNCTION audit.erase(xid8[], bigint[], bytea[]) FROM PUBLIC;
    ALTER FUNCTION audit.erase(xid8[], bigint[], bytea[]) OWNER TO amanah_trail_erasing;
    GRANT USAGE ON SCHEMA audit TO amanah_trail_erasing, amanah_trail_eraser;
    GRANT EXECUTE ON FUNCTION audit.content_digest(uuid, jsonb, jsonb, jsonb),
        audit.row_digest(bigint, timestamptz, xid8, text, text, text, text, text, text, text, bytea)
        TO amanah_trail_erasing;
    GRANT SELECT, UPDATE (salt, row_key, old_data, new_data, erased)
        ON audit.system_audit_logs TO amanah_trail_erasing;
    GRANT EXECUTE ON FUNCTION audit.erase(xid8[], bigint[], bytea[]) TO amanah_trail_eraser;
    CREATE POLICY erasing ON audit.system_audit_logs TO amanah_trail_erasing
        USING (true) WITH CHECK (true);
    -- Partitions are given the rights to read that the trail has.
    PERFORM audit.make_partitions();
END $$;
