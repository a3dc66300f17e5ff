//! Cosignatures: those of other people's witnesses are believed here, ours are believed by others, and
//! what is changed is believed by nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::Log;
use crate::{Checkpoint, Cosigner, Error, Hash, Note, Signer, WitnessKey};

const SEEN: u32 = 1_770_193_051;

/// A checkpoint of a public log, and what witnesses of five houses said of it, each with a program of
/// its own.
const TEXT: &str = "sigsum.org/v1/tree/1643169b32bef33a3f54f8a353b87c475d19b6223cbb106390d10a29978e1cba\n\
                    381382\nkB/vxvHZeNLCvtuC1Eh1W83H6GJuZ6x+6Ahzdxvptmc=\n";
const WITNESSES: [(&str, &str); 5] = [
    (
        "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G",
        "o+AP4gAAAABpgwCb8NzhvN2jooJkedYuav7b6ewG6PmQrlnYzvqE2abuaMEsKCD7AOHb3DAESxbHaVqdEEfOxHiNx1f2\
         mNNOuuxDBQ==",
    ),
    (
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "2net5wAAAABpgwCbNDS0ZGkEcU9Jg8jn6XakUzJxHxABKxn761VJtsDAT7TtUv7tLagpNUYjxSsiuQCTd2A0qNV9Zg+f\
         8noRj1v4AQ==",
    ),
    (
        "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
        "Z/euoAAAAABpgwCbqvZC6BpUOZd3GA8jhXPXSHi2jHtkXYARWDYhQFu0ULTniH/HZQKoFCxJPWTj7T5VbYLa0XBkEQgu\
         WIBfZPqdAg==",
    ),
    (
        "tillitis.se/test-witness-1+7227e4e7+BGNlgq7BLzLBiiFzPbnj9xgFjueq7G2+TrgXgeD0MAxu",
        "cifk5wAAAABpgwCbcGl7SmsH555J0KjkH9dFClk+6d8R2mJEzr5LDBXI5S8orTkxuVqAb8fxa0rZAZeXHdwIdDTHmFuL\
         OgIjyfo2Aw==",
    ),
    (
        "transparency.dev/DEV:witness-little-garden+d8042a87+\
         BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
        "2AQqhwAAAABpgwCbtExB91VmhQAD9/ZVptx7s4u5gOjiw4OHHimIOAXTrex3gqCDiLk4bZcYOApLtpAAQ+K0YIDP8Pp1\
         pQDDbvnfCg==",
    ),
];

fn cosigner() -> Cosigner {
    Cosigner::from_seed("witness.example/w1", &[9; 32]).unwrap()
}

#[test]
fn what_other_witnesses_say_is_believed_here() {
    let mut note = Note::new(TEXT).unwrap();
    let lines: String = WITNESSES.map(|(key, blob)| line(key, blob)).concat();
    for (key, _) in WITNESSES {
        let witness: WitnessKey = key.parse().unwrap();
        assert_eq!(witness.to_string(), key);
        let seen = Note::parse(&format!("{TEXT}\n{lines}")).unwrap().seen_by(&witness);
        assert_eq!(seen, Ok(u64::from(SEEN)), "{key}");
        note = note.with_cosignature(&witness, &lines).unwrap();
    }
    assert_eq!(note.to_string(), format!("{TEXT}\n{lines}"), "each was taken, as it was");
    // The same of another checkpoint, or at another time.
    let (key, blob) = WITNESSES[0];
    let witness: WitnessKey = key.parse().unwrap();
    let forged = Err(Error::Forged(witness.name().to_owned()));
    let other = Note::parse(&format!("{}\n{lines}", TEXT.replace("381382", "381383"))).unwrap();
    assert_eq!(other.seen_by(&witness), forged);
    let mut bytes = STANDARD.decode(blob).unwrap();
    bytes[11] ^= 1;
    let later = line(key, &STANDARD.encode(&bytes));
    assert_eq!(Note::parse(&format!("{TEXT}\n{later}")).unwrap().seen_by(&witness), forged);
    bytes.truncate(11);
    let short = line(key, &STANDARD.encode(&bytes));
    assert_eq!(Note::parse(&format!("{TEXT}\n{short}")).unwrap().seen_by(&witness), forged);
}

fn line(key: &str, blob: &str) -> String {
    format!("\u{2014} {} {blob}\n", key.split('+').next().unwrap())
}

/// The example of the specification has no key, but its form and its time.
#[test]
fn the_example_of_the_specification_has_this_form() {
    let example = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0\
                   xUe+mbIUBkBIfZ+qnA==";
    let bytes = STANDARD.decode(example).unwrap();
    let ours = Note::new(TEXT).unwrap().cosignature(&cosigner(), 1_679_315_147);
    let ours = STANDARD.decode(ours.trim_end().rsplit_once(' ').unwrap().1).unwrap();
    assert_eq!((bytes.len(), &bytes[4..12]), (ours.len(), &ours[4..12]));
}

#[test]
fn what_is_cosigned_here_is_believed_by_others() {
    use sigsum::policy::PolicyBuilder;
    // A Sigsum log of one entry, and a policy that asks for our witness.
    let key = |seed| {
        let seed = [seed; 32];
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public: [u8; 32] =
            aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().try_into().unwrap();
        (pair, public)
    };
    let ((author, authors), (log, logs), (_, witness)) = (key(1), key(2), key(9));
    let checksum = sigsum::Hash::new(sigsum::Hash::new(b"a message"));
    let said = [b"sigsum.org/v1/tree-leaf\0".as_slice(), checksum.as_ref()].concat();
    let leaf = author.sign(&said);
    let hash = |key: [u8; 32]| sigsum::Hash::new(key);
    let whole = [checksum.as_ref(), leaf.as_ref(), hash(authors).as_ref()].concat();
    let origin = format!("sigsum.org/v1/tree/{:x}", hash(logs));
    let root = Hash::leaf(&whole);
    let checkpoint = Checkpoint { origin, size: 1, root, more: Vec::new() }.to_string();
    let ours = Note::new(checkpoint.as_str()).unwrap().cosignature(&cosigner(), SEEN);
    let blob = STANDARD.decode(ours.trim_end().rsplit_once(' ').unwrap().1).unwrap();
    let signature = |bytes: &[u8]| sigsum::Signature::from(<[u8; 64]>::try_from(bytes).unwrap());
    let text = |seen: u32| {
        format!(
            "version=2\nlog={:x}\nleaf={:x} {:x}\n\nsize=1\nroot_hash={:x}\nsignature={:x}\n\
             cosignature={:x} {seen} {:x}\n\nleaf_index=0\n",
            hash(logs),
            hash(authors),
            signature(leaf.as_ref()),
            sigsum::PublicKey::from(*root.as_bytes()),
            signature(log.sign(checkpoint.as_bytes()).as_ref()),
            hash(witness),
            signature(&blob[12..]),
        )
    };
    let mut policy = PolicyBuilder::new();
    policy.add_log(logs.into(), None).unwrap();
    policy.add_witness("w1".to_owned(), witness.into(), None).unwrap();
    policy.set_quorum("w1".to_owned()).unwrap();
    let policy = policy.build();
    let believes = |text: &str| {
        let signature = sigsum::SigsumSignature::from_ascii(text).unwrap();
        sigsum::verify(&sigsum::Hash::new(b"a message"), &signature, &[authors.into()], &policy)
    };
    believes(&text(SEEN)).unwrap();
    assert!(believes(&text(SEEN + 1)).is_err(), "the time is signed too");
}

/// A cosignature is no signature of the log, nor the other way round, also with one key for both.
#[test]
fn the_two_kinds_are_kept_apart() {
    let (name, seed) = ("trail.example/shop", [7; 32]);
    let (log, both) =
        (Signer::from_seed(name, &seed).unwrap(), Cosigner::from_seed(name, &seed).unwrap());
    let text = checkpoint(3);
    let signed = Note::new(text.as_str()).unwrap().signed(&log);
    assert_eq!(signed.seen_by(both.key()), Err(Error::Unsigned(name.to_owned())));
    let line = signed.cosignature(&both, SEEN);
    let cosigned = Note::parse(&format!("{text}\n{line}")).unwrap();
    assert_eq!(cosigned.open(log.verifier()), Err(Error::Unsigned(name.to_owned())));
    assert!(log.verifier().to_string().parse::<WitnessKey>().is_err());
    assert!(both.key().to_string().parse::<crate::Verifier>().is_err());
}

#[test]
fn a_later_cosignature_takes_the_place_of_the_one_before() {
    let note = Note::new(checkpoint(3)).unwrap();
    let witness = cosigner();
    let again = |note: Note, seen| {
        let line = note.cosignature(&witness, seen);
        note.with_cosignature(witness.key(), &line).unwrap()
    };
    let twice = again(again(note.clone(), SEEN), SEEN + 5);
    assert_eq!(twice.seen_by(witness.key()), Ok(u64::from(SEEN) + 5));
    assert_eq!(twice.to_string().matches('\u{2014}').count(), 1);
    let stranger = Cosigner::from_seed("witness.example/w1", &[8; 32]).unwrap();
    let line = note.cosignature(&stranger, SEEN);
    let unsigned = Err(Error::Unsigned(witness.key().name().to_owned()));
    assert_eq!(note.clone().with_cosignature(witness.key(), &line), unsigned);
    for bad in ["", "\n", "409\n", line.trim_end()] {
        assert!(note.clone().with_cosignature(witness.key(), bad).is_err(), "{bad}");
    }
}

fn checkpoint(size: u64) -> String {
    let log = Log::of(size);
    let (size, root) = (log.edge.size(), log.edge.root());
    Checkpoint { origin: "trail.example/shop".to_owned(), size, root, more: Vec::new() }.to_string()
}

proptest! {
    /// Whatever single byte of text or signature is another one, nothing is believed of it.
    #[test]
    fn one_other_byte_is_noticed(at in 0_usize..240, to in any::<u8>()) {
        let witness = cosigner();
        let note = Note::new(checkpoint(5)).unwrap();
        let whole = format!("{note}{}", note.cosignature(&witness, SEEN));
        let mut bytes = whole.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let Ok(other) = String::from_utf8(bytes) else { return Ok(()) };
        let seen = Note::parse(&other).and_then(|note| note.seen_by(witness.key()));
        prop_assert!(seen.is_err(), "{other}");
        prop_assert!(Note::parse(&whole).unwrap().seen_by(witness.key()).is_ok());
    }
}
