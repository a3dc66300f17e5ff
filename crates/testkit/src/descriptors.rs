//! A test that runs once more in a process of its own, with few file descriptors: the limit is the process's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What such a process is told: the file that both know.
const FILE: &str = "AMANAH_TEST_FILE";

/// The command that runs the ignored test called `test` of this program, with so many descriptors and with
/// `file`. Both ends of its standard input and output are pipes.
pub fn with_descriptors(test: &str, most: u32, file: &Path) -> Command {
    let limited = format!("ulimit -n {most} && exec \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited, "sh"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// In such a process, the file. `None` where somebody runs all ignored tests.
#[expect(clippy::disallowed_methods, reason = "the runner of tests leaves no other way to tell it")]
pub fn file_of_parent() -> Option<PathBuf> {
    std::env::var_os(FILE).map(PathBuf::from)
}
