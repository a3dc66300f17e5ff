//! What can be seen to be wrong from the catalogue alone, for every tenant and not only for the
//! pair that attacks.

mod sql;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kernel::Finding;
use store::ident;

use super::attack::Target;
use super::{Cell, Place};
use crate::Result;

/// How many databases are looked into at one time.
const AT_ONCE: usize = 4;

/// Every finding about the places of `target`.
pub(super) async fn findings(cell: &Cell, target: &Target<'_>) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    let tx = cell.maker.operator().await?;
    let owner = &cell.owner.user;
    for row in tx.query(sql::OWNER_MEMBERS, &[owner]).await? {
        let member: String = row.get(0);
        let what = format!(
            "{member} is a member of it, and so connects to every tenant's database; only the login \
             that makes them should be"
        );
        let fix = format!("REVOKE {} FROM {}", ident(owner), ident(&member));
        all.push(Finding::new(owner, what).fix(fix));
    }
    for prefix in &target.prefixes {
        for row in tx.query(sql::ADMITTED, &[prefix, &cell.owner.user]).await? {
            let (database, role): (String, String) = (row.get(0), row.get(1));
            let what = format!("{role} has rights on it, and only its own role should");
            let fix = format!("REVOKE ALL ON DATABASE {database} FROM {role}");
            all.push(Finding::new(database, what).fix(fix));
        }
        for row in tx.query(sql::ROLE_RIGHTS, &[prefix]).await? {
            let (role, what): (String, String) = (row.get(0), row.get(1));
            let fix = format!(
                "ALTER ROLE {role} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS, \
                 and REVOKE every role but its own from it"
            );
            all.push(Finding::new(role, what).fix(fix));
        }
        for row in tx.query(sql::MEMBERS, &[prefix]).await? {
            let (role, member): (String, String) = (row.get(0), row.get(1));
            let what = format!("{member} is a member of it, and only its own logins should be");
            let fix = format!("REVOKE {role} FROM {member}");
            all.push(Finding::new(role, what).fix(fix));
        }
        for row in tx.query(sql::PARAMETERS, &[prefix]).await? {
            let (role, setting): (String, String) = (row.get(0), row.get(1));
            let what = format!("it may change the server's setting {setting}");
            let fix = format!("REVOKE SET, ALTER SYSTEM ON PARAMETER {setting} FROM {role}");
            all.push(Finding::new(role, what).fix(fix));
        }
    }
    tx.rollback().await?;
    let inside = target.places.iter().cloned().map(|place| ways_out(cell.clone(), place));
    let inside: Vec<_> = stream::iter(inside).buffer_unordered(AT_ONCE).try_collect().await?;
    all.extend(inside.into_iter().flatten());
    all.sort_by(|a, b| (&a.object, &a.what).cmp(&(&b.object, &b.what)));
    Ok(all)
}

/// What leads out of one tenant's database.
async fn ways_out(cell: Cell, place: Place) -> Result<Vec<Finding>> {
    let owner = place.owner(&cell)?;
    let tx = owner.operator().await?;
    let rows = tx.query(sql::WAYS_OUT, &[&place.name()]).await?;
    tx.rollback().await?;
    owner.close();
    let each = rows.iter().map(|row| {
        let what = format!("a way out of it: {}", row.get::<_, &str>(0));
        Finding::new(place.name(), what)
            .fix("drop it in this database, or take the right to it away")
    });
    Ok(each.collect())
}
