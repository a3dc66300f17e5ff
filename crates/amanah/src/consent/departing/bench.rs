//! A copy of the control database in which off-boardings spare something.

use std::sync::Arc;

use access::controls::{Doorstep, Fault, Leaver, Premises as _, Spared, Sparing};
use kernel::Fut;
use store::Db;
use tokio::sync::OnceCell;

use super::{KINDS, Person, sql};
use crate::consent::workshop::{Bench, Made};

/// Makes it.
pub(crate) struct Sparer(pub(crate) Arc<Bench>);

/// The copy.
struct Copy {
    made: Made,
    /// Whether what was ended can be brought back.
    loose: OnceCell<()>,
}

impl Sparing for Sparer {
    fn build(&self) -> Fut<'_, Result<Box<dyn Doorstep>, String>> {
        Box::pin(async move {
            let made = self.0.made(Fault::None).await;
            let made = made.map_err(|error| format!("no sandbox: {error:#}"))?;
            // Before many need them at once.
            let ready = async {
                made.people().await?;
                run(&made.db, sql::SPARE).await.map_err(|error| format!("{error:#}"))
            };
            if let Err(why) = ready.await {
                made.remove().await;
                return Err(why);
            }
            Ok(Box::new(Copy { made, loose: OnceCell::new() }) as Box<dyn Doorstep>)
        })
    }
}

impl Copy {
    async fn leaver(&self, spared: Spared<'_>) -> anyhow::Result<Spares> {
        let db = self.made.db.clone();
        let kind = match spared {
            Spared::Nothing => None,
            Spared::Table => {
                run(&db, sql::FORGOTTEN).await?;
                None
            }
            Spared::Credential(name) => {
                self.loose.get_or_try_init(|| run(&db, sql::LOOSEN)).await?;
                KINDS.into_iter().find(|kind| *kind == name)
            }
        };
        let person = Person::equipped(&self.made.here).await?;
        Ok(Spares { person, db, spared: kind })
    }
}

impl Doorstep for Copy {
    fn equip<'a>(&'a self, spared: Spared<'a>) -> Fut<'a, Result<Box<dyn Leaver>, String>> {
        Box::pin(async move {
            let leaver = self.leaver(spared).await.map_err(|error| format!("{error:#}"))?;
            Ok(Box::new(leaver) as Box<dyn Leaver>)
        })
    }

    fn close(&self) -> Fut<'_, ()> {
        Box::pin(self.made.remove())
    }
}

/// Somebody of whom one thing is brought back as soon as it was ended.
struct Spares {
    person: Person,
    db: Db,
    spared: Option<&'static str>,
}

impl Leaver for Spares {
    fn holds(&self) -> Vec<&'static str> {
        self.person.holds()
    }

    fn once(&self, what: &str) -> bool {
        self.person.once(what)
    }

    fn works<'a>(&'a self, what: &'a str) -> Fut<'a, Result<bool, String>> {
        self.person.works(what)
    }

    fn leave(&self) -> Fut<'_, Result<Vec<String>, String>> {
        Box::pin(async {
            let spared = self.spared.map(sql::revive).unwrap_or_default();
            self.all(&sql::KEEP).await.map_err(|error| format!("{error:#}"))?;
            let left = self.person.leave().await?;
            self.all(spared).await.map_err(|error| format!("{error:#}"))?;
            Ok(left)
        })
    }
}

impl Spares {
    /// These statements about the person, all of them or none.
    async fn all(&self, statements: &[&str]) -> anyhow::Result<()> {
        let tx = self.db.operator().await?;
        for statement in statements {
            tx.execute(statement, &[&self.person.account]).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn run(db: &Db, statements: &str) -> anyhow::Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
