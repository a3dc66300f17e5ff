//! Work on batches. One item that is wrong spoils nothing for the others.

use std::slice;

use ::keys::{Ciphertext, Error, KeyRef, Keys, Operation, Plain, Sealed, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Fault;
use super::item::{Item, Text, context};

const OTHER_VERSION: Fault = Fault::unsupported(
    "the newest version of a key encrypts; another can be chosen only for a whole request of \
     HMACs or signatures",
);

/// What is asked of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Encrypt,
    Decrypt,
    Rewrap,
    Hmac,
    Sign,
    VerifyHmac,
    VerifySignature,
}

/// What came of an item.
pub(super) enum Done {
    Ciphertext(Ciphertext),
    /// A text in base64.
    Plaintext(Zeroizing<String>),
    Hmac(Tag),
    Signature(Tag),
    Valid(bool),
}

/// An item, read.
pub(super) struct Ready {
    /// The text, wiped when dropped; empty for a ciphertext.
    text: Zeroizing<Vec<u8>>,
    context: Vec<u8>,
    ciphertext: Option<Ciphertext>,
    tag: Option<Tag>,
}

impl Verb {
    /// What a token must allow for it.
    pub(super) const fn operation(self) -> Operation {
        match self {
            Self::Encrypt => Operation::Encrypt,
            Self::Decrypt => Operation::Decrypt,
            Self::Rewrap => Operation::Rewrap,
            Self::Hmac | Self::VerifyHmac => Operation::Hmac,
            Self::Sign | Self::VerifySignature => Operation::Sign,
        }
    }

    /// Whether a tenant's first use of a key makes it. Only what writes does: what is to be opened
    /// or checked was made under a key that was there.
    pub(super) const fn makes_keys(self) -> bool {
        matches!(self, Self::Encrypt | Self::Hmac | Self::Sign)
    }

    /// The verb for a `verify` that holds `items`: all of them signatures, or all HMACs.
    pub(super) fn of_verify(items: &[Item<'_>]) -> Result<Self, Fault> {
        if items.iter().all(|item| item.hmac.is_some() && item.signature.is_none()) {
            Ok(Self::VerifyHmac)
        } else if items.iter().all(|item| item.hmac.is_none()) {
            Ok(Self::VerifySignature)
        } else {
            Err(Fault::bad("tag", "a batch verifies signatures or HMACs, not both"))
        }
    }

    /// The version that HMACs and signatures are to be made with, if one was asked for. Only the
    /// newest encrypts.
    ///
    /// # Errors
    /// When another one is to encrypt.
    pub(super) fn version(
        self,
        keys: &Keys,
        key: &KeyRef,
        asked: Option<u32>,
    ) -> Result<Option<u32>, Fault> {
        let Some(version) = asked.filter(|version| *version != 0) else { return Ok(None) };
        if matches!(self, Self::Hmac | Self::Sign) {
            return Ok(Some(version));
        }
        let newest = keys.card(key)?.newest().map(|newest| newest.version);
        if newest == Some(version) { Ok(None) } else { Err(OTHER_VERSION) }
    }

    /// Does it to each of `items`, in their order. HMACs and signatures are made with `version`
    /// of the key, or its newest.
    ///
    /// # Errors
    /// What concerns the key as a whole. What is wrong with an item stands in its place.
    pub(super) fn perform(
        self,
        keys: &Keys,
        key: &KeyRef,
        version: Option<u32>,
        items: &[Item<'_>],
    ) -> Result<Vec<Result<Done, Fault>>, Fault> {
        let read: Vec<_> = items.iter().map(|item| self.read(item)).collect();
        let good: Vec<&Ready> = read.iter().filter_map(|read| read.as_ref().ok()).collect();
        let mut done = self.apply(keys, key, version, &good)?.into_iter();
        let place = |read| match read {
            Ok(_) => done.next().unwrap_or(Err(Fault::INTERNAL)),
            Err(fault) => Err(fault),
        };
        Ok(read.into_iter().map(place).collect())
    }

    pub(super) fn read(self, item: &Item<'_>) -> Result<Ready, Fault> {
        if item.nonce.as_ref().is_some_and(|nonce| !nonce.as_str().is_empty()) {
            return Err(Fault::unsupported(
                "a nonce is never chosen by the client here: each ciphertext has its own",
            ));
        }
        if item.key_version.is_some_and(|version| version != 0) {
            return Err(OTHER_VERSION);
        }
        let text = |text: &Option<Text<'_>>, missing| {
            text.as_ref().ok_or(Fault::bad("missing", missing))?.bytes()
        };
        let mut ready = Ready {
            text: Zeroizing::default(),
            context: context(item.context.as_ref(), item.associated_data.as_ref())?,
            ciphertext: None,
            tag: None,
        };
        match self {
            Self::Encrypt => {
                ready.text = text(&item.plaintext, "`plaintext` is missing, a text in base64")?;
            }
            Self::Decrypt | Self::Rewrap => {
                let missing = Fault::bad("missing", "`ciphertext` is missing");
                let ciphertext = item.ciphertext.as_ref().ok_or(missing)?;
                ready.ciphertext = Some(Ciphertext::parse(ciphertext.as_str())?);
            }
            Self::Hmac | Self::Sign | Self::VerifyHmac | Self::VerifySignature => {
                if !ready.context.is_empty() {
                    return Err(Fault::unsupported(
                        "HMACs and signatures take no context; make it a part of the input",
                    ));
                }
                ready.text = text(&item.input, "`input` is missing, a text in base64")?;
            }
        }
        let tag = match self {
            Self::VerifyHmac => item.hmac.as_ref(),
            Self::VerifySignature => item.signature.as_ref(),
            _ => return Ok(ready),
        };
        let missing = Fault::bad("missing", "`signature` or `hmac` is missing");
        ready.tag = Some(Tag::parse(tag.ok_or(missing)?.as_str())?);
        Ok(ready)
    }

    fn apply(
        self,
        keys: &Keys,
        key: &KeyRef,
        version: Option<u32>,
        items: &[&Ready],
    ) -> Result<Vec<Result<Done, Fault>>, Fault> {
        match self {
            Self::Encrypt => each(items, |items| {
                keys.encrypt(key, &plain(items)).map(|made| oks(made, Done::Ciphertext))
            }),
            Self::Decrypt => each(items, |items| {
                let opened = keys.decrypt(key, &sealed(items))?;
                let shown = |text: Zeroizing<Vec<u8>>| {
                    Done::Plaintext(Zeroizing::new(STANDARD.encode(&*text)))
                };
                Ok(opened.into_iter().map(|text| Ok(text.map(shown)?)).collect())
            }),
            Self::Rewrap => each(items, |items| {
                let fresh = keys.rewrap(key, &sealed(items))?;
                Ok(fresh.into_iter().map(|text| Ok(text.map(Done::Ciphertext)?)).collect())
            }),
            Self::Hmac => each(items, |items| {
                keys.hmac(key, version, &texts(items)).map(|made| oks(made, Done::Hmac))
            }),
            Self::Sign => each(items, |items| {
                keys.sign(key, version, &texts(items)).map(|made| oks(made, Done::Signature))
            }),
            Self::VerifyHmac => each(items, |items| {
                keys.verify_hmac(key, &tagged(items)).map(|made| oks(made, Done::Valid))
            }),
            Self::VerifySignature => each(items, |items| {
                keys.verify(key, &tagged(items)).map(|made| oks(made, Done::Valid))
            }),
        }
    }
}

fn plain<'a>(items: &[&'a Ready]) -> Vec<Plain<'a>> {
    items.iter().map(|item| Plain { text: &item.text, context: &item.context }).collect()
}

fn sealed<'a>(items: &[&'a Ready]) -> Vec<Sealed<'a>> {
    let sealed = |item: &&'a Ready| {
        let ciphertext = item.ciphertext.as_ref()?;
        Some(Sealed { ciphertext, context: &item.context })
    };
    items.iter().filter_map(sealed).collect()
}

fn texts<'a>(items: &[&'a Ready]) -> Vec<&'a [u8]> {
    items.iter().map(|item| item.text.as_slice()).collect()
}

fn tagged<'a>(items: &[&'a Ready]) -> Vec<(&'a [u8], &'a Tag)> {
    let tagged = |item: &&'a Ready| Some((item.text.as_slice(), item.tag.as_ref()?));
    items.iter().filter_map(tagged).collect()
}

fn oks<T>(made: Vec<T>, done: fn(T) -> Done) -> Vec<Result<Done, Fault>> {
    made.into_iter().map(|made| Ok(done(made))).collect()
}

/// The whole batch at once; or, when one of its items is to blame, each by itself, so that only
/// that one fails.
fn each<'a>(
    items: &[&'a Ready],
    all: impl Fn(&[&'a Ready]) -> Result<Vec<Result<Done, Fault>>, Error>,
) -> Result<Vec<Result<Done, Fault>>, Fault> {
    match all(items) {
        Err(error) if items.len() > 1 && blames_an_item(&error) => Ok(items
            .iter()
            .map(|item| all(slice::from_ref(item))?.pop().unwrap_or(Err(Fault::INTERNAL)))
            .collect()),
        Err(error) if blames_an_item(&error) => Ok(vec![Err(error.into())]),
        done => Ok(done?),
    }
}

const fn blames_an_item(error: &Error) -> bool {
    use cipher::Error::{Malformed, Refused, TooLarge};
    matches!(
        error,
        Error::NoContext(_)
            | Error::Version { .. }
            | Error::Malformed(_)
            | Error::Refused
            | Error::Cipher(Malformed(_) | Refused | TooLarge(_))
    )
}
