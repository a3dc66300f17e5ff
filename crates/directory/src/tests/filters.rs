//! Filters: RFC 7644, section 3.4.2.2.

use serde_json::{Map, Value, json};

use crate::schema::Kind;
use crate::work::Work;
use crate::{Error, Filter};

fn sari() -> Map<String, Value> {
    let whole = json!({
        "schemas": [crate::USER],
        "id": "00000000-0000-4000-8000-0000000000aa",
        "externalId": "Ab1",
        "userName": "Sari@Sinar.example",
        "active": true,
        "title": "",
        "name": { "familyName": "Wulandari", "givenName": "Sari" },
        "emails": [
            { "value": "sari@sinar.example", "type": "work", "primary": true },
            { "value": "sari@home.example", "type": "home" },
        ],
        "groups": [{ "value": "g1", "display": "Pricing" }],
        "meta": { "created": "2026-01-01T00:00:00Z", "lastModified": "2026-03-01T12:00:00Z" },
        crate::ENTERPRISE: { "department": "Prices", "manager": { "value": "77" } },
    });
    whole.as_object().unwrap().clone()
}

#[test]
fn what_is_asked_is_answered() {
    let sari = sari();
    for (filter, expected) in [
        (r#"userName eq "sari@sinar.example""#, true),
        (r#"USERNAME EQ "sari@sinar.example""#, true),
        (r#"userName ne "sari@sinar.example""#, false),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "SARI""#, true),
        (r#"userName co "@" and userName ew ".EXAMPLE""#, true),
        // Identifiers are exact, names are not.
        (r#"externalId eq "ab1""#, false),
        (r#"externalId eq "Ab1""#, true),
        ("active eq true", true),
        (r#"active eq "True""#, true),
        ("active ne true", false),
        ("title pr", false),
        ("not (title pr)", true),
        ("NOT(title pr)", true),
        ("nickName pr", false),
        ("nickName eq null", true),
        (r#"nickName ne "x""#, true),
        ("userName ne null", true),
        ("emails pr", true),
        ("name pr", true),
        (r#"name.familyName eq "wulandari""#, true),
        (r#"emails co "home.example""#, true),
        (r#"emails.type eq "home""#, true),
        (r#"emails.type eq "home" and emails.value eq "sari@sinar.example""#, true),
        (r#"emails[type eq "home" and value eq "sari@sinar.example"]"#, false),
        (r#"emails[type eq "work" and primary eq true]"#, true),
        (r#"emails[not (type eq "work")]"#, true),
        (r#"groups.display eq "pricing""#, true),
        (r#"groups eq "g1""#, true),
        (r#"meta.lastModified gt "2026-02-01T00:00:00Z""#, true),
        (r#"meta.lastModified gt "2026-03-01T19:00:00+07:00""#, false),
        (r#"meta.lastModified ge "2026-03-01T19:00:00+07:00""#, true),
        (r#"meta.created lt "2026-01-01T00:00:00Z""#, false),
        (r#"meta.created le "2026-01-01T00:00:00Z""#, true),
        (r#"userName gt "r" and userName lt "t""#, true),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "prices""#,
            true,
        ),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.value eq "77""#,
            true,
        ),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "77""#, true),
        // `and` goes before `or`.
        ("title pr and title pr or active eq true", true),
        ("title pr and (title pr or active eq true)", false),
        ("active eq true or title pr and title pr", true),
        (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#, true),
        (r#"userName eq "a\"b""#, false),
        (r#"userName eq "s\u0061ri@sinar.example""#, true),
    ] {
        let read = Filter::parse(Kind::User, filter);
        let found = read.unwrap().matches(&sari, &mut Work::new());
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    let deep = format!("{}title pr{}", "(".repeat(40), ")".repeat(40));
    let many = vec!["title pr"; 101].join(" or ");
    let long = format!("userName eq \"{}\"", "a".repeat(5000));
    for bad in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName eq sari",
        r#"userName is "a""#,
        r#"userName eq "a"#,
        r#"userName eq "a" and"#,
        r#"userName eq "a" userName eq "b""#,
        r#"(userName eq "a""#,
        r#"userName eq "a")"#,
        r#"emails[type eq "work""#,
        r#"emails[emails[type eq "x"]]"#,
        r#"emails[type.x eq "work"]"#,
        r#"userName[type eq "work"]"#,
        r#"shoeSize eq "7""#,
        r#"name.shoe eq "7""#,
        r#"urn:example:Shoe:size eq "7""#,
        "userName eq 7",
        "userName eq true",
        "active gt true",
        "active co true",
        r#"active eq "perhaps""#,
        r#"meta.created gt "yesterday""#,
        r#"meta.created co "2026""#,
        r#"name eq "x""#,
        "title gt null",
        "not title pr",
        &deep,
        &many,
        &long,
    ] {
        let read = Filter::parse(Kind::User, bad);
        assert!(matches!(read, Err(Error::Filter(_))), "{bad:.60}: {read:?}");
    }
}

#[test]
fn the_database_is_told_what_narrows() {
    for (filter, name, expected) in [
        (r#"userName eq "A""#, "userName", Some("A")),
        (r#"active eq true and userName eq "A""#, "userName", Some("A")),
        (r#"userName eq "A" or active eq true"#, "userName", None),
        (r#"not (userName eq "A")"#, "userName", None),
        (r#"userName ne "A""#, "userName", None),
        (r#"externalId eq "A""#, "externalId", Some("A")),
    ] {
        let read = Filter::parse(Kind::User, filter).unwrap();
        assert_eq!(read.wants(name), expected, "{filter}");
    }
}
