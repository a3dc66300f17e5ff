//! Asks the running gateway many times, as browsers do, for the proofs about sessions.

use std::convert::Infallible;
use std::pin::pin;

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderValue, ORIGIN,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use identity::{Asked, EdgeProbe, Seen};
use kernel::{Fut, TenantId};
use tokio::sync::{Mutex, oneshot, watch};

use crate::probe::{ANSWER, Connection, Edge, MAX_PAGE_BYTES, NAME, SIGN_IN, connect};

/// The running gateway for whoever asks it many times, on connections that stay open.
pub(crate) struct Visits {
    edge: Edge,
    own: Vec<(String, String)>,
    upstream: Vec<String>,
    tenant: Option<TenantId>,
    idle: Mutex<Vec<Connection>>,
}

/// A body that comes in two halves.
type Halves = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// How many connections stay open between two requests.
const MAX_IDLE: usize = 8;

impl Visits {
    /// The gateway with its own routes, paths of the application, and the tenant of whoever reads them.
    pub(crate) fn new(
        edge: Edge,
        own: Vec<(String, String)>,
        upstream: Vec<String>,
        tenant: Option<TenantId>,
    ) -> Self {
        Self { edge, own, upstream, tenant, idle: Mutex::default() }
    }

    async fn visit(&self, asked: Asked<'_>) -> anyhow::Result<Seen> {
        let kept = self.idle.lock().await.pop();
        let mut connection = match kept {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.edge.connect().await?,
        };
        let body = asked.form.unwrap_or_default().to_owned();
        connection.ready().await?;
        let request = self.request(asked).body(Full::from(body))?;
        let seen = seen(connection.send_request(request).await?).await?;
        let mut idle = self.idle.lock().await;
        if idle.len() < MAX_IDLE && !connection.is_closed() {
            idle.push(connection);
        }
        Ok(seen)
    }

    /// A form whose body is held back, on a connection of its own.
    async fn visit_held(
        &self,
        asked: Asked<'_>,
        meanwhile: Fut<'_, Result<(), String>>,
    ) -> anyhow::Result<Seen> {
        let connection = connect(self.edge.address, &self.edge.authority.pem()?).await?;
        let form = asked.form.unwrap_or_default();
        held_back(connection, self.request(asked), form, meanwhile).await
    }

    fn request(&self, asked: Asked<'_>) -> http::request::Builder {
        let place = format!("{NAME}:{}", self.edge.address.port());
        let mut request = Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .header(HOST, &place)
            .header(ACCEPT, "text/html");
        let shows = asked.form.is_some() && asked.path == SIGN_IN;
        let cookies =
            if shows { self.edge.as_proof(asked.cookies) } else { asked.cookies.to_owned() };
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        if asked.form.is_some() {
            request = request
                .header(ORIGIN, format!("https://{place}"))
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request
    }

    fn told(&self, asked: Asked<'_>, error: &anyhow::Error) -> String {
        format!(
            "the gateway at https://{} does not answer {} ({error:#}); is `amanah up` running?",
            self.edge.address, asked.path
        )
    }
}

/// Why an answer that comes too early says nothing.
const EARLY: &str = "it was answered before its whole body had come, and so is no answer to what came after its head";

/// Sends a head that asks to be told when its body is wanted, and half of the body when it is. From then on the
/// gateway has read the head and decided what it decides by that alone: `meanwhile` begins only then, and the rest
/// of the body follows it.
async fn held_back(
    mut connection: SendRequest<Halves>,
    head: http::request::Builder,
    form: &str,
    meanwhile: Fut<'_, Result<(), String>>,
) -> anyhow::Result<Seen> {
    let (first, second) = form.split_at(form.len() / 2);
    let ((tell, told), (go, wait)) = (watch::channel(false), oneshot::channel::<()>());
    let (first, second) = (Bytes::from(first.to_owned()), Bytes::from(second.to_owned()));
    let mut wanted = told.clone();
    let first = async move {
        // Both come as errors when whoever would say so is gone.
        let _ = wanted.wait_for(|wanted| *wanted).await;
        Ok(Frame::data(first))
    };
    let second = async move {
        let _ = wait.await;
        Ok(Frame::data(second))
    };
    let halves: Halves = StreamBody::new(stream::once(first).chain(stream::once(second)).boxed());
    let head = head.header(CONTENT_LENGTH, form.len()).header(EXPECT, "100-continue");
    let mut request = head.body(halves)?;
    hyper::ext::on_informational(&mut request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            tell.send_replace(true);
        }
    });
    let mut told = told;
    let mut answer = pin!(connection.send_request(request));
    let between = async move {
        if told.wait_for(|wanted| *wanted).await.is_err() {
            // The connection is over: the answer, or its error, says why.
            return std::future::pending().await;
        }
        meanwhile.await.map_err(anyhow::Error::msg)
    };
    // Nothing is sent that is not waited for.
    tokio::select! {
        biased;
        early = &mut answer => {
            early?;
            return Err(anyhow!(EARLY));
        }
        done = between => done?,
    }
    drop(go);
    seen(answer.await?).await
}

/// The whole answer.
async fn seen(answer: Response<Incoming>) -> anyhow::Result<Seen> {
    let status = answer.status().as_u16();
    let shown = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), shown(value))).collect();
    let body = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect().await;
    let body = body.map_err(|e| anyhow!("the answer broke off: {e}"))?.to_bytes();
    Ok(Seen { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

impl EdgeProbe for Visits {
    fn ask<'a>(&'a self, asked: Asked<'a>) -> Fut<'a, Result<Seen, String>> {
        Box::pin(async move {
            let mut answer = Err(anyhow!("not asked"));
            // A connection that was kept may have been closed in the same moment.
            for _ in 0..2 {
                let visit = tokio::time::timeout(ANSWER, self.visit(asked)).await;
                answer = visit.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
                if answer.is_ok() || asked.method != "GET" {
                    break;
                }
            }
            answer.map_err(|error| self.told(asked, &error))
        })
    }

    fn held<'a>(
        &'a self,
        asked: Asked<'a>,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<Seen, String>> {
        Box::pin(async move {
            let visit = tokio::time::timeout(ANSWER, self.visit_held(asked, meanwhile)).await;
            let answer = visit.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
            answer.map_err(|error| self.told(asked, &error))
        })
    }

    fn own(&self) -> Vec<(String, String)> {
        self.own.clone()
    }

    fn upstream(&self) -> Vec<String> {
        self.upstream.clone()
    }

    fn tenant(&self) -> Option<TenantId> {
        self.tenant.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use hyper::client::conn::http1::handshake;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const AWAY: &str = "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n";
    const GONE: &str = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";

    /// Reads until what came holds `end`.
    async fn until(server: &mut DuplexStream, end: &str) -> String {
        let mut all = String::new();
        while !all.contains(end) {
            let mut part = [0; 512];
            let read = server.read(&mut part).await.unwrap();
            assert_ne!(read, 0, "ended before {end:?}: {all}");
            all.push_str(std::str::from_utf8(&part[..read]).unwrap());
        }
        all
    }

    /// A form of eight letters; `before` is answered to its head. Whether something was done meanwhile, and
    /// what came of it.
    async fn ask(before: &'static str) -> (bool, anyhow::Result<Seen>) {
        let (client, mut server) = tokio::io::duplex(4096);
        let (send, connection) = handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        let done = Arc::new(AtomicBool::new(false));
        let begun = Arc::<AtomicBool>::clone(&done);
        let serving = async {
            let head = until(&mut server, "\r\n\r\n").await;
            assert!(head.contains("expect: 100-continue"), "{head}");
            assert!(!done.load(Ordering::Acquire), "before the head was answered");
            server.write_all(before.as_bytes()).await.unwrap();
            if before == CONTINUE {
                until(&mut server, "efgh").await;
                assert!(done.load(Ordering::Acquire), "the body came first");
                server.write_all(AWAY.as_bytes()).await.unwrap();
            }
        };
        let head = Request::builder().method("POST").uri("/");
        let meanwhile = Box::pin(async move {
            begun.store(true, Ordering::Release);
            Ok(())
        });
        let (seen, ()) = tokio::join!(held_back(send, head, "abcdefgh", meanwhile), serving);
        (done.load(Ordering::Acquire), seen)
    }

    #[tokio::test]
    async fn what_happens_meanwhile_begins_when_the_body_is_asked_for() {
        let (done, seen) = ask(CONTINUE).await;
        assert_eq!((done, seen.unwrap().status), (true, 303));
        for early in [AWAY, GONE] {
            let (done, seen) = ask(early).await;
            assert!(!done && seen.unwrap_err().to_string().contains("before its whole body"));
        }
    }
}
