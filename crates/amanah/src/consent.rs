//! The vendor's support as its proof meets it: the running gateway with synthetic staff and
//! tenants, and houses beside it in which something is wrong.

mod departing;
mod rooms;
mod workshop;

use std::sync::Arc;
use std::time::Duration;

use access::Access;
use access::controls::{
    Asked, ConsentHouse, Denied, Done, Doorstep, Inside, LeavingHouse, People, Premises,
    ReviewHouse,
};
use anyhow::{anyhow, bail};
use directory::{Directory, MappingHoldings, TokenHoldings};
use gateway::SESSION_COOKIE;
use gateway::controls::Target;
use http::Method;
use http::header::{ACCEPT, COOKIE};
use http_body_util::{BodyExt, Full, Limited};
use identity::{
    Email, FactorBook, Identities, KeyHoldings, Letters, Mailroom, NewAccount, Opening,
};
use kernel::{
    Binder, Clock, Control, Cx, Fut, Holdings, Identity, Secret, SessionToken, Sessions as _,
    Strength, TenantId, hex, random_hex,
};
use store::Db;
use tenancy::Guarded;

use crate::config::Config;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::probe::{Authority, Edge};
use crate::{protection, reviews, rights};
use departing::{Porch, Sparer};
use workshop::Bench;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// More of an answer's body, in bytes, is not read.
const MAX_BODY_BYTES: usize = 4 << 20;
const REQUEST_ID: &str = "x-request-id";
/// A page of ours that only who is signed in sees; others are sent to sign in.
const ACCOUNT_PAGE: &str = "/_amanah/account";
/// The synthetic people: what stands before the reserved domain.
const STAFF: &str = "staff.support";
const COLLEAGUE: &str = "colleague.support";
const CHIEF: &str = "chief.support";
const STRANGER: &str = "stranger.support";

/// What accounts may do, over the control database.
pub(crate) fn rights(engine: &Db, config: &Config, cx: &Cx) -> anyhow::Result<Access> {
    let access = Access::new(engine.clone(), Arc::clone(&cx.clock)).with_staff(staff(config)?);
    Ok(access
        .with_holdings(holdings(engine, &cx.clock))
        .with_notices(Arc::new(Letters::new(Arc::clone(&cx.clock))))
        .with_enrolments(Arc::new(FactorBook::new(engine.clone()))))
}

/// What lets somebody act by something else than a role, in the control database `db` or a copy of it.
fn holdings(db: &Db, clock: &Arc<dyn Clock>) -> Vec<Arc<dyn Holdings>> {
    vec![
        Arc::new(KeyHoldings::new(db.clone(), Arc::clone(clock))),
        Arc::new(TokenHoldings::new(db.clone(), Arc::clone(clock))),
        Arc::new(MappingHoldings::new(db.clone(), Arc::clone(clock))),
    ]
}

fn staff(config: &Config) -> anyhow::Result<TenantId> {
    let staff = TenantId::new(&config.access.staff);
    staff.map_err(|error| Usage(format!("access.staff: {error}")).into())
}

/// The running gateway, as the proofs know it.
pub(crate) struct Door<'a> {
    pub(crate) target: &'a Target,
    /// Whether it runs.
    pub(crate) runs: bool,
}

/// The controls over the vendor's support, over off-boarding and over access reviews.
pub(crate) fn controls(
    house: &Installation,
    behind: Option<&Guarded>,
    at: &Door<'_>,
) -> anyhow::Result<[Arc<dyn Control>; 3]> {
    let protected = behind.map(|guarded| guarded.protected.clone());
    let bench = Arc::new(Bench::new(house, behind, staff(&house.config)?));
    let page = at.target.upstream_paths.first().filter(|_| at.runs);
    let here = |guarded: &Guarded, page: &str| Here {
        access: Arc::clone(&house.access),
        identities: Arc::clone(&house.identities),
        room: Arc::clone(&house.mailroom),
        directory: Arc::clone(&house.directory),
        binder: Arc::new(protection::binder(guarded, Arc::clone(&house.cx.clock))),
        door: Gate {
            edge: Arc::new(Edge {
                address: at.target.address,
                authority: Authority::File(at.target.authority.clone()),
                // It opens its sessions itself, and comes to no limit.
                proof: None,
            }),
            page: page.to_owned(),
        },
        tenants: guarded.protected.canaries.clone(),
        staff: bench.staff.clone(),
        cx: house.cx.clone(),
    };
    let premises = behind.zip(page).map(|(guarded, page)| here(guarded, page));
    let premises = premises.map(|here| Arc::new(here) as Arc<dyn Premises>);
    let doorstep = behind.filter(|_| at.runs).map(|guarded| {
        let here = Arc::new(here(guarded, ACCOUNT_PAGE));
        Arc::new(Porch { here, owner: house.ground.owner.clone() }) as Arc<dyn Doorstep>
    });
    let sparing = Arc::new(Sparer(Arc::clone(&bench)));
    let consent = ConsentHouse { premises, protected, workshop: bench };
    let leaving = LeavingHouse { doorstep, workshop: sparing };
    let canaries = behind.map(|guarded| guarded.protected.canaries.clone());
    let canaries = canaries.into_iter().flat_map(|(one, other)| [one, other]).collect();
    let reviews = ReviewHouse {
        access: Arc::clone(&house.access),
        owner: house.ground.owner.clone(),
        programs: house.ground.programs.clone(),
        canaries,
        attestations: Arc::new(reviews::ledger(house)?),
        holdings: {
            let clock = Arc::clone(&house.cx.clock);
            Arc::new(move |db: &Db| holdings(db, &clock))
        },
    };
    Ok([
        access::controls::support_consent(consent),
        access::controls::offboarding(leaving),
        access::controls::review(reviews),
    ])
}

/// Where a gateway is asked, and for what.
pub(crate) struct Gate {
    edge: Arc<Edge>,
    /// A page of the application.
    page: String,
}

/// A house with a gateway.
struct Here {
    access: Arc<Access>,
    identities: Arc<Identities>,
    room: Arc<Mailroom>,
    directory: Arc<Directory>,
    binder: Arc<dyn Binder>,
    door: Gate,
    tenants: (TenantId, TenantId),
    staff: TenantId,
    cx: Cx,
}

impl Gate {
    /// Asks for the page with a session.
    async fn ask(&self, token: &SessionToken) -> anyhow::Result<Asked> {
        let request = self
            .edge
            .request_at(Method::GET, &self.page)
            .header(ACCEPT, "application/json")
            .header(COOKIE, format!("{SESSION_COOKIE}={}", token.0.expose()))
            .body(Full::default())?;
        let asked = async {
            let mut connection = self.edge.connect().await?;
            let answer = connection.send_request(request).await?;
            let header = |name: &str| {
                let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
                value.map(str::to_owned)
            };
            let (status, refused, id) =
                (answer.status(), header(kernel::REFUSED_HEADER), header(REQUEST_ID));
            // Whether it came whole does not matter: it was let in.
            drop(Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await);
            let done = done(refused.as_deref());
            let answer =
                refused.map_or_else(|| status.to_string(), |why| format!("{status} ({why})"));
            anyhow::Ok(Asked { done, answer, request: id.unwrap_or_default() })
        };
        tokio::time::timeout(ANSWER, asked).await.map_err(|_| anyhow!("no answer in {ANSWER:?}"))?
    }
}

/// What a gateway did: `refused` is its own word for a refusal, which no application can say for it. An
/// application's own refusal, or its way to the sign-in, is an answer of the application.
fn done(refused: Option<&str>) -> Done {
    match refused {
        // The last three went on to the application, which did not answer well.
        None | Some("upstream_down" | "upstream_malformed" | "upstream_slow") => Done::Passed,
        Some("signed_out" | "bad_token" | "denied") => Done::Refused,
        Some("undecided") => Done::Undecided,
        Some(_) => Done::Failed,
    }
}

impl Here {
    /// A synthetic account of `home` with `role` there.
    async fn person(&self, name: &str, home: &TenantId, role: &str) -> anyhow::Result<String> {
        // Of each tenant one, since an account does not move.
        let mark: String = hex(home.as_str().as_bytes()).chars().rev().take(16).collect();
        let email = Email::new(&format!("{name}.{mark}@amanah.invalid"))?;
        let account = match self.identities.known_as(&email).await? {
            Some(known) if known.closed => bail!("the canary {} was closed", email.as_str()),
            Some(known) => known.account,
            None => {
                let account = NewAccount {
                    email,
                    name: "Canary".to_owned(),
                    tenant: home.clone(),
                    // Nobody signs in with it, so that nobody needs to know it.
                    password: Secret::new(random_hex(&*self.cx.rng, 24)?),
                };
                self.identities.create_synthetic(&account).await?
            }
        };
        rights::ensure(&self.access, &account, home, role).await?;
        Ok(account)
    }

    /// Everybody that an attack needs, made if they are not there.
    async fn people_of(&self) -> anyhow::Result<People> {
        Ok(People {
            staff: self.person(STAFF, &self.staff, "support").await?,
            colleague: self.person(COLLEAGUE, &self.staff, "support").await?,
            chief: self.person(CHIEF, &self.tenants.0, "administrator").await?,
            stranger: self.person(STRANGER, &self.tenants.1, "administrator").await?,
            tenants: self.tenants.clone(),
        })
    }

    async fn held(&self, token: SessionToken) -> Result<Inside, String> {
        let decided = self.identities.decide(&token).await?;
        let identity = decided.ok_or("a session that was just opened is not recognised")?;
        Ok(Inside { token, identity })
    }
}

impl Premises for Here {
    fn access(&self) -> &Access {
        &self.access
    }

    fn people(&self) -> Fut<'_, Result<People, String>> {
        Box::pin(async { self.people_of().await.map_err(|error| format!("{error:#}")) })
    }

    fn session<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Inside, String>> {
        Box::pin(async move {
            let opened =
                self.identities.open_session(account, Strength::Two, Opening::default()).await;
            self.held(opened.map_err(|error| error.to_string())?).await
        })
    }

    fn enter<'a>(&'a self, inside: &'a Inside, grant: &'a str) -> Fut<'a, Result<Inside, Denied>> {
        Box::pin(async move {
            let Inside { token, identity } = inside;
            match self.identities.enter_support(identity, token, grant).await {
                Ok(entered) => self.held(entered).await.map_err(Denied::Failed),
                Err(identity::Error::Refused | identity::Error::NoGrant) => Err(Denied::Refused),
                Err(error) => Err(Denied::Failed(error.to_string())),
            }
        })
    }

    fn ask<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<Asked, String>> {
        Box::pin(async move { self.door.ask(token).await.map_err(|error| format!("{error:#}")) })
    }

    fn binding(&self, identity: &Identity, writing: bool) -> Option<Secret> {
        let method = if writing { Method::POST } else { Method::GET };
        gateway::binding(&method, identity, &*self.binder)
    }

    fn close(&self) -> Fut<'_, ()> {
        Box::pin(async {})
    }
}

#[cfg(test)]
mod tests {
    use super::{Done, done};

    #[test]
    fn a_refusal_is_one_for_who_asked_alone() {
        assert_eq!(done(None), Done::Passed, "whatever the application said");
        assert_eq!(done(Some("upstream_down")), Done::Passed);
        assert_eq!(done(Some("signed_out")), Done::Refused);
        assert_eq!(done(Some("undecided")), Done::Undecided);
        for word in ["unrecorded", "busy", "broken", "not_found", "malformed"] {
            assert_eq!(done(Some(word)), Done::Failed, "{word}");
        }
    }
}
