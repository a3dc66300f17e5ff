//! The two forms of the trail, its partitions, and what is left of a row after an erasure.

use store::{Migration, Protected, Room};

use super::{Keeper, SHOP, TENANCY, binding, house, run, track, trail, whole};
use crate::{Content, GUARD, ROOM};

/// The trail as it was at first.
static FIRST: Room =
    Room { name: "audit", migrations: &[Migration { name: "0001_trail", sql: crate::FIRST_SQL }] };

/// Its guard.
static FIRST_GUARD: Room = Room {
    name: "audit_keeper",
    migrations: &[Migration {
        name: "0002_guard",
        sql: concat!(
            include_str!("former/0002_aside.sql"),
            include_str!("../../sql/0001_trail.sql"),
            include_str!("former/0002_rows.sql"),
            include_str!("former/0002_keeper.sql"),
            include_str!("former/0002_watch.sql"),
        ),
    }],
};

/// A database with rows in the first form, one of them from long ago.
async fn former(keeper: Keeper) -> Protected {
    let protected = testkit::protected(SHOP, "company_id", ("-1", "-2"), &[&TENANCY, &FIRST]).await;
    let superuser = protected.superuser.clone().unwrap();
    if keeper == Keeper::Superuser {
        store::migrate_privileged(&superuser, &[&FIRST_GUARD]).await.unwrap();
        let owner = &protected.owner.url().user;
        run(&superuser, &format!("ALTER ROLE {owner} NOCREATEROLE")).await;
    }
    track(&protected).await;
    let keeper = if keeper == Keeper::Superuser { &superuser } else { &protected.owner };
    run(
        keeper,
        "INSERT INTO audit.system_audit_logs (event_timestamp, action, table_schema, table_name,
                                              row_key, old_data, row_hash)
         VALUES ('2024-02-29 23:59:59.999999+00', 'DELETE', 'public', 'product', '{\"id\": 1}',
                 '{\"id\": 1, \"name\": \"Salt\"}', '')",
    )
    .await;
    write(&protected, "INSERT INTO public.product (company_id, name) VALUES (-1, 'Rice')").await;
    write(&protected, "UPDATE public.product SET price = 3").await;
    protected
}

async fn write(protected: &Protected, sql: &str) {
    let tx = protected.intruder.tenant(&binding(protected, "ani")).await.unwrap();
    tx.batch(sql).await.unwrap();
    tx.commit().await.unwrap();
}

/// Rows of the first form, without what the first form had no columns for.
const FORMER_ROWS: &str = "
SELECT pg_catalog.string_agg(pg_catalog.concat_ws('|', id, event_timestamp, xid, actor_id, tenant_id,
           db_user, request_id, action, table_schema, table_name, row_key, old_data, new_data,
           row_hash), chr(10) ORDER BY id)
  FROM audit.system_audit_logs WHERE action <> 'DDL'";

async fn rows(protected: &Protected) -> String {
    let tx = whole(protected).await;
    tx.query_one(FORMER_ROWS, &[]).await.unwrap().get(0)
}

/// Whoever keeps the trail: what was recorded in the first form keeps its number, transaction, time,
/// content and hash, each row lies in the partition of its month, and recording goes on.
#[tokio::test]
async fn rows_of_the_first_form_stay_as_they_were() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = former(keeper).await;
        let superuser = protected.superuser.as_ref().unwrap();
        let before = rows(&protected).await;
        store::migrate(&protected.owner, &[&ROOM]).await.unwrap();
        if keeper == Keeper::Superuser {
            assert_eq!(rows(&protected).await, before, "the owner's migration leaves it alone");
            let applied = store::migrate_privileged(superuser, &[&GUARD]).await.unwrap();
            assert_eq!(applied, GUARD.migrations.len());
        }
        assert_eq!(rows(&protected).await, before);
        write(&protected, "DELETE FROM public.product").await;
        let tx = whole(&protected).await;
        let entries = trail(&tx).await;
        assert!(entries.iter().all(crate::TrailRow::is_whole), "{entries:?}");
        let first = |e: &&crate::TrailRow| matches!(e.content(), Content::First(_));
        assert_eq!(entries.iter().filter(first).count(), 3);
        let last = entries.last().unwrap();
        assert!(last.salt.is_some() && last.id > entries[2].id);
        let sql = "SELECT tableoid::regclass::text FROM audit.system_audit_logs ORDER BY id";
        let place: String = tx.query(sql, &[]).await.unwrap()[0].get(0);
        assert_eq!(place, "audit.system_audit_logs_2024_02");
        tx.rollback().await.unwrap();
        // Once more by a superuser: the second form is taken over as the first was.
        if keeper == Keeper::Owner {
            let before = rows(&protected).await;
            store::migrate_privileged(superuser, &[&GUARD]).await.unwrap();
            assert_eq!(rows(&protected).await, before);
            let tx = whole(&protected).await;
            assert!(trail(&tx).await.iter().all(crate::TrailRow::is_whole));
        }
    }
}

/// A row whose content goes keeps its hash; one that loses only a part, or gets another digest, does
/// not fit it.
#[tokio::test]
async fn an_erased_row_is_whole() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let wake = "ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_row,
                    DISABLE TRIGGER refuse_statement";
    run(superuser, wake).await;
    let everything = "salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL";
    for (erasure, erased, whole) in [
        (
            format!(
                "erased = audit.content_digest(salt, row_key, old_data, new_data), {everything}"
            ),
            true,
            true,
        ),
        (format!("erased = sha256('x'), {everything}"), true, false),
        ("new_data = '{}'".to_owned(), false, false),
        ("erased = sha256('x')".to_owned(), true, false),
        ("erased = sha256('x'), salt = NULL".to_owned(), true, false),
        (everything.to_owned(), false, false),
    ] {
        write(&protected, "INSERT INTO public.product (company_id, name) VALUES (-1, 'Rice')")
            .await;
        let tx = superuser.operator().await.unwrap();
        tx.batch(&format!(
            "UPDATE audit.system_audit_logs SET {erasure}
              WHERE id = (SELECT max(id) FROM audit.system_audit_logs)"
        ))
        .await
        .unwrap();
        let entry = trail(&tx).await.pop().unwrap();
        assert_eq!((entry.is_erased(), entry.is_whole()), (erased, whole), "{erasure}");
    }
}

/// The partitions of the months to come are made by the owner's daily call, guarded and closed; a row
/// whose month has none is recorded all the same.
#[tokio::test]
async fn partitions_are_made_ahead_and_missed_without_harm() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let root = testkit::postgres().await.superuser(&protected.name).await;
        let made = async || -> i32 {
            let tx = protected.owner.operator().await.unwrap();
            let made = tx.query_one("SELECT audit.make_partitions()", &[]).await.unwrap().get(0);
            tx.commit().await.unwrap();
            made
        };
        assert_eq!(made().await, 0);
        let names = "SELECT count(*) FROM pg_inherits
                      WHERE inhparent = 'audit.system_audit_logs'::regclass";
        let tx = protected.owner.operator().await.unwrap();
        assert_eq!(tx.query_one(names, &[]).await.unwrap().get::<_, i64>(0), 5);
        tx.rollback().await.unwrap();
        let app = &protected.app_role;
        run(
            &root,
            &format!(
                "DO $$ DECLARE part text; BEGIN
                     FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
                                  WHERE inhparent = 'audit.system_audit_logs'::regclass
                                    AND inhrelid <> 'audit.system_audit_logs_rest'::regclass LOOP
                         EXECUTE format('DROP TABLE %s', part);
                     END LOOP;
                 END $$;
                 GRANT ALL ON audit.system_audit_logs_rest TO {app}"
            ),
        )
        .await;
        write(&protected, "INSERT INTO public.product (company_id, name) VALUES (-1, 'Rice')")
            .await;
        // This month lies in the rest by now, which becomes its partition as it is.
        assert_eq!(made().await, 4);
        assert_eq!(made().await, 0);
        let tx = whole(&protected).await;
        let place = "SELECT t.tableoid::regclass::text = to_char(now() AT TIME ZONE 'UTC',
                            '\"audit.system_audit_logs_\"YYYY_MM')
                       FROM audit.system_audit_logs t WHERE t.table_name = 'product'";
        assert!(tx.query_one(place, &[]).await.unwrap().get::<_, bool>(0));
        tx.rollback().await.unwrap();
        let tx = whole(&protected).await;
        assert!(trail(&tx).await.iter().all(crate::TrailRow::is_whole));
        let found = crate::inspect::inspect(&tx, keeper == Keeper::Superuser).await.unwrap();
        let about = |f: &&kernel::Finding| f.object.contains("system_audit_logs_");
        let found: Vec<_> = found.iter().filter(about).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
