//! The proof that a kit and its shares would bring the keys back, without waiting for the day.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{Clock, Fut, Rng, Secret, random_hex};
use kms::FileRoot;
use serde::Serialize;

use super::{Kit, open};
use crate::{
    Anchor, Buried, Ciphertext, Directory, Error, Head, KeyCard, KeyRef, Keys, Kind, Plain, Policy,
    Result, Sealed, Settings,
};

/// What the drill works on is as long as a key, in bytes.
const PROBE_BYTES: usize = 32;

/// What a drill found.
#[derive(Debug, Clone, Serialize)]
pub struct Drilled {
    /// Which kit.
    pub kit: String,
    /// So many keys of the live ring were in it and worked.
    pub keys: usize,
    /// So many versions of them.
    pub versions: usize,
    /// Keys that were made or rotated since: this kit would not bring their newest version back.
    pub newer: Vec<KeyRef>,
    /// Keys that were in it and did not do what the live ones do.
    pub failed: Vec<KeyRef>,
}

impl Drilled {
    /// Whether something was checked, and all of it worked.
    pub fn works(&self) -> bool {
        self.keys > 0 && self.failed.is_empty()
    }

    /// Whether it works and nothing is newer than the kit.
    pub fn complete(&self) -> bool {
        self.works() && self.newer.is_empty()
    }
}

/// Opens the kit, builds its ring in a folder of its own below `scratch` with a root of its own,
/// and has it open what the live ring encrypts at this moment: every key, and by its HMAC every
/// version. The live ring, its root and its anchors are not written, and the folder is removed.
///
/// # Errors
/// As [`open`](super::open), and when the scratch folder cannot be written.
pub async fn drill(
    live: &Keys,
    kit: &Kit,
    shares: &[Secret],
    scratch: &Path,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Drilled> {
    let snapshot = open(kit, shares)?;
    let card = live.ring()?;
    if kit.card.installation != card.installation {
        return Err(Error::Kit(format!(
            "it holds the keys of installation {}, and this is {}",
            kit.card.installation, card.installation
        )));
    }
    let folder = Folder::below(scratch, rng.as_ref())?;
    let secret = Secret::new(random_hex(rng.as_ref(), PROBE_BYTES)?);
    let place = folder.0.join("root");
    let root = FileRoot::create(&place, &secret, Arc::clone(&clock), Arc::clone(&rng)).await?;
    let settings = Settings {
        installation: card.installation,
        shelf: Arc::new(Directory::new(folder.0.join("ring"))),
        root: Arc::new(root),
        anchors: vec![Arc::new(Still(live.signed()?.1))],
        policy: Policy::default(),
        clock,
        rng: Arc::clone(&rng),
    };
    let rebuilt = Keys::rebuild(settings, &snapshot, false).await?;
    let mut probe = [0; PROBE_BYTES];
    rng.fill(&mut probe)?;
    Ok(compare(live, &rebuilt, &kit.card.kit, &probe))
}

fn compare(live: &Keys, rebuilt: &Keys, kit: &str, probe: &[u8]) -> Drilled {
    let mut found = Drilled {
        kit: kit.to_owned(),
        keys: 0,
        versions: 0,
        newer: Vec::new(),
        failed: Vec::new(),
    };
    for now in live.list() {
        let Ok(then) = rebuilt.card(&now.key) else {
            found.newer.push(now.key);
            continue;
        };
        let newest = |card: &KeyCard| card.newest().map(|version| version.id.clone());
        let current = newest(&now) == newest(&then);
        match try_key(live, rebuilt, (&now, &then), current, probe) {
            // All of its versions are newer than the kit, or older than may be used.
            Ok(0) => {}
            Ok(versions) => {
                found.keys += 1;
                found.versions += versions;
            }
            Err(_) => found.failed.push(now.key.clone()),
        }
        if !current {
            found.newer.push(now.key);
        }
    }
    // What is not in the live ring was destroyed, and may not have come back.
    let back = rebuilt.list().into_iter().filter(|then| live.card(&then.key).is_err());
    found.failed.extend(back.map(|then| then.key));
    found
}

/// How many versions did what the live ones do.
fn try_key(
    live: &Keys,
    rebuilt: &Keys,
    (now, then): (&KeyCard, &KeyCard),
    current: bool,
    probe: &[u8],
) -> Result<usize> {
    let key = &now.key;
    let oldest = now.min_decryption.max(then.min_decryption);
    let mut versions = 0;
    for version in now.versions.iter().filter(|v| v.version >= oldest) {
        if then.versions.iter().any(|known| known.id == version.id) {
            let tags = live.hmac(key, Some(version.version), &[probe])?;
            let tag = tags.first().ok_or(Error::Refused)?;
            same(rebuilt.verify_hmac(key, &[(probe, tag)])? == [true])?;
            versions += 1;
        }
    }
    if current && now.spec.kind == Kind::Aes256Gcm {
        let sealed = live.encrypt(key, &[Plain { text: probe, context: probe }])?;
        let sealed: &Ciphertext = sealed.first().ok_or(Error::Refused)?;
        let opened = rebuilt.decrypt(key, &[Sealed { ciphertext: sealed, context: probe }])?;
        let opened = opened.into_iter().next().ok_or(Error::Refused)??;
        same(opened.as_slice() == probe)?;
    }
    if current && now.spec.kind == Kind::Ed25519 {
        let signed = live.sign(key, None, &[probe])?;
        let signature = signed.first().ok_or(Error::Refused)?;
        same(rebuilt.verify(key, &[(probe, signature)])? == [true])?;
    }
    Ok(versions)
}

fn same(holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Refused) }
}

/// An anchor that knows what was destroyed and remembers nothing.
struct Still(Vec<Buried>);

impl Anchor for Still {
    fn place(&self) -> String {
        "the drill".to_owned()
    }

    fn heads(&self) -> Fut<'_, Result<Vec<Head>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn advance<'a>(&'a self, _: &'a Head, _: &'a [Buried]) -> Fut<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn buried(&self) -> Fut<'_, Result<Vec<Buried>>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// A folder that nobody else may enter, and that goes however the drill ends.
struct Folder(PathBuf);

impl Folder {
    fn below(scratch: &Path, rng: &dyn Rng) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = scratch.join(format!("drill-{}", random_hex(rng, 8)?));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|why| Error::Kit(format!("{} cannot be made: {why}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // All it holds is sealed by a secret that is gone.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
