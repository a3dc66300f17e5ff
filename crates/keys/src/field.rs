//! A field's ciphertext as text, and what goes in and comes out.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cipher::field::{MAX_FIELD_BYTES, OVERHEAD};

use crate::document::ID_BYTES;
use crate::{Error, Result};

/// The longest ciphertext as text, in bytes: the largest field in base64, behind its prefix.
const MAX_CIPHERTEXT_BYTES: usize = (MAX_FIELD_BYTES + OVERHEAD + ID_BYTES) / 3 * 4 + 64;
/// How Amanah's own ciphertexts begin.
const OWN: &str = "amanah:v";
/// How those begin that Vault's clients read and write.
const VAULT: &str = "vault:v";

/// One text to encrypt. It has no `Debug`, so that no log can hold it.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    /// The text.
    pub text: &'a [u8],
    /// The object it belongs to (a table, column and row, say): it opens only there.
    pub context: &'a [u8],
}

/// One ciphertext to open.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    /// The ciphertext.
    pub ciphertext: &'a Ciphertext,
    /// The object it was encrypted for.
    pub context: &'a [u8],
}

/// A field's ciphertext: `amanah:v3:BASE64`, or `vault:v3:BASE64` as Vault's clients write it.
/// The number is the key's version; the bytes hold the version's id and the sealed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// The version that encrypted it.
    pub version: u32,
    pub(crate) id: [u8; ID_BYTES],
    pub(crate) sealed: Vec<u8>,
}

impl Ciphertext {
    /// Reads either form. Each ciphertext has one spelling in each of them.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_CIPHERTEXT_BYTES {
            return Err(Error::Malformed("it is too long"));
        }
        let rest = text.strip_prefix(OWN).or_else(|| text.strip_prefix(VAULT));
        let rest =
            rest.ok_or(Error::Malformed("it begins with neither `amanah:v` nor `vault:v`"))?;
        let (number, base64) =
            rest.split_once(':').ok_or(Error::Malformed("it has no `:` after its version"))?;
        let version = version(number).ok_or(Error::Malformed("its version is no number"))?;
        let bytes =
            STANDARD.decode(base64).map_err(|_| Error::Malformed("what it holds is no base64"))?;
        let (id, sealed) = bytes
            .split_first_chunk::<ID_BYTES>()
            .filter(|(_, sealed)| sealed.len() >= OVERHEAD)
            .ok_or(Error::Malformed("it is shorter than an empty field"))?;
        Ok(Self { version, id: *id, sealed: sealed.to_vec() })
    }

    /// The id of the version that encrypted it, as [`crate::VersionCard`] has it.
    pub fn key_id(&self) -> String {
        kernel::hex(&self.id)
    }

    /// `amanah:v3:…`
    pub fn text(&self) -> String {
        self.write(OWN)
    }

    /// `vault:v3:…`
    pub fn vault(&self) -> String {
        self.write(VAULT)
    }

    fn write(&self, prefix: &str) -> String {
        let bytes = [self.id.as_slice(), &self.sealed].concat();
        let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4) + 24);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{prefix}{}:", self.version);
        STANDARD.encode_string(bytes, &mut text);
        text
    }
}

/// An HMAC or a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key's version that made it.
    pub version: u32,
    /// 32 bytes of HMAC-SHA256, or 64 of Ed25519.
    pub bytes: Vec<u8>,
}

impl Tag {
    /// Reads either form. Each tag has one spelling in each of them.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        const WRONG: Error = Error::Malformed("this is no HMAC or signature of ours");
        let rest = text.strip_prefix(OWN).or_else(|| text.strip_prefix(VAULT)).ok_or(WRONG)?;
        let (number, bytes) = rest.split_once(':').ok_or(WRONG)?;
        let version = version(number).ok_or(WRONG)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| WRONG)?;
        Ok(Self { version, bytes })
    }

    /// `amanah:v3:…`
    pub fn text(&self) -> String {
        format!("{OWN}{}:{}", self.version, STANDARD.encode(&self.bytes))
    }

    /// `vault:v3:…`
    pub fn vault(&self) -> String {
        format!("{VAULT}{}:{}", self.version, STANDARD.encode(&self.bytes))
    }
}

/// A number from 1 in its one spelling.
fn version(digits: &str) -> Option<u32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use cipher::field::OVERHEAD;
    use proptest::prelude::*;

    use super::{Ciphertext, Tag};

    #[test]
    fn a_tag_has_one_spelling() {
        let tag = Tag { version: 3, bytes: vec![7; 32] };
        for text in [tag.text(), tag.vault()] {
            assert_eq!(Tag::parse(&text).unwrap(), tag, "{text}");
            for wrong in ["v03:", "v+3:", "v0:", "v3", ":", "v4294967296:"] {
                assert!(Tag::parse(&text.replace("v3:", wrong)).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_ciphertext_has_one_spelling() {
        let ciphertext = Ciphertext { version: 3, id: [7; 8], sealed: vec![1; OVERHEAD + 1] };
        for text in [ciphertext.text(), ciphertext.vault()] {
            assert_eq!(Ciphertext::parse(&text).unwrap(), ciphertext, "{text}");
            for (from, to) in
                [(":v3:", ":v03:"), (":v3:", ":v+3:"), (":v3:", ":v0:"), (":v3:", "::")]
            {
                assert!(Ciphertext::parse(&text.replace(from, to)).is_err(), "{from} {to}");
            }
            for wrong in [format!("{text}="), format!(" {text}"), format!("{text}\n")] {
                assert!(Ciphertext::parse(&wrong).is_err(), "{wrong}");
            }
            assert!(text.ends_with('='), "{text}");
            assert!(Ciphertext::parse(text.trim_end_matches('=')).is_err());
        }
        assert!(Ciphertext::parse("amanah:v4294967296:AAAA").is_err());
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(version in 1_u32.., id: [u8; 8], more: Vec<u8>) {
            let sealed = [&[0; OVERHEAD], more.as_slice()].concat();
            let ciphertext = Ciphertext { version, id, sealed };
            prop_assert_eq!(Ciphertext::parse(&ciphertext.text()).unwrap(), ciphertext.clone());
            prop_assert_eq!(Ciphertext::parse(&ciphertext.vault()).unwrap(), ciphertext);
        }

        /// Whatever comes in is read or refused, without a panic; what is read is written back
        /// letter for letter.
        #[test]
        fn hostile_text_is_refused(
            begin in "amanah:v|vault:v|.{0,8}",
            rest in "[0-9+-]{0,12}:?[A-Za-z0-9+/=é]{0,120}",
        ) {
            let text = begin + &rest;
            if let Ok(read) = Ciphertext::parse(&text) {
                prop_assert!(read.text() == text || read.vault() == text);
            }
        }
    }
}
