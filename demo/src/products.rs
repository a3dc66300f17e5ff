//! Products with their prices and margins: the list, and a product's page on which a new price
//! is proposed and a note is left.

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query};
use axum::response::{Html, Redirect};
use serde::Deserialize;
use tokio_postgres::Row;

use crate::approvals::{self, Change};
use crate::money::{Money, Percent};
use crate::problem::Problem;
use crate::session::{Session, Viewer};
use crate::sql;

/// Products on a page of the list.
const LISTED: i64 = 200;
/// The longest search text, in characters.
const QUERY_LIMIT: usize = 100;
/// Proposals and notes on a product's page.
const REMEMBERED: i64 = 20;
/// The longest reason of a proposal and the longest note, in characters, as in the schema.
const REASON_LIMIT: usize = 500;
const NOTE_LIMIT: usize = 1000;

/// A product with its price on the standard list.
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) pack: String,
    pub(crate) category: String,
    pub(crate) margin: Margin,
}

/// A price beside its cost. What is not known is absent, and is never shown as zero.
pub(crate) struct Margin {
    pub(crate) price_list: String,
    pub(crate) price: Option<Money>,
    pub(crate) cost: Option<Money>,
    pub(crate) percent: Option<Percent>,
    pub(crate) minimum: Option<Percent>,
}

impl Margin {
    pub(crate) fn is_below_minimum(&self) -> bool {
        is_below(self.percent, self.minimum)
    }
}

/// Whether a margin is known to be below its minimum.
pub(crate) fn is_below(margin: Option<Percent>, minimum: Option<Percent>) -> bool {
    margin.zip(minimum).is_some_and(|(margin, minimum)| margin.0 < minimum.0)
}

/// Reads a row of `sql::PRODUCTS` or `sql::LOWEST_MARGINS`.
pub(crate) fn read(row: &Row) -> Result<Product, Problem> {
    Ok(Product {
        id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        name: row.try_get("product")?,
        pack: row.try_get("pack")?,
        category: row.try_get("category")?,
        margin: read_margin(row)?,
    })
}

fn read_margin(row: &Row) -> Result<Margin, Problem> {
    Ok(Margin {
        price_list: row.try_get("price_list")?,
        price: row.try_get::<_, Option<i64>>("price")?.map(Money),
        cost: row.try_get::<_, Option<i64>>("cost")?.map(Money),
        percent: row.try_get::<_, Option<f64>>("margin_percent")?.map(Percent),
        minimum: row.try_get::<_, Option<f64>>("minimum_percent")?.map(Percent),
    })
}

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "products.html")]
struct ListPage {
    viewer: Viewer,
    query: String,
    products: Vec<Product>,
    is_cut: bool,
}

pub(crate) async fn list(
    mut session: Session,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let query = search?.0.q.trim().to_owned();
    if query.chars().count() > QUERY_LIMIT {
        return Err(Problem::BadInput("The search is longer than 100 characters.".to_owned()));
    }
    let tx = session.begin().await?;
    let viewer = tx.viewer().await?;
    // One more than is shown tells whether there are more.
    let rows = tx.all(sql::PRODUCTS, &[&query, &(LISTED + 1)]).await?;
    tx.commit().await?;
    let mut products = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let shown = usize::try_from(LISTED).unwrap_or(usize::MAX);
    let is_cut = products.len() > shown;
    products.truncate(shown);
    Ok(Html(ListPage { viewer, query, products, is_cut }.render()?))
}

struct PriceRow {
    id: String,
    margin: Margin,
}

struct Note {
    body: String,
    written_by: String,
    written_at: String,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    viewer: Viewer,
    id: String,
    sku: String,
    name: String,
    pack: String,
    category: String,
    minimum: Option<Percent>,
    prices: Vec<PriceRow>,
    changes: Vec<Change>,
    notes: Vec<Note>,
}

pub(crate) async fn show(
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Problem> {
    let id = id?.0;
    let tx = session.begin().await?;
    let product = tx.one(sql::PRODUCT, &[&id]).await?;
    let price = |row: &Row| -> Result<PriceRow, Problem> {
        Ok(PriceRow { id: row.try_get("price_id")?, margin: read_margin(row)? })
    };
    let note = |row: &Row| -> Result<Note, Problem> {
        Ok(Note {
            body: row.try_get("body")?,
            written_by: row.try_get("written_by")?,
            written_at: row.try_get("written_at")?,
        })
    };
    let prices = tx.all(sql::PRODUCT_PRICES, &[&id]).await?;
    let notes = tx.all(sql::PRODUCT_NOTES, &[&id, &REMEMBERED]).await?;
    let page = ProductPage {
        viewer: tx.viewer().await?,
        sku: product.try_get("sku")?,
        name: product.try_get("name")?,
        pack: product.try_get("pack")?,
        category: product.try_get("category")?,
        minimum: product.try_get::<_, Option<f64>>("minimum_percent")?.map(Percent),
        prices: prices.iter().map(price).collect::<Result<_, _>>()?,
        changes: approvals::changes(&tx, Some(&id), None, REMEMBERED).await?,
        notes: notes.iter().map(note).collect::<Result<_, _>>()?,
        id: product.try_get("id")?,
    };
    tx.commit().await?;
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
pub(crate) struct Proposal {
    price_id: String,
    amount: String,
    reason: String,
}

/// A proposal changes no price: it waits on the list of approvals.
pub(crate) async fn propose(
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<Proposal>, FormRejection>,
) -> Result<Redirect, Problem> {
    let (id, form) = (id?.0, form?.0);
    let amount: Money = form.amount.parse()?;
    let reason = text("reason", &form.reason, REASON_LIMIT)?;
    let tx = session.begin().await?;
    let product = tx.one(sql::PRODUCT, &[&id]).await?;
    if tx.execute(sql::PROPOSE, &[&id, &form.price_id, &amount.0, &reason]).await? == 0 {
        return Err(Problem::NotFound);
    }
    let id: String = product.try_get("id")?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/products/{id}#history")))
}

#[derive(Deserialize)]
pub(crate) struct NewNote {
    body: String,
}

pub(crate) async fn add_note(
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NewNote>, FormRejection>,
) -> Result<Redirect, Problem> {
    let (id, form) = (id?.0, form?.0);
    let body = text("note", &form.body, NOTE_LIMIT)?;
    let tx = session.begin().await?;
    let product = tx.one(sql::PRODUCT, &[&id]).await?;
    tx.execute(sql::ADD_NOTE, &[&id, &body]).await?;
    let id: String = product.try_get("id")?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/products/{id}#notes")))
}

/// A text of a form, neither empty nor longer than the schema takes.
fn text<'a>(what: &str, given: &'a str, limit: usize) -> Result<&'a str, Problem> {
    let given = given.trim();
    match given.chars().count() {
        0 => Err(Problem::BadInput(format!("The {what} is empty."))),
        n if n > limit => {
            Err(Problem::BadInput(format!("The {what} has {n} characters; {limit} are possible.")))
        }
        _ => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use askama::Template as _;

    use super::{ListPage, text};
    use crate::session::Viewer;

    #[test]
    fn what_a_person_typed_is_shown_as_text_and_never_as_markup() {
        let viewer = Viewer {
            company: "<b>Company</b>".to_owned(),
            currency: "IDR".to_owned(),
            actor: "sari@sinar.example".to_owned(),
            pending: 0,
        };
        let query = "\"><script>alert(1)</script>".to_owned();
        let page = ListPage { viewer, query, products: Vec::new(), is_cut: false };
        let html = page.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#60;script&#62;"), "{html}");
    }

    #[test]
    fn a_text_is_counted_in_characters_as_the_schema_does() {
        assert_eq!(text("note", "  é×3  ", 3).unwrap(), "é×3");
        assert!(text("note", "four", 3).is_err());
        assert!(text("note", " \n ", 3).is_err());
    }
}
