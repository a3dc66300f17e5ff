//! What a browser reports that the content security policy has stopped.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    gateway::fuzzing::csp_report(bytes);
});
