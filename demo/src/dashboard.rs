//! The first page: how the margins stand, and what waits for a decision.

use askama::Template;
use axum::response::Html;

use crate::approvals::{self, Change};
use crate::money::Percent;
use crate::problem::Problem;
use crate::products::{self, Product};
use crate::session::{Session, Viewer};
use crate::sql;

/// Rows in each of the two lists.
const SHOWN: i64 = 8;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page {
    viewer: Viewer,
    products: i64,
    suppliers: i64,
    below_minimum: i64,
    average_margin: Option<Percent>,
    lowest: Vec<Product>,
    pending: Vec<Change>,
}

pub(crate) async fn show(mut session: Session) -> Result<Html<String>, Problem> {
    let tx = session.begin().await?;
    let summary = tx.one(sql::SUMMARY, &[]).await?;
    let lowest = tx.all(sql::LOWEST_MARGINS, &[&SHOWN]).await?;
    let page = Page {
        viewer: tx.viewer().await?,
        products: summary.try_get("products")?,
        suppliers: summary.try_get("suppliers")?,
        below_minimum: summary.try_get("below_minimum")?,
        average_margin: summary.try_get::<_, Option<f64>>("average_margin")?.map(Percent),
        lowest: lowest.iter().map(products::read).collect::<Result<_, _>>()?,
        pending: approvals::changes(&tx, None, Some(true), SHOWN).await?,
    };
    tx.commit().await?;
    Ok(Html(page.render()?))
}
