//! A mail server of others: aiosmtpd.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::python_tool;

/// Serves on a free port of loopback, says which, and ends with its standard input.
const SERVER: &str = r#"
import asyncio, datetime, ipaddress, os, ssl, sys, threading
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, mode = sys.argv[1:3]

def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(key, hashes.SHA256()))
    pem = made.public_bytes(serialization.Encoding.PEM)
    with open(os.path.join(folder, "ca.pem"), "wb") as file:
        file.write(pem)
    with open(os.path.join(folder, "own.key"), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.path.join(folder, "ca.pem"), os.path.join(folder, "own.key"))
    return context

class Handler:
    count = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if mode == "refuses":
            return "550 5.1.1 nobody here\u0007"
        if mode == "busy":
            return "451 4.3.0 later"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        if mode == "silent":
            await asyncio.sleep(3600)
        Handler.count += 1
        half = os.path.join(folder, "half")
        with open(half, "wb") as file:
            file.write(("X-To: %s\nX-TLS: %s\n" % (",".join(envelope.rcpt_tos),
                server.transport.get_extra_info('ssl_object') is not None)).encode() + envelope.original_content)
        os.rename(half, os.path.join(folder, "%d.eml" % Handler.count))
        return "250 taken"

def login(server, session, envelope, mechanism, given):
    good = (given.login, given.password) == (b"amanah", b"a mail password")
    return AuthResult(success=good)

async def main():
    options = dict(authenticator=login, auth_required=mode == "login", auth_require_tls=False)
    context = certificate()
    if mode in ("starttls", "login"):
        options.update(tls_context=context, require_starttls=True)
    make = lambda: SMTP(Handler(), hostname="mail", **options)
    server = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(86400)

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
"#;

/// A mail server that lays what it takes into a folder.
#[derive(Debug)]
pub struct MailServer {
    /// Its port on 127.0.0.1.
    pub port: u16,
    folder: tempfile::TempDir,
    // Ends when its standard input, which this holds, is closed.
    server: Child,
}

/// A server that is `open`, or does `starttls`, `tls` or a `login` (as `amanah`, with `a mail
/// password`), or one that `refuses`, is `busy`, or `silent`.
pub fn mail_server(mode: &str) -> MailServer {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut server = Command::new(python_tool("python"))
        .args(["-c", SERVER])
        .arg(folder.path())
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let said = server.stdout.take().expect("its output");
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).expect("the server says its port");
    let port = line.trim().parse().expect("aiosmtpd did not start: run `make peers`");
    MailServer { port, folder, server }
}

impl MailServer {
    /// The certificate authority of its certificate, in PEM.
    pub fn authority(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("ca.pem")).expect("its certificate")
    }

    /// What it took, in turn: each message, under `X-To:` and `X-TLS:`.
    pub fn taken(&self) -> Vec<String> {
        let file = |n: usize| -> PathBuf { self.folder.path().join(format!("{n}.eml")) };
        (1..).map_while(|n| std::fs::read_to_string(file(n)).ok()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
