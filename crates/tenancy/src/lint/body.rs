//! Reading SQL that PostgreSQL has printed, far enough to mend a call in it.

/// Whether a function is called bare for each row: `ALTER POLICY` with each such call inside
/// `(SELECT …)`. The material is the head of that statement, the condition for reading, that for
/// writing, and the names of functions that are worth it. A call that is given a column cannot be
/// made once for a statement and is left.
pub(super) fn wrapped(material: &[String]) -> Option<String> {
    let [head, using, checking, names @ ..] = material else { return None };
    let (using_now, checking_now) = (wrap(using, names), wrap(checking, names));
    if using_now == *using && checking_now == *checking {
        return None;
    }
    let mut fix = head.clone();
    for (word, condition) in [("USING", using_now), ("WITH CHECK", checking_now)] {
        if !condition.is_empty() {
            fix = format!("{fix}\n  {word} ({condition})");
        }
    }
    Some(fix)
}

/// The same function without anything in the payloads of its notifications, or none when all of
/// them are plain texts already.
pub(super) fn unsaid(material: &[String]) -> Option<String> {
    let tokens = tokens(material.first()?);
    let (mut out, mut at, mut changed) = (String::new(), 0, false);
    while let Some(token) = tokens.get(at) {
        out.push_str(token);
        at += 1;
        if !token.eq_ignore_ascii_case("pg_notify") {
            continue;
        }
        let Some(open) = next(&tokens, at).filter(|n| is(&tokens, *n, "(")) else { continue };
        let Some(close) = closing(&tokens, open) else { continue };
        let Some(comma) = (open..close).find(|n| is(&tokens, *n, ",") && depth(&tokens, open, *n))
        else {
            continue;
        };
        let payload = tokens.get(comma + 1..close).unwrap_or_default();
        let said: Vec<&String> = payload.iter().filter(|t| !t.trim().is_empty()).collect();
        let plain = matches!(said.as_slice(), [text] if text.starts_with('\''));
        if !plain {
            out.extend(tokens.get(at..=comma).unwrap_or_default().iter().map(String::as_str));
            out.push_str(" '')");
            (at, changed) = (close + 1, true);
        }
    }
    changed.then(|| out.trim_end().to_owned())
}

fn wrap(condition: &str, names: &[String]) -> String {
    let tokens = tokens(condition);
    let (mut out, mut at): (Vec<&str>, _) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let open = next(&tokens, at + 1).filter(|n| is(&tokens, *n, "("));
        let inner = next(&tokens, at + 1).is_some_and(|n| is(&tokens, n, "SELECT"));
        let end = if token == "(" && inner {
            closing(&tokens, at)
        } else if names.contains(&bare(token)) {
            open.and_then(|open| closing(&tokens, open))
                .filter(|close| is_constant(tokens.get(at + 1..*close).unwrap_or_default()))
        } else {
            None
        };
        let Some(end) = end else {
            out.push(token);
            at += 1;
            continue;
        };
        let whole = tokens.get(at..=end).unwrap_or_default().iter().map(String::as_str);
        if token == "(" {
            out.extend(whole);
        } else {
            let mut path = Vec::new();
            while out.last() == Some(&".") {
                path.extend(out.pop());
                path.extend(out.pop());
            }
            out.push("(SELECT ");
            out.extend(path.into_iter().rev());
            out.extend(whole);
            out.push(")");
        }
        at = end + 1;
    }
    out.concat()
}

/// Whether no column stands in it: texts, numbers, casts and calls alone.
fn is_constant(tokens: &[String]) -> bool {
    let mut cast = false;
    for (n, token) in tokens.iter().enumerate() {
        let called = next(tokens, n + 1).is_some_and(|next| is(tokens, next, "("));
        let qualifies = is(tokens, n + 1, ".");
        let word = token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '"');
        let known = ["true", "false", "null"].iter().any(|w| token.eq_ignore_ascii_case(w));
        if word && !cast && !called && !qualifies && !known {
            return false;
        }
        cast = match token.as_str() {
            ":" => true,
            "," | "(" | ")" => false,
            _ => cast,
        };
    }
    true
}

/// A name without its quotes.
fn bare(token: &str) -> String {
    let inner = token.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.map_or_else(|| token.to_owned(), |inner| inner.replace("\"\"", "\""))
}

fn is(tokens: &[String], at: usize, word: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word))
}

/// The first token from `at` that is no space.
fn next(tokens: &[String], at: usize) -> Option<usize> {
    (at..tokens.len()).find(|n| tokens.get(*n).is_some_and(|t| !t.trim().is_empty()))
}

/// Where the bracket that opens at `open` closes.
fn closing(tokens: &[String], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(n),
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Whether `at` stands in no bracket but the one at `open`.
fn depth(tokens: &[String], open: usize, at: usize) -> bool {
    let between = tokens.get(open..at).unwrap_or_default();
    let count = |word: &str| between.iter().filter(|token| *token == word).count();
    count("(") == count(")") + 1
}

/// Texts and quoted names with their quotes, comments, words, runs of space, and every other
/// character by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut token = String::from(c);
        if c == '\'' || c == '"' {
            while let Some(inner) = chars.next() {
                token.push(inner);
                // A quote within is written twice.
                match chars.next_if(|next| inner == c && *next == c) {
                    Some(second) => token.push(second),
                    None if inner == c => break,
                    None => {}
                }
            }
        } else if c == '-' && chars.peek() == Some(&'-') {
            while let Some(inner) = chars.next_if(|next| *next != '\n') {
                token.push(inner);
            }
        } else if c == '/' && chars.peek() == Some(&'*') {
            while !token.ends_with("*/") || token.len() < "/**/".len() {
                let Some(inner) = chars.next() else { break };
                token.push(inner);
            }
        } else if is_word(c) {
            while let Some(inner) = chars.next_if(|next| is_word(*next)) {
                token.push(inner);
            }
        } else if c.is_whitespace() {
            while let Some(inner) = chars.next_if(|next| next.is_whitespace()) {
                token.push(inner);
            }
        }
        all.push(token);
    }
    all
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::{tokens, unsaid, wrapped};

    fn policy(using: &str, names: &[&str]) -> Option<String> {
        let mut material = vec!["ALTER POLICY p ON t".to_owned(), using.to_owned(), String::new()];
        material.extend(names.iter().map(|name| (*name).to_owned()));
        wrapped(&material)
    }

    /// Calls are put where they are made once; what is there already, and what depends on a row, is
    /// left.
    #[test]
    fn bare_calls_are_wrapped() {
        let cases = [
            (
                "(t = (NULLIF(current_setting('a.b'::text, true), ''::text))::integer)",
                Some(
                    "(t = (NULLIF((SELECT current_setting('a.b'::text, true)), ''::text))::integer)",
                ),
            ),
            ("(t = auth.uid())", Some("(t = (SELECT auth.uid()))")),
            ("(t = \"A b\".\"My\"\"f\"())", Some("(t = (SELECT \"A b\".\"My\"\"f\"()))")),
            ("(t = ( SELECT auth.uid() AS uid))", None),
            ("(t = uid(owner))", None),
            (
                "(t = uid('x'::character varying))",
                Some("(t = (SELECT uid('x'::character varying)))"),
            ),
            ("(note = 'uid()')", None),
        ];
        for (condition, wanted) in cases {
            let got = policy(condition, &["current_setting", "uid", "My\"f"]);
            let wanted = wanted.map(|w| format!("ALTER POLICY p ON t\n  USING ({w})"));
            assert_eq!(got, wanted, "{condition}");
        }
    }

    /// The payload goes, whatever it is made of; the channel and the rest of the body stay.
    #[test]
    fn payloads_are_emptied() {
        let cases = [
            (
                "PERFORM pg_notify('c', row_to_json(NEW)::text);",
                Some("PERFORM pg_notify('c', '');"),
            ),
            ("pg_notify(lower('A,('), concat(x, ')'))", Some("pg_notify(lower('A,('), '')")),
            ("-- it's pg_notify(a, b)\nPG_NOTIFY ('c', 'changed')", None),
            ("/* ' */ SELECT pg_notify('c', '')", None),
            ("SELECT pg_notify('c', 'a' || b", None),
        ];
        for (body, wanted) in cases {
            assert_eq!(unsaid(&[body.to_owned()]).as_deref(), wanted, "{body}");
        }
    }

    /// Nothing that PostgreSQL prints, nor anything else, is lost or stops it.
    #[test]
    fn tokens_lose_nothing() {
        for text in ["", "'", "\"a", "/*", "/*/", "--", "a'b''c'\"d\"\"e\"(1.5)::x", "ü€ $f$ 'x"]
        {
            assert_eq!(tokens(text).concat(), text);
            let _ = policy(text, &["a"]);
            let _ = unsaid(&[format!("pg_notify({text}")]);
        }
    }
}
