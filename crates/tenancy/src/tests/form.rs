//! Which form a database gets, what the server keeps of a binding, and changing from one form to
//! the other.

use kernel::{Actor, Clock, Outcome, Scope, SystemClock, TenantId};
use store::{TenantTx, Tx};

use super::fixture::{self, DJANGO, FORMS, NUMBERS, as_owner, as_superuser, prove};
use crate::{Claims, Form, Guarded};

const TENANT: &str = "SELECT amanah.current_tenant()";

async fn tenant(tx: &Tx) -> Option<String> {
    tx.query_one(TENANT, &[]).await.unwrap().get(0)
}

async fn chosen(guarded: &Guarded, superuser: bool) -> crate::Choice {
    let tx = guarded.protected.owner.operator().await.unwrap();
    let choice = crate::choose(&tx, superuser, &guarded.protected.app_role).await.unwrap();
    tx.rollback().await.unwrap();
    choice
}

async fn protect(guarded: &Guarded, superuser: bool) -> (Form, bool) {
    let plan = fixture::planned(&guarded.protected).await;
    let superuser = guarded.protected.superuser.as_ref().filter(|_| superuser);
    let done = crate::apply(&guarded.protected.owner, superuser, &plan).await.unwrap().binding;
    (done.form, done.installed)
}

/// `protect` takes the cheaper form where it can, keeps it, and goes back where it must not be.
#[tokio::test]
async fn the_form_is_chosen_by_what_the_cluster_allows() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    assert_eq!(chosen(&guarded, false).await.form, Form::Portable);
    assert_eq!(chosen(&guarded, true).await.form, Form::VerifyOnce);
    assert_eq!(protect(&guarded, false).await, (Form::Portable, true));
    assert_eq!(protect(&guarded, true).await, (Form::VerifyOnce, false));
    // What was granted stays when the superuser is gone.
    assert_eq!(protect(&guarded, false).await, (Form::VerifyOnce, true));
    as_superuser(&guarded, "GRANT SET ON PARAMETER backtrace_functions TO {app}").await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    let told: Vec<String> = proof.findings().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|t| t.starts_with("parameter backtrace_functions: ")), "{told:#?}");
    assert!(told.iter().any(|t| t.contains("(forge-kept: ")), "{told:#?}");
    assert_eq!(protect(&guarded, true).await, (Form::Portable, false));
}

/// An owner whose right to the parameter was taken away binds nobody, and `protect` brings the
/// database back.
#[tokio::test]
async fn a_right_that_was_taken_away_shuts_and_protect_opens() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    fixture::shape(&guarded, Form::VerifyOnce).await;
    let owner = store::ident(&guarded.protected.owner.url().user);
    let revoke = format!("REVOKE SET ON PARAMETER backtrace_functions FROM {owner}");
    as_superuser(&guarded, &revoke).await;
    assert_eq!(protect(&guarded, false).await, (Form::Portable, false));
    fixture::bound(&guarded, "1").await.rollback().await.unwrap();
}

/// A superuser that is none in truth cannot give the right back: the portable form is not there then,
/// and has to be installed.
#[tokio::test]
async fn a_right_that_nobody_may_give_back_is_no_installed_form() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    fixture::shape(&guarded, Form::VerifyOnce).await;
    let owner = &guarded.protected.owner.url().user;
    let revoke = "REVOKE SET ON PARAMETER backtrace_functions FROM";
    as_superuser(&guarded, &format!("{revoke} {}", store::ident(owner))).await;
    let choice = chosen(&guarded, true).await;
    assert!(choice.form == Form::VerifyOnce && !choice.installed, "it lacks its right: {choice:?}");
    let none = guarded.protected.intruder.operator().await.unwrap();
    let choice = crate::form::grant(&none, owner, choice).await.unwrap();
    none.rollback().await.unwrap();
    assert!(choice.form == Form::Portable && !choice.installed, "{choice:?}");
}

/// A transaction that is bound while the form changes, there or back, stays bound to its tenant;
/// so does one in a session that has used the other form before.
#[tokio::test]
async fn a_transaction_stays_bound_while_the_form_changes() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    fixture::shape(&guarded, Form::VerifyOnce).await;
    for (from, to) in [(1, 0), (0, 1), (1, 0), (0, 1)] {
        let tx = fixture::bound(&guarded, "7").await;
        assert_eq!(tenant(&tx).await.as_deref(), Some("7"));
        let owner = guarded.protected.owner.operator().await.unwrap();
        FORMS[to].install(&owner).await.unwrap();
        assert_eq!(tenant(&tx).await.as_deref(), Some("7"), "{} is still there", FORMS[from]);
        owner.commit().await.unwrap();
        let row = tx.query_one("SELECT amanah.may_write()", &[]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{from} to {to}");
        assert_eq!(tenant(&tx).await.as_deref(), Some("7"), "{from} to {to}");
        tx.commit().await.unwrap();
    }
}

/// What is kept goes with the transaction, with the savepoint, and with everything that empties the
/// settings; and what is gone shows no rows.
#[tokio::test]
async fn what_is_kept_goes_with_its_transaction() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        let token = fixture::token(&guarded, "7");
        let tx = guarded.protected.intruder.operator().await.unwrap();
        tx.batch("SAVEPOINT a").await.unwrap();
        tx.execute("SELECT amanah.bind($1)", &[&token.expose()]).await.unwrap();
        assert_eq!(tenant(&tx).await.as_deref(), Some("7"));
        tx.batch("SAVEPOINT b; ROLLBACK TO SAVEPOINT b").await.unwrap();
        assert_eq!(tenant(&tx).await.as_deref(), Some("7"), "a savepoint within changes nothing");
        tx.batch("ROLLBACK TO SAVEPOINT a").await.unwrap();
        assert_eq!(tenant(&tx).await, None);
        tx.execute("SELECT amanah.bind($1)", &[&token.expose()]).await.unwrap();
        tx.batch("RESET ALL").await.unwrap();
        assert_eq!(tenant(&tx).await, None, "{form}");
        tx.execute("SELECT amanah.bind($1)", &[&token.expose()]).await.unwrap();
        tx.commit().await.unwrap();
        let alone = store::Db::lazy(guarded.protected.intruder.url(), 1).unwrap();
        for end in ["COMMIT", "ROLLBACK"] {
            let tx = alone.operator().await.unwrap();
            tx.execute("SELECT amanah.bind($1)", &[&token.expose()]).await.unwrap();
            tx.batch(end).await.unwrap();
            assert_eq!(tenant(&tx).await, None, "{form} after {end}");
            let left = "SELECT concat(current_setting('backtrace_functions'),
                                      current_setting('amanah.token', true))";
            assert_eq!(tx.query_one(left, &[]).await.unwrap().get::<_, String>(0), "");
            drop(tx);
        }
    }
}

/// A transaction that was bound while its token was good, and when that ends.
async fn bound_for_moments(guarded: &Guarded, claims: &Claims<'_>) -> (TenantTx, i64) {
    for life in [2, 4, 8, 16, 32, 60] {
        let end = SystemClock.now().as_second() + life;
        let token = guarded.key.get().mint_until(claims, end);
        let Ok(tx) = guarded.protected.intruder.tenant(&token).await else { continue };
        let Ok(seen) = tx.attempt("SELECT amanah.current_tenant()", &[]).await.unwrap() else {
            tx.rollback().await.unwrap();
            continue;
        };
        let seen: Option<&str> = seen.first().and_then(|row| row.get(0));
        assert_eq!(seen, Some("7"));
        return (tx, end);
    }
    panic!("no token is used before its end");
}

/// A binding ends for the statements that begin after its token's end, though it was verified
/// before; and another tenant cannot take its place then.
#[tokio::test]
async fn expiry_counts_for_every_statement() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        let claims = Claims {
            tenant: &TenantId::new("7").unwrap(),
            actor: &Actor::new("ann").unwrap(),
            scope: Scope::ReadWrite,
            database: &guarded.protected.name,
        };
        // As short as this machine can use before it ends.
        let (tx, end) = bound_for_moments(&guarded, &claims).await;
        let until = format!("SELECT pg_catalog.pg_sleep_until(to_timestamp({end}))");
        tx.batch(&until).await.unwrap();
        for call in
            ["current_tenant", "current_actor", "may_write", "reading_tenant", "writing_tenant"]
        {
            let sql = format!("SELECT amanah.{call}()");
            let refused = tx.attempt(&sql, &[]).await.unwrap().unwrap_err();
            assert_eq!(refused.sqlstate(), Some("28000"), "{form}: {refused}");
            assert!(refused.to_string().contains("it has expired"), "{refused}");
        }
        tx.rollback().await.unwrap();
    }
}

/// Workers of a parallel query know the binding of the transaction that they work for.
#[tokio::test]
async fn parallel_workers_know_the_binding() {
    let schema = "CREATE TABLE many (company_id integer NOT NULL, n integer);
        INSERT INTO many SELECT 7 + n % 2, n FROM generate_series(1, 20000) n;
        GRANT SELECT ON many TO {app}";
    let guarded = fixture::protected(schema, "company_id", NUMBERS).await;
    as_owner(&guarded, "ANALYZE many").await;
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        let tx = fixture::bound(&guarded, "7").await;
        tx.batch(
            "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
             SET LOCAL min_parallel_table_scan_size = 0",
        )
        .await
        .unwrap();
        // In the condition it is asked in the workers; the policy asks for it once, above them.
        let sql = "SELECT count(*) FROM many
                    WHERE n > 0 AND amanah.current_tenant() = company_id::text";
        let plan = tx.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
        let parallel = plan.iter().any(|row| row.get::<_, &str>(0).contains("Workers Planned"));
        assert!(parallel, "{form}");
        assert_eq!(tx.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 10_000, "{form}");
        tx.rollback().await.unwrap();
    }
}

/// A session cannot begin with a kept binding, and what the server or the owner has in the
/// parameter for a purpose of its own is no binding.
#[tokio::test]
async fn nobody_else_fills_what_is_kept() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    fixture::shape(&guarded, Form::VerifyOnce).await;
    let owner = guarded.protected.owner.operator().await.unwrap();
    for foreign in ["InitPostgres", "amb1", "a, b", "amb2_9999999999_rw_37_37"] {
        owner.batch(&format!("SET LOCAL backtrace_functions = '{foreign}'")).await.unwrap();
        assert_eq!(tenant(&owner).await, None, "{foreign}");
    }
    // Expired, with no token beside it.
    owner.batch("SET LOCAL backtrace_functions = amb1_1_rw_37_37").await.unwrap();
    assert_eq!(tenant(&owner).await, None);
    owner.rollback().await.unwrap();
    let name = store::ident(&guarded.protected.name);
    let role = store::ident(&guarded.protected.intruder.url().user);
    for sql in [
        format!("ALTER ROLE {role} SET backtrace_functions = amb1_9999999999_rw_37_37"),
        format!("ALTER DATABASE {name} SET backtrace_functions = amb1_9999999999_rw_37_37"),
        "SET backtrace_functions = amb1_9999999999_rw_37_37".to_owned(),
        "SET backtrace_functions TO DEFAULT".to_owned(),
    ] {
        let tx = guarded.protected.intruder.operator().await.unwrap();
        let denied = tx.attempt(&sql, &[]).await.unwrap().unwrap_err();
        assert!(denied.is_denied(), "{sql}: {denied}");
        tx.rollback().await.unwrap();
    }
}

/// Whoever else may write what is kept, and a setting that sessions begin with, are findings. Owners
/// of other databases of the server, who reach nothing here, are none.
#[tokio::test]
async fn who_else_writes_what_is_kept_is_found() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let name = &guarded.protected.name;
    let owner = &guarded.protected.owner.url().user;
    let found = async || -> Vec<String> {
        let tx = guarded.protected.owner.operator().await.unwrap();
        let all = crate::attack::installed(&tx, &guarded.protected.app_role).await.unwrap();
        all.iter().map(ToString::to_string).collect()
    };
    assert_eq!(found().await, [""; 0]);
    let (clerk, stranger) = (format!("{name}_clerk"), format!("{name}_stranger"));
    as_superuser(
        &guarded,
        &format!(
            "CREATE ROLE {clerk}; CREATE ROLE {stranger}; GRANT SELECT (id) ON tag TO {clerk};
             GRANT SET ON PARAMETER backtrace_functions TO {clerk}, {stranger}"
        ),
    )
    .await;
    let told = found().await;
    assert!(told.len() == 1 && told[0].contains(&format!("role {clerk} may set it")), "{told:#?}");
    as_superuser(&guarded, &format!("REVOKE SET ON PARAMETER backtrace_functions FROM {clerk}"))
        .await;
    assert_eq!(found().await, [""; 0]);
    let set = "SET backtrace_functions = amb1_9999999999_rw_62_78";
    // The owner can: it was granted the right.
    as_owner(&guarded, &format!("ALTER DATABASE {name} {set}")).await;
    as_superuser(&guarded, &format!("ALTER ROLE {owner} IN DATABASE {name} {set}")).await;
    let told = found().await;
    let places = [format!("database {name} has"), format!("role {owner} in database {name} has")];
    assert_eq!(told.len(), places.len(), "{told:#?}");
    for place in places {
        assert!(told.iter().any(|told| told.contains(&place)), "{place}: {told:#?}");
    }
    as_superuser(
        &guarded,
        &format!(
            "DROP OWNED BY {clerk}; DROP ROLE {clerk};
             REVOKE SET ON PARAMETER backtrace_functions FROM {stranger}; DROP ROLE {stranger}"
        ),
    )
    .await;
}

/// No name and no end of a password makes the right to write what is kept anything else than a finding.
/// A bite gives it to nobody, so that no proof beside it meets one.
#[tokio::test]
async fn a_role_that_is_named_like_a_bite_is_found_and_a_bite_makes_none() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let found = async || -> Vec<String> {
        let tx = guarded.protected.owner.operator().await.unwrap();
        let all = crate::attack::installed(&tx, &guarded.protected.app_role).await.unwrap();
        tx.rollback().await.unwrap();
        all.iter().map(ToString::to_string).collect()
    };
    let role = format!("amanah_bite_{}", guarded.protected.name);
    as_superuser(
        &guarded,
        &format!(
            "CREATE ROLE {role} LOGIN; GRANT {{app}} TO {role};
             GRANT SET ON PARAMETER backtrace_functions TO {role};
             DO $$ BEGIN EXECUTE format('ALTER ROLE {role} VALID UNTIL %L',
                                        now() + interval '9 minutes'); END $$"
        ),
    )
    .await;
    let told = found().await;
    assert!(told.len() == 1 && told[0].contains(&format!("role {role} may set it")), "{told:#?}");
    as_superuser(
        &guarded,
        &format!("REVOKE SET ON PARAMETER backtrace_functions FROM {role}; DROP ROLE {role}"),
    )
    .await;
    let (bite, mut looks) = (fixture::bite(&guarded), 0);
    let mut bite = std::pin::pin!(bite);
    let bitten = loop {
        tokio::select! {
            bitten = &mut bite => break bitten,
            told = found() => {
                assert_eq!(told, [""; 0], "a bite was met");
                looks += 1;
            }
        }
    };
    assert_eq!(bitten.outcome(), Outcome::Broken, "{}", bitten.detail());
    assert!(looks > 0);
}

/// The claim holds in the portable form as it does in the other, which the other tests have.
#[tokio::test]
async fn a_database_in_the_portable_form_is_proven_and_bitten() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    fixture::shape(&guarded, Form::Portable).await;
    as_owner(
        &guarded,
        "ALTER TABLE customer DROP CONSTRAINT customer_email_key, ADD UNIQUE (company_id, email)",
    )
    .await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    let proof = fixture::bite(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert_eq!(proof.measured(), "82 of 82 violations found");
}
