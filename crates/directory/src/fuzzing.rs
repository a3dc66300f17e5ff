//! Doors for `fuzz/`: what a directory sends.

use serde_json::{Map, Value};

use crate::filter::Filter;
use crate::path::Target;
use crate::schema::Kind;
use crate::work::Work;
use crate::{patch, resource};

const KINDS: [Kind; 2] = [Kind::User, Kind::Group];

/// Reads bytes as a filter and as a path, and asks a resource. Whether one of them is well formed.
pub fn filter(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut read = false;
    for kind in KINDS {
        if let Ok(filter) = Filter::parse(kind, text) {
            let _ = filter.matches(&sample(kind), &mut Work::new());
            read = true;
        }
        read |= Target::parse(kind, text).is_ok();
    }
    read
}

/// Reads bytes as a resource and as changes of one, and applies them. Whether that was possible. What
/// comes of it is whole again.
pub fn patch(bytes: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return false };
    let mut read = false;
    for kind in KINDS {
        read |= resource::canonical(kind, &body).is_ok();
        if let Ok(changed) = patch::apply(kind, &sample(kind), &body) {
            read = true;
            let _ = resource::check(kind, &changed);
        }
    }
    read
}

fn sample(kind: Kind) -> Map<String, Value> {
    let text = match kind {
        Kind::User => {
            r#"{"userName":"a@b","active":true,"name":{"givenName":"A"},
            "emails":[{"value":"a@b","type":"work","primary":true},{"value":"c@d","type":"home"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"x"}}"#
        }
        Kind::Group => r#"{"displayName":"g","members":[{"value":"1"},{"value":"2"}]}"#,
    };
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged;

    #[test]
    fn damaged_filters_are_read_or_refused() {
        let samples = [
            r#"userName eq "a@b" and not (active eq false or title pr)"#,
            r#"emails[type eq "work" and value co "\u00e9\"x"] or meta.lastModified gt "2026-01-01T00:00:00Z""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value sw "1""#,
            r#"addresses[type eq "work"].streetAddress"#,
        ];
        try_damaged("scim_filter", &samples.map(|text| text.as_bytes().to_vec()), super::filter);
    }

    #[test]
    fn damaged_changes_are_applied_or_refused() {
        let samples = [
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"emails[type eq \"work\"].value","value":"x@y"},{"op":"Replace","value":{"active":"False","name.givenName":"B"}},{"op":"remove","path":"title"}]}"#,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members","value":[{"value":"1"}]},{"op":"add","path":"members","value":[{"value":"3"}]}]}"#,
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a@b","emails":[{"value":"a@b","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"7"}}}"#,
        ];
        try_damaged("scim_patch", &samples.map(|text| text.as_bytes().to_vec()), super::patch);
    }
}
