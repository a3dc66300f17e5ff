//! What an attempt is taken for: a refusal, a violation, or nothing that says anything.

use super::attack::Survey;
use super::rows::{Seen, judge};
use super::{Denied, weigh};
use jiff::Timestamp;
use kernel::Outcome;

fn outcome(survey: Survey) -> Outcome {
    weigh(Timestamp::UNIX_EPOCH, survey).outcome()
}

fn after(attempts: impl FnOnce(&mut Survey)) -> Outcome {
    let mut survey = Survey::default();
    survey.holds();
    attempts(&mut survey);
    outcome(survey)
}

#[test]
fn only_a_refusal_is_taken_for_one() {
    assert_eq!(after(|_| {}), Outcome::Holds);
    assert_eq!(after(|s| s.refused::<()>("a", Err(Denied::Refused))), Outcome::Holds);
    let ill = || Err::<(), _>(Denied::Failed("no answer".to_owned()));
    assert_eq!(after(|s| s.refused("a", ill())), Outcome::Unknown);
    assert_eq!(after(|s| s.refused("a", Ok(()))), Outcome::Broken);
    // What was found stays found, whatever could not be tried.
    let both = |s: &mut Survey| {
        s.refused("a", Ok(()));
        s.refused("b", ill());
    };
    assert_eq!(after(both), Outcome::Broken);
}

#[test]
fn a_table_that_cannot_be_looked_at_shows_not_nothing() {
    let seen = |rows, missed: Option<&str>| Seen { rows, missed: missed.map(str::to_owned) };
    assert_eq!(after(|s| s.unseen("a", seen(0, None))), Outcome::Holds);
    assert_eq!(after(|s| s.unseen("a", seen(0, Some("t: gone")))), Outcome::Unknown);
    assert_eq!(after(|s| s.unseen("a", seen(2, Some("t: gone")))), Outcome::Broken);
}

#[tokio::test]
async fn a_write_is_refused_by_the_right_codes_alone() {
    let base = testkit::database(&[]).await;
    let tx = base.owner.operator().await.unwrap();
    for (code, wanted) in [
        ("42501", Outcome::Holds),
        ("28000", Outcome::Holds),
        ("23505", Outcome::Broken),
        ("42P01", Outcome::Unknown),
        ("53300", Outcome::Unknown),
    ] {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$");
        let said = tx.attempt(&raise, &[]).await.unwrap().map(|rows| rows.len());
        assert_eq!(after(|s| judge(s, ("UPDATE", "a"), said)), wanted, "{code}");
    }
    tx.rollback().await.unwrap();
    // A row that was neither written nor refused says nothing; one that was hidden was not changed.
    assert_eq!(after(|s| judge(s, ("INSERT", "a"), Ok(0))), Outcome::Unknown);
    assert_eq!(after(|s| judge(s, ("DELETE", "a"), Ok(0))), Outcome::Holds);
    assert_eq!(after(|s| judge(s, ("DELETE", "a"), Ok(1))), Outcome::Broken);
}
