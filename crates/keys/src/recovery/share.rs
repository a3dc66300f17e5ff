//! One person's part of a kit's key, as text that can be printed, copied by hand and read out.
//!
//! `amanah-share.KIT.NUMBER.xxxx-xxxx-…-xxxx.cccc-cccc`, all in hexadecimal, which has no two
//! letters that look alike. The last part is a checksum over the rest: somebody who mistypes one
//! letter is told whose share it is, before anything is tried.

use kernel::{Rng, RngError, Secret, hex, unhex};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use vsss_rs::Gf256;
use zeroize::{Zeroize, Zeroizing};

use cipher::{MATERIAL_BYTES, Material};

use crate::{Error, Result};

/// A kit that one share opens would be a key on paper.
pub(super) const MIN_NEEDED: u8 = 2;
/// The most shares of a kit.
pub(super) const MAX_SHARES: u8 = 20;
/// A kit's id, in bytes.
pub(super) const ID_BYTES: usize = 8;

const BEGINS: &str = "amanah-share";
/// Letters between two dashes.
const GROUP: usize = 4;
const CHECK_BYTES: usize = 4;
/// The longest text that is read as a share, in bytes; ours have 122 at most.
const MAX_TEXT: usize = 512;

/// A share: whose kit, which of them, and the point of the polynomial.
pub(super) struct Share {
    pub(super) kit: [u8; ID_BYTES],
    pub(super) number: u8,
    point: Zeroizing<[u8; MATERIAL_BYTES]>,
}

/// Splits `key` so that `needed` of the shares give it back and fewer say nothing about it.
///
/// The library is `vsss-rs`: it was audited, has mended what the audit found (coefficients that
/// were not uniform), works in constant time without tables, and is released often. `sharks`, the
/// best known, has that same hole for good (RUSTSEC-2024-0398); its repaired fork looks secret
/// bytes up in tables. Recovery needs nothing but Lagrange's formula over the field of AES, so a
/// kit outlives the library.
pub(super) fn split(
    key: &Material,
    kit: [u8; ID_BYTES],
    needed: u8,
    of: u8,
    rng: &dyn Rng,
) -> Result<Vec<Share>> {
    let mut source = Source { rng, failed: None };
    let points =
        Gf256::split_bytes(usize::from(needed), usize::from(of), key.expose(), &mut source);
    // What was drawn from a source that failed must not leave this function.
    if let Some(failed) = source.failed {
        return Err(failed.into());
    }
    let points = points.map_err(|why| Error::Kit(format!("its key could not be split: {why}")))?;
    Zeroizing::new(points).iter().map(|point| Share::of(kit, point)).collect()
}

/// Joins shares of one kit, each number once. What comes out is right only when all of them are.
pub(super) fn join(shares: &[Share]) -> Result<Material> {
    let points = shares.iter().map(|share| {
        let mut point = Vec::with_capacity(MATERIAL_BYTES + 1);
        point.push(share.number);
        point.extend_from_slice(share.point.as_slice());
        point
    });
    let points: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(points.collect());
    let key = Gf256::combine_bytes(points.as_slice())
        .map_err(|why| Error::Kit(format!("its shares do not fit together: {why}")))?;
    Ok(Material::try_from(Zeroizing::new(key).as_slice())?)
}

impl Share {
    fn of(kit: [u8; ID_BYTES], bytes: &[u8]) -> Result<Self> {
        let odd = || Error::Kit("its key was split into shares of an odd size".to_owned());
        let (number, rest) = bytes.split_first().ok_or_else(odd)?;
        let point = rest.try_into().map_err(|_| odd())?;
        Ok(Self { kit, number: *number, point: Zeroizing::new(point) })
    }

    /// Reads the text of the share that was given in `place`, counted from 1. Spaces, line ends
    /// and capitals do not matter.
    pub(super) fn parse(text: &Secret, place: usize) -> Result<Self> {
        let nameless =
            |why| Error::ShareDamaged { share: format!("the share given in place {place}"), why };
        let text = text.expose();
        if text.len() > MAX_TEXT {
            return Err(nameless("it is far longer than a share is"));
        }
        let mut clean = Zeroizing::new(String::with_capacity(text.len()));
        clean.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()));
        let mut parts = clean.split('.');
        let mut next = || parts.next().ok_or_else(|| nameless("a part of it is missing"));
        if next()? != BEGINS {
            return Err(nameless("it does not begin with `amanah-share`"));
        }
        let (kit, number, point, check) = (next()?, next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(nameless("it has more parts than a share has"));
        }
        let number: u8 = number
            .parse()
            .ok()
            .filter(|n| (1..=MAX_SHARES).contains(n))
            .ok_or_else(|| nameless("its number cannot be read"))?;
        let named = |why| Error::ShareDamaged { share: format!("share {number}"), why };
        let kit = bytes(kit).ok_or_else(|| named("the kit's id in it cannot be read"))?;
        let point =
            bytes(point).ok_or_else(|| named("letters are missing, or are none of ours"))?;
        let check = bytes::<CHECK_BYTES>(check)
            .ok_or_else(|| named("letters are missing at its end, or are none of ours"))?;
        let share = Self { kit: *kit, number, point };
        if share.checksum() != *check {
            return Err(named("its checksum says that a letter is wrong"));
        }
        Ok(share)
    }

    /// The text to hand to one person.
    pub(super) fn text(&self) -> Secret {
        let mut text = format!("{BEGINS}.{}.{}.", hex(&self.kit), self.number);
        // Room for all of it, so that no copy is left behind when it grows.
        text.reserve_exact(MAX_TEXT);
        let mut body = Zeroizing::new(hex(self.point.as_slice()));
        groups(&mut text, &body);
        body.zeroize();
        text.push('.');
        groups(&mut text, &hex(&self.checksum()));
        Secret::new(text)
    }

    /// What the kit remembers of this share: enough to tell a wrong one, and nothing to guess it
    /// by, since the point is 256 random bits.
    pub(super) fn mark(&self) -> String {
        let digest = self.digest(b"amanah/share/mark/1");
        hex(digest.first_chunk::<16>().map_or(&[], <[u8; 16]>::as_slice))
    }

    fn checksum(&self) -> [u8; CHECK_BYTES] {
        self.digest(b"amanah/share/check/1").first_chunk().copied().unwrap_or_default()
    }

    fn digest(&self, label: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(label);
        hash.update(self.kit);
        hash.update([self.number]);
        hash.update(self.point.as_slice());
        hash.finalize().into()
    }
}

/// A kit's id from its text.
pub(super) fn kit_id(text: &str) -> Option<[u8; ID_BYTES]> {
    if text.contains('-') { None } else { bytes(text).map(|id| *id) }
}

fn groups(text: &mut String, letters: &str) {
    for (n, letter) in letters.chars().enumerate() {
        if n > 0 && n % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
}

fn bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| *c != '-'));
    let read = Zeroizing::new(unhex(&plain)?);
    Some(Zeroizing::new(read.as_slice().try_into().ok()?))
}

/// Our source of randomness for a library that knows none that can fail: a failure is kept, and
/// whatever was made from it is thrown away.
struct Source<'a> {
    rng: &'a dyn Rng,
    failed: Option<RngError>,
}

impl TryRng for Source<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        let mut bytes = Zeroizing::new([0; 4]);
        self.try_fill_bytes(bytes.as_mut_slice())?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        let mut bytes = Zeroizing::new([0; 8]);
        self.try_fill_bytes(bytes.as_mut_slice())?;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error> {
        if let Err(failed) = self.rng.fill(bytes) {
            self.failed = Some(failed);
        }
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}

#[cfg(test)]
mod tests {
    use kernel::{Secret, SystemRng};
    use proptest::prelude::{any, prop, proptest};

    use super::{Share, join, split};
    use cipher::Material;

    const KIT: [u8; 8] = *b"kit-8-by";

    fn shares(needed: u8, of: u8) -> (Material, Vec<Share>) {
        let key = Material::generate(&SystemRng).unwrap();
        let shares = split(&key, KIT, needed, of, &SystemRng).unwrap();
        (key, shares)
    }

    fn parse(text: &str) -> crate::Result<Share> {
        Share::parse(&Secret::new(text.to_owned()), 1)
    }

    #[test]
    fn any_so_many_give_the_key_and_fewer_do_not() {
        let (key, all) = shares(3, 5);
        let texts: Vec<_> = all.iter().map(Share::text).collect();
        let read = |n: usize| Share::parse(&texts[n], n + 1).unwrap();
        for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let joined = join(&chosen.map(read)).unwrap();
            assert_eq!(joined.expose(), key.expose());
        }
        assert_ne!(join(&[read(0), read(1)]).unwrap().expose(), key.expose());
    }

    /// The field is AES's, and the secret is the value at 0: both are checked against shares that
    /// were computed by hand from the polynomial 0x53 + 0xca·x, whose factors are each other's
    /// inverse there.
    #[test]
    fn it_is_shamirs_scheme_over_the_field_of_aes() {
        let at =
            |x: u8, y: u8| Share { kit: KIT, number: x, point: zeroize::Zeroizing::new([y; 32]) };
        // x = 1: 0x53 ^ 0xca; x = 0x53: 0x53 ^ 0x01.
        let joined = join(&[at(1, 0x99), at(0x53, 0x52)]).unwrap();
        assert_eq!(joined.expose(), &[0x53; 32]);
    }

    /// The hole that other libraries have, and this one had, is a value that no coefficient takes.
    /// With two shares needed, the coefficient is the first share without the key.
    #[test]
    fn coefficients_take_every_value() {
        let mut seen = [false; 256];
        for _ in 0..250 {
            let (key, all) = shares(2, 2);
            for (point, byte) in all[0].point.iter().zip(key.expose()) {
                seen[usize::from(point ^ byte)] = true;
            }
        }
        // Chance leaves one of them out less than once in a billion runs.
        assert_eq!(seen.iter().position(|seen| !seen), None);
    }

    #[test]
    fn a_text_bears_being_typed() {
        let (_, all) = shares(2, 2);
        let text = all[0].text();
        let typed = text.expose().to_uppercase().replace('-', " - \n");
        assert_eq!(parse(&typed).unwrap().mark(), all[0].mark());
        assert_eq!(text.expose().len(), "amanah-share.".len() + 16 + 3 + 79 + 1 + 9);
    }

    #[test]
    fn every_wrong_letter_is_noticed_and_the_share_is_named() {
        let (_, all) = shares(2, 2);
        let text = all[1].text().expose().to_owned();
        let body = text.find(".2.").unwrap() + 3;
        for (place, letter) in text.char_indices().filter(|(_, c)| c.is_ascii_hexdigit()) {
            let other = if letter == '0' { '1' } else { '0' };
            let mut wrong = text.clone();
            wrong.replace_range(place..=place, &other.to_string());
            let Err(error) = parse(&wrong) else { panic!("place {place} was not noticed") };
            if place >= body {
                assert!(error.to_string().starts_with("share 2 is damaged"), "{error}");
            }
        }
        for end in 0..text.len() {
            assert!(parse(text.get(..end).unwrap()).is_err(), "{end}");
        }
    }

    proptest! {
        /// Whatever is typed in is refused or read, without a panic.
        #[test]
        fn hostile_texts_are_refused(text in any::<String>()) {
            assert!(parse(&text).is_err());
        }

        #[test]
        fn hostile_parts_are_refused(
            parts in prop::collection::vec("[0-9a-fA-F. -]{0,90}", 0..6),
        ) {
            assert!(parse(&format!("amanah-share.{}", parts.join("."))).is_err());
        }

        #[test]
        fn every_key_comes_back(needed in 2_u8..=20, more in 0_u8..=18, bytes: [u8; 32]) {
            let of = needed.saturating_add(more).min(20);
            let key = Material::new(bytes);
            let all = split(&key, KIT, needed, of, &SystemRng).unwrap();
            let last = &all[usize::from(of - needed)..];
            assert_eq!(join(last).unwrap().expose(), key.expose());
        }
    }
}
