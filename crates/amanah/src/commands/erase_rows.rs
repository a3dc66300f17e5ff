//! `amanah tenant erase --database`: the end of a tenant among others in a shared database.

use kernel::TenantId;
use serde_json::{Value, json};

use super::belongings::{self, Begun, Belongings, Destroyed, In};
use super::binding;
use super::certificate::{Clerk, EXPORTS};
use crate::cli::Place;
use crate::cli::tenant::Erase;
use crate::installation::Installation;
use crate::out;

/// What remains of deleted rows, whatever they were.
const COPIES: &str = "The server keeps deleted rows in its files until it has cleaned up after them (VACUUM), and \
                      in its write-ahead log until that is used anew. Replicas, archives of that log, \
                      backups and copies that were made before hold them until they are removed, in \
                      clear but for what the tenant's keys encrypted. Amanah makes none itself and does \
                      not know until when others keep theirs.";
const TRAIL: &str = "The audit trail of the database is evidence and stays: it holds each recorded change of these \
                     rows with what was in them, and their deletion. `amanah audit erase --tenant TENANT` takes that out \
                     where it may go.";
const ACCOUNTS: &str = "Accounts that sign in for the tenant are as they were.";

/// Says what would be gone.
pub(crate) async fn preview(
    place: &Place,
    house: &Installation,
    id: &TenantId,
    database: &str,
) -> anyhow::Result<()> {
    let guarded = binding::one(house, database)?;
    let counts = house.fleet.count_rows(&guarded, id).await?;
    let common = Belongings::look(house, In::Shared(&guarded), id).await?;
    if place.json {
        let tables: Vec<Value> =
            counts.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect();
        let all = json!({
            "erased": false,
            "tenant": id,
            "database": database,
            "tables": tables,
            "files": {"files": common.files, "bytes": common.bytes},
            "keys": common.keys,
            "redis": common.redis,
            "elsewhere": common.elsewhere,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let rows: i64 = counts.iter().map(|(_, rows)| rows).sum();
    let each: Vec<String> =
        counts.iter().map(|(table, rows)| format!("\n  {rows} of {table}")).collect();
    out::line(&format!(
        "Of {id} these would be gone for good: {rows} rows of the database {database}{}.{}",
        common.told(),
        each.concat()
    ));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// The rows first, which the database may keep; then what nothing can keep. Nothing is destroyed before it
/// is sure that there is such a tenant, and that a certificate can be signed.
pub(crate) async fn erase(
    house: &Installation,
    erase: Erase,
    database: &str,
) -> anyhow::Result<(String, Value)> {
    let Erase { tenant: id, certificate: file, by, .. } = erase;
    let guarded = binding::one(house, database)?;
    let clerk = Clerk::ready(house, by, file).await?;
    let common = Belongings::look(house, In::Shared(&guarded), &id).await?;
    let more = common.goes() && common.is_there();
    let mut erasing = house.fleet.erase_rows(&guarded, &id, more).await?;
    let mut remains = vec![COPIES.to_owned(), TRAIL.to_owned(), EXPORTS.to_owned()];
    remains.push(ACCOUNTS.to_owned());
    let begun = Begun::Shared(&mut erasing, &guarded);
    let Destroyed { gone, last, remains: besides, .. } =
        match belongings::destroy(house, begun, &id).await {
            Ok(done) => done,
            Err(error) => {
                erasing.leave().await;
                return Err(error);
            }
        };
    remains.extend(besides);
    let rows: u64 = erasing.rows().0.iter().map(|table| table.rows).sum();
    let tables = erasing.rows().0.to_vec();
    let closing = clerk.closing(remains.clone(), last);
    let (erasure, text) = erasing.certify(closing, &|text| clerk.sign(text)).await?;
    let each: Vec<String> =
        tables.iter().map(|table| format!("\n  {} of {}", table.rows, table.table)).collect();
    let parts = gone.parts.iter().map(|part| format!("{} {}, ", part.count, part.what));
    let count = gone.keys.len();
    let erased = format!(
        "{id}, {rows} rows of the database {database}, {}{count} keys, at {:.0}.{}",
        parts.collect::<String>(),
        erasure.erased_at,
        each.concat(),
    );
    let more = json!({"erasure": erasure, "tables": tables, "parts": gone.parts, "keys": count});
    Ok(clerk.told((&erased, more), &remains, &text))
}
