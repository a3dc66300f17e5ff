//! A stream that somebody else wrote, in each of the ways to open one: none gives out a byte, and
//! all agree.
#![no_main]

use cipher::stream::{Opener, Ranged, decrypt};
use cipher::{Context, Material};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (material, context) = (Material::new([7; 32]), Context::of("fuzz"));
    let mut text = Vec::new();
    assert!(decrypt(&material, &context, 1, bytes, &mut text).is_err());
    assert!(text.is_empty());
    assert!(Ranged::new(bytes, &material, &context).is_err());
    let mut opener = Opener::new(&material, &context);
    let piece = bytes.first().map_or(1, |byte| usize::from(*byte) * 999 + 1);
    for mut part in bytes.chunks(piece) {
        match opener.push(&mut part) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("a text came out"),
            Err(_) => return,
        }
    }
    assert!(opener.finish().is_err());
});
