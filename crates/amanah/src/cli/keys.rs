//! The command line of `amanah keys`.

use std::ops::Range;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use jiff::SignedDuration;
use kernel::TenantId;
use keys::{Kind, Operation, Purpose};

use crate::config;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Show every key, its age and its users, and the ring that holds them.
    #[command(after_help = "Example: amanah keys list --json")]
    List,
    /// Make a key.
    #[command(after_help = "Example: amanah keys create invoices --purpose files")]
    Create(Create),
    /// Give keys a new version. What they encrypted stays as it is and opens as before.
    #[command(after_help = "Examples: amanah keys rotate invoices --tenant 17\n          \
                      amanah keys rotate --due\n          \
                      amanah keys rotate --emergency")]
    Rotate(Rotate),
    /// Change a key's settings.
    #[command(after_help = "Examples: amanah keys set invoices --rotate-after 30d\n          \
                      amanah keys set invoices --tenant 17 --removable\n          \
                      amanah keys set invoices --min-decryption 3")]
    Set(Set),
    /// Destroy old versions of a key for good, and with them what they encrypted and was not
    /// rewrapped since.
    #[command(after_help = "The version that encrypts always stays.\n\
                      Examples: amanah keys trim invoices --before 4\n          \
                      amanah keys trim invoices --tenant 17 --older-than 90d")]
    Trim(Trim),
    /// Destroy a key for good, and with it everything it encrypted.
    #[command(after_help = "It must be allowed first: amanah keys set NAME --removable\n\
                      Example: amanah keys remove invoices --tenant 17")]
    Remove(Which),
    /// Destroy every key of a tenant for good, and with them everything they encrypted.
    #[command(
        after_help = "Without --yes nothing is destroyed: it says what would be, and what would \
                      remain where (exit code 2).\nExample: amanah keys shred --tenant 17 --yes"
    )]
    Shred(Shred),
    /// Encrypt a file of any size. Beside the sealed file lies FILE.sealed.key, which holds its
    /// wrapped key.
    #[command(
        after_help = "Example: amanah keys seal backup.tar --key archive --out backup.tar.sealed"
    )]
    Seal(Seal),
    /// Decrypt a file, or a part of it.
    #[command(
        after_help = "Example: amanah keys open backup.tar.sealed --range 0-1048575 --out head"
    )]
    Open(Open),
    /// Bring every file's wrapped key under a folder to the newest version. The files themselves
    /// are not touched; it can be stopped and begun again at any time.
    #[command(after_help = "Example: amanah keys rewrap /srv/archive")]
    Rewrap {
        /// The folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Make a kit that brings the keys back when ring and root are lost, or try one out.
    #[command(
        after_help = "Examples: amanah keys recovery-kit --needed 3 --of 5 --out /media/usb\n          \
                      amanah keys recovery-kit --check kit.amanah --share a.share --share b.share\n          \
                      amanah keys recovery-kit --destroyed 0011223344556677"
    )]
    RecoveryKit(RecoveryKit),
    /// Bring the keys back from a recovery kit. Applications get new tokens afterwards.
    #[command(
        after_help = "Shares come from files, or from standard input, one a line. In a data \
                      directory that was never used it becomes the kit's installation.\n\
                      Example: amanah keys recover kit.amanah --share a.share --share b.share"
    )]
    Recover(Recover),
    /// Go on from an older ring, because the newer one is lost. What was destroyed stays destroyed;
    /// a token that was ended since works again, and is named.
    #[command(
        after_help = "Where the database remembers another ring and the file beside the ring \
                      remembers this one, it goes on and says so. Where no such file knows this \
                      ring, only `amanah keys recover --replace` does.\n\
                      Example: amanah keys accept --generation 41"
    )]
    Accept {
        /// The generation of the ring that is there.
        #[arg(long, value_name = "N")]
        generation: u64,
    },
    /// Say which applications may use keys, and for what.
    #[command(subcommand)]
    Client(Client),
    /// Seal the root's file with another secret: `AMANAH_NEW_ROOT_SECRET`, or the text of the file
    /// that `AMANAH_NEW_ROOT_SECRET_FILE` names. No key changes.
    #[command(
        after_help = "Example: AMANAH_NEW_ROOT_SECRET_FILE=/run/secrets/root amanah keys reseal"
    )]
    Reseal,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What to call it: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The tenant whose it is; without it, it is the house's own.
    #[arg(long, value_name = "ID", value_parser = tenant)]
    pub(crate) tenant: Option<TenantId>,
    /// What it is for: fields, files, backups or signing.
    #[arg(long, value_name = "PURPOSE", default_value = "fields", value_parser = purpose)]
    pub(crate) purpose: Purpose,
    /// What it can do: aes256-gcm, ed25519 or hmac.
    #[arg(long, value_name = "KIND", default_value = "aes256-gcm", value_parser = kind)]
    pub(crate) kind: Kind,
    /// Refuse every use that names no context.
    #[arg(long)]
    pub(crate) needs_context: bool,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["name", "due", "emergency"])))]
pub(crate) struct Rotate {
    /// The key.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Its tenant.
    #[arg(long, value_name = "ID", value_parser = tenant, conflicts_with_all = ["due", "emergency"])]
    pub(crate) tenant: Option<TenantId>,
    /// Every key that is older than its policy allows.
    #[arg(long)]
    pub(crate) due: bool,
    /// Everything but the key that signs the ring, up to the root, whose old generation is
    /// destroyed: for when a key or the root may be known to somebody.
    #[arg(long)]
    pub(crate) emergency: bool,
}

/// A key.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The key.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Its tenant; without it, it is the house's own.
    #[arg(long, value_name = "ID", value_parser = tenant)]
    pub(crate) tenant: Option<TenantId>,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group(
    ArgGroup::new("setting")
        .required(true)
        .multiple(true)
        .args(["rotate_after", "removable", "min_decryption"])
))]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Rotate it at this age, instead of what the configuration says of its purpose: 30d, 24h.
    #[arg(long, value_name = "PERIOD", value_parser = config::period)]
    pub(crate) rotate_after: Option<SignedDuration>,
    /// Allow that it is removed; `--removable=false` forbids it again.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) removable: Option<bool>,
    /// Versions below this one open nothing from now on. A lower number takes it back, as long as
    /// they are not trimmed.
    #[arg(long, value_name = "N")]
    pub(crate) min_decryption: Option<u32>,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("until").required(true).args(["before", "older_than"])))]
pub(crate) struct Trim {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Destroy the versions below this one.
    #[arg(long, value_name = "N")]
    pub(crate) before: Option<u32>,
    /// Destroy the versions that were made so long ago: 90d.
    #[arg(long, value_name = "PERIOD", value_parser = config::period)]
    pub(crate) older_than: Option<SignedDuration>,
}

#[derive(Debug, Args)]
pub(crate) struct Shred {
    /// The tenant.
    #[arg(long, value_name = "ID", value_parser = tenant)]
    pub(crate) tenant: TenantId,
    /// Do it. It cannot be undone.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The key.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: String,
    /// The key's tenant.
    #[arg(long, value_name = "ID", value_parser = tenant)]
    pub(crate) tenant: Option<TenantId>,
    /// Where to write it; without it, FILE.sealed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// What the file is called; it opens under this name alone. Without it, its file name.
    #[arg(long, value_name = "NAME")]
    pub(crate) object: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The sealed file; FILE.key lies beside it.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The key that it must be sealed with; without it, the one that FILE.key names.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// That key's tenant.
    #[arg(long, value_name = "ID", value_parser = tenant, requires = "key")]
    pub(crate) tenant: Option<TenantId>,
    /// What the file was called when it was sealed; without it, its file name.
    #[arg(long, value_name = "NAME")]
    pub(crate) object: Option<String>,
    /// Only these bytes, counted from 0, both ends included.
    #[arg(long, value_name = "A-B", value_parser = range)]
    pub(crate) range: Option<Range<u64>>,
    /// Where to write it; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("deed").required(true).args(["out", "check", "destroyed"])))]
pub(crate) struct RecoveryKit {
    /// How many shares open it.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) needed: u8,
    /// How many shares there are.
    #[arg(long, value_name = "M", default_value_t = 5)]
    pub(crate) of: u8,
    /// The folder to write kit and shares to, for you to hand out.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Try this kit out: open it, rebuild the keys aside, and compare. Nothing is changed.
    #[arg(long, value_name = "KIT", conflicts_with_all = ["needed", "of"])]
    pub(crate) check: Option<PathBuf>,
    /// A file with a share, for --check; without any, they are read from standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "destroyed"])]
    pub(crate) share: Vec<PathBuf>,
    /// Forget the kit of this id, because every copy of it, or enough of its shares, are destroyed.
    #[arg(long, value_name = "ID", conflicts_with_all = ["needed", "of"])]
    pub(crate) destroyed: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The kit.
    #[arg(value_name = "KIT")]
    pub(crate) kit: PathBuf,
    /// A file with a share; without any, they are read from standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) share: Vec<PathBuf>,
    /// Do it although the ring is there and opens: what was made after the kit is lost then. And
    /// although the database or the file beside the ring remembers another ring than the kit's.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Admit an application and print its token, once.
    #[command(after_help = "Example: amanah keys client add shop --keys 'orders*' --allow \
                      encrypt,decrypt --all-tenants --expires 90d")]
    Add(Add),
    /// Show who may use keys.
    #[command(after_help = "Example: amanah keys client list --json")]
    List,
    /// End an application's token.
    #[command(after_help = "Example: amanah keys client remove shop")]
    Remove {
        /// The application.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What to call it. An application of the same name gets a new token.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The keys it may use; `*` at the end stands for any rest. Amanah's own keys (`amanah.…`) are
    /// never among them. Not needed for what is done without a key.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    /// What it may do: encrypt, decrypt, rewrap, hmac, sign, read, manage (make, rotate and
    /// configure keys), destroy (trim and remove them, and allow removal); and for tenants: bind
    /// (get binding tokens), connect (get logins), provision (make, suspend and resume tenants),
    /// read-files, write-files, decide (ask what people may do).
    #[arg(long, value_name = "WHAT", required = true, value_delimiter = ',', value_parser = operation)]
    pub(crate) allow: Vec<Operation>,
    /// The protected databases in which it may bind tenants; `'*'` for all.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) databases: Vec<String>,
    /// Only these tenants, and their keys; without it, the house's keys alone.
    #[arg(long, value_name = "ID", value_parser = tenant, conflicts_with = "all_tenants")]
    pub(crate) tenant: Vec<TenantId>,
    /// Every tenant, and the house's keys.
    #[arg(long)]
    pub(crate) all_tenants: bool,
    /// When its token ends: 30d, 24h. Without it, when it is removed.
    #[arg(long, value_name = "PERIOD", value_parser = config::period)]
    pub(crate) expires: Option<SignedDuration>,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::new(text).map_err(|error| error.to_string())
}

fn purpose(text: &str) -> Result<Purpose, String> {
    word(text, "fields, files, backups or signing")
}

fn kind(text: &str) -> Result<Kind, String> {
    word(text, "aes256-gcm, ed25519 or hmac")
}

fn operation(text: &str) -> Result<Operation, String> {
    let choices = "encrypt, decrypt, rewrap, hmac, sign, read, manage, destroy, bind, connect, \
                   provision, read-files, write-files or decide";
    word(text, choices)
}

/// Reads a word as the ring's document writes it, so that there is one spelling of each.
fn word<T: serde::de::DeserializeOwned>(text: &str, choices: &str) -> Result<T, String> {
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|_| format!("choose {choices}"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is no range; write FIRST-LAST, as in 0-1023");
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let (first, last) = (number(first)?, number(last)?);
    match last.checked_add(1) {
        Some(end) if first <= last => Ok(first..end),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Keys, range};
    use crate::cli::{Cli, Command};

    /// Clap checks the whole tree of commands.
    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rotation_says_of_what_once() {
        let parse = |more: &str| {
            let all = ["amanah", "keys", "rotate"].into_iter().chain(more.split_whitespace());
            Cli::try_parse_from(all)
        };
        for good in ["orders", "orders --tenant 17", "--due", "--emergency"] {
            let cli = parse(good).unwrap();
            assert!(matches!(cli.command, Command::Keys(Keys::Rotate(_))), "{good}");
        }
        for bad in ["", "orders --due", "--due --emergency", "--tenant 17", "--due --tenant 17"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_set_and_trimmed_with_a_reason() {
        let parse = |more: &str| {
            let all = ["amanah", "keys"].into_iter().chain(more.split_whitespace());
            Cli::try_parse_from(all)
        };
        for good in [
            "set orders --removable",
            "set orders --removable=false --rotate-after 30d --min-decryption 2 --tenant 17",
            "trim orders --before 3",
            "trim orders --older-than 90d --tenant 17",
            "remove orders --tenant 17",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "set orders",
            "set --removable",
            "set orders --removable maybe",
            "trim orders",
            "trim orders --before 3 --older-than 90d",
            "remove",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let Command::Keys(Keys::Set(set)) = parse("set orders --removable").unwrap().command else {
            panic!("another command")
        };
        assert_eq!((set.which.name.as_str(), set.removable), ("orders", Some(true)));
    }

    #[test]
    fn a_kit_is_made_or_tried_out() {
        let parse = |more: &str| {
            let all = ["amanah", "keys", "recovery-kit"].into_iter().chain(more.split_whitespace());
            Cli::try_parse_from(all).is_ok()
        };
        assert!(parse("--needed 2 --of 3 --out kits") && parse("--out kits"));
        assert!(parse("--check kit --share a --share b") && parse("--check kit"));
        assert!(parse("--destroyed 0011223344556677"));
        for bad in [
            "",
            "--out kits --check kit",
            "--share a --out kits",
            "--needed 2",
            "--destroyed id --out kits",
            "--destroyed id --share a",
        ] {
            assert!(!parse(bad), "{bad}");
        }
    }

    #[test]
    fn a_range_has_two_ends() {
        assert_eq!(range("0-0"), Ok(0..1));
        assert_eq!(range("5-9"), Ok(5..10));
        for wrong in ["", "5", "9-5", "-5", "5-", "a-b", "0-18446744073709551615"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
