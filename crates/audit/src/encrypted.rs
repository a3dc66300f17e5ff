//! Values that are encrypted in the trail: their keys, and reading them again.
//!
//! It promises that a value opens under the key by which it was recorded, in the row and the column where
//! it was recorded, and nowhere else; that one which does not is shown as damaged, and never as another
//! value or as none; and that a key which goes out of the database is written down before.
//!
//! A value is `{"amanah": "encrypted", "key": N, "value": BASE64}`: the IV in 16 bytes, AES-256-CBC of
//! the value as JSON, and HMAC-SHA256 over a fixed word, the number, the salt of the row, the column and
//! the two before it. `sql/0006_encrypted.sql` makes the same in SQL, and a test holds the two together.
//!
//! Whoever has the database has the key of today, and what was recorded under it. What was recorded
//! under former ones opens with Amanah's ring alone.

use std::fmt::Write as _;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kernel::{Rng, Secret, hex, unhex};
use serde::de::IgnoredAny;
use store::Tx;
use zeroize::Zeroizing;

use crate::reading::document;
use crate::{Error, Result, TrailRow, sql};

/// The first bytes of what the HMAC is over.
const WORDS: &[u8] = b"amanah/trail-column/v1\n";
/// What the text in the strongbox begins with.
const HEAD: &str = "amanah-trail-columns-1";
/// At this age a key is replaced.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long a key is, in bytes; that of the cipher and that of the HMAC.
const KEY_BYTES: usize = 32;
/// How long an IV is, in bytes, and a block.
const IV_BYTES: usize = 16;
/// How long an HMAC is, in bytes.
const MAC_BYTES: usize = 32;
/// What HMAC lays over its key: inside, outside.
const PADS: (u8, u8) = (0x36, 0x5c);
/// The block of SHA-256, in bytes.
const BLOCK_BYTES: usize = 64;

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// A key of encrypted values. It has no `Debug`, so that no log can hold it.
struct ColumnKey {
    number: i64,
    cipher: Key,
    mac: Key,
    made_at: Timestamp,
}

/// Every key by which values of one database were encrypted in its trail, the oldest first. A number has
/// two keys where one was made in the database itself.
#[derive(Default)]
pub struct ColumnKeys(Vec<ColumnKey>);

/// Whether the values of any column are to be encrypted there; `None` where there is no place for keys,
/// as in the trail of an earlier version.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn encrypts(tx: &Tx) -> Result<Option<bool>> {
    tx.batch(sql::CLOSED_PATH).await?;
    if !tx.query_one(sql::KEEPS_KEYS, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    Ok(Some(tx.query_opt(sql::ENCRYPTS, &[]).await?.is_some()))
}

impl ColumnKeys {
    /// Reads what [`ColumnKeys::text`] wrote.
    ///
    /// # Errors
    /// [`Error::ColumnKeys`] when it is damaged.
    pub fn read(text: &Secret) -> Result<Self> {
        let mut lines = text.expose().lines();
        if lines.next() != Some(HEAD) {
            return Err(Error::ColumnKeys("they begin otherwise"));
        }
        let key = |word: Option<&str>| -> Option<Key> {
            let bytes = Zeroizing::new(unhex(word?)?);
            bytes.as_slice().try_into().ok().map(Zeroizing::new)
        };
        let read = |line: &str| -> Option<ColumnKey> {
            let mut words = line.split(' ');
            let number = words.next()?.parse().ok()?;
            let (cipher, mac) = (key(words.next())?, key(words.next())?);
            let made_at = words.next()?.parse().ok()?;
            words.next().is_none().then_some(ColumnKey { number, cipher, mac, made_at })
        };
        let keys = lines.map(read).collect::<Option<Vec<_>>>();
        keys.map(Self).ok_or(Error::ColumnKeys("one of them is no key"))
    }

    /// What is written down of them.
    pub fn text(&self) -> Secret {
        let mut text = format!("{HEAD}\n");
        for ColumnKey { number, cipher, mac, made_at } in &self.0 {
            let (cipher, mac) = (Zeroizing::new(hex(&**cipher)), Zeroizing::new(hex(&**mac)));
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{number} {} {} {made_at}", *cipher, *mac);
        }
        Secret::new(text)
    }

    /// Takes in the keys that lie in the database and are not known: one that was made there because
    /// there was none, or another installation's. Whether there were any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn adopt(&mut self, tx: &Tx, now: Timestamp) -> Result<bool> {
        let before = self.0.len();
        for found in in_database(tx, now).await? {
            if !self.0.iter().any(|key| key.is(&found)) {
                self.0.push(found);
            }
        }
        self.0.sort_by_key(|key| key.number);
        Ok(self.0.len() > before)
    }

    /// Whether the database encrypts under the newest key of all and has no other, and that one is not
    /// older than ninety days.
    ///
    /// # Errors
    /// When its keys cannot be read.
    pub async fn is_current(&self, tx: &Tx, now: Timestamp) -> Result<bool> {
        let found = in_database(tx, now).await?;
        Ok(match (found.as_slice(), self.newest(now)) {
            ([one], Some(newest)) => one.is(newest),
            _ => false,
        })
    }

    /// The key to encrypt with, unless a newer one is due.
    fn newest(&self, now: Timestamp) -> Option<&ColumnKey> {
        let young =
            |key: &&ColumnKey| key.made_at.checked_add(MAX_AGE).is_ok_and(|until| until > now);
        // What was made in the database is for the time until there is another.
        self.0.last().filter(|key| key.number > 0).filter(young)
    }

    /// Makes a newer key where that is due. Whether it did; it has to be written down then, before it
    /// is brought into the database.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn renew(&mut self, now: Timestamp, rng: &dyn Rng) -> Result<bool> {
        if self.newest(now).is_some() {
            return Ok(false);
        }
        let number = self.0.last().map_or(0, |key| key.number).saturating_add(1);
        let (mut cipher, mut mac) = (Key::default(), Key::default());
        for key in [&mut cipher, &mut mac] {
            rng.fill(&mut **key).map_err(store::Error::from)?;
        }
        self.0.push(ColumnKey { number, cipher, mac, made_at: now });
        Ok(true)
    }

    /// Brings the newest key into the database, as whoever keeps the trail, and takes the others out.
    /// The caller commits.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn install(&self, tx: &Tx) -> Result<()> {
        let Some(newest) = self.0.last() else { return Ok(()) };
        let pad = |over: u8| {
            let mut block = Zeroizing::new([over; BLOCK_BYTES]);
            block.iter_mut().zip(newest.mac.iter()).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let (inside, outside) = (pad(PADS.0), pad(PADS.1));
        let (cipher, inside, outside) = (&newest.cipher[..], &inside[..], &outside[..]);
        tx.batch(sql::CLOSED_PATH).await?;
        tx.execute(sql::KEEP_CIPHER_KEY, &[&newest.number, &cipher, &inside, &outside]).await?;
        tx.execute(sql::FORGET_CIPHER_KEYS, &[&newest.number]).await?;
        Ok(())
    }

    /// Opens a value of `column` in a row with this salt.
    fn open(&self, salt: &[u8; IV_BYTES], column: &str, value: &Value) -> Opened {
        let mut known = false;
        for key in self.0.iter().filter(|key| key.number == value.key) {
            known = true;
            if let Some(text) = key.open(salt, column, &value.sealed) {
                return Opened::Clear(text);
            }
        }
        if known { Opened::Damaged } else { Opened::NoKey }
    }
}

/// What came of opening a value.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    /// The value, as JSON.
    Clear(String),
    /// It is not what was recorded in this place.
    Damaged,
    /// There is no key of this number.
    NoKey,
}

impl ColumnKey {
    fn is(&self, other: &Self) -> bool {
        let same = |a: &Key, b: &Key| verify_slices_are_equal(&a[..], &b[..]).is_ok();
        self.number == other.number
            && same(&self.cipher, &other.cipher)
            && same(&self.mac, &other.mac)
    }

    fn open(&self, salt: &[u8; 16], column: &str, sealed: &[u8]) -> Option<String> {
        let (body, mac) = sealed.split_at_checked(sealed.len().checked_sub(MAC_BYTES)?)?;
        let length = u32::try_from(column.len()).ok()?;
        let bound = [
            WORDS,
            &self.number.to_be_bytes(),
            salt,
            &length.to_be_bytes(),
            column.as_bytes(),
            body,
        ];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.mac[..]);
        hmac::verify(&key, &bound.concat(), mac).ok()?;
        let (iv, body) = body.split_first_chunk::<IV_BYTES>()?;
        let cipher = UnboundCipherKey::new(&AES_256, &self.cipher[..]).ok()?;
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(cipher).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let text = str::from_utf8(cipher.decrypt(&mut body, context).ok()?).ok()?;
        // Whoever had the key could have put anything there: it is put into a document.
        let plain = !text.contains(|c: char| c.is_control());
        let json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        (plain && json).then(|| text.to_owned())
    }
}

/// The keys that lie in the database, those left out that are none.
async fn in_database(tx: &Tx, now: Timestamp) -> Result<Vec<ColumnKey>> {
    tx.batch(sql::CLOSED_PATH).await?;
    let rows = tx.query(sql::CIPHER_KEYS, &[]).await?;
    let read = |row: &store::Row| {
        let (cipher, inside): (Vec<u8>, Vec<u8>) = (row.get(1), row.get(2));
        let (cipher, inside) = (Zeroizing::new(cipher), Zeroizing::new(inside));
        let cipher = Zeroizing::new(<[u8; KEY_BYTES]>::try_from(cipher.as_slice()).ok()?);
        let (half, rest) = inside.split_first_chunk::<KEY_BYTES>()?;
        let whole = rest.len() == BLOCK_BYTES - KEY_BYTES && rest.iter().all(|b| *b == PADS.0);
        let mac = Zeroizing::new(half.map(|byte| byte ^ PADS.0));
        whole.then(|| ColumnKey { number: row.get(0), cipher, mac, made_at: now })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// An encrypted value, as it stands in a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) key: i64,
    pub(crate) sealed: Vec<u8>,
}

impl Value {
    /// Reads one: `None` for every other value, `Some(Err)` for one that says it is encrypted and is
    /// not of our form.
    pub(crate) fn parse(text: &str) -> Option<std::result::Result<Self, ()>> {
        let members = document::members(text);
        let of = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, v)| *v);
        if of("amanah") != Some("\"encrypted\"") {
            return None;
        }
        let read = || {
            let key = of("key")?.parse().ok()?;
            let value: String = serde_json::from_str(of("value")?).ok()?;
            let sealed = STANDARD.decode(value).ok()?;
            (members.len() == 3).then_some(Self { key, sealed })
        };
        Some(read().ok_or(()))
    }

    /// As PostgreSQL prints it.
    pub(crate) fn text(&self) -> String {
        let value = STANDARD.encode(&self.sealed);
        format!("{{\"key\": {}, \"value\": \"{value}\", \"amanah\": \"encrypted\"}}", self.key)
    }
}

/// How encrypted values are shown.
pub enum Shown {
    /// As they were recorded, for programs: so that the row is what was sealed.
    Recorded,
    /// `{"amanah": "encrypted"}`, for people.
    Short,
    /// What they are: `{"amanah": "revealed", "value": …}`; or that one is damaged, or its key not there.
    Clear(ColumnKeys),
}

impl Shown {
    /// The row, as it is shown.
    #[must_use]
    pub fn row(&self, mut row: TrailRow) -> TrailRow {
        if !matches!(self, Self::Recorded) {
            let salt = row.salt;
            for text in [&mut row.old_data, &mut row.new_data].into_iter().flatten() {
                if let Some(shown) = self.document(salt.as_ref(), text) {
                    *text = shown;
                }
            }
        }
        row
    }

    /// The document with its encrypted values replaced; `None` when it has none.
    fn document(&self, salt: Option<&[u8; 16]>, text: &str) -> Option<String> {
        // Most have none, and are not taken apart.
        if !text.contains("\"encrypted\"") {
            return None;
        }
        let mut any = false;
        let members: Vec<String> = document::members(text)
            .into_iter()
            .map(|(column, held)| {
                let shown = Value::parse(held).map(|value| self.value(salt, &column, value));
                any |= shown.is_some();
                let column = serde_json::Value::from(column);
                format!("{column}: {}", shown.as_deref().unwrap_or(held))
            })
            .collect();
        any.then(|| format!("{{{}}}", members.join(", ")))
    }

    fn value(
        &self,
        salt: Option<&[u8; 16]>,
        column: &str,
        value: std::result::Result<Value, ()>,
    ) -> String {
        let Self::Clear(keys) = self else { return r#"{"amanah": "encrypted"}"#.to_owned() };
        let damaged = r#"{"amanah": "damaged"}"#.to_owned();
        let (Ok(value), Some(salt)) = (value, salt) else { return damaged };
        match keys.open(salt, column, &value) {
            Opened::Clear(text) => format!(r#"{{"amanah": "revealed", "value": {text}}}"#),
            Opened::Damaged => damaged,
            Opened::NoKey => {
                format!(r#"{{"amanah": "encrypted", "key": {}, "why": "no such key"}}"#, value.key)
            }
        }
    }
}
