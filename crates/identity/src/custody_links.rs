//! The links in letters, planted so that the proof of `rest.fields` can look for their tokens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Custody, Cx, Fut, Planted, SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, Secret, SessionToken, TenantId,
    hex, random_hex,
};
use store::Db;

use crate::reset::GOOD_FOR;
use crate::sql::mail;
use crate::token::{self, Digest};
use crate::{Email, Error, Mailroom, NewAccount, Result, sql};

/// Canaries' addresses begin so.
const BEGIN: &str = "custody-link-";
/// The same as a pattern of SQL.
const PATTERN: &str = "custody-link-%";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Plants the token of a link for a new password, and that of an invitation: made as when their
/// letters leave, and not sent.
pub struct LinkCustodian {
    room: Arc<Mailroom>,
    owner: Db,
    /// The addresses of the canaries that are there.
    planted: Mutex<Vec<String>>,
}

impl LinkCustodian {
    /// The custodian of the links of `room`. `owner` owns the control database: the running program
    /// itself may not remove accounts.
    pub const fn new(room: Arc<Mailroom>, owner: Db) -> Self {
        Self { room, owner, planted: Mutex::new(Vec::new()) }
    }

    async fn store(&self, cx: &Cx) -> Result<Vec<Planted>> {
        let room = &self.room;
        let email = format!("{BEGIN}{}{SYNTHETIC_DOMAIN}", random_hex(&*cx.rng, 8)?);
        // Before it is stored: an account that is not known here would not be removed.
        self.names().push(email.clone());
        let new = NewAccount {
            email: Email::new(&email)?,
            name: "Canary".to_owned(),
            tenant: TenantId::new(SYNTHETIC_TENANTS)
                .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?,
            password: Secret::new(random_hex(&*cx.rng, 20)?),
        };
        let account = room.identities.create_synthetic(&new).await?;
        let invited = format!("{BEGIN}{}{SYNTHETIC_DOMAIN}", random_hex(&*cx.rng, 8)?);
        let [reset, invitation] = room.plant_links(&account, SYNTHETIC_TENANTS, &invited).await?;
        let (guess, _) = token::fresh(&*cx.rng)?;
        let resets = (room.reset_is_open(&reset).await?, room.reset_is_open(&guess).await?);
        let offers =
            (room.offer(&invitation).await?.is_some(), room.offer(&guess).await?.is_some());
        Ok(vec![
            planted("the token of a link for a new password", reset, resets),
            planted("the token of an invitation", invitation, offers),
        ])
    }

    async fn remove(&self, now: Timestamp) -> Result<()> {
        let names = self.names().clone();
        let old = now.saturating_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
        let tx = self.owner.operator().await?;
        tx.execute(sql::REMOVE_CANARIES, &[&names, &PATTERN, &old]).await?;
        tx.commit().await?;
        self.names().retain(|name| !names.contains(name));
        Ok(())
    }

    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        // A list of names is whole whoever panicked beside it.
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailroom {
    /// The token of a link for a new password of the synthetic `account`, and that of an invitation
    /// into `tenant` that it sends to `invited`: made as when their letters leave, and not sent.
    ///
    /// # Errors
    /// When they cannot be made, or `invited` could be somebody's address.
    pub async fn plant_links(
        &self,
        account: &str,
        tenant: &str,
        invited: &str,
    ) -> Result<[SessionToken; 2]> {
        if !invited.ends_with(SYNTHETIC_DOMAIN) {
            return Err(Error::Email("it is no canary's"));
        }
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let reset = self.mint_reset(&tx, account, (now, GOOD_FOR)).await?;
        let until = now.saturating_add(LEFT_BEHIND).unwrap_or(now);
        let roles = vec!["canary".to_owned()];
        let bound: store::Bound<'_> =
            &[&tenant, &invited, &roles, &"en", &account, &now, &until, &i64::MAX];
        let Some(row) = tx.query_opt(mail::INVITE, bound).await? else { return Err(Error::Link) };
        tx.commit().await?;
        let armed = self.invitation_for(row.get(0), now).await?.and_then(|one| one.token);
        let invitation = armed.ok_or(Error::Link)?;
        Ok([reset, invitation].map(|token| SessionToken(Secret::new(token))))
    }
}

/// `own` says whether the token opens something, `other` whether one does that nobody was given.
fn planted(what: &str, token: SessionToken, (own, other): (bool, bool)) -> Planted {
    let problem = match (own, other) {
        (false, _) => Some("the link that was just made is not good"),
        (true, true) => Some("a link that nobody was given is good"),
        (true, false) => None,
    };
    Planted {
        what: what.to_owned(),
        beside: Digest::of(&token).map(|digest| hex(digest.as_bytes())).unwrap_or_default(),
        secret: token.0,
        problem: problem.map(str::to_owned),
    }
}

impl Custody for LinkCustodian {
    fn name(&self) -> &'static str {
        "links in letters"
    }

    fn plant<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<Vec<Planted>, String>> {
        Box::pin(async move { self.store(cx).await.map_err(|e| e.to_string()) })
    }

    fn clear<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move { self.remove(cx.clock.now()).await.map_err(|e| e.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Custody as _, Cx};

    use super::LinkCustodian;
    use crate::mail::tests::house;

    /// The canaries are real links, they are as they should be, and they go.
    #[tokio::test]
    async fn canaries_come_and_go() {
        let house = house().await;
        let count = "SELECT (SELECT count(*) FROM identity.resets)
                          + (SELECT count(*) FROM identity.invitations)";
        let (clock, rng) = (house.room.clock.clone(), house.room.rng.clone());
        let cx = Cx { clock, rng };
        let (base, room) = (&house.base, std::sync::Arc::new(house.room));
        let custodian = LinkCustodian::new(room, base.owner.clone());
        let planted = custodian.plant(&cx).await.unwrap();
        assert_eq!(planted.len(), 2);
        for canary in &planted {
            assert_eq!(canary.problem, None, "{canary:?}");
            assert_eq!((canary.beside.len(), canary.secret.expose().len()), (64, 43));
        }
        let left = async || -> i64 {
            let tx = base.owner.operator().await.unwrap();
            tx.query_one(count, &[]).await.unwrap().get(0)
        };
        assert_eq!(left().await, 2);
        custodian.clear(&cx).await.unwrap();
        assert_eq!(left().await, 0);
    }
}
