//! The files of tenants: where they lie, what seals them, their upkeep, and the sample ones.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Condition, Cx, FileFault, FileName, NewFile, TenantFiles as _, TenantId};
use keys::Keys;
use keys::object::FileSeals;
use tenancy::{FileSettings, FileShelf, Files};

use crate::config::Config;
use crate::data::Data;
use crate::exit::Usage;
use crate::ground::Ground;
use crate::roots;

/// The folder of the store in the data directory.
pub(crate) const FOLDER: &str = "files";
/// How often it is looked for what uploads and removals have left.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How often the whole store is looked through, and the keys of files are brought to the newest
/// version.
const TIDY_EVERY: Duration = Duration::from_hours(6);

/// Files of the sample application's tenants.
const SAMPLES: [(&str, &str, &str); 3] = [
    ("11111111-1111-4111-8111-111111111111", "contracts/sinar-2026.txt", "Sinar: net 30 days.\n"),
    ("22222222-2222-4222-8222-222222222222", "contracts/bintang.txt", "Bintang: net 14 days.\n"),
    ("33333333-3333-4333-8333-333333333333", "عقود/الخليج.txt", "Gulf: net 45 days.\n"),
];

/// The store of an installation.
pub(crate) fn open(
    ground: &Ground,
    data: &Data,
    config: &Config,
    keys: &Keys,
    cx: &Cx,
) -> anyhow::Result<Files> {
    let shelf = match config.files.store.as_str() {
        "" => FileShelf::folder(data.root().join(FOLDER))?,
        url => {
            let bucket = roots::s3(url, &config.files.s3)?;
            FileShelf::bucket(&bucket).map_err(|error| Usage(format!("files.store: {error}")))?
        }
    };
    Ok(Files::new(FileSettings {
        engine: ground.engine.clone(),
        owner: ground.owner.clone(),
        shelf,
        seals: Arc::new(FileSeals::new(keys.clone(), Arc::clone(&cx.rng))),
        quota: config.files.quota(),
        clock: Arc::clone(&cx.clock),
        rng: Arc::clone(&cx.rng),
    }))
}

/// Removes what is nobody's and renews keys, until `stop` ends.
pub(crate) async fn keep(files: &Files, stop: impl Future<Output = ()>) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        let done = tokio::select! {
            () = &mut stop => break,
            _ = sweep.tick() => files.sweep().await,
            _ = tidy.tick() => look_through(files).await,
        };
        match done {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "objects that were no files were removed"),
            Err(error) => tracing::warn!(%error, "files could not be looked after; again later"),
        }
    }
}

async fn look_through(files: &Files) -> Result<u64, FileFault> {
    for usage in files.usages().await? {
        let done = files.reseal(&usage.tenant).await?;
        if done.moved > 0 {
            tracing::info!(moved = done.moved, "keys of files have the newest version");
        }
    }
    // Files of a newer control database may be among them, so a person decides.
    let strays = files.tidy(false).await?;
    if strays.objects > 0 {
        let objects = strays.objects;
        tracing::warn!(objects, "no row knows these objects; look at `amanah file tidy`");
    }
    Ok(0)
}

/// Gives the sample tenants files, unless they have some.
pub(crate) async fn samples(files: &Files) -> anyhow::Result<()> {
    for (tenant, name, text) in SAMPLES {
        let tenant = TenantId::new(tenant)?;
        let condition = Condition::Absent;
        let file = NewFile { content_type: "text/plain".to_owned(), bytes: None, condition };
        match put(files, (&tenant, &FileName::new(name)?), file, text.as_bytes()).await {
            // There already, or of a tenant whose keys were destroyed.
            Ok(()) | Err(FileFault::Condition | FileFault::Shredded) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn put(
    files: &Files,
    (tenant, name): (&TenantId, &FileName),
    file: NewFile,
    text: &[u8],
) -> Result<(), FileFault> {
    let mut writer = files.write(tenant, name, file).await?;
    writer.push(text).await?;
    writer.finish().await.map(|_| ())
}
