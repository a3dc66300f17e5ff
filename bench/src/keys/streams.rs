//! Streams, sealed and opened.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use cipher::stream::{SEGMENT, TAG, decrypt, encrypt};
use cipher::{Context, Material};
use kernel::{Fut, SystemRng, hex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::{Contestant, race, row};

/// The text of one turn, in MiB.
const TURN_MIB: usize = 256;
const MIB: usize = 1 << 20;
/// A turn of Tink's that takes longer hangs.
const TURN_DEADLINE: Duration = Duration::from_secs(30);
const SEALED: &str = "streams: MiB sealed, one thread, from memory";
const OPENED: &str = "streams: MiB opened, one thread, from memory";
const IDLE: &str = "streams: MiB sealed, one thread, with nothing to read";
const SEALED_BY_TWO: &str = "streams: MiB sealed, two threads, from memory";
const OPENED_BY_TWO: &str = "streams: MiB opened, two threads, from memory";
const BY_ONE: &str = "the same on one thread";
const ALONE: &str = "aws-lc-rs, AES-256-GCM alone";
const TINK: &str = "Tink for Python";
const PEER: &str = include_str!("tink_peer.py");

/// Measures both directions, each with both peers; sealing without anything to read; and what a
/// second thread adds.
pub(super) async fn measure() -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    let mut tink = Tink::start().await?;
    for (way, what) in [(Way::Seal, SEALED), (Way::Open, OPENED)] {
        let (mut ours, mut alone) = (Stream::new(way, 1)?, Alone::new(way)?);
        let mut theirs = TinkTurn { tink: &mut tink, way };
        let [ours, alone, theirs] = race([&mut ours, &mut alone, &mut theirs]).await?;
        rows.push(row(what, &ours, ALONE, &alone));
        rows.push(row(what, &ours, TINK, &theirs));
    }
    let (mut ours, mut alone) = (Stream::new(Way::Idle, 1)?, Alone::new(Way::Idle)?);
    let [ours, alone] = race([&mut ours, &mut alone]).await?;
    rows.push(row(IDLE, &ours, ALONE, &alone));
    for (way, what) in [(Way::Seal, SEALED_BY_TWO), (Way::Open, OPENED_BY_TWO)] {
        let (mut two, mut one) = (Stream::new(way, 2)?, Stream::new(way, 1)?);
        let [two, one] = race([&mut two, &mut one]).await?;
        rows.push(row(what, &two, BY_ONE, &one));
    }
    Ok(rows)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Seal,
    Open,
    /// Seal whatever lies in the buffers.
    Idle,
}

/// Ours: from memory, to nowhere.
struct Stream {
    way: Way,
    threads: usize,
    material: Material,
    context: Context,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(way: Way, threads: usize) -> anyhow::Result<Self> {
        let (material, context) = (Material::generate(&SystemRng)?, Context::of("bench"));
        let mut bytes = vec![0x5a; TURN_MIB * MIB];
        if way == Way::Open {
            let mut sealed = Vec::with_capacity(bytes.len() + MIB);
            encrypt(&material, &context, &SystemRng, 1, &*bytes, &mut sealed)?;
            bytes = sealed;
        }
        Ok(Self { way, threads, material, context, bytes })
    }
}

impl Contestant for Stream {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let (material, context, rng) = (&self.material, &self.context, &SystemRng);
            let (from, mut to, threads) = (&*self.bytes, Counted(0), self.threads);
            let began = Instant::now();
            let text = match self.way {
                Way::Seal => encrypt(material, context, rng, threads, from, &mut to)?,
                Way::Open => decrypt(material, context, threads, from, &mut to)?,
                Way::Idle => encrypt(material, context, rng, threads, Idle(from.len()), &mut to)?,
            };
            let speed = mib_per_second(TURN_MIB, began);
            ensure!(text == (TURN_MIB * MIB) as u64 && to.0 >= text, "bytes are missing");
            Ok(speed)
        })
    }
}

/// A reader that costs nothing: it leaves what is in the buffer.
struct Idle(usize);

impl Read for Idle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = buf.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }
}

/// A writer that counts, so that nothing is optimised away.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0 += black_box(buf).len() as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The cipher alone: one buffer that is filled, sealed or opened where it lies, and handed on.
struct Alone {
    way: Way,
    key: LessSafeKey,
    /// Texts of a segment's length, or such segments.
    source: Vec<u8>,
    buffer: Vec<u8>,
    /// How many nonces were used.
    used: u64,
}

impl Alone {
    fn new(way: Way) -> anyhow::Result<Self> {
        let material = Material::generate(&SystemRng)?;
        let key = UnboundKey::new(&AES_256_GCM, material.expose()).map_err(|_| unusable())?;
        let source = vec![0x5a; TURN_MIB * MIB];
        let buffer = vec![0; SEGMENT];
        let mut alone = Self { way, key: LessSafeKey::new(key), source, buffer, used: 0 };
        if way == Way::Open {
            let mut source = std::mem::take(&mut alone.source);
            for segment in source.chunks_exact_mut(SEGMENT) {
                alone.seal(segment).map_err(|_| unusable())?;
            }
            alone.source = source;
        }
        Ok(alone)
    }

    fn work(&mut self) -> Result<(), Unspecified> {
        let source = std::mem::take(&mut self.source);
        let mut buffer = std::mem::take(&mut self.buffer);
        for (segment, number) in source.chunks_exact(SEGMENT).zip(0..) {
            if self.way != Way::Idle {
                buffer.copy_from_slice(segment);
            }
            if self.way == Way::Open {
                self.key.open_in_place(nonce(number), Aad::empty(), &mut buffer)?;
            } else {
                self.seal(&mut buffer)?;
            }
            black_box(&buffer);
        }
        (self.source, self.buffer) = (source, buffer);
        Ok(())
    }

    /// Seals all but the last bytes of `segment`, which the tag takes.
    fn seal(&mut self, segment: &mut [u8]) -> Result<(), Unspecified> {
        let (text, room) = segment.split_at_mut_checked(SEGMENT - TAG).ok_or(Unspecified)?;
        let tag = self.key.seal_in_place_separate_tag(nonce(self.used), Aad::empty(), text)?;
        room.copy_from_slice(tag.as_ref());
        self.used += 1;
        Ok(())
    }
}

impl Contestant for Alone {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            self.work().map_err(|_| unusable())?;
            Ok(mib_per_second(TURN_MIB, began))
        })
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

fn unusable() -> anyhow::Error {
    anyhow!("the cipher refuses")
}

/// Tink in a process of its own, which measures itself: what goes to it and comes back is not
/// part of its speed.
struct Tink {
    _process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Tink {
    async fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(testkit::python_tool("python"));
        command.args(["-c", PEER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn()?;
        let mut to = process.stdin.take().context("its input")?;
        let from = process.stdout.take().context("its output")?;
        let material = hex(Material::generate(&SystemRng)?.expose());
        to.write_all(format!("{material}\n").as_bytes()).await?;
        Ok(Self { _process: process, to, from: BufReader::new(from).lines() })
    }
}

struct TinkTurn<'a> {
    tink: &'a mut Tink,
    way: Way,
}

impl Contestant for TinkTurn<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let way: &[u8] = if self.way == Way::Open { b"open\n" } else { b"seal\n" };
            self.tink.to.write_all(way).await?;
            let line = timeout(TURN_DEADLINE, self.tink.from.next_line()).await;
            let line = line.context("Tink hangs")??.context("Tink ended; run `make peers`")?;
            Ok(line.parse()?)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn mib_per_second(mib: usize, began: Instant) -> f64 {
    mib as f64 / began.elapsed().as_secs_f64()
}
