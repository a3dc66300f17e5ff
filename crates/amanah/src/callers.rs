//! Asks a gateway as somebody of every role, for the proof that each action is authorised.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::Access;
use access::controls::{Answer, Caller, Door, STALE_AFTER, Scratch};
use anyhow::{Context, anyhow, bail};
use gateway::SESSION_COOKIE;
use gateway::controls::ScratchGateway;
use http::header::{ACCEPT, CONTENT_LENGTH, COOKIE, HOST, ORIGIN};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use identity::{Email, Identities, NewAccount, Opening};
use jiff::SignedDuration;
use kernel::{
    Actor, Cx, Fut, Gatekeeper, Identity, Secret, SessionToken, Standing, Strength, TenantId,
    random_hex,
};
use store::Db;
use tokio::sync::Mutex;

use crate::probe::{Connection, NAME, connect};
use crate::rights;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// More of an answer's body, in bytes, is not read: the connection is closed instead.
const MAX_BODY_BYTES: usize = 4 << 20;

/// The running gateway, and canaries of each role in one tenant.
pub(crate) struct RoleCanaries {
    pub(crate) identities: Arc<Identities>,
    pub(crate) access: Arc<Access>,
    /// The control database's owner, who alone may say that a proof is older than it is.
    pub(crate) owner: Db,
    pub(crate) cx: Cx,
    pub(crate) address: SocketAddr,
    /// The certificate authority's PEM file, read at each proof.
    pub(crate) authority: std::path::PathBuf,
    /// The synthetic tenants: where the canaries act, and whose the foreign one is.
    pub(crate) tenants: (TenantId, TenantId),
    /// The accounts that were made, by their address.
    pub(crate) known: Mutex<BTreeMap<String, String>>,
}

impl RoleCanaries {
    async fn ask_all(
        &self,
        caller: &Caller,
        requests: &[(String, String)],
    ) -> anyhow::Result<Vec<Answer>> {
        let token = match caller {
            Caller::Nobody => None,
            Caller::Role(role) => Some(self.session(role, &self.tenants.0, &[role]).await?),
            Caller::Foreign | Caller::Stale => {
                let (name, home) = match caller {
                    Caller::Foreign => ("foreign", &self.tenants.1),
                    _ => ("stale", &self.tenants.0),
                };
                let roles = self.access.roles(None).await?;
                let roles: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
                Some(self.session(name, home, &roles).await?)
            }
        };
        if let Some(token) = token.as_ref().filter(|_| *caller == Caller::Stale) {
            identity::age_proof(&self.owner, token, STALE_AFTER).await?;
        }
        let authority = std::fs::read(&self.authority)
            .context("the certificate authority is not there; start the gateway: amanah up")?;
        let asked = ask(self.address, &authority, token.as_ref(), requests).await;
        if let Some(token) = token {
            self.identities.sign_out(&token).await?;
        }
        asked
    }

    /// A session of the canary called `name`, which belongs to `home` and has `roles` where the
    /// canaries act.
    async fn session(
        &self,
        name: &str,
        home: &TenantId,
        roles: &[&str],
    ) -> anyhow::Result<SessionToken> {
        let email = Email::new(&format!("{name}.role@amanah.invalid"))?;
        let mut known = self.known.lock().await;
        let account = match known.get(email.as_str()) {
            Some(account) => account.clone(),
            None => self.account(&email, home).await?,
        };
        for role in roles {
            rights::ensure(&self.access, &account, &self.tenants.0, role).await?;
        }
        known.insert(email.as_str().to_owned(), account.clone());
        drop(known);
        let shown = Strength::Hardware;
        Ok(self.identities.open_session(&account, shown, Opening::default()).await?)
    }

    async fn account(&self, email: &Email, home: &TenantId) -> anyhow::Result<String> {
        if let Some((account, tenant)) = self.identities.account_of(email).await? {
            if tenant != *home {
                bail!("the canary {} belongs to another tenant", email.as_str());
            }
            return Ok(account);
        }
        // Nobody signs in with it, so that nobody needs to know it.
        let password = Secret::new(random_hex(&*self.cx.rng, 24)?);
        let account = NewAccount {
            email: email.clone(),
            name: "Canary".to_owned(),
            tenant: home.clone(),
            password,
        };
        Ok(self.identities.create_synthetic(&account).await?)
    }
}

impl Door for RoleCanaries {
    fn ask<'a>(
        &'a self,
        caller: &'a Caller,
        requests: &'a [(String, String)],
    ) -> Fut<'a, Result<Vec<Answer>, String>> {
        Box::pin(async move {
            self.ask_all(caller, requests).await.map_err(|error| format!("{error:#}"))
        })
    }
}

/// Starts gateways of the same code.
pub(crate) struct ScratchGateways(pub(crate) Cx);

struct ScratchDoor {
    gateway: ScratchGateway,
    tokens: BTreeMap<Caller, SessionToken>,
}

impl Scratch for ScratchGateways {
    fn start(
        &self,
        gatekeeper: Arc<dyn Gatekeeper>,
        callers: Vec<(Caller, Standing)>,
    ) -> Fut<'_, Result<Box<dyn Door>, String>> {
        Box::pin(async move {
            let (mut tokens, mut holders) = (BTreeMap::new(), Vec::new());
            for (caller, standing) in callers {
                let token = random_hex(&*self.0.rng, 16).map_err(|error| error.to_string())?;
                let token = SessionToken(Secret::new(token));
                let age = if caller == Caller::Stale { STALE_AFTER } else { SignedDuration::ZERO };
                holders.push((token.clone(), Arc::new(self.identity(standing, age)?)));
                tokens.insert(caller, token);
            }
            let gateway = ScratchGateway::start(&self.0, gatekeeper, holders).await?;
            Ok(Box::new(ScratchDoor { gateway, tokens }) as Box<dyn Door>)
        })
    }
}

impl ScratchGateways {
    fn identity(&self, standing: Standing, age: SignedDuration) -> Result<Identity, String> {
        Ok(Identity {
            account: "00000000-0000-4000-8000-000000000001".to_owned(),
            actor: Actor::new("scratch").map_err(|error| error.to_string())?,
            name: "Scratch".to_owned(),
            tenant: TenantId::new("scratch").map_err(|error| error.to_string())?,
            standing,
            strength: Strength::Hardware,
            authenticated_at: self.0.clock.now() - age,
            session: "00000000-0000-4000-8000-000000000002".to_owned(),
            door: kernel::Door::Browser,
        })
    }
}

impl Door for ScratchDoor {
    fn ask<'a>(
        &'a self,
        caller: &'a Caller,
        requests: &'a [(String, String)],
    ) -> Fut<'a, Result<Vec<Answer>, String>> {
        Box::pin(async move {
            let (address, authority) = (self.gateway.address, self.gateway.authority.as_bytes());
            let asked = ask(address, authority, self.tokens.get(caller), requests).await;
            asked.map_err(|error| format!("{error:#}"))
        })
    }
}

/// Asks for everything on as few connections as the gateway allows.
async fn ask(
    address: SocketAddr,
    authority: &[u8],
    token: Option<&SessionToken>,
    requests: &[(String, String)],
) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(requests.len());
    let mut connection: Option<Connection> = None;
    for (method, path) in requests {
        let asked = async {
            let mut kept = connection.take();
            let ready = match &mut kept {
                Some(at) => at.ready().await.is_ok(),
                None => false,
            };
            let mut at = match kept.filter(|_| ready) {
                Some(at) => at,
                None => connect(address, authority).await?,
            };
            let answer = at.send_request(request(address, token, method, path)?).await?;
            let said = said(&answer);
            // A body that is too long, or breaks off, ends the connection and not the proof.
            let whole = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await.is_ok();
            anyhow::Ok((said, whole.then_some(at)))
        };
        let answer = tokio::time::timeout(ANSWER, asked).await;
        let answer = answer.map_err(|_| anyhow!("no answer within {ANSWER:?}"))?;
        let (said, kept) = answer.with_context(|| format!("{method} {path}"))?;
        connection = kept;
        answers.push(said);
    }
    Ok(answers)
}

fn request(
    address: SocketAddr,
    token: Option<&SessionToken>,
    method: &str,
    path: &str,
) -> anyhow::Result<Request<Full<bytes::Bytes>>> {
    let host = format!("{NAME}:{}", address.port());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(ORIGIN, format!("https://{host}"))
        .header("sec-fetch-site", "same-origin")
        .header(ACCEPT, "application/json")
        .header(HOST, host);
    if let Some(token) = token {
        request = request.header(COOKIE, format!("{SESSION_COOKIE}={}", token.0.expose()));
    }
    if !matches!(method, "GET" | "HEAD" | "OPTIONS") {
        request = request.header(CONTENT_LENGTH, "0");
    }
    Ok(request.body(Full::default())?)
}

/// The gateway names each of its refusals to whoever reads no pages, and an application cannot set that header:
/// an answer without it is the application's, also where that leads to the sign-in by itself.
fn said<B>(answer: &Response<B>) -> Answer {
    let label = answer.headers().get(kernel::REFUSED_HEADER).and_then(|value| value.to_str().ok());
    label.map_or(Answer::LetThrough, |label| Answer::Refused(label.to_owned()))
}

#[cfg(test)]
mod tests {
    use access::controls::Answer;
    use http::Response;

    use super::said;

    /// An application that sends strangers to the sign-in page was reached all the same.
    #[test]
    fn only_the_gateways_own_word_is_a_refusal() {
        let answer = |name: &str, value: &str, status: u16| {
            said(&Response::builder().status(status).header(name, value).body(()).unwrap())
        };
        let away = answer("location", "/_amanah/sign-in?next=/", 303);
        assert_eq!(away, Answer::LetThrough);
        assert_eq!(answer("www-authenticate", "Bearer", 401), Answer::LetThrough);
        let refused = answer(kernel::REFUSED_HEADER, "denied", 403);
        assert_eq!(refused, Answer::Refused("denied".to_owned()));
    }
}
