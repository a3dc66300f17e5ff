-- Why: whoever asks for what nobody has a reason to ask for is written down, so that operators see who looks for weaknesses.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE access.bait_hits; DROP FUNCTION access.keep_bait_hit(); who took bait is lost.

CREATE TABLE access.bait_hits (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    source text NOT NULL,
    method text NOT NULL,
    -- The route as it was laid out, or 'key' for the key.
    bait   text NOT NULL,
    -- How often within the second that one row stands for.
    times  integer NOT NULL,
    -- The account of whoever was signed in.
    holder text,
    CONSTRAINT bait_sizes CHECK (octet_length(source) BETWEEN 1 AND 64 AND octet_length(method) BETWEEN 1 AND 64
        AND octet_length(bait) BETWEEN 1 AND 512 AND octet_length(holder) BETWEEN 1 AND 128),
    CONSTRAINT bait_happened CHECK (times > 0)
);
CREATE INDEX bait_hits_source ON access.bait_hits (source, at);
CREATE INDEX bait_hits_at ON access.bait_hits (at);

CREATE FUNCTION access.keep_bait_hit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'who took bait is evidence: it is neither changed nor removed';
END $$;
REVOKE ALL ON FUNCTION access.keep_bait_hit() FROM PUBLIC;
CREATE TRIGGER bait_hits_kept BEFORE UPDATE OR DELETE ON access.bait_hits
    FOR EACH ROW EXECUTE FUNCTION access.keep_bait_hit();
CREATE TRIGGER bait_hits_not_emptied BEFORE TRUNCATE ON access.bait_hits
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_bait_hit();

GRANT SELECT ON access.bait_hits TO amanah_engine;
GRANT INSERT (at, source, method, bait, times, holder) ON access.bait_hits TO amanah_engine;
