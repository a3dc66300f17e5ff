//! Requests that are built to take time.

use serde_json::{Map, Value, json};
use store::Json;

use super::house::{house, tenant, user};
use super::patches::patch;
use crate::patch::apply;
use crate::schema::Kind;
use crate::{Error, MAX_MEMBERS, Query};

fn group(members: usize) -> Map<String, Value> {
    let members: Vec<Value> = (0..members).map(|n| json!({"value": format!("a{n}")})).collect();
    json!({ "displayName": "g", "members": members }).as_object().unwrap().clone()
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("A{n}")).collect()
}

/// What the request is refused with, or how many members there are then.
fn members(of: &Map<String, Value>, operations: &Value) -> Result<usize, &'static str> {
    match apply(Kind::Group, of, &patch(operations)) {
        Ok(all) => Ok(all.get("members").and_then(Value::as_array).map_or(0, Vec::len)),
        Err(error) => Err(error.scim_type().unwrap_or_default()),
    }
}

#[test]
fn values_are_counted_before_they_are_compared() {
    // Were they compared first, the operation behind them would be refused: its path is none.
    for (op, path, value) in [
        ("add", "members", json!(ids(MAX_MEMBERS + 1))),
        ("remove", "members", json!(ids(MAX_MEMBERS + 1))),
    ] {
        let operations = json!([{"op": op, "path": path, "value": value}, {"op": "add", "path": "shoe", "value": "x"}]);
        assert_eq!(members(&group(2), &operations), Err("tooMany"), "{op}");
    }
    let many = json!([{"op": "add", "path": "emails", "value": ids(51)}, {"op": "move"}]);
    let refused = apply(Kind::User, &super::patches::sari(), &patch(&many));
    assert!(matches!(refused, Err(Error::TooMany(_))), "{refused:?}");
    // Nor do many operations make more of them.
    let each: Vec<Value> =
        (0..60).map(|n| json!({"op": "add", "path": "emails", "value": n.to_string()})).collect();
    let refused = apply(Kind::User, &super::patches::sari(), &patch(&json!(each)));
    assert!(matches!(refused, Err(Error::TooMany(_))), "{refused:?}");
}

#[test]
fn large_groups_are_changed_at_once() {
    let full = group(MAX_MEMBERS);
    let all = json!(ids(MAX_MEMBERS));
    let add = json!([{"op": "add", "path": "members", "value": all}]);
    assert_eq!(members(&group(1), &add), Ok(MAX_MEMBERS));
    assert_eq!(members(&full, &add), Ok(MAX_MEMBERS), "nobody is in it twice");
    assert_eq!(members(&full, &json!([{"op": "remove", "path": "members", "value": all}])), Ok(0));
    let one_more = json!([{"op": "add", "path": "members", "value": "b"}]);
    assert_eq!(members(&full, &one_more), Err("tooMany"));
    // One after the other, as some directories do.
    let each: Vec<Value> = (0..100)
        .map(|n| json!({"op": "remove", "path": format!("members[value eq \"a{n}\"]")}))
        .collect();
    assert_eq!(members(&full, &json!(each)), Ok(MAX_MEMBERS - 100));
}

#[test]
fn operations_and_values_do_not_multiply() {
    let select = vec!["value eq \"x\""; 20].join(" or ");
    let each: Vec<Value> =
        (0..1000).map(|_| json!({"op": "remove", "path": format!("members[{select}]")})).collect();
    assert_eq!(members(&group(MAX_MEMBERS), &json!(each)), Err("tooMany"));
    // Nor do the keys of one operation.
    let keys: Map<String, Value> = (0..2000)
        .map(|n| (format!("members[value eq \"a1\" or value eq \"x{n}\"]"), json!({"value": "a1"})))
        .collect();
    let one = json!([{"op": "add", "value": keys}]);
    assert_eq!(members(&group(MAX_MEMBERS), &one), Err("tooMany"));
}

#[tokio::test]
async fn a_filter_compares_no_more_than_a_request_may() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let first = house.make(&who, Kind::User, &user("p0@sinar.example")).await;
    // As many as are read at a time, and some more; each with much to compare.
    let long: Vec<Value> =
        (0..50).map(|n| json!({"value": format!("{n}{}", "a".repeat(1000))})).collect();
    let attributes = Json(json!({"userName": "p@sinar.example", "active": true, "emails": long}));
    let fill = "INSERT INTO directory.users (tenant, account, user_name, active, attributes, created_at, \
            changed_at, made_by) \
        SELECT 'sinar', gen_random_uuid(), 'p' || n || '@sinar.example', true, $1, now(), now(), 'a test' \
        FROM generate_series(1, 450) n";
    let tx = house.base.owner.operator().await.unwrap();
    tx.execute(fill, &[&attributes]).await.unwrap();
    tx.commit().await.unwrap();
    let ask = async |filter: String| {
        let query = Query { filter: Some(filter), count: Some(0), ..Query::default() };
        house.directory.list(&who, Kind::User, &query).await.map(|page| page.total)
    };
    let terms: Vec<String> = (0..100).map(|n| format!("emails.value co \"b{n}\"")).collect();
    let refused = ask(terms.join(" or ")).await;
    assert!(matches!(refused, Err(Error::TooMany(_))), "{refused:?}");
    // What directories ask goes on, over everybody, in order.
    assert_eq!(ask("userName sw \"p\" and active eq true".to_owned()).await.unwrap(), 451);
    assert_eq!(ask("emails.value sw \"49A\"".to_owned()).await.unwrap(), 450);
    let page = Query { start: Some(1), count: Some(200), ..Query::default() };
    let page = house.directory.list(&who, Kind::User, &page).await.unwrap();
    assert_eq!((page.total, page.resources.len(), &page.resources[0].id), (451, 200, &first.id));
    let next = Query { start: Some(201), count: Some(200), ..Query::default() };
    let next = house.directory.list(&who, Kind::User, &next).await.unwrap();
    assert!(next.resources.iter().all(|one| page.resources.iter().all(|other| other.id != one.id)));
    assert_eq!(house.directory.overview(&tenant("sinar")).await.unwrap().users, 451);
}
