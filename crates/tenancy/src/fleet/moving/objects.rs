//! Large objects. They belong to the owner of a tenant's tables, to its role, or to one of its logins,
//! whose objects become the role's. Each is read and written with its owner's rights.

use std::collections::{BTreeMap, BTreeSet};

use kernel::shown;
use sha2::{Digest as _, Sha256};
use store::{Db, OperatorTx, ident};

use crate::Result;
use crate::fleet::cell::Cell;
use crate::fleet::{Place, sql};

/// So much of one is in memory at once, in bytes.
const PIECE_BYTES: i32 = 1 << 20;

/// One large object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    number: u32,
    owner: String,
    /// A right and who has it, everybody when the name is empty. Logins are left out: they stay
    /// behind.
    rights: Vec<String>,
}

/// Whose rights do not go along: a tenant can grant a large object of its own to any role of its
/// server, and another server has not got them all.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Behind {
    /// Each of these roles, with the number of objects that it has rights on.
    roles: BTreeMap<String, usize>,
}

/// The large objects of one place.
struct Shelf {
    inside: Db,
    place: String,
    /// A superuser needs no membership to become somebody.
    superuser: bool,
}

/// Copies all of them, but for the rights that the other side has no role for.
pub(super) async fn copy(
    (source, place): (&Cell, &Place),
    (target, copy): (&Cell, &Place),
) -> Result<Behind> {
    let (from, into) = (Shelf::of(source, place)?, Shelf::of(target, copy)?);
    let behind = Behind::between(&from, &into).await?;
    for (object, owner) in from.list(&behind).await? {
        let reading = from.act_as(&owner).await?;
        let writing = into.act_as(&object.owner).await?;
        let number = object.number;
        writing.query(sql::MAKE_OBJECT, &[&number]).await?;
        let mut at = 0_i64;
        loop {
            let piece: Vec<u8> = piece(&reading, number, at).await?;
            if piece.is_empty() {
                break;
            }
            writing.query(sql::FILL_OBJECT, &[&number, &at, &piece]).await?;
            at += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        }
        for right in &object.rights {
            let (what, whose) = parts(right);
            let whose = if whose.is_empty() { "PUBLIC".to_owned() } else { ident(whose) };
            writing.batch(&format!("GRANT {what} ON LARGE OBJECT {number} TO {whose}")).await?;
        }
        reading.rollback().await?;
        into.done(writing, &object.owner).await?;
    }
    from.inside.close();
    into.inside.close();
    Ok(behind)
}

/// A right, and whose it is.
fn parts(right: &str) -> (&str, &str) {
    right.split_once(' ').unwrap_or((right, ""))
}

/// All of them, each with a digest of what is in it, without the rights that stay behind.
pub(super) async fn digests(
    cell: &Cell,
    place: &Place,
    behind: &Behind,
) -> Result<Vec<(Object, [u8; 32])>> {
    let shelf = Shelf::of(cell, place)?;
    let mut all = Vec::new();
    for (object, owner) in shelf.list(behind).await? {
        let (reading, mut digest, mut at) = (shelf.act_as(&owner).await?, Sha256::new(), 0_i64);
        loop {
            let piece = piece(&reading, object.number, at).await?;
            if piece.is_empty() {
                break;
            }
            digest.update(&piece);
            at += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        }
        reading.rollback().await?;
        all.push((object, digest.finalize().into()));
    }
    shelf.inside.close();
    Ok(all)
}

impl Behind {
    /// Which roles have rights on one side and are not there on the other.
    async fn between(from: &Shelf, into: &Shelf) -> Result<Self> {
        let mut roles: BTreeMap<String, usize> = BTreeMap::new();
        for (object, _) in from.list(&Self::default()).await? {
            let whose: BTreeSet<&str> = object.rights.iter().map(|right| parts(right).1).collect();
            for role in whose.into_iter().filter(|role| !role.is_empty()) {
                *roles.entry(role.to_owned()).or_default() += 1;
            }
        }
        let named: Vec<&str> = roles.keys().map(String::as_str).collect();
        let tx = into.inside.operator().await?;
        let there = tx.query(sql::ROLES_THERE, &[&named]).await?;
        tx.rollback().await?;
        for row in there {
            roles.remove(row.get::<_, &str>(0));
        }
        Ok(Self { roles })
    }

    /// Each in a sentence without its full stop.
    pub(in crate::fleet) fn told(&self) -> Vec<String> {
        let told = |(role, objects): (&String, &usize)| {
            let objects = match objects {
                1 => "a large object".to_owned(),
                n => format!("{n} large objects"),
            };
            format!("the rights of the role {} on {objects}: it is not there", shown(role))
        };
        self.roles.iter().map(told).collect()
    }
}

impl Shelf {
    fn of(cell: &Cell, place: &Place) -> Result<Self> {
        let maker = cell.superuser.as_ref().unwrap_or(&cell.maker);
        let inside = Db::lazy(&maker.url().database(place.name()), 2)?;
        let superuser = cell.superuser.is_some();
        Ok(Self { inside, place: place.name().to_owned(), superuser })
    }

    /// Every object as it is to be elsewhere, and whose it is here.
    async fn list(&self, behind: &Behind) -> Result<Vec<(Object, String)>> {
        let tx = self.inside.operator().await?;
        let rows = tx.query(sql::OBJECTS, &[]).await?;
        tx.rollback().await?;
        let passing = format!("{}_", self.place);
        let each = rows.iter().map(|row| {
            let (owner, mut rights): (String, Vec<String>) = (row.get(1), row.get(2));
            let belongs = owner.starts_with(&passing);
            let heir = if belongs { self.place.clone() } else { owner.clone() };
            rights.retain(|right| {
                let (_, whose) = parts(right);
                !whose.starts_with(&passing) && !behind.roles.contains_key(whose)
            });
            (Object { number: row.get(0), owner: heir, rights }, owner)
        });
        Ok(each.collect())
    }

    /// A transaction with the rights of a role.
    async fn act_as(&self, role: &str) -> Result<OperatorTx> {
        let (tx, name) = (self.inside.operator().await?, ident(role));
        if !self.superuser {
            tx.batch(&format!("GRANT {name} TO CURRENT_USER")).await?;
        }
        tx.batch(&format!("SET LOCAL ROLE {name}")).await?;
        Ok(tx)
    }

    /// Ends such a transaction, and the membership that it took but for that in the owner, which
    /// was there before.
    async fn done(&self, tx: OperatorTx, role: &str) -> Result<()> {
        if !self.superuser && role == self.place {
            tx.batch(&format!("RESET ROLE; REVOKE {} FROM CURRENT_USER", ident(role))).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// The next bytes of an object; none at its end.
async fn piece(tx: &OperatorTx, number: u32, at: i64) -> Result<Vec<u8>> {
    Ok(tx.query_one(sql::OBJECT_PIECE, &[&number, &at, &PIECE_BYTES]).await?.get(0))
}
