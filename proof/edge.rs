//! A site with certificates of its own and with plain HTTP, seen by its proofs and by other people's
//! scanners.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use kernel::{Clock as _, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::house::{House, LOOK_AGAIN, directory, root};
use crate::web;

/// How long a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Its name, which no resolver knows: the scanners are told where it is.
const NAME: &str = "shop.example";
/// A page that promises TLS 1.2 or newer, and HSTS.
const PAGE: [&str; 2] = ["--page", "pages/database-tenants.md"];

/// An authority that the site and everybody who asks it trust, and the site's files.
struct Site {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Site {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Authority of the proofs");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let site = Self { dir: directory(), authority };
        std::fs::write(site.file("authority.pem"), site.authority.pem()).unwrap();
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a certificate there that ends after so many days, as certbot does: whole, key first.
    fn certify(&self, days: i64) {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let date = |days: i64| {
            let at = SystemClock.now() + SignedDuration::from_hours(24 * days);
            let date = at.to_zoned(TimeZone::UTC).date();
            let number = |n: i8| u8::try_from(n).unwrap();
            rcgen::date_time_ymd(i32::from(date.year()), number(date.month()), number(date.day()))
        };
        (params.not_before, params.not_after) = (date(-1), date(days));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.authority).unwrap();
        for (name, text) in [("site.key", key.serialize_pem()), ("site.pem", leaf.pem())] {
            let new = self.file("new");
            std::fs::write(&new, text).unwrap();
            std::fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(&new, self.file(name)).unwrap();
        }
    }

    fn start(&self) -> House {
        let (chain, key) = (self.file("site.pem"), self.file("site.key"));
        let text = format!(
            "[gateway]\nhttp = \"127.0.0.1:0\"\n[gateway.tls]\nmin = \"1.2\"\n\
             certificates = [{{ chain = \"{}\", key = \"{}\" }}]\n",
            chain.display(),
            key.display()
        );
        let trusted = self.file("authority.pem").display().to_string();
        House::configured_with(vec![("SSL_CERT_FILE", trusted)], &text)
    }
}

/// The claim's verdict and everything that is said about it.
fn verdict(house: &House, id: &str) -> (String, String) {
    let (_, claims) = house.verify(&[&PAGE[..], &["--claim", id, "--bite"]].concat());
    let claim = claims.iter().find(|claim| claim["id"] == id).unwrap();
    (claim["verdict"].as_str().unwrap().to_owned(), claim.to_string())
}

/// What is said to `wire` in clear.
fn in_clear(house: &House, wire: &str) -> String {
    let address = house.running()["faces"]["clear"].as_str().unwrap().to_owned();
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.write_all(wire.as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

/// What a scanner says. Its exit code is for who waits for it: what it found is in its words.
fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (out, error) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&error))
}

/// A site whose certificate is its own keeps both promises, leads plain HTTP to TLS, and takes a new
/// certificate without a restart, be it a worse one: that is found, and told before it ends.
#[test]
fn a_site_of_its_own_is_proven_and_scanned() {
    let site = Site::new();
    site.certify(60);
    let house = site.start();
    for id in ["transit.tls", "transit.hsts"] {
        let (verdict, all) = verdict(&house, id);
        assert_eq!(verdict, "proven", "{all}");
    }
    let (_, all) = verdict(&house, "transit.tls");
    assert!(all.contains(NAME) && all.contains("TLS 1.2, TLS 1.3; A+ (93 of 100)"), "{all}");
    let led = in_clear(&house, &format!("GET /a HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    let port = house.port();
    assert!(led.contains(&format!("location: https://{NAME}:{port}/a\r\n")), "{led}");
    let refused = in_clear(&house, "GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 400 ") && !refused.contains("location: "), "{refused}");
    scanned(&site, &house);

    let ends = || {
        let told = web::get(&house, "/metrics").body;
        let line = told.lines().find(|line| line.starts_with("amanah_gateway_certificate_ends"));
        line.unwrap().rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    let before = ends();
    site.certify(10);
    let begun = Instant::now();
    while ends() == before {
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not taken");
        std::thread::park_timeout(LOOK_AGAIN);
    }
    let (verdict, all) = verdict(&house, "transit.tls");
    assert_eq!(verdict, "failing", "{all}");
    assert!(all.contains("its certificate ends within 14 days"), "{all}");
    let doctor = house.run(&["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.contains("PROBLEM  certificates: ") && doctor.contains("Renew it"), "{doctor}");
}

/// Three scanners that share nothing with us see what our proof sees.
fn scanned(site: &Site, house: &House) {
    let at = format!("127.0.0.1:{}", house.port());
    let sni = format!("--sni-name={NAME}");
    let scan = said(Path::new("/usr/bin/sslscan"), &["--no-colour", &sni, &at]);
    for line in [
        "Server supports TLS Fallback SCSV",
        "TLSv1.0   disabled",
        "TLSv1.1   disabled",
        "TLSv1.2   enabled",
        "TLSv1.3   enabled",
        "SSLv3     disabled",
    ] {
        assert!(scan.contains(line), "{line}: {scan}");
    }
    let found = site.file("testssl.json").display().to_string();
    let authority = site.file("authority.pem").display().to_string();
    let host = format!("{NAME}:{}", house.port());
    let checks = ["-p", "-s", "-f"];
    let mut arguments = vec!["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1"];
    arguments.extend(["--nodns", "min", "--add-ca", &authority, "--jsonfile", &found]);
    arguments.extend(checks);
    arguments.push(&host);
    let told = said(Path::new("/usr/bin/testssl"), &arguments);
    let text = std::fs::read_to_string(&found).unwrap_or_else(|error| panic!("{error}: {told}"));
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(findings.len() > 15, "{told}");
    let serious =
        |one: &&Value| !matches!(one["severity"].as_str(), Some("OK" | "INFO" | "LOW" | "WARN"));
    let serious: Vec<&Value> = findings.iter().filter(serious).collect();
    assert!(serious.is_empty(), "{serious:#?}");
    let json = site.file("sslyze.json").display().to_string();
    let to = format!("{host}{{127.0.0.1}}");
    let sslyze = root().join("target/tools/sslyze/bin/sslyze");
    let config = "--mozilla_config=intermediate";
    let told = said(&sslyze, &[config, "--json_out", &json, "--certinfo_ca_file", &authority, &to]);
    let (_, judged) = told.split_once("Mozilla's \"intermediate\" configuration").unwrap();
    let wrong: Vec<&str> =
        judged.lines().filter_map(|line| line.trim().strip_prefix("* ")).collect();
    // No browser knows an authority that was made a minute ago.
    let private = "certificate_path_validation: Certificate path validation failed for ";
    assert!(judged.contains("ompliant"), "{told}");
    assert!(wrong.iter().all(|line| line.starts_with(private)), "{told}");
}
