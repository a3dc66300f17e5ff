//! Fields through the API as an application sends them: one connection over loopback, batches of
//! 1,000, and everything that is between the application and the cipher.
//!
//! The client is in this process too, so its work is in the processor time. It is small: a request
//! is written that was built before, and of the answer nothing is read but its length.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{Private, PrivateSettings};
use kernel::{Fut, SystemClock, SystemRng};
use keys::{Ciphertext, NewClient, Operation, Reach};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fields::{BATCH, Batches, House, Way, per_second};
use crate::{Contestant, race, row, spread};

/// The batches in one turn: enough for many ticks of the clock below.
const BATCHES: usize = 200;
/// The system's clock of processor time has so many ticks in a second, on every Linux.
const TICKS: f64 = 100.0;
/// What the API was built for.
const WANTED: f64 = 10_000.0;
/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;

const ENCRYPTED: &str = "fields: encrypted through the API, one connection, in batches of 1,000";
const DECRYPTED: &str = "fields: decrypted through the API, the same";
const IN_PROCESS: &str = "the same keys in the process";

pub(super) async fn measure(house: &House) -> anyhow::Result<Vec<String>> {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let router = console::keys::router(house.keys.clone(), clock, rng);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = Private::bind(PrivateSettings::new(listen), router).await?;
    let address = private.local_addr();
    let serving = tokio::spawn(private.run(std::future::pending()));
    let mut rows = Vec::new();
    for (way, what) in [(Way::Encrypt, ENCRYPTED), (Way::Decrypt, DECRYPTED)] {
        let mut ours = Api::new(house, address, way).await?;
        let mut theirs = Batches { house, way };
        let [speeds, others] = race([&mut ours, &mut theirs]).await?;
        rows.push(row(what, &speeds, IN_PROCESS, &others));
        let (least, middle, most) = spread(&ours.per_core);
        rows.push(format!(
            "| the same in each second of processor time, client included | {middle:.0} /s | what \
             it was built for: {WANTED:.0} /s | {:.2} / {:.2} / {:.2} |",
            least / WANTED,
            middle / WANTED,
            most / WANTED
        ));
    }
    serving.abort();
    Ok(rows)
}

/// A connection with a request that is sent again and again.
struct Api {
    tcp: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Fields in each second of this process's processor time, one for each turn.
    per_core: Vec<f64>,
}

impl Api {
    async fn new(house: &House, address: SocketAddr, way: Way) -> anyhow::Result<Self> {
        let client = NewClient {
            name: "bench".to_owned(),
            keys: vec![house.key.name.to_string()],
            operations: [Operation::Encrypt, Operation::Decrypt].into(),
            reach: Reach::All,
            databases: [].into(),
            expires_at: None,
        };
        let token = house.keys.admit(client).await?;
        let (word, name, texts): (_, _, Vec<String>) = match way {
            Way::Encrypt => {
                ("encrypt", "plaintext", house.texts.iter().map(|t| STANDARD.encode(t)).collect())
            }
            Way::Decrypt => {
                ("decrypt", "ciphertext", house.sealed.iter().map(Ciphertext::text).collect())
            }
        };
        let item = |(text, context): (&String, &String)| -> Value {
            json!({name: text, "context": STANDARD.encode(context)})
        };
        let items: Vec<Value> = texts.iter().zip(&house.contexts).map(item).collect();
        let tenant = house.key.tenant.as_ref().map(ToString::to_string);
        let body = json!({"tenant": tenant, "items": items}).to_string();
        let request = format!(
            "POST /api/v1/keys/{}/{word} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\
             \r\nContent-Length: {}\r\n\r\n{body}",
            house.key.name,
            token.expose(),
            body.len()
        );
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let request = request.into_bytes();
        Ok(Self { tcp, request, answer: Vec::new(), per_core: Vec::new() })
    }

    /// Sends the batch and reads the whole answer.
    async fn batch(&mut self) -> anyhow::Result<()> {
        self.tcp.write_all(&self.request).await?;
        self.answer.clear();
        let (head, length) = loop {
            ensure!(self.tcp.read_buf(&mut self.answer).await? > 0, "the answer ended early");
            let ends =
                self.answer.windows(4).take(MAX_HEAD_BYTES).position(|end| end == b"\r\n\r\n");
            let Some(end) = ends else { continue };
            let head = self.answer.get(..end).context("the head")?;
            break (end + 4, length(std::str::from_utf8(head)?)?);
        };
        while self.answer.len() < head + length {
            ensure!(self.tcp.read_buf(&mut self.answer).await? > 0, "the answer ended early");
        }
        // An item that failed has an error in its place, which is the shortest there can be.
        ensure!(length > BATCH * 80, "items failed");
        Ok(())
    }
}

/// The answer's length, when it is a success.
fn length(head: &str) -> anyhow::Result<usize> {
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lines.next().ok_or_else(|| anyhow!("no length: {head}"))?;
    Ok(length.parse()?)
}

impl Contestant for Api {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let (began, cpu) = (Instant::now(), processor_seconds()?);
            for _ in 0..BATCHES {
                self.batch().await?;
            }
            let speed = per_second(BATCHES * BATCH, began);
            let used = processor_seconds()? - cpu;
            // A clock that did not tick says nothing.
            if used > 0.0 {
                self.per_core.push(speed * began.elapsed().as_secs_f64() / used);
            }
            Ok(speed)
        })
    }
}

/// The processor time of this process so far, all of its threads together.
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold spaces.
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let times = rest.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / TICKS)
}
