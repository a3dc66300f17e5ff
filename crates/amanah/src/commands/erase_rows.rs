//! `amanah tenant erase --database`: the end of a tenant among others in a shared database.

use kernel::TenantId;
use serde_json::{Value, json};
use tenancy::{Closing, Gone, GonePart, Guarded, RowErasing};

use super::binding;
use super::erase::{EXPORTS, operator, owned, sign, signer, taken, write};
use crate::cli::Place;
use crate::cli::tenant::Erase;
use crate::installation::Installation;
use crate::out;

/// What remains of deleted rows, whatever they were.
const COPIES: &str = "The server keeps deleted rows in its files until it has cleaned up after them (VACUUM), and \
                      in its write-ahead log until that is used anew. Replicas, archives of that log, \
                      backups and copies that were made before hold them until they are removed, in \
                      clear but for what the tenant's keys encrypted. Amanah makes none itself and does \
                      not know until when others keep theirs.";
const TRAIL: &str = "The audit trail of the database is evidence and stays: it holds each recorded change of these \
                     rows with what was in them, and their deletion.";
const ACCOUNTS: &str = "Accounts that sign in for the tenant are as they were.";

/// What of a tenant belongs to it in all of its databases.
#[derive(Default)]
struct Common {
    keys: usize,
    files: u64,
    bytes: u64,
    redis: bool,
    /// Where else the tenant has rows, or may have some: then all of it is kept.
    elsewhere: Vec<String>,
}

impl Common {
    async fn look(house: &Installation, guarded: &Guarded, id: &TenantId) -> anyhow::Result<Self> {
        let files = house.files.usage(id).await?.used;
        Ok(Self {
            keys: owned(&house.ring.keys, id).len(),
            files: files.files,
            bytes: files.bytes,
            redis: house.caches.has(id).await?,
            elsewhere: elsewhere(house, guarded, id).await?,
        })
    }

    /// Whether it goes with the rows.
    const fn goes(&self) -> bool {
        self.elsewhere.is_empty()
    }

    const fn is_there(&self) -> bool {
        self.keys > 0 || self.files > 0 || self.redis
    }

    /// Why it is kept.
    fn kept(&self) -> Option<String> {
        let words = format!(
            "Its keys, its files and its place on Redis were kept, because it has more than these rows: \
             {}. They go with the last of it.",
            self.elsewhere.join("; ")
        );
        (!self.goes()).then_some(words)
    }
}

/// Where else a tenant has rows. What cannot be told counts as such: its keys must not go too early.
async fn elsewhere(
    house: &Installation,
    guarded: &Guarded,
    id: &TenantId,
) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    match house.fleet.find(id).await {
        Ok(tenant) => all.push(format!("a database of its own, {}", tenant.place.name())),
        Err(tenancy::Error::NoTenant(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let known = house.known();
    for other in known.others(guarded) {
        let name = &other.protected.name;
        match house.fleet.has_rows(other, id).await {
            Ok(true) => all.push(format!("rows in the database {name}")),
            Ok(false) | Err(tenancy::Error::NoName { .. } | tenancy::Error::Canary) => {}
            Err(why) => all.push(format!("rows in the database {name}, perhaps: {why}")),
        }
    }
    Ok(all)
}

/// Says what would be gone.
pub(crate) async fn preview(
    place: &Place,
    house: &Installation,
    id: &TenantId,
    database: &str,
) -> anyhow::Result<()> {
    let guarded = binding::one(house, database)?;
    let counts = house.fleet.count_rows(&guarded, id).await?;
    let common = Common::look(house, &guarded, id).await?;
    if place.json {
        let tables: Vec<Value> =
            counts.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect();
        let all = json!({
            "erased": false,
            "tenant": id,
            "database": database,
            "tables": tables,
            "files": {"files": common.files, "bytes": common.bytes},
            "keys": common.keys,
            "redis": common.redis,
            "elsewhere": common.elsewhere,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let rows: i64 = counts.iter().map(|(_, rows)| rows).sum();
    let each: Vec<String> =
        counts.iter().map(|(table, rows)| format!("\n  {rows} of {table}")).collect();
    let more = if common.goes() {
        let redis = if common.redis { ", its place on Redis with everything in it" } else { "" };
        format!(
            "{redis}, {} files with {} bytes, and {} keys with whatever they encrypted, wherever copies \
             of it lie",
            common.files, common.bytes, common.keys
        )
    } else {
        format!(". Its keys, files and place on Redis stay: it has {}", common.elsewhere.join("; "))
    };
    out::line(&format!(
        "Of {id} these would be gone for good: {rows} rows of the database {database}{more}.{}",
        each.concat()
    ));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// The rows first, which the database may keep; then what nothing can keep. Nothing is destroyed before it
/// is sure that there is such a tenant, and that a certificate can be signed.
pub(crate) async fn erase(
    house: &Installation,
    erase: Erase,
    database: &str,
) -> anyhow::Result<(String, Value)> {
    let Erase { tenant: id, certificate: file, by, .. } = erase;
    if let Some(file) = file.as_deref().filter(|file| file.exists()) {
        return Err(taken(file).into());
    }
    let guarded = binding::one(house, database)?;
    let keys = &house.ring.keys;
    let signer = signer(keys).await?;
    let by = by.map_or_else(operator, Ok)?;
    let common = Common::look(house, &guarded, &id).await?;
    let more = common.goes() && common.is_there();
    let mut erasing = house.fleet.erase_rows(&guarded, &id, more).await?;
    let mut remains = vec![COPIES.to_owned(), TRAIL.to_owned(), EXPORTS.to_owned()];
    remains.push(ACCOUNTS.to_owned());
    remains.extend(common.kept());
    if common.goes() {
        remains.extend(destroy(house, &mut erasing, &id).await?);
    }
    let rows: u64 = erasing.rows().0.iter().map(|table| table.rows).sum();
    let tables = erasing.rows().0.to_vec();
    let gone = erasing.note(Gone::default()).await?.clone();
    let closing = Closing { version: env!("CARGO_PKG_VERSION"), by, remains: remains.clone() };
    let (erasure, text) = erasing.certify(closing, &|text| sign(keys, &signer, text)).await?;
    let kept = match &file {
        Some(file) => write(house, file, &text).map(|()| format!("It is in {}.", file.display())),
        None => Ok("`amanah tenant erasures --json` shows it again.".to_owned()),
    };
    // It is kept with the erasure in any case, so a file that cannot be written loses nothing.
    let kept = kept.unwrap_or_else(|error| {
        format!("{}; `amanah tenant erasures --json` has it.", out::words(&error))
    });
    let each: Vec<String> =
        tables.iter().map(|table| format!("\n  {} of {}", table.rows, table.table)).collect();
    let parts = gone.parts.iter().map(|part| format!("{} {}, ", part.count, part.what));
    let words = format!(
        "Erased: {id}, {rows} rows of the database {database}, {}{} keys, at {:.0}.{}\n  {}\n\nThe \
         certificate. {kept}\n{text}",
        parts.collect::<String>(),
        gone.keys.len(),
        erasure.erased_at,
        each.concat(),
        remains.join("\n  ")
    );
    let data = json!({
        "erased": true,
        "erasure": erasure,
        "tables": tables,
        "parts": gone.parts,
        "keys": gone.keys.len(),
        "remains": remains,
        "certificate": text,
    });
    Ok((words, data))
}

/// Destroys what belongs to the tenant besides its rows; what may still hold some of it.
async fn destroy(
    house: &Installation,
    erasing: &mut RowErasing,
    id: &TenantId,
) -> anyhow::Result<Vec<String>> {
    let keys = &house.ring.keys;
    let gone = erasing.note(Gone { keys: owned(keys, id), parts: Vec::new() }).await?;
    let shredding = if gone.keys.is_empty() { None } else { Some(keys.shred(id).await?) };
    let files = house.files.erase(id).await?;
    let (what, count, bytes) = ("files".to_owned(), files.files, Some(files.bytes));
    let mut parts = vec![GonePart { what, count, bytes }];
    if let Some(cache) = house.caches.erase(id).await? {
        let (what, count) = ("keys on Redis".to_owned(), cache.keys);
        parts.push(GonePart { what, count, bytes: None });
    }
    erasing.note(Gone { keys: Vec::new(), parts }).await?;
    let mut remains = Vec::new();
    if let Some(why) = house.caches.redis().missing() {
        remains.push(format!("Redis was not looked into, since there is none: {why}."));
    }
    remains.extend(shredding.into_iter().flat_map(|shredding| shredding.remains));
    Ok(remains)
}
