//! Invitations: an administrator names an address and roles, and whoever reads the letter makes the
//! account.
//!
//! The link works once, for 72 hours. What the inviter sees is the same whether or not there is an
//! account with the address already; whoever has one is told so in the letter, and gets no link.
//! An account that a directory of another tenant has made in advance, without the word of whoever has the
//! address, and that nobody has ever entered, is none of theirs yet: it gives way when they accept. Otherwise
//! a directory could take other tenants' people by naming them first. Nothing else gives way: not to a
//! directory, nor to an invitation of the same tenant, nor once somebody has entered or people have closed it.
//! Nobody invites into a role that allows more than they themselves may, and nobody sends letters by it at
//! will: invitations are counted by whoever invites, by tenant, and by address.

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Actor, Door, Granting, Identity, Secret, SessionToken, Standings, Strength, TenantId,
};
use store::{OperatorTx, Row};

use crate::account::{is_reserved, text};
use crate::mail::{Language, Mailroom, reachable};
use crate::sql::mail as sql;
use crate::token::{self, Digest};
use crate::{Email, Error, Result};

/// How long the link in a letter is good, counted from the invitation.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(72);
/// For how long after its acceptance an invitation's roles are given.
const GRANTED_WITHIN: SignedDuration = SignedDuration::from_hours(72);
/// How many invitations of one tenant are open at once.
const MAX_OPEN: i64 = 500;
/// How many invitations one account sends in [`SENDING_WINDOW`].
pub(crate) const MAX_BY_ACCOUNT: i64 = 50;
/// How many a tenant's people send in it together.
pub(crate) const MAX_BY_TENANT: i64 = 200;
/// See [`MAX_BY_ACCOUNT`].
const SENDING_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// How many of one tenant go to one address in [`ADDRESS_WINDOW`]. How many of all tenants do is looked at
/// when letters leave, so that nobody learns of others' invitations.
pub(crate) const MAX_TO_ADDRESS: i64 = 3;
/// See [`MAX_TO_ADDRESS`].
pub(crate) const ADDRESS_WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// How many roles one invitation gives.
const MAX_ROLES: usize = 16;
/// How many people or invitations are listed.
const LISTED: i64 = 1_000;
/// The longest name to greet somebody by, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Somebody who is to get an account.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Where the letter goes.
    pub email: Email,
    /// What they will be, by the names of the roles.
    pub roles: Vec<String>,
    /// What the letter is written in.
    pub language: Language,
}

/// An invitation that nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// Where the letter went.
    pub email: String,
    /// What they will be.
    pub roles: Vec<String>,
    /// The address of whoever invited.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Somebody of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether the account is closed.
    pub closed: bool,
}

/// What an invitation's letter needs.
pub(crate) struct Invited {
    pub(crate) by: String,
    pub(crate) tenant: String,
    /// None where there is an account already.
    pub(crate) token: Option<String>,
}

/// What a link offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// For which address.
    pub email: String,
    /// In which tenant.
    pub tenant: String,
    /// Who invited.
    pub by: String,
}

/// What came of an invitation that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The address.
    pub email: String,
    /// The account that was made.
    pub account: String,
    /// The one that was in the way, if there was one.
    pub gave_way: Option<String>,
}

impl Mailroom {
    /// `by` invites somebody into their own tenant. An earlier invitation of the same address there
    /// is over.
    ///
    /// # Errors
    /// [`Error::Field`] for roles that `by` may not give, or too many of anything; [`Error::TooOften`] when
    /// too many were sent lately; [`Error::Over`] when the account of `by` was closed meanwhile.
    pub async fn invite(
        &self,
        by: &Identity,
        granting: &dyn Granting,
        new: &NewInvitation,
    ) -> Result<String> {
        let refused = |field, why: &str| Error::Field { field, why: why.to_owned() };
        if new.roles.is_empty() || new.roles.len() > MAX_ROLES {
            return Err(refused("roles", "an invitation gives 1 to 16 of them"));
        }
        if !reachable(&new.email) {
            return Err(Error::Email("mail cannot be sent to it"));
        }
        if is_reserved(new.email.as_str(), &by.tenant) {
            return Err(Error::Reserved);
        }
        let may = granting.grantable(by).await.map_err(Error::Standing)?;
        if !new.roles.iter().all(|role| may.iter().any(|one| one.name == *role)) {
            return Err(refused("roles", "one of them is not known, or allows more than you may"));
        }
        let now = self.clock.now();
        let until = now.saturating_add(GOOD_FOR).unwrap_or(now);
        let (tenant, email) = (by.tenant.as_str(), new.email.as_str());
        let tx = self.db.operator().await?;
        // Whoever closes their account waits, and ends this invitation with the rest of theirs.
        if tx.query_opt(sql::HOLD_INVITER, &[&by.account]).await?.is_none() {
            tx.rollback().await?;
            return Err(Error::Over);
        }
        // In turn for each tenant, so that the bound holds and one address has one open invitation.
        tx.execute(sql::TURN_OF_INVITATIONS, &[&tenant]).await?;
        if let Some(whose) = self.sent_enough(&tx, by, email, now).await? {
            tx.rollback().await?;
            return Err(Error::TooOften(whose));
        }
        tx.execute(sql::REPLACE_INVITATION, &[&tenant, &email, &now]).await?;
        let bound: store::Bound<'_> = &[
            &tenant,
            &email,
            &new.roles,
            &new.language.tag(),
            &by.account,
            &now,
            &until,
            &MAX_OPEN,
        ];
        let Some(row) = tx.query_opt(sql::INVITE, bound).await? else {
            tx.rollback().await?;
            return Err(refused("invitation", "500 are open already; withdraw some first"));
        };
        let id: String = row.get(0);
        tx.execute(sql::QUEUE_INVITATION, &[&id, &now]).await?;
        tx.commit().await?;
        tracing::info!(invitation = id, by = by.account, tenant, "somebody was invited");
        Ok(id)
    }

    /// Whose invitations are enough for now, when one more may not be sent to `email`.
    async fn sent_enough(
        &self,
        tx: &OperatorTx,
        by: &Identity,
        email: &str,
        now: Timestamp,
    ) -> Result<Option<&'static str>> {
        let before = |window| now.saturating_sub(window).unwrap_or(Timestamp::MIN);
        let (hour, day) = (before(SENDING_WINDOW), before(ADDRESS_WINDOW));
        let bound: store::Bound<'_> = &[&by.tenant.as_str(), &by.account, &email, &hour, &day];
        let sent = tx.query_one(sql::INVITED_LATELY, bound).await?;
        let most = [
            (sent.get::<_, i64>(0), MAX_BY_TENANT, "from here in the last hour"),
            (sent.get(1), MAX_BY_ACCOUNT, "by you in the last hour"),
            (sent.get(2), MAX_TO_ADDRESS, "to this address in the last day"),
        ];
        Ok(most.into_iter().find(|(sent, most, _)| sent >= most).map(|(.., whose)| whose))
    }

    /// Whoever has an open account at `email`, with what they may do, for the operator who acts in their
    /// name. No session is behind it.
    ///
    /// # Errors
    /// When the database cannot be asked, or it cannot be told what they may do.
    pub async fn as_account(
        &self,
        email: &Email,
        standings: &dyn Standings,
    ) -> Result<Option<Identity>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::HOLDER, &[&email.as_str()]).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let (account, home): (String, String) = (row.get(0), row.get(2));
        let field = |field, e: kernel::IdError| Error::Field { field, why: e.to_string() };
        let tenant = TenantId::new(home).map_err(|e| field("tenant", e))?;
        let standing = standings.standing(&account, &tenant, None).await;
        Ok(Some(Identity {
            account,
            actor: Actor::new(email.as_str()).map_err(|e| field("address", e))?,
            name: row.get(1),
            tenant,
            standing: standing.map_err(Error::Standing)?.unwrap_or_default(),
            strength: Strength::One,
            authenticated_at: Timestamp::UNIX_EPOCH,
            session: String::new(),
            door: Door::ApiKey,
        }))
    }

    /// The open invitations of a tenant, the newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn invitations(&self, tenant: &TenantId) -> Result<Vec<Pending>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::PENDING, &[&tenant.as_str(), &self.clock.now(), &LISTED]).await?;
        tx.commit().await?;
        let pending = |row: &Row| Pending {
            id: row.get(0),
            email: row.get(1),
            roles: row.get(2),
            by: row.get(3),
            at: row.get(4),
            until: row.get(5),
        };
        Ok(rows.iter().map(pending).collect())
    }

    /// Takes an open invitation of `tenant` back. Whether there was one.
    ///
    /// # Errors
    /// When the database did not do it; the link may be good then.
    pub async fn withdraw_invitation(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        let tx = self.db.operator().await?;
        let done = tx.execute(sql::WITHDRAW, &[&tenant.as_str(), &id, &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(done > 0)
    }

    /// The people of a tenant, by address.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn people(&self, tenant: &TenantId) -> Result<Vec<Person>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::PEOPLE, &[&tenant.as_str(), &LISTED]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(person).collect())
    }

    /// One of the people of a tenant; none when the account is of no such person, or `id` is no id.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn person(&self, tenant: &TenantId, id: &str) -> Result<Option<Person>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::PERSON, &[&tenant.as_str(), &id]).await?;
        tx.commit().await?;
        Ok(row.as_ref().map(person))
    }

    /// What the link with `token` offers. Looking does not use it up.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn offer(&self, token: &SessionToken) -> Result<Option<Offered>> {
        let Some(digest) = Digest::of(token) else { return Ok(None) };
        let tx = self.db.operator().await?;
        let row =
            tx.query_opt(sql::FIND_INVITATION, &[&digest.as_bytes(), &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| Offered { email: row.get(0), tenant: row.get(1), by: row.get(2) }))
    }

    /// Makes the account that the link with `token` offers. Its roles are given by
    /// [`Mailroom::grant_accepted`]; an account of another tenant that was in the way is closed for good, and
    /// listed by [`Mailroom::gave_way`] until what it held has ended.
    ///
    /// # Errors
    /// [`Error::Link`] when the link is over or nobody's, or the address got an account meanwhile;
    /// [`Error::Field`], [`Error::PasswordSize`], [`Error::Weak`] and [`Error::Busy`], which leave it
    /// good.
    pub async fn accept(
        &self,
        token: &SessionToken,
        name: &str,
        password: &Secret,
    ) -> Result<Accepted> {
        let Some(offer) = self.offer(token).await? else { return Err(Error::Link) };
        let Some(digest) = Digest::of(token) else { return Err(Error::Link) };
        text("name", name, MAX_NAME_BYTES)?;
        let hash = self.new_password(password, &[&offer.email, name, &offer.tenant]).await?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let Some(row) = tx.query_opt(sql::USE_INVITATION, &[&digest.as_bytes(), &now]).await?
        else {
            tx.rollback().await?;
            return Err(Error::Link);
        };
        let (id, language): (String, String) = (row.get(0), row.get(1));
        let gave_way = tx.query_opt(sql::GIVE_WAY, &[&id, &now]).await?;
        let gave_way: Option<String> = gave_way.map(|row| row.get(0));
        let made: store::Bound<'_> = &[&id, &name, &hash, &now];
        let Some(account) = tx.query_opt(sql::MAKE_INVITED, made).await? else {
            tx.rollback().await?;
            return Err(Error::Link);
        };
        let account: String = account.get(0);
        tx.execute(sql::LANGUAGE_IS, &[&account, &language]).await?;
        tx.execute(sql::INVITED_IS, &[&id, &account, &gave_way]).await?;
        tx.commit().await?;
        if let Some(account) = &gave_way {
            self.identities.forget_account(account);
        }
        tracing::info!(account, invitation = id, gave_way, "an invitation was accepted");
        Ok(Accepted { email: offer.email, account, gave_way })
    }

    /// The accounts that gave way to invitations, until [`Mailroom::gave_way_ended`] is told of each: 100 at
    /// most, those first that waited longest since [`Mailroom::gave_way_tried`].
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn gave_way(&self) -> Result<Vec<String>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::GAVE_WAY, &[]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Something of what an account held that gave way could not be ended: others have their turn before it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn gave_way_tried(&self, account: &str) -> Result<()> {
        let tx = self.db.operator().await?;
        tx.execute(sql::GAVE_WAY_TRIED, &[&account, &self.clock.now()]).await?;
        Ok(tx.commit().await?)
    }

    /// Nothing is left of what an account held that gave way.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn gave_way_ended(&self, account: &str) -> Result<()> {
        let tx = self.db.operator().await?;
        tx.execute(sql::GAVE_WAY_ENDED, &[&account, &self.clock.now()]).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the roles of invitations that were accepted, each once, to `account` or to everybody. One that
    /// cannot be given is tried again the next time, for three days: later than that nobody expects it any more.
    ///
    /// # Errors
    /// When the database cannot be asked, or a role could not be given.
    pub async fn grant_accepted(
        &self,
        granting: &dyn Granting,
        account: Option<&str>,
    ) -> Result<()> {
        let tx = self.db.operator().await?;
        let since = self.clock.now().saturating_sub(GRANTED_WITHIN).unwrap_or(Timestamp::MIN);
        let rows = tx.query(sql::UNGRANTED, &[&since, &account]).await?;
        tx.commit().await?;
        let mut waits = None;
        for row in rows {
            let (id, account, tenant): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            let (roles, by, name): (Vec<String>, String, String) =
                (row.get(3), row.get(4), row.get(5));
            let tenant = TenantId::new(tenant)
                .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?;
            let (invitation, by) = (id.as_str(), (by.as_str(), name.as_str()));
            let invited = kernel::Invited { invitation, by, account: &account, tenant: &tenant };
            for role in &roles {
                let granted = granting.grant(&invited, role).await;
                let tx = self.db.operator().await?;
                let now = self.clock.now();
                match granted {
                    Ok(()) => tx.execute(sql::GIVEN, &[&id, role, &now]).await?,
                    Err(why) => {
                        waits = Some(why);
                        tx.execute(sql::TRIED, &[&id, &now]).await?
                    }
                };
                tx.commit().await?;
            }
        }
        // The others were not kept waiting by it.
        waits.map_or(Ok(()), |why| Err(Error::Standing(why)))
    }

    /// What the letter of an invitation needs; nothing when it is over.
    pub(crate) async fn invitation_for(&self, id: &str, now: Timestamp) -> Result<Option<Invited>> {
        let (token, digest) = token::fresh(&*self.rng)?;
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::ARM_INVITATION, &[&id, &digest.as_bytes(), &now]).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let armed: bool = row.get(2);
        let token = armed.then(|| token.0.expose().to_owned());
        Ok(Some(Invited { by: row.get(0), tenant: row.get(1), token }))
    }
}

fn person(row: &Row) -> Person {
    Person {
        id: row.get(0),
        email: row.get(1),
        name: row.get(2),
        since: row.get(3),
        closed: row.get(4),
    }
}
