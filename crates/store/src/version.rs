//! Which servers are safe enough for row-level security.

use crate::{Db, Error, Result};

/// The oldest safe minor of each supported line.
///
/// Older ones keep a cached plan after a role's membership or attributes changed, so that a policy
/// of the past stays in force (CVE-2026-14666), and have the earlier holes of that kind.
const FLOORS: &[(u32, u32)] = &[(15, 19), (16, 15), (17, 11), (18, 5)];
/// Lines newer than the last one in [`FLOORS`] began after the repair.
const NEWEST: (u32, u32) = (18, 5);
const WHY: &str = "older ones can keep an outdated row-security policy in force, CVE-2026-14666";

/// Major and minor number of a server: 15.20 is `(15, 20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Version {
    /// Reads the first `15.20` in `text`, as `postgres --version` and `server_version` print it.
    pub fn find(text: &str) -> Option<Self> {
        let number = |part: &str| part.parse().ok();
        text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
            let (major, minor) = word.split_once('.')?;
            Some(Self(number(major)?, number(minor.split('.').next()?)?))
        })
    }

    /// Refuses a version that is not safe.
    ///
    /// # Errors
    /// [`Error::TooOld`], with the oldest safe version of that line.
    pub fn check(self) -> Result<()> {
        let floor = FLOORS.iter().find(|(major, _)| *major == self.0).copied();
        let safe = match floor {
            Some((_, minor)) => self.1 >= minor,
            None => self.0 > NEWEST.0,
        };
        if safe {
            return Ok(());
        }
        let (major, minor) = floor.unwrap_or((15, 19));
        Err(Error::TooOld { found: self.to_string(), floor: format!("{major}.{minor}"), why: WHY })
    }
}

impl Db {
    /// What tells the server that answers from every other one.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn server(&self) -> Result<String> {
        let tx = self.operator().await?;
        let sql = "SELECT c.system_identifier::pg_catalog.text
                     FROM pg_catalog.pg_control_system() c";
        let server = tx.query_one(sql, &[]).await?.get(0);
        tx.rollback().await?;
        Ok(server)
    }

    /// The version of the server that answers.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<Version> {
        let tx = self.operator().await?;
        let row = tx.query_one("SELECT pg_catalog.current_setting('server_version')", &[]).await?;
        let text: String = row.get(0);
        tx.rollback().await?;
        Ok(Version::find(&text).unwrap_or(Version(0, 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(Version::find("postgres (PostgreSQL) 15.20 (Debian)"), Some(Version(15, 20)));
        assert_eq!(Version::find("16.9"), Some(Version(16, 9)));
        assert_eq!(Version::find("19beta1"), None);
        assert!(Version(15, 19).check().is_ok() && Version(19, 0).check().is_ok());
        let old = Version(15, 18).check().unwrap_err().to_string();
        assert!(old.starts_with("PostgreSQL 15.18 is too old: 15.19 or newer"), "{old}");
        assert!(Version(14, 40).check().is_err() && Version(18, 4).check().is_err());
    }
}
