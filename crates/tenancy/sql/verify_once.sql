-- Why: verifies a token once for each transaction, where the server can keep what it says.
-- Lock: none on tables; functions are replaced while transactions go on, which stay bound.
-- Undo: run 0002_portable.sql again, as `amanah protect` does.

-- What a token says is kept in the server's parameter backtrace_functions, as
-- amb1_EXPIRY_SCOPE_HEX(TENANT)_HEX(ACTOR). The application's role cannot set it by any way that
-- PostgreSQL has, and empties it by RESET ALL alone: then nothing is bound, and a good token binds
-- anew. It is the only parameter of that kind that holds a text of one's own and does nothing with it:
-- the server compares it with the names of its own C functions when it reports an error, and none of
-- those begins with a digit after amb1_.
--
-- The owner of these functions was granted SET on that parameter by a superuser. It could bind any
-- tenant with that, and could before: it owns the policies. No function here runs as superuser.
--
-- The policies call the same functions as in the portable form. Those that each statement calls run
-- with the caller's own rights, since they read no key. Expiry is compared at every statement, as
-- there.

-- These two are what the trail asks of each row that it records. They are plain SQL without a path of
-- their own, so that the planner puts them into the expression that asks.
CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS pg_catalog.text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- What is not kept is asked of the token: a transaction that was bound before this form was
    -- installed stays bound, and one whose binding has expired is refused.
    SELECT pg_catalog.convert_from(pg_catalog.decode(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN CASE WHEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 2)::pg_catalog.float8
                      OPERATOR(pg_catalog.>)
                      pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
             THEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 4)
             ELSE (amanah.binding())[3] END
        ELSE (amanah.binding())[3] END, 'hex'), 'UTF8')
$$;

CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS pg_catalog.text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.convert_from(pg_catalog.decode(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN CASE WHEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 2)::pg_catalog.float8
                      OPERATOR(pg_catalog.>)
                      pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
             THEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 5)
             ELSE (amanah.binding())[4] END
        ELSE (amanah.binding())[4] END, 'hex'), 'UTF8')
$$;

CREATE OR REPLACE FUNCTION amanah.may_write() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN COALESCE(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN CASE WHEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 2)::pg_catalog.float8
                      OPERATOR(pg_catalog.>)
                      pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
             THEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 3)
             ELSE (amanah.binding())[6] END
        ELSE (amanah.binding())[6] END OPERATOR(pg_catalog.=) 'rw', false);
END $$;

-- What the policies ask, and nobody else: these two have no search_path of their own, which would
-- cost each statement a switch.
CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN CASE WHEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 2)::pg_catalog.float8
                      OPERATOR(pg_catalog.>)
                      pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
             THEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 4)
             ELSE (amanah.binding())[3] END
        ELSE (amanah.binding())[3] END, 'hex'), 'UTF8');
END $$;

CREATE OR REPLACE FUNCTION amanah.writing_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN CASE WHEN pg_catalog.split_part(
                      pg_catalog.current_setting('backtrace_functions'), '_', 2)::pg_catalog.float8
                      OPERATOR(pg_catalog.>)
                      pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
             THEN CASE WHEN pg_catalog.split_part(
                           pg_catalog.current_setting('backtrace_functions'), '_', 3)
                           OPERATOR(pg_catalog.=) 'rw'
                  THEN pg_catalog.split_part(
                           pg_catalog.current_setting('backtrace_functions'), '_', 4) END
             ELSE CASE WHEN (amanah.binding())[6] OPERATOR(pg_catalog.=) 'rw'
                  THEN (amanah.binding())[3] END END
        ELSE CASE WHEN (amanah.binding())[6] OPERATOR(pg_catalog.=) 'rw'
             THEN (amanah.binding())[3] END END, 'hex'), 'UTF8');
END $$;

-- As in the portable form, and it keeps what the token says. The token is kept as a setting too:
-- a transaction that is under way when the form changes finds what it needs in either.
CREATE OR REPLACE FUNCTION amanah.bind(token pg_catalog.text) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted CONSTANT pg_catalog.text[] := amanah.open_token(token);
    kept pg_catalog.text := pg_catalog.current_setting('backtrace_functions');
    bound pg_catalog.text[];
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '28000',
            MESSAGE = 'the tenant binding is refused: there is none',
            HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token.';
    END IF;
    IF pg_catalog.starts_with(kept, 'amb1_')
       OR pg_catalog.current_setting('amanah.token', true) OPERATOR(pg_catalog.<>) ''
    THEN
        BEGIN
            bound := amanah.open_token(pg_catalog.current_setting('amanah.token', true));
        EXCEPTION WHEN invalid_authorization_specification THEN
            bound := NULL;
        END;
        -- What is kept was verified, and counts though it may have expired meanwhile.
        IF pg_catalog.starts_with(kept, 'amb1_')
           AND pg_catalog.split_part(kept, '_', 4) OPERATOR(pg_catalog.<>) wanted[3]
           OR bound[3] OPERATOR(pg_catalog.<>) wanted[3]
        THEN
            RAISE EXCEPTION USING ERRCODE = '28000',
                MESSAGE = 'the tenant binding is refused: another tenant is bound already',
                HINT = 'Begin a new transaction for another tenant.';
        END IF;
    END IF;
    kept := pg_catalog.concat(
        pg_catalog.set_config('amanah.token', token, true),
        pg_catalog.set_config('backtrace_functions', pg_catalog.concat(
            'amb1_', wanted[5], '_', wanted[6], '_', wanted[3], '_', wanted[4]), true));
END $$;
