//! `amanah tenant erasures` and `certificate`: the proof of a tenant's end that somebody else can check.
//!
//! It promises that whatever is erased ends in the same way: signed, kept with the erasure, and written
//! to a file where one was asked for.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kernel::{hex, unhex};
use keys::whole::Unfinished;
use keys::{KeyName, KeyRef, Keys, Kind, Purpose, Spec, verify_signature};
use serde_json::{Value, json};
use tenancy::{Closing, MAX_CERTIFICATE_BYTES, Signature, Signed};

use crate::cli::Place;
use crate::cli::tenant::Certificate;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// The house's key that signs certificates, made with the first one.
const CERTIFICATES_KEY: &str = "amanah.certificates";
/// What names the file for one.
const FILE: &str = "--certificate";
/// Who uses it, for those who list keys.
const OWN_CERTIFICATES: &str = "certificates of erasure";
/// What remains whatever was erased.
pub(super) const EXPORTS: &str =
    "Archives that were exported before are wherever somebody put them.";

/// What a certificate is made with, found before anything is erased.
pub(super) struct Clerk<'a> {
    house: &'a Installation,
    signer: KeyRef,
    by: String,
    file: Option<PathBuf>,
}

impl<'a> Clerk<'a> {
    /// # Errors
    /// When the file is there already, when nothing can be signed, or when it cannot be told who erases.
    pub(super) async fn ready(
        house: &'a Installation,
        by: Option<String>,
        file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        if let Some(file) = file.as_deref().filter(|file| file.exists()) {
            return Err(Usage::taken(file, FILE).into());
        }
        let signer = signer(&house.ring.keys).await?;
        let by = by.map_or_else(operator, Ok)?;
        Ok(Self { house, signer, by, file })
    }

    /// What it says that only this knows.
    pub(super) fn closing(&self, remains: Vec<String>, last: bool) -> Closing<'static> {
        Closing { version: env!("CARGO_PKG_VERSION"), by: self.by.clone(), remains, last }
    }

    pub(super) fn sign(&self, text: &[u8]) -> Result<Signature, String> {
        sign(&self.house.ring.keys, &self.signer, text)
    }

    /// The end of every erasure: the certificate is written, and told behind what was `erased`, as are the
    /// fields `more` beside it.
    pub(super) fn told(
        &self,
        (erased, more): (&str, Value),
        remains: &[String],
        text: &str,
    ) -> (String, Value) {
        // It is kept with the erasure in any case, so a file that cannot be written loses nothing.
        let kept = match &self.file {
            None => "`amanah tenant erasures --json` shows it again.".to_owned(),
            Some(file) => match write(self.house, file, text) {
                Ok(()) => format!("It is in {}.", file.display()),
                Err(error) => {
                    format!("{}; `amanah tenant erasures --json` has it.", out::words(&error))
                }
            },
        };
        let words = format!(
            "Erased: {erased}\n  {}\n\nThe certificate. {kept}\n{text}",
            remains.join("\n  ")
        );
        let mut data = json!({"erased": true, "remains": remains, "certificate": text});
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        (words, data)
    }
}

/// Every erasure, and the public keys of the certificates.
pub(crate) async fn erasures(house: &Installation) -> anyhow::Result<(String, Value)> {
    let erasures = house.fleet.erasures().await?;
    let public: Vec<String> = public_keys(&house.ring.keys).iter().map(|key| hex(key)).collect();
    let line = |one: &tenancy::Erased| {
        let signed = if one.certificate.is_some() { "certified" } else { "no certificate" };
        let last = if one.last { "" } else { ", the rest of it was kept" };
        let (place, keys) = (&one.place, one.keys);
        let bytes = match one.bytes {
            0 => "not dropped".to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        format!(
            "  {:.0}  {place}  {bytes}, {keys} keys, {signed}{last}  {}",
            one.erased_at, one.tenant_sha256
        )
    };
    let mut lines: Vec<String> = erasures.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no tenant was erased".to_owned());
    } else {
        lines.push("The last column is the SHA-256 of the tenant's name.".to_owned());
    }
    lines.extend(public.iter().map(|key| format!("Certificates are signed by {key}.")));
    Ok((lines.join("\n"), json!({"erasures": erasures, "public_keys": public})))
}

/// Whether a certificate holds: by a key that is given, or by those of this installation.
pub(crate) async fn check(place: &Place, check: Certificate) -> anyhow::Result<Exit> {
    let Certificate { file, public_key, tenant } = check;
    let unreadable = || Usage(format!("{} cannot be read", file.display()));
    if fs::metadata(&file).with_context(unreadable)?.len() > MAX_CERTIFICATE_BYTES as u64 {
        return Err(Usage(format!("{} is larger than any certificate", file.display())).into());
    }
    let text = fs::read(&file).with_context(unreadable)?;
    let trusted = match public_key {
        Some(key) => vec![key.0],
        None => Installation::with(place, async |house| Ok(public_keys(&house.ring.keys))).await?,
    };
    let read = String::from_utf8(text).map_err(|_| "it is no text".to_owned());
    let read = read.and_then(|text| Signed::parse(&text).map_err(|error| error.to_string()));
    let held = read.and_then(|signed| {
        let holds =
            |key: &[u8; 32]| verify_signature(key, signed.text.as_bytes(), &signed.signature.bytes);
        if !trusted.iter().any(holds) {
            return Err("it was changed, or another key signed it".to_owned());
        }
        match tenant.filter(|tenant| !signed.certificate.is_of(tenant)) {
            Some(other) => {
                Err(format!("its signature is right, and it is of another tenant than {other}"))
            }
            None => Ok(signed.certificate),
        }
    });
    let (exit, words, data) = match held {
        Ok(one) => (
            Exit::Holds,
            format!(
                "It holds: installation {} erased the tenant whose name has the SHA-256 {} at {:.0}, \
                 by {}: {}, {} keys.",
                one.installation,
                one.tenant_sha256,
                one.erased_at,
                one.by,
                what(&one),
                one.keys.len()
            ),
            json!({"holds": true, "certificate": one}),
        ),
        Err(why) => {
            let words = format!("{} does not hold: {why}.", file.display());
            (Exit::Fails, words, json!({"holds": false, "why": why}))
        }
    };
    out::line(&if place.json { serde_json::to_string_pretty(&data)? } else { words });
    Ok(exit)
}

/// What was erased: a database, or rows of one that others share.
fn what(one: &tenancy::Certificate) -> String {
    let (database, bytes) = (&one.database, one.bytes);
    if one.tables.is_empty() {
        return whole(database, bytes);
    }
    let rows: u64 = one.tables.iter().map(|table| table.rows).sum();
    let tables = one.tables.len();
    format!(
        "{rows} rows with {bytes} bytes out of {tables} tables of the shared database {database}"
    )
}

/// A public key, as somebody writes it.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey([u8; 32]);

impl std::str::FromStr for PublicKey {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = unhex(text).and_then(|key| key.try_into().ok()).map(Self);
        key.ok_or("a public key has 64 hexadecimal digits")
    }
}

/// What became of a tenant's own database. One that is there is never empty, so one of no bytes was
/// not there.
pub(super) fn whole(name: &str, bytes: i64) -> String {
    if bytes == 0 {
        return format!("database {name}, which was not dropped");
    }
    format!("database {name} with {bytes} bytes")
}

/// The key that signs, made when there is none.
async fn signer(keys: &Keys) -> anyhow::Result<KeyRef> {
    let signer = certificates_key()?;
    if keys.public_keys(&signer).is_err() {
        let spec = Spec { kind: Kind::Ed25519, purpose: Purpose::Signing, needs_context: false };
        match keys.create(&signer, &spec).await {
            Ok(_) | Err(keys::Error::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    keys.registers(OWN_CERTIFICATES, &signer);
    Ok(signer)
}

fn certificates_key() -> anyhow::Result<KeyRef> {
    Ok(KeyRef { tenant: None, name: KeyName::new(CERTIFICATES_KEY)? })
}

/// None before the first certificate.
fn public_keys(keys: &Keys) -> Vec<[u8; 32]> {
    let public = certificates_key().ok().and_then(|key| keys.public_keys(&key).ok());
    public.unwrap_or_default().into_iter().map(|(_, key)| key).collect()
}

fn sign(keys: &Keys, signer: &KeyRef, text: &[u8]) -> Result<Signature, String> {
    let words = |error: keys::Error| error.to_string();
    let tags = keys.sign(signer, None, &[text]).map_err(words)?;
    let tag = tags.into_iter().next().ok_or("there is no signature")?;
    let public = keys.public_keys(signer).map_err(words)?;
    let public = public.into_iter().find(|(version, _)| *version == tag.version);
    let (_, public_key) = public.ok_or("the public key is not there")?;
    Ok(Signature { public_key, bytes: tag.bytes })
}

/// Who runs this, as far as the system says.
pub(super) fn operator() -> anyhow::Result<String> {
    let user = fs::metadata("/proc/self").context("who runs this cannot be told; say --by")?.uid();
    Ok(format!("the user {user} of the machine, on the command line"))
}

fn write(house: &Installation, file: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", file.display());
    let fresh = Unfinished::begin(file, &*house.cx.rng).with_context(cannot)?;
    fresh.file().write_all(text.as_bytes()).with_context(cannot)?;
    if fresh.create().with_context(cannot)? { Ok(()) } else { Err(Usage::taken(file, FILE).into()) }
}
