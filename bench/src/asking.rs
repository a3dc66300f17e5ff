//! An application that asks the private API for many things at once, over one connection on loopback.
//!
//! The client is in this process too, so its work is in the processor time. It is small: a request
//! is written that was built before, and of the answer nothing is read but its length.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};
use kernel::{Fut, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Contestant, per_second, spread};

/// The batches in one turn: enough for many ticks of the clock below.
const BATCHES: usize = 200;
/// The system's clock of processor time has so many ticks in a second, on every Linux.
const TICKS: f64 = 100.0;
/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A batch, and what a good answer to it is.
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) token: Secret,
    pub(crate) body: String,
    /// How many things are asked for in it.
    pub(crate) items: usize,
    /// How long an answer is at least in which nothing failed, in bytes.
    pub(crate) least: usize,
}

/// A connection with a request that is sent again and again.
pub(crate) struct Asking {
    tcp: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    items: usize,
    least: usize,
    /// Items in each second of this process's processor time, one for each turn.
    pub(crate) per_core: Vec<f64>,
}

impl Asking {
    /// Connects.
    pub(crate) async fn new(address: SocketAddr, ask: Ask) -> anyhow::Result<Self> {
        let Ask { path, token, body, items, least } = ask;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            token.expose(),
            body.len()
        );
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (request, answer) = (request.into_bytes(), Vec::new());
        Ok(Self { tcp, request, answer, items, least, per_core: Vec::new() })
    }

    /// Sends the batch once, and gives the answer's body.
    pub(crate) async fn once(&mut self) -> anyhow::Result<&[u8]> {
        let length = self.batch().await?;
        let from = self.answer.len().saturating_sub(length);
        self.answer.get(from..).context("the body")
    }

    /// Sends the batch and reads the whole answer; how long its body is.
    async fn batch(&mut self) -> anyhow::Result<usize> {
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
        ensure!(length > self.least, "items failed");
        Ok(length)
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

impl Contestant for Asking {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let items = BATCHES * self.items;
            let (began, cpu) = (Instant::now(), processor_seconds()?);
            for _ in 0..BATCHES {
                self.batch().await?;
            }
            let speed = per_second(items, began);
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

/// The line of the table for what each core does, beside what was `wanted`.
pub(crate) fn beside(per_core: &[f64], wanted: f64) -> String {
    let (least, middle, most) = spread(per_core);
    format!(
        "| the same in each second of processor time, client included | {middle:.0} /s | what \
         it was built for: {wanted:.0} /s | {:.2} / {:.2} / {:.2} |",
        least / wanted,
        middle / wanted,
        most / wanted
    )
}
