//! What one token, one key or one full ring must never stop: the house's own keys, rotation and
//! destruction.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;

use super::world::{World, house, made, of, opens, sealed};
use crate::document::{Admitted, MAX_RING_BYTES, MAX_VERSIONS, MOST_BY_HAND};
use crate::{
    Client, Error, KeyRef, Keys, Operation, Policy, Purpose, Reach, Result, SECRETS_KEY, Settings,
    Spec,
};

fn client(pattern: &str) -> Client {
    use Operation::{Decrypt, Destroy, Encrypt, Hmac, Manage, Read, Rewrap, Sign};
    let operations = [Decrypt, Destroy, Encrypt, Hmac, Manage, Read, Rewrap, Sign];
    Client {
        name: "app".to_owned(),
        keys: vec![pattern.to_owned()],
        operations: operations.into(),
        reach: Reach::All,
        databases: [].into(),
        expires_at: None,
    }
}

/// Adds versions to a key until it has so many.
async fn pile_up(keys: &Keys, key: &KeyRef, versions: usize) {
    let pile = |draft: &mut crate::draft::Draft<'_>| -> Result<()> {
        let at = draft.document.position(key).unwrap();
        let mut found = draft.document.keys.remove(at);
        while found.versions.len() < versions {
            draft.version(&mut found)?;
        }
        draft.adopt(at, found)
    };
    keys.tamper(pile).await.unwrap();
}

/// Makes the ring longer than so many eighths of what it may be.
async fn fill(keys: &Keys, eighths: usize) {
    let wanted = MAX_RING_BYTES / 8 * eighths;
    let fill = |draft: &mut crate::draft::Draft<'_>| -> Result<()> {
        let mut have = draft.document.size();
        let patterns = vec!["x".repeat(64); 1_000];
        while have <= wanted {
            let number = draft.document.clients.len();
            let client = Client { name: format!("c{number:06}"), ..client("x") };
            let client = Client { keys: patterns.clone(), ..client };
            let token_sha256 = format!("{number:064x}");
            draft.document.clients.push(Admitted { client, since: draft.now, token_sha256 });
            have += 64 * patterns.len();
        }
        draft.changed = true;
        Ok(())
    };
    keys.tamper(fill).await.unwrap();
}

/// A star means every key of applications. Amanah's own are reached by the house alone.
#[tokio::test]
async fn no_client_reaches_the_houses_own_keys() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let own = house(SECRETS_KEY);
    let text = made(&keys, &own).await;
    for pattern in ["*", "a*", "amanah*"] {
        let token = keys.admit(client(pattern)).await.unwrap();
        for does in client(pattern).operations {
            for key in [&own, &of("a", SECRETS_KEY)] {
                let refused = keys.authorise(&token, key, does);
                assert!(matches!(refused, Err(Error::Denied)), "{pattern} {key} {does:?}");
            }
        }
        let shown = keys.readable(&client(pattern), |_| true).unwrap();
        assert_eq!(shown, [], "{pattern}");
    }
    for pattern in ["amanah.", "amanah.*", SECRETS_KEY] {
        let refused = keys.admit(client(pattern)).await;
        assert!(matches!(refused, Err(Error::Setting(why)) if why.contains("own")), "{pattern}");
    }
    assert_eq!(keys.card(&own).unwrap().users, Vec::<String>::new());
    assert_eq!(keys.list().len(), 1, "the operator sees it");
    keys.rotate(&own).await.unwrap();
    opens(&keys, &own, &text).unwrap();
}

/// Whoever rotates a key again and again comes to an end, and what is due goes on: also when the
/// key has all the versions that a ring takes.
#[tokio::test]
async fn one_keys_versions_stop_no_other_keys_rotation() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (much, other) = (house("much"), house("other"));
    made(&keys, &much).await;
    made(&keys, &other).await;
    pile_up(&keys, &much, MOST_BY_HAND).await;
    let refused = keys.rotate(&much).await;
    assert!(matches!(&refused, Err(Error::Versions(key)) if **key == much), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("trim"));
    world.pass(60);
    assert_eq!(keys.rotate_due().await.unwrap(), [much.clone(), other.clone()]);
    assert_eq!(keys.full(), []);
    pile_up(&keys, &much, MAX_VERSIONS).await;
    assert_eq!(keys.full(), std::slice::from_ref(&much));
    world.pass(60);
    let only_other = std::slice::from_ref(&other);
    assert_eq!(keys.rotate_due().await.unwrap(), only_other);
    assert_eq!(keys.rotate_all(&|_| {}).await.unwrap(), only_other);
    assert_eq!(sealed(&keys, &other).version, 4);
    keys.trim(&much, u32::try_from(MAX_VERSIONS).unwrap()).await.unwrap();
    assert_eq!(keys.rotate_due().await.unwrap(), [much]);
}

/// Whoever fills the ring with keys stops new keys. Rotation and destruction have room left.
#[tokio::test]
async fn a_full_ring_still_rotates_and_destroys() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (house, own) = (house("orders"), of("a", "orders"));
    made(&keys, &house).await;
    keys.ensure(&own).await.unwrap();
    fill(&keys, 4).await;
    assert!(keys.ring().unwrap().bytes > MAX_RING_BYTES / 2);
    assert_eq!(keys.ring().unwrap().bytes, world.shelf.copy().pop_last().unwrap().1.len());
    let refused = keys.ensure(&of("invented", "orders")).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("trim"));
    let refused = keys.create(&super::world::house("new"), &Spec::default()).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    assert_eq!(keys.rotate(&own).await.unwrap(), 2);
    fill(&keys, 6).await;
    assert!(matches!(keys.rotate(&own).await, Err(Error::Full(_))));
    world.pass(60);
    assert_eq!(keys.rotate_due().await.unwrap(), [house.clone(), own.clone()]);
    keys.room_to_destroy().unwrap();
    fill(&keys, 7).await;
    assert!(matches!(keys.room_to_destroy(), Err(Error::Full(_))));
    world.pass(60);
    assert_eq!(keys.rotate_due().await.unwrap(), [], "what does not fit waits");
    assert_eq!(keys.rotate_all(&|_| {}).await.unwrap(), [house, own]);
    keys.shred(&TenantId::new("a").unwrap()).await.unwrap();
}

/// Each purpose has its own age, and what is younger than that is left alone.
#[tokio::test]
async fn each_purpose_is_rotated_at_its_own_age() {
    let world = World::new();
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let purposes = BTreeMap::from([(Purpose::Fields, days(10)), (Purpose::Files, days(30))]);
    let policy = Policy { default: days(365), purposes };
    let keys = Keys::open(Settings { policy, ..world.settings() }).await.unwrap();
    let (fields, files) = (house("fields"), house("files"));
    keys.create(&fields, &Spec::default()).await.unwrap();
    let spec = Spec { purpose: Purpose::Files, ..Spec::default() };
    keys.create(&files, &spec).await.unwrap();
    let above = |key: &KeyRef| keys.card(key).unwrap().wrapped_by.version;
    world.pass(9);
    assert_eq!(keys.rotate_due().await.unwrap(), []);
    world.pass(1);
    assert_eq!(keys.rotate_due().await.unwrap(), std::slice::from_ref(&fields));
    assert_eq!((above(&fields), above(&files)), (2, 1));
    world.pass(20);
    let steps = std::sync::Mutex::new(Vec::new());
    let watch = |progress: crate::Progress| {
        steps.lock().unwrap().push((progress.done, progress.total));
    };
    let rotated = keys.rotate_due_watched(&watch).await.unwrap();
    assert_eq!(rotated, [fields.clone(), files.clone()]);
    assert_eq!(*steps.lock().unwrap(), [(0, 2), (1, 2), (2, 2)]);
    assert_eq!((above(&fields), above(&files)), (3, 2));
}

/// That a tenant's keys were destroyed is told to who asks with that tenant's keys: another
/// tenant's ciphertext is as foreign as any.
#[tokio::test]
async fn a_foreign_ciphertext_tells_nothing_of_its_tenant() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (gone, mine) = (of("a", "orders"), of("b", "orders"));
    let lost = made(&keys, &gone).await;
    made(&keys, &mine).await;
    assert!(matches!(opens(&keys, &mine, &lost), Err(Error::Refused)));
    let at: Timestamp = keys.shred(&TenantId::new("a").unwrap()).await.unwrap().at;
    assert!(matches!(opens(&keys, &mine, &lost), Err(Error::Refused)));
    assert!(matches!(opens(&keys, &of("b", "none"), &lost), Err(Error::Unknown(_))));
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { at: said }) if said == at));
}
