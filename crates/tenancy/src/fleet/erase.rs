//! The end of a tenant. What there was of it is noted before anything is destroyed, so that an
//! erasure that a crash ended counts the same when it is begun again; what it came to is kept, signed,
//! where nobody changes it.

mod sql;

use jiff::Timestamp;
use kernel::hex;
use serde::{Deserialize, Serialize};
use store::{Db, Json};

use super::certificate::{Certificate, GoneKey, GonePart, Sign, digest};
use super::{Erasing, Erasure, Fleet, registry};
use crate::Result;

/// What was destroyed of a tenant besides its database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Gone {
    /// Its keys.
    pub keys: Vec<GoneKey>,
    /// Anything else.
    pub parts: Vec<GonePart>,
}

impl Gone {
    /// Adds what was destroyed after it.
    pub(super) fn take(&mut self, more: Self) {
        for key in more.keys {
            self.keys.retain(|known| known.name != key.name);
            self.keys.push(key);
        }
        for part in more.parts {
            match self.parts.iter_mut().find(|known| known.what == part.what) {
                Some(known) => {
                    known.count += part.count;
                    known.bytes = known.bytes.zip(part.bytes).map(|(before, now)| before + now);
                }
                None => self.parts.push(part),
            }
        }
    }
}

/// What a certificate says that only the caller knows.
pub struct Closing<'a> {
    /// The version of Amanah.
    pub version: &'a str,
    /// Who erases.
    pub by: String,
    /// What may still hold some of it, one sentence each.
    pub remains: Vec<String>,
    /// Whether it was the last of the tenant: its name is that of one who is gone then.
    pub last: bool,
}

/// An erasure, as it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Erased {
    /// SHA-256 of the tenant's name, in hexadecimal.
    pub tenant_sha256: String,
    /// The name that its database had.
    pub place: String,
    /// When.
    pub erased_at: Timestamp,
    /// How much was in it, in bytes.
    pub bytes: i64,
    /// How many of its keys were destroyed.
    pub keys: i64,
    /// The certificate, as it was signed. Older erasures have none.
    pub certificate: Option<String>,
    /// Whether it was the last of the tenant. If not, its keys, files and place on Redis were kept.
    pub last: bool,
}

/// What was noted when an erasure was begun.
pub(super) struct Begun {
    pub(super) at: Timestamp,
    pub(super) bytes: i64,
    pub(super) logins: i64,
    pub(super) gone: Gone,
}

impl Fleet {
    /// Every erasure, the latest first.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn erasures(&self) -> Result<Vec<Erased>> {
        let tx = self.settings.registry.operator().await?;
        let rows = tx.query(sql::ERASURES, &[]).await?;
        tx.rollback().await?;
        let erased = |row: &store::Row| Erased {
            tenant_sha256: hex(row.get(0)),
            place: row.get(1),
            erased_at: row.get(2),
            bytes: row.get(3),
            keys: row.get(4),
            certificate: row.get(5),
            last: row.get(6),
        };
        Ok(rows.iter().map(erased).collect())
    }
}

impl Erasing {
    /// Notes what is destroyed besides the database, and returns all that was noted, also before a
    /// crash. Keys are noted before they are destroyed, since nobody knows them afterwards.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn note(&self, more: Gone) -> Result<Gone> {
        let Begun { mut gone, .. } = begun(self.turn.registry(), &self.tenant.id).await?;
        gone.take(more);
        self.put_down(&gone).await?;
        Ok(gone)
    }

    /// Forgets what was noted, because it was not destroyed and is kept.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn keep(&self) -> Result<()> {
        self.put_down(&Gone::default()).await
    }

    async fn put_down(&self, gone: &Gone) -> Result<()> {
        let tx = self.turn.registry().operator().await?;
        tx.execute(sql::NOTE_GONE, &[&self.tenant.id.as_str(), &Json(gone)]).await?;
        Ok(tx.commit().await?)
    }

    /// Leaves it begun: whoever goes on with it has its turn at once.
    pub async fn leave(self) {
        drop(self.turn.end(Ok(())).await);
    }

    /// Drops the tenant's database and its logins, for good, and keeps a signed certificate of it
    /// all, which it returns.
    ///
    /// # Errors
    /// When the server refuses, or the certificate cannot be signed; it is left begun.
    pub async fn certify(self, closing: Closing<'_>, sign: Sign<'_>) -> Result<(Erasure, String)> {
        let Self { cell, turn, tenant, .. } = self;
        let gone = async {
            let begun = begun(turn.registry(), &tenant.id).await?;
            cell.assured().await?;
            tenant.place.demolish(&cell).await?;
            let (erased_at, database) = (cell.clock.now(), tenant.place.name().to_owned());
            let keys = begun.gone.keys.len();
            let mut remains = closing.remains;
            remains.extend(super::cell::remains(turn.registry(), &tenant.id).await?);
            // A database that is there is never empty.
            if begun.bytes == 0 {
                remains.push(format!(
                    "Its database {database} was not on the server of the cell {} when the erasure was \
                     begun, so it was not dropped: wherever it is, it is as it was.",
                    cell.name
                ));
            }
            let certificate = Certificate {
                format: Certificate::format(),
                amanah: closing.version.to_owned(),
                installation: cell.installation.clone(),
                tenant_sha256: digest(&tenant.id),
                by: closing.by,
                begun_at: begun.at,
                erased_at,
                database: database.clone(),
                cell: cell.name.clone(),
                bytes: begun.bytes,
                logins: begun.logins,
                keys: begun.gone.keys,
                parts: begun.gone.parts.into_iter().filter(GonePart::says_something).collect(),
                tables: Vec::new(),
                remains,
            };
            let text = certificate.sign(sign)?;
            let (place, bytes) = (database, begun.bytes);
            let erasure = Erasure { tenant: tenant.id, place, erased_at, bytes };
            turn.erased(&erasure, (keys, closing.last), &text).await?;
            Ok((erasure, text))
        };
        let gone = gone.await;
        turn.end(gone).await
    }
}

/// What was noted at the beginning.
pub(super) async fn begun(registry: &Db, tenant: &kernel::TenantId) -> Result<Begun> {
    let tx = registry.operator().await?;
    let row = tx.query_one(sql::BEGUN, &[&tenant.as_str()]).await?;
    tx.rollback().await?;
    let Json(gone) = row.get(3);
    Ok(Begun { at: row.get(0), bytes: row.get(1), logins: row.get(2), gone })
}

/// Notes it, unless it was noted before.
pub(super) async fn begin(turn: &registry::Turn, begun: &Begun) -> Result<()> {
    let tx = turn.registry().operator().await?;
    let gone = Json(&begun.gone);
    let bound: store::Bound<'_> =
        &[&turn.id().as_str(), &begun.at, &begun.bytes, &begun.logins, &gone];
    tx.execute(sql::BEGIN_ERASING, bound).await?;
    Ok(tx.commit().await?)
}
