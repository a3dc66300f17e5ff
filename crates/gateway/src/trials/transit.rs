//! The proofs of what is under way: they hold on a good gateway, are broken on a bad one, and bite.

use std::net::{Ipv4Addr, SocketAddr};

use kernel::{Outcome, Params, Proof, catalogue};

use super::Edge;
use super::proof::{control_of, cx};
use crate::certificates::tests::Signer;
use crate::controls::Target;
use crate::{HeaderPolicy, MinTls, TlsSettings};

const TLS: &str = "transit.tls";
const HSTS: &str = "transit.hsts";

async fn prove(
    id: &str,
    edge: &Edge,
    param: (&str, &str),
    change: impl FnOnce(&mut Target),
) -> Proof {
    let dir = tempfile::tempdir().unwrap();
    let params = Params::check(catalogue::find(id).unwrap(), [param]).unwrap();
    control_of(id, edge, &dir, change).prove(&cx(), &params).await
}

async fn edge(min: MinTls) -> Edge {
    Edge::with(|settings| settings.tls = TlsSettings { min, ..TlsSettings::default() }).await
}

/// A gateway of today holds both promises, and one that speaks TLS 1.2 as well the older one.
#[tokio::test]
async fn tls_holds_for_what_is_promised() {
    let new = edge(MinTls::V1_3).await;
    for promised in ["1.3", "1.2"] {
        let proof = prove(TLS, &new, ("min", promised), |_| {}).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        assert!(proof.measured().starts_with("TLS 1.3; A+ (93 of 100)"), "{}", proof.measured());
    }
    let proof = prove(TLS, &new, ("min", "1.3"), |_| {}).await;
    assert_eq!(proof.population().to_string(), "39 of 39 hellos and handshakes");
    assert!(proof.detail().contains("X25519MLKEM768 first"), "{}", proof.detail());
    let old = edge(MinTls::V1_2).await;
    let proof = prove(TLS, &old, ("min", "1.2"), |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert!(proof.measured().starts_with("TLS 1.2, TLS 1.3; A+"), "{}", proof.measured());
    let proof = prove(TLS, &old, ("min", "1.3"), |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    let first = proof.findings()[0].to_string();
    assert_eq!(first, "TLS 1.2: accepted, with TLS 1.2 and suite 0xc02b");
    let proof = prove(TLS, &old, ("min", "1.1"), |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "it cannot be promised");
}

/// The certificates of the operator's names are looked at as strangers see them.
#[tokio::test]
async fn each_certificate_is_looked_at() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = vec![signer.write(dir.path(), "a", &["a.example", "*.b.example"], 2090)];
    let settings = TlsSettings { certificates: files.clone(), ..TlsSettings::default() };
    let edge = Edge::with(|of| of.tls = settings).await;
    let with = |target: &mut Target| target.certificates.clone_from(&files);
    let proof = prove(TLS, &edge, ("min", "1.3"), with).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    let found: Vec<&str> = proof.findings().iter().map(|one| one.object.as_str()).collect();
    assert_eq!(found, ["a.example", "amanah-proof.b.example"]);
    assert!(proof.findings()[0].what.contains("no authority that this machine trusts"));
    let strange = |target: &mut Target| target.names.push("strange.example".to_owned());
    let proof = prove(TLS, &edge, ("min", "1.3"), strange).await;
    assert_eq!(proof.findings()[0].to_string(), "strange.example: no certificate is shown for it");
}

/// A listener that is not there, or somebody else's, proves nothing.
#[tokio::test]
async fn what_is_not_seen_is_not_proven() {
    let (edge, other) = (edge(MinTls::V1_3).await, Edge::start().await);
    for (id, param) in [(TLS, ("min", "1.3")), (HSTS, ("max-age", "1y"))] {
        let proof = prove(id, &edge, param, |target| target.address = other.address).await;
        assert_ne!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        let proof = prove(id, &edge, param, |target| target.address.set_port(1)).await;
        assert_eq!(proof.outcome(), Outcome::Unknown);
        assert!(proof.detail().contains("amanah up"), "{}", proof.detail());
    }
}

/// Every answer says it for as long as is promised, and what is asked in clear is led to TLS.
#[tokio::test]
async fn hsts_holds_on_every_answer() {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let edge = Edge::with(|settings| settings.clear = Some(free)).await;
    let proof = prove(HSTS, &edge, ("max-age", "1y"), |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "27 of 27 answers");
    let words = "the shortest max-age is 31536000 seconds; 2 of 2 asked in clear led to TLS";
    assert_eq!(proof.measured(), words);
    let proof = prove(HSTS, &edge, ("max-age", "2y"), |_| {}).await;
    assert_eq!(proof.findings().len(), 21, "each answer is too short");
    let less = HeaderPolicy::default().without("strict-transport-security");
    let bad = Edge::with(|settings| settings.headers = less).await;
    let proof = prove(HSTS, &bad, ("max-age", "1y"), |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    assert_eq!(proof.findings()[0].to_string(), "GET /trust, anonymous (200): does not say it");
}

/// Every violation that is seeded is found by the attempt that is meant for it.
#[tokio::test]
async fn both_bite() {
    let edge = Edge::start().await;
    let dir = tempfile::tempdir().unwrap();
    for (id, all) in [(TLS, 23), (HSTS, 4)] {
        let proof = control_of(id, &edge, &dir, |_| {}).bite(&cx()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
        assert_eq!(proof.measured(), format!("{all} of {all} violations found"));
    }
}
