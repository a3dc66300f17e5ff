//! The API as an application asks it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use ::keys::{Operation, Reach};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use kernel::{Bits, Fut, PermissionId, SystemClock, SystemRng, TenantId};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{Decisions, Holders, Subject, router};
use crate::keys::tests::{House, tenants};

const NAMES: [&str; 3] = ["prices.read", "prices.update", "trail.read"];

/// Three people: sari and dewi in 17, amal in 18.
#[derive(Default)]
struct Register {
    away: bool,
    used: Mutex<Vec<String>>,
    /// Which statement was asked, and about how many.
    asked: Mutex<Vec<(&'static str, usize)>>,
    /// How many wait for an answer, and how many did at most.
    busy: Mutex<(usize, usize)>,
    /// Whoever waits, waits for this.
    held: Option<Arc<Semaphore>>,
}

impl Register {
    fn people() -> BTreeMap<&'static str, (&'static str, Vec<u16>)> {
        BTreeMap::from([
            ("sari", ("17", vec![0, 1])),
            ("dewi", ("17", vec![0])),
            ("amal", ("18", vec![0, 1, 2])),
        ])
    }
}

fn bits(numbers: &[u16]) -> Bits {
    numbers.iter().filter_map(|n| PermissionId::new(*n)).collect()
}

impl Decisions for Register {
    fn subjects<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> Fut<'a, Result<HashMap<String, Subject>, String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(("subjects", names.len()));
            if self.away {
                return Err("the database is away".to_owned());
            }
            if let Some(held) = &self.held {
                {
                    let mut busy = self.busy.lock().unwrap();
                    busy.0 += 1;
                    busy.1 = busy.1.max(busy.0);
                }
                held.acquire().await.unwrap().forget();
                self.busy.lock().unwrap().0 -= 1;
            }
            let people = Self::people();
            let subject = |name: &&str| {
                let (home, _) = people.get(name)?;
                let home = TenantId::new(*home).unwrap();
                Some(((*name).to_owned(), Subject { account: (*name).to_owned(), home }))
            };
            Ok(names.iter().filter_map(subject).collect())
        })
    }

    fn permits<'a>(
        &'a self,
        subjects: &'a [Subject],
    ) -> Fut<'a, Result<HashMap<String, Bits>, String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(("permits", subjects.len()));
            let people = Self::people();
            let permits = |one: &Subject| (one.account.clone(), bits(&people[&*one.account].1));
            Ok(subjects.iter().map(permits).collect())
        })
    }

    fn permission(&self, name: &str) -> Option<PermissionId> {
        let at = NAMES.iter().position(|known| *known == name)?;
        PermissionId::new(u16::try_from(at).unwrap())
    }

    fn names(&self, bits: &Bits) -> Vec<String> {
        bits.iter().map(|id| NAMES[usize::from(id.number())].to_owned()).collect()
    }

    fn holders<'a>(
        &'a self,
        tenant: &'a TenantId,
        permission: PermissionId,
        after: Option<&'a str>,
        limit: usize,
    ) -> Fut<'a, Result<Holders, String>> {
        let all = Self::people().into_iter();
        let here = all.filter(|(_, (home, _))| *home == tenant.as_str());
        let may = here.filter(|(_, (_, permits))| bits(permits).has(permission));
        let behind =
            may.map(|(id, _)| id.to_owned()).filter(|id| after.is_none_or(|a| id.as_str() > a));
        let mut accounts: Vec<String> = behind.collect();
        let more = accounts.len() > limit;
        accounts.truncate(limit);
        let next = accounts.last().filter(|_| more).cloned();
        Box::pin(async move { Ok(Holders { accounts, next }) })
    }

    fn used(&self, subject: &Subject, _: PermissionId) {
        self.used.lock().unwrap().push(subject.account.clone());
    }
}

struct Pdp {
    router: Router,
    register: Arc<Register>,
    all: String,
    one: String,
    keys_alone: String,
    _house: House,
}

impl Pdp {
    async fn new(away: bool) -> Self {
        Self::over(Register { away, ..Register::default() }).await
    }

    async fn over(register: Register) -> Self {
        let house = House::bare().await;
        let register = Arc::new(register);
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let decisions = Arc::<Register>::clone(&register);
        let router = router(house.keys.clone(), clock, rng, decisions);
        let all = house.client("all", "*", &[Operation::Decide], Reach::All).await;
        let one = house.client("one", "*", &[Operation::Decide], tenants(&["17"])).await;
        let keys_alone = house.client("keys", "*", &[Operation::Encrypt], Reach::All).await;
        Self { router, register, all, one, keys_alone, _house: house }
    }

    async fn ask(&self, token: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("x-request-id", "r-1")
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["x-request-id"], "r-1", "{path}");
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn decide(&self, token: &str, body: &Value) -> Value {
        let (status, said) = self.ask(token, "/access/v1/evaluation", body).await;
        assert_eq!(status, 200, "{said}");
        said
    }
}

fn question(subject: &str, action: &str, tenant: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": action, "properties": {"x": 1}},
        "resource": {"type": "price", "id": "9", "properties": {"tenant": tenant}},
        "more": true,
    })
}

#[tokio::test]
async fn what_is_not_known_is_denied_and_denial_is_an_answer() {
    let pdp = Pdp::new(false).await;
    let yes = json!({"decision": true});
    let no = json!({"decision": false});
    assert_eq!(pdp.decide(&pdp.all, &question("sari", "prices.update", "17")).await, yes);
    assert_eq!(pdp.decide(&pdp.one, &question("sari", "prices.update", "17")).await, yes);
    for denied in [
        question("dewi", "prices.update", "17"),
        question("nobody", "prices.read", "17"),
        question("", "prices.read", "17"),
        question("sari", "prices.paint", "17"),
        question("sari", "prices.read", "18"),
        question("sari", "prices.read", "99"),
        json!({"subject": {"type": "robot", "id": "sari"}, "action": {"name": "prices.read"},
               "resource": {"type": "price"}}),
    ] {
        assert_eq!(pdp.decide(&pdp.all, &denied).await, no, "{denied}");
    }
    // Another tenant's people are nobody to a token that does not reach it.
    assert_eq!(pdp.decide(&pdp.one, &question("amal", "prices.read", "18")).await, no);
    let nameless = json!({"subject": {"type": "user", "id": "amal"}, "action": {"name": "prices.read"},
                          "resource": {"type": "price"}});
    assert_eq!(pdp.decide(&pdp.one, &nameless).await, no);
    assert_eq!(pdp.decide(&pdp.all, &nameless).await, yes);
}

#[tokio::test]
async fn a_question_is_a_use_only_where_it_says_so() {
    let pdp = Pdp::new(false).await;
    let with = |action: &str, said: Value| {
        let mut question = question("sari", action, "17");
        question["context"] = json!({ "amanah_use": said });
        question
    };
    for said in [json!(false), Value::Null] {
        let question = if said.is_null() {
            question("sari", "prices.read", "17")
        } else {
            with("prices.read", said)
        };
        assert_eq!(pdp.decide(&pdp.all, &question).await, json!({"decision": true}));
    }
    let many = json!({"evaluations": vec![question("sari", "prices.read", "17"); 5]});
    assert_eq!(pdp.ask(&pdp.all, "/access/v1/evaluations", &many).await.0, 200);
    assert!(pdp.register.used.lock().unwrap().is_empty(), "they were asked to draw a page");
    pdp.decide(&pdp.all, &with("prices.read", json!(true))).await;
    assert_eq!(*pdp.register.used.lock().unwrap(), ["sari"]);
    // What is said once counts for all; what is denied was not used.
    let mut many = with("prices.read", json!(true));
    many["evaluations"] = json!([{}, {"subject": {"type": "user", "id": "dewi"}},
        {"action": {"name": "trail.read"}}, {"context": {}}]);
    assert_eq!(pdp.ask(&pdp.all, "/access/v1/evaluations", &many).await.0, 200);
    assert_eq!(*pdp.register.used.lock().unwrap(), ["sari", "sari", "dewi"]);
    let odd = with("prices.read", json!("true"));
    let (status, said) = pdp.ask(&pdp.all, "/access/v1/evaluation", &odd).await;
    assert_eq!(status, 400, "{said}");
}

/// Whether there is somebody in a tenant beyond the token's reach, or nobody at all: nothing that takes time
/// is different.
#[tokio::test]
async fn strangers_and_nobody_take_the_same_statements_however_many_there_are() {
    let pdp = Pdp::new(false).await;
    let asked = async |path: &str, body: Value| {
        pdp.register.asked.lock().unwrap().clear();
        let (status, said) = pdp.ask(&pdp.one, path, &body).await;
        assert_eq!(status, 200, "{said}");
        (said, pdp.register.asked.lock().unwrap().clone())
    };
    for path in ["evaluation", "search/resource", "search/action"] {
        let path = format!("/access/v1/{path}");
        let of = |id: &str| {
            let mut question = question(id, "prices.read", "17");
            question["resource"] = json!({"type": "tenant"});
            question
        };
        let (stranger, nobody) = (asked(&path, of("amal")).await, asked(&path, of("nemo")).await);
        assert_eq!(stranger, nobody, "{path}");
        assert_eq!(stranger.1, [("subjects", 1), ("permits", 0)], "{path}");
    }
    let id = |n: usize| match n % 3 {
        0 => "sari".to_owned(),
        1 => "amal".to_owned(),
        _ => format!("nobody-{n}"),
    };
    let all: Vec<Value> = (0..1_000).map(|n| question(&id(n), "prices.read", "17")).collect();
    let (said, asked) = asked("/access/v1/evaluations", json!({ "evaluations": all })).await;
    assert_eq!(asked, [("subjects", 335), ("permits", 1)]);
    let yes = said["evaluations"].as_array().unwrap().iter().filter(|d| d["decision"] == true);
    assert_eq!(yes.count(), 334);
}

#[tokio::test]
async fn of_one_client_two_requests_about_many_are_answered_at_once() {
    let held = Arc::new(Semaphore::new(0));
    let pdp = Pdp::over(Register { held: Some(Arc::clone(&held)), ..Register::default() }).await;
    let pdp = Arc::new(pdp);
    let mut asking = JoinSet::new();
    for n in 0..10 {
        let pdp = Arc::clone(&pdp);
        asking.spawn(async move {
            let token = if n % 2 == 0 { &pdp.all } else { &pdp.one };
            let body = json!({"evaluations": [question("sari", "prices.read", "17")]});
            pdp.ask(token, "/access/v1/evaluations", &body).await.0
        });
    }
    let waiting = || pdp.register.busy.lock().unwrap().0;
    while waiting() < 4 {
        tokio::task::yield_now().await;
    }
    held.add_permits(10);
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert_eq!(pdp.register.busy.lock().unwrap().1, 4, "two of each");
}

#[tokio::test]
async fn programs_without_the_right_and_questions_without_sense_are_refused() {
    let pdp = Pdp::new(false).await;
    let whole = question("sari", "prices.read", "17");
    for token in ["", "x", &pdp.keys_alone] {
        for path in
            ["evaluation", "evaluations", "search/subject", "search/action", "search/resource"]
        {
            let (status, _) = pdp.ask(token, &format!("/access/v1/{path}"), &whole).await;
            assert_eq!(status, 403, "{path}");
        }
    }
    let mut two = whole.clone();
    two["context"] = json!({"tenant": "18"});
    let mut odd = whole.clone();
    odd["resource"]["properties"]["tenant"] = json!(17);
    for bad in [json!({}), json!([]), json!({"subject": 3}), two, odd, {
        let mut no_action = whole.clone();
        no_action.as_object_mut().unwrap().remove("action");
        no_action
    }] {
        let (status, said) = pdp.ask(&pdp.all, "/access/v1/evaluation", &bad).await;
        assert_eq!(status, 400, "{said}");
    }
    let large = json!({"pad": "x".repeat(65 * 1024)});
    let (status, _) = pdp.ask(&pdp.all, "/access/v1/evaluation", &large).await;
    assert_eq!(status, 413);
    let away = Pdp::new(true).await;
    let (status, said) = away.ask(&away.all, "/access/v1/evaluation", &whole).await;
    assert_eq!((status.as_u16(), &said["error"]["slug"]), (503, &json!("unavailable")), "{said}");
}

#[tokio::test]
async fn several_questions_have_three_semantics() {
    let pdp = Pdp::new(false).await;
    let ask = async |semantic: Option<&str>, actions: &[&str]| {
        let evaluations: Vec<Value> =
            actions.iter().map(|name| json!({"action": {"name": name}})).collect();
        let mut body = json!({
            "subject": {"type": "user", "id": "dewi"}, "resource": {"type": "tenant", "id": "17"},
            "evaluations": evaluations,
        });
        if let Some(semantic) = semantic {
            body["options"] = json!({"evaluations_semantic": semantic});
        }
        let (status, said) = pdp.ask(&pdp.all, "/access/v1/evaluations", &body).await;
        let decisions = said["evaluations"].as_array().cloned().unwrap_or_default();
        (status.as_u16(), decisions.iter().map(|d| d["decision"] == true).collect::<Vec<_>>())
    };
    let actions = ["prices.update", "prices.read", "prices.update", "prices.read"];
    let all = vec![false, true, false, true];
    assert_eq!(ask(None, &actions).await, (200, all.clone()));
    assert_eq!(ask(Some("execute_all"), &actions).await, (200, all));
    assert_eq!(ask(Some("deny_on_first_deny"), &actions).await, (200, vec![false]));
    assert_eq!(ask(Some("permit_on_first_permit"), &actions).await, (200, vec![false, true]));
    assert_eq!(ask(Some("guess"), &actions).await.0, 400);
    assert_eq!(ask(None, &["prices.read"; 1001]).await.0, 400);
    assert_eq!(ask(None, &[&"x".repeat(600 * 1024)]).await.0, 413);
    // As many as there may be, each with everything that is usual in it.
    let whole = question("person.with.a.long.name@sinar.example", "prices.read", "17");
    let body = json!({ "evaluations": vec![whole; 1000] });
    let (status, said) = pdp.ask(&pdp.all, "/access/v1/evaluations", &body).await;
    assert_eq!((status.as_u16(), said["evaluations"].as_array().unwrap().len()), (200, 1000));
    // Without any, it is one question; one that makes no sense denies itself alone.
    let single = question("sari", "prices.read", "17");
    let (_, said) = pdp.ask(&pdp.all, "/access/v1/evaluations", &single).await;
    assert_eq!(said, json!({"decision": true}));
    let mixed = json!({"evaluations": [question("sari", "prices.read", "17"), {}]});
    let (_, said) = pdp.ask(&pdp.all, "/access/v1/evaluations", &mixed).await;
    assert_eq!(said["evaluations"][0], json!({"decision": true}));
    assert_eq!(said["evaluations"][1]["decision"], false);
    assert_eq!(said["evaluations"][1]["context"]["error"]["status"], 400);
}

#[tokio::test]
async fn searches_are_paged_and_end_at_the_tokens_reach() {
    let pdp = Pdp::new(false).await;
    let search = async |token: &str, what: &str, body: Value| {
        let (status, said) = pdp.ask(token, &format!("/access/v1/search/{what}"), &body).await;
        assert_eq!(status, 200, "{said}");
        said
    };
    let who = |tenant: &str, page: Value| {
        json!({"subject": {"type": "user"}, "action": {"name": "prices.read"},
               "resource": {"type": "tenant", "id": tenant}, "page": page})
    };
    let first = search(&pdp.one, "subject", who("17", json!({"limit": 1}))).await;
    assert_eq!(first["results"], json!([{"type": "user", "id": "dewi"}]));
    let token = first["page"]["next_token"].clone();
    let second = search(&pdp.one, "subject", who("17", json!({"limit": 1, "token": token}))).await;
    assert_eq!(second["results"], json!([{"type": "user", "id": "sari"}]));
    assert_eq!(second["page"]["next_token"], "");
    assert_eq!(search(&pdp.one, "subject", who("18", json!({}))).await["results"], json!([]));
    let mut robots = who("17", json!({}));
    robots["subject"]["type"] = json!("robot");
    assert_eq!(search(&pdp.one, "subject", robots).await["results"], json!([]));

    let may = |id: &str, kind: &str| {
        json!({"subject": {"type": "user", "id": id}, "action": {"name": "prices.read"},
               "resource": {"type": kind}})
    };
    let places = search(&pdp.one, "resource", may("sari", "tenant")).await;
    assert_eq!(places["results"], json!([{"type": "tenant", "id": "17"}]));
    for body in [may("amal", "tenant"), may("sari", "price"), may("nobody", "tenant")] {
        assert_eq!(search(&pdp.one, "resource", body).await["results"], json!([]));
    }
    let actions = search(&pdp.one, "action", may("sari", "price")).await;
    assert_eq!(actions["results"], json!([{"name": "prices.read"}, {"name": "prices.update"}]));
    let mut part = may("sari", "price");
    part["page"] = json!({"limit": 1, "token": "prices.read"});
    let part = search(&pdp.one, "action", part).await;
    assert_eq!(part["results"], json!([{"name": "prices.update"}]));
    assert_eq!(search(&pdp.one, "action", may("amal", "price")).await["results"], json!([]));
    let mut none = may("sari", "price");
    none["page"] = json!({"limit": 0});
    let (status, _) = pdp.ask(&pdp.one, "/access/v1/search/action", &none).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn where_to_ask_is_told_to_anybody() {
    let pdp = Pdp::new(false).await;
    let request = Request::get("/.well-known/authzen-configuration")
        .header("host", "localhost:8200")
        .body(Body::empty())
        .unwrap();
    let answer = pdp.router.clone().oneshot(request).await.unwrap();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let said: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(said["policy_decision_point"], "http://localhost:8200");
    assert_eq!(said["search_action_endpoint"], "http://localhost:8200/access/v1/search/action");
    assert_eq!(said.as_object().unwrap().len(), 6);
}
