//! Which files there are: the rows in the control database.
//!
//! Whatever changes a tenant's files takes the tenant's row first. So quotas hold also when many
//! write at once, and of two who write one name the last one wins as a whole.

use jiff::Timestamp;
use kernel::{Condition, FileCard, FileFault, FileName, Quota, TenantId, hex};
use sha2::{Digest as _, Sha256};
use store::{Db, OperatorTx, Row};

use super::shelf::Spot;
use super::{sql, unavailable};

/// The rows, as the engine and as their owner.
#[derive(Clone)]
pub(super) struct Index {
    /// Sees one tenant at a time.
    pub(super) engine: Db,
    /// Sees all of them: for upkeep and for proofs.
    pub(super) owner: Db,
}

/// A file and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Filed {
    pub(super) card: FileCard,
    pub(super) spot: Spot,
    pub(super) sealed_key: String,
}

/// A tenant that has or had files.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) tenant: TenantId,
    pub(super) prefix: String,
    /// What it may keep, where that is not what everybody may.
    pub(super) own: (Option<u64>, Option<u64>),
    pub(super) used: Quota,
}

impl Account {
    /// What it may keep, where everybody may keep `usual`.
    pub(super) fn quota(&self, usual: Quota) -> Quota {
        Quota { bytes: self.own.0.unwrap_or(usual.bytes), files: self.own.1.unwrap_or(usual.files) }
    }
}

/// What became of the object of an upload that was given up.
pub(super) enum GivenUp {
    /// It is noted as nobody's.
    Noted,
    /// It has no row: its tenant was erased, or the sweep was there before.
    Forgotten,
    /// It is a file, or was one, or the sweep is at it.
    Kept,
}

/// An object that is whole and wants a name.
pub(super) struct Fresh<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) name: &'a FileName,
    pub(super) condition: &'a Condition,
    pub(super) object: &'a str,
    pub(super) sealed_key: &'a str,
    pub(super) bytes: u64,
    pub(super) content_type: &'a str,
    pub(super) sha256: [u8; 32],
    pub(super) at: Timestamp,
}

impl Index {
    /// A transaction that sees one tenant's rows and no others.
    async fn of(&self, tenant: &TenantId) -> Result<OperatorTx, FileFault> {
        let tx = self.engine.operator().await.map_err(store)?;
        tx.execute(sql::NAME_TENANT, &[&tenant.as_str()]).await.map_err(store)?;
        Ok(tx)
    }

    /// The tenant's row, if it has one.
    pub(super) async fn account(&self, tenant: &TenantId) -> Result<Option<Account>, FileFault> {
        let tx = self.of(tenant).await?;
        let row = tx.query_opt(sql::TENANT, &[&tenant.as_str()]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        Ok(row.map(|row| account(tenant.clone(), &row, 0)))
    }

    /// Every tenant's row.
    pub(super) async fn accounts(&self) -> Result<Vec<Account>, FileFault> {
        let tx = self.owner.operator().await.map_err(store)?;
        let rows = tx.query(sql::TENANTS, &[]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        let read = |row: &Row| {
            let id = TenantId::new(row.get::<_, String>(0));
            let id = id.map_err(|error| unavailable(&error))?;
            Ok(account(id, row, 1))
        };
        rows.iter().map(read).collect()
    }

    pub(super) async fn find(
        &self,
        tenant: &TenantId,
        name: &FileName,
    ) -> Result<Option<Filed>, FileFault> {
        let tx = self.of(tenant).await?;
        let found = find(&tx, tenant, name).await?;
        tx.rollback().await.map_err(store)?;
        Ok(found)
    }

    /// Files whose names begin with `prefix` and come behind `after`.
    pub(super) async fn list(
        &self,
        tenant: &TenantId,
        (after, prefix): (&[u8], &str),
        limit: usize,
    ) -> Result<Vec<Filed>, FileFault> {
        // No byte of UTF-8 is the highest one, so the last byte can be followed by another.
        let mut end = prefix.as_bytes().to_vec();
        let end = end.pop().map(|last| [end, vec![last.saturating_add(1)]].concat());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let tx = self.of(tenant).await?;
        let bound: store::Bound<'_> = &[&tenant.as_str(), &after, &prefix.as_bytes(), &end, &limit];
        let rows = tx.query(sql::LIST, bound).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        rows.iter().map(filed).collect()
    }

    /// Notes an object before it is made, in the tenant's own part of the store, which is `fresh`
    /// for a tenant that had no files yet. `is_new` says that the file would be one more.
    pub(super) async fn arrive(
        &self,
        (tenant, name): (&TenantId, &FileName),
        (fresh, object): (&str, &str),
        condition: &Condition,
        (usual, now): (Quota, Timestamp),
    ) -> Result<Spot, FileFault> {
        let tx = self.of(tenant).await?;
        tx.execute(sql::ADMIT, &[&tenant.as_str(), &fresh]).await.map_err(store)?;
        let row = tx.query_opt(sql::TENANT, &[&tenant.as_str()]).await.map_err(store)?;
        let account = account(tenant.clone(), &row.ok_or(FileFault::GivenUp)?, 0);
        let found = find(&tx, tenant, name).await?;
        // Looked at again when it is whole. Who could not write it is told before sending it.
        condition.check(found.as_ref().map(|found| found.card.etag.as_str()))?;
        if found.is_none() {
            room_for_another(&account, usual)?;
        }
        tx.execute(sql::ARRIVE, &[&tenant.as_str(), &object, &now]).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        Ok(Spot { prefix: account.prefix, object: object.to_owned() })
    }

    /// Takes room for `needed` bytes in advance, and up to `wanted` where there are so many. How
    /// many bytes it may have now.
    pub(super) async fn reserve(
        &self,
        (tenant, object): (&TenantId, &str),
        (needed, wanted): (u64, u64),
        (usual, now): (Quota, Timestamp),
    ) -> Result<u64, FileFault> {
        let tx = self.of(tenant).await?;
        let account = take(&tx, tenant).await?.ok_or(FileFault::GivenUp)?;
        let others = tx.query_one(sql::RESERVED, &[&tenant.as_str(), &object]).await;
        let used = account.used.bytes.saturating_add(unsigned(others.map_err(store)?.get(0)));
        let allowed = account.quota(usual).bytes;
        let free = allowed.saturating_sub(used);
        if free < needed {
            return Err(FileFault::Bytes { used, allowed });
        }
        let granted = wanted.min(free);
        let bound: store::Bound<'_> = &[&tenant.as_str(), &object, &signed(granted), &now];
        if tx.execute(sql::RESERVE, bound).await.map_err(store)? == 0 {
            return Err(FileFault::GivenUp);
        }
        tx.commit().await.map_err(store)?;
        Ok(granted)
    }

    /// Tells that an upload lives.
    pub(super) async fn heard(
        &self,
        tenant: &TenantId,
        object: &str,
        now: Timestamp,
    ) -> Result<(), FileFault> {
        let tx = self.of(tenant).await?;
        let bound: store::Bound<'_> = &[&tenant.as_str(), &object, &now];
        let alive = tx.execute(sql::HEARD, bound).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        if alive == 0 { Err(FileFault::GivenUp) } else { Ok(()) }
    }

    /// Gives an object its name, in one step. The file that it replaced, if there was one.
    pub(super) async fn name(
        &self,
        fresh: &Fresh<'_>,
        usual: Quota,
    ) -> Result<Option<Filed>, FileFault> {
        let tenant = fresh.tenant;
        let id = tenant.as_str();
        let tx = self.of(tenant).await?;
        let account = take(&tx, tenant).await?.ok_or(FileFault::GivenUp)?;
        if tx.execute(sql::ARRIVED, &[&id, &fresh.object]).await.map_err(store)? == 0 {
            return Err(FileFault::GivenUp);
        }
        let before = find(&tx, tenant, fresh.name).await?;
        fresh.condition.check(before.as_ref().map(|before| before.card.etag.as_str()))?;
        let (mut bytes, mut files) = (signed(fresh.bytes), 1);
        match &before {
            Some(before) => {
                (bytes, files) = (bytes.saturating_sub(signed(before.card.bytes)), 0);
                let old = signed(before.card.bytes);
                let bound: store::Bound<'_> = &[&id, &before.spot.object, &fresh.at, &old];
                tx.execute(sql::LEAVE, bound).await.map_err(store)?;
            }
            None => room_for_another(&account, usual)?,
        }
        let bound: store::Bound<'_> = &[
            &id,
            &fresh.name.as_str().as_bytes(),
            &fresh.object,
            &fresh.sealed_key,
            &signed(fresh.bytes),
            &fresh.content_type,
            &fresh.sha256.as_slice(),
            &fresh.at,
        ];
        tx.execute(sql::NAME, bound).await.map_err(store)?;
        tx.execute(sql::USE, &[&id, &bytes, &i64::from(files)]).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        Ok(before)
    }

    /// Takes a file its name, and gives back where it lies: nobody's from now on.
    pub(super) async fn unname(
        &self,
        tenant: &TenantId,
        name: &FileName,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Spot, FileFault> {
        let id = tenant.as_str();
        let tx = self.of(tenant).await?;
        take(&tx, tenant).await?.ok_or(FileFault::Missing)?;
        let found = find(&tx, tenant, name).await?.ok_or(FileFault::Missing)?;
        condition.check(Some(&found.card.etag))?;
        tx.execute(sql::UNNAME, &[&id, &name.as_str().as_bytes()]).await.map_err(store)?;
        let bytes = signed(found.card.bytes);
        tx.execute(sql::LEAVE, &[&id, &found.spot.object, &now, &bytes]).await.map_err(store)?;
        tx.execute(sql::USE, &[&id, &bytes.saturating_neg(), &-1_i64]).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        Ok(found.spot)
    }

    /// Gives an upload up, unless it has become a file without its writer hearing of it.
    pub(super) async fn give_up(
        &self,
        tenant: &TenantId,
        object: &str,
        now: Timestamp,
    ) -> Result<GivenUp, FileFault> {
        let tx = self.of(tenant).await?;
        let bound: store::Bound<'_> = &[&tenant.as_str(), &object, &now];
        let given_up = tx.execute(sql::GIVE_UP_ONE, bound).await.map_err(store)? > 0;
        let known = tx.query_one(sql::IS_KNOWN, &[&tenant.as_str(), &object]).await;
        let known: bool = known.map_err(store)?.get(0);
        tx.commit().await.map_err(store)?;
        Ok(match (known, given_up) {
            (false, _) => GivenUp::Forgotten,
            (true, true) => GivenUp::Noted,
            (true, false) => GivenUp::Kept,
        })
    }

    /// An object that was nobody's is gone.
    pub(super) async fn gone(&self, tenant: &TenantId, object: &str) -> Result<(), FileFault> {
        let tx = self.of(tenant).await?;
        tx.execute(sql::GONE, &[&tenant.as_str(), &object]).await.map_err(store)?;
        tx.commit().await.map_err(store)
    }

    /// How many rows of `tenant` the engine sees when its transaction has named `named`.
    pub(super) async fn seen(&self, named: &str, tenant: &TenantId) -> Result<i64, FileFault> {
        let tx = self.engine.operator().await.map_err(store)?;
        tx.execute(sql::NAME_TENANT, &[&named]).await.map_err(store)?;
        let row = tx.query_one(sql::SEEN, &[&tenant.as_str()]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        Ok(row.get(0))
    }

    /// Whether the engine can change how much a tenant may keep. Nothing is changed.
    pub(super) async fn may_give_room(&self, tenant: &TenantId) -> Result<bool, FileFault> {
        let tx = self.of(tenant).await?;
        let given =
            tx.attempt(sql::SET_QUOTA, &[&tenant.as_str(), &Some(1_i64), &Some(1_i64)]).await;
        let given = given.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        match given {
            Err(error) if error.is_denied() => Ok(false),
            Err(error) => Err(store(error)),
            Ok(_) => Ok(true),
        }
    }

    /// Replaces the key of an object, if it is still a file's.
    pub(super) async fn reseal(
        &self,
        tenant: &TenantId,
        object: &str,
        key: &str,
    ) -> Result<(), FileFault> {
        let tx = self.of(tenant).await?;
        tx.execute(sql::RESEAL, &[&tenant.as_str(), &object, &key]).await.map_err(store)?;
        tx.commit().await.map_err(store)
    }
}

/// The tenant's row, which nobody else changes until the end of the transaction.
async fn take(tx: &OperatorTx, tenant: &TenantId) -> Result<Option<Account>, FileFault> {
    let row = tx.query_opt(sql::TAKE_TENANT, &[&tenant.as_str()]).await.map_err(store)?;
    Ok(row.map(|row| account(tenant.clone(), &row, 0)))
}

async fn find(
    tx: &OperatorTx,
    tenant: &TenantId,
    name: &FileName,
) -> Result<Option<Filed>, FileFault> {
    let bound: store::Bound<'_> = &[&tenant.as_str(), &name.as_str().as_bytes()];
    let row = tx.query_opt(sql::FIND, bound).await.map_err(store)?;
    row.as_ref().map(filed).transpose()
}

const fn room_for_another(account: &Account, usual: Quota) -> Result<(), FileFault> {
    let allowed = match account.own.1 {
        Some(own) => own,
        None => usual.files,
    };
    let used = account.used.files;
    if used < allowed { Ok(()) } else { Err(FileFault::Files { used, allowed }) }
}

/// A tenant's row, whose columns begin at `at`.
fn account(tenant: TenantId, row: &Row, at: usize) -> Account {
    let own = |column| row.get::<_, Option<i64>>(column).map(unsigned);
    let used = |column| unsigned(row.get(column));
    Account {
        tenant,
        prefix: row.get(at),
        own: (own(at + 1), own(at + 2)),
        used: Quota { bytes: used(at + 3), files: used(at + 4) },
    }
}

fn filed(row: &Row) -> Result<Filed, FileFault> {
    let name = String::from_utf8(row.get(0)).map_err(|_| FileFault::Damaged)?;
    let object: String = row.get(1);
    Ok(Filed {
        card: FileCard {
            name: FileName::new(name)?,
            bytes: unsigned(row.get(3)),
            content_type: row.get(4),
            sha256: hex(row.get(5)),
            etag: etag(&object),
            created_at: row.get(6),
        },
        sealed_key: row.get(2),
        spot: Spot { prefix: row.get(7), object },
    })
}

/// A file's etag: it follows from the object's random name, which stays inside.
pub(super) fn etag(object: &str) -> String {
    let digest = Sha256::digest(format!("amanah.file.etag\n{object}"));
    let short: Vec<u8> = digest.iter().take(16).copied().collect();
    hex(&short)
}

/// Counts in the database are never negative.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn store(error: store::Error) -> FileFault {
    unavailable(&error)
}
