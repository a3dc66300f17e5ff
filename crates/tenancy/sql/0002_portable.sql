-- Why: makes the binding cheaper, and puts its functions where the other form can replace them.
-- Lock: none on tables; functions are replaced while transactions go on, which stay bound.
-- Undo: run the functions of 0001_binding.sql again with CREATE OR REPLACE.

-- This is the portable form: the token is verified at every statement. It asks nothing of the
-- server. `amanah protect` runs this file again to bring a database back from the form in
-- verify_once.sql, so everything in it can be run twice.
--
-- The caller decides nothing of what the names below mean: every function, operator and type is
-- qualified, which a test reads off this text. CASE x WHEN, IN, BETWEEN and NULLIF look for an
-- unqualified =, and are not used. Those that the application can call have a search_path of their
-- own besides, with pg_temp last. It is a second line, and it is cheap: a statement and a trigger
-- may have different paths, and PL/pgSQL would work every expression out anew at each change.

-- Opens a token: the parts of amb1.KID.HEX(TENANT).HEX(ACTOR).EXPIRY.SCOPE.HEX(MAC), or NULL when
-- there is no token; one that is not good is refused.
--
-- Nothing but the key's name is looked at before the MAC holds. Two numbers made of the MACs are
-- compared before the MACs are, since the time that it takes to compare two texts tells how far they
-- agree: whoever guesses comes to that only with a number that fits, one guess in 2^64.
-- Expiry is compared with the start of the statement: one that began in time may finish. One that
-- lies further ahead than Amanah ever makes it is refused, whoever holds the key: a minute, and 5
-- seconds for two clocks that differ.
--
-- Each statement pays for the setting up of the query, each transaction for that of every
-- expression; so the query does nothing but find the key, and there are few expressions. What is
-- wrong with a token is worked out only when something is.
CREATE OR REPLACE FUNCTION amanah.open_token(token pg_catalog.text) RETURNS pg_catalog.text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    bytes CONSTANT pg_catalog.bytea := pg_catalog.convert_to(token, 'UTF8');
    inner_pad pg_catalog.bytea;
    outer_pad pg_catalog.bytea;
    mac pg_catalog.text;
    not_before pg_catalog.timestamptz;
    not_after pg_catalog.timestamptz;
    from_key boolean;
BEGIN
    SELECT k.inner_pad, k.outer_pad, k.not_before, k.not_after
      INTO inner_pad, outer_pad, not_before, not_after
      FROM amanah.binding_key k
     WHERE k.kid OPERATOR(pg_catalog.=) pg_catalog.split_part(token, '.', 2);
    -- Shorter than its MAC or longer than any real one, it is not looked at.
    mac := CASE WHEN pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.>) 65
                 AND pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.<=) 700 THEN
        pg_catalog.encode(
            pg_catalog.sha256(outer_pad OPERATOR(pg_catalog.||)
                pg_catalog.sha256(inner_pad OPERATOR(pg_catalog.||) pg_catalog.convert_to(
                    E'amanah.binding.1\n' OPERATOR(pg_catalog.||)
                    pg_catalog.current_database()::pg_catalog.text OPERATOR(pg_catalog.||) E'\n',
                    'UTF8') OPERATOR(pg_catalog.||) pg_catalog.substr(bytes, 1,
                        pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.-) 65))),
            'hex') END;
    from_key := CASE WHEN pg_catalog.hashtextextended(mac, 0) OPERATOR(pg_catalog.=)
                          pg_catalog.hashtextextended(pg_catalog."right"(token, 64), 0)
        THEN mac OPERATOR(pg_catalog.=) pg_catalog."right"(token, 64) END;
    -- One in the other: only a token from the key is sure to have a number there.
    IF from_key THEN
        IF pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.>)
               pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
           AND pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.-)
               65::pg_catalog.float8 OPERATOR(pg_catalog.<=)
               pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
           AND not_before OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()
           AND not_after OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()
        THEN
            RETURN pg_catalog.string_to_array(token, '.');
        END IF;
    END IF;
    -- After a commit the setting is empty and not unset.
    IF token IS NULL OR token OPERATOR(pg_catalog.=) '' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '28000',
        MESSAGE = pg_catalog.concat('the tenant binding is refused: ', CASE
            WHEN pg_catalog.octet_length(bytes) OPERATOR(pg_catalog.>) 700 THEN 'it is too long'
            WHEN inner_pad IS NULL THEN 'its key is not known here'
            WHEN from_key IS NOT TRUE
            THEN 'it was not made for this database, or it was changed'
            WHEN not_before OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()
                OR not_after OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()
            THEN 'its key is not in use at this time'
            WHEN pg_catalog.split_part(token, '.', 5)::pg_catalog.float8 OPERATOR(pg_catalog.>)
                pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
            THEN 'it is good for too long'
            ELSE 'it has expired' END),
        HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token. '
               'It is good for at most a minute and for one database.';
END $$;
REVOKE ALL ON FUNCTION amanah.open_token(text) FROM PUBLIC;

-- The parts of this transaction's token, verified, or NULL when it has none. The token is a
-- setting, and one injected SELECT can change a setting; so it is never believed unverified.
CREATE OR REPLACE FUNCTION amanah.binding() RETURNS pg_catalog.text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN amanah.open_token(pg_catalog.current_setting('amanah.token', true));
END $$;

CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[3], 'hex'), 'UTF8');
END $$;

CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[4], 'hex'), 'UTF8');
END $$;

CREATE OR REPLACE FUNCTION amanah.may_write() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN COALESCE((amanah.open_token(pg_catalog.current_setting('amanah.token', true)))[6]
                    OPERATOR(pg_catalog.=) 'rw', false);
END $$;

-- What the policies ask: the tenant whose rows a statement may read, and the one whose rows it may
-- write. Each question is a verification, so a write asks once and not for tenant and scope apart.
CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.open_token(
        pg_catalog.current_setting('amanah.token', true)))[3], 'hex'), 'UTF8');
END $$;

CREATE OR REPLACE FUNCTION amanah.writing_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound CONSTANT pg_catalog.text[] :=
        amanah.open_token(pg_catalog.current_setting('amanah.token', true));
BEGIN
    RETURN CASE WHEN bound[6] OPERATOR(pg_catalog.=) 'rw'
        THEN pg_catalog.convert_from(pg_catalog.decode(bound[3], 'hex'), 'UTF8') END;
END $$;

-- Binds the transaction. A transaction that holds a good binding of one tenant cannot be bound to
-- another, so a pooled connection that is used for two requests at once is caught. It does not
-- stop somebody who holds good tokens of both tenants: the setting can be emptied in between.
-- A binding that is not good is ignored: it may be left over from an attack on this session.
CREATE OR REPLACE FUNCTION amanah.bind(token pg_catalog.text) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted CONSTANT pg_catalog.text[] := amanah.open_token(token);
    bound pg_catalog.text[];
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '28000',
            MESSAGE = 'the tenant binding is refused: there is none',
            HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token.';
    END IF;
    IF pg_catalog.current_setting('amanah.token', true) OPERATOR(pg_catalog.<>) '' THEN
        BEGIN
            bound := amanah.open_token(pg_catalog.current_setting('amanah.token', true));
        EXCEPTION WHEN invalid_authorization_specification THEN
            bound := NULL;
        END;
        IF bound[3] OPERATOR(pg_catalog.<>) wanted[3] THEN
            RAISE EXCEPTION USING ERRCODE = '28000',
                MESSAGE = 'the tenant binding is refused: another tenant is bound already',
                HINT = 'Begin a new transaction for another tenant.';
        END IF;
    END IF;
    -- An assignment is no query, as PERFORM would be.
    token := pg_catalog.set_config('amanah.token', token, true);
END $$;

-- Whoever may connect may bind, since only a good token binds anything.
GRANT EXECUTE ON FUNCTION amanah.bind(text), amanah.binding(), amanah.current_tenant(),
    amanah.current_actor(), amanah.may_write(), amanah.reading_tenant(), amanah.writing_tenant()
    TO PUBLIC;
