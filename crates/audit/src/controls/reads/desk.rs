//! What a login that may ask gets, and when.

use kernel::Finding;
use store::{Db, Row, Tx};

use super::super::reach::ABOUT;
use super::{FIX, TRAIL, Way, run};
use crate::canary::Canary;
use crate::reading::sql::{ASK, COUNT, READ};
use crate::{Result, sql};

/// Why the reading of the proof is made, as the row about it has to say.
const PURPOSE: &str = "the proof of audit.reads";

/// An auditor's login, and who sees what he leaves.
pub(super) struct Desk<'a> {
    pub(super) trail: &'a Db,
    pub(super) login: &'a Db,
    /// A row of the trail that is asked for.
    pub(super) row: i64,
    /// `admin` or `auditor`.
    pub(super) role: &'static str,
}

impl Desk<'_> {
    /// Tries what must be refused, then reads as it is meant.
    pub(super) async fn examine(&self, canary: &Canary) -> Result<super::Ledger> {
        let name = format!("a member of amanah_{}", self.role);
        let tx = self.login.operator().await?;
        tx.batch(sql::ATTACK_SETTINGS).await?;
        let mut ledger = run(&tx, &name, &super::ways(canary)).await?;
        tx.rollback().await?;
        for (deed, early) in [
            ("read before the row about it was committed", false),
            ("read before a savepoint with the row about it was committed", true),
        ] {
            ledger.add(self.uncommitted(&name, deed, early).await?);
        }
        let made_up = "'00000000-0001-8000-8000-000000000000'";
        ledger.add(self.refused(&name, "read with a ticket that was made up", made_up).await?);
        ledger.add(self.recorded(&name).await?);
        Ok(ledger)
    }

    fn filter(&self) -> String {
        format!("{{\"last\": {0}, \"first\": {0}}}", self.row)
    }

    /// Asks, committed or not as `tx` will be.
    async fn ask(&self, tx: &Tx) -> Result<String> {
        let row = tx.query_one(ASK, &[&self.filter(), &PURPOSE]).await?;
        Ok(row.get(0))
    }

    /// Asks, and commits that.
    async fn asked(&self) -> Result<String> {
        let tx = self.login.operator().await?;
        let asked = self.ask(&tx).await?;
        tx.commit().await?;
        Ok(asked)
    }

    /// Takes two steps in one transaction, and takes it back; then the ticket is worth nothing either.
    async fn uncommitted(
        &self,
        name: &str,
        deed: &'static str,
        savepoint: bool,
    ) -> Result<super::Ledger> {
        let asked = self.asked().await?;
        let tx = self.login.operator().await?;
        if savepoint {
            tx.batch("SAVEPOINT amanah_asked").await?;
        }
        let just = self.ask(&tx).await?;
        let ticket: String = tx.query_one(COUNT, &[&asked]).await?.get(0);
        if savepoint {
            tx.batch("RELEASE SAVEPOINT amanah_asked").await?;
        }
        let (just, quoted) = (store::literal(&just), store::literal(&ticket));
        let ways = [counting(&just), reading(deed, &quoted)];
        let mut ledger = run(&tx, name, &ways).await?;
        tx.rollback().await?;
        ledger.add(self.refused(name, "read what was asked for and rolled back", &quoted).await?);
        Ok(ledger)
    }

    async fn refused(&self, name: &str, deed: &'static str, ticket: &str) -> Result<super::Ledger> {
        let tx = self.login.operator().await?;
        let ledger = run(&tx, name, &[reading(deed, ticket)]).await?;
        tx.rollback().await?;
        Ok(ledger)
    }

    /// Reads the row, and looks for the row about that.
    async fn recorded(&self, name: &str) -> Result<super::Ledger> {
        let asked = self.asked().await?;
        let tx = self.login.operator().await?;
        let ticket: String = tx.query_one(COUNT, &[&asked]).await?.get(0);
        tx.commit().await?;
        let tx = self.login.operator().await?;
        let rows = tx.query(READ, &[&ticket, &"0", &0_i64, &10_i64]).await?;
        tx.rollback().await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let mut ledger = super::Ledger { checked: 1, total: 1, ..super::Ledger::default() };
        let mut add = |what: String| ledger.findings.push(Finding::new(TRAIL, what).fix(FIX));
        if ids != [self.row] {
            add(format!("{name} asked for one row of the trail and got {}", ids.len()));
        }
        let tx = self.trail.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        let about = tx.query(ABOUT, &[&ticket, &self.filter()]).await?;
        tx.rollback().await?;
        let wanted = (self.login.url().user.clone(), true, "1".to_owned(), PURPOSE.to_owned());
        let said = |row: &Row| {
            let text = |n| row.get::<_, Option<String>>(n).unwrap_or_default();
            (text(0), row.get::<_, Option<bool>>(1).unwrap_or_default(), text(2), text(3))
        };
        match about.as_slice() {
            [one] if said(one) == wanted => {}
            [_] => add(format!(
                "the row about a reading by {name} does not say who, what, how many and why"
            )),
            [] => add(format!("{name} has read, and no row says so")),
            _ => add(format!("{name} has read once, and several rows say so")),
        }
        Ok(ledger)
    }
}

fn counting(asked: &str) -> Way {
    let sql = format!("SELECT count(*) FROM audit.count({asked}::uuid)");
    super::way("audit.count", "count before the row about it was committed", sql)
}

fn reading(deed: &'static str, ticket: &str) -> Way {
    super::way("audit.read", deed, format!("SELECT count(*) FROM audit.read({ticket}::uuid)"))
}
