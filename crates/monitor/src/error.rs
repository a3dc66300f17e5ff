//! What can go wrong before anything is looked at.

/// What can go wrong. Whatever goes wrong later makes a proof unknown and is told in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A detector's pattern is not usable; this is a fault of the program.
    #[error("the detector `{detector}` cannot be built: {why}; nothing was searched")]
    Pattern {
        /// The detector's name.
        detector: &'static str,
        /// The pattern engine's words.
        why: String,
    },
}
