//! Hands one room to another: each type here implements a port of one with the work of another.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use claims::{Engine, Page, Report};
use console::{Entered, LogHead, Scim};
use gateway::{AttackDesk, Certificates, Challenge, Metrics, Own, OwnPath, Payer};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use identity::{Identities, Mailroom, SignedIn};
use jiff::Timestamp;
use kernel::{Actor, Binder, Clock, Fut, Identity, Scope, Secret, SessionToken, TenantId};
use keys::Keys;
use store::Db;
use tenancy::TenantBinder;
use tower::ServiceExt;

use crate::bait::Pen;
use crate::sealing::Sealers;
use crate::shared_limits::Carried;
use crate::witnesses::Witnesses;

/// The console's pages, as the gateway asks for them.
#[derive(Default)]
pub(crate) struct OwnPages(OnceLock<Pages>);

struct Pages {
    router: Router,
    scim: Option<Scim>,
    clock: Arc<dyn Clock>,
}

impl OwnPages {
    /// Begins to answer. The gateway has its address before the pages are ready, since the proofs
    /// behind them ask the gateway.
    pub(crate) fn open(&self, state: console::State) {
        let (scim, clock) = (state.scim.clone(), Arc::clone(&state.clock));
        let router = console::router(state);
        // Only the first router counts; there is never a second.
        drop(self.0.set(Pages { router, scim, clock }));
    }
}

impl Own for OwnPages {
    fn handle(
        &self,
        request: Request<bytes::Bytes>,
        identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<bytes::Bytes>> {
        Box::pin(async move {
            let mut request = request.map(Body::from);
            if let Some(identity) = identity {
                request.extensions_mut().insert(identity);
            }
            let Some(Pages { router, .. }) = self.0.get() else {
                return plain(StatusCode::SERVICE_UNAVAILABLE);
            };
            // A router cannot fail: its error type has no value.
            let Ok(response) = router.clone().oneshot(request).await;
            collected(response).await
        })
    }

    fn admit<'a>(
        &'a self,
        head: &'a Parts,
        peer: IpAddr,
    ) -> Fut<'a, Result<Payer, Response<bytes::Bytes>>> {
        Box::pin(async move {
            let Some(Pages { scim, clock, .. }) = self.0.get() else {
                return Err(plain(StatusCode::SERVICE_UNAVAILABLE));
            };
            let judge = (scim.as_ref(), &**clock);
            match console::judge_directory(judge, &head.headers, peer).await {
                Ok(who) => {
                    let tenant = who.tenant().to_string();
                    Ok(Payer { token: who.token().to_owned(), tenant })
                }
                Err(answer) => Err(collected(answer).await),
            }
        })
    }

    fn challenge(&self, head: &Parts, challenge: &Challenge) -> Response<bytes::Bytes> {
        let Challenge { action, token, bits, wait, next, again } = challenge;
        let asked =
            console::Challenge { action, token, bits: *bits, wait: *wait, next, again: *again };
        console::challenge(&head.headers, &asked).map(bytes::Bytes::from)
    }

    fn paths(&self) -> Vec<OwnPath> {
        let routes = console::routes().into_iter();
        routes.map(|(method, path)| OwnPath { method, path }).collect()
    }
}

async fn collected(response: Response<Body>) -> Response<bytes::Bytes> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => {
            tracing::error!(%error, "a page broke off");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn plain(status: StatusCode) -> Response<bytes::Bytes> {
    let mut response = Response::new(bytes::Bytes::from(status.to_string()));
    *response.status_mut() = status;
    response
}

/// The pages and their evidence, as the console asks for them.
pub(crate) struct Trust {
    pub(crate) engine: Engine,
    pub(crate) pages: Vec<Arc<Page>>,
    pub(crate) primary: Option<String>,
    pub(crate) witnesses: Arc<Witnesses>,
}

impl console::Trust for Trust {
    fn pages(&self) -> Vec<Arc<Page>> {
        self.pages.clone()
    }

    fn primary(&self) -> Option<String> {
        self.primary.clone()
    }

    fn report<'a>(
        &'a self,
        page: &'a str,
        at: Option<Timestamp>,
    ) -> Fut<'a, Result<Report, console::Error>> {
        Box::pin(async move {
            let page =
                self.pages.iter().find(|p| p.name == page).ok_or(console::Error::NotFound)?;
            self.engine
                .report(page, at)
                .await
                .map_err(|error| console::Error::Unavailable(error.to_string()))
        })
    }

    fn logs(&self) -> Vec<LogHead> {
        self.witnesses.heads()
    }

    fn checkpoint(&self, log: &str) -> Option<String> {
        self.witnesses.checkpoint(log)
    }
}

/// The accounts, as the console asks for them.
pub(crate) struct SignIn(pub(crate) Arc<Identities>);

impl console::SignIn for SignIn {
    fn sign_in<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Entered, console::Refusal>> {
        Box::pin(async move {
            let signed_in = self.0.sign_in(email, password).await;
            match signed_in.map_err(|error| match error {
                identity::Error::Refused => console::Refusal::Refused,
                identity::Error::Busy => console::Refusal::Busy,
                other => console::Refusal::Unavailable(other.to_string()),
            })? {
                SignedIn::Session(token) => Ok(Entered::Session(token)),
                SignedIn::Factor(step) | SignedIn::Enrol(step) => Ok(Entered::Step(step.0)),
            }
        })
    }

    fn sign_out<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<(), console::Error>> {
        Box::pin(async move {
            let ended = self.0.sign_out(token).await;
            ended.map_err(|error| console::Error::Unavailable(error.to_string()))
        })
    }
}

/// Health and measurements, as the console asks for them.
pub(crate) struct Vitals {
    pub(crate) db: Db,
    pub(crate) engine: Engine,
    pub(crate) pages: Vec<Arc<Page>>,
    pub(crate) gateway: Arc<Metrics>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) keys: Keys,
    pub(crate) seals: Arc<Sealers>,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) pen: Arc<Pen>,
    pub(crate) attack: AttackDesk,
    pub(crate) carried: Arc<Carried>,
}

impl console::Vitals for Vitals {
    fn healthy(&self) -> Fut<'_, bool> {
        Box::pin(async {
            let ask = async {
                let tx = self.db.operator().await?;
                tx.query_one("SELECT 1", &[]).await?;
                tx.rollback().await
            };
            let well: Result<(), store::Error> = ask.await;
            well.inspect_err(|error| tracing::warn!(%error, "the control database is not well"))
                .is_ok()
        })
    }

    fn metrics(&self) -> Fut<'_, String> {
        Box::pin(async {
            let Self { engine, pages, gateway, identities, keys, seals, witnesses, .. } = self;
            let (sessions, mut mail) =
                (identities.session_vitals(), mail_readings(&self.mailroom).await);
            let lost = "Requests for bait that were not written down";
            mail.extend(self.carried.readings());
            mail.push(("gateway_bait_lost_total", lost, self.pen.lost()));
            let on = "Whether strangers are shed, 1 or 0";
            mail.push(("gateway_under_attack", on, u64::from(self.attack.standing().on)));
            let lost = "Switches of under-attack mode that were not written down";
            mail.push(("gateway_attack_switches_lost_total", lost, self.pen.attacks.lost()));
            let trails = (&**seals, &**witnesses);
            let edge = (&**gateway, &*self.certificates, sessions);
            crate::metrics::text(engine, pages, edge, keys, trails, mail).await
        })
    }
}

/// What is measured about letters. Those that wait are not told while the database does not answer.
async fn mail_readings(mailroom: &Mailroom) -> Vec<(&'static str, &'static str, u64)> {
    let mut all = Vec::from(mailroom.readings());
    match mailroom.waiting().await {
        Ok(waiting) => {
            all.push(("mail_waiting", "Letters that wait", waiting.waiting));
            all.push(("mail_stuck", "Letters that wait after a try that failed", waiting.stuck));
        }
        Err(error) => tracing::warn!(%error, "it cannot be told how many letters wait"),
    }
    all
}

/// The binder of the database behind the gateway; without one there is nothing to bind to.
#[derive(Default)]
pub(crate) struct UpstreamBinder(ArcSwapOption<TenantBinder>);

impl UpstreamBinder {
    /// From now on it is another one, or none.
    pub(crate) fn change(&self, binder: Option<TenantBinder>) {
        self.0.store(binder.map(Arc::new));
    }
}

impl Binder for UpstreamBinder {
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        scope: Scope,
        until: Option<Timestamp>,
    ) -> Option<Secret> {
        self.0.load().as_ref()?.mint(tenant, actor, scope, until)
    }
}
