//! AWS KMS as moto plays it, and as a stand-in answers what moto never does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cipher::{Context, Material};
use kernel::{Fut, Secret, SystemClock, SystemRng};
use serde::de::IgnoredAny;
use serde_json::json;

use super::{AwsRoot, opening};
use crate::conformance::Bench;
use crate::testing::{Line, serve};
use crate::{AwsSetting, Destruction, Error, Generation, Host, Result, Root, Setting, Wrapped};

type Is = fn(&Error) -> bool;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111";

fn setting(endpoint: &str, key: &str) -> AwsSetting {
    let variable = |name: &str, value: String| (name.to_owned(), Secret::new(value));
    AwsSetting {
        key: key.to_owned(),
        installation: "0badc0de".to_owned(),
        region: "eu-west-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        environment: vec![
            variable("AWS_ACCESS_KEY_ID", ["AK", "IA", "TEST"].concat()),
            variable("AWS_SECRET_ACCESS_KEY", "x".repeat(20)),
            variable("AWS_REGION", "us-east-1".to_owned()),
            variable("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9".to_owned()),
        ],
    }
}

/// An alias in moto, for the conformance suite.
pub(crate) struct AwsBench {
    line: Line,
    alias: String,
}

impl AwsBench {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let alias = format!("alias/root-{}", COUNT.fetch_add(1, Ordering::SeqCst));
        Self { line: Line::to(&testkit::moto().endpoint()).await, alias }
    }

    async fn root(&self, create: bool) -> Result<AwsRoot> {
        AwsRoot::open(&setting(&self.line.address, &self.alias), create).await
    }
}

impl Bench for AwsBench {
    fn open(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = Setting::Aws(setting(&self.line.address, &self.alias));
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn other(&self) -> Fut<'_, Arc<dyn Root>> {
        Box::pin(async move {
            let setting = setting(&self.line.address, &format!("{}-other", self.alias));
            Arc::new(AwsRoot::open(&setting, true).await.unwrap()) as Arc<dyn Root>
        })
    }

    fn stranger(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = setting(&self.line.address, &self.alias);
        let setting = Setting::Aws(AwsSetting { installation: "5eed5eed".to_owned(), ..setting });
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn cut(&self, cut: bool) {
        self.line.cut(cut);
    }
}

/// What moto alone does where AWS refuses, asked without our own look at the key's state first.
pub(crate) async fn gaps() -> Vec<(&'static str, &'static str)> {
    let bench = AwsBench::new().await;
    let root = bench.root(true).await.unwrap();
    let context = Context::of("test");
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.unwrap();
    let opens = async || {
        let opened = root.call::<IgnoredAny>("Decrypt", &opening(&wrapped, &context)).await;
        if opened.is_ok() { "opens" } else { "refuses" }
    };
    let mut rows = Vec::new();
    root.disable(&wrapped.generation).await.unwrap();
    rows.push(("a disabled key decrypts", opens().await));
    let encrypted = root.encrypt(&wrapped.generation.0, b"text", &context).await;
    rows.push(("a disabled key encrypts", if encrypted.is_ok() { "encrypts" } else { "refuses" }));
    root.schedule(&wrapped.generation.0).await.unwrap();
    rows.push(("a key scheduled for deletion decrypts", opens().await));
    rows
}

/// Whatever KMS says is told apart: what passes, what is forbidden, what is gone.
#[tokio::test]
async fn each_exception_has_its_meaning() {
    let cases: [(&str, &str, Is); 11] = [
        ("AccessDeniedException", "Enabled", |e| matches!(e, Error::Denied { .. })),
        ("ExpiredTokenException", "Enabled", |e| matches!(e, Error::Denied { .. })),
        ("UnrecognizedClientException", "Enabled", |e| matches!(e, Error::Denied { .. })),
        ("InvalidCiphertextException", "Enabled", |e| matches!(e, Error::Refused)),
        ("IncorrectKeyException", "Enabled", |e| matches!(e, Error::Refused)),
        ("DisabledException", "Enabled", |e| matches!(e, Error::Disabled(_))),
        ("KMSInternalException", "Enabled", |e| matches!(e, Error::Unavailable { .. })),
        ("ThrottlingException", "Enabled", |e| matches!(e, Error::Unavailable { .. })),
        ("", "PendingDeletion", |e| matches!(e, Error::Destroyed(_))),
        ("", "Disabled", |e| matches!(e, Error::Disabled(_))),
        ("", "PendingImport", |e| matches!(e, Error::Unavailable { .. })),
    ];
    for (exception, state, expected) in cases {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let endpoint = serve(move |asked| {
            if asked.header("x-amz-target") == "TrentService.DescribeKey" {
                return (200, card(state));
            }
            count.fetch_add(1, Ordering::SeqCst);
            (400, json!({ "__type": exception, "message": "no\nnews" }).to_string().into())
        })
        .await;
        let root = AwsRoot::open(&setting(&endpoint, "alias/a"), false).await.unwrap();
        let wrapped = Wrapped { generation: Generation(KEY.to_owned()), bytes: "AAAA".to_owned() };
        let error = root.unwrap(&wrapped, &Context::of("test")).await.unwrap_err();
        assert!(expected(&error), "{exception} {state}: {error}");
        assert!(!error.to_string().contains('\n'));
        // Throttling is waited for, a few times; nothing else is asked again.
        let expected = match exception {
            "ThrottlingException" => 4,
            "AccessDeniedException" => 2,
            "" => 0,
            _ => 1,
        };
        assert_eq!(calls.load(Ordering::SeqCst), expected, "{exception}");
    }
}

/// Requests are signed for KMS in our region, and name the context.
#[tokio::test]
async fn requests_are_signed_and_bound_to_their_context() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = seen.clone();
    let endpoint = serve(move |asked| {
        let answer = match asked.header("x-amz-target") {
            "TrentService.DescribeKey" => card("Enabled"),
            _ => json!({ "KeyId": KEY, "CiphertextBlob": "AAAA" }).to_string().into(),
        };
        book.lock().unwrap().push(asked);
        (200, answer)
    })
    .await;
    let root = AwsRoot::open(&setting(&endpoint, "alias/a"), false).await.unwrap();
    root.wrap(&Material::new([7; 32]), &Context::of("test")).await.unwrap();
    for asked in seen.lock().unwrap().iter() {
        let signed = asked.header("authorization");
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIATEST/"), "{signed}");
        assert!(signed.contains("/eu-west-1/kms/aws4_request"), "{signed}");
        assert!(signed.contains("x-amz-target"), "{signed}");
    }
    let asked = seen.lock().unwrap().last().unwrap().json();
    assert_eq!(asked["EncryptionContext"]["amanah"], "AAAAAAAAAAR0ZXN0");
    assert_eq!(asked["KeyId"], KEY);
}

/// An alias that KMS still resolves to the key before never brings that key back.
#[tokio::test]
async fn a_stale_alias_does_not_wrap_with_the_old_key() {
    let fresh = KEY.replace('1', "2");
    let made = fresh.clone();
    let endpoint = serve(move |asked| {
        let named = asked.json()["KeyId"].clone();
        let answer = match asked.header("x-amz-target").trim_start_matches("TrentService.") {
            "DescribeKey" => card("Enabled"),
            "CreateKey" => String::from_utf8(card("Enabled")).unwrap().replace(KEY, &made).into(),
            "GetKeyPolicy" => json!({ "Policy": "{}" }).to_string().into(),
            "UpdateAlias" => Vec::new(),
            _ => json!({ "KeyId": named, "CiphertextBlob": "AAAA" }).to_string().into(),
        };
        (200, answer)
    })
    .await;
    let root = AwsRoot::open(&setting(&endpoint, "alias/a"), false).await.unwrap();
    assert_eq!(root.current().await.unwrap().0, KEY);
    assert_eq!(root.roll().await.unwrap().0, fresh);
    assert_eq!(root.current().await.unwrap().0, fresh);
    let wrapped = root.wrap(&Material::new([7; 32]), &Context::of("test")).await.unwrap();
    assert_eq!(wrapped.generation.0, fresh);
    let error = root.destroy(&Generation(fresh)).await.unwrap_err();
    assert!(matches!(error, Error::Current(_)), "{error}");
}

/// A key that is gone was destroyed when it was ours; another account's never was.
#[tokio::test]
async fn a_key_that_is_gone_was_destroyed_and_a_stranger_never_ours() {
    let endpoint = serve(|asked| {
        if asked.json()["KeyId"] == "alias/a-0badc0de" {
            return (200, card("Enabled"));
        }
        (400, json!({ "__type": "NotFoundException" }).to_string().into())
    })
    .await;
    let root = AwsRoot::open(&setting(&endpoint, "alias/a"), false).await.unwrap();
    let context = Context::of("test");
    let wrapped = |arn: String| Wrapped { generation: Generation(arn), bytes: "AAAA".to_owned() };
    let gone = wrapped(KEY.replace("key/1", "key/2"));
    assert!(matches!(root.unwrap(&gone, &context).await, Err(Error::Destroyed(_))));
    assert_eq!(root.destroy(&gone.generation).await.unwrap(), Destruction::Done);
    for stranger in [
        KEY.replace("eu-west-1", "us-east-1").replace("key/1", "key/2"),
        KEY.replace("111122223333", "999900000000"),
        "alias/a".to_owned(),
        "11111111-1111-1111-1111-111111111111".to_owned(),
        String::new(),
    ] {
        let stranger = wrapped(stranger);
        assert!(matches!(root.unwrap(&stranger, &context).await, Err(Error::Refused)));
        assert!(matches!(root.destroy(&stranger.generation).await, Err(Error::Refused)));
        assert!(matches!(root.disable(&stranger.generation).await, Err(Error::Refused)));
    }
}

/// Too much, nonsense, a page of HTML, a redirect: an error each, and no key.
#[tokio::test]
async fn strange_answers_are_refused() {
    let huge = vec![b' '; (1 << 20) + 1];
    for (status, body) in [
        (200, huge),
        (200, b"<html>".to_vec()),
        (200, b"{}".to_vec()),
        (200, Vec::new()),
        (302, Vec::new()),
        (500, b"oops".to_vec()),
        (503, Vec::new()),
    ] {
        let endpoint = serve(move |_| (status, body.clone())).await;
        let opened = AwsRoot::open(&setting(&endpoint, "alias/a"), true).await;
        let error = opened.err().unwrap();
        assert!(matches!(error, Error::Unavailable { .. } | Error::Damaged { .. }), "{error}");
    }
}

/// What cannot work is told at once, before anything is sent.
#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let moto = testkit::moto().endpoint();
    // Where the settings name no region, the environment does.
    let free = AwsSetting { region: String::new(), ..setting(&moto, "alias/elsewhere") };
    let root = AwsRoot::open(&free, true).await.unwrap();
    assert!(root.current().await.unwrap().0.contains(":us-east-1:"));
    let bare = AwsSetting { environment: Vec::new(), ..free };
    assert!(matches!(AwsRoot::open(&bare, true).await.err(), Some(Error::Settings(_))));
    for region in ["eu west", "eu-west-1/../x", "EU"] {
        let setting = AwsSetting { region: region.to_owned(), ..setting(&moto, "alias/a") };
        let opened = AwsRoot::open(&setting, true).await.err().unwrap();
        assert!(matches!(opened, Error::Settings(_)), "{region}: {opened}");
    }
    let mut broken = setting(&moto, "alias/a");
    broken.environment[0].1 = Secret::new("AK\nIA".to_owned());
    let error = AwsRoot::open(&broken, true).await.err().unwrap();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    // A key cannot move on to another key: only an alias can.
    let bench = AwsBench::new().await;
    let arn = bench.root(true).await.unwrap().current().await.unwrap();
    let root = AwsRoot::open(&setting(&moto, &arn.0), false).await.unwrap();
    assert_eq!(root.current().await.unwrap(), arn);
    assert!(matches!(root.roll().await, Err(Error::Settings(_))));
    assert_eq!(root.current().await.unwrap(), arn);
}

/// A key that another installation made is no root for this one, however the settings name it; one
/// that an administrator made is taken by our own alias, or by a description that names us.
#[tokio::test]
async fn another_installations_key_is_refused() {
    let moto = testkit::moto().endpoint();
    let theirs =
        AwsSetting { installation: "5eed5eed".to_owned(), ..setting(&moto, "alias/theirs") };
    let theirs = AwsRoot::open(&theirs, true).await.unwrap();
    let (context, arn) = (Context::of("test"), theirs.current().await.unwrap().0);
    let wrapped = theirs.wrap(&Material::new([7; 32]), &context).await.unwrap();
    let said = async |setting: AwsSetting| AwsRoot::open(&setting, true).await.err().unwrap();
    let error = said(setting(&moto, &arn)).await;
    assert!(error.to_string().contains("write `installation 0badc0de`"), "{error}");
    let _: Option<IgnoredAny> = theirs
        .call("CreateAlias", &json!({ "AliasName": "alias/led-0badc0de", "TargetKeyId": arn }))
        .await
        .unwrap();
    assert!(matches!(said(setting(&moto, "alias/led")).await, Error::Settings(_)));
    assert_eq!(theirs.unwrap(&wrapped, &context).await.unwrap().expose(), &[7; 32]);

    for (description, by_key) in
        [("somebody's words", false), ("ours: installation 0badc0de", true)]
    {
        let body = json!({
            "Description": description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeySpec": "SYMMETRIC_DEFAULT",
        });
        let made: super::Described = theirs.call("CreateKey", &body).await.unwrap();
        let arn = made.card.arn;
        let name = format!("alias/{by_key}");
        let body = json!({ "AliasName": format!("{name}-0badc0de"), "TargetKeyId": arn });
        let _: Option<IgnoredAny> = theirs.call("CreateAlias", &body).await.unwrap();
        assert!(AwsRoot::open(&setting(&moto, &name), false).await.is_ok(), "{description}");
        let opened = AwsRoot::open(&setting(&moto, &arn), false).await;
        assert_eq!(opened.is_ok(), by_key, "{description}");
    }
}

/// Another address than the region's own is named; at an address of this host it says so.
#[tokio::test]
async fn an_emulator_on_this_host_is_not_elsewhere() {
    let moto = testkit::moto().endpoint();
    let place = AwsRoot::open(&setting(&moto, "alias/here"), true).await.unwrap().place();
    assert!(matches!(place.host, Host::Unclear(_)), "{place:?}");
    assert_eq!(place.place, format!("alias/here-0badc0de in eu-west-1 at {moto}"));
    let amazon = AwsSetting { endpoint: None, ..setting("", "alias/a") };
    let api = super::Api::new(&amazon, "alias/a").unwrap();
    assert_eq!((api.host(), api.place()), (Host::Another, "alias/a in eu-west-1"));
}

fn card(state: &str) -> Vec<u8> {
    let card = json!({
        "Arn": KEY,
        "KeyState": state,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeySpec": "SYMMETRIC_DEFAULT",
    });
    json!({ "KeyMetadata": card }).to_string().into_bytes()
}
