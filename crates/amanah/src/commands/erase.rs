//! `amanah tenant erase`, `erasures` and `certificate`: the end of a tenant, and the proof of it that
//! somebody else can check.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context;
use kernel::{TenantId, hex, unhex};
use keys::whole::Unfinished;
use keys::{KeyName, KeyRef, Keys, Kind, Purpose, Spec, verify_signature};
use serde_json::{Value, json};
use tenancy::{Closing, Erasing, GoneKey, MAX_CERTIFICATE_BYTES, Signature, Signed};

use super::belongings::{self, Begun, Belongings, Destroyed, In};
use super::tenant::shown;
use crate::cli::Place;
use crate::cli::tenant::{Certificate, Erase};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// The house's key that signs certificates, made with the first one.
const CERTIFICATES_KEY: &str = "amanah.certificates";
/// Who uses it, for those who list keys.
const OWN_CERTIFICATES: &str = "certificates of erasure";
/// What remains whatever a tenant had.
const BACKUPS: &str = "Backups and copies of the server that were made before still hold the database, in clear \
                       but for what its keys encrypted, until they are removed. Amanah makes none \
                       itself and does not know until when others keep theirs.";
pub(super) const EXPORTS: &str =
    "Archives that were exported before are wherever somebody put them.";

pub(crate) async fn preview(
    place: &Place,
    house: &Installation,
    id: &TenantId,
) -> anyhow::Result<()> {
    let tenant = match house.fleet.find(id).await {
        Ok(tenant) => tenant,
        Err(tenancy::Error::NoTenant(_)) if house.caches.has(id).await? => {
            return preview_place(place, house, id).await;
        }
        Err(error) => return Err(error.into()),
    };
    let common = Belongings::look(house, In::Own, id).await?;
    if place.json {
        let all = json!({
            "erased": false,
            "tenant": shown(&tenant),
            "files": {"files": common.files, "bytes": common.bytes},
            "keys": common.keys,
            "redis": common.redis,
            "elsewhere": common.elsewhere,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!(
        "Of {id} these would be gone for good: the database {} with everything in it, its logins{}.",
        tenant.place.name(),
        common.told()
    ));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// The same of a tenant without a database of its own.
async fn preview_place(place: &Place, house: &Installation, id: &TenantId) -> anyhow::Result<()> {
    place_alone(house, id).await?;
    if place.json {
        let all = json!({"erased": false, "tenant": null, "redis": true});
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!("Of {id} its place on Redis with everything in it would be gone for good."));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// Refuses a tenant without a database of its own that has rows in a shared one: its place on Redis
/// goes with the last of these.
async fn place_alone(house: &Installation, id: &TenantId) -> anyhow::Result<()> {
    let elsewhere = belongings::elsewhere(house, In::Own, id).await?;
    if elsewhere.is_empty() {
        return Ok(());
    }
    Err(Usage(format!(
        "{id} has no database of its own; it has {}. Nothing was erased: its place on Redis goes with \
         the last of it. Name the shared database with --database; where it cannot be told what is in one, \
         mend that, or undo its protection",
        elsewhere.join("; ")
    ))
    .into())
}

/// Of a tenant without a database of its own, its place on Redis. There is no certificate of it.
async fn erase_place(house: &Installation, id: &TenantId) -> anyhow::Result<(String, Value)> {
    place_alone(house, id).await?;
    let cache = house.caches.erase(id).await?;
    let keys = cache.as_ref().map_or(0, |cache| cache.keys);
    let remains = [
        "Its files and the keys that it encrypted with are as they were: this tenant has no database \
         of its own. To erase these, name a shared one with --database.",
    ];
    let words = format!("Erased: {id}, {keys} keys on Redis.\n  {}", remains.join("\n  "));
    Ok((words, json!({"erased": true, "erasure": null, "redis": cache, "remains": remains})))
}

/// Everything but the database, unless the tenant has more; and what remains.
async fn destroy(
    house: &Installation,
    erasing: &Erasing,
    id: &TenantId,
) -> anyhow::Result<Destroyed> {
    let done = belongings::destroy(house, Begun::Own(erasing), id).await?;
    let mut remains = vec![BACKUPS.to_owned(), EXPORTS.to_owned()];
    remains.extend(erasing.copies().await?.iter().map(|cell| {
        format!(
            "A copy of its database, from a move, is still on the cell {cell}, which could not be \
             asked to drop it. `amanah up` drops it at a start at which the cell answers."
        )
    }));
    remains.extend(done.remains);
    Ok(Destroyed { remains, ..done })
}

/// The keys before the files and the database, unless they are kept: when something comes between, what is left cannot be
/// read. Nothing is destroyed before it is sure that there is such a tenant, and that a certificate can be signed.
pub(crate) async fn erase(house: &Installation, erase: Erase) -> anyhow::Result<(String, Value)> {
    let Erase { tenant: id, certificate: file, by, missing, .. } = erase;
    if let Some(file) = file.as_deref().filter(|file| file.exists()) {
        return Err(taken(file).into());
    }
    let keys = &house.ring.keys;
    let signer = signer(keys).await?;
    let by = by.map_or_else(operator, Ok)?;
    let begun =
        if missing { house.fleet.erase_missing(&id).await } else { house.fleet.erase(&id).await };
    let erasing = match begun {
        Ok(erasing) => erasing,
        Err(tenancy::Error::NoTenant(_)) if house.caches.has(&id).await? => {
            return erase_place(house, &id).await;
        }
        Err(error) => return Err(error.into()),
    };
    let done = match destroy(house, &erasing, &id).await {
        Ok(done) => done,
        Err(error) => {
            erasing.leave().await;
            return Err(error);
        }
    };
    let Destroyed { cache, files, gone, last, remains } = done;
    let (version, count) = (env!("CARGO_PKG_VERSION"), gone.keys.len());
    let closing = Closing { version, by, remains: remains.clone(), last };
    let (erasure, text) = erasing.certify(closing, &|text| sign(keys, &signer, text)).await?;
    let kept = match &file {
        Some(file) => write(house, file, &text).map(|()| format!("It is in {}.", file.display())),
        None => Ok("`amanah tenant erasures --json` shows it again.".to_owned()),
    };
    // It is kept with the erasure in any case, so a file that cannot be written loses nothing.
    let kept = kept.unwrap_or_else(|error| {
        format!("{}; `amanah tenant erasures --json` has it.", out::words(&error))
    });
    let words = format!(
        "Erased: {id}, {}, {} keys on Redis, {} files with {} bytes, {count} keys, at {:.0}.\n  {}\n\n\
         The certificate. {kept}\n{text}",
        whole(&erasure.place, erasure.bytes),
        cache.as_ref().map_or(0, |cache| cache.keys),
        files.files,
        files.bytes,
        erasure.erased_at,
        remains.join("\n  ")
    );
    let data = json!({
        "erased": true,
        "erasure": erasure,
        "redis": cache,
        "files": files,
        "keys": count,
        "remains": remains,
        "certificate": text,
    });
    Ok((words, data))
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
fn whole(name: &str, bytes: i64) -> String {
    if bytes == 0 {
        return format!("database {name}, which was not dropped");
    }
    format!("database {name} with {bytes} bytes")
}

/// The key that signs, made when there is none.
pub(super) async fn signer(keys: &Keys) -> anyhow::Result<KeyRef> {
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

pub(super) fn sign(keys: &Keys, signer: &KeyRef, text: &[u8]) -> Result<Signature, String> {
    let words = |error: keys::Error| error.to_string();
    let tags = keys.sign(signer, None, &[text]).map_err(words)?;
    let tag = tags.into_iter().next().ok_or("there is no signature")?;
    let public = keys.public_keys(signer).map_err(words)?;
    let public = public.into_iter().find(|(version, _)| *version == tag.version);
    let (_, public_key) = public.ok_or("the public key is not there")?;
    Ok(Signature { public_key, bytes: tag.bytes })
}

/// The keys of a tenant.
pub(super) fn owned(keys: &Keys, id: &TenantId) -> Vec<GoneKey> {
    let all = keys.list();
    let theirs = all.into_iter().filter(|card| card.key.tenant.as_ref() == Some(id));
    let gone = |card: keys::KeyCard| GoneKey {
        name: card.key.name.to_string(),
        versions: card.versions.into_iter().map(|version| version.id).collect(),
    };
    theirs.map(gone).collect()
}

/// Who runs this, as far as the system says.
pub(super) fn operator() -> anyhow::Result<String> {
    let user = fs::metadata("/proc/self").context("who runs this cannot be told; say --by")?.uid();
    Ok(format!("the user {user} of the machine, on the command line"))
}

pub(super) fn write(house: &Installation, file: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", file.display());
    let fresh = Unfinished::begin(file, &*house.cx.rng).with_context(cannot)?;
    fresh.file().write_all(text.as_bytes()).with_context(cannot)?;
    if fresh.create().with_context(cannot)? { Ok(()) } else { Err(taken(file).into()) }
}

pub(super) fn taken(file: &Path) -> Usage {
    Usage(format!("{} is there already; it was kept. Choose another name", file.display()))
}
