//! Switches to other releases of the application, and the proof about them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Cx, Outcome as Proven, Params, SystemClock, SystemRng, catalogue};

use super::{Application, Edge, SIGNED_IN, status};
use crate::controls::{Target, controls};
use crate::{AttackMode, GatewayError, Outcome, Own as _, Step, SwitchTerms, Upstream};

fn at(application: &Application) -> Upstream {
    format!("http://{}", application.address).parse().unwrap()
}

fn terms() -> SwitchTerms {
    SwitchTerms::new("/", Duration::from_millis(200)).unwrap()
}

/// The one that answers is another one afterwards, and what was under way at the old one is answered.
#[tokio::test]
async fn requests_go_to_the_new_release() {
    let edge = Edge::start().await;
    let new = Application::start().await;
    let waiting = edge.ask("GET", "/wait", SIGNED_IN);
    let steps = Mutex::new(Vec::new());
    let tell = |step: Step| {
        // Not before the new one was taken.
        if matches!(step, Step::Kept(_)) {
            edge.application.go.notify_one();
        }
        steps.lock().unwrap().push(step);
    };
    let terms = terms();
    let switched = async {
        while edge.application.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        edge.deployer.switch(at(&new), &terms, &tell).await
    };
    let (waited, switched) = tokio::join!(waiting, switched);
    assert_eq!(status(&waited), 200);
    assert!(matches!(switched.unwrap(), Outcome::Switched { left: 0, .. }));
    let health = new.seen().len();
    assert_eq!(status(&edge.ask("GET", "/page", SIGNED_IN).await), 200);
    assert_eq!((edge.application.seen().len(), new.seen().len()), (1, health + 1));
    assert!(steps.lock().unwrap().contains(&Step::Asked(Ok(200), 3)));
    assert_eq!(edge.deployer.current(), Some(at(&new)));
    let again = edge.deployer.switch(at(&new), &terms, &|_| {}).await;
    assert!(matches!(again, Err(GatewayError::SameRelease(_))));
}

/// One at a time; and where nobody listens, nothing changes.
#[tokio::test]
async fn a_release_that_does_not_answer_is_not_taken() {
    let edge = Edge::start().await;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let nobody: Upstream = format!("http://{nobody}").parse().unwrap();
    let mut terms = terms();
    terms.healthy_within = Duration::from_millis(400);
    let (first, second) = tokio::join!(
        edge.deployer.switch(nobody.clone(), &terms, &|_| {}),
        edge.deployer.switch(nobody.clone(), &terms, &|_| {}),
    );
    assert!(
        matches!(first.unwrap(), Outcome::Unhealthy { why } if why == "it refused the connection")
    );
    assert!(matches!(second, Err(GatewayError::Switching)));
    assert_eq!(edge.deployer.current(), Some(at(&edge.application)));
    for (path, watch) in [("health", 1), ("/a b", 1), ("/", 3601)] {
        assert!(SwitchTerms::new(path, Duration::from_secs(watch)).is_err(), "{path} {watch}");
    }
}

/// The proof holds, and its bite finds each careless switch.
#[tokio::test(flavor = "multi_thread")]
async fn the_proof_holds_and_bites() {
    let target = Target {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        authority: "none".into(),
        own: super::Pages.paths(),
        upstream_paths: Vec::new(),
        session: None,
        names: Vec::new(),
        certificates: Vec::new(),
        clear: None,
        limits: None,
        bait: None,
        attack: AttackMode::Auto,
    };
    let control = controls(target).into_iter().find(|c| c.card().id == "deploy.zero-downtime");
    let control = control.unwrap();
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let promise = catalogue::find("deploy.zero-downtime").unwrap();
    let params = Params::check(promise, []).unwrap();
    let proof = control.prove(&cx, &params).await;
    assert_eq!(proof.outcome(), Proven::Holds, "{} {:#?}", proof.detail(), proof.findings());
    let bite = control.bite(&cx).await;
    assert_eq!(bite.outcome(), Proven::Broken, "{} {:#?}", bite.detail(), bite.findings());
    assert_eq!(bite.findings().len(), 6);
}
