//! What takes the trail out of somebody's hands, said from what the catalogue knows of them.

use store::{Tx, ident};

use super::reach;
use crate::Result;

/// What to do when `role` could change the trail, which `guarded` says whether a superuser guards.
pub(super) async fn remedy(tx: &Tx, role: &str, guarded: bool) -> Result<String> {
    let row = tx.query_one(reach::REACH, &[&role]).await?;
    let (superuser, maker): (bool, bool) = (row.get(0), row.get(1));
    let members: Vec<String> = row.get(2);
    let mut all = Vec::new();
    if !guarded {
        all.push(
            "Run `amanah protect` again with --superuser-url and --apply: a superuser makes the \
             trail anew, out of the owner's hands"
                .to_owned(),
        );
    }
    if superuser {
        all.push(format!("{role} is a superuser: ALTER ROLE {} NOSUPERUSER", ident(role)));
    } else if maker {
        all.push(format!(
            "{role} may make roles, and before PostgreSQL 16 enters them: ALTER ROLE {} \
             NOCREATEROLE",
            ident(role)
        ));
    }
    for group in members {
        all.push(format!(
            "{role} is a member of {group}, which keeps the trail: REVOKE {} FROM {}",
            ident(&group),
            ident(role)
        ));
    }
    if all.is_empty() {
        all.push(
            "the guard was weakened; the findings about triggers, functions and rights say where"
                .to_owned(),
        );
    }
    Ok(all.join("; and "))
}
