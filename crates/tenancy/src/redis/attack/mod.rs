//! The battery: one synthetic tenant's login goes for the keys and channels of another.
//!
//! Attacks are data: lines of commands, with placeholders for whose keys they name. What would harm
//! everybody if it were let through (emptying the server, stopping it) is not sent: the server is
//! asked whether this login may run it. A refusal for a wrong reason is no refusal: such an attack
//! counts as not made.

mod channels;
mod keys;
mod server;
mod shot;

use std::collections::HashSet;

use super::scene::Scene;
use super::wire::Door;
use super::{Login, lint};
use crate::Result;
use crate::attack::Outcome;
use crate::report::{Kind, Report};

pub(super) use shot::fill;

/// What a finding names that concerns no single login.
pub(super) const LOGINS: &str = "the tenants' logins";

/// Which promise is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Keys.
    Cache,
    /// Channels.
    Channels,
}

/// One kind of attack.
pub(super) struct Attack {
    /// Its name in the golden matrix.
    pub(super) name: &'static str,
    /// What a tenant does when it gets through.
    pub(super) told: &'static str,
    pub(super) way: Way,
    pub(super) expect: Expect,
    /// Commands; those of one shot are parted by ` ; ` and go over one connection.
    pub(super) shots: &'static [&'static str],
}

/// How an attack is made.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Under the attacker's login.
    Login,
    /// The same, as bytes on a line, the way that people type.
    Inline,
    /// Without a login.
    Stranger,
    /// Not at all: the server is asked whether the attacker may.
    Question,
}

/// What must come of it.
#[derive(Clone, Copy)]
pub(super) enum Expect {
    /// The last command is refused, for want of a right.
    Refused,
    /// It is answered, and the answer holds nothing of the attacked.
    Nothing,
    /// The login is refused, and in the same words whether there is such a login or not.
    WrongPassword,
}

/// Most attacks: commands that must be refused.
const ASKED: (Way, Expect) = (Way::Login, Expect::Refused);

const fn of(
    name: &'static str,
    told: &'static str,
    (way, expect): (Way, Expect),
    shots: &'static [&'static str],
) -> Attack {
    Attack { name, told, way, expect, shots }
}

/// Where it is known which logins there should be.
pub(super) enum Known<'a> {
    /// These are all.
    These(HashSet<String>),
    /// What the registry says when it is asked.
    Noted(&'a super::Redis),
}

/// Whom the battery is about.
pub(super) struct Target<'a> {
    /// How the server is entered by whoever runs it.
    pub(super) door: &'a Door,
    /// How tenants enter it.
    pub(super) outside: &'a super::Address,
    /// Attacker and attacked.
    pub(super) pair: (&'a Login, &'a Login),
    /// Another login of the attacker's, which ends in the middle of it.
    pub(super) passing: &'a Login,
    /// What all places begin with.
    pub(super) family: &'a str,
    /// The logins that there should be.
    pub(super) known: Known<'a>,
    /// Logins of the server that may reach everything, by the operator's word.
    pub(super) trusted: &'a [String],
    /// Random, for the names of keys.
    pub(super) marks: (String, String),
}

/// Runs the battery, or one attack of it.
///
/// # Errors
/// When the server cannot be reached.
pub(super) async fn run(target: &Target<'_>, claim: Claim, only: Option<&str>) -> Result<Report> {
    let mut report = Report::default();
    lint::look(target, claim, &mut report).await?;
    let mut scene = Scene::set(target).await?;
    let made = make(&mut scene, claim, only, &mut report).await;
    let struck = scene.strike().await;
    made?;
    struck?;
    Ok(report)
}

async fn make(
    scene: &mut Scene<'_>,
    claim: Claim,
    only: Option<&str>,
    report: &mut Report,
) -> Result<()> {
    let battery: Vec<&Attack> = match claim {
        Claim::Cache => keys::BATTERY.iter().chain(server::BATTERY).collect(),
        Claim::Channels => channels::BATTERY.iter().collect(),
    };
    for attack in battery.into_iter().filter(|attack| only.is_none_or(|name| name == attack.name)) {
        let mut outcomes = Vec::new();
        for line in attack.shots {
            let outcome = shot::fire(scene, attack, line).await?;
            outcomes.push(outcome.named(line));
        }
        if claim == Claim::Cache && !scene.is_untouched().await? {
            outcomes.push(Outcome::Leaked("what the other keeps was changed by it".to_owned()));
            scene.furnish().await?;
        }
        note(attack.name, attack.told, outcomes, report);
    }
    if only.is_some() {
        return Ok(());
    }
    match claim {
        Claim::Cache => {
            let outcome = keys::collide(scene).await?;
            note("same-key", "finds another's value under the same key", vec![outcome], report);
        }
        Claim::Channels => {
            let outcome = channels::hear(scene).await?;
            note("hear", "hears what another sends", vec![outcome], report);
            let outcome = channels::outlive(scene).await?;
            note("ended", "still hears after its login has ended", vec![outcome], report);
        }
    }
    Ok(())
}

/// Counts what came of one kind of attack.
fn note(name: &'static str, told: &'static str, outcomes: Vec<Outcome>, report: &mut Report) {
    report.count(&Kind { name, told, object: LOGINS, fix: FIX }, outcomes);
}

const FIX: &str = "look at the login's rules with ACL GETUSER; end it with `amanah tenant suspend` and \
                   let the tenant in anew with `amanah tenant resume`";

trait Named {
    fn named(self, line: &str) -> Self;
}

impl Named for Outcome {
    /// What got through, with the words of the attack; its placeholders tell whose keys they are.
    fn named(self, line: &str) -> Self {
        match self {
            Self::Leaked(what) => Self::Leaked(format!("{line}: {what}")),
            Self::Unsure(why) => Self::Unsure(format!("{line}: {why}")),
            other => other,
        }
    }
}
