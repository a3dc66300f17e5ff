//! The roles that there are, and those that a tenant defines for itself.

use jiff::{SignedDuration, Timestamp};
use kernel::{Bits, Identity, Notice, Strength, TenantId, own};
use store::{Row, Tx};

use super::{Access, asking, bits, find_role, in_words, names, role_permits};
use crate::support::in_person;
use crate::{By, Error, Matrix, Result, name, sql};

/// The most roles of its own that a tenant has.
pub(crate) const MAX_OWN_ROLES: i64 = 200;
/// The most parents of one role.
const MAX_PARENTS: usize = 16;
/// How many changes of a role are told.
const MAX_CHANGES: i64 = 50;
/// How many of those who use a role are named.
const LISTED: usize = 10;
/// The longest title, in bytes.
const MAX_TITLE_BYTES: usize = 200;
/// The shortest and the longest limit of sessions, in seconds.
const LIMITS: std::ops::RangeInclusive<i64> = 60..=2_592_000;

/// A tenant's own role, to be made or changed as a whole.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// The tenant in which alone it means something.
    pub tenant: TenantId,
    /// Its name: ASCII letters and digits, with single spaces or hyphens.
    pub name: String,
    /// Who should have it, up to 200 bytes.
    pub title: String,
    /// How its holders have to prove who they are.
    pub factor: Strength,
    /// How long their sessions live unused, if shorter than usual.
    pub idle: Option<SignedDuration>,
    /// How long they live at most, likewise.
    pub absolute: Option<SignedDuration>,
    /// The names of permissions.
    pub permits: Vec<String>,
    /// The names of roles that it has everything of: shipped ones, or the tenant's own.
    pub parents: Vec<String>,
}

/// All that there is to know of a role.
#[derive(Debug, Clone)]
pub struct RoleSheet {
    /// What it is, with the permissions that are its own.
    pub role: NewRole,
    /// Whether every tenant has it.
    pub shipped: bool,
    /// What it permits, with what its parents do.
    pub permits: Bits,
    /// The addresses of those who have it in the tenant.
    pub holders: Vec<String>,
    /// The names of the roles that have everything of it.
    pub heirs: Vec<String>,
    /// What was changed about it, the newest first.
    pub changes: Vec<RoleChange>,
}

/// One change of a tenant's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// `defined` or `retired`.
    pub what: String,
    /// How many permissions of its own it had from then on.
    pub permits: i32,
    /// Its parents from then on.
    pub parents: Vec<String>,
    /// How its holders had to prove who they are from then on.
    pub factor: Strength,
    /// How long their sessions lived unused.
    pub idle: Option<SignedDuration>,
    /// How long they lived at most.
    pub absolute: Option<SignedDuration>,
}

/// A role that a tenant can grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether every tenant has it.
    pub shipped: bool,
    /// Who should have it.
    pub title: String,
    /// How its holders have to prove who they are.
    pub factor: Strength,
    /// How long a session of theirs lives unused.
    pub idle: Option<SignedDuration>,
    /// How long it lives at most.
    pub absolute: Option<SignedDuration>,
    /// The roles that it has everything of.
    pub parents: Vec<String>,
    /// How many accounts have it.
    pub holders: i64,
    /// What it permits, with what its parents do.
    pub permits: Bits,
}

impl Access {
    /// The roles that `tenant` can grant; without one, those that every tenant has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn roles(&self, tenant: Option<&TenantId>) -> Result<Vec<Listed>> {
        let tx = self.db.operator().await?;
        let name = tenant.map(TenantId::as_str);
        let rows = tx.query(sql::LIST_ROLES, &[&name, &self.clock.now()]).await?;
        let mut listed = Vec::new();
        for row in &rows {
            listed.push(list(&tx, row, name).await?);
        }
        tx.commit().await?;
        Ok(listed)
    }

    /// What each shipped role permits, as the database has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn matrix(&self) -> Result<Matrix> {
        let roles = self.roles(None).await?;
        let tx = self.db.operator().await?;
        let permissions = names(&tx).await?;
        tx.commit().await?;
        let (roles, permits) = roles.into_iter().map(|role| (role.name, role.permits)).unzip();
        Ok(Matrix { roles, permissions, permits })
    }

    /// Whoever is signed in, as somebody who changes roles in their tenant.
    ///
    /// # Errors
    /// [`Error::Refused`] unless they may and came through a browser; [`Error::StepUp`] when they
    /// proved who they are too long ago.
    pub async fn role_keeper(&self, who: &Identity) -> Result<By> {
        in_person(who)?;
        let (standing, now) =
            (self.standing_now(&who.account, &who.tenant).await?, self.clock.now());
        if !standing.permits.has(own::PEOPLE_ROLES) {
            return Err(Error::Refused);
        }
        if !who.is_recent(now) {
            return Err(Error::StepUp);
        }
        self.uses.note((&who.account, &who.tenant), own::PEOPLE_ROLES, now);
        Ok(By::person(who))
    }

    /// All that there is to know of a role that `tenant` can grant.
    ///
    /// # Errors
    /// [`Error::NoRole`].
    pub async fn role(&self, tenant: &TenantId, name: &str) -> Result<RoleSheet> {
        let all = self.roles(Some(tenant)).await?;
        let found = all.into_iter().find(|one| one.name == name);
        let listed = found.ok_or_else(|| Error::NoRole(name.to_owned()))?;
        let tx = self.db.operator().await?;
        let id = find_role(&tx, tenant, name).await?;
        let permits = tx.query(sql::OWN_PERMITS, &[&id]).await?;
        let now = self.clock.now();
        let holders = tx.query(sql::HELD_BY, &[&id, &tenant.as_str(), &now]).await?;
        let heirs = tx.query(sql::HEIRS, &[&id]).await?;
        let changes = tx.query(sql::ROLE_CHANGES, &[&id, &MAX_CHANGES]).await?;
        tx.commit().await?;
        let text = |row: &Row| row.get(0);
        let role = NewRole {
            tenant: tenant.clone(),
            name: listed.name,
            title: listed.title,
            factor: listed.factor,
            idle: listed.idle,
            absolute: listed.absolute,
            permits: permits.iter().map(text).collect(),
            parents: listed.parents,
        };
        let (shipped, permits) = (listed.shipped, listed.permits);
        let (holders, heirs) = (holders.iter().map(text), heirs.iter().map(text));
        Ok(RoleSheet {
            role,
            shipped,
            permits,
            holders: holders.collect(),
            heirs: heirs.collect(),
            changes: changes.iter().map(change).collect(),
        })
    }

    /// Makes a role of a tenant's own, or changes the one of this name, which may have been
    /// retired: nobody has it then. Everybody who decides from memory hears of it when it is
    /// committed.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Taken`], [`Error::NoPermission`], [`Error::NoRole`] and
    /// [`Error::Cycle`] when it cannot be; [`Error::Refused`] and [`Error::Escalation`] when it
    /// would permit what `by` may not do, or did; [`Error::Weak`] when it would ask for less than a shipped
    /// role that it holds wholly, and [`Error::Strength`] when it, or one that inherits from it, would ask for
    /// less than before of whoever does not show as much.
    pub async fn define_role(&self, by: &By, new: &NewRole) -> Result<()> {
        check(new)?;
        let tx = self.db.operator().await?;
        let tenant = new.tenant.as_str();
        tx.query(sql::LOCK_TENANT, &[&tenant]).await?;
        let (permits, numbers) = wanted(&tx, &new.permits).await?;
        let mut parents = Vec::new();
        for parent in &new.parents {
            parents.push(find_role(&tx, &new.tenant, parent).await?);
        }
        let inherited = role_permits(&tx, &parents, &new.tenant).await?;
        let all = permits.or(&inherited);
        self.bound(&tx, by, &new.tenant, &all).await?;
        let mut before = Vec::new();
        if let Some(row) = tx.query_opt(sql::FIND_OWN_ROLE, &[&tenant, &new.name]).await? {
            // Nobody takes out of a role what they could not put into it.
            let had = role_permits(&tx, &[row.get(0)], &new.tenant).await?;
            self.bound(&tx, by, &new.tenant, &had).await?;
            before = asking::asked_below(&tx, row.get(0)).await?;
        }
        let id = place(&tx, new).await?;
        fill(&tx, id, &numbers, (&parents, &new.name)).await?;
        asking::as_strong(&tx, id, &all).await?;
        self.loosened(&tx, by, &new.tenant, &before).await?;
        let (now, what) = (self.clock.now(), "defined");
        tx.execute(sql::NOTE_ROLE, &[&id, &now, &by.name, &what]).await?;
        tx.commit().await?;
        tracing::info!(tenant, role = new.name, by = by.name, "a role was defined");
        Ok(())
    }

    /// Retires a role of a tenant's own. One that somebody has, or that another role inherits from, is
    /// retired only `anyway`: they lose it then, for good, and are told. Who had it is returned.
    ///
    /// # Errors
    /// [`Error::NoRole`]; [`Error::InUse`]; [`Error::Refused`] and [`Error::Escalation`] when it is
    /// not `by`'s; [`Error::Strength`] when one that inherits from it would ask for less then of whoever does
    /// not show as much.
    pub async fn retire_role(
        &self,
        by: &By,
        tenant: &TenantId,
        name: &str,
        anyway: bool,
    ) -> Result<Vec<String>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_OWN_ROLE, &[&tenant.as_str(), &name]).await?;
        let id: Option<i32> = row.filter(|row| row.get(1)).map(|row| row.get(0));
        let id = id.ok_or_else(|| Error::NoRole(name.to_owned()))?;
        let permits = role_permits(&tx, &[id], tenant).await?;
        self.bound(&tx, by, tenant, &permits).await?;
        let now = self.clock.now();
        let names = |rows: Vec<Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<String>>();
        let holders = names(tx.query(sql::HELD_BY, &[&id, &tenant.as_str(), &now]).await?);
        let heirs = names(tx.query(sql::HEIRS, &[&id]).await?);
        let used = !holders.is_empty() || !heirs.is_empty();
        if used && !anyway {
            return Err(Error::InUse { role: name.to_owned(), by: uses(&holders, &heirs) });
        }
        let before = asking::asked_below(&tx, id).await?;
        tx.execute(sql::RETIRE_ROLE, &[&id, &now]).await?;
        // Whoever makes a role of this name later gives it to nobody by that.
        let lost = tx.query(sql::REVOKE_OF_ROLE, &[&id, &now, &by.name]).await?;
        for row in lost.iter().filter(|row| row.get(1)) {
            self.tell(&tx, row.get(0), Notice::RolesTaken, &in_words(name, tenant)).await?;
        }
        tx.execute(sql::DISINHERIT, &[&id]).await?;
        self.loosened(&tx, by, tenant, &before).await?;
        tx.execute(sql::NOTE_ROLE, &[&id, &now, &by.name, &"retired"]).await?;
        tx.commit().await?;
        tracing::info!(%tenant, role = name, by = by.name, "a role was retired");
        Ok(holders)
    }
}

/// PostgreSQL's code for a check that failed.
const CHECK: &str = "23514";
/// Its code for a name that is taken.
const UNIQUE: &str = "23505";

/// Who uses a role, for people: the first of them by name.
fn uses(holders: &[String], heirs: &[String]) -> String {
    let heirs = heirs.iter().map(|heir| format!("the role {heir}"));
    let all: Vec<String> = holders.iter().cloned().chain(heirs).collect();
    let named = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(LISTED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn change(row: &Row) -> RoleChange {
    RoleChange {
        at: row.get(0),
        by: row.get(1),
        what: row.get(2),
        permits: row.get(3),
        parents: row.get(4),
        factor: Strength::demanded(row.get(5)),
        idle: seconds(row.get(6)),
        absolute: seconds(row.get(7)),
    }
}

fn seconds(limit: Option<i32>) -> Option<SignedDuration> {
    limit.map(|limit| SignedDuration::from_secs(i64::from(limit)))
}

async fn list(tx: &Tx, row: &Row, tenant: Option<&str>) -> Result<Listed> {
    let ids: Vec<i32> = vec![row.get(0)];
    let permits = tx.query_one(sql::ROLE_PERMITS, &[&ids, &tenant.unwrap_or_default()]).await?;
    Ok(Listed {
        name: row.get(1),
        shipped: row.get(2),
        title: row.get(3),
        factor: Strength::demanded(row.get(4)),
        idle: seconds(row.get(5)),
        absolute: seconds(row.get(6)),
        parents: row.get(7),
        holders: row.get(8),
        permits: bits(&permits.get::<_, Vec<i16>>(0)),
    })
}

fn check(new: &NewRole) -> Result<()> {
    name::check_role(&new.name).map_err(|why| Error::Name { name: new.name.clone(), why })?;
    let title = &new.title;
    if title.trim().is_empty() || title.len() > MAX_TITLE_BYTES {
        return Err(Error::Field { field: "title", why: "write 1 to 200 bytes".to_owned() });
    }
    if title.chars().any(char::is_control) {
        return Err(Error::Field { field: "title", why: "it holds control characters".to_owned() });
    }
    if new.parents.len() > MAX_PARENTS {
        let why = format!("a role has at most {MAX_PARENTS}");
        return Err(Error::Field { field: "list of parents", why });
    }
    for limit in [new.idle, new.absolute].into_iter().flatten() {
        if !LIMITS.contains(&limit.as_secs()) {
            let why = "it lies between a minute and 30 days".to_owned();
            return Err(Error::Field { field: "limit of sessions", why });
        }
    }
    Ok(())
}

/// The permissions of these names, as a set and as the database writes them.
async fn wanted(tx: &Tx, permits: &[String]) -> Result<(Bits, Vec<i16>)> {
    let known = names(tx).await?;
    let mut set = Bits::EMPTY;
    for wanted in permits {
        let found = known.iter().find(|(_, name)| name == wanted);
        let (id, _) = found.ok_or_else(|| Error::NoPermission(wanted.clone()))?;
        set.insert(*id);
    }
    let numbers = set.iter().filter_map(|id| i16::try_from(id.number()).ok()).collect();
    Ok((set, numbers))
}

/// Has a role hold these permissions and inherit from these roles, and nothing else.
async fn fill(tx: &Tx, id: i32, numbers: &[i16], (parents, name): (&[i32], &str)) -> Result<()> {
    tx.execute(sql::EMPTY_ROLE, &[&id]).await?;
    tx.execute(sql::ORPHAN_ROLE, &[&id]).await?;
    tx.execute(sql::FILL_ROLE, &[&id, &numbers]).await?;
    if parents.contains(&id) {
        return Err(Error::Cycle(name.to_owned()));
    }
    // The trigger looks for rings, also for those that another change closes at this moment.
    match tx.execute(sql::ADOPT_ROLE, &[&id, &parents]).await {
        Err(error) if error.sqlstate() == Some(CHECK) => Err(Error::Cycle(name.to_owned())),
        adopted => Ok(adopted.map(drop)?),
    }
}

/// The id of the role of this name, which is made unless it is there.
async fn place(tx: &Tx, new: &NewRole) -> Result<i32> {
    let (tenant, factor) = (new.tenant.as_str(), new.factor.level());
    let seconds =
        |limit: Option<SignedDuration>| limit.and_then(|limit| i32::try_from(limit.as_secs()).ok());
    let (idle, absolute) = (seconds(new.idle), seconds(new.absolute));
    let found = tx.query_opt(sql::FIND_OWN_ROLE, &[&tenant, &new.name]).await?;
    if let Some(row) = found {
        let id: i32 = row.get(0);
        tx.execute(sql::CHANGE_ROLE, &[&id, &new.title, &factor, &idle, &absolute]).await?;
        return Ok(id);
    }
    let has: i64 = tx.query_one(sql::COUNT_OWN_ROLES, &[&tenant]).await?.get(0);
    if has >= MAX_OWN_ROLES {
        return Err(Error::TooMany(MAX_OWN_ROLES));
    }
    let bound: store::Bound<'_> = &[&tenant, &new.name, &new.title, &factor, &idle, &absolute];
    match tx.query_opt(sql::ADD_ROLE, bound).await {
        Ok(Some(row)) => Ok(row.get(0)),
        Ok(None) => Err(Error::Taken(new.name.clone())),
        Err(error) if error.sqlstate() == Some(UNIQUE) => Err(Error::Taken(new.name.clone())),
        Err(error) => Err(error.into()),
    }
}
