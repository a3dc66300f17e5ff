//! The parsers of what anybody can send, for the fuzzer.

use crate::announce::{Step, step};
use crate::attack;
use crate::controls::hello::{self, Hello};
use crate::reports;

/// What may stand before the first byte of TLS, read as a connection gives it: whether it is whole.
pub fn announcement(bytes: &[u8]) -> bool {
    let mut taken = 0_usize;
    loop {
        match step(bytes.get(..taken).unwrap_or_default()) {
            Step::More(count) if count > 0 && taken + count <= bytes.len() => taken += count,
            Step::Whole(_) => return true,
            _ => return false,
        }
    }
}

/// What comes back from whoever was challenged: whether it is a form or a stamp.
pub fn challenge(bytes: &[u8]) -> bool {
    attack::reads(bytes)
}

/// What a server says to a proof's hello, and what a proof says to a scratch server: whether it is whole.
pub fn hello(bytes: &[u8]) -> bool {
    hello::read(bytes).is_some() || Hello::read(bytes).is_some()
}

/// What a browser reports, and whoever says to be one: whether it is a report.
pub fn csp_report(bytes: &[u8]) -> bool {
    reports::read(bytes).is_some()
}
