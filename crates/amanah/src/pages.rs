//! Security pages as files: reading, checking, approving.

use std::path::{Path, PathBuf};

use anyhow::Context;
use claims::{Page, Problem};

use crate::exit::Usage;

/// Reads a page and checks everything about it, its approvals included.
pub(crate) fn load(file: &Path) -> anyhow::Result<Page> {
    let (name, source) = read(file)?;
    let problems = claims::lint(&name, &source, approvals(file)?.as_deref());
    match Page::parse(&name, &source) {
        Ok(page) if problems.is_empty() => Ok(page),
        _ => Err(broken(file, &problems)),
    }
}

/// Every page in `directory`, by name.
pub(crate) fn load_all(directory: &Path) -> anyhow::Result<Vec<Page>> {
    let cannot =
        || Usage(format!("{} cannot be read, which pages.directory names", directory.display()));
    let entries = std::fs::read_dir(directory).with_context(cannot)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = paths.collect::<Result<Vec<PathBuf>, _>>().with_context(cannot)?;
    files.retain(|path| path.extension().is_some_and(|e| e == "md"));
    files.sort();
    files.iter().map(|file| load(file)).collect()
}

/// The problems of a page, in the order of its lines.
pub(crate) fn lint(file: &Path) -> anyhow::Result<Vec<Problem>> {
    let (name, source) = read(file)?;
    Ok(claims::lint(&name, &source, approvals(file)?.as_deref()))
}

/// Approves the sentences of a page as they are now. Says how many there are.
pub(crate) fn approve(file: &Path) -> anyhow::Result<usize> {
    let (name, source) = read(file)?;
    let page = Page::parse(&name, &source).map_err(|problems| broken(file, &problems))?;
    let beside = approvals_file(file);
    std::fs::write(&beside, claims::approve(&page))
        .with_context(|| format!("{} cannot be written", beside.display()))?;
    Ok(page.pledges.len())
}

fn read(file: &Path) -> anyhow::Result<(String, String)> {
    let cannot = || Usage(format!("the page {} cannot be read", file.display()));
    let name = file.file_stem().and_then(|stem| stem.to_str()).with_context(cannot)?.to_owned();
    let size = std::fs::metadata(file).with_context(cannot)?.len();
    if size > claims::MAX_PAGE_BYTES as u64 {
        let limit = claims::MAX_PAGE_BYTES / 1024;
        let words = format!("the page {} is larger than {limit} KiB", file.display());
        return Err(Usage(words).into());
    }
    Ok((name, std::fs::read_to_string(file).with_context(cannot)?))
}

fn approvals(file: &Path) -> anyhow::Result<Option<String>> {
    let beside = approvals_file(file);
    match std::fs::read_to_string(&beside) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", beside.display())),
    }
}

fn approvals_file(file: &Path) -> PathBuf {
    file.with_extension("approved.toml")
}

fn broken(file: &Path, problems: &[Problem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Usage(format!("the page {} is broken:\n{}", file.display(), lines.join("\n"))).into()
}
