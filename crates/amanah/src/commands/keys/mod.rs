//! `amanah keys`: one file for each kind of work on keys.

mod change;
mod client;
mod destroy;
mod files;
mod list;
mod recovery;
mod shred;

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use keys::{KeyName, KeyRef};

use crate::cli::Place;
use crate::cli::keys::Keys;
use crate::exit::{Exit, Usage};

pub(crate) async fn run(place: &Place, command: Keys) -> anyhow::Result<Exit> {
    match command {
        Keys::List => list::run(place).await,
        Keys::Create(create) => change::create(place, create).await,
        Keys::Rotate(rotate) => change::rotate(place, rotate).await,
        Keys::Set(set) => change::set(place, set).await,
        Keys::Trim(trim) => destroy::trim(place, trim).await,
        Keys::Remove(which) => destroy::remove(place, which).await,
        Keys::Shred(shred) => shred::run(place, shred).await,
        Keys::Seal(seal) => files::seal(place, seal).await,
        Keys::Open(open) => files::open(place, open).await,
        Keys::Rewrap { folder } => files::rewrap(place, &folder).await,
        Keys::RecoveryKit(kit) => recovery::kit(place, kit).await,
        Keys::Recover(recover) => recovery::recover(place, recover).await,
        Keys::Accept { generation } => recovery::accept(place, generation).await,
        Keys::Client(client) => client::run(place, client).await,
        Keys::Reseal => recovery::reseal(place).await,
    }
}

/// The key that the command line names.
fn named(name: &str, tenant: Option<TenantId>) -> anyhow::Result<KeyRef> {
    let name = KeyName::new(name).map_err(|error| Usage(error.to_string()))?;
    Ok(KeyRef { tenant, name })
}

/// The key that the command line names, if it is an application's: Amanah's own are made by
/// Amanah, and nothing could be read any more if one were removed.
fn application(name: &str, tenant: Option<TenantId>) -> anyhow::Result<KeyRef> {
    let key = named(name, tenant)?;
    if key.name.is_own() {
        return Err(Usage(format!(
            "{} is the name of one of Amanah's own keys; nothing was changed, choose another",
            key.name
        ))
        .into());
    }
    Ok(key)
}

/// What the rings' documents call a kind, a purpose or an operation.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// How long ago `at` was, in its largest unit.
fn age(at: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(at))
}

/// A length of time in its largest unit: `12d`, `3h`, `-2d`.
fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds.unsigned_abs() {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "m"),
        3_600..86_400 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count}{unit}")
}

/// Lines of cells as a table, each column as wide as its widest cell.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use keys::{Operation, Purpose};

    use super::{application, columns, length, word};

    #[test]
    fn amanahs_own_keys_are_not_for_applications() {
        assert!(application("orders", None).is_ok() && application("amanah", None).is_ok());
        let refused = application(keys::SECRETS_KEY, None).unwrap_err();
        assert!(refused.to_string().contains("own keys"), "{refused}");
    }

    #[test]
    fn a_length_is_told_in_its_largest_unit() {
        let told = |seconds| length(SignedDuration::from_secs(seconds));
        assert_eq!([told(0), told(59), told(61), told(7_300)], ["0s", "59s", "1m", "2h"]);
        assert_eq!([told(86_400 * 12), told(-86_400 * 2)], ["12d", "-2d"]);
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(columns(&rows), "  a    b\n  ccc  d");
        assert_eq!(columns(&[]), "");
    }

    #[test]
    fn words_are_those_of_the_ring() {
        assert_eq!(word(Purpose::Files), "files");
        assert_eq!(word(Operation::Rewrap), "rewrap");
    }
}
