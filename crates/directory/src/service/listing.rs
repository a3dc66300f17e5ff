//! Lists of users and groups: filtered, a page at a time.

use jiff::Timestamp;
use serde_json::{Map, Value};
use store::Row;

use super::groups::{Group, member};
use super::users::User;
use super::{Caller, Directory, Resource, is_id};
use crate::filter::Filter;
use crate::resource::{MEMBERS, Wanted};
use crate::schema::Kind;
use crate::work::Work;
use crate::{Error, Result, sql};

/// How many resources one page has at most, and how many when nothing is said.
pub const MAX_COUNT: usize = 200;
const USUAL_COUNT: usize = 100;
/// How many resources one filter looks at.
const MAX_SEEN: usize = 100_000;
/// How many users are read from the database at a time; they are looked at without a connection.
const AT_A_TIME: usize = 200;
/// Before the first of all users.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// How many members are told, or looked at, in one answer.
const MAX_MEMBERS_TOLD: usize = 50_000;

/// Which resources are wanted, and what of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Which ones.
    pub filter: Option<String>,
    /// What of each.
    pub wanted: Wanted,
    /// The first of them, counted from 1; less is 1.
    pub start: Option<i64>,
    /// How many; less than none is none.
    pub count: Option<i64>,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// How many there are in all.
    pub total: usize,
    /// The place of the first that is told, from 1 on.
    pub start: usize,
    /// Those that are told.
    pub resources: Vec<Resource>,
}

/// Counts what matches, and keeps what is on the page.
struct Window {
    filter: Option<Filter>,
    start: usize,
    count: usize,
    seen: usize,
    total: usize,
    work: Work,
}

impl Window {
    fn new(kind: Kind, query: &Query) -> Result<Self> {
        let filter = query.filter.as_deref().map(|text| Filter::parse(kind, text)).transpose()?;
        let start = usize::try_from(query.start.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
        let count = query.count.map_or(USUAL_COUNT, |count| {
            usize::try_from(count.max(0)).unwrap_or(MAX_COUNT).min(MAX_COUNT)
        });
        Ok(Self { filter, start, count, seen: 0, total: 0, work: Work::new() })
    }

    /// Whether the next resource is on the page.
    fn takes(&mut self, fields: &Map<String, Value>) -> Result<bool> {
        self.seen += 1;
        if self.seen > MAX_SEEN {
            let words = "narrow the filter by userName, displayName or externalId";
            return Err(Error::TooMany(words.to_owned()));
        }
        let Self { filter, work, .. } = self;
        let is_such = filter.as_ref().is_none_or(|filter| filter.matches(fields, work));
        self.work.check()?;
        if !is_such {
            return Ok(false);
        }
        self.total += 1;
        Ok(self.total >= self.start && self.total - self.start < self.count)
    }

    fn wants(&self, name: &str) -> Option<String> {
        self.filter.as_ref().and_then(|filter| filter.wants(name)).map(str::to_owned)
    }
}

impl Directory {
    /// The users or groups of the tenant that `query` wants, in the order in which they were made.
    ///
    /// # Errors
    /// [`Error::Filter`], [`Error::TooMany`], [`Error::Busy`].
    pub async fn list(&self, who: &Caller, kind: Kind, query: &Query) -> Result<Page> {
        query.wanted.check()?;
        let mut window = Window::new(kind, query)?;
        // Whoever asks for one by what is unique reads one, and need not wait.
        let one = ["id", "userName", "displayName"].into_iter().any(|name| {
            kind.find(None, name).is_some_and(|found| found.attribute.unique)
                && window.wants(name).is_some()
        });
        let _place = if one { None } else { Some(self.places.enter(&who.tenant).await?) };
        let resources = match kind {
            Kind::User => self.users(who, &mut window).await?,
            Kind::Group => self.groups(who, &mut window, &query.wanted).await?,
        };
        let resources = resources.into_iter();
        let part = |one: Resource| Resource { fields: query.wanted.part(kind, one.fields), ..one };
        let resources = resources.map(part).collect();
        Ok(Page { total: window.total, start: window.start, resources })
    }

    /// Users and groups in one list, as a search over both wants it: users first.
    ///
    /// # Errors
    /// As for [`Directory::list`]; the filter has to make sense for both.
    pub async fn list_all(&self, who: &Caller, query: &Query) -> Result<Page> {
        let users = self.list(who, Kind::User, query).await?;
        let count = i64::try_from(MAX_COUNT).unwrap_or(i64::MAX);
        let asked = query.count.unwrap_or(i64::try_from(USUAL_COUNT).unwrap_or(count));
        let told = i64::try_from(users.resources.len()).unwrap_or(i64::MAX);
        let before = i64::try_from(users.total).unwrap_or(i64::MAX);
        let rest = Query {
            start: Some(query.start.unwrap_or(1).max(1).saturating_sub(before).max(1)),
            count: Some(asked.clamp(0, count).saturating_sub(told)),
            ..query.clone()
        };
        let groups = self.list(who, Kind::Group, &rest).await?;
        let mut resources = users.resources;
        resources.extend(groups.resources);
        Ok(Page { total: users.total + groups.total, start: users.start, resources })
    }

    async fn users(&self, who: &Caller, window: &mut Window) -> Result<Vec<Resource>> {
        let (name, external) = (window.wants("userName"), window.wants("externalId"));
        let Some(id) = id_of(window) else { return Ok(Vec::new()) };
        let (tenant, most) = (who.tenant().as_str(), i64::try_from(AT_A_TIME).unwrap_or(i64::MAX));
        let (mut after, mut last) = (Timestamp::UNIX_EPOCH, NOBODY.to_owned());
        let mut kept = Vec::new();
        loop {
            let tx = self.db.operator().await?;
            let bound: store::Bound<'_> = &[&tenant, &name, &external, &id, &after, &last, &most];
            let rows = tx.query(sql::USERS, bound).await?;
            tx.commit().await?;
            for user in rows.iter().map(User::read) {
                (after, last) = (user.created_at, user.id.clone());
                let user = user.told(&self.base);
                if window.takes(&user.fields)? {
                    kept.push(user);
                }
            }
            if rows.len() < AT_A_TIME {
                return Ok(kept);
            }
            // Others want the processor, too.
            tokio::task::yield_now().await;
        }
    }

    async fn groups(
        &self,
        who: &Caller,
        window: &mut Window,
        wanted: &Wanted,
    ) -> Result<Vec<Resource>> {
        let (name, external) = (window.wants("displayName"), window.wants("externalId"));
        let Some(id) = id_of(window) else { return Ok(Vec::new()) };
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&who.tenant().as_str(), &name, &external, &id];
        let rows = tx.query(sql::GROUPS, bound).await?;
        tx.commit().await?;
        let all: Vec<Group> = rows.iter().map(Group::read).collect();
        // A filter about members needs all of them, before it is known which groups are told.
        let asked = window.filter.as_ref().is_some_and(|filter| filter.names(MEMBERS));
        if asked {
            let mut told = self.with_members(&all).await?;
            let mut kept = Vec::new();
            for group in told.drain(..) {
                if window.takes(&group.fields)? {
                    kept.push(group);
                }
                tokio::task::yield_now().await;
            }
            return Ok(kept);
        }
        let mut kept = Vec::new();
        for group in all {
            if window.takes(&group.told(&self.base, Vec::new()).fields)? {
                kept.push(group);
            }
        }
        if wanted.has(MEMBERS) {
            return self.with_members(&kept).await;
        }
        Ok(kept.iter().map(|group| group.told(&self.base, Vec::new())).collect())
    }

    async fn with_members(&self, groups: &[Group]) -> Result<Vec<Resource>> {
        let ids: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
        let mut members = std::collections::BTreeMap::<String, Vec<Value>>::new();
        let mut told = 0;
        let mut take = |row: Row| -> Result<()> {
            told += 1;
            if told > MAX_MEMBERS_TOLD {
                let words = "ask for less groups, or leave members out";
                return Err(Error::TooMany(words.to_owned()));
            }
            let (group, user, name): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            members.entry(group).or_default().push(member(&self.base, &user, &name));
            Ok(())
        };
        let tx = self.db.operator().await?;
        tx.query_each(sql::MEMBERS, &[&ids], &mut take).await?;
        tx.commit().await?;
        let mut whole = |group: &Group| {
            let members = members.remove(&group.id).unwrap_or_default();
            group.told(&self.base, members)
        };
        Ok(groups.iter().map(&mut whole).collect())
    }
}

/// The id that is asked for, if one is; `None` when it is no id, so that nothing has it.
#[expect(clippy::option_option, reason = "no id, any id, and nothing that could be one are three")]
fn id_of(window: &Window) -> Option<Option<String>> {
    match window.wants("id") {
        None => Some(None),
        Some(id) if is_id(&id) => Some(Some(id)),
        Some(_) => None,
    }
}
