//! `audit.triggers`: each write to a critical table leaves its row in the trail.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng, TenantId, random_hex};
use store::{Db, Owned, Table, Tx, ident, qualified};

use super::{Bitten, Ledger, Place, Violation, Watched, Work, in_sandbox, news};
use crate::asked::Asked;
use crate::rehearsal::{Outcome, Rehearsal, Who};
use crate::{Error, Result, canary, inspect, sql, track};

/// INSERT, UPDATE and DELETE.
const ROW_ACTIONS: usize = 3;
/// Settings that anybody may set, and who they say it is.
const LIES: [(&str, &str); 6] = [
    ("amanah.actor", "somebody-else"),
    ("amanah.actor_id", "somebody-else"),
    ("amanah.tenant_id", "another"),
    ("app.current_user", "somebody-else"),
    ("request.jwt.claim.sub", "somebody-else"),
    ("application_name", "somebody-else"),
];
const REPLICA: &str = " with session_replication_role=replica";
const NO_REPLICATOR: &str = "session_replication_role=replica was not tried: it takes a superuser \
                             to make a login that may set it, and none is configured";

static CARD: Card = Card {
    id: "audit.triggers",
    title: "Every write to a critical table is recorded",
    attack: "A row of a synthetic tenant is inserted, changed and deleted in each table with the \
             tenant column or with rows that belong to a tenant through their parents, as the \
             owner and by a login that sets session_replication_role=replica, in transactions \
             that are rolled back; TRUNCATE is tried in a sandbox. The trail must hold each \
             write, its key, old and new data, actor, tenant and SHA-256.",
    bite: "In a sandbox, a table gets no trigger, nor one that points to it, and a trigger is \
           dropped, disabled, put to sleep for replica sessions, and made to skip rows; a comment \
           hides a column, and a cast says what is recorded.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "readings: no trigger sees a SELECT",
        "large objects and sequences (setval): no trigger sees a change of them; rows that read otherwise \
         since a superuser, or whoever owns the type where none guards the trail, has renamed a label of \
         their enum: the record is that of the command",
        "a superuser who disables triggers between two proofs",
        "schema changes by the owner that drop a table or a column and make it anew with other \
         values; each step is recorded where a superuser guards the trail. There, rewrites of rows \
         (ALTER TABLE … USING, SET UNLOGGED) and tables with rows that are hung below a recorded \
         one are refused to all but superusers; elsewhere neither is",
        "columns that a comment keeps out of the trail and that somebody has approved; they are named",
        "tables whose rows no column and no foreign key ties to a tenant",
        "partitions are written through their parent; their own triggers are read from the \
         catalogue, and TRUNCATE of one partition alone is not tried where the table has no \
         tenant column",
        "the bite where several databases are protected: its violations are seeded in a sandbox of \
         the first one alone, the others are only attacked",
    ],
};

/// The control.
pub(super) struct Triggers {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Triggers {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let all = Ledger::of(&self.databases, &*cx.rng, |database, rng| {
                Box::pin(prove(database, rng))
            })
            .await;
            let measured = format!("{} not recorded", all.findings.len());
            all.proof(at, "writes (table × action × session)", &measured, "0 not recorded")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

async fn prove(database: &Watched, rng: &dyn Rng) -> Result<Ledger> {
    let place = database.place();
    let mut ledger = rows(&place, rng).await?;
    if place.keeper().await?.is_some() {
        let tx = place.catalogue().await?;
        ledger.findings.extend(inspect::recorder(&tx).await?);
        tx.rollback().await?;
    }
    let work: Work<Ledger> = |inside, _| Box::pin(truncates(inside));
    let (truncated, left) = in_sandbox(database, rng, work).await;
    ledger.notes.extend(left);
    match truncated {
        Ok(truncated) => ledger.add(truncated),
        Err(error) => {
            ledger.total += 1;
            ledger.open.push(format!("TRUNCATE could not be tried in a sandbox: {error}"));
        }
    }
    Ok(ledger)
}

/// What the catalogue says, and every row action on every table in every kind of session.
async fn rows(place: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    let shape = place.shape().await?;
    let mut ledger = Ledger::default();
    for step in place.plan(&shape).await? {
        let finding = Finding::new(step.object, step.why);
        ledger.findings.push(if step.blocked { finding } else { finding.fix(step.sql) });
    }
    let tx = place.catalogue().await?;
    ledger.findings.extend(inspect::casts(&tx).await?);
    ledger.findings.extend(inspect::uncopied(&tx).await?);
    tx.rollback().await?;
    let mut sessions = vec![(&place.protected.owner, false)];
    // Never a superuser: a trigger that the tables' owner has planted would run as one.
    match &place.protected.replicator {
        Some(replicator) => sessions.push((replicator, true)),
        None => ledger.notes.push(NO_REPLICATOR.to_owned()),
    }
    let asked = place.asked().await?;
    for table in place.recorded(&shape)?.into_iter().filter(|t| !t.partition) {
        let hidden = asked.get(&(table.schema.clone(), table.name.clone()));
        let hidden = hidden.map(Asked::columns).unwrap_or_default();
        if !hidden.is_empty() {
            let columns = hidden.join(", ");
            ledger.notes.push(format!("{} is recorded without {columns}", table.label()));
        }
        for (login, replica) in &sessions {
            let (shape, hidden) = (&shape, &hidden);
            let session = Session { place, shape, login, replica: *replica, hidden, request: None };
            ledger.add(session.rows(table, rng).await?);
        }
    }
    Ok(ledger)
}

/// A kind of session in which rows are written.
pub(super) struct Session<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) shape: &'a [Table],
    pub(super) login: &'a Db,
    pub(super) replica: bool,
    /// The columns that are not to be shown.
    pub(super) hidden: &'a [String],
    /// The request that it names.
    pub(super) request: Option<&'a str>,
}

impl Session<'_> {
    /// Every row action on `table`.
    pub(super) async fn rows(&self, table: &Table, rng: &dyn Rng) -> Result<Ledger> {
        let protected = self.place.protected;
        let canary = &protected.canaries.0;
        let mut outcomes = self.written_as(canary, table, rng).await?;
        // A table with one row for each tenant takes no second one. There a tenant writes who
        // exists in this transaction alone.
        if outcomes.iter().any(|(_, o)| matches!(o, Outcome::NotDone(_)))
            && let Some(stranger) =
                canary::stranger(self.shape, table, &protected.tenant_column, rng)?
        {
            let again = self.written_as(&stranger, table, rng).await?;
            for (first, second) in outcomes.iter_mut().zip(again) {
                if matches!(first.1, Outcome::NotDone(_)) {
                    *first = second;
                }
            }
        }
        let mut ledger = Ledger { total: ROW_ACTIONS, ..Ledger::default() };
        let suffix = if self.replica { REPLICA } else { "" };
        for (action, outcome) in outcomes {
            note(&mut ledger, &table.label(), action, suffix, outcome);
        }
        Ok(ledger)
    }

    async fn written_as(
        &self,
        tenant: &TenantId,
        table: &Table,
        rng: &dyn Rng,
    ) -> Result<Vec<(&'static str, Outcome)>> {
        // A binding lives a minute, so each table gets its own.
        let binding = canary::bind(tenant, &*self.place.binder)?;
        let tx = self.login.tenant(&binding).await?;
        tx.batch(sql::SETTINGS).await?;
        if self.replica {
            tx.batch("SET LOCAL session_replication_role = replica").await?;
        }
        let since = tx.query_one(sql::NOW, &[]).await?.get(0);
        if let Some(request) = self.request {
            self.pretend(&tx, request).await?;
        }
        let mark = format!("amanah-{}", random_hex(rng, 6).map_err(store::Error::from)?);
        let rehearsal = Rehearsal {
            tx: &tx,
            table,
            owned: Owned { column: &self.place.protected.tenant_column, tenant, mark: &mark },
            who: Who {
                actor: Some(canary::ACTOR),
                tenant: Some(tenant.as_str()),
                db_user: &self.login.url().user,
                request: self.request,
                since,
            },
            hidden: self.hidden,
        };
        let outcomes = rehearsal.rows(self.shape).await?;
        tx.rollback().await?;
        Ok(outcomes)
    }

    /// Names the request, and says in every setting that somebody could take for an identity that it is
    /// somebody else.
    async fn pretend(&self, tx: &Tx, request: &str) -> Result<()> {
        for (setting, value) in std::iter::once(("amanah.request_id", request)).chain(LIES) {
            tx.query_one(sql::SET, &[&setting, &value]).await?;
        }
        Ok(())
    }
}

/// TRUNCATE of every table, partitions too, in a sandbox, by a session that is bound to nobody.
async fn truncates(place: &Place<'_>) -> Result<Ledger> {
    let inside = place.protected;
    let shape = place.shape().await?;
    let tables = place.recorded(&shape)?;
    let tx = inside.owner.operator().await?;
    let since = tx.query_one(sql::NOW, &[]).await?.get(0);
    let mut ledger = Ledger { total: tables.len(), ..Ledger::default() };
    for table in tables {
        let owned = Owned { column: &inside.tenant_column, tenant: &inside.canaries.0, mark: "" };
        let db_user = &inside.owner.url().user;
        let who = Who { actor: None, tenant: None, db_user, request: None, since };
        let outcome = Rehearsal { tx: &tx, table, owned, who, hidden: &[] }.truncate().await?;
        note(&mut ledger, &table.label(), "TRUNCATE", "", outcome);
    }
    tx.rollback().await?;
    Ok(ledger)
}

fn note(ledger: &mut Ledger, place: &str, action: &str, suffix: &str, outcome: Outcome) {
    match outcome {
        Outcome::Recorded => ledger.checked += 1,
        Outcome::Wrong(what) => {
            ledger.checked += 1;
            let fix = "Run `amanah protect` with --apply; if that changes nothing, restore the \
                       functions of the trail";
            ledger.findings.push(Finding::new(place, format!("{what}{suffix}")).fix(fix));
        }
        Outcome::NotDone(why) => {
            ledger.open.push(format!("{place}: {action} could not be tried{suffix}: {why}"));
        }
    }
}

async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let shape = inside.shape().await?;
    // What is seeded below is about triggers for rows.
    let asked = inside.asked().await?;
    let by_statement = |t: &&Table| {
        asked.get(&(t.schema.clone(), t.name.clone())).is_some_and(|asked| asked.by_statement)
    };
    let tables: Vec<&Table> =
        inside.recorded(&shape)?.into_iter().filter(|t| !t.partition && !by_statement(t)).collect();
    let column = &inside.protected.tenant_column;
    let Some(table) = tables.iter().find(|t| t.column(column).is_some()) else {
        return Err(Error::NoCanary("there is no table with the tenant column".to_owned()));
    };
    let before = everything(inside, rng).await?;
    let keyed = tables.iter().find(|t| t.column(column).is_some() && !t.primary_key.is_empty());
    let made = std::iter::once(bare(table, column)).chain(keyed.and_then(|t| linked(t)));
    let other = tables.iter().find(|t| t.column(column).is_none());
    let weakened = violations(table, column).into_iter().chain(other.map(|t| undressed(t)));
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for violation in made.chain(weakened) {
        inside.weaken(&violation.seed).await?;
        match news(&before, everything(inside, rng).await?) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(violation.name.to_owned()),
        }
        inside.weaken(&violation.undo).await?;
        // What is approved was approved in the real one.
        for step in inside.plan(&shape).await?.iter().filter(|step| !step.approval) {
            inside.weaken(&step.sql).await?;
        }
    }
    Ok(bitten)
}

async fn everything(inside: &Place<'_>, rng: &dyn Rng) -> Result<Vec<Finding>> {
    let mut ledger = rows(inside, rng).await?;
    ledger.add(truncates(inside).await?);
    Ok(ledger.findings)
}

/// A table with the tenant column, and nothing that records.
fn bare(table: &Table, tenant_column: &str) -> Violation {
    let bare = qualified(&table.schema, "amanah_bite");
    Violation {
        name: "a table without triggers",
        seed: format!(
            "CREATE TABLE {bare} (id bigint PRIMARY KEY, {} text NOT NULL)",
            ident(tenant_column)
        ),
        undo: format!("DROP TABLE {bare}"),
    }
}

/// A table that belongs to a tenant through the rows of `parent`, and nothing that records.
fn linked(parent: &Table) -> Option<Violation> {
    let link = qualified(&parent.schema, "amanah_bite_link");
    let (mut columns, mut own, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for (n, name) in parent.primary_key.iter().enumerate() {
        columns.push(format!("parent_{n} {} NOT NULL", parent.column(name)?.sql_type));
        own.push(format!("parent_{n}"));
        theirs.push(ident(name));
    }
    let (columns, own, theirs) = (columns.join(", "), own.join(", "), theirs.join(", "));
    Some(Violation {
        name: "a table without triggers that points to one with the tenant column",
        seed: format!(
            "CREATE TABLE {link} (id bigint PRIMARY KEY, {columns},
                                  FOREIGN KEY ({own}) REFERENCES {} ({theirs}))",
            parent.quoted()
        ),
        undo: format!("DROP TABLE {link}"),
    })
}

/// A table without the tenant column that loses what records it.
fn undressed(table: &Table) -> Violation {
    Violation {
        name: "a dropped trigger on a table without the tenant column",
        seed: format!("DROP TRIGGER {} ON {}", track::ROW_TRIGGER, table.quoted()),
        undo: String::new(),
    }
}

/// What is taken away is put back by the plan, which is how its owner would do it.
fn violations(table: &Table, column: &str) -> Vec<Violation> {
    let place = table.quoted();
    let alter = |name, what: &str| Violation {
        name,
        seed: format!("ALTER TABLE {place} {what}"),
        undo: String::new(),
    };
    vec![
        Violation {
            name: "a cast that says what is recorded",
            seed: "CREATE TYPE public.amanah_bite_mood AS ENUM ('calm');
                   CREATE FUNCTION public.amanah_bite(public.amanah_bite_mood) RETURNS json
                       LANGUAGE sql AS $$ SELECT '\"hurried\"'::json $$;
                   CREATE CAST (public.amanah_bite_mood AS json)
                       WITH FUNCTION public.amanah_bite(public.amanah_bite_mood)"
                .to_owned(),
            undo: "DROP TYPE public.amanah_bite_mood CASCADE".to_owned(),
        },
        Violation {
            name: "a column that a comment hides",
            seed: format!("COMMENT ON COLUMN {place}.{} IS '@audit(hashed)'", ident(column)),
            undo: format!("COMMENT ON COLUMN {place}.{} IS NULL", ident(column)),
        },
        Violation {
            name: "a dropped trigger",
            seed: format!("DROP TRIGGER {} ON {place}", track::ROW_TRIGGER),
            undo: String::new(),
        },
        Violation {
            name: "a dropped trigger for TRUNCATE",
            seed: format!("DROP TRIGGER {} ON {place}", track::TRUNCATE_TRIGGER),
            undo: String::new(),
        },
        alter("a disabled trigger", &format!("DISABLE TRIGGER {}", track::ROW_TRIGGER)),
        alter(
            "a trigger that sleeps in replica sessions",
            &format!("ENABLE TRIGGER {}", track::ROW_TRIGGER),
        ),
        Violation {
            name: "a trigger that skips rows",
            seed: format!(
                "CREATE OR REPLACE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {place}
                     FOR EACH ROW WHEN (false) EXECUTE FUNCTION audit.global_track_changes()",
                track::ROW_TRIGGER
            ),
            undo: String::new(),
        },
    ]
}
