//! The report as Markdown: to be read at a terminal, and to be printed.
//!
//! Everything that others wrote stands between backticks, on one line, without a backtick or a bar of
//! its own and without characters that steer a terminal or turn writing around: nothing in it is markup.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel::{Lookback, shown};

use super::{Counted, Differences, Logged, Rank, Ranks, Review};

/// A text longer than this, in characters, is cut.
const MAX_CHARS: usize = 120;
/// A name in a table longer than this is cut.
const MAX_NAME: usize = 48;

/// The text of a review.
pub(super) fn of(review: &Review) -> String {
    let mut text = String::new();
    head(&mut text, review);
    let counted = &review.counted;
    rows(&mut text, counted);
    ranks(&mut text, "Who did most, by person", &counted.actors);
    ranks(&mut text, "Who did most, by login", &counted.logins);
    unusual(&mut text, review);
    readings(&mut text, counted);
    structure(&mut text, counted);
    match &review.log {
        Ok(log) => logged(&mut text, log),
        Err(why) => section(&mut text, "Erasures and epochs", &not_read(why)),
    }
    match &review.differences {
        Ok(found) => differences(&mut text, found),
        Err(why) => section(&mut text, "Writes without a record", &not_read(why)),
    }
    proofs(&mut text, &review.proofs);
    section(&mut text, "What is not here", NOT_HERE);
    text
}

const NOT_HERE: &str = "\
- Sign-ins, and those that failed: Amanah does not record them in the trail yet. Look in the logs of\n  \
  whatever signs people in.\n\
- Readings of the application's own tables: the trail records writes, and readings of the trail itself.\n\
- Whether a row was right when it was written.\n";

/// Writing to a `String` cannot fail.
macro_rules! put {
    ($text:expr, $($format:tt)*) => {
        let _ = writeln!($text, $($format)*);
    };
}

fn head(text: &mut String, review: &Review) {
    let Review { database, month, from, to, hours, .. } = review;
    put!(text, "# Review of the audit trail of {}, {month}\n", code(database, MAX_CHARS));
    let log = review.log.as_ref().map(|log| log.name.as_str()).unwrap_or_default();
    put!(text, "- Month: {month}, from {from:.0} until before {to:.0}");
    if !log.is_empty() {
        put!(text, "- Log: {}", code(log, MAX_CHARS));
    }
    put!(text, "- Usual hours: {hours}");
    if !review.ended {
        put!(
            text,
            "\n**This month has not ended: what is here is not all, and cannot be signed.**"
        );
    }
}

fn rows(text: &mut String, counted: &Counted) {
    heading(text, "What was recorded");
    let (Some(first), Some(last)) = (counted.first, counted.last) else {
        put!(text, "Nothing: the trail has no row of this month.");
        return;
    };
    let mut lines = vec![vec!["action".to_owned(), "rows".to_owned()]];
    for (action, many) in &counted.actions {
        lines.push(vec![action.clone(), many.to_string()]);
    }
    lines.push(vec!["all".to_owned(), counted.rows.to_string()]);
    table(text, &lines);
    put!(text, "\nThe first was recorded at {first:.0}, the last at {last:.0}.");
    if counted.erased > 0 {
        put!(text, "The content of {} has been erased since.", counted.erased);
    }
}

fn ranks(text: &mut String, title: &str, ranks: &Ranks) {
    if ranks.rows == 0 {
        return;
    }
    heading(text, title);
    ranked(text, ranks);
}

fn unusual(text: &mut String, review: &Review) {
    heading(text, "Writes at unusual hours");
    let ranks = &review.counted.unusual;
    if ranks.rows == 0 {
        put!(text, "None: usual is {}.", review.hours);
        return;
    }
    put!(text, "{} of the rows, outside of {}:\n", ranks.rows, review.hours);
    ranked(text, ranks);
}

fn ranked(text: &mut String, ranks: &Ranks) {
    let mut lines = vec![
        vec!["who", "rows", "what", "where most", "first", "last"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for rank in &ranks.top {
        let actions: Vec<String> =
            rank.actions.iter().map(|(action, many)| format!("{action} {many}")).collect();
        let tables: Vec<String> = rank
            .tables
            .iter()
            .map(|(table, many)| format!("{} {many}", code(table, MAX_NAME)))
            .collect();
        lines.push(vec![
            who(rank),
            rank.rows.to_string(),
            actions.join(", "),
            tables.join(", "),
            format!("{:.0}", rank.first),
            format!("{:.0}", rank.last),
        ]);
    }
    table(text, &lines);
    let listed: u64 = ranks.top.iter().map(|rank| rank.rows).sum();
    let more = ranks.rows.saturating_sub(listed);
    if more > 0 {
        let names = ranks.names.saturating_sub(ranks.top.len());
        let least = if ranks.together { "at least " } else { "" };
        put!(text, "\nAnd {more} rows of {least}{names} more.");
    }
}

fn who(rank: &Rank) -> String {
    let login = rank.login.as_deref().map(|login| code(login, MAX_NAME));
    let actor = rank.actor.as_deref().map(|actor| code(actor, MAX_NAME));
    match (actor, login) {
        (Some(actor), Some(login)) => format!("{actor} as {login}"),
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => "nobody bound".to_owned(),
    }
}

fn readings(text: &mut String, counted: &Counted) {
    heading(text, "Readings of the trail");
    if counted.readings.is_empty() {
        put!(text, "None.");
        return;
    }
    for one in &counted.readings {
        let (login, purpose) = (code(&one.login, MAX_NAME), code(&one.purpose, MAX_CHARS));
        put!(
            text,
            "- {login} {} rows in {}, from {:.0} to {:.0}: {purpose}",
            one.rows,
            times(one.times, "reading"),
            one.first,
            one.last
        );
    }
    more(text, counted.more_readings, "reading");
}

fn structure(text: &mut String, counted: &Counted) {
    heading(text, "Changes of structure");
    if counted.structure.is_empty() {
        put!(text, "None.");
        return;
    }
    for one in &counted.structure {
        let (command, object) = (code(&one.command, MAX_NAME), code(&one.object, MAX_CHARS));
        let object = if one.object.is_empty() { String::new() } else { format!(" {object}") };
        let said = code(&one.statement, MAX_CHARS);
        put!(
            text,
            "- row {}, {:.0}, {}: {command}{object}\n  {said}",
            one.row,
            one.at,
            code(&one.login, MAX_NAME)
        );
    }
    more(text, counted.more_structure, "change");
}

fn logged(text: &mut String, log: &Logged) {
    heading(text, "Erasures");
    if log.erased == 0 {
        put!(text, "None: the log has no entry of one.");
    }
    for one in &log.erasures {
        put!(
            text,
            "- {}, from {:.0} to {:.0}: {}",
            times(one.rows, "content"),
            one.first,
            one.last,
            code(&one.request, MAX_CHARS)
        );
    }
    more(text, log.erased.saturating_sub(log.erasures.iter().map(|one| one.rows).sum()), "content");
    if log.epochs.is_empty() {
        return;
    }
    heading(text, "Epochs of the log");
    for one in &log.epochs {
        let answer = match &one.answered {
            Some((by, why)) => {
                format!("{} answers for it: {}", code(by, MAX_NAME), code(why, MAX_CHARS))
            }
            None => "nobody has answered for it".to_owned(),
        };
        put!(
            text,
            "- epoch {}, {:.0}: {}; {answer}",
            one.number,
            one.at,
            code(&one.why, MAX_CHARS)
        );
    }
}

fn differences(text: &mut String, found: &Differences) {
    heading(text, "Writes without a record");
    if found.count == 0 {
        put!(text, "None was found in PostgreSQL's write-ahead log.");
        return;
    }
    put!(text, "{}, {} of them not explained:\n", times(found.count, "difference"), found.open);
    for one in &found.told {
        let table = if one.table.is_empty() {
            String::new()
        } else {
            format!(" {}", code(&format!("{}.{}", one.schema, one.table), MAX_CHARS))
        };
        let answer = match &one.explained {
            Some((by, why, at)) => {
                format!("{} on {at:.0}: {}", code(by, MAX_NAME), code(why, MAX_CHARS))
            }
            None => "**not explained**".to_owned(),
        };
        put!(
            text,
            "- {} {}, {:.0}{table}: {}\n  {answer}",
            one.id,
            one.kind,
            one.seen_at,
            code(&one.what, MAX_CHARS)
        );
    }
    more(text, found.count.saturating_sub(found.told.len() as u64), "difference");
}

fn proofs(text: &mut String, proofs: &Lookback) {
    heading(text, "What the proofs found");
    if proofs.runs.is_empty() {
        put!(text, "**No proof about trails was run in this month.**");
        return;
    }
    let mut lines = vec![
        vec!["claim", "proofs", "held", "found", "cannot tell", "last", "looked at"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for one in &proofs.runs {
        let params = if one.params.is_empty() { String::new() } else { format!("?{}", one.params) };
        let neither = one.runs.saturating_sub(one.held).saturating_sub(one.broken);
        lines.push(vec![
            code(&format!("{}{params}", one.claim), MAX_NAME),
            one.runs.to_string(),
            one.held.to_string(),
            one.broken.to_string(),
            neither.to_string(),
            code(&one.last, MAX_NAME),
            code(&one.population, MAX_CHARS),
        ]);
    }
    table(text, &lines);
    put!(text, "");
    if proofs.found.is_empty() {
        put!(text, "They found nothing wrong.");
    }
    for one in &proofs.found {
        put!(
            text,
            "- {} {}: {}, in {} from {:.0} to {:.0}",
            code(&one.claim, MAX_NAME),
            code(&one.object, MAX_CHARS),
            code(&one.what, MAX_CHARS),
            times(u64::try_from(one.times).unwrap_or_default(), "proof"),
            one.first,
            one.last
        );
    }
    if proofs.more {
        put!(text, "\nAnd more, which `amanah verify --json` lists while it lasts.");
    }
}

fn section(text: &mut String, title: &str, body: &str) {
    heading(text, title);
    text.push_str(body);
}

fn not_read(why: &str) -> String {
    format!("**Cannot be told**: {}\n", code(why, 2 * MAX_CHARS))
}

fn heading(text: &mut String, title: &str) {
    put!(text, "\n## {title}\n");
}

fn more(text: &mut String, number: u64, what: &str) {
    if number > 0 {
        put!(text, "\nAnd {} more.", times(number, what));
    }
}

fn times(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Lines of a table with the names of the columns first; each column is as wide as its widest cell.
fn table(text: &mut String, lines: &[Vec<String>]) {
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (column, cell) in lines.iter().flat_map(|line| line.iter().enumerate()) {
        let width = widths.entry(column).or_default();
        *width = (*width).max(cell.chars().count());
    }
    let width = |column| widths.get(&column).copied().unwrap_or_default();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            format!(" {cell}{} ", " ".repeat(width(column).saturating_sub(cell.chars().count())))
        });
        put!(text, "|{}|", cells.collect::<Vec<_>>().join("|"));
        if number == 0 {
            let rules = (0..line.len()).map(|column| "-".repeat(width(column) + 2));
            put!(text, "|{}|", rules.collect::<Vec<_>>().join("|"));
        }
    }
}

/// What others wrote, between backticks.
fn code(words: &str, most: usize) -> String {
    if words.trim().is_empty() {
        return "(nothing)".to_owned();
    }
    let mut plain = String::new();
    for c in shown(words).chars() {
        match c {
            // What ends the span or the cell, and what other programs take for the end of a line.
            '`' | '|' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(plain, "\\u{:04x}", u32::from(c));
            }
            c => plain.push(c),
        }
    }
    let mut chars = plain.chars();
    let start: String = chars.by_ref().take(most).collect();
    let cut = if chars.next().is_some() { "…" } else { "" };
    // A space at an edge would be taken away.
    format!("`{}{cut}`", start.trim())
}
