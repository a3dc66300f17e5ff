//! Names in SQL text. Values are always bound; a name cannot be, so it is quoted here.

/// `name` as a quoted identifier: `say "hi"` becomes `"say ""hi"""`.
///
/// PostgreSQL has no escape other than the doubled quote inside an identifier, and its protocol
/// cannot carry a zero byte in a statement, so the result is always one identifier.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema` and `name` as a quoted, qualified identifier.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// `text` as a quoted literal, for the few statements that take no parameters (`CREATE ROLE …
/// PASSWORD`, `COMMENT`).
pub fn literal(text: &str) -> String {
    // The `E` form reads the same whatever `standard_conforming_strings` says.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{literal, qualified};

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(qualified("a\"b", "c"), "\"a\"\"b\".\"c\"");
        assert_eq!(literal("o'brien\\"), "E'o''brien\\\\'");
    }
}
