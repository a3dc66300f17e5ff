//! What a directory sends of users and groups, and what it changes of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    directory::fuzzing::patch(bytes);
});
