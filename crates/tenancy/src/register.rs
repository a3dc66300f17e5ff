//! The keys that a database honours, beside those that this installation has. Whoever holds a key can
//! bind any tenant, and it takes one row to let a database honour one: a key that nobody here has made
//! is as good as a policy that was taken away.
//!
//! Of two who look at different times neither is wrong: a key is written down before the database
//! gets it, and is in the database no more when it is struck out. So the database is asked, then what
//! was written down, then the database again. What it honours both times and was not written down in
//! between is nobody's here, whatever rotates meanwhile.

use std::collections::HashSet;

use jiff::Timestamp;
use kernel::{Finding, Fut, shown};
use sha2::{Digest, Sha256};
use store::{Db, Protected};

use crate::{Answer, BindingKey, CurrentKey, Result, sql};

/// Knows the keys that an installation has made for one database. The errors are for the reader.
pub trait Register: Send + Sync {
    /// The key that tokens are made with, one that is to follow it, and those before it that the
    /// database may still honour: as they are at this moment.
    fn keys(&self) -> Fut<'_, Answer<Vec<BindingKey>>>;
}

/// A key that a database honours and this installation has not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub kid: String,
    /// Until when it is honoured.
    pub until: Timestamp,
    /// Whether it goes by the name of one of ours.
    pub ours_by_name: bool,
}

/// What came of looking.
#[derive(Debug, Default)]
pub(crate) struct Honoured {
    /// One for each key that nobody here has made.
    pub(crate) findings: Vec<Finding>,
    /// Why it cannot be told whose such keys are.
    pub(crate) unsure: Option<String>,
}

impl Stranger {
    /// What is said of it.
    pub fn finding(&self) -> Finding {
        let (kid, until) = (shown(&self.kid), self.until);
        let what = if self.ours_by_name {
            format!("it honours another key by the name {kid} than this installation made")
        } else {
            format!(
                "it honours the key {kid}, which this installation did not make, until {until:.0}"
            )
        };
        let fix = format!(
            "whoever holds it can bind any tenant: find out who put it there; as the owner, DELETE \
             FROM amanah.binding_key WHERE kid = {}",
            store::literal(&self.kid)
        );
        Finding::new("amanah.binding_key", what).fix(fix)
    }
}

/// The keys that the database of `owner` honours, now or later, and that are none of `keys`.
///
/// # Errors
/// When the database does not answer, or what was written down cannot be read.
pub async fn strangers(owner: &Db, keys: &CurrentKey) -> Result<Vec<Stranger>> {
    let first = honoured(owner).await?;
    let ours = keys.all().await?;
    let made: HashSet<([u8; 32], &str)> =
        ours.iter().map(|key| (digest(&key.pads()), key.kid())).collect();
    let names: HashSet<&str> = ours.iter().map(BindingKey::kid).collect();
    let unknown = |row: &Row| !made.contains(&(row.pads, row.kid.as_str()));
    if !first.iter().any(unknown) {
        return Ok(Vec::new());
    }
    let again = honoured(owner).await?;
    let before = |row: &Row| first.iter().any(|one| one.kid == row.kid && one.pads == row.pads);
    let strange = again.into_iter().filter(|row| unknown(row) && before(row));
    let told = |row: Row| Stranger {
        ours_by_name: names.contains(row.kid.as_str()),
        kid: row.kid,
        until: row.until,
    };
    Ok(strange.map(told).collect())
}

/// The same as findings. Where another installation protects the database too, such a key may be its
/// own, and that cannot be told from here: then nothing is found and nothing is proven.
///
/// # Errors
/// As [`strangers`].
pub(crate) async fn examine(protected: &Protected, keys: &CurrentKey) -> Result<Honoured> {
    let strangers = strangers(&protected.owner, keys).await?;
    if strangers.is_empty() {
        return Ok(Honoured::default());
    }
    let others = others(protected).await?;
    let findings: Vec<Finding> = strangers.iter().map(Stranger::finding).collect();
    // Nobody else's key has the name of one of ours.
    if others.is_empty() || strangers.iter().any(|stranger| stranger.ours_by_name) {
        return Ok(Honoured { findings, unsure: None });
    }
    let kids: Vec<String> = strangers.iter().map(|stranger| shown(&stranger.kid)).collect();
    let unsure = format!(
        "the database honours keys of bindings that this installation did not make: {}. They may be \
         those of another installation, whose login {} is there; whoever holds them can bind any \
         tenant. Let one installation alone protect it, and remove the other's keys and logins",
        kids.join(", "),
        others.join(", ")
    );
    Ok(Honoured { findings: Vec::new(), unsure: Some(unsure) })
}

/// A key as the database has it.
struct Row {
    kid: String,
    /// A digest of its pads: whatever is compared tells nothing of them.
    pads: [u8; 32],
    until: Timestamp,
}

async fn honoured(owner: &Db) -> Result<Vec<Row>> {
    let tx = owner.operator().await?;
    let rows = tx.query(sql::HONOURED_KEYS, &[]).await?;
    tx.rollback().await?;
    let read = |row: &store::Row| {
        let pads: (&[u8], &[u8]) = (row.get(1), row.get(2));
        Row { kid: row.get(0), pads: digest(&pads), until: row.get(3) }
    };
    Ok(rows.iter().map(read).collect())
}

/// Intruders of other installations, by their names.
async fn others(protected: &Protected) -> Result<Vec<String>> {
    let own = protected.intruder.url().user.as_str();
    let tx = protected.owner.operator().await?;
    let rows = tx.query(sql::OTHER_INTRUDERS, &[&own, &protected.app_role]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Of both pads. They have one length, unless somebody took the table's constraints away.
fn digest(pads: &(impl AsRef<[u8]>, impl AsRef<[u8]>)) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(pads.0.as_ref().len().to_be_bytes());
    hash.update(pads.0.as_ref());
    hash.update(pads.1.as_ref());
    hash.finalize().into()
}
