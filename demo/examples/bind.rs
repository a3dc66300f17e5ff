//! The Rust recipe of docs/binding.md as a program: bind, read, and read again without a binding.
//!
//! `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE` say where, `AMANAH_BINDING` is the
//! token. It prints one line for each transaction.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own, for a terminal: it reads its environment"
)]

use std::env::{VarError, var};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};

// recipe
async fn products(db: &mut Client, token: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let tx = db.transaction().await?;
    tx.query_typed("SELECT amanah.bind($1)", &[(&token, Type::TEXT)]).await?;
    let rows = tx.query_typed("SELECT name FROM product ORDER BY name", &[]).await?;
    tx.commit().await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
// end of the recipe

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::new();
    config.host(var("PGHOST")?).port(var("PGPORT")?.parse()?).user(var("PGUSER")?);
    config.password(var("PGPASSWORD")?).dbname(var("PGDATABASE")?);
    let (mut db, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    println!("{}", products(&mut db, &token()?).await?.join(" "));
    let rows = db.query_typed("SELECT name FROM product", &[]).await?;
    println!("{}", rows.len());
    Ok(())
}

fn token() -> Result<String, VarError> {
    var("AMANAH_BINDING")
}
