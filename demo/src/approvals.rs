//! Proposals and the decisions on them: who proposes a price never approves it. The database
//! enforces that rule; this file only asks, and hides buttons that would be refused.

use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{Html, Redirect};
use tokio_postgres::Row;

use crate::money::{Money, Percent};
use crate::problem::Problem;
use crate::products::is_below;
use crate::session::{BoundTx, Session, Viewer};
use crate::sql;

/// Proposals that wait, and decisions, on the page.
const WAITING: i64 = 100;
const DECIDED: i64 = 20;

/// A proposed price and what became of it.
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) product_id: String,
    pub(crate) sku: String,
    pub(crate) product: String,
    pub(crate) pack: String,
    pub(crate) price_list: String,
    pub(crate) old: Money,
    pub(crate) new: Money,
    pub(crate) new_margin: Option<Percent>,
    pub(crate) is_below_minimum: bool,
    pub(crate) reason: String,
    pub(crate) proposed_by: String,
    pub(crate) proposed_at: String,
    pub(crate) is_mine: bool,
    pub(crate) decision: Option<Decision>,
}

/// What was decided, by whom and when.
pub(crate) struct Decision {
    pub(crate) word: String,
    pub(crate) by: String,
    pub(crate) at: String,
}

/// The newest proposals, at most `limit`: of one product or of all; waiting ones, decided ones
/// or both.
pub(crate) async fn changes(
    tx: &BoundTx<'_>,
    product: Option<&str>,
    waiting: Option<bool>,
    limit: i64,
) -> Result<Vec<Change>, Problem> {
    let rows = tx.all(sql::CHANGES, &[&product, &waiting, &limit]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Change, Problem> {
    let new_margin = row.try_get::<_, Option<f64>>("new_margin")?.map(Percent);
    let minimum = row.try_get::<_, Option<f64>>("minimum_percent")?.map(Percent);
    let decision = match row.try_get("decision")? {
        Some(word) => {
            Some(Decision { word, by: row.try_get("decided_by")?, at: row.try_get("decided_at")? })
        }
        None => None,
    };
    Ok(Change {
        id: row.try_get("id")?,
        product_id: row.try_get("product_id")?,
        sku: row.try_get("sku")?,
        product: row.try_get("product")?,
        pack: row.try_get("pack")?,
        price_list: row.try_get("price_list")?,
        old: Money(row.try_get("old_amount")?),
        new: Money(row.try_get("new_amount")?),
        new_margin,
        is_below_minimum: is_below(new_margin, minimum),
        reason: row.try_get("reason")?,
        proposed_by: row.try_get("proposed_by")?,
        proposed_at: row.try_get("proposed_at")?,
        is_mine: row.try_get::<_, Option<bool>>("mine")?.unwrap_or(false),
        decision,
    })
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct Page {
    viewer: Viewer,
    waiting: Vec<Change>,
    decided: Vec<Change>,
}

pub(crate) async fn list(mut session: Session) -> Result<Html<String>, Problem> {
    let tx = session.begin().await?;
    let page = Page {
        viewer: tx.viewer().await?,
        waiting: changes(&tx, None, Some(true), WAITING).await?,
        decided: changes(&tx, None, Some(false), DECIDED).await?,
    };
    tx.commit().await?;
    Ok(Html(page.render()?))
}

/// The decision and the new price in one transaction: both are kept, or neither.
pub(crate) async fn approve(
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Result<Redirect, Problem> {
    let id = id?.0;
    let tx = session.begin().await?;
    decide(&tx, &id, "approved").await?;
    if tx.execute(sql::APPLY, &[&id]).await? == 0 {
        return Err(Problem::PriceMoved);
    }
    tx.commit().await?;
    Ok(Redirect::to("/approvals#decided"))
}

pub(crate) async fn reject(
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Result<Redirect, Problem> {
    let id = id?.0;
    let tx = session.begin().await?;
    decide(&tx, &id, "rejected").await?;
    tx.commit().await?;
    Ok(Redirect::to("/approvals#decided"))
}

async fn decide(tx: &BoundTx<'_>, id: &str, decision: &str) -> Result<(), Problem> {
    match tx.execute(sql::DECIDE, &[&id, &decision]).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(()),
    }
}
