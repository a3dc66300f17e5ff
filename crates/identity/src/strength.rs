//! Whether a new password can be guessed, after NIST SP 800-63B: long enough in characters, not on
//! the lists that guessers try first, and not made of what they know of the person. There are no
//! rules about capital letters, digits or signs: they make passwords that are hard to keep in mind
//! and easy to guess.
//!
//! The bundled list is the one that Django refuses (`django/contrib/auth/common-passwords.txt.gz`
//! of Django 5.2, BSD-3-Clause, put together by Royce Williams from passwords of published
//! breaches): 19,640 of them, sorted. What zxcvbn knows of common passwords, names and words in
//! English comes on top.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::{UnicodeNormalization as _, is_nfkc};
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use crate::password::MAX_PASSWORD_BYTES;

/// The shortest password, in characters.
pub(crate) const MIN_PASSWORD_CHARS: usize = 8;
/// How many guesses zxcvbn must expect: 10^8 or more, "safely unguessable" online.
const LEAST_SCORE: Score = Score::Three;
/// How much of a password is estimated, in characters: the time grows with the square of it. What
/// comes after can only make it stronger.
const MAX_ESTIMATED_CHARS: usize = 100;
/// How much of what is known of the person is looked for, in characters.
const MAX_KNOWN_CHARS: usize = 64;
/// Shorter parts of what is known of the person are in every other word.
const MIN_KNOWN_CHARS: usize = 3;

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../passwords/common.txt").lines().collect());

/// Why a new password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too short.
    #[error("it has fewer than {MIN_PASSWORD_CHARS} characters")]
    Short,
    /// Too long.
    #[error("it has more than {MAX_PASSWORD_BYTES} bytes")]
    Long,
    /// It is on the list.
    #[error("it is on a list of passwords that were stolen elsewhere, which are tried first")]
    Breached,
    /// Few guesses lead to it.
    #[error(
        "it can be guessed from common words, patterns, or your name; take several unrelated \
         words, or let a password manager make one"
    )]
    Guessable,
}

/// Judges a new password of somebody of whom `known` is public: the address, names, the tenant.
///
/// # Errors
/// The [`Weakness`]. A password that is too long is refused before anything else is done with it.
pub(crate) fn judge(password: &str, known: &[&str]) -> Result<(), Weakness> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Weakness::Long);
    }
    let normal = normal(password);
    if normal.len() > MAX_PASSWORD_BYTES {
        return Err(Weakness::Long);
    }
    if normal.chars().count() < MIN_PASSWORD_CHARS {
        return Err(Weakness::Short);
    }
    let lower = Zeroizing::new(normal.to_lowercase());
    if COMMON.contains(lower.as_str()) {
        return Err(Weakness::Breached);
    }
    let head: Zeroizing<String> =
        Zeroizing::new(normal.chars().take(MAX_ESTIMATED_CHARS).collect());
    let known = parts(known);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    if zxcvbn(&head, &known).score() < LEAST_SCORE {
        return Err(Weakness::Guessable);
    }
    Ok(())
}

/// The form that is hashed: NFKC, so that the same password typed on another keyboard is the same.
pub(crate) fn normal(password: &str) -> Zeroizing<String> {
    if is_nfkc(password) {
        return Zeroizing::new(password.to_owned());
    }
    Zeroizing::new(password.nfkc().collect())
}

/// What is known, whole and in parts: an address gives away a name before and after its dot.
fn parts(known: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for text in known {
        let text: String = text.chars().take(MAX_KNOWN_CHARS).collect();
        for part in text.split(|c: char| !c.is_alphanumeric()) {
            parts.push(part.to_owned());
        }
        parts.push(text);
    }
    parts.retain(|part| part.chars().count() >= MIN_KNOWN_CHARS);
    parts
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{COMMON, Weakness, judge, normal};

    const KNOWN: [&str; 3] = ["sari.wulandari@sinar.example", "Sari Wulandari", "sinar"];

    #[test]
    fn what_is_guessed_first_is_refused_and_the_rest_is_not() {
        for (password, want) in [
            ("short7!", Some(Weakness::Short)),
            ("password1", Some(Weakness::Breached)),
            ("PASSWORD1", Some(Weakness::Breached)),
            ("aaaaaaaaaaaa", Some(Weakness::Guessable)),
            ("12345678910111213", Some(Weakness::Guessable)),
            ("Wulandari2024", Some(Weakness::Guessable)),
            ("sinarsari", Some(Weakness::Guessable)),
            ("correct horse battery", None),
            ("9f86d081884c7d659a2feaa0c55ad015", None),
            ("kopi pahit hujan sore", None),
            ("كلمة سر طويلة جدا هنا", None),
        ] {
            assert_eq!(judge(password, &KNOWN).err(), want, "{password}");
        }
        assert!(COMMON.len() > 19_000);
    }

    #[test]
    fn length_is_counted_in_characters_of_the_normal_form() {
        // Four characters of three bytes each are not eight.
        assert_eq!(judge("密密密密", &[]), Err(Weakness::Short));
        // One ligature of three letters in its normal form.
        assert_eq!(normal("\u{fb03}").as_str(), "ffi");
        assert_eq!(normal("e\u{301}").as_str(), "\u{e9}");
        assert_eq!(judge("e\u{301}e\u{301}e\u{301}e\u{301}", &[]), Err(Weakness::Short));
    }

    #[test]
    fn a_huge_password_costs_nothing() {
        let start = Instant::now();
        assert_eq!(judge(&"x".repeat(1 << 20), &KNOWN), Err(Weakness::Long));
        // U+FDFA is eighteen characters in its normal form.
        assert_eq!(judge(&"\u{fdfa}".repeat(300), &KNOWN), Err(Weakness::Long));
        let hard = "aB3$xQ9!".repeat(128);
        assert!(judge(&hard, &KNOWN).is_ok() || judge(&hard, &KNOWN) == Err(Weakness::Guessable));
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}
