//! Which cell a new tenant goes to: the one with the most free room among those that answer.

use std::cmp::Reverse;
use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};

use super::{AT_ONCE, Cell, CellCard, CellState, HOME, refused};
use crate::fleet::{Fleet, roster, sql};
use crate::{Error, Result};

/// The cells that can be chosen, each with how much is there, and why others cannot.
#[derive(Default)]
pub(in crate::fleet) struct Choice {
    /// Asked for by name.
    wanted: Option<String>,
    /// In bytes, by name.
    answers: HashMap<String, i64>,
    /// By name, why not.
    silent: HashMap<String, String>,
    /// Each cell has its synthetic tenants before it takes others, and when it takes no more.
    canary: bool,
}

impl Choice {
    /// The cell that a synthetic tenant is for, whatever else it takes.
    pub(in crate::fleet) fn canary(name: &str) -> Self {
        Self { canary: true, ..Self::only(name) }
    }

    /// One cell and no other.
    pub(in crate::fleet) fn only(name: &str) -> Self {
        let (wanted, answers) = (Some(name.to_owned()), HashMap::from([(name.to_owned(), 0)]));
        Self { wanted, answers, ..Self::default() }
    }

    /// Chooses among all cells as they are now.
    pub(in crate::fleet) fn among(&self, cards: &[CellCard]) -> Result<String> {
        if let Some(wanted) = &self.wanted {
            let card = cards.iter().find(|card| card.name == *wanted);
            let card = card.ok_or_else(|| Error::NoCell(wanted.clone()))?;
            return match self.against(card) {
                Some(why) if !self.canary => {
                    let undo = match card.state {
                        CellState::Draining => {
                            format!("; `amanah cell drain {wanted} --undo` takes that back")
                        }
                        _ => String::new(),
                    };
                    Err(refused(wanted, &format!("takes no new tenant: it {why}{undo}")))
                }
                _ => Ok(wanted.clone()),
            };
        }
        let fits = cards.iter().filter(|card| self.against(card).is_none());
        // Without a bound there is more room than with any.
        let room = |card: &&CellCard| {
            let bytes = self.answers.get(&card.name).copied().unwrap_or_default();
            (card.free().unwrap_or(i64::MAX), Reverse(bytes), Reverse(card.name.clone()))
        };
        let chosen = fits.max_by_key(room).map(|card| card.name.clone());
        chosen.ok_or_else(|| {
            let why = |card: &CellCard| Some(format!("{} {}", card.name, self.against(card)?));
            Error::NoRoom(cards.iter().filter_map(why).collect::<Vec<_>>().join("; "))
        })
    }

    /// Why a cell cannot be chosen, if it cannot.
    fn against(&self, card: &CellCard) -> Option<String> {
        if card.state == CellState::Draining {
            return Some("is being drained".to_owned());
        }
        if card.state == CellState::Making {
            return Some("was not added to its end".to_owned());
        }
        if card.free() == Some(0) {
            return Some(format!("is full, with {} tenants", card.tenants));
        }
        if self.answers.contains_key(&card.name) {
            return None;
        }
        let why = self.silent.get(&card.name).map_or("it is new", String::as_str);
        Some(format!("cannot be reached: {why}"))
    }
}

impl Fleet {
    /// Asks the cells that a tenant could go to. With `wanted`, that one.
    pub(in crate::fleet) async fn choice(&self, wanted: Option<&str>) -> Result<Choice> {
        if let Some(name) = wanted {
            self.cell(name).await?.reached().await?;
            return Ok(Choice::only(name));
        }
        let cards = roster::cards(&self.settings.registry).await?;
        if cards.len() == 1 {
            return Ok(Choice { wanted: None, ..Choice::only(HOME) });
        }
        let mut choice = Choice::default();
        let mut there = Vec::new();
        for (card, cell) in self.survey().await? {
            match cell {
                Ok((cell, _)) => {
                    choice.answers.insert(card.name.clone(), 0);
                    there.push((card, cell));
                }
                Err(why) => drop(choice.silent.insert(card.name, why)),
            }
        }
        there.retain(|(card, _)| card.state == CellState::Open && card.free() != Some(0));
        // How much is there decides between equals alone, and takes long to count.
        let most = there.iter().map(|(card, _)| card.free().unwrap_or(i64::MAX)).max();
        there.retain(|(card, _)| Some(card.free().unwrap_or(i64::MAX)) == most);
        if there.len() > 1 {
            let weighed = stream::iter(there)
                .map(|(card, cell)| async move { (card.name, held(&cell).await) })
                .buffer_unordered(AT_ONCE);
            for (name, bytes) in weighed.collect::<Vec<_>>().await {
                choice.answers.insert(name, bytes?);
            }
        }
        Ok(choice)
    }
}

/// How much is in our databases on a cell, in bytes.
async fn held(cell: &Cell) -> Result<i64> {
    let tx = cell.maker.operator().await?;
    let prefix = format!("amt_{}_", cell.installation);
    let bytes = tx.query_one(sql::HELD_BYTES, &[&prefix]).await?.get(0);
    tx.rollback().await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jiff::Timestamp;

    use super::{CellCard, CellState, Choice};

    fn card(name: &str, state: CellState, capacity: Option<i64>, tenants: i64) -> CellCard {
        let (name, added_at) = (name.to_owned(), Timestamp::UNIX_EPOCH);
        CellCard { name, state, capacity, tenants, added_at, server: None, mark: None }
    }

    #[test]
    fn the_cell_with_the_most_free_room_is_chosen() {
        let bytes = [("a", 10), ("b", 5), ("c", 1), ("full", 0), ("drains", 0)];
        let answers = bytes.map(|(name, bytes)| (name.to_owned(), bytes));
        let silent = HashMap::from([("down".to_owned(), "no route".to_owned())]);
        let choice = Choice { answers: HashMap::from(answers), silent, ..Choice::default() };
        let mut cards = vec![
            card("full", CellState::Open, Some(3), 3),
            card("drains", CellState::Draining, None, 0),
            card("down", CellState::Open, None, 0),
        ];
        let none = choice.among(&cards).unwrap_err().to_string();
        for words in ["full is full, with 3", "drains is being drained", "down cannot", "no route"]
        {
            assert!(none.contains(words), "{none}");
        }
        cards.push(card("a", CellState::Open, Some(10), 5));
        cards.push(card("b", CellState::Open, Some(6), 1));
        assert_eq!(choice.among(&cards).unwrap(), "b", "equal room, and less is there");
        cards.push(card("c", CellState::Open, Some(6), 0));
        assert_eq!(choice.among(&cards).unwrap(), "c", "the most room");
        let wanted = Choice::only("full").among(&cards).unwrap_err().to_string();
        let drains = Choice::only("drains").among(&cards).unwrap_err().to_string();
        assert!(
            drains.contains("it is being drained; `amanah cell drain drains --undo`"),
            "{drains}"
        );
        assert!(wanted.contains("the cell `full` takes no new tenant: it is full"), "{wanted}");
    }
}
