//! What a page comes to at one moment: every promise with its verdict and what lies behind it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::{Finding, Population, Verdict};
use serde::Serialize;

use crate::document::Language;

/// A page at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The page's name.
    pub page: String,
    /// Its title.
    pub title: String,
    /// Its language.
    pub language: Language,
    /// The moment that the report speaks of.
    pub at: Timestamp,
    /// The worst verdict on the page.
    pub verdict: Verdict,
    /// Every promise, in the page's order: the same indices as [`crate::Page::pledges`].
    pub claims: Vec<ClaimReport>,
}

/// One promise at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimReport {
    /// The claim's id.
    pub id: String,
    /// Its parameters as the page writes them.
    pub params: BTreeMap<String, String>,
    /// The sentence that promises it.
    pub sentence: String,
    /// What can be said of it.
    pub verdict: Verdict,
    /// How much was looked at; absent when nothing was.
    pub population: Option<Population>,
    /// The measured value.
    pub measured: String,
    /// What it was compared with.
    pub threshold: String,
    /// When the system was in that state.
    pub observed_at: Option<Timestamp>,
    /// When the evidence was stored.
    pub received_at: Option<Timestamp>,
    /// Since when the verdict has been what it is, as far as the evidence reaches back.
    pub since: Option<Timestamp>,
    /// The proof of the proof.
    pub bite: Option<BiteReport>,
    /// Why, as a word for programs: `holds`, `broken`, `cannot-tell`, `old`, `ahead`, `not-run`,
    /// `no-bite`, `bite-other`, `blunt`, `bite-unmade`, `bite-old`, `bite-ahead`, `not-built` or
    /// `not-attested`.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub detail: String,
    /// What gave way.
    pub findings: Vec<Finding>,
    /// What the control does to prove it; empty when it is not built.
    pub attack: String,
    /// What is not covered.
    pub not_covered: Vec<String>,
}

/// The last bite of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BiteReport {
    /// Whether it could be made: where its ground is missing, nothing was seeded.
    pub made: bool,
    /// Whether the seeded violation was found.
    pub bit: bool,
    /// When.
    pub at: Timestamp,
    /// What was seeded and what was found.
    pub detail: String,
}
