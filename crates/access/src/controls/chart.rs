//! What the proof of routes expects of each route and caller, as a table that people review.

use std::fmt;

use super::requests::{Wanted, callers};
use super::{Caller, STEP_UP};
use crate::{Matrix, Need, Route, Routes};

/// Every route of an application against everybody who may ask for it. A row is one method of one path; a
/// cell says what the gateway must do, and is what `access.per-action` compares its answer with.
#[derive(Debug)]
pub struct Chart {
    callers: Vec<Caller>,
    rows: Vec<(String, Vec<Wanted>)>,
}

impl Chart {
    /// What `routes` come to where roles permit what `matrix` says.
    pub fn of(routes: &Routes, matrix: &Matrix) -> Self {
        let callers = callers(matrix);
        let row = |name: String, need: Option<Need>| {
            let cells = callers.iter().map(|caller| Wanted::of(caller, need, matrix)).collect();
            (name, cells)
        };
        let named = |route: &Route| format!("{} {}", route.method, route.template);
        let mut rows: Vec<_> =
            routes.all().iter().map(|route| row(named(route), Some(route.need))).collect();
        rows.push(row("whatever else".to_owned(), None));
        Self { callers, rows }
    }

    /// Each row's name, with what is answered to each caller.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Vec<(String, &'static str)>)> {
        self.rows.iter().map(|(name, cells)| {
            let cells = self.callers.iter().zip(cells);
            (name.as_str(), cells.map(|(who, cell)| (who.to_string(), cell.word())).collect())
        })
    }
}

impl Wanted {
    const fn word(self) -> &'static str {
        match self {
            Self::Through => "let through",
            Self::Refused(label) => label,
        }
    }

    /// The same in one character.
    fn mark(self) -> char {
        match self {
            Self::Through => 'x',
            Self::Refused(STEP_UP) => '?',
            Self::Refused(_) => '.',
        }
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# x let through, . refused, ? asked to prove again who they are")?;
        for (n, caller) in self.callers.iter().enumerate() {
            writeln!(f, "# {:02} {caller}", n + 1)?;
        }
        for (name, cells) in &self.rows {
            let marks: String = cells.iter().map(|cell| cell.mark()).collect();
            writeln!(f, "{marks} {name}")?;
        }
        Ok(())
    }
}
