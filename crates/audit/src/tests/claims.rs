//! `audit.tamper-evident` over a real trail and its real log, and `audit.context` over what stands in it.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{Clock as _, Cx, ManualClock, Outcome, Params, SystemClock, catalogue};
use store::Protected;

use super::sealing::Pen;
use super::{Keeper, ORIGIN, SHOP, control, cx, house, none, recorder, run, watched};
use crate::offsite::{Offsite, copy};
use crate::seal::{Sealer, SealerSettings};
use crate::verify::Memory;
use crate::{Watched, sql};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const ID: &str = "audit.tamper-evident";

/// Whoever sees the whole trail.
pub(super) fn reader_of(protected: &Protected) -> &store::Db {
    protected.superuser.as_ref().unwrap_or(&protected.owner)
}

/// Seals all that is there into the log of `watched`.
pub(super) async fn seal(protected: &Protected, watched: &Watched) {
    let reader = reader_of(protected);
    let tx = reader.operator().await.unwrap();
    let count = "SELECT count(*) FROM audit.system_audit_logs";
    let rows: i64 = tx.query_one(count, &[]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    let settings = SealerSettings {
        db: reader.clone(),
        shelf: Arc::clone(&watched.log.as_ref().unwrap().shelf),
        signatory: Pen::of(&[1]),
        origin: ORIGIN.to_owned(),
        clock: Arc::new(SystemClock),
    };
    let mut sealer = Sealer::open(settings).await.unwrap();
    loop {
        let round;
        // What others write on this server may hold the horizon back for a while.
        (sealer, round) = sealer.round().await.unwrap();
        if round.size > rows.unsigned_abs() {
            break;
        }
    }
}

/// The claim holds while the trail is what was sealed and the verifier names every damage, with the
/// guard and without it; it names what was changed, and since when.
#[tokio::test]
async fn a_change_breaks_the_claim() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let dir = tempfile::tempdir().unwrap();
        let mut watched = watched(&protected);
        let memory = Memory::at(dir.path().join("seen"));
        watched.log.as_mut().unwrap().memory = Some(memory.clone());
        let sql = "INSERT INTO product (company_id, name, price) VALUES (-1, 'lamp', 2)";
        run(&protected.owner, sql).await;
        seal(&protected, &watched).await;
        let claim = control(ID, vec![watched.clone()]);
        let proof = claim.prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
        assert_eq!(
            proof.population().to_string(),
            "21 of 21 trails, and damages done in a sandbox"
        );
        let hashed = control("audit.hash", vec![watched.clone()]).prove(&cx(), &none()).await;
        assert_eq!(hashed.outcome(), Outcome::Holds, "{}", hashed.detail());
        assert_eq!(hashed.observed_at(), proof.observed_at(), "both judge from one reading");
        let keys = (watched.log.as_ref().unwrap().keys)().unwrap();
        assert_eq!(memory.kept(&keys).unwrap().len(), 1, "what was right is kept");
        let maker = protected.superuser.as_ref().unwrap_or(&protected.owner);
        let quiet = if keeper == Keeper::Superuser { sql::DDL_GUARD_OFF } else { "SELECT 1" };
        run(maker, &format!("{quiet}; {}", sql::UNGUARD)).await;
        let edit = "UPDATE audit.system_audit_logs SET new_data = '{\"price\": 1}'
                     WHERE action = 'INSERT' AND table_name = 'product'";
        run(maker, edit).await;
        let proof = claim.prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
        assert_eq!(proof.findings().len(), 1, "{:?}", proof.findings());
        let said = &proof.findings()[0].what;
        assert!(said.contains("edited-row") && said.contains("between"), "{said}");
    }
}

/// A trail that nobody seals is not said to be safe.
#[tokio::test]
async fn a_trail_without_a_log_is_unknown() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let unsealed = Watched { log: Err("nobody seals it".to_owned()), ..watched(&protected) };
    let proof = control(ID, vec![unsealed]).prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(proof.detail().contains("nobody seals it"), "{}", proof.detail());
    let proof = control(ID, vec![watched(&protected)]).prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(proof.detail().contains("no checkpoint yet"), "{}", proof.detail());
    assert_eq!(control(ID, Vec::new()).prove(&cx(), &none()).await.outcome(), Outcome::Unknown);
}

/// What each canary write left says who, what, when and for which request, whatever the session claimed;
/// with the guard and without it.
#[tokio::test]
async fn the_context_of_each_write_is_true() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let claim = control("audit.context", vec![watched(&protected)]);
        let proof = claim.prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        // Three tables hold tenants' rows.
        assert_eq!(proof.population().to_string(), "9 of 9 canary writes (table × action)");
        let text = recorder("amanah.current_actor()", "current_setting('amanah.actor', true)");
        let maker = protected.superuser.as_ref().unwrap_or(&protected.owner);
        let quiet = if keeper == Keeper::Superuser { sql::DDL_GUARD_OFF } else { "SELECT 1" };
        run(maker, &format!("{quiet}; {text}")).await;
        let proof = claim.prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
        let said = &proof.findings()[0].what;
        assert!(said.contains("names the actor somebody-else"), "{said}");
    }
}

/// A copy at a second place that opens and is young enough keeps the claim; one that is late, near, or not
/// configured does not.
#[tokio::test]
async fn a_copy_elsewhere_keeps_the_claim() {
    let id = "audit.offsite";
    let every = |period| Params::check(catalogue::find(id).unwrap(), [("every", period)]).unwrap();
    let protected = house(SHOP, Keeper::Superuser).await;
    let watched = watched(&protected);
    seal(&protected, &watched).await;
    let (log, second) = (watched.log.clone().unwrap(), watched.offsite.clone().unwrap());
    let claim = control(id, vec![watched.clone()]);
    let missing = claim.prove(&cx(), &every("24h")).await;
    assert_eq!(missing.outcome(), Outcome::Broken, "{}", missing.detail());
    assert!(missing.findings()[0].what.contains("missing-checkpoint"), "{:?}", missing.findings());
    copy(&log, reader_of(&protected), &second).await.unwrap();
    let held = claim.prove(&cx(), &every("24h")).await;
    assert_eq!(held.outcome(), Outcome::Holds, "{}: {:?}", held.detail(), held.findings());
    assert_eq!(held.population().to_string(), "1 of 1 copies of trails");
    let later =
        Cx { clock: Arc::new(ManualClock::at(SystemClock.now() + 25 * 60 * MINUTE)), ..cx() };
    let late = claim.prove(&later, &every("24h")).await;
    assert_eq!(late.outcome(), Outcome::Broken, "{}", late.detail());
    assert_eq!(claim.prove(&later, &every("2d")).await.outcome(), Outcome::Holds);
    let near = Offsite { near: Some("it is on this disk".to_owned()), ..second };
    let near = Watched { offsite: Ok(near), ..watched.clone() };
    let proof = control(id, vec![near]).prove(&cx(), &every("24h")).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(proof.detail().contains("on this disk"), "{}", proof.detail());
    let none = Watched { offsite: Err("set trail.offsite".to_owned()), ..watched };
    let proof = control(id, vec![none]).prove(&cx(), &every("24h")).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(proof.detail().contains("trail.offsite"), "{}", proof.detail());
}
