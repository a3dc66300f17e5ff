//! What the authority's folder survives, and what it refuses to repair by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{ManualClock, SystemClock};

use super::{AUTHORITY_FILE, AUTHORITY_KEY_FILE, LEAF_FILE, LEAF_KEY_FILE, LocalAuthority};
use crate::GatewayError;

fn day(n: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_hours(24 * n)
}

fn open(dir: &Path, at: Timestamp) -> Result<LocalAuthority, GatewayError> {
    LocalAuthority::open_or_create(dir, &[], Arc::new(ManualClock::at(at)))
}

fn read(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap()
}

/// A second start uses the same authority and the same certificate, and keys are private.
#[test]
fn it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), day(0)).unwrap();
    let (authority, leaf) = (first.pem().to_owned(), read(dir.path(), LEAF_FILE));
    let second = open(dir.path(), day(1)).unwrap();
    assert_eq!(second.pem(), authority);
    assert_eq!(read(dir.path(), LEAF_FILE), leaf);
    for key in [AUTHORITY_KEY_FILE, LEAF_KEY_FILE] {
        let mode = fs::metadata(dir.path().join(key)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{key}");
    }
}

/// The certificate is renewed below 30 days, in a running process and at a start, and not before.
#[test]
fn it_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(day(0)));
    let authority = LocalAuthority::open_or_create(dir.path(), &[], clock.clone()).unwrap();
    let leaf = read(dir.path(), LEAF_FILE);
    clock.set(day(58));
    assert!(!authority.renew_if_due().unwrap());
    clock.set(day(61));
    assert!(authority.renew_if_due().unwrap());
    let renewed = read(dir.path(), LEAF_FILE);
    assert_ne!(leaf, renewed);
    open(dir.path(), day(200)).unwrap();
    assert_ne!(renewed, read(dir.path(), LEAF_FILE));
}

/// A new name means a new certificate from the same authority; a name that is none is refused.
#[test]
fn names_are_covered() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), day(0)).unwrap();
    let leaf = read(dir.path(), LEAF_FILE);
    let clock = Arc::new(ManualClock::at(day(0)));
    let names = ["shop.example".to_owned(), "192.0.2.7".to_owned()];
    LocalAuthority::open_or_create(dir.path(), &names, clock.clone()).unwrap();
    assert_ne!(leaf, read(dir.path(), LEAF_FILE));
    let bad = ["no name".to_owned()];
    let error = LocalAuthority::open_or_create(dir.path(), &bad, clock).unwrap_err();
    assert!(matches!(error, GatewayError::Name(_)), "{error}");
}

/// Each damaged file is one error that names it, and nothing is overwritten.
#[test]
fn damage_is_told_and_never_repaired() {
    for file in [AUTHORITY_FILE, AUTHORITY_KEY_FILE, LEAF_FILE, LEAF_KEY_FILE] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), day(0)).unwrap();
        fs::write(dir.path().join(file), "scrambled").unwrap();
        let error = open(dir.path(), day(0)).unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
        assert!(error.contains("nothing was changed"), "{error}");
        assert_eq!(read(dir.path(), file), "scrambled");
    }
}

/// The authority's key cannot be made again, its certificate can.
#[test]
fn a_missing_key_is_told_and_a_missing_certificate_is_made() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), day(0)).unwrap();
    let leaf = read(dir.path(), LEAF_FILE);
    fs::remove_file(dir.path().join(AUTHORITY_FILE)).unwrap();
    open(dir.path(), day(0)).unwrap();
    assert_eq!(read(dir.path(), LEAF_FILE), leaf);
    fs::remove_file(dir.path().join(AUTHORITY_KEY_FILE)).unwrap();
    let error = open(dir.path(), day(0)).unwrap_err().to_string();
    assert!(error.contains("key is missing"), "{error}");
}

/// A certificate of another authority, an old one, and a key that others can read are refused.
#[test]
fn strangers_are_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(dir.path(), day(0)).unwrap();
    open(other.path(), day(0)).unwrap();
    let stranger = other.path().join(AUTHORITY_FILE);
    fs::copy(stranger, dir.path().join(AUTHORITY_FILE)).unwrap();
    let error = open(dir.path(), day(0)).unwrap_err().to_string();
    assert!(error.contains("does not belong"), "{error}");

    let error = open(other.path(), day(3600)).unwrap_err().to_string();
    assert!(error.contains("expires within 90 days"), "{error}");

    let key = other.path().join(AUTHORITY_KEY_FILE);
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = open(other.path(), day(0)).unwrap_err().to_string();
    assert!(error.contains("can be read by other users"), "{error}");
}

/// A scratch authority needs no folder.
#[test]
fn a_scratch_authority_lives_in_memory() {
    let authority = LocalAuthority::in_memory(Arc::new(SystemClock)).unwrap();
    assert!(authority.pem().contains("BEGIN CERTIFICATE"));
    assert!(!authority.renew_if_due().unwrap());
}
