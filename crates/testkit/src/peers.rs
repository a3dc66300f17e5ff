//! Other people's programs that tests compare with: `make peers` installs them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::{SystemRng, random_hex};

/// Serves on a free port of loopback, says which, and ends with its standard input.
const MOTO: &str = "
import logging, os, sys
from moto.server import ThreadedMotoServer
logging.getLogger('werkzeug').setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print('%s:%d' % server.get_host_and_port(), flush=True)
sys.stdin.read()
os._exit(0)
";

/// The program `name` among the Python packages of `make peers`, or Python itself.
pub fn python_tool(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.join("../../target/tools/python/bin").join(name);
    assert!(path.exists(), "{name} is not installed: run `make peers`");
    path
}

/// AWS's S3 and KMS on this machine: moto, one server for each test process.
#[derive(Debug)]
pub struct Moto {
    /// `127.0.0.1:PORT`
    pub address: String,
    // Ends when its standard input, which this holds, is closed.
    _server: Child,
}

/// The server of this process, started at the first call. It goes when the process goes.
pub fn moto() -> &'static Moto {
    static SERVER: OnceLock<Moto> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut server = Command::new(python_tool("python"))
            .args(["-c", MOTO])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let said = server.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).expect("moto says its port");
        let address = line.trim().to_owned();
        assert!(address.contains(':'), "moto did not start: run `make peers`");
        Moto { address, _server: server }
    })
}

impl Moto {
    /// `http://127.0.0.1:PORT`, for S3 (with path-style addresses) and KMS. Any key and secret of
    /// AWS do, and any region.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty bucket with a name of its own.
    pub fn bucket(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bucket-{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let mut request = format!("PUT /{name} HTTP/1.0\r\n");
        write!(request, "Host: {}\r\nContent-Length: 0\r\n\r\n", self.address).expect("text");
        let mut stream = TcpStream::connect(&self.address).expect("moto answers");
        stream.write_all(request.as_bytes()).expect("moto listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("moto answers");
        assert!(answer.contains(" 200 "), "no bucket was made: {answer}");
        name
    }
}

/// A PKCS#11 token of `SoftHSM`, empty, in a folder of its own.
#[derive(Debug)]
pub struct Token {
    /// The library to load.
    pub module: PathBuf,
    /// Holds `tokens`, where the library keeps its objects.
    pub folder: PathBuf,
    /// A label and PIN for the token, which has to be initialised.
    pub label: String,
    /// The user's PIN.
    pub pin: String,
}

/// Says to a test's second process which folder is its token's.
const CONF: &str = "SOFTHSM2_CONF";
/// Where Debian's packages put the library.
const MODULES: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];

/// A token for the test called `test` (its whole path within the crate).
///
/// `SoftHSM` takes its folder from the environment of its process, which a test may not change. So
/// the test runs a second time in a process of its own: the first gets `None` once that has
/// passed, and returns; the second gets the token.
#[expect(clippy::disallowed_methods, reason = "SoftHSM is configured by the environment alone")]
pub fn softhsm(test: &str) -> Option<Token> {
    let module = MODULES.iter().map(PathBuf::from).find(|module| module.exists());
    let module = module.expect("SoftHSM is not installed: run `make peers`");
    if let Some(conf) = std::env::var_os(CONF)
        && std::fs::read_to_string(&conf).is_ok_and(|text| text.contains(test))
    {
        let pin = random_hex(&SystemRng, 6).expect("randomness");
        let folder = Path::new(&conf).parent().expect("a folder").to_owned();
        return Some(Token { module, folder, label: "amanah".to_owned(), pin });
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).expect("a folder");
    let conf = dir.path().join("softhsm2.conf");
    let content = format!(
        "# {test}\ndirectories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, content).expect("a file");
    let done = Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture"])
        .env(CONF, &conf)
        .output()
        .expect("this test starts again");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    None
}
