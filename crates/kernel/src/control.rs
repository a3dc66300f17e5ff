//! A promise that can be checked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, Params, Proof, Rng};

/// A boxed future: the edges between rooms are plain objects, so that no room's generics leak into
/// another's build.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The mechanism that keeps one claim, and the attack that proves it. One struct in one file.
pub trait Control: Send + Sync {
    /// What it is, how often it runs, and what it does not cover.
    fn card(&self) -> &'static Card;

    /// Attacks or measures the running system. Touches canaries and scratch only.
    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof>;

    /// Seeds the violation in a sandbox and runs the same attack there. It has bitten when it
    /// comes back broken.
    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof>;
}

/// What there is to know about a control before it has run.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The claim's id in the [catalogue](crate::catalogue), which also holds its parameters.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What the proof does to the running system, in one sentence.
    pub attack: &'static str,
    /// The violation that the bite seeds, in one sentence.
    pub bite: &'static str,
    /// How often it is proven. A proof older than twice this is stale.
    pub cadence: Duration,
    /// How long one proof or one bite may take; past it, the result is unknown.
    pub deadline: Duration,
    /// What a reader might think is covered and is not.
    pub not_covered: &'static [&'static str],
}

/// What a control is handed when it runs.
#[derive(Clone)]
pub struct Cx {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for canary marks and scratch names.
    pub rng: Arc<dyn Rng>,
}
