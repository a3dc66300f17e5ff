-- Why: ties a transaction to one tenant by a token that the application's role cannot forge.
-- Lock: none on existing objects; only new ones are made.
-- Undo: DROP POLICY the policies whose names begin with amanah_, then drop what is made here.

GRANT USAGE ON SCHEMA amanah TO PUBLIC;

-- HMAC-SHA256 keys, as the two pads that the hash begins with, so that one call of sha256() for
-- each of its two rounds is all that a statement pays. Only the owner can read them.
CREATE TABLE amanah.binding_key (
    kid        text        PRIMARY KEY CHECK (kid ~ '^[a-z0-9-]{1,32}$'),
    inner_pad  bytea       NOT NULL CHECK (octet_length(inner_pad) = 64),
    outer_pad  bytea       NOT NULL CHECK (octet_length(outer_pad) = 64),
    not_before timestamptz NOT NULL,
    not_after  timestamptz NOT NULL,
    CHECK (not_before < not_after)
);
REVOKE ALL ON amanah.binding_key FROM PUBLIC;

-- The functions below run with the owner's rights, because they read the keys. The caller decides
-- nothing of what their names mean: every function, operator and type is qualified, and those that
-- the application can call have a search_path of their own, with pg_temp last. Left out of a path,
-- pg_temp comes first for types, and a domain pg_temp.text with a CHECK would be the caller's code
-- under the owner's rights. The setting costs each statement one switch; that is the price.

-- Opens a token: tenant, actor, scope and, when it is not good, what is wrong with it.
-- The layout is amb1.KID.HEX(TENANT).HEX(ACTOR).EXPIRY.SCOPE.HEX(MAC).
--
-- Nothing but the key's name is looked at before the MAC holds. The two MACs are hashed once more
-- before they are compared, so that the time of the comparison tells nothing about either.
-- Expiry is compared with the start of the statement: one that began in time may finish. One that
-- lies further ahead than Amanah ever makes it is refused, whoever holds the key.
CREATE FUNCTION amanah.open_token(token pg_catalog.text) RETURNS pg_catalog.text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    body pg_catalog.text;
    pads amanah.binding_key;
    part pg_catalog.text[];
    expiry pg_catalog.timestamptz;
BEGIN
    IF pg_catalog.length(token) OPERATOR(pg_catalog.>) 700 THEN
        RETURN ARRAY[NULL, NULL, NULL, 'it is too long'];
    END IF;
    body := pg_catalog."left"(token, pg_catalog.length(token) OPERATOR(pg_catalog.-) 65);
    SELECT k.* INTO pads FROM amanah.binding_key k
     WHERE k.kid OPERATOR(pg_catalog.=) pg_catalog.split_part(token, '.', 2);
    IF NOT FOUND THEN
        RETURN ARRAY[NULL, NULL, NULL, 'its key is not known here'];
    END IF;
    IF pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(
           pg_catalog.sha256(pads.outer_pad OPERATOR(pg_catalog.||)
               pg_catalog.sha256(pads.inner_pad OPERATOR(pg_catalog.||) pg_catalog.convert_to(
                   'amanah.binding.1' OPERATOR(pg_catalog.||) E'\n'
                   OPERATOR(pg_catalog.||) pg_catalog.current_database()::pg_catalog.text
                   OPERATOR(pg_catalog.||) E'\n' OPERATOR(pg_catalog.||) body, 'UTF8'))),
           'hex'), 'UTF8'))
       OPERATOR(pg_catalog.<>)
       pg_catalog.sha256(pg_catalog.convert_to(
           pg_catalog.substr(token, pg_catalog.length(body) OPERATOR(pg_catalog.+) 2), 'UTF8'))
    THEN
        RETURN ARRAY[NULL, NULL, NULL, 'it was not made for this database, or it was changed'];
    END IF;
    part := pg_catalog.string_to_array(body, '.');
    expiry := pg_catalog.to_timestamp(part[5]::pg_catalog.float8);
    IF expiry OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp() THEN
        RETURN ARRAY[NULL, NULL, NULL, 'it has expired'];
    END IF;
    -- A minute, and 5 seconds for two clocks that differ.
    IF expiry OPERATOR(pg_catalog.>) (pg_catalog.statement_timestamp()
           OPERATOR(pg_catalog.+) '65 seconds'::pg_catalog.interval)
    THEN
        RETURN ARRAY[NULL, NULL, NULL, 'it is good for too long'];
    END IF;
    IF pg_catalog.statement_timestamp() OPERATOR(pg_catalog.<) pads.not_before
       OR pg_catalog.statement_timestamp() OPERATOR(pg_catalog.>=) pads.not_after
    THEN
        RETURN ARRAY[NULL, NULL, NULL, 'its key is not in use at this time'];
    END IF;
    RETURN ARRAY[pg_catalog.convert_from(pg_catalog.decode(part[3], 'hex'), 'UTF8'),
                 pg_catalog.convert_from(pg_catalog.decode(part[4], 'hex'), 'UTF8'),
                 part[6], NULL];
END $$;
REVOKE ALL ON FUNCTION amanah.open_token(text) FROM PUBLIC;

-- What this transaction is bound to, or NULL when it is not bound. The token is verified at every
-- call, because amanah.token is a setting, and one injected SELECT can change a setting.
CREATE FUNCTION amanah.binding() RETURNS pg_catalog.text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    token pg_catalog.text := pg_catalog.current_setting('amanah.token', true);
    found pg_catalog.text[];
BEGIN
    -- After a commit the setting is empty and not unset.
    IF token IS NULL OR token OPERATOR(pg_catalog.=) '' THEN
        RETURN NULL;
    END IF;
    found := amanah.open_token(token);
    IF found[4] IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '28000',
            MESSAGE = pg_catalog.concat('the tenant binding is refused: ', found[4]),
            HINT = 'Bind the transaction with SELECT amanah.bind($1) and a fresh token.';
    END IF;
    RETURN found;
END $$;
REVOKE ALL ON FUNCTION amanah.binding() FROM PUBLIC;

CREATE FUNCTION amanah.current_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (amanah.binding())[1];
END $$;

CREATE FUNCTION amanah.current_actor() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (amanah.binding())[2];
END $$;

CREATE FUNCTION amanah.may_write() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN COALESCE((amanah.binding())[3] OPERATOR(pg_catalog.=) 'rw', false);
END $$;

-- Binds the transaction. A transaction that holds a good binding of one tenant cannot be bound to
-- another, so a pooled connection that is used for two requests at once is caught. It does not
-- stop somebody who holds good tokens of both tenants: the setting can be emptied in between.
-- A binding that is not good is ignored: it may be left over from an attack on this session.
CREATE FUNCTION amanah.bind(token pg_catalog.text) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before pg_catalog.text := pg_catalog.current_setting('amanah.token', true);
    wanted pg_catalog.text[] := ARRAY[NULL, NULL, NULL, 'there is none'];
    bound pg_catalog.text[];
BEGIN
    IF token OPERATOR(pg_catalog.<>) '' THEN
        wanted := amanah.open_token(token);
    END IF;
    IF wanted[4] IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '28000',
            MESSAGE = pg_catalog.concat('the tenant binding is refused: ', wanted[4]),
            HINT = 'A token is good for at most a minute and for one database.';
    END IF;
    IF before OPERATOR(pg_catalog.<>) '' THEN
        bound := amanah.open_token(before);
        IF bound[4] IS NULL AND bound[1] OPERATOR(pg_catalog.<>) wanted[1] THEN
            RAISE EXCEPTION USING ERRCODE = '28000',
                MESSAGE = 'the tenant binding is refused: another tenant is bound already',
                HINT = 'Begin a new transaction for another tenant.';
        END IF;
    END IF;
    PERFORM pg_catalog.set_config('amanah.token', token, true);
END $$;

-- Whoever may connect may bind, since only a good token binds anything.
GRANT EXECUTE ON FUNCTION amanah.bind(text), amanah.current_tenant(), amanah.current_actor(),
    amanah.may_write() TO PUBLIC;
