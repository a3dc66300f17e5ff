-- Why: whoever reads the trail leaves a row in it before he sees anything. A function that wrote its
--      row and returned what it found could be rolled back by its caller, who has seen it by then.
--      So reading takes three transactions: audit.ask records who asks for what, and why, and looks at
--      nothing; audit.count says how many rows that is, once that row is committed, and records it;
--      audit.read hands them out once that one is.
-- Lock: none that anybody waits for: what is here was made in the same transaction.
-- Undo: as 0003_guard.sql says; this comes after 0003_keeper.sql, run by a superuser.

-- People are members of the first two. The desk is nobody's: what is asked there runs with its
-- rights, which are to read the trail and to say there who has read and what became of structure.
DO $$
DECLARE
    people text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    FOREACH people IN ARRAY ARRAY['amanah_admin', 'amanah_auditor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', people);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    BEGIN
        CREATE ROLE amanah_trail_desk NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        IF EXISTS (SELECT FROM pg_roles r
                    WHERE r.rolname = 'amanah_trail_desk' AND (r.rolcanlogin OR r.rolsuper
                       OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid)))
        THEN
            RAISE EXCEPTION 'the role amanah_trail_desk exists and can be used by others'
                USING HINT = 'Make it NOLOGIN NOSUPERUSER and revoke it from its members.';
        END IF;
    END;
END $$;

-- What is asked for, in one spelling: a member that is not known, or of another kind, is refused, so
-- that nobody reads more than his row says. Times are moments, whatever the session's time zone was.
CREATE FUNCTION audit.asked_for(wanted jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET datestyle = 'ISO, YMD' AS $$
DECLARE
    asked jsonb := '{}';
    it record;
    kind text;
BEGIN
    IF jsonb_typeof(wanted) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'what is asked for is no object of JSON'
            USING ERRCODE = '22023', HINT = 'For all of it: {}';
    END IF;
    FOR it IN SELECT e.key, e.value FROM jsonb_each(wanted) e LOOP
        kind := jsonb_typeof(it.value);
        IF it.key IN ('from', 'to') AND kind = 'string' THEN
            asked := asked || jsonb_build_object(it.key, (it.value #>> '{}')::timestamptz);
        ELSIF it.key IN ('actor', 'tenant', 'login', 'schema', 'table', 'action', 'request')
              AND kind = 'string'
           OR it.key = 'key' AND kind IN ('object', 'string')
           OR it.key = 'reveal' AND it.value = 'true'
           OR it.key IN ('first', 'last') AND kind = 'number'
              AND it.value::numeric BETWEEN 0 AND 9223372036854775807
              AND it.value::numeric = trunc(it.value::numeric)
           OR it.key = 'limit' AND kind = 'number' AND it.value::numeric BETWEEN 1 AND 100000
              AND it.value::numeric = trunc(it.value::numeric)
        THEN
            asked := asked || jsonb_build_object(it.key, it.value);
        ELSE
            RAISE EXCEPTION 'nothing can be asked for by "%": %', it.key, left(it.value::text, 100)
                USING ERRCODE = '22023', HINT = 'There are the texts from, to (times), actor,'
                ' tenant, login, schema, table, action, request; key (the key of a record as an'
                ' object, or its only value as a text); the numbers first, last (of rows) and limit'
                ' (the newest so many, 100000 at most); and reveal (true).';
        END IF;
    END LOOP;
    RETURN asked;
END $$;

-- The rows that were asked for, as they were to be seen at the moment `seen`, without those of the
-- transaction that asked. A row from another cluster has a transaction that is still to come here.
-- The planner puts it into the caller's query, so that nothing is read that is not handed out; it
-- names every operator by its schema, as what is called before it may have changed the path.
CREATE FUNCTION audit.asked(wanted jsonb, seen pg_snapshot, asking xid8)
RETURNS TABLE (id bigint, event_timestamp timestamptz, xid xid8, salt uuid, row_hash bytea,
    actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text,
    table_name text, row_key jsonb, old_data jsonb, new_data jsonb, erased bytea)
LANGUAGE sql STABLE AS $$
    SELECT t.id, t.event_timestamp, t.xid, t.salt, t.row_hash, t.actor_id, t.tenant_id, t.db_user,
           t.request_id, t.action, t.table_schema, t.table_name, t.row_key, t.old_data, t.new_data,
           t.erased
      FROM audit.system_audit_logs t
     WHERE t.xid OPERATOR(pg_catalog.<>) asking
       AND (pg_catalog.pg_visible_in_snapshot(t.xid, seen)
            OR t.xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(
                   pg_catalog.pg_current_snapshot()))
       AND (wanted OPERATOR(pg_catalog.->>) 'from' IS NULL
            OR t.event_timestamp OPERATOR(pg_catalog.>=)
               (wanted OPERATOR(pg_catalog.->>) 'from')::pg_catalog.timestamptz)
       AND (wanted OPERATOR(pg_catalog.->>) 'to' IS NULL
            OR t.event_timestamp OPERATOR(pg_catalog.<)
               (wanted OPERATOR(pg_catalog.->>) 'to')::pg_catalog.timestamptz)
       AND (wanted OPERATOR(pg_catalog.->>) 'first' IS NULL
            OR t.id OPERATOR(pg_catalog.>=)
               (wanted OPERATOR(pg_catalog.->>) 'first')::pg_catalog.int8)
       AND (wanted OPERATOR(pg_catalog.->>) 'last' IS NULL
            OR t.id OPERATOR(pg_catalog.<=)
               (wanted OPERATOR(pg_catalog.->>) 'last')::pg_catalog.int8)
       AND (wanted OPERATOR(pg_catalog.->>) 'actor' IS NULL
            OR t.actor_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'actor'))
       AND (wanted OPERATOR(pg_catalog.->>) 'tenant' IS NULL
            OR t.tenant_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'tenant'))
       AND (wanted OPERATOR(pg_catalog.->>) 'login' IS NULL
            OR t.db_user OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'login'))
       AND (wanted OPERATOR(pg_catalog.->>) 'request' IS NULL
            OR t.request_id OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'request'))
       AND (wanted OPERATOR(pg_catalog.->>) 'action' IS NULL
            OR t.action OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'action'))
       AND (wanted OPERATOR(pg_catalog.->>) 'schema' IS NULL
            OR t.table_schema OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'schema'))
       AND (wanted OPERATOR(pg_catalog.->>) 'table' IS NULL
            OR t.table_name OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->>) 'table'))
       -- A changed key is found under the new one too.
       AND (wanted OPERATOR(pg_catalog.->) 'key' IS NULL
            OR t.row_key OPERATOR(pg_catalog.=) (wanted OPERATOR(pg_catalog.->) 'key')
            OR pg_catalog.jsonb_typeof(wanted OPERATOR(pg_catalog.->) 'key')
                   OPERATOR(pg_catalog.=) 'object'
               AND t.new_data OPERATOR(pg_catalog.@>) (wanted OPERATOR(pg_catalog.->) 'key')
               AND ARRAY(SELECT pg_catalog.jsonb_object_keys(t.row_key)) OPERATOR(pg_catalog.=)
                   ARRAY(SELECT pg_catalog.jsonb_object_keys(wanted OPERATOR(pg_catalog.->) 'key'))
            OR pg_catalog.jsonb_typeof(wanted OPERATOR(pg_catalog.->) 'key')
                   OPERATOR(pg_catalog.=) 'string'
               AND (SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 1 AND pg_catalog.bool_or(
                           coalesce(k.value OPERATOR(pg_catalog.=)
                                    (wanted OPERATOR(pg_catalog.->>) 'key'), false)
                           OR coalesce((t.new_data OPERATOR(pg_catalog.->>) k.key)
                                    OPERATOR(pg_catalog.=)
                                    (wanted OPERATOR(pg_catalog.->>) 'key'), false))
                      FROM pg_catalog.jsonb_each_text(t.row_key) k))
$$;

-- Records one step of a reading, and gives it a ticket, whose first digits are the transaction, by
-- which its row is found.
CREATE FUNCTION audit.record_reading(step text, told jsonb) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    digits CONSTANT text := lpad(to_hex(pg_current_xact_id()::text::bigint), 12, '0');
    ticket CONSTANT uuid := (left(digits, 8) || '-' || right(digits, 4) || '-8'
                             || substr(gen_random_uuid()::text, 16))::uuid;
BEGIN
    INSERT INTO audit.system_audit_logs
        (request_id, action, table_schema, table_name, row_key, new_data)
    VALUES
        (left(nullif(current_setting('amanah.request_id', true), ''), 128), step, 'audit',
         'system_audit_logs', jsonb_build_object('ticket', ticket), told);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'TRAIL',
            MESSAGE = 'reading is refused: the audit trail did not take the row about it',
            HINT = 'Something on audit.system_audit_logs swallows rows. Nothing was read.';
    END IF;
    RETURN ticket;
END $$;

-- What the row with this ticket says: of this login, of the last quarter of an hour, and committed by
-- an earlier transaction, so that no savepoint and no rollback takes it back.
CREATE FUNCTION audit.recorded_reading(step text, ticket uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asking CONSTANT xid8 :=
        (('x' || left(translate(ticket::text, '-', ''), 12))::bit(48)::bigint)::text::xid8;
    told   jsonb;
BEGIN
    SELECT t.new_data || jsonb_build_object('asking', asking::text) INTO told
      FROM audit.system_audit_logs t
     WHERE t.xid = asking AND t.action = step
       AND t.row_key = jsonb_build_object('ticket', ticket)
       AND t.db_user = session_user
       AND t.event_timestamp > clock_timestamp() - interval '15 minutes'
       AND t.xid IS DISTINCT FROM pg_current_xact_id_if_assigned();
    IF told -> 'filter' IS NULL OR told ->> 'seen' IS NULL
       OR pg_xact_status(asking) IS DISTINCT FROM 'committed'
    THEN
        RAISE EXCEPTION 'this ticket opens nothing: no committed row of the trail, of this login and'
                        ' the last 15 minutes, says what is read with it'
            USING ERRCODE = 'TRAIL', HINT = 'SELECT audit.ask(filter, purpose), COMMIT; then SELECT *'
            ' FROM audit.count(what that returned), COMMIT; then SELECT * FROM audit.read(the ticket)'
            ' in a third transaction.';
    END IF;
    RETURN told;
END $$;

-- Records what is asked for, and looks at nothing: whoever asks and takes it back has learnt nothing.
-- It calls nothing that anybody but a superuser could replace: code that the owner of the application
-- has planted could wait in the session until its end, and be whoever asked by then. So it asks nobody
-- whose binding this is, and refuses in a session that says it has one.
CREATE FUNCTION audit.ask(filter jsonb, purpose text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET datestyle = 'ISO, YMD' SET plan_cache_mode = force_custom_plan SET row_security = on AS $$
DECLARE
    what CONSTANT jsonb := audit.asked_for(filter);
BEGIN
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION 'a superuser does not ask for the trail'
            USING ERRCODE = 'TRAIL',
                  HINT = 'Sign in as a member of amanah_auditor or amanah_admin.';
    END IF;
    IF coalesce(current_setting('amanah.token', true), '') <> '' THEN
        RAISE EXCEPTION 'this session is bound to a tenant, and the trail is not read by tenants'
            USING ERRCODE = 'TRAIL', HINT = 'Read in a session that is bound to nobody, and name the'
            ' tenant in the filter. Nothing was read.';
    END IF;
    IF coalesce(btrim(purpose), '') = '' OR octet_length(purpose) > 1000 THEN
        RAISE EXCEPTION 'the trail is read for a purpose: say which, in 1000 bytes at most'
            USING ERRCODE = '22023', HINT = 'It is recorded. Nothing was read.';
    END IF;
    -- Its transaction comes before what it sees, so that its own row is not among the rows.
    PERFORM pg_current_xact_id();
    RETURN audit.record_reading('ASK', jsonb_build_object(
        'filter', what, 'purpose', btrim(purpose), 'seen', pg_current_snapshot()::text));
END $$;

-- Says how many rows were asked for, and records that they are about to be read.
CREATE FUNCTION audit.count(asked uuid, OUT ticket uuid, OUT counted bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET datestyle = 'ISO, YMD' SET plan_cache_mode = force_custom_plan SET row_security = on AS $$
DECLARE
    told CONSTANT jsonb := audit.recorded_reading('ASK', asked);
    what CONSTANT jsonb := told -> 'filter';
BEGIN
    SELECT count(*) INTO counted
      FROM (SELECT FROM audit.asked(what, (told ->> 'seen')::pg_snapshot,
                                    (told ->> 'asking')::xid8)
             LIMIT (what ->> 'limit')::bigint) r;
    ticket := audit.record_reading('READ', jsonb_build_object(
        'filter', what, 'purpose', told -> 'purpose', 'rows', counted, 'seen', told -> 'seen',
        'asked', told -> 'asking'));
END $$;

-- The rows that were counted, in the order of transaction and number, behind a place and so many at
-- most. Only to the login that asked, for a quarter of an hour, and when the row about it was
-- committed by an earlier transaction.
CREATE FUNCTION audit.read(ticket uuid, behind_xid xid8 DEFAULT '0', behind_id bigint DEFAULT 0,
    at_most bigint DEFAULT NULL)
RETURNS TABLE (id bigint, event_timestamp timestamptz, xid xid8, salt uuid, row_hash bytea,
    actor_id text, tenant_id text, db_user text, request_id text, action text, table_schema text,
    table_name text, row_key jsonb, old_data jsonb, new_data jsonb, erased bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET datestyle = 'ISO, YMD' SET plan_cache_mode = force_custom_plan SET row_security = on AS $$
DECLARE
    told   CONSTANT jsonb := audit.recorded_reading('READ', ticket);
    what   CONSTANT jsonb := told -> 'filter';
    seen   CONSTANT pg_snapshot := (told ->> 'seen')::pg_snapshot;
    asking CONSTANT xid8 := (told ->> 'asked')::xid8;
BEGIN
    IF what ? 'limit' THEN
        RETURN QUERY
        SELECT n.* FROM (SELECT a.* FROM audit.asked(what, seen, asking) a
                          ORDER BY a.xid DESC, a.id DESC LIMIT (what ->> 'limit')::bigint) n
         WHERE (n.xid, n.id) > (behind_xid, behind_id) ORDER BY n.xid, n.id LIMIT at_most;
    ELSE
        RETURN QUERY
        SELECT a.* FROM audit.asked(what, seen, asking) a
         WHERE (a.xid, a.id) > (behind_xid, behind_id) ORDER BY a.xid, a.id LIMIT at_most;
    END IF;
END $$;

-- Row-level security lets nobody read who does not come by the desk, but those who seal the trail and
-- verify it. The owner of the application sees what his own transaction has left, which he wrote:
-- by that the recording is tried. The number of a transaction alone would show him rows from another
-- cluster, once it comes round to theirs. A partition shows nothing by itself.
DO $$
DECLARE
    owner text;
    own text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    owner := coalesce(
        (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'amanah'),
        (SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database()));
    FOREACH own IN ARRAY ARRAY['asked_for(jsonb)', 'asked(jsonb, pg_snapshot, xid8)',
            'record_reading(text, jsonb)', 'recorded_reading(text, uuid)', 'ask(jsonb, text)',
            'count(uuid)', 'read(uuid, xid8, bigint, bigint)', 'record_ddl()', 'record_drop()',
            'record_command(text, text, text, jsonb)', 'told(text, text)', 'bare(text, boolean)'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION audit.%s FROM PUBLIC', own);
        IF own NOT LIKE 'asked%' AND own NOT LIKE '%_reading(%' THEN
            EXECUTE format('ALTER FUNCTION audit.%s OWNER TO amanah_trail_desk', own);
        END IF;
    END LOOP;
    GRANT EXECUTE ON FUNCTION audit.ask(jsonb, text), audit.count(uuid),
        audit.read(uuid, xid8, bigint, bigint) TO amanah_admin, amanah_auditor;
    GRANT USAGE ON SCHEMA audit TO amanah_admin, amanah_auditor, amanah_trail_desk;
    -- What an insertion calls: the hash of its row.
    GRANT EXECUTE ON FUNCTION audit.asked_for(jsonb), audit.asked(jsonb, pg_snapshot, xid8),
        audit.record_reading(text, jsonb), audit.recorded_reading(text, uuid),
        audit.content_digest(uuid, jsonb, jsonb, jsonb),
        audit.row_digest(bigint, timestamptz, xid8, text, text, text, text, text, text, text, bytea)
        TO amanah_trail_desk;
    GRANT SELECT, INSERT ON audit.system_audit_logs TO amanah_trail_desk;
    GRANT SELECT ON SEQUENCE audit.system_audit_logs_id_seq TO amanah_trail_desk;

    -- Who may insert is a matter of rights, which the recorder alone has. To everybody, because in a copy
    -- of the database, a sandbox or a dump that was restored, another role records.
    CREATE POLICY recording ON audit.system_audit_logs FOR INSERT WITH CHECK (true);
    CREATE POLICY sealing ON audit.system_audit_logs FOR SELECT TO amanah_trail_reader USING (true);
    CREATE POLICY reading ON audit.system_audit_logs FOR SELECT TO amanah_trail_desk USING (true);
    EXECUTE format('CREATE POLICY proving ON audit.system_audit_logs FOR SELECT TO %I
                        USING (xid = pg_current_xact_id_if_assigned()
                               AND event_timestamp >= transaction_timestamp()
                               AND db_user = session_user::text)', owner);
    ALTER TABLE audit.system_audit_logs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
END $$;
