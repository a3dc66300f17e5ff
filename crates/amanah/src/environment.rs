//! What comes from the environment: secrets, which belong neither into a file that is copied nor on
//! a command line that everybody reads.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use kernel::Secret;

use crate::exit::Usage;

/// A file that holds a secret is never larger, in bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// The text of variable `name`.
pub(crate) fn variable(name: &str) -> anyhow::Result<Option<String>> {
    text(name, &lookup)
}

/// The secret in variable `name`, or in the file that the variable `name_FILE` names.
///
/// # Errors
/// When both are set, when it is empty, and when the file cannot be read. A secret that was meant
/// and is not there must never become another one.
pub(crate) fn secret(name: &str) -> anyhow::Result<Option<Secret>> {
    secret_in(name, &lookup)
}

/// Every variable whose name begins with `prefix`.
pub(crate) fn beginning_with(prefix: &str) -> anyhow::Result<Vec<(String, Secret)>> {
    let mut all = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) else { continue };
        let text = value.into_string().map_err(|_| Usage(format!("{name} is not UTF-8")))?;
        all.push((name.to_owned(), Secret::new(text)));
    }
    Ok(all)
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn lookup(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn text(name: &str, lookup: Lookup<'_>) -> anyhow::Result<Option<String>> {
    let Some(value) = lookup(name) else { return Ok(None) };
    let Ok(value) = value.into_string() else {
        return Err(Usage(format!("{name} is not UTF-8")).into());
    };
    if value.trim().is_empty() {
        return Err(Usage(format!("{name} is set and empty; give it a value or unset it")).into());
    }
    Ok(Some(value))
}

fn secret_in(name: &str, lookup: Lookup<'_>) -> anyhow::Result<Option<Secret>> {
    let file = format!("{name}_FILE");
    match (text(name, lookup)?, text(&file, lookup)?) {
        (Some(_), Some(_)) => {
            Err(Usage(format!("{name} and {file} are both set; unset one of them")).into())
        }
        (Some(value), None) => Ok(Some(Secret::new(value))),
        (None, Some(path)) => read(Path::new(&path), &file).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path, variable: &str) -> anyhow::Result<Secret> {
    let what = || format!("{} cannot be read; {variable} names it", path.display());
    if std::fs::metadata(path).with_context(what)?.len() > MAX_SECRET_BYTES {
        let words = format!("{}: larger than 64 KiB, so not a secret's file", path.display());
        return Err(Usage(words).into());
    }
    let text = Secret::new(std::fs::read_to_string(path).with_context(what)?);
    // An editor adds a line's end.
    let text = Secret::new(text.expose().trim_end_matches(['\r', '\n']).to_owned());
    if text.expose().trim().is_empty() {
        return Err(Usage(format!("{} is empty; {variable} names it", path.display())).into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::secret_in;

    /// Each way to say it, and each way to say it wrongly.
    #[test]
    fn a_secret_is_a_value_or_a_file_and_never_empty() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root");
        std::fs::write(&file, "from a file\n").unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        let ask = |set: &[(&str, &str)]| {
            let set: Vec<(String, OsString)> =
                set.iter().map(|(n, v)| ((*n).to_owned(), OsString::from(v))).collect();
            let lookup = |name: &str| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            secret_in("X", &lookup)
        };
        let file = file.to_str().unwrap();
        assert!(ask(&[]).unwrap().is_none());
        assert_eq!(ask(&[("X", "a b")]).unwrap().unwrap().expose(), "a b");
        assert_eq!(ask(&[("X_FILE", file)]).unwrap().unwrap().expose(), "from a file");
        for wrong in [
            &[("X", "")][..],
            &[("X", "a"), ("X_FILE", file)],
            &[("X_FILE", "/nowhere/at/all")],
            &[("X_FILE", empty.to_str().unwrap())],
        ] {
            assert!(ask(wrong).is_err(), "{wrong:?}");
        }
    }
}
