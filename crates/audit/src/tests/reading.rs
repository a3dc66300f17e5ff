//! Reading by auditors, in SQL: nobody reads without a row about it.

use kernel::{Secret, SystemRng, random_hex};
use store::{Db, Protected, ident};

use super::{Keeper, SHOP, binding, house, run};
use crate::TrailRow;

/// A login with this role, in the database of `protected`.
pub(super) async fn person(protected: &Protected, role: &str) -> Db {
    let superuser = protected.superuser.as_ref().unwrap();
    // A reader of the trail that is none of Amanah's own would be a finding to proofs beside this test.
    let kind = if role == "amanah_trail_reader" { "amanah_reader" } else { "reading" };
    let name = format!("{kind}_{}", random_hex(&SystemRng, 6).unwrap());
    let password = Secret::new(random_hex(&SystemRng, 16).unwrap());
    superuser.ensure_login(&name, &password).await.unwrap();
    superuser.grant_role(role, &name).await.unwrap();
    Db::lazy(&superuser.url().login(&name, Some(password)), 3).unwrap()
}

/// A shop with rows of both canaries, and an auditor.
pub(super) async fn shop() -> (Protected, Db) {
    let protected = house(SHOP, Keeper::Superuser).await;
    for (tenant, name) in [(-1, "Tea"), (-2, "Oil")] {
        let bound = Secret::new(format!("{}|{tenant}|ann", protected.name));
        let tx = protected.owner.tenant(&bound).await.unwrap();
        let sql = "INSERT INTO product (company_id, name, price) VALUES ($1, $2, 1)";
        tx.execute(sql, &[&tenant, &name]).await.unwrap();
        tx.execute("UPDATE product SET price = 2 WHERE company_id = $1", &[&tenant]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let auditor = person(&protected, "amanah_auditor").await;
    (protected, auditor)
}

/// Asks and has it counted: a ticket to read with.
async fn ask(auditor: &Db, filter: &str) -> store::Result<String> {
    let tx = auditor.operator().await?;
    let sql = "SELECT audit.ask($1::text::jsonb, 'a question of the tax office')::text";
    let asked: store::Result<String> = tx.query_one(sql, &[&filter]).await.map(|row| row.get(0));
    tx.commit().await?;
    count(auditor, &asked?).await
}

async fn count(auditor: &Db, asked: &str) -> store::Result<String> {
    let tx = auditor.operator().await?;
    let sql = "SELECT ticket::text FROM audit.count($1::text::uuid)";
    let ticket = tx.query_one(sql, &[&asked]).await.map(|row| row.get(0));
    tx.commit().await?;
    ticket
}

async fn read(auditor: &Db, ticket: &str) -> store::Result<Vec<(i64, String)>> {
    let tx = auditor.operator().await?;
    let sql = "SELECT id, action || ' ' || table_name FROM audit.read($1::text::uuid)";
    let rows = tx.query(sql, &[&ticket]).await;
    tx.rollback().await?;
    Ok(rows?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The rows about readings, as a superuser sees them: what was done, login, filter, how many, why.
async fn readings(protected: &Protected) -> Vec<[String; 5]> {
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = "SELECT action, db_user, (new_data -> 'filter')::text,
                      coalesce(new_data ->> 'rows', '-'), new_data ->> 'purpose'
                 FROM audit.system_audit_logs WHERE action IN ('ASK', 'READ') ORDER BY xid, id";
    let rows = tx.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| [0, 1, 2, 3, 4].map(|n| row.get(n))).collect()
}

fn words(error: &store::Error) -> String {
    error.server_message().unwrap_or_default().to_owned()
}

/// Who, what, how many and why are in the trail, with a hash like every row; the rows are those that
/// were counted, also when others came since.
#[tokio::test]
async fn a_reading_is_recorded_and_reads_what_was_counted() {
    let (protected, auditor) = shop().await;
    let filter = r#"{"actor": "ann", "table": "product", "from": "2020-01-01"}"#;
    let ticket = ask(&auditor, filter).await.unwrap();
    let later = "INSERT INTO product (company_id, name, price) VALUES (-1, 'Later', 3)";
    run(&protected.owner, later).await;
    let rows = read(&auditor, &ticket).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(actions, ["INSERT product", "UPDATE product", "INSERT product", "UPDATE product"]);
    let login = auditor.url().user.clone();
    let told = readings(&protected).await;
    let filter = r#"{"from": "2020-01-01T00:00:00+00:00", "actor": "ann", "table": "product"}"#;
    let why = "a question of the tax office";
    let of = |step: &str, rows: &str| [step, &login, filter, rows, why].map(str::to_owned);
    assert_eq!(told, [of("ASK", "-"), of("READ", "4")]);
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = format!("{} WHERE action = 'READ'", crate::sql::ROW);
    let row = TrailRow::from_row(&tx.query_one(&sql, &[]).await.unwrap());
    assert!(row.is_whole(), "{row:?}");
}

/// Whoever sees rows has a committed row about it: what was asked or counted in the same transaction, a
/// savepoint of it, one that was rolled back, by another login or long ago opens nothing.
#[tokio::test]
async fn nothing_is_handed_out_before_its_row_is_committed() {
    let (protected, auditor) = shop().await;
    let asking = "SELECT audit.ask('{}', 'curiosity')::text";
    let counting = "SELECT ticket::text FROM audit.count($1::text::uuid)";
    let reading = "SELECT count(*) FROM audit.read($1::text::uuid)";
    let tx = auditor.operator().await.unwrap();
    let committed: String = tx.query_one(asking, &[]).await.unwrap().get(0);
    tx.commit().await.unwrap();
    let tx = auditor.operator().await.unwrap();
    let own: String = tx.query_one(asking, &[]).await.unwrap().get(0);
    let refused = tx.attempt(counting, &[&own]).await.unwrap().unwrap_err();
    assert!(words(&refused).starts_with("this ticket opens nothing"), "{refused}");
    tx.batch("SAVEPOINT within").await.unwrap();
    let inner: String = tx.query_one(counting, &[&committed]).await.unwrap().get(0);
    tx.batch("RELEASE SAVEPOINT within").await.unwrap();
    for ticket in [&own, &inner, &committed] {
        assert!(tx.attempt(reading, &[ticket]).await.unwrap().is_err());
    }
    tx.rollback().await.unwrap();
    let never = "00000000-0001-8000-8000-000000000000".to_owned();
    for undone in [&own, &inner, &committed, &never] {
        let error = read(&auditor, undone).await.unwrap_err();
        assert!(words(&error).starts_with("this ticket opens nothing"), "{error}");
    }
    assert!(count(&auditor, &own).await.is_err(), "rolled back");
    assert_eq!(readings(&protected).await.len(), 1, "the one that was committed");

    let ticket = ask(&auditor, "{}").await.unwrap();
    let other = person(&protected, "amanah_auditor").await;
    assert!(read(&other, &ticket).await.is_err(), "another login's");
    assert!(read(&auditor, &ticket).await.unwrap().len() >= 4);
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, crate::sql::DDL_GUARD_OFF).await;
    run(superuser, crate::sql::UNGUARD).await;
    let older = "UPDATE audit.system_audit_logs
                    SET event_timestamp = event_timestamp - interval '16 minutes'
                  WHERE action = 'READ'";
    run(superuser, older).await;
    assert!(read(&auditor, &ticket).await.is_err(), "too old");
    // Without its content it would ask for everything.
    let erased = "UPDATE audit.system_audit_logs
                     SET event_timestamp = clock_timestamp(), new_data = NULL
                   WHERE action = 'READ'";
    run(superuser, erased).await;
    assert!(read(&auditor, &ticket).await.is_err(), "erased");
}

/// Nobody else reads: not the application, not the owner, through no table and no function, and an
/// auditor not past the desk. The owner sees what its own transaction has left.
#[tokio::test]
async fn nobody_reads_around_the_desk() {
    let (protected, auditor) = shop().await;
    let admin = person(&protected, "amanah_admin").await;
    let trail = "SELECT count(*) FROM audit.system_audit_logs";
    let part = "SELECT count(*) FROM audit.system_audit_logs_rest";
    for login in [&auditor, &admin, &protected.intruder] {
        let tx = login.operator().await.unwrap();
        for sql in [trail, part, "SELECT * FROM audit.asked('{}', NULL, NULL)"] {
            let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
            assert!(refused.is_denied(), "{}: {refused}", login.url().user);
        }
    }
    for login in [&protected.intruder, &protected.owner] {
        let tx = login.operator().await.unwrap();
        for sql in [
            "SELECT audit.ask('{}', 'x')",
            "SELECT audit.count(gen_random_uuid())",
            "SELECT audit.read(gen_random_uuid())",
        ] {
            assert!(tx.attempt(sql, &[]).await.unwrap().unwrap_err().is_denied());
        }
    }
    let tx = protected.owner.operator().await.unwrap();
    let seen = async |sql: &str| tx.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(seen(trail).await, 0);
    tx.batch("UPDATE product SET price = 4 WHERE company_id = -1").await.unwrap();
    assert_eq!(seen(trail).await, 1);
    let parts =
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit.system_audit_logs'::regclass";
    let hidden = "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                   WHERE inhparent = 'audit.system_audit_logs'::regclass
                     AND relrowsecurity AND relforcerowsecurity";
    assert_eq!(seen(parts).await, seen(hidden).await);
    let now = format!("SELECT count(*) FROM ONLY audit.{}", this_month(&protected).await);
    assert_eq!(seen(&now).await, 0, "a partition by itself shows nothing");

    let admins = ask(&admin, "{}").await.unwrap();
    assert!(!read(&admin, &admins).await.unwrap().is_empty());
    let superuser = protected.superuser.as_ref().unwrap();
    let error = ask(superuser, "{}").await.unwrap_err();
    assert_eq!(words(&error), "a superuser does not ask for the trail");
}

async fn this_month(protected: &Protected) -> String {
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = "SELECT min(tableoid::regclass::text) FROM audit.system_audit_logs";
    let name: String = tx.query_one(sql, &[]).await.unwrap().get(0);
    name.trim_start_matches("audit.").to_owned()
}

/// Who asks and takes it back has learnt nothing: nothing was looked at.
#[tokio::test]
async fn asking_looks_at_nothing() {
    let (_, auditor) = shop().await;
    let tx = auditor.operator().await.unwrap();
    tx.batch("SELECT audit.ask('{\"table\": \"product\"}', 'curiosity')").await.unwrap();
    let looked = "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int8
                    FROM pg_stat_xact_all_tables WHERE relname LIKE 'system_audit_logs%'";
    assert_eq!(tx.query_one(looked, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// The trail is not read by tenants: a session that says it is bound is refused, whatever the token is.
#[tokio::test]
async fn a_bound_session_reads_nothing() {
    let (protected, auditor) = shop().await;
    let tx = auditor.tenant(&binding(&protected, "nia")).await.unwrap();
    let ask = "SELECT audit.ask('{\"table\": \"product\"}', 'our own trail')::text";
    let refused = tx.attempt(ask, &[]).await.unwrap().unwrap_err();
    assert!(words(&refused).starts_with("this session is bound to a tenant"), "{refused}");
}

/// A reader changes no structure: PostgreSQL would wait with a lock on the trail before it asks whose
/// it is, and every write behind it.
#[tokio::test]
async fn a_reader_waits_for_no_lock() {
    let (protected, auditor) = shop().await;
    let ticket = ask(&auditor, "{}").await.unwrap();
    let reading = auditor.operator().await.unwrap();
    reading.query("SELECT id FROM audit.read($1::text::uuid)", &[&ticket]).await.unwrap();
    for locks in [
        "CREATE RULE x AS ON INSERT TO audit.system_audit_logs DO INSTEAD NOTHING",
        "CREATE TRIGGER x BEFORE INSERT ON audit.system_audit_logs
             EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE TABLE x (id bigint REFERENCES audit.system_audit_logs (id))",
    ] {
        let tx = auditor.operator().await.unwrap();
        tx.batch("SET LOCAL lock_timeout = '5s'").await.unwrap();
        let refused = tx.attempt(locks, &[]).await.unwrap().unwrap_err();
        let why = "is refused: whoever reads the audit trail changes no structure";
        assert!(words(&refused).ends_with(why), "{refused}");
    }
    run(&protected.owner, "UPDATE product SET price = 5").await;
}

/// Nothing of the owner's is called where somebody asks, counts or reads: it could wait in that session,
/// and be the auditor at its end.
#[tokio::test]
async fn planted_code_is_not_called() {
    let (protected, auditor) = shop().await;
    let plant = "CREATE TABLE public.caught (who text, seen text);
         GRANT ALL ON public.caught TO PUBLIC;
         CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.caught VALUES (current_user, 'octet_length'); RETURN 1; END $$;
         CREATE FUNCTION evil.ge(xid8, xid8) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.caught VALUES (current_user, 'operator'); RETURN true; END $$;
         CREATE OPERATOR evil.= (LEFTARG = xid8, RIGHTARG = xid8, FUNCTION = evil.ge);
         CREATE OPERATOR evil.<> (LEFTARG = xid8, RIGHTARG = xid8, FUNCTION = evil.ge);
         CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.caught VALUES (current_user, 'called'); RETURN 'mallory';
         END $$;
         CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.caught VALUES (current_user, 'called'); RETURN '-1';
         END $$;";
    run(&protected.owner, plant).await;
    let tx = auditor.operator().await.unwrap();
    tx.batch("SET search_path = evil, pg_catalog, public").await.unwrap();
    let asking = "SELECT audit.ask('{\"actor\": \"ann\"}', 'curiosity')::text";
    let asked: String = tx.query_one(asking, &[]).await.unwrap().get(0);
    tx.commit().await.unwrap();
    let ticket = count(&auditor, &asked).await.unwrap();
    assert_eq!(read(&auditor, &ticket).await.unwrap().len(), 4);
    let tx = protected.owner.operator().await.unwrap();
    assert_eq!(tx.query("SELECT who, seen FROM public.caught", &[]).await.unwrap().len(), 0);
}

/// Each member of a filter selects, together they select less; what is not known is refused.
#[tokio::test]
async fn a_filter_selects_what_it_says() {
    let (protected, auditor) = shop().await;
    run(&protected.owner, "UPDATE product SET id = 77 WHERE name = 'Tea'").await;
    let count = async |filter: &str| {
        let ticket = ask(&auditor, filter).await.unwrap();
        read(&auditor, &ticket).await.unwrap().len()
    };
    let product = r#""schema": "public", "table": "product""#;
    let cases = [
        (format!("{{{product}}}"), 9),
        (format!(r#"{{{product}, "action": "UPDATE"}}"#), 3),
        (format!(r#"{{{product}, "actor": "ann"}}"#), 4),
        (format!(r#"{{{product}, "tenant": "-2"}}"#), 2),
        (format!(r#"{{{product}, "login": "nobody"}}"#), 0),
        (format!(r#"{{{product}, "request": "r-1"}}"#), 0),
        (format!(r#"{{{product}, "to": "2020-01-01"}}"#), 0),
        (format!(r#"{{{product}, "from": "now"}}"#), 0),
        (format!(r#"{{{product}, "last": 0}}"#), 0),
        (format!(r#"{{{product}, "first": 1, "limit": 2}}"#), 2),
        (format!(r#"{{{product}, "key": {{"id": 1}}}}"#), 3),
        (format!(r#"{{{product}, "key": "1"}}"#), 3),
        (format!(r#"{{{product}, "key": "77"}}"#), 1),
        (format!(r#"{{{product}, "key": {{"id": 77}}}}"#), 1),
        (format!(r#"{{{product}, "key": {{"id": 77, "no": 1}}}}"#), 0),
    ];
    for (filter, wanted) in cases {
        assert_eq!(count(&filter).await, wanted, "{filter}");
    }
    let refused = [
        (r#"{"tabel": "product"}"#, "nothing can be asked for by \"tabel\""),
        (r#"{"table": 1}"#, "nothing can be asked for by \"table\""),
        (r#"{"table": null}"#, "nothing can be asked for by \"table\""),
        (r#"{"first": 1.5}"#, "nothing can be asked for by \"first\""),
        (r#"{"limit": 0}"#, "nothing can be asked for by \"limit\""),
        (r#"{"unbound": true}"#, "nothing can be asked for by \"unbound\""),
        (r#"{"from": "soon"}"#, "invalid input syntax for type timestamp"),
        ("[]", "what is asked for is no object"),
        ("null", "what is asked for is no object"),
    ];
    for (filter, why) in refused {
        let error = ask(&auditor, filter).await.unwrap_err();
        assert!(words(&error).starts_with(why), "{filter}: {error}");
    }
    let tx = auditor.operator().await.unwrap();
    for purpose in ["", "  ", &"x".repeat(1001)] {
        let error = tx.attempt("SELECT audit.ask('{}', $1)", &[&purpose]).await.unwrap();
        assert!(words(&error.unwrap_err()).starts_with("the trail is read for a purpose"));
    }
}

/// A page at a time gives what all at once gives.
#[tokio::test]
async fn pages_are_the_whole() {
    let (protected, auditor) = shop().await;
    let many =
        "INSERT INTO product (company_id, name) SELECT -1, n::text FROM generate_series(1, 25) n";
    run(&protected.owner, many).await;
    for filter in ["{}", r#"{"limit": 13}"#] {
        let ticket = ask(&auditor, filter).await.unwrap();
        let whole: Vec<i64> = read(&auditor, &ticket).await.unwrap().iter().map(|r| r.0).collect();
        let tx = auditor.operator().await.unwrap();
        let sql = "SELECT xid::text, id FROM audit.read($1::text::uuid, $2::text::xid8, $3, 7)";
        let (mut behind, mut pages) = (("0".to_owned(), 0_i64), Vec::new());
        loop {
            let page = tx.query(sql, &[&ticket, &behind.0, &behind.1]).await.unwrap();
            let Some(last) = page.last() else { break };
            behind = (last.get(0), last.get(1));
            pages.extend(page.iter().map(|row| row.get::<_, i64>(1)));
        }
        assert_eq!(pages, whole, "{filter}");
        assert!(whole.len() >= 13);
    }
}

/// Row-level security keeps no query from the index: sealing reads by transaction, and so do pages.
#[tokio::test]
async fn what_is_hidden_costs_no_index() {
    let (protected, _) = shop().await;
    let reader = person(&protected, "amanah_trail_reader").await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, "ANALYZE audit.system_audit_logs").await;
    let tx = reader.operator().await.unwrap();
    tx.batch("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    let plan = "EXPLAIN (COSTS OFF) SELECT xid, id, row_hash FROM audit.system_audit_logs
                 WHERE xid < '1000000' AND (xid, id) > ('5', 3) ORDER BY xid, id LIMIT 10";
    let lines = tx.query(plan, &[]).await.unwrap();
    let plan: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Cond: ((xid < '1000000'::xid8)"), "{plan}");
}

/// Whoever may make roles gives one the name of Amanah's own readers: that excuses nothing. It is not
/// committed, since roles are those of every test.
#[tokio::test]
async fn a_name_makes_no_reader() {
    let (protected, _) = shop().await;
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    tx.batch("SET LOCAL search_path = pg_catalog, pg_temp").await.unwrap();
    let name = &protected.name;
    tx.batch(&format!(
        "CREATE ROLE maker_{name} CREATEROLE; CREATE ROLE amanah_reader_own_{name};
         GRANT amanah_trail_reader TO amanah_reader_own_{name};
         SET LOCAL ROLE maker_{name}; CREATE ROLE amanah_reader_alien_{name};"
    ))
    .await
    .unwrap();
    // Since PostgreSQL 16 he may not even do that.
    let grant = format!("GRANT amanah_trail_reader TO amanah_reader_alien_{name}");
    let granted = tx.attempt(&grant, &[]).await.unwrap().is_ok();
    if granted {
        tx.batch(&grant).await.unwrap();
    }
    tx.batch("RESET ROLE").await.unwrap();
    let owner = &protected.owner.url().user;
    let rows = tx.query(crate::controls::READERS, &[owner]).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
    let named = |role: &str| found.iter().any(|what| what.starts_with(&format!("{role}_{name} ")));
    assert_eq!(named("amanah_reader_alien"), granted, "{found:?}");
    assert!(!named("amanah_reader_own"), "{found:?}");
}

/// The owner sets something for all sessions of the database: those of Amanah go on, and it is told.
/// What does no harm is not.
#[tokio::test]
async fn a_setting_of_the_database_stops_no_session_of_ours() {
    let (protected, _) = shop().await;
    let reader = person(&protected, "amanah_trail_reader").await;
    let superuser = protected.superuser.as_ref().unwrap();
    let database = ident(&protected.owner.url().database);
    let set = async |what: &str| {
        run(&protected.owner, &format!("ALTER DATABASE {database} {what}")).await;
        let tx = superuser.operator().await.unwrap();
        let owner = &protected.owner.url().user;
        let rows = tx.query(crate::controls::READERS, &[owner]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(1)).collect::<Vec<_>>().join("; ")
    };
    for harmless in
        ["SET statement_timeout = '60s'", "SET statement_timeout = '1min'", "SET row_security = on"]
    {
        let told = set(harmless).await;
        assert!(!told.contains("has set"), "{harmless}: {told}");
    }
    let told = set("SET statement_timeout = '5s'").await;
    assert!(told.contains("has set statement_timeout"), "{told}");
    run(&protected.owner, &format!("ALTER DATABASE {database} RESET statement_timeout")).await;
    let told = set("SET row_security = off").await;
    assert!(told.contains("its owner has set row_security"), "{told}");
    let ours = Db::connect(&reader.url().pinned(), 1).await.unwrap();
    let tx = ours.operator().await.unwrap();
    let seen = "SELECT count(*) FROM audit.system_audit_logs";
    assert!(tx.query_one(seen, &[]).await.unwrap().get::<_, i64>(0) > 0);
    let theirs = Db::connect(&reader.url().unpinned(), 1).await.unwrap();
    let tx = theirs.operator().await.unwrap();
    assert!(tx.query_one(seen, &[]).await.is_err(), "the attack is one");
    let told = set("SET default_transaction_read_only = on").await;
    assert!(told.contains("has set default_transaction_read_only"), "{told}");
}
