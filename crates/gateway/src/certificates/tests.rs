//! Which certificates are taken, which are not and why, and what is presented for which name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::ManualClock;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::{CertificateFiles, Certificates, UnknownName};
use crate::LocalAuthority;

/// An authority of somebody else's, which signs what a test needs.
pub(crate) struct Signer(CertifiedIssuer<'static, KeyPair>);

impl Signer {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Authority of a test");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes a pair for `names` that ends with the year `until`.
    pub(crate) fn write(
        &self,
        dir: &Path,
        stem: &str,
        names: &[&str],
        until: i32,
    ) -> CertificateFiles {
        self.write_with(dir, stem, names, until, &KeyPair::generate().unwrap())
    }

    pub(crate) fn write_with(
        &self,
        dir: &Path,
        stem: &str,
        names: &[&str],
        until: i32,
        key: &KeyPair,
    ) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let leaf = params.signed_by(key, &self.0).unwrap();
        let files = CertificateFiles {
            chain: dir.join(format!("{stem}.pem")),
            key: dir.join(format!("{stem}.key")),
        };
        put(&files.key, &key.serialize_pem(), 0o600);
        put(&files.chain, &format!("{}{}", leaf.pem(), self.pem()), 0o644);
        files
    }
}

/// As certbot does it: whole, in the place of what was there.
pub(crate) fn put(file: &Path, text: &str, mode: u32) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(new, file).unwrap();
}

fn now() -> Timestamp {
    "2027-03-01T12:00:00Z".parse().unwrap()
}

fn open(files: &[CertificateFiles], unknown: UnknownName) -> Result<Certificates, String> {
    let local = LocalAuthority::in_memory(Arc::new(ManualClock::at(now()))).unwrap();
    Certificates::open(files.to_vec(), unknown, Arc::new(local)).map_err(|e| e.to_string())
}

fn refused(files: &CertificateFiles) -> String {
    open(std::slice::from_ref(files), UnknownName::Refuse).map(|_| ()).unwrap_err()
}

/// Every kind of key that is good is taken, with a chain.
#[test]
fn good_pairs_are_taken() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let keys = [
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyPair::generate_for(&rcgen::PKCS_ED25519),
        rsa,
    ];
    for key in keys {
        let files = signer.write_with(
            dir.path(),
            "a",
            &["Shop.example", "*.b.example"],
            2030,
            &key.unwrap(),
        );
        let taken = open(&[files], UnknownName::Refuse).unwrap();
        let presented = taken.presented();
        assert_eq!(presented[0].names, ["shop.example", "*.b.example"]);
        assert_eq!(presented[0].until.to_string(), "2030-12-31T00:00:00Z");
    }
}

/// What would fail in front of visitors fails at the start, with the reason.
#[test]
fn bad_pairs_are_refused_with_the_reason() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let path = dir.path();
    let expired = signer.write(path, "expired", &["a.example"], 2025);
    assert!(refused(&expired).contains("it has expired on 2025-12-31"), "{}", refused(&expired));
    let (one, two) = (
        signer.write(path, "one", &["a.example"], 2030),
        signer.write(path, "two", &["a.example"], 2030),
    );
    let crossed = CertificateFiles { chain: one.chain.clone(), key: two.key };
    assert!(refused(&crossed).contains("this is not the key of"), "{}", refused(&crossed));
    for (stem, text, words) in [
        ("weak", include_str!("weak.pem"), "its RSA key has 1024 bits"),
        ("sha1", include_str!("sha1.pem"), "SHA-1, which can be forged"),
        ("empty", "", "it holds no certificate"),
        ("noise", "-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----\n", "not PEM"),
        ("turned", &turned(&one.chain), "do not follow one another"),
    ] {
        let chain = path.join(format!("{stem}.pem"));
        put(&chain, text, 0o644);
        let why = refused(&CertificateFiles { chain, key: one.key.clone() });
        assert!(why.contains(words), "{stem}: {why}");
    }
    let nameless = signer.write(path, "nameless", &["10.0.0.1"], 2030);
    assert!(refused(&nameless).contains("names no host"), "{}", refused(&nameless));
    put(&one.key, &fs::read_to_string(&one.key).unwrap(), 0o644);
    assert!(refused(&one).contains("every user of the machine"), "{}", refused(&one));
    fs::remove_file(&one.key).unwrap();
    assert!(refused(&one).contains("cannot read"), "{}", refused(&one));
}

/// The authority's certificate before the server's own.
fn turned(chain: &Path) -> String {
    let text = fs::read_to_string(chain).unwrap();
    let (first, second) = text.split_at(text.find("-----END CERTIFICATE-----\n").unwrap() + 26);
    format!("{second}{first}")
}

/// A name has the certificate for it, a strange one has none, and an address has the first.
#[test]
fn names_are_known_as_clients_see_them() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = [
        signer.write(dir.path(), "a", &["a.example", "*.shop.example"], 2030),
        signer.write(dir.path(), "b", &["b.example"], 2030),
    ];
    let known = open(&files, UnknownName::Refuse).unwrap();
    for name in ["a.example", "A.EXAMPLE", "x.shop.example", "b.example", "localhost"] {
        assert!(known.knows(Some(name)) && known.is_ours(name), "{name}");
    }
    for name in ["c.example", "shop.example", "x.y.shop.example", ".shop.example"] {
        assert!(!known.knows(Some(name)) && !known.is_ours(name), "{name}");
    }
    assert!(known.knows(None));
    let first = open(&files, UnknownName::First).unwrap();
    assert!(first.knows(Some("c.example")) && !first.is_ours("c.example"));
    let none = open(&[], UnknownName::Refuse).unwrap();
    assert!(none.knows(Some("c.example")), "the local one is presented to everybody");
}

/// New files are taken, broken ones are told once and change nothing, and a good one ends that.
#[test]
fn files_are_read_anew() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = signer.write(dir.path(), "a", &["a.example"], 2027);
    let held = open(std::slice::from_ref(&files), UnknownName::Refuse).unwrap();
    let until = || held.presented()[0].until.to_string().chars().take(4).collect::<String>();
    held.look();
    assert_eq!(held.reloads(), (0, 0));
    signer.write(dir.path(), "a", &["a.example"], 2028);
    held.look();
    assert_eq!((until().as_str(), held.reloads()), ("2028", (1, 0)));
    put(&files.chain, "not a certificate", 0o644);
    held.look();
    held.look();
    assert_eq!((until().as_str(), held.reloads()), ("2028", (1, 1)));
    fs::remove_file(&files.chain).unwrap();
    held.look();
    held.look();
    assert_eq!((until().as_str(), held.reloads()), ("2028", (1, 2)));
    signer.write(dir.path(), "a", &["a.example"], 2029);
    held.look();
    assert_eq!((until().as_str(), held.reloads()), ("2029", (2, 2)));
    let read = Certificates::inspect(&[files], now() + SignedDuration::from_hours(24 * 365 * 4));
    assert!(read[0].as_ref().unwrap_err().to_string().contains("has expired"));
    assert_eq!(held.local.clock().now(), now());
}
