//! Whether two conditions of policies say the same, when PostgreSQL has printed one of them.
//!
//! It prints spaces, brackets, names of results and casts to text of its own. Those brackets alone
//! are left out of the comparison that cannot change the meaning: `(a OR b) AND c` is not
//! `a OR (b AND c)`, and the second would let rows through that the first holds back.

use std::iter::Peekable;
use std::vec::IntoIter;

/// The names that PostgreSQL gives to the results of our functions.
const NAMES: [&str; 3] = [" AS reading_tenant", " AS writing_tenant", " AS may_write"];

/// A condition in one form: what is joined by AND or OR, or anything else as its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Words(String),
}

#[derive(Debug)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Word(String),
}

/// Whether both are absent, or say the same.
pub(super) fn alike(one: Option<&String>, other: Option<&String>) -> bool {
    one.map(|text| read(text)) == other.map(|text| read(text))
}

fn read(text: &str) -> Condition {
    let mut tokens = tokens(text).into_iter().peekable();
    let condition = any(&mut tokens);
    // A bracket too many is no condition; it is kept, so that it is unlike every other.
    let rest: Vec<String> = tokens.map(|token| format!("{token:?}")).collect();
    if rest.is_empty() {
        return condition;
    }
    Condition::Words(format!("{} {}", condition.text(), rest.join(" ")))
}

fn any(tokens: &mut Peekable<IntoIter<Token>>) -> Condition {
    let mut parts = vec![all(tokens)];
    while tokens.next_if(|t| matches!(t, Token::Or)).is_some() {
        parts.push(all(tokens));
    }
    let flat = parts.into_iter().flat_map(|part| match part {
        Condition::Any(inner) => inner,
        other => vec![other],
    });
    one_or(flat.collect(), Condition::Any)
}

fn all(tokens: &mut Peekable<IntoIter<Token>>) -> Condition {
    let mut parts = vec![words(tokens)];
    while tokens.next_if(|t| matches!(t, Token::And)).is_some() {
        parts.push(words(tokens));
    }
    let flat = parts.into_iter().flat_map(|part| match part {
        Condition::All(inner) => inner,
        other => vec![other],
    });
    one_or(flat.collect(), Condition::All)
}

fn one_or(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

/// Everything up to the next AND, OR or closing bracket. A bracket around all of it is left out.
fn words(tokens: &mut Peekable<IntoIter<Token>>) -> Condition {
    let mut parts: Vec<Condition> = Vec::new();
    let mut bare = 0;
    while let Some(token) = tokens.next_if(|t| matches!(t, Token::Open | Token::Word(_))) {
        if let Token::Word(word) = token {
            bare += 1;
            parts.push(Condition::Words(word));
        } else {
            parts.push(any(tokens));
            tokens.next_if(|t| matches!(t, Token::Close));
        }
    }
    if bare == 0 && parts.len() == 1 {
        return parts.pop().unwrap_or_else(|| Condition::Words(String::new()));
    }
    let texts: Vec<String> = parts.iter().map(Condition::text).collect();
    let joined = texts.join(" ");
    let named = NAMES.iter().fold(joined, |text, name| text.replace(name, ""));
    Condition::Words(named.replace(" ::text", ""))
}

impl Condition {
    fn text(&self) -> String {
        let joined = |parts: &[Self], with: &str| {
            let texts: Vec<String> = parts.iter().map(Self::text).collect();
            format!("({})", texts.join(with))
        };
        match self {
            Self::All(parts) => joined(parts, " AND "),
            Self::Any(parts) => joined(parts, " OR "),
            // The brackets of a call without arguments.
            Self::Words(words) if words.is_empty() => "()".to_owned(),
            Self::Words(words) => words.clone(),
        }
    }
}

/// Quotes around names are left out, those around texts are kept; what is between either is never
/// taken for a bracket or a word of SQL.
fn tokens(text: &str) -> Vec<Token> {
    let mut all = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                quoted = true;
                let kept = (c == '\'').then_some(c);
                word.extend(kept);
                while let Some(inner) = chars.next() {
                    // A quote within is written twice.
                    if inner == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    word.push(inner);
                }
                word.extend(kept);
            }
            '(' | ')' => {
                end(&mut all, &mut word, &mut quoted);
                all.push(if c == '(' { Token::Open } else { Token::Close });
            }
            _ if c.is_whitespace() => end(&mut all, &mut word, &mut quoted),
            _ => word.push(c),
        }
    }
    end(&mut all, &mut word, &mut quoted);
    all
}

fn end(all: &mut Vec<Token>, word: &mut String, quoted: &mut bool) {
    let word = std::mem::take(word);
    let bare = !std::mem::take(quoted);
    match word.as_str() {
        "" if bare => {}
        "AND" if bare => all.push(Token::And),
        "OR" if bare => all.push(Token::Or),
        _ => all.push(Token::Word(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_printed_form_is_recognised() {
        let pairs = [
            (
                "\"slug\" = (SELECT amanah.reading_tenant()) AND (SELECT amanah.may_write())",
                "(((slug)::text = ( SELECT amanah.reading_tenant() AS reading_tenant)) AND \
                 ( SELECT amanah.may_write() AS may_write))",
            ),
            (
                "\"slug\" = (SELECT amanah.writing_tenant()::uuid)",
                "(slug = ( SELECT (amanah.writing_tenant())::uuid AS writing_tenant))",
            ),
            (
                "(\"a\" IS NULL OR (EXISTS (SELECT 1 FROM \"s\".\"t\" p \
                 WHERE (p.\"x\" = \"y\".\"a\"))))",
                "((a IS NULL) OR (EXISTS ( SELECT 1\n   FROM s.t p\n  WHERE (p.x = y.a))))",
            ),
            ("\"te\"\"n (x\" = 'a)'", "(\"te\"\"n (x\" = 'a)')"),
        ];
        for (wanted, printed) in pairs {
            assert_eq!(read(wanted), read(printed));
        }
    }

    /// The same letters with other brackets, and the same words as a name, are something else.
    #[test]
    fn what_means_something_else_is_unlike() {
        let pairs = [
            ("(a OR b) AND c", "a OR (b AND c)"),
            ("a AND b", "\"a AND b\""),
            ("a = (SELECT f())", "a = (SELECT f)"),
            ("a = (SELECT f())", "(a = (SELECT f())) OR (b = 'x')"),
            ("a", "a)"),
            ("a = 'x'", "a = x"),
            ("a", "true"),
        ];
        for (one, other) in pairs {
            assert_ne!(read(one), read(other), "{one}");
        }
    }
}
