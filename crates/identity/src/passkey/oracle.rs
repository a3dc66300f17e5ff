//! The ceremonies, held against Yubico's implementation of Web Authentication (`oracle.py`): what it
//! makes is taken when it is right and refused for what is wrong with it, and it takes what our key in
//! software says.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kernel::{FixedRng, hex, unhex};
use serde_json::{Value, json};

use super::{
    Assertion, CHALLENGE_BYTES, Credential, Flaw, Party, Registration, Rules, SoftKey, assert,
    register,
};

const CHALLENGE: [u8; CHALLENGE_BYTES] = [7; CHALLENGE_BYTES];

fn party() -> Party {
    Party::new("shop.example:8443", &["shop.example".to_owned()]).unwrap()
}

/// What the oracle says to `input`.
fn oracle(mode: &str, input: &str) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/passkey/oracle.py");
    let Party { id, origin } = party();
    let mut child = Command::new(testkit::python_tool("python"))
        .args([program, mode, &id, &origin, &hex(&CHALLENGE)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "is fido2 installed? run `make peers`");
    String::from_utf8(output.stdout).unwrap()
}

fn bytes(of: &Value, name: &str) -> Vec<u8> {
    unhex(of[name].as_str().unwrap()).unwrap()
}

fn judged<T>(of: &Value, outcome: &Result<T, Flaw>, algorithm: &str) {
    let said = match outcome {
        Ok(_) => String::new(),
        Err(flaw) => format!("{flaw:?}"),
    };
    assert_eq!(of["want"], said, "{algorithm}: {}", of["what"]);
}

/// The first answer of each list is the right one.
#[test]
fn what_others_make_is_judged_for_what_it_is() {
    let all = oracle("make", "");
    assert_eq!(all.lines().count(), 3);
    for line in all.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let algorithm = line["algorithm"].as_str().unwrap();
        let mut known: Option<Credential> = None;
        let made = line["made"].as_array().unwrap();
        for one in made {
            let answer = Registration {
                client_data: bytes(one, "client"),
                attestation: bytes(one, "attestation"),
            };
            let outcome = register(&party(), &CHALLENGE, &answer, Rules::default());
            judged(one, &outcome, algorithm);
            known = known.or(outcome.ok());
        }
        let known = known.unwrap();
        assert_eq!((&known.id, known.count), (&algorithm.repeat(4).into_bytes(), 7));
        let used = line["used"].as_array().unwrap();
        for one in used {
            let answer = Assertion {
                id: algorithm.repeat(4).into_bytes(),
                client_data: bytes(one, "client"),
                data: bytes(one, "data"),
                signature: bytes(one, "signature"),
            };
            let outcome = assert(&party(), &CHALLENGE, &known, &answer, Rules::default());
            judged(one, &outcome, algorithm);
            if let Ok(count) = outcome {
                assert_eq!(count, 8);
            }
        }
        assert_eq!((made.len(), used.len()), (21, 13), "{algorithm}");
    }
}

#[test]
fn others_take_what_our_key_in_software_says() {
    let mut key = SoftKey::fresh(&FixedRng::new(1)).unwrap();
    let made = key.register(&party(), &CHALLENGE, None).unwrap();
    let used = key.assert(&party(), &CHALLENGE, None).unwrap();
    let told = json!({
        "id": hex(key.id()),
        "made_client": hex(&made.client_data),
        "made": hex(&made.attestation),
        "used_client": hex(&used.client_data),
        "used": hex(&used.data),
        "signature": hex(&used.signature),
    });
    assert_eq!(oracle("judge", &told.to_string()).trim(), "all of it is right");
}
