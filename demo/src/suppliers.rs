//! Suppliers, and the API token of each: shown masked, and in clear only when somebody asks for it
//! and that was written down.

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Form, Path, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;

use crate::keys::{Keys, Place};
use crate::problem::Problem;
use crate::session::{Session, Viewer};
use crate::sql;

/// The longest token, in characters.
const TOKEN_LIMIT: usize = 200;
/// How many of those who looked are listed.
const SEEN: i64 = 10;

struct Supplier {
    id: String,
    name: String,
    city: String,
    /// The version of the key that encrypted its token, when it has one.
    version: Option<String>,
}

#[derive(Template)]
#[template(path = "suppliers.html")]
struct ListPage {
    viewer: Viewer,
    suppliers: Vec<Supplier>,
}

pub(crate) async fn list(mut session: Session) -> Result<Html<String>, Problem> {
    let tx = session.begin().await?;
    let rows = tx.all(sql::SUPPLIERS, &[]).await?;
    let viewer = tx.viewer().await?;
    tx.commit().await?;
    let suppliers = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Html(ListPage { viewer, suppliers }.render()?))
}

fn read(row: &tokio_postgres::Row) -> Result<Supplier, Problem> {
    Ok(Supplier {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        city: row.try_get("city")?,
        version: row.try_get("version")?,
    })
}

struct Look {
    by: String,
    at: String,
}

#[derive(Template)]
#[template(path = "supplier.html")]
struct SupplierPage {
    viewer: Viewer,
    supplier: Supplier,
    /// In clear, right after somebody asked for it.
    token: Option<String>,
    looks: Vec<Look>,
}

pub(crate) async fn show(
    session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Problem> {
    page(session, &id?.0, None).await
}

/// First the row that says who looks, then the look: what cannot be written down is not shown.
pub(crate) async fn reveal(
    State(keys): State<Keys>,
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Problem> {
    let id = id?.0;
    let tx = session.begin().await?;
    let row = tx.one(sql::SEALED_TOKEN, &[&id]).await?;
    tx.execute(sql::NOTE_LOOK, &[&id]).await?;
    tx.commit().await?;
    // The id as the database writes it, so that the context is the same at every spelling.
    let (tenant, id): (String, String) = (row.try_get("tenant")?, row.try_get("id")?);
    let sealed: String = row.try_get("api_token")?;
    let token = keys.open(&Place { tenant: &tenant, supplier: &id }, &sealed).await?;
    page(session, &id, Some(token)).await
}

#[derive(Deserialize)]
pub(crate) struct NewToken {
    token: String,
}

pub(crate) async fn replace(
    State(keys): State<Keys>,
    mut session: Session,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<NewToken>, FormRejection>,
) -> Result<Redirect, Problem> {
    let (id, form) = (id?.0, form?.0);
    let token = form.token.trim();
    if token.is_empty() || token.chars().count() > TOKEN_LIMIT {
        return Err(Problem::BadInput("A token has 1 to 200 characters.".to_owned()));
    }
    let tx = session.begin().await?;
    let row = tx.one(sql::SUPPLIER, &[&id]).await?;
    tx.commit().await?;
    let (tenant, id): (String, String) = (row.try_get("tenant")?, row.try_get("id")?);
    let sealed = keys.seal(&Place { tenant: &tenant, supplier: &id }, token).await?;
    // No transaction waits for an answer from elsewhere.
    let tx = session.begin().await?;
    tx.execute(sql::SET_TOKEN, &[&id, &sealed]).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/suppliers/{id}")))
}

async fn page(
    mut session: Session,
    id: &str,
    token: Option<String>,
) -> Result<Html<String>, Problem> {
    let tx = session.begin().await?;
    let supplier = read(&tx.one(sql::SUPPLIER, &[&id]).await?)?;
    let look = |row: &tokio_postgres::Row| -> Result<Look, Problem> {
        Ok(Look { by: row.try_get("revealed_by")?, at: row.try_get("revealed_at")? })
    };
    let looks = tx.all(sql::LOOKS, &[&id, &SEEN]).await?;
    let page = SupplierPage {
        viewer: tx.viewer().await?,
        supplier,
        token,
        looks: looks.iter().map(look).collect::<Result<_, _>>()?,
    };
    tx.commit().await?;
    Ok(Html(page.render()?))
}

#[cfg(test)]
mod tests {
    use askama::Template as _;

    use super::{Supplier, SupplierPage};
    use crate::session::Viewer;

    fn page(token: Option<&str>) -> String {
        let viewer = Viewer {
            company: "Company".to_owned(),
            currency: "IDR".to_owned(),
            actor: "sari@sinar.example".to_owned(),
            pending: 0,
        };
        let supplier = Supplier {
            id: "1".to_owned(),
            name: "UD Rempah Jaya".to_owned(),
            city: "Surabaya".to_owned(),
            version: Some("v3".to_owned()),
        };
        let token = token.map(str::to_owned);
        SupplierPage { viewer, supplier, token, looks: Vec::new() }.render().unwrap()
    }

    #[test]
    fn a_token_is_masked_and_shown_as_text() {
        let masked = page(None);
        assert!(masked.contains("••••") && masked.contains("v3") && masked.contains("/reveal"));
        let shown = page(Some("<b>sup</b>"));
        assert!(shown.contains("&#60;b&#62;sup") && !shown.contains("<b>sup"), "{shown}");
    }
}
