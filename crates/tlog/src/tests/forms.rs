//! Notes, checkpoints, bundles and proofs: read by others, and refused where they are not right.

use base64::Engine as _;
use proptest::prelude::*;
use signed_note::{self as theirs, Verifier as _};

use super::{Log, entry};

use crate::{
    Checkpoint, Error, Hash, Note, ProofFile, Signer, Tile, Verifier, bundle_path, inclusion,
    open_bundle, put_entry,
};

const NAME: &str = "trail.example/shop";
const SEED: [u8; 32] = [7; 32];

fn signer() -> Signer {
    Signer::from_seed(NAME, &SEED).unwrap()
}

fn checkpoint(log: &Log) -> Checkpoint {
    let (size, root) = (log.edge.size(), log.edge.root());
    Checkpoint { origin: NAME.to_owned(), size, root, more: Vec::new() }
}

fn proof(size: u64, index: u64) -> ProofFile {
    let log = Log::of(size);
    let checkpoint = Note::new(checkpoint(&log).to_string()).unwrap().signed(&signer());
    let hashes = log.read(&inclusion(index, size).unwrap());
    ProofFile { extra: None, index, hashes, checkpoint }
}

#[test]
fn what_is_signed_here_is_read_by_others() {
    let key = signer().verifier().to_string();
    let other = theirs::StandardVerifier::new(&key).unwrap();
    let note = Note::new(checkpoint(&Log::of(9)).to_string()).unwrap().signed(&signer());
    let list = theirs::VerifierList::new(vec![Box::new(other)]);
    let read = theirs::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let (good, unknown) = read.verify(&list).unwrap();
    assert_eq!((good.len(), unknown.len()), (1, 0));
    let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), (NAME, 9));
    assert_eq!(theirs.hash().0, *Log::of(9).edge.root().as_bytes());
    let again: Verifier = key.parse().unwrap();
    let opened = Note::parse(&note.to_string()).unwrap().open(&again).unwrap();
    assert_eq!(Checkpoint::parse(opened.text()).unwrap(), checkpoint(&Log::of(9)));
    assert_eq!(theirs::StandardVerifier::new(&key).unwrap().name(), again.name());
}

#[test]
fn what_others_sign_is_read_here() {
    // The example of the specification of signed notes, by the Go project's own log.
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf\
                qdngotpRZb6KE6RyyBwJnAM=\n";
    let verifier: Verifier = key.parse().unwrap();
    assert_eq!(verifier.to_string(), key);
    let opened = Note::parse(note).unwrap().open(&verifier).unwrap();
    assert!(opened.text().ends_with("your problem is.\n"));
    let forged = note.replace("answer", "Answer");
    let refused = Note::parse(&forged).unwrap().open(&verifier);
    assert_eq!(refused, Err(Error::Forged("PeterNeumann".to_owned())));
    let stranger = Note::parse(note).unwrap().open(signer().verifier());
    assert_eq!(stranger, Err(Error::Unsigned(NAME.to_owned())));
}

/// A signature that was made elsewhere is taken when it fits, and no other.
#[test]
fn a_signature_comes_from_elsewhere() {
    let whole = Note::new("a\n1\nb\n").unwrap().signed(&signer());
    let line = whole.to_string();
    let blob = line.trim_end().rsplit_once(' ').unwrap().1;
    let bytes = base64::engine::general_purpose::STANDARD.decode(blob).unwrap();
    let note = Note::new("a\n1\nb\n").unwrap();
    assert_eq!(note.clone().with(signer().verifier(), &bytes[4..]), Ok(whole));
    assert_eq!(note.with(signer().verifier(), &[0; 64]), Err(Error::Forged(NAME.to_owned())));
}

#[test]
fn strangers_signatures_are_left_out() {
    let stranger = Signer::from_seed("stranger.example", &SEED).unwrap();
    let forger = Signer::from_seed(NAME, &[8; 32]).unwrap();
    let (known, text) = ([signer().verifier().clone()], "a\n1\nb\n");
    let own = Note::new(text).unwrap().signed(&signer());
    let all = Note::new(text).unwrap().signed(&stranger).signed(&signer()).signed(&forger);
    assert_eq!(all.signed_by(&known), Some(own));
    assert_eq!(Note::new(text).unwrap().signed(&forger).signed_by(&known), None);
    assert_eq!(all.signed_by(&[]), None);
}

#[test]
fn what_is_no_note_is_refused() {
    let good = Note::new("a\n1\nb\n").unwrap().signed(&signer()).to_string();
    assert!(Note::parse(&good).is_ok());
    let line = good.rsplit_once("\n\n").unwrap().1;
    for bad in [
        String::new(),
        "a\n".to_owned(),
        format!("a\n{line}"),
        good.trim_end().to_owned(),
        good.replace('\u{2014}', "-"),
        format!("{good}\n"),
        format!("{good}more\n"),
        good.replacen("a\n", "a\r\n", 1),
        format!("\n\n{line}"),
        format!("a\n\n{}", line.repeat(101)),
        format!("{}\n\n{line}", "x".repeat(1 << 20)),
    ] {
        assert!(matches!(Note::parse(&bad), Err(Error::Note(_))), "{bad:.80}");
    }
    for bad in ["", "a b", "a+b", "a\n"] {
        assert!(matches!(Verifier::new(bad, [0; 32]), Err(Error::Key(_))), "{bad}");
    }
    let key = signer().verifier().to_string();
    for bad in [key.replacen("trail", "train", 1), key.replace('+', " "), format!("{key}A")] {
        assert!(matches!(bad.parse::<Verifier>(), Err(Error::Key(_))), "{bad}");
    }
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let root = Hash::leaf(b"");
    let good = format!("log\n5\n{root}\nmore\n");
    assert_eq!(Checkpoint::parse(&good).unwrap().to_string(), good);
    for bad in [
        format!("log\n05\n{root}\n"),
        format!("log\n+5\n{root}\n"),
        format!("log\n-1\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("\n5\n{root}\n"),
        format!("log\n5\n{root}"),
        format!("log\n5\n{root}\n\nmore\n"),
        "log\n5\nAAAA\n".to_owned(),
        "log\n5\n".to_owned(),
    ] {
        assert!(matches!(Checkpoint::parse(&bad), Err(Error::Checkpoint(_))), "{bad}");
    }
}

#[test]
fn bundles_hold_what_was_put_in() {
    let mut bundle = Vec::new();
    let (longest, longer) = (vec![9; crate::MAX_ENTRY], vec![0; crate::MAX_ENTRY + 1]);
    let entries = [&b""[..], b"a", &longest];
    for entry in entries {
        put_entry(&mut bundle, entry).unwrap();
    }
    assert_eq!(open_bundle(&bundle, 3).unwrap(), entries);
    assert_eq!(put_entry(&mut bundle, &longer), Err(Error::TooLong(65_536)));
    for (bytes, width) in
        [(&bundle[..], 4), (&bundle[..bundle.len() - 1], 3), (&bundle[..1], 0), (&[0, 2, 1][..], 1)]
    {
        assert!(matches!(open_bundle(bytes, width), Err(Error::Bundle(_))), "{width}");
    }
    assert_eq!(bundle_path(1_234_067, 256), "tile/entries/x001/x234/067");
    assert_eq!(bundle_path(2, 88), "tile/entries/002.p/88");
    let tile = Tile { level: 0, index: 0, width: 2 };
    assert!(matches!(tile.read(&[0; 63]), Err(Error::Tile(_))));
    assert!(matches!(tile.read(&[0; 96]), Err(Error::Tile(_))));
}

#[test]
fn a_proof_is_checked_without_asking_anybody() {
    let mut file = proof(300, 123);
    file.extra = Some(b"row 123".to_vec());
    let text = file.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra cm93IDEyMw==\nindex 123\n"), "{text}");
    let again = ProofFile::parse(&text).unwrap();
    assert_eq!(again, file);
    let key = signer();
    assert_eq!(again.check(&entry(123), key.verifier()).unwrap().size, 300);
    assert_eq!(again.check(&entry(122), key.verifier()), Err(Error::NotIncluded));
    let moved = ProofFile { index: 122, ..again.clone() };
    assert_eq!(moved.check(&entry(123), key.verifier()), Err(Error::NotIncluded));
    // A key under the same name that is another one.
    let other = Signer::from_seed(NAME, &[8; 32]).unwrap();
    assert_eq!(again.check(&entry(123), other.verifier()), Err(Error::Unsigned(NAME.to_owned())));
    // A checkpoint of another log that the same key has signed.
    let foreign = Checkpoint { origin: "other".to_owned(), ..checkpoint(&Log::of(300)) };
    let foreign = Note::new(foreign.to_string()).unwrap().signed(&key);
    let foreign = ProofFile { checkpoint: foreign, ..again };
    assert!(matches!(foreign.check(&entry(123), key.verifier()), Err(Error::Checkpoint(_))));
}

#[test]
fn what_is_no_proof_is_refused() {
    let good = proof(300, 123).to_string();
    for bad in [
        good.replacen("v1", "v2", 1),
        good.replacen("index 123", "index 0123", 1),
        good.replacen("index 123", "index -1", 1),
        good.replacen("index 123\n", "", 1),
        good.replacen("index 123\n", "extra ?\nindex 123\n", 1),
        good.replacen("\n\n", "\n", 1),
        format!(
            "c2sp.org/tlog-proof@v1\nindex 1\n{}\nx",
            format!("{}\n", Hash::empty()).repeat(65)
        ),
    ] {
        assert!(ProofFile::parse(&bad).is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever bytes come, the answer is a value or a refusal, and one byte changed is never believed.
    #[test]
    fn hostile_texts_do_no_harm(text in ".{0,400}", bytes in any::<Vec<u8>>(), at in any::<usize>()) {
        let _ = (Note::parse(&text), Checkpoint::parse(&text), ProofFile::parse(&text));
        let _ = (text.parse::<Verifier>(), text.parse::<Hash>(), open_bundle(&bytes, 3));
        let good = proof(40, 23).to_string();
        let mut changed = good.clone().into_bytes();
        let at = at % changed.len();
        changed[at] ^= 1;
        let believed = String::from_utf8(changed).ok().and_then(|text| ProofFile::parse(&text).ok());
        let checked = believed.map(|file| file.check(&entry(23), signer().verifier()));
        prop_assert!(checked.is_none_or(|checked| checked.is_err()));
    }
}
