//! A log in a folder and a real witness in another, with a door between them that can be shut.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use kernel::{FixedRng, Fut, ManualClock};
use tempfile::TempDir;
use tlog::{Checkpoint, Cosigner, Note, Signer, WitnessKey};

use witness::Witness;

use super::{COSIGNED, Contradiction, Door, Handover, Reply, WitnessStanding};
use crate::seal::{Folder, Growth, Shelf};

const LOG: &str = "amanah-ab12/shop";

/// The way to a witness in this process.
struct Way {
    witness: Witness,
    shut: AtomicBool,
    /// Answers something else instead.
    instead: Mutex<Option<Reply>>,
    asked: AtomicUsize,
}

impl Door for Way {
    fn add(&self, request: String) -> Fut<'_, Result<Reply, String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = || {
            if self.shut.load(Ordering::SeqCst) {
                return Err("nobody is there".to_owned());
            }
            if let Some(instead) = self.instead.lock().unwrap().clone() {
                return Ok(instead);
            }
            let answer = self.witness.add(request.as_bytes());
            Ok(Reply { status: answer.status(), text: answer.text() })
        };
        let answer = answer();
        Box::pin(async move { answer })
    }
}

struct House {
    place: TempDir,
    clock: Arc<ManualClock>,
    signer: Signer,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        let signer = Signer::from_seed(LOG, &[7; 32]).unwrap();
        Self { place: TempDir::new().unwrap(), clock, signer }
    }

    fn log(&self) -> std::path::PathBuf {
        self.place.path().join("log")
    }

    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(Folder::new(self.log()))
    }

    fn way(&self, name: &str) -> Arc<Way> {
        let (folder, keys) = (self.place.path().join(name), vec![self.signer.verifier().clone()]);
        let witness =
            Witness::open(&folder, Some(name), keys, self.clock.clone(), &FixedRng::new(1));
        Arc::new(Way {
            witness: witness.unwrap(),
            shut: AtomicBool::default(),
            instead: Mutex::default(),
            asked: AtomicUsize::default(),
        })
    }

    fn watch(&self, ways: &[&Arc<Way>]) -> Handover {
        let witness = |way: &&Arc<Way>| -> (WitnessKey, Arc<dyn Door>) {
            (way.witness.key().clone(), Arc::<Way>::clone(way))
        };
        let keys = vec![self.signer.verifier().clone()];
        Handover::new(keys, self.shelf(), ways.iter().map(witness).collect(), self.now())
    }

    fn now(&self) -> Timestamp {
        kernel::Clock::now(&*self.clock)
    }

    fn wait(&self, seconds: i64) {
        self.clock.set(self.now() + SignedDuration::from_secs(seconds));
    }

    /// Puts entries into the log, or none for a heartbeat, as its sealer does.
    async fn seal(&self, entries: &[&str]) {
        let lies = self.shelf();
        let before = lies.checkpoint().await.unwrap();
        let head = before
            .as_ref()
            .map(|stored| Checkpoint::parse(Note::parse(&stored.note).unwrap().text()).unwrap());
        let mut growth = match head {
            Some(head) => {
                let reader = crate::seal::LogReader::new(Arc::clone(&lies), head.size);
                Growth::resume(&reader, head.root).await.unwrap()
            }
            None => Growth::default(),
        };
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        lies.put(growth.grow(&entries).unwrap()).await.unwrap();
        let more = vec![format!("time {}", self.now())];
        let (origin, size, root) = (LOG.to_owned(), growth.size(), growth.root());
        let note = Checkpoint { origin, size, root, more }.to_string();
        let note = Note::new(note).unwrap().signed(&self.signer).to_string();
        lies.replace_checkpoint(before.as_ref(), &note).await.unwrap();
    }

    /// Who has cosigned the checkpoint that lies beside the log, and how many entries it has.
    fn cosigned(&self, ways: &[&Arc<Way>]) -> (u64, Vec<bool>) {
        let text = fs::read_to_string(self.log().join(COSIGNED)).unwrap();
        let note = Note::parse(&text).unwrap();
        note.open(self.signer.verifier()).unwrap();
        let size = Checkpoint::parse(note.text()).unwrap().size;
        (size, ways.iter().map(|way| note.seen_by(way.witness.key()).is_ok()).collect())
    }
}

fn only(watch: &Handover) -> WitnessStanding {
    let [standing] = &watch.standings()[..] else { panic!("one witness") };
    standing.clone()
}

#[tokio::test]
async fn what_is_sealed_is_cosigned_and_lies_beside_the_log() {
    let house = House::new();
    let way = house.way("w1");
    let mut watch = house.watch(&[&way]);
    watch.round(house.now()).await.unwrap();
    assert_eq!(way.asked.load(Ordering::SeqCst), 0, "there is no checkpoint yet");
    for (entries, size) in [(&["a", "b", "c"][..], 3), (&["d"], 4), (&[], 4)] {
        house.wait(1);
        house.seal(entries).await;
        for _ in 0..3 {
            watch.round(house.now()).await.unwrap();
        }
        assert_eq!(house.cosigned(&[&way]), (size, vec![true]));
        let standing = only(&watch);
        assert_eq!((standing.size, standing.behind), (Some(size), 0));
        assert_eq!(standing.age(house.now()), std::time::Duration::ZERO);
    }
    assert_eq!(way.asked.load(Ordering::SeqCst), 3, "each checkpoint is handed in once");
    // Another process goes on from what lies there.
    house.wait(7);
    let mut next = house.watch(&[&way]);
    next.round(house.now()).await.unwrap();
    assert_eq!(only(&next).size, Some(4));
    house.seal(&["e"]).await;
    next.round(house.now()).await.unwrap();
    assert_eq!((house.cosigned(&[&way]), way.asked.load(Ordering::SeqCst)), ((5, vec![true]), 5));
}

#[tokio::test]
async fn a_witness_that_is_away_is_asked_again_and_holds_nobody_up() {
    let house = House::new();
    let (here, away) = (house.way("w1"), house.way("w2"));
    away.shut.store(true, Ordering::SeqCst);
    let mut watch = house.watch(&[&here, &away]);
    for n in 0..100 {
        house.seal(&[&format!("entry {n}")]).await;
        watch.round(house.now()).await.unwrap();
        house.wait(1);
    }
    assert_eq!(house.cosigned(&[&here, &away]), (100, vec![true, false]));
    let asked = away.asked.load(Ordering::SeqCst);
    assert!((5..=9).contains(&asked), "it waits longer each time: {asked}");
    let [_, standing] = &watch.standings()[..] else { panic!("two witnesses") };
    assert_eq!((standing.size, standing.behind), (None, 100));
    assert_eq!(standing.age(house.now()), std::time::Duration::from_secs(100), "since the start");
    // Only the newest is handed in when it is back, within a minute; nothing in between is missed.
    away.shut.store(false, Ordering::SeqCst);
    house.wait(60);
    watch.round(house.now()).await.unwrap();
    assert_eq!(house.cosigned(&[&here, &away]), (100, vec![true, true]));
    assert_eq!(away.witness.seen(), [(LOG, Some(100))]);
}

/// The clock of the machine is put back by a day: nobody waits for a day.
#[tokio::test]
async fn a_clock_that_goes_back_stops_nothing() {
    let house = House::new();
    let way = house.way("w1");
    let mut watch = house.watch(&[&way]);
    way.shut.store(true, Ordering::SeqCst);
    house.seal(&["a"]).await;
    watch.round(house.now()).await.unwrap();
    way.shut.store(false, Ordering::SeqCst);
    house.wait(-86_400);
    watch.round(house.now()).await.unwrap();
    assert_eq!(house.cosigned(&[&way]), (1, vec![true]));
}

/// The log is put back to an older copy, and goes on from there: the witness says so at every size.
#[tokio::test]
async fn a_log_that_was_put_back_is_found() {
    let house = House::new();
    let way = house.way("w1");
    let mut watch = house.watch(&[&way]);
    let mut round = async |house: &House| {
        house.wait(120);
        watch.round(house.now()).await.unwrap();
        only(&watch).contradicts
    };
    house.seal(&["a", "b"]).await;
    assert_eq!(round(&house).await, None);
    let copy = files(&house.log());
    house.seal(&["c", "d", "e"]).await;
    assert_eq!(round(&house).await, None);
    let cosigned = house.cosigned(&[&way]);
    fs::remove_dir_all(house.log()).unwrap();
    put(&house.log(), &copy);
    assert_eq!(round(&house).await, Some(Contradiction::Ahead { seen: 5, ours: 2 }));
    house.seal(&["x", "y", "z"]).await;
    assert_eq!(round(&house).await, Some(Contradiction::Split { seen: 5 }));
    house.seal(&["more"]).await;
    assert_eq!(round(&house).await, Some(Contradiction::Forked { seen: 5 }));
    // Silence takes nothing back, and what was cosigned stays what it was.
    way.shut.store(true, Ordering::SeqCst);
    assert_eq!(round(&house).await, Some(Contradiction::Forked { seen: 5 }));
    way.shut.store(false, Ordering::SeqCst);
    assert_eq!((way.witness.seen(), cosigned), (vec![(LOG, Some(5))], (5, vec![true])));
    assert_eq!(house.cosigned(&[&way]).0, 2, "the copy's");
}

/// An answer that is not what the witness signed is worth nothing.
#[tokio::test]
async fn a_false_answer_is_not_believed() {
    let house = House::new();
    let way = house.way("w1");
    let mut watch = house.watch(&[&way]);
    house.seal(&["a"]).await;
    let stranger = Cosigner::from_seed("w1", &[9; 32]).unwrap();
    let note = Note::new("other\n1\nAAAA\n").unwrap().cosignature(&stranger, 1);
    for (status, text) in
        [(200, note.as_str()), (200, ""), (409, "many\n"), (500, "no"), (302, ""), (404, "who?")]
    {
        *way.instead.lock().unwrap() = Some(Reply { status, text: text.to_owned() });
        house.wait(120);
        watch.round(house.now()).await.unwrap();
        assert!(!house.log().join(COSIGNED).exists(), "{status} {text}");
        assert_eq!((only(&watch).size, only(&watch).contradicts), (None, None), "{status}");
    }
    // A size that changes each time is not followed for ever.
    let asked = way.asked.load(Ordering::SeqCst);
    *way.instead.lock().unwrap() = Some(Reply { status: 409, text: "0\n".to_owned() });
    house.wait(120);
    watch.round(house.now()).await.unwrap();
    assert_eq!(way.asked.load(Ordering::SeqCst) - asked, 3);
    *way.instead.lock().unwrap() = None;
    house.wait(120);
    watch.round(house.now()).await.unwrap();
    assert_eq!(house.cosigned(&[&way]), (1, vec![true]));
}

/// What lies beside the log is only where to begin: whatever it holds, the next round is as good.
#[tokio::test]
async fn a_damaged_memory_is_asked_for_anew() {
    for damage in [&b""[..], b"\xff\xfe", b"other\n9\n\n", b"not a note"] {
        let house = House::new();
        let way = house.way("w1");
        house.seal(&["a"]).await;
        house.watch(&[&way]).round(house.now()).await.unwrap();
        fs::write(house.log().join(COSIGNED), damage).unwrap();
        house.seal(&["b"]).await;
        house.watch(&[&way]).round(house.now()).await.unwrap();
        assert_eq!(house.cosigned(&[&way]), (2, vec![true]));
    }
}

/// What a stranger has put below a checkpoint, or has signed himself, goes no further.
#[tokio::test]
async fn a_strangers_words_go_no_further() {
    let house = House::new();
    let way = house.way("w1");
    house.seal(&["a"]).await;
    house.watch(&[&way]).round(house.now()).await.unwrap();
    let path = house.log().join(COSIGNED);
    let good = fs::read_to_string(&path).unwrap();
    let stranger = Signer::from_seed("stranger", &[9; 32]).unwrap();
    let note = Note::parse(&good).unwrap();
    fs::write(&path, note.clone().signed(&stranger).to_string()).unwrap();
    let mut watch = house.watch(&[&way]);
    watch.round(house.now()).await.unwrap();
    assert_eq!(watch.cosigned().map(ToString::to_string), Some(good));
    let other = Signer::from_seed(LOG, &[9; 32]).unwrap();
    let forged = Note::new(note.text().replace("\n1\n", "\n7\n")).unwrap().signed(&other);
    fs::write(&path, forged.to_string()).unwrap();
    let mut watch = house.watch(&[&way]);
    assert!(watch.cosigned().is_none());
    watch.round(house.now()).await.unwrap();
    assert_eq!((only(&watch).size, house.cosigned(&[&way])), (Some(1), (1, vec![true])));
}

fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(inner, bytes)| {
                    (Path::new(path.file_name().unwrap()).join(inner), bytes)
                }),
            );
        } else {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

fn put(folder: &Path, files: &BTreeMap<std::path::PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
