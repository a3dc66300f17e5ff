//! What lies between a filesystem and the metal, as `/sys` tells it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::luks::{self, Cipher, Fault};
use super::mounts::Mount;

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

/// XFS's options for a log and for files on devices of their own.
const ELSEWHERE: [&str; 2] = ["logdev=", "rtdev="];

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
    pub(super) proc: &'a Path,
    pub(super) sys: &'a Path,
    pub(super) dev: &'a Path,
}

impl Tree<'_> {
    /// Every way down from what `mount` lies on. Never empty.
    pub(super) fn ways(&self, mount: &Mount) -> Vec<Way> {
        let device = mount.device;
        let link = self.sys.join("dev/block").join(device.to_string());
        let Ok(folder) = link.canonicalize() else {
            return vec![Way::Open(format!("device {device} is not listed by this machine"))];
        };
        let beside = self.beside(mount, &folder);
        let mut ways: Vec<Way> = beside.into_iter().map(Way::Open).collect();
        self.walk(&folder, 0, &mut ways);
        ways
    }

    /// Why a filesystem may lie on more than the device that it is mounted from: the kernel names
    /// that one alone.
    fn beside(&self, mount: &Mount, folder: &Path) -> Option<String> {
        let kind = mount.kind.as_str();
        match kind {
            "ext2" => None,
            "ext3" | "ext4" => self.journal(folder),
            "xfs" => {
                let mut options = mount.options.split(',');
                let other = options.find(|option| ELSEWHERE.iter().any(|o| option.starts_with(o)));
                other.map(|other| format!("a part of it lies elsewhere ({other}): attest that"))
            }
            _ => Some(format!(
                "whether a filesystem of kind {kind} lies on one device alone is not known here: \
                 attest it"
            )),
        }
    }

    /// A journal may lie on a device of its own, and holds what was written last. The kernel names
    /// each journal: by device and inode when it lies within.
    fn journal(&self, folder: &Path) -> Option<String> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let within = |entry: &fs::DirEntry| {
            let journal = entry.file_name().to_string_lossy().into_owned();
            let inode = journal.strip_prefix(&name).and_then(|rest| rest.strip_prefix('-'));
            inode.is_some_and(|inode| inode.parse::<u64>().is_ok())
        };
        let journals = fs::read_dir(self.proc.join("fs/jbd2"));
        // An entry that cannot be read is not the one that is looked for.
        if journals.is_ok_and(|mut all| all.any(|entry| entry.is_ok_and(|entry| within(&entry)))) {
            return None;
        }
        let task = attribute(&self.sys.join("fs/ext4").join(&name), "journal_task");
        if task.as_deref() == Some("<none>") {
            return None;
        }
        Some(format!("its journal is not seen on {name}, and may lie elsewhere: attest that"))
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
        match below(folder) {
            Ok(below) if below.is_empty() => ways.push(Way::Open(plain(folder, &name))),
            Ok(below) => below.iter().for_each(|slave| self.walk(slave, depth + 1, ways)),
            Err(why) => ways.push(Way::Open(why)),
        }
    }

    /// The ciphers of an encrypted volume, from the header on the device below it.
    fn ciphers(&self, folder: &Path, id: &str) -> Result<Vec<Cipher>, String> {
        let Some(uuid) = id.split('-').nth(2).filter(|_| id.starts_with("CRYPT-LUKS")) else {
            return Err("a volume without a LUKS header does not tell its cipher".to_owned());
        };
        let mut level = below(folder)?;
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
            let next: Result<Vec<_>, _> = level.iter().map(|device| below(device)).collect();
            level = next?.concat();
            if level.len() > MAX_DEVICES {
                return Err(format!("it lies on more than {MAX_DEVICES} devices"));
            }
        }
        Err("no header is found on the devices below it".to_owned())
    }
}

/// The devices that this one is made of: its slaves, or, for a partition, those of its disk when
/// the disk itself is made of others.
fn below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let own = slaves(folder)?;
    if !own.is_empty() || !folder.join("partition").exists() {
        return Ok(own);
    }
    folder.parent().map_or(Ok(own), slaves)
}

/// All of them or none: one that is left out could be the one in clear.
fn slaves(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |e: io::Error| format!("what {} is made of: {e}", name_of(folder));
    let entries = match fs::read_dir(folder.join("slaves")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(told(error)),
    };
    // One that cannot be followed stays as it is, and is reported as a device without an answer.
    let follow = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let all = entries.take(MAX_DEVICES + 1).map(|entry| Ok(follow(entry.map_err(told)?.path())));
    let all: Vec<PathBuf> = all.collect::<Result<_, String>>()?;
    if all.len() > MAX_DEVICES {
        return Err(format!("{} is made of more than {MAX_DEVICES} devices", name_of(folder)));
    }
    Ok(all)
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
