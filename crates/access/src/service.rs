//! The service that says what an account may do, and changes it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Bits, Clock, Enrolments, Fut, Grantable, Holdings, Identity, Notice, PermissionId, Standing,
    Standings, Strength, TenantId,
};
use store::{Db, Notices, OperatorTx, Row, Tx};

use crate::uses::Uses;
use crate::{By, Error, Result, Routes, sql};

mod asking;
mod roles;

pub use roles::{Listed, NewRole, RoleChange, RoleSheet};

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

/// Rights in the control database. Share it in an `Arc`.
pub struct Access {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) routes: OnceLock<Routes>,
    pub(crate) uses: Uses,
    pub(crate) staff: Option<TenantId>,
    pub(crate) holdings: Vec<Arc<dyn Holdings>>,
    notices: Option<Arc<dyn Notices>>,
    enrolments: Option<Arc<dyn Enrolments>>,
}

/// A role to be given to an account.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The account's id.
    pub account: String,
    /// Where the role counts.
    pub tenant: TenantId,
    /// The role's name: a shipped one, or the tenant's own.
    pub role: String,
    /// Why, up to 1,000 bytes.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// A role that an account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The grant's id.
    pub id: String,
    /// The role's name.
    pub role: String,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Access {
    /// The service over `db`, a login of the control database that is a member of
    /// `amanah_engine`.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        let (routes, uses) = (OnceLock::new(), Uses::default());
        Self {
            db,
            clock,
            routes,
            uses,
            staff: None,
            holdings: Vec::new(),
            notices: None,
            enrolments: None,
        }
    }

    /// The same, which tells people by `notices` what was given to them and taken away.
    #[must_use]
    pub fn with_notices(self, notices: Arc<dyn Notices>) -> Self {
        Self { notices: Some(notices), ..self }
    }

    /// The same, which gives nobody a role that asks for a factor that `enrolments` does not know of them.
    #[must_use]
    pub fn with_enrolments(self, enrolments: Arc<dyn Enrolments>) -> Self {
        Self { enrolments: Some(enrolments), ..self }
    }

    /// The same, where the accounts of the tenant `staff` are the vendor's own people, who can be
    /// let into others. Without one, nobody can.
    #[must_use]
    pub fn with_staff(self, staff: TenantId) -> Self {
        Self { staff: Some(staff), ..self }
    }

    /// The same, whose reviews look at these too: what lets somebody act by something else than a role.
    #[must_use]
    pub fn with_holdings(self, holdings: Vec<Arc<dyn Holdings>>) -> Self {
        Self { holdings, ..self }
    }

    /// Gives a role to an account and returns the grant's id.
    ///
    /// Everybody who decides from memory hears of it when it is committed.
    ///
    /// # Errors
    /// [`Error::NoRole`], [`Error::Held`]; [`Error::Refused`] and [`Error::Escalation`] when it is
    /// not `by`'s to give; [`Error::Factor`] when it asks for a factor that the account, whose holder has
    /// signed in before, does not have.
    pub async fn grant(&self, by: &By, new: &NewGrant) -> Result<String> {
        self.demand(new).await?;
        self.grant_ahead(by, new).await
    }

    /// As [`Access::grant`], to whoever has to set the factor up in their next sign-in, as somebody who was
    /// invited does.
    ///
    /// # Errors
    /// As [`Access::grant`], but for [`Error::Factor`].
    pub async fn grant_ahead(&self, by: &By, new: &NewGrant) -> Result<String> {
        self.grant_once(by, new, None).await
    }

    /// The same; with a name in `once`, that makes one grant for ever. [`Error::Held`] also when it has.
    pub(crate) async fn grant_once(
        &self,
        by: &By,
        new: &NewGrant,
        once: Option<&str>,
    ) -> Result<String> {
        reason(&new.reason)?;
        let now = self.clock.now();
        if new.until.is_some_and(|until| until <= now) {
            let why = "it has passed already".to_owned();
            return Err(Error::Field { field: "end of the grant", why });
        }
        let account = account(&new.account)?;
        let tx = self.db.operator().await?;
        let role = find_role(&tx, &new.tenant, &new.role).await?;
        let permits = role_permits(&tx, &[role], &new.tenant).await?;
        self.bound(&tx, by, &new.tenant, &permits).await?;
        let tenant = new.tenant.as_str();
        tx.execute(sql::END_EXPIRED, &[&account, &tenant, &role, &now]).await?;
        let bound: store::Bound<'_> =
            &[&account, &tenant, &role, &by.name, &new.reason, &now, &new.until, &once];
        let Some(made) = tx.query_opt(sql::GRANT, bound).await? else {
            tx.rollback().await?;
            return Err(Error::Held(new.role.clone()));
        };
        self.tell(&tx, account, Notice::RolesGranted, &in_words(&new.role, &new.tenant)).await?;
        tx.commit().await?;
        tracing::info!(account, tenant, role = new.role, by = by.name, "a role was granted");
        Ok(made.get(0))
    }

    /// Takes a role from an account. Everybody who decides from memory hears of it when it is
    /// committed.
    ///
    /// # Errors
    /// [`Error::NotHeld`]; [`Error::Refused`] and [`Error::Escalation`] when it is not `by`'s to
    /// take: nobody takes a role that they could not give.
    pub async fn revoke(
        &self,
        by: &By,
        account: &str,
        tenant: &TenantId,
        role: &str,
    ) -> Result<()> {
        self.take_away(by, account, (tenant, role), None).await
    }

    /// As [`Access::revoke`], and keeps why with the grant: 1 to 1,000 bytes.
    ///
    /// # Errors
    /// As [`Access::revoke`]; [`Error::Field`] when the reason is none.
    pub async fn revoke_for(
        &self,
        by: &By,
        account: &str,
        of: (&TenantId, &str),
        why: &str,
    ) -> Result<()> {
        reason(why)?;
        self.take_away(by, account, of, Some(why)).await
    }

    async fn take_away(
        &self,
        by: &By,
        account: &str,
        (tenant, role): (&TenantId, &str),
        why: Option<&str>,
    ) -> Result<()> {
        let id = self::account(account)?;
        let tx = self.db.operator().await?;
        // Two who take it from one another do so one after the other, and the second may not any more.
        tx.query(sql::LOCK_TENANT, &[&tenant.as_str()]).await?;
        let found = find_role(&tx, tenant, role).await?;
        let permits = role_permits(&tx, &[found], tenant).await?;
        self.bound(&tx, by, tenant, &permits).await?;
        let bound: store::Bound<'_> =
            &[&id, &tenant.as_str(), &found, &self.clock.now(), &by.name, &why];
        if tx.execute(sql::REVOKE, bound).await? == 0 {
            tx.rollback().await?;
            return Err(Error::NotHeld(role.to_owned()));
        }
        self.tell(&tx, id, Notice::RolesTaken, &in_words(role, tenant)).await?;
        tx.commit().await?;
        tracing::info!(account = id, %tenant, role, by = by.name, "a role was revoked");
        Ok(())
    }

    /// The roles that an account has in a tenant, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Field`] when the account is no id.
    pub async fn roles_of(&self, account: &str, tenant: &TenantId) -> Result<Vec<Held>> {
        let account = self::account(account)?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&account, &tenant.as_str(), &self.clock.now()];
        let rows = tx.query(sql::GRANTS_OF, bound).await?;
        tx.commit().await?;
        let held = |row: &Row| Held {
            id: row.get(0),
            role: row.get(1),
            by: row.get(2),
            reason: row.get(3),
            at: row.get(4),
            until: row.get(5),
        };
        Ok(rows.iter().map(held).collect())
    }

    /// What `account` may do in `tenant` at this moment, read from the database.
    ///
    /// # Errors
    /// [`Error::Field`] when the account is no id.
    pub async fn standing_now(&self, account: &str, tenant: &TenantId) -> Result<Standing> {
        let account = self::account(account)?;
        let tx = self.db.operator().await?;
        let standing = read(&tx, account, tenant, self.clock.now()).await?;
        tx.commit().await?;
        Ok(standing)
    }

    /// What each of these accounts may do in its tenant at this moment, by account: one statement, however many
    /// there are. Each account is named once, with one tenant. Those that may do nothing are left out.
    ///
    /// # Errors
    /// [`Error::Field`] when one is no id.
    pub async fn permits_of(&self, people: &[(&str, &TenantId)]) -> Result<HashMap<String, Bits>> {
        let mut accounts = Vec::with_capacity(people.len());
        for (one, _) in people {
            accounts.push(account(one)?);
        }
        let tenants: Vec<&str> = people.iter().map(|(_, tenant)| tenant.as_str()).collect();
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::PERMITS_OF, &[&accounts, &tenants, &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| (row.get(0), bits(&row.get::<_, Vec<i16>>(1)))).collect())
    }

    /// The accounts that have `permission` in `tenant`, in the order of their ids: at most `limit` of
    /// them, behind `after`.
    ///
    /// # Errors
    /// [`Error::Field`] when `after` is no id.
    pub async fn holders(
        &self,
        tenant: &TenantId,
        permission: PermissionId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let after = account(after.unwrap_or(NOBODY))?;
        let number = i16::try_from(permission.number()).unwrap_or(i16::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> =
            &[&tenant.as_str(), &number, &self.clock.now(), &after, &limit];
        let rows = tx.query(sql::HOLDERS, bound).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Has `account` told of it, once `tx` is committed.
    pub(crate) async fn tell(
        &self,
        tx: &OperatorTx,
        account: &str,
        notice: Notice,
        detail: &str,
    ) -> Result<()> {
        match &self.notices {
            Some(notices) => Ok(notices.tell(tx, account, notice, detail).await?),
            None => Ok(()),
        }
    }

    /// Whether the account could prove what the role asks for. It is asked before the grant's own
    /// transaction: whoever holds one connection and waits for another may wait for ever.
    async fn demand(&self, new: &NewGrant) -> Result<()> {
        let Some(enrolments) = &self.enrolments else { return Ok(()) };
        let account = account(&new.account)?;
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::ROLE_FACTOR, &[&new.tenant.as_str(), &new.role]).await?;
        tx.rollback().await?;
        let Some(level) = row.get::<_, Option<i16>>(0) else {
            return Err(Error::NoRole(new.role.clone()));
        };
        let asked = Strength::demanded(level);
        if asked == Strength::One {
            return Ok(());
        }
        match enrolments.reach(account).await.map_err(Error::Unknown)? {
            Some(reach) if reach < asked => {
                let factor = crate::error::in_words(asked);
                Err(Error::Factor { role: new.role.clone(), factor, asked })
            }
            _ => Ok(()),
        }
    }

    /// The roles that `by` may give in the tenant they act in, where that takes `needs`: all that allow no
    /// more than they may do themselves.
    pub(crate) async fn givable(
        &self,
        by: &Identity,
        needs: PermissionId,
    ) -> Result<Vec<Grantable>> {
        if !by.may(needs) || by.standing.support.is_some() {
            return Ok(Vec::new());
        }
        let all = self.roles(Some(&by.tenant)).await?.into_iter();
        let within = all.filter(|role| role.permits.within(&by.standing.permits));
        Ok(within.map(|role| Grantable { name: role.name, title: role.title }).collect())
    }

    /// Whether `by` may give `role` in `tenant` at this moment. No role is nobody's to give.
    pub(crate) async fn may_give(&self, by: &By, tenant: &TenantId, role: &str) -> Result<bool> {
        let tx = self.db.operator().await?;
        let found = match find_role(&tx, tenant, role).await {
            Err(Error::NoRole(_)) => return Ok(false),
            found => found?,
        };
        let permits = role_permits(&tx, &[found], tenant).await?;
        let may = self.bound(&tx, by, tenant, &permits).await;
        tx.rollback().await?;
        match may {
            Err(Error::Refused | Error::Escalation(_)) => Ok(false),
            may => may.map(|()| true),
        }
    }

    /// Whether `by` may give or take in `tenant`, and has everything in `permits`: the one rule by which
    /// nobody gives more than they have.
    pub(crate) async fn bound(
        &self,
        tx: &Tx,
        by: &By,
        tenant: &TenantId,
        permits: &Bits,
    ) -> Result<()> {
        let Some(giver) = &by.giver else {
            return Ok(());
        };
        let own = read(tx, &giver.account, tenant, self.clock.now()).await?.permits;
        if !own.has(giver.needs) {
            return Err(Error::Refused);
        }
        let beyond = permits.without(&own);
        if beyond.is_empty() {
            return Ok(());
        }
        let known = names(tx).await?;
        let lacking = known.iter().filter(|(id, _)| beyond.has(*id)).map(|(_, name)| name.as_str());
        Err(Error::Escalation(lacking.take(LISTED).collect::<Vec<_>>().join(", ")))
    }
}

/// The smallest id, which nobody has.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// How many permissions an error spells out.
const LISTED: usize = 5;

impl Standings for Access {
    fn standing<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        grant: Option<&'a str>,
    ) -> Fut<'a, std::result::Result<Option<Standing>, String>> {
        Box::pin(async move {
            let standing = match grant {
                None => self.standing_now(account, tenant).await,
                Some(grant) => self.support_standing(account, tenant, grant).await,
            };
            match standing {
                Ok(standing) => Ok(Some(standing)),
                Err(Error::NoSupport | Error::Refused) if grant.is_some() => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

/// What `account` may do, as `tx` sees it: the one way in which rights are read.
pub(crate) async fn read(
    tx: &Tx,
    account: &str,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Standing> {
    let row = tx.query_one(sql::STANDING, &[&account, &tenant.as_str(), &now]).await?;
    let seconds = |n: Option<i32>| n.map(|n| SignedDuration::from_secs(i64::from(n)));
    Ok(Standing {
        roles: row.get(0),
        permits: bits(&row.get::<_, Vec<i16>>(1)),
        needs: Strength::demanded(row.get(2)),
        idle: seconds(row.get(3)),
        absolute: seconds(row.get(4)),
        until: row.get(5),
        lineage: row.get(6),
        support: None,
    })
}

/// A role and where it counts, for people.
pub(crate) fn in_words(role: &str, tenant: &TenantId) -> String {
    format!("{role} ({tenant})")
}

/// What the roles permit together in `tenant`.
pub(crate) async fn role_permits(tx: &Tx, roles: &[i32], tenant: &TenantId) -> Result<Bits> {
    let row = tx.query_one(sql::ROLE_PERMITS, &[&roles, &tenant.as_str()]).await?;
    Ok(bits(&row.get::<_, Vec<i16>>(0)))
}

/// The names of what is in the database's catalogue.
pub(crate) async fn names(tx: &Tx) -> Result<Vec<(PermissionId, String)>> {
    let rows = tx.query(sql::PERMISSIONS, &[]).await?;
    let named = |row: &Row| Some((number(row.get(0))?, row.get(1)));
    Ok(rows.iter().filter_map(named).collect())
}

pub(crate) async fn find_role(tx: &Tx, tenant: &TenantId, name: &str) -> Result<i32> {
    let row = tx.query_opt(sql::FIND_ROLE, &[&tenant.as_str(), &name]).await?;
    row.map(|row| row.get(0)).ok_or_else(|| Error::NoRole(name.to_owned()))
}

/// A number that does not fit is no permission; the database refuses to store one.
fn bits(numbers: &[i16]) -> Bits {
    numbers.iter().filter_map(|n| number(*n)).collect()
}

fn number(n: i16) -> Option<PermissionId> {
    u16::try_from(n).ok().and_then(PermissionId::new)
}

/// An account's id: a UUID in its usual form. Checked here, so that another text is an answer and
/// no error of the database.
pub(crate) fn account(text: &str) -> Result<&str> {
    let form = |(n, b): (usize, u8)| match n {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    if text.len() == 36 && text.bytes().enumerate().all(form) {
        return Ok(text);
    }
    Err(Error::Field { field: "account", why: "it is no id of an account".to_owned() })
}

pub(crate) fn reason(text: &str) -> Result<()> {
    let why = if text.trim().is_empty() {
        "it is empty; say why in a few words".to_owned()
    } else if text.len() > MAX_REASON_BYTES {
        format!("it has at most {MAX_REASON_BYTES} bytes")
    } else if text.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Field { field: "reason", why })
}
