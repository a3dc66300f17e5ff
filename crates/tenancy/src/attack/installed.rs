//! Whether schema `amanah` is what this room has installed: a binding that somebody has rewritten
//! can hold for the canaries and open a door for one tenant that no attack knows of.

use kernel::Finding;
use store::Tx;

use crate::form::{self, Form};
use crate::{Result, sql};

const RESTORE: &str = "find out who changed it; drop schema amanah and run `amanah protect` again";
const UNSET: &str = "REVOKE SET ON PARAMETER backtrace_functions from it and from everybody";
const RESET: &str =
    "find out who set it; ALTER DATABASE or ALTER ROLE ... RESET backtrace_functions";
/// By whose text the form is told.
const BIND: &str = "bind(token text)";
/// The settings of the functions that run with the owner's rights, and of those that the trail asks.
const PINNED: &str = "search_path=pg_catalog, pg_temp";

/// A function as one form of the binding makes it.
struct Shipped {
    /// Name and arguments, as the catalogue prints them.
    signature: String,
    result: String,
    body: &'static str,
    language: &'static str,
    definer: bool,
    /// As the catalogue has them: `s` for stable and for safe, `v` for volatile, `u` for unsafe.
    volatility: &'static str,
    parallel: &'static str,
    /// Whether everybody may call it.
    public: bool,
    /// Whether it has a search path of its own.
    pinned: bool,
}

/// Every function, relation, trigger, rule and right in the schema that is not as it was made, in
/// the form that the database has, and whoever else can write what is kept, the role `app` or another.
pub(crate) async fn findings(tx: &Tx, app: &str) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    let there = tx.query(sql::FUNCTIONS, &[]).await?;
    let bind = there.iter().find(|row| row.get::<_, &str>(0) == BIND);
    let form = bind.map_or(Form::Portable, |row| Form::of(row.get(2)));
    let shipped = shipped(form);
    if form == Form::VerifyOnce {
        all.extend(who_writes(tx, app).await?);
    }
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

/// Who else than the owner of the binding can write what is kept, and where a session begins with
/// something in its place.
pub(crate) async fn who_writes(tx: &Tx, app: &str) -> Result<Vec<Finding>> {
    let object = format!("parameter {}", form::PARAMETER);
    let mut all = Vec::new();
    if tx.query_one(sql::FORM, &[&form::PARAMETER, &app]).await?.get(1) {
        let what = format!("the role {app} may set it, and so bind itself to any tenant");
        all.push(Finding::new(&object, what).fix(UNSET));
    }
    for row in tx.query(sql::SETTERS, &[&form::PARAMETER, &app]).await? {
        let role: &str = row.get(0);
        let what = format!("the role {role} may set it, and so bind what it reaches to any tenant");
        all.push(Finding::new(&object, what).fix(UNSET));
    }
    for row in tx.query(sql::PRESET, &[&form::PARAMETER]).await? {
        let place: &str = row.get(0);
        let what = format!("{place} has a setting of it, with which sessions begin");
        all.push(Finding::new(&object, what).fix(RESET));
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
        let everybody: &[&str] = if self.public { &["PUBLIC"] } else { &[] };
        let settings = if self.pinned { PINNED } else { "" };
        let checks = [
            (text(2) == self.body && text(4) == self.language, "its body was changed"),
            (text(1) == self.result, "its result has another type"),
            (row.get::<_, bool>(3) == self.definer, "it runs with another's rights"),
            (text(5) == self.volatility && text(6) == self.parallel, "it is declared otherwise"),
            (text(7) == settings, "its settings were changed"),
            (callers == everybody, "the rights to call it were changed"),
            (row.get(9), "it belongs to somebody else than the owner"),
            (!row.get::<_, bool>(10), "it was given properties that it was not made with"),
        ];
        checks.into_iter().filter_map(|(holds, what)| (!holds).then_some(what)).collect()
    }
}

/// The functions of a form. What the other form does not replace is as in the portable one.
fn shipped(form: Form) -> Vec<Shipped> {
    let mut all = read(form::PORTABLE);
    if form == Form::VerifyOnce {
        for other in read(form::VERIFY_ONCE) {
            if let Some(place) = all.iter_mut().find(|f| f.signature == other.signature) {
                *place = other;
            }
        }
    }
    all
}

/// Reads functions out of their text: `CREATE OR REPLACE FUNCTION amanah.… AS $$ … $$`.
fn read(text: &'static str) -> Vec<Shipped> {
    text.split("CREATE OR REPLACE FUNCTION amanah.")
        .skip(1)
        .filter_map(|rest| {
            let (head, rest) = rest.split_once("AS $$")?;
            let (body, _) = rest.split_once("$$")?;
            let (signature, properties) = head.split_once(") RETURNS ")?;
            let result = properties.split_whitespace().next()?;
            let name = signature.split('(').next()?;
            let revoked = format!("REVOKE ALL ON FUNCTION amanah.{name}(");
            Some(Shipped {
                signature: format!("{signature})").replace("pg_catalog.", ""),
                result: result.replace("pg_catalog.", ""),
                body,
                language: if properties.contains("LANGUAGE sql") { "sql" } else { "plpgsql" },
                definer: properties.contains("SECURITY DEFINER"),
                volatility: if properties.contains("STABLE") { "s" } else { "v" },
                parallel: if properties.contains("PARALLEL SAFE") { "s" } else { "u" },
                public: !text.contains(&revoked),
                pinned: properties.contains("SET search_path = pg_catalog, pg_temp"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Form, read, shipped};
    use crate::form::{PORTABLE, VERIFY_ONCE};

    /// A function that the reader above overlooks would count as a stranger, and one that it reads
    /// twice would be compared with the wrong text.
    #[test]
    fn every_function_of_both_forms_is_read() {
        for text in [PORTABLE, VERIFY_ONCE] {
            assert_eq!(read(text).len(), text.matches("CREATE OR REPLACE FUNCTION").count());
        }
        let told = |form| -> Vec<(String, bool, bool)> {
            shipped(form).into_iter().map(|f| (f.signature, f.definer, f.public)).collect()
        };
        let wanted = |own: bool| -> Vec<(String, bool, bool)> {
            [
                ("open_token(token text)", false, false),
                ("binding()", true, true),
                ("current_tenant()", own, true),
                ("current_actor()", own, true),
                ("may_write()", own, true),
                ("reading_tenant()", own, true),
                ("writing_tenant()", own, true),
                ("bind(token text)", true, true),
            ]
            .map(|(name, definer, public)| (name.to_owned(), definer, public))
            .into()
        };
        assert_eq!(told(Form::Portable), wanted(true));
        assert_eq!(told(Form::VerifyOnce), wanted(false));
    }
}
