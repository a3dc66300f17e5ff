//! Which filesystems hold a folder, from `/proc/self/mountinfo`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// The most mounts that are read.
const MAX_MOUNTS: usize = 10_000;

/// A device by its numbers, as `/sys/dev/block` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Device {
    /// The device that the kernel names for what lies at `path`, split as `makedev(3)` joins it.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let number = fs::metadata(path)?.dev();
        let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let major = low((number >> 8 & 0xfff) | (number >> 32 & !0xfff));
        let minor = low((number & 0xff) | (number >> 12 & !0xff));
        Ok(Self { major, minor })
    }

    /// Whether it is a number alone, as filesystems have that lie on no device, or on several.
    pub(super) const fn is_virtual(self) -> bool {
        self.major == 0
    }
}

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: Device,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// The kind of filesystem.
    pub(super) kind: String,
    /// The filesystem's own options.
    pub(super) options: String,
}

/// Reads every line, and refuses the table when one of them is not of the form that the kernel
/// writes, or when there are more than are read: what is left out could be what matters.
pub(super) fn read(text: &[u8]) -> Result<Vec<Mount>, String> {
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let mounts: Option<Vec<Mount>> = lines.take(MAX_MOUNTS + 1).map(mount).collect();
    let mounts = mounts.ok_or("it is not of a form that is known")?;
    if mounts.len() > MAX_MOUNTS {
        return Err(format!("it names more than {MAX_MOUNTS} mounts, and no more are read"));
    }
    Ok(mounts)
}

/// The filesystem that holds `folder`, and those mounted below it; or why one of them is not the
/// one that is seen there. Empty when none holds it.
///
/// The table tells where a mount was put and not what was put over it later, so `asked` has the
/// last word: the device that the kernel itself names for a path.
pub(super) fn holding<'m>(
    mounts: &'m [Mount],
    folder: &Path,
    asked: &dyn Fn(&Path) -> io::Result<Device>,
) -> Vec<Result<&'m Mount, String>> {
    let depth = |mount: &&Mount| mount.point.components().count();
    // Of several at one point the last one is on top, and `max_by_key` gives the last.
    let above = mounts.iter().filter(|m| folder.starts_with(&m.point)).max_by_key(depth);
    let below = mounts.iter().filter(|m| m.point.starts_with(folder) && m.point != folder);
    let below: BTreeMap<&Path, &Mount> = below.map(|m| (m.point.as_path(), m)).collect();
    let above = above.into_iter().map(|mount| (folder, mount));
    above.chain(below).map(|(path, mount)| on_top(mount, path, asked)).collect()
}

fn on_top<'m>(
    mount: &'m Mount,
    path: &Path,
    asked: &dyn Fn(&Path) -> io::Result<Device>,
) -> Result<&'m Mount, String> {
    if mount.device.is_virtual() {
        // It is reported as it is; the numbers of such filesystems do not have to agree.
        return Ok(mount);
    }
    match asked(path) {
        Ok(device) if device == mount.device => Ok(mount),
        Ok(device) => Err(format!(
            "{} lies on device {device}, and the table of mounts says {}: another mount hides it",
            path.display(),
            mount.device
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// `36 35 98:0 /root /point options … - kind source options`
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let device = str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let point = unescape(fields.nth(1)?);
    fields.by_ref().find(|field| *field == b"-")?;
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let options = String::from_utf8_lossy(fields.nth(1)?).into_owned();
    let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
    Some(Mount { device, point: PathBuf::from(OsString::from_vec(point)), kind, options })
}

/// The kernel writes a space, tab, line end and backslash as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let value =
            octal.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = after.get(if value.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::proptest;

    use super::{Device, MAX_MOUNTS, holding, read};

    const TABLE: &[u8] = b"\
22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 253:0 / /srv/my\\040data rw - xfs /dev/mapper/data rw,noquota
41 40 253:7 / /srv/my\\040data/spaces/a rw - ext4 /dev/mapper/a rw
";

    fn device(text: &str) -> Device {
        let (major, minor) = text.split_once(':').unwrap();
        Device { major: major.parse().unwrap(), minor: minor.parse().unwrap() }
    }

    /// What holds `path` by `table`, on a machine where each of `truth` lies on its device.
    fn on(table: &[u8], path: &str, truth: &[(&str, &str)]) -> Vec<String> {
        let mounts = read(table).unwrap();
        let asked = |path: &Path| {
            let found = truth.iter().find(|(at, _)| Path::new(at) == path);
            found.map(|(_, text)| device(text)).ok_or(std::io::ErrorKind::NotFound.into())
        };
        holding(&mounts, Path::new(path), &asked)
            .into_iter()
            .map(|held| held.map_or_else(|why| why, |mount| mount.device.to_string()))
            .collect()
    }

    #[test]
    fn a_folder_lies_on_the_nearest_mount_and_on_those_below() {
        let space = ("/srv/my data/spaces/a", "253:7");
        let on =
            |path, device| on(TABLE, path, &[(path, device), ("/srv/my data", "253:0"), space]);
        assert_eq!(on("/srv/my data/postgres", "253:0"), ["253:0"]);
        assert_eq!(on("/srv/my data", "253:0"), ["253:0", "253:7"]);
        assert_eq!(on("/srv/my database", "8:1"), ["8:1"]);
        assert_eq!(on("/srv", "8:1"), ["8:1", "253:0", "253:7"]);
        assert_eq!(read(TABLE).unwrap()[2].options, "rw,noquota");
    }

    #[test]
    fn the_mount_on_top_counts() {
        let twice = [TABLE, b"50 40 9:9 / /srv/my\\040data rw - ext4 /dev/md9 rw\n"].concat();
        assert_eq!(on(&twice, "/srv/my data/x", &[("/srv/my data/x", "9:9")]), ["9:9"]);
    }

    /// A mount over a folder above hides what the table names as the nearest.
    #[test]
    fn a_hidden_mount_does_not_count() {
        let over = [TABLE, b"50 27 8:9 / /srv rw - ext4 /dev/sda9 rw\n"].concat();
        let held = on(&over, "/srv/my data/x", &[("/srv/my data/x", "8:9")]);
        assert_eq!(held.len(), 1);
        assert!(held[0].contains("lies on device 8:9, and the table of mounts says 253:0"));
        // One below whose place is gone, too.
        let held = on(&over, "/srv", &[("/srv", "8:9"), ("/srv/my data", "253:0")]);
        assert_eq!(held[..2], ["8:9", "253:0"]);
        assert!(held[2].starts_with("/srv/my data/spaces/a: "), "{held:?}");
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        assert!(read(b"22 27 0:21 / /proc rw proc proc rw\n").is_err());
        assert!(read(b"22 27 x / /proc rw - proc proc rw\n").is_err());
        assert!(read(b"22 27 0:21 / /proc rw - proc proc\n").is_err());
        assert_eq!(read(b""), Ok(vec![]));
        let line = b"27 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(read(&line.repeat(MAX_MOUNTS)).unwrap().len(), MAX_MOUNTS);
        assert!(read(&line.repeat(MAX_MOUNTS + 1)).unwrap_err().contains("no more are read"));
    }

    /// `findmnt` reads the same table, and `stat` asks the kernel: three ways to one device.
    #[test]
    fn this_machine_agrees() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let table = std::fs::read("/proc/self/mountinfo").unwrap();
        let mounts = read(&table).unwrap();
        let held = holding(&mounts, &folder, &Device::of);
        let found = held[0].clone().unwrap();
        let told = |program: &str, args: &[&str]| {
            let output = std::process::Command::new(program).args(args).arg(&folder).output();
            let text = output.ok().filter(|output| output.status.success())?.stdout;
            Some(String::from_utf8(text).unwrap().trim().to_owned())
        };
        if let Some(by_findmnt) = told("findmnt", &["-no", "MAJ:MIN", "-T"]) {
            assert_eq!(found.device.to_string(), by_findmnt);
        }
        if let Some(by_stat) = told("stat", &["-c", "%Hd:%Ld"]).filter(|text| !text.contains('?')) {
            assert_eq!(Device::of(&folder).unwrap().to_string(), by_stat);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
