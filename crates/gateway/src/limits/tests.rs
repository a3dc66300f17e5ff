//! Who is counted to whom.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use jiff::Timestamp;
use kernel::{Actor, Door, Identity, PermissionId, Standing, Strength, SystemRng, TenantId};

use super::{Limit, LimitSettings, Limits, Preset, Rate};

const DAY: Duration = Duration::from_hours(24);

fn limits(change: impl FnOnce(&mut LimitSettings)) -> Limits {
    let mut settings = LimitSettings::default();
    change(&mut settings);
    Limits::new(settings, &SystemRng).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn who(account: &str, tenant: &str) -> Identity {
    Identity {
        account: account.to_owned(),
        actor: Actor::new("sari@sinar.example").unwrap(),
        name: "Sari".to_owned(),
        tenant: TenantId::new(tenant).unwrap(),
        standing: Standing::default(),
        strength: Strength::One,
        authenticated_at: Timestamp::UNIX_EPOCH,
        session: "s".to_owned(),
        door: Door::Browser,
    }
}

/// How many of 100 pass, and which limit refuses the next.
fn burst(mut ask: impl FnMut() -> Result<(), super::Over>) -> (usize, Option<Limit>) {
    for passed in 0..100 {
        if let Err(over) = ask() {
            assert!(over.wait >= 1 && over.window >= 1 && over.quota >= 1, "{over:?}");
            return (passed, Some(over.limit));
        }
    }
    (100, None)
}

fn get(limits: &Limits, peer: &str) -> Result<(), super::Over> {
    limits.stranger(ip(peer), &Method::GET, "/trust", &HeaderMap::new())
}

fn post(limits: &Limits, peer: &str, path: &str) -> Result<(), super::Over> {
    limits.stranger(ip(peer), &Method::POST, path, &HeaderMap::new())
}

#[test]
fn an_address_and_its_neighbourhood_have_their_own() {
    let limits = limits(|s| {
        s.address = Rate::new(5, DAY);
        s.prefix = Rate::new(12, DAY);
    });
    assert_eq!(burst(|| get(&limits, "192.0.2.1")), (5, Some(Limit::Address)));
    assert_eq!(burst(|| get(&limits, "192.0.2.2")), (5, Some(Limit::Address)));
    assert_eq!(burst(|| get(&limits, "192.0.2.3")), (2, Some(Limit::Prefix)));
    assert_eq!(burst(|| get(&limits, "192.0.3.1")), (5, Some(Limit::Address)));
    // What the neighbourhood refused was not taken from the address.
    assert_eq!(limits.address.look(&super::Source::of(ip("192.0.2.4")).address, 0), Ok(()));
}

#[test]
fn whoever_is_signed_in_is_counted_to_themselves() {
    let limits = limits(|s| {
        s.tenant = Rate::new(20, DAY);
        s.account = Rate::new(8, DAY);
        s.permission = Rate::new(3, DAY);
        s.address = Rate::new(1, DAY);
    });
    let (sari, budi, other) = (who("a", "t"), who("b", "t"), who("c", "u"));
    let permission = PermissionId::new(7);
    assert_eq!(burst(|| limits.signed_in(&sari, permission)), (3, Some(Limit::Permission)));
    // What a permission refused counts to nobody.
    assert_eq!(burst(|| limits.signed_in(&sari, None)), (5, Some(Limit::Account)));
    assert_eq!(burst(|| limits.signed_in(&budi, None)), (8, Some(Limit::Account)));
    assert_eq!(burst(|| limits.signed_in(&who("d", "t"), None)), (4, Some(Limit::Tenant)));
    assert_eq!(burst(|| limits.signed_in(&other, None)), (8, Some(Limit::Account)));
    assert_eq!(burst(|| get(&limits, "192.0.2.1")), (1, Some(Limit::Address)));
}

#[test]
fn an_address_that_has_used_up_its_own_may_still_show_a_session() {
    let limits = limits(|s| s.address = Rate::new(2, DAY));
    for _ in 0..9 {
        limits.charge(ip("192.0.2.1"));
    }
    assert!(get(&limits, "192.0.2.1").is_err());
    assert_eq!(burst(|| limits.may_show(ip("192.0.2.1"))), (100, None));
    let doubtful = (0..5_000).filter(|_| limits.may_show(ip("192.0.2.1")).is_ok()).count();
    assert!(doubtful < 2_000, "all such addresses together have one allowance: {doubtful}");
    assert_eq!(limits.may_show(ip("198.51.100.1")), Ok(()), "and others do not need it");
}

#[test]
fn forms_are_counted_by_themselves() {
    let limits = limits(|s| {
        s.sign_in = Preset::new(10, 50, DAY);
        s.reset = Preset::new(5, 20, DAY);
        s.contact = Preset::new(3, 6, DAY);
        s.contact_paths = vec!["/contact".to_owned(), "/ask/*".to_owned()];
        s.judged_by_pages = vec!["__Host-amanah-known"];
    });
    for (path, address, prefix, narrow, wide) in [
        ("/_amanah/sign-in", 10, 50, Limit::SignIn, Limit::SignInPrefix),
        ("/_amanah/reset", 5, 20, Limit::Reset, Limit::ResetPrefix),
        ("/contact", 3, 6, Limit::Contact, Limit::ContactPrefix),
    ] {
        for host in 1..=prefix / address {
            let peer = format!("192.0.2.{host}");
            assert_eq!(burst(|| post(&limits, &peer, path)), (address, Some(narrow)), "{path}");
        }
        assert_eq!(burst(|| post(&limits, "192.0.2.99", path)), (0, Some(wide)), "{path}");
        assert_eq!(burst(|| get(&limits, "192.0.2.99")), (100, None), "reading is another matter");
    }
    assert_eq!(burst(|| post(&limits, "198.51.100.1", "/ask/us")), (3, Some(Limit::Contact)));
    assert_eq!(burst(|| post(&limits, "198.51.100.1", "/asks")), (100, None));
    // What the form is not sent by is no try.
    let delete = Method::DELETE;
    let ask = || limits.stranger(ip("192.0.2.99"), &delete, "/_amanah/sign-in", &HeaderMap::new());
    assert_eq!(burst(ask), (100, None));
    // Whoever shows that they are known is judged by the page.
    let mut known = HeaderMap::new();
    known.insert(COOKIE, HeaderValue::from_static("__Host-amanah-known=x"));
    let ask = || limits.stranger(ip("192.0.2.99"), &Method::POST, "/_amanah/sign-in", &known);
    assert_eq!(burst(ask), (100, None));
}

#[test]
fn strangers_in_all_have_one_allowance_of_each_kind() {
    let limits = limits(|s| {
        s.reading = Rate::new(30, DAY);
        s.changing = Rate::new(20, DAY);
        s.application = Rate::new(10, DAY);
    });
    let mut host = 0_u32;
    let mut next = || {
        host += 1;
        format!("10.{}.{}.1", host / 256, host % 256)
    };
    assert_eq!(burst(|| get(&limits, &next())), (30, Some(Limit::Reading)));
    assert_eq!(burst(|| post(&limits, &next(), "/_amanah/x")), (20, Some(Limit::Changing)));
    assert_eq!(burst(|| post(&limits, &next(), "/x")), (10, Some(Limit::Application)));
    let health = || limits.stranger(ip("127.0.0.1"), &Method::GET, "/healthz", &HeaderMap::new());
    assert_eq!(burst(health), (100, None), "the machine asks itself whoever else asks");
}

#[test]
fn two_gateways_that_tell_one_another_let_one_allowance_through() {
    let shared = || {
        limits(|s| {
            s.shared = true;
            s.address = Rate::new(10, DAY);
            s.account = Rate::new(6, DAY);
        })
    };
    let (here, there, alone) = (shared(), shared(), limits(|_| {}));
    assert!(alone.message().is_none() && alone.hear(&here.message().unwrap()).is_none());
    for _ in 0..7 {
        get(&here, "192.0.2.1").unwrap();
        get(&there, "192.0.2.2").unwrap();
    }
    for _ in 0..4 {
        here.signed_in(&who("a", "t"), None).unwrap();
    }
    let message = here.message().unwrap();
    assert_eq!(here.hear(&message), Some(0), "its own");
    assert_eq!(
        there.hear(&message),
        Some(4),
        "an address, its neighbourhood, a tenant, an account"
    );
    assert_eq!(burst(|| get(&there, "192.0.2.1")), (3, Some(Limit::Address)));
    assert_eq!(burst(|| there.signed_in(&who("a", "t"), None)), (2, Some(Limit::Account)));
    assert_eq!(burst(|| get(&here, "192.0.2.2")), (10, Some(Limit::Address)), "not heard of yet");
    assert_eq!(here.hear(b"garbled"), None);
}
