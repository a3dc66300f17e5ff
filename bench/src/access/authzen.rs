//! What an application asks about its own actions: batches of 1,000 evaluations over one connection.
//!
//! Each answer is made from what the database says at that moment, a subject once in a batch. One
//! row asks about one person, as a page full of buttons does; the other about twenty, as a list of
//! who may approve does.

// What answers is the program's own source: what is measured is what runs.
#[path = "../../../crates/amanah/src/decisions.rs"]
mod decisions;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use access::{Access, By, NewGrant};
use anyhow::{Context as _, ensure};
use console::access::Decisions;
use decisions::Register;
use gateway::{Private, PrivateSettings};
use identity::{Email, Identities, NewAccount, Pool};
use kernel::{Secret, Standings, SystemClock, SystemRng, TenantId, random_hex};
use keys::{NewClient, Operation, Reach};
use serde_json::{Value, json};

use super::{ASKED, ROLE};
use crate::asking::{Ask, Asking, beside};
use crate::keys::House;
use crate::{Contestant as _, ROUNDS, spread};

/// A batch, as an application sends it.
const BATCH: usize = 1_000;
/// About whom in the second row.
const PEOPLE: usize = 20;
/// What it was built for, in each second of one core.
const WANTED: f64 = 20_000.0;
/// `{"decision":true},`, in bytes: a question that could not be asked has a reason beside it, and
/// a denial is longer by one, which the first answer is looked at for.
const ITEM_BYTES: usize = 18;
const TENANT: &str = "bench";

pub(super) async fn measure() -> anyhow::Result<Vec<String>> {
    let house = House::build().await?;
    let register = Arc::new(register().await?);
    let people = fill(&register).await?;
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let decisions = Arc::clone(&register) as Arc<dyn Decisions>;
    let router = console::access::router(house.keys.clone(), clock, rng, decisions);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = Private::bind(PrivateSettings::new(listen), router).await?;
    let address = private.local_addr();
    let serving = tokio::spawn(private.run(std::future::pending()));
    let token = house.keys.admit(client()).await?;
    let first = people.first().cloned().into_iter().collect::<Vec<_>>();
    let mut rows = Vec::new();
    for (who, what) in [
        (&first, "access: AuthZEN evaluations, batches of 1,000 about one person"),
        (&people, "access: AuthZEN evaluations, batches of 1,000 about 20 people"),
    ] {
        let body = body(who);
        let (path, token) = ("/access/v1/evaluations".to_owned(), token.clone());
        let ask = Ask { path, token, body, items: BATCH, least: BATCH * ITEM_BYTES };
        let mut asking = Asking::new(address, ask).await?;
        let answer: Value = serde_json::from_slice(asking.once().await?)?;
        let given = answer.get("evaluations").and_then(Value::as_array).context("no answers")?;
        let permitted = given.iter().filter(|one| one.get("decision") == Some(&json!(true)));
        ensure!(permitted.count() == BATCH, "somebody was denied: {answer:.200}");
        let mut speeds = Vec::new();
        for round in 0..=ROUNDS {
            let speed = asking.turn().await?;
            if round > 0 {
                speeds.push(speed);
            }
        }
        rows.push(format!("| {what} | {:.0} /s | – | – |", spread(&speeds).1));
        rows.push(beside(&asking.per_core, WANTED));
    }
    serving.abort();
    Ok(rows)
}

fn client() -> NewClient {
    NewClient {
        name: "bench".to_owned(),
        keys: Vec::new(),
        operations: [Operation::Decide].into(),
        reach: Reach::All,
        databases: [].into(),
        expires_at: None,
    }
}

/// A thousand questions about `people`, in turns.
fn body(people: &[String]) -> String {
    let question = |(at, id): (usize, &String)| {
        json!({
            "subject": {"type": "user", "id": id},
            "resource": {"type": "product", "id": at.to_string()},
        })
    };
    let evaluations: Vec<Value> =
        people.iter().cycle().take(BATCH).enumerate().map(question).collect();
    json!({"action": {"name": ASKED}, "evaluations": evaluations}).to_string()
}

/// Those who are asked about, in a database of their own.
async fn register() -> anyhow::Result<Register> {
    let base = testkit::database(&[&identity::ROOM, &access::ROOM]).await;
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let access = Arc::new(Access::new(base.engine.clone(), clock.clone()));
    let standings = Arc::clone(&access) as Arc<dyn Standings>;
    let identities = Identities::new(base.engine, clock, rng, Pool::default(), standings)?;
    Ok(Register { identities: Arc::new(identities), access })
}

/// Makes people who may do what is asked; their ids.
async fn fill(register: &Register) -> anyhow::Result<Vec<String>> {
    let mut people = Vec::new();
    for at in 0..PEOPLE {
        let new = NewAccount {
            email: Email::new(&format!("person{at}@bench.example"))?,
            name: format!("Person {at}"),
            tenant: TenantId::new(TENANT)?,
            password: Secret::new(random_hex(&SystemRng, 16)?),
        };
        let account = register.identities.create_account(&new).await?;
        let grant = NewGrant {
            account: account.clone(),
            tenant: new.tenant,
            role: ROLE.to_owned(),
            reason: "a measurement".to_owned(),
            until: None,
        };
        register.access.grant(&By::operator("bench")?, &grant).await?;
        people.push(account);
    }
    Ok(people)
}
