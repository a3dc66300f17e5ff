-- Why: whoever operates the gateway sees afterwards when strangers were shed, why, and who decided it.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE access.attack_switches; DROP FUNCTION access.keep_attack_switch(); what was switched when is lost.

CREATE TABLE access.attack_switches (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    -- Whether strangers were shed from then on.
    shedding  boolean NOT NULL,
    mode      text NOT NULL,
    -- 'hand', or the sign that was measured.
    why       text NOT NULL,
    -- In the second before: requests of strangers and of people, and how late the threads were.
    strangers bigint NOT NULL,
    people    bigint NOT NULL,
    lag_ms    bigint NOT NULL,
    CONSTRAINT attack_modes CHECK (mode IN ('off', 'on', 'auto')),
    CONSTRAINT attack_whys CHECK (why IN ('hand', 'lag', 'spent', 'failing', 'quiet')),
    CONSTRAINT attack_counts CHECK (strangers >= 0 AND people >= 0 AND lag_ms >= 0)
);
CREATE INDEX attack_switches_at ON access.attack_switches (at);

CREATE FUNCTION access.keep_attack_switch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'when strangers were shed is evidence: it is neither changed nor removed';
END $$;
REVOKE ALL ON FUNCTION access.keep_attack_switch() FROM PUBLIC;
CREATE TRIGGER attack_switches_kept BEFORE UPDATE OR DELETE ON access.attack_switches
    FOR EACH ROW EXECUTE FUNCTION access.keep_attack_switch();
CREATE TRIGGER attack_switches_not_emptied BEFORE TRUNCATE ON access.attack_switches
    FOR EACH STATEMENT EXECUTE FUNCTION access.keep_attack_switch();

GRANT SELECT ON access.attack_switches TO amanah_engine;
GRANT INSERT (at, shedding, mode, why, strangers, people, lag_ms) ON access.attack_switches TO amanah_engine;
