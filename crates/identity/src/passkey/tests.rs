//! The ceremonies, held against a key in software and against damage.

use kernel::FixedRng;

use super::{
    Assertion, CHALLENGE_BYTES, Credential, Fault, Flaw, Party, Registration, Rules, SoftKey,
};

const CHALLENGE: [u8; CHALLENGE_BYTES] = [7; CHALLENGE_BYTES];

fn party() -> Party {
    Party::new("shop.example:8443", &["shop.example".to_owned()]).unwrap()
}

fn made() -> (SoftKey, Credential) {
    let key = SoftKey::fresh(&FixedRng::new(1)).unwrap();
    let answer = key.register(&party(), &CHALLENGE, None).unwrap();
    let credential = register(&party(), &CHALLENGE, &answer).unwrap();
    (key, credential)
}

fn register(party: &Party, challenge: &[u8], answer: &Registration) -> Result<Credential, Flaw> {
    super::register(party, challenge, answer, Rules::default())
}

fn assert(
    party: &Party,
    challenge: &[u8],
    known: &Credential,
    answer: &Assertion,
) -> Result<u32, Flaw> {
    super::assert(party, challenge, known, answer, Rules::default())
}

#[test]
fn a_site_is_one_of_its_names() {
    let names = ["shop.example".to_owned()];
    let party = |host| Party::new(host, &names).map(|party| (party.id, party.origin));
    let want = |origin: &str| Some(("shop.example".to_owned(), origin.to_owned()));
    assert_eq!(party("Shop.example"), want("https://shop.example"));
    assert_eq!(party("shop.example:443"), want("https://shop.example"));
    assert_eq!(party("shop.example:8443"), want("https://shop.example:8443"));
    for bad in ["", "evil.example", "shop.example.evil", "shop.example:x", "shop.example:+1", ":"] {
        assert_eq!(party(bad), None, "{bad}");
    }
}

#[test]
fn a_key_is_made_and_used_and_every_fault_is_refused() {
    let (mut key, mut known) = made();
    for _ in 0..2 {
        let answer = key.assert(&party(), &CHALLENGE, None).unwrap();
        let count = assert(&party(), &CHALLENGE, &known, &answer).unwrap();
        known.count = count;
        // The same answer again: its counter has been seen.
        assert_eq!(assert(&party(), &CHALLENGE, &known, &answer), Err(Flaw::Counter));
    }
    for fault in Fault::ALL {
        let want = match fault {
            Fault::Origin => Flaw::Origin,
            Fault::Party => Flaw::Party,
            Fault::Unverified => Flaw::Verification,
            Fault::Challenge => Flaw::Challenge,
            Fault::Foreign => Flaw::Signature,
            Fault::Ceremony => Flaw::Ceremony,
        };
        let answer = key.assert(&party(), &CHALLENGE, Some(fault)).unwrap();
        assert_eq!(assert(&party(), &CHALLENGE, &known, &answer), Err(want));
        if fault != Fault::Foreign {
            let answer = key.register(&party(), &CHALLENGE, Some(fault)).unwrap();
            assert_eq!(register(&party(), &CHALLENGE, &answer), Err(want));
        }
    }
    // A key of another site of ours is not one of this site.
    let elsewhere = Credential { party: "other.example".into(), ..known };
    let answer = key.assert(&party(), &CHALLENGE, None).unwrap();
    assert_eq!(assert(&party(), &CHALLENGE, &elsewhere, &answer), Err(Flaw::Party));
}

#[test]
fn what_is_too_large_is_not_read() {
    let (mut key, known) = made();
    let mut answer = key.register(&party(), &CHALLENGE, None).unwrap();
    answer.attestation.resize(1 << 20, 0);
    assert_eq!(register(&party(), &CHALLENGE, &answer), Err(Flaw::Size));
    let mut answer = key.assert(&party(), &CHALLENGE, None).unwrap();
    answer.client_data.resize(1 << 20, b' ');
    assert_eq!(assert(&party(), &CHALLENGE, &known, &answer), Err(Flaw::Size));
}

#[test]
fn damage_never_panics_and_never_passes_for_another_key() {
    let (mut key, known) = made();
    let registration = key.register(&party(), &CHALLENGE, None).unwrap();
    let answer = key.assert(&party(), &CHALLENGE, None).unwrap();
    let samples = [
        registration.attestation.clone(),
        registration.client_data.clone(),
        answer.data.clone(),
        known.key.clone(),
    ];
    testkit::try_damaged("passkey", &samples, super::read_anything);
    testkit::try_damaged("passkey", std::slice::from_ref(&answer.data), |bytes| {
        let mut damaged = answer.clone();
        damaged.data = bytes.to_vec();
        let passes = assert(&party(), &CHALLENGE, &known, &damaged).is_ok();
        assert!(!passes || bytes == answer.data);
        passes
    });
}
