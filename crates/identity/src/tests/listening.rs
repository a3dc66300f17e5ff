//! What another process ends is heard here, and silence is not taken for peace.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kernel::{Sessions as _, Strength};

use super::*;
use crate::Opening;
use crate::cache::HEARD;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A gateway: the same service with its listener, and a task that ends with it.
async fn gateway(house: &House) -> (Arc<Identities>, tokio::task::JoinHandle<()>) {
    let gateway = Arc::new(service(&house.base, &house.clock));
    let (here, url) = (Arc::clone(&gateway), house.base.engine.url().clone());
    let task = tokio::spawn(async move { here.keep(&url, std::future::pending()).await });
    wait_until("a beat comes back", async || gateway.cache.ear.silent_for().is_some()).await;
    (gateway, task)
}

async fn remembered(gateway: &Identities, token: &SessionToken) -> bool {
    let (_, before, _) = gateway.cache.counts();
    assert!(gateway.decide(token).await.unwrap().is_some());
    gateway.cache.counts().1 > before
}

async fn account(house: &House) -> String {
    let email = Email::new(EMAIL).unwrap();
    house.identities.find(&email).await.unwrap().unwrap().0
}

#[tokio::test]
async fn what_another_process_ends_is_heard() {
    let house = house().await;
    let (gateway, task) = gateway(&house).await;
    let account = account(&house).await;
    let sinar = TenantId::new("sinar").unwrap();
    for way in 0..6 {
        let opened = house.identities.open_session(&account, Strength::One, Opening::default());
        let token = opened.await.unwrap();
        assert!(gateway.decide(&token).await.unwrap().is_some());
        assert!(remembered(&gateway, &token).await);
        // Memory lasts beyond what it does where nobody listens.
        house.later(FRESH);
        assert!(remembered(&gateway, &token).await);
        match way {
            0 => house.identities.sign_out(&token).await.unwrap(),
            1 => house.identities.end_all(&account).await.unwrap(),
            2 => house.identities.suspend_tenant(&sinar).await.unwrap(),
            4 => {
                let app = "INSERT INTO identity.totp (account, seed_sealed, made_at, confirmed_at) \
                           SELECT id, 'sinar|x|00', now(), now() FROM identity.accounts";
                house.alter(app).await;
                house.identities.remove_factors(&account).await.unwrap();
            }
            3 => {
                house.identities.resume_tenant(&sinar).await.unwrap();
                house.alter("UPDATE identity.sessions SET revoked_at = now()").await;
            }
            _ => house.alter("UPDATE identity.accounts SET disabled_at = now()").await,
        }
        wait_until("the end is heard", async || gateway.decide(&token).await.unwrap().is_none())
            .await;
        house.identities.resume_tenant(&sinar).await.unwrap();
    }
    assert!(gateway.session_vitals().notices >= 6);
    task.abort();
}

#[tokio::test]
async fn a_lost_line_is_noticed_and_mended() {
    let house = house().await;
    let (gateway, task) = gateway(&house).await;
    let token = house.sign_in().await;
    assert!(gateway.decide(&token).await.unwrap().is_some());
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid()";
    let before = gateway.session_vitals();
    let tx = house.base.superuser.operator().await.unwrap();
    tx.query(kill, &[]).await.unwrap();
    tx.commit().await.unwrap();
    // Whatever was in memory is gone with the line, so that nothing lost can live on in it.
    wait_until("the memory is emptied", async || gateway.session_vitals().kept == 0).await;
    wait_until("it is heard again", async || gateway.session_vitals().silent.is_some()).await;
    assert!(gateway.decide(&token).await.unwrap().is_some());
    assert!(remembered(&gateway, &token).await);
    house.identities.sign_out(&token).await.unwrap();
    wait_until("ends are heard", async || gateway.decide(&token).await.unwrap().is_none()).await;
    assert!(gateway.session_vitals().notices > before.notices);
    task.abort();
}

/// In silence everything is asked of the database: an end that was told to nobody holds.
#[tokio::test]
async fn in_silence_nothing_is_answered_from_memory() {
    let house = house().await;
    let gateway = service(&house.base, &house.clock);
    let token = house.sign_in().await;
    gateway.cache.ear.attach();
    let long_ago = Instant::now();
    gateway.cache.ear.beat(long_ago);
    assert!(gateway.decide(&token).await.unwrap().is_some());
    assert!(remembered(&gateway, &token).await);
    house.identities.sign_out(&token).await.unwrap();
    assert!(gateway.decide(&token).await.unwrap().is_some(), "nobody told it");
    gateway.cache.ear.deaf();
    assert!(gateway.decide(&token).await.unwrap().is_none());
    // The fault that the bite seeds: silence is not minded, so the end is not seen.
    let careless = service(&house.base, &house.clock);
    careless.cache.ear.attach();
    careless.cache.ear.careless.store(true, Ordering::Relaxed);
    let token = house.sign_in().await;
    assert!(careless.decide(&token).await.unwrap().is_some());
    house.identities.sign_out(&token).await.unwrap();
    assert!(careless.decide(&token).await.unwrap().is_some());
}

#[tokio::test]
async fn uses_are_written_in_batches_and_are_not_lost() {
    let house = house().await;
    let (gateway, task) = gateway(&house).await;
    let token = house.sign_in().await;
    house.later(HEARD * 2);
    assert!(gateway.decide(&token).await.unwrap().is_some());
    let account = account(&house).await;
    let seen = async || house.identities.sessions(&account).await.unwrap()[0].last_seen;
    wait_until("it is written", async || seen().await == house.clock.now()).await;
    // Again, with the database away in between: it waits, and is written when it can be.
    house.later(HEARD * 2);
    assert!(gateway.decide(&token).await.unwrap().is_some());
    task.abort();
    let _ = task.await;
    gateway.flush_uses().await;
    assert_eq!(seen().await, house.clock.now());
    assert_eq!(gateway.session_vitals().unwritten, 0);
}
