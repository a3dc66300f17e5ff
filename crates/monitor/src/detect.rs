//! Recognises the form of a secret.
//!
//! Two kinds: tokens whose makers gave them a form of their own, which are told by it, and values
//! that are assigned to something called a password, which are told by how random they look. The
//! patterns below do not match themselves, so this file passes its own search.

use regex::bytes::{Regex, RegexBuilder};

use crate::Error;

/// How many hits are reported for one text; a file full of them needs no longer list.
const MAX_HITS: usize = 50;
/// The shortest assigned value that is judged by its randomness, in bytes.
const MIN_VALUE_BYTES: usize = 16;
/// How random an assigned value must look, in bits for each byte.
const MIN_ENTROPY: f64 = 3.5;
/// The shortest password inside an address that is reported, in bytes.
const MIN_URL_PASSWORD_BYTES: usize = 4;

/// Forms that no other text has. Their beginning is public, so it may be shown. Spaces in these
/// patterns are for the reader (`(?x)`); `\x20` is a space that counts.
const FORMS: [(&str, &str); 7] = [
    ("aws-access-key", r"\b (?:AKIA|ASIA) [0-9A-Z]{16} \b"),
    (
        "github-token",
        r"\b (?: gh[oprsu]_[0-9A-Za-z]{36} | github_pat_[0-9A-Za-z_]{40} ) [0-9A-Za-z_]{0,100}",
    ),
    ("slack-token", r"\b xox[abeoprs]- [0-9A-Za-z-]{16,200}"),
    (
        "private-key",
        // The body too: source that only talks about the first line is no key.
        r"-----BEGIN\x20 (?:[0-9A-Z]{1,12}\x20){0,2} PRIVATE\x20KEY (?:\x20BLOCK)? -----
          (?s:.{1,256}?) [0-9A-Za-z+/]{32}",
    ),
    (
        "json-web-token",
        r"\b eyJ[0-9A-Za-z_-]{10,4000} \. eyJ[0-9A-Za-z_-]{10,4000} \. [0-9A-Za-z_-]{16,2000}",
    ),
    ("stripe-key", r"\b [rs]k_live_ [0-9A-Za-z]{16,200}"),
    ("google-api-key", r"\b AIza [0-9A-Za-z_-]{35}"),
];

const URL_PASSWORD: (&str, &str) = (
    "url-password",
    r#"\b [a-z][a-z0-9+.-]{1,20} :// [^\s\x00/:@"'<>]{0,128} : ([^\s\x00/@"'<>]{1,256}) @"#,
);

/// `password = "…"` in any language, with a type between or not.
const ASSIGNED: (&str, &str) = (
    "assigned-secret",
    r#"(?i) (?:password|passwd|secret|token|api[_-]?key) ([a-z0-9_-]{0,32}) ["']?
       \s{0,8} (?: :\s{0,8}[a-z&'\x20]{1,24}= | := | => | : | = ) \s{0,8}
       (?: "([^"\s]{16,512})" | '([^'\s]{16,512})' )"#,
);

/// `PASSWORD=…` without quotes, as files of settings have it.
const SETTING: (&str, &str) = (
    "assigned-secret",
    r#"(?im) ^[\x20\t]* (?: (?:export|env|arg|-) [\x20\t]+ )? [a-z0-9_.-]{0,64}
       (?:password|passwd|secret|token|api[_-]?key) ([a-z0-9_-]{0,32})
       [\x20\t]* [=:] [\x20\t]* ([^\s"'\#]{16,512}) [\x20\t\r]* $"#,
);

/// `--password=…` or `--password …`; arguments are separated by zero bytes.
const ARGUMENT: (&str, &str) = (
    "assigned-secret",
    r"(?i) (?:password|passwd|secret|token|api[_-]?key) ([a-z0-9_-]{0,32})
      [=:\x00\x20] ([^\x00\s]{16,512})",
);

/// Where a text is from, which decides what an assignment looks like in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// Source, prose, pages.
    Source,
    /// Settings, where values need no quotes.
    Settings,
    /// The command line of one of our processes.
    Arguments,
    /// The command line of somebody else's process: only unmistakable forms.
    Foreign,
}

/// Something that has the form of a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hit<'t> {
    /// The detector's name.
    pub(crate) detector: &'static str,
    /// Where the secret begins, in bytes.
    pub(crate) at: usize,
    /// The secret itself. Never to be shown.
    pub(crate) secret: &'t [u8],
    /// Whether its first four characters are public, being part of its form.
    pub(crate) public_prefix: bool,
}

/// Every detector that goes by form.
#[derive(Debug)]
pub(crate) struct Detectors {
    forms: Vec<(&'static str, Regex)>,
    url: Regex,
    assigned: Regex,
    setting: Regex,
    argument: Regex,
}

impl Detectors {
    /// # Errors
    /// When a pattern is not usable; a test shows that all are.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut forms = Vec::new();
        for form in FORMS {
            forms.push((form.0, build(form)?));
        }
        Ok(Self {
            forms,
            url: build(URL_PASSWORD)?,
            assigned: build(ASSIGNED)?,
            setting: build(SETTING)?,
            argument: build(ARGUMENT)?,
        })
    }

    /// What looks like a secret in `bytes`, at most 50 of them. Time is linear in the length.
    pub(crate) fn search<'t>(&self, bytes: &'t [u8], text: Text) -> Vec<Hit<'t>> {
        let mut hits = Vec::new();
        for (detector, form) in &self.forms {
            hits.extend(form.find_iter(bytes).take(MAX_HITS).map(|found| Hit {
                detector,
                at: found.start(),
                secret: found.as_bytes(),
                public_prefix: true,
            }));
        }
        for found in self.url.captures_iter(bytes) {
            if let Some(password) = found.get(1)
                && password.len() >= MIN_URL_PASSWORD_BYTES
                && !is_placeholder(password.as_bytes())
            {
                hits.push(hit(URL_PASSWORD.0, password));
            }
        }
        let assignments: &[&Regex] = match text {
            Text::Source => &[&self.assigned],
            Text::Settings => &[&self.assigned, &self.setting],
            Text::Arguments => &[&self.assigned, &self.argument],
            Text::Foreign => &[],
        };
        for pattern in assignments {
            for found in pattern.captures_iter(bytes) {
                let name_end = found.get(1).map_or(&b""[..], |m| m.as_bytes());
                if let Some(value) = found.get(2).or_else(|| found.get(3))
                    && !names_a_place(name_end)
                    && looks_random(value.as_bytes())
                    && !hits.iter().any(|hit| overlaps(hit, value.range()))
                {
                    hits.push(hit(ASSIGNED.0, value));
                }
            }
        }
        hits.sort_by_key(|hit| hit.at);
        hits.truncate(MAX_HITS);
        hits
    }
}

fn build((detector, pattern): (&'static str, &str)) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .ignore_whitespace(true)
        .build()
        .map_err(|e| Error::Pattern { detector, why: e.to_string() })
}

fn hit<'t>(detector: &'static str, found: regex::bytes::Match<'t>) -> Hit<'t> {
    Hit { detector, at: found.start(), secret: found.as_bytes(), public_prefix: false }
}

fn overlaps(hit: &Hit<'_>, range: std::ops::Range<usize>) -> bool {
    hit.at < range.end && range.start < hit.at + hit.secret.len()
}

/// Whether a value is filled in later: `${PASSWORD}`, `<password>`, `{}`, `%s`, `****`.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"password", b"passwd", b"pass", b"secret", b"token", b"user"];
    let all_the_same = value.windows(2).all(|pair| pair.first() == pair.last());
    all_the_same
        || matches!(value.first(), Some(b'$' | b'{' | b'<' | b'%' | b'[' | b'('))
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether the end of a name says that its value is not the secret but where to find it:
/// `password_file`, `TOKEN_URL`.
fn names_a_place(name_end: &[u8]) -> bool {
    const PLACES: [&str; 12] = [
        "file", "path", "dir", "env", "name", "url", "uri", "header", "cookie", "field", "type",
        "id",
    ];
    let end = String::from_utf8_lossy(name_end).to_ascii_lowercase();
    PLACES.iter().any(|place| end.ends_with(place))
}

fn looks_random(value: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| usize::from(value.iter().any(class));
    let classes =
        has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit);
    let is_path = matches!(value.first(), Some(b'/' | b'.' | b'~'))
        && !value.iter().any(u8::is_ascii_uppercase);
    value.len() >= MIN_VALUE_BYTES
        && classes >= 2
        && !is_path
        && !is_placeholder(value)
        && !value.windows(3).any(|three| three == b"://")
        && entropy(value) >= MIN_ENTROPY
}

/// Shannon's entropy of the bytes' frequencies, in bits for each byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>());
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::{Detectors, Text, entropy};

    const RANDOM: &str = "kT9xQ2mVw7Lr4ZpB8nYc3HdF6sJg1AeU5oIt0KqX";

    /// Built once: building costs more than a thousand searches.
    static DETECTORS: LazyLock<Detectors> = LazyLock::new(|| Detectors::new().unwrap());

    fn found(text: &str, kind: Text) -> Vec<&'static str> {
        let hits = DETECTORS.search(text.as_bytes(), kind);
        hits.iter().map(|hit| hit.detector).collect()
    }

    /// Every sample is put together here, so that this file holds none.
    #[test]
    fn every_form_is_found() {
        let part = |n: usize| RANDOM.get(..n).unwrap();
        let upper = part(16).to_uppercase();
        for (text, detector) in [
            (format!("AKIA{upper}"), "aws-access-key"),
            (format!("ghp_{}", part(36)), "github-token"),
            (format!("github_pat_{RANDOM}"), "github-token"),
            (format!("xoxb-{}", part(20)), "slack-token"),
            (format!("-----BEGIN EC PRIVATE {}-----\n{RANDOM}", "KEY"), "private-key"),
            (format!("eyJ{0}.eyJ{0}.{0}", part(20)), "json-web-token"),
            (format!("sk_live_{}", part(24)), "stripe-key"),
            (format!("AIza{}", part(35)), "google-api-key"),
            (format!("postgres://app:{}@db/x", part(9)), "url-password"),
            (format!("let password = \"{}\";", part(16)), "assigned-secret"),
            (format!("const API_KEY: &str = \"{}\";", part(20)), "assigned-secret"),
            (format!("{{\"clientSecret\": \"{}\"}}", part(20)), "assigned-secret"),
        ] {
            assert_eq!(found(&text, Text::Source), [detector], "{text}");
        }
        let setting = format!("a=1\nexport DB_PASSWORD={}\n", part(20));
        assert_eq!(found(&setting, Text::Settings), ["assigned-secret"]);
        for arguments in
            [format!("app\0--password={}", part(20)), format!("app\0--api-key\0{}\0-v", part(20))]
        {
            assert_eq!(found(&arguments, Text::Arguments), ["assigned-secret"]);
            assert_eq!(found(&arguments, Text::Foreign), [""; 0]);
        }
    }

    #[test]
    fn what_only_talks_about_secrets_is_not_found() {
        for text in [
            "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
            "format!(\"postgres://{}:{}@{}\", user, password, host)",
            "postgres://app:${DB_PASSWORD}@db/x",
            "https://example.org:8443/a@b",
            "-----BEGIN PRIVATE KEY-----",
            "password = \"correct horse battery staple\"",
            "password_file = \"/run/secrets/database-1\"",
            "token_url = \"https://id.example.org/Token1\"",
            "secret: \"aaaaaaaaaaaaaaaaaaaaaaa1\"",
            "let token = \"session-token-of-nobody\"",
            "password: Password2FactorSettings,",
        ] {
            assert_eq!(found(text, Text::Source), [""; 0], "{text}");
        }
    }

    #[test]
    fn entropy_is_that_of_the_textbook() {
        assert!(entropy(b"").abs() < 1e-9);
        assert!(entropy(b"aaaa").abs() < 1e-9);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            for text in [Text::Source, Text::Settings, Text::Arguments, Text::Foreign] {
                for hit in DETECTORS.search(&bytes, text) {
                    prop_assert!(bytes[hit.at..].starts_with(hit.secret));
                }
            }
        }

        #[test]
        fn a_planted_secret_is_found_wherever_it_stands(
            before in "[ -~\n]{0,80}[ \n]",
            after in "[ \n][ -~\n]{0,80}",
        ) {
            let text = format!("{before}AKIA{}{after}", RANDOM.get(..16).unwrap().to_uppercase());
            prop_assert!(found(&text, Text::Source).contains(&"aws-access-key"));
        }
    }
}
