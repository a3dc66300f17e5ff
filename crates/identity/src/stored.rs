//! What a stored password hash says of itself: its scheme, its cost, and whether that is enough.

use std::fmt;

use argon2::{Params, PasswordHash};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What a hash costs to compute. The default is the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub(crate) memory: u32,
    /// Passes over the memory.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
}

/// What new hashes cost at least, and cost unless the operator says otherwise: the first of OWASP's
/// equivalent choices. Measured: 18 ms and 19 MiB.
pub(crate) const FLOOR: Cost = Cost::new(19_456, 2);

/// OWASP's equivalent minimum choices (Password Storage Cheat Sheet, Argon2id). A hash that
/// reaches one of them in memory and passes is strong enough.
const FLOORS: [Cost; 5] =
    [Cost::new(47_104, 1), FLOOR, Cost::new(12_288, 3), Cost::new(9_216, 4), Cost::new(7_168, 5)];

/// The dearest hash that is still checked at sign-in, and so the dearest that is made: a row must not
/// be able to take the memory. Argon2 itself asks for 8 KiB for each lane.
const DEAREST: Cost = Cost { memory: 65_536, passes: 10, lanes: 4 };
/// The least that Argon2 can do, in KiB written: it has no fewer blocks.
const LEAST_WORK: u64 = 8;

/// The shortest salt and the shortest output that are strong enough, in bytes (RFC 9106, 3.1).
const MIN_SALT_BYTES: usize = 16;
const MIN_OUTPUT_BYTES: usize = 16;

/// The salt and output of new hashes, in bytes.
pub(crate) const SALT_BYTES: usize = 16;
pub(crate) const OUTPUT_BYTES: usize = 32;

/// Argon2's version 1.3, as it is written in a hash.
const VERSION: u32 = 19;

impl Default for Cost {
    fn default() -> Self {
        FLOOR
    }
}

impl Cost {
    /// Reads what new hashes shall cost, as it is written in a hash: `m=19456,t=2,p=1`, the memory in KiB.
    ///
    /// # Errors
    /// When it is not of that form, or below the floor, or above what is checked at sign-in. The text
    /// says which, and what there may be.
    pub fn tuned(text: &str) -> Result<Self, String> {
        let form =
            || format!("`{text}` is not of the form `{FLOOR}`: memory in KiB, passes, lanes");
        let mut parts = text.split(',');
        let mut part = |name: &str| {
            let number = parts.next().and_then(|part| part.strip_prefix(name));
            number.and_then(|number| number.parse::<u32>().ok()).ok_or_else(form)
        };
        let cost = Self { memory: part("m=")?, passes: part("t=")?, lanes: part("p=")? };
        // Written in one way only: `+5` and `05` are numbers too.
        if cost.to_string() != text {
            return Err(form());
        }
        if !DEAREST.reaches(cost) {
            return Err(format!(
                "`{text}` would take more memory or time than a sign-in may: {DEAREST} at most"
            ));
        }
        if !cost.is_enough() {
            let floors = FLOORS.map(|floor| floor.to_string()).join(", ");
            return Err(format!(
                "`{text}` is too cheap to guess against: in memory and passes it has to reach one \
                 of OWASP's choices, {floors}"
            ));
        }
        Ok(cost)
    }

    /// Whether it reaches one of the floors.
    pub(crate) fn is_enough(self) -> bool {
        FLOORS.iter().any(|floor| self.reaches(*floor))
    }

    /// A cost of one lane that takes as long as this one takes longer than `other`; nothing where it
    /// does not.
    pub(crate) fn beyond(self, other: Self) -> Option<Self> {
        let work = self.work().checked_sub(other.work()).filter(|work| *work >= LEAST_WORK)?;
        let passes = work.div_ceil(u64::from(self.memory).max(1));
        let memory = u32::try_from(work / passes).ok()?;
        Some(Self::new(memory, u32::try_from(passes).ok()?))
    }

    pub(crate) const fn new(memory: u32, passes: u32) -> Self {
        Self { memory, passes, lanes: 1 }
    }

    /// How much there is to do, in KiB written.
    pub(crate) fn work(self) -> u64 {
        u64::from(self.memory) * u64::from(self.passes)
    }

    /// Whether it is at least `other` in every respect.
    pub(crate) const fn reaches(self, other: Self) -> bool {
        self.memory >= other.memory && self.passes >= other.passes && self.lanes >= other.lanes
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

/// An Argon2id hash that can be checked.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) cost: Cost,
    pub(crate) salt: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

/// Why a stored hash is not strong enough. It never repeats what is stored: that may be a
/// password in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// It is no hash of a form that is known here.
    Unreadable,
    /// Another scheme.
    Scheme(&'static str),
    /// An Argon2 before version 1.3.
    Version,
    /// Too cheap.
    Cheap(Cost),
    /// So dear that checking it would take the machine's memory.
    TooDear(Cost),
    /// A salt of so many bytes.
    Salt(usize),
    /// An output of so many bytes.
    Output(usize),
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("what is stored is not a hash of any known form"),
            Self::Scheme(name) => write!(f, "its password is stored under {name}"),
            Self::Version => f.write_str("its hash is of an Argon2 older than version 19"),
            Self::Cheap(cost) => write!(f, "its hash is too cheap to guess against: {cost}"),
            Self::TooDear(cost) => write!(f, "its hash is too dear to be checked: {cost}"),
            Self::Salt(bytes) => write!(f, "its salt has only {bytes} bytes"),
            Self::Output(bytes) => write!(f, "its hash has only {bytes} bytes"),
        }
    }
}

impl Stored {
    /// Reads a hash that can be checked at sign-in, whether or not it is strong enough.
    pub(crate) fn read(text: &str) -> Result<Self, Weakness> {
        let scheme = scheme(text)?;
        if scheme != "argon2id" {
            return Err(Weakness::Scheme(scheme));
        }
        let hash = PasswordHash::new(text).map_err(|_| Weakness::Unreadable)?;
        if hash.version != Some(VERSION) {
            return Err(Weakness::Version);
        }
        // A parameter that is not written would be filled in with a default: refuse that.
        let written = |name: &str| hash.params.get_decimal(name).ok_or(Weakness::Unreadable);
        let cost = Cost { memory: written("m")?, passes: written("t")?, lanes: written("p")? };
        if !DEAREST.reaches(cost) {
            return Err(Weakness::TooDear(cost));
        }
        Params::new(cost.memory, cost.passes, cost.lanes, None)
            .map_err(|_| Weakness::Unreadable)?;
        Ok(Self {
            cost,
            salt: hash.salt.ok_or(Weakness::Unreadable)?.to_vec(),
            output: hash.hash.ok_or(Weakness::Unreadable)?.as_bytes().to_vec(),
        })
    }

    /// Reads a hash and judges it.
    pub(crate) fn judge(text: &str) -> Result<Cost, Weakness> {
        let stored = Self::read(text)?;
        if !stored.cost.is_enough() {
            Err(Weakness::Cheap(stored.cost))
        } else if stored.salt.len() < MIN_SALT_BYTES {
            Err(Weakness::Salt(stored.salt.len()))
        } else if stored.output.len() < MIN_OUTPUT_BYTES {
            Err(Weakness::Output(stored.output.len()))
        } else {
            Ok(stored.cost)
        }
    }

    /// Whether it should be made anew at the cost that is `current` when the password is at hand. A
    /// dearer one too: it takes longer to refuse than an unknown address does, and so tells that there
    /// is an account.
    pub(crate) fn is_other_than(&self, current: Cost) -> bool {
        self.cost != current || self.salt.len() < SALT_BYTES || self.output.len() < OUTPUT_BYTES
    }
}

/// The hash in the PHC string form.
impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let output = STANDARD_NO_PAD.encode(&self.output);
        write!(f, "$argon2id$v={VERSION}${}${salt}${output}", self.cost)
    }
}

/// The scheme by its prefix, from a list of our own: a prefix that is not in it may be anything.
fn scheme(text: &str) -> Result<&'static str, Weakness> {
    const KNOWN: [(&str, &str); 14] = [
        ("argon2id", "argon2id"),
        ("argon2i", "argon2i"),
        ("argon2d", "argon2d"),
        ("2a", "bcrypt"),
        ("2b", "bcrypt"),
        ("2x", "bcrypt"),
        ("2y", "bcrypt"),
        ("scrypt", "scrypt"),
        ("pbkdf2-sha256", "PBKDF2"),
        ("pbkdf2-sha512", "PBKDF2"),
        ("1", "md5crypt"),
        ("5", "sha256crypt"),
        ("6", "sha512crypt"),
        ("y", "yescrypt"),
    ];
    let rest = text.strip_prefix('$').ok_or(Weakness::Unreadable)?;
    let prefix = rest.split('$').next().unwrap_or_default();
    KNOWN
        .iter()
        .find(|(known, _)| *known == prefix)
        .map(|(_, name)| *name)
        .ok_or(Weakness::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::{Cost, FLOOR, Stored, Weakness};

    fn stored(cost: Cost, salt: usize, output: usize) -> String {
        Stored { cost, salt: vec![1; salt], output: vec![2; output] }.to_string()
    }

    #[test]
    fn the_floor_is_any_of_the_equivalent_choices() {
        for (memory, passes, good) in [
            (19_456, 2, true),
            (47_104, 1, true),
            (7_168, 5, true),
            (65_536, 3, true),
            (19_456, 1, false),
            (1_024, 10, false),
            (7_167, 5, false),
        ] {
            let cost = Cost::new(memory, passes);
            let want = if good { Ok(cost) } else { Err(Weakness::Cheap(cost)) };
            assert_eq!(Stored::judge(&stored(cost, 16, 32)), want);
        }
        assert_eq!(Stored::judge(&stored(FLOOR, 8, 32)), Err(Weakness::Salt(8)));
        assert_eq!(Stored::judge(&stored(FLOOR, 16, 12)), Err(Weakness::Output(12)));
    }

    #[test]
    fn what_is_asked_for_is_within_the_bounds_and_written_in_one_way() {
        for good in ["m=19456,t=2,p=1", "m=47104,t=1,p=1", "m=65536,t=10,p=4"] {
            assert_eq!(Cost::tuned(good).unwrap().to_string(), good);
        }
        for (bad, words) in [
            ("m=19456,t=1,p=1", "too cheap"),
            ("m=19455,t=2,p=1", "too cheap"),
            ("m=7168,t=4,p=1", "m=19456,t=2,p=1"),
            ("m=19456,t=2,p=0", "too cheap"),
            ("m=65537,t=2,p=1", "m=65536,t=10,p=4 at most"),
            ("m=19456,t=11,p=1", "at most"),
            ("m=19456,t=2,p=5", "at most"),
            ("m=4294967296,t=2,p=1", "is not of the form"),
            ("m=+19456,t=2,p=1", "is not of the form"),
            ("m=019456,t=2,p=1", "is not of the form"),
            ("t=2,m=19456,p=1", "is not of the form"),
            ("m=19456,t=2,p=1,", "is not of the form"),
            ("19456", "is not of the form"),
            ("", "is not of the form"),
        ] {
            let why = Cost::tuned(bad).unwrap_err();
            assert!(why.contains(words), "{bad}: {why}");
        }
    }

    #[test]
    fn what_a_cheaper_hash_lacks_is_made_up_for() {
        for (current, old) in [
            (Cost::new(19_456, 3), FLOOR),
            (Cost::new(65_536, 10), FLOOR),
            (FLOOR, Cost::new(1_024, 2)),
            (FLOOR, Cost::new(19_456, 1)),
        ] {
            let rest = current.beyond(old).unwrap();
            assert!(rest.memory <= current.memory, "{rest}");
            let (all, want) = (rest.work() + old.work(), current.work());
            assert!(want - u64::from(rest.passes) < all && all <= want, "{rest}: {all} of {want}");
            assert!(argon2::Params::new(rest.memory, rest.passes, rest.lanes, None).is_ok());
        }
        assert_eq!(FLOOR.beyond(FLOOR), None);
        assert_eq!(FLOOR.beyond(Cost::new(65_536, 3)), None);
    }

    #[test]
    fn nothing_else_passes_and_nothing_that_is_stored_is_repeated() {
        let good = stored(FLOOR, 16, 32);
        let dear = Cost::new(1 << 30, 2);
        for (text, want) in [
            (String::new(), Weakness::Unreadable),
            ("hunter2".into(), Weakness::Unreadable),
            ("$hunter2$".into(), Weakness::Unreadable),
            ("$2b$12$abcdefghijklmnopqrstuv".into(), Weakness::Scheme("bcrypt")),
            (good.replace("argon2id", "argon2i"), Weakness::Scheme("argon2i")),
            (good.replace("v=19", "v=16"), Weakness::Version),
            (good.replace("$v=19", ""), Weakness::Version),
            (good.replace("m=19456,", ""), Weakness::Unreadable),
            (good.replace("t=2", "t=0"), Weakness::Unreadable),
            (format!("{good}$more"), Weakness::Unreadable),
            (stored(dear, 16, 32), Weakness::TooDear(dear)),
        ] {
            let got = Stored::judge(&text).unwrap_err();
            assert_eq!(got, want, "{text}");
            assert!(!got.to_string().contains("hunter2"));
        }
    }
}
