//! A door for `fuzz/` and its like: parsers of what others can write.

use crate::{Catalogue, Matrix, Routes};

/// Reads a catalogue, a matrix, and the numbers of permissions. Whether it was one of them.
pub fn catalogue(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let read = Catalogue::compile(&text, include_str!("../catalogue/ids.txt")).is_ok();
    let numbers = Catalogue::compile(include_str!("../catalogue/access.toml"), &text).is_ok();
    read || numbers || Matrix::read(&text).is_ok()
}

/// Reads a file of routes, and asks it for paths. Whether it was one.
pub fn routes(bytes: &[u8]) -> bool {
    let Ok(catalogue) = Catalogue::shipped() else { return false };
    let Ok(routes) = Routes::read(&String::from_utf8_lossy(bytes), catalogue) else { return false };
    let odd = ["/..", "//", "/a/../b", "/%2e%2e/a", "/a;b", "/a%2fb"];
    assert!(odd.iter().all(|path| routes.need("GET", path).is_none()), "an odd path is mapped");
    true
}
