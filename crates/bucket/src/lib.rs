//! How a bucket of S3, or of whatever speaks its language, is reached.
//!
//! It promises one reading of an address and one set of limits for every room that keeps something
//! in a bucket: the address names a bucket and a folder and nothing else, secrets go over TLS or
//! not beyond this host, and a service that is slow or gone is given up in a known time.
//!
//! It keeps nothing there itself: what lies in the bucket, and under which names, is the business of
//! the room that opens it.
//!
//! The attack it stops: an address that looks like this host and is another (`127.0.0.1.example`,
//! `127.0.0.1@example`), to which an access key would go in clear.

use std::sync::Arc;
use std::time::Duration;

use kernel::Secret;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{ClientOptions, Error as Fault, ObjectStore, RetryConfig};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How often a request is tried again.
const RETRIES: usize = 3;
/// The longest piece of a foreign error message that is passed on, in characters.
const MAX_WHY: usize = 300;

/// Where a bucket is and who may use it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The service's address where it is not Amazon's: `https://HOST[:PORT]`; `http` for this
    /// host alone.
    pub endpoint: Option<String>,
    /// The region, as `ap-southeast-3`.
    pub region: Option<String>,
    /// Who asks; without it, whatever role the machine itself has.
    pub credentials: Option<Credentials>,
}

/// An access key.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The token of a temporary one.
    pub session_token: Option<Secret>,
}

/// How long a room waits for a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one request.
    pub request: Duration,
    /// For a request with all of its repetitions.
    pub retry: Duration,
}

/// A bucket, and the folder in it that is meant.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The bucket. A write with a condition is sent with it (`If-None-Match`).
    pub store: Arc<dyn ObjectStore>,
    /// What every name begins with.
    pub folder: Path,
}

/// Settings that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}; correct the settings")]
pub struct Unusable(String);

/// A bucket as `settings` say. Nothing is asked of the service yet.
///
/// # Errors
/// When the settings cannot be used; the message says which.
pub fn open(settings: &Settings, patience: Patience) -> Result<Opened, Unusable> {
    let unusable = |why: &str| Unusable(why.to_owned());
    let rest = settings.url.strip_prefix("s3://");
    let rest = rest.ok_or_else(|| unusable("its address must be s3://BUCKET/PREFIX"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() || !bucket.chars().all(plain) {
        return Err(unusable("it names no bucket"));
    }
    let folder = Path::parse(prefix.trim_end_matches('/'))
        .map_err(|_| unusable("what follows the bucket cannot be a folder"))?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: patience.retry,
            ..RetryConfig::default()
        });
    let mut options =
        ClientOptions::new().with_timeout(patience.request).with_connect_timeout(CONNECT);
    if let Some(endpoint) = &settings.endpoint {
        if !endpoint.starts_with("https://") {
            if !on_this_host(endpoint) {
                return Err(unusable("its endpoint must be https, or http on this host"));
            }
            options = options.with_allow_http(true);
        }
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(who) = &settings.credentials {
        builder = builder
            .with_access_key_id(&who.access_key_id)
            .with_secret_access_key(who.secret_access_key.expose());
        if let Some(token) = &who.session_token {
            builder = builder.with_token(token.expose());
        }
    }
    let store = builder.with_client_options(options).build();
    let store = Arc::new(store.map_err(|fault| unusable(&brief(&fault)))?);
    Ok(Opened { store, folder })
}

/// The innermost cause on one line, which says most; of S3's own answers the code and the message.
pub fn brief(fault: &Fault) -> String {
    let mut cause: &dyn std::error::Error = fault;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(part, _)| part)
    };
    let line = match (part("Code"), part("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    line.chars().take(MAX_WHY).collect()
}

fn on_this_host(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests;
