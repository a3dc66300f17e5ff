//! A gateway on loopback with one thread, whose pages are expensive, slow or quick.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use kernel::{Cx, Fut, Identity, SessionToken};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::scratch::{ScratchBinder, ScratchSessions, somebody};
use super::super::visitors::Visitors;
use crate::{
    AttackSettings, Gateway, LimitSettings, LocalAuthority, Own, OwnPath, Ports, Settings,
};

/// A page that takes the thread for as long as one that is drawn from much.
pub(super) const EXPENSIVE: &str = "/trust";
/// A page that waits for something, and leaves the thread to others meanwhile.
pub(super) const SLOW: &str = "/trust/slow";
/// A page that costs next to nothing.
pub(super) const QUICK: &str = "/_amanah/account";
/// What they take.
const COSTS: Duration = Duration::from_millis(2);
pub(super) const WAITS: Duration = Duration::from_millis(700);

/// A running gateway that ends when it is dropped.
pub(super) struct Field {
    pub(super) visitors: Arc<Visitors>,
    /// A session that lives.
    pub(super) token: SessionToken,
    task: JoinHandle<()>,
}

impl Field {
    pub(super) async fn open(
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        attack: AttackSettings,
    ) -> Result<Self, String> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Nobody listens there any more: this is not about the application.
        let nobody = TcpListener::bind(free).await.and_then(|l| l.local_addr()).map_err(text)?;
        let upstream = Some(format!("http://{nobody}").parse().map_err(text)?);
        // No limit of an address may do the work of what is proven here.
        let limits = LimitSettings::ample();
        let settings = Settings { upstream, limits, attack, workers: 1, ..Settings::new(free) };
        let (token, identity) = somebody(cx)?;
        let ports = Ports {
            own: Arc::new(Pages),
            sessions: Arc::new(ScratchSessions { holders: vec![(token.clone(), identity)] }),
            credentials: None,
            gatekeeper: None,
            binder: Arc::new(ScratchBinder),
            rng: Arc::clone(&cx.rng),
        };
        let gateway = Gateway::bind(settings, ports, Arc::clone(authority)).await.map_err(text)?;
        let visitors = Visitors::new(gateway.local_addr(), authority.pem().as_bytes())?;
        let task = tokio::spawn(gateway.run(std::future::pending()));
        Ok(Self { visitors: Arc::new(visitors), token, task })
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Pages;

impl Own for Pages {
    fn handle(
        &self,
        request: Request<Bytes>,
        _identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<Bytes>> {
        Box::pin(async move {
            match request.uri().path() {
                EXPENSIVE => work(),
                SLOW => sleep(WAITS).await,
                _ => {}
            }
            Response::new(Bytes::from_static(b"scratch"))
        })
    }

    fn paths(&self) -> Vec<OwnPath> {
        Vec::new()
    }
}

/// Takes the thread, as drawing a page does.
fn work() {
    let begun = Instant::now();
    while begun.elapsed() < COSTS {
        std::hint::spin_loop();
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
