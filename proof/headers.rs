//! What a real browser does with the policy: it runs no injected script, and another site's form changes
//! nothing. And what others' grader says of the headers.

use std::process::Command;

use crate::house::{root, shared};

/// The script that drives the browser asserts each step; here it only has to end well.
#[test]
fn a_browser_holds_to_the_policy() {
    let house = shared();
    let password = std::fs::read_to_string(house.data.join("secrets/demo-people.password"));
    let ran = Command::new("node")
        .arg(root().join("proof/browser/headers.cjs"))
        .env("NODE_PATH", root().join("target/tools/node/node_modules"))
        .env("AMANAH_ADDRESS", format!("https://localhost:{}", house.port()))
        .env("AMANAH_PASSWORD", password.unwrap().trim())
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{failed}\n{}", house.log());
    assert!(said.contains("all of it was stopped"), "{said}");
}

/// Mozilla's HTTP Observatory, by its own code.
#[test]
fn the_observatory_gives_its_best_grade() {
    let house = shared();
    let modules = root().join("target/tools/node/node_modules");
    let ran = Command::new("node")
        .arg(root().join("proof/browser/observatory.mjs"))
        .env("OBSERVATORY", modules.join("@mdn/mdn-http-observatory"))
        .env("AMANAH_PORT", house.port())
        .env("NODE_EXTRA_CA_CERTS", house.data.join("tls/ca.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let graded: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(graded.len(), 2, "{said}");
    for page in graded {
        assert_eq!(page["grade"], "A+", "{page}");
        assert!(page["score"].as_i64().unwrap() >= 130, "{page}");
    }
}
