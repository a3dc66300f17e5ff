//! A field that somebody else wrote: it opens for nobody and stops nobody.
#![no_main]

use cipher::field::FieldKey;
use cipher::{Context, Material};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = FieldKey::new(&Material::new([7; 32])).expect("a key");
    assert!(key.open(&Context::of("fuzz"), bytes).is_err());
});
