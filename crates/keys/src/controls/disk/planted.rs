//! A scratch copy of what the kernel tells of a machine whose data lies on an encrypted volume,
//! with one violation or none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Device, Disks, Numbers};

/// What is wrong with the planted machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seed {
    /// Nothing.
    None,
    /// A key of 128 bits.
    Weak,
    /// A volume that writes what it is given.
    Null,
    /// The cluster lies on a partition beside the encrypted one.
    Outside,
    /// The volume's header is elsewhere.
    #[cfg(test)]
    NoHeader,
    /// The header is another volume's.
    #[cfg(test)]
    ForeignHeader,
    /// The device mapper checks what it reads and encrypts nothing.
    #[cfg(test)]
    Verity,
    /// A volume over two devices, one of them not encrypted.
    #[cfg(test)]
    HalfOpen,
    /// Something else was mounted over the encrypted filesystem later.
    #[cfg(test)]
    Hidden,
    /// The filesystem's journal lies on another device.
    #[cfg(test)]
    Journal,
    /// The filesystem's log lies on another device.
    #[cfg(test)]
    Log,
    /// A kind of filesystem that may lie on several devices.
    #[cfg(test)]
    Several,
}

/// The bite's violations, and words of the finding that each must lead to.
pub(super) const SEEDS: [(&str, Seed, &str); 3] = [
    ("a weak cipher", Seed::Weak, "with 128 bits, which is not aes with 256"),
    ("a null cipher", Seed::Null, "in clear"),
    ("a folder outside", Seed::Outside, "sda2 is not encrypted"),
];

const UUID: &str = "5b1e0f8c-1b7a-4b1c-9c3e-2d1f00aa11bb";
const CIPHER: &str = "aes-xts-plain64";

/// Writes the machine below `root`: `/data` on LVM on LUKS2 on a partition, `/` on the partition
/// beside it.
pub(super) fn tree(root: &Path, seed: Seed) -> Result<Disks, String> {
    plant(root, seed).map_err(|e| format!("the tree in {} was not planted: {e}", root.display()))
}

fn plant(root: &Path, seed: Seed) -> std::io::Result<Disks> {
    let [proc, sys, dev] = ["proc", "sys", "dev"].map(|name| root.join(name));
    let (data, other) = (root.join("data"), root.join("other"));
    for folder in [&data, &other, &proc.join("self"), &sys.join("dev/block"), &dev] {
        fs::create_dir_all(folder)?;
    }
    let escaped = |path: &Path| path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040");
    let (format, options) = filesystem(seed);
    let mounts = format!(
        "20 1 8:2 / / rw - ext4 /dev/sda2 rw\n\
         21 20 253:1 / {} rw - {format} /dev/mapper/vg-data {options}\n\
         22 20 253:1 / {} rw - {format} /dev/mapper/vg-data {options}\n",
        escaped(&data),
        escaped(&other)
    );
    fs::write(proc.join("self/mountinfo"), mounts)?;
    for journal in journals(seed) {
        fs::create_dir_all(proc.join("fs/jbd2").join(journal))?;
    }
    let disk = sys.join("devices/sda");
    for (partition, number) in [("sda2", "8:2"), ("sda3", "8:3")] {
        device(&sys, &disk.join(partition), number)?;
        fs::write(disk.join(partition).join("partition"), number)?;
    }
    let (crypt, lvm) = (sys.join("devices/dm-0"), sys.join("devices/dm-1"));
    device(&sys, &crypt, "253:0")?;
    device(&sys, &lvm, "253:1")?;
    fs::create_dir_all(crypt.join("dm"))?;
    fs::create_dir_all(lvm.join("dm"))?;
    fs::write(crypt.join("dm/uuid"), format!("{}{}-data\n", kind(seed), UUID.replace('-', "")))?;
    fs::write(lvm.join("dm/uuid"), "LVM-abcdef\n")?;
    stack(&crypt, &disk.join("sda3"))?;
    stack(&lvm, &crypt)?;
    fs::write(dev.join("sda3"), header(seed))?;
    let mut folders = vec![("data directory", data), ("ring", other)];
    if seed == Seed::Outside {
        folders.push(("cluster", outside(root)?));
    }
    #[cfg(test)]
    if seed == Seed::HalfOpen {
        device(&sys, &sys.join("devices/sdb"), "8:16")?;
        stack(&lvm, &sys.join("devices/sdb"))?;
    }
    let (disk, volume) = (Device { major: 8, minor: 2 }, Device { major: 253, minor: 1 });
    #[cfg(test)]
    let volume = if seed == Seed::Hidden { disk } else { volume };
    let held = [("", disk), ("data", volume), ("other", volume)];
    let numbers = held.map(|(place, device)| (root.join(place), device));
    let (unseen, numbers) = (Vec::new(), Numbers::Planted(numbers.to_vec()));
    Ok(Disks { folders, unseen, proc, sys, dev, numbers })
}

/// The kind of the encrypted filesystem, and its own options.
fn filesystem(seed: Seed) -> (&'static str, &'static str) {
    match seed {
        #[cfg(test)]
        Seed::Log => ("xfs", "rw,logdev=/dev/sda2,noquota"),
        #[cfg(test)]
        Seed::Several => ("f2fs", "rw"),
        _ => ("ext4", "rw"),
    }
}

/// The journals that the kernel names.
fn journals(seed: Seed) -> [&'static str; 2] {
    match seed {
        #[cfg(test)]
        Seed::Journal => ["sda2-8", "sda4"],
        _ => ["sda2-8", "dm-1-8"],
    }
}

fn outside(root: &Path) -> std::io::Result<PathBuf> {
    let folder = root.join("cluster");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn device(sys: &Path, folder: &Path, number: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("slaves"))?;
    symlink(folder, sys.join("dev/block").join(number))
}

fn stack(upper: &Path, lower: &Path) -> std::io::Result<()> {
    symlink(lower, upper.join("slaves").join(lower.file_name().unwrap_or_default()))
}

fn kind(seed: Seed) -> &'static str {
    match seed {
        #[cfg(test)]
        Seed::Verity => "CRYPT-VERITY-",
        Seed::Weak => "CRYPT-LUKS1-",
        _ => "CRYPT-LUKS2-",
    }
}

fn header(seed: Seed) -> Vec<u8> {
    match seed {
        Seed::Weak => luks1(UUID, "aes", "xts-plain64", 32),
        Seed::Null => luks2(UUID, super::NOTHING, 64),
        #[cfg(test)]
        Seed::NoHeader => vec![0; 16_384],
        #[cfg(test)]
        Seed::ForeignHeader => luks2(&UUID.replace('5', "6"), CIPHER, 64),
        _ => luks2(UUID, CIPHER, 64),
    }
}

/// A header of version 1 without its key slots.
pub(super) fn luks1(uuid: &str, cipher: &str, mode: &str, key_bytes: u32) -> Vec<u8> {
    let mut header = b"LUKS\xba\xbe\x00\x01".to_vec();
    put(&mut header, 8, cipher.as_bytes());
    put(&mut header, 40, mode.as_bytes());
    put(&mut header, 108, &key_bytes.to_be_bytes());
    put(&mut header, 168, uuid.as_bytes());
    header.resize(4_096, 0);
    header
}

/// A header of version 2 with one segment and one key slot.
pub(super) fn luks2(uuid: &str, encryption: &str, key_bytes: u32) -> Vec<u8> {
    let mut header = b"LUKS\xba\xbe\x00\x02".to_vec();
    put(&mut header, 8, &16_384_u64.to_be_bytes());
    put(&mut header, 168, uuid.as_bytes());
    let json = format!(
        "{{\"keyslots\":{{\"0\":{{\"type\":\"luks2\",\"key_size\":{key_bytes}}}}},\"segments\":\
         {{\"0\":{{\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\",\
         \"encryption\":\"{encryption}\",\"sector_size\":512}}}},\"digests\":\
         {{\"0\":{{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"],\"segments\":[\"0\"]}}}}}}"
    );
    put(&mut header, 4_096, json.as_bytes());
    header.resize(16_384, 0);
    header
}

/// Writes `field` at `at`, with zeros before it.
fn put(bytes: &mut Vec<u8>, at: usize, field: &[u8]) {
    bytes.resize(at, 0);
    bytes.extend_from_slice(field);
}
