//! Which filesystems hold a folder, from `/proc/self/mountinfo`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

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

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: Device,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// The kind of filesystem.
    pub(super) kind: String,
}

/// Reads every line; `None` when one of them is not of the form that the kernel writes.
pub(super) fn read(text: &[u8]) -> Option<Vec<Mount>> {
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.take(MAX_MOUNTS).map(mount).collect()
}

/// The filesystem that holds `folder`, and those mounted below it. Empty when none does.
pub(super) fn holding<'m>(mounts: &'m [Mount], folder: &Path) -> Vec<&'m Mount> {
    let depth = |mount: &&Mount| mount.point.components().count();
    // Of several at one point the last one is on top, and `max_by_key` gives the last.
    let above = mounts.iter().filter(|m| folder.starts_with(&m.point)).max_by_key(depth);
    let below = mounts.iter().filter(|m| m.point.starts_with(folder) && m.point != folder);
    above.into_iter().chain(below).collect()
}

/// `36 35 98:0 /root /point options … - kind source options`
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let device = str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let point = unescape(fields.nth(1)?);
    fields.by_ref().find(|field| *field == b"-")?;
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
    Some(Mount { device, point: PathBuf::from(OsString::from_vec(point)), kind })
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

    use super::{holding, read};

    const TABLE: &[u8] = b"\
22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 253:0 / /srv/my\\040data rw - xfs /dev/mapper/data rw
41 40 253:7 / /srv/my\\040data/spaces/a rw - ext4 /dev/mapper/a rw
";

    #[test]
    fn a_folder_lies_on_the_nearest_mount_and_on_those_below() {
        let mounts = read(TABLE).unwrap();
        let on = |path: &str| -> Vec<String> {
            holding(&mounts, Path::new(path)).iter().map(|m| m.device.to_string()).collect()
        };
        assert_eq!(on("/srv/my data/postgres"), ["253:0"]);
        assert_eq!(on("/srv/my data"), ["253:0", "253:7"]);
        assert_eq!(on("/srv/my database"), ["8:1"]);
        assert_eq!(on("/srv"), ["8:1", "253:0", "253:7"]);
    }

    #[test]
    fn the_mount_on_top_counts() {
        let twice = [TABLE, b"50 40 9:9 / /srv/my\\040data rw - ext4 /dev/md9 rw\n"].concat();
        let mounts = read(&twice).unwrap();
        assert_eq!(holding(&mounts, Path::new("/srv/my data/x"))[0].device.to_string(), "9:9");
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        assert_eq!(read(b"22 27 0:21 / /proc rw proc proc rw\n"), None);
        assert_eq!(read(b"22 27 x / /proc rw - proc proc rw\n"), None);
        assert_eq!(read(b""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
