//! Others open our streams, and we theirs: Tink itself, and the script in `docs`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernel::{SystemRng, hex};

use super::{FIRST, NEXT, SIZES, context, material, open_all_ways, text};
use crate::stream::{SEGMENT, encrypt};

/// Runs a Python program of the checkout with `input` on its standard input.
fn python(program: &str, arguments: &[&Path], input: &str) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let mut child = Command::new(testkit::python_tool("python"))
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn seal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encrypt(&material(), &context(), &SystemRng, 2, text, &mut out).unwrap();
    out
}

/// Streams that no implementation may open.
fn spoilt() -> Vec<(&'static str, Vec<u8>)> {
    let whole = seal(&text(FIRST + NEXT + 7));
    let swapped = [
        &whole[..super::HEADER],
        &whole[SEGMENT..2 * SEGMENT],
        &whole[super::HEADER..SEGMENT],
        &whole[2 * SEGMENT..],
    ];
    vec![
        ("empty", Vec::new()),
        ("cut-at-a-border", whole[..2 * SEGMENT].to_vec()),
        ("cut-inside", whole[..SEGMENT + 99].to_vec()),
        ("followed", [&*whole, b"!"].concat()),
        ("swapped", swapped.concat()),
    ]
}

/// Both directions, for every length at which something could go wrong.
#[test]
fn tink_and_we_open_each_others_streams() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, kind: &str| -> PathBuf { folder.path().join(format!("{name}.{kind}")) };
    for size in SIZES {
        let text = text(size);
        fs::write(file(&size.to_string(), "text"), &text).unwrap();
        fs::write(file(&size.to_string(), "ours"), seal(&text)).unwrap();
    }
    for (name, bytes) in spoilt() {
        fs::write(file(name, "bad"), bytes).unwrap();
    }
    let secrets = format!("{}\n{}\n", hex(material().expose()), hex(context().as_bytes()));
    let output = python("src/stream/tests/tink_peer.py", &[folder.path()], &secrets);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for size in SIZES {
        let theirs = fs::read(file(&size.to_string(), "theirs")).unwrap();
        for (way, opened, ended) in open_all_ways(&material(), &context(), &theirs) {
            assert!(ended.is_ok() && opened == text(size), "{size} bytes, {way}: {ended:?}");
        }
    }
}

/// The script that ships with the documentation opens what we seal, and refuses what is spoilt.
#[test]
fn the_script_in_the_documentation_opens_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = folder.path().join("sealed");
    let context = PathBuf::from(hex(context().as_bytes()));
    let open = |bytes: &[u8]| {
        fs::write(&sealed, bytes).unwrap();
        let key = hex(material().expose());
        python("../../docs/open_stream.py", &[&sealed, &context], &key)
    };
    for size in [0, 1, FIRST, FIRST + 1, 3 << 20] {
        let output = open(&seal(&text(size)));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == text(size), "{size} bytes");
    }
    for (name, bytes) in spoilt() {
        assert!(!open(&bytes).status.success(), "{name} was opened");
    }
}
