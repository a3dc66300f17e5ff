//! Every way to get past the challenge: the two that are meant, and those that must not be one.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::visitors::{Networks, Told, Visitors};
use super::crowd::{BROWSER, is_shed};
use super::field::{EXPENSIVE, SLOW, WAITS};
use super::{BITS, INSIDE, PASSED, STRANGERS, Trial, WAIT};
use crate::attack::{ASKED_COOKIE, CHALLENGE, PASSED_COOKIE, PATH, solves};

/// How long somebody who waits may have to in all: load makes it several times as long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a pass (`attack/stamp.rs`): the letter that makes it good for years longer, and how far from its end
/// a letter of its mark is.
const LETTER_OF_END: usize = 39;
const LETTER_OF_MARK: usize = 8;
/// How often they try.
const TRIES_EVERY: Duration = Duration::from_millis(200);
/// How much later than its end an expired pass is shown.
const SURELY: Duration = Duration::from_millis(500);
/// The largest number that is tried as work: far beyond what any challenge here needs.
const LAST_NUMBER: u64 = 1 << 24;

/// The gateway, and where whoever tries comes from.
struct Site<'a> {
    visitors: &'a Visitors,
    here: Ipv4Addr,
    elsewhere: Ipv4Addr,
}

/// What was asked.
struct Challenge {
    token: String,
    bits: u8,
}

/// A cookie that lets somebody in, as a line of a request.
struct Pass {
    value: String,
    /// When it was asked for at the latest.
    made: Instant,
}

impl Pass {
    fn line(&self) -> String {
        shown(&self.value)
    }
}

fn shown(value: &str) -> String {
    format!("{BROWSER}Cookie: {PASSED_COOKIE}={value}\r\n")
}

/// Tries each of them.
pub(super) async fn attempts(
    visitors: &Visitors,
    networks: Networks,
    trial: &mut Trial,
) -> Result<(), String> {
    let (here, elsewhere) =
        (networks.address(STRANGERS + 2, 0), networks.address(STRANGERS + 3, 0));
    let site = Site { visitors, here, elsewhere };
    site.work(trial).await?;
    site.patience(trial).await?;
    site.passes(trial).await?;
    site.crowded(trial).await?;
    for path in ["/healthz", "/.well-known/security.txt", "/.well-known/jwks.json"] {
        let told = visitors.ask(here, "GET", path, "").await?;
        trial.note(path, (told.status != 200).then(|| format!("answered {}", told.status)));
    }
    Ok(())
}

impl Site<'_> {
    /// Work is taken once, at home, and only when it was done.
    async fn work(&self, trial: &mut Trial) -> Result<(), String> {
        let asked = self.challenge(self.here).await?;
        let body = format!("token={}&answer={}", asked.token, asked.work()?);
        let foreign = self.answer(self.elsewhere, "", &body).await?;
        trial.note("an answer from elsewhere", wrongly(&foreign));
        let passed = self.answer(self.here, "", &body).await?;
        let none = passed_value(&passed).is_none();
        trial.note("work that was done", none.then_some("is not taken"));
        let again = self.answer(self.here, "", &body).await?;
        trial.note("an answer that was used", wrongly(&again));
        let asked = self.challenge(self.here).await?;
        let number = numbers().find(|number| !solves(&asked.token, number, BITS));
        let body = format!("token={}&answer={}", asked.token, number.unwrap_or_default());
        let lazy = self.answer(self.here, "", &body).await?;
        trial.note("work that was not done", wrongly(&lazy));
        Ok(())
    }

    /// Patience is taken with its cookie, and not before its time.
    async fn patience(&self, trial: &mut Trial) -> Result<(), String> {
        let begun = Instant::now();
        // The first one, so that it is ready when the second is.
        let bare = self.challenge(self.here).await?;
        let asked = self.challenge(self.here).await?;
        let body = format!("token={}&answer=", asked.token);
        let keeps = format!("Cookie: {ASKED_COOKIE}={}\r\n", asked.token);
        let early = self.answer(self.here, &keeps, &body).await?;
        if begun.elapsed() >= WAIT {
            return Err("the machine is too busy to come back too early".to_owned());
        }
        trial.note("an answer before its time", wrongly(&early));
        let mut waited = passed_value(&early).is_some();
        while !waited && begun.elapsed() < PATIENCE {
            sleep(TRIES_EVERY).await;
            let told = self.answer(self.here, &keeps, &body).await?;
            waited = passed_value(&told).is_some();
        }
        trial.note("patience", (!waited).then_some("is not taken"));
        let body = format!("token={}&answer=", bare.token);
        let forgetful = self.answer(self.here, "", &body).await?;
        trial.note("patience without its cookie", wrongly(&forgetful));
        Ok(())
    }

    /// A pass is good at home, as it is, and until its end.
    async fn passes(&self, trial: &mut Trial) -> Result<(), String> {
        let pass = self.pass().await?;
        let let_in = self.shows(self.here, &pass.value).await?;
        let form = self.visitors.ask(self.here, "POST", "/_amanah/sign-in", &pass.line()).await?;
        let foreign = self.shows(self.elsewhere, &pass.value).await?;
        let longer = self.shows(self.here, &altered(&pass.value, LETTER_OF_END)).await?;
        let last = pass.value.len().saturating_sub(LETTER_OF_MARK);
        let unmarked = self.shows(self.here, &altered(&pass.value, last)).await?;
        if pass.made.elapsed() >= PASSED {
            return Err("the machine is too busy: a pass had ended before it was shown".to_owned());
        }
        trial.note("a good pass", (!let_in).then_some("is not taken"));
        trial.note(
            "the form for signing in",
            is_shed(&form).then_some("is not reached with a pass"),
        );
        trial.note("a pass from elsewhere", foreign.then_some("is taken"));
        trial.note("a pass with another end", longer.then_some("is taken"));
        trial.note("a pass with another mark", unmarked.then_some("is taken"));
        let ended = Instant::now() + PASSED + SURELY;
        sleep_until(ended).await;
        let expired = self.shows(self.here, &pass.value).await?;
        trial.note("an expired pass", expired.then_some("is taken"));
        Ok(())
    }

    /// There is room for so many who have passed, and for one at least.
    async fn crowded(&self, trial: &mut Trial) -> Result<(), String> {
        let mut lines = Vec::new();
        for _ in 0..2 * INSIDE {
            lines.push(self.visitors.line(self.here).await?);
        }
        let pass = self.pass().await?;
        let (shown, begun) = (pass.line(), Instant::now());
        let mut inside = 0_u32;
        for told in join_all(lines.iter_mut().map(|line| line.ask(SLOW, &shown))).await {
            inside += u32::from(told?.status == 200);
        }
        // Within twice the time of one, no place can have been somebody's after another.
        let late = inside > INSIDE && begun.elapsed() >= 2 * WAITS;
        if late || inside == 0 && pass.made.elapsed() >= PASSED {
            return Err("the machine is too busy to fill a gateway at one time".to_owned());
        }
        let wrong = (inside == 0 || inside > INSIDE).then(|| {
            format!("{inside} of {} who passed were inside, where {INSIDE} may be", 2 * INSIDE)
        });
        trial.note("strangers at one time", wrong);
        Ok(())
    }

    /// A pass by work, from here.
    async fn pass(&self) -> Result<Pass, String> {
        let asked = self.challenge(self.here).await?;
        let body = format!("token={}&answer={}", asked.token, asked.work()?);
        let made = Instant::now();
        let told = self.answer(self.here, "", &body).await?;
        let value = passed_value(&told).ok_or("work that was done is not taken any more")?;
        Ok(Pass { value, made })
    }

    /// Whether this value lets somebody in.
    async fn shows(&self, from: Ipv4Addr, value: &str) -> Result<bool, String> {
        let told = self.visitors.ask(from, "GET", EXPENSIVE, &shown(value)).await?;
        Ok(!is_shed(&told))
    }

    async fn challenge(&self, from: Ipv4Addr) -> Result<Challenge, String> {
        let told = self.visitors.ask(from, "GET", EXPENSIVE, BROWSER).await?;
        let line = told.header(CHALLENGE.as_str()).unwrap_or_default();
        Challenge::read(line).ok_or_else(|| {
            format!("a browser is answered {} and not challenged any more", told.status)
        })
    }

    async fn answer(&self, from: Ipv4Addr, lines: &str, body: &str) -> Result<Told, String> {
        let lines = format!("{BROWSER}{lines}Content-Length: {}\r\n", body.len());
        self.visitors.send(from, ("POST", PATH), &lines, body).await
    }
}

impl Challenge {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let token = parts.next()?.strip_prefix("token=\"")?.strip_suffix('"')?;
        let bits = parts.next()?.strip_prefix("bits=")?.parse().ok()?;
        Some(Self { token: token.to_owned(), bits })
    }

    fn work(&self) -> Result<String, String> {
        let found = numbers().find(|number| solves(&self.token, number, self.bits));
        found.ok_or_else(|| format!("there is no answer to a challenge of {} bits", self.bits))
    }
}

fn numbers() -> impl Iterator<Item = String> {
    (0..LAST_NUMBER).map(|number| number.to_string())
}

/// The pass that an answer brings.
fn passed_value(told: &Told) -> Option<String> {
    let set = told.header("set-cookie")?;
    let value = set.strip_prefix(PASSED_COOKIE)?.strip_prefix('=')?;
    value.split(';').next().map(str::to_owned)
}

/// What is wrong with an answer that was taken, where it must not be.
fn wrongly(told: &Told) -> Option<&'static str> {
    passed_value(told).map(|_| "is taken")
}

/// The value with another letter in that place.
fn altered(value: &str, at: usize) -> String {
    let other = |letter| if letter == 'A' { 'B' } else { 'A' };
    let letter = |(n, letter)| if n == at { other(letter) } else { letter };
    value.chars().enumerate().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[test]
    fn what_is_asked_is_read_from_its_header() {
        let asked = Challenge::read("token=\"a-_b\", bits=12, wait=5").unwrap();
        assert_eq!((asked.token.as_str(), asked.bits), ("a-_b", 12));
        for wrong in ["", "token=a, bits=1", "token=\"a\"", "token=\"a\", bits=x, wait=1"] {
            assert!(Challenge::read(wrong).is_none(), "{wrong}");
        }
    }
}
