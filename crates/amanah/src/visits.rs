//! Asks the running gateway many times, as browsers do, for the proofs about sessions.

use std::convert::Infallible;

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderValue, ORIGIN};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use identity::{Asked, EdgeProbe, Seen};
use kernel::{Fut, TenantId};
use tokio::sync::{Mutex, oneshot};

use crate::probe::{ANSWER, Connection, Edge, MAX_PAGE_BYTES, NAME, connect};

/// The running gateway for whoever asks it many times, on connections that stay open.
pub(crate) struct Visits {
    edge: Edge,
    own: Vec<(String, String)>,
    upstream: Vec<String>,
    tenant: Option<TenantId>,
    idle: Mutex<Vec<Connection>>,
}

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

    /// A form in two halves, on a connection of its own.
    async fn visit_held(
        &self,
        asked: Asked<'_>,
        meanwhile: Fut<'_, Result<(), String>>,
    ) -> anyhow::Result<Seen> {
        let form = asked.form.unwrap_or_default();
        let (first, second) = form.split_at(form.len() / 2);
        let (first, second) = (Bytes::from(first.to_owned()), Bytes::from(second.to_owned()));
        let (go, wait) = oneshot::channel::<()>();
        let later = async move {
            // It comes when the sender is dropped, as an error.
            let _ = wait.await;
            Ok::<_, Infallible>(Frame::data(second))
        };
        let halves = stream::once(async { Ok(Frame::data(first)) }).chain(stream::once(later));
        let request = self.request(asked).header(CONTENT_LENGTH, form.len());
        let request = request.body(StreamBody::new(halves))?;
        let mut connection = connect(self.edge.address, &self.edge.authority.pem()?).await?;
        let answer = connection.send_request(request);
        let between = async move {
            let between = meanwhile.await;
            drop(go);
            between.map_err(anyhow::Error::msg)
        };
        // Together: nothing is sent that is not waited for.
        let (answer, between) = futures_util::future::join(answer, between).await;
        between?;
        seen(answer?).await
    }

    fn request(&self, asked: Asked<'_>) -> http::request::Builder {
        let place = format!("{NAME}:{}", self.edge.address.port());
        let mut request = Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .header(HOST, &place)
            .header(ACCEPT, "text/html");
        if !asked.cookies.is_empty() {
            request = request.header(COOKIE, asked.cookies);
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
