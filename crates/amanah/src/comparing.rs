//! A running `amanah up` compares PostgreSQL's write-ahead log with the trail of each protected database
//! all the time, so that no log grows and a write without a record is told at the next look.
//!
//! It promises that one database which is slow, or does not answer, holds up no other, and that what is
//! found, and that nothing can be compared, is told: once in what `amanah up` logs, again when
//! something new is found, and to `amanah doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::wal::{Comparison, Look, Standing};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use store::Db;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use crate::data::Data;
use crate::installation::Installation;
use crate::known::name;
use crate::{out, trail};

/// How often the logs are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How many are read at a time: each takes a connection to the control database meanwhile.
const AT_ONCE: usize = 3;
/// A slot that keeps more of its log than this, in bytes, is told of: its reader does not keep up.
const MUCH: i64 = 1 << 30;
/// Where a running process tells others what it found, in the folder of the logs.
const FOUND: &str = "trail/comparing.json";

/// The folder with how far the logs were compared, apart from the control database.
pub(crate) const COMPARED: &str = "trail-compared";

impl Installation {
    /// Who compares the servers' write-ahead logs with the trails.
    pub(crate) fn comparison(&self) -> Comparison {
        Comparison::new(self.ground.owner.clone(), Arc::clone(&self.cx.clock))
            .marked(self.data.root().join(COMPARED))
    }
}

/// Something that is to be told of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) database: String,
    pub(crate) what: String,
    /// What it is about, and the highest number of a difference: when these were told, it is not told
    /// again.
    #[serde(skip)]
    key: (String, i64),
}

impl Told {
    fn is_said_by(&self, before: &Self) -> bool {
        self.key.0 == before.key.0 && self.key.1 <= before.key.1
    }
}

/// What there is to tell of each database.
#[derive(Default)]
struct Board {
    running: BTreeSet<String>,
    told: BTreeMap<String, Vec<Told>>,
}

impl Board {
    /// What was seen of a database; what is new of it is logged.
    fn seen(&mut self, database: String, now: Vec<Told>) {
        self.running.remove(&database);
        let before = self.told.remove(&database).unwrap_or_default();
        for told in now.iter().filter(|told| !before.iter().any(|before| told.is_said_by(before))) {
            tracing::error!(database, "{}", told.what);
        }
        self.told.insert(database, now);
    }

    fn all(&self) -> Vec<Told> {
        self.told.values().flatten().cloned().collect()
    }
}

/// Compares until `stop` ends. A look that is ended in between loses nothing: the next one goes on where
/// the last one had kept what it found.
pub(crate) async fn keep(installation: &Installation, stop: impl Future<Output = ()>) {
    let comparing = async {
        let turns = Semaphore::new(AT_ONCE);
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looks, mut board) = (FuturesUnordered::new(), Board::default());
        let mut announced = None;
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let known = installation.known();
                    let mut names = BTreeSet::new();
                    for kept in &known.kept {
                        let Ok(guarded) = known.at(kept, &installation.ground) else { continue };
                        let Some(superuser) = &guarded.protected.superuser else { continue };
                        let database = name(kept);
                        names.insert(database.clone());
                        if board.running.insert(database.clone()) {
                            let superuser = superuser.clone();
                            looks.push(look(installation.comparison(), superuser, database, &turns));
                        }
                    }
                    board.told.retain(|database, _| names.contains(database));
                }
                Some((database, now)) = looks.next() => board.seen(database, now),
            }
            let all = board.all();
            if announced.as_ref() != Some(&all) && announce(&installation.data, &all).is_ok() {
                announced = Some(all);
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = comparing => {}
    }
}

/// Looks at one database when it is its turn.
async fn look(
    comparison: Comparison,
    superuser: Db,
    database: String,
    turns: &Semaphore,
) -> (String, Vec<Told>) {
    let _turn = turns.acquire().await;
    let seen = async {
        let look = comparison.read(&superuser).await?;
        anyhow::Ok((look, comparison.standing(&superuser).await?))
    };
    let found = match seen.await {
        Ok((look, standing)) => found(&look, standing.as_ref()),
        Err(error) => {
            let why = out::words(&error);
            vec![((why.clone(), 0), format!("its write-ahead log cannot be compared: {why}"))]
        }
    };
    let told = found.into_iter().map(|(key, what)| Told { database: database.clone(), what, key });
    let told = told.collect();
    (database, told)
}

/// What there is to tell: by what it is known to be the same, and in words.
fn found(look: &Look, standing: Option<&Standing>) -> Vec<((String, i64), String)> {
    let mut all = Vec::new();
    match look {
        Look::Done { kept, held } => {
            if *kept >= MUCH {
                let what =
                    format!("{} MiB of its write-ahead log are kept by the slot", kept >> 20);
                all.push((("kept".to_owned(), 0), what));
            }
            all.extend(held.iter().map(|held| {
                let whose = format!("{:?} {:?}", held.pid, held.prepared);
                let what = format!(
                    "{held}. The slot keeps its write-ahead log meanwhile, until that is lost; \
                     idle_in_transaction_session_timeout ends what was forgotten"
                );
                ((whose, 0), what)
            }));
        }
        Look::More => {
            let what = "more is written to its write-ahead log than can be compared";
            all.push(((what.to_owned(), 0), what.to_owned()));
        }
        Look::Impossible(why) => {
            all.push(((why.clone(), 0), format!("its write-ahead log cannot be compared: {why}")));
        }
        Look::Paused => {}
    }
    if let Some(standing) = standing
        && let Some(newest) = standing.open.first()
    {
        let what = format!(
            "{} between its write-ahead log and its trail; the newest, {}: {newest}. See `amanah audit \
             unrecorded`",
            out::count(standing.count, "difference"),
            newest.id
        );
        all.push((("differences".to_owned(), newest.id), what));
    }
    all
}

/// Does `work`, in which a superuser changes the trail itself: nothing of it is compared, and that it was
/// not is kept, with who explains it. Work that fails explains nothing, and the comparison goes on
/// after it all the same.
pub(crate) async fn uncompared<T>(
    comparison: &Comparison,
    superuser: Option<&Db>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let Some(superuser) = superuser else { return work.await };
    let paused = comparison.pause(superuser).await?;
    let done = work.await;
    let by = format!("amanah protect, with the login {}", superuser.url().user);
    let by = Some(by.as_str()).filter(|_| done.is_ok());
    if let Err(error) = paused.end(superuser, by).await {
        // The next look finds that it was not told, and leaves the difference for somebody to explain.
        tracing::warn!(why = out::words(&error.into()), "the comparison goes on at the next look");
    }
    done
}

fn announce(data: &Data, all: &[Told]) -> anyhow::Result<()> {
    data.folder(trail::FOLDER)?;
    data.replace(Path::new(FOUND), &serde_json::to_vec_pretty(all)?)
}

/// What a running process has found.
pub(crate) fn told(data: &Data) -> Vec<Told> {
    let told = std::fs::read(data.root().join(FOUND)).ok();
    told.and_then(|told| serde_json::from_slice(&told).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use audit::seal::Holder;
    use audit::wal::{Comparison, Kind, Look, Open, Standing};
    use jiff::Timestamp;
    use kernel::SystemClock;

    use super::{Told, found, uncompared};

    fn standing(ids: &[i64], count: u64) -> Standing {
        let open = |id: &i64| Open {
            id: *id,
            kind: Kind::Unrecorded,
            xid: 7,
            schema: "public".to_owned(),
            table: "sale".to_owned(),
            action: "UPDATE".to_owned(),
            changes: 2,
            records: 0,
            lsn: "0/1".to_owned(),
            seen_at: Timestamp::UNIX_EPOCH,
        };
        Standing {
            since: Timestamp::UNIX_EPOCH,
            looked_at: Timestamp::UNIX_EPOCH,
            transactions: 1,
            changes: 1,
            count,
            open: ids.iter().map(open).collect(),
            maintained: 0,
            maintained_at: None,
        }
    }

    /// What `amanah protect` does is passed over, explained by who ran it; when it fails, that is left to
    /// be explained, and the comparison goes on all the same.
    #[tokio::test]
    async fn work_that_fails_leaves_the_comparison_on() {
        let control = testkit::database(&[&audit::COMPARED_ROOM, &audit::ERASING_ROOM]).await;
        let shop = testkit::database(&[]).await;
        let superuser = Some(&shop.superuser);
        let comparison = Comparison::new(control.owner.clone(), Arc::new(SystemClock));
        let standing = async || {
            let look = comparison.read(&shop.superuser).await.unwrap();
            assert!(matches!(look, Look::Done { .. }), "{look:?}");
            comparison.standing(&shop.superuser).await.unwrap().unwrap()
        };
        standing().await;
        let done = uncompared(&comparison, superuser, async { Ok(5) }).await.unwrap();
        let after = standing().await;
        assert_eq!((done, after.count, after.maintained), (5, 0, 1));
        let failed = async { anyhow::Result::<()>::Err(anyhow::anyhow!("a plan that fails")) };
        uncompared(&comparison, superuser, failed).await.unwrap_err();
        let after = standing().await;
        assert_eq!((after.count, after.maintained), (1, 1));
        assert_eq!(after.open.first().unwrap().kind, Kind::Maintenance);
    }

    const DONE: Look = Look::Done { kept: 5, held: None };

    /// What cannot be compared is told like everything else, and a difference is news by its number:
    /// however many there were before it.
    #[test]
    fn what_is_found_is_told_once_for_each_new_one() {
        assert_eq!(found(&DONE, None), []);
        assert_eq!(found(&DONE, Some(&standing(&[], 0))), []);
        assert_eq!(found(&Look::Paused, None), []);
        let keys = |look: &Look, standing: &Standing| -> Vec<String> {
            found(look, Some(standing))
                .into_iter()
                .map(|((key, id), _)| format!("{key} {id}"))
                .collect()
        };
        assert_eq!(keys(&DONE, &standing(&[300, 299], 100)), ["differences 300"]);
        assert_eq!(keys(&DONE, &standing(&[301, 300], 100)), ["differences 301"]);
        let (_, words) = found(&DONE, Some(&standing(&[301], 151))).remove(0);
        assert!(
            words.starts_with("151 differences ") && words.contains("301: UPDATE of 2"),
            "{words}"
        );
        let held = Holder {
            pid: Some(5),
            prepared: None,
            login: "sari".to_owned(),
            database: "shop".to_owned(),
            since: Some(Timestamp::UNIX_EPOCH),
        };
        let much = Look::Done { kept: 1 << 31, held: Some(held) };
        assert_eq!(keys(&much, &standing(&[9], 1)), ["kept 0", "Some(5) None 0", "differences 9"]);
        let told =
            |id| Told { database: String::new(), what: String::new(), key: (String::new(), id) };
        assert!(told(9).is_said_by(&told(9)) && !told(10).is_said_by(&told(9)));
        assert!(told(8).is_said_by(&told(9)), "the newest was explained");
        let impossible = Look::Impossible("wal_level is replica".to_owned());
        assert_eq!(keys(&impossible, &standing(&[], 0)), ["wal_level is replica 0"]);
    }
}
