//! A token of `SoftHSM`. Each test that needs one runs in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cipher::{Context, Material};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::object::AttributeType::{AlwaysSensitive, Local, NeverExtractable, Value};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use kernel::{Fut, Rng, Secret, SystemClock, SystemRng};

use super::Pkcs11Root;
use crate::conformance::Bench;
use crate::{Error, Host, Pkcs11Setting, Result, Root, Setting};

/// A token of its own, for the conformance suite.
pub(crate) struct TokenBench {
    token: testkit::Token,
}

impl TokenBench {
    /// Gives the empty token its label and PIN.
    pub(crate) fn new(token: testkit::Token) -> Self {
        let context = Pkcs11::new(&token.module).unwrap();
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slot = context.get_slots_with_token().unwrap()[0];
        let pin = AuthPin::from(token.pin.clone());
        context.init_token(slot, &pin, &token.label).unwrap();
        let slot = context.get_slots_with_initialized_token().unwrap()[0];
        let session = context.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&pin)).unwrap();
        session.init_pin(&pin).unwrap();
        Self { token }
    }

    fn setting(&self, key: &str) -> Pkcs11Setting {
        Pkcs11Setting {
            module: self.token.module.clone(),
            label: self.token.label.clone(),
            key: key.to_owned(),
            installation: "0badc0de".to_owned(),
            pin: Secret::new(self.token.pin.clone()),
        }
    }

    async fn root(&self, key: &str, create: bool) -> Result<Pkcs11Root> {
        Pkcs11Root::open(&self.setting(key), create, Arc::new(SystemRng)).await
    }
}

impl Bench for TokenBench {
    fn open(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = Setting::Pkcs11(self.setting("root"));
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn other(&self) -> Fut<'_, Arc<dyn Root>> {
        Box::pin(async { Arc::new(self.root("other", true).await.unwrap()) as Arc<dyn Root> })
    }

    fn stranger(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let installation = "5eed5eed".to_owned();
        let setting = Setting::Pkcs11(Pkcs11Setting { installation, ..self.setting("root") });
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn cut(&self, cut: bool) {
        let tokens = self.token.folder.join("tokens");
        let away = self.token.folder.join("away");
        let (from, to) = if cut { (&tokens, &away) } else { (&away, &tokens) };
        std::fs::rename(from, to).unwrap();
    }
}

/// The key lies in the token alone: it is sensitive, never extractable, and wraps nothing.
#[tokio::test]
async fn the_key_never_leaves_the_token() {
    let name = "pkcs11::tests::the_key_never_leaves_the_token";
    let Some(token) = testkit::softhsm(name) else { return };
    let bench = TokenBench::new(token);
    let root = bench.root("root", true).await.unwrap();
    assert_eq!(root.place().host, Host::This, "a token in software lies on this host");
    let hardware = Pkcs11Root { hardware: true, ..root };
    assert!(matches!(hardware.place().host, Host::Unclear(_)), "it may be plugged in here");
    let context = Pkcs11::new(&bench.token.module).unwrap();
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    let session = context.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(bench.token.pin.clone()))).unwrap();
    let key = session.find_objects(&[Attribute::Label(b"root-0badc0de-1".to_vec())]).unwrap()[0];
    let attributes =
        session.get_attributes(key, &[AlwaysSensitive, NeverExtractable, Local]).unwrap();
    assert!(attributes.contains(&Attribute::AlwaysSensitive(true)), "{attributes:?}");
    assert!(attributes.contains(&Attribute::NeverExtractable(true)), "{attributes:?}");
    assert!(attributes.contains(&Attribute::Local(true)), "{attributes:?}");
    assert!(session.get_attributes(key, &[Value]).unwrap_or_default().is_empty());
    assert!(session.wrap_key(&Mechanism::AesKeyWrap, key, key).is_err());
    // A key that may leave is refused as a root.
    let loose = [
        Attribute::Label(b"loose-0badc0de-1".to_vec()),
        Attribute::Id(vec![1]),
        Attribute::Token(true),
        Attribute::ValueLen(32.into()),
        Attribute::Extractable(true),
        Attribute::Sensitive(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &loose).unwrap();
    let opened = bench.root("loose", false).await.err();
    assert!(matches!(opened, Some(Error::Settings(_))), "{opened:?}");
}

/// A token counts wrong PINs and locks itself: a wrong one is tried once.
#[tokio::test]
async fn a_wrong_pin_is_tried_once() {
    let Some(token) = testkit::softhsm("pkcs11::tests::a_wrong_pin_is_tried_once") else { return };
    let bench = TokenBench::new(token);
    let root = bench.root("root", true).await.unwrap();
    let context = Context::of("test");
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.unwrap();
    let wrong = Pkcs11Setting { pin: Secret::new("not it".to_owned()), ..bench.setting("root") };
    for _ in 0..20 {
        let error = Pkcs11Root::open(&wrong, true, Arc::new(SystemRng)).await.err().unwrap();
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        assert!(!error.to_string().contains("not it"), "{error}");
    }
    assert_eq!(root.unwrap(&wrapped, &context).await.unwrap().expose(), &[7; 32]);
}

/// No library, no token, no name: told as what it is.
#[tokio::test]
async fn what_is_not_there_is_told() {
    let Some(token) = testkit::softhsm("pkcs11::tests::what_is_not_there_is_told") else { return };
    let bench = TokenBench::new(token);
    let good = bench.setting("root");
    let unavailable = [
        Pkcs11Setting { module: PathBuf::from("/nowhere/module.so"), ..good.clone() },
        Pkcs11Setting { module: PathBuf::from("/dev/null"), ..good.clone() },
        Pkcs11Setting { label: "another".to_owned(), ..good.clone() },
    ];
    for setting in unavailable {
        let error = Pkcs11Root::open(&setting, true, Arc::new(SystemRng)).await.err().unwrap();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    for key in ["", "a b", "a%", "a-name-that-no-token-has-room-for"] {
        let error = bench.root(key, true).await.err().unwrap();
        assert!(matches!(error, Error::Settings(_)), "{error}");
    }
    assert!(matches!(bench.root("root", false).await.err(), Some(Error::Missing { .. })));
}

/// Changed bytes make some tokens be tried out with a message of our own, which never uses a nonce
/// that another message under the same key has used.
#[tokio::test]
async fn every_message_draws_a_nonce() {
    let Some(token) = testkit::softhsm("pkcs11::tests::every_message_draws_a_nonce") else {
        return;
    };
    let bench = TokenBench::new(token);
    let rng = Arc::new(Counting::default());
    let root = Pkcs11Root::open(&bench.setting("root"), true, rng.clone()).await.unwrap();
    let context = Context::of("test");
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.unwrap();
    let before = rng.drawn.load(Ordering::SeqCst);
    let other = root.unwrap(&wrapped, &Context::of("other")).await;
    assert!(matches!(other, Err(Error::Refused)), "{other:?}");
    assert_eq!(rng.drawn.load(Ordering::SeqCst), before + super::token::NONCE_BYTES);
}

/// Counts the bytes that are drawn.
#[derive(Default)]
struct Counting {
    drawn: AtomicUsize,
}

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), kernel::RngError> {
        self.drawn.fetch_add(bytes.len(), Ordering::SeqCst);
        SystemRng.fill(bytes)
    }
}
