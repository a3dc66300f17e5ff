//! The control on this machine: it bites, it holds on a clean house, and it says what it could
//! not look at.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kernel::{Control, Cx, Outcome, Params, Proof, Secret, SystemClock, SystemRng};

use super::controls;
use crate::Scan;
use crate::detect::Detectors;
use crate::planted::Planted;
use crate::scan::Search;

fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

fn scan(folder: &Path) -> Scan {
    Scan {
        configs: Vec::new(),
        roots: vec![folder.join("source")],
        skip: Vec::new(),
        private: Vec::new(),
        in_use: Vec::new(),
        scratch: folder.join("scratch"),
    }
}

fn control(scan: Scan) -> Arc<dyn Control> {
    Arc::clone(&controls(scan).unwrap()[0])
}

async fn prove(scan: Scan) -> Proof {
    control(scan).prove(&cx(), &Params::none()).await
}

#[tokio::test]
async fn it_bites_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scan(folder.path());
    let proof = control(scan.clone()).bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(proof.population().to_string(), "16 of 16 planted secrets");
    assert_eq!(fs::read_dir(&scan.scratch).unwrap().count(), 0);
}

#[tokio::test]
async fn a_bite_without_a_place_to_plant_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut scan = scan(folder.path());
    fs::write(&scan.scratch, "a file").unwrap();
    scan.scratch = scan.scratch.join("below");
    let proof = control(scan).bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
}

#[tokio::test]
async fn a_secret_in_use_is_found_in_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let mut scan = scan(folder.path());
    fs::create_dir_all(folder.path().join("source/a")).unwrap();
    let secret = "only-letters-and-words";
    fs::write(folder.path().join("source/a/b.md"), format!("x\ny {secret}")).unwrap();
    scan.in_use = vec![Secret::new(format!("{secret}\n")), Secret::new("short".into())];
    let proof = prove(scan).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    let finding = proof.findings().iter().find(|f| f.object == "a/b.md:2");
    let finding = finding.unwrap();
    assert_eq!(finding.what, "holds a secret (secret-in-use, on…, 22 bytes)");
    assert!(!format!("{proof:?}").contains("letters"));
    assert!(proof.detail().contains("1 of 2 secrets in use are too short"));
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_never_proven() {
    let folder = tempfile::tempdir().unwrap();
    let mut scan = scan(folder.path());
    scan.private = vec![folder.path().join("none.key")];
    let proof = prove(scan).await;
    // Both the root and the private file are missing. Somebody else's process on this machine may
    // have a secret in its arguments, which would be broken, and not unknown.
    assert_ne!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert!(proof.detail().contains("none.key"), "{proof:?}");
    assert!(proof.population().total >= proof.population().checked + 2);
}

#[test]
fn this_repository_holds_no_secret() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scan = Scan {
        roots: vec![root.clone()],
        skip: vec![root.join("data").canonicalize().unwrap_or_default()],
        ..scan(Path::new("none"))
    };
    let search = Search {
        scan: &scan,
        detectors: &Detectors::new().unwrap(),
        // No process has this number: other programs on this machine do not matter here.
        only: Some(0),
        stop: &AtomicBool::new(false),
    };
    let report = search.run();
    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, [""; 0]);
    assert!(report.files > 50, "{}", report.files);
}

#[test]
fn a_bite_under_way_elsewhere_is_not_taken_for_a_leak() {
    let folder = tempfile::tempdir().unwrap();
    let planted = Planted::new(folder.path(), &SystemRng).unwrap();
    let leaks = |only| {
        let search = Search {
            scan: &scan(folder.path()),
            detectors: &Detectors::new().unwrap(),
            only,
            stop: &AtomicBool::new(false),
        };
        let place = format!("command line of process {} ", planted.process());
        let findings = search.run().findings;
        findings.iter().filter(|f| f.object.starts_with(&place)).count()
    };
    assert_eq!(leaks(None), 0);
    assert_eq!(leaks(Some(planted.process())), 1);
}
