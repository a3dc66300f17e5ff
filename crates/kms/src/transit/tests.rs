//! The transit engine as the stand-in plays it.

use std::sync::Arc;

use cipher::{Context, Material};
use kernel::{Fut, Secret, SystemClock, SystemRng};
use serde_json::json;

use super::TransitRoot;
use super::stand_in::Engine;
use crate::conformance::Bench;
use crate::testing::{Line, serve};
use crate::{Error, Result, Root, Setting, Token, TransitSetting};

/// Assembled, so that nobody takes it for a token that somebody lost.
fn token() -> String {
    ["hv", "s.", "stand-in"].concat()
}

fn setting(address: &str, key: &str) -> TransitSetting {
    TransitSetting {
        address: address.to_owned(),
        mount: "transit".to_owned(),
        key: key.to_owned(),
        installation: "0badc0de".to_owned(),
        namespace: None,
        token: Token::Fixed(Secret::new(token())),
        authority: None,
    }
}

async fn engine() -> (Arc<Engine>, String) {
    let engine = Arc::new(Engine::new(&token()));
    let server = engine.clone();
    (engine, serve(move |asked| server.answer(&asked)).await)
}

/// A key of the stand-in, for the conformance suite.
pub(crate) struct TransitBench {
    line: Line,
}

impl TransitBench {
    pub(crate) async fn new() -> Self {
        Self { line: Line::to(&engine().await.1).await }
    }
}

impl Bench for TransitBench {
    fn open(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = Setting::Transit(setting(&self.line.address, "root"));
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn other(&self) -> Fut<'_, Arc<dyn Root>> {
        Box::pin(async move {
            let setting = setting(&self.line.address, "other");
            Arc::new(TransitRoot::open(&setting, true).await.unwrap()) as Arc<dyn Root>
        })
    }

    fn stranger(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = setting(&self.line.address, "root");
        let installation = "5eed5eed".to_owned();
        let setting = Setting::Transit(TransitSetting { installation, ..setting });
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn cut(&self, cut: bool) {
        self.line.cut(cut);
    }
}

/// A key that others can take out, that derives, or that does not authenticate is no root.
#[tokio::test]
async fn a_key_that_can_leave_is_refused() {
    let (engine, address) = engine().await;
    for body in [
        json!({ "exportable": true }),
        json!({ "derived": true }),
        json!({ "type": "aes128-gcm96" }),
        json!({ "type": "rsa-4096" }),
    ] {
        engine.make("/transit/root-0badc0de", &body);
        let opened = TransitRoot::open(&setting(&address, "root"), true).await;
        assert!(matches!(opened.err(), Some(Error::Settings(_))), "{body}");
    }
}

/// Encrypting with a key that is gone would make a new one, and that would be another root.
#[tokio::test]
async fn a_key_that_is_gone_is_not_made_again() {
    let (engine, address) = engine().await;
    let root = TransitRoot::open(&setting(&address, "root"), true).await.unwrap();
    let context = Context::of("test");
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.unwrap();
    let gone = TransitRoot { key: "gone".to_owned(), ..root };
    assert!(matches!(
        gone.wrap(&Material::new([7; 32]), &context).await,
        Err(Error::Missing { .. })
    ));
    assert!(matches!(gone.unwrap(&wrapped, &context).await, Err(Error::Missing { .. })));
    assert!(matches!(gone.roll().await, Err(Error::Missing { .. })));
    assert_eq!(engine.count(), 1);
}

/// The engine takes versions from the lower end: what is done to one is done to all before it, and
/// the rules between its lowest versions never stop us half-way.
#[tokio::test]
async fn versions_go_from_the_lower_end() {
    let (_engine, address) = engine().await;
    let root = TransitRoot::open(&setting(&address, "root"), true).await.unwrap();
    let context = Context::of("test");
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(root.wrap(&Material::new([7; 32]), &context).await.unwrap());
        root.roll().await.unwrap();
    }
    let states = async || {
        let mut states = String::new();
        for wrapped in &all {
            states.push(match root.unwrap(wrapped, &context).await {
                Ok(_) => 'o',
                Err(Error::Disabled(_)) => 'd',
                Err(Error::Destroyed(_)) => 'x',
                Err(_) => '?',
            });
        }
        states
    };
    root.destroy(&all[0].generation).await.unwrap();
    assert_eq!(states().await, "xoooo");
    root.disable(&all[2].generation).await.unwrap();
    assert_eq!(states().await, "xddoo");
    root.enable(&all[1].generation).await.unwrap();
    assert_eq!(states().await, "xoooo");
    root.disable(&all[3].generation).await.unwrap();
    root.destroy(&all[2].generation).await.unwrap();
    assert_eq!(states().await, "xxxdo");
    root.enable(&all[3].generation).await.unwrap();
    assert_eq!(states().await, "xxxoo");
    // The current one cannot be disabled there at all.
    let current = root.current().await.unwrap();
    assert!(matches!(root.disable(&current).await, Err(Error::Current(_))));
}

/// The token is refused, in its file too; a renewed file is taken at once; no error shows it.
#[tokio::test]
async fn a_wrong_token_is_denied_and_a_renewed_one_taken() {
    let (_engine, address) = engine().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, token() + "\n").unwrap();
    let setting = TransitSetting { token: Token::File(path.clone()), ..setting(&address, "root") };
    let root = TransitRoot::open(&setting, true).await.unwrap();
    for wrong in ["expired", "", "two\nlines", "\u{1}"] {
        std::fs::write(&path, wrong).unwrap();
        let error = root.current().await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        assert!(!error.to_string().contains("expired"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(root.current().await, Err(Error::Denied { .. })));
    std::fs::write(&path, token()).unwrap();
    assert_eq!(root.current().await.unwrap().0, "v1");
}

/// Each namespace has its own keys.
#[tokio::test]
async fn namespaces_are_apart() {
    let (engine, address) = engine().await;
    let here = TransitRoot::open(&setting(&address, "root"), true).await.unwrap();
    let there =
        TransitSetting { namespace: Some("team/a".to_owned()), ..setting(&address, "root") };
    assert!(matches!(TransitRoot::open(&there, false).await.err(), Some(Error::Missing { .. })));
    let there = TransitRoot::open(&there, true).await.unwrap();
    there.roll().await.unwrap();
    assert_eq!(here.current().await.unwrap().0, "v1");
    assert_eq!(there.current().await.unwrap().0, "v2");
    assert_eq!(engine.count(), 2);
}

/// Names that would lead to another path, and addresses that would show the token.
#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let good = setting("https://127.0.0.1:1", "root");
    let key = |key: &str| TransitSetting { key: key.to_owned(), ..good.clone() };
    let mount = |mount: &str| TransitSetting { mount: mount.to_owned(), ..good.clone() };
    let space = |space: &str| TransitSetting { namespace: Some(space.to_owned()), ..good.clone() };
    for setting in [
        key(""),
        key("a/b"),
        key("a?b"),
        key("%2e"),
        mount(""),
        mount("a//b"),
        mount("../sys"),
        space("a\nb"),
        setting("http://vault.example:8200", "root"),
        TransitSetting { installation: "../sys".to_owned(), ..good.clone() },
    ] {
        let error = TransitRoot::open(&setting, true).await.err().unwrap();
        assert!(matches!(error, Error::Settings(_)), "{error}");
    }
}

/// A sealed server, a standby that sends elsewhere, too much, nonsense: an error each.
#[tokio::test]
async fn strange_answers_are_refused() {
    let sealed = json!({ "errors": ["Vault is sealed"] }).to_string().into_bytes();
    for (status, body) in [
        (503, sealed),
        (307, Vec::new()),
        (429, Vec::new()),
        (473, Vec::new()),
        (200, b"<html>".to_vec()),
        (200, b"{\"data\":{}}".to_vec()),
        (200, vec![b'['; 100_000]),
        (200, vec![b' '; (1 << 20) + 1]),
    ] {
        let address = serve(move |_| (status, body.clone())).await;
        let error = TransitRoot::open(&setting(&address, "root"), true).await.err().unwrap();
        assert!(
            matches!(error, Error::Unavailable { .. } | Error::Damaged { .. }),
            "{status}: {error}"
        );
    }
}
