//! What a disk and the kernel's tables say, for [`crate::fuzzing`].

use std::io;
use std::path::Path;

use super::{luks, mounts};

/// Whether there is a header of an encrypted volume in it.
pub(crate) fn luks(mut bytes: &[u8]) -> bool {
    luks::read(&mut bytes).is_ok_and(|header| {
        header.ciphers.iter().any(|cipher| !cipher.to_string().is_empty())
            && !header.uuid.is_empty()
    })
}

/// Whether it is a table of mounts.
pub(crate) fn mountinfo(bytes: &[u8]) -> bool {
    let asked = |_: &Path| Err(io::Error::other("nobody is asked"));
    mounts::read(bytes)
        .is_ok_and(|all| mounts::holding(&all, Path::new("/srv"), &asked).len() <= all.len())
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged;

    use super::super::planted::{luks1, luks2};

    const UUID: &str = "12345678-1234-4234-8234-123456789012";

    #[test]
    fn damaged_headers_are_read_or_refused() {
        // The zeros behind what is written are of no interest.
        let (mut one, mut two) =
            (luks1(UUID, "aes", "xts-plain64", 64), luks2(UUID, "aes-xts-plain64", 64));
        one.truncate(4_096);
        two.truncate(4_700);
        two[8..16].copy_from_slice(&4_700_u64.to_be_bytes());
        try_damaged("luks", &[one, two], super::luks);
    }

    #[test]
    fn damaged_tables_of_mounts_are_read_or_refused() {
        let here = std::fs::read("/proc/self/mountinfo").unwrap();
        let table = b"22 27 0:21 / /proc rw - proc proc rw\n\
            40 27 253:0 / /srv/my\\040data rw master:1 - xfs /dev/mapper/data rw\n";
        try_damaged("mountinfo", &[table.to_vec(), here], super::mountinfo);
    }
}
