//! Reports as tables for people at a terminal, for [`crate::out::painted`]: everything but the colours
//! is escaped here.

use std::io::IsTerminal as _;

use claims::{ClaimReport, Report};
use kernel::{Verdict, shown, shown_sql};

/// A detail longer than this, in characters, is cut in the table; `--json` has it whole.
const MAX_DETAIL: usize = 300;
/// A claim's name longer than this, in characters, is cut in the table.
const MAX_NAME: usize = 60;
/// How many things to do are printed for each claim.
const MAX_FIXES: usize = 3;
/// Where the text below a claim begins.
const INDENT: &str = "           ";

/// The claims of a page that have a control; the others are counted.
pub(crate) fn proofs(report: &Report, built: &dyn Fn(&str) -> bool) -> String {
    let mut of_built = report.clone();
    of_built.claims.retain(|claim| built(&claim.id));
    match report.claims.len() - of_built.claims.len() {
        0 => page(&of_built),
        n => format!("{}, and {n} promises without a control yet (unknown)", page(&of_built)),
    }
}

/// One page as a table: a line for each claim and, below it, why it is not proven.
pub(crate) fn page(report: &Report) -> String {
    let colour = std::io::stdout().is_terminal();
    let width = report.claims.iter().map(|c| name(c).chars().count()).max().unwrap_or(0);
    let mut lines =
        vec![format!("{} — {} at {:.0}", shown(&report.title), shown(&report.page), report.at)];
    for claim in &report.claims {
        let seen = claim.population.as_ref().map(ToString::to_string);
        let measured = Some(claim.measured.clone()).filter(|m| !m.is_empty());
        let found: Vec<String> = seen.into_iter().chain(measured).collect();
        let (verdict, name) = (paint(claim.verdict, colour), name(claim));
        lines.push(
            format!("  {verdict}  {name:<width$}  {}", shown(&found.join("; ")))
                .trim_end()
                .to_owned(),
        );
        if claim.verdict < Verdict::Attested {
            lines.push(format!("{INDENT}{}", cut(&claim.detail, MAX_DETAIL)));
            lines.push(format!("{INDENT}on the page: {}", cut(&claim.sentence, MAX_DETAIL)));
        }
        lines.extend(fixes(claim));
    }
    lines.push(summary(report));
    lines.join("\n")
}

/// How many claims have which verdict, worst first.
pub(crate) fn summary(report: &Report) -> String {
    let count = |verdict| report.claims.iter().filter(|c| c.verdict == verdict).count();
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict, count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    format!("  {}: {}", shown(&report.page), counts.join(", "))
}

/// What to do about the findings, each thing once.
fn fixes(claim: &ClaimReport) -> Vec<String> {
    let mut fixes: Vec<&String> = claim.findings.iter().filter_map(|f| f.fix.as_ref()).collect();
    fixes.dedup();
    fixes.into_iter().take(MAX_FIXES).map(|fix| to_do(fix)).collect()
}

/// One thing to do. It is SQL mostly, whose lines stay lines, set in.
fn to_do(fix: &str) -> String {
    let fix = shortened(&shown_sql(fix), MAX_DETAIL);
    format!("{INDENT}to do: {}", fix.replace('\n', &format!("\n{INDENT}       ")))
}

fn name(claim: &ClaimReport) -> String {
    let pairs: Vec<String> = claim.params.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    cut(&format!("{}{mark}{}", claim.id, pairs.join("&")), MAX_NAME)
}

fn paint(verdict: Verdict, colour: bool) -> String {
    if !colour {
        return format!("{verdict:<8}");
    }
    let code = match verdict {
        Verdict::Failing => "1;31",
        Verdict::Unknown => "33",
        Verdict::Stale => "35",
        Verdict::Attested => "36",
        Verdict::Proven => "32",
    };
    format!("\u{1b}[{code}m{verdict:<8}\u{1b}[0m")
}

fn cut(text: &str, max: usize) -> String {
    shortened(&shown(text), max)
}

fn shortened(text: &str, max: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(max).collect();
    if chars.next().is_some() { format!("{start}…") } else { start }
}

#[cfg(test)]
mod tests {
    use super::to_do;

    #[test]
    fn the_lines_of_sql_stay_lines_and_names_do_not_make_any() {
        let told = to_do("DROP INDEX a;\nCREATE INDEX \"b\n\u{1b}[2J\" ON c (d)");
        let wanted = "           to do: DROP INDEX a;
                  CREATE INDEX U&\"b\\000a\\001b[2J\" ON c (d)";
        assert_eq!(told, wanted);
        assert!(to_do(&"x\n".repeat(400)).ends_with('…'), "it is not printed whole");
    }
}
