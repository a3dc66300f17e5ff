//! A door for `fuzz/` and its like: parsers of what others can write.
//!
//! Where a parser has a writer, its function gives what was read as it is written, and nothing when
//! it was refused: what it gave, read again, is the same.

use aws_lc_rs::signature::KeyPair as _;
use cipher::Material;

use crate::controls::disk::hostile;
use crate::document::Document;
use crate::object::Sidecar;
use crate::recovery::Kit;
use crate::{Ciphertext, Snapshot, Tag, anchor, recovery, wrapping};

/// A ring, with or without its last line. The signature would stop everything else, so the text
/// above it is also read as if it had been signed.
pub fn ring(bytes: &[u8]) -> Option<Vec<u8>> {
    let read = Document::read(bytes);
    let text = std::str::from_utf8(bytes).ok()?;
    let body = text.rsplit_once("\ned25519 ").map_or(text, |(body, _)| body);
    let mut document: Document = serde_json::from_str(body).ok()?;
    let signer = wrapping::signer(&Material::new([7; 32])).ok()?;
    document.public_key = kernel::hex(signer.public_key().as_ref());
    let Ok(written) = document.write(&signer) else {
        // What has a good signature was checked, so it can be written.
        return read.is_ok().then(Vec::new);
    };
    // Nothing that reads as something else: that is found out by reading it again.
    Some(if Document::read(&written).is_ok() { written } else { Vec::new() })
}

/// A ciphertext's text.
pub fn ciphertext(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let read = Ciphertext::parse(text).ok()?;
    let written = if text.starts_with("vault") { read.vault() } else { read.text() };
    Some(written.into_bytes())
}

/// An HMAC's or a signature's text.
pub fn tag(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let read = Tag::parse(text).ok()?;
    let written = if text.starts_with("vault") { read.vault() } else { read.text() };
    Some(written.into_bytes())
}

/// A sidecar.
pub fn sidecar(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Sidecar::parse(bytes).ok()?.text().into_bytes())
}

/// A recovery kit.
pub fn kit(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Kit::parse(bytes).ok()?.bytes())
}

/// A share of one.
pub fn share(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(recovery::reread_share(std::str::from_utf8(bytes).ok()?)?.into_bytes())
}

/// What a kit holds.
pub fn snapshot(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Snapshot::from_bytes(bytes).ok()?.to_bytes().ok()?.to_vec())
}

/// The first line of an envelope, whose key is not asked for.
pub fn envelope(bytes: &[u8]) -> Option<Vec<u8>> {
    crate::envelope::reread_line(bytes)
}

/// The file of an anchor.
pub fn anchor(bytes: &[u8]) -> Option<Vec<u8>> {
    anchor::reread_file(bytes)
}

/// Whether it is the header of an encrypted volume.
pub fn luks(bytes: &[u8]) -> bool {
    hostile::luks(bytes)
}

/// Whether it is the kernel's table of mounts.
pub fn mountinfo(bytes: &[u8]) -> bool {
    hostile::mountinfo(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kernel::{SystemClock, SystemRng};
    use testkit::try_damaged_again;

    use crate::object::tests::House;
    use crate::{Plain, recovery};

    #[tokio::test]
    async fn a_damaged_ring_is_read_or_refused() {
        let house = House::new().await;
        let (gone, stays) = (house.key(Some("17")).await, house.key(Some("18")).await);
        house.keys.rotate(&stays).await.unwrap();
        house.keys.shred(gone.tenant.as_ref().unwrap()).await.unwrap();
        recovery::make(&house.keys, (2, 3), &SystemClock, &SystemRng).await.unwrap();
        let ring = fs::read_dir(house.path().join("ring")).unwrap();
        let mut files: Vec<_> = ring.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let newest = files.iter().rfind(|path| path.to_string_lossy().contains("/ring-"));
        let newest = fs::read(newest.unwrap()).unwrap();
        assert!(crate::document::Document::read(&newest).is_ok());
        try_damaged_again("ring", &[super::ring(&newest).unwrap()], super::ring);
        let snapshot = house.keys.snapshot().unwrap().to_bytes().unwrap().to_vec();
        try_damaged_again("snapshot", &[snapshot], super::snapshot);
    }

    #[tokio::test]
    async fn damaged_ciphertexts_and_sidecars_are_read_or_refused() {
        let house = House::new().await;
        let key = house.key(Some("17")).await;
        let plain = Plain { text: b"text", context: b"context" };
        let made = house.keys.encrypt(&key, &[plain]).unwrap();
        let texts = [made[0].text().into_bytes(), made[0].vault().into_bytes()];
        try_damaged_again("ciphertext", &texts, super::ciphertext);
        let own = fs::read(house.store(&key, "a", b"text").with_added_extension("key")).unwrap();
        let key = house.key(None).await;
        let other = fs::read(house.store(&key, "é", b"").with_added_extension("key")).unwrap();
        try_damaged_again("sidecar", &[own, other], super::sidecar);
    }

    #[test]
    fn damaged_tags_are_read_or_refused() {
        let samples = ["amanah:v1:AAAA", "vault:v4294967295:AAAAAAAAAAA="];
        try_damaged_again("tag", &samples.map(|text| text.as_bytes().to_vec()), super::tag);
    }

    #[tokio::test]
    async fn damaged_kits_and_shares_are_read_or_refused() {
        let house = House::new().await;
        house.key(Some("17")).await;
        let made = recovery::make(&house.keys, (2, 3), &SystemClock, &SystemRng).await;
        let (kit, shares) = made.unwrap();
        try_damaged_again("kit", &[kit.bytes()], super::kit);
        let shares: Vec<_> = shares.iter().map(|s| s.expose().as_bytes().to_vec()).collect();
        try_damaged_again("share", &shares, super::share);
    }

    #[tokio::test]
    async fn a_damaged_anchor_is_read_or_refused() {
        let house = House::new().await;
        let tenant = house.key(Some("17")).await.tenant;
        house.keys.shred(tenant.as_ref().unwrap()).await.unwrap();
        let kept = fs::read(house.path().join("head")).unwrap();
        try_damaged_again("anchor", &[kept], super::anchor);
    }
}
