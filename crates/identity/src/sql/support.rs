//! The statements about sessions that rest on a grant of support. Every value is bound.

/// Parameters: new token's SHA-256, old token's, now, idle end, the grant's end, grant. One row when
/// the old session lives and rests on no grant itself. What its holder proved, and when, stays as it
/// was: entering is no proof.
pub(crate) const ENTER: &str = "\
    INSERT INTO identity.sessions (token_sha256, account, epoch, tenant_epoch, strength, authenticated_at, \
        created_at, last_seen_at, idle_expires_at, absolute_expires_at, support, agent) \
    SELECT $1, s.account, s.epoch, s.tenant_epoch, s.strength, s.authenticated_at, $3, $3, \
        least($4, $5, s.absolute_expires_at), least($5, s.absolute_expires_at), $6::text::uuid, s.agent \
    FROM identity.sessions s JOIN identity.accounts a ON a.id = s.account \
    WHERE s.token_sha256 = $2 AND s.revoked_at IS NULL AND s.support IS NULL AND s.epoch = a.epoch \
        AND a.disabled_at IS NULL AND s.idle_expires_at > $3 AND s.absolute_expires_at > $3";
