//! The access log: one line of JSON for each request that was answered, and none of their secrets.
//!
//! A line is made and written by a thread of its own. Requests do not wait for a disk: a line for which
//! there is no room is dropped and counted. The query, the headers and the bodies of requests are never in
//! it, since they hold tokens and people's data.
//!
//! The file is opened anew within a second of being renamed, as programs that rotate logs do it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use kernel::Clock;
use serde::Serialize;

use crate::GatewayError;

/// How many bytes of lines may wait to be written: some ten thousand lines.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// With so many the thread that writes is woken. With fewer it is not: on a busy machine a line for each
/// waking would cost more than the request that it is about.
const WAKE_BYTES: usize = 256 << 10;
/// How long a line waits at most before it is written, and how often the file's name is looked at.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// The longest path that is written whole, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// What a line has room for before it has to grow, in bytes.
const USUAL_LINE_BYTES: usize = 384;
/// Nobody but the owner and the group reads who asked for what.
const MODE: u32 = 0o640;

/// One request and its answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) request: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<&'a str>,
    pub(crate) client: IpAddr,
    pub(crate) protocol: &'static str,
    pub(crate) method: &'a str,
    /// Without its query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    /// Until the head of the answer, in milliseconds.
    pub(crate) ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<&'a str>,
    /// Why the gateway answered by itself, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<&'static str>,
}

/// An entry with the moment at which it was handed over.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: Timestamp,
    #[serde(flatten)]
    entry: Entry<'a>,
}

/// Where lines are handed over. Copies share it; it ends with the last of them.
#[derive(Clone)]
pub struct AccessLog(Arc<Desk>);

/// What those who hand over see. Dropped with the last of them.
struct Desk {
    tray: Arc<Tray>,
    clock: Arc<dyn Clock>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tray.lock().over = true;
        self.tray.filled.notify_one();
    }
}

/// Lines between those who hand them over and the thread that writes.
#[derive(Default)]
struct Tray {
    held: Mutex<Held>,
    filled: Condvar,
}

#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    /// Nobody is left who could hand over more.
    over: bool,
}

impl Tray {
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come, once there is much of it or a second has passed, in exchange for `empty`, so
    /// that its room is used again. Whether more can come.
    fn take(&self, empty: &mut Vec<u8>) -> bool {
        let little = |held: &mut Held| held.lines.len() < WAKE_BYTES && !held.over;
        let waited = self.filled.wait_timeout_while(self.lock(), FLUSH_EVERY, little);
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut held.lines, empty);
        !held.over
    }
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
        let tray = Arc::<Tray>::default();
        let read = Arc::clone(&tray);
        let writer = thread::Builder::new().name("access-log".to_owned());
        writer.spawn(move || target.keep(&read)).map_err(refused)?;
        Ok(Self(Arc::new(Desk { tray, clock })))
    }

    /// Whether there was room for the line.
    pub(crate) fn write(&self, mut entry: Entry<'_>) -> bool {
        let mut end = entry.path.len().min(MAX_PATH_BYTES);
        while !entry.path.is_char_boundary(end) {
            end -= 1;
        }
        entry.path = entry.path.get(..end).unwrap_or_default();
        // Made before the tray is taken, which nobody keeps for longer than a copy takes.
        let mut line = Vec::with_capacity(USUAL_LINE_BYTES);
        if serde_json::to_writer(&mut line, &Line { time: self.0.clock.now(), entry }).is_err() {
            return false;
        }
        line.push(b'\n');
        let mut held = self.0.tray.lock();
        let before = held.lines.len();
        if before + line.len() > MAX_WAITING_BYTES {
            return false;
        }
        held.lines.extend_from_slice(&line);
        let crossed = before < WAKE_BYTES && held.lines.len() >= WAKE_BYTES;
        drop(held);
        if crossed {
            self.0.tray.filled.notify_one();
        }
        true
    }
}

/// The file as it is open.
struct Target {
    path: PathBuf,
    file: File,
    /// Which file that is, whatever it is called by now.
    inode: u64,
}

impl Target {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(&path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { path, file, inode })
    }

    /// Writes what comes until nobody is left who could hand over something.
    fn keep(mut self, tray: &Tray) {
        let mut lines = Vec::new();
        loop {
            let more = tray.take(&mut lines);
            if let Err(error) = self.file.write_all(&lines) {
                let file = self.path.display();
                tracing::error!(%error, %file, "lines of the access log could not be written");
            }
            lines.clear();
            if !more {
                return;
            }
            self.follow();
        }
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

    use super::{AccessLog, Entry, MAX_PATH_BYTES, MAX_WAITING_BYTES};

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))
    }

    fn entry(path: &str) -> Entry<'_> {
        Entry {
            request: "a1",
            trace: None,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            protocol: "HTTP/2",
            method: "GET",
            path,
            status: 200,
            ms: 1.5,
            tenant: Some("sinar"),
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

    /// Nobody waits for a disk: what there is no room for is dropped, and said to be. Whatever had room is
    /// written in the end, also when the log is closed at once.
    #[test]
    fn what_has_no_room_is_dropped_and_the_rest_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("access.json");
        let kept = AccessLog::open(&file, clock()).unwrap();
        let long = "x".repeat(MAX_PATH_BYTES);
        let mut written = 0;
        for _ in 0..3 * MAX_WAITING_BYTES / MAX_PATH_BYTES {
            written += usize::from(kept.write(entry(&long)));
        }
        drop(kept);
        assert_eq!(lines(&file, written).len(), written);
        assert!(written >= MAX_WAITING_BYTES / (2 * MAX_PATH_BYTES), "{written}");
    }
}
