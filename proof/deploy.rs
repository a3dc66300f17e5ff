//! `amanah deploy` on a running house: another release takes over, and goes again when it fails.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, LOOK_AGAIN};
use crate::web;

/// A release that says its name to everything, until it is killed.
struct Release {
    address: SocketAddr,
    dead: Arc<AtomicBool>,
}

impl Release {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let dead = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&dead);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let _ = answer(&stream.unwrap(), name);
            }
        });
        Self { address, dead }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody listens there any more.
    fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        while TcpStream::connect(self.address).is_ok() {
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }
}

fn answer(stream: &TcpStream, name: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length";
    write!(&mut &*stream, "{head}: {}\r\n\r\n{name}", name.len())
}

fn status(house: &House) -> Value {
    let shown = house.run(&["deploy", "status", "--json"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    serde_json::from_slice(&shown.stdout).unwrap()
}

/// The sample application gives way to a release, which answers whoever is signed in; one that dies while
/// it is watched fails nobody, and the one before it answers again.
#[test]
fn a_release_takes_over_and_one_that_dies_goes_again() {
    // Not the shared one: its proofs would ask another application meanwhile.
    let house = House::start();
    let session = web::sign_in(&house, "sari@sinar.example");
    let asked = || web::ask(&house, http::Request::get("/").header("cookie", &session), "");
    let sample = status(&house)["current"].as_str().unwrap().to_owned();
    let (first, second) = (Release::start("first"), Release::start("second"));
    let socket = house.data.join("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let run =
        |to: &str, watch: &str| house.run(&["deploy", "switch", to, "--watch", watch, "--json"]);
    let switched = run(&first.url(), "0s");
    assert_eq!(switched.status.code(), Some(0), "{switched:?}");
    assert_eq!(asked().body, "first");
    assert_eq!(run(&first.url(), "0s").status.code(), Some(2), "it is the current one");
    assert_eq!(run("here", "0s").status.code(), Some(2));

    let rolled_back = std::thread::scope(|scope| {
        let command = scope.spawn(|| run(&second.url(), "60s"));
        let begun = Instant::now();
        while asked().body != "second" {
            assert!(begun.elapsed() < Duration::from_mins(1), "it was not switched");
            std::thread::park_timeout(LOOK_AGAIN);
        }
        assert_eq!(run(&sample, "0s").status.code(), Some(3), "one at a time");
        second.kill();
        while !command.is_finished() {
            let answer = asked();
            assert_eq!((answer.status, answer.body.as_str()), (200, "first"));
        }
        command.join().unwrap()
    });
    assert_eq!(rolled_back.status.code(), Some(1), "{rolled_back:?}");
    let ended: Value = serde_json::from_slice(&rolled_back.stdout).unwrap();
    assert_eq!(ended["outcome"], "rolled_back");
    assert_eq!(status(&house)["current"], first.url());
    assert!(status(&house)["last"]["end"].as_str().unwrap().starts_with("rolled back"));

    let back = run(&sample, "0s");
    assert_eq!(back.status.code(), Some(0), "{back:?}");
    assert!(asked().body.contains("PT Sinar Nusantara"));
}
