//! Copies of the control database in which an off-boarding spares something.

use std::sync::Arc;

use access::controls::{Doorstep, Fault, Leaver, Spared, Sparing};
use kernel::Fut;
use store::Db;

use super::{KINDS, Person, sql};
use crate::consent::workshop::{Bench, Made};

/// Makes them.
pub(crate) struct Sparer(pub(crate) Arc<Bench>);

/// One copy.
struct Copy {
    made: Made,
    /// What is spared: a credential, by its name.
    spared: Option<&'static str>,
    /// Whether there is a table that nobody has thought of.
    forgotten: bool,
}

impl Sparing for Sparer {
    fn build<'a>(&'a self, spared: Spared<'a>) -> Fut<'a, Result<Box<dyn Doorstep>, String>> {
        Box::pin(async move {
            let made = self.0.made(Fault::None).await;
            let made = made.map_err(|error| format!("no sandbox: {error:#}"))?;
            let (spared, forgotten) = match spared {
                Spared::Nothing => (None, false),
                Spared::Table => (None, true),
                Spared::Credential(name) => (KINDS.into_iter().find(|kind| *kind == name), false),
            };
            Ok(Box::new(Copy { made, spared, forgotten }) as Box<dyn Doorstep>)
        })
    }
}

impl Doorstep for Copy {
    fn equip(&self) -> Fut<'_, Result<Box<dyn Leaver>, String>> {
        Box::pin(async {
            let equipped = async {
                let person = Person::equipped(&self.made.here).await?;
                let db = self.made.db.clone();
                run(&db, sql::KEEP).await?;
                if self.forgotten {
                    run(&db, sql::FORGOTTEN).await?;
                }
                anyhow::Ok(Spares { person, db, spared: self.spared })
            };
            let spares = equipped.await.map_err(|error| format!("{error:#}"))?;
            Ok(Box::new(spares) as Box<dyn Leaver>)
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

    fn works<'a>(&'a self, what: &'a str) -> Fut<'a, Result<bool, String>> {
        self.person.works(what)
    }

    fn leave(&self) -> Fut<'_, Result<Vec<String>, String>> {
        Box::pin(async {
            let left = self.person.leave().await?;
            if let Some(spared) = self.spared {
                run(&self.db, &sql::revive(spared)).await.map_err(|error| format!("{error:#}"))?;
            }
            Ok(left)
        })
    }
}

async fn run(db: &Db, statements: &str) -> anyhow::Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
