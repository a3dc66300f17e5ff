//! Findings as SARIF 2.1.0, which code scanning and many viewers read.

use kernel::{shown, shown_lines};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Lint, Linted, RULES, Rule, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run over all of `linted`; `version` is the program's. A database is no file: what stands in
/// the place of a file's name is `databases/NAME`, because viewers want one, and the object is the
/// logical location.
pub fn sarif(linted: &[Linted], version: &str) -> Value {
    let rules: Vec<Value> = RULES.iter().map(rule).collect();
    let results: Vec<Value> = linted
        .iter()
        .flat_map(|one| one.findings.iter().map(|lint| result(&one.database, lint)))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "amanah tenant lint",
                "semanticVersion": version,
                "rules": rules,
            }},
            "automationDetails": {"id": "amanah/tenant-lint/"},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    // Numbers by which code scanning sorts; they are words there.
    let severity = match rule.severity {
        Severity::Leak => "8.8",
        Severity::Weak => "5.5",
        Severity::Note => "2.0",
    };
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": format!("{} Each finding carries the SQL that closes it.", rule.why)},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {
            "tags": ["security", "tenancy"],
            "channel": rule.channel,
            "security-severity": severity,
        },
    })
}

fn result(database: &str, lint: &Lint) -> Value {
    let path: String = database.bytes().map(encoded).collect();
    json!({
        "ruleId": lint.rule.id,
        "ruleIndex": RULES.iter().position(|rule| rule.id == lint.rule.id),
        "level": level(lint.rule.severity),
        "message": {"text": message(lint)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": format!("databases/{path}")},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{
                "name": lint.object,
                "fullyQualifiedName": format!("{database}/{}", lint.object),
                "kind": lint.kind,
            }],
        }],
        "partialFingerprints": {"amanahObject/v1": fingerprint(database, lint)},
        "properties": {"database": database, "who": lint.rule.who, "fix": lint.fix},
    })
}

/// Brackets make a link in such a text, and names are others': they are escaped, and so is what would
/// hide or turn around the rest.
fn message(lint: &Lint) -> String {
    let (object, what, fix) = (shown(&lint.object), shown(&lint.what), shown_lines(&lint.fix));
    let text = format!("{object}: {what}. To close it:\n{fix}");
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Leak => "error",
        Severity::Weak => "warning",
        Severity::Note => "note",
    }
}

/// The same finding has the same one in every run, whatever else was found.
fn fingerprint(database: &str, lint: &Lint) -> String {
    let mut hash = Sha256::new();
    for part in [database, lint.rule.id, &lint.kind, &lint.object, &lint.what] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    kernel::hex(&hash.finalize())
}

/// A byte as a path of an address may hold it.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
