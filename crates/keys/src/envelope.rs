//! A file of any length that a secret opens: for what goes to another installation, whose keys are
//! others.
//!
//! Layout: a line of JSON that says how the secret becomes a key (Argon2id, salt), and behind it a
//! stream in Tink's `AES256_GCM_HKDF_1MB` (`cipher::stream`). The line is authenticated with the
//! stream. `docs/archive.md` shows how to open one without Amanah.
//!
//! It stops who has the file and not the secret, and who changes the file or cuts it off. What it
//! cannot stop is guessing, offline and without end: so a weak secret is refused, and each guess
//! costs 64 MiB and about a tenth of a second.

use std::io::{self, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use cipher::stream::{Opener, Sealer};
use cipher::{Context, MATERIAL_BYTES, Material};
use kernel::{Rng, Secret, hex, unhex};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Error, Result};

/// What the first line calls the layout.
const FORMAT: &str = "amanah-envelope/1";
/// Argon2id's memory, in KiB: more than for a password, since nobody waits for each of these.
const MEMORY_KIB: u32 = 65_536;
/// Argon2id's passes and lanes.
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// The most that a file's word is taken for.
const MAX_MEMORY_KIB: u32 = 262_144;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;
/// The salt, in bytes.
const SALT_BYTES: usize = 16;
/// The longest first line, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 10;
/// A secret that is shorter, or of fewer different bytes, is weak.
const MIN_SECRET_BYTES: usize = 16;
const MIN_DIFFERENT_BYTES: usize = 8;
/// So much is read at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: String,
    algorithm: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl Line {
    fn key(&self, secret: &Secret) -> Result<Material> {
        let bounded = (MEMORY_KIB..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && (PASSES..=MAX_PASSES).contains(&self.passes)
            && (LANES..=MAX_LANES).contains(&self.lanes);
        let salt = unhex(&self.salt).filter(|salt| salt.len() == SALT_BYTES);
        let (Some(salt), true, "argon2id") = (salt, bounded, self.algorithm.as_str()) else {
            return Err(Error::Envelope("its first line asks for what this program does not do"));
        };
        let failed = |_| Error::Envelope("the secret cannot be made into a key");
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(MATERIAL_BYTES));
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
        let mut bytes = Zeroizing::new([0; MATERIAL_BYTES]);
        argon
            .hash_password_into(secret.expose().as_bytes(), &salt, bytes.as_mut_slice())
            .map_err(failed)?;
        Ok(Material::new(*bytes))
    }
}

fn context(line: &str) -> Context {
    Context::of("amanah/envelope/1").with(line)
}

/// Reads the first line: as it is, and what it says.
fn read_line(input: &mut dyn Read) -> Result<(String, Line)> {
    let mut line = Vec::new();
    let mut first = input.take(MAX_LINE_BYTES);
    let mut byte = [0];
    // Byte by byte, since what follows the line belongs to the stream.
    while first.read(&mut byte).map_err(from_io)? > 0 && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    let none = || Error::Envelope("it is no sealed file of ours");
    let text = String::from_utf8(line).map_err(|_| none())?;
    let line: Line = serde_json::from_str(&text).map_err(|_| none())?;
    if line.format != FORMAT {
        return Err(Error::Envelope("a later version of Amanah made it"));
    }
    Ok((text, line))
}

/// Reads a first line and gives it as it is written: for [`crate::fuzzing`].
pub(crate) fn reread_line(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, line) = read_line(&mut bytes).ok()?;
    serde_json::to_vec(&line).ok()
}

/// Whether bytes are the beginning of an envelope.
pub fn is_envelope(begin: &[u8]) -> bool {
    begin.first() == Some(&b'{')
}

/// Seals what is written to it.
pub struct Sealing<W> {
    sealer: Sealer,
    out: W,
}

impl<W: Write> Sealing<W> {
    /// Begins an envelope that `secret` opens.
    ///
    /// # Errors
    /// [`Error::Weak`] for a secret that could be guessed.
    pub fn begin(secret: &Secret, rng: &dyn Rng, mut out: W) -> Result<Self> {
        let bytes = secret.expose().as_bytes();
        let mut different = bytes.to_vec();
        different.sort_unstable();
        different.dedup();
        let strong = bytes.len() >= MIN_SECRET_BYTES && different.len() >= MIN_DIFFERENT_BYTES;
        different.zeroize();
        if !strong {
            return Err(Error::Weak);
        }
        let mut salt = [0; SALT_BYTES];
        rng.fill(&mut salt)?;
        let (memory_kib, passes, lanes) = (MEMORY_KIB, PASSES, LANES);
        let (format, algorithm) = (FORMAT.to_owned(), "argon2id".to_owned());
        let line = Line { format, algorithm, memory_kib, passes, lanes, salt: hex(&salt) };
        let key = line.key(secret)?;
        let line = serde_json::to_string(&line)
            .map_err(|_| Error::Envelope("its first line cannot be written"))?;
        let sealer = Sealer::new(&key, &context(&line), rng)?;
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(from_io)?;
        Ok(Self { sealer, out })
    }

    /// Ends it. Without this, what was written is no envelope.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> Result<W> {
        let last = self.sealer.finish()?;
        self.out.write_all(&last).and_then(|()| self.out.flush()).map_err(from_io)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(segment) = self.sealer.push(&mut rest).map_err(io::Error::other)? {
            self.out.write_all(segment)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens what it reads, and gives out only what was authenticated. It ends without an error when
/// the envelope was whole.
pub struct Opening<R> {
    /// `None` after the end, and after an error.
    opener: Option<Opener>,
    input: R,
    sealed: Zeroizing<Vec<u8>>,
    text: Zeroizing<Vec<u8>>,
    given: usize,
    /// Whether a segment was opened, so that the secret is the right one.
    opened: bool,
}

impl<R: Read> Opening<R> {
    /// Begins to open an envelope.
    ///
    /// # Errors
    /// [`Error::Envelope`] when it is none. Whether the secret is right shows with the first read.
    pub fn begin(secret: &Secret, mut input: R) -> Result<Self> {
        let (text, line) = read_line(&mut input)?;
        let opener = Some(Opener::new(&line.key(secret)?, &context(&text)));
        let (sealed, text) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
        Ok(Self { opener, input, sealed, text, given: 0, opened: false })
    }

    /// Opens the next segment.
    fn more(&mut self) -> io::Result<()> {
        let opened = self.opened;
        let words = |_| {
            io::Error::other(if opened {
                "it was changed, or its end is missing: take another copy of it"
            } else {
                "the secret is not the one that sealed it, or it was changed"
            })
        };
        self.text.clear();
        self.given = 0;
        while let Some(opener) = &mut self.opener {
            let mut rest = self.sealed.as_slice();
            let length = rest.len();
            let segment = match opener.push(&mut rest) {
                Ok(segment) => segment,
                Err(error) => {
                    self.opener = None;
                    return Err(words(error));
                }
            };
            if let Some(segment) = segment {
                self.text.extend_from_slice(segment);
                let taken = length - rest.len();
                self.sealed.drain(..taken);
                self.opened = true;
                return Ok(());
            }
            self.sealed.resize(PIECE_BYTES, 0);
            let read = self.input.read(&mut self.sealed)?;
            self.sealed.truncate(read);
            if read == 0
                && let Some(opener) = self.opener.take()
            {
                self.text.extend_from_slice(&opener.finish().map_err(words)?);
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && self.opener.is_some() {
            self.more()?;
        }
        let ready = self.text.get(self.given..).unwrap_or_default();
        let count = ready.len().min(to.len());
        for (to, from) in to.iter_mut().zip(ready) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}

fn from_io(error: io::Error) -> Error {
    Error::Cipher(error.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use kernel::{Secret, SystemRng};

    use super::{Opening, Sealing};
    use crate::Error;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let key = secret("correct horse battery");
        let mut sealing = Sealing::begin(&key, &SystemRng, Vec::new()).unwrap();
        for piece in text.chunks(77_777) {
            sealing.write_all(piece).unwrap();
        }
        sealing.finish().unwrap()
    }

    fn opened(key: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut opening = Opening::begin(&secret(key), bytes).map_err(|e| e.to_string())?;
        opening.read_to_end(&mut text).map_err(|e| e.to_string())?;
        Ok(text)
    }

    #[test]
    fn what_was_sealed_opens_at_every_length() {
        for length in [0, 1, 1_048_520, 1_048_521, 3_000_000] {
            let text: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0]).collect();
            assert!(opened("correct horse battery", &sealed(&text)) == Ok(text), "{length}");
        }
    }

    #[test]
    fn what_was_changed_or_cut_is_refused() {
        let bytes = sealed(&vec![7; 2_000_000]);
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for place in [0, 3, line - 3, line, line + 1, line + 50, 1_100_000, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(opened("correct horse battery", &changed).is_err(), "{place}");
            assert!(opened("correct horse battery", &bytes[..place]).is_err(), "{place}");
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert!(opened("correct horse battery", &longer).is_err());
        testkit::try_damaged_again("envelope", &[bytes[..line].to_vec()], super::reread_line);
        let other = opened("correct horse batterz", &bytes).unwrap_err();
        assert!(other.contains("the secret is not the one"), "{other}");
    }

    #[test]
    fn a_weak_secret_is_refused() {
        for weak in ["", "fifteen letters", "aaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabcabc"] {
            let refused = Sealing::begin(&secret(weak), &SystemRng, Vec::new());
            assert!(matches!(refused, Err(Error::Weak)), "{weak}");
        }
    }
}
