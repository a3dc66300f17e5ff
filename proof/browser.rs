//! Scripts that drive a real browser, and the longest of them: Chromium goes the whole way from an
//! invitation to being thrown out.

use std::process::Command;

use crate::house::{House, program, root};

/// Runs the script of this name in `proof/browser` on a house, with more variables of the environment. It
/// asserts each step by itself; here it has to end well and say `last`. What it said is returned.
pub fn drive(house: &House, script: &str, variables: &[(&str, &str)], last: &str) -> String {
    let modules = root().join("target/tools/node/node_modules");
    let ran = Command::new("node")
        .arg(root().join("proof/browser").join(script))
        .env("NODE_PATH", modules)
        .env("AMANAH_ADDRESS", format!("https://localhost:{}", house.port()))
        .env("AMANAH_PROGRAM", program())
        .env("AMANAH_DATA", &house.data)
        .envs(variables.iter().copied())
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{failed}\n{}", house.log());
    assert!(said.contains(last), "{said}");
    said
}

#[test]
fn a_person_is_invited_enrolled_and_thrown_out() {
    drive(&House::start(), "people.cjs", &[], "thrown out after ");
}
