//! Carries a plan out: everything in one transaction, so that the database is protected or as it
//! was.

use serde::Serialize;
use store::{Db, OperatorTx, Tx};

use crate::passing::again;
use crate::undo::Watch;
use crate::{Choice, Error, GUARD, Plan, ROOM, Result, Step, form, guard};

/// A table that is in use for longer than this ends a try, rather than all other sessions wait behind
/// it; they go first until the next one.
const PATIENCE: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL search_path = ''";

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// How many steps were carried out.
    pub steps: usize,
    /// What is left, because no superuser was at hand.
    pub left: Vec<Step>,
    /// How the binding is verified from now on.
    pub binding: Choice,
}

/// Installs this [room](ROOM) where it is missing, then carries out `plan` as `owner`, and what
/// only a superuser may do as `superuser`, where there is one. The binding gets the form that this
/// cluster allows; where that is another than before, transactions that are under way stay bound.
///
/// # Errors
/// At the first step that fails; the database is as it was then, except for the room, which
/// protects nothing by itself and does no harm.
pub async fn apply(owner: &Db, superuser: Option<&Db>, plan: &Plan) -> Result<Applied> {
    install(owner, superuser).await?;
    let total = plan.steps.len() + superuser.map_or(0, |_| plan.privileged.len());
    // What meets a deadlock before the first of the two is committed has changed nothing.
    let (tx, binding) = again(|| carry_out(owner, superuser, plan, total)).await?;
    if !binding.installed {
        binding.form.install(&tx).await?;
    }
    tx.commit().await?;
    if let Some(superuser) = superuser {
        guard::forget(superuser).await?;
    }
    let left = match superuser {
        Some(_) => Vec::new(),
        None => plan.privileged.clone(),
    };
    Ok(Applied { steps: total, left, binding })
}

/// All of the plan but the end of the owner's transaction.
async fn carry_out(
    owner: &Db,
    superuser: Option<&Db>,
    plan: &Plan,
    total: usize,
) -> Result<(OperatorTx, Choice)> {
    let tx = begin(owner).await?;
    if let Some(superuser) = superuser {
        guard::admit(&tx, superuser).await?;
    }
    let watch = Watch::owner(&tx, &plan.steps).await?;
    run(&tx, &plan.steps, 0, total).await?;
    watch.note(&tx).await?;
    let mut binding = form::choose(&tx, superuser.is_some(), &plan.app_role).await?;
    // Both transactions are open until both are complete; they touch different objects, so neither
    // waits for the other.
    if let Some(superuser) = superuser {
        let above = begin(superuser).await?;
        let watch = Watch::superuser(&above).await?;
        run(&above, &plan.privileged, plan.steps.len(), total).await?;
        binding = form::grant(&above, &owner.url().user, binding).await?;
        watch.note(&above).await?;
        guard::switch_on(&above, plan).await?;
        above.commit().await?;
    }
    Ok((tx, binding))
}

/// Installs this room, and where there is a superuser what only a superuser may install.
///
/// # Errors
/// As [`store::migrate`] and [`store::migrate_privileged`].
pub async fn install(owner: &Db, superuser: Option<&Db>) -> Result<()> {
    store::migrate(owner, &[&ROOM]).await?;
    if let Some(superuser) = superuser {
        store::migrate_privileged(superuser, &[&GUARD]).await?;
    }
    Ok(())
}

pub(crate) async fn begin(db: &Db) -> Result<OperatorTx> {
    let tx = db.operator().await?;
    tx.batch(PATIENCE).await?;
    Ok(tx)
}

pub(crate) async fn run(tx: &Tx, steps: &[Step], done: usize, total: usize) -> Result<()> {
    for (n, step) in steps.iter().enumerate() {
        tx.batch(&step.sql).await.map_err(|why| Error::Step {
            number: done + n + 1,
            total,
            object: step.object.clone(),
            why,
        })?;
    }
    Ok(())
}
