//! What is offered to a server that should take none of it: every version before the promised one,
//! every suite without authenticated encryption or forward secrecy, weak groups, and a fallback.

use super::super::hello::{
    FALLBACK, Hello, Reply, SSL_2, SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3,
};

/// The name that is asked for where a hello can say one.
const NAME: &str = "localhost";
/// The alert that answers a fallback.
const INAPPROPRIATE_FALLBACK: u8 = 86;

/// Suites with authenticated encryption and forward secrecy: what TLS 1.2 may be spoken with.
const STRONG: [u16; 8] = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0x009e, 0x009f];
/// More of them, which nobody here speaks. They are not weak.
const STRONG_TOO: [u16; 21] = [
    0x00a2, 0x00a3, 0xccaa, 0xc09e, 0xc09f, 0xc0ac, 0xc0ad, 0xc052, 0xc053, 0xc056, 0xc057, 0xc05c,
    0xc05d, 0xc060, 0xc061, 0xc07c, 0xc07d, 0xc086, 0xc087, 0xc08a, 0xc08b,
];
/// What old clients offered, so that an old version is not refused for its suites.
const OLD: [u16; 16] = [
    0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0xc012, 0x0016, 0x000a, 0x0005,
    0x0004, 0x0009, 0x0003, 0x0001,
];
/// Suites of SSL 2.0: the first and the last of their three bytes.
const OLDEST: [u16; 7] = [0x0180, 0x0280, 0x0380, 0x0480, 0x0580, 0x0640, 0x07c0];
/// Groups that are good: X25519, P-256, P-384.
const GOOD_GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];
/// Groups of fewer than 224 bits, of binary fields, and of 224: sect163k1 to secp224r1 without P-256.
const WEAK_GROUPS: [u16; 21] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];

/// Families of weak suites by what is wrong with them, each with numbers of its own.
const FAMILIES: [(&str, &[u16]); 9] = [
    (
        "suites without encryption",
        &[
            0x0000, 0x0001, 0x0002, 0x003b, 0x002c, 0x002d, 0x002e, 0x00b0, 0x00b1, 0x00b4, 0x00b5,
            0x00b8, 0x00b9, 0xc001, 0xc006, 0xc00b, 0xc010, 0xc015, 0xc039, 0xc03a, 0xc03b,
        ],
    ),
    (
        "export suites",
        &[
            0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017, 0x0019, 0x0026, 0x0027,
            0x0028, 0x0029, 0x002a, 0x002b, 0x0060, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065,
        ],
    ),
    (
        "suites without a certificate",
        &[
            0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x0046, 0x0089, 0x009b, 0x00a6,
            0x00a7, 0x00bf, 0x00c5, 0xc016, 0xc017, 0xc018, 0xc019, 0xc046, 0xc047, 0xc084, 0xc085,
        ],
    ),
    (
        "RC4 suites",
        &[
            0x0004, 0x0005, 0x0020, 0x0024, 0x0066, 0x008a, 0x008e, 0x0092, 0xc002, 0xc007, 0xc00c,
            0xc011, 0xc033,
        ],
    ),
    (
        "suites with blocks of 64 bits",
        &[
            0x0007, 0x0009, 0x000a, 0x000c, 0x000d, 0x000f, 0x0010, 0x0012, 0x0013, 0x0015, 0x0016,
            0x001e, 0x001f, 0x0021, 0x0022, 0x0023, 0x0025, 0x008b, 0x008f, 0x0093, 0xc003, 0xc008,
            0xc00d, 0xc012, 0xc01a, 0xc01b, 0xc01c, 0xc034,
        ],
    ),
    (
        "suites with RSA key exchange, without forward secrecy",
        &[
            0x002f, 0x0035, 0x003c, 0x003d, 0x0041, 0x0084, 0x0096, 0x009c, 0x009d, 0x00ba, 0x00c0,
            0xc03c, 0xc03d, 0xc050, 0xc051, 0xc07a, 0xc07b, 0xc09c, 0xc09d, 0xc0a0, 0xc0a1,
        ],
    ),
    (
        "suites with a fixed Diffie-Hellman key, without forward secrecy",
        &[
            0x0030, 0x0031, 0x0036, 0x0037, 0x003e, 0x003f, 0x0068, 0x0069, 0x00a0, 0x00a1, 0x00a4,
            0x00a5, 0xc004, 0xc005, 0xc00e, 0xc00f, 0xc025, 0xc026, 0xc029, 0xc02a, 0xc02d, 0xc02e,
            0xc031, 0xc032,
        ],
    ),
    (
        "CBC suites, without authenticated encryption",
        &[
            0x0032, 0x0033, 0x0038, 0x0039, 0x0040, 0x0067, 0x006a, 0x006b, 0x0044, 0x0045, 0x0087,
            0x0088, 0x0099, 0x009a, 0x00bd, 0x00be, 0x00c3, 0x00c4, 0xc009, 0xc00a, 0xc013, 0xc014,
            0xc023, 0xc024, 0xc027, 0xc028, 0xc048, 0xc049, 0xc04c, 0xc04d, 0xc072, 0xc073, 0xc076,
            0xc077,
        ],
    ),
    (
        "suites with a shared key or a password",
        &[
            0x008c, 0x008d, 0x0090, 0x0091, 0x0094, 0x0095, 0x00a8, 0x00a9, 0x00aa, 0x00ab, 0x00ac,
            0x00ad, 0x00ae, 0x00af, 0x00b2, 0x00b3, 0x00b6, 0x00b7, 0xc01d, 0xc01e, 0xc01f, 0xc020,
            0xc021, 0xc022, 0xc035, 0xc036, 0xc037, 0xc038, 0xcca1, 0xccab, 0xccac, 0xccad, 0xccae,
        ],
    ),
];
/// Suites of TLS 1.3 with a short seal, without encryption, or without a number that is assigned.
const WEAK_1_3: [u16; 6] = [0x1305, 0x1306, 0x1307, 0x1300, 0xc0b4, 0xc0b5];
/// The other name of all suite numbers that were ever given to TLS up to 1.2.
const OTHERS: &str = "every other suite number up to TLS 1.2";

/// One hello, and what it would mean if a server went on.
pub(super) struct Attempt {
    pub(super) what: &'static str,
    pub(super) hello: Hello,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Weak,
    Fallback,
}

impl Attempt {
    const fn weak(what: &'static str, hello: Hello) -> Self {
        Self { what, hello, kind: Kind::Weak }
    }

    /// What is wrong with `reply`, if something is.
    pub(super) fn judge(&self, reply: &Reply) -> Option<String> {
        match (self.kind, reply) {
            (Kind::Weak, Reply::Hello { version, suite, group }) => {
                let group = group.map(|group| format!(", group {group:#06x}")).unwrap_or_default();
                let version = named(*version);
                Some(format!("accepted, with {version} and suite {suite:#06x}{group}"))
            }
            (Kind::Weak, _) | (Kind::Fallback, Reply::Alert(INAPPROPRIATE_FALLBACK)) => None,
            (Kind::Fallback, Reply::Alert(alert)) => {
                Some(format!("answered with alert {alert} and not with {INAPPROPRIATE_FALLBACK}"))
            }
            (Kind::Fallback, Reply::Hello { .. }) => Some("accepted".to_owned()),
            (Kind::Fallback, Reply::Other | Reply::End) => {
                Some("not answered by an alert".to_owned())
            }
        }
    }
}

/// What people call a version.
pub(super) fn named(version: u16) -> &'static str {
    match version {
        SSL_2 => "SSL 2.0",
        SSL_3 => "SSL 3.0",
        TLS_1_0 => "TLS 1.0",
        TLS_1_1 => "TLS 1.1",
        TLS_1_2 => "TLS 1.2",
        TLS_1_3 => "TLS 1.3",
        _ => "an unknown version",
    }
}

/// Everything that a server whose oldest version is `min` must refuse.
pub(super) fn all(min: u16) -> Vec<Attempt> {
    let hello = |version, suites: &[u16], groups: &[u16]| Hello {
        version,
        suites: suites.to_vec(),
        groups: groups.to_vec(),
        name: Some(NAME.to_owned()),
    };
    let mut attempts = vec![Attempt::weak(named(SSL_2), hello(SSL_2, &OLDEST, &[]))];
    for version in [SSL_3, TLS_1_0, TLS_1_1] {
        attempts.push(Attempt::weak(named(version), hello(version, &OLD, &GOOD_GROUPS)));
    }
    if min > TLS_1_2 {
        attempts.push(Attempt::weak(named(TLS_1_2), hello(TLS_1_2, &STRONG, &GOOD_GROUPS)));
    }
    for (what, suites) in FAMILIES {
        attempts.push(Attempt::weak(what, hello(TLS_1_2, suites, &GOOD_GROUPS)));
    }
    attempts.push(Attempt::weak(OTHERS, hello(TLS_1_2, &others(), &GOOD_GROUPS)));
    let what = "weak groups of TLS 1.2";
    attempts.push(Attempt::weak(what, hello(TLS_1_2, &STRONG, &WEAK_GROUPS)));
    let what = "weak groups of TLS 1.3";
    attempts.push(Attempt::weak(what, hello(TLS_1_3, &[0x1301, 0x1302, 0x1303], &WEAK_GROUPS)));
    let what = "weak suites of TLS 1.3";
    attempts.push(Attempt::weak(what, hello(TLS_1_3, &WEAK_1_3, &GOOD_GROUPS)));
    for (what, version, suites) in [
        ("a fallback to TLS 1.2", TLS_1_2, &STRONG[..]),
        ("a fallback to TLS 1.1", TLS_1_1, &OLD[..]),
        ("a fallback to TLS 1.0", TLS_1_0, &OLD[..]),
    ] {
        let suites = [suites, &[FALLBACK]].concat();
        let hello = hello(version, &suites, &GOOD_GROUPS);
        attempts.push(Attempt { what, hello, kind: Kind::Fallback });
    }
    attempts
}

/// Every number that a suite of TLS up to 1.2 can have, and that is in no family and not strong.
fn others() -> Vec<u16> {
    let known = |suite: &u16| {
        STRONG.contains(suite)
            || STRONG_TOO.contains(suite)
            || FAMILIES.iter().any(|(_, family)| family.contains(suite))
    };
    let ranges =
        [0x0000..=0x00fe, 0xc000..=0xc0ff, 0xc100..=0xc106, 0xcca0..=0xccaf, 0xd000..=0xd00f];
    ranges.into_iter().flatten().filter(|suite| !known(suite)).collect()
}

/// A violation for a bite: an answer that only an old or careless server gives.
#[derive(Clone, Copy)]
pub(super) struct Seed {
    /// What of [`all`] has to find it.
    pub(super) found_by: &'static str,
    /// The version that it is spoken at.
    pub(super) version: u16,
    /// The suite that the server takes, where it is offered.
    pub(super) suite: u16,
    /// The group that the server takes, and nobody else offers.
    pub(super) group: Option<u16>,
}

impl Seed {
    /// Whether a server with this violation would go on with `hello`.
    pub(super) fn takes(&self, hello: &Hello) -> bool {
        hello.version == self.version
            && hello.suites.contains(&self.suite)
            && (self.suite == FALLBACK || !hello.suites.contains(&FALLBACK))
            && self.group.is_none_or(|group| hello.groups.contains(&group))
    }
}

/// One violation for each of [`all`] that a server of TLS 1.3 alone must refuse.
pub(super) fn seeds() -> Vec<Seed> {
    let seed = |found_by, version, suite, group| Seed { found_by, version, suite, group };
    let mut seeds = vec![
        seed(named(SSL_2), SSL_2, 0x0180, None),
        seed(named(SSL_3), SSL_3, 0x0035, None),
        seed(named(TLS_1_0), TLS_1_0, 0x0035, None),
        seed(named(TLS_1_1), TLS_1_1, 0x0035, None),
        seed(named(TLS_1_2), TLS_1_2, 0xc02b, Some(0x0017)),
    ];
    for (what, family) in FAMILIES {
        seeds.extend(family.last().map(|suite| seed(what, TLS_1_2, *suite, None)));
    }
    seeds.extend(others().last().map(|suite| seed(OTHERS, TLS_1_2, *suite, None)));
    seeds.extend([
        seed("weak groups of TLS 1.2", TLS_1_2, 0xc02b, Some(0x0013)),
        seed("weak groups of TLS 1.3", TLS_1_3, 0x1301, Some(0x0013)),
        seed("weak suites of TLS 1.3", TLS_1_3, 0x1305, Some(0x0017)),
        seed("a fallback to TLS 1.2", TLS_1_2, FALLBACK, None),
        seed("a fallback to TLS 1.1", TLS_1_1, FALLBACK, None),
        seed("a fallback to TLS 1.0", TLS_1_0, FALLBACK, None),
    ]);
    seeds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FAMILIES, all, others, seeds};
    use crate::controls::hello::{TLS_1_2, TLS_1_3};

    /// No number is in two families, so that what is found has one name; nothing strong is in one.
    #[test]
    fn families_are_apart() {
        let named: Vec<u16> = FAMILIES.iter().flat_map(|(_, family)| family.to_vec()).collect();
        let once: BTreeSet<u16> = named.iter().copied().collect();
        assert_eq!(once.len(), named.len());
        assert!(named.len() > 200 && others().len() > 100, "{} {}", named.len(), others().len());
        assert!(super::STRONG.iter().all(|strong| !once.contains(strong)));
    }

    /// Each violation would be met by one attempt and no other, and each attempt has one.
    #[test]
    fn each_attempt_has_its_violation() {
        let attempts = all(TLS_1_3);
        let seeds = seeds();
        for seed in &seeds {
            let met = attempts.iter().filter(|attempt| seed.takes(&attempt.hello));
            let met: Vec<&str> = met.map(|attempt| attempt.what).collect();
            assert_eq!(met, [seed.found_by]);
        }
        assert_eq!(seeds.len(), attempts.len());
        assert_eq!(all(TLS_1_2).len() + 1, attempts.len());
    }
}
