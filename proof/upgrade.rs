//! `amanah deploy upgrade` on a running house under load: another process becomes the house, twice in a row,
//! and no request fails; a program that cannot is not taken, whenever it fails.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::house::{House, LOOK_AGAIN, is_alive};
use crate::visitors::{Kind, PATIENCE, SOME, Visitor, Way, application, read_until};
use crate::{seal, web};

/// Visitors of each kind.
const VISITORS: usize = 4;
/// Nobody is told to come back later: here visitors ask as often as they can.
const AMPLE: &str = "[limits]\naddress = \"50000, then 5000 in 1s\"\nprefix = \"50000, then 5000 in 1s\"\n\
                     tenant = \"50000, then 5000 in 1s\"\naccount = \"50000, then 5000 in 1s\"\n\
                     permission = \"50000, then 5000 in 1s\"\n";
const OPENING: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// The length of an upload, and how much of it is sent at a time.
const UPLOAD: usize = 128 << 10;
const PIECE: usize = 2 << 10;

/// Sends an upload slowly until the house is another one, and then the rest.
async fn upload(way: &Way, go: Arc<AtomicBool>) {
    let path = "POST /products/00000000-0000-4000-8000-000000000001/notes";
    let mut tls = way.open(path, &format!("Content-Length: {UPLOAD}\r\n")).await;
    for _ in 0..UPLOAD / PIECE {
        tls.write_all(&[b'x'; PIECE]).await.unwrap();
        tls.flush().await.unwrap();
        if !go.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
    let answer = read_until(&mut tls, &format!("read {UPLOAD}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn upgrade(house: &House, more: &[&str]) -> (i32, Value) {
    let out = house.run(&[&["deploy", "upgrade", "--json"], more].concat());
    let told = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&out.stderr).into_owned()));
    (out.status.code().unwrap(), told)
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// One upgrade, while a socket is open, events are told and something is sent: all of it goes on at the old
/// process. Says which process was the house, and which is.
fn once(
    house: &House,
    runtime: &Runtime,
    way: &Way,
    (finish, answered): (&AtomicBool, &dyn Fn()),
) -> (u64, u64) {
    finish.store(false, Ordering::SeqCst);
    answered();
    let (mut socket, mut events) = runtime.block_on(async {
        let mut socket = way.open("GET /", OPENING).await;
        read_until(&mut socket, "\r\n\r\n").await;
        let mut events = way.open("GET /products?q=events", "").await;
        read_until(&mut events, "data: on").await;
        (socket, events)
    });
    let go = Arc::<AtomicBool>::default();
    let uploading = runtime.spawn({
        let (way, go) = (way.clone(), Arc::clone(&go));
        async move { upload(&way, go).await }
    });
    let (exit, told) = upgrade(house, &["--drain", "10m"]);
    assert_eq!((exit, &told["taken"]), (0, &Value::Bool(true)), "{told} {}", house.log());
    let (before, now) = (told["before"].as_u64().unwrap(), told["now"].as_u64().unwrap());
    assert!(before != now && is_alive(now) && is_alive(before), "both serve: {told}");
    assert_eq!(house.running()["pid"], now);
    assert_eq!(house.running()["listen"], house.address);
    answered();
    // What was under way goes on at the old one, which ends with it.
    runtime.block_on(async {
        socket.write_all(b"still here").await.unwrap();
        socket.flush().await.unwrap();
        read_until(&mut socket, "still here").await;
        read_until(&mut events, "data: on").await;
        finish.store(true, Ordering::SeqCst);
        read_until(&mut events, "data: end").await;
        go.store(true, Ordering::SeqCst);
        uploading.await.unwrap();
    });
    drop((socket, events));
    (before, now)
}

/// Two upgrades in a row under load.
#[test]
fn another_process_becomes_the_house_and_no_request_fails() {
    let mut house = House::configured(AMPLE);
    let session = web::sign_in(&house, "sari@sinar.example");
    let authority = std::fs::read(house.data.join("tls/ca.pem")).unwrap();
    let way = Way { address: house.address.clone(), authority, session: session.clone() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let release = format!("http://{}", listener.local_addr().unwrap());
    let finish = Arc::<AtomicBool>::default();
    runtime.spawn(application(listener, Arc::clone(&finish)));
    let status = house.run(&["deploy", "status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let sample = status["current"].as_str().unwrap().to_owned();
    let switched = house.run(&["deploy", "switch", &release, "--watch", "0s"]);
    assert_eq!(switched.status.code(), Some(0), "{switched:?}");
    let server = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
    let sealed = seal::sealed(&house);

    let kinds = [Kind::KeepsAlive, Kind::Comes, Kind::Two];
    let visitors: Vec<Visitor> = runtime.block_on(async {
        let all = kinds.iter().flat_map(|kind| std::iter::repeat_n(*kind, VISITORS));
        all.map(|kind| Visitor::come(&way, kind)).collect()
    });
    let answered = || {
        runtime.block_on(async {
            for visitor in &visitors {
                visitor.answered_more().await;
            }
        });
    };
    let mut processes = vec![house.running()["pid"].as_u64().unwrap()];
    for _ in 0..2 {
        let (before, now) = once(&house, &runtime, &way, (&finish, &answered));
        assert_eq!(Some(&before), processes.last());
        processes.push(now);
        until("the old process ends", || !is_alive(before));
        let asked = web::ask(&house, Request::get("/").header("cookie", &session), "");
        assert_eq!((asked.status, asked.body.as_str()), (200, "read 0"), "the session goes on");
    }
    let answered: usize = visitors.into_iter().map(Visitor::leave).sum();
    assert!(answered >= kinds.len() * VISITORS * SOME * 4, "{answered}");

    let after = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
    let process = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(process(&after), process(&server), "PostgreSQL was not started again");
    let back = house.run(&["deploy", "switch", &sample, "--watch", "0s"]);
    assert_eq!(back.status.code(), Some(0), "{back:?}");
    let asked = web::ask(&house, Request::get("/").header("cookie", &session), "");
    assert!(asked.body.contains("PT Sinar Nusantara"), "nor was the application");
    house.psql("demo", "UPDATE tenants SET name = name");
    assert!(seal::sealed(&house) > sealed, "the trail is sealed");
    let verified = house.run(&["audit", "verify", "--database", "demo"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    // The house is told to end, and takes with it what it runs.
    house.stop();
    until("PostgreSQL ends", || !is_alive(process(&server).parse().unwrap()));
}

/// A program in a folder of the house.
fn program(house: &House, name: &str, text: &str) -> PathBuf {
    let file = house.data.with_file_name(name);
    // Written and closed before it is started: one that is open for writing cannot be.
    std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Speaks as far as it is told to, in Python; then it waits, or ends.
fn speaker(python: &Path, last: &str, then: &str) -> String {
    format!(
        "#!{}\nimport json, socket, sys, time\n\
         s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=0)\n\
         s.setblocking(True)\n\
         say = lambda **w: s.send(json.dumps(w).encode())\n\
         say(say='hello', form=1, version='9.9.9')\n\
         socket.recv_fds(s, 65536, 8)\n\
         if '{last}' == 'start': {then}\n\
         say(say='ready')\n\
         socket.recv_fds(s, 65536, 8)\n\
         if '{last}' == 'yours': {then}\n",
        python.display()
    )
}

/// Whatever is wrong with a program, and whenever it fails, the house goes on as before.
#[test]
fn a_program_that_cannot_be_the_house_is_not_taken() {
    let mut house = House::configured("");
    let session = web::sign_in(&house, "sari@sinar.example");
    let pid = house.running()["pid"].clone();
    let serves = || {
        let asked = web::ask(&house, Request::get("/").header("cookie", &session), "");
        assert!(asked.body.contains("PT Sinar Nusantara"), "{}", asked.body);
        assert_eq!(house.running()["pid"], pid);
    };
    let taken = |name: &str, text: &str| {
        let file = program(&house, name, text);
        let (exit, told) = upgrade(&house, &["--program", file.to_str().unwrap()]);
        assert_eq!((exit, &told["taken"]), (1, &Value::Bool(false)), "{name}: {told}");
        assert_eq!(told["now"], pid);
        serves();
        let left = std::process::Command::new("pgrep").arg("-f").arg(&file).output().unwrap();
        assert!(left.stdout.is_empty(), "{name} is gone: {left:?}");
        told["why"].as_str().unwrap().to_owned()
    };
    let why = taken("ends", "#!/bin/sh\nexit 7\n");
    assert!(why.contains("exit status: 7"), "{why}");
    let why = taken("no-program", "nothing of the kind");
    assert!(why.contains("does not start"), "{why}");
    let why = taken("hangs", "#!/bin/sh\nexec sleep 600\n");
    assert!(why.contains("did not say that it is Amanah"), "{why}");
    let python = testkit::python_tool("python");
    let speak = |last: &str, then: &str| speaker(&python, last, then);
    let why = taken("stops", &speak("start", "sys.exit(3)"));
    assert!(why.contains("exit status: 3"), "{why}");
    let words = "say(say='failed', why='the schema is newer')";
    let why = taken("says", &speak("start", words));
    assert!(why.contains("the schema is newer"), "{why}");
    // It has the lock by then, and what one process alone may do rests: all of it goes on here.
    let before = seal::sealed(&house);
    let why = taken("dies", &speak("yours", "sys.exit(4)"));
    assert!(why.contains("exit status: 4"), "{why}");
    let why = taken("waits", &speak("yours", "time.sleep(600)"));
    assert!(why.contains("did not serve"), "{why}");
    house.psql("demo", "UPDATE tenants SET name = name");
    assert!(seal::sealed(&house) > before);

    let open = program(&house, "open", "#!/bin/sh\nexit 7\n");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o757)).unwrap();
    for refused in [open.to_str().unwrap(), "/etc/passwd", "/nowhere"] {
        let (exit, told) = upgrade(&house, &["--program", refused]);
        assert_eq!(exit, 2, "{refused}: {told}");
        serves();
    }
    // Nobody takes over who was not started for it.
    let up = house.run(&["up", "--demo", "--take-over"]);
    assert_eq!(up.status.code(), Some(3), "{up:?}");
    serves();
    // Our own program refuses a configuration, and a database of a later version.
    let refuses = |what: &str| {
        let (exit, told) = upgrade(&house, &[]);
        let why = told["why"].as_str().unwrap_or_default();
        assert!(exit == 1 && why.contains(what), "{told}");
        serves();
    };
    house.reconfigure("[nobody]\nknows = 1\n");
    refuses("nobody");
    house.reconfigure("");
    let later = "room = 'claims' AND name = '9999_later'";
    house.psql("amanah", "INSERT INTO amanah.migration VALUES ('claims', '9999_later', '')");
    refuses("is not known to this version");
    house.psql("amanah", &format!("DELETE FROM amanah.migration WHERE {later}"));
    let (exit, told) = upgrade(&house, &[]);
    assert_eq!((exit, &told["taken"]), (0, &Value::Bool(true)), "and a good one is: {told}");
    house.stop();
}
