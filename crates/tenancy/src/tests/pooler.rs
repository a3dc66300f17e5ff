//! The binding through a real `PgBouncer` in transaction mode, where many clients have one
//! connection.

use kernel::{Actor, Scope, Secret, SystemClock, TenantId};
use store::Db;
use testkit::Pooler;

use super::fixture::{self, FORMS};
use crate::{Form, Guarded, TenantBinder};

const SCHEMA: &str = "CREATE TABLE product (company_id integer NOT NULL, name text NOT NULL);
    INSERT INTO product VALUES (1, 'one'), (2, 'two'); GRANT SELECT, INSERT ON product TO {app}";
/// How many transactions of each client run beside those of the other.
const ROUNDS: usize = 40;

/// The database in this form, the pooler in front of it, and two of its clients.
async fn shared(form: Form) -> (Guarded, Pooler, Db, Db) {
    let guarded = fixture::protected(SCHEMA, "company_id", fixture::NUMBERS).await;
    fixture::shape(&guarded, form).await;
    let pooler = testkit::pgbouncer(guarded.protected.intruder.url(), 1);
    let client = || Db::lazy(pooler.url(), 1).unwrap();
    let (a, b) = (client(), client());
    (guarded, pooler, a, b)
}

fn token(guarded: &Guarded, tenant: &str, scope: Scope) -> Secret {
    let name = &guarded.protected.name;
    let binder = TenantBinder::new(std::sync::Arc::new(SystemClock), guarded.key.clone(), name);
    binder.token(&TenantId::new(tenant).unwrap(), &Actor::new("ann").unwrap(), scope)
}

/// What a transaction without a binding finds of anybody.
async fn unbound(db: &Db) -> (i64, Option<String>, i32) {
    let tx = db.operator().await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM product), amanah.current_tenant(), pg_backend_pid()";
    let row = tx.query_one(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// Two clients take turns on one connection, and neither finds anything of the other.
#[tokio::test]
async fn clients_share_a_connection_and_nothing_else() {
    for form in FORMS {
        let (guarded, _pooler, a, b) = shared(form).await;
        let (nothing, none, pid) = unbound(&a).await;
        assert_eq!((nothing, none), (0, None), "{form}");
        let run = async |db: &Db, tenant: &str, name: &str, commit: bool| {
            let tx = db.tenant(&token(&guarded, tenant, Scope::ReadWrite)).await.unwrap();
            let sql = "SELECT name, pg_backend_pid() FROM product";
            let rows = tx.query(sql, &[]).await.unwrap();
            let found: Vec<(String, i32)> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
            assert_eq!(found, [(name.to_owned(), pid)], "{form}: the same connection");
            if commit { tx.commit().await.unwrap() } else { tx.rollback().await.unwrap() }
        };
        for commit in [true, false] {
            run(&a, "1", "one", commit).await;
            assert_eq!(unbound(&b).await, (0, None, pid), "{form}: left by a: {commit}");
            run(&b, "2", "two", commit).await;
            assert_eq!(unbound(&a).await, (0, None, pid), "{form}: left by b: {commit}");
        }
        // At once: each waits for the connection, and gets it between two of the other's.
        let many = async |db: &Db, tenant: &str, name: &str| {
            for n in 0..ROUNDS {
                run(db, tenant, name, n % 3 > 0).await;
            }
        };
        tokio::join!(many(&a, "1", "one"), many(&b, "2", "two"));
    }
}

/// What is refused directly is refused through it, and the connection goes on.
#[tokio::test]
async fn what_is_refused_stays_refused() {
    for form in FORMS {
        let (guarded, _pooler, a, b) = shared(form).await;
        let tx = a.tenant(&token(&guarded, "1", Scope::ReadOnly)).await.unwrap();
        let other = token(&guarded, "2", Scope::ReadWrite);
        let bind = "SELECT amanah.bind($1)";
        let refused = tx.attempt(bind, &[&other.expose()]).await.unwrap().unwrap_err();
        assert!(refused.to_string().contains("another tenant is bound already"), "{refused}");
        let insert = "INSERT INTO product VALUES (1, 'more')";
        assert!(tx.attempt(insert, &[]).await.unwrap().unwrap_err().is_denied(), "{form}");
        // An error that ends the transaction takes the binding with it.
        tx.query("SELECT 1 / 0", &[]).await.unwrap_err();
        tx.rollback().await.unwrap();
        let (rows, tenant, _) = unbound(&b).await;
        assert_eq!((rows, tenant), (0, None), "{form}");
        let forged = other.expose().replace(".32.", ".31.");
        let refused = b.tenant(&Secret::new(forged)).await.unwrap_err();
        assert_eq!(refused.sqlstate(), Some("28000"), "{form}: {refused}");
    }
}

/// A client that goes away in the middle of its transaction leaves nothing to the next.
#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing() {
    for form in FORMS {
        let (guarded, _pooler, a, b) = shared(form).await;
        for _ in 0..5 {
            let tx = a.tenant(&token(&guarded, "1", Scope::ReadWrite)).await.unwrap();
            tx.execute("INSERT INTO product VALUES (1, 'half done')", &[]).await.unwrap();
            // Dropped, it closes its connection to the pooler without a word.
            drop(tx);
            let (rows, tenant, _) = unbound(&b).await;
            assert_eq!((rows, tenant), (0, None), "{form}");
        }
        let tx = b.tenant(&token(&guarded, "1", Scope::ReadWrite)).await.unwrap();
        let rows = tx.query("SELECT name FROM product", &[]).await.unwrap();
        assert_eq!(rows.len(), 1, "{form}: it was rolled back");
        tx.rollback().await.unwrap();
    }
}

/// Amanah's own sessions begin with a search path of their own. A pooler that takes it from them is
/// refused, in both of its modes, also where it is told to say nothing of it.
#[tokio::test]
async fn amanahs_own_sessions_do_not_go_through_it() {
    let guarded = fixture::protected(SCHEMA, "company_id", fixture::NUMBERS).await;
    let owner = guarded.protected.owner.url();
    for mode in ["session", "transaction"] {
        for (more, words) in [
            ("", "unsupported startup parameter"),
            ("ignore_startup_parameters = options", "begin with the search path"),
        ] {
            let lines = format!("pool_mode = {mode}\n{more}");
            let pooler = testkit::pgbouncer_with(owner, 1, &lines);
            let refused = Db::connect(&pooler.url().pinned(), 1).await.err().unwrap().to_string();
            assert!(refused.contains(words), "{mode}, {more}: {refused}");
            assert!(refused.contains("address of the server itself"), "{refused}");
        }
    }
    Db::connect(&owner.pinned(), 1).await.unwrap();
}
