//! Looks for secrets in a stream, in every encoding that databases and applications use.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use kernel::Planted;

/// The alphabets of base64, for URLs and not, and of base32.
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// A shorter secret turns up by chance. In bytes.
const MIN_BYTES: usize = 16;

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hit {
    /// The canary of this number, written this way.
    Secret(usize, &'static str),
    /// What stands beside the canary of this number.
    Beside(usize),
}

/// What is looked for.
pub(super) struct Needles {
    finder: AhoCorasick,
    hits: Vec<Hit>,
    longest: usize,
}

impl Needles {
    /// Everything that `canaries` may look like.
    pub(super) fn new(canaries: &[Planted]) -> Result<Self, String> {
        let (mut texts, mut hits) = (Vec::new(), Vec::new());
        for (n, canary) in canaries.iter().enumerate() {
            let secret = canary.secret.expose().as_bytes();
            if secret.len() < MIN_BYTES || canary.beside.len() < MIN_BYTES {
                return Err(format!("{} is too short to be looked for", canary.what));
            }
            for (how, text) in disguises(secret) {
                texts.push(text);
                hits.push(Hit::Secret(n, how));
            }
            texts.push(canary.beside.clone().into_bytes());
            hits.push(Hit::Beside(n));
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let finder = AhoCorasick::new(&texts).map_err(|e| format!("the search: {e}"))?;
        Ok(Self { finder, hits, longest })
    }

    /// Begins a search.
    pub(super) fn search(&self) -> Search<'_> {
        Search { needles: self, window: Vec::new(), found: BTreeSet::new() }
    }
}

/// A search under way.
pub(super) struct Search<'n> {
    needles: &'n Needles,
    /// The end of what has been seen: a secret may lie across two pieces.
    window: Vec<u8>,
    pub(super) found: BTreeSet<Hit>,
}

impl Search<'_> {
    /// Looks at the next piece.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.window.extend_from_slice(piece);
        for found in self.needles.finder.find_overlapping_iter(&self.window) {
            if let Some(hit) = self.needles.hits.get(found.pattern().as_usize()) {
                self.found.insert(*hit);
            }
        }
        let keep = self.needles.longest.saturating_sub(1);
        self.window.drain(..self.window.len().saturating_sub(keep));
    }
}

/// Every form of `secret`.
fn disguises(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let backwards: Vec<u8> = secret.iter().rev().copied().collect();
    let wide: Vec<u8> = secret.iter().flat_map(|b| [*b, 0]).collect();
    // Without the last zero it is in the big-endian form too, which begins with one.
    let wide = wide.get(..wide.len().saturating_sub(1)).unwrap_or_default();
    let (hex, wide_hex) = (kernel::hex(secret), kernel::hex(wide));
    let mut forms = vec![
        ("in clear", secret.to_vec()),
        ("backwards", backwards),
        ("as hexadecimal", hex.to_ascii_uppercase().into_bytes()),
        ("as hexadecimal", hex.into_bytes()),
        ("as UTF-16", wide.to_vec()),
        ("as UTF-16 in hexadecimal", wide_hex.to_ascii_uppercase().into_bytes()),
        ("as UTF-16 in hexadecimal", wide_hex.into_bytes()),
    ];
    let mut each = |how, form: &dyn Fn(u8) -> String| {
        forms.push((how, secret.iter().flat_map(|b| form(*b).into_bytes()).collect()));
    };
    each("percent-encoded", &|b| format!("%{b:02X}"));
    each("percent-encoded", &|b| format!("%{b:02x}"));
    // A dump writes each backslash of a text twice.
    for slash in ["\\", "\\\\"] {
        each("as JSON escapes", &|b| format!("{slash}u{b:04x}"));
        each("as JSON escapes", &|b| format!("{slash}u{b:04X}"));
        each("as octal escapes", &|b| format!("{slash}{b:03o}"));
    }
    // Bytes in a dump of a database that writes them with `bytea_output = escape`.
    let zeros: Vec<u8> = wide.iter().flat_map(|b| zero_escaped(*b)).collect();
    forms.push(("as UTF-16", zeros));
    for offset in 0..3 {
        forms.push(("as base64", packed(secret, offset, 6, BASE64)));
        forms.push(("as base64 for URLs", packed(secret, offset, 6, BASE64_URL)));
    }
    for offset in 0..5 {
        let upper = packed(secret, offset, 5, BASE32);
        forms.push(("as base32", upper.to_ascii_lowercase()));
        forms.push(("as base32", upper));
    }
    // Where two forms are alike, one is enough.
    let mut seen = BTreeSet::new();
    forms.retain(|(_, text)| seen.insert(text.clone()));
    forms
}

fn zero_escaped(byte: u8) -> Vec<u8> {
    if byte == 0 { b"\\\\000".to_vec() } else { vec![byte] }
}

/// The digits of `secret` that are the same whatever stands around it, when it begins `offset`
/// bytes after a border of the encoding with so many bits for each digit.
fn packed(secret: &[u8], offset: usize, bits: usize, alphabet: &[u8]) -> Vec<u8> {
    let (first, end) = (offset * 8, (offset + secret.len()) * 8);
    let bit = |place: usize| -> usize {
        let byte = (place / 8).checked_sub(offset).and_then(|n| secret.get(n));
        byte.map_or(0, |byte| usize::from(byte >> (7 - place % 8) & 1))
    };
    (first.div_ceil(bits)..end / bits)
        .filter_map(|digit| {
            let value = (0..bits).fold(0, |value, n| value << 1 | bit(digit * bits + n));
            alphabet.get(value).copied()
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use kernel::{Planted, Secret};
    use proptest::prelude::proptest;

    use super::{Hit, Needles};

    fn needles() -> Needles {
        Needles::new(&[Planted {
            what: "a test".to_owned(),
            secret: Secret::new(CANARY.to_owned()),
            beside: "custody-of-a-canary".to_owned(),
            problem: None,
        }])
        .unwrap()
    }

    const CANARY: &str = "Zq7xW0pLm3VtR9sKd2Yh";

    fn found(text: &[u8]) -> Vec<Hit> {
        let needles = needles();
        let mut search = needles.search();
        search.take(text);
        search.found.into_iter().collect()
    }

    /// `secret` in every form that an application may write as text, each by another way than the
    /// search goes, with how the search calls it.
    pub(in super::super) fn written(secret: &str) -> Vec<(&'static str, String)> {
        let each = |form: fn(u32) -> String| secret.chars().map(|c| form(c.into())).collect();
        let hex: String = each(|c| format!("{c:02x}"));
        let (little, big) = (each(|c| format!("{c:02x}00")), each(|c| format!("00{c:02x}")));
        let mut forms = vec![
            ("in clear", format!("x{secret}y")),
            ("backwards", secret.chars().rev().collect()),
            ("as hexadecimal", format!("x{hex}")),
            ("as hexadecimal", hex.to_uppercase()),
            ("as UTF-16 in hexadecimal", little.to_uppercase()),
            ("as UTF-16 in hexadecimal", little),
            ("as UTF-16 in hexadecimal", big),
            ("percent-encoded", each(|c| format!("%{c:02X}"))),
            ("percent-encoded", each(|c| format!("%{c:02x}"))),
            ("as JSON escapes", each(|c| format!("\\u{c:04x}"))),
            ("as JSON escapes", each(|c| format!("\\u{c:04X}"))),
            ("as octal escapes", each(|c| format!("\\{c:03o}"))),
        ];
        for before in ["", "a", "ab", "abc", "user:"] {
            forms.push(("as base64", STANDARD.encode(format!("{before}{secret}:tail"))));
            forms.push(("as base64", URL_SAFE_NO_PAD.encode(format!("{before}{secret}??>>"))));
            let upper = base32(format!("{before}{secret}:tail").as_bytes());
            forms.push(("as base32", upper.to_lowercase()));
            forms.push(("as base32", upper));
        }
        forms
    }

    /// RFC 4648 without padding, by way of a string of bits.
    fn base32(bytes: &[u8]) -> String {
        let mut bits = bytes.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
        bits.push_str(&"0".repeat(bits.len().next_multiple_of(5) - bits.len()));
        let digits = bits.as_bytes().chunks(5).map(|five| {
            let five = usize::from_str_radix(str::from_utf8(five).unwrap(), 2).unwrap();
            char::from(super::BASE32[five])
        });
        digits.collect()
    }

    #[test]
    fn every_disguise_is_seen_through() {
        for (how, form) in written(CANARY) {
            let found = found(form.as_bytes());
            let known = |hit: &Hit| matches!(hit, Hit::Secret(0, said) if said.starts_with(how));
            assert!(!found.is_empty() && found.iter().all(known), "{how}: {form}: {found:?}");
        }
        let wide: Vec<u8> = CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(&wide), [Hit::Secret(0, "as UTF-16")]);
        let wide: Vec<u8> = CANARY.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(found(&wide), [Hit::Secret(0, "as UTF-16")]);
        // RFC 4648's own examples, so that two ways to the same mistake are none.
        assert_eq!(super::packed(b"foobar", 0, 5, super::BASE32), b"MZXW6YTBO");
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(found(b"nothing of it"), []);
        assert_eq!(found(b"custody-of-a-canary"), [Hit::Beside(0)]);
    }

    proptest! {
        /// However the stream is cut, a secret in it is found.
        #[test]
        fn borders_hide_nothing(before in "[a-z]{0,80}", cuts in 1_usize..40) {
            let text = format!("{before}{CANARY}{before}");
            let needles = needles();
            let mut search = needles.search();
            for piece in text.as_bytes().chunks(cuts) {
                search.take(piece);
            }
            assert_eq!(search.found.len(), 1);
            assert!(search.window.len() < needles.longest);
        }
    }
}
