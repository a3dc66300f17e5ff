//! Moving a tenant from one cell to another.
//!
//! It promises: the tenant is whole on exactly one cell at every moment, the one that the registry
//! names. Its copy is compared with it, table by table, while nobody can write; then one update of
//! the registry makes the copy the tenant. Whatever fails before leaves the tenant where it was, and
//! whatever fails after leaves a copy to be dropped. A crash, of us or of either server, is told by the
//! state `moving`: the same command goes on, and `tenant resume` goes back.

mod compare;
mod copy;
mod form;
mod leftovers;
mod objects;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use serde::Serialize;

pub use compare::Tally;
pub(super) use copy::copy;
pub(super) use form::Form;

use super::cell::{Cell, refused};
use super::registry::{self, Turn};
use super::{Fleet, State, Tenant, customer, held};
use crate::{Error, Result};

/// How long the pause waits for its turn: whoever gets a login meanwhile is done in a moment.
const TURN_TRIES: usize = 100;
const TURN_PAUSE: Duration = Duration::from_millis(50);

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The other cell gets what it takes; the tenant works.
    Preparing,
    /// Nobody can write any more.
    Paused,
    /// Both sides are read and compared.
    Comparing,
    /// It is where it should be; the old database goes.
    Switched,
}

/// What a move came to.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    /// The cell that it was on.
    pub from: String,
    /// The cell that it is on.
    pub to: String,
    /// The name of its database, which is the same on both.
    pub database: String,
    /// For how long nobody could write, in milliseconds: from the end of the old sessions until
    /// new ones were let in.
    pub paused_ms: u64,
    /// How much was compared and was the same.
    pub compared: Tally,
    /// What did not go along, each in words.
    pub behind: Vec<String>,
    /// Why the old database is still there, if it is.
    pub left: Option<String>,
    /// Until when the old database is kept, shut, where that was asked for.
    pub kept_until: Option<Timestamp>,
}

/// A move that has begun.
struct Course {
    tenant: Tenant,
    source: Cell,
    target: Cell,
    /// What the tenant was before, and will be.
    before: State,
}

impl Course {
    /// The tenant, when it is still on this course.
    async fn goes_on(&self, turn: &Turn) -> Result<Tenant> {
        let now = registry::find(turn.registry(), turn.id()).await?;
        let course = Some((self.target.name.clone(), self.before));
        if now.state == State::Moving && now.course == course && now.cell == self.source.name {
            return Ok(now);
        }
        Err(Error::Moved(now.id))
    }
}

/// Takes a turn, or a visit, as soon as those who have it are done.
async fn soon<F: Future<Output = Result<Turn>>>(take: impl Fn() -> F) -> Result<Turn> {
    let mut tries = 0;
    loop {
        match take().await {
            Err(Error::Taken(_)) if tries < TURN_TRIES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(TURN_PAUSE).await;
    }
}

impl Fleet {
    /// Moves a tenant to the cell `to`. The old database is kept for `keep`, shut, and then
    /// swept. Begun and not finished, the same call goes on.
    ///
    /// # Errors
    /// When there is no such tenant or cell, the cell takes none or has not got what it takes, a
    /// server is lost, or the copy is not the same. The tenant is where it was then, and let in as
    /// before unless its own server was lost; the error says so.
    pub async fn move_to(
        &self,
        id: &TenantId,
        to: &str,
        keep: Duration,
        watch: &(dyn Fn(Stage) + Sync),
    ) -> Result<Moved> {
        customer(id)?;
        let claim = registry::mover(&self.settings.registry, id).await?;
        let moved = self.go(id, to, keep, watch).await;
        held::let_go(claim).await;
        moved
    }

    /// A move, while nobody else moves the tenant.
    async fn go(
        &self,
        id: &TenantId,
        to: &str,
        keep: Duration,
        watch: &(dyn Fn(Stage) + Sync),
    ) -> Result<Moved> {
        let visit = registry::visit(&self.settings.registry, id).await?;
        let begun = self.set_out(&visit, to).await;
        let course = visit.end(begun).await?;
        watch(Stage::Preparing);
        let moved = match self.prepare(&course).await {
            Ok(form) => self.carry(&course, &form, keep, watch).await,
            Err(error) => Err(error),
        };
        let moved = match moved {
            Ok(moved) => moved,
            Err(error) => return Err(self.give_up(&course, error).await),
        };
        // From here on it is moved, and nothing that fails makes it another answer.
        let Course { tenant, source, target, .. } = &course;
        if keep.is_zero() {
            let dropped = self.drop_leftover(&source.name, Some(&target.name), &tenant.place).await;
            let left = dropped.err().map(|error| error.to_string());
            return Ok(Moved { left, ..moved });
        }
        Ok(moved)
    }

    /// Notes where the tenant goes, when it can.
    async fn set_out(&self, visit: &Turn, to: &str) -> Result<Course> {
        let tenant = visit.tenant(&[State::Active, State::Suspended, State::Moving]).await?;
        if tenant.cell == to {
            return Err(refused(to, "is where the tenant is already; nothing was changed"));
        }
        let (source, target) = (self.cell_of(&tenant).await?, self.cell(to).await?);
        form::versions(&source, &target).await?;
        let before = match &tenant.course {
            Some((known, _)) if known != to => {
                let why = format!("is not where the tenant is going: that is {known}");
                return Err(refused(to, &why));
            }
            Some((_, before)) => *before,
            None => tenant.state,
        };
        visit.set_out(&tenant, to, before, self.settings.clock.now()).await?;
        Ok(Course { tenant, source, target, before })
    }

    /// Makes an empty database on the other cell, and lets the tenant in where it is: an earlier
    /// move may have stopped in its pause. Nobody shuts it out or calls the move off meanwhile: who was
    /// shut out would be let in, and a copy be made that is noted nowhere.
    async fn prepare(&self, course: &Course) -> Result<Form> {
        let Course { tenant, source, target, before } = course;
        let visit = soon(|| registry::visit(&self.settings.registry, &tenant.id)).await?;
        let prepared = async {
            course.goes_on(&visit).await?;
            let admitted = *before == State::Active;
            if admitted {
                tenant.place.admit(source).await?;
            }
            let form = Form::of(&tenant.place, source).await?;
            tenant.place.receive(target, &form, (true, admitted)).await?;
            Ok(form)
        };
        let prepared = prepared.await;
        visit.end(prepared).await
    }

    /// From the beginning of the pause to its end.
    async fn carry(
        &self,
        course: &Course,
        form: &Form,
        keep: Duration,
        watch: &(dyn Fn(Stage) + Sync),
    ) -> Result<Moved> {
        let Course { tenant, source, target, before } = course;
        let turn = self.turn_soon(&tenant.id).await?;
        let carried = async {
            let now = course.goes_on(&turn).await?;
            watch(Stage::Paused);
            let began = Instant::now();
            tenant.place.shut(source).await?;
            // Migrations log in as the owner, who is not shut out.
            let still = tenant.place.hold_still(source).await?;
            let programs = &self.settings.programs;
            let here = (source, &tenant.place);
            let there = (target, &tenant.place);
            let behind = copy(programs, here, there).await?;
            form.set(&tenant.place, target).await?;
            watch(Stage::Comparing);
            let compared = compare::differences(programs, here, there, &behind).await?;
            let (compared, found) = compared;
            if !found.is_empty() {
                return Err(Error::Differs(found.join("; ")));
            }
            target.reached().await?;
            let due =
                self.settings.clock.now() + SignedDuration::try_from(keep).unwrap_or_default();
            turn.switch(&now, &target.name, *before, due).await?;
            Ok((began, (compared, behind.told()), still, due))
        };
        let (began, (compared, behind), still, due) = match carried.await {
            Ok(carried) => carried,
            Err(error) => return turn.end(Err(error)).await,
        };
        self.switched(course, turn.end(Ok(())).await).await?;
        let paused_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        watch(Stage::Switched);
        if let Err(error) = still.rollback().await {
            // Its server is lost. Nobody is there any more, so nobody is held up.
            tracing::warn!(cell = source.name, %error, "the old database was not let go");
        }
        Ok(Moved {
            from: source.name.clone(),
            to: target.name.clone(),
            database: tenant.place.name().to_owned(),
            paused_ms,
            compared,
            behind,
            left: None,
            kept_until: (!keep.is_zero()).then_some(due),
        })
    }

    /// Whether the registry has noted the move. One that is lost at the end of a transaction may have
    /// ended it before.
    async fn switched(&self, course: &Course, ended: Result<()>) -> Result<()> {
        let Err(error) = ended else { return Ok(()) };
        let Course { tenant, target, .. } = course;
        let (id, to) = (&tenant.id, &target.name);
        match registry::find(&self.settings.registry, id).await {
            Ok(now) if now.cell == *to => {
                tracing::warn!(%error, tenant = %id, "the registry was lost after the move");
                Ok(())
            }
            Ok(_) => Err(error),
            Err(_) => {
                Err(Error::Unsure { tenant: id.clone(), to: to.clone(), why: Box::new(error) })
            }
        }
    }

    /// The turn at a tenant, as soon as those who look in are done.
    async fn turn_soon(&self, id: &TenantId) -> Result<Turn> {
        soon(|| registry::turn(&self.settings.registry, id)).await
    }

    /// Leaves the tenant where it is, and says how it went.
    async fn give_up(&self, course: &Course, error: Error) -> Error {
        if matches!(error, Error::Unsure { .. }) {
            return error;
        }
        let id = &course.tenant.id;
        let back = match self.turn_soon(id).await {
            Ok(turn) => {
                let back = async {
                    let tenant = turn.tenant(&[State::Moving]).await?;
                    self.go_back(&turn, &tenant).await
                };
                let back = back.await;
                turn.end(back).await
            }
            Err(error) => Err(error),
        };
        let kept = match back {
            Ok(_) => format!("It is on {} as before, with everything", course.source.name),
            Err(Error::NotActive { state, .. }) => format!(
                "It is on {} with everything, and {state}: another command came between",
                course.source.name
            ),
            Err(why) => format!(
                "It is still on {}, and not let in there, because that failed too: {why}. When its \
                 server answers, `amanah tenant resume` lets it in, and the same command moves it",
                course.source.name
            ),
        };
        Error::NotMoved { tenant: id.clone(), why: Box::new(error), kept }
    }

    /// Undoes a move that was begun: the tenant is let in where it is, and the copy goes, at once
    /// or later.
    pub(super) async fn go_back(&self, turn: &Turn, tenant: &Tenant) -> Result<Tenant> {
        let Some((target, before)) = tenant.course.clone() else {
            return Err(Error::NotActive { tenant: tenant.id.clone(), state: tenant.state });
        };
        let source = self.cell_of(tenant).await?;
        if before == State::Active {
            tenant.place.admit(&source).await?;
        }
        turn.set_state(before).await?;
        let dropped = self.drop_leftover(&target, Some(&tenant.cell), &tenant.place).await;
        if let Err(error) = dropped {
            tracing::warn!(cell = target, %error, "the copy of a tenant is swept later");
        }
        Ok(Tenant { state: before, course: None, ..tenant.clone() })
    }
}
