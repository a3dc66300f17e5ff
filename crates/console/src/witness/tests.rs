//! The protocol as programs of other people would speak it.

use std::sync::Arc;
use std::time::Duration;

use ::witness::{MAX_SUBMISSION, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use kernel::{FixedRng, SystemClock};
use tempfile::TempDir;
use tlog::{Checkpoint, Hash, Note, Signer};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

const LOG: &str = "amanah-ab12/my%20shop";

struct House {
    _folder: TempDir,
    witness: Arc<Witness>,
    log: Signer,
}

impl House {
    fn new() -> Self {
        let (folder, log) = (TempDir::new().unwrap(), Signer::from_seed(LOG, &[7; 32]).unwrap());
        let clock = Arc::new(SystemClock);
        let keys = vec![log.verifier().clone()];
        let witness =
            Witness::open(folder.path(), Some("w.example"), keys, clock, &FixedRng::new(1));
        Self { _folder: folder, witness: Arc::new(witness.unwrap()), log }
    }

    fn router(&self) -> Router {
        super::router(Arc::clone(&self.witness))
    }

    fn served(&self) -> super::Served {
        let (witness, turns) = (Arc::clone(&self.witness), Arc::new(Semaphore::new(1)));
        super::Served { witness, turns, patience: Duration::from_mins(1) }
    }

    /// The checkpoint of a log with one entry.
    fn checkpoint(&self, entry: &str) -> Note {
        let (origin, root) = (LOG.to_owned(), Hash::leaf(entry.as_bytes()));
        let checkpoint = Checkpoint { origin, size: 1, root, more: Vec::new() };
        Note::new(checkpoint.to_string()).unwrap().signed(&self.log)
    }
}

/// Status, type and text of an answer.
async fn ask(router: Router, request: Request<Body>) -> (u16, String, String) {
    let answer = router.oneshot(request).await.unwrap();
    let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    let text = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, kind, String::from_utf8(text.to_vec()).unwrap())
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/add-checkpoint").body(body.into()).unwrap()
}

fn read(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_checkpoint_is_handed_in_and_fetched() {
    let house = House::new();
    let path = "/checkpoint/amanah-ab12/my%2520shop";
    let (status, _, text) = ask(house.router(), read(path)).await;
    assert_eq!((status, text.as_str()), (404, "nothing was seen of this log yet\n"));
    let checkpoint = house.checkpoint("first");
    let (status, kind, line) = ask(house.router(), post(format!("old 0\n\n{checkpoint}"))).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"), "{line}");
    let cosigned = checkpoint.with_cosignature(house.witness.key(), &line).unwrap();
    let (status, _, text) = ask(house.router(), read(path)).await;
    assert_eq!((status, text), (200, cosigned.to_string()));
    let escaped = "/checkpoint/amanah-ab12%2Fmy%2520shop";
    assert_eq!(ask(house.router(), read(escaped)).await.0, 200);
    let (_, _, about) = ask(house.router(), read("/")).await;
    assert_eq!(about, format!("witness {}\nlog {LOG} 1\n", house.witness.key()));
    assert_eq!(ask(house.router(), read("/checkpoint/other")).await.0, 404);
    assert_eq!(ask(house.router(), read("/other")).await.0, 404);
}

#[tokio::test]
async fn a_conflict_names_the_size_as_the_protocol_has_it() {
    let house = House::new();
    let first = format!("old 0\n\n{}", house.checkpoint("first"));
    assert_eq!(ask(house.router(), post(first.clone())).await.0, 200);
    let conflict = (409, "text/x.tlog.size".to_owned(), "1\n".to_owned());
    assert_eq!(ask(house.router(), post(first)).await, conflict);
    let other = format!("old 1\n\n{}", house.checkpoint("other"));
    assert_eq!(ask(house.router(), post(other)).await, conflict);
}

#[tokio::test]
async fn bodies_and_turns_have_bounds() {
    let house = House::new();
    assert_eq!(ask(house.router(), post(vec![b'x'; MAX_SUBMISSION])).await.0, 400);
    assert_eq!(ask(house.router(), post(vec![b'x'; MAX_SUBMISSION + 1])).await.0, 413);
    let busy = super::Served { turns: Arc::new(Semaphore::new(0)), ..house.served() };
    let answer = super::add(axum::extract::State(busy), Body::from("old 0\n\n")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
}

/// A body that never ends is not waited for.
#[tokio::test]
async fn a_slow_body_ends_in_time() {
    let house = House::new();
    let hasty = super::Served { patience: Duration::ZERO, ..house.served() };
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = ask(super::serve(hasty), post(Body::from_stream(never))).await;
    assert_eq!((answer.0, answer.2.as_str()), (408, "the request took too long to arrive\n"));
}
