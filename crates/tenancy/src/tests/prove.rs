//! The control: what holds is proven, what is taken away is found by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel::{Outcome, SystemClock};

use super::fixture::{self, DJANGO, NUMBERS, as_owner, as_superuser, bite, prove};
use crate::{Guarded, attack, canary};

/// Everything that the application may hold against its own isolation is repaired first: what a
/// plan leaves to a person.
const REPAIRED: &str = "ALTER TABLE customer DROP CONSTRAINT customer_email_key,
    ADD UNIQUE (company_id, email)";

#[tokio::test]
async fn a_protected_database_is_proven() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    as_owner(&guarded, REPAIRED).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "9 of 9 tables");
    // The canaries of the first run are used again.
    let again = prove(&guarded).await;
    assert_eq!(again.outcome(), Outcome::Holds, "{}", again.detail());
}

/// Every table against every attack, before and after.
#[tokio::test]
async fn the_matrix_of_tables_and_attacks() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let mut text = String::new();
    for title in ["As it was", "Protected"] {
        let (protected, key) = (&guarded.protected, &guarded.key.get());
        canary::ensure_canaries(protected, key, &SystemClock).await.unwrap();
        // What the planner knows decides what EXPLAIN and its samples show.
        as_owner(&guarded, "ANALYZE").await;
        let report = attack::run(protected, key, &SystemClock, None).await.unwrap();
        writeln!(text, "{title}").unwrap();
        let mut attacks: Vec<&str> = Vec::new();
        for (_, attack, _) in &report.matrix {
            if !attacks.contains(attack) {
                attacks.push(attack);
            }
        }
        for attack in attacks {
            let row = report.matrix.iter().filter(|(_, a, _)| *a == attack);
            let cells: Vec<String> =
                row.map(|(o, _, w)| format!("{}={w}", o.trim_start_matches("public."))).collect();
            writeln!(text, "  {attack}: {}", cells.join(" ")).unwrap();
        }
        for (table, why) in &report.missed {
            writeln!(text, "  not attacked: {table}: {why}").unwrap();
        }
        let plan = fixture::planned(protected).await;
        crate::apply(&protected.owner, protected.superuser.as_ref(), &plan).await.unwrap();
        as_owner(&guarded, "ALTER TABLE customer DROP CONSTRAINT IF EXISTS customer_email_key")
            .await;
    }
    insta::assert_snapshot!(text.replace(&guarded.protected.name, "DB"));
}

/// What an owner takes away, and what undoes it where a new plan does not.
const BY_OWNER: &[(&str, &str)] = &[
    ("ALTER TABLE tag DISABLE ROW LEVEL SECURITY", ""),
    ("DROP POLICY amanah_select ON product_tags", ""),
    (
        "ALTER POLICY amanah_delete ON invoice USING (true); \
         ALTER POLICY amanah_select ON invoice USING (true)",
        "",
    ),
    (
        "ALTER POLICY amanah_select ON invoice USING (company_id = \
         (SELECT amanah.current_tenant()::integer) OR (SELECT amanah.current_tenant()) = '1111')",
        "",
    ),
    (
        "ALTER POLICY amanah_update ON tag USING (company_id = \
         (SELECT amanah.current_tenant()::integer) OR session_user = 'nobody here')",
        "",
    ),
    ("ALTER POLICY amanah_delete ON product TO pg_monitor", ""),
    ("GRANT SELECT ON price_list TO {app}", ""),
    ("CREATE VIEW prices AS TABLE price_list; GRANT SELECT ON prices TO {app}", "DROP VIEW prices"),
    (
        "CREATE FUNCTION peep() RETURNS bigint LANGUAGE sql SECURITY DEFINER \
         AS 'SELECT count(*) FROM public.tag'",
        "DROP FUNCTION peep()",
    ),
    ("GRANT CREATE ON SCHEMA public TO {app}", ""),
    (
        "CREATE TABLE forgotten (company_id integer NOT NULL, body text); \
         GRANT SELECT ON forgotten TO {app}",
        "DROP TABLE forgotten",
    ),
];

/// What a superuser takes away.
const BY_SUPERUSER: &[(&str, &str)] = &[
    (
        "GRANT SELECT ON pg_stat_activity TO PUBLIC; \
         GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO PUBLIC",
        "REVOKE SELECT ON pg_stat_activity FROM PUBLIC; \
         REVOKE EXECUTE ON FUNCTION pg_stat_get_activity(integer) FROM PUBLIC",
    ),
    (
        "CREATE VIEW public.all_tags AS SELECT * FROM public.tag; \
         GRANT SELECT ON public.all_tags TO {app}",
        "DROP VIEW public.all_tags",
    ),
    (
        "CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER \
         AS 'SELECT count(*) FROM public.tag'",
        "DROP FUNCTION public.peek()",
    ),
    (
        "CREATE FUNCTION amanah.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER \
         AS 'SELECT count(*) FROM public.tag'",
        "DROP FUNCTION amanah.peek()",
    ),
    (
        "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far; \
         CREATE FOREIGN TABLE public.elsewhere (body text) SERVER away; \
         GRANT SELECT ON public.elsewhere TO {app}",
        "DROP FOREIGN DATA WRAPPER far CASCADE",
    ),
];

/// What the findings name, after checking that the claim is broken.
async fn broken(guarded: &Guarded, seed: &str) -> String {
    let proof = prove(guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{seed}: {}", proof.detail());
    let mut objects: Vec<&str> = proof.findings().iter().map(|f| f.object.as_str()).collect();
    // Named each time where it is switched off, and never for the seed.
    objects.retain(|object| *object != attack::guard::GUARD);
    assert!(!objects.is_empty(), "{seed}: {}", proof.detail());
    objects.sort_unstable();
    objects.dedup();
    objects.join(", ")
}

/// Each protection that is removed by hand is found, with the table's name.
#[tokio::test]
async fn what_is_taken_away_is_found_by_name() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    as_owner(&guarded, REPAIRED).await;
    // Where a superuser guards it, most of this is refused; the proof does not count on that.
    as_superuser(&guarded, "DELETE FROM amanah_guard.isolation").await;
    let mut told = String::new();
    for (seed, undo) in BY_OWNER {
        as_owner(&guarded, seed).await;
        writeln!(told, "{seed}\n  {}", broken(&guarded, seed).await).unwrap();
        as_owner(&guarded, undo).await;
        let plan = fixture::planned(&guarded.protected).await;
        crate::apply(&guarded.protected.owner, None, &plan).await.unwrap();
    }
    for (seed, undo) in BY_SUPERUSER {
        as_superuser(&guarded, seed).await;
        writeln!(told, "{seed}\n  {}", broken(&guarded, seed).await).unwrap();
        as_superuser(&guarded, undo).await;
    }
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    crate::apply(owner, superuser, &fixture::planned(&guarded.protected).await).await.unwrap();
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    insta::assert_snapshot!(told);
}

/// What an owner changes in the binding itself, and what is named then.
const IN_BINDING: &[(&str, &str)] = &[
    (
        "CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS text LANGUAGE plpgsql STABLE \
         PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN \
         COALESCE(pg_catalog.current_setting('app.debug', true), pg_catalog.convert_from(\
         pg_catalog.decode((amanah.binding())[3], 'hex'), 'UTF8')); END $$",
        "amanah.current_tenant(): its body was changed",
    ),
    (
        "ALTER FUNCTION amanah.may_write() RESET ALL",
        "amanah.may_write(): its settings were changed",
    ),
    (
        "ALTER FUNCTION amanah.binding() SECURITY INVOKER",
        "amanah.binding(): it runs with another's rights",
    ),
    (
        "ALTER FUNCTION amanah.bind(text) STABLE",
        "amanah.bind(token text): it is declared otherwise",
    ),
    (
        "GRANT EXECUTE ON FUNCTION amanah.open_token(text) TO pg_monitor",
        "amanah.open_token(token text): the rights to call it were changed",
    ),
    (
        "CREATE FUNCTION amanah.bind(x integer) RETURNS void LANGUAGE sql AS ''",
        "amanah.bind(x integer): it is none of what is installed there",
    ),
    ("CREATE VIEW amanah.keys AS TABLE amanah.binding_key", "amanah.keys: this relation is none"),
    (
        "CREATE TRIGGER t BEFORE INSERT ON amanah.binding_key FOR EACH ROW \
         EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "amanah.binding_key: the trigger t was hung on it",
    ),
    (
        "CREATE RULE r AS ON DELETE TO amanah.migration DO INSTEAD NOTHING",
        "amanah.migration: the rule r was put on it",
    ),
    (
        "GRANT SELECT (kid) ON amanah.binding_key TO pg_monitor",
        "amanah.binding_key: SELECT on it was granted to pg_monitor",
    ),
];

/// No canary meets a back door that was made for somebody else; the text of the binding shows it.
#[tokio::test]
async fn a_changed_binding_is_found_by_its_text() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    as_owner(&guarded, REPAIRED).await;
    for (n, (seed, told)) in IN_BINDING.iter().enumerate() {
        as_owner(&guarded, seed).await;
        let proof = prove(&guarded).await;
        let findings: Vec<String> = proof.findings().iter().map(ToString::to_string).collect();
        assert!(findings.iter().any(|f| f.starts_with(told)), "{seed}: {findings:#?}");
        let planted = findings.iter().filter(|f| f.starts_with("amanah.")).count();
        assert_eq!(planted, n + 1, "{findings:#?}");
    }
}

/// A table whose rows may point to a tenant's or to none is not silently shared: the claim is not
/// proven, and the plan says why.
#[tokio::test]
async fn a_table_that_may_point_to_tenants_is_not_shared() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    as_owner(&guarded, REPAIRED).await;
    as_owner(
        &guarded,
        "CREATE TABLE log (id serial PRIMARY KEY, about integer REFERENCES invoice, body text);
         CREATE TABLE log_line (log integer NOT NULL REFERENCES log, body text);
         GRANT SELECT ON log, log_line TO {app}",
    )
    .await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "9 of 11 tables");
    let told = "public.log: it points to public.invoice by about";
    assert!(proof.detail().contains(told), "{}", proof.detail());
    let plan = fixture::planned(&guarded.protected).await;
    assert_eq!(plan.shared, ["public.country"]);
    assert!(plan.is_done(), "{plan}");
    for table in ["public.log ", "public.log_line "] {
        assert!(plan.warnings.iter().any(|w| w.starts_with(table)), "{plan}");
    }
    // The bite goes on: the tables that can be attacked are.
    let proof = bite(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
}

/// The bite finds every violation that it seeds, with a superuser and without one.
#[tokio::test]
async fn the_bite_bites() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let proof = bite(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert_eq!(proof.measured(), "85 of 85 violations found");
    let mut guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let plan = fixture::planned(&guarded.protected).await;
    crate::apply(&guarded.protected.owner, None, &plan).await.unwrap();
    guarded.protected.superuser = None;
    let proof = bite(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
}

/// The demo's tables, written as this project advises, hold as they are after `protect`.
#[tokio::test]
async fn the_demo_is_proven() {
    let schema = include_str!("../../../../demo/sql/schema.sql").replace("demo_app", "{app}");
    // The trail has a schema too, which another room makes.
    let more = "CREATE SCHEMA audit; INSERT INTO currencies VALUES ('IDR', 'Rupiah')";
    let schema = format!("{schema}; {more}");
    let canaries = ("c0000000-0000-8000-8000-00000000000a", "c0000000-0000-8000-8000-00000000000b");
    let guarded = fixture::protected(&schema, "tenant_id", canaries).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "12 of 12 tables");
    // How long it takes is the machine's; how much it does is counted here.
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(proof.measured()), "the README says otherwise: {}", proof.measured());
    let proof = bite(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert_eq!(proof.measured(), "85 of 85 violations found");
}

/// Nothing to look at is unknown, and so is a database that does not answer.
#[tokio::test]
async fn without_a_database_it_is_unknown() {
    let controls = crate::controls(Vec::new());
    let control = controls.first().unwrap();
    let params = kernel::Params::none();
    assert_eq!(control.prove(&fixture::cx(), &params).await.outcome(), Outcome::Unknown);
    assert_eq!(control.bite(&fixture::cx()).await.outcome(), Outcome::Unknown);
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    guarded.protected.owner.close();
    assert_eq!(prove(&guarded).await.outcome(), Outcome::Unknown);
}

/// Without a superuser what only one can close stays open, and is said with the way to close it.
#[tokio::test]
async fn what_only_a_superuser_can_close_is_said() {
    let mut guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    guarded.protected.superuser = None;
    as_owner(&guarded, REPAIRED).await;
    let plan = fixture::planned(&guarded.protected).await;
    crate::apply(&guarded.protected.owner, None, &plan).await.unwrap();
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    // What the catalogue shows, and then what the attack made of it: three statements of it see the
    // same session, which is one finding.
    let [shown @ .., finding] = proof.findings() else {
        panic!("{:#?}", proof.findings());
    };
    assert!(shown.len() == 3 && shown.iter().all(|f| f.what.ends_with("(AM411)")), "{shown:#?}");
    assert!(finding.what.contains("(other-sessions: "), "{finding}");
    assert_eq!(finding.fix.as_deref(), Some("run the superuser's steps of `amanah protect`"));
}

/// An application that logs in as the owner of its tables cannot be proven, whatever the plan did.
#[tokio::test]
async fn an_application_that_is_the_owner_is_broken() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let owner = store::ident(&guarded.protected.owner.url().user);
    as_superuser(&guarded, &format!("GRANT {owner} TO {{app}}")).await;
    // A superuser's guard refuses to switch row security off; here there is none.
    as_superuser(&guarded, "DELETE FROM amanah_guard.isolation").await;
    let proof = prove(&guarded).await;
    let told: Vec<String> = proof.findings().iter().map(ToString::to_string).collect();
    for attack in ["become-owner", "read-keys", "switch-off", "replace-binding"] {
        assert!(told.iter().any(|t| t.contains(attack)), "{attack}: {told:#?}");
    }
}

/// What the card declares: nothing in PostgreSQL closes it for sessions of one role.
const DECLARED: &[&str] = &[
    "advisory-locks",
    "change-own-password",
    "change-own-settings",
    "explain",
    "left-cursor",
    "left-statements",
    "left-table",
    "listen",
    "lock-table",
    "replaced-statement",
    "sequences",
    "sizes",
];

/// Every attack: what it comes to where everything is open, what a reader is told, and what closes
/// it, without which it would get through.
fn battery(words: &BTreeMap<&str, Vec<&str>>) -> String {
    let on_tables = attack::on_tables().map(|a| (a.name, a.told, a.fix));
    let all = on_tables.chain(attack::on_sessions().map(|a| (a.name, a.told, a.fix)));
    let lines = all.map(|(name, told, fix)| {
        let count = |wanted: &str| words[name].iter().filter(|word| **word == wanted).count();
        let (through, seen, tried) =
            (count("LEAKED"), count("declared"), words[name].len() - count("-"));
        format!(
            "{name}: {told}\n  got through {through}, declared {seen} of {tried}; closed by: {fix}"
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A battery is worth what it can find: in a database where everything is open, every attack of it
/// gets through, or shows what is declared. An attack that never could would prove nothing.
#[tokio::test]
async fn every_attack_can_get_through() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let owner = store::ident(&guarded.protected.owner.url().user);
    let name = store::ident(&guarded.protected.name);
    let open = format!(
        "ALTER ROLE {{app}} BYPASSRLS CREATEROLE; GRANT {owner}, pg_write_server_files TO {{app}};
         GRANT CREATE ON DATABASE {name} TO {{app}}; GRANT CREATE ON SCHEMA public TO {{app}};
         GRANT SELECT ON amanah.binding_key TO {{app}};
         GRANT EXECUTE ON FUNCTION amanah.open_token(text) TO {{app}};
         GRANT SET ON PARAMETER backtrace_functions TO {{app}};
         CREATE FUNCTION amanah.spilt() RETURNS text LANGUAGE sql AS $$SELECT '{}'$$;
         CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER far FOREIGN DATA WRAPPER wrapper;
         GRANT USAGE ON FOREIGN SERVER far TO {{app}}; SELECT lo_create(0);
         GRANT SET ON PARAMETER session_replication_role, amanah.token TO {{app}};
         CREATE STATISTICS public.of_tags ON company_id, name FROM public.tag;
         ALTER TABLE public.invoice ADD COLUMN land char(2) DEFAULT 'ID'
             REFERENCES public.country ON DELETE CASCADE;
         CREATE VIEW public.all_tags AS SELECT * FROM public.tag;
         GRANT SELECT ON public.all_tags TO {{app}};
         CREATE OR REPLACE FUNCTION amanah.open_token(token text) RETURNS text[] LANGUAGE sql AS
             $$SELECT ARRAY['amb1', 'k', '31', '31', '9', 'rw', 'x']$$;
         CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS text LANGUAGE plpgsql
             SECURITY DEFINER AS $$DECLARE one text := '1'; BEGIN RETURN one; END$$; ANALYZE",
        "0f".repeat(32)
    );
    let (protected, key) = (&guarded.protected, &guarded.key.get());
    canary::ensure_canaries(protected, key, &SystemClock).await.unwrap();
    as_superuser(&guarded, &open).await;
    let report = attack::run(protected, key, &SystemClock, None).await.unwrap();
    let mut words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, attack, word) in &report.matrix {
        words.entry(attack).or_default().push(word);
    }
    let names: Vec<&str> =
        attack::on_tables().map(|a| a.name).chain(attack::on_sessions().map(|a| a.name)).collect();
    assert!(names.iter().all(|name| words.contains_key(name)), "every attack was made");
    // Each name stands for one kind, in the matrix and in what a reader is told.
    assert_eq!(words.len(), names.len());
    assert!(names.len() >= 90, "{}", names.len());
    // How long it takes is the machine's; how much it does is counted here.
    testkit::told("README.md", &format!("another by {} kinds of attack", names.len()));
    testkit::told("CHANGELOG.md", &format!("`isolation.rows` attacks by {} kinds", names.len()));
    insta::assert_snapshot!(battery(&words));
    words.retain(|_, words| !words.contains(&"LEAKED"));
    // What is declared cannot be closed, and is seen. Without policies EXPLAIN has none to tell of:
    // the matrix shows where it does.
    assert_eq!(words.keys().copied().collect::<Vec<_>>(), DECLARED);
    for name in DECLARED.iter().filter(|name| **name != "explain") {
        assert!(words[name].contains(&"declared"), "{name}: {:?}", words[name]);
    }
}

/// A table into which no canary's row fits was not attacked, and the claim is not proven.
#[tokio::test]
async fn a_table_without_canaries_is_not_proven() {
    let schema = "
        CREATE TABLE fine (tenant text NOT NULL, body text);
        CREATE TABLE odd (tenant text NOT NULL, body text, CHECK (tenant = 'one'));
        GRANT SELECT ON fine, odd TO {app}";
    let guarded = fixture::protected(schema, "tenant", ("a", "b")).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Unknown);
    assert_eq!(proof.population().to_string(), "1 of 2 tables");
    assert!(proof.detail().contains("public.odd: no canary could be placed"), "{}", proof.detail());
}
