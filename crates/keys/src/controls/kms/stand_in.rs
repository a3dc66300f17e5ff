//! A root in memory with one fault or none, for the bite: no real root has these faults to show.

use std::sync::atomic::{AtomicUsize, Ordering};

use cipher::field::FieldKey;
use cipher::{Context, MATERIAL_BYTES, Material};
use kernel::{Fut, Rng, SystemRng, hex, unhex};
use kms::{Destruction, Error, Generation, Host, Place, Result, Root, Wrapped};

/// What is wrong with the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It is on this host.
    OnHost,
    /// It opens for every use.
    AnyUse,
    /// It opens changed bytes: the last 32 are the key in clear.
    AnyBytes,
    /// It gives back another key.
    AnotherKey,
    /// It is sound, and an earlier one's file was left behind.
    LeftBehind,
    /// It does not answer.
    #[cfg(test)]
    Outage,
    /// It answers twice.
    #[cfg(test)]
    OutageLater,
    /// Where it is cannot be told.
    Unclear,
}

/// The bite's violations, and words of the finding that each must lead to.
pub(super) const FAULTS: [(&str, Fault, &str); 5] = [
    ("a root on this host", Fault::OnHost, "is on this host"),
    ("a root that ignores the use", Fault::AnyUse, "for another use"),
    ("a root that opens changed bytes", Fault::AnyBytes, "bytes were changed"),
    ("a root that gives back another key", Fault::AnotherKey, "another key"),
    ("an earlier root's file", Fault::LeftBehind, "an earlier root's file"),
];

/// The root.
pub(super) struct StandIn {
    fault: Fault,
    key: FieldKey,
    /// How often it still answers.
    answers: AtomicUsize,
}

impl StandIn {
    pub(super) fn new(fault: Fault, rng: &dyn Rng) -> Result<Self> {
        let key = FieldKey::new(&Material::generate(rng)?)?;
        let answers = match fault {
            #[cfg(test)]
            Fault::Outage => 0,
            #[cfg(test)]
            Fault::OutageLater => 2,
            _ => usize::MAX,
        };
        Ok(Self { fault, key, answers: AtomicUsize::new(answers) })
    }

    fn context(&self, context: &Context) -> Context {
        match self.fault {
            Fault::AnyUse => Context::of("any"),
            _ => context.clone(),
        }
    }

    /// Whether it answers this time.
    fn answer(&self) -> Result<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let asked = self.answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        asked.map(|_| ()).map_err(|_| Error::Unavailable {
            place: "the stand-in".to_owned(),
            why: "it is switched off".to_owned(),
        })
    }
}

impl Root for StandIn {
    fn place(&self) -> Place {
        let host = match self.fault {
            Fault::OnHost => Host::This,
            Fault::Unclear => Host::Unclear("it answers from here"),
            _ => Host::Another,
        };
        Place { kind: "transit", place: "stand-in".to_owned(), host }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async { Ok(Generation("1".to_owned())) })
    }

    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>> {
        Box::pin(async move {
            self.answer()?;
            let bytes = match self.fault {
                Fault::AnyBytes => {
                    // Everything but the key is padding, and the key is read back from its end.
                    let mut bytes = vec![0; MATERIAL_BYTES * 7];
                    bytes.extend_from_slice(key.expose());
                    bytes
                }
                _ => self.key.seal(&self.context(context), key.expose(), &SystemRng)?,
            };
            Ok(Wrapped { generation: Generation("1".to_owned()), bytes: hex(&bytes) })
        })
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>> {
        Box::pin(async move {
            self.answer()?;
            let sealed = unhex(&key.bytes).ok_or(Error::Refused)?;
            if self.fault == Fault::AnyBytes {
                let key = sealed.last_chunk::<MATERIAL_BYTES>().ok_or(Error::Refused)?;
                return Ok(Material::new(*key));
            }
            let opened = self.key.open(&self.context(context), &sealed);
            let opened = opened.map_err(|_| Error::Refused)?;
            let material = Material::try_from(opened.as_slice())?;
            match self.fault {
                Fault::AnotherKey => Ok(material.derive(b"another")?),
                _ => Ok(material),
            }
        })
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        self.current()
    }

    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(async move { Err(Error::Disabled(generation.0.clone())) })
    }

    fn destroy<'a>(&'a self, _: &'a Generation) -> Fut<'a, Result<Destruction>> {
        Box::pin(async { Ok(Destruction::Done) })
    }
}
