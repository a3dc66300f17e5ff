//! Codes of authenticator apps: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which is
//! what every app can do.
//!
//! What a code is worth is decided here, and that it is worth it once in the database: the step
//! that was accepted is kept, and only a later one is accepted after it.

use jiff::Timestamp;
use kernel::{Rng, Secret};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// The random bits of a seed, in bytes (RFC 4226, 4: 160 bits are recommended).
pub(crate) const SEED_BYTES: usize = 20;
/// The digits of a code.
const DIGITS: u8 = 6;
/// How long a code stands in the app, in seconds.
pub(crate) const STEP_SECONDS: u64 = 30;
/// How many steps a clock may be early or late.
const SKEW_STEPS: u16 = 1;
/// The longest code that is looked at, in bytes; people write it with a space in the middle.
const MAX_CODE_BYTES: usize = 16;

/// What an authenticator app and this house share.
#[derive(Clone)]
pub(crate) struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// When the random source does not answer.
    pub(crate) fn fresh(rng: &dyn Rng) -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; SEED_BYTES]);
        rng.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The one that was kept as these bytes.
    ///
    /// # Errors
    /// [`Error::Sealed`] when they are none of ours.
    pub(crate) fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self> {
        if bytes.len() == SEED_BYTES {
            Ok(Self(bytes))
        } else {
            Err(Error::Sealed("the seed of an authenticator app has another length".to_owned()))
        }
    }

    /// The one that an app was given as base32.
    ///
    /// # Errors
    /// As [`Seed::from_bytes`].
    pub(crate) fn from_text(text: &Secret) -> Result<Self> {
        let secret = totp_rs::Secret::try_from_base32(text.expose());
        let bytes = secret.map(|secret| secret.as_bytes().to_vec()).unwrap_or_default();
        Self::from_bytes(Zeroizing::new(bytes))
    }

    /// The bytes that are sealed and kept.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The seed in base32, for who cannot scan.
    pub(crate) fn text(&self) -> Secret {
        Secret::new(totp_rs::Secret::from(self.0.to_vec()).to_base32())
    }

    /// The address that an app reads out of the QR code.
    ///
    /// # Errors
    /// [`Error::Field`] when the names do not fit into one.
    pub(crate) fn uri(&self, issuer: &str, account: &str) -> Result<Secret> {
        // A colon parts the two names in such an address, so neither may hold one.
        let plain = |text: &str| text.replace(':', " ");
        let named = self.rules().with_issuer(Some(plain(issuer)));
        let built = named.with_account_name(plain(account)).build();
        let uri = built.and_then(|totp| totp.to_url());
        let failed = |e: totp_rs::TotpError| Error::Field { field: "app", why: e.to_string() };
        uri.map(Secret::new).map_err(failed)
    }

    /// The step whose code this is, if it is one of about now.
    pub(crate) fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        if code.len() > MAX_CODE_BYTES {
            return None;
        }
        let code: Zeroizing<String> =
            Zeroizing::new(code.chars().filter(|c| !c.is_whitespace()).collect());
        let now = u64::try_from(now.as_second()).ok()?;
        i64::try_from(self.clock().check(&code, now)?).ok()
    }

    /// The code at a moment, which an app would show: for the canaries.
    pub(crate) fn code_at(&self, at: Timestamp) -> Secret {
        let at = u64::try_from(at.as_second()).unwrap_or_default();
        Secret::new(self.clock().generate(at).to_string())
    }

    fn rules(&self) -> Builder {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW_STEPS)
            .with_step_duration(STEP_SECONDS)
            .with_secret(self.0.to_vec())
    }

    fn clock(&self) -> Totp {
        // What `build` refuses are names, and there are none.
        self.rules().build_noncompliant()
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use kernel::{FixedRng, Secret};
    use zeroize::Zeroizing;

    use super::{SEED_BYTES, Seed};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The table of RFC 6238, appendix B, for SHA-1: the last six of its eight digits.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        let seed = Seed::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec())).unwrap();
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(seed.code_at(at(second)).expose(), code);
            assert_eq!(seed.step_of(code, at(second)), Some(second / 30));
        }
    }

    #[test]
    fn a_clock_may_be_a_step_off_and_no_more() {
        let seed = Seed::fresh(&FixedRng::new(3)).unwrap();
        let now = at(1_700_000_010);
        let code = seed.code_at(now);
        for (off, good) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let there = now + SignedDuration::from_secs(off);
            assert_eq!(seed.step_of(code.expose(), there).is_some(), good, "{off}");
        }
        let spaced = format!(" {} ", code.expose());
        assert!(seed.step_of(&spaced, now).is_some());
    }

    #[test]
    fn nothing_else_is_a_code() {
        let seed = Seed::fresh(&FixedRng::new(3)).unwrap();
        let now = at(1_700_000_000);
        for bad in ["", "12345", "1234567", "+12345", "١٢٣٤٥٦", "abcdef", &"1".repeat(1 << 20)]
        {
            assert_eq!(seed.step_of(bad, now), None);
        }
        assert_eq!(seed.step_of("000000", Timestamp::MIN), None);
        assert!(Seed::from_bytes(Zeroizing::new(vec![1; SEED_BYTES - 1])).is_err());
    }

    #[test]
    fn an_app_is_given_all_it_needs() {
        let seed = Seed::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec())).unwrap();
        let uri = seed.uri("Kios: Demo", "sari@sinar.example").unwrap();
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Kios%20%20Demo:sari%40sinar.example\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Kios%20%20Demo"
        );
        assert_eq!(seed.text().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Seed::from_text(&seed.text()).unwrap().as_bytes(), seed.as_bytes());
        for bad in ["", "GEZD", "!!!!", "gezdgnbvgy3tqojqgezdgnbvgy3tqoj1", &"A".repeat(1 << 20)] {
            assert!(Seed::from_text(&Secret::new(bad.to_owned())).is_err(), "{bad:.20}");
        }
        assert_eq!(format!("{seed:?}"), "Seed(…)");
    }
}
