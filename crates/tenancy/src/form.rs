//! The two forms of the binding, and which of them a database has.
//!
//! Both install the same functions under the same names, so the policies know nothing of it. In the
//! portable form each statement verifies the token. In the other one `amanah.bind` does so
//! once and keeps what the token says in a parameter of the server that the application's role
//! cannot change; it takes a superuser to let the owner's functions write there.

use std::fmt;

use serde::Serialize;
use store::{OperatorTx, Tx, ident};

use crate::{Result, sql};

/// The functions of the portable form, which is also a migration: it can be run again.
pub(crate) const PORTABLE: &str = include_str!("../sql/0002_portable.sql");
/// What the other form has in place of some of them.
pub(crate) const VERIFY_ONCE: &str = include_str!("../sql/verify_once.sql");
/// Where the other form keeps what a token says.
pub(crate) const PARAMETER: &str = "backtrace_functions";

/// Two that change the rights on a parameter at once, in whatever databases, fail over the same row of
/// the catalogue; so they wait for each other.
pub(crate) const ONE_AT_A_TIME: &str =
    "LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE";

/// How the binding is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// At every statement, with what any PostgreSQL offers.
    Portable,
    /// Once for each transaction, where a superuser was at hand.
    VerifyOnce,
}

/// The form that a database is to have, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The form.
    pub form: Form,
    /// Why this one, as the rest of a sentence.
    pub why: &'static str,
    /// Whether it is there already, with the right that it needs.
    pub installed: bool,
    /// Whether a superuser has to grant a right first.
    #[serde(skip)]
    pub(crate) grant: bool,
    /// The form of what is there, whatever it is to be.
    #[serde(skip)]
    there: Option<Form>,
}

impl Form {
    /// The functions, to be run by the owner. Transactions that go on meanwhile stay bound.
    const fn sql(self) -> &'static str {
        match self {
            Self::Portable => PORTABLE,
            Self::VerifyOnce => VERIFY_ONCE,
        }
    }

    /// Puts it in place of the other one.
    pub(crate) async fn install(self, owner: &Tx) -> Result<()> {
        Ok(owner.batch(self.sql()).await?)
    }

    /// The form whose `bind` has this body.
    pub(crate) fn of(bind: &str) -> Self {
        let ours = |text: &str| {
            let body = text.split("FUNCTION amanah.bind(token").nth(1);
            body.and_then(|rest| rest.split("$$").nth(1)) == Some(bind)
        };
        if ours(VERIFY_ONCE) { Self::VerifyOnce } else { Self::Portable }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::VerifyOnce => "verify-once",
        })
    }
}

/// Chooses the form for the database that `tx`, a transaction with its owner's rights, is in. A
/// database that has the cheaper form keeps it when there is no superuser at hand any more.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn choose(tx: &Tx, superuser: bool, app_role: &str) -> Result<Choice> {
    let row = tx.query_one(sql::FORM, &[&PARAMETER, &app_role]).await?;
    let (owner_may, app_may): (bool, bool) = (row.get(0), row.get(1));
    let there = row.get::<_, Option<&str>>(2).map(Form::of);
    let (form, why) = if app_may {
        let why = "the application's role may set the parameter that the other form keeps a \
                   binding in";
        (Form::Portable, why)
    } else if owner_may {
        (Form::VerifyOnce, "the owner's functions may keep a binding in the server")
    } else if superuser {
        (Form::VerifyOnce, "a superuser is at hand, who lets the owner's functions keep it")
    } else {
        (Form::Portable, "no superuser was given, so the server cannot keep a binding")
    };
    let grant = form == Form::VerifyOnce && !owner_may;
    Ok(Choice { form, why, installed: there == Some(form) && !grant, grant, there })
}

/// The form that a database has, if it has one.
pub(crate) async fn installed(tx: &Tx, app_role: &str) -> Result<Option<Form>> {
    let row = tx.query_one(sql::FORM, &[&PARAMETER, &app_role]).await?;
    Ok(row.get::<_, Option<&str>>(2).map(Form::of))
}

/// Lets `owner` write the parameter, where the superuser of `tx` may grant that. A service whose
/// superuser is none in truth refuses; then the portable form is the choice.
pub(crate) async fn grant(tx: &OperatorTx, owner: &str, choice: Choice) -> Result<Choice> {
    if !choice.grant {
        return Ok(choice);
    }
    tx.batch("SAVEPOINT amanah_form").await?;
    let sql = format!("{ONE_AT_A_TIME}; GRANT SET ON PARAMETER {PARAMETER} TO {}", ident(owner));
    match tx.batch(&sql).await {
        Ok(()) => Ok(choice),
        Err(error) if error.is_denied() => {
            tx.batch("ROLLBACK TO SAVEPOINT amanah_form").await?;
            let why = "the superuser that was given may not grant the right to set a parameter";
            let form = Form::Portable;
            Ok(Choice { form, why, installed: choice.there == Some(form), ..choice })
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, PORTABLE, VERIFY_ONCE};

    /// Names that are no function, operator or type: the language's own words, and what is declared
    /// in the functions.
    const WORDS: &[&str] = &[
        "AND",
        "OR",
        "NOT",
        "IS",
        "NULL",
        "TRUE",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "IF",
        "BEGIN",
        "DECLARE",
        "RETURN",
        "SELECT",
        "INTO",
        "FROM",
        "WHERE",
        "RAISE",
        "EXCEPTION",
        "USING",
        "ERRCODE",
        "MESSAGE",
        "HINT",
        "CONSTANT",
        "PERFORM",
        "COALESCE",
        "E",
        "invalid_authorization_specification",
        "boolean",
        "true",
        "false",
        "token",
        "bytes",
        "inner_pad",
        "outer_pad",
        "not_before",
        "not_after",
        "from_key",
        "wanted",
        "bound",
        "mac",
        "kept",
        "k",
        "kid",
        "binding_key",
    ];

    /// The functions' bodies without their literals and comments.
    fn bodies(text: &str) -> Vec<String> {
        let bodies = text.split("$$").skip(1).step_by(2);
        let lines = |body: &str| -> String {
            let code = body.lines().map(|line| line.split("--").next().unwrap_or_default());
            code.collect::<Vec<_>>().join("\n")
        };
        bodies
            .map(|body| lines(body).split('\'').step_by(2).collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// What runs with the owner's rights, and what decides which rows are seen, means the server's
    /// own functions, operators and types, whatever the caller has put in front of them.
    #[test]
    fn every_name_is_qualified() {
        let mut seen = 0;
        for body in bodies(PORTABLE).iter().chain(&bodies(VERIFY_ONCE)) {
            let bare = body
                .replace("OPERATOR(pg_catalog.", "OPERATOR(")
                .split("OPERATOR(")
                .enumerate()
                .map(|(n, part)| if n == 0 { part } else { part.split_once(')').unwrap().1 })
                .collect::<Vec<_>>()
                .join(" ");
            let said = ["ERRCODE =", "MESSAGE =", "HINT =", "::", ":=", "-65"];
            let symbols = said.iter().fold(bare, |text, own| text.replace(own, " "));
            let stray: String =
                symbols.matches(['+', '*', '/', '<', '>', '=', '|', '~', '!']).collect();
            assert_eq!(stray, "", "an operator that is not qualified in {body}");
            let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            for word in symbols.replace('"', "").split(|c| !name(c)).filter(|w| !w.is_empty()) {
                let plain = word.parse::<i64>().is_ok() || WORDS.contains(&word);
                let ours = ["amanah.", "pg_catalog.", "k."].iter().any(|p| word.starts_with(p));
                assert!(plain || ours, "{word} is not qualified");
                seen += usize::from(ours);
            }
        }
        assert!(seen > 100);
    }

    #[test]
    fn a_form_is_told_by_its_bind() {
        let bind = |text: &str| {
            let rest = text.split("FUNCTION amanah.bind(token").nth(1).unwrap().to_owned();
            rest.split("$$").nth(1).unwrap().to_owned()
        };
        assert_eq!(Form::of(&bind(PORTABLE)), Form::Portable);
        assert_eq!(Form::of(&bind(VERIFY_ONCE)), Form::VerifyOnce);
        assert_eq!(Form::of(""), Form::Portable);
    }
}
