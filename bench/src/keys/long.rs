//! A stream that is far longer than memory, sealed and opened at once.

use std::io::{self, Read as _, Write};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};
use cipher::stream::{SEGMENT, decrypt, encrypt};
use cipher::{Context, Material};
use kernel::SystemRng;

/// The text, in GB, when nothing else is said.
pub(crate) const DEFAULT_GB: u64 = 100;
const GB: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
/// Every buffer and thread has been used once this much has passed, in bytes.
const WARM: u64 = GB;
/// How much the peak may still grow behind that, in MiB: the allocator's own coming and going.
const MAX_GROWTH_MIB: u64 = 4;

/// Sends `gigabytes` of zeros through sealing and opening, each on all threads, by a pipe as
/// between two programs.
///
/// # Errors
/// When what comes out is not what went in, or when memory grew with the length.
pub(crate) fn measure(gigabytes: u64) -> anyhow::Result<Vec<String>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (material, context) = (Material::generate(&SystemRng)?, Context::of("bench"));
    let (from, to) = io::pipe()?;
    let bytes = gigabytes.checked_mul(GB).context("so many bytes cannot be counted")?;
    let before = peak_mib()?;
    let mut out = Zeros { seen: 0, warm: None };
    let began = Instant::now();
    let opened = thread::scope(|scope| {
        // The pipe's end goes with the closure: when sealing fails, opening sees an end.
        let (material, context) = (&material, &context);
        let sealing = scope.spawn(move || {
            encrypt(material, context, &SystemRng, threads, io::repeat(0).take(bytes), to)
        });
        let opened = decrypt(material, context, threads, from, &mut out);
        let sealed = sealing.join().map_err(|_| anyhow!("sealing panicked"))??;
        ensure!(sealed == bytes, "{sealed} bytes were sealed");
        anyhow::Ok(opened?)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(opened == bytes && out.seen == bytes, "{opened} bytes were opened");
    let (warm, after) = (out.warm.unwrap_or(before), peak_mib()?);
    // The kernel counts pages for each thread and adds up now and then, so that a peak may shrink by some.
    let (taken, grown) = (after.saturating_sub(before), after.saturating_sub(warm));
    // Two streams, each with two slots for a thread and two more, and stacks and pipe besides.
    let most = 2 * (2 * threads as u64 + 3) + 16;
    ensure!(taken <= most, "it took {taken} MiB of memory, not {most}");
    ensure!(grown <= MAX_GROWTH_MIB, "memory grew by {grown} MiB behind 1 GB");
    let speed = mib_per_second(bytes, seconds);
    Ok(vec![format!(
        "| streams: MiB of {gigabytes} GB, sealed and opened at once, {threads} threads each | \
         {speed:.0} /s | memory: {taken} MiB at its peak, {grown} of them behind the first GB | |"
    )])
}

/// A writer that takes zeros alone.
struct Zeros {
    seen: u64,
    /// The peak of memory once [`WARM`] bytes had come.
    warm: Option<u64>,
}

impl Write for Zeros {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        static NOTHING: [u8; SEGMENT] = [0; SEGMENT];
        if NOTHING.get(..buf.len()) != Some(buf) {
            return Err(io::Error::other("what came out is not what went in"));
        }
        self.seen += buf.len() as u64;
        if self.warm.is_none() && self.seen >= WARM {
            self.warm = Some(peak_mib().map_err(io::Error::other)?);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The most memory that this process ever had at once, in MiB.
fn peak_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("the system tells no VmHWM")?.trim().parse::<u64>()?.div_ceil(1024))
}

#[expect(clippy::cast_precision_loss, reason = "a speed is no count")]
fn mib_per_second(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / MIB as f64 / seconds
}

#[cfg(test)]
mod tests {
    /// A stream that is short enough for a test passes, and its row says so.
    #[test]
    fn two_gigabytes_pass_in_constant_memory() {
        let rows = super::measure(2).unwrap();
        assert!(rows[0].contains("MiB of 2 GB"), "{rows:?}");
    }
}
