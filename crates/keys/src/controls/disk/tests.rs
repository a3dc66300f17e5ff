//! The control on planted machines, and on this one.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;

use kernel::{Control, Cx, Outcome, Params, SystemClock, SystemRng, catalogue};

use super::planted::{Seed, tree};
use super::{Cipher, Disk, Disks, MAX_LINKS, Seen, weakness, with_links};

fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

fn params(cipher: &str) -> Params {
    Params::check(catalogue::find("rest.disk").unwrap(), [("cipher", cipher)]).unwrap()
}

async fn prove(seed: Seed, cipher: &str) -> kernel::Proof {
    let folder = tempfile::tempdir().unwrap();
    let disks = tree(&folder.path().canonicalize().unwrap(), seed).unwrap();
    let control = Disk { disks, scratch: folder.path().to_owned() };
    control.prove(&cx(), &params(cipher)).await
}

#[tokio::test]
async fn an_encrypted_disk_holds_and_its_cipher_is_named() {
    let proof = prove(Seed::None, "aes-256").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert_eq!(proof.population().to_string(), "2 of 2 filesystems");
    assert!(proof.measured().contains("aes-xts-plain64 with 256 bits"), "{proof:?}");
}

#[tokio::test]
async fn a_cipher_that_is_not_understood_is_unknown() {
    let proof = prove(Seed::None, "rot13").await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert!(proof.detail().contains("write it as aes-256"), "{proof:?}");
}

#[tokio::test]
async fn weaker_than_promised_is_broken_and_unseen_is_unknown() {
    for (seed, outcome, words) in [
        (Seed::Weak, Outcome::Broken, "aes-xts-plain64 with 128 bits"),
        (Seed::Null, Outcome::Broken, "in clear"),
        (Seed::Outside, Outcome::Unknown, "attest it"),
        (Seed::NoHeader, Outcome::Unknown, "with what is not known"),
        (Seed::ForeignHeader, Outcome::Unknown, "another volume"),
        (Seed::Verity, Outcome::Unknown, "not encrypted by this machine"),
        (Seed::HalfOpen, Outcome::Unknown, "sdb is not encrypted"),
        (Seed::Hidden, Outcome::Unknown, "another mount hides it"),
        (Seed::Journal, Outcome::Unknown, "its journal is not seen on dm-1"),
        (Seed::Log, Outcome::Unknown, "logdev=/dev/sda2"),
        (Seed::Several, Outcome::Unknown, "kind f2fs"),
    ] {
        let proof = prove(seed, "aes-256").await;
        assert_eq!(proof.outcome(), outcome, "{seed:?} {proof:?}");
        assert!(proof.detail().contains(words), "{seed:?} {proof:?}");
    }
    // A promise that the weaker cipher keeps.
    assert_eq!(prove(Seed::Weak, "aes-128").await.outcome(), Outcome::Holds);
}

#[tokio::test]
async fn it_bites_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().to_owned();
    let control = Disk { disks: Disks::here(vec![], vec![]), scratch: scratch.clone() };
    let proof = control.bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(proof.population().to_string(), "3 of 3 seeded violations");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
}

/// A server that cannot be seen is not proven by the disks that can.
#[tokio::test]
async fn what_lies_elsewhere_is_unknown_beside_a_good_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disks = tree(&folder.path().canonicalize().unwrap(), Seed::None).unwrap();
    let unseen = vec!["the server of shop (db.example:5432)".to_owned()];
    let control = Disk { disks: Disks { unseen, ..disks }, scratch: folder.path().to_owned() };
    let proof = control.prove(&cx(), &params("aes-256")).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert_eq!(proof.population().to_string(), "2 of 3 filesystems");
    let words = "shop (db.example:5432) cannot be seen from here: attest its disks";
    assert!(proof.detail().contains(words), "{proof:?}");
}

/// Links lead where they lead, and too many of them are not cut off.
#[test]
fn every_link_of_a_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (cluster, space, log) = (root.join("cluster"), root.join("space"), root.join("log"));
    for made in [&cluster.join("pg_tblspc"), &space, &log] {
        fs::create_dir_all(made).unwrap();
    }
    symlink(&space, cluster.join("pg_tblspc/16384")).unwrap();
    symlink(&log, cluster.join("pg_wal")).unwrap();
    let mut seen = Seen::default();
    let mut found = with_links(&cluster, "PostgreSQL", &mut seen);
    found.sort();
    assert_eq!(found, [cluster.clone(), log, space.clone()]);
    assert_eq!(seen.opens, Vec::<String>::new());

    symlink(root.join("gone"), cluster.join("pg_tblspc/16385")).unwrap();
    with_links(&cluster, "PostgreSQL", &mut seen);
    assert!(seen.opens[0].contains("16385"), "{:?}", seen.opens);
    for n in 0..MAX_LINKS {
        symlink(&space, cluster.join("pg_tblspc").join(n.to_string())).unwrap();
    }
    let mut seen = Seen::default();
    with_links(&cluster, "PostgreSQL", &mut seen);
    assert!(seen.opens[0].contains("more than 1000"), "{:?}", seen.opens);
    let mut seen = Seen::default();
    with_links(&root.join("nowhere"), "the data directory", &mut seen);
    assert!(!seen.opens.is_empty());
}

#[test]
fn a_mode_that_takes_a_part_of_the_key_is_not_known() {
    for (name, known) in [
        ("aes-xts-plain64", true),
        ("aes-cbc-essiv:sha256", true),
        ("aes-gcm-random", true),
        ("aes-lrw-benbi", false),
        ("aes-cbc-tcw", false),
        ("aes-cbc-null", false),
        ("aes:64-cbc-lmk", false),
        ("aes", false),
        ("aes-xts-plain64-more", false),
    ] {
        let cipher = Cipher { name: name.to_owned(), bits: 256 };
        assert_eq!(weakness(&cipher, None).is_ok(), known, "{name}");
    }
}

/// Whatever this machine is, the filesystem that is named is the one that `stat` names, and it is
/// never called failing for what cannot be seen.
#[tokio::test]
async fn on_this_machine_it_names_the_filesystem_that_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().canonicalize().unwrap();
    let scratch = data.clone();
    let control = Disk { disks: Disks::here(vec![("the data", data.clone())], vec![]), scratch };
    let proof = control.prove(&cx(), &Params::none()).await;
    let stat = Command::new("stat").args(["-c", "%m"]).arg(&data).output().unwrap();
    let point = String::from_utf8(stat.stdout).unwrap();
    let name = format!("{} (the data)", point.trim());
    let said = format!("{} {}", proof.measured(), proof.detail());
    assert!(said.contains(&name), "{name}: {proof:?}");
    assert_eq!(proof.population().total, 1, "{proof:?}");
    assert_ne!(proof.outcome(), Outcome::Broken, "{proof:?}");
}
