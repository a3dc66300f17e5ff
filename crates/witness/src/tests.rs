//! A witness is shown good and bad checkpoints, by one and by many, before and after it died.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use jiff::Timestamp;
use kernel::{FixedRng, ManualClock};
use proptest::prelude::*;
use tempfile::TempDir;
use tlog::{Checkpoint, Edge, Hash, Note, Signer, Submission, Verifier};

use super::{Answer, Error, Misfit, Witness};

const LOG: &str = "trail.example/shop";
const NAME: &str = "witness.example/w1";

/// A log as whoever holds its key can write it: entries of one history, or of another from some entry
/// on.
struct Told {
    forked_at: u64,
    signer: Signer,
}

impl Told {
    fn honest() -> Self {
        Self::forked(u64::MAX)
    }

    fn forked(forked_at: u64) -> Self {
        Self { forked_at, signer: Signer::from_seed(LOG, &[7; 32]).unwrap() }
    }

    fn over(&self, range: std::ops::Range<u64>) -> Hash {
        let mut edge = Edge::default();
        for n in range {
            let forked = if n >= self.forked_at { "other " } else { "" };
            edge.push(Hash::leaf(format!("{forked}entry {n}").as_bytes()), |_, _| ());
        }
        edge.root()
    }

    /// The checkpoint of `size` entries, signed at second `at` where it says when.
    fn checkpoint(&self, size: u64, at: Option<i64>) -> Note {
        let time = |at| format!("time {}", Timestamp::from_second(at).unwrap());
        let more = at.map(time).into_iter().collect();
        let checkpoint =
            Checkpoint { origin: LOG.to_owned(), size, root: self.over(0..size), more };
        Note::new(checkpoint.to_string()).unwrap().signed(&self.signer)
    }

    fn request(&self, old: u64, size: u64, at: Option<i64>) -> Submission {
        let ranges = tlog::consistency(old, size).unwrap();
        let proof = ranges.into_iter().map(|range| self.over(range)).collect();
        Submission { old, proof, checkpoint: self.checkpoint(size, at) }
    }
}

/// A witness that knows the log of [`Told`], in a folder that outlives it.
struct Place {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        Self { folder: TempDir::new().unwrap(), clock }
    }

    fn open(&self) -> Witness {
        self.try_open(Some(NAME)).unwrap()
    }

    fn try_open(&self, name: Option<&str>) -> super::Result<Witness> {
        let keys = vec![Told::honest().signer.verifier().clone()];
        Witness::open(self.folder.path(), name, keys, self.clock.clone(), &FixedRng::new(1))
    }

    fn log_file(&self) -> std::path::PathBuf {
        let files = fs::read_dir(self.folder.path().join("logs")).unwrap();
        files.map(|file| file.unwrap().path()).next().unwrap()
    }

    /// The names of what was kept as evidence, in order.
    fn cases(&self) -> Vec<String> {
        let Ok(logs) = fs::read_dir(self.folder.path().join("evidence")) else { return Vec::new() };
        let files = logs.flat_map(|log| fs::read_dir(log.unwrap().path()).unwrap());
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn add(witness: &Witness, request: &Submission) -> Answer {
    witness.add(request.to_string().as_bytes())
}

/// The cosignature is one, over this checkpoint.
fn cosigned(witness: &Witness, request: &Submission) {
    match add(witness, request) {
        Answer::Cosigned(line) => {
            let note = request.checkpoint.clone().with_cosignature(witness.key(), &line).unwrap();
            assert!(note.seen_by(witness.key()).is_ok());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_that_grows_is_cosigned() {
    let (place, log) = (Place::new(), Told::honest());
    let witness = place.open();
    assert_eq!((witness.seen(), witness.newest(LOG)), (vec![(LOG, None)], None));
    for (old, size) in [(0, 3), (3, 3), (3, 4), (4, 300), (300, 300), (300, 301)] {
        cosigned(&witness, &log.request(old, size, None));
        assert_eq!(witness.seen(), [(LOG, Some(size))]);
        let newest = Note::parse(&witness.newest(LOG).unwrap()).unwrap();
        assert_eq!(newest.seen_by(witness.key()), Ok(1_700_000_000));
        assert!(newest.open(log.signer.verifier()).is_ok());
    }
    assert_eq!(place.cases(), [""; 0]);
}

/// Every answer of the protocol, and what is known after it: the same as before.
#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (place, log, fork) = (Place::new(), Told::honest(), Told::forked(5));
    let witness = place.open();
    cosigned(&witness, &log.request(0, 8, Some(100)));
    let (known, file) = (witness.newest(LOG), fs::read(place.log_file()).unwrap());
    let stranger = Told { signer: Signer::from_seed(LOG, &[6; 32]).unwrap(), ..Told::honest() };
    let elsewhere = Signer::from_seed("trail.example/other", &[7; 32]).unwrap();
    let other = log.checkpoint(9, None).text().replace(LOG, "trail.example/other");
    let other = Note::new(other).unwrap().signed(&elsewhere);
    let good = log.request(8, 12, Some(101));
    let mut damaged = good.clone();
    damaged.proof.pop();
    let mut longer = log.request(8, 8, Some(101));
    longer.proof.push(Hash::empty());
    let ahead = Submission { old: 13, ..good.clone() };
    let cases = [
        ("split view", fork.request(8, 8, Some(101)), 409, "8\n"),
        ("split view, from elsewhere", fork.request(2, 8, None), 409, "8\n"),
        ("rolled back", log.request(6, 6, Some(101)), 409, "8\n"),
        ("older, handed in late", log.request(6, 6, Some(99)), 409, "8\n"),
        ("older, at no time", log.request(2, 6, None), 409, "8\n"),
        ("from elsewhere", log.request(3, 12, Some(101)), 409, "8\n"),
        ("forked", fork.request(8, 12, Some(101)), 422, "it is not shown"),
        ("no proof", Submission { proof: Vec::new(), ..good.clone() }, 422, "it is not shown"),
        ("damaged proof", damaged, 422, "it is not shown"),
        ("a proof too many", longer, 422, "it is not shown"),
        ("old beyond", ahead, 400, "this is no request: its old"),
        ("another key", stranger.request(8, 12, None), 403, "no key of this log"),
        (
            "another log",
            Submission { old: 8, proof: Vec::new(), checkpoint: other },
            404,
            "this log",
        ),
    ];
    for (what, request, status, text) in cases {
        let answer = add(&witness, &request);
        assert_eq!(answer.status(), status, "{what}");
        assert!(answer.text().starts_with(text), "{what}: {}", answer.text());
        assert!(!answer.text().contains('\u{2014}'), "{what}: no signature leaves");
        assert_eq!(witness.newest(LOG), known, "{what}");
        assert_eq!(fs::read(place.log_file()).unwrap(), file, "{what}");
    }
    cosigned(&witness, &good);
    let cases = place.cases();
    let kinds: Vec<&str> = cases.iter().map(|name| name.split('-').next().unwrap()).collect();
    // With a proof that is none, anybody can hand in what everybody knows: that is no evidence.
    assert_eq!(kinds, ["rolled", "split", "split", "unproven"]);
}

/// Both signed checkpoints stand in the evidence, and the text says what they are.
#[test]
fn a_contradiction_is_kept_with_both_signatures() {
    let (place, log, fork) = (Place::new(), Told::honest(), Told::forked(5));
    let witness = place.open();
    cosigned(&witness, &log.request(0, 8, Some(100)));
    for _ in 0..3 {
        let answer = add(&witness, &fork.request(0, 8, Some(101)));
        assert!(matches!(answer, Answer::Conflict { misfit: Some(Misfit::Split), .. }));
    }
    let [name] = &place.cases()[..] else { panic!("{:?}", place.cases()) };
    let folder = fs::read_dir(place.folder.path().join("evidence")).unwrap().next().unwrap();
    let text = fs::read_to_string(folder.unwrap().path().join(name)).unwrap();
    let (known, shown) = text.split_once("== shown ==\n").unwrap();
    let (head, known) = known.split_once("== known ==\n").unwrap();
    assert!(head.starts_with("split view: another tree of the same size\n"), "{head}");
    let known = Note::parse(known).unwrap();
    let shown = Submission::parse(shown.as_bytes()).unwrap().checkpoint;
    let verifier = log.signer.verifier();
    let (known, shown) = (known.open(verifier).unwrap(), shown.open(verifier).unwrap());
    assert_eq!(Checkpoint::parse(known.text()).unwrap().root, log.over(0..8));
    assert_eq!(Checkpoint::parse(shown.text()).unwrap().root, fork.over(0..8));
}

/// Whoever repeats a good checkpoint with proofs that are worth nothing fills no disk.
#[test]
fn evidence_has_a_bound_for_each_kind() {
    let (place, log) = (Place::new(), Told::honest());
    let witness = place.open();
    cosigned(&witness, &log.request(0, 8, Some(100)));
    for at in 0..130 {
        for proof in [Vec::new(), vec![Hash::empty()]] {
            let request = Submission { proof, ..log.request(8, 8, Some(200 + at)) };
            // That of `8` to itself is empty, and is shown.
            let status = if request.proof.is_empty() { 200 } else { 422 };
            assert_eq!(add(&witness, &request).status(), status);
        }
        let request = log.request(8, 9, Some(400 + at));
        let worthless = Submission { proof: Vec::new(), ..request.clone() };
        assert_eq!(add(&witness, &worthless).status(), 422);
        let proof = vec![Hash::empty(); request.proof.len()];
        assert_eq!(add(&witness, &Submission { proof, ..request }).status(), 422);
    }
    let cases = place.cases();
    assert!(cases.len() == 101 && cases.iter().any(|name| name == "unproven-newest.txt"));
    assert_eq!(add(&witness, &Told::forked(1).request(0, 8, None)).status(), 409);
    assert_eq!(place.cases().len(), 102, "another kind has a place of its own");
}

/// What was said is remembered: before it is said, and whatever happens after.
#[test]
fn what_was_cosigned_is_known_after_a_death() {
    let (place, log, fork) = (Place::new(), Told::honest(), Told::forked(5));
    let key = {
        let witness = place.open();
        cosigned(&witness, &log.request(0, 8, None));
        assert!(matches!(place.try_open(None), Err(Error::Held(_))), "one process at a time");
        witness.key().to_string()
    };
    // A write that was cut off lies beside.
    fs::write(place.log_file().with_extension("new"), "half").unwrap();
    let witness = place.try_open(None).unwrap();
    assert_eq!((witness.key().to_string(), witness.seen()), (key, vec![(LOG, Some(8))]));
    assert_eq!(add(&witness, &fork.request(0, 9, None)).status(), 409);
    assert_eq!(add(&witness, &fork.request(8, 9, None)).status(), 422);
    cosigned(&witness, &log.request(8, 9, None));
}

/// A witness that does not know what it has seen does not start: it would begin from nothing.
#[test]
fn damage_stops_the_start() {
    let damage = |what: &str, log: &Path, key: &Path| match what {
        "emptied" => fs::write(log, "").unwrap(),
        "edited" => {
            let text = fs::read_to_string(log).unwrap();
            fs::write(log, text.replace("\n8\n", "\n7\n")).unwrap();
        }
        "no text" => fs::write(log, [0xff; 100]).unwrap(),
        "no key" => fs::remove_file(key).unwrap(),
        _ => fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap(),
    };
    for what in ["emptied", "edited", "no text", "no key", "an open key"] {
        let place = Place::new();
        cosigned(&place.open(), &Told::honest().request(0, 8, None));
        damage(what, &place.log_file(), &place.folder.path().join("witness.key"));
        let refused = place.try_open(None).err();
        let named = match what {
            "emptied" | "edited" => matches!(refused, Some(Error::Damaged { .. })),
            "no text" => matches!(refused, Some(Error::Folder { .. })),
            _ => matches!(refused, Some(Error::Key { .. })),
        };
        assert!(named, "{what}: {refused:?}");
    }
}

#[test]
fn a_name_is_for_ever_and_a_log_must_be_known() {
    let place = Place::new();
    let shown = place.open().key().to_string();
    assert!(shown.starts_with(&format!("{NAME}+")), "{shown}");
    let mode = fs::metadata(place.folder.path().join("witness.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(place.try_open(Some("other")), Err(Error::Named { is }) if is == NAME));
    assert_eq!(place.try_open(None).unwrap().key().to_string(), shown);
    let none = Witness::open(place.folder.path(), None, vec![], place.clock, &FixedRng::new(1));
    assert!(matches!(none, Err(Error::NoLogs)));
    let bad = Place::new();
    assert!(matches!(bad.try_open(Some("two words")), Err(Error::Log(_))));
    assert!(bad.try_open(None).unwrap().key().name().starts_with("amanah-witness/"));
}

/// A log that goes over to another key is the same log.
#[test]
fn one_log_may_have_two_keys() {
    let (place, old) = (Place::new(), Told::honest());
    let new = Told { signer: Signer::from_seed(LOG, &[8; 32]).unwrap(), ..Told::honest() };
    let with = |keys: &[&Told]| {
        let keys: Vec<Verifier> = keys.iter().map(|one| one.signer.verifier().clone()).collect();
        Witness::open(place.folder.path(), None, keys, place.clock.clone(), &FixedRng::new(1))
    };
    let witness = with(&[&old]).unwrap();
    cosigned(&witness, &old.request(0, 3, None));
    assert_eq!(add(&witness, &new.request(3, 4, None)).status(), 403);
    drop(witness);
    let witness = with(&[&old, &new]).unwrap();
    cosigned(&witness, &new.request(3, 4, None));
    cosigned(&witness, &old.request(4, 5, None));
    drop(witness);
    let witness = with(&[&new]).unwrap();
    assert_eq!(add(&witness, &old.request(5, 6, None)).status(), 403);
    cosigned(&witness, &new.request(5, 6, None));
}

/// A heartbeat says the same later. Only what the log itself has signed later takes its place.
#[test]
fn a_heartbeat_replaces_and_a_repeated_one_does_not() {
    let (place, log) = (Place::new(), Told::honest());
    let witness = place.open();
    for (at, newest) in [(100, 100), (160, 160), (100, 160), (130, 160), (220, 220)] {
        let old = witness.seen()[0].1.unwrap_or_default();
        cosigned(&witness, &log.request(old, 5, Some(at)));
        let told = witness.newest(LOG).unwrap();
        let line = format!("time {}\n", Timestamp::from_second(newest).unwrap());
        assert!(told.contains(&line), "{at}: {told}");
        assert_eq!(fs::read_to_string(place.log_file()).unwrap(), told);
    }
}

/// A disk that takes nothing: nothing is cosigned, and what was known stays known.
#[test]
fn what_cannot_be_kept_is_not_cosigned() {
    let (place, log) = (Place::new(), Told::honest());
    let witness = place.open();
    cosigned(&witness, &log.request(0, 3, None));
    let known = witness.newest(LOG);
    // A folder stands where the new file would be written: this fails also for a superuser.
    let new = place.log_file().with_extension("new");
    fs::create_dir(&new).unwrap();
    let answer = add(&witness, &log.request(3, 4, None));
    assert_eq!((answer.status(), witness.newest(LOG)), (500, known));
    assert!(!answer.text().contains('/'), "no path is told to strangers: {}", answer.text());
    fs::remove_dir(new).unwrap();
    cosigned(&witness, &log.request(3, 4, None));
}

/// Many ask at once, half of them with another history. Of the two histories one is cosigned, and
/// never goes back.
#[test]
fn of_two_histories_one_is_cosigned() {
    for round in 0..8 {
        let place = Place::new();
        let witness = place.open();
        cosigned(&witness, &Told::honest().request(0, 4, None));
        let (begin, asked) = (Barrier::new(8), 8_u64);
        let answers = thread::scope(|scope| {
            let ask = |n: u64| {
                let (begin, witness) = (&begin, &witness);
                scope.spawn(move || {
                    let log = Told::forked(if n.is_multiple_of(2) { 4 } else { u64::MAX });
                    let request = log.request(4, 6 + n / 2 % 2, None);
                    begin.wait();
                    (n, add(witness, &request).status())
                })
            };
            let threads: Vec<_> = (0..asked).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let of = |even: bool| answers.iter().any(|(n, s)| n.is_multiple_of(2) == even && *s == 200);
        assert!(of(true) != of(false), "round {round}: {answers:?}");
        let size = witness.seen()[0].1.unwrap();
        let root = Told::forked(if of(true) { 4 } else { u64::MAX }).over(0..size);
        assert!(witness.newest(LOG).unwrap().contains(&root.to_string()));
        drop(witness);
        assert!(place.open().newest(LOG).unwrap().contains(&root.to_string()), "and on the disk");
    }
}

#[test]
fn what_is_no_request_is_told_why() {
    let (place, good) = (Place::new(), Told::honest().request(0, 3, None).to_string());
    let witness = place.open();
    assert_eq!(Submission::parse(good.as_bytes()).unwrap().to_string(), good);
    let hash = format!("{}\n", Hash::empty());
    let bad = [
        String::new(),
        "old 0".to_owned(),
        "\n\n".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "old +0", 1),
        good.replacen("old 0", "old -1", 1),
        good.replacen("old 0", "old 18446744073709551616", 1),
        good.replacen("old 0\n", &format!("old 0\n{}", hash.repeat(64)), 1),
        good.replacen("old 0\n", "old 0\nAAAA\n", 1),
        good.replacen("old 0\n", "old 0\r\n", 1),
        good.replacen(&format!("{LOG}\n3\n"), &format!("{LOG}\n03\n"), 1),
        good.trim_end().to_owned(),
        format!("{good}{}", "x".repeat(super::MAX_SUBMISSION)),
    ];
    for bad in bad {
        let answer = witness.add(bad.as_bytes());
        assert_eq!(answer.status(), 400, "{bad:.60}");
        assert!(answer.text().starts_with("this is no request: "), "{}", answer.text());
    }
    assert_eq!(witness.add(&[0xff; 10]).status(), 400);
    let most = good.replacen("old 0\n", &format!("old 0\n{}", hash.repeat(63)), 1);
    assert_eq!(witness.add(most.as_bytes()).status(), 422, "63 lines are read");
    assert_eq!(witness.seen(), [(LOG, None)]);
}

/// What is read of hostile bytes is read again as it is written.
#[test]
fn damaged_requests_are_read_as_they_are_written_or_not_at_all() {
    let log = Told::honest();
    let samples = [(0, 0), (0, 1), (3, 300)]
        .map(|(old, size)| log.request(old, size, Some(100)).to_string().into_bytes());
    testkit::try_damaged_again("submission", &samples, |bytes| {
        Some(Submission::parse(bytes).ok()?.to_string().into_bytes())
    });
}

proptest! {
    /// Whatever one byte of a good request becomes, nothing else than what the log signed is
    /// cosigned, and nothing panics.
    #[test]
    fn a_changed_request_moves_nothing_else(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (place, log) = (Place::new(), Told::honest());
        let witness = place.open();
        cosigned(&witness, &log.request(0, 5, None));
        let mut bytes = log.request(5, 11, None).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let answer = witness.add(&bytes);
        let newest = witness.newest(LOG).unwrap();
        let signed = log.checkpoint(if answer.status() == 200 { 11 } else { 5 }, None);
        prop_assert!(newest.starts_with(&signed.to_string()), "{newest}");
    }

    /// Bytes of whatever kind are answered.
    #[test]
    fn anything_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Submission::parse(&bytes).is_err());
    }
}
