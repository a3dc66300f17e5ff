//! Every permission against every role, as a table that people review.

use std::fmt;

use kernel::{Bits, PermissionId};

use crate::{Catalogue, Error, Result};

const GOLDEN: &str = include_str!("../catalogue/matrix.txt");
/// What a cell says when the role permits it.
const YES: char = 'x';
const NO: char = '.';

/// Permissions and roles, and which role permits what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The roles' names, in the order of the columns.
    pub roles: Vec<String>,
    /// Each permission with its number and name, in the order of the rows.
    pub permissions: Vec<(PermissionId, String)>,
    /// What each role permits.
    pub permits: Vec<Bits>,
}

impl Matrix {
    /// The one that was reviewed. It is a text of its own, compiled into the program, so that a
    /// change of the catalogue, of the database or of the code that decides cannot change it too.
    ///
    /// # Errors
    /// When the text cannot be read, which a test rules out.
    pub fn golden() -> Result<Self> {
        Self::read(GOLDEN)
    }

    /// What `catalogue` says.
    pub fn of(catalogue: &Catalogue) -> Self {
        let permissions = catalogue.permissions().iter().map(|p| (p.id, p.name.clone()));
        Self {
            roles: catalogue.roles().iter().map(|role| role.name.clone()).collect(),
            permissions: permissions.collect(),
            permits: catalogue.roles().iter().map(|role| role.all).collect(),
        }
    }

    /// What the role called `role` permits.
    pub fn permits(&self, role: &str) -> Option<&Bits> {
        let column = self.roles.iter().position(|name| name == role)?;
        self.permits.get(column)
    }

    /// Reads what [`Matrix`] writes.
    ///
    /// # Errors
    /// [`Error::Catalogue`] says which line cannot be read.
    pub fn read(text: &str) -> Result<Self> {
        let (mut roles, mut permissions, mut permits) = (Vec::new(), Vec::new(), Vec::new());
        for (n, line) in text.lines().enumerate() {
            let wrong = || Error::Catalogue(format!("line {} of the matrix cannot be read", n + 1));
            if let Some(role) = line.strip_prefix("# ") {
                let (_, name) = role.split_once(' ').ok_or_else(wrong)?;
                roles.push(name.to_owned());
                permits.push(Bits::EMPTY);
                continue;
            }
            let mut words = line.split_whitespace();
            let (number, cells, name) = (words.next(), words.next(), words.next());
            let (Some(number), Some(cells), Some(name), None) = (number, cells, name, words.next())
            else {
                return Err(wrong());
            };
            let id = number.parse().ok().and_then(PermissionId::new).ok_or_else(wrong)?;
            if cells.chars().count() != roles.len() {
                return Err(wrong());
            }
            for (cell, bits) in cells.chars().zip(&mut permits) {
                match cell {
                    YES => bits.insert(id),
                    NO => {}
                    _ => return Err(wrong()),
                }
            }
            permissions.push((id, name.to_owned()));
        }
        Ok(Self { roles, permissions, permits })
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, role) in self.roles.iter().enumerate() {
            writeln!(f, "# {:02} {role}", n + 1)?;
        }
        for (id, name) in &self.permissions {
            let cell = |bits: &Bits| if bits.has(*id) { YES } else { NO };
            let cells: String = self.permits.iter().map(cell).collect();
            writeln!(f, "{:04} {cells} {name}", id.number())?;
        }
        Ok(())
    }
}
