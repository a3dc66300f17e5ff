//! Documents held against each other as PostgreSQL does it with JSONB, without reading a number as less
//! than it is.

use super::document::{elements, members, plain};

/// `one = other`.
pub(crate) fn same(one: &str, other: &str) -> bool {
    match (Kind::of(one), Kind::of(other)) {
        (Kind::Object, Kind::Object) => {
            let (one, other) = (members(one), members(other));
            one.len() == other.len() && one.iter().all(|(name, held)| has(&other, name, held, same))
        }
        (Kind::Array, Kind::Array) => {
            let (one, other) = (elements(one), elements(other));
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Kind::Text, Kind::Text) => plain(one.trim()) == plain(other.trim()),
        (Kind::Other, Kind::Other) => match (decimal(one.trim()), decimal(other.trim())) {
            (Some(one), Some(other)) => one == other,
            _ => one.trim() == other.trim(),
        },
        _ => false,
    }
}

/// `whole @> part`, where both are objects or both arrays.
pub(crate) fn holds(whole: &str, part: &str) -> bool {
    match (Kind::of(whole), Kind::of(part)) {
        (Kind::Object, Kind::Object) => {
            let whole = members(whole);
            members(part).iter().all(|(name, held)| has(&whole, name, held, |a, b| holds(b, a)))
        }
        (Kind::Array, Kind::Array) => {
            let whole = elements(whole);
            elements(part).iter().all(|part| whole.iter().any(|one| holds(one, part)))
        }
        _ => same(whole, part),
    }
}

/// Whether an object has a member of this name, and `held` fits it.
fn has(
    members: &[(String, &str)],
    name: &str,
    held: &str,
    fits: impl Fn(&str, &str) -> bool,
) -> bool {
    members.iter().any(|(known, other)| known == name && fits(held, other))
}

/// Whether a text stands as a value anywhere in the document.
pub(crate) fn says(document: &str, wanted: &str) -> bool {
    let mut rest = document;
    while let Some((_, from)) = rest.split_once('"') {
        let mut escaped = false;
        let end = from.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let Some((text, after)) = end.and_then(|end| from.split_at_checked(end)) else {
            return false;
        };
        rest = after.strip_prefix('"').unwrap_or_default();
        let is_name = rest.trim_start().starts_with(':');
        if !is_name && plain(&format!("\"{text}\"")) == wanted {
            return true;
        }
    }
    false
}

/// What `->>` gives of a member: NULL is none.
pub(crate) fn text_of(value: &str) -> Option<String> {
    (value.trim() != "null").then(|| plain(value))
}

/// What a value is.
enum Kind {
    Object,
    Array,
    Text,
    Other,
}

impl Kind {
    fn of(value: &str) -> Self {
        match value.trim_start().bytes().next() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            _ => Self::Other,
        }
    }
}

/// A number as its sign, its digits without zeros at either end, and the power of ten of the last one.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, power) = match text.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = all.trim_end_matches('0');
    let zeros = i64::try_from(all.len() - kept.len()).ok()?;
    let power = power.checked_sub(i64::try_from(part.len()).ok()?)?.checked_add(zeros)?;
    let kept = kept.trim_start_matches('0');
    // Nothing is neither negative nor of any power.
    let is_nothing = kept.is_empty();
    Some((negative && !is_nothing, kept.to_owned(), if is_nothing { 0 } else { power }))
}
