//! A Redis of somebody else's over TLS: a real server with certificates of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::{World, tenant, world};
use crate::redis::{Claim, Existing, Redis};

/// How often a port is tried that somebody may have taken meanwhile.
const TRIES: usize = 20;
const PASSWORD: &str = "PASSWORD";

/// An authority, whose certificate is also in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = dir.join(name);
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }
}

/// What a certificate says.
#[derive(Clone, Copy)]
struct Says {
    host: &'static str,
    until: i32,
}

const SOUND: Says = Says { host: "localhost", until: 2999 };

impl World {
    /// Opens a port for TLS, with a certificate of `authority`, and returns it.
    async fn tls(&self, authority: &Authority, says: Says) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([says.host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(says.until, 1, 1);
        let cert = params.signed_by(&key, &authority.issuer).unwrap();
        let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| self.data.join(name));
        std::fs::write(&cert_file, cert.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        self.run("CONFIG SET tls-port 0").await;
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let line = format!(
                "CONFIG SET tls-cert-file {} tls-key-file {} tls-auth-clients no tls-port {port}",
                cert_file.display(),
                key_file.display()
            );
            if self.admin().await.ask(line.split_whitespace()).await.is_ok() {
                return port;
            }
        }
        panic!("no port for TLS");
    }

    fn over(&self, url: &str, ca: Option<&Path>) -> Result<Redis, String> {
        let ca = ca.map(Path::to_owned);
        let existing = Existing::new(url, Secret::new(PASSWORD.to_owned()), ca.as_ref());
        let mut settings = self.redis.settings.clone();
        settings.trusted = vec!["amanah".to_owned()];
        Ok(Redis::on_existing(settings, existing.map_err(|error| error.to_string())?))
    }

    /// What comes of the first thing that is asked of the server.
    async fn refused(&self, url: &str, ca: &Path) -> String {
        self.over(url, Some(ca)).unwrap().keep().await.unwrap_err().to_string()
    }
}

/// A server with the login that the documentation gives Amanah.
async fn with_keeper() -> World {
    let world = world().await;
    let text = include_str!("../../../../../docs/redis.md");
    let line = text.lines().find_map(|l| l.strip_prefix("ACL SETUSER amanah ")).unwrap();
    world.run(&format!("ACL SETUSER keeper {line}")).await;
    world
}

#[tokio::test]
async fn a_server_of_a_known_authority_is_used() {
    let world = with_keeper().await;
    let authority = Authority::new(&world.data, "ca.pem");
    let port = world.tls(&authority, SOUND).await;
    let redis = world.over(&format!("rediss://keeper@localhost:{port}"), Some(&authority.file));
    let redis = redis.unwrap();
    let id = tenant("a");
    let lease = redis.lease(&id, Duration::from_hours(1)).await.unwrap();
    let end = format!("@localhost:{port}/0");
    let url = lease.url.expose();
    assert!(url.starts_with("rediss://amr_") && url.ends_with(&end), "applications use TLS too");
    for claim in [Claim::Cache, Claim::Channels] {
        let report = redis.attack(claim).await.unwrap();
        assert!(report.findings.is_empty() && report.missed.is_empty(), "{report:#?}");
    }
    assert_eq!(redis.keep().await.unwrap(), (0, 0));
    assert_eq!(redis.erase(&id).await.unwrap().logins, 1);
    // By its address, where the certificate has that.
    let port = world.tls(&authority, Says { host: "127.0.0.1", ..SOUND }).await;
    let url = format!("rediss://keeper@127.0.0.1:{port}");
    assert_eq!(world.over(&url, Some(&authority.file)).unwrap().keep().await.unwrap(), (0, 0));
}

/// Nothing is sent to a server that is not the one that is meant, and the reader is told which of
/// the two to mend.
#[tokio::test]
async fn a_server_that_is_not_the_one_is_refused() {
    let world = with_keeper().await;
    let authority = Authority::new(&world.data, "ca.pem");
    let other = Authority::new(&world.data, "other.pem");
    let port = world.tls(&authority, SOUND).await;
    let url = format!("rediss://keeper@localhost:{port}");
    let here = format!("Redis at localhost:{port}: ");
    let told = world.refused(&url, &other.file).await;
    assert!(told.starts_with(&here) && told.contains("redis.ca"), "{told}");
    assert!(told.contains("no authority that is trusted here"), "{told}");
    // Those of the machine do not know it either.
    let told = world.over(&url, None).map(|redis| async move { redis.keep().await });
    let told = match told {
        Ok(kept) => kept.await.unwrap_err().to_string(),
        Err(told) => told,
    };
    assert!(told.contains("redis.ca"), "{told}");

    let by_address = format!("rediss://keeper@127.0.0.1:{port}");
    let told = world.refused(&by_address, &authority.file).await;
    assert!(told.contains("its certificate is for another name than 127.0.0.1"), "{told}");
    assert!(told.contains("localhost") && told.contains("redis.url"), "{told}");

    let port = world.tls(&authority, Says { until: 2020, ..SOUND }).await;
    let told = world.refused(&format!("rediss://keeper@localhost:{port}"), &authority.file).await;
    assert!(told.contains("its certificate is over") && told.contains("renew it"), "{told}");

    let plain = world.server.for_applications().to_string();
    let plain = plain.rsplit_once(':').unwrap().1;
    let told = world.refused(&format!("rediss://keeper@localhost:{plain}"), &authority.file).await;
    assert!(told.contains("does not speak TLS there"), "{told}");
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_is_told() {
    let world = with_keeper().await;
    let authority = Authority::new(&world.data, "ca.pem");
    let port = world.tls(&authority, SOUND).await;
    let line =
        format!("CONFIG SET tls-ca-cert-file {} tls-auth-clients yes", authority.file.display());
    world.run(&line).await;
    let told = world.refused(&format!("rediss://keeper@localhost:{port}"), &authority.file).await;
    assert!(told.contains("tls-auth-clients no"), "{told}");
}

#[tokio::test]
async fn a_file_without_authorities_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty) = (folder.path().join("missing.pem"), folder.path().join("empty.pem"));
    std::fs::write(&empty, "no certificate\n").unwrap();
    for (file, why) in [(missing, "cannot be read"), (empty, "holds no certificate")] {
        let secret = Secret::new(PASSWORD.to_owned());
        let error = Existing::new("rediss://amanah@db.example", secret, Some(&file)).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(&file.display().to_string()) && told.contains(why), "{told}");
    }
}
