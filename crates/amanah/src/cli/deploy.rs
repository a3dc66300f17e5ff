//! The command line of `amanah deploy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use kernel::{Unit, Value};

/// Connections that go on for longer are ended.
const LONGEST_DRAIN: Duration = Duration::from_hours(1);

#[derive(Debug, Subcommand)]
pub(crate) enum Deploy {
    /// Move the application's traffic to a release that runs already, and leave the old one.
    #[command(
        after_help = "The release is taken once it is healthy, and watched; requests that cannot be sent \
                      to it meanwhile go to the old one, and all of them do again when it fails. Ending \
                      this command does not end the switch. To go back later, switch to the old address.\n\
                      Exit codes: 0 switched, 1 not healthy or rolled back, 2 usage, 3 no house runs or it \
                      could not be told.\n\
                      Example: amanah deploy switch http://127.0.0.1:3001 --watch 2m"
    )]
    Switch {
        /// Where the release listens: http://HOST:PORT.
        #[arg(value_name = "URL")]
        to: String,
        /// How long it is watched before the old one is left, an hour at most.
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
        watch: Duration,
        /// The page that its health is asked at; without it, upstream.health.
        #[arg(long, value_name = "PATH")]
        health: Option<String>,
    },
    /// Replace the program of the house that runs by another version, without closing its door.
    #[command(
        after_help = "The new program starts beside the old one, which serves until the new one does, and \
                      then its connections to their end. PostgreSQL, Redis and the application go on. When \
                      the new program does not become ready, the old one goes on as before. It is started as \
                      the house was, and reads its configuration anew.\n\
                      Exit codes: 0 upgraded, 1 not taken, 2 usage, 3 no house runs or it could not be told.\n\
                      Example: amanah deploy upgrade --program /opt/amanah/1.3/amanah"
    )]
    Upgrade {
        /// The program; without it, what lies now where the running one was started from.
        #[arg(long, value_name = "PATH")]
        program: Option<PathBuf>,
        /// How long connections of the old process may go on, an hour at most.
        #[arg(long, value_name = "TIME", default_value = "1m", value_parser = drain)]
        drain: Duration,
    },
    /// Show the current release and the last switch.
    #[command(
        after_help = "Exit codes: 0 shown, 3 no house runs.\nExample: amanah deploy status --json"
    )]
    Status,
}

fn time(text: &str) -> Result<Duration, String> {
    match Unit::Period.parse(text).map_err(|error| error.to_string())? {
        Value::Period(time) => Ok(time),
        _ => Err("a time such as 30s".to_owned()),
    }
}

fn drain(text: &str) -> Result<Duration, String> {
    match time(text)? {
        drain if drain <= LONGEST_DRAIN => Ok(drain),
        _ => Err("an hour at most".to_owned()),
    }
}
