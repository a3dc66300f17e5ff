//! What comments ask of the recording.

use kernel::Outcome;
use store::Protected;

use super::{
    Keeper, SHOP, binding, critical, cx, house, none, run, track, trail, unsealed, watched, whole,
};
use crate::{controls, plan};

/// Everything that can be asked.
const ASKED: &str = "
COMMENT ON TABLE product IS 'What is sold. @audit(statement)';
COMMENT ON COLUMN product.name IS '@audit(hashed)';
COMMENT ON COLUMN company.name IS 'The name of a person: @audit(never).';
COMMENT ON COLUMN company.id IS 'Nothing is asked here: audit(never)';";

async fn shop() -> Protected {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, ASKED).await;
    protected
}

async fn steps(protected: &Protected) -> crate::Result<Vec<crate::Step>> {
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    plan(&tx, &shape, "company_id", &critical(&shape)).await
}

/// The plan, word for word, in both directions; the owner carries it out below the guard, and what
/// would stop the recording on the way is refused.
#[tokio::test]
async fn what_is_asked_is_planned_and_taken_back() {
    let protected = shop().await;
    let mut shown = Vec::new();
    for comments in ["", "COMMENT ON TABLE product IS NULL; COMMENT ON COLUMN company.name IS NULL"]
    {
        run(&protected.owner, comments).await;
        for step in steps(&protected).await.unwrap() {
            shown.push(format!("{}: {}, then {}\n{}", step.object, step.why, step.then, step.sql));
        }
        track(&protected).await;
        assert_eq!(steps(&protected).await.unwrap(), []);
        for trigger in ["row", "insert", "truncate"] {
            let tx = protected.owner.operator().await.unwrap();
            let sql = format!("DROP TRIGGER amanah_audit_{trigger} ON product");
            let error = tx.attempt(&sql, &[]).await.unwrap().unwrap_err();
            let there = (trigger == "insert") == comments.is_empty() || trigger == "truncate";
            let wanted = if there { Some("TRAIL") } else { Some("42704") };
            assert_eq!(error.sqlstate(), wanted, "{sql}: {error}");
        }
    }
    insta::assert_snapshot!(shown.join("\n\n"));
}

/// Rows of one statement are recorded as rows one by one are, and hidden values are nowhere.
#[tokio::test]
async fn rows_are_recorded_as_asked() {
    let protected = shop().await;
    track(&protected).await;
    let tx = protected.owner.tenant(&binding(&protected, "budi")).await.unwrap();
    tx.batch(
        "UPDATE company SET name = 'Citra' WHERE id = -1;
         INSERT INTO product (id, company_id, name, price)
         SELECT n, -1, 'n' || n % 2, n FROM generate_series(1, 3) n;
         UPDATE product SET price = 7 WHERE false;
         INSERT INTO product (id, company_id, name) VALUES (3, -1, 'n1'), (4, -1, 'n4')
             ON CONFLICT (id) DO UPDATE SET price = 9;
         UPDATE product SET id = -id WHERE id > 2; DELETE FROM product WHERE id = 1;
         DELETE FROM product WHERE id = 77; TRUNCATE product CASCADE",
    )
    .await
    .unwrap();
    let entries = trail(&tx).await;
    let mut shown = Vec::new();
    for entry in &entries {
        assert!(entry.is_whole());
        assert_eq!(entry.actor_id.as_deref(), Some("budi"));
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (key, old, new) = (or(&entry.row_key), or(&entry.old_data), or(&entry.new_data));
        shown.push(format!("{} {} {key} | {old} -> {new}", entry.action, entry.table_name));
    }
    tx.commit().await.unwrap();
    hashes(&protected).await;
    let text = shown.join("\n");
    let hash = "\"hmac_sha256\": \"";
    let rest = |(n, part): (usize, &str)| part.chars().skip(if n == 0 { 0 } else { 64 }).collect();
    let hidden: Vec<String> = text.split(hash).enumerate().map(rest).collect();
    insta::assert_snapshot!(hidden.join("\"hmac_sha256\": \"…"));
}

/// What is hashed is hashed with the salt of its row and a key that nobody but a superuser reads: who
/// reads the trail alone cannot try values out.
async fn hashes(protected: &Protected) {
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT new_data #>> '{name,hmac_sha256}'),
                      count(*) FILTER (WHERE new_data #>> '{name,hmac_sha256}' = encode(sha256(
                          k.outside || sha256(k.inside || uuid_send(salt) || 'n1')), 'hex')),
                      count(*) FILTER (WHERE new_data #>> '{name,hmac_sha256}' = encode(sha256(
                          uuid_send(salt) || 'n1'), 'hex')),
                      bool_and(octet_length(k.inside) = 64 AND octet_length(k.outside) = 64
                          AND NOT EXISTS (SELECT FROM generate_series(0, 63) n
                               WHERE get_byte(k.inside, n) # get_byte(k.outside, n) <> 54 # 92
                                  OR n > 31 AND get_byte(k.inside, n) <> 54))
                 FROM audit.system_audit_logs, audit.hash_key k
                WHERE table_name = 'product' AND action = 'INSERT' AND row_key ->> 'id' < '4'";
    let row = tx.query_one(sql, &[]).await.unwrap();
    let counts: Vec<i64> = (0..4).map(|n| row.get(n)).collect();
    assert_eq!((counts, row.get::<_, bool>(4)), (vec![3, 3, 2, 0], true));
    tx.rollback().await.unwrap();
    for statement in
        ["SELECT FROM audit.hash_key", "SELECT audit.keyed_digest(gen_random_uuid(), 'x')"]
    {
        let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
        tx.batch("SET LOCAL ROLE amanah_trail_reader").await.unwrap();
        let reader = tx.attempt(statement, &[]).await.unwrap().unwrap_err();
        let tx = protected.owner.operator().await.unwrap();
        let owner = tx.attempt(statement, &[]).await.unwrap().unwrap_err();
        assert!(reader.is_denied() && owner.is_denied(), "{statement}: {reader} {owner}");
    }
    // The recorder may ask for a digest, and not for the key.
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    tx.batch("SET LOCAL ROLE amanah_trail; SELECT audit.keyed_digest(gen_random_uuid(), 'x')")
        .await
        .unwrap();
    assert!(tx.attempt("SELECT FROM audit.hash_key", &[]).await.unwrap().is_err());
}

/// A huge statement pairs each row with itself.
#[tokio::test]
async fn a_statement_of_many_rows_keeps_them_apart() {
    let protected = shop().await;
    track(&protected).await;
    run(
        &protected.owner,
        "INSERT INTO product (id, company_id, name, price)
         SELECT n, -1, 'n', n FROM generate_series(1, 5000) n;
         UPDATE product SET price = price + 1, id = id + 100000",
    )
    .await;
    let tx = whole(&protected).await;
    let sql = "SELECT count(*),
                      count(*) FILTER (WHERE (old_data ->> 'price')::numeric + 1
                                           = (new_data ->> 'price')::numeric
                                         AND (old_data ->> 'id')::int + 100000
                                           = (new_data ->> 'id')::int
                                         AND row_key ->> 'id' = old_data ->> 'id')
                 FROM audit.system_audit_logs WHERE action = 'UPDATE' AND table_name = 'product'";
    let row = tx.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5000, 5000));
}

/// Both controls know what was asked, and what was not done.
#[tokio::test]
async fn the_controls_know_what_was_asked() {
    let protected = shop().await;
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    track(&protected).await;
    for control in unsealed(vec![watched(&protected)]) {
        let (id, proof) = (control.card().id, control.prove(&cx(), &none()).await);
        assert_eq!(proof.outcome(), Outcome::Holds, "{id}: {}", proof.detail());
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
    }
}

/// A word that nobody knows is no silence: the table is left as it is, and the others are not.
#[tokio::test]
async fn an_unknown_word_is_refused() {
    let protected = house(SHOP, Keeper::Owner).await;
    run(&protected.owner, "DROP TRIGGER amanah_audit_row ON company").await;
    for (comment, table, word) in [
        (
            "COLUMN product.name IS '@audit(hash)'",
            "public.product",
            "on name asks for @audit(hash)",
        ),
        ("COLUMN product.name IS '@audit(statement)'", "public.product", "@audit(statement)"),
        ("COLUMN product.id IS '@audit(never)'", "public.product", "it may be @audit(hashed)"),
        ("COLUMN product.id IS '@audit(encrypted)'", "public.product", "it may be @audit(hashed)"),
        ("TABLE product IS '@audit(never)'", "public.product", "its comment asks for"),
        ("TABLE product IS '@audit('", "public.product", "asks for @audit()"),
    ] {
        let tx = protected.owner.operator().await.unwrap();
        tx.batch(&format!("COMMENT ON {comment}")).await.unwrap();
        let shape = store::tables(&tx).await.unwrap();
        let steps = plan(&tx, &shape, "company_id", &critical(&shape)).await.unwrap();
        let blocked: Vec<_> = steps.iter().filter(|step| step.blocked).collect();
        assert!(matches!(&blocked[..], [one] if one.object == table && one.why.contains(word)));
        assert!(steps.iter().any(|step| step.object == "public.company"), "{steps:?}");
        crate::apply(&tx, &steps).await.unwrap();
        let again = plan(&tx, &shape, "company_id", &critical(&shape)).await.unwrap();
        assert!(matches!(&again[..], [one] if one.blocked), "{again:?}");
    }
}

/// Whoever may only make temporary tables cannot stop the plan by what he writes on one.
#[tokio::test]
async fn a_temporary_table_asks_for_nothing() {
    let protected = shop().await;
    let tx = protected.intruder.operator().await.unwrap();
    tx.batch("CREATE TEMP TABLE x (i int); COMMENT ON TABLE x IS '@audit(boom)'").await.unwrap();
    tx.commit().await.unwrap();
    assert!(steps(&protected).await.is_ok());
}
