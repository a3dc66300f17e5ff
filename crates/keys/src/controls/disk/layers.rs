//! What lies between a filesystem and the metal, as `/sys` tells it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::luks::{self, Cipher, Fault};
use super::mounts::Device;

/// How deep devices are stacked at most.
const MAX_DEPTH: usize = 16;
/// How many devices are looked at for one filesystem.
const MAX_DEVICES: usize = 512;
/// The longest attribute that is read, in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 4 << 10;

/// Device mapper's encrypting targets by the beginning of their ids. Others begin with `CRYPT-`
/// too and do not encrypt: verity and integrity.
const ENCRYPTS: [&str; 6] = [
    "CRYPT-LUKS1-",
    "CRYPT-LUKS2-",
    "CRYPT-PLAIN-",
    "CRYPT-TCRYPT-",
    "CRYPT-BITLK-",
    "CRYPT-FVAULT2-",
];

/// The end of one way down from a filesystem.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It passes an encrypted volume: which one, and its ciphers, or why they are not known.
    Encrypted(String, Result<Vec<Cipher>, String>),
    /// It reaches a device that this machine writes to as it is, or cannot see through.
    Open(String),
}

/// Where the kernel tells of devices. Roots, so that a bite can be played in a scratch tree.
#[derive(Debug, Clone)]
pub(super) struct Tree<'a> {
    pub(super) sys: &'a Path,
    pub(super) dev: &'a Path,
}

impl Tree<'_> {
    /// Every way down from `device`. Never empty.
    pub(super) fn ways(&self, device: Device) -> Vec<Way> {
        let link = self.sys.join("dev/block").join(device.to_string());
        let Ok(folder) = link.canonicalize() else {
            return vec![Way::Open(format!("device {device} is not listed by this machine"))];
        };
        let mut ways = Vec::new();
        self.walk(&folder, 0, &mut ways);
        ways
    }

    fn walk(&self, folder: &Path, depth: usize, ways: &mut Vec<Way>) {
        let name = name_of(folder);
        if depth > MAX_DEPTH || ways.len() > MAX_DEVICES {
            ways.push(Way::Open(format!("{name} is stacked too deep to be followed")));
            return;
        }
        let id = attribute(folder, "dm/uuid").unwrap_or_default();
        if ENCRYPTS.iter().any(|begin| id.starts_with(begin)) {
            ways.push(Way::Encrypted(name, self.ciphers(folder, &id)));
            return;
        }
        let below = below(folder);
        if below.is_empty() {
            ways.push(Way::Open(plain(folder, &name)));
        }
        for slave in below {
            self.walk(&slave, depth + 1, ways);
        }
    }

    /// The ciphers of an encrypted volume, from the header on the device below it.
    fn ciphers(&self, folder: &Path, id: &str) -> Result<Vec<Cipher>, String> {
        let Some(uuid) = id.split('-').nth(2).filter(|_| id.starts_with("CRYPT-LUKS")) else {
            return Err("a volume without a LUKS header does not tell its cipher".to_owned());
        };
        let mut level = below(folder);
        for _ in 0..MAX_DEPTH {
            for device in &level {
                let path = self.dev.join(name_of(device));
                let told = |why: String| format!("the header on {}: {why}", path.display());
                let mut file = File::open(&path).map_err(|e| told(e.to_string()))?;
                match luks::read(&mut file) {
                    Ok(header) if header.uuid == uuid.to_ascii_lowercase() => {
                        return Ok(header.ciphers);
                    }
                    Ok(_) => return Err(told("it belongs to another volume".to_owned())),
                    // Below an integrity layer, perhaps.
                    Err(Fault::None) => {}
                    Err(Fault::Unclear(why)) => return Err(told(why)),
                }
            }
            level = level.iter().flat_map(|device| below(device)).take(MAX_DEVICES).collect();
        }
        Err("no header is found on the devices below it".to_owned())
    }
}

/// The devices that this one is made of: its slaves, or, for a partition, those of its disk when
/// the disk itself is made of others.
fn below(folder: &Path) -> Vec<PathBuf> {
    let own = slaves(folder);
    if !own.is_empty() || !folder.join("partition").exists() {
        return own;
    }
    folder.parent().map(slaves).unwrap_or_default()
}

fn slaves(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("slaves")) else {
        return Vec::new();
    };
    // One that cannot be followed stays as it is, and is reported as a device without an answer.
    let follow = |path: PathBuf| path.canonicalize().unwrap_or(path);
    entries.flatten().take(MAX_DEVICES).map(|entry| follow(entry.path())).collect()
}

/// Why nothing can be said of a device that nothing encrypts here.
fn plain(folder: &Path, name: &str) -> String {
    let disk = folder.parent().filter(|_| folder.join("partition").exists()).unwrap_or(folder);
    match attribute(disk, "loop/backing_file") {
        Some(file) => format!("{name} is a loop device over {file}, and is not followed further"),
        None => format!(
            "{name} is not encrypted by this machine; the provider, or the disk itself, may \
             encrypt below what this machine sees: attest it"
        ),
    }
}

fn attribute(folder: &Path, name: &str) -> Option<String> {
    let mut text = fs::read_to_string(folder.join(name)).ok()?;
    text.truncate(text.floor_char_boundary(MAX_ATTRIBUTE_BYTES));
    Some(text.trim().to_owned())
}

/// The device's name below `/dev`; `/sys` writes a slash in it as an exclamation mark.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().replace('!', "/")
}
