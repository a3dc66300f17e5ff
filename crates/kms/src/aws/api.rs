//! The few calls to AWS KMS that a root needs: JSON over HTTPS, signed as AWS asks for.

use std::time::Duration;

use object_store::aws::{
    AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredential, AwsCredentialProvider,
};
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::http::{self, Answer, Http, words};
use crate::settings::AwsSetting;
use crate::{Error, Host, Result};

/// How often a throttled call is sent in all.
const ATTEMPTS: u32 = 4;
/// The pause after the first throttled attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the machine's metadata service or AWS STS may take to give credentials.
const CREDENTIALS: Duration = Duration::from_secs(15);
/// What KMS says when it is asked too often.
const THROTTLED: [&str; 3] =
    ["ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"];

/// AWS KMS in one region.
pub(super) struct Api {
    http: Http,
    region: String,
    credentials: AwsCredentialProvider,
}

/// What a call came to, other than an answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// KMS refused it, by the name of its exception.
    Said { exception: String, message: String },
    /// It did not come so far.
    Not(Error),
}

impl Api {
    /// KMS for the root `key`.
    pub(super) fn new(setting: &AwsSetting, key: &str) -> Result<Self> {
        let region = region(setting);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(plain) {
            let why = format!("`{region}` is no region of AWS, such as eu-west-1");
            return Err(Error::Settings(why));
        }
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = format!("https://kms.{region}.amazonaws.com{end}");
        let address = setting.endpoint.as_deref().unwrap_or(&own);
        let place = match &setting.endpoint {
            Some(endpoint) => format!("{key} in {region} at {endpoint}"),
            None => format!("{key} in {region}"),
        };
        let http = Http::new(address, place, None)?;
        Ok(Self { http, credentials: credentials(setting, &region)?, region })
    }

    /// Calls `action`, again when it is throttled.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        action: &str,
        body: &(impl Serialize + Sync),
    ) -> std::result::Result<T, Failure> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.once(action, body).await {
                Err(Failure::Said { exception, .. }) if THROTTLED.contains(&exception.as_str()) => {
                    sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.once(action, body).await
    }

    /// What a failure means when nothing more is known about it.
    pub(super) fn error(&self, failure: Failure) -> Error {
        let (exception, message) = match failure {
            Failure::Not(error) => return error,
            Failure::Said { exception, message } => (exception, message),
        };
        let why = format!("{exception} {message}").trim().to_owned();
        match exception.as_str() {
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "MissingAuthenticationTokenException"
            | "OptInRequired"
            | "ExpiredTokenException" => self.http.denied(&why),
            "InvalidCiphertextException" | "IncorrectKeyException" => Error::Refused,
            "NotFoundException" => Error::Missing { place: self.http.place().to_owned() },
            "ValidationException" | "InvalidArnException" | "InvalidAliasNameException" => {
                Error::Settings(why)
            }
            _ => self.http.unavailable(&why),
        }
    }

    pub(super) fn place(&self) -> &str {
        self.http.place()
    }

    pub(super) fn host(&self) -> Host {
        self.http.host()
    }

    pub(super) fn unavailable(&self, why: &str) -> Error {
        self.http.unavailable(why)
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        self.http.damaged(why)
    }

    async fn once<T: DeserializeOwned>(
        &self,
        action: &str,
        body: &(impl Serialize + Sync),
    ) -> std::result::Result<T, Failure> {
        let mut answer = self.send(action, body).await.map_err(Failure::Not)?;
        if answer.status == StatusCode::OK {
            if answer.body.is_empty() {
                answer.body.extend_from_slice(b"null");
            }
            return self.http.json(&answer).map_err(Failure::Not);
        }
        Err(self.failure(&answer))
    }

    async fn send(&self, action: &str, body: &(impl Serialize + Sync)) -> Result<Answer> {
        let asked = timeout(CREDENTIALS, self.credentials.get_credential()).await;
        let credential =
            asked.map_err(|_| self.http.unavailable("no credentials came in time"))?.map_err(
                |error| self.http.denied(&format!("no credentials: {}", outermost(&error))),
            )?;
        if !sound(&credential) {
            return Err(self.http.denied("the credentials hold what no credentials hold"));
        }
        let body = http::body(body)?;
        let url = self.http.url("/");
        let failed = |why: String| Error::Settings(words(&why));
        let mut signed: HttpRequest = ::http::Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{action}"))
            .body(HttpRequestBody::from(body.clone()))
            .map_err(|error| failed(error.to_string()))?;
        AwsAuthorizer::new(&credential, "kms", &self.region)
            .try_authorize(&mut signed, None)
            .map_err(|error| failed(error.to_string()))?;
        let request = self.http.request(Method::POST, url);
        self.http.send(request.headers(signed.headers().clone()).body(body)).await
    }

    fn failure(&self, answer: &Answer) -> Failure {
        #[derive(Deserialize)]
        struct Said {
            #[serde(rename = "__type")]
            exception: String,
            #[serde(alias = "Message", default)]
            message: Option<String>,
        }
        match serde_json::from_slice::<Said>(&answer.body) {
            Ok(Said { exception, message }) => Failure::Said {
                exception: words(exception.rsplit('#').next().unwrap_or_default()),
                message: words(&message.unwrap_or_default()),
            },
            Err(_) if answer.status == StatusCode::TOO_MANY_REQUESTS => Failure::Said {
                exception: "ThrottlingException".to_owned(),
                message: String::new(),
            },
            Err(_) => Failure::Not(
                self.http.unavailable(&format!("it answers with status {}", answer.status)),
            ),
        }
    }
}

/// The region of the settings, or else the environment's.
fn region(setting: &AwsSetting) -> String {
    let named = |wanted: &str| {
        setting.environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    let other = || named("AWS_REGION").or_else(|| named("AWS_DEFAULT_REGION"));
    match setting.region.as_str() {
        "" => other().map_or_else(String::new, |region| region.expose().to_owned()),
        region => region.to_owned(),
    }
}

/// Whether it can be written into headers.
fn sound(credential: &AwsCredential) -> bool {
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    plain(&credential.key_id) && credential.token.as_deref().is_none_or(plain)
}

/// The way to credentials that AWS's own tools take: variables, a web identity's file, the
/// container's or the machine's metadata service.
fn credentials(setting: &AwsSetting, region: &str) -> Result<AwsCredentialProvider> {
    let mut builder = AmazonS3Builder::new().with_bucket_name("none").with_region(region);
    for (name, value) in &setting.environment {
        match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            Ok(key) if is_credential(key) => builder = builder.with_config(key, value.expose()),
            _ => {}
        }
    }
    let store = builder.build().map_err(|error| Error::Settings(outermost(&error)))?;
    Ok(store.credentials().clone())
}

/// Whether a variable is about who we are; the others are about S3.
const fn is_credential(key: AmazonS3ConfigKey) -> bool {
    use AmazonS3ConfigKey as Key;
    matches!(
        key,
        Key::AccessKeyId
            | Key::SecretAccessKey
            | Key::Token
            | Key::ImdsV1Fallback
            | Key::MetadataEndpoint
            | Key::WebIdentityTokenFile
            | Key::RoleArn
            | Key::RoleSessionName
            | Key::StsEndpoint
            | Key::ContainerCredentialsRelativeUri
            | Key::ContainerCredentialsFullUri
            | Key::ContainerAuthorizationTokenFile
    )
}

fn outermost(error: &object_store::Error) -> String {
    words(&error.to_string())
}
