//! The battery: one synthetic tenant's login goes for everything that is another's.
//!
//! First it tries to connect to every other database of the server, whosever that is; then it
//! attacks from inside its own. A refusal for a wrong reason is not a refusal: such an attack
//! counts as not made.

mod sql;

use std::time::Duration;

use kernel::Finding;
use store::{DatabaseUrl, Db, Listener, OperatorTx, Tx, ident};
use tokio::time::timeout;

use super::scene::Scene;
use super::session::{Attack, BATTERY, Shot};
use super::{Cell, Place, lint};
use crate::Result;
use crate::attack::{Outcome, judge};
use crate::report::{Kind, Report};

/// What a finding names that concerns no single database.
pub(super) const SESSIONS: &str = "the tenants' sessions";
/// SQLSTATE of a login that no rule of the server lets in.
const NO_RULE: &str = "28000";
/// SQLSTATE of a wrong password.
const WRONG_PASSWORD: &str = "28P01";
/// The driver's words when the server asks for a password and there is none.
const NO_PASSWORD: &str = "password missing";
/// SQLSTATE of a database that is not there any more.
const GONE: &str = "3D000";
/// SQLSTATE of a missing right.
const DENIED: &str = "42501";
/// How long a notification may take to arrive.
const HEARING: Duration = Duration::from_secs(10);

/// Whom the battery is about.
pub(crate) struct Target<'a> {
    /// Attacker and attacked.
    pub(crate) pair: (&'a Place, &'a Place),
    /// The tenants' names, which nobody may read off the server.
    pub(crate) names: Vec<String>,
    /// What the names of the places in question begin with, for what the catalogue says of them.
    pub(crate) prefixes: Vec<String>,
    /// The places whose databases are looked into.
    pub(crate) places: Vec<Place>,
    /// Other cells, each with where a login of theirs would be let in.
    pub(crate) abroad: Vec<(String, DatabaseUrl)>,
}

/// As [`run`], while nobody seeds a violation that is the whole server's: it would be found here too.
///
/// # Errors
/// When the server cannot be reached.
pub(crate) async fn beside_others(cell: &Cell, target: &Target<'_>) -> Result<Report> {
    let turn = cell.maker.operator().await?;
    turn.query(sql::ATTACK_BESIDE, &[]).await?;
    let report = run(cell, target).await;
    turn.rollback().await?;
    report
}

/// Waits until no battery runs [beside others](beside_others), and lets none begin before the
/// transaction ends.
///
/// # Errors
/// When the server cannot be reached.
pub(crate) async fn alone(cell: &Cell) -> Result<OperatorTx> {
    let turn = cell.maker.operator().await?;
    turn.query(sql::SEED_ALONE, &[]).await?;
    Ok(turn)
}

/// Runs the battery.
///
/// # Errors
/// When the server cannot be reached.
pub(crate) async fn run(cell: &Cell, target: &Target<'_>) -> Result<Report> {
    let mut report = Report::default();
    let scene = Scene::set(cell, target.pair, &target.names).await?;
    let made = make(&scene, target, &mut report).await;
    let struck = scene.strike().await;
    made?;
    struck?;
    Ok(report)
}

async fn make(scene: &Scene<'_>, target: &Target<'_>, report: &mut Report) -> Result<()> {
    report.findings = lint::findings(scene.cell, target).await?;
    connections(scene, report).await?;
    passwords(scene, report).await?;
    if !target.abroad.is_empty() {
        abroad(scene, &target.abroad, report).await?;
    }
    channels(scene, report).await?;
    for attack in BATTERY {
        let mut outcomes = Vec::new();
        for shot in (attack.build)(scene) {
            outcomes.push(match hit(scene, &shot).await? {
                Outcome::Leaked(what) => {
                    Outcome::Leaked(scene.unnamed(&format!("{}: {what}", shot.sql)))
                }
                other => other,
            });
        }
        let Attack { name, told, fix, .. } = *attack;
        report.count(&Kind { name, told, object: SESSIONS, fix }, outcomes);
    }
    Ok(())
}

impl Scene<'_> {
    /// A text for the page: the mark of this run is of no use to a reader, and names are not for it.
    fn unnamed(&self, text: &str) -> String {
        let text = text.replace(&self.mark, "…");
        self.names.iter().fold(text, |text, name| text.replace(name, "…"))
    }
}

/// Every other database, one after the other.
async fn connections(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let names = databases(scene).await?;
    let mut open = 0;
    report.total = names.len();
    for name in names {
        report.strikes += 1;
        match connect(scene, &name).await? {
            Some(Outcome::Leaked(what)) => {
                (report.attacked, open) = (report.attacked + 1, open + 1);
                let told = format!("a tenant's login may connect to it (connect: {what})");
                let fix = shut(scene, &name).await?;
                report.findings.push(Finding::new(name, told).fix(fix));
            }
            Some(Outcome::Unsure(why)) => report.missed.push((name, why)),
            Some(Outcome::Held | Outcome::Declared) => report.attacked += 1,
            None => report.total -= 1,
        }
    }
    report.through += open;
    report.matrix.push(("connect", if open > 0 { "LEAKED" } else { "held" }));
    Ok(())
}

/// What closes a database to the attacker: whoever it came in by, by name.
async fn shut(scene: &Scene<'_>, name: &str) -> Result<String> {
    let tx = scene.cell.maker.operator().await?;
    let rows = tx.query(sql::ADMITTED_BY, &[&name, &scene.mine.url.user]).await?;
    tx.rollback().await?;
    let roles: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let from = if roles.is_empty() { "PUBLIC".to_owned() } else { roles.join(", ") };
    let database = ident(name);
    Ok(format!("on cell {}: REVOKE CONNECT ON DATABASE {database} FROM {from}", scene.cell.name))
}

/// Tries one database; `None` when it was dropped meanwhile.
async fn connect(scene: &Scene<'_>, name: &str) -> Result<Option<Outcome>> {
    let tried = Db::connect(&scene.mine.url.database(name), 1).await;
    let error = match tried {
        Ok(db) => {
            db.close();
            return Ok(Some(Outcome::Leaked("it was let in".to_owned())));
        }
        Err(error) => error,
    };
    Ok(match error.sqlstate() {
        Some(DENIED) => Some(Outcome::Held),
        Some(NO_RULE) => ruled_out(scene, name).await?,
        Some(GONE) => None,
        _ => Some(Outcome::Unsure(error.to_string())),
    })
}

/// A rule of the server refuses the way on which we come, and another way may be open. Without the right
/// to connect nobody comes in on any.
async fn ruled_out(scene: &Scene<'_>, name: &str) -> Result<Option<Outcome>> {
    let tx = scene.cell.maker.operator().await?;
    let row = tx.query_opt(sql::MAY_CONNECT, &[&scene.mine.url.user, &name]).await?;
    tx.rollback().await?;
    Ok(match row.map(|row| row.get(0)) {
        None => None,
        Some(false) => Some(Outcome::Held),
        Some(true) => Some(Outcome::Unsure(format!(
            "pg_hba.conf lets nobody in on the way on which Amanah comes, and a tenant's login has the \
             right to connect on any other: {}",
            shut(scene, name).await?
        ))),
    })
}

async fn databases(scene: &Scene<'_>) -> Result<Vec<String>> {
    let tx = scene.cell.maker.operator().await?;
    // The other one of a scratch pair is a sandbox too, and is what the bite is about.
    let rows = tx.query(sql::DATABASES, &[&scene.attacker.name(), &store::SANDBOX]).await?;
    tx.rollback().await?;
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let victim = scene.victim.name();
    if !names.iter().any(|name| name == victim) {
        names.push(victim.to_owned());
    }
    Ok(names)
}

/// The other's login with the attacker's password, and with none.
async fn passwords(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let theirs = &scene.theirs.url;
    let mut word = "held";
    for password in [scene.mine.url.password.clone(), None] {
        report.strikes += 1;
        let tried = Db::connect(&theirs.login(&theirs.user, password.clone()), 1).await;
        match tried {
            Ok(db) => {
                db.close();
                word = "LEAKED";
                report.through += 1;
                let what = "another tenant's login is let in with a wrong password (password)";
                let fix = "let pg_hba.conf ask for a password (scram-sha-256) from everywhere";
                report.findings.push(Finding::new(scene.victim.name(), what).fix(fix));
            }
            Err(error) if error.sqlstate() == Some(WRONG_PASSWORD) => {}
            // The driver itself ends it when the server asks for the password that is not there.
            Err(error) if password.is_none() && error.to_string().contains(NO_PASSWORD) => {}
            Err(error) => {
                word = "unsure";
                let why = format!("the attack password could not be made: {error}");
                report.missed.push((SESSIONS.to_owned(), why));
                report.attacked = 0;
            }
        }
    }
    report.matrix.push(("password", word));
    Ok(())
}

/// The attacker's login, on the other cells. That it is let into no database there would not do: it
/// must not be known.
async fn abroad(
    scene: &Scene<'_>,
    cells: &[(String, DatabaseUrl)],
    report: &mut Report,
) -> Result<()> {
    let mut word = "held";
    for (cell, url) in cells {
        report.strikes += 1;
        let mine = &scene.mine.url;
        let tried = Db::connect(&url.login(&mine.user, mine.password.clone()), 1).await;
        let known = match tried {
            Ok(db) => {
                db.close();
                true
            }
            Err(error) => match error.sqlstate() {
                Some(WRONG_PASSWORD | NO_RULE) => false,
                // The password was right there, and what came after it refused.
                Some(DENIED | GONE) => true,
                _ => {
                    word = if word == "LEAKED" { word } else { "unsure" };
                    let why = format!("the attack abroad could not be made on {cell}: {error}");
                    report.missed.push((SESSIONS.to_owned(), why));
                    report.attacked = 0;
                    continue;
                }
            },
        };
        if known {
            word = "LEAKED";
            report.through += 1;
            let what = format!("a tenant's login is known on the cell {cell} too (abroad)");
            let fix = format!("DROP ROLE {} on {cell}", ident(&mine.user));
            report.findings.push(Finding::new(SESSIONS, what).fix(fix));
        }
    }
    report.matrix.push(("abroad", word));
    Ok(())
}

/// The attacker listens; the other notifies first, then the attacker itself. Notifications come in
/// the order of their commits, so its own would come second.
async fn channels(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    report.strikes += 1;
    let channel = scene.channel();
    let mut mine = Listener::connect(&scene.mine.url, &[&channel]).await?;
    let mut theirs = Listener::connect(&scene.theirs.url, &[&channel]).await?;
    theirs.notify(&channel, "theirs").await?;
    mine.notify(&channel, "mine").await?;
    theirs.notify(&channel, "theirs again").await?;
    let heard = timeout(HEARING, mine.next()).await.ok().flatten();
    let first = timeout(HEARING, theirs.next()).await.ok().flatten();
    let second = timeout(HEARING, theirs.next()).await.ok().flatten();
    let said = |heard: Option<(String, String)>| heard.map(|(_, payload)| payload);
    let (heard, first, second) = (said(heard), said(first), said(second));
    let all = (heard.as_deref(), first.as_deref(), second.as_deref());
    let word = match all {
        (Some("mine"), Some("theirs"), Some("theirs again")) => "held",
        (None, ..) | (_, None, _) | (.., None) => {
            let why = "the attack channel could not be made: a notification did not arrive";
            report.missed.push((SESSIONS.to_owned(), why.to_owned()));
            report.attacked = 0;
            "unsure"
        }
        _ => {
            report.through += 1;
            let what = "a tenant hears what another notifies (channel)";
            report.findings.push(Finding::new(SESSIONS, what));
            "LEAKED"
        }
    };
    report.matrix.push(("channel", word));
    Ok(())
}

async fn hit(scene: &Scene<'_>, shot: &Shot) -> Result<Outcome> {
    let tx = scene.me.operator().await?;
    let outcome = strike(&tx, shot).await;
    tx.rollback().await?;
    Ok(outcome)
}

async fn strike(tx: &Tx, shot: &Shot) -> Outcome {
    for sql in &shot.setup {
        if let Err(error) = tx.batch(sql).await {
            return match error.sqlstate() {
                Some(DENIED) => Outcome::Held,
                _ => Outcome::Unsure(format!("its preparation failed: {error}")),
            };
        }
    }
    judge(shot.expect, tx.query(&shot.sql, &[]).await)
}
