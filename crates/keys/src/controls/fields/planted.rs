//! The bite: a copy of the control database with every violation in it, and sealings with a fault.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Cx, Finding, Planted, Secret, TenantId, random_hex};
use store::{Db, Programs};

use super::super::practice::Practice;
use super::super::{Bitten, Seen};
use super::keeper::{Open, exclusive, opens};
use super::needles::Needles;
use super::{declared, search, weigh};
use crate::{Ciphertext, KeyRef, Plain};

/// A table of its own: what else is in the copy does not matter.
const TABLE: &str = "\
    CREATE SCHEMA amanah_bite; \
    CREATE TABLE amanah_bite.notes (name text, note text); \
    CREATE TABLE amanah_bite.sound (good text, plain text, digest text, hash bytea, \
                                    token_at timestamptz, otp bool); \
    COMMENT ON COLUMN amanah_bite.sound.good IS 'amanah: sealed'; \
    COMMENT ON COLUMN amanah_bite.sound.digest IS 'amanah: hashed'; \
    CREATE TABLE amanah_bite.faulty (seed text, forged text, api_key text, pin int); \
    COMMENT ON COLUMN amanah_bite.faulty.seed IS 'amanah: sealed'; \
    COMMENT ON COLUMN amanah_bite.faulty.forged IS 'amanah: sealed'";
const NOTE: &str = "INSERT INTO amanah_bite.notes VALUES ($1, $2)";
const SOUND: &str = "INSERT INTO amanah_bite.sound (good) VALUES ($1)";
const FAULTY: &str = "INSERT INTO amanah_bite.faulty VALUES ($1, $2, $3)";

/// Where the sealings of the bite belong.
const CONTEXT: &[u8] = b"amanah_bite.sound.good";

/// What each violation in the copy is called, and the words of its finding: object and sentence.
const SEEDED: [(&str, &str, &str); 6] = [
    ("a canary in clear", "clear", "stands in clear"),
    ("a canary in base64", "base64", "stands as base64"),
    ("a clear value in a sealed column", "faulty.seed", "1 of 1 values are not sealed"),
    ("a sealed value of an unknown key", "faulty.forged", "has never held"),
    ("an undeclared column", "faulty.api_key", "nobody declared"),
    ("an undeclared number", "faulty.pin", "nobody declared"),
];

/// Seeds everything in `db` and a scratch ring below `scratch`, and looks.
pub(super) async fn bite(
    db: &Db,
    programs: &Programs,
    scratch: &Path,
    cx: &Cx,
) -> Result<Bitten, String> {
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let practice = Practice::new(scratch, clock, rng).await?;
    let pair = tenants(&practice).await?;
    let text = Secret::new(random(cx)?);
    let sealed = seal(&practice, &pair.0, &text)?;
    let canaries = [canary(cx, "clear")?, canary(cx, "base64")?, canary(cx, "absent")?];
    fill(db, &canaries, &sealed, cx).await.map_err(|e| format!("the copy was not seeded: {e}"))?;

    let needles = Needles::new(&canaries)?;
    let hits = search(db, programs, &needles).await;
    let mut seen = weigh(&canaries, "the copy", hits, true);
    seen.add(declared(db, &practice.keys, "the copy").await);
    let mut bitten = Bitten::default();
    sound(&seen, &mut bitten);
    for (name, object, words) in SEEDED {
        let mut all = seen.findings.iter();
        let found = all.find(|f| f.object.contains(object) && f.what.contains(words));
        bitten.add(name, found.cloned());
    }
    sealings(&practice, &pair, &sealed, &text, &mut bitten);
    Ok(bitten)
}

/// What is in order must not be reported, or the findings mean nothing.
fn sound(seen: &Seen, bitten: &mut Bitten) {
    for finding in &seen.findings {
        if finding.object.contains("absent") || finding.object.contains("sound.") {
            bitten.missed.push(format!("the difference to what is sound ({finding})"));
        }
    }
    if !seen.opens.is_empty() {
        bitten.missed.push(seen.opens.join("; "));
    }
}

/// Tries out sealings with a fault, and the one without.
fn sealings(
    practice: &Practice,
    (own, other): &(KeyRef, KeyRef),
    sealed: &Ciphertext,
    text: &Secret,
    bitten: &mut Bitten,
) {
    let keys = &practice.keys;
    let right =
        |key: &KeyRef, sealed: &Ciphertext, context: &[u8]| opens(keys, key, sealed, context);
    let no_context =
        |key: &KeyRef, sealed: &Ciphertext, _: &[u8]| opens(keys, key, sealed, CONTEXT);
    let no_key =
        |_: &KeyRef, sealed: &Ciphertext, context: &[u8]| opens(keys, own, sealed, context);
    // It knows the ciphertext again by its key's id, and does not look at the rest.
    let no_check = |key: &KeyRef, changed: &Ciphertext, context: &[u8]| {
        let known = key == own && changed.id == sealed.id && context == CONTEXT;
        known.then(|| text.clone())
    };
    let judge = |open: &Open<'_>, pair| exclusive(open, pair, sealed, CONTEXT, text);
    if let Some(problem) = judge(&right, (own, other)) {
        bitten.missed.push(format!("the difference to a sound sealing ({problem})"));
    }
    let faults: [(&str, &Open<'_>, &str); 3] = [
        ("a sealing without context", &no_context, "another context"),
        ("a sealing without a tenant's key", &no_key, "another tenant's key"),
        ("a sealing that is not checked", &no_check, "a flipped bit"),
    ];
    for (name, open, words) in faults {
        let problem = judge(open, (own, other)).filter(|problem| problem.contains(words));
        bitten.add(name, problem.map(|what| Finding::new(name, what)));
    }
}

/// One key of each of two tenants.
async fn tenants(practice: &Practice) -> Result<(KeyRef, KeyRef), String> {
    let house = practice.key("fields").await.map_err(|e| e.to_string())?;
    let of = |tenant: &str| -> Result<KeyRef, String> {
        let tenant = TenantId::new(tenant).map_err(|e| e.to_string())?;
        Ok(KeyRef { tenant: Some(tenant), name: house.name.clone() })
    };
    let pair = (of("a")?, of("b")?);
    for key in [&pair.0, &pair.1] {
        practice.keys.ensure(key).await.map_err(|e| e.to_string())?;
    }
    Ok(pair)
}

fn seal(practice: &Practice, key: &KeyRef, text: &Secret) -> Result<Ciphertext, String> {
    let plain = Plain { text: text.expose().as_bytes(), context: CONTEXT };
    let sealed = practice.keys.encrypt(key, &[plain]).map_err(|e| e.to_string())?;
    sealed.into_iter().next().ok_or_else(|| "nothing was sealed".to_owned())
}

fn canary(cx: &Cx, what: &str) -> Result<Planted, String> {
    let secret = Secret::new(random(cx)?);
    Ok(Planted { what: what.to_owned(), secret, beside: random(cx)?, problem: None })
}

fn random(cx: &Cx) -> Result<String, String> {
    random_hex(&*cx.rng, 20).map_err(|e| e.to_string())
}

async fn fill(db: &Db, canaries: &[Planted; 3], sealed: &Ciphertext, cx: &Cx) -> crate::Result<()> {
    let [clear, encoded, absent] = canaries;
    let text = format!("user:{}", encoded.secret.expose());
    let base64 = STANDARD.encode(text);
    // The shape of a ciphertext, and a key's id that no ring has given out.
    let mut forged = sealed.clone();
    cx.rng.fill(&mut forged.id)?;
    let nothing: Option<&str> = None;
    let tx = db.operator().await?;
    tx.batch(TABLE).await?;
    tx.execute(NOTE, &[&clear.beside, &clear.secret.expose()]).await?;
    tx.execute(NOTE, &[&encoded.beside, &base64]).await?;
    tx.execute(NOTE, &[&absent.beside, &nothing]).await?;
    tx.execute(SOUND, &[&sealed.text()]).await?;
    tx.execute(SOUND, &[&sealed.vault()]).await?;
    tx.execute(SOUND, &[&nothing]).await?;
    tx.execute(FAULTY, &[&"in clear", &forged.text(), &nothing]).await?;
    tx.commit().await?;
    Ok(())
}
