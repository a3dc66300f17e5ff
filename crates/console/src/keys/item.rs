//! What a request about texts, ciphertexts and tags looks like: one shape for our own API and for
//! Vault's, of which each takes its part.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Fault, MAX_CONTEXT_BYTES, MAX_ITEMS};

/// One text, ciphertext or tag to work on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object for each item")]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) plaintext: Option<Text<'a>>,
    pub(super) ciphertext: Option<Text<'a>>,
    pub(super) input: Option<Text<'a>>,
    pub(super) hmac: Option<Text<'a>>,
    pub(super) signature: Option<Text<'a>>,
    pub(super) context: Option<Text<'a>>,
    pub(super) associated_data: Option<Text<'a>>,
    pub(super) nonce: Option<Text<'a>>,
    pub(super) key_version: Option<u32>,
    /// Vault gives it back with the item's result.
    pub(super) reference: Option<Text<'a>>,
}

/// A request: one item, or a batch of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Batch<'a> {
    #[serde(borrow)]
    pub(super) tenant: Option<Text<'a>>,
    /// A batch of our own API.
    pub(super) items: Option<Items<'a>>,
    /// A batch of Vault's.
    #[serde(rename = "batch_input")]
    pub(super) vault_items: Option<Items<'a>>,
    plaintext: Option<Text<'a>>,
    ciphertext: Option<Text<'a>>,
    input: Option<Text<'a>>,
    hmac: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    context: Option<Text<'a>>,
    associated_data: Option<Text<'a>>,
    nonce: Option<Text<'a>>,
    reference: Option<Text<'a>>,
    pub(super) key_version: Option<u32>,
    // What Vault's clients may send besides. Some of it asks for what we do not have.
    #[serde(default)]
    pub(super) convergent_encryption: bool,
    #[serde(default)]
    pub(super) prehashed: bool,
    pub(super) algorithm: Option<Text<'a>>,
    pub(super) hash_algorithm: Option<Text<'a>>,
    pub(super) marshaling_algorithm: Option<Text<'a>>,
    pub(super) partial_failure_response_code: Option<u16>,
    /// These say nothing about the keys that we have, or say again what the path says.
    #[serde(rename = "signature_algorithm")]
    _signature_algorithm: Option<Text<'a>>,
    #[serde(rename = "salt_length")]
    _salt_length: Option<Text<'a>>,
    #[serde(rename = "name")]
    _name: Option<Text<'a>>,
    #[serde(rename = "type")]
    _kind: Option<Text<'a>>,
}

impl Item<'_> {
    /// Whether nothing is in it.
    pub(super) fn is_bare(&self) -> bool {
        let Self { plaintext, ciphertext, input, hmac, signature, .. } = self;
        let main = [plaintext, ciphertext, input, hmac, signature];
        let besides = [&self.context, &self.associated_data, &self.nonce, &self.reference];
        main.into_iter().chain(besides).all(Option::is_none)
    }
}

impl<'a> Batch<'a> {
    /// The one item that stands in the request itself.
    pub(super) fn single(&mut self) -> Item<'a> {
        Item {
            plaintext: self.plaintext.take(),
            ciphertext: self.ciphertext.take(),
            input: self.input.take(),
            hmac: self.hmac.take(),
            signature: self.signature.take(),
            context: self.context.take(),
            associated_data: self.associated_data.take(),
            nonce: self.nonce.take(),
            reference: self.reference.take(),
            key_version: None,
        }
    }
}

/// At most [`MAX_ITEMS`] items; the rest is not even read.
pub(super) struct Items<'a>(pub(super) Vec<Item<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<Item<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_ITEMS} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MAX_ITEMS {
                        let most = format!("a batch has at most {MAX_ITEMS} items; send several");
                        return Err(A::Error::custom(most));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        from.deserialize_seq(Reader).map(Self)
    }
}

/// Text that stays where it is in the body, unless it was escaped there.
pub(super) enum Text<'a> {
    Plain(&'a str),
    /// A copy, wiped when dropped.
    Escaped(Zeroizing<String>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Escaped(text) => text,
        }
    }

    /// The bytes that it writes in base64, wiped when dropped.
    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let bytes = STANDARD.decode(self.as_str().as_bytes());
        bytes.map(Zeroizing::new).map_err(|_| {
            Fault::bad("base64", "this is not base64 in the standard alphabet, with its padding")
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text::Plain(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text::Escaped(Zeroizing::new(text.to_owned())))
            }
        }
        from.deserialize_str(Reader)
    }
}

/// What an item belongs to. Vault's associated data are bound as the context is; who gives both
/// binds both, and cannot move a byte from one to the other.
pub(super) fn context(
    context: Option<&Text<'_>>,
    associated: Option<&Text<'_>>,
) -> Result<Vec<u8>, Fault> {
    let decode = |text: Option<&Text<'_>>| {
        let bytes = text.map(Text::bytes).transpose()?;
        Ok::<_, Fault>(bytes.map(|bytes| bytes.to_vec()).unwrap_or_default())
    };
    let (context, associated) = (decode(context)?, decode(associated)?);
    if context.len() + associated.len() > MAX_CONTEXT_BYTES {
        return Err(Fault::bad("context", "a context has at most 16 KiB"));
    }
    let both = cipher::Context::of(BOTH).with(&context).with(&associated);
    if associated.is_empty() {
        // Otherwise a context could be written that looks like a pair.
        if context.starts_with(cipher::Context::of(BOTH).as_bytes()) {
            return Err(Fault::bad("context", "a context must not begin like this"));
        }
        return Ok(context);
    }
    Ok(both.as_bytes().to_vec())
}

/// What a context together with associated data begins with.
const BOTH: &str = "amanah/transit/1";
