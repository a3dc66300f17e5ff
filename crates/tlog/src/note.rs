//! Signed notes (C2SP signed-note): a text and lines of signatures below it, with Ed25519.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The algorithm byte of Ed25519.
const ED25519_KEY: u8 = 1;
/// How much of a key's digest stands before a signature.
const ID_BYTES: usize = 4;
/// What a line with a signature begins with.
const MARK: &str = "\u{2014} ";
/// What stands between text and signatures.
const GAP: &str = "\n\n";
/// The longest note that is read, in bytes.
const MAX_NOTE: usize = 1 << 20;
/// The most signatures that are looked at.
const MAX_SIGNATURES: usize = 100;

/// A text with signatures of whoever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

/// A text that the holder of a known key has signed. Nobody makes one but [`Note::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened(String);

impl Opened {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Who signs.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

/// Whose signature is checked: what other programs call a verifier key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; ID_BYTES],
    key: [u8; 32],
}

impl Note {
    /// A text without signatures yet.
    ///
    /// # Errors
    /// When it does not end its last line, or has characters that no text has.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if !text.ends_with('\n') || text.starts_with('\n') {
            return Err(Error::Note("its text is empty or does not end its last line"));
        }
        if text.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(Error::Note("its text has control characters"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note. Nothing is believed of it until it was [opened](Self::open).
    ///
    /// # Errors
    /// When it is no note.
    pub fn parse(note: &str) -> Result<Self> {
        if note.len() > MAX_NOTE {
            return Err(Error::Note("it is longer than a megabyte"));
        }
        let (text, signatures) =
            note.rsplit_once(GAP).ok_or(Error::Note("nothing stands below its text"))?;
        let mut parsed = Self::new(format!("{text}\n"))?;
        let lines =
            signatures.strip_suffix('\n').ok_or(Error::Note("its last line does not end"))?;
        for line in lines.split('\n') {
            parsed.signatures.push(Signature::parse(line)?);
            if parsed.signatures.len() > MAX_SIGNATURES {
                return Err(Error::Note("it has more than a hundred signatures"));
            }
        }
        Ok(parsed)
    }

    /// The same with a signature more.
    #[must_use]
    pub fn signed(mut self, signer: &Signer) -> Self {
        let Verifier { name, id, .. } = &signer.verifier;
        let bytes = signer.pair.sign(self.text.as_bytes()).as_ref().to_vec();
        self.signatures.push(Signature { name: name.clone(), id: *id, bytes });
        self
    }

    /// The same with a signature more, made elsewhere over [`Note::text`].
    ///
    /// # Errors
    /// When `by` did not make it.
    pub fn with(mut self, by: &Verifier, signature: &[u8]) -> Result<Self> {
        let Verifier { name, id, .. } = by;
        self.signatures.push(Signature { name: name.clone(), id: *id, bytes: signature.to_vec() });
        self.open(by)?;
        Ok(self)
    }

    /// The text, as nobody has opened it: good for signing, and nothing is believed of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, if the holder of this key has signed it.
    ///
    /// # Errors
    /// [`Error::Unsigned`] without a signature under its name, [`Error::Forged`] when there is one
    /// that does not fit.
    pub fn open(&self, by: &Verifier) -> Result<Opened> {
        let signature = self.signatures.iter().find(|s| s.name == by.name && s.id == by.id);
        let signature = signature.ok_or_else(|| Error::Unsigned(by.name.clone()))?;
        UnparsedPublicKey::new(&ED25519, by.key)
            .verify(self.text.as_bytes(), &signature.bytes)
            .map_err(|_| Error::Forged(by.name.clone()))?;
        Ok(Opened(self.text.clone()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            writeln!(f, "{MARK}{name} {}", STANDARD.encode([&id[..], bytes].concat()))?;
        }
        Ok(())
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self> {
        let wrong = || Error::Note("a line below its text is no signature");
        let (name, blob) =
            line.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
        check_name(name).map_err(|_| wrong())?;
        let blob = STANDARD.decode(blob).map_err(|_| wrong())?;
        let (id, bytes) = blob.split_first_chunk::<ID_BYTES>().ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

impl Signer {
    /// The signer whose Ed25519 key comes from `seed`. Whoever calls wipes the seed.
    ///
    /// # Errors
    /// When a name like this cannot stand in a note.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| Error::Key("these bytes are no seed"))?;
        let key = pair.public_key().as_ref().try_into();
        let key = key.map_err(|_| Error::Key("these bytes are no seed"))?;
        Ok(Self { verifier: Verifier::new(name, key)?, pair })
    }

    /// Who checks what it signs.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.verifier).finish()
    }
}

impl Verifier {
    /// The key `key` under `name`.
    ///
    /// # Errors
    /// When a name like this cannot stand in a note.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self> {
        check_name(name)?;
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', ED25519_KEY])
            .chain_update(key)
            .finalize();
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// Under which name it signs.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let key = STANDARD.encode([&[ED25519_KEY][..], &self.key].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Key("NAME+ID+KEY is expected, with an Ed25519 key");
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(wrong);
        let (name, id, key) = (part()?, part()?, part()?);
        let key = STANDARD.decode(key).map_err(|_| wrong())?;
        let (kind, key) = key.split_first().ok_or_else(wrong)?;
        if *kind != ED25519_KEY {
            return Err(wrong());
        }
        let verifier = Self::new(name, key.try_into().map_err(|_| wrong())?)?;
        if format!("{:08x}", u32::from_be_bytes(verifier.id)) != id {
            return Err(Error::Key("the id in it is that of another key or name"));
        }
        Ok(verifier)
    }
}

fn check_name(name: &str) -> Result<()> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(odd) {
        return Err(Error::Key("a name has no space, no plus and no control characters"));
    }
    Ok(())
}
