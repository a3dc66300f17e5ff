//! Resets, invitations and what somebody does to their own account, on a real PostgreSQL.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{Fut, Grantable, Granting, Identity, Secret, SessionToken, Sessions as _, TenantId};

use crate::mail::Language;
use crate::mail::tests::{EMAIL, House, account, house, secret};
use crate::{Email, Error, NewInvitation};

const NEW: &str = "ninety quiet lamps fold";

pub(crate) fn token_in(body: &str) -> SessionToken {
    let (_, after) = body.split_once("?t=").expect("a link");
    SessionToken(Secret::new(after.split_whitespace().next().unwrap().to_owned()))
}

impl House {
    async fn link(&self) -> SessionToken {
        self.ask(EMAIL).await;
        token_in(&self.letters().await[0].body)
    }

    async fn signs_in(&self, email: &str, password: &str) -> bool {
        self.room.identities.sign_in(email, &secret(password)).await.is_ok()
    }

    pub(crate) async fn whoever(&self, password: &str) -> (SessionToken, Arc<Identity>) {
        let token = self.room.identities.sign_in(EMAIL, &secret(password)).await.unwrap();
        let token = token.session().unwrap();
        let identity = self.room.identities.decide(&token).await.unwrap().unwrap();
        (token, identity)
    }
}

fn over<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Link)), "{result:?}");
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_what_was_open() {
    let house = house().await;
    let (session, _) = house.whoever("correct horse battery").await;
    let link = house.link().await;
    assert!(house.room.reset_is_open(&link).await.unwrap());
    assert!(house.room.reset_is_open(&link).await.unwrap(), "looking does not use it up");
    let short = house.room.reset(&link, &secret("short")).await;
    assert!(matches!(short, Err(Error::PasswordSize(5))));
    assert_eq!(house.room.reset(&link, &secret(NEW)).await.unwrap(), EMAIL);
    over(&house.room.reset(&link, &secret("seven brittle oars hum")).await);
    assert!(house.room.identities.decide(&session).await.unwrap().is_none());
    assert!(house.signs_in(EMAIL, NEW).await);
    assert!(!house.signs_in(EMAIL, "correct horse battery").await);
    let told = house.letters().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, "Your password was set anew");
    assert_eq!(house.count("SELECT count(*) FROM identity.resets").await, 0);
}

#[tokio::test]
async fn of_two_at_once_one_sets_the_password() {
    let house = house().await;
    let link = house.link().await;
    let (one, other) = (secret("velvet cactus migrates"), secret("amber ladder whistles"));
    let (first, second) =
        tokio::join!(house.room.reset(&link, &one), house.room.reset(&link, &other));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let signs = (
        house.signs_in(EMAIL, "velvet cactus migrates").await,
        house.signs_in(EMAIL, "amber ladder whistles").await,
    );
    assert_eq!(signs, (first.is_ok(), second.is_ok()));
}

#[tokio::test]
async fn a_link_is_over_with_its_time_its_successor_and_what_it_was_made_for() {
    let house = house().await;
    let first = house.link().await;
    let second = house.link().await;
    over(&house.room.reset(&first, &secret(NEW)).await);
    house.later(SignedDuration::from_mins(15));
    over(&house.room.reset(&second, &secret(NEW)).await);
    house.later(SignedDuration::from_mins(60));
    let third = house.link().await;
    let (_, identity) = house.whoever("correct horse battery").await;
    let current = secret("correct horse battery");
    house
        .room
        .change_password(&identity, &current, &secret("crooked violin harvest"))
        .await
        .unwrap();
    over(&house.room.reset(&third, &secret(NEW)).await);
    house.letters().await;
    let fourth = house.link().await;
    house.alter("UPDATE identity.accounts SET epoch = epoch + 1").await;
    over(&house.room.reset(&fourth, &secret(NEW)).await);
    house.later(SignedDuration::from_mins(61));
    let fifth = house.link().await;
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    over(&house.room.reset(&fifth, &secret(NEW)).await);
    for odd in ["", "x", &"A".repeat(43), &"A".repeat(100_000), "\u{430}"] {
        over(&house.room.reset(&SessionToken(secret(odd)), &secret(NEW)).await);
        over(&house.room.accept(&SessionToken(secret(odd)), "A", &secret(NEW)).await);
    }
}

/// The roles `editor` and `reader` may be given, and are written down; `reader` only while it is not withheld.
#[derive(Default)]
pub(crate) struct Roles {
    pub(crate) given: Mutex<Vec<(String, String)>>,
    withheld: AtomicBool,
}

impl Roles {
    pub(crate) fn withhold(&self, withheld: bool) {
        self.withheld.store(withheld, Ordering::Relaxed);
    }

    /// The roles that were given, in their order.
    pub(crate) fn given(&self) -> Vec<String> {
        self.given.lock().unwrap().iter().map(|(_, role)| role.clone()).collect()
    }
}

impl Granting for Roles {
    fn grantable<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>> {
        Box::pin(async {
            let role = |name: &str| Grantable { name: name.to_owned(), title: name.to_owned() };
            Ok(vec![role("editor"), role("reader")])
        })
    }

    fn grant<'a>(
        &'a self,
        invited: &'a kernel::Invited<'a>,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            if role == "reader" && self.withheld.load(Ordering::Relaxed) {
                return Err("the role is withheld".to_owned());
            }
            self.given.lock().unwrap().push((invited.account.to_owned(), role.to_owned()));
            Ok(())
        })
    }
}

pub(crate) fn new(email: &str, roles: &[&str]) -> NewInvitation {
    NewInvitation {
        email: Email::new(email).unwrap(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        language: Language::Arabic,
    }
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_roles() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let roles = Roles::default();
    for wrong in [&[][..], &["administrator"], &["editor", "owner"], &["editor"; 17]] {
        let refused = house.room.invite(&by, &roles, &new("budi@sinar.example", wrong)).await;
        assert!(matches!(refused, Err(Error::Field { .. })), "{wrong:?} {refused:?}");
    }
    house.room.invite(&by, &roles, &new("budi@sinar.example", &["reader"])).await.unwrap();
    house.room.invite(&by, &roles, &new("budi@sinar.example", &["editor"])).await.unwrap();
    let open = house.room.invitations(&by.tenant).await.unwrap();
    assert_eq!(open.len(), 1, "one address has one");
    assert_eq!(
        (open[0].roles.as_slice(), open[0].by.as_str()),
        (&["editor".to_owned()][..], EMAIL)
    );
    let letters = house.letters().await;
    assert_eq!(letters.len(), 1, "that of the one that was replaced is dropped");
    assert!(
        letters[0].body.contains("Sari") && letters[0].body.contains("72")
            || letters[0].body.contains('3')
    );
    let link = token_in(&letters[0].body);
    let offer = house.room.offer(&link).await.unwrap().unwrap();
    assert_eq!((offer.email.as_str(), offer.tenant.as_str()), ("budi@sinar.example", "sinar"));

    assert!(matches!(
        house.room.accept(&link, "Bu\ndi", &secret(NEW)).await,
        Err(Error::Field { .. })
    ));
    let (one, two) = (secret(NEW), secret(NEW));
    let (first, second) = tokio::join!(
        house.room.accept(&link, "Budi", &one),
        house.room.accept(&link, "Iblis", &two)
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert!(house.signs_in("budi@sinar.example", NEW).await);
    house.room.grant_accepted(&roles, None).await.unwrap();
    house.room.grant_accepted(&roles, None).await.unwrap();
    let given = roles.given.lock().unwrap().clone();
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].1, "editor");
    assert!(house.room.invitations(&by.tenant).await.unwrap().is_empty());
    let people = house.room.people(&by.tenant).await.unwrap();
    assert_eq!(people.len(), 2);
    for one in &people {
        assert_eq!(house.room.person(&by.tenant, &one.id).await.unwrap().as_ref(), Some(one));
        let other = TenantId::new("another").unwrap();
        assert_eq!(house.room.person(&other, &one.id).await.unwrap(), None);
    }
    assert_eq!(house.room.person(&by.tenant, "x").await.unwrap(), None);
    let arabic = "SELECT count(*) FROM identity.accounts WHERE language = 'ar'";
    assert_eq!(house.count(arabic).await, 1);
}

#[tokio::test]
async fn an_invitation_is_over_when_it_is_withdrawn_old_or_for_somebody_who_has_an_account() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let roles = Roles::default();
    let id = house.room.invite(&by, &roles, &new("budi@sinar.example", &["editor"])).await.unwrap();
    let link = token_in(&house.letters().await[0].body);
    let other = TenantId::new("other").unwrap();
    assert!(!house.room.withdraw_invitation(&other, &id).await.unwrap(), "another tenant's");
    assert!(house.room.withdraw_invitation(&by.tenant, &id).await.unwrap());
    assert!(!house.room.withdraw_invitation(&by.tenant, &id).await.unwrap());
    over(&house.room.accept(&link, "Budi", &secret(NEW)).await);

    house.room.invite(&by, &roles, &new("budi@sinar.example", &["editor"])).await.unwrap();
    let link = token_in(&house.letters().await[0].body);
    house.later(SignedDuration::from_hours(72));
    over(&house.room.accept(&link, "Budi", &secret(NEW)).await);

    // Whoever invites sees the same; whoever has an account is told, and gets no link.
    house.room.identities.create_account(&account("dewi@sinar.example", "Dewi")).await.unwrap();
    house.room.invite(&by, &roles, &new("dewi@sinar.example", &["editor"])).await.unwrap();
    let letters = house.letters().await;
    assert_eq!(letters.len(), 1);
    assert!(!letters[0].body.contains("?t="));
    assert_eq!(house.room.invitations(&by.tenant).await.unwrap().len(), 1);

    // An account that is made in between.
    house.room.invite(&by, &roles, &new("rudi@sinar.example", &["editor"])).await.unwrap();
    let link = token_in(&house.letters().await[0].body);
    house.room.identities.create_account(&account("rudi@sinar.example", "Rudi")).await.unwrap();
    over(&house.room.accept(&link, "Rudi", &secret(NEW)).await);
    assert!(!house.signs_in("rudi@sinar.example", NEW).await);
}

#[tokio::test]
async fn what_another_directory_made_in_advance_gives_way_until_somebody_has_entered() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let person = |email: &str, tenant: &str| kernel::Provision {
        tenant: TenantId::new(tenant).unwrap(),
        email: email.to_owned(),
        name: "Budi".to_owned(),
        language: "en".to_owned(),
    };
    let made = async |email: &str, tenant: &str| {
        let made = house.room.provision(&person(email, tenant)).await.unwrap();
        let kernel::Provisioned::Account(id) = made else { panic!("{made:?}") };
        house.letters().await;
        id
    };
    let invite = async |email: &str| {
        house.room.invite(&by, &Roles::default(), &new(email, &["editor"])).await.unwrap();
        house.letters().await.pop().unwrap().body
    };
    // Open, and closed by that directory: the holder of the address decides.
    for (n, closed) in [(1, false), (2, true)] {
        let email = format!("n{n}@sinar.example");
        let theirs = made(&email, "gulf").await;
        if closed {
            house.room.identities.close_for_directory(&theirs).await.unwrap();
            house.letters().await;
        }
        let link = token_in(&invite(&email).await);
        let accepted = house.room.accept(&link, "Budi", &secret(NEW)).await.unwrap();
        assert_eq!((&*accepted.email, accepted.gave_way.as_ref()), (&*email, Some(&theirs)));
        assert_eq!(house.room.gave_way().await.unwrap(), std::slice::from_ref(&theirs));
        house.room.gave_way_ended(&theirs).await.unwrap();
        assert!(house.room.gave_way().await.unwrap().is_empty());
        assert!(house.signs_in(&email, NEW).await);
        let gone = house.room.reopen_provisioned(&theirs).await.unwrap();
        assert_eq!(gone, kernel::Reopened::Final);
        let again = person(&email, "gulf");
        let changed = house.room.change_provisioned(&theirs, &again).await.unwrap();
        assert_eq!(changed, kernel::Provisioned::Final);
        assert_eq!(house.room.provision(&again).await.unwrap(), kernel::Provisioned::Taken);
    }
    // Of the same tenant, entered, closed by people, or given into the directory's hand: it stays.
    made("same@sinar.example", "sinar").await;
    made("entered@sinar.example", "gulf").await;
    let shut = made("shut@sinar.example", "gulf").await;
    house.room.identities.close(&shut, None).await.unwrap();
    let mut given = account("given@sinar.example", "Given");
    given.tenant = TenantId::new("gulf").unwrap();
    house.room.identities.create_account(&given).await.unwrap();
    house.room.adopt(&given.tenant, "given@sinar.example").await.unwrap().unwrap();
    house
        .alter(
            "UPDATE identity.accounts SET first_signed_in_at = now() WHERE email LIKE 'entered%'",
        )
        .await;
    house.letters().await;
    for name in ["same", "entered", "shut", "given"] {
        let body = invite(&format!("{name}@sinar.example")).await;
        assert!(!body.contains("?t="), "{name}");
    }
    // Whoever enters between the letter and the answer is not moved either.
    made("late@sinar.example", "gulf").await;
    let link = token_in(&invite("late@sinar.example").await);
    house
        .alter("UPDATE identity.accounts SET first_signed_in_at = now() WHERE email LIKE 'late%'")
        .await;
    over(&house.room.accept(&link, "Budi", &secret(NEW)).await);
}

#[tokio::test]
async fn nobody_sends_letters_at_will_by_inviting() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let roles = Roles::default();
    let invite = async |email: &str| house.room.invite(&by, &roles, &new(email, &["editor"])).await;
    for _ in 0..3 {
        invite("budi@sinar.example").await.unwrap();
    }
    // Withdrawn and replaced ones count, or nothing would.
    assert!(matches!(invite("budi@sinar.example").await, Err(Error::TooOften(_))));
    for n in 3..50 {
        invite(&format!("p{n}@sinar.example")).await.unwrap();
    }
    let one_more = invite("dewi@sinar.example").await;
    assert!(matches!(one_more, Err(Error::TooOften("by you in the last hour"))), "{one_more:?}");
    house.later(SignedDuration::from_mins(61));
    invite("dewi@sinar.example").await.unwrap();
    house.later(SignedDuration::from_hours(24));
    invite("budi@sinar.example").await.unwrap();
    house.letters().await;
    // What other tenants send to an address is seen by nobody, and is dropped when it leaves.
    house
        .alter(
            "INSERT INTO identity.letters (kind, recipient, language, queued_at, due_at, sent_at)
             SELECT 'invited', 'rudi@sinar.example', 'en', t, t, t
             FROM generate_series(1, 6), (SELECT invited_at AS t FROM identity.invitations
                 ORDER BY invited_at DESC LIMIT 1) last",
        )
        .await;
    invite("rudi@sinar.example").await.unwrap();
    assert!(house.letters().await.is_empty());
}

#[tokio::test]
async fn a_changed_password_keeps_the_session_it_was_changed_in_and_no_other() {
    let house = house().await;
    let (kept, identity) = house.whoever("correct horse battery").await;
    let (other, _) = house.whoever("correct horse battery").await;
    let (current, new) = (secret("correct horse battery"), secret(NEW));
    let wrong = house.room.change_password(&identity, &secret("a wrong one"), &new).await;
    assert!(matches!(wrong, Err(Error::Refused)));
    let small = house.room.change_password(&identity, &current, &secret("x")).await;
    assert!(matches!(small, Err(Error::PasswordSize(1))));
    let large = secret(&"x".repeat(1 << 20));
    assert!(matches!(
        house.room.change_password(&identity, &large, &new).await,
        Err(Error::Refused)
    ));
    house.room.change_password(&identity, &current, &new).await.unwrap();
    assert!(house.room.identities.decide(&kept).await.unwrap().is_some());
    assert!(house.room.identities.decide(&other).await.unwrap().is_none());
    assert_eq!(house.letters().await[0].subject, "Your password was changed");
    assert!(house.signs_in(EMAIL, NEW).await);
}

/// A change of the password takes as long as two hashes: what was ended meanwhile stays so.
#[tokio::test]
async fn a_new_password_brings_no_ended_session_back() {
    let house = house().await;
    let (stolen, thief) = house.whoever("correct horse battery").await;
    house.room.identities.end_all(&thief.account).await.unwrap();
    let (good, _) = house.whoever("correct horse battery").await;
    let (old, new) = (secret("correct horse battery"), secret(NEW));
    let changed = house.room.change_password(&thief, &old, &new).await;
    assert!(matches!(changed, Err(Error::Refused)));
    assert!(house.room.identities.decide(&stolen).await.unwrap().is_none());
    assert!(house.room.identities.decide(&good).await.unwrap().is_some());
    assert!(house.signs_in(EMAIL, "correct horse battery").await);
    assert!(!house.signs_in(EMAIL, NEW).await);
}

#[tokio::test]
async fn whoever_has_sessions_ended_is_told() {
    let house = house().await;
    let (mine, me) = house.whoever("correct horse battery").await;
    let (second, _) = house.whoever("correct horse battery").await;
    let (third, _) = house.whoever("correct horse battery").await;
    house.room.signed_in(&me, None, "Firefox, Linux").await.unwrap();
    let open = house.room.identities.sessions(&me.account).await.unwrap();
    assert_eq!(open.len(), 3);
    assert!(open.iter().any(|one| one.id == me.session && one.agent == "Firefox, Linux"));
    assert_eq!(house.room.end_other_sessions(&me).await.unwrap(), 2);
    assert!(house.room.identities.decide(&second).await.unwrap().is_none());
    assert!(house.room.identities.decide(&third).await.unwrap().is_none());
    assert!(house.room.identities.decide(&mine).await.unwrap().is_some());
    assert_eq!(house.letters().await[0].subject, "Sessions were ended");
    // Whoever ends them for somebody, by command, has them told as well.
    house.room.identities.end_all(&me.account).await.unwrap();
    assert!(house.room.identities.decide(&mine).await.unwrap().is_none());
    assert_eq!(house.letters().await[0].subject, "Sessions were ended");
    house.room.identities.end_all(&me.account).await.unwrap();
    assert!(house.letters().await.is_empty(), "there was none");
}

#[tokio::test]
async fn a_browser_that_was_not_seen_before_is_told_of() {
    let house = house().await;
    let (_, me) = house.whoever("correct horse battery").await;
    let first = house.room.signed_in(&me, None, "Firefox").await.unwrap().unwrap();
    assert!(house.letters().await.is_empty(), "the first one ever");
    assert!(house.room.signed_in(&me, Some(&first), "Firefox").await.unwrap().is_none());
    assert!(house.room.knows(" Sari@sinar.example", &first).await.unwrap());
    assert!(!house.room.knows("none@sinar.example", &first).await.unwrap());
    house.room.signed_in(&me, None, "Safari\r\n").await.unwrap().unwrap();
    let letters = house.letters().await;
    assert_eq!((letters.len(), letters[0].subject.as_str()), (1, "A new sign-in"));
    assert!(letters[0].body.contains("Safari\\r\\n"));
    for _ in 0..30 {
        house.room.signed_in(&me, None, "x").await.unwrap();
    }
    assert_eq!(house.count("SELECT count(*) FROM identity.browsers").await, 20);
}

mod control {
    use super::*;
    use crate::FormProbe;
    use crate::controls::answers::{Fault, Faulty, compare};
    use crate::controls::mail_controls;
    use kernel::{Cx, Outcome, Params, SystemClock, SystemRng};

    async fn prove(fault: Fault, probed: bool) -> (kernel::Proof, kernel::Proof) {
        let House { base, room, .. } = house().await;
        let room = Arc::new(room);
        let edge = Arc::new(Faulty::new(&room, fault)) as Arc<dyn FormProbe>;
        let edge = probed.then_some(edge);
        let all = mail_controls(room, base.owner.clone(), base.programs.clone(), edge);
        let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
        let proof = all[0].prove(&cx, &Params::none()).await;
        let bite =
            if probed && fault == Fault::None { all[0].bite(&cx).await } else { proof.clone() };
        (proof, bite)
    }

    #[tokio::test]
    async fn it_holds_it_bites_and_without_a_gateway_it_is_unknown() {
        let (proof, bite) = prove(Fault::None, true).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
        assert_eq!(proof.population().to_string(), "16 of 16 pairs of answers");
        assert_eq!(bite.outcome(), Outcome::Broken, "{bite:?}");
        assert_eq!(bite.population().to_string(), "6 of 6 seeded violations");
        let (proof, _) = prove(Fault::None, false).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    }

    #[tokio::test]
    async fn what_differs_is_named() {
        let House { base, room, .. } = house().await;
        let room = Arc::new(room);
        crate::controls::argon2id::ensure_canary(&room.identities).await.unwrap();
        let tells = Faulty::new(&room, Fault::Tells);
        let compared = compare(&tells, &room, &base.owner).await.unwrap();
        let named: Vec<&str> = compared.different.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(named, ["Reset, an account", "Reset, an account, in capitals"]);
        let left: i64 = house_rows(&base).await;
        assert_eq!(left, 0, "the links' holder is removed, and the links with them");
    }

    async fn house_rows(base: &testkit::TestDb) -> i64 {
        let tx = base.owner.operator().await.unwrap();
        let sql = "SELECT (SELECT count(*) FROM identity.resets) \
                   + (SELECT count(*) FROM identity.invitations)";
        tx.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A door at which nothing arrives answers everybody alike, which proves nothing.
    #[tokio::test]
    async fn a_door_that_does_not_work_is_unknown() {
        for (fault, words) in [
            (Fault::LosesLinks, "a link that is good is not taken for one"),
            (Fault::Shut, "nothing follows from answers that are the same"),
        ] {
            let (proof, _) = prove(fault, true).await;
            assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
            assert!(proof.detail().contains(words), "{proof:?}");
        }
    }
}
