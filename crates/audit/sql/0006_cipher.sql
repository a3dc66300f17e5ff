-- Why: PostgreSQL itself has no cipher; its contrib module pgcrypto has.
-- Lock: none that anybody waits for.
-- Undo: DROP FUNCTION audit.cipher(bytea, bytea, bytea, text), once no column is encrypted.

-- A superuser takes it from the library, so that
-- nothing which the owner of the database can move or replace gets to see a key; an owner who keeps the
-- trail by himself takes it from his extension. Where there is neither, protect says so.
DO $$
DECLARE
    place pg_catalog.name;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        IF EXISTS (SELECT FROM pg_available_extensions e WHERE e.name = 'pgcrypto') THEN
            CREATE OR REPLACE FUNCTION audit.cipher(bytea, bytea, bytea, text) RETURNS bytea
                LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
                AS '$libdir/pgcrypto', 'pg_encrypt_iv';
        END IF;
    ELSE
        SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'pgcrypto';
        IF place IS NOT NULL THEN
            EXECUTE format('CREATE OR REPLACE FUNCTION audit.cipher(bytea, bytea, bytea, text)'
                           ' RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L',
                           format('SELECT %I.encrypt_iv($1, $2, $3, $4)', place));
        END IF;
    END IF;
    IF to_regprocedure('audit.cipher(bytea, bytea, bytea, text)') IS NOT NULL THEN
        REVOKE ALL ON FUNCTION audit.cipher(bytea, bytea, bytea, text) FROM PUBLIC;
    END IF;
END $$;
