//! The header of an encrypted volume: LUKS version 1 and 2, as cryptsetup documents them.
//!
//! Whoever writes to the disk writes this, so every length is bounded and nothing is trusted.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use serde::Deserialize;

/// The binary part of either version, in bytes.
const BINARY_BYTES: usize = 4_096;
/// The most that a header of version 2 may have by its specification, in bytes.
const MAX_HEADER_BYTES: u64 = 4 << 20;
const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
const DAMAGED: &str = "its header is damaged";

/// What a volume is encrypted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cipher {
    /// As the kernel names it: `aes-xts-plain64`.
    pub(super) name: String,
    /// The strength of its key; of the two keys of XTS one counts.
    pub(super) bits: u64,
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bits", self.name, self.bits)
    }
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The volume's id, 32 hexadecimal digits without hyphens, as `dm/uuid` repeats it.
    pub(super) uuid: String,
    /// The cipher of each part of the volume.
    pub(super) ciphers: Vec<Cipher>,
}

/// Why a header says nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is none here.
    None,
    /// It cannot be read or understood.
    Unclear(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        // A device that ends before a header could is one without.
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::None,
            _ => Self::Unclear(error.to_string()),
        }
    }
}

/// Reads the header that `device` begins with.
pub(super) fn read(device: &mut dyn Read) -> Result<Header, Fault> {
    let mut binary = vec![0; BINARY_BYTES];
    device.read_exact(&mut binary)?;
    if !binary.starts_with(MAGIC) {
        return Err(Fault::None);
    }
    match number(&binary, 6, 2) {
        Some(1) => first(&binary).ok_or_else(|| unclear(DAMAGED)),
        Some(2) => second(&binary, device),
        other => Err(unclear(format!("its header has version {}", other.unwrap_or_default()))),
    }
}

fn first(binary: &[u8]) -> Option<Header> {
    let name = format!("{}-{}", text(binary, 8, 32)?, text(binary, 40, 32)?);
    Some(Header { uuid: uuid(binary)?, ciphers: vec![cipher(name, number(binary, 108, 4)?)] })
}

fn second(binary: &[u8], device: &mut dyn Read) -> Result<Header, Fault> {
    let damaged = || unclear(DAMAGED);
    let size = number(binary, 8, 8).filter(|size| *size <= MAX_HEADER_BYTES).ok_or_else(damaged)?;
    let rest = size.checked_sub(BINARY_BYTES as u64).ok_or_else(damaged)?;
    let mut json = Vec::new();
    device.take(rest).read_to_end(&mut json)?;
    // The area is filled up with zeros.
    let end = json.iter().position(|b| *b == 0).unwrap_or(json.len());
    let json: Json =
        serde_json::from_slice(json.get(..end).unwrap_or_default()).map_err(|_| damaged())?;
    Ok(Header { uuid: uuid(binary).ok_or_else(damaged)?, ciphers: json.ciphers()? })
}

/// What is read of version 2's metadata; the rest is skipped.
#[derive(Deserialize)]
struct Json {
    keyslots: BTreeMap<String, Keyslot>,
    segments: BTreeMap<String, Segment>,
    digests: BTreeMap<String, Digest>,
}

#[derive(Deserialize)]
struct Keyslot {
    key_size: u64,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(rename = "type")]
    kind: String,
    encryption: Option<String>,
    integrity: Option<Integrity>,
    #[serde(default)]
    flags: Vec<String>,
}

/// What proves that nobody changed a segment. Its key is stored behind the one that encrypts, and
/// counts in the size of the whole.
#[derive(Deserialize)]
struct Integrity {
    #[serde(rename = "type")]
    kind: String,
    key_size: Option<u64>,
}

impl Integrity {
    /// The size of its key in bytes, where the header or cryptsetup's own table tells it.
    fn key_bytes(&self) -> Result<u64, Fault> {
        let by_kind = match self.kind.as_str() {
            "none" | "aead" | "poly1305" => Some(0),
            "hmac(sha1)" => Some(20),
            "hmac(sha256)" => Some(32),
            "hmac(sha512)" => Some(64),
            _ => None,
        };
        let why =
            || unclear(format!("the key of its integrity, {:?}, has no known size", self.kind));
        self.key_size.or(by_kind).ok_or_else(why)
    }
}

#[derive(Deserialize)]
struct Digest {
    keyslots: Vec<String>,
    segments: Vec<String>,
}

impl Json {
    /// The cipher of each segment.
    fn ciphers(&self) -> Result<Vec<Cipher>, Fault> {
        let damaged = || unclear(DAMAGED);
        // A change under way keeps a description of what was and of what will be.
        let spare = |s: &Segment| s.flags.iter().any(|flag| flag.starts_with("backup-"));
        let used = self.segments.iter().filter(|(_, segment)| !spare(segment));
        let ciphers: Vec<Cipher> = used
            .map(|(id, segment)| match segment.kind.as_str() {
                "crypt" => {
                    let name = segment.encryption.clone().ok_or_else(damaged)?;
                    let other = segment.integrity.as_ref().map(Integrity::key_bytes).transpose()?;
                    let all = self.smallest_key(id).ok_or_else(damaged)?;
                    let own = all.checked_sub(other.unwrap_or(0)).ok_or_else(damaged)?;
                    Ok(cipher(name, own))
                }
                // Part of a volume whose encryption is being put on or taken off.
                "linear" => Ok(Cipher { name: NOTHING.to_owned(), bits: 0 }),
                other => Err(unclear(format!("a part of it is of the unknown kind {other:?}"))),
            })
            .collect::<Result<_, _>>()?;
        if ciphers.is_empty() { Err(damaged()) } else { Ok(ciphers) }
    }

    /// The size of the key of a segment, in bytes; none when a slot that is named is not there.
    fn smallest_key(&self, segment: &String) -> Option<u64> {
        let digests = self.digests.values().filter(|digest| digest.segments.contains(segment));
        let slots = digests.flat_map(|digest| &digest.keyslots);
        let sizes: Option<Vec<u64>> =
            slots.map(|slot| self.keyslots.get(slot).map(|slot| slot.key_size)).collect();
        sizes?.into_iter().min()
    }
}

/// The name of what does not encrypt, as cryptsetup calls it.
pub(super) const NOTHING: &str = "cipher_null-ecb";

fn cipher(name: String, key_bytes: u64) -> Cipher {
    let key_bits = key_bytes.saturating_mul(8);
    let bits = if name.split('-').nth(1) == Some("xts") { key_bits / 2 } else { key_bits };
    Cipher { name, bits }
}

fn uuid(binary: &[u8]) -> Option<String> {
    Some(text(binary, 168, 40)?.replace('-', "").to_ascii_lowercase())
}

/// A text that ends with a zero.
fn text(bytes: &[u8], at: usize, length: usize) -> Option<String> {
    let field = bytes.get(at..at + length)?;
    let text = str::from_utf8(field.split(|b| *b == 0).next()?).ok()?;
    let plain = |c: char| c.is_ascii_graphic();
    (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
}

/// A number of up to eight bytes, the highest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at + length)?;
    Some(field.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn unclear(why: impl Into<String>) -> Fault {
    Fault::Unclear(why.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::super::planted::{luks1, luks2};
    use super::{Fault, Header, read};

    const UUID: &str = "0f8c1b7a-5b1e-4b1c-9c3e-2d1f00aa11bb";

    fn shown(bytes: &[u8]) -> String {
        match read(&mut &*bytes) {
            Ok(Header { ciphers, uuid }) => {
                assert_eq!(uuid, UUID.replace('-', ""));
                ciphers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Err(Fault::None) => "none".to_owned(),
            Err(Fault::Unclear(why)) => why,
        }
    }

    #[test]
    fn both_versions_name_their_cipher() {
        assert_eq!(shown(&luks1(UUID, "aes", "xts-plain64", 64)), "aes-xts-plain64 with 256 bits");
        assert_eq!(
            shown(&luks1(UUID, "aes", "cbc-essiv:sha256", 16)),
            "aes-cbc-essiv:sha256 with 128 bits"
        );
        assert_eq!(shown(&luks2(UUID, "aes-xts-plain64", 32)), "aes-xts-plain64 with 128 bits");
        assert_eq!(shown(&[0; 8_192]), "none");
        assert_eq!(shown(b"LUKS"), "none");
    }

    #[test]
    fn a_damaged_header_says_nothing() {
        let good = luks2(UUID, "aes-xts-plain64", 64);
        assert_eq!(shown(&good[..4_200]), "its header is damaged");
        let mut giant = good;
        giant[8] = 0x7f;
        assert_eq!(shown(&giant), "its header is damaged");
        let mut future = luks1(UUID, "aes", "xts-plain64", 64);
        future[7] = 9;
        assert_eq!(shown(&future), "its header has version 9");
    }

    /// A header of version 2 in whose metadata `from` is replaced.
    fn edited(key_bytes: u32, from: &str, to: &str) -> Vec<u8> {
        let good = luks2(UUID, "aes-xts-plain64", key_bytes);
        let text = String::from_utf8(good[4_096..].to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        let mut bytes = good[..4_096].to_vec();
        bytes.extend_from_slice(text.trim_end_matches('\0').replace(from, to).as_bytes());
        bytes.resize(16_384, 0);
        bytes
    }

    #[test]
    fn a_part_in_clear_is_seen() {
        let half = edited(64, "\"segments\":{", "\"segments\":{\"1\":{\"type\":\"linear\"},");
        assert!(shown(&half).contains("cipher_null-ecb"), "{}", shown(&half));
        let strange = edited(64, "\"type\":\"crypt\"", "\"type\":\"hw-opal\"");
        assert_eq!(shown(&strange), "a part of it is of the unknown kind \"hw-opal\"");
    }

    /// `cryptsetup luksFormat --integrity hmac-sha256` stores both keys as one.
    #[test]
    fn the_key_of_the_integrity_encrypts_nothing() {
        let with = |key_bytes, integrity: &str| {
            let field = format!("\"integrity\":{{{integrity}}},\"encryption\":");
            shown(&edited(key_bytes, "\"encryption\":", &field))
        };
        let hmac = "\"type\":\"hmac(sha256)\",\"journal_encryption\":\"none\"";
        assert_eq!(with(64, hmac), "aes-xts-plain64 with 128 bits");
        assert_eq!(with(96, hmac), "aes-xts-plain64 with 256 bits");
        assert_eq!(with(16, hmac), "its header is damaged");
        let long = "\"type\":\"hmac(sha512)\"";
        assert_eq!(with(128, long), "aes-xts-plain64 with 256 bits");
        let told = "\"type\":\"hmac(sha512)\",\"key_size\":32";
        assert_eq!(with(96, told), "aes-xts-plain64 with 256 bits");
        assert_eq!(with(64, "\"type\":\"aead\""), "aes-xts-plain64 with 256 bits");
        let strange = with(64, "\"type\":\"cmac(aes)\"");
        assert!(strange.contains("has no known size"), "{strange}");
    }

    #[test]
    fn a_slot_that_is_not_there_says_nothing() {
        let lost = edited(64, "\"keyslots\":[\"0\"]", "\"keyslots\":[\"0\",\"7\"]");
        assert_eq!(shown(&lost), "its header is damaged");
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(
            version in 0_u8..4,
            bytes in prop::collection::vec(any::<u8>(), 0..6_000),
        ) {
            let mut header = super::MAGIC.to_vec();
            header.extend([0, version]);
            header.extend(&bytes);
            let _ = read(&mut &*header);
            let _ = read(&mut &*bytes);
        }

        /// One changed byte at a time, anywhere in a good header.
        #[test]
        fn changed_headers_do_no_harm(at in 0_usize..4_700, byte: u8) {
            let mut header = luks2(UUID, "aes-xts-plain64", 64);
            if let Some(place) = header.get_mut(at) {
                *place = byte;
            }
            let _ = read(&mut &*header);
        }
    }
}
