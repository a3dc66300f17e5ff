//! Which of two values of a header is the tighter one.
//!
//! An application knows its pages and may say more than the policy does. What it says counts where it is
//! tighter, and is dropped where it is looser, unknown, or there twice: in doubt, ours stays.

/// Values from the tightest to the loosest, in lower case; of headers that have no others.
const RANKS: [(&str, &[&str]); 6] = [
    ("x-frame-options", &["deny", "sameorigin"]),
    (
        "referrer-policy",
        &[
            "no-referrer",
            "same-origin",
            "strict-origin",
            "strict-origin-when-cross-origin",
            "origin",
            "origin-when-cross-origin",
            "no-referrer-when-downgrade",
            "unsafe-url",
        ],
    ),
    ("cross-origin-opener-policy", &["same-origin", "same-origin-allow-popups", "unsafe-none"]),
    ("cross-origin-resource-policy", &["same-origin", "same-site", "cross-origin"]),
    ("cross-origin-embedder-policy", &["require-corp", "credentialless", "unsafe-none"]),
    ("x-permitted-cross-domain-policies", &["none", "master-only", "by-content-type", "all"]),
];

/// The longest list of features that is read, in entries.
const MAX_FEATURES: usize = 100;

/// Whether `theirs` is tighter than `ours`, as values of the header `name` in lower case.
pub(super) fn is_tighter(name: &str, ours: &str, theirs: &str) -> bool {
    match name {
        "strict-transport-security" => is_longer(ours, theirs),
        "permissions-policy" => denies_more(ours, theirs),
        _ => match (rank(name, ours), rank(name, theirs)) {
            (Some(ours), Some(theirs)) => theirs < ours,
            _ => false,
        },
    }
}

/// The values that the header may have, from the tightest to the loosest, where there are no others.
pub(super) fn known(name: &str) -> Option<&'static [&'static str]> {
    RANKS.iter().find(|(ranked, _)| *ranked == name).map(|(_, values)| *values)
}

fn rank(name: &str, value: &str) -> Option<usize> {
    known(name)?.iter().position(|known| known.eq_ignore_ascii_case(value.trim()))
}

fn is_longer(ours: &str, theirs: &str) -> bool {
    // Of what is not as RFC 6797 wants it, browsers may take nothing.
    let Some(told) = directives(theirs) else { return false };
    let covers = |what| !told_once(ours, what) || told.iter().any(|name| name == what);
    let longer = match (max_age(ours), max_age(theirs)) {
        (Some(ours), Some(theirs)) => theirs > ours,
        _ => false,
    };
    longer && covers("includesubdomains") && covers("preload")
}

fn told_once(value: &str, what: &str) -> bool {
    directives(value).is_some_and(|told| told.iter().any(|name| name == what))
}

/// The names of the directives, in lower case; `None` when one is unknown, there twice, or written
/// otherwise than RFC 6797 has it.
fn directives(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for part in value.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, age) = part.split_once('=').map_or((part, None), |(n, age)| (n, Some(age)));
        let name = name.trim().to_ascii_lowercase();
        let written = match name.as_str() {
            "max-age" => age.is_some(),
            "includesubdomains" | "preload" => age.is_none(),
            _ => false,
        };
        if !written || names.contains(&name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// The age that browsers take from it, in seconds.
pub(crate) fn max_age(value: &str) -> Option<u64> {
    let ages = value.split(';').filter_map(|part| {
        let (name, age) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| age.trim().trim_matches('"'))
    });
    let ages: Vec<&str> = ages.collect();
    match ages[..] {
        [age] if age.bytes().all(|byte| byte.is_ascii_digit()) => age.parse().ok(),
        _ => None,
    }
}

/// Whether nothing that ours denies is allowed, more is denied, and nothing is given to other sites.
fn denies_more(ours: &str, theirs: &str) -> bool {
    let (Some(ours), Some(theirs)) = (features(ours), features(theirs)) else {
        return false;
    };
    let keeps = |(name, allowed): &(&str, bool)| {
        let mut told = theirs.iter().filter(|(told, _)| told == name).peekable();
        told.peek().is_some() && told.all(|(_, theirs)| *allowed || !theirs)
    };
    ours.iter().all(keeps) && theirs != ours
}

/// Each feature, and whether this site has it; `None` when it is given to others, or cannot be read.
pub(super) fn features(value: &str) -> Option<Vec<(&str, bool)>> {
    let read = |entry| {
        let (name, allowed) = str::split_once(entry, '=')?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // A key of a structured field (RFC 9651) begins with a letter, and nothing stands beside the sign:
        // of a header with one that does not, browsers take nothing.
        let key =
            |n: &&str| n.starts_with(|c: char| c.is_ascii_lowercase()) && n.bytes().all(plain);
        let name = Some(name.trim_start()).filter(key)?;
        match allowed.trim_end() {
            "()" => Some((name, false)),
            "(self)" | "self" => Some((name, true)),
            _ => None,
        }
    };
    let entries: Vec<_> =
        value.split(',').take(MAX_FEATURES + 1).map(read).collect::<Option<_>>()?;
    Some(entries).filter(|entries| entries.len() <= MAX_FEATURES)
}

#[cfg(test)]
mod tests {
    use super::is_tighter;

    /// The tighter of each pair is told, and never the other, nor what is not known.
    #[test]
    fn the_tighter_one_is_told() {
        let year = "max-age=31536000; includeSubDomains";
        for (name, loose, tight) in [
            ("x-frame-options", "SAMEORIGIN", "DENY"),
            ("x-frame-options", "SAMEORIGIN", "deny"),
            ("referrer-policy", "same-origin", "no-referrer"),
            ("referrer-policy", "unsafe-url", "strict-origin"),
            ("cross-origin-opener-policy", "unsafe-none", "same-origin"),
            ("cross-origin-resource-policy", "same-site", "same-origin"),
            ("cross-origin-embedder-policy", "credentialless", "require-corp"),
            ("strict-transport-security", year, "max-age=63072000; includeSubDomains; preload"),
            ("permissions-policy", "camera=(), usb=()", "usb=(), camera=(), hid=()"),
            ("permissions-policy", "camera=(self)", "camera=()"),
        ] {
            assert!(is_tighter(name, loose, tight), "{name}: {tight}");
            assert!(!is_tighter(name, tight, loose), "{name}: {loose}");
            assert!(!is_tighter(name, tight, tight), "{name}: {tight}");
        }
    }

    /// What cannot be read, or is tighter in one way and looser in another, is not taken.
    #[test]
    fn in_doubt_ours_stays() {
        let year = "max-age=31536000; includeSubDomains";
        for (name, ours, theirs) in [
            ("x-frame-options", "SAMEORIGIN", "ALLOWALL"),
            ("x-frame-options", "SAMEORIGIN", "DENY, ALLOWALL"),
            ("referrer-policy", "same-origin", "no-referrer, unsafe-url"),
            ("strict-transport-security", year, "max-age=63072000"),
            ("strict-transport-security", year, "max-age=63072000; max-age=0; includeSubDomains"),
            ("permissions-policy", "camera=(), usb=()", "camera=()"),
            ("permissions-policy", "camera=()", "camera=(), usb=*"),
            ("permissions-policy", "camera=()", "camera=(), hid=(), camera=(self)"),
            ("permissions-policy", "camera=()", "camera=(), usb=(self \"https://evil.example\")"),
            ("x-content-type-options", "nosniff", "none"),
            ("x-xss-protection", "1; mode=block", "0"),
        ] {
            assert!(!is_tighter(name, ours, theirs), "{name}: {theirs}");
        }
    }
}
