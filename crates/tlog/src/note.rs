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

/// One line below the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    name: String,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

/// A public key with a name: what the lines below a text are found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) name: String,
    id: [u8; ID_BYTES],
    pub(crate) key: [u8; 32],
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
pub struct Verifier(Named);

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
        let bytes = signer.sign(self.text.as_bytes());
        self.signatures.push(Signature::of(&signer.verifier.0, bytes));
        self
    }

    /// The same with a signature more, made elsewhere over [`Note::text`].
    ///
    /// # Errors
    /// When `by` did not make it.
    pub fn with(mut self, by: &Verifier, signature: &[u8]) -> Result<Self> {
        self.signatures.push(Signature::of(&by.0, signature.to_vec()));
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
        UnparsedPublicKey::new(&ED25519, by.0.key)
            .verify(self.text.as_bytes(), self.signature(&by.0)?)
            .map_err(|_| Error::Forged(by.name().to_owned()))?;
        Ok(Opened(self.text.clone()))
    }

    /// The same with the signatures of these alone, when one at least has signed it: what a stranger
    /// has put below a text is left out.
    pub fn signed_by(&self, by: &[Verifier]) -> Option<Self> {
        let good = by.iter().filter(|one| self.open(one).is_ok());
        let signatures = good.filter_map(|one| {
            self.signature(&one.0).ok().map(|bytes| Signature::of(&one.0, bytes.to_vec()))
        });
        let signatures: Vec<Signature> = signatures.collect();
        let any = !signatures.is_empty();
        any.then(|| Self { text: self.text.clone(), signatures })
    }

    /// What stands under this name and id.
    pub(crate) fn signature(&self, by: &Named) -> Result<&[u8]> {
        let found = self.signatures.iter().find(|s| s.name == by.name && s.id == by.id);
        found.map(|s| &s.bytes[..]).ok_or_else(|| Error::Unsigned(by.name.clone()))
    }

    /// The same with `signature` in the place of one under the same name and id.
    pub(crate) fn replacing(mut self, signature: Signature) -> Self {
        self.signatures.retain(|s| s.name != signature.name || s.id != signature.id);
        self.signatures.push(signature);
        self
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

/// With the end of its line.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, bytes } = self;
        writeln!(f, "{MARK}{name} {}", STANDARD.encode([&id[..], bytes].concat()))
    }
}

impl Signature {
    /// `bytes` under the name of `by`.
    pub(crate) fn of(by: &Named, bytes: Vec<u8>) -> Self {
        Self { name: by.name.clone(), id: by.id, bytes }
    }

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
        let (pair, key) = pair(seed)?;
        Ok(Self { verifier: Verifier::new(name, key)?, pair })
    }

    /// Who checks what it signs.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The signature over `text`, in 64 bytes.
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
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
        Named::new(ED25519_KEY, name, key).map(Self)
    }

    /// Under which name it signs.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The Ed25519 key.
    pub const fn key(&self) -> [u8; 32] {
        self.0.key
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(ED25519_KEY, f)
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Named::parse(ED25519_KEY, text, "NAME+ID+KEY is expected, with an Ed25519 key").map(Self)
    }
}

impl Named {
    /// The key `key` of this kind under `name`.
    pub(crate) fn new(kind: u8, name: &str, key: [u8; 32]) -> Result<Self> {
        check_name(name)?;
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind])
            .chain_update(key)
            .finalize();
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Ok(Self { name: name.to_owned(), id, key })
    }

    pub(crate) fn show(&self, kind: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let key = STANDARD.encode([&[kind][..], &self.key].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }

    /// Reads what [`Named::show`] writes; `expected` says what else it is told to be.
    pub(crate) fn parse(kind: u8, text: &str, expected: &'static str) -> Result<Self> {
        let wrong = || Error::Key(expected);
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(wrong);
        let (name, id, key) = (part()?, part()?, part()?);
        let key = STANDARD.decode(key).map_err(|_| wrong())?;
        let (is, key) = key.split_first().ok_or_else(wrong)?;
        if *is != kind {
            return Err(wrong());
        }
        let named = Self::new(kind, name, key.try_into().map_err(|_| wrong())?)?;
        if format!("{:08x}", u32::from_be_bytes(named.id)) != id {
            return Err(Error::Key("the id in it is that of another key or name"));
        }
        Ok(named)
    }
}

/// The pair of keys that comes from `seed`, and the public one.
pub(crate) fn pair(seed: &[u8; 32]) -> Result<(Ed25519KeyPair, [u8; 32])> {
    let no_seed = || Error::Key("these bytes are no seed");
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| no_seed())?;
    let key = pair.public_key().as_ref().try_into().map_err(|_| no_seed())?;
    Ok((pair, key))
}

fn check_name(name: &str) -> Result<()> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(odd) {
        return Err(Error::Key("a name has no space, no plus and no control characters"));
    }
    Ok(())
}
