//! `rest.disk`: what holds our data is encrypted before it reaches the disk.

pub(crate) mod hostile;
mod layers;
mod luks;
mod mounts;
mod planted;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Value};

use self::layers::{Tree, Way};
use self::luks::{Cipher, NOTHING};
use self::mounts::{Device, Mount};
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
        "servers elsewhere: a control database on a server of its own, protected databases outside \
         the managed cluster and a key ring in a bucket are never seen from here: attest each",
        "network filesystems, and all others but ext2 to ext4 and xfs on one device alone: attest \
         them",
        "a running machine: whoever controls it reads the disk in clear",
        "swap, core dumps, copies made elsewhere, and links deeper in a folder than its top, but \
         those to tablespaces",
        "where the key of the volume is kept, and how good its passphrase is",
        "a header that was changed while the volume was in use",
    ],
};

/// The most that is read of the table of mounts, in bytes.
const MAX_TABLE_BYTES: usize = 4 << 20;
/// How many links of one folder are followed.
const MAX_LINKS: usize = 1_000;
/// A cipher with a shorter key is reported whatever the page promises.
const FLOOR_BITS: u64 = 128;
/// Block ciphers that are compared by the length of their key.
const FAMILIES: [&str; 4] = ["aes", "serpent", "twofish", "camellia"];
/// Modes whose whole key is the cipher's, or two of it.
const MODES: [&str; 4] = ["xts", "cbc", "ctr", "gcm"];
/// Initial vectors that need no key of their own and repeat for no two sectors.
const VECTORS: [&str; 6] = ["plain", "plain64", "plain64be", "essiv", "benbi", "random"];
const FIX: &str = "Move the data to a new volume: cryptsetup luksFormat --type luks2 --cipher \
                   aes-xts-plain64 --key-size 512";

/// What holds our data, and where the kernel tells of it.
#[derive(Debug, Clone)]
pub struct Disks {
    /// What is there, for people, and where: the data directory, the cluster, the ring. Links in
    /// such a folder are followed, as to a cluster's log, and those to its tablespaces.
    pub folders: Vec<(&'static str, PathBuf)>,
    /// What holds data too and can never be seen from here, for people: a server elsewhere, a
    /// bucket. Nothing is proven while there is any; each has to be attested.
    pub unseen: Vec<String>,
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    numbers: Numbers,
}

/// Who says on which device a path lies.
#[derive(Debug, Clone)]
enum Numbers {
    /// The kernel.
    Asked,
    /// The planted machine: the deepest of these folders that the path lies in.
    Planted(Vec<(PathBuf, Device)>),
}

impl Numbers {
    fn of(&self, path: &Path) -> io::Result<Device> {
        let Self::Planted(places) = self else {
            return Device::of(path);
        };
        let above = places.iter().filter(|(place, _)| path.starts_with(place));
        let found = above.max_by_key(|(place, _)| place.components().count());
        found.map(|(_, device)| *device).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disks {
    /// These folders on this machine, and what lies elsewhere.
    pub fn here(folders: Vec<(&'static str, PathBuf)>, unseen: Vec<String>) -> Self {
        let [proc, sys, dev] = ["/proc", "/sys", "/dev"].map(PathBuf::from);
        Self { folders, unseen, proc, sys, dev, numbers: Numbers::Asked }
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
    let told = |why: String| format!("{}: {why}", path.display());
    let table = fs::read(&path).map_err(|e| told(e.to_string()))?;
    if table.len() > MAX_TABLE_BYTES {
        return Err(told(format!("it is longer than {MAX_TABLE_BYTES} bytes")));
    }
    let mounts = mounts::read(&table).map_err(told)?;
    let tree = Tree { proc: &disks.proc, sys: &disks.sys, dev: &disks.dev };
    let asked = |path: &Path| disks.numbers.of(path);
    let mut seen = Seen::default();
    // Each filesystem once, with what lies on it.
    let mut held: BTreeMap<(Device, &Path), (&Mount, Vec<&str>)> = BTreeMap::new();
    for (what, folder) in &disks.folders {
        for folder in with_links(folder, what, &mut seen) {
            let holding = mounts::holding(&mounts, &folder, &asked);
            if holding.is_empty() {
                seen.open(format!("{what} ({}): on no filesystem", folder.display()));
            }
            for mount in holding {
                let mount = match mount {
                    Ok(mount) => mount,
                    Err(why) => {
                        seen.open(format!("{what}: {why}"));
                        continue;
                    }
                };
                let key = (mount.device, mount.point.as_path());
                let (_, users) = held.entry(key).or_insert_with(|| (mount, vec![]));
                if !users.contains(what) {
                    users.push(what);
                }
            }
        }
    }
    for (mount, users) in held.into_values() {
        let name = format!("{} ({})", mount.point.display(), users.join(", "));
        if mount.device.is_virtual() {
            seen.open(format!("{name}: {}", without_device(&mount.kind)));
            continue;
        }
        judge(&name, &tree.ways(mount), promised, &mut seen);
    }
    for what in &disks.unseen {
        seen.open(format!("{what} cannot be seen from here: attest its disks"));
    }
    Ok(seen)
}

/// The folder without links in its path, and what it links to: PostgreSQL keeps its log, its
/// tablespaces and more elsewhere when it is told to.
fn with_links(folder: &Path, what: &str, seen: &mut Seen) -> Vec<PathBuf> {
    let mut wanted = vec![folder.to_owned()];
    for (place, must_be) in [(folder.to_owned(), true), (folder.join("pg_tblspc"), false)] {
        match links(&place) {
            Ok(links) => wanted.extend(links),
            Err(error) if !must_be && error.kind() == io::ErrorKind::NotFound => {}
            // A folder that may not be entered was not looked at.
            Err(error) => seen.open(format!("{what}: the links in {}: {error}", place.display())),
        }
    }
    let follow = |path: PathBuf| match path.canonicalize() {
        Ok(real) => Some(real),
        Err(error) => {
            seen.open(format!("{what} ({}): {error}", path.display()));
            None
        }
    };
    wanted.into_iter().filter_map(follow).collect()
}

/// Every link in `folder`, and an error when there are more than are followed.
fn links(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            links.push(entry.path());
        }
        if links.len() > MAX_LINKS {
            return Err(io::Error::other(format!(
                "more than {MAX_LINKS}, and no more are followed"
            )));
        }
    }
    Ok(links)
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
    if open.is_empty() && names.is_empty() && weak.is_empty() {
        open.push("no cipher of it is known".to_owned());
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
    // Other modes and initial vectors take a part of the key for themselves, or show something.
    let vector = parts.next().unwrap_or_default().split(':').next().unwrap_or_default();
    let known = MODES.contains(&mode) && VECTORS.contains(&vector) && parts.next().is_none();
    if !FAMILIES.contains(&family) || !known {
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
