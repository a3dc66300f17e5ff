//! Labels of an enum are values of rows: nobody exchanges them without a record.

use super::{Keeper, SHOP, commands, house, run, whole};

/// Two labels that change places exchange the values of every row: refused where a recorded table uses the
/// enum, be it in an array, a domain, a range or a composite; also from within a function.
#[tokio::test]
async fn labels_of_recorded_rows_are_not_exchanged() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(
        &protected.owner,
        "CREATE TYPE plain AS ENUM ('open', 'paid'); CREATE TYPE listed AS ENUM ('open', 'paid');
         CREATE TYPE held AS ENUM ('open', 'paid'); CREATE TYPE ranged AS ENUM ('open', 'paid');
         CREATE DOMAIN certain AS listed[] CHECK (VALUE IS NOT NULL);
         CREATE TYPE pair AS (a int, b held);
         CREATE TYPE span AS RANGE (SUBTYPE = ranged);
         ALTER TABLE product ADD p plain, ADD l certain DEFAULT '{open}', ADD h pair[], ADD r span",
    )
    .await;
    for name in ["plain", "listed", "held", "ranged"] {
        for sql in [
            format!("ALTER TYPE {name} RENAME VALUE 'open' TO 'x'"),
            format!(
                "DO $$ BEGIN EXECUTE concat('ALTER TYPE {name} REN', $q$AME VALUE 'paid' TO 'x'$q$); END $$"
            ),
            format!(
                "SELECT set_config('amanah.labels', '', false); ALTER TYPE {name} RENAME VALUE 'open' TO 'x'"
            ),
        ] {
            let tx = protected.owner.operator().await.unwrap();
            let error = tx.batch(&sql).await.unwrap_err();
            let said = error.server_message().unwrap_or_default();
            assert!(said.contains("would be 'x' in every row of public.product"), "{sql}: {said}");
        }
        // What does not touch what is there passes.
        run(&protected.owner, &format!("ALTER TYPE {name} ADD VALUE 'sent'")).await;
        run(&protected.owner, &format!("ALTER TYPE {name} RENAME TO {name}_2")).await;
    }
}

/// Where it passes, the record says what became of what.
#[tokio::test]
async fn a_renamed_label_is_told_with_both_names() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(&protected.owner, "CREATE TYPE unused AS ENUM ('a', 'b')").await;
    let last = async || {
        let rows = commands(&*whole(&protected).await).await;
        rows.last().and_then(|row| row.new_data.clone()).unwrap_or_default()
    };
    run(&protected.owner, "ALTER TYPE unused RENAME VALUE 'a' TO 'c'").await;
    assert!(last().await.contains(r#""labels": {"a": "c"}"#), "{}", last().await);
    run(superuser, "ALTER TYPE mood RENAME VALUE 'calm' TO 'slow'").await;
    assert!(last().await.contains(r#""labels": {"calm": "slow"}"#), "{}", last().await);
    run(&protected.owner, "ALTER TYPE unused ADD VALUE 'd'").await;
    let told = last().await;
    assert!(told.contains("ALTER TYPE") && !told.contains("labels"), "{told}");
}
