//! A gateway for bites about limits and bait: the same code on a free port of loopback, with pages of
//! ours that count wrong passwords, or do not, and nothing behind it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use kernel::{Cx, Fut, Identity, SessionToken};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::FormSender;
use super::scratch::{ScratchBinder, ScratchSessions, somebody};
use super::visitors::Visitors;
use crate::{Gateway, LocalAuthority, Own, OwnPath, Ports, Settings};

/// The header in which a scratch form names its account.
const EMAIL: &str = "x-email";

/// A running gateway that ends when it is dropped.
pub(super) struct Stand {
    pub(super) visitors: Arc<Visitors>,
    /// A session that lives.
    pub(super) token: SessionToken,
    task: JoinHandle<()>,
}

impl Stand {
    /// Starts one, whose pages look at `wrong` passwords of one account before they refuse.
    pub(super) async fn start(
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        wrong: u32,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Self, String> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Nobody listens there any more: what reaches the application is answered 502.
        let nobody = TcpListener::bind(free).await.and_then(|l| l.local_addr()).map_err(text)?;
        let mut settings = Settings::new(free);
        settings.upstream = Some(format!("http://{nobody}").parse().map_err(text)?);
        change(&mut settings);
        let (token, identity) = somebody(cx)?;
        let holders = vec![(token.clone(), identity)];
        let ports = Ports {
            own: Arc::new(Pages { wrong, tried: Mutex::default() }),
            sessions: Arc::new(ScratchSessions { holders }),
            credentials: Some(Arc::new(NoCredentials)),
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

impl Drop for Stand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Knows no token.
struct NoCredentials;

impl kernel::Credentials for NoCredentials {
    fn bearer<'a>(
        &'a self,
        _bearer: &'a kernel::Secret,
    ) -> Fut<'a, Result<Option<Arc<Identity>>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn assertion(&self, _identity: &Arc<Identity>) -> Option<kernel::Secret> {
        None
    }
}

/// Every password is wrong.
struct Pages {
    wrong: u32,
    tried: Mutex<HashMap<String, u32>>,
}

impl Own for Pages {
    fn handle(
        &self,
        request: Request<Bytes>,
        _identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<Bytes>> {
        let email = request.headers().get(EMAIL).and_then(|line| line.to_str().ok());
        let status = if let Some(email) = email {
            let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            let tried = tried.entry(email.to_owned()).or_default();
            *tried += 1;
            if *tried > self.wrong { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::FORBIDDEN }
        } else {
            StatusCode::OK
        };
        let mut answer = Response::new(Bytes::from_static(b"scratch"));
        *answer.status_mut() = status;
        Box::pin(async { answer })
    }

    fn paths(&self) -> Vec<OwnPath> {
        Vec::new()
    }
}

/// Sends forms that need no token.
pub(super) struct PlainForms(pub(super) Arc<Visitors>);

impl FormSender for PlainForms {
    fn sign_in<'a>(&'a self, from: Ipv4Addr, email: &'a str) -> Fut<'a, Result<u16, String>> {
        Box::pin(async move {
            let lines = format!("{EMAIL}: {email}\r\n");
            Ok(self.0.ask(from, "POST", "/_amanah/sign-in", &lines).await?.status)
        })
    }

    fn reset<'a>(&'a self, from: Ipv4Addr, _email: &'a str) -> Fut<'a, Result<u16, String>> {
        Box::pin(async move { Ok(self.0.ask(from, "POST", "/_amanah/reset", "").await?.status) })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
