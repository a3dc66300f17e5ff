//! The control on a real PostgreSQL.

use std::sync::Arc;

use kernel::{
    Clock as _, Control as _, Credentials as _, Cx, Fut, NoStandings, Outcome, Params, Secret,
    SessionToken, SystemClock, SystemRng,
};
use testkit::TestDb;

use super::{SessionRotation, TokenProbe};
use crate::signing::memory::MemoryKeys;
use crate::{Error, Identities, Pair, Pool, ROOM};

/// The service, held as the binary holds it.
struct Held(Arc<Identities>);

impl TokenProbe for Held {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Option<Pair>, String>> {
        Box::pin(async move { Ok(self.0.exchange(session).await.ok()) })
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Option<Pair>, String>> {
        Box::pin(async move {
            match self.0.refresh(token).await {
                Ok(pair) => Ok(Some(pair)),
                Err(Error::Grant) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.0.revoke_token(token).await.map_err(|e| e.to_string()) })
    }

    fn accepts<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { Ok(self.0.bearer(bearer).await?.is_some()) })
    }
}

async fn control(runs: bool) -> (TestDb, SessionRotation, Cx) {
    let base = testkit::database(&[&ROOM]).await;
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let keys = Arc::new(MemoryKeys::default());
    keys.rotate(&SystemRng, SystemClock.now()).unwrap();
    let identities = Identities::new(
        base.engine.clone(),
        Arc::clone(&cx.clock),
        Arc::clone(&cx.rng),
        Pool::default(),
        Arc::new(NoStandings),
    );
    let identities = Arc::new(identities.unwrap().with_tokens(keys, "amanah:x".into()));
    let probe = runs.then(|| Arc::new(Held(Arc::clone(&identities))) as Arc<dyn TokenProbe>);
    let (owner, programs) = (base.owner.clone(), base.programs.clone());
    (base, SessionRotation { identities, owner, programs, probe }, cx)
}

/// It holds where all is well, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_holds_and_leaves_nothing() {
    let (base, control, cx) = control(true).await;
    let proof = control.prove(&cx, &Params::none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert_eq!(proof.population().total, 27);
    let tx = base.owner.operator().await.unwrap();
    let left: i64 =
        tx.query_one("SELECT count(*) FROM identity.accounts", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}

/// Without a gateway nothing was attacked.
#[tokio::test]
async fn it_is_unknown_where_nothing_runs() {
    let (_base, control, cx) = control(false).await;
    assert_eq!(control.prove(&cx, &Params::none()).await.outcome(), Outcome::Unknown);
}

/// Each violation is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_bites() {
    let (_base, control, cx) = control(false).await;
    let proof = control.bite(&cx).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(proof.population().total, 9);
}
