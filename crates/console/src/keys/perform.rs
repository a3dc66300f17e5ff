//! Work on the items of a request, in either dialect: the dialects differ in where a batch and a
//! tenant stand, and in how an answer is written.

use std::sync::Arc;

use axum::response::Response;

use super::batch::{Done, Verb};
use super::body::{Held, work};
use super::caller::{Caller, Named, Of, Stated};
use super::item::{Batch, Item, Text};
use super::vault::transit;
use super::{Api, Fault, fields};

/// What an item's answer has at most beside what stands in the request, in bytes. An answer that
/// grows beyond its room would leave copies of itself behind.
const ITEM_ROOM_BYTES: usize = 320;

/// Whose words a request is written in.
pub(super) enum Dialect {
    /// Ours, with its query.
    Own(Of),
    Vault,
}

/// A request, not yet read.
pub(super) struct Job {
    pub(super) api: Api,
    pub(super) who: Caller,
    pub(super) key: Named,
    pub(super) held: Held,
    /// Whether a `verify` is about HMACs or signatures stands in its body.
    pub(super) verb: Option<Verb>,
    pub(super) dialect: Dialect,
}

/// What is to be answered.
pub(super) struct Finished<'a> {
    pub(super) done: Vec<Result<Done, Fault>>,
    pub(super) items: Vec<Item<'a>>,
    /// Whether it was one item in the request itself.
    pub(super) single: bool,
    /// The status that Vault's client wants for a batch of which a part failed.
    pub(super) partial_status: Option<u16>,
    /// About how long the answer becomes, in bytes.
    pub(super) room: usize,
}

impl Finished<'_> {
    /// What came of the one item.
    pub(super) fn one(self) -> Result<Done, Fault> {
        self.done.into_iter().next().unwrap_or(Err(Fault::INTERNAL))
    }
}

/// Does it. A tenant's first use of a key makes it.
pub(super) async fn perform(job: Job) -> Result<Response, Fault> {
    let (length, job) = (job.held.len(), Arc::new(job));
    let once = Arc::clone(&job);
    match work(length, move || once.run()).await {
        Err(Fault { missing: Some(key), .. })
            if key.tenant.is_some() && job.verb.is_some_and(Verb::makes_keys) =>
        {
            job.api.keys.ensure(&key).await?;
            let again = Arc::clone(&job);
            work(length, move || again.run()).await
        }
        answer => answer,
    }
}

impl Job {
    fn run(&self) -> Result<Response, Fault> {
        let mut batch: Batch<'_> = self.held.parse()?;
        let (items, single) = self.items(&mut batch)?;
        let verb = self.verb.map_or_else(|| Verb::of_verify(&items), Ok)?;
        let (name, body) = (self.key.name.clone(), batch.tenant.as_ref().map(Text::as_str));
        let key = match &self.dialect {
            Dialect::Own(of) => {
                self.who.own_key(name, Stated { body, query: of.tenant.as_deref() })
            }
            Dialect::Vault => {
                transit::supported(&batch, verb, self.key.other("algorithm"))?;
                self.who.vault_key(name, body)
            }
        }?;
        self.who.may(&self.api, &key, verb.operation())?;
        let version = verb.version(&self.api.keys, &key, batch.key_version)?;
        let done = verb.perform(&self.api.keys, &key, version, &items)?;
        let room = self.held.len() + ITEM_ROOM_BYTES * items.len();
        let partial_status = batch.partial_failure_response_code;
        let finished = Finished { done, items, single, partial_status, room };
        match &self.dialect {
            Dialect::Own(_) => fields::written(&self.held.share, finished),
            Dialect::Vault => transit::written(&self.api, &self.held.share, finished),
        }
    }

    /// The items, and whether it is one that stands in the request itself.
    fn items<'a>(&self, batch: &mut Batch<'a>) -> Result<(Vec<Item<'a>>, bool), Fault> {
        let one = batch.single();
        let (theirs, other, elsewhere, empty) = match &self.dialect {
            Dialect::Own(_) => (
                batch.items.take(),
                batch.vault_items.is_some(),
                "a batch stands in `items` here",
                "`items` is empty; nothing was done",
            ),
            Dialect::Vault => (
                batch.vault_items.take(),
                batch.items.is_some(),
                "a batch stands in `batch_input` here",
                "`batch_input` is empty; nothing was done",
            ),
        };
        match theirs {
            _ if other => Err(Fault::bad("json", elsewhere)),
            None => Ok((vec![one], true)),
            Some(items) if items.0.is_empty() => Err(Fault::bad("empty", empty)),
            // As Vault does it: beside a batch, a single item is ignored.
            Some(_) if matches!(self.dialect, Dialect::Own(_)) && !one.is_bare() => {
                Err(Fault::bad("json", "a request has one item or a batch, not both"))
            }
            Some(items) => Ok((items.0, false)),
        }
    }
}
