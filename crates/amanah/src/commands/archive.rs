//! `amanah tenant export` and `import`: a tenant as one file, for another installation.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::{Fut, Secret, TenantFiles, TenantId};
use keys::envelope::{self, Opening, Sealing};
use keys::whole::Unfinished;
use keys::{Ciphertext, Keys};
use serde_json::{Value, json};
use tenancy::archive::Manifest;
use tenancy::{Elsewhere, Exporting, Guarded, Imported, ImportedRows, State};

use crate::cli::tenant::{Export, Import};
use crate::commands::belongings::{self, In};
use crate::commands::{bar, binding};
use crate::environment;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::out;

/// What an archive is sealed by.
const SECRET: &str = "AMANAH_ARCHIVE_SECRET";
/// Bytes of a gigabyte.
const GIGABYTE: u64 = 1_000_000_000;
/// How ciphertexts of ours begin, also those of keys that are not here.
const OWN: &str = "amanah:v";
/// What an archive never holds.
const WITHOUT: [&str; 2] = [
    "What it has on Redis.",
    "Accounts that sign in, the audit trail, and what Amanah's own database says of the tenant.",
];
/// Nor one of a database of its own.
const WITHOUT_OWN: [&str; 2] = [
    "The migrations themselves: they must have been run with `amanah migrate` where the tenant is to \
     be imported.",
    "Grants and comments that somebody made by hand in its database.",
];
/// Nor one of a shared database.
const WITHOUT_SHARED: [&str; 2] = [
    "The migrations themselves: the tables must be there, and protected, where the tenant is to be \
     imported.",
    "Where sequences are, which all tenants draw from: they are brought beyond its rows.",
];

/// Writes a tenant to a file that nobody else can read, under its name once it is whole.
pub(crate) async fn export(
    house: &Installation,
    export: Export,
) -> anyhow::Result<(String, Value)> {
    let Export { tenant, database, to, plain } = export;
    let secret = secret_for(plain)?;
    let shared = database.as_deref().map(|name| binding::one(house, name)).transpose()?;
    if to.exists() {
        return Err(Usage::taken(&to, "--to").into());
    }
    let cannot = || format!("{} cannot be written", to.display());
    let keys = &house.ring.keys;
    let known = known(keys);
    let with = Exporting {
        version: env!("CARGO_PKG_VERSION"),
        key_of: &|text| key_of(&known, text),
        files: &house.files,
        without: without(keys, &tenant, shared.is_some()),
    };
    let rng = &*house.cx.rng;
    let fresh = Unfinished::begin(&to, rng).with_context(cannot)?;
    let bar = bytes_bar("exporting", None);
    let mut file = BufWriter::new(bar.wrap_write(fresh.file()));
    let manifest = if let Some(secret) = &secret {
        let sealing = Sealing::begin(secret, rng, &mut file);
        let mut sealing = sealing.map_err(|error| match error {
            keys::Error::Weak => Usage(format!("{SECRET}: {error}")).into(),
            other => anyhow::Error::from(other),
        })?;
        let manifest = write(house, (shared.as_ref(), &tenant), &with, &mut sealing).await?;
        sealing.finish()?;
        manifest
    } else {
        write(house, (shared.as_ref(), &tenant), &with, &mut file).await?
    };
    file.flush().with_context(cannot)?;
    drop(file);
    bar.finish_and_clear();
    let bytes = fresh.file().metadata().with_context(cannot)?.len();
    if !fresh.create().with_context(cannot)? {
        return Err(Usage::taken(&to, "--to").into());
    }
    let how = if secret.is_some() { "sealed" } else { "in clear: whoever has it reads all of it" };
    let words = format!(
        "{} holds {tenant} as of {:.0}: {} ({bytes} bytes, {how}).\n  Not in it:{}",
        to.display(),
        manifest.made_at,
        summary(&manifest),
        indented(&manifest.without)
    );
    let data = json!({
        "archive": to,
        "bytes": bytes,
        "sealed": secret.is_some(),
        "manifest": short(&manifest),
    });
    Ok((words, data))
}

/// Writes the tenant's own database, or its rows in a shared one.
async fn write(
    house: &Installation,
    (shared, tenant): (Option<&Guarded>, &TenantId),
    with: &Exporting<'_>,
    out: &mut (dyn Write + Send),
) -> tenancy::Result<Manifest> {
    match shared {
        Some(guarded) => house.fleet.export_rows(guarded, tenant, with, out).await,
        None => house.fleet.export(tenant, with, out).await,
    }
}

/// Makes a tenant out of a file that may come from anybody.
pub(crate) async fn import(
    house: &Installation,
    import: Import,
) -> anyhow::Result<(String, Value)> {
    let file = &import.file;
    let shared = import.database.as_deref().map(|name| binding::one(house, name)).transpose()?;
    let unreadable = || Usage(format!("{} cannot be read", file.display()));
    let mut begin = [0];
    let length = File::open(file)
        .and_then(|mut opened| {
            opened.read_exact(&mut begin)?;
            opened.metadata()
        })
        .with_context(unreadable)?
        .len();
    let sealed = envelope::is_envelope(&begin);
    let secret = seal_of(sealed, environment::secret(SECRET)?, import.plain)
        .map_err(|why| Usage(format!("{} {why}", file.display())))?;
    // It is read twice: checked first, and then taken in.
    let bar = bytes_bar("importing", Some(length.saturating_mul(2)));
    let open = || -> std::io::Result<Box<dyn Read + Send>> {
        let reader = BufReader::new(bar.wrap_read(File::open(file)?));
        Ok(match &secret {
            Some(secret) => {
                Box::new(Opening::begin(secret, reader).map_err(std::io::Error::other)?)
            }
            None => Box::new(reader),
        })
    };
    let onto = (import.called.as_ref(), import.cell.as_deref());
    let most = import.most_gb.saturating_mul(GIGABYTE);
    let done = match shared {
        Some(guarded) => {
            let elsewhere = |id| lives_elsewhere(house, &guarded, id);
            let files: (&dyn TenantFiles, Elsewhere<'_>) = (&house.files, &elsewhere);
            house.fleet.import_rows(&guarded, &open, files, most).await.map(Came::from)
        }
        None => house.fleet.import(&open, onto, &house.files, most).await.map(Came::from),
    };
    bar.finish_and_clear();
    told(house, done?, sealed)
}

/// Where else a tenant has something than in this database; what cannot be told counts.
fn lives_elsewhere<'a>(
    house: &'a Installation,
    guarded: &'a Guarded,
    id: TenantId,
) -> Fut<'a, Vec<String>> {
    Box::pin(async move {
        let found = belongings::elsewhere(house, In::Shared(guarded), &id).await;
        found.unwrap_or_else(|why| {
            vec![format!("something elsewhere, perhaps: {}", out::words(&why))]
        })
    })
}

/// A tenant that came out of an archive.
struct Came {
    tenant: TenantId,
    database: String,
    state: State,
    manifest: Manifest,
    notes: Vec<String>,
}

impl From<Imported> for Came {
    fn from(done: Imported) -> Self {
        let Imported { tenant, manifest, notes } = done;
        let (database, state) = (tenant.place.name().to_owned(), tenant.state);
        Self { tenant: tenant.id, database, state, manifest, notes }
    }
}

impl From<ImportedRows> for Came {
    fn from(done: ImportedRows) -> Self {
        let ImportedRows { tenant, database, manifest, notes } = done;
        Self { tenant, database, state: State::Active, manifest, notes }
    }
}

fn told(house: &Installation, done: Came, sealed: bool) -> anyhow::Result<(String, Value)> {
    let Came { tenant: id, database, state, manifest, mut notes } = done;
    if !sealed {
        notes.push(IN_CLEAR.to_owned());
    }
    let fields: u64 = manifest.ciphertexts.iter().map(|needed| needed.fields).sum();
    if fields > 0 && manifest.installation != installation(house)? {
        notes.push(format!("{fields} ciphertexts in its rows do not open here."));
    }
    let words = format!(
        "Not in the archive:{}{}\n{id} is {state}, in database {database}: {}, as {} had it in \
         installation {} at {:.0}. Every row was counted and compared.",
        indented(&manifest.without),
        indented(&notes),
        summary(&manifest),
        manifest.tenant,
        manifest.installation,
        manifest.made_at
    );
    let data = json!({
        "tenant": id,
        "database": database,
        "state": state,
        "sealed": sealed,
        "notes": notes,
        "manifest": short(&manifest),
    });
    Ok((words, data))
}

const HOW: &str =
    "set AMANAH_ARCHIVE_SECRET, or AMANAH_ARCHIVE_SECRET_FILE to a file that holds it";

const IN_CLEAR: &str = "It came in clear: whoever had the file could read it, and could change it.";

/// What a file is opened by. One that is not sealed is taken when that was said in so many words:
/// else whoever has it could put another one in the place of a sealed one.
fn seal_of(sealed: bool, secret: Option<Secret>, plain: bool) -> Result<Option<Secret>, String> {
    match (sealed, secret, plain) {
        (_, Some(_), true) => {
            Err(format!("was not read: --plain and {SECRET} are both there; leave one out"))
        }
        (true, Some(secret), false) => Ok(Some(secret)),
        (true, None, false) => Err(format!("is sealed: {HOW}")),
        (true, None, true) => Err(format!("is sealed, so leave out --plain: {HOW}")),
        (false, None, true) => Ok(None),
        (false, Some(_), false) => Err(format!(
            "is no sealed archive, and {SECRET} is there: somebody may have taken the seal off, or \
             put another file in its place. Nothing was imported. To take one in clear, leave the \
             secret out and say --plain"
        )),
        (false, None, false) => {
            Err("is no sealed archive, so anybody may have changed it. Nothing was imported. To \
                 take one in clear, say --plain"
                .to_owned())
        }
    }
}

/// What it is to be sealed by; nothing where that was said in so many words.
fn secret_for(plain: bool) -> anyhow::Result<Option<Secret>> {
    match (environment::secret(SECRET)?, plain) {
        (Some(_), true) => {
            Err(Usage(format!("--plain and {SECRET} are both there; leave one out")).into())
        }
        (None, false) => {
            let words = "an archive holds all that a customer has, so it is sealed";
            Err(Usage(format!("{words}: {HOW}; or say --plain")).into())
        }
        (secret, _) => Ok(secret),
    }
}

fn installation(house: &Installation) -> anyhow::Result<String> {
    Ok(house.data.installation(&*house.cx.rng)?.expose().to_owned())
}

/// Every version of every key, by its id.
fn known(keys: &Keys) -> HashMap<String, String> {
    let cards = keys.list();
    let each = cards.iter().flat_map(|card| {
        card.versions.iter().map(|version| (version.id.clone(), card.key.to_string()))
    });
    each.collect()
}

/// The key of a ciphertext. Of texts that only look like one of Vault's, nothing is said.
fn key_of(known: &HashMap<String, String>, text: &str) -> Option<String> {
    let id = Ciphertext::parse(text).ok()?.key_id();
    let unknown = || text.starts_with(OWN).then(|| format!("version {id}, which is not here"));
    known.get(&id).cloned().or_else(unknown)
}

fn without(keys: &Keys, tenant: &TenantId, shared: bool) -> Vec<String> {
    let count = keys.list().iter().filter(|card| card.key.tenant.as_ref() == Some(tenant)).count();
    let keys = (count > 0).then(|| {
        format!(
            "Its {count} keys: they stay in this installation's ring. What they encrypted opens \
             here alone; where the tenant is to go for good, have the application open it first."
        )
    });
    let of_kind = if shared { WITHOUT_SHARED } else { WITHOUT_OWN };
    of_kind.into_iter().chain(WITHOUT).map(str::to_owned).chain(keys).collect()
}

/// Each sentence on a line of its own.
fn indented(sentences: &[String]) -> String {
    sentences.iter().flat_map(|sentence| ["\n  ", sentence]).collect()
}

fn summary(manifest: &Manifest) -> String {
    format!(
        "{} with {}, {}, {}, {}",
        out::count(manifest.tables.len(), "table"),
        out::count(manifest.rows(), "row"),
        out::count(manifest.sequences.len(), "sequence"),
        out::count(manifest.objects.len(), "large object"),
        out::count(manifest.files.len(), "file")
    )
}

/// A manifest without the lists of its members and files, which may be long.
fn short(manifest: &Manifest) -> Value {
    let mut shown = json!(manifest);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("members".to_owned(), json!(manifest.members.len()));
        fields.insert("files".to_owned(), json!(manifest.files.len()));
    }
    shown
}

fn bytes_bar(what: &'static str, length: Option<u64>) -> ProgressBar {
    let bar = bar(what);
    let template = match length {
        Some(length) => {
            bar.set_length(length);
            "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}"
        }
        None => "{prefix} {bytes} {bytes_per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use kernel::Secret;

    use super::seal_of;

    #[test]
    fn nothing_passes_for_a_sealed_archive() {
        let secret = || Some(Secret::new("0123456789abcdef0123456789abcdef".to_owned()));
        assert!(seal_of(true, secret(), false).unwrap().is_some());
        assert!(seal_of(false, None, true).unwrap().is_none());
        for (sealed, secret, plain, words) in [
            (false, secret(), false, "no sealed archive"),
            (false, secret(), true, "leave one out"),
            (false, None, false, "no sealed archive"),
            (true, None, false, "is sealed"),
            (true, None, true, "leave out --plain"),
            (true, secret(), true, "leave one out"),
        ] {
            let refused = seal_of(sealed, secret, plain).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
