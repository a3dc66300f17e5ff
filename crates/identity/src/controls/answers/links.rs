//! Links of a synthetic person: shown while they are good, and ended.

use jiff::Timestamp;
use kernel::random_hex;

use super::{FORM, Form, FormProbe, Right, link, right};
use crate::controls::visitors::TENANT;
use crate::reset::GOOD_FOR;
use crate::sql::mail as sql;
use crate::{Error, Mailroom, Result};

/// What is no password: too short for anybody. It leaves a link good.
const UNFIT: &str = "short";
/// How a link that is good is answered where what was chosen is unfit: with the form again.
const GOOD: Right = Right { status: 422, holds: FORM };

/// Tokens of links that are over.
pub(super) struct Ended {
    /// For a new password, ended by one that was asked for later.
    pub(super) replaced: String,
    /// The later one, whose time is over.
    pub(super) expired: String,
    /// Of an invitation that was withdrawn.
    pub(super) withdrawn: String,
}

/// Makes links of the synthetic `account`, shows them while they are good, and ends them: where links do
/// not arrive, that they are refused says nothing.
///
/// # Errors
/// When a good link is not answered as one; the text says so.
pub(super) async fn ended(
    probe: &dyn FormProbe,
    mailroom: &Mailroom,
    account: &str,
) -> std::result::Result<Ended, String> {
    let words = |error: Error| error.to_string();
    let random = random_hex(&*mailroom.rng, 8).map_err(|error| error.to_string())?;
    let invited = format!("session-{random}@amanah.invalid");
    let planted = mailroom.plant_links(account, TENANT, &invited).await;
    let [reset, invitation] = planted.map_err(words)?.map(|token| token.0.expose().to_owned());
    for (form, token) in [(Form::NewPassword, &reset), (Form::Invitation, &invitation)] {
        let shown = right(probe, form, &link(token, UNFIT), GOOD).await;
        shown.map_err(|why| format!("a link that is good is not taken for one: {why}"))?;
    }
    let expired = end(mailroom, account, &invited).await.map_err(words)?;
    Ok(Ended { replaced: reset, expired, withdrawn: invitation })
}

/// Ends both links, the one for a new password by another one, which is old already: its token.
async fn end(mailroom: &Mailroom, account: &str, invited: &str) -> Result<String> {
    let now = mailroom.clock.now();
    let then = now.saturating_sub(GOOD_FOR.saturating_mul(2)).unwrap_or(Timestamp::MIN);
    let tx = mailroom.db.operator().await?;
    let expired = mailroom.mint_reset(&tx, account, (then, GOOD_FOR)).await?;
    tx.execute(sql::REPLACE_INVITATION, &[&TENANT, &invited, &now]).await?;
    tx.commit().await?;
    Ok(expired)
}
