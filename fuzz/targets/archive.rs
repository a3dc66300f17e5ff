//! The archive of a tenant.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = tenancy::archive::check(bytes, 1 << 30);
});
