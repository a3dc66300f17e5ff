//! Every form of RFC 7644, section 3.5.2, and what directories send beyond it.

use serde_json::{Map, Value, json};

use crate::patch::{PATCH, apply};
use crate::schema::Kind;
use crate::{ENTERPRISE, USER};

pub(super) fn sari() -> Map<String, Value> {
    let whole = json!({
        "userName": "sari@sinar.example",
        "active": true,
        "name": { "familyName": "Wulandari", "givenName": "Sari" },
        "title": "Analyst",
        "emails": [
            { "value": "sari@sinar.example", "type": "work", "primary": true },
            { "value": "sari@home.example", "type": "home" },
        ],
        ENTERPRISE: { "department": "Prices", "costCenter": "7" },
    });
    whole.as_object().unwrap().clone()
}

fn group() -> Map<String, Value> {
    let whole = json!({ "displayName": "Pricing", "members": [{"value": "1"}, {"value": "2"}] });
    whole.as_object().unwrap().clone()
}

pub(super) fn patch(operations: &Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

/// What `place`, a pointer into JSON, is after the operations, or the kind of the error.
pub(super) fn after(kind: Kind, operations: &Value, place: &str) -> Value {
    let before = if kind == Kind::User { sari() } else { group() };
    match apply(kind, &before, &patch(operations)) {
        Ok(map) => Value::Object(map).pointer(place).cloned().unwrap_or_default(),
        Err(error) => json!(format!("{} error", error.scim_type().unwrap_or_default())),
    }
}

pub(super) fn table(kind: Kind, rows: Vec<(Value, &str, Value)>) {
    for (operations, place, expected) in rows {
        assert_eq!(after(kind, &operations, place), expected, "{operations} {place}");
    }
}

const DEPARTMENT: &str = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department";

#[test]
fn what_is_added() {
    table(
        Kind::User,
        vec![
            // Without a path.
            (json!([{"op": "add", "value": {"nickName": "S"}}]), "/nickName", json!("S")),
            (json!([{"op": "add", "value": {"title": "Lead"}}]), "/title", json!("Lead")),
            (
                json!([{"op": "add", "value": {"name": {"middleName": "T"}}}]),
                "/name",
                json!({"familyName": "Wulandari", "givenName": "Sari", "middleName": "T"}),
            ),
            (
                json!([{"op": "add", "value": {"emails": [{"value": "s@x.example", "type": "other"}]}}]),
                "/emails/2/value",
                json!("s@x.example"),
            ),
            // A single value, there or not.
            (json!([{"op": "add", "path": "nickName", "value": "S"}]), "/nickName", json!("S")),
            (json!([{"op": "add", "path": "title", "value": "Lead"}]), "/title", json!("Lead")),
            (
                json!([{"op": "add", "path": "name.givenName", "value": "S"}]),
                "/name/givenName",
                json!("S"),
            ),
            (
                json!([{"op": "add", "path": "name", "value": {"givenName": "S"}}]),
                "/name",
                json!({"familyName": "Wulandari", "givenName": "S"}),
            ),
            // One of several, which is not there twice afterwards.
            (
                json!([{"op": "add", "path": "emails", "value": {"value": "sari@home.example", "type": "home"}}]),
                "/emails/2",
                Value::Null,
            ),
            // A new first choice takes the place of the old one.
            (
                json!([{"op": "add", "path": "emails", "value": [{"value": "n@x", "primary": true}]}]),
                "/emails/0/primary",
                json!(false),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"home\"].primary", "value": true}]),
                "/emails/0/primary",
                json!(false),
            ),
        ],
    );
}

#[test]
fn what_is_added_to_what_is_selected() {
    table(
        Kind::User,
        vec![
            (
                json!([{"op": "add", "path": "emails[type eq \"home\"].display", "value": "Home"}]),
                "/emails/1",
                json!({"value": "sari@home.example", "type": "home", "display": "Home"}),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"home\"]", "value": {"display": "Home"}}]),
                "/emails/1/value",
                json!("sari@home.example"),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"other\"].value", "value": "n@x"}]),
                "/emails/2",
                json!({"type": "other", "value": "n@x"}),
            ),
            (
                json!([{"op": "add", "path": "emails[type sw \"oth\"].value", "value": "n@x"}]),
                "",
                json!("noTarget error"),
            ),
            // The extension.
            (
                json!([{"op": "add", "path": format!("{ENTERPRISE}:department"), "value": "New"}]),
                DEPARTMENT,
                json!("New"),
            ),
            (
                json!([{"op": "add", "value": {ENTERPRISE: {"division": "D"}}}]),
                DEPARTMENT,
                json!("Prices"),
            ),
            (
                json!([{"op": "add", "path": ENTERPRISE, "value": {"department": "New"}}]),
                DEPARTMENT,
                json!("New"),
            ),
        ],
    );
}

#[test]
fn what_is_replaced() {
    table(
        Kind::User,
        vec![
            (json!([{"op": "replace", "path": "title", "value": "Lead"}]), "/title", json!("Lead")),
            (json!([{"op": "replace", "path": "nickName", "value": "S"}]), "/nickName", json!("S")),
            (
                json!([{"op": "replace", "value": {"title": "Lead", "active": false}}]),
                "/active",
                json!(false),
            ),
            // What is not told of a complex one stays.
            (
                json!([{"op": "replace", "path": "name", "value": {"givenName": "S"}}]),
                "/name/familyName",
                json!("Wulandari"),
            ),
            // All of several.
            (
                json!([{"op": "replace", "path": "emails", "value": [{"value": "n@x"}]}]),
                "/emails",
                json!([{"value": "n@x"}]),
            ),
            (json!([{"op": "replace", "path": "emails", "value": []}]), "/emails", Value::Null),
            // The selected ones, whole and in part.
            (
                json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@x", "type": "work"}}]),
                "/emails/0",
                json!({"value": "n@x", "type": "work"}),
            ),
            (
                json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "n@x"}]),
                "/emails/0",
                json!({"value": "n@x", "type": "work", "primary": true}),
            ),
            (
                json!([{"op": "replace", "path": "emails[type eq \"other\"].value", "value": "n@x"}]),
                "",
                json!("noTarget error"),
            ),
            (
                json!([{"op": "replace", "path": "emails.type", "value": "other"}]),
                "/emails/1/type",
                json!("other"),
            ),
            // No value is none.
            (json!([{"op": "replace", "path": "title", "value": null}]), "/title", Value::Null),
            (
                json!([{"op": "replace", "value": {"name": {"givenName": null}}}]),
                "/name",
                json!({"familyName": "Wulandari"}),
            ),
        ],
    );
}

#[test]
fn what_is_removed() {
    table(
        Kind::User,
        vec![
            (json!([{"op": "remove", "path": "title"}]), "/title", Value::Null),
            (
                json!([{"op": "remove", "path": "nickName"}]),
                "/userName",
                json!("sari@sinar.example"),
            ),
            (
                json!([{"op": "remove", "path": "name.givenName"}]),
                "/name",
                json!({"familyName": "Wulandari"}),
            ),
            (json!([{"op": "remove", "path": "name"}]), "/name", Value::Null),
            (json!([{"op": "remove", "path": "emails"}]), "/emails", Value::Null),
            (
                json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]),
                "/emails",
                json!([{"value": "sari@home.example", "type": "home"}]),
            ),
            (
                json!([{"op": "remove", "path": "emails[type eq \"home\" or primary eq true]"}]),
                "/emails",
                Value::Null,
            ),
            (
                json!([{"op": "remove", "path": "emails[type eq \"home\"].type"}]),
                "/emails/1",
                json!({"value": "sari@home.example"}),
            ),
            // What is not there is gone already.
            (
                json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]),
                "/emails/1/type",
                json!("home"),
            ),
            (
                json!([{"op": "remove", "path": format!("{ENTERPRISE}:department")}]),
                DEPARTMENT,
                Value::Null,
            ),
            (json!([{"op": "remove", "path": ENTERPRISE}]), &format!("/{ENTERPRISE}"), Value::Null),
            // Nobody is let in or out by a word that is left out.
            (json!([{"op": "remove", "path": "active"}]), "", json!("mutability error")),
            (json!([{"op": "remove", "path": "userName"}]), "", json!("mutability error")),
            (json!([{"op": "remove", "path": "id"}]), "", json!("mutability error")),
            (json!([{"op": "remove"}]), "", json!("noTarget error")),
        ],
    );
}

#[test]
fn members_come_and_go() {
    table(
        Kind::Group,
        vec![
            (
                json!([{"op": "add", "path": "members", "value": [{"value": "3"}]}]),
                "/members/2",
                json!({"value": "3"}),
            ),
            // Whoever is in it already is not in it twice, however they are told.
            (
                json!([{"op": "add", "path": "members", "value": [{"value": "2", "display": "B", "type": "User"}]}]),
                "/members",
                json!([{"value": "1"}, {"value": "2"}]),
            ),
            (
                json!([{"op": "Add", "path": "members", "value": "3"}]),
                "/members/2",
                json!({"value": "3"}),
            ),
            (
                json!([{"op": "remove", "path": "members[value eq \"1\"]"}]),
                "/members",
                json!([{"value": "2"}]),
            ),
        ],
    );
}

#[test]
fn members_are_told_in_values() {
    table(
        Kind::Group,
        vec![
            // Entra ID tells whom to remove in the value.
            (
                json!([{"op": "Remove", "path": "members", "value": [{"value": "1"}]}]),
                "/members",
                json!([{"value": "2"}]),
            ),
            (
                json!([{"op": "remove", "path": "members", "value": {"value": "2"}}]),
                "/members",
                json!([{"value": "1"}]),
            ),
            (
                json!([{"op": "remove", "path": "members", "value": ["1", "2"]}]),
                "/members",
                Value::Null,
            ),
            (json!([{"op": "remove", "path": "members"}]), "/members", Value::Null),
            (
                json!([{"op": "remove", "path": "members", "value": [{"value": "9"}]}]),
                "/members/1/value",
                json!("2"),
            ),
            (
                json!([{"op": "replace", "path": "members", "value": [{"value": "9"}]}]),
                "/members",
                json!([{"value": "9"}]),
            ),
            // Okta sends the id along.
            (
                json!([{"op": "replace", "value": {"id": "7", "displayName": "New"}}]),
                "/displayName",
                json!("New"),
            ),
            (
                json!([
                    {"op": "remove", "path": "members[value eq \"1\"]"},
                    {"op": "add", "path": "members", "value": [{"value": "3"}]},
                ]),
                "/members",
                json!([{"value": "2"}, {"value": "3"}]),
            ),
            (
                json!([{"op": "replace", "path": "displayName", "value": " "}]),
                "",
                json!("invalidValue error"),
            ),
            (json!([{"op": "remove", "path": "displayName"}]), "", json!("mutability error")),
        ],
    );
}

#[test]
fn directories_have_their_ways() {
    table(
        Kind::User,
        vec![
            (
                json!([{"op": "Replace", "path": "active", "value": "False"}]),
                "/active",
                json!(false),
            ),
            (json!([{"op": "REPLACE", "value": {"active": "true"}}]), "/active", json!(true)),
            (
                json!([{"op": "Add", "value": {"name.givenName": "S"}}]),
                "/name/givenName",
                json!("S"),
            ),
            (
                json!([{"op": "Replace", "value": {"emails[type eq \"work\"].value": "n@x", "title": "Lead"}}]),
                "/emails/0/value",
                json!("n@x"),
            ),
            (
                json!([{"op": "Replace", "value": {format!("{ENTERPRISE}:department"): "New"}}]),
                DEPARTMENT,
                json!("New"),
            ),
            (
                json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "77"}]),
                &format!("/{ENTERPRISE}/manager/value"),
                json!("77"),
            ),
            (json!([{"op": "replace", "path": "TITLE", "value": "Lead"}]), "/title", json!("Lead")),
            (
                json!([{"op": "replace", "path": format!("{USER}:title"), "value": "Lead"}]),
                "/title",
                json!("Lead"),
            ),
            // What is not known is ignored in a value, and refused as a path.
            (
                json!([{"op": "add", "value": {"shoeSize": 7, "title": "Lead"}}]),
                "/title",
                json!("Lead"),
            ),
            (
                json!([{"op": "add", "path": "shoeSize", "value": 7}]),
                "",
                json!("invalidPath error"),
            ),
        ],
    );
}
