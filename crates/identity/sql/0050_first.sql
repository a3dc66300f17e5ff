-- Why: an account that never signed in sets up its factors in its first sign-in, and one that did has to have
-- them before a role asks for them; letters and invitations are counted by what they are about; seeds can be
-- sealed anew under the next version of their key; what a program got goes along when its session is renewed.
-- Lock: ACCESS EXCLUSIVE on identity.accounts and SHARE on identity.letters and identity.invitations, for an
-- instant; the column is filled from what is there.
-- Undo: ALTER TABLE identity.accounts DROP COLUMN first_signed_in_at; DROP INDEX identity.letters_account,
-- identity.invitations_email; REVOKE UPDATE (seed_sealed) ON identity.totp, UPDATE (session) ON identity.families
-- FROM amanah_engine.

ALTER TABLE identity.accounts ADD COLUMN first_signed_in_at timestamptz;
COMMENT ON COLUMN identity.accounts.first_signed_in_at IS
    'When its holder first had a session by a password. Nobody, as long as it is NULL, could have set up a factor.';
-- Who has anything that comes of a sign-in has signed in.
UPDATE identity.accounts a SET first_signed_in_at = a.created_at
    WHERE EXISTS (SELECT FROM identity.sessions s WHERE s.account = a.id)
        OR EXISTS (SELECT FROM identity.browsers b WHERE b.account = a.id)
        OR EXISTS (SELECT FROM identity.api_keys k WHERE k.made_by = a.id)
        OR EXISTS (SELECT FROM identity.passkeys p WHERE p.account = a.id)
        OR EXISTS (SELECT FROM identity.totp t WHERE t.account = a.id AND t.confirmed_at IS NOT NULL);
GRANT UPDATE (first_signed_in_at) ON identity.accounts TO amanah_engine;

CREATE INDEX letters_account ON identity.letters (account, kind, queued_at) WHERE account IS NOT NULL;
CREATE INDEX invitations_email ON identity.invitations (email, invited_at);

GRANT UPDATE (seed_sealed) ON identity.totp TO amanah_engine;
GRANT UPDATE (session) ON identity.families TO amanah_engine;
