//! What the documentation says of numbers that a test counts, so that neither is changed alone.

use std::path::Path;

/// Fails when `page`, a path from the root of the sources, does not say `words`, wherever its lines
/// break.
pub fn told(page: &str, words: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(page)).expect("a page");
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(words), "{page} says otherwise: {words}");
}
