//! Goes through a sign-in with its second step as a browser does, for the proofs about second factors.

use std::sync::Arc;

use access::{Access, By, NewGrant};
use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use identity::{Assertion, CanaryRoles, FactorGuard, FactorProbe, Party, Reached};
use kernel::{Fut, Secret, TenantId};

use crate::installation::Installation;
use crate::probe::{ANSWER, Edge, MAX_PAGE_BYTES, NAME, SIGN_IN, encode};

/// The cookies of a session, of a step, and of forms.
const SESSION: &str = "__Host-amanah";
const STEP: &str = "__Host-amanah-step";
const FORM: &str = "__Host-amanah-csrf";
/// The pages.
const STEP_PAGE: &str = "/_amanah/step";
const STEP_ASK: &str = "/_amanah/step/ask";
const STEP_PASSKEY: &str = "/_amanah/step/passkey";
const ACCOUNT: &str = "/_amanah/account";
/// Who gives canaries their roles.
const GIVER: &str = "amanah (proof)";

/// What the claims about second factors attack; through the gateway, where one runs.
pub(crate) fn guard(installation: &Installation, edge: Option<Edge>) -> FactorGuard {
    FactorGuard {
        identities: Arc::clone(&installation.identities),
        owner: installation.ground.owner.clone(),
        programs: installation.ground.programs.clone(),
        probe: edge.map(|edge| Arc::new(edge) as Arc<dyn FactorProbe>),
        roles: Arc::new(Giver(Arc::clone(&installation.access))),
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    cookies: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn cookie(&self, name: &str) -> Option<&str> {
        let found = self.cookies.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The token of the page's form.
    fn token(&self) -> Option<&str> {
        let (_, after) = self.body.split_once("name=\"token\" value=\"")?;
        after.split('"').next()
    }

    /// What the answer to a form means.
    fn reached(&self, step: Option<&Secret>) -> anyhow::Result<Reached> {
        if let Some(session) = self.cookie(SESSION) {
            return Ok(Reached::Session(Secret::new(session.to_owned())));
        }
        if let Some(step) = self.cookie(STEP) {
            return Ok(Reached::Step(Secret::new(step.to_owned())));
        }
        match (self.status, step) {
            // The cookie of the step is kept, and its page has something else to ask.
            (StatusCode::SEE_OTHER, Some(step)) if self.cookies.is_empty() => {
                Ok(Reached::Step(step.clone()))
            }
            (StatusCode::SEE_OTHER | StatusCode::FORBIDDEN, _) => Ok(Reached::Refused),
            // The console says so on a page with a form; the gateway, that it has enough of us.
            (StatusCode::TOO_MANY_REQUESTS, Some(_)) if self.token().is_some() => {
                Ok(Reached::Refused)
            }
            (status, _) => {
                bail!("the sign-in answered {status}; look again when there is less load")
            }
        }
    }
}

/// A page that was fetched, whose form can be sent.
struct Page {
    cookies: String,
    token: String,
}

impl Edge {
    async fn fetch(
        &self,
        (method, path): (Method, &str),
        cookies: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut connection = self.connect().await?;
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mut request = self.request_at(method, path);
        let cookies = if fields.is_empty() { cookies.to_owned() } else { self.as_proof(cookies) };
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        if !fields.is_empty() {
            let port = self.address.port();
            request = request
                .header(ORIGIN, format!("https://{NAME}:{port}"))
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::from(fields.join("&")))?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let pair = |set: &http::HeaderValue| {
            let (name, rest) = set.to_str().ok()?.split_once('=')?;
            Some((name.to_owned(), rest.split(';').next()?.to_owned()))
        };
        let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(pair).collect();
        let body = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect().await;
        let body = body.map_err(|e| anyhow!("the answer broke off: {e}"))?.to_bytes();
        Ok(Answer { status, cookies, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// The page of a form; `None` when it leads elsewhere, since the step is over.
    async fn page(&self, path: &str, cookies: String) -> anyhow::Result<Option<Page>> {
        let answer = self.fetch((Method::GET, path), &cookies, &[]).await?;
        if answer.status == StatusCode::SEE_OTHER {
            return Ok(None);
        }
        let form = answer.cookie(FORM).context("the page set no cookie for its form")?;
        let token = answer.token().context("the page has no form")?.to_owned();
        let cookies = if cookies.is_empty() {
            format!("{FORM}={form}")
        } else {
            format!("{cookies}; {FORM}={form}")
        };
        Ok(Some(Page { cookies, token }))
    }

    /// The status of a page, for whoever comes with these cookies.
    pub(crate) async fn status(&self, path: &str, cookies: &str) -> anyhow::Result<StatusCode> {
        Ok(self.fetch((Method::GET, path), cookies, &[]).await?.status)
    }

    /// The status of a page, for a program that shows this token.
    pub(crate) async fn shown(&self, path: &str, token: &Secret) -> anyhow::Result<StatusCode> {
        let bearer = format!("Bearer {}", token.expose());
        let request = self.request_at(Method::GET, path).header(AUTHORIZATION, bearer);
        let request = request.body(Full::default())?;
        let asked = async {
            let mut connection = self.connect().await?;
            anyhow::Ok(connection.send_request(request).await?.status())
        };
        tokio::time::timeout(ANSWER, asked).await.map_err(|_| anyhow!("no answer in {ANSWER:?}"))?
    }

    /// Whether the page of a step is there, or leads back to the sign-in.
    async fn step_waits(&self, step: &Secret) -> anyhow::Result<bool> {
        match self.status(STEP_PAGE, &format!("{STEP}={}", step.expose())).await? {
            StatusCode::OK => Ok(true),
            StatusCode::SEE_OTHER => Ok(false),
            status => bail!("the page of a step answered {status}"),
        }
    }

    async fn send_password(&self, email: &str, password: &Secret) -> anyhow::Result<Reached> {
        let page =
            self.page(SIGN_IN, String::new()).await?.context("the sign-in leads elsewhere")?;
        let fields = [
            ("token", page.token.as_str()),
            ("next", "/"),
            ("email", email),
            ("password", password.expose()),
        ];
        self.fetch((Method::POST, SIGN_IN), &page.cookies, &fields).await?.reached(None)
    }

    /// Sends `fields` from the page of a step; `None` when the step is over.
    async fn send_step(
        &self,
        step: &Secret,
        path: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Option<Answer>> {
        let cookies = format!("{STEP}={}", step.expose());
        let Some(page) = self.page(STEP_PAGE, cookies).await? else { return Ok(None) };
        let mut all = vec![("token", page.token.as_str()), ("next", "/")];
        all.extend(fields);
        self.fetch((Method::POST, path), &page.cookies, &all).await.map(Some)
    }

    async fn send_code(&self, step: &Secret, code: &Secret) -> anyhow::Result<Reached> {
        let answer = self.send_step(step, STEP_PAGE, &[("code", code.expose())]).await?;
        answer.map_or(Ok(Reached::Refused), |answer| answer.reached(Some(step)))
    }

    async fn challenge(&self, step: &Secret) -> anyhow::Result<Vec<u8>> {
        let answer = self.send_step(step, STEP_ASK, &[]).await?.context("the step is over")?;
        let plain = answer.body.replace("&#34;", "\"").replace("&quot;", "\"");
        let after = plain.split_once("\"challenge\":\"").map(|(_, after)| after);
        let text = after.and_then(|after| after.split('"').next());
        let text = text.with_context(|| {
            format!("the page of the passkey has no challenge (status {})", answer.status)
        })?;
        Ok(URL_SAFE_NO_PAD.decode(text)?)
    }

    async fn send_passkey(&self, step: &Secret, answer: &Assertion) -> anyhow::Result<Reached> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (key, client_data) = (text(&answer.id), text(&answer.client_data));
        let (data, signature) = (text(&answer.data), text(&answer.signature));
        let fields = [
            ("key", key.as_str()),
            ("client_data", &client_data),
            ("data", &data),
            ("signature", &signature),
        ];
        let answer = self.send_step(step, STEP_PASSKEY, &fields).await?;
        answer.map_or(Ok(Reached::Refused), |answer| answer.reached(Some(step)))
    }

    async fn account_opens(&self, token: &Secret) -> anyhow::Result<bool> {
        let cookies = format!("{SESSION}={}", token.expose());
        let answer = self.fetch((Method::GET, ACCOUNT), &cookies, &[]).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::SEE_OTHER | StatusCode::UNAUTHORIZED => Ok(false),
            status => bail!("the page of an account answered {status}"),
        }
    }
}

/// Waits for an answer no longer than it may take, and says where it was asked.
async fn within<T>(
    edge: &Edge,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, String> {
    let answer = tokio::time::timeout(ANSWER, work).await;
    let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
    answer.map_err(|error| {
        format!("the gateway at https://{} could not be asked: {error:#}", edge.address)
    })
}

impl FactorProbe for Edge {
    fn party(&self) -> Option<Party> {
        Party::new(&format!("{NAME}:{}", self.address.port()), &[NAME.to_owned()])
    }

    fn password<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Reached, String>> {
        Box::pin(within(self, self.send_password(email, password)))
    }

    fn code<'a>(&'a self, step: &'a Secret, code: &'a Secret) -> Fut<'a, Result<Reached, String>> {
        Box::pin(within(self, self.send_code(step, code)))
    }

    fn waits<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(within(self, self.step_waits(step)))
    }

    fn ask<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<Vec<u8>, String>> {
        Box::pin(within(self, self.challenge(step)))
    }

    fn passkey<'a>(
        &'a self,
        step: &'a Secret,
        answer: &'a Assertion,
    ) -> Fut<'a, Result<Reached, String>> {
        Box::pin(within(self, self.send_passkey(step, answer)))
    }

    fn opens<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(within(self, self.account_opens(token)))
    }
}

/// Gives canaries their roles, as the operator of the installation.
struct Giver(Arc<Access>);

impl CanaryRoles for Giver {
    fn give<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            let by = By::operator(GIVER).map_err(|error| error.to_string())?;
            let new = NewGrant {
                account: account.to_owned(),
                tenant: tenant.clone(),
                role: role.to_owned(),
                reason: "a proof signs in with it, and takes it back".to_owned(),
                until: None,
            };
            // What a sign-in makes of it is what is looked at.
            self.0.grant_ahead(&by, &new).await.map(|_| ()).map_err(|error| error.to_string())
        })
    }

    fn take<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            let by = By::operator(GIVER).map_err(|error| error.to_string())?;
            let taken = self.0.revoke(&by, account, tenant, role).await;
            taken.map_err(|error| error.to_string())
        })
    }
}
