//! The service, on a real PostgreSQL.

use jiff::SignedDuration;
use kernel::{Bits, Clock as _, Holdings as _, Secret, Support, own};
use serde_json::json;

use super::house::{admin, group, house, tenant, user};
use crate::{
    By, Error, Kind, MappingHoldings, NewToken, Precondition, Query, TokenHoldings, Wanted,
};

const ANY: Precondition = Precondition { if_match: None };

#[tokio::test]
async fn a_token_is_good_for_its_tenant_until_it_ends() {
    let house = house().await;
    let token = house.token("sinar").await;
    let caller = house.directory.admit(&token).await.unwrap();
    assert_eq!((caller.tenant().as_str(), caller.token().len()), ("sinar", 12));
    let refused = async |text: String| {
        let admitted = house.directory.admit(&Secret::new(text)).await;
        assert!(matches!(admitted, Err(Error::Token)));
    };
    let text = token.expose().to_owned();
    // The name of a token that there is, with another secret.
    refused(format!("{}{}", text.get(..17).unwrap(), "0".repeat(64))).await;
    refused(text.replacen("ams_", "ams-", 1)).await;
    refused("x".repeat(100_000)).await;
    house.people.shut.lock().unwrap().insert("sinar".to_owned());
    refused(text.clone()).await;
    house.people.shut.lock().unwrap().clear();
    house.directory.admit(&token).await.unwrap();
    let cards = house.directory.tokens(Some(&tenant("sinar"))).await.unwrap();
    assert!(cards[0].last_used_at.is_some() && cards.len() == 1);
    assert!(house.directory.tokens(Some(&tenant("gulf"))).await.unwrap().is_empty());
    // Another tenant's administrator cannot end it.
    let by = By::operator("a test");
    assert!(!house.directory.revoke_token(Some(&tenant("gulf")), &cards[0].id, &by).await.unwrap());
    house.later(SignedDuration::from_hours(24 * 30));
    refused(text).await;
    let young = house.token("sinar").await;
    let id = young.expose().get(4..16).unwrap().to_owned();
    assert!(house.directory.revoke_token(Some(&tenant("sinar")), &id, &by).await.unwrap());
    assert!(!house.directory.revoke_token(None, &id, &by).await.unwrap());
    refused(young.expose().to_owned()).await;
    // The database holds no token, and brings none back.
    let tx = house.base.owner.operator().await.unwrap();
    let back = "UPDATE directory.tokens SET revoked_at = NULL, revoked_as = NULL";
    assert!(tx.execute(back, &[]).await.is_err());
    for (name, days) in [("", 1), ("a\nb", 1), ("a", 0), ("a", 366)] {
        let new = NewToken { name: name.to_owned(), days };
        let made = house.directory.make_token(&tenant("sinar"), &new, &by).await;
        assert!(matches!(made, Err(Error::Field { .. })), "{name:?} {days}");
    }
}

#[tokio::test]
async fn a_user_is_made_changed_and_off_boarded() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let mut body = user("Sari@Sinar.example");
    body["externalId"] = json!("7");
    body["preferredLanguage"] = json!("id-ID");
    let made = house.make(&who, Kind::User, &body).await;
    assert_eq!(made.fields["active"], json!(true));
    assert_eq!(
        made.fields["meta"]["location"],
        json!(format!("https://x.example/scim/Users/{}", made.id))
    );
    assert_eq!((made.version, made.tag().as_str()), (1, "W/\"1\""));
    let (_, account) = house.people.of("sari@sinar.example").unwrap();
    assert_eq!((account.letters, account.person.language.as_str()), (1, "id"));
    let again = house.directory.create(&who, Kind::User, &user("SARI@sinar.EXAMPLE")).await;
    assert!(matches!(again, Err(Error::Uniqueness)));
    let id = (Kind::User, made.id.as_str());
    // The address follows the name, and the version is asked for.
    let old = Precondition { if_match: Some("W/\"9\", \"8\"".to_owned()) };
    let body = user("sari.w@sinar.example");
    let stale = house.directory.replace(&who, id, &body, &old).await;
    assert!(matches!(stale, Err(Error::Precondition)));
    let right = Precondition { if_match: Some("W/\"1\"".to_owned()) };
    let changed = house.directory.replace(&who, id, &body, &right).await.unwrap();
    assert_eq!((changed.version, changed.fields.get("externalId")), (2, None));
    assert!(house.people.of("sari.w@sinar.example").is_some());
    // Nothing changes: the version stays.
    let same = house.directory.replace(&who, id, &body, &ANY).await.unwrap();
    assert_eq!(same.version, 2);
    // Deactivating off-boards, activating invites anew.
    let off =
        house.change(&who, id, json!([{"op": "Replace", "path": "active", "value": "False"}]));
    assert_eq!(off.await.unwrap().fields["active"], json!(false));
    assert!(!house.people.of("sari.w@sinar.example").unwrap().1.open);
    // A whole resource that does not say so lets nobody in.
    let silent = house.directory.replace(&who, id, &user("sari.w@sinar.example"), &ANY).await;
    assert_eq!(silent.unwrap().fields["active"], json!(false));
    house.change(&who, id, json!([{"op": "replace", "value": {"active": true}}])).await.unwrap();
    assert_eq!(house.people.of("sari.w@sinar.example").unwrap().1.letters, 2);
    house.directory.remove(&who, id, &ANY).await.unwrap();
    assert!(!house.people.of("sari.w@sinar.example").unwrap().1.open);
    let gone = house.directory.get(&who, Kind::User, &made.id, &Wanted::default()).await;
    assert!(matches!(gone, Err(Error::NotFound)));
    // The same person again: the account that was theirs.
    let back = house.make(&who, Kind::User, &user("sari.w@sinar.example")).await;
    assert!(back.id != made.id && house.people.of("sari.w@sinar.example").unwrap().1.open);
    let events = house.directory.events(&tenant("sinar")).await.unwrap();
    let actor = format!("directory:{}", who.token());
    let done: Vec<&str> =
        events.iter().filter(|one| one.actor == actor).map(|one| one.action.as_str()).collect();
    assert_eq!(done[0], "create user");
    assert_eq!(done.iter().filter(|one| **one == "remove user").count(), 1);
    let named = events.iter().any(|one| one.detail.contains('@') || one.target.contains('@'));
    assert!(!named, "what is kept for good names nobody");
}

#[tokio::test]
async fn nobody_elses_account_is_touched() {
    let house = house().await;
    let (who, gulf) = (house.caller("sinar").await, house.caller("gulf").await);
    house.people.settle("gulf", "amal@gulf.example");
    house.people.settle("sinar", "dewi@sinar.example");
    // Of another tenant, and of people here: the same words.
    let mut told = Vec::new();
    for name in ["amal@gulf.example", "dewi@sinar.example"] {
        let made = house.directory.create(&who, Kind::User, &user(name)).await;
        told.push(made.unwrap_err().to_string());
    }
    assert_eq!(told[0], told[1]);
    let made = house.make(&gulf, Kind::User, &user("huda@gulf.example")).await;
    let theirs = (Kind::User, made.id.as_str());
    let team = house.make(&gulf, Kind::Group, &group("Team", &[&made.id])).await;
    for kind in [theirs, (Kind::Group, team.id.as_str())] {
        let body = if kind.0 == Kind::User { user("x@y.example") } else { group("x", &[]) };
        let read = house.directory.get(&who, kind.0, kind.1, &Wanted::default()).await;
        assert!(matches!(read, Err(Error::NotFound)));
        let put = house.directory.replace(&who, kind, &body, &ANY).await;
        assert!(matches!(put, Err(Error::NotFound)));
        let patch = house.change(&who, kind, json!([{"op": "remove", "path": "externalId"}])).await;
        assert!(matches!(patch, Err(Error::NotFound)));
        let gone = house.directory.remove(&who, kind, &ANY).await;
        assert!(matches!(gone, Err(Error::NotFound)));
    }
    for odd in ["", "x", "00000000-0000-4000-8000-00000000000g", &"0".repeat(36)] {
        let read = house.directory.get(&who, Kind::User, odd, &Wanted::default()).await;
        assert!(matches!(read, Err(Error::NotFound)), "{odd}");
    }
    assert!(house.names(&who, Kind::User, "userName pr").await.is_empty());
    let foreign = house.directory.create(&who, Kind::Group, &group("Own", &[&made.id])).await;
    assert!(matches!(foreign, Err(Error::Value(_))), "{foreign:?}");
    // Not even the database's own rules let a member of one tenant into another's group.
    let own = house.make(&who, Kind::Group, &group("Own", &[])).await;
    let tx = house.base.owner.operator().await.unwrap();
    let mixed =
        "INSERT INTO directory.members VALUES ('sinar', $1::text::uuid, $2::text::uuid, now())";
    assert!(tx.execute(mixed, &[&own.id, &made.id]).await.is_err());
    drop(tx);
    assert!(house.people.of("huda@gulf.example").unwrap().1.open);
    // An address that is nobody's but cannot be moved to somebody else's.
    let budi = house.make(&who, Kind::User, &user("budi@sinar.example")).await;
    let steal = json!([{"op": "replace", "path": "userName", "value": "amal@gulf.example"}]);
    let stolen = house.change(&who, (Kind::User, &budi.id), steal).await;
    assert!(matches!(stolen, Err(Error::Uniqueness)));
    assert_eq!(house.names(&who, Kind::User, "active eq true").await, ["budi@sinar.example"]);
}

#[tokio::test]
async fn of_two_at_once_one_is_made() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let body = user("sari@sinar.example");
    let all = (0..8).map(|_| {
        let (directory, who, body) = (house.directory.clone(), who.clone(), body.clone());
        tokio::spawn(async move { directory.create(&who, Kind::User, &body).await })
    });
    let mut made = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(_) => made += 1,
            Err(Error::Uniqueness) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(house.people.accounts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_group_gives_what_was_mapped_and_takes_only_that() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let budi = house.make(&who, Kind::User, &user("budi@sinar.example")).await;
    let pricing = house.make(&who, Kind::Group, &group("Pricing", &[&sari.id])).await;
    let id = (Kind::Group, pricing.id.as_str());
    let (sari_account, _) = house.people.of("sari@sinar.example").unwrap();
    let (budi_account, _) = house.people.of("budi@sinar.example").unwrap();
    let unknown = house.directory.map(&admin(), "pricing", "emperor").await;
    assert!(matches!(unknown, Err(Error::Refused(_))));
    house.directory.map(&admin(), "pricing", "editor").await.unwrap();
    assert_eq!(house.people.roles_of(&sari_account), ["editor"]);
    // Budi comes, has the role by people too, and keeps that when he goes.
    house.people.roles.lock().unwrap().insert((budi_account.clone(), "editor".to_owned(), false));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": budi.id}]}]);
    let two = house.change(&who, id, add).await.unwrap();
    assert_eq!(two.fields["members"].as_array().unwrap().len(), 2);
    let told = house.directory.get(&who, Kind::User, &budi.id, &Wanted::default()).await.unwrap();
    assert_eq!(told.fields["groups"][0]["display"], json!("Pricing"));
    assert_eq!(told.version, 2, "what is told of them has changed");
    let gone = json!([{"op": "Remove", "path": "members", "value": [{"value": budi.id}, {"value": sari.id}]}]);
    house.change(&who, id, gone).await.unwrap();
    assert!(house.people.roles_of(&sari_account).is_empty());
    assert_eq!(house.people.roles_of(&budi_account), ["editor"]);
    // Where giving fails, the next look makes up for it.
    *house.people.broken.lock().unwrap() = true;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": sari.id}]}]);
    assert!(matches!(house.change(&who, id, add).await, Err(Error::Unavailable(_))));
    *house.people.broken.lock().unwrap() = false;
    assert!(house.people.roles_of(&sari_account).is_empty());
    house.directory.settle_all().await.unwrap();
    assert_eq!(house.people.roles_of(&sari_account), ["editor"]);
    // Deactivated, and back again.
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    house.change(&who, (Kind::User, &sari.id), off).await.unwrap();
    house.directory.settle_all().await.unwrap();
    assert!(house.people.roles_of(&sari_account).is_empty());
    let on = json!([{"op": "replace", "value": {"active": true}}]);
    house.change(&who, (Kind::User, &sari.id), on).await.unwrap();
    assert_eq!(house.people.roles_of(&sari_account), ["editor"]);
    // What the mapper may not give any more is not given to others.
    house.people.beyond.lock().unwrap().insert("viewer".to_owned());
    house.directory.map(&admin(), &pricing.id, "viewer").await.unwrap();
    assert_eq!(house.people.roles_of(&sari_account), ["editor"]);
    let by = By::operator("a test");
    house.directory.unmap(&tenant("sinar"), "Pricing", "editor", &by).await.unwrap();
    assert!(house.people.roles_of(&sari_account).is_empty());
    let twice = house.directory.unmap(&tenant("sinar"), "Pricing", "editor", &by).await;
    assert!(matches!(twice, Err(Error::NotFound)));
    house.people.beyond.lock().unwrap().clear();
    house.directory.settle_all().await.unwrap();
    assert_eq!(house.people.roles_of(&sari_account), ["viewer"]);
    house.directory.remove(&who, id, &ANY).await.unwrap();
    assert!(house.people.roles_of(&sari_account).is_empty());
}

#[tokio::test]
async fn only_an_administrator_of_the_tenant_maps() {
    let house = house().await;
    let who = house.caller("sinar").await;
    house.make(&who, Kind::Group, &group("Pricing", &[])).await;
    let mut stranger = admin();
    stranger.tenant = tenant("gulf");
    let other = house.directory.map(&stranger, "Pricing", "editor").await;
    assert!(matches!(other, Err(Error::NotFound)));
    let mut weak = admin();
    weak.standing.permits = Bits::from_iter([own::PEOPLE_ROLES]);
    let refused = house.directory.map(&weak, "Pricing", "editor").await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    let mut support = admin();
    support.standing.support = Some(Support {
        grant: "g".to_owned(),
        tenant: tenant("sinar"),
        scope: kernel::Scope::ReadWrite,
        until: jiff::Timestamp::MAX,
    });
    let refused = house.directory.map(&support, "Pricing", "editor").await;
    assert!(matches!(refused, Err(Error::Refused(_))));
}

#[tokio::test]
async fn the_last_who_can_give_roles_stays() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let (account, _) = house.people.of("sari@sinar.example").unwrap();
    let owners = house.make(&who, Kind::Group, &group("Owners", &[&sari.id])).await;
    house.directory.map(&admin(), "Owners", "owner").await.unwrap();
    let id = (Kind::User, sari.id.as_str());
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    let refused =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::Refused(_))), "{result:?}");
    refused(house.change(&who, id, off.clone()).await.map(drop));
    refused(house.directory.remove(&who, id, &ANY).await);
    refused(house.directory.remove(&who, (Kind::Group, &owners.id), &ANY).await);
    let empty = json!([{"op": "remove", "path": "members"}]);
    refused(house.change(&who, (Kind::Group, &owners.id), empty).await.map(drop));
    assert_eq!(house.people.roles_of(&account), ["owner"]);
    assert!(house.people.of("sari@sinar.example").unwrap().1.open);
    house.people.roles.lock().unwrap().insert((
        super::house::ADMIN.to_owned(),
        "owner".to_owned(),
        false,
    ));
    house.change(&who, id, off).await.unwrap();
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let mut ids = Vec::new();
    for n in 0..7 {
        house.later(SignedDuration::from_secs(1));
        let mut body = user(&format!("p{n}@sinar.example"));
        body["externalId"] = json!(format!("E{n}"));
        body["title"] = json!(if n % 2 == 0 { "even" } else { "odd" });
        ids.push(house.make(&who, Kind::User, &body).await.id);
    }
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    house.make(&who, Kind::Group, &group("All", &members)).await;
    house.make(&who, Kind::Group, &group("None", &[])).await;
    let list = async |query: Query| house.directory.list(&who, Kind::User, &query).await.unwrap();
    let page = list(Query { start: Some(3), count: Some(2), ..Query::default() }).await;
    assert_eq!((page.total, page.start, page.resources.len()), (7, 3, 2));
    assert_eq!(page.resources[0].id, ids[2]);
    let page = list(Query { start: Some(-5), count: Some(-1), ..Query::default() }).await;
    assert_eq!((page.total, page.start, page.resources.len()), (7, 1, 0));
    let page =
        list(Query { start: Some(i64::MAX), count: Some(i64::MAX), ..Query::default() }).await;
    assert_eq!((page.total, page.resources.len()), (7, 0));
    let even =
        Query { filter: Some("title eq \"EVEN\"".to_owned()), count: Some(1), ..Query::default() };
    let page = list(even).await;
    assert_eq!((page.total, page.resources.len()), (4, 1));
    assert_eq!(
        house.names(&who, Kind::User, "userName eq \"P3@sinar.example\"").await,
        ["p3@sinar.example"]
    );
    assert_eq!(
        house.names(&who, Kind::User, "externalId eq \"E4\" and title pr").await,
        ["p4@sinar.example"]
    );
    assert!(house.names(&who, Kind::User, "externalId eq \"e4\"").await.is_empty());
    assert_eq!(
        house.names(&who, Kind::User, &format!("id eq \"{}\"", ids[5])).await,
        ["p5@sinar.example"]
    );
    assert!(house.names(&who, Kind::User, "id eq \"nothing\"").await.is_empty());
    assert_eq!(house.names(&who, Kind::User, "groups.display eq \"all\"").await.len(), 7);
    let with = format!("members[value eq \"{}\"]", ids[0]);
    assert_eq!(house.names(&who, Kind::Group, &with).await, ["All"]);
    assert_eq!(house.names(&who, Kind::Group, "displayName eq \"none\"").await, ["None"]);
    let wanted = Wanted { attributes: vec!["displayname".to_owned()], excluded: Vec::new() };
    let page = house.directory.list(&who, Kind::Group, &Query { wanted, ..Query::default() }).await;
    let keys: Vec<&String> = page.as_ref().unwrap().resources[0].fields.keys().collect();
    assert_eq!(keys, ["displayName", "id", "schemas"]);
    let wanted =
        Wanted { attributes: Vec::new(), excluded: vec!["members".to_owned(), "id".to_owned()] };
    let found =
        house.directory.list(&who, Kind::Group, &Query { wanted, ..Query::default() }).await;
    let fields = &found.unwrap().resources[0].fields;
    assert!(!fields.contains_key("members") && fields.contains_key("id"));
    let bad = Query { filter: Some("userName eq".to_owned()), ..Query::default() };
    let refused = house.directory.list(&who, Kind::User, &bad).await;
    assert!(matches!(refused, Err(Error::Filter(_))));
    let both = house.directory.list_all(&who, &Query { start: Some(7), ..Query::default() }).await;
    let both = both.unwrap();
    assert_eq!((both.total, both.resources.len()), (9, 3));
}

#[tokio::test]
async fn whoever_leaves_or_ends_otherwise_is_known_here() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let made = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let (account, _) = house.people.of("sari@sinar.example").unwrap();
    let mut sari = admin();
    sari.account.clone_from(&account);
    let new = NewToken { name: "hers".to_owned(), days: 9 };
    let by = By::person(&sari);
    let (_, hers) = house.directory.make_token(&tenant("sinar"), &new, &by).await.unwrap();
    // People off-board her: what she made ends, and her directory sees it.
    house.people.accounts.lock().unwrap().get_mut(&account).unwrap().for_good = true;
    let ended = house.directory.left(&account, "dewi@sinar.example").await.unwrap();
    assert_eq!(ended.len(), 1);
    assert!(matches!(house.directory.admit(&hers).await, Err(Error::Token)));
    let told = house.directory.get(&who, Kind::User, &made.id, &Wanted::default()).await.unwrap();
    assert_eq!(told.fields["active"], json!(false));
    let on = json!([{"op": "replace", "value": {"active": true}}]);
    let refused = house.change(&who, (Kind::User, &made.id), on).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    // Somebody of people comes into its hand, and only of this tenant.
    house.people.settle("sinar", "budi@sinar.example");
    house.people.settle("gulf", "amal@gulf.example");
    let by = By::operator("a test");
    house.directory.adopt(&tenant("sinar"), "Budi@sinar.example", &by).await.unwrap();
    let other = house.directory.adopt(&tenant("sinar"), "amal@gulf.example", &by).await;
    assert!(matches!(other, Err(Error::NotFound)));
    let twice = house.directory.adopt(&tenant("sinar"), "budi@sinar.example", &by).await;
    assert!(matches!(twice, Err(Error::Uniqueness)));
    let overview = house.directory.overview(&tenant("sinar")).await.unwrap();
    assert_eq!((overview.users, overview.active), (2, 1));
    // The tenant ends.
    let erased = house.directory.erase(&tenant("sinar"), "a test").await.unwrap();
    assert_eq!(erased, (2, 0));
    let tokens = house.directory.tokens(Some(&tenant("sinar"))).await.unwrap();
    assert!(tokens.iter().all(|token| token.revoked.is_some()));
}

#[tokio::test]
async fn a_review_sees_each_token_and_ends_it() {
    let house = house().await;
    let operators = house.token("sinar").await;
    house.token("gulf").await;
    let new = NewToken { name: "hers".to_owned(), days: 9 };
    let by = By::person(&admin());
    house.clock.set(house.clock.now() + SignedDuration::from_mins(1));
    let (card, hers) = house.directory.make_token(&tenant("sinar"), &new, &by).await.unwrap();
    house.directory.admit(&hers).await.unwrap();
    let clock = std::sync::Arc::<kernel::ManualClock>::clone(&house.clock);
    let tokens = TokenHoldings::new(house.base.engine.clone(), clock);
    let living = tokens.living(&tenant("sinar")).await.unwrap();
    let of: Vec<&str> = living.iter().map(|one| one.account.as_str()).collect();
    assert_eq!(of, [kernel::NOBODY, admin().account.as_str()]);
    assert_eq!((living[1].given_by.as_str(), &living[1].id), ("dewi@sinar.example", &card.id));
    assert!(living[1].what.contains("hers") && living[1].last_used_at.is_some());
    assert!(!living[1].what.contains(hers.expose()));
    // Another tenant's review ends nothing here.
    tokens.end(&tenant("gulf"), &card.id).await.unwrap();
    assert!(tokens.counts(&tenant("sinar"), &card.id).await.unwrap());
    for _ in 0..2 {
        tokens.end(&tenant("sinar"), &card.id).await.unwrap();
    }
    assert!(!tokens.counts(&tenant("sinar"), &card.id).await.unwrap());
    assert!(matches!(house.directory.admit(&hers).await, Err(Error::Token)));
    let told = house.directory.events(&tenant("sinar")).await.unwrap();
    let told = told.iter().filter(|one| one.action == "revoke token").count();
    assert_eq!(told, 1);
    house.directory.admit(&operators).await.unwrap();
    house.clock.set(house.clock.now() + SignedDuration::from_hours(24 * 31));
    assert!(tokens.living(&tenant("sinar")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_review_sees_what_each_group_gives_and_ends_it() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let (account, _) = house.people.of("sari@sinar.example").unwrap();
    let prices = house.make(&who, Kind::Group, &group("Pricing", &[&sari.id])).await;
    for role in ["editor", "viewer"] {
        house.directory.map(&admin(), &prices.id, role).await.unwrap();
    }
    let clock = std::sync::Arc::<kernel::ManualClock>::clone(&house.clock);
    let given = MappingHoldings::new(house.base.engine.clone(), clock);
    let living = given.living(&tenant("sinar")).await.unwrap();
    let seen: Vec<_> = living.iter().map(|one| (&*one.what, &*one.holder, &*one.account)).collect();
    let (holder, by) = ("the group \"Pricing\" of 1", &*admin().account);
    assert_eq!(seen, [("editor", holder, by), ("viewer", holder, by)]);
    assert!(given.living(&tenant("gulf")).await.unwrap().is_empty());
    // Another tenant's review ends nothing here, and neither does what names no group.
    let id = living[0].id.clone();
    let former = id.replacen(":1", ":2", 1);
    given.end(&tenant("gulf"), &id).await.unwrap();
    for odd in ["", ":", "x:editor", "x:1:editor", &prices.id, &former] {
        given.end(&tenant("sinar"), odd).await.unwrap();
    }
    assert_eq!(given.living(&tenant("sinar")).await.unwrap().len(), 2);
    for _ in 0..2 {
        given.end(&tenant("sinar"), &id).await.unwrap();
    }
    assert!(!given.counts(&tenant("sinar"), &id).await.unwrap());
    house.directory.settle_all().await.unwrap();
    assert_eq!(
        house.people.roles_of(&account),
        ["viewer"],
        "the members lose it in the next round"
    );
    let told = house.directory.events(&tenant("sinar")).await.unwrap();
    let told = told.iter().filter(|one| one.actor == "a review" && one.detail == "editor").count();
    assert_eq!(told, 1);
}

/// A directory names its groups as it likes: one after another's id, and one in characters that are told by
/// what they are.
#[tokio::test]
async fn no_name_of_a_group_gets_in_anybodys_way() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let (account, _) = house.people.of("sari@sinar.example").unwrap();
    let meant = house.make(&who, Kind::Group, &group("Pricing", &[])).await;
    let named = house.make(&who, Kind::Group, &group(&meant.id, &[&sari.id])).await;
    // So that the database finds it behind the other one.
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Prices"}]);
    house.change(&who, (Kind::Group, &meant.id), renamed).await.unwrap();
    house.directory.map(&admin(), &meant.id, "editor").await.unwrap();
    assert!(house.people.roles_of(&account).is_empty());
    house.directory.map(&admin(), &named.id, "viewer").await.unwrap();
    assert_eq!(house.people.roles_of(&account), ["viewer"]);
    let long = "\u{202e}".repeat(200);
    let long = house.make(&who, Kind::Group, &group(&long, &[&sari.id])).await;
    house.directory.map(&admin(), &long.id, "editor").await.unwrap();
    assert_eq!(house.people.roles_of(&account), ["editor", "viewer"]);
}
