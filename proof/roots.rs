//! Roots that are not a file, and a ring in a bucket, through the program as a user runs it: a whole
//! life of keys, an outage of the root, and the way from one root to another.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::house::{LOOK_AGAIN, amanah, directory, program, root};
use crate::stand_in::Engine;
use crate::testing::{Line, serve};

/// How long a start may take on a slow machine.
const START: Duration = Duration::from_mins(1);
/// Where Debian and Fedora put the library of a token in software.
const SOFTHSM: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
const TENANT: &str = "17";

/// An installation with keys and nothing else.
struct Place {
    data: PathBuf,
    config: PathBuf,
    variables: Vec<(&'static str, String)>,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = directory();
        let (data, config) = (dir.path().join("data"), dir.path().join("amanah.toml"));
        std::fs::write(&config, "").unwrap();
        Self { data, config, variables: Vec::new(), dir }
    }

    /// What the configuration says from now on.
    fn says(&mut self, config: &str, variables: Vec<(&'static str, String)>) {
        std::fs::write(&self.config, config).unwrap();
        self.variables = variables;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--data").arg(&self.data).arg("--config").arg(&self.config);
        command.envs(self.variables.iter().cloned()).current_dir(root()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed.
    fn holds(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Runs a command that must end with one line that has these words, and changes no key, root or
    /// ring.
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let before = self.files();
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "one line: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?} does not say {word:?}: {error}");
        }
        for (_, secret) in &self.variables {
            assert!(Path::new(secret).exists() || !error.contains(secret), "a secret is repeated");
        }
        assert_eq!(self.files(), before, "{arguments:?}: nothing is overwritten");
    }

    /// Every file of root, ring and anchor, byte for byte.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.data.join("keys")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        all
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn generation(&self) -> u64 {
        self.holds(&["keys", "list"])["ring"]["generation"].as_u64().unwrap()
    }

    /// Seals a file that says `text` with the key.
    fn seals(&self, key: &[&str], name: &str, text: &str) -> String {
        let plain = self.path(name);
        std::fs::write(&plain, text).unwrap();
        self.holds(&[&["keys", "seal", &plain, "--key"], key].concat());
        format!("{plain}.sealed")
    }

    fn opens(&self, sealed: &str, text: &str) {
        let back = self.path("back");
        let _ = std::fs::remove_file(&back);
        self.holds(&["keys", "open", sealed, "--out", &back]);
        assert_eq!(std::fs::read_to_string(back).unwrap(), text);
    }

    /// Starts `up`, waits until applications get an answer, and ends it as a user does.
    fn goes_up(&self) {
        let log = std::fs::File::create(self.path("up.log")).unwrap();
        let mut up = self.command(&UP);
        let mut up = Up(up.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let begun = Instant::now();
        while !self.answers(up.0.id()) {
            let log = || std::fs::read_to_string(self.path("up.log")).unwrap();
            assert!(up.0.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(begun.elapsed() < START, "it starts within {START:?}: {}", log());
            std::thread::park_timeout(LOOK_AGAIN);
        }
        let pid = up.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = up.0.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Whether the process `pid` refuses an application that has no token.
    fn answers(&self, pid: u32) -> bool {
        let told = std::fs::read(self.data.join("running.json")).unwrap_or_default();
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        if told["pid"] != pid {
            return false;
        }
        let address = told["keys"].as_str().unwrap();
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let request = format!("GET /api/v1/keys HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let mut answer = [0; 12];
        stream.set_read_timeout(Some(START)).unwrap();
        let asked =
            stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut answer));
        asked.is_ok() && answer.starts_with(b"HTTP/1.1 40")
    }

    /// What `keys.kms` says of the root.
    fn kms(&self) -> Value {
        let page = self.path("kms.md");
        let text = "- The root key [is never on the server](claim:keys.kms).\n";
        std::fs::write(&page, format!("---\ntitle: Keys\nlanguage: en\n---\n{text}")).unwrap();
        assert_eq!(amanah(&["page", "lint", "--approve", &page]).status.code(), Some(0));
        let output = self.run(&["verify", "--json", "--page", &page, "--claim", "keys.kms"]);
        let error = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!("{e}: {error}");
        });
        report["claims"][0].clone()
    }
}

const UP: [&str; 5] = ["up", "--listen", "127.0.0.1:0", "--keys-listen", "127.0.0.1:0"];

/// A running Amanah, which does not outlive its test.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keys are made, used, rotated and destroyed; each command opens ring and root anew, and `up` does.
fn life(place: &Place) {
    place.holds(&["keys", "create", "archive", "--purpose", "files"]);
    place.holds(&["keys", "create", "contracts", "--purpose", "files", "--tenant", TENANT]);
    let ours = place.seals(&["archive"], "ours", "what stays");
    let theirs = place.seals(&["contracts", "--tenant", TENANT], "theirs", "what goes");
    place.goes_up();
    place.holds(&["keys", "rotate", "archive"]);
    place.opens(&ours, "what stays");
    // The root begins a new generation, and destroys the one before.
    place.holds(&["keys", "rotate", "--emergency"]);
    place.opens(&ours, "what stays");
    place.opens(&theirs, "what goes");
    let done = place.holds(&["keys", "shred", "--tenant", TENANT, "--yes"]);
    assert_eq!(done["destroyed"], true, "{done:#}");
    place.goes_up();
    place.opens(&ours, "what stays");
    place.refuses(&["keys", "open", &theirs, "--out", &place.path("none")], &["was destroyed on"]);
    let listed = place.holds(&["keys", "list"]);
    assert_eq!(listed["ring"]["pending"], json!([]), "{listed:#}");
}

/// While the root is away, one line says so and nothing changes; when it is back, all is as before.
fn outage(place: &Place, words: &[&str], cut: impl Fn(bool)) {
    let sealed = place.seals(&["archive"], "outage", "what was before");
    let before = place.generation();
    cut(true);
    place.refuses(&UP, words);
    place.refuses(&["keys", "list"], words);
    place.refuses(&["keys", "rotate", "archive"], words);
    place.refuses(&["keys", "shred", "--tenant", "18", "--yes"], words);
    cut(false);
    assert_eq!(place.generation(), before, "nothing was written meanwhile");
    place.opens(&sealed, "what was before");
    place.holds(&["keys", "rotate", "archive"]);
    place.goes_up();
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// AWS KMS at `kms` and a bucket, both of moto.
fn aws(kms: &str, bucket: &str) -> (String, Vec<(&'static str, String)>) {
    let endpoint = testkit::moto().endpoint();
    let config = format!(
        "[keys]\nroot = \"aws-kms\"\nring = \"s3://{bucket}/house/keys\"\n\
         [keys.aws]\nregion = \"eu-west-1\"\nendpoint = \"{kms}\"\n\
         [keys.s3]\nregion = \"eu-west-1\"\nendpoint = \"{endpoint}\"\n"
    );
    let secret = ["moto", "takes", "any"].join(" ");
    let id = ["AK", "IA", "TEST"].concat();
    (config, vec![("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)])
}

/// The root in AWS KMS and the ring in a bucket. moto is on this machine, and so nothing proves that
/// the root is not.
#[test]
fn a_root_in_aws_kms_and_a_ring_in_a_bucket() {
    let runtime = runtime();
    let line = runtime.block_on(Line::to(&testkit::moto().endpoint()));
    let mut place = Place::new();
    let (config, variables) = aws(&line.address, &testkit::moto().bucket());
    place.says(&config, variables);
    life(&place);
    assert!(!place.data.join("keys/root").exists(), "no root on this disk");
    let on_disk = |path: &PathBuf| path.display().to_string().contains("/ring-");
    assert!(!place.files().keys().any(on_disk), "no ring on this disk");
    outage(&place, &["alias/amanah-root-", "cannot be reached", "nothing"], |cut| line.cut(cut));
    let claim = place.kms();
    assert_eq!(claim["verdict"], "unknown", "{claim:#}");
    assert!(claim["detail"].as_str().unwrap().contains(&line.address), "{claim:#}");
}

/// The root in a transit engine. A second installation with the same settings has a root of its own,
/// and what it destroys is not the first one's.
#[test]
fn a_root_in_a_transit_engine() {
    let runtime = runtime();
    let token = ["s", "stand-in", "of a test"].join(".");
    let engine = Arc::new(Engine::new(&token));
    let server = engine.clone();
    let line = runtime.block_on(async {
        let address = serve(move |asked| server.answer(&asked)).await;
        Line::to(&address).await
    });
    let config =
        format!("[keys]\nroot = \"transit\"\n[keys.transit]\naddress = \"{}\"\n", line.address);
    let (mut place, mut other) = (Place::new(), Place::new());
    for place in [&mut place, &mut other] {
        place.says(&config, vec![("VAULT_TOKEN", token.clone())]);
    }
    life(&place);
    other.holds(&["keys", "create", "archive", "--purpose", "files"]);
    other.holds(&["keys", "rotate", "--emergency"]);
    assert_eq!(engine.count(), 2, "each installation has its own root");
    outage(&place, &[&line.address, "cannot be reached", "nothing"], |cut| line.cut(cut));
    other.seals(&["archive"], "ours", "what the other one has");
    assert_eq!(place.kms()["verdict"], "unknown");
    // Which server is meant is never guessed.
    place.says("[keys]\nroot = \"transit\"\n", vec![("VAULT_TOKEN", token)]);
    let output = place.run(&["keys", "list"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("keys.transit.address is empty"), "{error}");
}

/// The root in a PKCS#11 token, which is software and lies on this host: the claim fails.
#[test]
fn a_root_in_a_token() {
    let mut place = Place::new();
    let folder = PathBuf::from(place.path("token"));
    std::fs::create_dir_all(folder.join("tokens")).unwrap();
    let conf = folder.join("softhsm2.conf").display().to_string();
    let tokens = folder.join("tokens").display().to_string();
    let text = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\n");
    std::fs::write(&conf, text).unwrap();
    let pin = ["24", "68"].concat();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "amanah", "--pin", &pin, "--so-pin", &pin])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "run `make peers`: {made:?}");
    let module = SOFTHSM.iter().find(|module| Path::new(module).exists()).unwrap();
    let config = format!("[keys]\nroot = \"pkcs11\"\n[keys.pkcs11]\nmodule = \"{module}\"\n");
    place.says(&config, vec![("AMANAH_PKCS11_PIN", pin), ("SOFTHSM2_CONF", conf)]);
    life(&place);
    let away = folder.join("away");
    outage(&place, &["amanah (", module], |cut| {
        let here = Path::new(&tokens);
        let (from, to) = if cut { (here, away.as_path()) } else { (away.as_path(), here) };
        std::fs::rename(from, to).unwrap();
    });
    let claim = place.kms();
    assert_eq!(claim["verdict"], "failing", "{claim:#}");
}

/// As docs/roots.md says: a kit is made, the root is changed, the kit is recovered under the new
/// one; then the ring moves to a bucket in the same way. What was encrypted opens, what was destroyed
/// does not come back, and the file of the old root is named until it is removed.
#[test]
fn a_ring_moves_to_another_root() {
    let mut place = Place::new();
    let secret = ["a secret for", "the old root"].join(" ");
    place.says("", vec![("AMANAH_ROOT_SECRET", secret)]);
    life(&place);
    let sealed = place.seals(&["archive"], "moved", "what moves along");

    let (config, variables) = aws(&testkit::moto().endpoint(), &testkit::moto().bucket());
    let in_folder = config.replace("ring = \"s3:", "# ");
    moves(&mut place, &in_folder, &variables, &["root", "gone", "keys recover"]);
    place.opens(&sealed, "what moves along");
    moves(&mut place, &config, &variables, &["ring", "is gone"]);
    place.opens(&sealed, "what moves along");
    let theirs = format!("{}.sealed", place.path("theirs"));
    place.refuses(&["keys", "open", &theirs, "--out", &place.path("none")], &["was destroyed on"]);
    place.holds(&["keys", "rotate", "--emergency"]);
    place.goes_up();

    let left = place.data.join("keys/root");
    let claim = place.kms();
    assert_eq!(claim["verdict"], "failing", "{claim:#}");
    let findings = claim["findings"].to_string();
    assert!(findings.contains("earlier root's file") && !findings.contains("--all"), "{claim:#}");
    std::fs::remove_file(&left).unwrap();
    std::fs::remove_dir_all(place.data.join("keys/ring")).unwrap();
    let claim = place.kms();
    assert_eq!(claim["findings"], json!([]), "{claim:#}");
    place.opens(&sealed, "what moves along");
}

/// Moves the ring to where `config` says; until the kit is recovered there, nothing opens.
fn moves(place: &mut Place, config: &str, variables: &[(&'static str, String)], refusal: &[&str]) {
    let before = place.generation();
    let kits = place.path(&format!("kits-{before}"));
    let made = place.holds(&["keys", "recovery-kit", "--needed", "2", "--of", "3", "--out", &kits]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (kit, one, two) = (text(&made["kit"]), text(&made["shares"][0]), text(&made["shares"][2]));
    place.says(config, variables.to_vec());
    place.refuses(&["keys", "list"], refusal);
    place.holds(&["keys", "recover", &kit, "--share", &one, "--share", &two, "--replace"]);
    assert!(place.generation() > before, "above everything that an anchor knows");
}
