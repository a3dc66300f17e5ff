//! The token: its two implementations agree, and nothing else passes.

use kernel::{Actor, Clock, Scope, Secret, SystemClock, SystemRng, TenantId};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use store::Tx;

use super::fixture;
use crate::{BindingKey, Claims, Form, Guarded};

const EMPTY: &str = "CREATE TABLE shop (tenant_id text PRIMARY KEY)";
/// How many random pairs of tenant and actor are tried.
const SAMPLES: usize = 200;

async fn guarded(form: Form) -> Guarded {
    let guarded = fixture::bare(EMPTY, "tenant_id", ("a", "b")).await;
    fixture::shape(&guarded, form).await;
    guarded
}

fn mint(guarded: &Guarded, tenant: &str, actor: &str, scope: Scope) -> Secret {
    let claims = Claims {
        tenant: &TenantId::new(tenant).unwrap(),
        actor: &Actor::new(actor).unwrap(),
        scope,
        database: &guarded.protected.name,
    };
    guarded.key.get().mint(&claims, SystemClock.now())
}

async fn bind(tx: &Tx, token: &str) -> Result<(), (String, String)> {
    let answer = tx.attempt("SELECT amanah.bind($1)", &[&token]).await.unwrap();
    answer.map(|_| ()).map_err(|e| {
        let words = e.server_message().unwrap_or_default().to_owned();
        (e.sqlstate().unwrap_or_default().to_owned(), words)
    })
}

/// Whatever a tenant and an actor are called, the database reads what Rust wrote.
#[tokio::test]
async fn both_forms_agree_on_any_name() {
    for form in fixture::FORMS {
        both_forms_agree_on_any_name_in(form).await;
    }
}

async fn both_forms_agree_on_any_name_in(form: Form) {
    let guarded = guarded(form).await;
    let name = "\\PC{1,30}".prop_filter("ids are checked", |s| TenantId::new(s.as_str()).is_ok());
    let mut runner = TestRunner::deterministic();
    let mut pairs = vec![("o'brien \"x\" \\ $1".to_owned(), "{\u{1F600}}".to_owned())];
    for _ in 0..SAMPLES {
        let one = name.new_tree(&mut runner).unwrap().current();
        let two = name.new_tree(&mut runner).unwrap().current();
        pairs.push((one, two));
    }
    for (n, (tenant, actor)) in pairs.iter().enumerate() {
        let scope = if n % 2 == 0 { Scope::ReadOnly } else { Scope::ReadWrite };
        let token = mint(&guarded, tenant, actor, scope);
        let tx = guarded.protected.intruder.tenant(&token).await.unwrap();
        let sql = "SELECT amanah.current_tenant(), amanah.current_actor(), amanah.may_write(),
                          amanah.reading_tenant(), amanah.writing_tenant()";
        let row = tx.query_one(sql, &[]).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(row.get::<_, &str>(3), tenant.as_str());
        assert_eq!(row.get::<_, Option<&str>>(4), (n % 2 == 1).then_some(tenant.as_str()));
        let read: (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(read, (tenant.clone(), actor.clone(), n % 2 == 1));
    }
}

/// Each way to be wrong has its own words, and the code of a refused login.
#[tokio::test]
async fn what_is_not_good_is_refused_in_words() {
    for form in fixture::FORMS {
        what_is_not_good_is_refused_in_words_in(form).await;
    }
}

async fn what_is_not_good_is_refused_in_words_in(form: Form) {
    let guarded = guarded(form).await;
    let tx = guarded.protected.intruder.operator().await.unwrap();
    let good = mint(&guarded, "a", "ann", Scope::ReadWrite);
    let good = good.expose();
    let claims = Claims {
        tenant: &TenantId::new("a").unwrap(),
        actor: &Actor::new("ann").unwrap(),
        scope: Scope::ReadWrite,
        database: &guarded.protected.name,
    };
    let old = guarded.key.get().mint_until(&claims, SystemClock.now().as_second() - 1);
    let long = guarded.key.get().mint_until(&claims, SystemClock.now().as_second() + 3600);
    let other = BindingKey::generate(&SystemRng).unwrap().mint(&claims, SystemClock.now());
    let elsewhere = Claims { database: "x", ..claims };
    let elsewhere = guarded.key.get().mint(&elsewhere, SystemClock.now());
    let cases = [
        (String::new(), "there is none"),
        ("nonsense".to_owned(), "its key is not known here"),
        (other.expose().to_owned(), "its key is not known here"),
        ("x".repeat(701), "it is too long"),
        (old.expose().to_owned(), "it has expired"),
        (long.expose().to_owned(), "it is good for too long"),
        (elsewhere.expose().to_owned(), "it was not made for this database, or it was changed"),
        (good.replace(".rw.", ".ro."), "it was not made for this database, or it was changed"),
        (good.replacen(guarded.key.get().kid(), "another", 1), "its key is not known here"),
    ];
    for (token, words) in cases {
        let refused = bind(&tx, &token).await.unwrap_err();
        let words = format!("the tenant binding is refused: {words}");
        assert_eq!(refused, ("28000".to_owned(), words), "{token}");
    }
    assert_eq!(bind(&tx, good).await, Ok(()));
}

/// A transaction keeps its tenant; the end of the transaction ends the binding.
#[tokio::test]
async fn a_binding_lasts_for_its_transaction_and_no_other_tenant() {
    for form in fixture::FORMS {
        a_binding_lasts_for_its_transaction_and_no_other_tenant_in(form).await;
    }
}

async fn a_binding_lasts_for_its_transaction_and_no_other_tenant_in(form: Form) {
    let guarded = guarded(form).await;
    let tx = fixture::bound(&guarded, "a").await;
    let again = mint(&guarded, "a", "bob", Scope::ReadOnly);
    let other = mint(&guarded, "b", "bob", Scope::ReadWrite);
    assert_eq!(bind(&tx, again.expose()).await, Ok(()));
    let refused = bind(&tx, other.expose()).await.unwrap_err();
    assert!(refused.1.ends_with("another tenant is bound already"), "{refused:?}");
    // What an attack left in the setting does not lock the session out.
    tx.batch("SET LOCAL amanah.token = 'junk'").await.unwrap();
    let rebound = bind(&tx, other.expose()).await;
    match form {
        Form::Portable => assert_eq!(rebound, Ok(())),
        // Whatever is done to the setting, the server has kept the tenant.
        Form::VerifyOnce => assert_eq!(rebound, Err(refused)),
    }
    tx.commit().await.unwrap();
    let tx = guarded.protected.intruder.operator().await.unwrap();
    let sql = "SELECT amanah.current_tenant() IS NULL AND NOT amanah.may_write()";
    assert!(tx.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
}

/// The owner reads the keys; nobody else does, and no function shows them.
#[tokio::test]
async fn keys_are_the_owners_alone() {
    for form in fixture::FORMS {
        keys_are_the_owners_alone_in(form).await;
    }
}

async fn keys_are_the_owners_alone_in(form: Form) {
    let guarded = guarded(form).await;
    let tx = guarded.protected.intruder.operator().await.unwrap();
    for sql in [
        "TABLE amanah.binding_key",
        "INSERT INTO amanah.binding_key VALUES ('x', '', '', now(), now())",
        "SELECT amanah.open_token('x')",
    ] {
        assert!(tx.attempt(sql, &[]).await.unwrap().unwrap_err().is_denied(), "{sql}");
    }
}

/// An application that may make schemas puts its own functions and operators first; the binding
/// does not use them.
#[tokio::test]
async fn the_callers_search_path_decides_nothing() {
    for form in fixture::FORMS {
        the_callers_search_path_decides_nothing_in(form).await;
    }
}

async fn the_callers_search_path_decides_nothing_in(form: Form) {
    let guarded = guarded(form).await;
    fixture::as_superuser(
        &guarded,
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.lies(bytea, bytea) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR evil.<> (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = evil.lies);
         CREATE FUNCTION evil.liest(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql
             AS 'SELECT false';
         CREATE OPERATOR evil.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz,
             FUNCTION = evil.liest);
         CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$SELECT ''::bytea$$;
         CREATE FUNCTION evil.statement_timestamp() RETURNS timestamptz LANGUAGE sql
             AS $$SELECT '2000-01-01'::timestamptz$$;",
    )
    .await;
    let claims = Claims {
        tenant: &TenantId::new("b").unwrap(),
        actor: &Actor::new("ann").unwrap(),
        scope: Scope::ReadWrite,
        database: &guarded.protected.name,
    };
    let old = guarded.key.get().mint_until(&claims, SystemClock.now().as_second() - 1);
    let good = mint(&guarded, "a", "ann", Scope::ReadWrite);
    let changed = good.expose().replace(".61.", ".62.");
    let tx = guarded.protected.intruder.operator().await.unwrap();
    tx.batch("SET LOCAL search_path = evil, pg_catalog").await.unwrap();
    for token in [old.expose(), &changed] {
        assert_eq!(bind(&tx, token).await.unwrap_err().0, "28000");
    }
    assert_eq!(bind(&tx, good.expose()).await, Ok(()));
}

/// A type of the caller's own is looked up before the server's where a path leaves `pg_temp` out.
/// In a session in which nothing has been looked up yet, no function of the binding takes it.
#[tokio::test]
async fn the_callers_types_decide_nothing() {
    for form in fixture::FORMS {
        the_callers_types_decide_nothing_in(form).await;
    }
}

async fn the_callers_types_decide_nothing_in(form: Form) {
    let guarded = guarded(form).await;
    let types = ["text", "bool", "bytea", "timestamptz", "interval", "float8", "int4"];
    let mut setup = "CREATE FUNCTION pg_temp.leak() RETURNS boolean LANGUAGE plpgsql AS
        $$BEGIN IF current_user <> session_user THEN RAISE 'with rights of %', current_user; END IF;
          RETURN true; END$$;"
        .to_owned();
    let domain = "CREATE DOMAIN pg_temp.{} AS pg_catalog.{} CHECK (pg_temp.leak());";
    setup.extend(types.map(|name| domain.replace("{}", name)));
    let token = mint(&guarded, "a", "ann", Scope::ReadWrite);
    let intruder = &guarded.protected.intruder;
    for call in [
        "bind($1)",
        "current_tenant()",
        "current_actor()",
        "may_write()",
        "reading_tenant()",
        "writing_tenant()",
    ] {
        let fresh = store::Db::lazy(intruder.url(), 1).unwrap();
        let tx = fresh.operator().await.unwrap();
        tx.batch(&setup).await.unwrap();
        let set = "SELECT set_config('amanah.token', $1, true)";
        tx.query(set, &[&token.expose()]).await.unwrap();
        let sql = format!("SELECT amanah.{call}::pg_catalog.text");
        let bound: &[&(dyn store::ToSql + Sync)] =
            if call.contains('$') { &[&token.expose()] } else { &[] };
        let answer = tx.attempt(&sql, bound).await.unwrap();
        assert!(answer.is_ok(), "{call}: {:?}", answer.err());
        tx.rollback().await.unwrap();
        fresh.close();
    }
}
