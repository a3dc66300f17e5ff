//! `rest.disk`: what holds our data is encrypted before it reaches the disk.

mod layers;
mod luks;
mod mounts;
mod planted;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Value};

use self::layers::{Tree, Way};
use self::luks::{Cipher, NOTHING};
use self::mounts::Device;
use super::{Bitten, Scratch, Seen};

static CARD: Card = Card {
    id: "rest.disk",
    title: "Disks are encrypted",
    attack: "Follows every filesystem that holds our data down to the devices it lies on, and \
             reads the cipher of each encrypted volume from its header.",
    bite: "In a scratch copy of what the kernel tells: a weaker cipher, a volume that does not \
           encrypt at all, and a data folder outside the encrypted device.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(1),
    not_covered: &[
        "encryption by the provider of a virtual disk, or by the disk itself, which this machine \
         cannot see: attest it",
        "network filesystems, and filesystems that manage several devices by themselves (btrfs, \
         zfs): attest them",
        "a running machine: whoever controls it reads the disk in clear",
        "swap, core dumps and copies made elsewhere",
        "where the key of the volume is kept, and how good its passphrase is",
        "a header that was changed while the volume was in use",
    ],
};

/// The most that is read of the table of mounts, in bytes.
const MAX_TABLE_BYTES: usize = 4 << 20;
/// How many tablespaces are followed.
const MAX_LINKS: usize = 1_000;
/// A cipher with a shorter key is reported whatever the page promises.
const FLOOR_BITS: u64 = 128;
/// Block ciphers that are compared by the length of their key.
const FAMILIES: [&str; 4] = ["aes", "serpent", "twofish", "camellia"];
const FIX: &str = "Move the data to a new volume: cryptsetup luksFormat --type luks2 --cipher \
                   aes-xts-plain64 --key-size 512";

/// What holds our data, and where the kernel tells of it.
#[derive(Debug, Clone)]
pub struct Disks {
    /// What is there, for people, and where: the data directory, the cluster, the ring. Links to
    /// tablespaces and to the log in a cluster's folder are followed.
    pub folders: Vec<(&'static str, PathBuf)>,
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
}

impl Disks {
    /// These folders, on this machine.
    pub fn here(folders: Vec<(&'static str, PathBuf)>) -> Self {
        let [proc, sys, dev] = ["/proc", "/sys", "/dev"].map(PathBuf::from);
        Self { folders, proc, sys, dev }
    }
}

/// The control.
pub(super) struct Disk {
    pub(super) disks: Disks,
    pub(super) scratch: PathBuf,
}

impl Control for Disk {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let promised = match promised(params) {
                Ok(promised) => promised,
                Err(why) => return Proof::unknown(at, why),
            };
            let disks = self.disks.clone();
            let asked = promised.clone();
            match super::blocking(move || look(&disks, asked.as_ref())).await {
                Ok(seen) => seen.proof(at, "filesystems", &threshold(promised.as_ref())),
                Err(why) => Proof::unknown(at, why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let (parent, rng) = (self.scratch.clone(), std::sync::Arc::clone(&cx.rng));
            let bitten = super::blocking(move || {
                let scratch = Scratch::new(&parent, &*rng)?;
                bite(scratch.path())
            });
            match bitten.await {
                Ok(bitten) => bitten.proof(at),
                Err(why) => Proof::unknown(at, why),
            }
        })
    }
}

/// What the page promises of the cipher.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promised {
    family: String,
    bits: u64,
}

fn promised(params: &Params) -> Result<Option<Promised>, String> {
    let Some(Value::Text(text)) = params.value("cipher") else {
        return Ok(None);
    };
    let read = text.rsplit_once('-').and_then(|(family, bits)| {
        let (family, bits) = (family.to_ascii_lowercase(), bits.parse().ok()?);
        FAMILIES.contains(&family.as_str()).then_some(Promised { family, bits })
    });
    read.map(Some).ok_or_else(|| format!("`{text}` cannot be compared: write it as aes-256"))
}

fn threshold(promised: Option<&Promised>) -> String {
    match promised {
        Some(promised) => format!("{}-{} or more on each", promised.family, promised.bits),
        None => format!("a cipher of {FLOOR_BITS} bits or more on each"),
    }
}

/// Looks at every filesystem that holds one of the folders.
fn look(disks: &Disks, promised: Option<&Promised>) -> Result<Seen, String> {
    let path = disks.proc.join("self/mountinfo");
    let mut table = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    table.truncate(MAX_TABLE_BYTES);
    let mounts = mounts::read(&table)
        .ok_or_else(|| format!("{} is not of a form that is known", path.display()))?;
    let tree = Tree { sys: &disks.sys, dev: &disks.dev };
    let mut seen = Seen::default();
    // Each filesystem once, with what lies on it.
    let mut held: BTreeMap<(Device, PathBuf), (String, Vec<&str>)> = BTreeMap::new();
    for (what, folder) in &disks.folders {
        for folder in with_links(folder, what, &mut seen) {
            let holding = mounts::holding(&mounts, &folder);
            if holding.is_empty() {
                seen.open(format!("{what} ({}): on no filesystem", folder.display()));
            }
            for mount in holding {
                let key = (mount.device, mount.point.clone());
                let (_, users) = held.entry(key).or_insert_with(|| (mount.kind.clone(), vec![]));
                if !users.contains(what) {
                    users.push(what);
                }
            }
        }
    }
    for ((device, point), (kind, users)) in held {
        let name = format!("{} ({})", point.display(), users.join(", "));
        if device.major == 0 {
            seen.open(format!("{name}: {}", without_device(&kind)));
            continue;
        }
        judge(&name, &tree.ways(device), promised, &mut seen);
    }
    Ok(seen)
}

/// The folder without links in its path, and what PostgreSQL keeps elsewhere and links to.
fn with_links(folder: &Path, what: &str, seen: &mut Seen) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut follow = |path: &Path| match path.canonicalize() {
        Ok(real) => folders.push(real),
        Err(error) => seen.open(format!("{what} ({}): {error}", path.display())),
    };
    follow(folder);
    let log = folder.join("pg_wal");
    if log.is_symlink() {
        follow(&log);
    }
    match fs::read_dir(folder.join("pg_tblspc")) {
        Ok(spaces) => spaces.flatten().take(MAX_LINKS).for_each(|space| follow(&space.path())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // A folder that may not be entered was not looked at.
        Err(error) => seen.open(format!("{what}: its tablespaces: {error}")),
    }
    folders
}

/// Why nothing is known of a filesystem that lies on no device.
fn without_device(kind: &str) -> String {
    match kind {
        "tmpfs" | "ramfs" => format!("a {kind} lies in memory, and reaches a disk as swap"),
        _ => format!(
            "what a filesystem of kind {kind} lies on cannot be seen from here; the provider may \
             encrypt below: attest it"
        ),
    }
}

/// Holds every way down against what is promised.
fn judge(name: &str, ways: &[Way], promised: Option<&Promised>, seen: &mut Seen) {
    let (mut open, mut names, mut weak) = (Vec::new(), Vec::new(), Vec::new());
    for way in ways {
        match way {
            Way::Open(why) => open.push(why.clone()),
            Way::Encrypted(device, Err(why)) => {
                open.push(format!("{device} is encrypted, with what is not known: {why}"));
            }
            Way::Encrypted(device, Ok(ciphers)) => {
                for cipher in ciphers {
                    match weakness(cipher, promised) {
                        Ok(None) => names.push(cipher.to_string()),
                        Ok(Some(what)) => {
                            weak.push(Finding::new(format!("{name} on {device}"), what).fix(FIX));
                        }
                        Err(why) => open.push(format!("{device}: {why}")),
                    }
                }
            }
        }
    }
    if !open.is_empty() {
        seen.open(format!("{name}: {}", open.join(", ")));
    } else if weak.is_empty() {
        seen.good(format!("{name}: {}", names.join(", ")));
    } else {
        seen.count(1);
    }
    seen.findings.extend(weak);
}

/// What is wrong with a cipher, or why that cannot be told.
fn weakness(cipher: &Cipher, promised: Option<&Promised>) -> Result<Option<String>, String> {
    let mut parts = cipher.name.split('-');
    let (family, mode) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if cipher.name == NOTHING || family == "cipher_null" {
        return Ok(Some("is written in clear: its cipher is none".to_owned()));
    }
    if mode == "ecb" {
        return Ok(Some(format!("uses {cipher}, which shows equal blocks as equal")));
    }
    if !FAMILIES.contains(&family) {
        return Err(format!("the strength of {cipher} is not known here"));
    }
    let (wanted, bits) = match promised {
        Some(promised) => (promised.family.as_str(), promised.bits),
        None => (family, FLOOR_BITS),
    };
    let weak = family != wanted || cipher.bits < bits;
    Ok(weak.then(|| format!("uses {cipher}, which is not {wanted} with {bits} bits or more")))
}

/// Seeds each violation in a scratch tree and looks at it.
fn bite(scratch: &Path) -> Result<Bitten, String> {
    let promised = Promised { family: "aes".to_owned(), bits: 256 };
    let mut bitten = Bitten::default();
    let sound = planted::tree(&scratch.join("sound"), planted::Seed::None)?;
    let seen = look(&sound, Some(&promised))?;
    if !seen.is_whole() {
        bitten.missed.push(format!("the difference to a sound disk ({})", seen.words()));
    }
    for (name, seed, words) in planted::SEEDS {
        let seen = look(&planted::tree(&scratch.join(name), seed)?, Some(&promised))?;
        let found = match seed {
            // On a real machine this is unknown and not failing: something may encrypt below.
            planted::Seed::Outside => {
                let open = seen.opens.iter().find(|why| why.contains(words));
                open.map(|why| Finding::new(name, why.clone()))
            }
            _ => seen.findings.into_iter().find(|finding| finding.what.contains(words)),
        };
        bitten.add(name, found);
    }
    Ok(bitten)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{Control, Cx, Outcome, Params, SystemClock, SystemRng, catalogue};

    use super::planted::{Seed, tree};
    use super::{Disk, Disks};

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
        let control = Disk { disks: Disks::here(vec![]), scratch: scratch.clone() };
        let proof = control.bite(&cx()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
        assert_eq!(proof.population().to_string(), "3 of 3 seeded violations");
        assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
    }

    /// Whatever this machine is, it is never called failing for what cannot be seen.
    #[tokio::test]
    async fn on_this_machine_it_gives_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().to_owned();
        let folders = vec![("data directory", scratch.clone()), ("ring", scratch.join("none"))];
        let control = Disk { disks: Disks::here(folders), scratch };
        let proof = control.prove(&cx(), &Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
        assert!(proof.detail().contains("ring ("), "{proof:?}");
    }
}
