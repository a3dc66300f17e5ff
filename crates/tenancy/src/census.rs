//! Which tables hold tenants' rows, and by what a row's tenant is known.
//!
//! It is worked out from the live catalogue each time, never from a list that somebody keeps, so
//! that a table made yesterday counts today.

use store::{Column, ForeignKey, Table, ident};

/// The name under which a statement of ours knows the row; no column is likely to have it.
pub(crate) const ROW: &str = "amanah_row";

/// Schema and name of a table.
pub(crate) type Name = (String, String);

/// All tables of a database, sorted by what holds tenants' rows and what does not.
#[derive(Debug, Clone)]
pub struct Census {
    /// Tables that hold tenants' rows; one that belongs through its parents comes after them.
    pub held: Vec<Held>,
    /// Tables whose rows belong to no tenant that could be seen from the catalogue.
    pub shared: Vec<Table>,
    /// Columns that should name a tenant and cannot: table, and the reason.
    pub unfit: Vec<(String, String)>,
    /// Tables that point to tenants' rows by columns that may be NULL, so that whose a row is
    /// cannot always be told, and those that point to such a table in turn: table, and the reason.
    pub vague: Vec<(String, String)>,
}

/// A table with tenants' rows.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its shape.
    pub table: Table,
    /// How a row's tenant is known.
    pub by: Belongs,
}

/// How a row's tenant is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// By a column.
    Column {
        /// Its name.
        column: String,
        /// What the tenant's text is cast to; empty for texts.
        cast: &'static str,
        /// Whether this is the table of the tenants themselves, and the column its key.
        root: bool,
    },
    /// By the rows that it points to: a table between two others, for example.
    Parents(Vec<Link>),
}

/// A foreign key to a table with tenants' rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The columns here.
    pub columns: Vec<String>,
    /// Schema and name of the table that they point to.
    pub parent: (String, String),
    /// The columns there.
    pub parent_columns: Vec<String>,
    /// Whether every row points to one.
    pub required: bool,
}

impl Census {
    /// Sorts `tables`.
    pub fn take(tables: &[Table], tenant_column: &str) -> Self {
        let mut census =
            Self { held: Vec::new(), shared: Vec::new(), unfit: Vec::new(), vague: Vec::new() };
        let mut rest: Vec<&Table> = Vec::new();
        let root = root_of(tables, tenant_column);
        for table in tables {
            let own = table.column(tenant_column).map(|c| (c, false));
            let root = root.as_ref().filter(|(t, _)| same(t, table));
            let key = root.and_then(|(_, key)| table.column(key)).map(|c| (c, true));
            match own.or(key) {
                Some((column, root)) => census.by_column(table, column, root),
                None => rest.push(table),
            }
        }
        census.by_parents(rest);
        census
    }

    /// The table of this schema and name, if it holds tenants' rows.
    pub fn find(&self, name: &Name) -> Option<&Held> {
        self.held.iter().find(|h| h.table.schema == name.0 && h.table.name == name.1)
    }

    /// Whether a row `alias` of `held` belongs to the tenant in parameter `$n`, as SQL that is
    /// never NULL for a row that does.
    pub(crate) fn owned(&self, held: &Held, alias: &str, n: usize) -> String {
        self.owned_by(held, alias, &format!("${n}::text"))
    }

    /// The same for the tenant that `text` is, an SQL expression of type text.
    pub(crate) fn owned_by(&self, held: &Held, alias: &str, text: &str) -> String {
        match &held.by {
            Belongs::Column { column, cast, .. } => {
                format!("{alias}.{} = {text}{}", ident(column), suffix(cast))
            }
            Belongs::Parents(links) => {
                let Some((link, parent)) = links
                    .iter()
                    .find(|l| l.required)
                    .and_then(|l| Some((l, self.find(&l.parent)?)))
                else {
                    return "false".to_owned();
                };
                let above = format!("{alias}_p");
                format!(
                    "EXISTS (SELECT FROM {} AS {above} WHERE {} AND {})",
                    parent.table.quoted(),
                    link.joined(&above, alias),
                    self.owned_by(parent, &above, text)
                )
            }
        }
    }

    fn by_column(&mut self, table: &Table, column: &Column, root: bool) {
        let Some(cast) = cast_of(&column.base) else {
            let why = format!(
                "its column {} has the type {}, and only uuid, smallint, integer, bigint, text \
                 and varchar can name a tenant",
                column.name, column.sql_type
            );
            self.unfit.push((table.label(), why));
            return;
        };
        let column = column.name.clone();
        let by = Belongs::Column { column, cast, root };
        let table = table.clone();
        self.held.push(Held { table, by });
    }

    /// Tables that point to tables with tenants' rows hold tenants' rows themselves. Round by
    /// round, and never to a table of the same round, so that no policy can wait for itself.
    fn by_parents(&mut self, mut rest: Vec<&Table>) {
        loop {
            let before = self.held.clone();
            let is_held = |parent: &Name| {
                before.iter().any(|h| h.table.schema == parent.0 && h.table.name == parent.1)
            };
            let (found, left): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|table| links(table, &is_held).iter().any(|link| link.required));
            self.held.extend(found.iter().map(|table| Held {
                table: (*table).clone(),
                by: Belongs::Parents(links(table, &is_held)),
            }));
            rest = left;
            if found.is_empty() {
                break;
            }
        }
        self.by_hints(rest);
    }

    /// A table that points to a tenant's row, however loosely, is not shared: what it holds is
    /// about a tenant. What is left then is.
    fn by_hints(&mut self, mut rest: Vec<&Table>) {
        let mut touched: Vec<Name> =
            self.held.iter().map(|h| (h.table.schema.clone(), h.table.name.clone())).collect();
        loop {
            let hint = |table: &Table| {
                let mut keys = table.foreign_keys.iter();
                keys.find(|key| touched.contains(&key.parent)).map(|key| {
                    format!(
                        "it points to {}.{} by {}, and a row without that would belong to nobody. \
                         Give it the tenant column, or make that NOT NULL",
                        key.parent.0,
                        key.parent.1,
                        key.columns.join(", ")
                    )
                })
            };
            let found: Vec<_> =
                rest.iter().filter_map(|table| Some((*table, hint(table)?))).collect();
            if found.is_empty() {
                break;
            }
            rest.retain(|table| !found.iter().any(|(other, _)| std::ptr::eq(*table, *other)));
            for (table, why) in found {
                touched.push((table.schema.clone(), table.name.clone()));
                self.vague.push((table.label(), why));
            }
        }
        self.shared = rest.into_iter().cloned().collect();
    }
}

impl Held {
    /// What a row must fulfil to belong to the bound tenant. The form with `(SELECT …)` makes
    /// PostgreSQL verify the binding once for each statement and not once for each row.
    pub(crate) fn policy(&self) -> String {
        self.belonging("reading_tenant")
    }

    /// What a row that is written must fulfil: the binding must let its tenant write, too. A row that
    /// belongs by a column asks one question for both, since each is a verification.
    pub(crate) fn writing_policy(&self) -> String {
        match &self.by {
            Belongs::Column { .. } => self.belonging("writing_tenant"),
            Belongs::Parents(_) => format!("{} AND (SELECT amanah.may_write())", self.policy()),
        }
    }

    fn belonging(&self, asked: &str) -> String {
        match &self.by {
            Belongs::Column { column, cast, .. } => {
                format!("{} = (SELECT amanah.{asked}(){})", ident(column), suffix(cast))
            }
            Belongs::Parents(links) => {
                let name = ident(&self.table.name);
                // Under the table's own name the parent would be compared with itself.
                let above = if self.table.name == "p" { "q" } else { "p" };
                let each = links.iter().map(|link| {
                    let (schema, parent) = (&link.parent.0, &link.parent.1);
                    let exists = format!(
                        "(EXISTS (SELECT 1 FROM {} {above} WHERE ({})))",
                        store::qualified(schema, parent),
                        link.joined(above, &name)
                    );
                    if link.required {
                        return exists;
                    }
                    let missing = link.columns.iter().map(|c| format!("{} IS NULL", ident(c)));
                    let missing: Vec<String> = missing.collect();
                    format!("({} OR {exists})", missing.join(" OR "))
                });
                each.collect::<Vec<_>>().join(" AND ")
            }
        }
    }

    /// The tenant column, where the table has one.
    pub(crate) fn column(&self) -> Option<&str> {
        match &self.by {
            Belongs::Column { column, .. } => Some(column),
            Belongs::Parents(_) => None,
        }
    }

    /// Whether each tenant has one row at most: the table of the tenants, or their settings.
    pub(crate) fn one_each(&self) -> bool {
        self.column().is_some_and(|own| self.table.primary_key == [own])
    }

    /// Its foreign keys to tables with tenants' rows that leave the tenant out: a row can point
    /// into another tenant by them, since foreign keys look past row-level security.
    pub(crate) fn loose_keys<'a>(
        &'a self,
        census: &'a Census,
    ) -> impl Iterator<Item = (&'a ForeignKey, &'a Held)> {
        self.table.foreign_keys.iter().filter_map(move |key| {
            let parent = census.find(&key.parent)?;
            let (own, theirs) = (self.column()?, parent.column()?);
            let mut pairs = key.columns.iter().zip(&key.parent_columns);
            let tied = pairs.any(|(a, b)| a == own && b == theirs);
            // A column that names a tenant, a partner say, cannot be tied to the row's own tenant.
            let names_tenant = key.parent_columns == [theirs];
            (!tied && !names_tenant).then_some((key, parent))
        })
    }
}

impl Link {
    fn joined(&self, parent: &str, child: &str) -> String {
        let pairs = self.parent_columns.iter().zip(&self.columns);
        let pairs = pairs.map(|(p, c)| format!("{parent}.{} = {child}.{}", ident(p), ident(c)));
        pairs.collect::<Vec<_>>().join(" AND ")
    }
}

impl std::fmt::Display for Belongs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column { column, root, .. } => {
                let kind = if *root { "its key" } else { "column" };
                write!(f, "by {kind} {column}")
            }
            Self::Parents(links) => {
                let parents = links.iter().map(|l| format!("{}.{}", l.parent.0, l.parent.1));
                write!(f, "by its parents {}", parents.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A cast as SQL writes it behind a value.
pub(crate) fn suffix(cast: &str) -> String {
    if cast.is_empty() {
        return String::new();
    }
    format!("::{cast}")
}

/// What the tenant's text is cast to, for the types that can name a tenant. A `varchar(n)` is
/// compared as text: a cast to it would cut the tenant's name off and match another's.
fn cast_of(base: &str) -> Option<&'static str> {
    match base {
        "uuid" => Some("uuid"),
        "int2" => Some("smallint"),
        "int4" => Some("integer"),
        "int8" => Some("bigint"),
        "text" | "varchar" => Some(""),
        _ => None,
    }
}

/// The table of the tenants, when it has no tenant column itself: the one that most tenant columns
/// point to, with the column that they point to.
fn root_of(tables: &[Table], tenant_column: &str) -> Option<(Name, String)> {
    let mut votes: Vec<((Name, String), usize)> = Vec::new();
    let keys = tables.iter().flat_map(|t| &t.foreign_keys);
    for key in keys.filter(|k| k.columns == [tenant_column]) {
        let Some(column) = key.parent_columns.first() else {
            continue;
        };
        let choice = (key.parent.clone(), column.clone());
        match votes.iter_mut().find(|(c, _)| *c == choice) {
            Some((_, n)) => *n += 1,
            None => votes.push((choice, 1)),
        }
    }
    // The first by name among equals, so that two runs agree.
    votes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    votes.into_iter().next().map(|(choice, _)| choice)
}

fn links(table: &Table, is_held: &dyn Fn(&Name) -> bool) -> Vec<Link> {
    let keys = table.foreign_keys.iter();
    keys.filter(|key| !same(&key.parent, table) && is_held(&key.parent))
        .map(|key| Link {
            columns: key.columns.clone(),
            parent: key.parent.clone(),
            parent_columns: key.parent_columns.clone(),
            required: key.columns.iter().all(|c| table.column(c).is_some_and(|c| c.not_null)),
        })
        .collect()
}

fn same(name: &Name, table: &Table) -> bool {
    name.0 == table.schema && name.1 == table.name
}
