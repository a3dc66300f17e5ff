//! What a bite plants: one secret of every form, made at random, never the same twice.
//!
//! A bite of another Amanah on the same machine must not be taken for a leak. The secret on its
//! process's command line is therefore computed from a number that stands beside it: what anybody
//! can compute is no secret, and nobody can make a real one look like that.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kernel::{Finding, Rng, Secret, random_hex};
use sha2::{Digest as _, Sha256};

use crate::Scan;
use crate::needles::IN_USE;

/// A folder full of secrets and a process with two in its arguments. All of it goes when this is
/// dropped.
pub(crate) struct Planted {
    pub(crate) scan: Scan,
    folder: PathBuf,
    process: Child,
    expected: Vec<Expected>,
}

struct Expected {
    object: String,
    words: &'static str,
}

/// The length of the secret on the command line, in bytes: one letter for each of a SHA-256.
const PLANTED_BYTES: usize = 32;
/// Letters and digits, of which planted secrets are made.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Planted {
    /// Plants everything in a new folder below `scratch`.
    ///
    /// # Errors
    /// When the folder, a file in it or the process cannot be made.
    pub(crate) fn new(scratch: &Path, rng: &dyn Rng) -> Result<Self, String> {
        let told = |e: &dyn std::fmt::Display| {
            format!("the bite could not plant its secrets in {}: {e}", scratch.display())
        };
        let in_use = random(rng, 40).map_err(|e| told(&e))?;
        let name = random_hex(rng, 16).map_err(|e| told(&e))?;
        let token = computed(name.as_bytes());
        let folder = scratch.join(format!("planted-{name}"));
        let tree = folder.join("tree");
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&tree);
        made.map_err(|e| told(&e))?;
        let process = match start(&[&name, &format!("--token={token}"), &in_use]) {
            Ok(process) => process,
            Err(error) => {
                // The first error is the one to report.
                let _ = fs::remove_dir_all(&folder);
                return Err(told(&error));
            }
        };
        let config = folder.join("settings.toml");
        let private = folder.join("open.key");
        let line = format!("command line of process {}", process.id());
        let expect = |object: String, words| Expected { object, words };
        let mut planted = Self {
            expected: vec![
                expect(line.clone(), "assigned-secret"),
                expect(line, IN_USE),
                expect(format!("{}:2", config.display()), "assigned-secret"),
                expect(private.display().to_string(), "mode 0644"),
            ],
            scan: Scan {
                configs: vec![config.clone()],
                roots: vec![tree.clone()],
                skip: Vec::new(),
                private: vec![private.clone()],
                in_use: vec![Secret::new(in_use.clone())],
                scratch: scratch.to_path_buf(),
            },
            folder,
            process,
        };
        let setting = format!("[database]\npassword = \"{token}\"\n");
        fs::write(&config, setting).map_err(|e| told(&e))?;
        fs::write(&private, "").map_err(|e| told(&e))?;
        fs::set_permissions(&private, Permissions::from_mode(0o644)).map_err(|e| told(&e))?;
        for (file, words, text) in forms(rng, &in_use).map_err(|e| told(&e))? {
            fs::write(tree.join(file), text).map_err(|e| told(&e))?;
            if !words.is_empty() {
                planted.expected.push(expect(format!("{file}:2"), words));
            }
        }
        Ok(planted)
    }

    /// The process with secrets in its arguments.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// How many secrets were planted.
    pub(crate) fn total(&self) -> usize {
        self.expected.len()
    }

    /// Which of them are not in `findings`; and a word about findings where nothing was planted.
    pub(crate) fn missed(&self, findings: &[Finding]) -> Vec<String> {
        let is = |expected: &Expected, finding: &Finding| {
            finding.object.starts_with(&expected.object) && finding.what.contains(expected.words)
        };
        let mut missed: Vec<String> = self
            .expected
            .iter()
            .filter(|expected| !findings.iter().any(|finding| is(expected, finding)))
            .map(|expected| format!("{} in {}", expected.words, expected.object))
            .collect();
        if missed.is_empty() && findings.len() != self.expected.len() {
            missed.push(format!(
                "the difference between secrets and other text: {} findings for {} secrets",
                findings.len(),
                self.expected.len()
            ));
        }
        missed
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        // What is gone already needs no removing; a leftover in the scratch folder holds nothing
        // but noise.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether `secret`, found in `arguments` (each followed by a zero byte), was planted by a bite.
pub(crate) fn is_planted(arguments: &[u8], secret: &[u8]) -> bool {
    secret.len() == PLANTED_BYTES
        && arguments
            .split(|byte| *byte == 0)
            .any(|argument| computed(argument).as_bytes() == secret)
}

/// The planted secret that belongs to `number`.
fn computed(number: &[u8]) -> String {
    let digest =
        Sha256::new().chain_update("amanah planted this: ").chain_update(number).finalize();
    letters(&digest)
}

/// Starts a shell that has `arguments` and waits for its standard input to end: it also goes when
/// this process is killed.
fn start(arguments: &[&str]) -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", "read -r line", "planted"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A file to be planted: its name, the detector that must find it, its text. The secret stands on
/// the second line. A file without a detector holds none.
type Form = (&'static str, &'static str, Vec<u8>);

fn forms(rng: &dyn Rng, in_use: &str) -> Result<Vec<Form>, kernel::RngError> {
    let plain = |text: String| format!("first line\n{text}\nlast line\n").into_bytes();
    let r = |many| random(rng, many);
    let upper = r(16)?.to_uppercase();
    let (head, claims, mac) = (r(20)?, r(40)?, r(43)?);
    let key = format!("-----BEGIN PRIVATE {}-----\n{}", "KEY", r(64)?);
    let url = format!("postgres://app:{}@db.example/app", r(16)?);
    let mut binary = b"\0\n".to_vec();
    binary.extend_from_slice(in_use.as_bytes());
    Ok(vec![
        ("aws.txt", "aws-access-key", plain(format!("id AKIA{upper}"))),
        ("github.txt", "github-token", plain(format!("ghp_{}", r(36)?))),
        ("slack.txt", "slack-token", plain(format!("xoxb-{}", r(24)?))),
        ("key.txt", "private-key", plain(key)),
        ("jwt.txt", "json-web-token", plain(format!("eyJ{head}.eyJ{claims}.{mac}"))),
        ("stripe.txt", "stripe-key", plain(format!("sk_live_{}", r(24)?))),
        ("google.txt", "google-api-key", plain(format!("AIza{}", r(35)?))),
        ("url.txt", "url-password", plain(url)),
        ("source.rs", "assigned-secret", plain(format!("let api_key = \"{}\";", r(32)?))),
        ("settings.env", "assigned-secret", plain(format!("DB_PASSWORD={}", r(32)?))),
        ("in-use.txt", IN_USE, plain(format!("note: {in_use}"))),
        ("binary", IN_USE, binary),
        ("clean.rs", "", plain("let password = environment(\"DB_PASSWORD\");".to_owned())),
    ])
}

/// Letters and digits at random.
fn random(rng: &dyn Rng, many: usize) -> Result<String, kernel::RngError> {
    let mut bytes = vec![0; many];
    rng.fill(&mut bytes)?;
    Ok(letters(&bytes))
}

fn letters(bytes: &[u8]) -> String {
    bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
        .map(|letter| char::from(*letter))
        .collect()
}
