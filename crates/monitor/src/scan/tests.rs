//! The search on files of its own.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::{Report, Scan, Search, shown};
use crate::detect::Detectors;

fn run(folder: &Path, change: impl FnOnce(&mut Scan)) -> Report {
    let mut scan = Scan {
        configs: Vec::new(),
        roots: vec![folder.to_path_buf()],
        skip: Vec::new(),
        private: Vec::new(),
        in_use: Vec::new(),
        scratch: folder.to_path_buf(),
    };
    change(&mut scan);
    let search = Search {
        scan: &scan,
        detectors: &Detectors::new().unwrap(),
        // No process has this number, so none is looked at.
        only: Some(0),
        stop: &AtomicBool::new(false),
    };
    search.run()
}

fn objects(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| &*f.object).collect()
}

fn sample() -> String {
    format!("AKIA{}", "0123456789ABCDEF")
}

#[test]
fn an_allowed_sample_is_counted_and_one_in_use_is_never_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let digest = crate::allow::digest(sample().as_bytes());
    fs::write(folder.path().join("vector.txt"), sample()).unwrap();
    assert_eq!(objects(&run(folder.path(), |_| {})), ["vector.txt:1"]);

    let list = format!("vector.txt:{digest} published\nother:{digest} stale\nbroken\n");
    fs::write(folder.path().join(crate::allow::ALLOW_FILE), list).unwrap();
    let report = run(folder.path(), |_| {});
    assert_eq!(objects(&report), [""; 0]);
    let notes = report.notes.join(";");
    for words in ["line 3", "1 lines of", "1 samples are on the allow list"] {
        assert!(notes.contains(words), "{notes}");
    }

    let report = run(folder.path(), |scan| {
        scan.in_use = vec![kernel::Secret::new(sample())];
    });
    assert_eq!(objects(&report), ["vector.txt:1"]);
    assert!(report.findings[0].what.contains("secret-in-use"));
}

#[test]
fn a_configuration_inside_a_root_is_searched_once_and_as_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app");
    let value = "aB3dE5gH7jK9mN1pQ2rS";
    fs::write(&path, format!("password: {value}\n")).unwrap();
    assert_eq!(objects(&run(folder.path(), |_| {})), [""; 0]);
    let report = run(folder.path(), |scan| scan.configs = vec![path.clone()]);
    assert_eq!(objects(&report), [format!("{}:1", path.display())]);
    assert_eq!(report.files, 1);
}

#[test]
fn a_search_that_is_stopped_says_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let scan = Scan {
        configs: vec![folder.path().join("a"), folder.path().join("none")],
        roots: Vec::new(),
        skip: Vec::new(),
        private: Vec::new(),
        in_use: Vec::new(),
        scratch: folder.path().to_path_buf(),
    };
    let search = Search {
        scan: &scan,
        detectors: &Detectors::new().unwrap(),
        only: Some(0),
        stop: &AtomicBool::new(true),
    };
    let report = search.run();
    assert_eq!(report.unchecked.len(), 2, "{:?}", report.unchecked);
    assert_eq!(report.population().checked, 0);
    assert!(report.notes.join(";").contains("no source"));
}

#[test]
fn little_of_a_secret_is_shown() {
    assert_eq!(shown(b"AKIAxyz", true), "AKIA…, 7 bytes");
    assert_eq!(shown(b"hunter2", false), "…, 7 bytes");
    assert_eq!(shown(&[b'x'; 20], false), "xx…, 20 bytes");
    assert_eq!(shown(&[0xff; 64], false), "\\xff\\xff\\xff\\xff…, 64 bytes");
}
