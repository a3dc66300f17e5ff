//! The trace that a request belongs to (W3C Trace Context): continued when the client names one in the
//! exact form of the standard, begun otherwise.
//!
//! What a client says is worth no more than its word: whoever can ask can choose the trace that a request
//! is filed under, so that nothing is decided by it, and the request's own id is never the client's.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kernel::{Rng, RngError};

use crate::headers::one;
use crate::ids;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// A version, a trace, a span and flags, each in lower case hexadecimal digits, with dashes between.
const PARENT_BYTES: usize = 55;
const TRACE_BYTES: usize = 16;
const SPAN_BYTES: usize = 8;
/// The longest state that is passed on, in bytes.
const MAX_STATE_BYTES: usize = 512;
/// What a trace that begins here says of itself: it is to be kept.
const SAMPLED: &str = "01";

/// Puts the request's place in its trace where the application looks for it; the trace's id.
///
/// # Errors
/// When there is no randomness. Then nothing is said of any trace.
pub(crate) fn place(headers: &mut HeaderMap, rng: &dyn Rng) -> Result<String, RngError> {
    let named = one(headers, &PARENT).and_then(read).map(|(trace, flags)| {
        let kept = one(headers, &STATE).is_some_and(|state| state.len() <= MAX_STATE_BYTES);
        (trace.to_owned(), flags.to_owned(), kept)
    });
    headers.remove(PARENT);
    let span = ids::fresh(rng, SPAN_BYTES)?;
    let (trace, flags, keep_state) = match named {
        Some(named) => named,
        None => (ids::fresh(rng, TRACE_BYTES)?, SAMPLED.to_owned(), false),
    };
    if !keep_state {
        headers.remove(STATE);
    }
    if let Ok(parent) = HeaderValue::try_from(format!("00-{trace}-{span}-{flags}")) {
        headers.insert(PARENT, parent);
    }
    Ok(trace)
}

/// The trace and the flags of a header. A later version may say more behind a dash, which is left out.
fn read(parent: &str) -> Option<(&str, &str)> {
    let (known, more) = parent.split_at_checked(PARENT_BYTES)?;
    let mut parts = known.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = (version.len(), trace.len(), span.len(), flags.len());
    let formed = lengths == (2, 2 * TRACE_BYTES, 2 * SPAN_BYTES, 2)
        && [version, trace, span, flags].into_iter().all(is_hex)
        && version != "ff"
        && !is_zero(trace)
        && !is_zero(span)
        && (more.is_empty() || version != "00" && more.starts_with('-'));
    formed.then_some((trace, flags))
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue};
    use kernel::SystemRng;
    use proptest::prelude::*;

    use super::{PARENT, STATE, place, read};

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn placed(lines: &[(&'static str, &str)]) -> (String, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let trace = place(&mut headers, &SystemRng).unwrap();
        (trace, headers)
    }

    /// The client's trace goes on, through a span of ours.
    #[test]
    fn a_trace_goes_on() {
        let (trace, headers) = placed(&[("traceparent", GOOD), ("tracestate", "a=1")]);
        assert_eq!(trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        let parent = headers[PARENT].to_str().unwrap();
        assert!(parent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{parent}");
        assert!(parent.ends_with("-01") && !parent.contains("00f067aa0ba902b7"), "{parent}");
        assert_eq!(headers[STATE], "a=1");
        let later = format!("{}-more", GOOD.replacen("00-", "01-", 1));
        assert_eq!(placed(&[("traceparent", &later)]).0, trace);
    }

    /// What is not exactly one good header begins another trace, without the state of the old one.
    #[test]
    fn what_is_malformed_is_not_believed() {
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        ] {
            let (trace, headers) = placed(&[("traceparent", wrong), ("tracestate", "a=1")]);
            assert!(!wrong.contains(&trace), "{wrong}");
            assert!(read(headers[PARENT].to_str().unwrap()).is_some());
            assert!(!headers.contains_key(STATE));
        }
        let (trace, headers) = placed(&[("traceparent", GOOD), ("traceparent", GOOD)]);
        assert!(!GOOD.contains(&trace));
        assert_eq!(headers.get_all(PARENT).iter().count(), 1);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(text in "\\PC{0,80}") {
            let _ = read(&text);
        }
    }
}
