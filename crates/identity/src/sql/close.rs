//! The statements that end everything an account has. Every value is bound.

/// Parameters: e-mail. At most one row: id, tenant, disabled.
pub(crate) const BY_EMAIL: &str = "\
    SELECT id::text, tenant, disabled_at IS NOT NULL FROM identity.accounts WHERE email = $1";

/// Parameters: account, now, hash. One row: e-mail, tenant, whether it was open. Nothing that was given
/// out before counts afterwards, whatever becomes of the rows below. People have closed it then, and no
/// directory opens it again.
pub(crate) const SHUT: &str = "\
    UPDATE identity.accounts a SET epoch = a.epoch + 1, disabled_at = coalesce(a.disabled_at, $2), \
        closed_by_directory = false, \
        password_hash = CASE WHEN a.password_hash IS NOT NULL THEN $3 END \
    FROM (SELECT id, disabled_at IS NULL AS open FROM identity.accounts \
        WHERE id = $1::text::uuid FOR NO KEY UPDATE) o \
    WHERE a.id = o.id RETURNING a.email, a.tenant, o.open";

/// Rows: table and column of this schema that name an account.
pub(crate) const NAMING: &str = "\
    SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_constraint k \
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) \
    WHERE k.contype = 'f' AND k.confrelid = 'identity.accounts'::regclass \
    UNION \
    SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE c.relnamespace = 'identity'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'account' \
    ORDER BY 1, 2";

/// What becomes of the rows of one table that name an account in one column.
pub(crate) struct Rule {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// What they are, in the plural, for the report.
    pub(crate) what: &'static str,
    pub(crate) fate: Fate,
}

/// What becomes of rows.
pub(crate) enum Fate {
    /// They are ended by this statement, with the account and the time bound.
    End(&'static str),
    /// They stay, because they open nothing.
    Stay,
    /// They go to whoever takes over, or end with the account.
    Inherit,
}

/// Every place that names an account. A test fails on one that is not here.
pub(crate) const RULES: [Rule; 17] = [
    Rule::end(
        "sessions",
        "account",
        "sessions",
        "\
        UPDATE identity.sessions SET revoked_at = $2 WHERE account = $1::text::uuid AND revoked_at IS NULL",
    ),
    Rule::end(
        "families",
        "account",
        "refresh families",
        "\
        UPDATE identity.families SET revoked_at = $2, revoked_why = 'the account was closed' \
        WHERE account = $1::text::uuid AND revoked_at IS NULL",
    ),
    Rule::end(
        "api_keys",
        "account",
        "API keys",
        "\
        UPDATE identity.api_keys SET revoked_at = $2 WHERE account = $1::text::uuid AND revoked_at IS NULL",
    ),
    Rule::end(
        "api_keys",
        "made_by",
        "keys of services that they made",
        "\
        UPDATE identity.api_keys SET revoked_at = $2 WHERE made_by = $1::text::uuid AND revoked_at IS NULL",
    ),
    Rule::end(
        "totp",
        "account",
        "authenticator apps",
        "\
        DELETE FROM identity.totp WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "recovery_codes",
        "account",
        "recovery codes",
        "\
        DELETE FROM identity.recovery_codes WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "passkeys",
        "account",
        "passkeys",
        "\
        DELETE FROM identity.passkeys WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "challenges",
        "account",
        "passkey ceremonies",
        "\
        DELETE FROM identity.challenges WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "pending",
        "account",
        "half-way sign-ins",
        "\
        DELETE FROM identity.pending WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::stay("guesses", "account", "counts of wrong guesses"),
    Rule::end(
        "resets",
        "account",
        "password resets",
        "\
        DELETE FROM identity.resets WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "browsers",
        "account",
        "known browsers",
        "\
        DELETE FROM identity.browsers WHERE account = $1::text::uuid AND $2::timestamptz IS NOT NULL",
    ),
    Rule::end(
        "invitations",
        "invited_by",
        "invitations that they sent",
        "\
        UPDATE identity.invitations SET withdrawn_at = $2 \
        WHERE invited_by = $1::text::uuid AND withdrawn_at IS NULL AND accepted_at IS NULL",
    ),
    Rule::stay("invitations", "account", "invitations that they accepted"),
    Rule::stay("invitations", "gave_way", "invitations that they gave way to"),
    Rule::stay("letters", "account", "letters to them"),
    Rule { table: "accounts", column: "owner", what: "services", fate: Fate::Inherit },
];

impl Rule {
    const fn end(
        table: &'static str,
        column: &'static str,
        what: &'static str,
        statement: &'static str,
    ) -> Self {
        Self { table, column, what, fate: Fate::End(statement) }
    }

    const fn stay(table: &'static str, column: &'static str, what: &'static str) -> Self {
        Self { table, column, what, fate: Fate::Stay }
    }
}

/// Parameters: account, successor. Rows: e-mail of each service that goes over.
pub(crate) const HAND_OVER: &str = "\
    UPDATE identity.accounts SET owner = $2::text::uuid WHERE owner = $1::text::uuid \
        AND disabled_at IS NULL RETURNING email";

/// Parameters: account, now. Rows: e-mail of each service that ends with whoever answered for it.
pub(crate) const END_SERVICES: &str = "\
    UPDATE identity.accounts SET epoch = epoch + 1, disabled_at = $2 WHERE owner = $1::text::uuid \
        AND disabled_at IS NULL RETURNING email";

/// Parameters: account. One row: how many apps, recovery codes and passkeys are stored.
pub(crate) const COUNT_FACTORS: &str = "\
    SELECT (SELECT count(*) FROM identity.totp WHERE account = $1::text::uuid) \
        + (SELECT count(*) FROM identity.recovery_codes WHERE account = $1::text::uuid) \
        + (SELECT count(*) FROM identity.passkeys WHERE account = $1::text::uuid)";

/// Run by the owner of the control database: removes synthetic people who were closed, and services
/// of the proofs' people that are an hour old or whose owner is closed.
pub(crate) const FORGET_LEAVERS: &str = "\
    DELETE FROM identity.accounts a \
    WHERE (a.synthetic AND a.email LIKE 'leaver-%' AND a.disabled_at IS NOT NULL) \
        OR EXISTS (SELECT FROM identity.accounts o \
            WHERE o.id = a.owner AND o.synthetic \
                AND (o.disabled_at IS NOT NULL OR a.created_at < now() - interval '1 hour'))";

/// Parameters: token's SHA-256, seconds. Run by the owner of the control database: somebody synthetic
/// proved who they are so much longer ago.
pub(crate) const AGE_PROOF: &str = "\
    UPDATE identity.sessions s \
    SET authenticated_at = s.authenticated_at - make_interval(secs => $2::bigint) \
    FROM identity.accounts a \
    WHERE s.token_sha256 = $1 AND a.id = s.account AND a.synthetic";
