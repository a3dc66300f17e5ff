//! What `[files]` says: where tenants' files lie, and how much each tenant may keep.

use kernel::Quota;
use serde::Deserialize;

use super::keys::S3;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    pub(crate) store: String,
    max_bytes: Bytes,
    #[serde(rename = "max_files")]
    max_count: u64,
    pub(crate) s3: S3,
}

impl Files {
    /// What a tenant may keep, unless another quota is set for it.
    pub(crate) const fn quota(&self) -> Quota {
        Quota { bytes: self.max_bytes.0, files: self.max_count }
    }
}

/// A number of bytes such as `10GiB`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Bytes(u64);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        bytes(&text).map(Self)
    }
}

/// What a number may be followed by, and how many bytes it stands for.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// Reads a number of bytes such as `10GiB`, `512MiB` or `1000`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of bytes; write 10GiB, 512MiB, 64KiB or 1000");
    let units = UNITS.iter().find_map(|(unit, each)| Some((text.strip_suffix(unit)?, each)));
    let (number, each) = units.ok_or_else(wrong)?;
    if !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // The database counts in 63 bits.
    number.checked_mul(*each).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(wrong)
}

/// The same for people: in the largest unit that divides it, or is close enough.
pub(crate) fn shown(bytes: u64) -> String {
    let found = UNITS.iter().find(|(unit, each)| bytes >= *each && !unit.is_empty());
    let Some((unit, each)) = found else { return format!("{bytes} bytes") };
    let (whole, tenths) = (bytes / each, bytes % each * 10 / each);
    if tenths == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::{bytes, shown};
    use crate::config::Config;

    #[test]
    fn numbers_of_bytes_are_read_and_shown() {
        assert_eq!(bytes("10GiB"), Ok(10 << 30));
        assert_eq!(bytes("64KiB"), Ok(64 << 10));
        assert_eq!(bytes("0"), Ok(0));
        for wrong in ["", "GiB", "10GB", "-1", "+1", "1.5GiB", " 1", "9000000000000TiB", "٣"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(shown(10 << 30), "10 GiB");
        assert_eq!(shown((3 << 20) / 2), "1.5 MiB");
        assert_eq!(shown(17), "17 bytes");
    }

    #[test]
    fn the_default_is_a_folder_with_room() {
        let files = Config::load(None).unwrap().files;
        assert_eq!(files.store, "");
        assert_eq!(files.quota().bytes, 10 << 30);
        assert_eq!(files.quota().files, 100_000);
    }
}
