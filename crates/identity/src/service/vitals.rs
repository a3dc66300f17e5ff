//! What is measured of sessions.

use std::time::Duration;

use super::Identities;

/// The measurements of a process that answers for sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionVitals {
    /// Decisions in memory.
    pub kept: usize,
    /// Answered from memory since the start.
    pub from_memory: u64,
    /// Asked of the database since the start.
    pub asked: u64,
    /// Uses of sessions that are to be written down.
    pub unwritten: usize,
    /// How long ago the last beat was sent that came back; `None` when nothing is heard.
    pub silent: Option<Duration>,
    /// Ends that were heard of since the start.
    pub notices: u64,
    /// How many beats took at most so many milliseconds from being sent to being heard, and no
    /// less than the class before; `None` is everything beyond.
    pub beats: Vec<(Option<u64>, u64)>,
}

impl Identities {
    /// What is measured of sessions at this moment.
    pub fn session_vitals(&self) -> SessionVitals {
        let (kept, from_memory, asked) = self.cache.counts();
        let (notices, beats) = self.cache.ear.heard();
        let (unwritten, silent) = (self.uses.len(), self.cache.ear.silent_for());
        SessionVitals { kept, from_memory, asked, unwritten, silent, notices, beats }
    }
}
