//! Randomness as a parameter.

use std::sync::Mutex;

use crate::hex;

/// Gives random bytes fit for keys and tokens.
pub trait Rng: Send + Sync {
    /// Fills `buf` with random bytes.
    ///
    /// # Errors
    /// When the source is not available; nothing secret may be made then.
    fn fill(&self, buf: &mut [u8]) -> Result<(), RngError>;
}

/// The source of randomness did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source does not answer: {0}")]
pub struct RngError(String);

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads randomness")]
    fn fill(&self, buf: &mut [u8]) -> Result<(), RngError> {
        getrandom::fill(buf).map_err(|e| RngError(e.to_string()))
    }
}

/// A repeatable stream of bytes for tests and golden files; never for keys.
#[derive(Debug)]
pub struct FixedRng(Mutex<u64>);

impl FixedRng {
    /// A stream that depends on `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Rng for FixedRng {
    fn fill(&self, buf: &mut [u8]) -> Result<(), RngError> {
        let mut state = self.0.lock().map_err(|e| RngError(e.to_string()))?;
        for byte in buf {
            // Knuth's multiplier; the high byte is the best mixed.
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = state.to_be_bytes().first().copied().unwrap_or_default();
        }
        Ok(())
    }
}

/// `bytes` random bytes as lower-case hexadecimal, so twice as many characters.
///
/// # Errors
/// When the random source does not answer.
pub fn random_hex(rng: &dyn Rng, bytes: usize) -> Result<String, RngError> {
    let mut buf = vec![0; bytes];
    rng.fill(&mut buf)?;
    Ok(hex(&buf))
}
