CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW.note := ''triggered''; RETURN NEW; END'
