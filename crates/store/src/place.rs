//! Where the managed cluster and its socket are, and what stands there.

use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use kernel::Rng;

use crate::account::Account;
use crate::{Error, Result};

/// A socket's path must fit into 107 bytes, its file's name included.
const MAX_SOCKET_DIR_BYTES: usize = 88;
/// Where a cluster goes when the server's user cannot enter the data directory.
const ELSEWHERE: &str = "/var/lib/amanah";
/// How much of a log's end is read, in bytes.
const MAX_TAIL_BYTES: u64 = 64 << 10;

/// What stands in a cluster's directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Empty,
    /// A cluster of this major version.
    Cluster(u32),
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its loopback port.
    pub(crate) port: u16,
    /// The directory of its socket.
    pub(crate) socket: PathBuf,
}

/// A server's directory: `name` in the data directory, or, when the server's user cannot enter that
/// (a checkout under root's home), a directory elsewhere to which `name` is a link.
pub(crate) async fn server_dir(
    data: &Path,
    name: &str,
    account: &Account,
    rng: &dyn Rng,
) -> Result<PathBuf> {
    make_dir(data, 0o755)?;
    let data = data.canonicalize().map_err(|e| error(data, &e))?;
    let wanted = data.join(name);
    if wanted.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
        return wanted.canonicalize().map_err(|e| Error::Path {
            path: wanted,
            why: format!(
                "what it links to is gone ({e}). Put it back, or remove the link to begin anew"
            ),
        });
    }
    if account.can_enter(&data).await {
        // The server's user makes nothing beside it, but renames within it need the parent.
        return Ok(wanted);
    }
    if wanted.exists() {
        return Err(Error::Path {
            path: wanted,
            why: format!(
                "the user `{}` cannot enter it. Open the folders above it, or move the data directory with --data",
                account.name
            ),
        });
    }
    let elsewhere = Path::new(ELSEWHERE).join(kernel::random_hex(rng, 8)?).join(name);
    let parent = elsewhere.parent().unwrap_or(Path::new(ELSEWHERE));
    make_dir(parent, 0o755)?;
    make_dir(&elsewhere, 0o700)?;
    symlink(&elsewhere, &wanted).map_err(|e| error(&wanted, &e))?;
    Ok(elsewhere)
}

/// The directory of the socket, closed to everybody but the server's user: beside the cluster, or
/// in `/tmp` when that path is too long for a socket.
pub(crate) fn socket_dir(dir: &Path, account: &Account) -> Result<PathBuf> {
    let beside = dir.with_extension("socket");
    let socket = if beside.as_os_str().len() <= MAX_SOCKET_DIR_BYTES {
        beside
    } else {
        Path::new("/tmp").join(format!("amanah-{:016x}", fnv(dir)))
    };
    if !socket.exists() {
        make_dir(&socket, 0o700)?;
        account.own(&socket)?;
    }
    if !account.owns(&socket) {
        let why = format!("it belongs to somebody else than `{}`. Remove it", account.name);
        return Err(Error::Path { path: socket, why });
    }
    Ok(socket)
}

/// The directory of our configuration, beside the cluster: the server's user may read it and
/// nothing more.
pub(crate) fn conf_dir(dir: &Path) -> Result<PathBuf> {
    let conf = dir.with_extension("conf");
    make_dir(&conf, 0o755)?;
    Ok(conf)
}

/// A copy of a program where everybody can run it and only root can change it.
pub(crate) fn copy_for_others(program: &Path) -> Result<PathBuf> {
    let folder = Path::new(ELSEWHERE).join("bin");
    make_dir(&folder, 0o755)?;
    let name = program.file_name().unwrap_or(program.as_os_str());
    let (copy, fresh) = (folder.join(name), folder.join(format!("{:016x}.new", fnv(program))));
    std::fs::copy(program, &fresh).map_err(|e| error(&fresh, &e))?;
    std::fs::rename(&fresh, &copy).map_err(|e| error(&copy, &e))?;
    Ok(copy)
}

/// What stands in `dir`.
pub(crate) fn standing(dir: &Path) -> Result<Standing> {
    let not_a_cluster = |why: &str| Error::Path {
        path: dir.to_owned(),
        why: format!(
            "{why}. Move it away to begin anew, or put a backup in its place; nothing was changed"
        ),
    };
    let mut entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Empty),
        Err(e) => return Err(error(dir, &e)),
    };
    if entries.next().is_none() {
        return Ok(Standing::Empty);
    }
    let text = std::fs::read_to_string(dir.join("PG_VERSION")).map_err(|_| {
        not_a_cluster("it is not empty and has no PG_VERSION, so it is no PostgreSQL cluster")
    })?;
    text.trim()
        .parse()
        .map(Standing::Cluster)
        .map_err(|_| not_a_cluster("its PG_VERSION is damaged"))
}

/// The server that runs on `dir`, if its process is alive and really works there: a pid may have
/// been given to somebody else since.
pub(crate) fn running(dir: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(dir.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid: u32 = lines.next()?.trim().parse().ok()?;
    let (port, socket) = (lines.nth(2)?.trim().parse().ok()?, lines.next()?.trim());
    let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    // The last line says `ready` when connections are taken.
    let ready = text.lines().last().is_some_and(|l| l.trim() == "ready");
    (works_in == dir.canonicalize().ok()? && ready)
        .then(|| Running { port, socket: PathBuf::from(socket) })
}

/// What was written to `log` after its first `from` bytes, at most the last 64 KiB of it.
pub(crate) fn text_after(log: &Path, from: u64) -> String {
    let read = || -> std::io::Result<String> {
        // The server's user may have put a link there, to what only we may read.
        if !std::fs::symlink_metadata(log)?.is_file() {
            return Ok(String::new());
        }
        let mut file = std::fs::File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(MAX_TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// An error about a path, in words that say what to do where we know.
pub(crate) fn error(path: &Path, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::StorageFull => {
            "the disk is full. Make room and start again; nothing was lost".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{error}. Start as the user that owns it, or choose another place with --data")
        }
        _ => error.to_string(),
    };
    Error::Path { path: path.to_owned(), why }
}

pub(crate) fn make_dir(dir: &Path, bits: u32) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(bits).create(dir);
    made.map_err(|e| error(dir, &e))
}

/// The port of last time if nobody has taken it, else one that is free now.
pub(crate) fn free_port(before: Option<u16>) -> Result<u16> {
    let listen = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let listener = match before.map(listen) {
        Some(Ok(listener)) => listener,
        _ => listen(0).map_err(|e| error(Path::new("127.0.0.1"), &e))?,
    };
    let address = listener.local_addr();
    address.map(|a| a.port()).map_err(|e| error(Path::new("127.0.0.1"), &e))
}

/// FNV-1a over the path: a short name that is the same at every start.
fn fnv(path: &Path) -> u64 {
    let step = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::{Standing, running, standing};

    #[test]
    fn a_directory_that_is_no_cluster_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(standing(dir.path()).unwrap(), Standing::Empty);
        assert_eq!(standing(&dir.path().join("missing")).unwrap(), Standing::Empty);
        std::fs::write(dir.path().join("photo.jpg"), "x").unwrap();
        let error = standing(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no PostgreSQL cluster") && error.contains("nothing was changed"));
        std::fs::write(dir.path().join("PG_VERSION"), "fifteen").unwrap();
        assert!(standing(dir.path()).unwrap_err().to_string().contains("damaged"));
        std::fs::write(dir.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(standing(dir.path()).unwrap(), Standing::Cluster(15));
    }

    #[test]
    fn a_pid_of_another_process_is_not_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let file = format!("{pid}\n{}\n0\n5432\n/tmp\n127.0.0.1\n0\nready\n", dir.path().display());
        std::fs::write(dir.path().join("postmaster.pid"), file).unwrap();
        assert!(running(dir.path()).is_none());
    }
}
