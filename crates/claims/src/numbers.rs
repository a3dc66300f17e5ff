//! The numbers that a reader sees in a sentence: each must be the threshold of a proof.

use std::collections::BTreeSet;

/// A number in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Written in ASCII or Arabic-Indic digits, in canonical form.
    Number(String),
    /// A character that reads as a number but is none of those digits: `½`, `²`, `Ⅳ`.
    Other(char),
}

/// Every number in `text`, in order.
///
/// A word that begins with a letter is a name and may hold digits (`SHA-256`, `Argon2id`), but one
/// small letter before a number hides nothing (`x90`, `v99.9`). In
/// Arabic, a letter before a number is a word of its own (`و24` is "and 24"), so Arabic letters
/// never begin a name.
pub(crate) fn seen(text: &str) -> Vec<Seen> {
    let mut scan = Scan::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        scan.step(c, chars.peek().copied());
    }
    scan.flush();
    scan.found
}

/// Every run of digits anywhere in `text`, names included, in canonical form: what a parameter's
/// value covers.
pub(crate) fn covered(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        match digit(c) {
            Some(d) => run.push(d),
            None if is_point(c) && !run.is_empty() => run.push('.'),
            None => all.extend(canonical(&std::mem::take(&mut run))),
        }
    }
    all
}

/// Where in a word the scan stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between words.
    #[default]
    Outside,
    /// In a word that begins with a letter.
    Name,
    /// In a word that begins with a digit: every run of digits in it counts.
    Number,
}

#[derive(Debug, Default)]
struct Scan {
    place: Place,
    // The name so far is one small letter.
    lone: bool,
    run: String,
    found: Vec<Seen>,
}

impl Scan {
    fn step(&mut self, c: char, next: Option<char>) {
        let joins = next.is_some_and(char::is_alphanumeric);
        if let Some(d) = digit(c) {
            if self.place != Place::Name || self.lone {
                self.place = Place::Number;
                self.run.push(d);
            }
            self.lone = false;
        } else if is_point(c) && !self.run.is_empty() {
            self.run.push('.');
        } else if is_arabic(c) {
            self.flush();
            self.place = Place::Outside;
        } else if c.is_alphabetic() && !c.is_numeric() {
            self.flush();
            self.lone = self.place == Place::Outside && c.is_lowercase();
            if self.place == Place::Outside {
                self.place = Place::Name;
            }
        } else if c.is_numeric() {
            self.flush();
            if self.place != Place::Name {
                self.found.push(Seen::Other(c));
            }
        } else {
            self.flush();
            let connects = matches!(c, '-' | '_' | '.' | '\u{2010}' | '\u{2011}') && joins;
            if !connects {
                self.place = Place::Outside;
                self.lone = false;
            }
        }
    }

    fn flush(&mut self) {
        let number = canonical(&std::mem::take(&mut self.run));
        self.found.extend(number.map(Seen::Number));
    }
}

/// The value of an ASCII, Arabic-Indic or Persian digit, as an ASCII digit.
fn digit(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => return Some(c),
        '\u{0660}'..='\u{0669}' => 0x0660,
        '\u{06f0}'..='\u{06f9}' => 0x06f0,
        _ => return None,
    };
    char::from_digit(u32::from(c) - zero, 10)
}

/// A decimal point, or the Arabic one.
const fn is_point(c: char) -> bool {
    matches!(c, '.' | '\u{066b}')
}

/// Letters and marks of the Arabic script.
const fn is_arabic(c: char) -> bool {
    matches!(c, '\u{0600}'..='\u{06ff}' | '\u{0750}'..='\u{077f}' | '\u{0870}'..='\u{08ff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}')
}

/// One text for equal numbers: no full stop at the end, no zeros before, and none behind the point.
///
/// Three digits behind a point stay as they are: in Indonesian `1.000` is a thousand, and it must
/// not pass for 1.
fn canonical(run: &str) -> Option<String> {
    let run = run.trim_end_matches('.');
    if run.is_empty() {
        return None;
    }
    let (whole, fraction) = run.split_once('.').unwrap_or((run, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = if fraction.len() <= 2 { fraction.trim_end_matches('0') } else { fraction };
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Seen, covered, seen};

    fn numbers(text: &str) -> Vec<String> {
        let text_of = |seen| match seen {
            Seen::Number(number) => number,
            Seen::Other(c) => format!("other {c}"),
        };
        seen(text).into_iter().map(text_of).collect()
    }

    #[test]
    fn what_counts_as_a_number() {
        for (text, expected) in [
            ("every 24 hours, or 90%.", &["24", "90"][..]),
            ("Law 27/2022", &["27", "2022"]),
            ("TLS 1.3.", &["1.3"]),
            ("CSF 2.0 and 2", &["2", "2"]),
            ("007 is 7.50", &["7", "7.5"]),
            ("seribu adalah 1.000", &["1.000"]),
            ("1,000", &["1", "0"]),
            ("24h30", &["24", "30"]),
            ("0–24 h (72)", &["0", "24", "72"]),
            ("each day—24", &["24"]),
            ("Argon2id, SHA-256, AES-256-GCM, SEV-1, X25519, IPv6, A.8.24", &[]),
            ("٢٤ ساعة و۹۰ يوما", &["24", "90"]),
            ("و24 ساعة", &["24"]),
            ("kept x90 days, uptime v99.9", &["90", "99.9"]),
            ("١٫٣", &["1.3"]),
            ("½ or 2² of Ⅳ", &["other ½", "2", "other ²", "other Ⅳ"]),
            ("２４", &["other ２", "other ４"]),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_covers_every_digit_in_it() {
        let all = |text| covered(text).into_iter().collect::<Vec<_>>();
        assert_eq!(all("pojk-11-2022"), ["11", "2022"]);
        assert_eq!(all("sev1=15m"), ["1", "15"]);
        assert_eq!(all("aes-256"), ["256"]);
        assert_eq!(all("80,443"), ["443", "80"]);
        assert_eq!(all("2.0"), ["2"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,120}") {
            let _ = seen(&text);
            let _ = covered(&text);
        }
    }
}
