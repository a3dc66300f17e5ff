//! CBOR as authenticators write it (CTAP2's canonical form), read with bounds.

use ciborium::Value;
use ciborium::de::from_reader_with_recursion_limit;

/// How deep values may lie in each other; CTAP2 allows four.
const MAX_DEPTH: usize = 8;

/// Reads one value, and nothing after it.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let (value, rest) = first(bytes)?;
    rest.is_empty().then_some(value)
}

/// Reads one value, and returns what comes after it.
pub(super) fn first(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let mut rest = bytes;
    let value = from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).ok()?;
    Some((value, rest))
}

/// The value under a text key of a map.
pub(super) fn text_key<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    only(map, |found| found.as_text() == Some(key))
}

/// The value under a number of a map.
pub(super) fn number_key(map: &Value, key: i64) -> Option<&Value> {
    only(map, |found| integer(found) == Some(key))
}

/// A number, if it is one and not too large.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_integer().and_then(|number| i64::try_from(number).ok())
}

/// The only value under a key: one that stands there twice has none.
fn only(map: &Value, is_it: impl Fn(&Value) -> bool) -> Option<&Value> {
    let mut found = map.as_map()?.iter().filter(|(key, _)| is_it(key));
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}
