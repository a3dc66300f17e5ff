//! A tenant's directory, for golden pages and tests.

use directory::{GroupCard, MappingCard, Overview, TokenCard};
use jiff::Span;

use super::sample;

/// Two groups, one of which gives a role, and three tokens, of which one lives.
pub(crate) fn directory() -> Overview {
    let now = sample::now();
    let day = |days: i64| now + Span::new().hours(24 * days);
    let token = |id: &str, expires_at, revoked| TokenCard {
        id: id.to_owned(),
        tenant: "41".to_owned(),
        name: sample::EVIL.to_owned(),
        by: "dewi@sinar.example".to_owned(),
        made_at: day(-90),
        expires_at,
        last_used_at: None,
        revoked,
    };
    let used = TokenCard { last_used_at: Some(now), ..token("0123456789ab", day(90), None) };
    let ended = Some((day(-1), "dewi@sinar.example".to_owned()));
    let role =
        MappingCard { role: "editor".to_owned(), by: "dewi@sinar.example".to_owned(), at: day(-3) };
    let group = |name: &str, members, roles| GroupCard {
        id: "00000000-0000-4000-8000-0000000000aa".to_owned(),
        name: name.to_owned(),
        members,
        roles,
    };
    Overview {
        users: 12,
        active: 11,
        groups: vec![group(sample::EVIL, 7, vec![role]), group("Pricing", 0, Vec::new())],
        tokens: vec![
            used,
            token("0123456789ac", day(-1), None),
            token("0123456789ad", day(90), ended),
        ],
    }
}
