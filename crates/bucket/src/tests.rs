//! What an address may say, and what is said of a fault. The rooms try real buckets.

use super::*;

const PATIENCE: Patience =
    Patience { request: Duration::from_secs(1), retry: Duration::from_secs(1) };

fn with(url: &str, endpoint: Option<&str>) -> Result<Opened, Unusable> {
    let settings = Settings {
        url: url.to_owned(),
        endpoint: endpoint.map(str::to_owned),
        region: Some("ap-southeast-3".to_owned()),
        credentials: Some(Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: Secret::new("hidden".to_owned()),
            session_token: Some(Secret::new("hidden too".to_owned())),
        }),
    };
    open(&settings, PATIENCE)
}

#[test]
fn an_address_names_a_bucket_and_a_folder() {
    for (url, endpoint, folder) in [
        ("s3://bucket", None, ""),
        ("s3://bucket/", Some("http://[::1]:9000"), ""),
        ("s3://bucket", Some("http://localhost/"), ""),
        ("s3://bucket/a/b/", Some("https://minio.example:9000"), "a/b"),
    ] {
        assert_eq!(with(url, endpoint).unwrap().folder.as_ref(), folder, "{url} {endpoint:?}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (url, endpoint, why) in [
        ("https://bucket/keys", None, "its address must be s3://"),
        ("s3://", None, "it names no bucket"),
        ("s3:///keys", None, "it names no bucket"),
        ("s3://bucket@host/keys", None, "it names no bucket"),
        ("s3://bucket/a//b", None, "cannot be a folder"),
        ("s3://bucket/keys", Some("http://minio.example:9000"), "must be https"),
        ("s3://bucket/keys", Some("http://127.0.0.1.example:9000"), "must be https"),
        ("s3://bucket/keys", Some("http://127.0.0.1@evil.example"), "must be https"),
        ("s3://bucket/keys", Some("ftp://127.0.0.1"), "must be https"),
    ] {
        let refused = with(url, endpoint).unwrap_err().to_string();
        assert!(refused.contains(why) && !refused.contains("hidden"), "{url}: {refused}");
        assert!(refused.ends_with("; correct the settings"), "{refused}");
    }
}

#[test]
fn of_a_fault_is_said_what_says_most() {
    let told = |text: &str| {
        let source = std::io::Error::other(text.to_owned()).into();
        brief(&Fault::Generic { store: "S3", source })
    };
    let answer = "400 Bad Request: <Error><Code>NoSuchBucket</Code>\n<Message>It is not there\
                  </Message><RequestId>1</RequestId></Error>";
    assert_eq!(told(answer), "NoSuchBucket: It is not there");
    assert_eq!(told("connection\n  refused"), "connection refused");
    assert_eq!(told(&"é".repeat(2 * MAX_WHY)).chars().count(), MAX_WHY);
}
