//! What each column that may hold a secret is declared to be, and whether it is.
//!
//! A column declares itself in its comment: `amanah: sealed` holds ciphertexts of ours alone,
//! `amanah: hashed` holds what cannot be turned back, `amanah: clear` was looked at by somebody
//! who found that it holds no secret. The values themselves never leave the database: it is asked
//! for counts.

use std::collections::BTreeSet;

use kernel::Finding;
use store::{Db, Row, ident, literal, qualified};

use super::super::{Seen, sql};
use crate::{Keys, Result};

/// Words in a column's name, without what stands between them, that say it holds a secret.
const WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "totp",
    "otpseed",
    "privatekey",
    "signingkey",
    "refreshkey",
    "credential",
    "mnemonic",
];
/// Whole names that say so.
const NAMES: [&str; 5] = ["pwd", "otp", "seed", "refresh", "pin"];
/// What such a name may end with and hold no secret.
const HARMLESS: [&str; 4] = ["_id", "_type", "_name", "_kind"];
/// Where the id itself is what gives access, as often as not: `session_token_id`, `secret_id`.
const TELLING_IDS: [&str; 2] = ["token_id", "secret_id"];
/// Versions of keys whose ciphertexts are told apart in one column.
const MAX_IDS: i64 = 20_000;
/// How many declarations are named.
const NAMED: usize = 5;

/// What a comment declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    Sealed,
    Hashed,
    Clear,
}

struct Column {
    schema: String,
    table: String,
    name: String,
    declared: Option<Declared>,
    base: String,
    hidden: bool,
    /// Of a type that holds a truth value or a time, and never a secret.
    idle: bool,
}

impl Column {
    fn read(row: &Row) -> Self {
        Self {
            schema: row.get(0),
            table: row.get(1),
            name: row.get(2),
            declared: declared(row.get(3)),
            base: row.get(4),
            hidden: row.get(5),
            idle: row.get(6),
        }
    }

    fn label(&self) -> String {
        format!("{}.{}.{}", self.schema, self.table, self.name)
    }

    /// The column as text, in SQL; `None` for a type whose values are not one text.
    ///
    /// A cast from a type that is not PostgreSQL's own could be a function of the owner's, which
    /// must not run with our rights; `format` calls the type's own output alone.
    fn value(&self) -> Option<String> {
        let column = format!("t.{}", ident(&self.name));
        match self.base.as_str() {
            "text" | "varchar" | "bpchar" | "uuid" | "xml" => Some(format!("{column}::text")),
            "bytea" => Some(format!("encode({column}, 'escape')")),
            "json" | "jsonb" => Some(format!("({column} #>> '{{}}')")),
            other if other.ends_with(".citext") => Some(nullable(&column)),
            _ => None,
        }
    }

    /// How to declare it.
    fn fix(&self) -> String {
        let column = format!("{}.{}", qualified(&self.schema, &self.table), ident(&self.name));
        format!(
            "Seal it, then: COMMENT ON COLUMN {column} IS {}; where it holds a hash or no secret, \
             write amanah: hashed or amanah: clear instead",
            literal("amanah: sealed")
        )
    }
}

/// `format` makes an empty text of a value that is not there.
fn nullable(column: &str) -> String {
    format!("CASE WHEN {column} IS NOT NULL THEN pg_catalog.format('%s', {column}) END")
}

/// Looks at every column of `db`. `keys` knows the versions that seal.
pub(super) async fn look(db: &Db, keys: &Keys) -> Result<Seen> {
    let known = known(keys)?;
    let tx = db.operator().await?;
    tx.batch(sql::LOOK).await?;
    let columns: Vec<Column> =
        tx.query(sql::COLUMNS, &[]).await?.iter().map(Column::read).collect();
    let mut seen = Seen::default();
    let (mut hashed, mut clear, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for column in &columns {
        match column.declared {
            Some(Declared::Sealed) => match sealed_by(&tx, column).await {
                // Where nothing is, nothing was looked at.
                Ok(Ok(by)) if by.is_empty() => empty.push(column.label()),
                Ok(Ok(by)) => seen.add(weigh(column, &by, &known)),
                Ok(Err(why)) => seen.add(unclear(column, &why)),
                // The transaction is lost; the columns that are left were not looked at.
                Err(error) => seen.add(unclear(column, &error.to_string())),
            },
            // Nobody looked into it, so it counts for nothing.
            Some(Declared::Hashed) => hashed.push(column.label()),
            Some(Declared::Clear) => clear.push(column.label()),
            None if is_secretive(&column.name) && !column.idle => {
                let what = "has the name of a secret, and nobody declared how it is kept";
                seen.bad(Finding::new(column.label(), what).fix(column.fix()));
            }
            None => {}
        }
    }
    // Nothing was written. A transaction that was lost is rolled back by itself.
    drop(tx.rollback().await);
    if !seen.has_any() {
        seen.notes.push("no sealed value is in it, so nothing in it was tested".to_owned());
    }
    for (what, names) in [
        ("declared to hold hashes, and believed", hashed),
        ("declared to hold no secret, and believed", clear),
        ("declared sealed, and empty", empty),
    ] {
        if !names.is_empty() {
            seen.notes.push(format!("{what}: {}", listed(&names)));
        }
    }
    Ok(seen)
}

fn unclear(column: &Column, why: &str) -> Seen {
    let mut seen = Seen::default();
    seen.open(format!("{}: {why}", column.label()));
    seen
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text = format!("{text} and {} more", names.len() - NAMED);
    }
    text
}

/// By which version how many values were sealed; by none, those that are no ciphertext.
type By = Vec<(Option<String>, i64)>;

async fn sealed_by(tx: &store::Tx, column: &Column) -> Result<std::result::Result<By, String>> {
    if column.hidden {
        return Ok(Err("its rows are hidden from this login: give Amanah a superuser".to_owned()));
    }
    let Some(value) = column.value() else {
        return Ok(Err(format!("values of type {} cannot be tested", column.base)));
    };
    let sql = sql::sealed_by(&value, &qualified(&column.schema, &column.table));
    let rows = tx.attempt(&sql, &[&MAX_IDS]).await?;
    Ok(rows
        .map(|rows| rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        .map_err(|error| error.to_string()))
}

fn weigh(column: &Column, by: &By, known: &BTreeSet<String>) -> Seen {
    let mut seen = Seen::default();
    let (mut clear, mut strange, mut total) = (0, 0, 0);
    for (id, count) in by {
        total += count;
        match id {
            None => clear += count,
            Some(id) if !known.contains(id) => strange += count,
            Some(_) => {}
        }
    }
    let finding = |count: i64, what: &str| {
        Finding::new(column.label(), format!("{count} of {total} values {what}"))
            .fix("Encrypt them through the keys' API, and overwrite what is there")
    };
    seen.count(1);
    if clear > 0 {
        seen.findings.push(finding(clear, "are not sealed, and it is declared to be"));
    }
    if strange > 0 {
        seen.findings.push(finding(strange, "name a key that this ring has never held"));
    }
    if i64::try_from(by.len()).is_ok_and(|rows| rows >= MAX_IDS) {
        seen.open(format!("{}: more keys are named in it than are counted", column.label()));
    }
    seen
}

/// The ids of every version that the ring holds, or held and destroyed.
fn known(keys: &Keys) -> Result<BTreeSet<String>> {
    let live = keys.list().into_iter().flat_map(|card| card.versions).map(|version| version.id);
    let buried = keys.ring()?.tombstones.into_iter().flat_map(|stone| stone.ids);
    Ok(live.chain(buried).collect())
}

/// What a comment declares. Where it declares two things, the stricter one counts.
fn declared(comment: &str) -> Option<Declared> {
    let comment = comment.to_ascii_lowercase();
    [
        ("amanah: sealed", Declared::Sealed),
        ("amanah: hashed", Declared::Hashed),
        ("amanah: clear", Declared::Clear),
    ]
    .into_iter()
    .find_map(|(words, declared)| comment.contains(words).then_some(declared))
}

fn is_secretive(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    let harmless = HARMLESS.iter().any(|end| lower.ends_with(end))
        && !TELLING_IDS.iter().any(|end| lower.ends_with(end));
    !harmless && (NAMES.contains(&plain.as_str()) || WORDS.iter().any(|word| plain.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::{Declared, declared, is_secretive};

    #[test]
    fn names_of_secrets_are_known_however_they_are_written() {
        for name in [
            "password",
            "user_passwd",
            "clientSecret",
            "API_KEY",
            "apiKey",
            "refresh_token",
            "totp",
            "otp_seed",
            "private-key",
            "refresh",
            "token_sha256",
            "secret_id",
            "session_token_id",
            "PIN",
        ] {
            assert!(is_secretive(name), "{name}");
        }
        for name in
            ["email", "price", "credential_id", "secret_type", "refreshed_at", "key", "pinned"]
        {
            assert!(!is_secretive(name), "{name}");
        }
    }

    #[test]
    fn a_comment_declares_and_the_stricter_word_counts() {
        assert_eq!(declared("The seed. Amanah: Sealed."), Some(Declared::Sealed));
        assert_eq!(declared("amanah: clear, amanah: sealed"), Some(Declared::Sealed));
        assert_eq!(declared("amanah: hashed (bcrypt)"), Some(Declared::Hashed));
        assert_eq!(declared("sealed"), None);
    }
}
