//! Bundles of entries: each entry after its length in two bytes, big endian.

use crate::{Error, Result};

/// The longest entry, in bytes.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Adds `entry` to the end of `bundle`.
///
/// # Errors
/// When it is too long.
pub fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<()> {
    let length = u16::try_from(entry.len()).map_err(|_| Error::TooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The `width` entries of a bundle.
///
/// # Errors
/// When it ends within an entry, or has another number of them.
pub fn open_bundle(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let cut = Error::Bundle("it ends within an entry");
        let (entry, after) = after.split_at_checked(length).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Error::Bundle("it ends within a length"));
    }
    if u64::try_from(entries.len()).ok() != Some(width) {
        return Err(Error::Bundle("it does not have as many entries as its name says"));
    }
    Ok(entries)
}
