//! The rules of the house that no compiler knows, read from the sources and from cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::house::root;

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        ["crates", "demo", "proof", "bench"].map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "the sources were found");
    found
}

/// The table in ARCHITECTURE.md is what cargo says, in both directions: no edge that is not in it,
/// and none in it that is gone.
#[test]
fn crates_import_what_the_architecture_says() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<Vec<String>> = line.split('|').map(quoted).collect();
        if let [_, name, uses, ..] = cells.as_slice() {
            allowed.insert(name[0].clone(), uses.iter().cloned().collect());
        }
    }
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let own: BTreeSet<String> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|p| p.name.as_str() != "proof") {
        let normal = package.dependencies.iter();
        let normal = normal.filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        let uses = normal.map(|d| d.name.clone()).filter(|name| own.contains(name)).collect();
        real.insert(package.name.to_string(), uses);
    }
    assert_eq!(allowed, real, "left: ARCHITECTURE.md, right: cargo metadata");
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Absences: who may name the driver, HTML, HTTP servers, the environment.
#[test]
fn only_its_room_names_a_thing() {
    let rules: &[(&str, &[&str])] = &[
        ("tokio_postgres", &["crates/store", "demo"]),
        ("deadpool_postgres", &["crates/store", "demo"]),
        ("askama", &["crates/console", "demo"]),
        ("axum::", &["crates/console", "crates/amanah", "demo"]),
        // The stand-in of the root's tests is a server too.
        ("hyper::server", &["crates/gateway", "crates/kms/src/testing", "bench"]),
        (
            "reqwest::",
            &[
                "bench",
                "crates/amanah/src/config/witnesses",
                "crates/amanah/src/witnesses",
                "crates/kms",
                "demo",
            ],
        ),
        ("cryptoki::", &["crates/kms"]),
        ("use ::redis", &["crates/tenancy/src/redis"]),
        (
            "object_store::",
            &[
                "crates/audit/src/seal/shelf",
                "crates/bucket",
                "crates/keys/src/shelf",
                "crates/kms/src/aws",
                "crates/tenancy/src/files",
            ],
        ),
        ("std::env", &["bench", "crates/amanah", "crates/testkit", "demo", "proof"]),
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let path = path.display().to_string();
        for (word, rooms) in rules {
            let names_it =
                text.lines().any(|l| !l.trim_start().starts_with("//") && l.contains(word));
            if names_it
                && !path.starts_with("proof/tidy")
                && !rooms.iter().any(|r| path.starts_with(r))
            {
                broken.push(format!("{path} names {word}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// A file that needs more lines is two files, and it says at its top why it exists.
#[test]
fn files_are_short_and_say_why_they_exist() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > MAX_FILE_LINES {
            broken.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//! ") {
            broken.push(format!("{}: does not open with //!", path.display()));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn functions_are_short() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let file = syn::parse_file(&text).unwrap();
        let mut long = Long { path: path.display().to_string(), found: &mut broken };
        long.visit_file(&file);
    }
    assert_eq!(broken, Vec::<String>::new());
}

struct Long<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl Long<'_> {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        let lines = span.end().line - span.start().line + 1;
        if lines > MAX_FUNCTION_LINES {
            self.found.push(format!("{}: {name} has {lines} lines", self.path));
        }
    }
}

impl<'ast> Visit<'ast> for Long<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

/// A migration opens with why, the lock it takes, and how to undo it.
#[test]
fn migrations_open_with_their_reasons() {
    let mut seen = 0;
    for room in std::fs::read_dir(root().join("crates")).unwrap() {
        let Ok(files) = std::fs::read_dir(room.unwrap().path().join("sql")) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for word in ["-- Why: ", "-- Lock: ", "-- Undo: "] {
                assert!(
                    text.lines().take(9).any(|l| l.starts_with(word)),
                    "{}: no `{word}` at its top",
                    path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "migrations were found");
}
