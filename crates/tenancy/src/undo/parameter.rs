//! The right to write where the binding is kept. It is the role's on the whole server, so another
//! database may live on it.

use store::Tx;

use super::restore::rights;
use super::sql;
use super::state::{Kind, Noted};
use crate::Result;
use crate::form::PARAMETER;

/// Whether a role that was given the right owns functions in another database that is not a sandbox:
/// the binding of that one may need it.
pub(super) async fn is_shared(tx: &Tx, noted: &[Noted]) -> Result<bool> {
    let mut given: Vec<String> = Vec::new();
    for one in noted.iter().filter(|one| one.aspect.kind == Kind::ParameterAcl) {
        let read = |state: &Option<String>| rights(state.as_deref()).unwrap_or_default();
        let before = read(&one.before);
        let added = read(&one.after).into_iter().filter(|right| !before.contains(right));
        given.extend(added.filter_map(|right| right.0));
    }
    Ok(tx.query_opt(sql::ELSEWHERE, &[&given]).await?.is_some())
}

/// What is left of the right to the role `owner`, in a sentence, where nothing takes it away.
pub(super) async fn left(tx: &Tx, owner: &str) -> Result<Option<String>> {
    if tx.query_opt(sql::HOLDS, &[&PARAMETER, &owner]).await?.is_none() {
        return Ok(None);
    }
    let named = [owner];
    let row = tx.query_opt(sql::ELSEWHERE, &[&&named[..]]).await?;
    let places = row.map_or_else(
        || "and this database's journal does not say that it was given for it".to_owned(),
        |row| format!("since it has functions in {}", row.get::<_, &str>(0)),
    );
    let role = store::ident(owner);
    Ok(Some(format!(
        "{owner} may still set the parameter {PARAMETER}, {places}. When none of its databases is \
         protected any more: REVOKE SET ON PARAMETER {PARAMETER} FROM {role}"
    )))
}
