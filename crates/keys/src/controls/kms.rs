//! `keys.kms`: the root of the keys is elsewhere, answers now, and opens only what it should.

mod stand_in;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cipher::{Context, Material};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng};
use kms::{Error, Host, Root, Wrapped};

use self::stand_in::{Fault, StandIn};
use super::{Bitten, Seen};

static CARD: Card = Card {
    id: "keys.kms",
    title: "The root of the keys is not on this host",
    attack: "Lets the configured root wrap a random key, then opens it, opens it for another use \
             and opens it with changed bytes; looks at where the root is, and for what an earlier \
             one left behind.",
    bite: "Stand-ins for a root on this host, one that ignores what a key was wrapped for, one \
           that opens changed bytes, one that gives back another key, an old root's file, and one \
           of which nobody can tell where it is.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(1),
    not_covered: &[
        "who else may use the root: that is set where it lives",
        "whether an address of another host leads on, through a tunnel or a proxy, to this one",
        "copies of an earlier root that were carried elsewhere",
        "the ring's own key and keys in use, which are in this program's memory",
    ],
};

const THRESHOLD: &str = "opens for its own use alone, and is not on this host";
const FIX_PLACE: &str = "Move the ring to a root in AWS KMS, or in a Vault or OpenBao on another \
                         host, as docs/roots.md says";
const FIX_BROKEN: &str =
    "Do not use this root: move the ring to another one, as docs/roots.md says";
const FIX_LEFT: &str = "Make sure that no older copy of the ring is needed any more, then overwrite \
                        and remove the file (`shred -u`); no rotation does it, since those destroy \
                        generations of the root that is set now";

/// The control.
pub(super) struct Kms {
    pub(super) root: Arc<dyn Root>,
    pub(super) root_files: Vec<PathBuf>,
}

impl Control for Kms {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let mut seen = try_out(&*self.root, &*cx.rng).await;
            seen.add(whereabouts(&*self.root, &self.root_files));
            seen.proof(at, "properties of the root", THRESHOLD)
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            match bite(&*cx.rng).await {
                Ok(bitten) => bitten.proof(now),
                Err(error) => Proof::unknown(now, format!("no stand-in could be made: {error}")),
            }
        })
    }
}

/// Wraps a random key and tries to open it, rightly and wrongly.
async fn try_out(root: &dyn Root, rng: &dyn Rng) -> Seen {
    let mut seen = Seen::default();
    match attack(root, rng, &mut seen).await {
        Ok(()) => {}
        Err(error) => seen.open(error.to_string()),
    }
    seen
}

async fn attack(root: &dyn Root, rng: &dyn Rng, seen: &mut Seen) -> Result<(), Error> {
    let name = root.place().place;
    let canary = Material::generate(rng)?;
    let use_of = |what: &str| Context::of("amanah/canary/1").with(what);
    let mut id = [0; 16];
    rng.fill(&mut id)?;
    let own = use_of("own").with(id);
    let wrapped = root.wrap(&canary, &own).await?;
    let opened = root.unwrap(&wrapped, &own).await?;
    // A canary: nothing is learned from how long this takes.
    if opened.expose() == canary.expose() {
        seen.good("a wrapped key comes back");
    } else {
        let what = "gives back another key than it was given";
        seen.bad(Finding::new(name.clone(), what).fix(FIX_BROKEN));
    }
    let others = [("another use", use_of("other").with(id)), ("no use", use_of("own").with([]))];
    for (what, other) in others {
        let what = format!("opens a key for {what} than the one it was wrapped for");
        refused(root.unwrap(&wrapped, &other).await, &name, what, seen);
    }
    for changed in changed(&wrapped) {
        let what = "opens a key whose wrapped bytes were changed".to_owned();
        refused(root.unwrap(&changed, &own).await, &name, what, seen);
    }
    Ok(())
}

/// Whether the root refused, as it must. An outage is no refusal.
fn refused(answer: Result<Material, Error>, name: &str, what: String, seen: &mut Seen) {
    match answer {
        Ok(_) => seen.bad(Finding::new(name, what).fix(FIX_BROKEN)),
        Err(Error::Refused | Error::Cipher(_) | Error::Damaged { .. }) => seen.count(1),
        Err(other) => seen.open(format!("whether it {what}: {other}")),
    }
}

/// The wrapped key with one character changed, at several places. The characters are digits of
/// every base that such bytes are written in.
fn changed(wrapped: &Wrapped) -> Vec<Wrapped> {
    let length = wrapped.bytes.chars().count();
    let change = |place: usize| {
        let swap = |(n, c)| match c {
            '0' if n == place => '1',
            _ if n == place => '0',
            _ => c,
        };
        let bytes = wrapped.bytes.chars().enumerate().map(swap).collect();
        Wrapped { generation: wrapped.generation.clone(), bytes }
    };
    [length / 4, length / 2, length * 3 / 4].into_iter().map(change).collect()
}

/// Whether the root, or what is left of an earlier one, is on this host.
fn whereabouts(root: &dyn Root, root_files: &[PathBuf]) -> Seen {
    let mut seen = Seen::default();
    let place = root.place();
    match place.host {
        Host::This => {
            let what = format!(
                "is on this host ({}): whoever copies its disk has it, sealed by one secret at most",
                place.kind
            );
            seen.bad(Finding::new(place.place.clone(), what).fix(FIX_PLACE));
        }
        Host::Unclear(why) => {
            seen.open(format!("where {} at {} is: {why}", place.kind, place.place));
        }
        Host::Another => seen.good(format!("{} at {}", place.kind, place.place)),
    }
    for file in root_files.iter().filter(|_| place.kind != "file") {
        match file.symlink_metadata() {
            Ok(_) => seen.bad(
                Finding::new(
                    file.display().to_string(),
                    "an earlier root's file is still on this host: with its secret it opens older \
                     copies of the ring",
                )
                .fix(FIX_LEFT),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => seen.count(1),
            Err(error) => seen.open(format!("{}: {error}", file.display())),
        }
    }
    seen
}

/// Tries out one stand-in for each fault, and one without.
async fn bite(rng: &dyn Rng) -> Result<Bitten, Error> {
    let mut bitten = Bitten::default();
    let sound = StandIn::new(Fault::None, rng)?;
    let mut seen = try_out(&sound, rng).await;
    seen.add(whereabouts(&sound, &[]));
    if !seen.is_whole() {
        bitten.missed.push(format!("the difference to a sound root ({})", seen.words()));
    }
    for (name, fault, words) in stand_in::FAULTS {
        let Ok(root) = StandIn::new(fault, rng) else {
            bitten.missed.push(name.to_owned());
            continue;
        };
        let mut seen = try_out(&root, rng).await;
        // Any file that is there stands for one that was left behind.
        let left = if fault == Fault::LeftBehind { vec![PathBuf::from("/")] } else { vec![] };
        seen.add(whereabouts(&root, &left));
        bitten.add(name, seen.findings.into_iter().find(|finding| finding.what.contains(words)));
    }
    let unclear = StandIn::new(Fault::Unclear, rng).map(|root| whereabouts(&root, &[]));
    if !unclear.is_ok_and(|seen| seen.opens.len() == 1 && !seen.is_whole()) {
        bitten.missed.push("a root of which nobody can tell where it is".to_owned());
    }
    Ok(bitten)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{Control, Cx, Outcome, Params, Secret, SystemClock, SystemRng, random_hex};
    use kms::FileRoot;

    use super::Kms;
    use super::stand_in::{Fault, StandIn};

    fn cx() -> Cx {
        Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
    }

    fn control(fault: Fault) -> Kms {
        let root = Arc::new(StandIn::new(fault, &SystemRng).unwrap());
        Kms { root, root_files: vec!["/nonexistent/root".into()] }
    }

    async fn prove(fault: Fault) -> kernel::Proof {
        control(fault).prove(&cx(), &Params::none()).await
    }

    #[tokio::test]
    async fn it_bites() {
        let proof = control(Fault::None).bite(&cx()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
        assert_eq!(proof.population().to_string(), "5 of 5 seeded violations");
    }

    #[tokio::test]
    async fn a_sound_root_elsewhere_holds() {
        let proof = prove(Fault::None).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
        assert_eq!(proof.population().to_string(), "8 of 8 properties of the root");
    }

    #[tokio::test]
    async fn every_fault_is_broken_and_says_what_to_do() {
        for fault in [Fault::OnHost, Fault::AnyUse, Fault::AnyBytes, Fault::AnotherKey] {
            let proof = prove(fault).await;
            assert_eq!(proof.outcome(), Outcome::Broken, "{fault:?} {proof:?}");
            assert!(proof.findings().iter().all(|f| f.fix.is_some()), "{proof:?}");
        }
    }

    /// An outage proves nothing, and neither does a root that may be on this host.
    #[tokio::test]
    async fn what_cannot_be_told_is_unknown() {
        for fault in [Fault::Outage, Fault::OutageLater, Fault::Unclear] {
            let proof = prove(fault).await;
            assert_eq!(proof.outcome(), Outcome::Unknown, "{fault:?} {proof:?}");
        }
    }

    /// The root that is shipped: sound in everything but where it is.
    #[tokio::test]
    async fn a_file_root_is_broken_for_its_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cx = cx();
        let secret = Secret::new(random_hex(&*cx.rng, 32).unwrap());
        let path = folder.path().join("root");
        let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
        let root = Arc::new(FileRoot::create(&path, &secret, clock, rng).await.unwrap());
        let control = Kms { root, root_files: vec![path] };
        let proof = control.prove(&cx, &Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
        assert_eq!(proof.findings().len(), 1, "{proof:?}");
        assert!(proof.detail().contains("is on this host (file)"), "{proof:?}");
        assert_eq!(proof.population().to_string(), "7 of 7 properties of the root");
    }
}
