//! Whether schema `amanah` is what this room has installed: a binding that somebody has rewritten
//! can hold for the canaries and open a door for one tenant that no attack knows of.

use kernel::Finding;
use store::Tx;

use crate::{ROOM, Result, sql};

const RESTORE: &str = "find out who changed it; drop schema amanah and run `amanah protect` again";
/// The settings of the functions that the application can call.
const PINNED: &str = "search_path=pg_catalog, pg_temp";

/// A function as the migrations make it.
struct Shipped {
    /// Name and arguments, as the catalogue prints them.
    signature: String,
    result: String,
    body: &'static str,
    /// Those that run with their owner's rights are the ones that everybody may call.
    definer: bool,
    stable: bool,
    parallel: bool,
}

/// Every function, relation, trigger, rule and right in the schema that is not as it was made.
pub(super) async fn findings(tx: &Tx) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    let there = tx.query(sql::FUNCTIONS, &[]).await?;
    let shipped = shipped();
    for row in &there {
        let signature: &str = row.get(0);
        let changed = match shipped.iter().find(|s| s.signature == signature) {
            None => vec!["it is none of what is installed there"],
            Some(function) => function.departures(row),
        };
        if !changed.is_empty() {
            all.push(finding(&format!("amanah.{signature}"), changed.join(", ")));
        }
    }
    for function in shipped {
        if !there.iter().any(|row| row.get::<_, &str>(0) == function.signature) {
            all.push(finding(&format!("amanah.{}", function.signature), "it is missing"));
        }
    }
    for row in tx.query(sql::STRANGERS, &[]).await? {
        all.push(finding(row.get(0), row.get::<_, &str>(1)));
    }
    Ok(all)
}

fn finding(object: &str, what: impl Into<String>) -> Finding {
    Finding::new(object, what).fix(RESTORE)
}

impl Shipped {
    /// What of a row of [`sql::FUNCTIONS`] is not as it was made.
    fn departures(&self, row: &store::Row) -> Vec<&'static str> {
        let text = |n: usize| row.get::<_, &str>(n);
        let callers: Vec<&str> = row.get(8);
        let (volatile, parallel) =
            (if self.stable { "s" } else { "v" }, if self.parallel { "s" } else { "u" });
        let (settings, everybody): (&str, &[&str]) =
            if self.definer { (PINNED, &["PUBLIC"]) } else { ("", &[]) };
        let checks = [
            (text(2) == self.body && text(4) == "plpgsql", "its body was changed"),
            (text(1) == self.result, "its result has another type"),
            (row.get::<_, bool>(3) == self.definer, "it runs with another's rights"),
            (text(5) == volatile && text(6) == parallel, "it is declared otherwise"),
            (text(7) == settings, "its settings were changed"),
            (callers == everybody, "the rights to call it were changed"),
            (row.get(9), "it belongs to somebody else than the owner"),
            (!row.get::<_, bool>(10), "it was given properties that it was not made with"),
        ];
        checks.into_iter().filter_map(|(holds, what)| (!holds).then_some(what)).collect()
    }
}

/// Reads the functions out of the migrations' text: `CREATE FUNCTION amanah.… AS $$ … $$`.
fn shipped() -> Vec<Shipped> {
    let texts = ROOM.migrations.iter().map(|migration| migration.sql);
    texts
        .flat_map(|sql| sql.split("CREATE FUNCTION amanah.").skip(1))
        .filter_map(|rest| {
            let (head, rest) = rest.split_once("AS $$")?;
            let (body, _) = rest.split_once("$$")?;
            let (signature, properties) = head.split_once(") RETURNS ")?;
            let result = properties.split_whitespace().next()?;
            Some(Shipped {
                signature: format!("{signature})").replace("pg_catalog.", ""),
                result: result.replace("pg_catalog.", ""),
                body,
                definer: properties.contains("SECURITY DEFINER"),
                stable: properties.contains("STABLE"),
                parallel: properties.contains("PARALLEL SAFE"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ROOM, shipped};

    /// A function that the reader above overlooks would count as a stranger, and one that it reads
    /// twice would be compared with the wrong text.
    #[test]
    fn every_function_of_the_migrations_is_read() {
        let read: Vec<_> = shipped().into_iter().map(|f| (f.signature, f.definer)).collect();
        let made: usize = ROOM.migrations.iter().map(|m| m.sql.matches("FUNCTION").count()).sum();
        assert!(made > read.len());
        let names = ["open_token(token text)", "binding()", "current_tenant()", "current_actor()"];
        let names = names.into_iter().chain(["may_write()", "bind(token text)"]);
        let definers = [false, false, true, true, true, true];
        let wanted: Vec<_> = names.map(str::to_owned).zip(definers).collect();
        assert_eq!(read, wanted);
    }
}
