//! Reports as tables for people at a terminal.

use std::io::IsTerminal as _;

use claims::{ClaimReport, Report};
use kernel::Verdict;

/// A detail longer than this, in characters, is cut in the table; `--json` has it whole.
const MAX_DETAIL: usize = 300;

/// The claims of a page that have a control; the others are counted.
pub(crate) fn proofs(report: &Report, built: &dyn Fn(&str) -> bool) -> String {
    let all = report.claims.len();
    let mut shown = report.clone();
    shown.claims.retain(|claim| built(&claim.id));
    let others = all - shown.claims.len();
    let mut text = page(&shown);
    if others > 0 {
        text.push_str(&format!(
            ", and {others} promises without a control yet (unknown)"
        ));
    }
    text
}

/// One page as a table: a line for each claim and, below it, why it is not proven.
pub(crate) fn page(report: &Report) -> String {
    let colour = std::io::stdout().is_terminal();
    let width = report
        .claims
        .iter()
        .map(|c| name(c).chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    let mut text = format!("{} — {} at {}\n", report.title, report.page, report.at);
    for claim in &report.claims {
        let verdict = paint(claim.verdict, colour);
        let seen = claim
            .population
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let measured = if claim.measured.is_empty() {
            seen
        } else {
            format!("{seen}; {}", claim.measured)
        };
        text.push_str(&format!(
            "  {verdict}  {:<width$}  {measured}\n",
            name(claim)
        ));
        if claim.verdict != Verdict::Proven && claim.verdict != Verdict::Attested {
            text.push_str(&format!("           {}\n", cut(&claim.detail)));
            text.push_str(&format!(
                "           on the page: {}\n",
                cut(&claim.sentence)
            ));
        }
        for finding in claim.findings.iter().filter_map(|f| f.fix.as_ref()).take(3) {
            text.push_str(&format!("           to do: {}\n", cut(finding)));
        }
    }
    text.push_str(&summary(report));
    text
}

/// How many claims have which verdict, worst first.
pub(crate) fn summary(report: &Report) -> String {
    let counts: Vec<String> = Verdict::ALL
        .iter()
        .map(|v| (v, report.claims.iter().filter(|c| c.verdict == *v).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    format!("  {}: {}", report.page, counts.join(", "))
}

fn name(claim: &ClaimReport) -> String {
    let pairs: Vec<String> = claim
        .params
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    if pairs.is_empty() {
        claim.id.clone()
    } else {
        format!("{}?{}", claim.id, pairs.join("&"))
    }
}

fn paint(verdict: Verdict, colour: bool) -> String {
    let code = match verdict {
        Verdict::Failing => "1;31",
        Verdict::Unknown => "33",
        Verdict::Stale => "35",
        Verdict::Attested => "36",
        Verdict::Proven => "32",
    };
    if colour {
        format!("\u{1b}[{code}m{verdict:<8}\u{1b}[0m")
    } else {
        format!("{verdict:<8}")
    }
}

fn cut(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_DETAIL).collect();
    if chars.next().is_some() {
        format!("{start}…")
    } else {
        start
    }
}
