//! A door for `fuzz/` and its like: what a request for a file says in its headers.

use axum::http::HeaderMap;
use axum::http::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::asked::{Part, condition, is_fresh, meets, part};

/// How long the file is that is asked for, in bytes.
const SIZE: u64 = 1000;
const ETAG: &str = "0123456789abcdef";

/// Reads up to four headers, a line for each, as those of a request for a file. Whether they ask for
/// a part of it or name a condition.
///
/// # Panics
/// When a part lies outside of the file.
pub fn headers(bytes: &[u8]) -> bool {
    let mut all = HeaderMap::new();
    let names = [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH];
    for (name, line) in names.into_iter().zip(bytes.split(|byte| *byte == b'\n')) {
        if !line.is_empty()
            && let Ok(value) = HeaderValue::from_bytes(line)
        {
            all.append(name, value);
        }
    }
    let wanted = part(&all, ETAG, SIZE);
    if let Part::Some(range) = &wanted {
        assert!(range.start < range.end && range.end <= SIZE, "{range:?}");
    }
    let (condition, met) = (condition(&all), meets(&all, ETAG));
    let fresh = is_fresh(&all, ETAG);
    wanted != Part::Whole || condition.is_ok() && met.is_ok() && fresh.is_ok_and(|fresh| fresh)
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged;

    #[test]
    fn damaged_headers_are_read_or_refused() {
        let samples = [
            "bytes=0-99\n\"0123456789abcdef\"\n*\n",
            "bytes=-100\n\n\"a\", W/\"b\", \"0123456789abcdef\"\n",
            "bytes=999-\n\n\n\"0123456789abcdef\"",
            "bytes=0-1,4-5\nWed, 21 Oct 2026 07:28:00 GMT\n\n*",
        ];
        try_damaged("headers", &samples.map(|text| text.as_bytes().to_vec()), super::headers);
    }
}
