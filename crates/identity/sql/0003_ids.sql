-- Why: everything that an account has out can be ended in one write (its epoch), a session has a name that is no secret,
-- and says how its holder proved who they are, when, and under which grant of support it acts.
-- Lock: ACCESS EXCLUSIVE on both tables for an instant; constant defaults rewrite nothing.
-- Undo: ALTER TABLE ... DROP COLUMN for each; sessions that were opened since live on.

ALTER TABLE identity.accounts ADD COLUMN epoch integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN identity.accounts.epoch IS
    'Whatever was given out under another number is over.';

ALTER TABLE identity.sessions
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN epoch integer NOT NULL DEFAULT 0,
    ADD COLUMN strength smallint NOT NULL DEFAULT 1,
    ADD COLUMN authenticated_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN support uuid,
    ADD CONSTRAINT sessions_strength_known CHECK (strength BETWEEN 1 AND 3),
    ADD CONSTRAINT sessions_id UNIQUE (id);
-- Sessions from before: their sign-in is when they were proven.
UPDATE identity.sessions SET authenticated_at = created_at;
ALTER TABLE identity.sessions ALTER COLUMN authenticated_at DROP DEFAULT;

GRANT UPDATE (epoch) ON identity.accounts TO amanah_engine;
GRANT INSERT (epoch, strength, authenticated_at, support) ON identity.sessions TO amanah_engine;
