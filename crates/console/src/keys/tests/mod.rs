//! The API as a whole: a ring in a scratch folder, asked as a client, a stranger or an attacker
//! would ask it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::keys::{
    Directory, FileAnchor, KeyName, KeyRef, Keys, Kind, NewClient, Operation, Policy, Reach,
    Settings, Spec,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kernel::{Clock, Rng, Secret, SystemClock, SystemRng, TenantId, random_hex};
use kms::FileRoot;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::router;

pub(crate) mod documented;
mod grants;
mod hostile;
mod hvac;
mod own;
mod shares;
mod stream;
mod transit;

const ALL: [Operation; 8] = [
    Operation::Encrypt,
    Operation::Decrypt,
    Operation::Rewrap,
    Operation::Hmac,
    Operation::Sign,
    Operation::Read,
    Operation::Manage,
    Operation::Destroy,
];

/// A house with two keys, `orders` and `seal`, that belong to the house; its tenants are made as
/// they come.
pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) keys: Keys,
    /// May do everything.
    pub(crate) admin: String,
    _folder: TempDir,
}

/// An answer.
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Value,
}

impl Said {
    pub(crate) fn slug(&self) -> &str {
        self.body["error"]["slug"].as_str().unwrap_or_default()
    }
}

impl House {
    async fn new() -> Self {
        let house = Self::bare().await;
        house.keys.create(&of("orders", None), &Spec::default()).await.unwrap();
        let signing = Spec { kind: Kind::Ed25519, ..Spec::default() };
        house.keys.create(&of("seal", None), &signing).await.unwrap();
        house
    }

    /// Without keys.
    pub(crate) async fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) =
            (Arc::new(SystemClock), Arc::new(SystemRng));
        let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
        let place = folder.path().join("root");
        let root = FileRoot::create(&place, &secret, Arc::clone(&clock), Arc::clone(&rng)).await;
        let keys = Keys::open(Settings {
            installation: "test".to_owned(),
            shelf: Arc::new(Directory::new(folder.path().join("ring"))),
            root: Arc::new(root.unwrap()),
            anchors: vec![Arc::new(FileAnchor::new(folder.path().join("head")))],
            policy: Policy {
                default: SignedDuration::from_hours(24 * 60),
                purposes: BTreeMap::new(),
            },
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
        });
        let keys = keys.await.unwrap();
        let router = router(keys.clone(), clock, rng);
        let mut house = Self { router, keys, admin: String::new(), _folder: folder };
        house.admin = house.client("admin", "*", &ALL, Reach::All).await;
        house
    }

    /// Admits a client and gives its token.
    pub(crate) async fn client(
        &self,
        name: &str,
        keys: &str,
        may: &[Operation],
        reach: Reach,
    ) -> String {
        let client = NewClient {
            name: name.to_owned(),
            keys: vec![keys.to_owned()],
            operations: may.iter().copied().collect(),
            reach,
            databases: BTreeSet::new(),
            expires_at: None,
        };
        self.keys.admit(client).await.unwrap().expose().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Said {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), 1 << 30).await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)))
        };
        Said { status, headers, body }
    }

    /// As the client with `token`.
    pub(crate) async fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> Said {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(asking(token, method, path).body(body).unwrap()).await
    }

    /// As the administrator, to whom nothing is refused.
    async fn post(&self, path: &str, body: Value) -> Value {
        let said = self.ask(&self.admin, "POST", path, body).await;
        assert!(said.status.is_success(), "{path}: {} {}", said.status, said.body);
        said.body
    }
}

pub(crate) fn asking(token: &str, method: &str, path: &str) -> Builder {
    let builder = Request::builder().method(method).uri(path);
    if token.is_empty() {
        builder
    } else {
        builder.header("authorization", format!("Bearer {token}"))
    }
}

fn of(name: &str, tenant: Option<&str>) -> KeyRef {
    let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
    KeyRef { tenant, name: KeyName::new(name).unwrap() }
}

pub(crate) fn tenants(ids: &[&str]) -> Reach {
    let ids: BTreeSet<_> = ids.iter().map(|id| TenantId::new(*id).unwrap()).collect();
    Reach::Tenants(ids)
}

fn b64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}
