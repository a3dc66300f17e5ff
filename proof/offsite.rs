//! The trail is copied to a second place, by a running house and by hand, and the copy is opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, LOOK_AGAIN};

/// How long something may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The file with the rows of the trail of `folder`.
fn rows(folder: &Path) -> PathBuf {
    let inside = |folder: PathBuf| {
        let mut files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.next().unwrap()
    };
    inside(folder.join("rows/000000000.p"))
}

/// The copies are there without anybody's doing, open, and keep the claim; a byte that is changed there
/// is named by its part, and breaks it.
#[test]
fn a_copy_lies_elsewhere_and_opens() {
    // Another disk than that of the data, in memory.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = elsewhere.path().display();
    let house = House::configured(&format!("[trail]\noffsite = \"{place}\"\n"));
    let begun = Instant::now();
    let made = loop {
        let said = house.run(&["audit", "offsite", "--json"]);
        // The house copies too, and one at a time does.
        if said.status.code() == Some(0) {
            break serde_json::from_slice::<Value>(&said.stdout).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "{}", String::from_utf8_lossy(&said.stderr));
        std::thread::park_timeout(LOOK_AGAIN);
    };
    let copies = made.as_array().unwrap();
    assert!(!copies.is_empty());
    assert!(
        copies.iter().all(|one| one["entries"].as_u64() > Some(1) && one["unlike"] == 0),
        "{made}"
    );
    let checked = house.run(&["audit", "offsite", "--check", "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stdout));
    let claim = ["--page", "pages/regulated-audit.md", "--claim", "audit.offsite"];
    let (exit, claims) = house.verify(&claim);
    assert_eq!((exit, &claims[0]["verdict"]), (0, &"proven".into()), "{claims:#?}");
    let database = copies[0]["database"].as_str().unwrap();
    let begun = Instant::now();
    loop {
        let part = rows(&elsewhere.path().join(database));
        let whole = std::fs::read(&part).unwrap();
        assert!(!whole.windows(8).any(|text| text == b"new_data"), "rows are sealed");
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&part, changed).unwrap();
        let checked = house.run(&["audit", "offsite", "--check", "--database", database]);
        let (exit, claims) = house.verify(&claim);
        // The house makes the part that is not full anew with its own first copy, which may come just now.
        if checked.status.code() == Some(1) && exit == 1 {
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            assert!(said.contains("rows/000000000.p/"), "{said}");
            assert_eq!(claims[0]["verdict"], "failing", "{claims:#?}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{claims:#?}");
    }
}
