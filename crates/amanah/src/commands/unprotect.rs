//! `amanah protect --undo`: a database as it was before it was protected.

use anyhow::Context as _;
use kernel::shown;
use serde_json::json;
use store::{DatabaseUrl, Db, Tx, ident, qualified};
use tenancy::{Farewell, Undoing};

use super::protect::{CONNECTIONS, nothing_changed, recorded, sheet, superuser};
use crate::cli::{Place, Protect};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::kept::{self, Kept};
use crate::out;

/// What stays noted of the migrations, because the trail stays.
const TRAIL_ROOM: &str = "audit";
/// The rights of a role, by what they are on: the word in `GRANT`, schema, name.
const RIGHTS_OF: &str = "
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) x
                WHERE x.grantee = $1::text::pg_catalog.regrole
                  AND pg_catalog.pg_has_role(x.grantor, 'USAGE'))
UNION ALL
SELECT 'SCHEMA', '', n.nspname::text FROM pg_catalog.pg_namespace n
 WHERE EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) x
                WHERE x.grantee = $1::text::pg_catalog.regrole
                  AND pg_catalog.pg_has_role(x.grantor, 'USAGE'))";

/// Whether anything of this product's is installed that takes part in the protection.
const INSTALLED: &str = "
SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname IN ('amanah', 'amanah_guard')
 LIMIT 1";

/// The database and who works on it.
struct Subject {
    owner: Db,
    superuser: Option<Db>,
    drop_trail: bool,
    /// Our own logins there.
    logins: Vec<String>,
    /// The application's role, the only one that may go.
    app_role: String,
}

/// What is done to the trail, and whether some of it stays.
struct Trail {
    steps: Vec<audit::Step>,
    stays: bool,
    out_of_reach: bool,
    /// What somebody else has where it would be dropped.
    others: Vec<String>,
}

pub(crate) async fn run(place: &Place, protect: &Protect) -> anyhow::Result<Exit> {
    let url = DatabaseUrl::parse(&protect.url).map_err(|e| Usage(e.to_string()))?;
    let owner = Db::connect(&url.unpinned(), CONNECTIONS).await?;
    let superuser = superuser(protect, &owner).await?;
    let named = protect.app_role.clone().unwrap_or_else(|| format!("{}_app", url.database));
    let drop_trail = protect.undoing.drop_trail;
    let logins = Vec::new();
    let mut subject = Subject { owner, superuser, drop_trail, logins, app_role: named };
    let (undoing, trail) = subject.plan().await?;
    if !protect.apply || !place.data.exists() {
        subject.is_protected(&undoing, &trail).await?;
    }
    if !protect.apply {
        show(place, protect, &undoing, &trail);
        if !place.json {
            nothing_changed(protect);
        }
        return Ok(Exit::Holds);
    }
    let leave_changed = protect.undoing.leave_changed;
    Installation::with(place, async |installation| {
        // A running `amanah up` lets go when all of it is undone.
        let turn = installation.data.turn().await?;
        let known = kept::find(&installation.data, &url.database, Some(&url))?;
        subject.recall(installation, known.as_ref(), &url).await?;
        let (undoing, trail) = subject.plan().await?;
        if known.is_none() {
            subject.is_protected(&undoing, &trail).await?;
        }
        show(place, protect, &undoing, &trail);
        if trail.out_of_reach {
            anyhow::bail!(
                "nothing was undone: a superuser keeps the audit trail. Name one with \
                 --superuser-url"
            );
        }
        if !trail.others.is_empty() {
            anyhow::bail!(
                "nothing was undone: the trail is in use, or others are in its schema: {}. Remove \
                 these, or what they use of it, or leave out --drop-trail",
                trail.others.join("; ")
            );
        }
        if undoing.needs_superuser || !undoing.changed.is_empty() && !leave_changed {
            // Nothing is changed then; the canaries stay too.
            return Err(refusal(&undoing).into());
        }
        remove_canaries(installation, known.as_ref()).await?;
        if let Some(superuser) = &subject.superuser {
            installation.comparison().end(superuser).await?;
        }
        subject.undo(&trail, leave_changed, &undoing).await?;
        if let Some(known) = &known {
            known.forget(&installation.data, &installation.strongbox).await?;
        }
        subject.drop_logins(installation, &undoing).await?;
        drop(turn);
        if !place.json {
            out::line("Undone: the database is as it was, and this installation has forgotten it.");
            if trail.stays {
                out::line("What was recorded is kept in schema audit.");
            }
        }
        if installation.data.is_locked() {
            out::aside("amanah up runs on this data directory: it lets go within seconds");
        }
        Ok(Exit::Holds)
    })
    .await
}

/// Their rows, where this installation has a key to bind with. The trail keeps that they were there.
async fn remove_canaries(installation: &Installation, known: Option<&Kept>) -> anyhow::Result<()> {
    let Some(known) = known else { return Ok(()) };
    let Installation { ground, data, strongbox, cx, .. } = installation;
    let guarded = known.open(ground, data, strongbox, &*cx.rng).await?;
    let refused =
        tenancy::remove_canaries(&guarded.protected, &guarded.key.get(), &*cx.clock).await?;
    for (table, why) in refused {
        out::aside(&format!("a synthetic row stays in {}: {}", shown(&table), shown(&why)));
    }
    Ok(())
}

/// The superuser that was named when the database was protected.
async fn kept_superuser(
    installation: &Installation,
    known: Option<&Kept>,
) -> anyhow::Result<Option<Db>> {
    let Some(known) = known else { return Ok(None) };
    let secrets = known.secrets(&installation.strongbox).await?;
    let Some(url) = secrets.and_then(|secrets| secrets.superuser) else { return Ok(None) };
    let url = DatabaseUrl::parse(url.expose()).context("the superuser's address is damaged")?;
    Ok(Some(Db::connect(&url.database(&known.database), CONNECTIONS).await?))
}

impl Subject {
    /// Takes in what is remembered of the database, where something is.
    async fn recall(
        &mut self,
        installation: &Installation,
        known: Option<&Kept>,
        url: &DatabaseUrl,
    ) -> anyhow::Result<()> {
        let name = installation.data.installation(&*installation.cx.rng)?;
        if let Some(known) = known {
            self.app_role.clone_from(&known.app_role);
            self.logins = known.own_logins(&installation.data, name.expose())?;
        } else {
            self.logins = kept::own_logins(name.expose(), url);
        }
        if self.superuser.is_none() {
            self.superuser = kept_superuser(installation, known).await?;
        }
        Ok(())
    }

    async fn plan(&self) -> anyhow::Result<(Undoing, Trail)> {
        let undoing = tenancy::undo_plan(&self.owner, self.superuser.as_ref()).await?;
        let tx = self.superuser.as_ref().unwrap_or(&self.owner).operator().await?;
        let steps = audit::removal(&tx, self.drop_trail).await?;
        let (there, ours) = audit::has_trail(&tx).await?;
        let dropped = there && self.drop_trail;
        let others = if dropped { audit::others(&tx).await? } else { Vec::new() };
        tx.rollback().await?;
        let (stays, out_of_reach) = (there && !dropped, dropped && !ours);
        Ok((undoing, Trail { steps, stays, out_of_reach, others }))
    }

    /// # Errors
    /// When nothing of the protection is there: another database may be meant.
    async fn is_protected(&self, undoing: &Undoing, trail: &Trail) -> anyhow::Result<()> {
        let Undoing { steps, privileged, changed, gone, made_roles, owners_roles, .. } = undoing;
        let planned = steps.len() + privileged.len() + trail.steps.len();
        let noted = changed.len() + gone.len() + made_roles.len() + owners_roles.len();
        if planned + noted > 0 {
            return Ok(());
        }
        let tx = self.superuser.as_ref().unwrap_or(&self.owner).operator().await?;
        let installed = tx.query_opt(INSTALLED, &[]).await?.is_some();
        tx.rollback().await?;
        if installed {
            return Ok(());
        }
        let kept = if trail.stays {
            ". Schema audit has what was recorded; --drop-trail drops it"
        } else {
            ""
        };
        let name = shown(&self.owner.url().database);
        Err(Usage(format!("{name} is not protected; there is nothing to undo{kept}")).into())
    }

    async fn undo(&self, trail: &Trail, leave: bool, undoing: &Undoing) -> anyhow::Result<()> {
        let mut farewell = Farewell {
            kept_rooms: if trail.stays { &[TRAIL_ROOM] } else { &[] },
            leave_changed: leave,
            ..Farewell::default()
        };
        let recording = trail.steps.iter().map(|step| step.sql.clone());
        if self.superuser.is_some() {
            farewell.privileged = recording.collect();
        } else {
            farewell.owner = recording.collect();
        }
        let tx = self.owner.operator().await?;
        let made = undoing.made_roles.iter().chain(&undoing.owners_roles);
        if made.into_iter().any(|role| *role == self.app_role) {
            farewell.owner.extend(revoke_all(&tx, &self.app_role).await?);
        }
        tx.rollback().await?;
        tenancy::undo(&self.owner, self.superuser.as_ref(), &farewell).await?;
        Ok(())
    }

    /// Our own logins, and the role that was made for the application. What something still
    /// belongs to stays, and is named.
    async fn drop_logins(
        &self,
        installation: &Installation,
        undoing: &Undoing,
    ) -> anyhow::Result<()> {
        let maker = self.superuser.as_ref().unwrap_or(&self.owner);
        for role in &self.logins {
            if !maker.has_role(role).await? {
                continue;
            }
            if self.superuser.is_some() {
                maker.forbid_replica(role).await?;
                maker.shut_out_role(role).await?;
            }
            let tx = maker.operator().await?;
            match tx.batch(&format!("DROP ROLE {}", ident(role))).await {
                Ok(()) => tx.commit().await?,
                Err(error) => out::aside(&format!("role {role} is kept: {error}")),
            }
        }
        let superuser = self.superuser.as_ref();
        let stay = tenancy::drop_roles(&self.owner, superuser, undoing, &self.app_role).await?;
        for (role, why) in stay {
            out::aside(&format!("role {} is kept: {}", shown(&role), shown(&why)));
        }
        if !self.owner.has_role(&self.app_role).await? {
            installation.data.forget_password(&self.app_role)?;
        }
        Ok(())
    }
}

/// What takes every right from `role` that the owner gave it.
async fn revoke_all(tx: &Tx, role: &str) -> anyhow::Result<Vec<String>> {
    let (rows, to) = (tx.query(RIGHTS_OF, &[&ident(role)]).await?, ident(role));
    let revoke = |row: &store::Row| {
        let (what, schema, name): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let name = if schema.is_empty() { ident(name) } else { qualified(schema, name) };
        format!("REVOKE ALL ON {what} {name} FROM {to}")
    };
    Ok(rows.iter().map(revoke).collect())
}

fn refusal(undoing: &Undoing) -> tenancy::Error {
    if undoing.needs_superuser {
        return tenancy::Error::Guarded;
    }
    tenancy::Error::Changed(shown(&undoing.changed.join("; ")))
}

fn show(place: &Place, protect: &Protect, undoing: &Undoing, trail: &Trail) {
    if place.json {
        let recording: Vec<_> = trail
            .steps
            .iter()
            .map(|s| json!({"object": s.object, "why": s.then, "sql": s.sql}))
            .collect();
        let all = json!({"undo": undoing, "recording": recording, "trail_stays": trail.stays});
        out::line(&format!("{all:#}"));
        return;
    }
    let mut sheet = sheet(protect);
    for what in &undoing.changed {
        sheet.say("CHANGED", what);
    }
    for what in &undoing.gone {
        sheet.say("gone", what);
    }
    let recording = trail.steps.iter().map(recorded);
    let own: Vec<_> = recording.chain(undoing.steps.iter().cloned()).collect();
    sheet.steps("undo", &own);
    sheet.steps("superuser", &undoing.privileged);
    for role in undoing.made_roles.iter().chain(&undoing.owners_roles) {
        sheet.say("undo", &format!("role {role}: it was made for the application"));
    }
    for what in &undoing.left {
        sheet.say("left", what);
    }
    if undoing.needs_superuser {
        sheet.say("NEEDED", "a superuser guards this database: name one with --superuser-url");
    }
    if trail.stays {
        sheet.say("kept", "schema audit with what was recorded; --drop-trail drops it too");
    }
    out::line(&sheet.to_string());
}
