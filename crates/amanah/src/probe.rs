//! Asks the running gateway as a browser does, for the proofs that sign in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use console::PROOF_COOKIE;
use gateway::controls::ProbeSession;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, COOKIE, DATE, HOST, HeaderName, ORIGIN, SET_COOKIE,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use identity::{Answer, Attempt, FormProbe, Identities, Sent, SignInProbe, SignedIn};
use kernel::{Fut, Secret, SessionToken};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// How long one answer may take; a sign-in waits for its turn to be hashed.
pub(crate) const ANSWER: Duration = Duration::from_secs(20);
/// A page of ours is never larger, in bytes.
pub(crate) const MAX_PAGE_BYTES: usize = 1 << 20;
/// The name in every certificate of ours.
pub(crate) const NAME: &str = "localhost";
pub(crate) const SIGN_IN: &str = "/_amanah/sign-in";
pub(crate) const RESET: &str = "/_amanah/reset";
/// Where links of letters lead, with the cookie that a browser keeps their token in.
pub(crate) const NEW_PASSWORD: (&str, &str) = ("/_amanah/reset/new", "__Host-amanah-reset");
pub(crate) const INVITED: (&str, &str) = ("/_amanah/invitation", "__Host-amanah-invitation");

/// The running gateway, seen from outside.
pub(crate) struct Edge {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The certificate authority that is trusted.
    pub(crate) authority: Authority,
    /// What is shown to its limits, where it has any for whoever asks here.
    pub(crate) proof: Option<Secret>,
}

/// A certificate authority.
#[derive(Clone)]
pub(crate) enum Authority {
    /// In a PEM file, which is read whenever it is needed: it need not exist before the gateway has
    /// started once.
    File(PathBuf),
    /// The PEM text itself.
    Text(String),
}

impl Authority {
    /// Its PEM text.
    pub(crate) fn pem(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::File(file) => std::fs::read(file)
                .context("the certificate authority is not there; start the gateway: amanah up"),
            Self::Text(text) => Ok(text.clone().into_bytes()),
        }
    }
}

/// A form that was fetched and can be sent: the cookie and the token that belong together.
struct Form {
    cookie: String,
    token: String,
}

/// A connection that can be asked.
pub(crate) type Connection = SendRequest<Full<bytes::Bytes>>;

/// Connects to the gateway at `address`, and trusts the authority with this PEM text alone.
pub(crate) async fn connect<B>(
    mut address: SocketAddr,
    authority: &[u8],
) -> anyhow::Result<SendRequest<B>>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    agreed(TcpStream::connect(address).await?, authority).await
}

/// As [`connect`], from another address of this machine.
pub(crate) async fn connect_from(
    from: Ipv4Addr,
    mut address: SocketAddr,
    authority: &[u8],
) -> anyhow::Result<Connection> {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    agreed(socket.connect(address).await?, authority).await
}

async fn agreed<B>(stream: TcpStream, authority: &[u8]) -> anyhow::Result<SendRequest<B>>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let config = gateway::client_config(authority)?;
    let name = rustls_pki_types::ServerName::try_from(NAME)?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let (send, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the last request; its error is also the request's.
    tokio::spawn(async move { drop(connection.await) });
    Ok(send)
}

impl Edge {
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        connect(self.address, &self.authority.pem()?).await
    }

    pub(crate) fn request_at(&self, method: Method, path: &str) -> http::request::Builder {
        let port = self.address.port();
        let builder = Request::builder().method(method).uri(path);
        builder.header(HOST, format!("{NAME}:{port}"))
    }

    /// The line of cookies of a form that goes to a page of ours, with what its limits know a proof by.
    pub(crate) fn as_proof(&self, cookies: &str) -> String {
        match &self.proof {
            Some(proof) if cookies.is_empty() => format!("{PROOF_COOKIE}={}", proof.expose()),
            Some(proof) => format!("{cookies}; {PROOF_COOKIE}={}", proof.expose()),
            None => cookies.to_owned(),
        }
    }

    /// The token of forms, from the page at `path`.
    async fn form(&self, connection: &mut Connection, path: &str) -> anyhow::Result<Form> {
        let request = self.request_at(Method::GET, path).body(Full::default())?;
        let answer = connection.send_request(request).await?;
        let cookies = answer.headers().get_all(SET_COOKIE).iter();
        let mut pairs =
            cookies.filter_map(|c| Some(c.to_str().ok()?.split(';').next()?.to_owned()));
        let cookie = pairs.next().with_context(|| format!("the page {path} set no cookie"))?;
        let page = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect().await;
        let page = page.map_err(|e| anyhow!("the page {path} broke off: {e}"))?.to_bytes();
        let page = String::from_utf8_lossy(&page).into_owned();
        let after = page.split_once("name=\"token\" value=\"").map(|(_, after)| after);
        let token = after.and_then(|after| after.split('"').next());
        let token = token.with_context(|| format!("the page {path} has no token"))?.to_owned();
        Ok(Form { cookie, token })
    }

    /// Sends a form to `path`, with the token of the page at `page` and `kept` beside its cookie, and
    /// returns the answer, its body, the time it took and that token.
    async fn post(
        &self,
        at: (&str, &str),
        kept: Option<String>,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<(http::response::Parts, bytes::Bytes, Duration, String)> {
        self.post_over(self.connect().await?, at, kept, fields).await
    }

    /// As [`Edge::post`], over a connection that is open already.
    pub(crate) async fn post_over(
        &self,
        mut connection: Connection,
        (page, path): (&str, &str),
        kept: Option<String>,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<(http::response::Parts, bytes::Bytes, Duration, String)> {
        let form = self.form(&mut connection, page).await?;
        let cookies = [Some(form.cookie), kept].into_iter().flatten().collect::<Vec<_>>();
        let token = ("token", form.token.as_str());
        let fields: Vec<String> = std::iter::once(&token)
            .chain(fields)
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let port = self.address.port();
        let request = self
            .request_at(Method::POST, path)
            .header(COOKIE, self.as_proof(&cookies.join("; ")))
            .header(ORIGIN, format!("https://{NAME}:{port}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(fields.join("&")))?;
        connection.ready().await?;
        let start = Instant::now();
        let answer = connection.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_PAGE_BYTES).collect().await;
        let body = body.map_err(|e| anyhow!("the answer broke off: {e}"))?.to_bytes();
        Ok((parts, body, start.elapsed(), form.token))
    }

    async fn sign_in(&self, email: &str, password: &Secret) -> anyhow::Result<Attempt> {
        let fields = [("next", "/"), ("email", email), ("password", password.expose())];
        let (parts, body, took, _) = self.post((SIGN_IN, SIGN_IN), None, &fields).await?;
        // A sign-in that was looked at and refused comes back with its form.
        let form = b"name=\"token\"";
        if parts.status == StatusCode::FORBIDDEN && !body.windows(form.len()).any(|w| w == form) {
            return Err(anyhow!("the gateway took the sign-in for one from another site"));
        }
        Ok(Attempt { status: parts.status.as_u16(), body_len: body.len(), took })
    }

    async fn send_form(&self, form: identity::Form, sent: &Sent) -> anyhow::Result<Answer> {
        // The page of a link that is not good has no form: the token of another page does.
        let (page, path, link) = match form {
            identity::Form::Reset => (RESET, RESET, None),
            identity::Form::SignIn => (SIGN_IN, SIGN_IN, None),
            identity::Form::NewPassword => (RESET, NEW_PASSWORD.0, Some(NEW_PASSWORD.1)),
            identity::Form::Invitation => (RESET, INVITED.0, Some(INVITED.1)),
        };
        let kept = link.zip(sent.link.as_ref()).map(|(cookie, token)| format!("{cookie}={token}"));
        // As the form would hold it, were the link good.
        let shown = link
            .and(sent.link.as_ref())
            .map(|token| console::form_of_link(&SessionToken(Secret::new(token.clone()))));
        let mut fields: Vec<(&str, &str)> =
            sent.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend(shown.as_deref().map(|shown| ("link", shown)));
        let (parts, body, took, token) = self.post((page, path), kept, &fields).await?;
        if parts.status == StatusCode::NOT_FOUND {
            return Err(anyhow!("there is no {path}"));
        }
        let typed = fields.iter().find(|(name, _)| *name == "email").map(|(_, value)| *value);
        let headers = parts.headers.iter().filter(|(name, _)| !each_time(name));
        let mut headers: Vec<(String, String)> = headers
            .map(|(name, value)| {
                (name.to_string(), without_nonce(&String::from_utf8_lossy(value.as_bytes())))
            })
            .collect();
        headers.sort();
        let mut body = String::from_utf8_lossy(&body).replace(&token, "TOKEN");
        if let Some(shown) = &shown {
            body = body.replace(shown.as_str(), "LINK");
        }
        if let Some(typed) = typed.filter(|typed| !typed.is_empty()) {
            body = body.replace(typed.trim(), "TYPED");
        }
        Ok(Answer { status: parts.status.as_u16(), headers, body: body.into_bytes(), took })
    }
}

/// The value of a header without the nonce in it, which is another one each time.
fn without_nonce(value: &str) -> String {
    let around = value.split_once("'nonce-");
    match around.and_then(|(before, rest)| Some((before, rest.split_once('\'')?.1))) {
        Some((before, after)) => format!("{before}NONCE{after}"),
        None => value.to_owned(),
    }
}

/// What is different in each answer, whatever was asked. The length is that of the body, which is
/// compared itself.
fn each_time(name: &HeaderName) -> bool {
    *name == DATE || *name == CONTENT_LENGTH || name == "x-request-id"
}

impl FormProbe for Edge {
    fn send<'a>(&'a self, form: identity::Form, sent: &'a Sent) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async move {
            let answer = tokio::time::timeout(ANSWER, self.send_form(form, sent)).await;
            let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
            answer.map_err(|error| {
                format!(
                    "the gateway at https://{} does not answer ({error:#}); is `amanah up` running?",
                    self.address
                )
            })
        })
    }
}

impl SignInProbe for Edge {
    fn attempt<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Attempt, String>> {
        Box::pin(async move {
            let answer = tokio::time::timeout(ANSWER, self.sign_in(email, password)).await;
            let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
            answer.map_err(|error| {
                format!(
                    "the gateway at https://{} does not sign in ({error:#}); is `amanah up` running?",
                    self.address
                )
            })
        })
    }
}

/// A session of the canary, opened when it is first asked for and again when it has ended.
pub(crate) struct CanarySession {
    identities: Arc<Identities>,
    email: String,
    password: Secret,
    open: Mutex<Option<SessionToken>>,
}

impl CanarySession {
    /// A canary that signs in with this account.
    pub(crate) fn new(identities: Arc<Identities>, email: String, password: Secret) -> Self {
        Self { identities, email, password, open: Mutex::new(None) }
    }
}

impl ProbeSession for CanarySession {
    fn token(&self) -> Fut<'_, Option<SessionToken>> {
        Box::pin(async {
            use kernel::Sessions as _;
            let mut open = self.open.lock().await;
            if let Some(token) = open.as_ref()
                && self.identities.decide(token).await.is_ok_and(|holder| holder.is_some())
            {
                return Some(token.clone());
            }
            let fresh = self.identities.sign_in(&self.email, &self.password).await;
            let fresh =
                fresh.inspect_err(|error| tracing::warn!(%error, "the canary cannot sign in"));
            *open = fresh.ok().and_then(SignedIn::session);
            open.clone()
        })
    }
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encode(text: &str) -> String {
    kernel::percent(text, b"")
}
