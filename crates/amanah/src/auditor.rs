//! The login by which this installation reads trails: that of an auditor, so that each reading leaves its
//! row there first.

use store::{DatabaseUrl, Protected};

use crate::installation::Installation;
use crate::known::Named;

/// Who may ask for a trail, and leaves a row there.
const AUDITORS: &str = "amanah_auditor";

/// The address with which one may ask, and do nothing else; none where no superuser guards the trail.
///
/// # Errors
/// When the database does not answer, or does not give the right.
pub(crate) async fn login(
    house: &Installation,
    named: &Named<'_>,
) -> anyhow::Result<Option<DatabaseUrl>> {
    let Protected { superuser: Some(superuser), owner, reader: Some(_), .. } =
        &named.guarded()?.protected
    else {
        return Ok(None);
    };
    let own = named.kept.own_login("auditor", superuser, owner, &house.data, &*house.cx.rng);
    let (role, url) = own.await?;
    superuser.grant_role(AUDITORS, &role).await?;
    // A database may let nobody in who was not named.
    superuser.admit_role(&role).await?;
    Ok(Some(url.pinned()))
}
