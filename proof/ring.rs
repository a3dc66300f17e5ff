//! The ring and its root in bad hands: damaged, lost, somebody else's, older, or with the wrong
//! secret. Each is one clear line, and nothing is overwritten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::house::{amanah_with, directory, program, root};

/// An installation that does not run, with keys and nothing else.
struct Small {
    data: PathBuf,
    secret: String,
    _dir: tempfile::TempDir,
}

impl Small {
    fn new(word: &str) -> Self {
        let dir = directory();
        let secret = ["a secret for a", word, "in a test"].join(" ");
        let small = Self { data: dir.path().join("data"), secret, _dir: dir };
        small.holds(&["keys", "create", "archive", "--purpose", "files"]);
        small
    }

    fn run_as(&self, secret: &str, arguments: &[&str]) -> Output {
        let data = self.data.display().to_string();
        let all = [arguments, &["--data", &data]].concat();
        amanah_with(&[("AMANAH_ROOT_SECRET", secret)], &all)
    }

    /// Starts a command that is not waited for.
    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(program());
        command.env("AMANAH_ROOT_SECRET", &self.secret).args(arguments).current_dir(root());
        command.arg("--data").arg(&self.data).stdin(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Runs a command that must succeed.
    fn holds(&self, arguments: &[&str]) -> Value {
        let output = self.run_as(&self.secret, &[arguments, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Runs a command that must end with one line that has these words, and leave every file of
    /// the keys as it is.
    fn refuses(&self, secret: &str, arguments: &[&str], words: &[&str]) {
        let before = self.files();
        let output = self.run_as(secret, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "one line: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?} does not say {word:?}: {error}");
        }
        assert!(!error.contains(secret), "the secret is not repeated");
        assert_eq!(self.files(), before, "{arguments:?}: nothing is overwritten");
    }

    /// Every file of root, ring and anchor, byte for byte.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.data.join("keys")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|e| e != "lock") {
                    all.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        all
    }

    /// The newest generation's file.
    fn newest(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.data.join("keys/ring")).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        files.filter(|path| path.display().to_string().contains("/ring-")).max().unwrap()
    }
}

const LIST: [&str; 2] = ["keys", "list"];

#[test]
fn a_wrong_root_secret_overwrites_nothing() {
    let small = Small::new("right");
    let wrong = ["another secret", "of a test"].join(" ");
    small.refuses(&wrong, &LIST, &["AMANAH_ROOT_SECRET"]);
    let up = ["up", "--listen", "127.0.0.1:0", "--keys-listen", "127.0.0.1:0"];
    small.refuses(&wrong, &up, &["AMANAH_ROOT_SECRET"]);
    let empty = small.run_as("", &LIST);
    assert_eq!(empty.status.code(), Some(2), "{}", String::from_utf8_lossy(&empty.stderr));
    small.holds(&LIST);
    // The secret can be changed, and then the old one is the wrong one.
    let data = small.data.display().to_string();
    let fresh = ["a fresh secret", "of a test"].join(" ");
    let resealed = amanah_with(
        &[("AMANAH_ROOT_SECRET", &small.secret), ("AMANAH_NEW_ROOT_SECRET", &fresh)],
        &["keys", "reseal", "--data", &data],
    );
    assert_eq!(resealed.status.code(), Some(0), "{resealed:?}");
    small.refuses(&small.secret, &LIST, &["AMANAH_ROOT_SECRET"]);
    assert_eq!(small.run_as(&fresh, &LIST).status.code(), Some(0));
}

#[test]
fn a_ring_that_is_damaged_older_or_foreign_is_refused() {
    let (small, other) = (Small::new("house"), Small::new("neighbour"));
    let older = (small.newest(), std::fs::read(small.newest()).unwrap());
    small.holds(&["keys", "create", "second"]);
    let newest = small.newest();
    let whole = std::fs::read(&newest).unwrap();

    std::fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    small.refuses(&small.secret, &LIST, &["ring"]);
    std::fs::write(&newest, "").unwrap();
    small.refuses(&small.secret, &LIST, &["ring"]);

    std::fs::remove_file(&newest).unwrap();
    std::fs::write(&older.0, &older.1).unwrap();
    small.refuses(&small.secret, &LIST, &["ring"]);

    std::fs::remove_file(&older.0).unwrap();
    small.refuses(&small.secret, &LIST, &["ring"]);

    std::fs::write(&newest, std::fs::read(other.newest()).unwrap()).unwrap();
    small.refuses(&small.secret, &LIST, &["ring"]);

    std::fs::write(&newest, &whole).unwrap();
    let listed = small.holds(&LIST);
    assert_eq!(listed["keys"].to_string().matches("\"second\"").count(), 1);

    let root = small.data.join("keys/root");
    std::fs::rename(&root, root.with_extension("away")).unwrap();
    small.refuses(&small.secret, &LIST, &["root", "recover"]);
}

/// A root elsewhere that does not answer at the start: one line, and no ring is made without it.
#[test]
fn a_root_that_does_not_answer_is_named() {
    let dir = directory();
    let (data, config) = (dir.path().join("data"), dir.path().join("amanah.toml"));
    // Nobody listens on the port of a listener that is gone.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text =
        format!("[keys]\nroot = \"transit\"\n[keys.transit]\naddress = \"http://{address}\"\n");
    std::fs::write(&config, text).unwrap();
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let token = ["s", "not a token of anybody"].join(".");
    let make = ["keys", "create", "orders", "--data", &data, "--config", &config];
    let output = amanah_with(&[("VAULT_TOKEN", &token)], &make);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "one line: {error}");
    assert!(error.contains(&address.to_string()) && error.contains("nothing"), "{error}");
    assert!(!error.contains(&token));
    let ring = std::fs::read_dir(dir.path().join("data/keys/ring")).unwrap();
    assert_eq!(ring.count(), 0, "no ring without its root");
    let output = amanah_with(&[], &make);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("VAULT_TOKEN is not set"), "{error}");
}

/// Commands that begin an installation together take turns, and the last to leave tidies up.
#[test]
fn commands_on_one_installation_take_turns() {
    let dir = directory();
    let data = dir.path().join("data").display().to_string();
    let all = std::thread::scope(|scope| {
        let run = |name: &str| amanah_with(&[], &["keys", "create", name, "--data", &data]);
        let commands = ["one", "two", "three"].map(|name| scope.spawn(move || run(name)));
        commands.map(|command| command.join().unwrap())
    });
    for output in &all {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{error}");
    }
    let listed = amanah_with(&[], &["keys", "list", "--json", "--data", &data]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 3);
    assert!(!dir.path().join("data/postgres/postmaster.pid").exists(), "the server is stopped");
}

/// A kit of an installation, its shares, and a file that one of its keys has sealed.
struct Kept {
    small: Small,
    dir: tempfile::TempDir,
    kit: String,
    shares: Vec<String>,
}

impl Kept {
    fn new(word: &str) -> Self {
        let small = Small::new(word);
        let dir = directory();
        let place = |name: &str| dir.path().join(name).display().to_string();
        let (plain, kits) = (place("plain"), place("kits"));
        std::fs::write(&plain, "what must not be lost").unwrap();
        small.holds(&["keys", "seal", &plain, "--key", "archive"]);
        let client = ["keys", "client", "add", "shop", "--keys", "archive", "--allow", "decrypt"];
        small.holds(&client);
        let counts = ["--needed", "2", "--of", "3", "--out", &kits];
        let made = small.holds(&[&["keys", "recovery-kit"], &counts[..]].concat());
        let kit = text(&made["kit"]).to_owned();
        let shares = made["shares"].as_array().unwrap().iter().map(|s| text(s).to_owned());
        let shares = shares.collect();
        Self { small, dir, kit, shares }
    }

    /// The command, with two shares that suffice.
    fn with_shares<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let two = ["--share", &self.shares[0], "--share", &self.shares[2]];
        [command, &two[..]].concat()
    }

    /// Whether the sealed file opens, as it should after a recovery, and no token works.
    fn is_back(&self) {
        let place = |name: &str| self.dir.path().join(name).display().to_string();
        let (sealed, back) = (place("plain.sealed"), place("back"));
        self.small.holds(&["keys", "open", &sealed, "--out", &back]);
        assert_eq!(std::fs::read_to_string(back).unwrap(), "what must not be lost");
        let clients = self.small.holds(&["keys", "client", "list"]);
        assert_eq!(clients, serde_json::json!([]), "tokens are given out anew");
    }

    /// The kit says whose it is.
    fn installation(&self) -> String {
        let file = std::fs::read_to_string(&self.kit).unwrap();
        let card: Value = serde_json::from_str(file.lines().next().unwrap()).unwrap();
        text(&card["installation"]).to_owned()
    }

    /// Everything of the installation is lost; its server was stopped by the last command.
    fn lose_all(&self) {
        assert!(!self.small.data.join("postgres/postmaster.pid").exists());
        std::fs::remove_dir_all(&self.small.data).unwrap();
    }

    fn ends_with(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.small.run_as(&self.small.secret, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        error
    }
}

/// Ring and root are lost together; the kit brings the keys back, and the shares do it together.
#[test]
fn a_recovery_kit_brings_the_keys_back() {
    let kept = Kept::new("kit");
    let small = &kept.small;
    for file in kept.shares.iter().chain([&kept.kit]) {
        assert_eq!(mode(Path::new(file)), 0o600, "{file}");
    }
    let check = kept.with_shares(&["keys", "recovery-kit", "--check", &kept.kit]);
    assert_eq!(small.holds(&check)["failed"], serde_json::json!([]));
    // A kit that does not hold what was made since fails its check, and is named until it is
    // destroyed.
    small.holds(&["keys", "create", "later"]);
    kept.ends_with(1, &check);
    let card = small.holds(&LIST)["ring"]["kits"][0].as_str().unwrap().to_owned();
    let (id, _) = card.split_once(',').unwrap();
    let forget = ["keys", "recovery-kit", "--destroyed", id];
    small.holds(&forget);
    assert_eq!(small.holds(&LIST)["ring"]["kits"], serde_json::json!([]));
    kept.ends_with(2, &forget);

    std::fs::remove_dir_all(small.data.join("keys")).unwrap();
    small.refuses(&small.secret, &LIST, &["recover"]);
    kept.ends_with(3, &["keys", "recover", &kept.kit, "--share", &kept.shares[1]]);
    let recover = kept.with_shares(&["keys", "recover", &kept.kit]);
    small.holds(&recover);
    kept.ends_with(2, &recover);
    kept.is_back();
    // A ring that opens for the right secret alone is no lost one.
    let wrong = ["another secret", "of a test"].join(" ");
    small.refuses(&wrong, &recover, &["AMANAH_ROOT_SECRET"]);
    // A root that is gone is.
    let root = small.data.join("keys/root");
    std::fs::rename(&root, root.with_extension("away")).unwrap();
    small.holds(&recover);
    kept.is_back();
}

/// A new machine: ring, root, head and database are lost, and the first command is the recovery.
#[test]
fn a_recovery_into_a_fresh_directory_needs_one_try() {
    let kept = Kept::new("fresh machine");
    kept.lose_all();
    let recover = kept.with_shares(&["keys", "recover", &kept.kit]);
    let back = kept.small.holds(&recover);
    assert_eq!(back["keys"], 1, "{back:#}");
    assert!(back["generation"].as_u64().unwrap() > 4, "above the kit's: {back:#}");
    kept.is_back();
}

/// The same after a try with too few shares, which leaves nothing; and after somebody made a ring
/// in that directory, which has to be said.
#[test]
fn an_earlier_try_stands_in_no_recoverys_way() {
    let kept = Kept::new("second try");
    kept.lose_all();
    kept.ends_with(3, &["keys", "recover", &kept.kit, "--share", &kept.shares[1]]);
    let secrets = kept.small.data.join("secrets/installation");
    assert!(!secrets.exists(), "the directory is nobody's as yet");
    let installation = kept.installation();
    // As a recovery that was killed leaves it: the name is there, and whoever came next made a
    // ring of their own under it.
    std::fs::create_dir_all(secrets.parent().unwrap()).unwrap();
    std::fs::write(&secrets, installation).unwrap();
    kept.small.holds(&["keys", "create", "archive", "--purpose", "files"]);
    let recover = kept.with_shares(&["keys", "recover", &kept.kit]);
    let error = kept.ends_with(2, &recover);
    assert!(error.contains("--replace"), "{error}");
    let back = kept.small.holds(&[&recover[..], &["--replace"]].concat());
    assert!(back["passed"].to_string().contains("knows other rings alone"), "{back:#}");
    kept.is_back();
    let listed = kept.small.holds(&LIST);
    let passed = listed["ring"]["passed"].to_string();
    assert!(passed.contains("other rings as well") && !passed.contains("alone"), "{passed}");
}

/// A sealed file opens whole and in parts; renamed, changed or without its sidecar it does not.
#[test]
fn a_sealed_file_is_bound_to_its_name_and_key() {
    let small = Small::new("file");
    let dir = directory();
    let place = |name: &str| dir.path().join(name).display().to_string();
    let plain = place("plain");
    let text: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
    std::fs::write(&plain, &text).unwrap();
    small.holds(&["keys", "seal", &plain, "--key", "archive"]);
    let (sealed, back) = (format!("{plain}.sealed"), place("back"));
    let range = ["--range", "1048500-1048999", "--out", &back];
    small.holds(&[&["keys", "open", &sealed], &range[..]].concat());
    assert_eq!(std::fs::read(&back).unwrap(), text[1_048_500..1_049_000]);

    small.holds(&["keys", "rotate", "archive"]);
    let before = std::fs::read(&sealed).unwrap();
    let folder = dir.path().display().to_string();
    assert_eq!(small.holds(&["keys", "rewrap", &folder])["moved"], 1);
    assert_eq!(small.holds(&["keys", "rewrap", &folder])["current"], 1);
    assert_eq!(std::fs::read(&sealed).unwrap(), before, "the file itself is not rewritten");
    small.holds(&["keys", "open", &sealed, "--out", &back]);
    assert_eq!(std::fs::read(&back).unwrap(), text);

    let mut changed = before.clone();
    changed[2_000_000] ^= 1;
    std::fs::write(&sealed, changed).unwrap();
    small.refuses(&small.secret, &["keys", "open", &sealed, "--out", &back], &["changed"]);
    std::fs::write(&sealed, &before[..before.len() - 1]).unwrap();
    small.refuses(&small.secret, &["keys", "open", &sealed, "--out", &back], &[]);
    assert_eq!(std::fs::read(&back).unwrap(), text, "a file that was whole is kept");
    std::fs::write(&sealed, &before).unwrap();
    let renamed = place("renamed");
    std::fs::rename(&sealed, &renamed).unwrap();
    std::fs::rename(format!("{sealed}.key"), format!("{renamed}.key")).unwrap();
    let output = small.run_as(&small.secret, &["keys", "open", &renamed, "--out", &back]);
    assert_eq!(output.status.code(), Some(2));
    small.holds(&["keys", "open", &renamed, "--out", &back, "--object", "plain.sealed"]);
}

/// A command that was killed while it wrote a file is in nobody's way, and leaves nothing behind
/// once the next one is through.
#[test]
fn a_killed_command_stops_no_other() {
    let small = Small::new("killed");
    let dir = directory();
    let place = |name: &str| dir.path().join(name).display().to_string();
    let (plain, pipe, back) = (place("plain"), place("pipe"), place("back"));
    let sealed = format!("{plain}.sealed");
    std::fs::write(&plain, "text").unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let begun = |name: &str| {
        let begins = format!(".{name}.new-");
        let entries = std::fs::read_dir(dir.path()).unwrap();
        entries
            .filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().starts_with(&begins))
            .count()
    };
    let kill = |arguments: &[&str], name: &str| {
        let mut child = small.spawn(arguments);
        // Nothing ever comes out of the pipe, so it waits in the middle of its file.
        let _pipe = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
        while begun(name) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "{arguments:?} ended");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(begun(name), 1);
    };
    kill(&["keys", "seal", &pipe, "--key", "archive", "--out", &sealed], "plain.sealed");
    small.holds(&["keys", "seal", &plain, "--key", "archive"]);
    assert_eq!(begun("plain.sealed"), 0);
    std::fs::copy(format!("{sealed}.key"), format!("{pipe}.key")).unwrap();
    kill(&["keys", "open", &pipe, "--object", "plain.sealed", "--out", &back], "back");
    small.holds(&["keys", "open", &sealed, "--out", &back]);
    assert_eq!(begun("back"), 0);
    assert_eq!(std::fs::read_to_string(&back).unwrap(), "text");
    // A sidecar whose file was moved stays, and the message says why.
    std::fs::remove_file(&sealed).unwrap();
    let again = small.run_as(&small.secret, &["keys", "seal", &plain, "--key", "archive"]);
    let error = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{error}");
    assert!(error.contains("may be all that opens one that was moved"), "{error}");
    assert!(Path::new(&format!("{sealed}.key")).exists());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().unwrap().permissions().mode() & 0o777
}
