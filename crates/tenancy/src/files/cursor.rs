//! Where a list goes on: the last name of a page, with a MAC that makes it good for one tenant.

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{FileFault, FileName, hex, unhex};
use sha2::Sha256;

/// How long the MAC is, in bytes.
const TAG_BYTES: usize = 16;

/// The cursor behind `last`. `key` is known for one tenant alone.
pub(super) fn after(key: &str, last: &FileName) -> String {
    let tag = mac(key, last.as_str().as_bytes()).map(|mac| mac.finalize().into_bytes());
    let tag = tag.unwrap_or_default();
    let short: Vec<u8> = tag.iter().take(TAG_BYTES).copied().collect();
    format!("{}{}", hex(&short), hex(last.as_str().as_bytes()))
}

/// The bytes of the name that `text` stands behind.
pub(super) fn read(key: &str, text: &str) -> Result<Vec<u8>, FileFault> {
    let all = unhex(text).ok_or(FileFault::Cursor)?;
    let (tag, name) = all.split_at_checked(TAG_BYTES).ok_or(FileFault::Cursor)?;
    let mac = mac(key, name).ok_or(FileFault::Cursor)?;
    mac.verify_truncated_left(tag).map_err(|_| FileFault::Cursor)?;
    Ok(name.to_vec())
}

/// `None` never comes: a key of any length does.
fn mac(key: &str, name: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(b"amanah.file.cursor\n");
    mac.update(name);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use kernel::{FileFault, FileName};

    use super::{after, read};

    #[test]
    fn a_cursor_is_good_for_its_tenant_alone() {
        let name = FileName::new("näme\0").unwrap();
        let cursor = after("one", &name);
        assert_eq!(read("one", &cursor).unwrap(), name.as_str().as_bytes());
        assert_eq!(read("two", &cursor), Err(FileFault::Cursor));
        let changed = format!("{}00", cursor.strip_suffix("00").unwrap_or(&cursor));
        assert_eq!(read("one", &format!("{changed}41")), Err(FileFault::Cursor));
        for odd in ["", "zz", "00", "é", cursor.trim_start_matches(|c| c != '0')] {
            assert_eq!(read("one", odd), Err(FileFault::Cursor), "{odd}");
        }
    }
}
