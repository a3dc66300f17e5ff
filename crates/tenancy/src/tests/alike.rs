//! The functions that read the binding answer alike in both forms, case by case.

use kernel::{Actor, Clock, Scope, Secret, SystemClock, TenantId};
use store::{Tx, literal};

use super::fixture::{self, DJANGO, FORMS, NUMBERS};
use crate::{Claims, Form, Guarded};

/// For how long a good token is good, in seconds.
const LIFE: i64 = 50;

/// What reads the binding, as a row of texts.
const READERS: [&str; 7] = [
    "amanah.current_tenant()",
    "amanah.current_actor()",
    "amanah.may_write()::text",
    "amanah.reading_tenant()",
    "amanah.writing_tenant()",
    "(amanah.binding())[3]",
    "(amanah.binding())[6]",
];
/// What they answer where nothing is bound.
const NOTHING: &str = "-, -, false, -, -, -, -";
/// Where tenant 7 is bound for reading, and for writing.
const READING: &str = "7, ann, false, 7, -, 37, ro";
const WRITING: &str = "7, ann, true, 7, 7, 37, rw";

/// A token.
#[derive(Debug, Clone, Copy)]
enum Token {
    Reading(&'static str),
    Writing(&'static str),
    Expired,
    /// One that was signed, and says another tenant since.
    Forged,
    OtherDatabase,
    TooLong,
    Empty,
    Nonsense,
}

/// What is done before the readers are asked.
#[derive(Debug, Clone, Copy)]
enum Do {
    Bind(Token),
    /// The setting is filled past `amanah.bind`.
    Put(Token),
    Sql(&'static str),
}

use Do::{Bind, Put, Sql};
use Token::{Empty, Expired, Forged, Nonsense, OtherDatabase, Reading, TooLong, Writing};

const SAVE: Do = Sql("SAVEPOINT here");
const BACK: Do = Sql("ROLLBACK TO SAVEPOINT here");

/// What is done, with which refusals on the way, and what the readers say then.
const CASES: &[(&str, &[Do], &[&str], &str)] = &[
    ("none", &[], &[], NOTHING),
    ("for reading", &[Bind(Reading("7"))], &[], READING),
    ("for writing", &[Bind(Writing("7"))], &[], WRITING),
    ("expired", &[Bind(Expired)], &["it has expired"], NOTHING),
    ("forged", &[Bind(Forged)], &["it was changed"], NOTHING),
    ("of another database", &[Bind(OtherDatabase)], &["not made for this database"], NOTHING),
    ("good for too long", &[Bind(TooLong)], &["it is good for too long"], NOTHING),
    ("empty", &[Bind(Empty)], &["there is none"], NOTHING),
    ("nonsense", &[Bind(Nonsense)], &["its key is not known here"], NOTHING),
    (
        "another tenant after it",
        &[Bind(Writing("7")), Bind(Writing("8"))],
        &["another tenant is bound already"],
        WRITING,
    ),
    (
        "a bad one after it",
        &[Bind(Reading("7")), Bind(Forged), Bind(Expired)],
        &["it was changed", "it has expired"],
        READING,
    ),
    ("the same tenant, to write", &[Bind(Reading("7")), Bind(Writing("7"))], &[], WRITING),
    ("the same tenant, to read", &[Bind(Writing("7")), Bind(Reading("7"))], &[], READING),
    ("taken back", &[SAVE, Bind(Writing("7")), BACK], &[], NOTHING),
    ("taken back in part", &[Bind(Reading("7")), SAVE, Bind(Writing("7")), BACK], &[], READING),
    (
        "another after one that was taken back",
        &[SAVE, Bind(Writing("8")), BACK, Bind(Writing("7"))],
        &[],
        WRITING,
    ),
    ("everything reset", &[Bind(Writing("7")), Sql("RESET ALL")], &[], NOTHING),
    ("put there, good", &[Put(Writing("7"))], &[], WRITING),
    ("put there, empty", &[Put(Empty)], &[], NOTHING),
    ("bound over what was put there", &[Put(Forged), Bind(Writing("7"))], &[], WRITING),
    (
        "another than a good one that was put there",
        &[Put(Writing("7")), Bind(Writing("8"))],
        &["another tenant is bound already"],
        WRITING,
    ),
    ("put there, expired", &[Put(Expired)], &[], "it has expired"),
    ("put there, forged", &[Put(Forged)], &[], "it was changed"),
    ("put there, of another database", &[Put(OtherDatabase)], &[], "not made for this database"),
    ("put there, nonsense", &[Put(Nonsense)], &[], "its key is not known here"),
];

fn minted(guarded: &Guarded, token: Token) -> Secret {
    let now = SystemClock.now().as_second();
    let (mut database, mut end) = (guarded.protected.name.clone(), now + LIFE);
    let (tenant, scope) = match token {
        Reading(tenant) => (tenant, Scope::ReadOnly),
        Writing(tenant) => (tenant, Scope::ReadWrite),
        _ => ("7", Scope::ReadWrite),
    };
    match token {
        Expired => end = now - 1,
        TooLong => end = now + 600,
        OtherDatabase => database.push_str("_other"),
        _ => {}
    }
    let (tenant, actor) = (TenantId::new(tenant).unwrap(), Actor::new("ann").unwrap());
    let claims = Claims { tenant: &tenant, actor: &actor, scope, database: &database };
    let good = guarded.key.get().mint_until(&claims, end);
    match token {
        Forged => Secret::new(good.expose().replacen(".37.", ".38.", 1)),
        Nonsense => Secret::new("amb1.nobody.37.38.1.rw.00".to_owned()),
        Empty => Secret::new(String::new()),
        _ => good,
    }
}

/// What a statement comes to, which stays: its text, or what it was refused for.
async fn answer(tx: &Tx, sql: &str) -> Result<String, String> {
    tx.batch("SAVEPOINT answer").await.unwrap();
    match tx.query_one(sql, &[]).await {
        Ok(row) => {
            tx.batch("RELEASE SAVEPOINT answer").await.unwrap();
            Ok(row.get::<_, Option<String>>(0).unwrap_or_else(|| "-".to_owned()))
        }
        Err(refused) => {
            tx.batch("ROLLBACK TO SAVEPOINT answer").await.unwrap();
            assert_eq!(refused.sqlstate(), Some("28000"), "{sql}: {refused}");
            Err(refused.to_string())
        }
    }
}

/// Does one thing. Returns why it was refused, if it was.
async fn take(guarded: &Guarded, tx: &Tx, step: Do) -> Option<String> {
    let token = |token| literal(minted(guarded, token).expose());
    let sql = match step {
        Bind(which) => format!("SELECT amanah.bind({})::text", token(which)),
        Put(which) => format!("SELECT set_config('amanah.token', {}, true)", token(which)),
        Sql(sql) => {
            tx.batch(sql).await.unwrap();
            return None;
        }
    };
    answer(tx, &sql).await.err()
}

/// Does all of it and asks every reader. Returns the refusals on the way, and what the readers say: all
/// answer, or all refuse for one reason.
async fn played(guarded: &Guarded, steps: &[Do]) -> (Vec<String>, String) {
    let tx = guarded.protected.intruder.operator().await.unwrap();
    let mut refused = Vec::new();
    for step in steps {
        refused.extend(take(guarded, &tx, *step).await);
    }
    let mut said = Vec::new();
    for reader in READERS {
        said.push(answer(&tx, &format!("SELECT {reader}")).await);
    }
    tx.rollback().await.unwrap();
    let all: Result<Vec<String>, String> = said.iter().cloned().collect();
    let told = all.map_or_else(
        |why| {
            assert!(said.iter().all(|said| said.as_ref() == Err(&why)), "{said:#?}");
            why
        },
        |answers| answers.join(", "),
    );
    (refused, told)
}

fn is_like(said: &[String], wanted: &[&str]) -> bool {
    said.len() == wanted.len() && said.iter().zip(wanted).all(|(said, part)| said.contains(part))
}

/// Every case comes to the same in both forms, and to what is written here.
#[tokio::test]
async fn both_forms_answer_alike() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        for (case, steps, refusals, wanted) in CASES {
            let (refused, told) = played(&guarded, steps).await;
            assert!(is_like(&refused, refusals), "{form}, {case}: {refused:#?}");
            assert!(told.contains(wanted), "{form}, {case}: {told}");
        }
    }
}

/// What one form withstands and the other does not: the holder of good tokens of two tenants takes one
/// for the other. The documentation says so.
#[tokio::test]
async fn the_forms_differ_in_one_thing() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let put: &[Do] = &[Bind(Writing("7")), Put(Writing("8"))];
    let emptied: &[Do] = &[Bind(Writing("7")), Put(Empty), Bind(Writing("8"))];
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        for steps in [put, emptied] {
            let (refused, told) = played(&guarded, steps).await;
            // What is bound, and not what the token says that was put there.
            let bound = told.split(", ").take(5).collect::<Vec<_>>().join(", ");
            let (refusals, wanted) = match form {
                Form::Portable => (0, "8, ann, true, 8, 8"),
                Form::VerifyOnce => (steps.len() - put.len(), "7, ann, true, 7, 7"),
            };
            assert_eq!((refused.len(), bound.as_str()), (refusals, wanted), "{form}: {steps:?}");
        }
    }
}
