//! A second mark of how far a log was read, apart from the control database.
//!
//! It promises that who is a superuser of the server on which the control database lies too, and moves how far
//! the log was read together with the slot, or explains or removes what was found, is found at the next
//! look. The mark is a file on the side of Amanah's keys.
//!
//! It is written before the control database commits, with how that stood last and how it is to stand: so
//! a process that is killed in between leaves one of them. A state of before that somebody puts back is
//! behind the slot, which is a gap.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use store::{Db, OperatorTx, Tx};

use super::{Comparison, Place, drop_slot, place, sql};
use crate::{Error, Result};

/// How many states are kept: more than one, since what is to be committed may not come to it.
const STATES: usize = 3;

/// The files with the marks: one for each database, in a folder that need not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Marks(PathBuf);

impl Marks {
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// How the control database may stand; nothing where no mark was kept yet.
    fn read(&self, place: &Place) -> Result<Option<Vec<String>>> {
        match fs::read_to_string(self.path(place)) {
            Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(place, &error)),
        }
    }

    /// Writes all of it or nothing.
    fn write(&self, place: &Place, states: &[String]) -> Result<()> {
        let path = self.path(place);
        let unfinished = path.with_extension("unfinished");
        let replace = || {
            fs::create_dir_all(&self.0)?;
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(states.join("\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        replace().map_err(|error| self.failed(place, &error))
    }

    fn remove(&self, place: &Place) -> Result<()> {
        match fs::remove_file(self.path(place)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(place, &error)),
            _ => Ok(()),
        }
    }

    fn path(&self, place: &Place) -> PathBuf {
        self.0.join(format!("{}-{}", place.system, place.slot))
    }

    fn failed(&self, place: &Place, error: &std::io::Error) -> Error {
        let why = format!("{error}; nothing was compared");
        Error::Memory { place: self.path(place).display().to_string(), why }
    }
}

impl Comparison {
    /// The same, with a second mark in files of this folder.
    #[must_use]
    pub fn marked(self, folder: PathBuf) -> Self {
        Self { marks: Some(Marks::at(folder)), ..self }
    }

    /// Whether the control database stands as the mark says, or there is none.
    pub(super) async fn is_as_marked(&self, place: &Place) -> Result<bool> {
        let Some(marks) = &self.marks else { return Ok(true) };
        let Some(states) = marks.read(place)? else { return Ok(true) };
        let tx = self.control.operator().await?;
        let now = state(&tx, place).await?;
        tx.rollback().await?;
        Ok(states.contains(&now))
    }

    /// Commits what was changed in the control database, with the mark before it.
    pub(super) async fn commit(&self, control: OperatorTx, place: &Place) -> Result<()> {
        if let Some(marks) = &self.marks {
            let mut states = marks.read(place)?.unwrap_or_default();
            states.push(state(&control, place).await?);
            states.drain(..states.len().saturating_sub(STATES));
            marks.write(place, &states)?;
        }
        Ok(control.commit().await?)
    }

    /// Notes who looked into a difference and what it was. `false` when there is none of this number
    /// that is still open.
    ///
    /// # Errors
    /// When the control database does not answer, or the explanation is empty or longer than 2,000
    /// bytes.
    pub async fn explain(&self, id: i64, by: &str, why: &str) -> Result<bool> {
        let tx = self.control.operator().await?;
        let Some(row) = tx.query_opt(sql::WHOSE, &[&id]).await? else { return Ok(false) };
        let place = Place::new(row.get(0), row.get(1));
        // Who looks meanwhile would find that nothing is as it was marked.
        tx.query(sql::TURN, &[&place.slot, &place.system]).await?;
        let done = tx.execute(sql::EXPLAIN, &[&id, &by, &why, &self.clock.now()]).await?;
        self.commit(tx, &place).await?;
        Ok(done > 0)
    }

    /// Forgets a sandbox with everything that was found in it.
    pub(crate) async fn forget(&self, superuser: &Db) -> Result<()> {
        let place = place(superuser).await?;
        drop_slot(superuser, &place).await?;
        let tx = self.control.operator().await?;
        for statement in [sql::FORGET, sql::FORGET_FOUND] {
            tx.execute(statement, &[&place.system, &place.database]).await?;
        }
        tx.commit().await?;
        self.marks.as_ref().map_or(Ok(()), |marks| marks.remove(&place))
    }
}

/// How the control database stands, in one line.
async fn state(tx: &Tx, place: &Place) -> Result<String> {
    Ok(tx.query_one(sql::STATE, &[&place.system, &place.database]).await?.get(0))
}
