//! Documents as PostgreSQL prints JSONB, taken apart without reading a number: what is handed out is
//! what stands in the trail, to the last digit.

/// The members of an object, each with the text of its value; none of what is no object.
pub(crate) fn members(text: &str) -> Vec<(String, &str)> {
    let mut all = Vec::new();
    let Some(mut rest) = text.trim().strip_prefix('{') else { return all };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let Some((name, after)) = value(rest) else { return all };
        let Some(after) = after.trim_start().strip_prefix(':') else { return all };
        let (Ok(name), Some((held, after))) =
            (serde_json::from_str(name), value(after.trim_start()))
        else {
            return all;
        };
        all.push((name, held));
        rest = after;
    }
}

/// The elements of an array; none of what is no array.
pub(super) fn elements(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let Some(mut rest) = text.trim().strip_prefix('[') else { return all };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let Some((held, after)) = value(rest) else { return all };
        all.push(held);
        rest = after;
    }
}

/// The value at the beginning of `text`, and what comes behind it.
fn value(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b':' | b'}' | b']' if depth == 0 => {
                return (at > 0).then(|| text.split_at(at));
            }
            _ => {}
        }
    }
    (!text.is_empty() && depth == 0 && !quoted).then(|| text.split_at(text.len()))
}

/// `over` laid on `under`, as `||` does it in SQL.
pub(super) fn laid(under: &str, over: &str) -> String {
    let (mut all, more) = (members(under), members(over));
    for (name, held) in more {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some(member) => member.1 = held,
            None => all.push((name, held)),
        }
    }
    let quoted = |name: &str| serde_json::Value::from(name).to_string();
    let all: Vec<String> =
        all.iter().map(|(name, held)| format!("{}: {held}", quoted(name))).collect();
    format!("{{{}}}", all.join(", "))
}

/// A value as people read it, and as `->>` gives it: a text without its quotes.
pub(super) fn plain(value: &str) -> String {
    serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{laid, members};

    const TEXT: &str =
        r#"{"a": 1.00, "b\"}": "x, \"y\": {", "c": {"d": [1, {"e": null}]}, "f": []}"#;

    #[test]
    fn members_keep_their_text() {
        let wanted = [
            ("a", "1.00"),
            ("b\"}", r#""x, \"y\": {""#),
            ("c", r#"{"d": [1, {"e": null}]}"#),
            ("f", "[]"),
        ];
        assert_eq!(members(TEXT), wanted.map(|(name, held)| (name.to_owned(), held)));
        for none in ["", "{}", "[1]", "null", "{\"a\"", "{\"a\": {", "{\"a\": \"x"] {
            assert_eq!(members(none), [], "{none}");
        }
    }

    #[test]
    fn what_is_laid_over_counts() {
        let whole = laid(r#"{"a": 1, "b": 12345678901234567890.10}"#, r#"{"a": "x", "c": true}"#);
        assert_eq!(whole, r#"{"a": "x", "b": 12345678901234567890.10, "c": true}"#);
    }
}
