//! The statements about accounts that a tenant's directory has in hand. Every value is bound.

/// Parameters: e-mail, name, tenant, hash, now, language. One row when the address was free.
pub(crate) const PROVISION: &str = "\
    INSERT INTO identity.accounts (email, display_name, tenant, password_hash, created_at, directory, \
        provisioned) \
    VALUES ($1, $2, $3, $4, $5, true, true) ON CONFLICT DO NOTHING RETURNING id::text";

/// Parameters: e-mail, tenant. At most one row: id, whether it is closed, whether a directory closed it.
pub(crate) const IN_HAND: &str = "\
    SELECT id::text, disabled_at IS NOT NULL, closed_by_directory FROM identity.accounts \
    WHERE lower(email) = lower($1) AND tenant = $2 AND directory";

/// Parameters: e-mail, tenant. At most one row: id, name. A service has no password, and is nobody.
pub(crate) const ADOPT: &str = "\
    UPDATE identity.accounts SET directory = true \
    WHERE lower(email) = lower($1) AND tenant = $2 AND disabled_at IS NULL \
        AND password_hash IS NOT NULL RETURNING id::text, display_name";

/// Parameters: account. At most one row: e-mail, whether it is closed, whether a directory closed it.
pub(crate) const ADDRESS_OF: &str = "\
    SELECT email, disabled_at IS NOT NULL, closed_by_directory FROM identity.accounts \
    WHERE id = $1::text::uuid AND directory FOR UPDATE";

/// Parameters: account, e-mail, name, language. With another address everything is over that was given
/// out.
pub(crate) const CHANGE: &str = "\
    UPDATE identity.accounts SET epoch = epoch + (email <> $2)::integer, email = $2, \
        display_name = $3, language = $4 \
    WHERE id = $1::text::uuid AND directory";

/// Parameters: account, hash. One row when a directory had closed it.
pub(crate) const REOPEN: &str = "\
    UPDATE identity.accounts SET disabled_at = NULL, closed_by_directory = false, \
        epoch = epoch + 1, password_hash = $2 \
    WHERE id = $1::text::uuid AND directory AND closed_by_directory RETURNING id::text";

/// Parameters: account. Whether it is open.
pub(crate) const IS_OPEN: &str = "\
    SELECT disabled_at IS NULL FROM identity.accounts WHERE id = $1::text::uuid AND directory";

/// Parameters: accounts. Rows: id of each that is open.
pub(crate) const OPEN_OF: &str = "\
    SELECT id::text FROM identity.accounts \
    WHERE id = ANY ($1::text[]::uuid[]) AND disabled_at IS NULL";

/// Parameters: account, now, how many leave for a tenant in an hour, how many an address gets, since when
/// those are counted, until when one has to leave. To the address and in the language of the account. It
/// leaves at once, or an hour after the first of as many as a tenant may have.
pub(crate) const QUEUE_WELCOME: &str = "\
    WITH whose AS (SELECT id, email, language, tenant FROM identity.accounts WHERE id = $1::text::uuid), \
    due AS (SELECT greatest($2::timestamptz, (SELECT l.due_at + interval '1 hour' \
        FROM identity.letters l JOIN identity.accounts a ON a.id = l.account \
        WHERE l.kind = 'provisioned' AND a.tenant = (SELECT tenant FROM whose) \
        ORDER BY l.due_at DESC OFFSET $3::bigint - 1 LIMIT 1)) AS at) \
    INSERT INTO identity.letters (kind, recipient, account, language, queued_at, due_at) \
    SELECT 'provisioned', w.email, w.id, w.language, $2, due.at FROM whose w, due \
    WHERE due.at < $6 AND $4 > (SELECT count(*) FROM identity.letters l \
        WHERE l.recipient = w.email AND l.kind = 'provisioned' AND l.queued_at > $5)";

/// Parameters: account, now, hash. As `SHUT` of the ends of accounts, by a directory, which may open it
/// again. What people closed stays theirs.
pub(crate) const SHUT: &str = "\
    UPDATE identity.accounts a SET epoch = a.epoch + 1, \
        closed_by_directory = CASE WHEN o.open THEN a.directory ELSE a.closed_by_directory END, \
        disabled_at = coalesce(a.disabled_at, $2), \
        password_hash = CASE WHEN a.password_hash IS NOT NULL THEN $3 END \
    FROM (SELECT id, disabled_at IS NULL AS open FROM identity.accounts \
        WHERE id = $1::text::uuid FOR NO KEY UPDATE) o \
    WHERE a.id = o.id RETURNING a.email, a.tenant, o.open";

/// Parameters: tenant. Whether its people are shut out.
pub(crate) const IS_SUSPENDED: &str = "\
    SELECT EXISTS (SELECT FROM identity.tenants WHERE tenant = $1 AND suspended_at IS NOT NULL)";
