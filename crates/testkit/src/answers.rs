//! A server that answers whatever it is told to, whatever it is asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What is answered next: a status and a body for each request, and the last one from then on.
type Script = Arc<Mutex<Vec<(u16, Vec<u8>)>>>;

/// The server, on loopback, until the process ends.
#[derive(Debug, Clone)]
pub struct Answers {
    address: SocketAddr,
    script: Script,
}

impl Answers {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("its address");
        let script = Script::default();
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&shared);
                // A connection that breaks is the client's affair.
                thread::spawn(move || serve(&stream, &script).ok());
            }
        });
        Self { address, script }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is answered from now on.
    pub fn say(&self, answers: Vec<(u16, Vec<u8>)>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

fn serve(stream: &TcpStream, script: &Script) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        let (status, body) = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            if script.len() > 1 {
                script.remove(0)
            } else {
                script.first().cloned().unwrap_or((500, Vec::new()))
            }
        };
        let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len());
        writer.write_all(&[head.as_bytes(), &body].concat())?;
    }
}
