//! The access log: one line of JSON for each request that was answered, and none of their secrets.
//!
//! A line is made and written by a thread of its own. Requests do not wait for a disk: a line for which
//! there is no room is dropped and counted. The query, the headers and the bodies of requests are never in
//! it, since they hold tokens and people's data.
//!
//! The file is opened anew within a second of being renamed, as programs that rotate logs do it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use kernel::Clock;
use serde::Serialize;

use crate::GatewayError;

/// How many lines may wait to be written.
const MAX_WAITING: usize = 8192;
/// How long a line waits at most before it is written, and how often the file's name is looked at.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// The longest path that is written whole, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// Nobody but the owner and the group reads who asked for what.
const MODE: u32 = 0o640;

/// One request and its answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    pub(crate) client: IpAddr,
    pub(crate) protocol: &'static str,
    pub(crate) method: String,
    /// Without its query.
    pub(crate) path: String,
    pub(crate) status: u16,
    /// Until the head of the answer, in milliseconds.
    pub(crate) ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Why the gateway answered by itself, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<&'static str>,
}

/// An entry with the moment at which it was handed over.
#[derive(Debug, Serialize)]
struct Line {
    time: Timestamp,
    #[serde(flatten)]
    entry: Entry,
}

/// Where lines are handed over. Copies share it; it ends with the last of them.
#[derive(Clone)]
pub struct AccessLog {
    lines: SyncSender<Line>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").finish_non_exhaustive()
    }
}

impl AccessLog {
    /// Appends to `file`, which is made when it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened for writing, or there is no thread for it.
    pub fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Self, GatewayError> {
        let refused =
            |error| GatewayError::File { file: file.to_owned(), action: "write to", error };
        let target = Target::open(file.to_owned()).map_err(refused)?;
        let (lines, waiting) = sync_channel(MAX_WAITING);
        let writer = thread::Builder::new().name("access-log".to_owned());
        writer.spawn(move || target.keep(&waiting)).map_err(refused)?;
        Ok(Self { lines, clock })
    }

    /// Whether there was room for the line.
    pub(crate) fn write(&self, mut entry: Entry) -> bool {
        let mut end = entry.path.len().min(MAX_PATH_BYTES);
        while !entry.path.is_char_boundary(end) {
            end -= 1;
        }
        entry.path.truncate(end);
        self.lines.try_send(Line { time: self.clock.now(), entry }).is_ok()
    }
}

/// The file as it is open.
struct Target {
    path: PathBuf,
    file: BufWriter<File>,
    /// Which file that is, whatever it is called by now.
    inode: u64,
}

impl Target {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(&path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { path, file: BufWriter::new(file), inode })
    }

    /// Writes what comes until nobody is left who could send something.
    fn keep(mut self, lines: &Receiver<Line>) {
        loop {
            let written = match lines.recv_timeout(FLUSH_EVERY) {
                Ok(line) => self.lines(&line, lines),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = written.and_then(|()| self.file.flush()) {
                let file = self.path.display();
                tracing::error!(%error, %file, "lines of the access log could not be written");
            }
            self.follow();
        }
    }

    /// Writes a line, and those that came in the meantime.
    fn lines(&mut self, first: &Line, lines: &Receiver<Line>) -> io::Result<()> {
        self.put(first)?;
        for line in lines.try_iter().take(MAX_WAITING) {
            self.put(&line)?;
        }
        Ok(())
    }

    fn put(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }

    /// Opens the file anew when its name leads elsewhere by now. Until that can be had, the old one is
    /// written to.
    fn follow(&mut self) {
        if std::fs::metadata(&self.path).is_ok_and(|named| named.ino() == self.inode) {
            return;
        }
        match Self::open(self.path.clone()) {
            Ok(target) => *self = target,
            Err(error) => {
                let file = self.path.display();
                tracing::error!(%error, %file, "the access log could not be opened anew");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use kernel::{Clock, ManualClock};

    use super::{AccessLog, Entry, MAX_PATH_BYTES};

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))
    }

    fn entry(path: &str) -> Entry {
        Entry {
            request: "a1".to_owned(),
            trace: None,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            protocol: "HTTP/2",
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            ms: 1.5,
            tenant: Some("sinar".to_owned()),
            actor: None,
            refused: None,
        }
    }

    /// The lines of a file, once there are so many.
    fn lines(file: &Path, wanted: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if text.lines().count() >= wanted {
                return text.lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < until, "{text}");
            std::thread::yield_now();
        }
    }

    /// A line is an object, whatever somebody asked for; what is long is cut.
    #[test]
    fn a_line_is_json() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("access.json");
        let kept = AccessLog::open(&file, clock()).unwrap();
        assert!(kept.write(entry("/a\"b\n\u{e9}")));
        assert!(kept.write(entry(&"\u{e9}".repeat(MAX_PATH_BYTES))));
        let lines = lines(&file, 2);
        assert_eq!(
            lines[0],
            "{\"time\":\"1970-01-01T00:00:00Z\",\"request\":\"a1\",\"client\":\"127.0.0.1\",\
             \"protocol\":\"HTTP/2\",\"method\":\"GET\",\"path\":\"/a\\\"b\\n\u{e9}\",\
             \"status\":200,\"ms\":1.5,\"tenant\":\"sinar\"}"
        );
        let long: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(long["path"].as_str().unwrap().len(), MAX_PATH_BYTES);
    }

    /// After a rotation the next lines are in a new file, and none is lost.
    #[test]
    fn a_renamed_file_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, old) = (dir.path().join("access.json"), dir.path().join("access.json.1"));
        let kept = AccessLog::open(&file, clock()).unwrap();
        assert!(kept.write(entry("/before")));
        lines(&file, 1);
        std::fs::rename(&file, &old).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !file.exists() {
            assert!(Instant::now() < until, "it was not opened anew");
            std::thread::yield_now();
        }
        assert!(kept.write(entry("/after")));
        assert!(lines(&file, 1)[0].contains("/after"));
        assert_eq!(lines(&old, 1).len(), 1);
    }

    /// A place that cannot be written to is told at the start.
    #[test]
    fn a_place_that_is_not_there_is_told() {
        let error = AccessLog::open(Path::new("/nowhere/access.json"), clock()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/access.json"), "{error}");
    }
}
