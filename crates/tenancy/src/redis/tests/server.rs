//! The managed server: private, adopted, revived, stopped.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ::redis::Value;
use kernel::Secret;

use super::{enter, server, tenant, world};
use crate::redis::wire::{Address, Door, Wire, text, texts, unfit, words};
use crate::redis::{Claim, Existing, Redis};

#[tokio::test]
async fn a_running_server_is_adopted_and_a_stopped_one_started_on_its_port() {
    let data = testkit::server_dir("redis/server.pid");
    let first = server(&data).await;
    let pid = std::fs::read_to_string(first.pid_file()).unwrap();
    first.door().enter().await.unwrap().ask(["SET", "k", "v"]).await.unwrap();
    let second = server(&data).await;
    assert_eq!(std::fs::read_to_string(second.pid_file()).unwrap(), pid);
    let found = second.door().enter().await.unwrap().ask(["GET", "k"]).await.unwrap();
    assert_eq!(text(&found).as_deref(), Some("v"));
    let port = first.for_applications().to_string();
    second.stop().await.unwrap();
    assert!(!first.is_running());
    second.stop().await.unwrap();
    let third = server(&data).await;
    assert_eq!(third.for_applications().to_string(), port);
    assert_ne!(std::fs::read_to_string(third.pid_file()).unwrap(), pid);
}

/// A server of somebody else's, with a login that may do what the documentation says and no more.
#[tokio::test]
async fn a_login_with_few_rights_is_enough_on_a_server_of_somebody_elses() {
    let world = world().await;
    let text = include_str!("../../../../../docs/redis.md");
    let line = text.lines().find_map(|l| l.strip_prefix("ACL SETUSER amanah ")).unwrap();
    world.run(&format!("ACL SETUSER keeper {line}")).await;
    let address = world.server.for_applications();
    let url = format!("redis://keeper@{address}");
    let existing = Existing::new(&url, Secret::new("PASSWORD".to_owned()), None).unwrap();
    let mut settings = world.redis.settings.clone();
    settings.trusted = vec!["amanah".to_owned()];
    let redis = Redis::on_existing(settings, existing);
    let (id, hour) = (tenant("a"), std::time::Duration::from_hours(1));
    let lease = redis.lease(&id, hour).await.unwrap();
    enter(&lease).await.unwrap().ask(["SET", &format!("{}k", lease.prefix), "v"]).await.unwrap();
    assert_eq!(redis.keep().await.unwrap(), (0, 0));
    for claim in [Claim::Cache, Claim::Channels] {
        let report = redis.attack(claim).await.unwrap();
        assert!(report.findings.is_empty() && report.missed.is_empty(), "{report:#?}");
        assert_eq!(report.notes, ["trusted by redis.trusted: amanah"]);
    }
    let cleared = redis.erase(&id).await.unwrap();
    assert_eq!((cleared.keys, cleared.logins), (1, 1));
}

#[test]
fn an_address_is_read() {
    let read = |url: &str| Existing::new(url, Secret::new("x".to_owned()), None);
    for (url, user, place) in [
        ("redis://amanah@db.example", "amanah", "db.example:6379"),
        ("redis://10.0.0.5:6380/0", "default", "10.0.0.5:6380"),
        ("rediss://amanah@db.example:6390", "amanah", "db.example:6390"),
    ] {
        let door = read(url).unwrap().door;
        assert_eq!((door.user.as_str(), door.address.to_string().as_str()), (user, place));
    }
    let secret = ["redis://amanah:hid", "den@db.example"].concat();
    for wrong in ["", "db.example:6379", "http://db.example", "redis://db.example/3", &secret] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("redis.url is not usable") && !error.contains("hidden"), "{error}");
    }
}

/// What a server says of itself decides.
#[test]
fn a_server_that_is_too_old_or_no_single_one_is_refused() {
    let greeting = |version: &str, mode: &str| {
        let text = |word: &str| Value::BulkString(word.as_bytes().to_vec());
        let pairs = [("server", "redis"), ("version", version), ("mode", mode)];
        Value::Array(pairs.iter().flat_map(|(name, said)| [text(name), text(said)]).collect())
    };
    for (version, mode, told) in [
        ("7.0.0", "standalone", None),
        ("8.2.1", "standalone", None),
        ("6.2.14", "standalone", Some("\"6.2.14\", and tenants' places need Redis 7.0")),
        ("10.0", "cluster", Some("it runs as cluster")),
        ("", "standalone", Some("need Redis 7.0")),
    ] {
        let why = unfit(&greeting(version, mode));
        let right = match (&why, told) {
            (Some(why), Some(told)) => why.contains(told),
            (why, told) => why.is_none() && told.is_none(),
        };
        assert!(right, "{version} {mode}: {why:?}");
    }
    assert!(unfit(&Value::Okay).is_some());
}

/// One of a cluster, as it really answers.
#[tokio::test]
async fn a_server_of_a_cluster_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let mut command = tokio::process::Command::new("/usr/bin/redis-server");
    command.args(["--port", "0", "--save", "", "--cluster-enabled", "yes", "--unixsocket"]);
    command.arg(&socket).arg("--dir").arg(folder.path()).stdout(std::process::Stdio::null());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let (user, password) = ("default".to_owned(), Secret::new("x".to_owned()));
    let door = Door { address: Address::Socket(socket.clone()), user, password };
    let why = loop {
        match door.enter().await.err().unwrap().to_string() {
            // It has not come up yet.
            why if why.contains("os error") => tokio::task::yield_now().await,
            why => break why,
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
    };
    assert!(why.contains("it runs as cluster"), "{why}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_server_is_closed_to_others() {
    let world = world().await;
    let mut stranger = Wire::connect(&world.server.for_applications()).await.unwrap();
    for line in ["PING", "GET k", "AUTH default x", "HELLO 3"] {
        let Value::ServerError(refusal) = stranger.try_ask(line.split_whitespace()).await.unwrap()
        else {
            panic!("{line} was answered")
        };
        assert!(["NOAUTH", "WRONGPASS"].contains(&refusal.code()), "{line}: {}", words(&refusal));
    }
    for folder in ["redis", "redis.socket"] {
        let meta = std::fs::metadata(world.data.join(folder)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o700, "{folder}");
    }
    let pid = std::fs::read_to_string(world.server.pid_file()).unwrap();
    let owner = std::fs::metadata(format!("/proc/{}", pid.trim())).unwrap().uid();
    assert_ne!(owner, 0, "it does not run as root");
    assert_eq!(owner, std::fs::metadata(world.data.join("redis")).unwrap().uid());
    let limits = texts(&world.run("CONFIG GET maxmemory").await);
    assert_eq!(limits, ["maxmemory", &(64 << 20).to_string()]);
    let secret = "a-password-for-tests";
    let conf = std::fs::read_to_string(world.data.join("redis.conf/redis.conf")).unwrap();
    assert!(!conf.contains(secret));
    world.run("SET k some-value").await;
    world.server.stop().await.unwrap();
    for entry in std::fs::read_dir(world.data.join("redis")).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("some-value") && !text.contains(secret), "{}", path.display());
    }
}
