//! The attacks by request, as data: what is asked in whose name, and what may come back.

/// What may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// The very answer that a file of one's own gets which is not there.
    Missing,
    /// A refusal, whichever.
    Refusal,
    /// Whatever a tenant may do with its own files, and nothing of another's.
    Own,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// The attacker, with a good token of its own.
    Attacker,
    /// Somebody without a token.
    Nobody,
    /// Somebody with one that was made up.
    Stranger,
}

/// One attack. In the target and the headers, `{a}` stands for the attacker, `{b}` for the attacked,
/// `{f}` for the name of its file, each encoded once, `{etag}`, `{prefix}`, `{object}` and `{cursor}`
/// for what belongs to that file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) name: &'static str,
    pub(super) who: As,
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) header: Option<(&'static str, &'static str)>,
    pub(super) wants: Wants,
}

const fn ask(name: &'static str, method: &'static str, target: &'static str, wants: Wants) -> Ask {
    Ask { name, who: As::Attacker, method, target, header: None, wants }
}

const fn with(ask: Ask, name: &'static str, value: &'static str) -> Ask {
    Ask { header: Some((name, value)), ..ask }
}

const fn by(who: As, ask: Ask) -> Ask {
    Ask { who, ..ask }
}

use Wants::{Missing, Own, Refusal};

/// The file that is gone for.
const FILE: &str = "/api/v1/tenants/{b}/files/{f}";
/// All of that tenant's.
const LIST: &str = "/api/v1/tenants/{b}/files";

pub(super) const ASKS: &[Ask] = &[
    // By the straight way.
    ask("read", "GET", FILE, Missing),
    ask("head", "HEAD", FILE, Missing),
    ask("list", "GET", LIST, Missing),
    ask("list-prefix", "GET", "/api/v1/tenants/{b}/files?prefix={f}", Missing),
    ask("overwrite", "PUT", FILE, Missing),
    ask("create", "PUT", "/api/v1/tenants/{b}/files/planted", Missing),
    ask("delete", "DELETE", FILE, Missing),
    with(ask("range", "GET", FILE, Missing), "Range", "bytes=0-9"),
    with(ask("range-suffix", "GET", FILE, Missing), "Range", "bytes=-10"),
    with(ask("range-beyond", "GET", FILE, Missing), "Range", "bytes=99999999-"),
    // Without a good token.
    by(As::Nobody, ask("no-token", "GET", FILE, Refusal)),
    by(As::Stranger, ask("made-up-token", "GET", FILE, Refusal)),
    // By what answers to conditions could tell.
    with(ask("etag-oracle-right", "GET", FILE, Missing), "If-None-Match", "\"{etag}\""),
    with(ask("etag-oracle-any", "HEAD", FILE, Missing), "If-None-Match", "*"),
    with(ask("etag-overwrite", "PUT", FILE, Missing), "If-Match", "\"{etag}\""),
    with(ask("exists-oracle", "PUT", FILE, Missing), "If-None-Match", "*"),
    with(ask("etag-delete", "DELETE", FILE, Missing), "If-Match", "\"{etag}\""),
    // By the attacker's own list.
    ask("list-own", "GET", "/api/v1/tenants/{a}/files?limit=1000", Own),
    ask("list-own-prefix", "GET", "/api/v1/tenants/{a}/files?prefix={f}", Own),
    ask("cursor", "GET", "/api/v1/tenants/{a}/files?cursor={cursor}", Refusal),
    ask(
        "cursor-forged",
        "GET",
        "/api/v1/tenants/{a}/files?cursor=00000000000000000000000000000000",
        Refusal,
    ),
    ask("query-tenant", "GET", "/api/v1/tenants/{a}/files?tenant={b}", Refusal),
    // By naming two tenants.
    with(
        ask("namespace", "GET", "/api/v1/tenants/{a}/files/{f}", Refusal),
        "X-Vault-Namespace",
        "{b}",
    ),
    ask("query-on-file", "GET", "/api/v1/tenants/{a}/files/{f}?tenant={b}", Refusal),
    // By names and paths.
    ask("guess", "GET", "/api/v1/tenants/{a}/files/{f}", Missing),
    ask("object-name", "GET", "/api/v1/tenants/{a}/files/{object}", Missing),
    ask("object-path", "GET", "/api/v1/tenants/{a}/files/..%2F{prefix}%2F{object}", Missing),
    ask("tenant-is-prefix", "GET", "/api/v1/tenants/{prefix}/files/{object}", Missing),
    ask("traverse", "GET", "/api/v1/tenants/{a}/files/../../{b}/files/{f}", Missing),
    ask("traverse-path", "GET", "/api/v1/tenants/{a}/../{b}/files/{f}", Refusal),
    ask(
        "traverse-encoded",
        "GET",
        "/api/v1/tenants/{a}/files/..%2F..%2F{b}%2Ffiles%2F{f}",
        Missing,
    ),
    ask("traverse-twice", "GET", "/api/v1/tenants/{a}/files/%252e%252e%252f{b}%252f{f}", Missing),
    ask("traverse-sibling", "GET", "/api/v1/tenants/{a}/files/..%2F{b}%2F{f}", Missing),
    ask("traverse-in-tenant", "GET", "/api/v1/tenants/{a}%2F..%2F{b}/files/{f}", Missing),
    ask(
        "traverse-overlong",
        "GET",
        "/api/v1/tenants/{a}/files/%c0%ae%c0%ae%c0%af{b}%c0%af{f}",
        Refusal,
    ),
    ask(
        "traverse-look-alike",
        "GET",
        "/api/v1/tenants/{a}/files/%E2%80%A5%E2%81%84{b}%E2%81%84{f}",
        Missing,
    ),
    ask(
        "traverse-full-width",
        "GET",
        "/api/v1/tenants/{a}/files/%EF%BC%8E%EF%BC%8E%EF%BC%8F{b}%EF%BC%8F{f}",
        Missing,
    ),
    ask("traverse-windows", "GET", "/api/v1/tenants/{a}/files/..%5C..%5C{b}%5C{f}", Missing),
    ask("drive", "GET", "/api/v1/tenants/{a}/files/C%3A%5C{f}", Missing),
    ask("absolute", "GET", "/api/v1/tenants/{a}/files/%2Fetc%2Fpasswd", Missing),
    ask("zero-byte", "GET", "/api/v1/tenants/{a}/files/{f}%00", Missing),
    ask("zero-byte-tenant", "GET", "/api/v1/tenants/{b}%00/files/{f}", Refusal),
    ask("trailing-dot", "GET", "/api/v1/tenants/{b}./files/{f}", Missing),
    ask("trailing-space", "GET", "/api/v1/tenants/{b}%20/files/{f}", Missing),
    ask("case-twin", "GET", "/api/v1/tenants/AMANAH-CANARY-B/files/{f}", Missing),
    ask("pattern", "GET", "/api/v1/tenants/{a}/files/%25", Missing),
    ask("double-slash", "GET", "//api/v1/tenants/{b}/files/{f}", Refusal),
    ask("whole-address", "GET", "http://127.0.0.1/api/v1/tenants/{b}/files/{f}", Refusal),
    // Writing and removing by the same ways: what comes about is the attacker's own.
    ask("write-traverse", "PUT", "/api/v1/tenants/{a}/files/..%2F..%2F{b}%2Ffiles%2F{f}", Own),
    ask("write-sibling", "PUT", "/api/v1/tenants/{a}/files/..%2F{b}%2F{f}", Own),
    ask("write-object", "PUT", "/api/v1/tenants/{a}/files/..%2F{prefix}%2F{object}", Own),
    ask("write-guess", "PUT", "/api/v1/tenants/{a}/files/{f}", Own),
    ask("delete-traverse", "DELETE", "/api/v1/tenants/{a}/files/..%2F..%2F..%2F{b}%2F{f}", Missing),
    ask("delete-own-twin", "DELETE", "/api/v1/tenants/{a}/files/{f}", Own),
];
