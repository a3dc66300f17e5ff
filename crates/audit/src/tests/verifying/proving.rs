//! Proofs of single rows: made from a real trail, checked by us and by `docs/verify.py`, which must
//! agree on every one, good or damaged.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tlog::{Signer, Verifier};

use super::{ORIGIN, Shop, in_order, run};
use crate::seal::LogReader;
use crate::verify::{Checked, check, prove};
use crate::{Error, Leaf, TrailRow};

/// Reads a proof in hexadecimal from each line and says whether it holds.
const EACH: &str = "
import sys
sys.path.insert(0, sys.argv[1])
import verify
key = verify.parse_key(sys.argv[2])
for line in sys.stdin:
    try:
        verify.check_proof(bytes.fromhex(line), key)
        print('holds')
    except verify.Refused as why:
        print('no:', why)
";

/// What the other verifier says of each.
pub(in crate::tests) fn python(proofs: &[Vec<u8>], key: &Verifier) -> Vec<String> {
    let mut child = Command::new(testkit::python_tool("python"))
        .args(["-c", EACH, concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"), &key.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = proofs.iter().map(|proof| kernel::hex(proof)).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

async fn proof(shop: &Shop, row: &TrailRow) -> crate::Result<String> {
    let head = shop.heads.last().unwrap();
    let reader = LogReader::new(shop.log.shelf(), head.head.size);
    prove(&reader, head, shop.log.signer.verifier(), row).await
}

#[tokio::test]
async fn a_row_is_proven_to_whoever_has_the_key() {
    let shop = Shop::new().await;
    let key = shop.log.signer.verifier();
    let rows = in_order(&shop.superuser).await;
    let mut proofs = Vec::new();
    for n in [0, 1, 127, 254, 255, 256, 283, 298, 299] {
        let text = proof(&shop, &rows[n]).await.unwrap();
        let Checked { leaf, index, checkpoint, at } = check(&text, key).unwrap();
        let Leaf::Row(leaf) = leaf else { panic!("{leaf:?}") };
        assert_eq!((leaf.id, leaf.xid, index), (rows[n].id, rows[n].xid, n as u64 + 1));
        assert_eq!((checkpoint.size, at), (301, shop.heads.last().unwrap().head.time));
        proofs.push(text.into_bytes());
    }
    assert_eq!(python(&proofs, key), vec!["holds"; proofs.len()]);
}

/// A row as JSON is the row that was sealed, to us and to the other verifier, and another one is not.
#[tokio::test]
async fn a_row_in_json_is_the_one_that_was_sealed() {
    let shop = Shop::new().await;
    let key = shop.log.signer.verifier();
    let row = &in_order(&shop.superuser).await[5];
    let text = proof(&shop, row).await.unwrap();
    let json = row.to_json().unwrap();
    assert_eq!(&TrailRow::from_json(&json).unwrap(), row);
    let whole = row.content().digest().unwrap();
    let erased = TrailRow {
        salt: None,
        row_key: None,
        new_data: None,
        erased: Some(whole.to_vec()),
        ..row.clone()
    };
    let erased = erased.to_json().unwrap();
    // A digest beside a content would let any content pass.
    let forged = TrailRow { erased: Some(whole.to_vec()), salt: None, ..row.clone() };
    let edited = [
        forged.to_json().unwrap(),
        json.replace("\"n6\"", "\"n7\""),
        json.replace("n6", "n60"),
        json.replace("INSERT", "DELETE"),
        json.replace("\"old_data\": null", "\"old_data\": \"\""),
        json.replace(&format!("\"id\": {}", row.id), &format!("\"id\": {}", row.id + 1)),
    ];
    let good = [(json.clone(), 0), (erased, 0)];
    let bad = edited.into_iter().filter(|other| *other != json).map(|other| (other, 1));
    let file = |name: &str| shop.dir.path().join(name);
    std::fs::write(file("proof"), &text).unwrap();
    let checked = check(&text, key).unwrap();
    let python = |json: &str| {
        std::fs::write(file("row.json"), json).unwrap();
        let mut command = Command::new(testkit::python_tool("python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify.py")).arg("proof");
        command.arg(file("proof")).arg(key.to_string()).arg(file("row.json")).output().unwrap()
    };
    let mut tried = 0;
    for (json, wanted) in good.into_iter().chain(bad) {
        let row = TrailRow::from_json(&json).unwrap();
        assert_eq!(i32::from(checked.refutes(&row).is_some()), wanted, "{json}");
        let said = python(&json);
        assert_eq!(said.status.code(), Some(wanted), "{said:?}\n{json}");
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
    let (id, xid) = (format!("\"id\": {}", row.id), format!("\"xid\": {}", row.xid));
    for (broken, word) in [
        ("{}".to_owned(), "missing field"),
        ("nothing".to_owned(), "expected"),
        (json.replace(&kernel::hex(&row.salt.unwrap()), "00"), "salt"),
        (json.replacen('{', "{\"id\": 1,", 1), "duplicate field"),
        (json.replacen('{', "{\"more\": 1,", 1), "unknown field"),
        (json.replace(&xid, &format!("\"xid\": \"{}\"", row.xid)), "invalid type"),
        (json.replace(&id, "\"id\": 9223372036854775808"), "invalid value"),
        (json.replace(&id, &format!("\"id\": 1{}", "0".repeat(5_000))), "out of range"),
    ] {
        let error = TrailRow::from_json(&broken).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        let said = python(&broken);
        assert_eq!(said.status.code(), Some(2), "{said:?}\n{broken}");
    }
}

/// Every byte of a proof counts, and both verifiers say so of the same ones.
#[tokio::test]
async fn two_verifiers_agree_on_damaged_proofs() {
    let shop = Shop::new().await;
    let key = shop.log.signer.verifier();
    let rows = in_order(&shop.superuser).await;
    let whole = proof(&shop, &rows[260]).await.unwrap().into_bytes();
    let other = proof(&shop, &rows[3]).await.unwrap().into_bytes();
    let mut damaged = vec![whole.clone(), other.clone(), Vec::new()];
    for at in 0..whole.len() {
        for byte in [b'0', b'A', b'=', b'\n', b' ', 0xff, whole[at] ^ 1] {
            let mut one = whole.clone();
            one[at] = byte;
            damaged.push(one);
        }
        damaged.push(whole[..at].to_vec());
        damaged.push([&whole[..at], &whole[at + 1..]].concat());
        damaged.push([&whole[..at], &other[at.min(other.len())..]].concat());
    }
    let ours =
        |proof: &Vec<u8>| std::str::from_utf8(proof).is_ok_and(|text| check(text, key).is_ok());
    let theirs = python(&damaged, key);
    assert_eq!(theirs.len(), damaged.len());
    let mut holding = 0;
    for (proof, said) in damaged.iter().zip(theirs) {
        let text = String::from_utf8_lossy(proof);
        assert_eq!(said == "holds", ours(proof), "{said}\n{text}");
        // What holds is one of the two, whatever was done to it.
        let same = proof == &whole || proof == &other;
        assert!(same || !ours(proof), "{text}");
        holding += usize::from(same);
    }
    assert!(holding >= 2 && damaged.len() > 5_000, "{holding} of {}", damaged.len());
}

/// A wrong key, another log and a damaged file are told apart.
#[tokio::test]
async fn what_is_wrong_with_a_proof_is_said() {
    let shop = Shop::new().await;
    let key = shop.log.signer.verifier();
    let rows = in_order(&shop.superuser).await;
    let text = proof(&shop, &rows[9]).await.unwrap();
    let other = Signer::from_seed(ORIGIN, &[9; 32]).unwrap();
    let error = check(&text, other.verifier()).unwrap_err();
    assert!(matches!(error, Error::OtherKey(_)), "{error}");
    let elsewhere = Signer::from_seed("amanah-ab12/other", &[1; 32]).unwrap();
    let error = check(&text, elsewhere.verifier()).unwrap_err();
    assert!(matches!(error, Error::OtherLog { .. }), "{error}");
    let error = check(&text.replace("index 10", "index 11"), key).unwrap_err();
    assert!(matches!(error, Error::Proof(_)), "{error}");
    let error = check(&text.replace("\n301\n", "\n302\n"), key).unwrap_err();
    assert!(error.to_string().contains("false"), "{error}");
    let error = check("nothing", key).unwrap_err();
    assert!(matches!(error, Error::Proof(_)), "{error}");
    // A row that is not what was sealed, or was not sealed, has no proof.
    let edit =
        format!("UPDATE audit.system_audit_logs SET actor_id = 'x' WHERE id = {}", rows[9].id);
    run(&shop.superuser, &edit).await;
    let edited = in_order(&shop.superuser).await;
    let error = proof(&shop, &edited[9]).await.unwrap_err();
    assert!(error.to_string().contains("is not what was sealed"), "{error}");
    let checked = check(&text, key).unwrap();
    assert_eq!(checked.refutes(&rows[9]), None);
    assert!(checked.refutes(&edited[9]).unwrap().contains("not what was sealed"));
    assert!(checked.refutes(&rows[8]).unwrap().contains("another row"));
    let unsealed = TrailRow { id: i64::MAX, ..rows[9].clone() };
    let error = proof(&shop, &unsealed).await.unwrap_err();
    assert!(error.to_string().contains("is not in the log"), "{error}");
}
