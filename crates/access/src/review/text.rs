//! What a review came to, for people and for spreadsheets.

use std::fmt::Write as _;

use kernel::{hex, shown};

use super::{Review, ReviewRow};

/// With these a cell of a spreadsheet begins to compute.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A report in Markdown: how many were kept and revoked, what looks like a rubber stamp, every row.
pub fn markdown(review: &Review, rows: &[ReviewRow]) -> String {
    let decisions = || rows.iter().filter_map(|row| row.decision.as_ref());
    let revoked = decisions().filter(|one| !one.keep).count();
    let verified = decisions().filter(|one| one.verified_at.is_some()).count();
    let orphans = rows.iter().filter(|row| row.orphan).count();
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "# Review of access: {}\n", shown(&review.tenant));
    let _ = writeln!(text, "- Review: {}", review.id);
    let _ = writeln!(text, "- Frozen at {:.0} by {}", review.started_at, shown(&review.started_as));
    match &review.closed {
        Some((by, at)) => {
            let _ = writeln!(text, "- Closed at {at:.0} by {}", shown(by));
        }
        None => text.push_str("- Not closed\n"),
    }
    if let Some((by, at, why)) = &review.abandoned {
        let _ = writeln!(text, "- Given up at {at:.0} by {}: {}", shown(by), cell(why));
    }
    let _ = writeln!(text, "- Rows: {}, SHA-256 {}", review.frozen, hex(&review.digest));
    let _ = writeln!(
        text,
        "- Decided: {} of {}; revoked: {revoked}, of which {verified} verified; of people who are \
         gone: {orphans}",
        decisions().count(),
        rows.len()
    );
    if let Some(pace) = pace(rows) {
        let _ = writeln!(text, "- Between two decisions: {pace} s, in the middle");
    }
    if revoked == 0 && decisions().count() == rows.len() {
        text.push_str("- Everything was kept: look whether anybody looked\n");
    }
    text.push_str(
        "\n| # | kind | who | what | given by | given at | last use | decision | reason |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let used = row.last_used_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        let (word, reason) = match &row.decision {
            Some(one) if one.keep => ("keep", one.reason.as_str()),
            Some(one) if one.verified_at.is_some() => ("revoke, verified", one.reason.as_str()),
            Some(one) => ("revoke, NOT VERIFIED", one.reason.as_str()),
            None => ("open", ""),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {}{} | {} | {} | {:.0} | {used} | {word} | {} |",
            row.n,
            cell(&row.kind),
            cell(&row.holder),
            if row.orphan { " (gone)" } else { "" },
            cell(&row.what),
            cell(&row.granted_by),
            row.granted_at,
            cell(reason),
        );
    }
    text
}

/// The rows for a spreadsheet, in which nothing computes.
pub fn csv(rows: &[ReviewRow]) -> String {
    let mut text =
        String::from("n,who,kind,what,given_by,given_at,last_use,gone,decision,by,reason\n");
    for row in rows {
        let used = row.last_used_at.map(|at| at.to_string()).unwrap_or_default();
        let (word, by, reason) = match &row.decision {
            Some(one) => (if one.keep { "keep" } else { "revoke" }, &*one.by, &*one.reason),
            None => ("", "", ""),
        };
        let (n, given, gone) =
            (row.n.to_string(), row.granted_at.to_string(), row.orphan.to_string());
        let cells = [
            &*n,
            &*row.holder,
            &*row.kind,
            &*row.what,
            &*row.granted_by,
            &*given,
            &*used,
            &*gone,
            word,
            by,
            reason,
        ];
        text.push_str(&cells.map(quoted).join(","));
        text.push('\n');
    }
    text
}

/// Seconds between two decisions, the middle of all; of fewer than three nothing is said.
fn pace(rows: &[ReviewRow]) -> Option<i64> {
    let mut at: Vec<_> = rows.iter().filter_map(|row| Some(row.decision.as_ref()?.at)).collect();
    at.sort_unstable();
    let mut gaps: Vec<i64> =
        at.iter().zip(at.iter().skip(1)).map(|(a, b)| b.duration_since(*a).as_secs()).collect();
    gaps.sort_unstable();
    if gaps.len() < 2 { None } else { gaps.get(gaps.len() / 2).copied() }
}

/// A text inside of a table of Markdown.
fn cell(text: &str) -> String {
    shown(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('`', "\\`")
}

fn quoted(cell: &str) -> String {
    let computes = cell.starts_with(FORMULA);
    let guard = if computes { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{cell, quoted};

    #[test]
    fn nothing_computes_and_no_cell_breaks_out() {
        assert_eq!(quoted("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        for bad in ["+1", "-1", "@x", "\tx"] {
            assert!(quoted(bad).starts_with("\"'"), "{bad}");
        }
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("a|b<c`d"), "a\\|b&lt;c\\`d");
    }
}
