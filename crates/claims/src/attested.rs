//! Attestations in the control database, each signed by the key ring.
//!
//! It promises that a row counts only if a key which PostgreSQL never sees has signed every field of it,
//! in a form that can be read in one way: one field in a line, and no field with a control character.
//!
//! The attack it stops: somebody with the database's superuser puts in an attestation that nobody
//! gave, or changes who gave one, of which document, or until when.
//!
//! It does not stop a row from being removed by a superuser: the claim then misses it.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Attestation, Attestations, Fut, Rng, Signatory, Vouched, hex};
use store::{Db, OperatorTx, Row};
use tlog::{Note, Signer, Verifier};
use zeroize::Zeroizing;

use crate::sql;

/// The first line of what is signed. No checkpoint begins so: it begins with the name of a log.
const HEAD: &str = "amanah.claims/attestation/v1";
/// The most attestations about one claim that are read: the newest ones.
const MAX_READ: i64 = 100_000;
/// The longest text of each field, in bytes, as the table has it.
const MAX_BYTES: [(&str, usize); 5] =
    [("subject", 500), ("statement", 4_000), ("document", 1_000), ("name", 2_000), ("claim", 100)];

/// The attestations of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    db: Db,
    signatory: Arc<dyn Signatory>,
    /// The name under which the ring signs.
    name: String,
    rng: Arc<dyn Rng>,
}

/// Signs with a key that is gone with it.
struct Rehearsing(Signer);

impl Signatory for Rehearsing {
    fn public_keys(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(vec![self.0.verifier().key()])
    }

    fn sign(&self, _: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
        self.0.sign(text).try_into().map_err(|_| "the signature is none of Ed25519".to_owned())
    }
}

impl Ledger {
    /// The attestations in `db`, where [`crate::ROOM`] was migrated, signed by `signatory` under the
    /// name `name`.
    pub fn new(
        db: Db,
        signatory: Arc<dyn Signatory>,
        name: impl Into<String>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self { db, signatory, name: name.into(), rng }
    }

    /// The same table under a key that is gone with it: what is signed in a rehearsal is worth nothing.
    fn rehearsing(&self) -> Result<Self, String> {
        let mut seed = Zeroizing::new([0; 32]);
        self.rng.fill(&mut *seed).map_err(said)?;
        let signer = Signer::from_seed(&self.name, &seed).map_err(said)?;
        Ok(Self { signatory: Arc::new(Rehearsing(signer)), ..self.clone() })
    }

    fn keys(&self) -> Result<Vec<Verifier>, String> {
        let keys = self.signatory.public_keys()?;
        keys.into_iter().map(|key| Verifier::new(&self.name, key).map_err(said)).collect()
    }

    /// The lines below the text, by the newest key.
    fn signature(&self, one: &Attestation) -> Result<String, String> {
        let note = Note::new(text(one)?).map_err(said)?;
        let keys = self.signatory.public_keys()?;
        let key = keys.first().ok_or("there is no key that signs attestations")?;
        let signature = self.signatory.sign(key, note.text().as_bytes())?;
        let by = Verifier::new(&self.name, *key).map_err(said)?;
        let signed = note.with(&by, &signature).map_err(said)?.to_string();
        let lines = signed.rsplit_once("\n\n").map(|(_, lines)| lines.to_owned());
        lines.ok_or_else(|| "the note has no signature".to_owned())
    }

    async fn open(&self) -> Result<OperatorTx, String> {
        self.db.operator().await.map_err(said)
    }

    async fn read(&self, tx: &OperatorTx, claim: &str) -> Result<Vec<Vouched>, String> {
        let rows = tx.query(sql::ATTESTED, &[&claim, &MAX_READ]).await.map_err(said)?;
        // Without a key nothing that is there was signed by it.
        let keys = if rows.is_empty() { Ok(Vec::new()) } else { self.keys() };
        let keys = keys.unwrap_or_default();
        Ok(rows.iter().rev().map(|row| vouched(row, &keys)).collect())
    }
}

impl Attestations for Ledger {
    fn about<'a>(&'a self, claim: &'a str) -> Fut<'a, Result<Vec<Vouched>, String>> {
        Box::pin(async move {
            let tx = self.open().await?;
            let all = self.read(&tx, claim).await?;
            tx.rollback().await.map_err(said)?;
            Ok(all)
        })
    }

    fn attest<'a>(&'a self, one: &'a Attestation) -> Fut<'a, Result<i64, String>> {
        Box::pin(async move {
            let signature = self.signature(one)?;
            let tx = self.open().await?;
            let id = put(&tx, one, &signature).await?;
            tx.commit().await.map_err(said)?;
            Ok(id)
        })
    }

    fn rehearse<'a>(
        &'a self,
        claim: &'a str,
        signed: &'a [Attestation],
        forged: &'a [Attestation],
    ) -> Fut<'a, Result<Vec<Vouched>, String>> {
        Box::pin(async move {
            let here = self.rehearsing()?;
            let tx = here.open().await?;
            let mut signature = String::new();
            for one in signed {
                signature = here.signature(one)?;
                put(&tx, one, &signature).await?;
            }
            for one in forged {
                put(&tx, one, &signature).await?;
            }
            let all = here.read(&tx, claim).await?;
            tx.rollback().await.map_err(said)?;
            Ok(all)
        })
    }
}

async fn put(tx: &OperatorTx, one: &Attestation, signature: &str) -> Result<i64, String> {
    let Attestation { claim, subject, statement, digest, document, by, at, until } = one;
    let digest = &digest[..];
    let bound: store::Bound<'_> =
        &[claim, subject, statement, &digest, document, by, at, until, &signature];
    Ok(tx.query_one(sql::ATTEST, bound).await.map_err(said)?.get(0))
}

/// What is signed: a field in each line.
fn text(one: &Attestation) -> Result<String, String> {
    let Attestation { claim, subject, statement, digest, document, by, at, until } = one;
    for (name, text) in [
        ("subject", subject),
        ("statement", statement),
        ("document", document),
        ("name", by),
        ("claim", claim),
    ] {
        let most = MAX_BYTES.iter().find(|(field, _)| *field == name).map_or(0, |(_, most)| *most);
        if text.is_empty() || text.len() > most {
            return Err(format!("its {name} is empty, or longer than {most} bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("its {name} has control characters"));
        }
    }
    if until <= at {
        return Err("it ends before it begins".to_owned());
    }
    Ok(format!(
        "{HEAD}\nclaim {claim}\nsubject {subject}\nstatement {statement}\nsha256 {}\n\
         document {document}\nby {by}\nat {}\nuntil {}\n",
        hex(digest),
        at.as_microsecond(),
        until.as_microsecond()
    ))
}

/// A row, and whether one of the keys has signed all of it.
fn vouched(row: &Row, keys: &[Verifier]) -> Vouched {
    let (digest, at, until): (Vec<u8>, Timestamp, Timestamp) = (row.get(4), row.get(7), row.get(8));
    let attestation = Attestation {
        claim: row.get(1),
        subject: row.get(2),
        statement: row.get(3),
        // The table has no other length.
        digest: digest.try_into().unwrap_or_default(),
        document: row.get(5),
        by: row.get(6),
        at,
        until,
    };
    let wrong = checked(&attestation, row.get(9), keys).err();
    Vouched { id: row.get(0), attestation, wrong }
}

fn checked(one: &Attestation, signature: &str, keys: &[Verifier]) -> Result<(), String> {
    let note = Note::parse(&format!("{}\n{signature}", text(one)?)).map_err(said)?;
    if keys.iter().any(|key| note.open(key).is_ok()) {
        return Ok(());
    }
    Err("no key of the ring has signed what stands there".to_owned())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
