//! The command line of `amanah audit`.

mod review;

use std::net::SocketAddr;
use std::path::PathBuf;

use ::audit::reading::Format;
use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tlog::Verifier;

pub(crate) use review::Review;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the newest checkpoint of a trail's log, or the line of the key that checks it.
    #[command(
        after_help = "Give the line of --key to whoever verifies or witnesses, once; checkpoints as often \
                      as they like.\n\
                      Exit codes: 0 printed, 2 usage, 3 there is none yet, or it is not ours.\n\
                      Example: amanah audit checkpoint --database shop --key"
    )]
    Checkpoint(Checkpoint),
    /// Be a witness: keep the newest checkpoint of each log, on another machine than the log's.
    #[command(
        after_help = "It needs no PostgreSQL and no configuration: its key and what it has seen \
                      lie in the folder witness of the directory --data.\n\
                      Exit codes: 0 it was told to stop, 2 usage, 3 it could not start.\n\
                      Example: amanah audit witness --data /srv/witness --listen 127.0.0.1:8390 \
                      --log amanah-1f0c77aa/shop+4d2ef907+ARl/ayPhbIUyxqvIOPrNXqeJvgx2spIDNAOb+os9No1h"
    )]
    Witness(Witness),
    /// Read every row of a trail and all of its log again, and name what is wrong.
    #[command(
        after_help = "Checkpoints that somebody else kept say more: give them with --checkpoint. With \
                      --log and --key a copy of a log is verified alone, without an installation.\n\
                      Exit codes: 0 everything is right, 1 something is not, 2 usage, 3 cannot tell.\n\
                      Example: amanah audit verify --database shop --checkpoint kept.txt"
    )]
    Verify(Verify),
    /// Write a proof that a row is in the log, for whoever has the log's public key.
    #[command(
        after_help = "Exit codes: 0 written, 2 usage, or there is no such row; 3 it is not sealed yet, or \
                      cannot be proven: the words say which.\n\
                      Example: amanah audit prove 17 --output row-17.proof --row row-17.json"
    )]
    Prove(Prove),
    /// Check a proof of one entry with nothing but the log's public key.
    #[command(
        after_help = "It needs no installation and asks nobody: the file and the key are enough.\n\
                      Exit codes: 0 the proof holds, 1 it does not, 2 usage.\n\
                      Example: amanah audit check row-17.proof --row row-17.json \
                      --key amanah-1f0c77aa/shop+4d2ef907+ARl/ayPhbIUyxqvIOPrNXqeJvgx2spIDNAOb+os9No1h"
    )]
    Check(Check),
    /// Answer for an epoch of a log with which sealed rows are gone: a restore, or a crash of the server.
    #[command(
        after_help = "`amanah audit verify` names the epochs of a log, and takes rows that are gone for \
                      damage until somebody answers for it. The word is signed with the log's key, kept in \
                      the directory of the installation, and printed with each verification.\n\
                      Exit codes: 0 noted, 2 usage: there is no such epoch, or it has its answer; 3 it \
                      could not be done.\n\
                      Example: amanah audit accept-epoch 2 --database shop --by budi@sinar.example --why \
                      \"restored the backup of 25 November, ticket 4711\""
    )]
    AcceptEpoch(AcceptEpoch),
    /// Copy trails to the second place now, or open the copies and check them.
    #[command(after_help = "`amanah up` copies every hour to trail.offsite of amanah.toml.\n\
                      Exit codes: 0 copied, or right; 1 something is wrong with a copy; 2 usage; 3 one \
                      could not be copied or opened.\n\
                      Example: amanah audit offsite --check")]
    Offsite(Offsite),
    /// Show which months of a trail may leave the database, or put them into the archive and take them out.
    #[command(
        after_help = "Without --apply nothing is changed. Before a month is removed, the whole trail is verified, \
                      and the month is read back from the archive.\n\
                      Exit codes: 0 shown, or archived; 2 usage; 3 a month was not archived, and stays.\n\
                      Example: amanah audit archive --apply"
    )]
    Archive(Archive),
    /// List writes that the trail does not tell of, and what it tells that was not written.
    #[command(
        after_help = "PostgreSQL's write-ahead log is read to its end and compared with the trail, \
                      transaction by transaction.\n\
                      Exit codes: 0 no difference, 1 some, whatever became of other databases, 2 usage, \
                      3 one could not be compared.\n\
                      Example: amanah audit unrecorded --json"
    )]
    Unrecorded(Unrecorded),
    /// Note who looked into such a difference, and what it was: the claim holds again then.
    #[command(after_help = "The note is kept for ever beside the difference.\n\
                      Exit codes: 0 noted, 2 usage, or there is no such open difference; 3 it could not be \
                      done.\n\
                      Example: amanah audit explain 3 --by budi@sinar.example --why \"restored a backup of \
                      the catalogue, ticket 4711\"")]
    Explain(Explain),
    /// Print rows of a trail, and leave a row there about it: who read what, and why.
    #[command(
        after_help = "The row about the reading is committed before any other is seen. With --json, each \
                      row is an object in a line of its own.\n\
                      Exit codes: 0 printed, 2 usage, 3 it could not be read.\n\
                      Example: amanah audit log --table sale --from 2026-11-01 --by budi@sinar.example \
                      --purpose \"ticket 4711\""
    )]
    Log(Box<Log>),
    /// Print each version of one record, or what it was at a moment; the trail says so.
    #[command(
        after_help = "The key is the value of its only column, or an object of JSON with each column. Of \
                      a time before the trail's first row about the record, nothing is known.\n\
                      Exit codes: 0 printed, 2 usage, 3 the trail does not know.\n\
                      Example: amanah audit history sale 17 --at 2026-11-01T12:00:00Z \
                      --by budi@sinar.example --purpose \"ticket 4711\""
    )]
    History(History),
    /// Write the log with its rows, entry by entry, for whoever keeps or watches them elsewhere.
    #[command(
        after_help = "Each entry has its number in the log, from 0 and without a gap; the checkpoint stands \
                      in front, and at the end whether the entries lead to it. Only what is sealed is \
                      written. Go on later with --after and the last number.\n\
                      Exit codes: 0 whole, 1 a row is missing or changed or the log is damaged, 2 usage, 3 \
                      it could not be read.\n\
                      Example: amanah audit export --format ocsf --after 1016 --output trail.ocsf \
                      --by siem@sinar.example --purpose \"hourly copy\""
    )]
    Export(Export),
    /// Take the content out of rows of a trail, because a person asked for it; their proofs stay good.
    #[command(
        after_help = "Without --apply it says which rows, and erases nothing. Who and why stand in the log of \
                      the trail for ever: write no personal data there. Nothing is erased before the log \
                      says so. A record whose key was changed has rows under each of its keys.\n\
                      Exit codes: 0 planned, or erased; 1 some content cannot be erased; 2 usage, or there is \
                      no such row; 3 it is not finished yet, or could not be done.\n\
                      Example: amanah audit erase --table person --key 17 --by budi@sinar.example \
                      --reason \"request 4711 of 26 November\" --apply"
    )]
    Erase(Erase),
    /// Make the report of a month of a trail; with --sign, answer for having read it.
    #[command(
        after_help = "It tells who did most, what was written at unusual hours, who read the trail, changes \
                      of structure, erasures, and what proofs and the comparison found. Read it, and then \
                      sign it with --sign: a report that is another one by then is shown anew. A month is \
                      signed by the end of the month after it.\n\
                      Exit codes: 0 made or signed, 1 not signed because it is another one than was shown, 2 \
                      usage, 3 it could not be done.\n\
                      Example: amanah audit review --month 2026-10 --by budi@sinar.example --sign"
    )]
    Review(Review),
}

/// The longest text that somebody signs with, in bytes.
const MAX_WORDS: usize = 2_000;

/// Words that are kept for ever, on one line.
fn words(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it says nothing".to_owned());
    }
    if text.len() > MAX_WORDS {
        return Err(format!("it is longer than {MAX_WORDS} bytes"));
    }
    if text.contains(|c: char| c.is_control()) {
        return Err("it is one line, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

impl Audit {
    /// Whether it may begin an installation.
    pub(crate) const fn begins(&self) -> bool {
        match self {
            Self::Checkpoint(_)
            | Self::Witness(_)
            | Self::Verify(_)
            | Self::Prove(_)
            | Self::Check(_)
            | Self::AcceptEpoch(_)
            | Self::Offsite(_)
            | Self::Archive(_)
            | Self::Unrecorded(_)
            | Self::Explain(_)
            | Self::Log(_)
            | Self::History(_)
            | Self::Export(_)
            | Self::Erase(_)
            | Self::Review(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Which protected database, where there are several: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Print the public key instead; of several, the newest first.
    #[arg(long)]
    pub(crate) key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptEpoch {
    /// The number of the epoch.
    #[arg(value_name = "EPOCH")]
    pub(crate) epoch: u32,
    /// Which protected database, where there are several: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Who answers for it.
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub(crate) by: String,
    /// What it was.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Offsite {
    /// Which protected database, without it, all of them: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Copy nothing: open every part of what lies there, and hold every row against its entry.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// Which protected database, without it, all of them: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Archive what is due and remove it from the database.
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Unrecorded {
    /// Which protected database, without it, all of them: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The number of the difference.
    #[arg(value_name = "NUMBER")]
    pub(crate) number: i64,
    /// Who looked into it.
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub(crate) by: String,
    /// What it was.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// A log that it knows, as the line of its key; repeat it for each log, and for each key of a log
    /// that goes over to another one.
    #[arg(long, value_name = "KEYLINE", required = true)]
    pub(crate) log: Vec<Verifier>,
    /// Where to listen, by plain HTTP: put a proxy with TLS before it for others to reach it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8390")]
    pub(crate) listen: SocketAddr,
    /// Listen on an address that other machines reach, although nothing is encrypted there.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// A name by which it is asked, besides localhost and the address itself; repeat it for each.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Its name, at the first start: an address without https://, such as witness.example.com/w1.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Which protected database, without it, all of them: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME", conflicts_with = "log")]
    pub(crate) database: Option<String>,
    /// A checkpoint of the log that was kept before; repeat it for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
    /// The folder of a copy of a log, which is verified alone.
    #[arg(long, value_name = "FOLDER", requires = "key")]
    pub(crate) log: Option<PathBuf>,
    /// The public key of that log, as a line; of several, any.
    #[arg(long, value_name = "KEYLINE", requires = "log")]
    pub(crate) key: Vec<Verifier>,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The number of the row.
    #[arg(value_name = "ROW")]
    pub(crate) id: i64,
    /// Which protected database, where there are several: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The file to write; without it, the proof is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A file for the row itself, as JSON: the proof does not hold what the row says.
    #[arg(long, value_name = "FILE")]
    pub(crate) row: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The proof, as `amanah audit prove` writes it.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The public key of the log, as a line; of several, any.
    #[arg(long, value_name = "KEYLINE", required = true)]
    pub(crate) key: Vec<Verifier>,
    /// A row as JSON: whether this is what was sealed.
    #[arg(long, value_name = "FILE")]
    pub(crate) row: Option<PathBuf>,
}

/// Of which trail, by whom and why.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Which protected database, where there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Who reads. It is recorded.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why. It is recorded.
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: String,
    /// Show encrypted values in clear, with the keys of this installation. It is recorded.
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// From this time on: 2026-11-01T12:00:00Z, or a day, which begins at 00:00 UTC.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<Timestamp>,
    /// By this actor, as the binding names them.
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// In this tenant.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// By this login of the database.
    #[arg(long, value_name = "LOGIN")]
    pub(crate) login: Option<String>,
    /// On this table, with or without its schema.
    #[arg(long, value_name = "[SCHEMA.]TABLE")]
    pub(crate) table: Option<String>,
    /// About the record with this key in that table.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// INSERT, UPDATE, DELETE, TRUNCATE, DDL or READ.
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// Of this request, as the application called it.
    #[arg(long, value_name = "REQUEST")]
    pub(crate) request: Option<String>,
    /// The newest so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The table, with or without its schema.
    #[arg(value_name = "[SCHEMA.]TABLE")]
    pub(crate) table: String,
    /// The key of the record: the value of its only column, or an object of JSON.
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// What it was at this time, and no more.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// In which form: jsonl, csv, ocsf (1.3.0) or cef (over syslog, RFC 5424).
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) format: Format,
    /// Only what comes after the entry of this number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<u64>,
    /// The file to write, which is not there yet; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("chosen").required(true).args(["table", "row", "tenant", "about"])))]
pub(crate) struct Erase {
    /// Which protected database, where there are several: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The rows about a record of this table, with or without its schema, and about who has read them.
    #[arg(long, value_name = "[SCHEMA.]TABLE", requires = "key")]
    pub(crate) table: Option<String>,
    /// The key of the record: the value of its only column, or an object of JSON.
    #[arg(long, value_name = "KEY", requires = "table", allow_hyphen_values = true)]
    pub(crate) key: Option<String>,
    /// The row of this number; repeat it for each.
    #[arg(long, value_name = "ROW")]
    pub(crate) row: Vec<i64>,
    /// All rows that were written for this tenant.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// All rows in which this text stands as a value.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) about: Option<String>,
    /// Who asks for it. It stands in the log for ever.
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub(crate) by: String,
    /// Why, without personal data. It stands in the log for ever.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) reason: String,
    /// Erase it.
    #[arg(long)]
    pub(crate) apply: bool,
}

/// A moment, or the day that begins with it.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC));
    day.map(|begins| begins.timestamp())
        .map_err(|_| "a time is 2026-11-01T12:00:00Z, or a day: 2026-11-01".to_owned())
}

/// The schema, where one is named, and the table.
pub(crate) fn table(name: &str) -> (Option<String>, Option<String>) {
    match name.split_once('.') {
        Some((schema, table)) => (Some(schema.to_owned()), Some(table.to_owned())),
        None => (None, Some(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    /// An erasure chooses in one way, and says by whom and why.
    #[test]
    fn an_erasure_is_asked_for_in_one_way() {
        let parses = |choice: &str, rest: &str| {
            let all = format!("amanah audit erase {choice} {rest}");
            Cli::try_parse_from(all.split_whitespace()).is_ok()
        };
        let who = "--database d --by b --reason r --apply";
        for good in ["--table t --key 1", "--row 1 --row 2", "--tenant t", "--about -v"] {
            assert!(parses(good, who), "{good}");
            assert!(!parses(good, "--by b") && !parses(good, "--reason r"), "{good}");
        }
        for bad in ["", "--table t", "--key 1", "--row 1 --tenant t", "--table t --key 1 --about v"]
        {
            assert!(!parses(bad, who), "{bad}");
        }
    }
}
