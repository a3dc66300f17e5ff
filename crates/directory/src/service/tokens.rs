//! Tokens that directories show.

use jiff::{SignedDuration, Timestamp};
use kernel::{Secret, TenantId};
use store::Row;
use subtle::ConstantTimeEq as _;

use super::{By, Caller, Directory, away};
use crate::{Error, Result, sql, token};

/// The longest that a token may live, in days.
pub const MAX_TOKEN_DAYS: u16 = 365;
/// How many tokens of one tenant live at once.
const MAX_TOKENS: i64 = 20;
/// How many are listed.
const LISTED: i64 = 500;
/// The longest name of a token, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// How often a token's last use is written down.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for, 1 to 100 bytes.
    pub name: String,
    /// How long it lives, 1 to [`MAX_TOKEN_DAYS`].
    pub days: u16,
}

/// A token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCard {
    /// The twelve characters after `ams_`.
    pub id: String,
    /// Whose directory shows it.
    pub tenant: String,
    /// What it is for.
    pub name: String,
    /// Who made it.
    pub by: String,
    /// When.
    pub made_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was ended before, and by whom.
    pub revoked: Option<(Timestamp, String)>,
}

impl Directory {
    /// Whoever shows `bearer`.
    ///
    /// # Errors
    /// [`Error::Token`] when it is not good, and [`Error::Unavailable`] when it cannot be told.
    pub async fn admit(&self, bearer: &Secret) -> Result<Caller> {
        let shown = token::read(bearer.expose()).ok_or(Error::Token)?;
        let now = self.clock.now();
        let row = self.found(&shown.id).await?;
        let digest: Vec<u8> = row.get(2);
        let same: bool = digest.as_slice().ct_eq(shown.sha256.as_slice()).into();
        if !same {
            return Err(Error::Token);
        }
        let tenant = TenantId::new(row.get::<_, String>(0)).map_err(|_| Error::Token)?;
        let who = Caller { token: shown.id, tenant, maker: row.get(6) };
        self.counts(&who, &row).await?;
        let seen: Option<Timestamp> = row.get(5);
        if seen.is_none_or(|seen| now.duration_since(seen) >= TOUCH_EVERY) {
            let tx = self.db.operator().await?;
            tx.execute(sql::TOUCH_TOKEN, &[&who.token, &now]).await?;
            tx.commit().await?;
        }
        Ok(who)
    }

    /// Whether the token of somebody who was admitted before is good at this moment.
    pub(super) async fn still_good(&self, who: &Caller) -> Result<()> {
        let row = self.found(&who.token).await?;
        self.counts(who, &row).await
    }

    async fn found(&self, id: &str) -> Result<Row> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_TOKEN, &[&id]).await?;
        tx.commit().await?;
        row.ok_or(Error::Token)
    }

    /// Whether the token has not ended, nor its tenant, nor the right of whoever made it.
    async fn counts(&self, who: &Caller, row: &Row) -> Result<()> {
        let expires: Timestamp = row.get(3);
        if expires <= self.clock.now() || row.get::<_, bool>(4) {
            return Err(Error::Token);
        }
        if !self.people.is_open(&who.tenant).await.map_err(away)? {
            return Err(Error::Token);
        }
        match &who.maker {
            Some(maker) if !self.people.may_direct(maker, &who.tenant).await.map_err(away)? => {
                Err(Error::Token)
            }
            _ => Ok(()),
        }
    }

    /// Makes a token for the directory of `tenant`. It is given out here and never again.
    ///
    /// # Errors
    /// [`Error::Field`] when something does not fit; [`Error::Refused`] when `by` may not, or not any more.
    pub async fn make_token(
        &self,
        tenant: &TenantId,
        new: &NewToken,
        by: &By,
    ) -> Result<(TokenCard, Secret)> {
        let name = new.name.trim();
        let field = |field, why| Error::Field { field, why };
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            return Err(field("name", "write 1 to 100 bytes in one line"));
        }
        if !(1..=MAX_TOKEN_DAYS).contains(&new.days) {
            return Err(field("end", "a token lives for 1 to 365 days"));
        }
        let now = self.clock.now();
        let life = SignedDuration::from_hours(24 * i64::from(new.days));
        let until = now.saturating_add(life).unwrap_or(now);
        let (secret, written) = token::fresh(&*self.rng)?;
        let (digest, of) = (written.sha256.to_vec(), tenant.as_str());
        let tx = self.db.operator().await?;
        tx.execute(sql::TURN, &[&of]).await?;
        let bound: store::Bound<'_> =
            &[&written.id, &of, &name, &digest, &by.account, &by.name, &now, &until, &MAX_TOKENS];
        if tx.execute(sql::ADD_TOKEN, bound).await? == 0 {
            tx.rollback().await?;
            return Err(field("token", "20 of this tenant live already; revoke one first"));
        }
        self.note(&tx, tenant, (&by.name, "make token"), (&written.id, name)).await?;
        tx.commit().await?;
        // Asked behind the commit: who is off-boarded is closed first and loses their tokens then, so that one
        // which is made meanwhile either ends there or is ended here, and is never given out.
        if let Some(account) = &by.account
            && !self.people.may_direct(account, tenant).await.map_err(away)?
        {
            self.revoke_token(Some(tenant), &written.id, by).await?;
            return Err(Error::Refused("whoever makes it may not look after the directory"));
        }
        let card = TokenCard {
            id: written.id,
            tenant: of.to_owned(),
            name: name.to_owned(),
            by: by.name.clone(),
            made_at: now,
            expires_at: until,
            last_used_at: None,
            revoked: None,
        };
        Ok((card, secret))
    }

    /// The tokens of `tenant`, or of all of them, the newest first; at most 500.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tokens(&self, tenant: Option<&TenantId>) -> Result<Vec<TokenCard>> {
        let of = tenant.map(TenantId::as_str);
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIST_TOKENS, &[&of, &LISTED]).await?;
        tx.commit().await?;
        let card = |row: &Row| TokenCard {
            id: row.get(0),
            tenant: row.get(1),
            name: row.get(2),
            by: row.get(3),
            made_at: row.get(4),
            expires_at: row.get(5),
            last_used_at: row.get(6),
            revoked: row.get::<_, Option<Timestamp>>(7).zip(row.get(8)),
        };
        Ok(rows.iter().map(card).collect())
    }

    /// Ends a token, of `tenant` if one is named. Whether there was a living one.
    ///
    /// # Errors
    /// When the database did not do it; the token may be good then.
    pub async fn revoke_token(&self, tenant: Option<&TenantId>, id: &str, by: &By) -> Result<bool> {
        let of = tenant.map(TenantId::as_str);
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&id, &of, &self.clock.now(), &by.name];
        let ended = tx.query_opt(sql::END_TOKEN, bound).await?;
        if let Some(row) = &ended {
            self.ended(&tx, (id, row.get(0)), &by.name).await?;
        }
        tx.commit().await?;
        Ok(ended.is_some())
    }

    /// Ends the tokens that the holder of an account made: the id of each.
    pub(super) async fn end_tokens_of(
        &self,
        tx: &store::OperatorTx,
        account: &str,
        by: &str,
    ) -> Result<Vec<String>> {
        let rows = tx.query(sql::END_TOKENS_OF, &[&account, &self.clock.now(), &by]).await?;
        let mut ended = Vec::new();
        for row in &rows {
            let id: String = row.get(0);
            self.ended(tx, (&id, row.get(1)), by).await?;
            ended.push(id);
        }
        Ok(ended)
    }

    pub(super) async fn ended(
        &self,
        tx: &store::OperatorTx,
        (id, tenant): (&str, String),
        by: &str,
    ) -> Result<()> {
        match TenantId::new(tenant) {
            Ok(tenant) => self.note(tx, &tenant, (by, "revoke token"), (id, "")).await,
            Err(_) => Ok(()),
        }
    }
}
