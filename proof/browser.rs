//! A person in a real browser: Chromium goes the whole way from an invitation to being thrown out.

use std::process::Command;

use crate::house::{House, program, root};

/// The script that drives the browser asserts each step; here it only has to end well.
#[test]
fn a_person_is_invited_enrolled_and_thrown_out() {
    let house = House::start();
    let browser = root().join("proof/browser/people.cjs");
    let modules = root().join("target/tools/node/node_modules");
    let ran = Command::new("node")
        .arg(browser)
        .env("NODE_PATH", modules)
        .env("AMANAH_ADDRESS", format!("https://localhost:{}", house.port()))
        .env("AMANAH_PROGRAM", program())
        .env("AMANAH_DATA", &house.data)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{failed}\n{}", house.log());
    assert!(said.contains("thrown out after "), "{said}");
}
