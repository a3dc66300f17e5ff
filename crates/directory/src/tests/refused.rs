//! Changes and resources that cannot be, and how a resource is read.

use serde_json::{Value, json};

use super::patches::{after, patch, sari, table};
use crate::fuzzing;
use crate::patch::apply;
use crate::resource::canonical;
use crate::schema::Kind;
use crate::{ENTERPRISE, GROUP, USER};

#[test]
fn what_cannot_be_done_is_refused() {
    let error = |kind: &str| json!(format!("{kind} error"));
    table(
        Kind::User,
        vec![
            (json!([]), "", error("invalidSyntax")),
            (json!({"op": "add"}), "", error("invalidSyntax")),
            (json!([7]), "", error("invalidSyntax")),
            (json!([{"op": "move", "path": "title"}]), "", error("invalidSyntax")),
            (json!([{"path": "title", "value": "x"}]), "", error("invalidSyntax")),
            (
                json!([{"op": "add", "path": "title", "value": "x", "OP": "add"}]),
                "",
                error("invalidSyntax"),
            ),
            (json!([{"op": "add", "path": "title"}]), "", error("invalidValue")),
            (json!([{"op": "add", "value": "x"}]), "", error("invalidValue")),
            (json!([{"op": "add", "path": 7, "value": "x"}]), "", error("invalidPath")),
            (json!([{"op": "add", "path": "title.x", "value": "x"}]), "", error("invalidPath")),
            (
                json!([{"op": "add", "path": "title[type eq \"x\"]", "value": "x"}]),
                "",
                error("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"x\"", "value": "x"}]),
                "",
                error("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq]", "value": "x"}]),
                "",
                error("invalidPath"),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"x\"].shoe", "value": "x"}]),
                "",
                error("invalidPath"),
            ),
        ],
    );
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let error = |kind: &str| json!(format!("{kind} error"));
    table(
        Kind::User,
        vec![
            (json!([{"op": "add", "path": "title", "value": 7}]), "", error("invalidValue")),
            (
                json!([{"op": "add", "path": "title", "value": "x".repeat(2000)}]),
                "",
                error("invalidValue"),
            ),
            (
                json!([{"op": "add", "path": "title", "value": "a\u{0}b"}]),
                "",
                error("invalidValue"),
            ),
            (
                json!([{"op": "add", "path": "active", "value": "perhaps"}]),
                "",
                error("invalidValue"),
            ),
            (json!([{"op": "add", "path": "name", "value": "x"}]), "", error("invalidValue")),
            (
                json!([{"op": "replace", "path": "userName", "value": ""}]),
                "",
                error("invalidValue"),
            ),
            (json!([{"op": "replace", "path": "groups", "value": []}]), "", error("mutability")),
            (
                json!([{"op": "replace", "path": "meta.version", "value": "1"}]),
                "",
                error("mutability"),
            ),
            (json!([{"op": "replace", "path": "schemas", "value": []}]), "", error("mutability")),
            (
                json!([{"op": "replace", "path": "emails", "value": [
                    {"value": "a", "primary": true}, {"value": "b", "primary": true}]}]),
                "/emails/0/primary",
                json!(false),
            ),
        ],
    );
}

#[test]
fn all_of_it_is_done_or_nothing() {
    // The resource that was given is not touched, and no part of it comes back.
    let both = patch(&json!([
        {"op": "replace", "path": "title", "value": "Lead"}, {"op": "add", "path": "shoe", "value": "x"}]));
    assert!(apply(Kind::User, &sari(), &both).is_err());
    let other = json!({ "schemas": [USER], "Operations": [{"op": "remove", "path": "title"}] });
    assert!(apply(Kind::User, &sari(), &other).is_err());
    let many: Vec<Value> = (0..1001).map(|_| json!({"op": "remove", "path": "title"})).collect();
    assert_eq!(after(Kind::User, &json!(many), ""), json!("tooMany error"));
}

#[test]
fn a_resource_is_read_as_we_write_it() {
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "USERNAME": "a@b.example",
        "Active": "True",
        "password": "hunter2",
        "id": "7",
        "meta": {"version": "9"},
        "groups": [{"value": "1"}],
        "shoeSize": 7,
        "nickName": null,
        "emails": [{"VALUE": "a@b.example", "shoe": 1}, {}],
        "phoneNumbers": [],
        "urn:example:Shoe": {"size": 7},
        "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:user": {"DEPARTMENT": "x"},
    });
    let read = canonical(Kind::User, &body).unwrap();
    let expected = json!({
        "userName": "a@b.example",
        "active": true,
        "emails": [{"value": "a@b.example"}],
        ENTERPRISE: {"department": "x"},
    });
    assert_eq!(Value::Object(read), expected);
    let refused = |kind: Kind, body: Value, expected: &str| {
        let error = canonical(kind, &body).unwrap_err();
        assert_eq!(error.scim_type(), Some(expected), "{body}");
    };
    refused(Kind::User, json!([]), "invalidSyntax");
    refused(Kind::User, json!({"userName": "a"}), "invalidSyntax");
    refused(Kind::User, json!({"schemas": [GROUP], "userName": "a"}), "invalidSyntax");
    refused(
        Kind::User,
        json!({"schemas": [USER], "userName": "a", "username": "b"}),
        "invalidSyntax",
    );
    refused(Kind::User, json!({"schemas": [USER]}), "invalidValue");
    refused(Kind::User, json!({"schemas": [USER], "userName": 7}), "invalidValue");
    refused(
        Kind::User,
        json!({"schemas": [USER], "userName": "a", "externalId": ""}),
        "invalidValue",
    );
    let emails: Vec<Value> = (0..51).map(|n| json!({"value": n.to_string()})).collect();
    refused(Kind::User, json!({"schemas": [USER], "userName": "a", "emails": emails}), "tooMany");
    let members: Vec<Value> = (0..10_001).map(|n| json!({"value": n.to_string()})).collect();
    refused(
        Kind::Group,
        json!({"schemas": [GROUP], "displayName": "a", "members": members}),
        "tooMany",
    );
    assert!(fuzzing::patch(body.to_string().as_bytes()) && !fuzzing::patch(b"{"));
}
