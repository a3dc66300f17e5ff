//! Does the time of a refused sign-in tell whether the account exists?
//!
//! What would tell is a hash that is computed for one and not for the other, so half a hash is the
//! margin: measured in the same seconds on the same machine, it grows with the load as the answers
//! do. Known and unknown are tried in turn, and the median of their paired differences is placed
//! between two order statistics (the sign test's interval), which makes no assumption about how
//! the noise is spread. Inside the margin: the same. Outside: different. Across it: measure more,
//! and if that does not help, say that it cannot be told.

use std::time::{Duration, Instant};

use kernel::{Fut, Secret, random_hex};

use crate::{Error, Identities};

/// One answer to a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The HTTP status.
    pub status: u16,
    /// The length of the body, in bytes.
    pub body_len: usize,
    /// From the request's first byte to the answer's last.
    pub took: Duration,
}

/// Signs in as a browser would, through the running gateway. Implemented by the binary.
pub trait SignInProbe: Send + Sync {
    /// One attempt. The connection should be open before the time is taken.
    ///
    /// # Errors
    /// When there was no answer; the text says why and what to do.
    fn attempt<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Attempt, String>>;
}

/// The service itself, for where no gateway runs.
pub(crate) struct InProcess<'s>(pub(crate) &'s Identities);

impl SignInProbe for InProcess<'_> {
    fn attempt<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Attempt, String>> {
        Box::pin(async move {
            let start = Instant::now();
            let answer = self.0.sign_in(email, password).await;
            let took = start.elapsed();
            let status = match &answer {
                Ok(_) => 303,
                Err(Error::Refused) => 401,
                Err(Error::Busy) => 503,
                Err(other) => return Err(other.to_string()),
            };
            let body_len = answer.err().map_or(0, |e| e.to_string().len());
            Ok(Attempt { status, body_len, took })
        })
    }
}

/// After how many pairs the differences are looked at; the last number ends it.
const LOOKS: [u32; 3] = [16, 32, 64];
/// Fewer pairs than this never condemn: one moment of bad luck must not.
const CONDEMN_FROM: u32 = 32;
/// The chance, on each side, that the interval misses the median when it acquits.
const ACQUIT: f64 = 1e-3;
/// The same when it condemns: wrong less than once in a hundred years of proofs every 5 minutes.
const CONDEMN: f64 = 1e-5;

/// The statuses that say "come back later" and so nothing about the account.
const LATER: [u16; 2] = [429, 503];

/// The canary's address, and the pattern of addresses that nobody has: equally long, in a domain
/// that cannot exist (RFC 2606).
pub(crate) const CANARY: &str = "canary-00000000@amanah.invalid";

/// What came out, or why nothing can be said.
pub(crate) type Times = Result<Comparison, String>;

/// What came out.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// How many pairs were tried.
    pub(crate) pairs: usize,
    /// The median time for the known address.
    pub(crate) known: Duration,
    /// The median time for unknown ones.
    pub(crate) unknown: Duration,
    /// Whether the times differ.
    pub(crate) gap: Gap,
    /// How the answers themselves differ, if they do.
    pub(crate) answers: Option<String>,
}

/// What the differences say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// They are less than half a hash apart.
    Same,
    /// They are half a hash or more apart.
    Differs,
    /// The machine is too noisy to tell.
    Noisy,
}

#[derive(Default)]
struct Samples {
    // All in microseconds.
    known: Vec<i64>,
    unknown: Vec<i64>,
    differences: Vec<i64>,
    hash: Vec<i64>,
    answers: Option<String>,
}

/// Compares refusals of the canary's address, with wrong passwords, to those of addresses that
/// nobody has.
///
/// # Errors
/// When nothing can be said; the text says why.
pub(crate) async fn compare(probe: &dyn SignInProbe, identities: &Identities) -> Times {
    let mut samples = Samples::default();
    // Once without counting: connections and caches warm up.
    pair(probe, identities, false, &mut Samples::default()).await?;
    let mut gap = Gap::Noisy;
    let mut pairs = 0;
    for look in LOOKS {
        while pairs < look {
            pair(probe, identities, pairs % 2 == 1, &mut samples).await?;
            pairs += 1;
        }
        gap = judge(&mut samples.differences.clone(), median(&samples.hash) / 2);
        if gap != Gap::Noisy || samples.answers.is_some() {
            break;
        }
    }
    let (known, unknown) = (median(&samples.known), median(&samples.unknown));
    if known < median(&samples.hash) / 2 {
        return Err(format!(
            "a refusal took {known} µs, less than the hash that it should have cost: the sign-in \
             was not reached"
        ));
    }
    Ok(Comparison {
        pairs: samples.differences.len(),
        known: micros(known),
        unknown: micros(unknown),
        gap,
        answers: samples.answers,
    })
}

async fn pair(
    probe: &dyn SignInProbe,
    identities: &Identities,
    turned: bool,
    samples: &mut Samples,
) -> Result<(), String> {
    let rng = identities.rng();
    let random = |bytes| random_hex(rng, bytes).map_err(|e| e.to_string());
    let wrong = Secret::new(random(12)?);
    let nobody = format!("canary-{}@amanah.invalid", random(4)?);

    let start = Instant::now();
    let bare = identities.hasher().make(&wrong, rng).await;
    bare.map_err(|e| e.to_string())?;
    samples.hash.push(whole(start.elapsed()));

    // Whoever comes second may find a warmer machine, so they take turns.
    let (known, unknown);
    if turned {
        unknown = refused(probe, &nobody, &wrong).await?;
        known = refused(probe, CANARY, &wrong).await?;
    } else {
        known = refused(probe, CANARY, &wrong).await?;
        unknown = refused(probe, &nobody, &wrong).await?;
    }
    if (known.status, known.body_len) != (unknown.status, unknown.body_len) {
        samples.answers = Some(format!(
            "a known address gets status {} with {} bytes, an unknown one {} with {} bytes",
            known.status, known.body_len, unknown.status, unknown.body_len
        ));
    }
    samples.known.push(whole(known.took));
    samples.unknown.push(whole(unknown.took));
    samples.differences.push(whole(known.took).saturating_sub(whole(unknown.took)));
    Ok(())
}

async fn refused(
    probe: &dyn SignInProbe,
    email: &str,
    password: &Secret,
) -> Result<Attempt, String> {
    let attempt = probe.attempt(email, password).await?;
    if LATER.contains(&attempt.status) {
        return Err(format!(
            "the sign-in answered {}, so it was not tried; look again when there is less load",
            attempt.status
        ));
    }
    Ok(attempt)
}

/// Places the median of `differences` relative to `margin`, both in microseconds.
pub(super) fn judge(differences: &mut [i64], margin: i64) -> Gap {
    differences.sort_unstable();
    let inside = |(low, high): (i64, i64)| -margin < low && high < margin;
    let outside = |(low, high): (i64, i64)| low >= margin || high <= -margin;
    let pairs = u32::try_from(differences.len()).unwrap_or(u32::MAX);
    if interval(differences, ACQUIT).is_some_and(inside) {
        Gap::Same
    } else if pairs >= CONDEMN_FROM && interval(differences, CONDEMN).is_some_and(outside) {
        Gap::Differs
    } else {
        Gap::Noisy
    }
}

/// The interval of order statistics that holds the median but for a chance of `tail` on each
/// side: the k-th from below and from above, where k-1 heads in n tosses are rarer than `tail`.
fn interval(sorted: &[i64], tail: f64) -> Option<(i64, i64)> {
    let n = i32::try_from(sorted.len()).ok()?;
    let mut ways = 0.5_f64.powi(n);
    let mut chance = ways;
    let mut k = 0_usize;
    let mut heads = 0;
    while chance <= tail && heads < n {
        k += 1;
        heads += 1;
        ways *= f64::from(n - heads + 1) / f64::from(heads);
        chance += ways;
    }
    let low = sorted.get(k.checked_sub(1)?)?;
    let high = sorted.get(sorted.len().checked_sub(k)?)?;
    Some((*low, *high))
}

pub(super) fn median(values: &[i64]) -> i64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

pub(super) fn whole(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn micros(time: i64) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use kernel::{FixedRng, Rng};

    use super::{Gap, interval, judge};

    /// A number between 0 and `below`.
    fn noise(rng: &FixedRng, below: i64) -> i64 {
        let mut bytes = [0; 4];
        rng.fill(&mut bytes).unwrap();
        i64::from(u32::from_le_bytes(bytes)) % below
    }

    #[test]
    fn the_interval_is_that_of_the_binomial_table() {
        let sorted: Vec<i64> = (1..=16).collect();
        // P(at most 1 head in 16) = 17/65536 = 0.00026; at most 2: 0.0021.
        assert_eq!(interval(&sorted, 1e-3), Some((2, 15)));
        let sorted: Vec<i64> = (1..=32).collect();
        // P(at most 4 heads in 32) = 9.65e-6; at most 5: 5.7e-5.
        assert_eq!(interval(&sorted, 1e-5), Some((5, 28)));
        assert_eq!(interval(&[1, 2, 3], 1e-3), None);
        assert_eq!(interval(&[], 1e-3), None);
    }

    #[test]
    fn a_skipped_hash_is_seen_through_noise_and_noise_alone_never_condemns() {
        let rng = FixedRng::new(11);
        for _ in 0..200 {
            // Noise as large as the hash itself (20 ms), a tenth of the answers much later.
            let sample = |shift: i64, pairs: usize| -> Vec<i64> {
                (0..pairs)
                    .map(|_| {
                        let late = if noise(&rng, 10) == 0 { 100_000 } else { 0 };
                        shift + noise(&rng, 20_000) - noise(&rng, 20_000) + late
                    })
                    .collect()
            };
            assert_ne!(judge(&mut sample(0, 64), 10_000), Gap::Differs);
            assert_ne!(judge(&mut sample(20_000, 64), 10_000), Gap::Same);
        }
        assert_eq!(judge(&mut [20_000; 32], 10_000), Gap::Differs);
        assert_eq!(judge(&mut [-20_000; 32], 10_000), Gap::Differs);
        assert_eq!(judge(&mut [20_000; 16], 10_000), Gap::Noisy);
        assert_eq!(judge(&mut [100; 16], 10_000), Gap::Same);
    }
}
