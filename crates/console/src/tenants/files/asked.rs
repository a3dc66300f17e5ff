//! What a request's headers ask: a part of a file, and under which condition (RFC 9110, 13 and 14).

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use kernel::{Condition, FileFault};

use crate::keys::fault::Fault;

/// The most etags of a condition.
const MAX_ETAGS: usize = 100;

/// What is to be sent of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Some bytes; at least one.
    Some(Range<u64>),
    /// There are no such bytes.
    Nothing,
}

/// The part of a file of `size` bytes that is asked for. What is not understood, and what asks for
/// several parts, gets the whole, as everybody may be answered.
pub(super) fn part(headers: &HeaderMap, etag: &str, size: u64) -> Part {
    let Some(range) = one(headers, &RANGE) else { return Part::Whole };
    // Of another file than the one that the caller has a part of, the whole.
    if headers.contains_key(IF_RANGE)
        && one(headers, &IF_RANGE).map(str::trim) != Some(format!("\"{etag}\"").as_str())
    {
        return Part::Whole;
    }
    let Some((unit, set)) = range.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Part::Whole };
    match (number(first.trim()), number(last.trim())) {
        // The last so many bytes.
        (None, Some(0)) if first.is_empty() => Part::Nothing,
        (None, Some(count)) if first.is_empty() => some(size.saturating_sub(count)..size, size),
        (Some(first), None) if last.is_empty() => some(first..size, size),
        (Some(first), Some(last)) if first <= last => {
            some(first..last.saturating_add(1).min(size), size)
        }
        _ => Part::Whole,
    }
}

fn some(range: Range<u64>, size: u64) -> Part {
    if range.start < size { Part::Some(range) } else { Part::Nothing }
}

/// A number of digits alone. One that is too large is larger than any file.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Under which condition a file is to be written or removed.
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Fault> {
    let (wanted, unwanted) = (etags(headers, &IF_MATCH)?, etags(headers, &IF_NONE_MATCH)?);
    match (wanted, unwanted) {
        (None, None) => Ok(Condition::None),
        (None, Some(Etags::Any)) => Ok(Condition::Absent),
        (Some(Etags::Any), None) => Ok(Condition::Present),
        (Some(Etags::These(wanted)), None) => {
            // A weak one names no bytes.
            Ok(Condition::Etag(
                wanted.into_iter().filter(|(_, weak)| !weak).map(|(e, _)| e).collect(),
            ))
        }
        _ => Err(Fault::bad(
            "condition",
            "a file is written or removed under one condition: If-Match with etags or `*`, or \
             If-None-Match with `*`; nothing was changed",
        )),
    }
}

/// Goes on when the file with `etag` is one that the caller wants.
pub(super) fn meets(headers: &HeaderMap, etag: &str) -> Result<(), Fault> {
    let is_wanted = match etags(headers, &IF_MATCH)? {
        None | Some(Etags::Any) => true,
        Some(Etags::These(these)) => these.iter().any(|(one, weak)| !weak && one == etag),
    };
    if is_wanted { Ok(()) } else { Err(FileFault::Condition.into()) }
}

/// Whether the caller has the file with `etag` already.
pub(super) fn is_fresh(headers: &HeaderMap, etag: &str) -> Result<bool, Fault> {
    Ok(match etags(headers, &IF_NONE_MATCH)? {
        None => false,
        Some(Etags::Any) => true,
        Some(Etags::These(these)) => these.iter().any(|(one, _)| one == etag),
    })
}

/// The etags of a condition.
#[derive(Debug, PartialEq, Eq)]
enum Etags {
    /// `*`
    Any,
    /// Each with whether it is weak.
    These(Vec<(String, bool)>),
}

/// What a condition names; several lines are one list.
fn etags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Etags>, Fault> {
    let wrong =
        Fault::bad("condition", "a condition is `*`, or etags in quotes with commas between");
    let mut found = Vec::new();
    let mut any = false;
    for line in headers.get_all(name) {
        let mut rest = line.to_str().map_err(|_| wrong.clone())?.trim();
        if rest == "*" {
            any = true;
            continue;
        }
        while !rest.is_empty() {
            let (strong, weak) = rest.strip_prefix("W/").map_or((rest, false), |rest| (rest, true));
            let quoted = strong.strip_prefix('"').and_then(|text| text.split_once('"'));
            let (etag, behind) = quoted.ok_or_else(|| wrong.clone())?;
            found.push((etag.to_owned(), weak));
            let behind = behind.trim_start();
            rest = match behind.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if behind.is_empty() => behind,
                None => return Err(wrong),
            };
        }
        if found.len() > MAX_ETAGS {
            return Err(wrong);
        }
    }
    match (any, found.is_empty()) {
        (true, true) => Ok(Some(Etags::Any)),
        (true, false) => Err(wrong),
        (false, false) => Ok(Some(Etags::These(found))),
        (false, true) if headers.contains_key(name) => Err(wrong),
        (false, true) => Ok(None),
    }
}

/// The header's only value as text; of several none counts.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let asked = |text: &str, size| part(&of(&[(&RANGE, text)]), "e", size);
        assert_eq!(asked("bytes=0-3", 10), Part::Some(0..4));
        assert_eq!(asked("bytes=4-", 10), Part::Some(4..10));
        assert_eq!(asked("bytes=-3", 10), Part::Some(7..10));
        assert_eq!(asked("bytes=-30", 10), Part::Some(0..10));
        assert_eq!(asked("bytes=8-99999999999999999999999", 10), Part::Some(8..10));
        assert_eq!(asked("BYTES = 0-0", 10), Part::Some(0..1));
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(beyond, 10), Part::Nothing, "{beyond}");
        }
        assert_eq!(asked("bytes=0-", 0), Part::Nothing);
        for other in [
            "bytes=3-1",
            "bytes=",
            "bytes=-",
            "bytes",
            "lines=0-1",
            "bytes=0-1,4-5",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=--1",
            "bytes=1.5-2",
        ] {
            assert_eq!(asked(other, 10), Part::Whole, "{other}");
        }
        let twice = of(&[(&RANGE, "bytes=0-1"), (&RANGE, "bytes=2-3")]);
        assert_eq!(part(&twice, "e", 10), Part::Whole);
    }

    #[test]
    fn a_part_of_another_file_is_the_whole() {
        let asked = |etag: &str| part(&of(&[(&RANGE, "bytes=0-3"), (&IF_RANGE, etag)]), "e", 10);
        assert_eq!(asked("\"e\""), Part::Some(0..4));
        for other in ["\"f\"", "W/\"e\"", "e", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(asked(other), Part::Whole, "{other}");
        }
    }

    #[test]
    fn conditions_are_lists_of_etags() {
        let these = |all: &[&str]| Condition::Etag(all.iter().map(|e| (*e).to_owned()).collect());
        let on = |name, text: &str| condition(&of(&[(name, text)])).ok();
        assert_eq!(on(&IF_MATCH, "\"a\", W/\"b\",\"c,d\""), Some(these(&["a", "c,d"])));
        assert_eq!(on(&IF_MATCH, "*"), Some(Condition::Present));
        assert_eq!(on(&IF_NONE_MATCH, "*"), Some(Condition::Absent));
        assert_eq!(condition(&of(&[])).unwrap(), Condition::None);
        for wrong in ["", "a", "\"a", "\"a\" \"b\"", "*, \"a\"", "W/a"] {
            assert_eq!(on(&IF_MATCH, wrong), None, "{wrong}");
        }
        assert_eq!(on(&IF_NONE_MATCH, "\"a\""), None);
        assert!(condition(&of(&[(&IF_MATCH, "*"), (&IF_NONE_MATCH, "*")])).is_err());
        let headers = of(&[(&IF_NONE_MATCH, "W/\"a\""), (&IF_NONE_MATCH, "\"b\"")]);
        assert!(is_fresh(&headers, "a").unwrap() && is_fresh(&headers, "b").unwrap());
        assert!(!is_fresh(&headers, "c").unwrap());
    }
}
