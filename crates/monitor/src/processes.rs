//! The command lines of the processes that run on this machine: everybody on it can read them.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// Where Linux shows its processes.
const PROC: &str = "/proc";
/// The longest command line that is read, in bytes: Linux allows no more by default.
const MAX_BYTES: u64 = 2 << 20;

/// One process that has a command line.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// The program's name as the kernel shows it. It is not part of the command line.
    pub(crate) name: String,
    /// The arguments, each followed by a zero byte.
    pub(crate) arguments: Vec<u8>,
    /// Whether it runs under our own user.
    pub(crate) ours: bool,
}

/// Every process, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) all: Vec<Process>,
    pub(crate) unchecked: Vec<String>,
}

/// The effective user of this process.
///
/// # Errors
/// When the kernel shows no processes here.
pub(crate) fn own_user() -> Result<u32, String> {
    user(&Path::new(PROC).join("self"))
        .map_err(|e| format!("{PROC}/self: {e}; mount {PROC} so that command lines can be read"))
}

/// Lists the processes that have a command line; `only` one of them, in a bite.
///
/// # Errors
/// When the kernel shows no processes here.
pub(crate) fn list(own_user: u32, only: Option<u32>) -> Result<Processes, String> {
    let mut processes = Processes::default();
    let entries = fs::read_dir(PROC).map_err(|e| format!("{PROC}: {e}"))?;
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if only.is_some_and(|only| only != id) {
            continue;
        }
        match read(id, &entry.path(), own_user) {
            // A thread of the kernel has no command line, and neither has a process that ended.
            Ok(process) if process.arguments.is_empty() => {}
            Ok(process) => processes.all.push(process),
            Err(error) if has_ended(&error) => {}
            Err(error) => processes.unchecked.push(format!("process {id}: {error}")),
        }
    }
    Ok(processes)
}

fn read(id: u32, path: &Path, own_user: u32) -> io::Result<Process> {
    let mut arguments = Vec::new();
    fs::File::open(path.join("cmdline"))?.take(MAX_BYTES).read_to_end(&mut arguments)?;
    let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
    Ok(Process { id, name: name.trim_end().to_owned(), arguments, ours: user(path)? == own_user })
}

/// The effective user of the process at `path`, from the second number after `Uid:`.
fn user(path: &Path) -> io::Result<u32> {
    let status = fs::read(path.join("status"))?;
    let status = String::from_utf8_lossy(&status);
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it has no user"))
}

fn has_ended(error: &io::Error) -> bool {
    /// "No such process", which a read answers when the process ended after the file was opened.
    const ESRCH: i32 = 3;
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

#[cfg(test)]
mod tests {
    use super::{list, own_user};

    #[test]
    fn this_process_is_among_them_and_ours() {
        let own_id = std::process::id();
        let user = own_user().unwrap();
        let all = list(user, None).unwrap().all;
        assert!(all.len() > 1 || own_id == 1);
        let found = list(user, Some(own_id)).unwrap().all;
        assert_eq!(found.len(), 1);
        assert!(found[0].ours && found[0].id == own_id && !found[0].arguments.is_empty());
    }
}
