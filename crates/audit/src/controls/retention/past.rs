//! A sandbox whose trail goes back for months, and every known way to take one of them out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::{Rng, hex};
use store::ident;

use super::super::append_only::{Attacker, Battery, GROUPS, attack, attack_as_group, attackers};
use super::super::{Ledger, Place, alter};
use super::TRAIL;
use crate::attack::Attempt;
use crate::retention::{Month, lengthen};
use crate::{Result, canary, inspect, sql};

/// Roles of Amanah's own, one of which takes old months out. Nobody signs in as one of them here, so a
/// superuser changes into it.
const OWN_ROLES: [&str; 4] =
    ["amanah_trail", "amanah_trail_archivist", "amanah_trail_desk", "amanah_trail_reader"];

/// So many rows of each month.
const ROWS: u32 = 2;

/// Has a trail hold `rows` rows of a past month, each with the hash that it would have had. Only who keeps
/// the trail can: the trigger that refuses such rows sleeps meanwhile.
pub(crate) fn written(month: Month, rows: u32) -> String {
    let (first, part) = (month.first(), format!("audit.{}", ident(&month.partition())));
    format!(
        "SELECT audit.make_partition('{first} 00:00:00+00');
         SELECT audit.make_partitions();
         ALTER TABLE {part} DISABLE TRIGGER hash;
         INSERT INTO {TRAIL} (id, event_timestamp, db_user, action, table_schema, table_name, new_data,
                              xid, salt, row_hash) OVERRIDING SYSTEM VALUE
         SELECT r.id, r.at, session_user, 'INSERT', 'amanah', 'past', r.data, r.xid, r.salt,
                audit.row_digest(r.id, r.at, r.xid, NULL, NULL, session_user::text, NULL, 'INSERT',
                    'amanah', 'past', audit.content_digest(r.salt, NULL, NULL, r.data))
           FROM (SELECT pg_catalog.nextval('audit.system_audit_logs_id_seq'::regclass) AS id,
                        '{first} 12:00:00+00'::timestamptz + n * interval '1 minute' AS at,
                        pg_catalog.jsonb_build_object('n', n) AS data,
                        pg_catalog.pg_current_xact_id() AS xid,
                        pg_catalog.gen_random_uuid() AS salt
                   FROM pg_catalog.generate_series(1, {rows}) n) r;
         ALTER TABLE {part} ENABLE ALWAYS TRIGGER hash"
    )
}

/// A sandbox with rows of past months, and how long they stay there.
pub(super) struct Past {
    /// The last one that has ended.
    youngest: Month,
    /// The first one that may not go yet.
    pub(super) oldest: Month,
    guarded: bool,
    /// The digests over their rows, as who archives them would know them.
    digests: BTreeMap<Month, String>,
}

impl Past {
    pub(super) async fn made(inside: &Place<'_>) -> Result<Self> {
        let keeper = inside.keeper().await?;
        let maker = keeper.unwrap_or(&inside.protected.owner);
        let stays = match keeper {
            Some(superuser) => lengthen(superuser, inside.keep).await?,
            None => inside.keep,
        };
        let tx = maker.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        // The server's clock, by which the function there goes.
        let now: Timestamp = tx.query_one(sql::NOW, &[]).await?.get(0);
        tx.rollback().await?;
        let (youngest, oldest) = (Month::of(now).earlier(1), Month::of(now).earlier(stays));
        let (guarded, digests) = (keeper.is_some(), BTreeMap::new());
        let mut past = Self { youngest, oldest, guarded, digests };
        for month in past.months() {
            alter(maker, &written(month, ROWS)).await?;
            let sql = format!("{}{}", sql::DIGEST, ident(&month.partition()));
            let tx = maker.operator().await?;
            tx.batch(sql::CLOSED_PATH).await?;
            let digest: Vec<u8> = tx.query_one(&sql, &[]).await?.get(0);
            tx.rollback().await?;
            past.digests.insert(month, hex(&digest));
        }
        Ok(past)
    }

    /// Each once.
    pub(super) fn months(&self) -> BTreeSet<Month> {
        BTreeSet::from([self.youngest, self.oldest])
    }

    /// Everything that could take one of the months out.
    fn attempts(&self) -> Vec<Attempt> {
        let mut all = Vec::new();
        for month in self.months() {
            all.extend(on_rows(month));
            if self.guarded {
                let digest = self.digests.get(&month).map(String::as_str).unwrap_or_default();
                all.extend(by_function(month, digest));
            }
        }
        if self.guarded {
            all.extend(period());
        }
        all
    }

    /// The attacks of everybody.
    pub(super) async fn examine(&self, inside: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
        let protected = inside.protected;
        let attempts = self.attempts();
        let battery = Battery { attempts: &attempts, guarded: self.guarded };
        let mut ledger = Ledger::default();
        let binding = canary::bind(&protected.canaries.0, &*inside.binder)?;
        for attacker in attackers(protected, &binding) {
            ledger.add(attack(&attacker, battery).await?);
        }
        for (title, role) in GROUPS {
            ledger.add(attack_as_group(protected, title, role, battery, rng).await?);
        }
        if let (Some(superuser), true) = (&protected.superuser, self.guarded) {
            for role in OWN_ROLES {
                let name = format!("Amanah's own role {role}");
                let attacker = Attacker { name, login: superuser, role: Some(role), binding: None };
                ledger.add(attack(&attacker, battery).await?);
            }
            let tx = superuser.operator().await?;
            tx.batch(sql::CLOSED_PATH).await?;
            let mut found = inspect::inspect(&tx, true).await?;
            tx.rollback().await?;
            let ours = ["audit.remove_month", "audit.retention", "audit.archived_months"];
            found.retain(|finding| ours.contains(&finding.object.as_str()));
            ledger.findings.extend(found);
        }
        Ok(ledger)
    }
}

fn attempt(month: Month, deed: &str, sql: String) -> Attempt {
    Attempt { object: format!("the month {month}"), deed: deed.to_owned(), sql }
}

/// Around the function that takes months out.
fn on_rows(month: Month) -> Vec<Attempt> {
    let part = format!("audit.{}", ident(&month.partition()));
    let (from, to) = (month.first(), month.later(1).first());
    let of_month = format!(
        "WHERE event_timestamp >= '{from} 00:00:00+00' AND event_timestamp < '{to} 00:00:00+00'"
    );
    let one = |deed: &str, sql: String| attempt(month, deed, sql);
    vec![
        one("delete its rows", format!("DELETE FROM {TRAIL} {of_month}")),
        one("delete its rows from the partition", format!("DELETE FROM {part}")),
        one(
            "date its rows back, so that they look older",
            format!("UPDATE {TRAIL} SET event_timestamp = '2000-01-01' {of_month}"),
        ),
        one("empty its partition", format!("TRUNCATE {part}")),
        one("drop its partition", format!("DROP TABLE {part}")),
        one("drop its partition and what hangs on it", format!("DROP TABLE {part} CASCADE")),
        one("detach its partition", format!("ALTER TABLE {TRAIL} DETACH PARTITION {part}")),
        one("rename its partition", format!("ALTER TABLE {part} RENAME TO amanah_gone")),
        one("take its partition over", format!("ALTER TABLE {part} OWNER TO CURRENT_USER")),
        one("let its guard sleep", format!("ALTER TABLE {part} DISABLE TRIGGER ALL")),
    ]
}

/// By that function.
fn by_function(month: Month, digest: &str) -> Vec<Attempt> {
    let asked = format!("'{}', {ROWS}, '\\x{digest}'", month.first());
    let one = |deed: &str, sql: String| attempt(month, deed, sql);
    vec![
        one("have it removed", format!("SELECT audit.remove_month({asked})")),
        one(
            "have it removed under another time zone and a clock of their own",
            format!(
                "DO $amanah$ BEGIN
                     SET LOCAL timezone = 'Pacific/Kiritimati';
                     SET LOCAL datestyle = 'SQL, DMY';
                     BEGIN
                         CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql
                             AS $$ SELECT '2999-01-01'::timestamptz $$;
                         SET LOCAL search_path = pg_temp, pg_catalog;
                     EXCEPTION WHEN insufficient_privilege THEN NULL;
                     END;
                     PERFORM audit.remove_month({asked});
                 END $amanah$"
            ),
        ),
    ]
}

/// By the period.
fn period() -> Vec<Attempt> {
    let one = |deed: &str, sql: &str| Attempt {
        object: "audit.retention".to_owned(),
        deed: deed.to_owned(),
        sql: sql.to_owned(),
    };
    vec![
        one("shorten the period", "UPDATE audit.retention SET months = 1"),
        one("take the period away", "DELETE FROM audit.retention"),
        one("empty the table of the period", "TRUNCATE audit.retention"),
        one("drop the table of the period", "DROP TABLE audit.retention"),
        one(
            "take the table of the period over",
            "ALTER TABLE audit.retention OWNER TO CURRENT_USER",
        ),
        one(
            "say that a month was archived",
            "INSERT INTO audit.archived_months (month, rows) VALUES ('2000-01-01', 0)",
        ),
        one(
            "replace the function that takes months out",
            "CREATE OR REPLACE FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea)
                 RETURNS void
             LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN NULL; END $$",
        ),
        one("drop that function", "DROP FUNCTION audit.remove_month(date, bigint, bytea)"),
    ]
}
