//! Roles that were made for the application go last, each by whoever noted that it was made.
//!
//! What the owner has written into its journal is no reason for a superuser to drop anything: the
//! owner drops those itself, with its own rights.

use store::{Db, ident};

use super::{Undoing, sql};
use crate::Result;

/// Drops the roles that were made for the application, which is `app_role`. Returns those that were
/// kept, each with the reason.
///
/// # Errors
/// When the database cannot be reached.
pub async fn drop_roles(
    owner: &Db,
    superuser: Option<&Db>,
    undoing: &Undoing,
    app_role: &str,
) -> Result<Vec<(String, String)>> {
    let made = undoing.made_roles.iter().map(|role| (superuser, role));
    let own = undoing.owners_roles.iter().map(|role| (Some(owner), role));
    let mut kept = Vec::new();
    for (by, role) in made.chain(own) {
        let Some(by) = by else { continue };
        if let Some(why) = drop_role(by, role, app_role).await? {
            kept.push((role.clone(), why));
        }
    }
    Ok(kept)
}

/// Why it was kept, if it was.
async fn drop_role(by: &Db, role: &str, app_role: &str) -> Result<Option<String>> {
    if role != app_role {
        return Ok(Some(format!("the application's role is {app_role}")));
    }
    let tx = by.operator().await?;
    let Some(row) = tx.query_opt(sql::POWERFUL, &[&role]).await? else { return Ok(None) };
    if row.get(0) {
        let why = "it may do more than a role that is made for an application";
        return Ok(Some(why.to_owned()));
    }
    match tx.batch(&format!("DROP ROLE {}", ident(role))).await {
        Ok(()) => Ok(tx.commit().await.map(|()| None)?),
        Err(error) => Ok(Some(error.to_string())),
    }
}
