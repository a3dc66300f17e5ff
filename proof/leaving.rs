//! A tenant that leaves, as an operator sees it: its archive, and the certificate of its end.

use std::path::Path;

use serde_json::Value;

use crate::house::{House, amanah_with, directory, shared};

const SECRET: (&str, &str) = ("AMANAH_ARCHIVE_SECRET", "a secret of this test, and long");

/// Exit code, what it says as JSON, and what it complains of.
fn run(house: &House, secret: bool, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let data = house.data.display().to_string();
    let variables = if secret { &[SECRET][..] } else { &[] };
    let output = amanah_with(variables, &[arguments, &["--json", "--data", &data]].concat());
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_tenant_leaves_with_its_archive_and_a_certificate_stays() {
    let (guard, dir) = (shared(), directory());
    let house: &House = &guard;
    let (archive, file) = (dir.path().join("toko"), dir.path().join("certificate"));
    let (first, second) = ("Toko yang pergi", "Toko yang datang");
    let held = |secret: bool, arguments: &[&str]| {
        let (exit, said, error) = run(house, secret, arguments);
        assert_eq!(exit, Some(0), "{arguments:?}: {error}");
        said
    };
    let export = ["tenant", "export", first, "--to", text(&archive)];
    let import = ["tenant", "import", text(&archive), "--as", second];
    held(false, &["tenant", "add", first]);
    let (exit, _, error) = run(house, false, &export);
    assert_eq!(exit, Some(2), "neither a secret nor --plain: {error}");
    let exported = held(true, &export);
    assert_eq!(exported["sealed"], true, "{exported}");
    assert!(exported["manifest"]["tables"][0]["columns"].is_array(), "{exported}");
    let (exit, _, error) = run(house, true, &export);
    assert_eq!(exit, Some(2), "the file is there already: {error}");
    let sealed = std::fs::read(&archive).unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"orders"), "it is sealed");
    let (exit, _, error) = run(house, false, &import);
    assert_eq!(exit, Some(2), "it is sealed: {error}");
    let stripped = dir.path().join("stripped");
    std::fs::write(&stripped, b"not sealed").unwrap();
    let plain = ["tenant", "import", text(&stripped), "--as", second];
    let (exit, _, error) = run(house, true, &plain);
    assert_eq!(exit, Some(2), "it is not sealed: {error}");
    assert!(error.contains("no sealed archive"), "{error}");
    assert_eq!(held(true, &import)["state"], "active");
    let (exit, _, error) = run(house, true, &import);
    assert_eq!(exit, Some(2), "there is one already: {error}");

    let erase = ["tenant", "erase", first, "--yes", "--certificate", text(&file)];
    let erased = held(false, &erase);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(erased["certificate"], kept.as_str());
    held(false, &["tenant", "certificate", text(&file), "--tenant", first]);
    let (exit, ..) = run(house, false, &["tenant", "certificate", text(&file), "--tenant", second]);
    assert_eq!(exit, Some(1), "it is of another tenant");
    let all = held(false, &["tenant", "erasures"]);
    let known = all["erasures"].as_array().unwrap();
    assert!(known.iter().any(|one| one["certificate"] == kept.as_str()), "{all}");
    std::fs::write(&file, kept.replace("\"logins\": 1", "\"logins\": 7")).unwrap();
    let public = all["public_keys"][0].as_str().unwrap();
    for key in [&[][..], &["--public-key", public]] {
        let check = [&["tenant", "certificate", text(&file)][..], key].concat();
        let (exit, said, _) = run(house, false, &check);
        assert_eq!((exit, &said["holds"]), (Some(1), &Value::Bool(false)), "{said}");
    }
    held(false, &["tenant", "erase", second, "--yes"]);
}
