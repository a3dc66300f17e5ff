//! The grade that SSL Labs' published rating guide (2009r, of May 2025) gives for what was seen.
//!
//! It is computed here and says so; nobody at SSL Labs has looked. What the guide leaves to their
//! program (how a curve compares with RSA) is taken from NIST SP 800-57.

use std::fmt;

/// Six months of HSTS, in seconds: what the guide asks for its best grade.
pub(super) const LONG_HSTS: u64 = 180 * 24 * 60 * 60;

/// What was seen of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Versions that it spoke, as on the wire.
    pub(super) versions: Vec<u16>,
    /// The strength of the suites that it took, in bits.
    pub(super) suites: Vec<u16>,
    /// The weakest of its key and of the groups that it took, in bits of RSA.
    pub(super) exchange: usize,
    /// Whether it took something that the guide forbids: no encryption, export, anonymous.
    pub(super) insecure: bool,
    /// Whether it took something without forward secrecy or authenticated encryption.
    pub(super) weak: bool,
    /// Whether a fallback is refused.
    pub(super) guards_fallback: bool,
    /// How long HSTS is said for, in seconds.
    pub(super) hsts: u64,
}

/// A grade, and the score that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grade {
    letter: &'static str,
    score: usize,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { letter, score } = self;
        write!(f, "{letter} ({score} of 100), computed by the published rating guide")
    }
}

/// The guide's grade for `seen`; none when nothing was agreed.
pub(super) fn grade(seen: &Seen) -> Option<Grade> {
    let protocol = mean(seen.versions.iter().map(|version| of_version(*version)))?;
    let cipher = mean(seen.suites.iter().map(|bits| of_cipher(*bits)))?;
    let score = (30 * protocol + 30 * of_exchange(seen.exchange) + 40 * cipher) / 100;
    let oldest = seen.versions.iter().min().copied().unwrap_or_default();
    let by_score = match score {
        80.. => "A",
        65..=79 => "B",
        50..=64 => "C",
        35..=49 => "D",
        20..=34 => "E",
        _ => "F",
    };
    let best = |cap: &'static str| if by_score < cap { cap } else { by_score };
    let newest = seen.versions.iter().max().copied().unwrap_or_default();
    let letter = if seen.insecure || oldest < 0x0300 || seen.exchange < 1024 {
        "F"
    } else if oldest < 0x0301 || newest < 0x0303 {
        best("C")
    } else if oldest < 0x0303 || seen.weak || seen.exchange < 2048 {
        best("B")
    } else if by_score == "A" && newest < 0x0304 {
        "A-"
    } else if by_score == "A" && seen.guards_fallback && seen.hsts >= LONG_HSTS {
        "A+"
    } else {
        by_score
    };
    Some(Grade { letter, score })
}

/// The guide's mean: of the best and the worst.
fn mean(scores: impl Iterator<Item = usize> + Clone) -> Option<usize> {
    Some(usize::midpoint(scores.clone().max()?, scores.min()?))
}

const fn of_version(version: u16) -> usize {
    match version {
        0x0300 => 80,
        0x0301 => 90,
        0x0302 => 95,
        0x0303 | 0x0304 => 100,
        _ => 0,
    }
}

const fn of_exchange(bits: usize) -> usize {
    match bits {
        0 => 0,
        1..=511 => 20,
        512..=1023 => 40,
        1024..=2047 => 80,
        2048..=4095 => 90,
        _ => 100,
    }
}

const fn of_cipher(bits: u16) -> usize {
    match bits {
        0 => 0,
        1..=127 => 20,
        128..=255 => 80,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::{LONG_HSTS, Seen, grade};

    fn good() -> Seen {
        Seen {
            versions: vec![0x0304, 0x0303],
            suites: vec![128, 256],
            exchange: 3072,
            guards_fallback: true,
            hsts: LONG_HSTS,
            ..Seen::default()
        }
    }

    /// The guide's own sentences, one by one.
    #[test]
    fn the_guide_is_followed() {
        let letter = |seen: &Seen| grade(seen).map(|grade| grade.letter);
        let with = |change: fn(&mut Seen)| {
            let mut seen = good();
            change(&mut seen);
            letter(&seen).unwrap()
        };
        assert_eq!(
            grade(&good()).unwrap().to_string(),
            "A+ (93 of 100), computed by the published rating guide"
        );
        assert_eq!(with(|s| s.versions = vec![0x0304]), "A+");
        assert_eq!(with(|s| s.hsts = LONG_HSTS - 1), "A");
        assert_eq!(with(|s| s.guards_fallback = false), "A");
        assert_eq!(with(|s| s.versions = vec![0x0303]), "A-");
        assert_eq!(with(|s| s.versions.push(0x0301)), "B");
        assert_eq!(with(|s| s.versions.push(0x0300)), "C");
        assert_eq!(with(|s| s.versions.push(0x0002)), "F");
        assert_eq!(with(|s| s.weak = true), "B");
        assert_eq!(with(|s| s.insecure = true), "F");
        assert_eq!(with(|s| s.exchange = 1024), "B");
        assert_eq!(with(|s| s.suites = vec![0]), "C");
        assert_eq!(letter(&Seen::default()), None);
    }
}
