-- Why: a value may have to be kept out of everybody's sight and yet be read again: it is recorded
--      encrypted, under a key that goes out of the database when a newer one comes.
-- Lock: none that anybody waits for: what is here is new.
-- Undo: DROP FUNCTION audit.encrypted(uuid, text, jsonb), audit.cipher(bytea, bytea, bytea, text);
--       DROP TABLE audit.cipher_key. What was recorded stays encrypted.

-- The key that values are encrypted with, and the two halves of the HMAC that binds them. Nobody may
-- read it. Amanah's ring has each number; here lies the newest one alone. The number 0 is one that
-- was made here because there was none, in a copy without rows for instance.
CREATE TABLE audit.cipher_key (
    number  bigint PRIMARY KEY,
    key     bytea  NOT NULL,
    inside  bytea  NOT NULL,
    outside bytea  NOT NULL
);
REVOKE ALL ON audit.cipher_key FROM PUBLIC;
-- As audit.hash_key: not for roles that read all data either.
ALTER TABLE audit.cipher_key ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE audit.cipher_key IS
    'What values are encrypted with in the trail now; former keys are in Amanah''s ring alone.';

-- A value as it stands in the trail: AES-256-CBC under a random IV, then HMAC-SHA256 over the words
-- "amanah/trail-column/v1" and a line feed, the number of the key in eight bytes, the salt of the row,
-- the column as a field, the IV and the ciphertext. So it opens in its row and column and nowhere else.
-- The recorder may call it, and not read the key.
CREATE FUNCTION audit.encrypted(salt uuid, name text, value jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own    record;
    secret bytea;
    inward bytea;
    outward bytea;
    iv     bytea;
    sealed bytea;
    n      integer;
BEGIN
    SELECT k.number, k.key, k.inside, k.outside INTO own
      FROM audit.cipher_key k ORDER BY k.number DESC LIMIT 1;
    IF NOT FOUND THEN
        -- Nobody's write waits until Amanah has brought a key, and nothing is recorded in clear.
        secret := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                         || uuid_send(gen_random_uuid())) || decode(repeat('00', 32), 'hex');
        inward := secret;
        outward := secret;
        FOR n IN 0 .. 63 LOOP
            inward := set_byte(inward, n, get_byte(secret, n) # 54);
            outward := set_byte(outward, n, get_byte(secret, n) # 92);
        END LOOP;
        INSERT INTO audit.cipher_key (number, key, inside, outside)
        VALUES (0, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                          || uuid_send(gen_random_uuid())), inward, outward)
            ON CONFLICT DO NOTHING;
        SELECT k.number, k.key, k.inside, k.outside INTO STRICT own
          FROM audit.cipher_key k ORDER BY k.number DESC LIMIT 1;
    END IF;
    iv := substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16);
    sealed := iv || audit.cipher(convert_to(value::text, 'UTF8'), own.key, iv, 'aes-cbc/pad:pkcs');
    sealed := sealed || sha256(own.outside || sha256(own.inside
        || decode('616d616e61682f747261696c2d636f6c756d6e2f76310a', 'hex')
        || int8send(own.number) || uuid_send(salt)
        || int4send(octet_length(convert_to(name, 'UTF8'))) || convert_to(name, 'UTF8') || sealed));
    RETURN jsonb_build_object('amanah', 'encrypted', 'key', own.number,
                              'value', translate(encode(sealed, 'base64'), chr(10), ''));
END $$;
REVOKE ALL ON FUNCTION audit.encrypted(uuid, text, jsonb) FROM PUBLIC;

DO $$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- Where a superuser keeps the trail, another records.
    IF (SELECT r.rolname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
         WHERE p.oid = 'audit.global_track_changes()'::regprocedure) = 'amanah_trail'
    THEN
        GRANT EXECUTE ON FUNCTION audit.encrypted(uuid, text, jsonb) TO amanah_trail;
    END IF;
END $$;
