//! Others open our streams, and we theirs: Tink itself, and the script in `docs`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernel::{SystemRng, hex};

use super::{FIRST, NEXT, SIZES, context, material, open_all_ways, text};
use crate::stream::{SEGMENT, encrypt};
use crate::{Context, Error, Material};

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
    seal_as(&material(), &context(), text)
}

fn seal_as(material: &Material, context: &Context, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encrypt(material, context, &SystemRng, 2, text, &mut out).unwrap();
    out
}

/// Another object of the same tenant: what its own stream is sealed with, and for.
fn other() -> (Material, Context) {
    let context = Context::of("amanah/stream/1").with("a tenant").with("another file");
    (Material::new([0xa5; 32]), context)
}

fn of_another_tenant() -> Context {
    Context::of("amanah/stream/1").with("another tenant").with("a file")
}

/// Streams that no implementation may open.
fn spoilt() -> Vec<(String, Vec<u8>)> {
    let whole = seal(&text(FIRST + NEXT + 7));
    let swapped = [
        &whole[..super::HEADER],
        &whole[SEGMENT..2 * SEGMENT],
        &whole[super::HEADER..SEGMENT],
        &whole[2 * SEGMENT..],
    ];
    let mut spoilt = vec![
        ("empty".to_owned(), Vec::new()),
        ("cut-at-a-border".to_owned(), whole[..2 * SEGMENT].to_vec()),
        ("cut-inside".to_owned(), whole[..SEGMENT + 99].to_vec()),
        ("followed".to_owned(), [&*whole, b"!"].concat()),
        ("swapped".to_owned(), swapped.concat()),
    ];
    // Whole in themselves, and in the wrong place.
    let (other_key, other_context) = other();
    for size in PLACES {
        let text = text(size);
        let named = |what: &str| format!("{what}-{size}");
        let tenant = seal_as(&material(), &of_another_tenant(), &text);
        spoilt.push((named("of-another-tenant"), tenant));
        spoilt.push((named("wrong-context"), seal_as(&material(), &other_context, &text)));
        spoilt.push((named("swapped-object"), seal_as(&other_key, &other_context, &text)));
    }
    spoilt
}

/// Texts of one segment, of a full one, and of several.
const PLACES: [usize; 4] = [0, 9, FIRST, FIRST + NEXT + 7];

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
        fs::write(file(&name, "bad"), bytes).unwrap();
    }
    let secrets = [(material(), context()), other()].map(|(material, context)| {
        format!("{}\n{}\n", hex(material.expose()), hex(context.as_bytes()))
    });
    let secrets = secrets.concat();
    let output = python("src/stream/tests/tink_peer.py", &[folder.path()], &secrets);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for size in SIZES {
        let theirs = fs::read(file(&size.to_string(), "theirs")).unwrap();
        for (way, opened, ended) in open_all_ways(&material(), &context(), &theirs) {
            assert!(ended.is_ok() && opened == text(size), "{size} bytes, {way}: {ended:?}");
        }
        let read = |kind: &str| fs::read(file(&size.to_string(), kind)).unwrap();
        let (other_key, other_context) = other();
        refused_in_the_wrong_place(&read("context"), (&material(), &other_context), size);
        refused_in_the_wrong_place(&read("object"), (&other_key, &other_context), size);
    }
}

/// What Tink sealed for another place opens there and not here, with us and with the script.
fn refused_in_the_wrong_place(sealed: &[u8], right: (&Material, &Context), size: usize) {
    for (way, opened, ended) in open_all_ways(right.0, right.1, sealed) {
        assert!(ended.is_ok() && opened == text(size), "{size} bytes, {way}: {ended:?}");
    }
    for (way, opened, ended) in open_all_ways(&material(), &context(), sealed) {
        assert!(matches!(ended, Err(Error::Refused)), "{size} bytes, {way}: {ended:?}");
        assert!(opened.is_empty(), "{size} bytes, {way}");
    }
    if PLACES.contains(&size) {
        let output = script(right.0, right.1, sealed);
        assert!(output.status.success() && output.stdout == text(size), "{size} bytes");
        let output = script(&material(), &context(), sealed);
        assert!(!output.status.success() && output.stdout.is_empty(), "{size} bytes");
    }
}

/// Has the script of the documentation open `sealed`.
fn script(material: &Material, context: &Context, sealed: &[u8]) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(sealed).unwrap();
    let context = PathBuf::from(hex(context.as_bytes()));
    python("../../docs/open_stream.py", &[file.path(), &context], &hex(material.expose()))
}

/// The script that ships with the documentation opens what we seal, and refuses what is spoilt.
#[test]
fn the_script_in_the_documentation_opens_a_stream() {
    for size in [0, 1, FIRST, FIRST + 1, 3 << 20] {
        let output = script(&material(), &context(), &seal(&text(size)));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == text(size), "{size} bytes");
    }
    for (name, bytes) in spoilt() {
        assert!(!script(&material(), &context(), &bytes).status.success(), "{name} was opened");
    }
}
