//! The kit as a file: a line of readable JSON that says what it is, and a line of base64 with the
//! ring's content, sealed under a key that only the shares give. The first line is authenticated
//! with the second.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material, field};
use jiff::Timestamp;
use kernel::Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::share::{MAX_SHARES, MIN_NEEDED, kit_id};
use crate::{Error, Result};

/// What the first line calls itself.
pub(super) const FORMAT: &str = "amanah-recovery-kit/1";
/// The longest first line, in bytes.
const MAX_HEADER_BYTES: usize = 8 << 10;
/// The largest kit, in bytes: the largest field in base64, and the first line.
pub const MAX_KIT_BYTES: usize =
    (field::MAX_FIELD_BYTES + field::OVERHEAD).div_ceil(3) * 4 + MAX_HEADER_BYTES + 2;
/// The longest name of an installation, in bytes.
const MAX_INSTALLATION_BYTES: usize = 256;

/// What a kit says of itself; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KitCard {
    /// The layout: `amanah-recovery-kit/1`.
    pub format: String,
    /// The installation whose keys it holds.
    pub installation: String,
    /// The ring's generation when it was made.
    pub generation: u64,
    /// When.
    pub made_at: Timestamp,
    /// Its id, which every share names: 16 hexadecimal digits.
    pub kit: String,
    /// How many shares open it.
    pub needed: u8,
    /// How many there are.
    pub of: u8,
    /// What each share is recognised by, in their order: a digest of 16 bytes, in hexadecimal.
    pub shares: Vec<String>,
}

/// A recovery kit: every key of an installation, sealed. Safe to keep where the shares are not.
#[derive(Clone)]
pub struct Kit {
    /// What it says of itself, which is believed only once it has been opened.
    pub card: KitCard,
    first_line: String,
    sealed: Vec<u8>,
}

impl Kit {
    /// Seals `content` under `key`.
    pub(super) fn seal(
        card: KitCard,
        key: &Material,
        content: &[u8],
        rng: &dyn Rng,
    ) -> Result<Self> {
        let first_line = serde_json::to_string(&card)
            .map_err(|why| Error::Kit(format!("its first line cannot be written: {why}")))?;
        check(&card, &first_line)?;
        let sealed = field::FieldKey::new(key)?.seal(&context(&first_line), content, rng)?;
        Ok(Self { card, first_line, sealed })
    }

    /// Opens it.
    pub(super) fn unseal(&self, key: &Material) -> Result<Zeroizing<Vec<u8>>> {
        let opened = field::FieldKey::new(key)?.open(&context(&self.first_line), &self.sealed);
        opened.map_err(|_| {
            Error::Kit("the shares are right and it does not open, so it was changed".to_owned())
        })
    }

    /// Reads a kit's file.
    ///
    /// # Errors
    /// [`Error::Kit`] when it is not one, was cut off, or is of a later version of Amanah.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Error::Kit(why.to_owned());
        if bytes.len() > MAX_KIT_BYTES {
            return Err(refuse("it is larger than any kit"));
        }
        let text = str::from_utf8(bytes).map_err(|_| refuse(NONE))?;
        let (first_line, rest) = text.split_once('\n').ok_or_else(|| refuse(NONE))?;
        if first_line.len() > MAX_HEADER_BYTES {
            return Err(refuse(NONE));
        }
        let format: Format = serde_json::from_str(first_line).map_err(|_| refuse(NONE))?;
        if format.format != FORMAT {
            return Err(refuse("it is of another version of Amanah; open it with that one"));
        }
        let card: KitCard = serde_json::from_str(first_line)
            .map_err(|why| Error::Kit(format!("its first line was changed: {why}")))?;
        check(&card, first_line)?;
        // The last line end shows that nothing is missing from a file that was copied in part.
        let body = rest.strip_suffix('\n').ok_or_else(|| refuse(CUT))?;
        let sealed = BASE64.decode(body).map_err(|_| refuse(CUT))?;
        Ok(Self { card, first_line: first_line.to_owned(), sealed })
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{}\n{}\n", self.first_line, BASE64.encode(&self.sealed)).into_bytes()
    }
}

/// The part of the first line that every version has.
#[derive(Deserialize)]
struct Format {
    format: String,
}

const NONE: &str = "this file is none";
const CUT: &str = "its second line was cut off or changed; take another copy of it";

fn context(first_line: &str) -> Context {
    Context::of("amanah/recovery-kit/1").with(first_line)
}

fn check(card: &KitCard, first_line: &str) -> Result<()> {
    let counts = (MIN_NEEDED..=card.of).contains(&card.needed) && card.of <= MAX_SHARES;
    let mark = |mark: &String| mark.len() == 32 && kernel::unhex(mark).is_some();
    let proper = first_line.len() <= MAX_HEADER_BYTES
        && (1..=MAX_INSTALLATION_BYTES).contains(&card.installation.len())
        && kit_id(&card.kit).is_some()
        && card.shares.len() == usize::from(card.of)
        && card.shares.iter().all(mark);
    if proper && counts {
        return Ok(());
    }
    Err(Error::Kit("its first line says what no kit says".to_owned()))
}

#[cfg(test)]
mod tests {
    use cipher::Material;
    use kernel::SystemRng;
    use proptest::prelude::{any, proptest};

    use super::{FORMAT, Kit, KitCard};

    fn card() -> KitCard {
        KitCard {
            format: FORMAT.to_owned(),
            installation: "here".to_owned(),
            generation: 7,
            made_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            kit: "0011223344556677".to_owned(),
            needed: 2,
            of: 3,
            shares: vec!["00".repeat(16), "11".repeat(16), "22".repeat(16)],
        }
    }

    fn kit() -> (Material, Kit) {
        let key = Material::new([7; 32]);
        let kit = Kit::seal(card(), &key, b"content", &SystemRng).unwrap();
        (key, kit)
    }

    /// Cut anywhere, it is refused before anything is opened; changed anywhere, it is refused then
    /// at the latest.
    #[test]
    fn a_damaged_kit_is_refused() {
        let (key, kit) = kit();
        let bytes = kit.bytes();
        assert_eq!(*Kit::parse(&bytes).unwrap().unseal(&key).unwrap(), b"content");
        for end in 0..bytes.len() {
            assert!(Kit::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let opened = Kit::parse(&changed).and_then(|kit| kit.unseal(&key).map(|_| ()));
            assert!(opened.is_err(), "changed at {place}");
        }
    }

    #[test]
    fn a_kit_of_a_later_version_is_named_as_such() {
        let text = String::from_utf8(kit().1.bytes()).unwrap();
        let later = text.replace("recovery-kit/1", "recovery-kit/2");
        let error = Kit::parse(later.as_bytes()).err().unwrap().to_string();
        assert!(error.contains("another version"), "{error}");
    }

    #[test]
    fn first_lines_that_no_kit_has_are_refused() {
        let key = Material::new([7; 32]);
        let seal = |card| Kit::seal(card, &key, b"", &SystemRng);
        assert!(seal(card()).is_ok());
        assert!(seal(KitCard { needed: 1, ..card() }).is_err());
        assert!(seal(KitCard { needed: 4, ..card() }).is_err());
        assert!(seal(KitCard { of: 4, ..card() }).is_err());
        assert!(seal(KitCard { kit: "00112233-4455667".to_owned(), ..card() }).is_err());
        assert!(seal(KitCard { installation: String::new(), ..card() }).is_err());
    }

    proptest! {
        #[test]
        fn hostile_files_are_refused(bytes in any::<Vec<u8>>()) {
            assert!(Kit::parse(&bytes).is_err());
        }

        #[test]
        fn hostile_text_behind_a_proper_line_is_refused(rest in any::<String>()) {
            let (key, kit) = kit();
            let file = format!("{}\n{rest}\n", kit.first_line);
            let opened = Kit::parse(file.as_bytes()).and_then(|kit| kit.unseal(&key).map(|_| ()));
            assert!(opened.is_err());
        }

        /// A body that was sealed with another first line opens with none that somebody makes up,
        /// though its key is right.
        #[test]
        fn hostile_first_lines_are_refused(
            needed: u8, of: u8, kit in "\\PC{0,20}", shares in any::<Vec<String>>(),
            generation: u64,
        ) {
            let (key, sealed) = super::tests::kit();
            let whole = String::from_utf8(sealed.bytes()).unwrap();
            let (_, body) = whole.split_once('\n').unwrap();
            let open = |card: &KitCard| {
                let file = format!("{}\n{body}", serde_json::to_string(card).unwrap());
                Kit::parse(file.as_bytes()).and_then(|kit| kit.unseal(&key).map(|_| ()))
            };
            assert!(open(&card()).is_ok(), "the true line opens it");
            let hostile = KitCard { kit, needed, of, shares, ..card() };
            assert!(hostile == card() || open(&hostile).is_err());
            // Also where each field by itself is one that a kit may have.
            let older = KitCard { generation, ..card() };
            assert!(older == card() || open(&older).is_err());
            let fewer = KitCard { needed: 2 + needed % 2, ..card() };
            assert!(fewer == card() || open(&fewer).is_err());
        }
    }
}
