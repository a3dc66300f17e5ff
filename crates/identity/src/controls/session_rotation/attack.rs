//! The battery: what a thief of tokens would try, in the order in which one canary can bear it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Finding, Secret, SessionToken, Sessions as _, random_hex};

use super::forge::{FORGERIES, forgeries};
use super::ground::{Canary, Ground};
use crate::sql::tokens as sql;
use crate::{NewKey, Pair, api_key, refresh};

/// How many refresh at once.
const AT_ONCE: usize = 8;
/// Attacks on families, and on keys, besides the forgeries.
const ON_FAMILIES: usize = 12;
const ON_KEYS: usize = 4;
/// How many attacks there are.
pub(super) const ATTACKS: usize = ON_FAMILIES + FORGERIES + ON_KEYS;

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Battery {
    pub(super) tried: usize,
    pub(super) findings: Vec<Finding>,
    /// How long the newest access token outlived a reuse.
    pub(super) dead_after: Option<Duration>,
}

impl Battery {
    /// One attack: `held` says whether it was refused as it should be.
    fn tried(&mut self, attack: &'static str, held: bool, otherwise: &str) {
        self.tried += 1;
        if !held {
            self.findings.push(Finding::new(attack, otherwise));
        }
    }
}

impl Ground<'_> {
    /// Tries everything, with canaries of its own.
    ///
    /// # Errors
    /// When something that must work does not, so that its refusal would say nothing.
    pub(super) async fn attack(&self) -> Result<Battery, String> {
        let mut battery = Battery::default();
        let (canary, session) = self.canary().await?;
        self.reuse(&mut battery, &canary, &session).await?;
        self.ended(&mut battery, &canary).await?;
        self.forged(&mut battery, &canary).await?;
        self.keys(&mut battery).await?;
        Ok(battery)
    }

    /// Within the window, at once, and after it.
    async fn reuse(
        &self,
        battery: &mut Battery,
        canary: &Canary,
        session: &SessionToken,
    ) -> Result<(), String> {
        let first = self.family(session).await?;
        let next = self.probe.refresh(&first.refresh).await?;
        let next = next.ok_or("the canary's own refresh token was refused")?;
        let again = self.probe.refresh(&first.refresh).await?;
        let same = again.is_some_and(|pair| pair.refresh == next.refresh);
        battery.tried(
            "a used token within its window",
            same,
            "it does not give the same successor again, so that a second tab is thrown out or goes \
             its own way",
        );
        let unused = self.unused(canary).await?;
        let one = "there is more than one token to go on with";
        battery.tried("tokens left after a repetition", unused == 1, one);

        let asked = join_all((0..AT_ONCE).map(|_| self.probe.refresh(&next.refresh))).await;
        let asked: Vec<Option<Pair>> = asked.into_iter().collect::<Result<_, _>>()?;
        let successors: BTreeSet<&str> =
            asked.iter().flatten().map(|pair| pair.refresh.expose()).collect();
        let all = asked.iter().all(Option::is_some) && successors.len() == 1;
        let words = format!("{AT_ONCE} at once got {} successors", successors.len());
        battery.tried("a token used by several at once", all, &words);
        let unused = self.unused(canary).await?;
        battery.tried("tokens left after several at once", unused == 1, one);

        let newest = asked.into_iter().flatten().last().unwrap_or(next);
        let other = self.family(session).await?;
        if !self.probe.accepts(&newest.access).await? {
            return Err("the newest access token is not accepted before the reuse".to_owned());
        }
        self.alter(sql::AGE_USED, canary).await?;
        let reused = self.probe.refresh(&first.refresh).await?;
        battery.tried("a used token after its window", reused.is_none(), "it is accepted again");
        battery.dead_after = self.dies(&newest.access).await?;
        let dead = self.probe.refresh(&newest.refresh).await?.is_none();
        battery.tried(
            "the newest tokens after a reuse",
            dead && battery.dead_after.is_some(),
            if dead { "the access token lives on" } else { "the refresh token lives on" },
        );
        let alive = self.probe.refresh(&other.refresh).await?.is_some();
        let words = "another family of the same person was ended too";
        battery.tried("a token of another family", alive, words);
        Ok(())
    }

    /// After revocation, another epoch, and the ends that come by themselves.
    async fn ended(&self, battery: &mut Battery, canary: &Canary) -> Result<(), String> {
        let session = self.session(canary).await?;
        let pair = self.family(&session).await?;
        self.probe.revoke(&pair.refresh).await?;
        let held = self.is_dead(&pair).await?;
        battery.tried("tokens of a revoked family", held, "they are good after the revocation");

        let signed_in = self.session(canary).await?;
        let pair = self.family(&signed_in).await?;
        self.identities.sign_out(&signed_in).await.map_err(|e| e.to_string())?;
        let held = self.is_dead(&pair).await?;
        let words = "they are good after the sign-out";
        battery.tried("tokens of a session that was signed out", held, words);

        let pair = self.family(&session).await?;
        self.alter(sql::BUMP_EPOCH, canary).await?;
        let held = self.is_dead(&pair).await?;
        let words = "they are good after everything of the account was ended";
        battery.tried("tokens of an earlier epoch", held, words);

        for (name, sql) in [
            ("a token of a family that was idle", sql::END_IDLE),
            ("a token of a family that is too old", sql::END_ABSOLUTE),
        ] {
            let pair = self.family(&self.session(canary).await?).await?;
            self.alter(sql, canary).await?;
            let refused = self.probe.refresh(&pair.refresh).await?.is_none();
            battery.tried(name, refused, "it is good after its end");
        }
        Ok(())
    }

    /// Tokens that nobody gave out.
    async fn forged(&self, battery: &mut Battery, canary: &Canary) -> Result<(), String> {
        let pair = self.family(&self.session(canary).await?).await?;
        let signing = self.identities.signing().map_err(|e| e.to_string())?;
        for (name, forged) in forgeries(&pair.access, signing, &*self.cx.rng)? {
            let refused = !self.probe.accepts(&forged).await?;
            battery.tried(name, refused, "it is accepted");
        }
        if !self.probe.accepts(&pair.access).await? {
            return Err("the genuine access token was refused among the forged ones".to_owned());
        }
        let (stranger, _) = refresh::fresh(&*self.cx.rng).map_err(|e| e.to_string())?;
        if self.probe.refresh(&stranger).await?.is_some() {
            battery.findings.push(Finding::new("a made-up refresh token", "it is accepted"));
        }
        Ok(())
    }

    /// Keys that are mistyped, guessed, revoked and expired.
    async fn keys(&self, battery: &mut Battery) -> Result<(), String> {
        let (canary, session) = self.canary().await?;
        let [revoked, expired] = [self.key(&session).await?, self.key(&session).await?];
        for (_, key) in [&revoked, &expired] {
            if !self.probe.accepts(key).await? {
                return Err("the API key that was just made is not accepted".to_owned());
            }
        }
        let text = expired.1.expose();
        let last = if text.ends_with('0') { "1" } else { "0" };
        let mistyped = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let mistyped = Secret::new(format!("{mistyped}{last}"));
        let held = !self.probe.accepts(&mistyped).await?;
        battery.tried("a key with a wrong checksum", held, "it is accepted");
        let guessed = api_key::guess(&expired.0, &*self.cx.rng).map_err(|e| e.to_string())?;
        let held = !self.probe.accepts(&guessed).await?;
        battery.tried("a key with a known name and another secret", held, "it is accepted");

        let who = self.identities.decide(&session).await?.ok_or("the canary is signed out")?;
        let ended = self.identities.revoke_key(&who, &revoked.0).await;
        ended.map_err(|e| e.to_string())?;
        let held = self.dies(&revoked.1).await?.is_some();
        battery.tried("a revoked key", held, "it is good after the revocation");
        self.alter(sql::EXPIRE_KEYS, &canary).await?;
        let held = self.dies(&expired.1).await?.is_some();
        battery.tried("an expired key", held, "it is good after its end");
        Ok(())
    }

    async fn key(&self, session: &SessionToken) -> Result<(String, Secret), String> {
        let who = self.identities.decide(session).await?.ok_or("the canary is signed out")?;
        let name = random_hex(&*self.cx.rng, 4).map_err(|e| e.to_string())?;
        let new = NewKey { name, service: None, scopes: None, days: 1 };
        let (card, key) = self.identities.make_key(&who, &new).await.map_err(|e| e.to_string())?;
        Ok((card.id, key))
    }

    /// Whether neither token of `pair` is good any more.
    async fn is_dead(&self, pair: &Pair) -> Result<bool, String> {
        let refused = self.probe.refresh(&pair.refresh).await?.is_none();
        Ok(self.dies(&pair.access).await?.is_some() && refused)
    }
}
