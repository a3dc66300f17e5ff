//! A root that keeps none of the promises, to try the suite.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material};
use kernel::Fut;

use super::Bench;
use crate::{Destruction, Generation, Host, Place, Result, Root, Wrapped};

/// Opens anything: the last key that it was given, or bytes of nothing.
#[derive(Default)]
struct Careless {
    last: Mutex<Option<Material>>,
    number: AtomicU64,
}

impl Careless {
    fn name(&self) -> Generation {
        Generation(self.number.load(Ordering::SeqCst).to_string())
    }
}

impl Root for Careless {
    fn place(&self) -> Place {
        Place { kind: "careless", place: "nowhere".to_owned(), host: Host::This }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async { Ok(self.name()) })
    }

    fn wrap<'a>(&'a self, key: &'a Material, _: &'a Context) -> Fut<'a, Result<Wrapped>> {
        *self.last.lock().unwrap() = Some(key.clone());
        let bytes = BASE64.encode([0; 60]);
        Box::pin(async { Ok(Wrapped { generation: Generation("0".to_owned()), bytes }) })
    }

    fn unwrap<'a>(&'a self, _: &'a Wrapped, _: &'a Context) -> Fut<'a, Result<Material>> {
        let last = self.last.lock().unwrap().clone();
        Box::pin(async { Ok(last.unwrap_or(Material::new([0; 32]))) })
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        self.number.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.name()) })
    }

    fn disable<'a>(&'a self, _: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn enable<'a>(&'a self, _: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn destroy<'a>(&'a self, _: &'a Generation) -> Fut<'a, Result<Destruction>> {
        Box::pin(async { Ok(Destruction::Done) })
    }
}

pub(super) struct CarelessBench;

impl Bench for CarelessBench {
    fn open(&self, _: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        Box::pin(async { Ok(Arc::new(Careless::default()) as Arc<dyn Root>) })
    }

    fn other(&self) -> Fut<'_, Arc<dyn Root>> {
        Box::pin(async { Arc::new(Careless::default()) as Arc<dyn Root> })
    }

    fn stranger(&self, _: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        self.open(false)
    }

    fn cut(&self, _: bool) {}
}
