-- Why: audit's tests need a binding, and audit may not import tenancy.
-- Lock: none; it makes new functions.
-- Undo: drop the database of the test.
GRANT USAGE ON SCHEMA amanah TO PUBLIC;
CREATE FUNCTION amanah.binding() RETURNS text[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    token text[] := string_to_array(nullif(current_setting('amanah.token', true), ''), '|');
BEGIN
    IF token[1] <> current_database() THEN
        RAISE EXCEPTION 'the binding is refused' USING ERRCODE = '28000';
    END IF;
    RETURN token;
END $$;
CREATE FUNCTION amanah.bind(token text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('amanah.token', token, true);
    PERFORM amanah.binding();
END $$;
CREATE FUNCTION amanah.current_tenant() RETURNS text LANGUAGE sql STABLE AS
    'SELECT (amanah.binding())[2]';
CREATE FUNCTION amanah.current_actor() RETURNS text LANGUAGE sql STABLE AS
    'SELECT (amanah.binding())[3]';
