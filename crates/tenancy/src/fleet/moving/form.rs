//! What a database is before anything is in it: its encoding, its order of letters, its settings.

use store::{Db, Locale, ident, literal};

use crate::Result;
use crate::fleet::cell::{Cell, refused};
use crate::fleet::{Place, sql};

/// Settings whose values are lists of names.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What belongs to a database as a whole and must be the same on another cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct Form {
    /// Its encoding and order of letters.
    pub(in crate::fleet) locale: Locale,
    /// The most sessions; below zero there is no bound.
    pub(in crate::fleet) sessions: i32,
    comment: Option<String>,
    /// Role (none for everybody), setting, value.
    settings: Vec<(Option<String>, String, String)>,
}

impl Form {
    /// The form of a place.
    pub(in crate::fleet) async fn of(place: &Place, cell: &Cell) -> Result<Self> {
        let tx = cell.maker.operator().await?;
        let row = tx.query_one(sql::FORM, &[&place.name()]).await?;
        let settings = tx.query(sql::DATABASE_SETTINGS, &[&place.name(), &cell.owner.user]).await?;
        tx.rollback().await?;
        let locale = Locale {
            encoding: row.get(0),
            collate: row.get(1),
            ctype: row.get(2),
            icu: row.get(3),
        };
        Ok(Self {
            locale,
            sessions: row.get(4),
            comment: row.get(5),
            settings: settings.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
        })
    }

    /// Sets what is set for the database and its owner. Nothing of it is ever set in the session
    /// that does so.
    pub(in crate::fleet) async fn set(&self, place: &Place, cell: &Cell) -> Result<()> {
        let maker = cell.superuser.as_ref().unwrap_or(&cell.maker);
        let (database, tx) = (ident(place.name()), maker.operator().await?);
        for (role, name, value) in &self.settings {
            let whose = match role {
                None => format!("DATABASE {database}"),
                Some(role) => format!("ROLE {} IN DATABASE {database}", ident(role)),
            };
            let value = if LISTS.contains(&name.as_str()) {
                // As one text it would be one name.
                names(value).iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
            } else {
                literal(value)
            };
            tx.batch(&format!("ALTER {whose} SET {} TO {value}", setting(name))).await?;
        }
        // Without one, what said that the database is not whole goes.
        let comment = self.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        tx.batch(&format!("COMMENT ON DATABASE {database} IS {comment}")).await?;
        Ok(tx.commit().await?)
    }
}

/// A setting's name: those of extensions have two parts.
fn setting(name: &str) -> String {
    name.split('.').map(ident).collect::<Vec<_>>().join(".")
}

/// The names in a list as PostgreSQL keeps it: separated by commas, in double quotes where they are
/// no plain words.
fn names(list: &str) -> Vec<String> {
    let (mut all, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = list.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut name)),
            ' ' if !quoted => {}
            other => name.push(other),
        }
    }
    all.push(name);
    all
}

/// Makes the extensions of `source` that only a superuser may make.
///
/// # Errors
/// When the cell has not got one of them in that version, or nobody may make it there.
pub(super) async fn extensions(
    (source, place): (&Cell, &Place),
    (target, copy): (&Cell, &Place),
) -> Result<()> {
    let cannot = |why: String| refused(&target.name, &format!("cannot take it: {why}"));
    let inside = place.reader(source)?;
    let tx = inside.operator().await?;
    let wanted = tx.query(sql::EXTENSIONS, &[]).await?;
    tx.rollback().await?;
    inside.close();
    for row in &wanted {
        let (name, version, schema): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let tx = target.maker.operator().await?;
        let there = tx.query_opt(sql::EXTENSION_THERE, &[&name, &version]).await?;
        tx.rollback().await?;
        let there = there.ok_or_else(|| {
            cannot(format!("the extension {name} {version} is not installed there as its default"))
        })?;
        if there.get::<_, bool>(0) {
            // The owner makes it with the rest.
            continue;
        }
        let superuser = target.superuser.as_ref().ok_or_else(|| {
            cannot(format!("only a superuser may make the extension {name}, and there is none"))
        })?;
        if !["public", "pg_catalog"].contains(&schema) {
            let why = format!("the extension {name} lies in the schema {schema}, not in public");
            return Err(cannot(why));
        }
        let inside = Db::lazy(&superuser.url().database(copy.name()), 1)?;
        let tx = inside.operator().await?;
        let make = format!("CREATE EXTENSION {} SCHEMA {}", ident(name), ident(schema));
        tx.batch(&make).await?;
        tx.commit().await?;
        inside.close();
    }
    Ok(())
}
/// Refuses a cell whose PostgreSQL is older than the tenant's.
pub(super) async fn versions(source: &Cell, target: &Cell) -> Result<()> {
    let (from, to) = (source.reached().await?.version, target.reached().await?.version);
    if to.0 < from.0 {
        let why = format!("cannot take it: PostgreSQL {to} runs there, and {from} where it is");
        return Err(refused(&target.name, &why));
    }
    Ok(())
}
