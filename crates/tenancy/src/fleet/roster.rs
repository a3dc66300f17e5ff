//! Which cells there are, in the control database.

use jiff::Timestamp;
use store::{Db, OperatorTx, Row, Tx};

use super::cell::{CellCard, CellState, refused};
use super::{held, registry, sql};
use crate::{Error, Result};

/// Takes the turn at a cell: no other command adds or removes it meanwhile.
pub(super) async fn turn(registry: &Db, name: &str) -> Result<OperatorTx> {
    let lock = registry::waiting(registry).await?;
    if !lock.query_one(sql::CELL_TURN, &[&name]).await?.get::<_, bool>(0) {
        held::let_go(lock).await;
        return Err(refused(name, "is being worked on by another command; nothing was changed"));
    }
    Ok(lock)
}

/// Every cell, the first one first.
pub(super) async fn cards(registry: &Db) -> Result<Vec<CellCard>> {
    let tx = registry.operator().await?;
    let cards = read(&tx).await?;
    tx.rollback().await?;
    Ok(cards)
}

/// As [`cards`], in a transaction.
pub(super) async fn read(tx: &Tx) -> Result<Vec<CellCard>> {
    tx.query(sql::CELLS, &[]).await?.iter().map(card_of).collect()
}

/// A cell by its name.
pub(super) async fn card(registry: &Db, name: &str) -> Result<Option<CellCard>> {
    Ok(cards(registry).await?.into_iter().find(|card| card.name == name))
}

/// Notes that a cell is being added. One that was begun is begun anew, with synthetic tenants of its own
/// where it is another server now.
pub(super) async fn make(
    registry: &Db,
    name: &str,
    (server, mark): (&str, &str),
    capacity: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::FORGET_OTHER_PAIR, &[&name, &server]).await?;
    tx.execute(sql::MAKE_CELL, &[&name, &server, &mark, &capacity, &now]).await?;
    Ok(tx.commit().await?)
}

/// Notes whether a cell takes tenants.
pub(super) async fn set_state(registry: &Db, name: &str, state: CellState) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::SET_CELL_STATE, &[&name, &state.as_str()]).await?;
    Ok(tx.commit().await?)
}

/// Notes how many tenants a cell takes.
pub(super) async fn set_capacity(registry: &Db, name: &str, capacity: Option<i64>) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::SET_CAPACITY, &[&name, &capacity]).await?;
    Ok(tx.commit().await?)
}

/// Which of these cells a bite is to be made on.
pub(super) async fn next_to_bite(registry: &Db, among: &[&str]) -> Result<Option<String>> {
    let tx = registry.operator().await?;
    let row = tx.query_opt(sql::NEXT_TO_BITE, &[&among]).await?;
    tx.rollback().await?;
    Ok(row.map(|row| row.get(0)))
}

/// Notes that a bite was made there, and was sharp.
pub(super) async fn bitten(registry: &Db, name: &str, now: Timestamp) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::BITTEN, &[&name, &now]).await?;
    Ok(tx.commit().await?)
}

/// Lets nobody choose a cell any more, if it is empty. How many tenants, and copies of them, are
/// there.
pub(super) async fn close(registry: &Db, name: &str) -> Result<i64> {
    let tx = registry.operator().await?;
    tx.query(sql::CHOOSE, &[]).await?;
    let there: i64 = tx.query_one(sql::CELL_HOLDS, &[&name]).await?.get(0);
    if there == 0 {
        tx.execute(sql::SET_CELL_STATE, &[&name, &CellState::Making.as_str()]).await?;
    }
    tx.commit().await?;
    Ok(there)
}

/// Forgets a cell, and synthetic tenants that could not be dropped there.
pub(super) async fn forget(registry: &Db, name: &str) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::FORGET_PAIR, &[&name]).await?;
    tx.execute(sql::FORGET_CELL, &[&name]).await?;
    Ok(tx.commit().await?)
}

fn card_of(row: &Row) -> Result<CellCard> {
    let word: &str = row.get(1);
    let state = CellState::ALL.into_iter().find(|known| known.as_str() == word);
    // It is of a newer Amanah then, and means what we cannot guess.
    let newer = || Error::Newer { what: "cell", state: word.to_owned() };
    Ok(CellCard {
        name: row.get(0),
        state: state.ok_or_else(newer)?,
        capacity: row.get(2),
        server: row.get(3),
        added_at: row.get(4),
        tenants: row.get(5),
        mark: row.get(6),
    })
}

#[cfg(test)]
mod tests {
    use store::{Db, OperatorTx, ident};

    use super::super::registry;
    use crate::FLEET_ROOM;

    const LIMIT: &str = "SELECT pg_catalog.current_setting('idle_in_transaction_session_timeout')";

    async fn limit(tx: &OperatorTx) -> String {
        tx.query_one(LIMIT, &[]).await.unwrap().get(0)
    }

    /// Whoever holds a turn does nothing in its transaction for as long as the work takes.
    #[tokio::test]
    async fn a_turn_outlasts_the_limits_of_the_server() {
        let db = testkit::database(&[&FLEET_ROOM]).await;
        let tx = db.superuser.operator().await.unwrap();
        let name = ident(&db.name);
        tx.batch(&format!(
            "ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1min'"
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let registry = Db::connect(db.owner.url(), 3).await.unwrap();
        let usual = registry.operator().await.unwrap();
        assert_eq!(limit(&usual).await, "1min");
        let cell = super::turn(&registry, "east").await.unwrap();
        assert_eq!(limit(&cell).await, "0");
        let other = registry::waiting(&registry).await.unwrap();
        assert_eq!(limit(&other).await, "0");
        other.rollback().await.unwrap();
        let again = registry.operator().await.unwrap();
        assert_eq!(limit(&again).await, "1min", "it ends with the transaction");
    }
}
