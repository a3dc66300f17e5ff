//! Commands that our own texts tell people to run: each of them exists.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::Cli;

/// What stands before a command in our texts.
const BEGINS: &str = "`amanah ";

/// Errors, fixes, cards and documentation name commands; none names one that does not exist, nor an
/// option that it does not have. What a command lacks, such as the name of a key, is the reader's.
#[test]
fn commands_in_our_texts_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = found(&root.join("crates"), "rs");
    files.extend(found(&root.join("docs"), "md"));
    files.extend(["README.md", "CHANGELOG.md", "amanah.toml"].map(|name| root.join(name)));
    let (mut seen, mut broken) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_source = file.extension().is_some_and(|end| end == "rs");
        let lines = if is_source { Vec::new() } else { typed(&text) };
        for command in quoted(&text).into_iter().chain(lines) {
            seen += 1;
            if let Err(why) = parses(&command) {
                broken.push(format!("{}: {command}: {why}", file.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(seen > 20, "the texts were found: {seen}");
}

/// The test notices what it is for.
#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let text = "before `amanah keys rotate --all`, and `amanah keys \\\n    list` after";
    assert_eq!(quoted(text), ["keys rotate --all", "keys list"]);
    assert_eq!(typed("first\namanah keys lost   # gone\n"), ["keys lost"]);
    assert!(parses("keys rotate --all").is_err() && parses("keys lost").is_err());
    for good in ["keys list", "keys shred --tenant T", "keys accept --generation {number}", "keys"]
    {
        assert_eq!(parses(good), Ok(()), "{good}");
    }
}

/// What follows each opening, up to the closing mark; a text goes on over the ends of lines.
fn quoted(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for rest in text.split(BEGINS).skip(1) {
        let Some((command, _)) = rest.split_once('`') else { continue };
        // A line's end in the source: of a literal, or of a comment that goes on.
        let words =
            command.split_whitespace().filter(|word| !["\\", "//", "///", "//!"].contains(word));
        all.push(words.collect::<Vec<_>>().join(" "));
    }
    all
}

/// The lines that begin with a command, without the remark behind it.
fn typed(text: &str) -> Vec<String> {
    let commands = text.lines().filter_map(|line| line.strip_prefix("amanah "));
    let bare = commands.map(|command| command.split('#').next().unwrap_or_default());
    bare.map(|command| command.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Whether a command and its options are ours. Words in the place of values need not make sense.
fn parses(command: &str) -> Result<(), String> {
    // A name in quotation marks is one word, whatever it is.
    let quoted = command.split('"').enumerate();
    let words = quoted.map(|(n, part)| if n % 2 == 1 { "NAME" } else { part }).collect::<String>();
    let words = words.replace(['[', ']', '\''], "");
    let words = words.split_whitespace().filter(|word| !["…", "..."].contains(word));
    let words = words.map(|word| if word.starts_with('{') { "1" } else { word });
    match Cli::try_parse_from(std::iter::once("amanah").chain(words)) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::ValueValidation
            | ErrorKind::InvalidValue => Ok(()),
            kind => Err(kind.to_string()),
        },
    }
}

fn found(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // This file holds commands that do not exist.
        if path.is_dir() {
            all.extend(found(&path, end));
        } else if path.extension().is_some_and(|e| e == end) && !path.ends_with("cli/quoted.rs") {
            all.push(path);
        }
    }
    all
}
