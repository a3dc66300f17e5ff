//! The kernel's table of mounts, in which whoever mounts chooses names.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    keys::fuzzing::mountinfo(bytes);
});
