//! What a table promises, under few keys and under a million.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::{HashKey, Rate, Slot, Table};

const KEY: HashKey = HashKey([7, 11]);
const SECOND: u64 = 1_000_000_000;

fn rate(burst: u32, seconds: u64) -> Rate {
    Rate::new(burst, Duration::from_secs(seconds))
}

fn passed(table: &Table, key: &[u8], tries: u32, now: u64) -> usize {
    (0..tries).filter(|_| table.take(key, now).is_ok()).count()
}

#[test]
fn a_burst_passes_then_one_in_each_span() {
    let table = Table::new(rate(5, 2), 128, KEY);
    assert_eq!(passed(&table, b"a", 9, 0), 5);
    assert_eq!(table.take(b"a", 0), Err(2 * SECOND), "it is told how long to wait");
    assert_eq!(table.take(b"a", SECOND), Err(SECOND));
    assert_eq!(passed(&table, b"a", 9, 2 * SECOND), 1);
    assert_eq!(passed(&table, b"a", 9, 1_000 * SECOND), 5, "no more than a burst is saved up");
    assert_eq!(passed(&table, b"b", 9, 0), 5, "another key has its own");
}

#[test]
fn looking_takes_nothing_and_what_was_taken_can_be_given_back() {
    let table = Table::new(rate(2, 1), 128, KEY);
    for _ in 0..9 {
        assert_eq!(table.look(b"a", 0), Ok(()));
    }
    assert_eq!(passed(&table, b"a", 9, 0), 2);
    assert!(table.look(b"a", 0).is_err());
    table.give_back(b"a");
    assert_eq!(passed(&table, b"a", 9, 0), 1);
    table.give_back(b"nobody");
    assert_eq!(passed(&table, b"a", 9, 0), 0, "only a key's own is given back");
}

#[test]
fn what_is_charged_beyond_the_allowance_ends_with_it() {
    let table = Table::new(rate(3, 1), 128, KEY);
    for _ in 0..100 {
        table.charge(b"a", 1, 0);
    }
    assert_eq!(table.take(b"a", 0), Err(SECOND), "nobody owes more than a whole allowance");
    assert_eq!(passed(&table, b"a", 9, 3 * SECOND), 3);
}

#[test]
fn a_key_takes_sixteen_bytes_and_a_million_of_them_no_more() {
    assert_eq!(size_of::<Slot>(), 16);
    let table = Table::new(rate(10, 30), 1 << 16, KEY);
    assert_eq!(table.bytes(), 16 << 16);
    for sources in [10_000_u32, 1_000_000] {
        for source in 0..sources {
            let _ = table.take(&source.to_be_bytes(), 0);
        }
        assert_eq!(table.bytes(), 16 << 16, "after {sources} sources");
    }
}

/// Ten thousand sources, each of which asks once, are not in one another's way.
#[test]
fn ten_thousand_sources_do_not_hinder_one_another() {
    let table = Table::new(rate(10, 30), 1 << 16, KEY);
    let free = (0..10_000_u32).filter(|s| table.take(&s.to_be_bytes(), 0).is_ok()).count();
    assert_eq!(free, 10_000);
}

/// However many keys drive somebody out, they come back to no more than they had.
#[test]
fn nobody_gets_rid_of_a_debt_by_being_forgotten() {
    let table = Table::new(rate(10, 30), 1 << 12, KEY);
    for culprit in 0..50_u32 {
        assert_eq!(passed(&table, &[&b"culprit"[..], &culprit.to_be_bytes()].concat(), 99, 0), 10);
    }
    for source in 0..1_000_000_u32 {
        let _ = table.take(&source.to_be_bytes(), 0);
    }
    for culprit in 0..50_u32 {
        let key = [&b"culprit"[..], &culprit.to_be_bytes()].concat();
        assert_eq!(passed(&table, &key, 9, 0), 0, "{culprit}");
    }
}

/// What a crowd costs a stranger is over within one whole allowance.
#[test]
fn what_a_stranger_inherits_is_over_in_one_span() {
    let table = Table::new(rate(10, 30), 128, KEY);
    for source in 0..100_000_u32 {
        let _ = table.take(&source.to_be_bytes(), 0);
    }
    assert!(table.take(b"stranger", 0).is_err(), "the crowd has filled every set");
    assert_eq!(passed(&table, b"stranger", 99, 10 * 30 * SECOND), 10);
}

/// Several threads at once get what one would.
#[test]
fn threads_together_take_one_allowance() {
    let table = Table::new(rate(1_000, 30), 128, KEY);
    let free = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let taken = table.take(b"a", 0).is_ok();
                    free.fetch_add(u32::from(taken), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(free.into_inner(), 1_000);
}

proptest! {
    /// Beside any crowd, in any order, at any time: no key ever gets more than its rate gives.
    #[test]
    fn no_key_gets_more_than_its_rate(
        steps in prop::collection::vec((0_u8..200, 0_u64..2 * SECOND), 1..2_000),
    ) {
        let rate = rate(3, 1);
        let table = Table::new(rate, 128, KEY);
        let (mut now, mut alone) = (0, vec![0_u64; 200]);
        for (key, pause) in steps {
            now += pause / 50;
            let own = &mut alone[usize::from(key)];
            if table.take(&[key], now).is_ok() {
                let spent = rate.spend(*own, now);
                prop_assert!(spent.is_ok(), "key {key} passed where alone it would not");
                *own = spent.unwrap();
            }
        }
    }
}
