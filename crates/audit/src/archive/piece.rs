//! The files of the archive: the rows of one month in one part of the log, with what proves them, and one
//! file for each month that says which parts there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tlog::{Edge, Hash, Verifier};

use super::Archive;
use crate::retention::{Month, PART};
use crate::row::TrailRow;
use crate::seal::LogReader;
use crate::verify::Signed;
use crate::{Error, Leaf, Result, RowLeaf};

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 1 << 30;
/// Which months there are.
const INDEX: &str = "months";

/// A row with the epoch that it was sealed in.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) epoch: u32,
    pub(super) row: TrailRow,
}

/// The rows of a month in one part of the log, by the numbers of their entries.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) rows: BTreeMap<u64, Kept>,
    proof: Proof,
}

/// What proves a piece, in its first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    /// The first entry of the part.
    first: u64,
    /// The checkpoint of the log that it leads to.
    checkpoint: String,
    /// The hashes of the part's other entries: of other months, or of no row.
    others: BTreeMap<u64, String>,
    /// The hashes beside the part, from below.
    beside: Vec<String>,
}

/// What there is of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// How many rows.
    pub(super) rows: u64,
    /// In which parts of the log they are.
    pub(super) parts: BTreeSet<u64>,
    /// In which epochs they were sealed.
    pub(super) epochs: BTreeSet<u32>,
    /// Between what the rows of each part lie, so that files are not opened in vain. A month that was
    /// archived before this was noted has none.
    #[serde(default)]
    pub(super) spans: BTreeMap<u64, Span>,
}

/// Between what rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// Transaction and number of the first one.
    pub(super) first: (u64, i64),
    /// The same of the last one.
    pub(super) last: (u64, i64),
    /// The lowest and the highest number.
    pub(super) ids: (i64, i64),
}

impl Manifest {
    /// Nothing yet.
    pub(super) const fn empty() -> Self {
        Self { rows: 0, parts: BTreeSet::new(), epochs: BTreeSet::new(), spans: BTreeMap::new() }
    }

    /// Takes a part in.
    pub(super) fn take(&mut self, part: u64, rows: &BTreeMap<u64, Kept>) {
        let places = || rows.values().map(|kept| (kept.row.xid, kept.row.id));
        let ids = || rows.values().map(|kept| kept.row.id);
        if let (Some(first), Some(last), Some(least), Some(most)) =
            (places().min(), places().max(), ids().min(), ids().max())
        {
            self.rows += rows.len() as u64;
            self.parts.insert(part);
            self.epochs.extend(rows.values().map(|kept| kept.epoch));
            self.spans.insert(part, Span { first, last, ids: (least, most) });
        }
    }

    /// The parts, each with between what its rows lie, where that is known.
    pub(super) fn spans(&self) -> impl Iterator<Item = (u64, Option<Span>)> {
        self.parts.iter().map(|part| (*part, self.spans.get(part).copied()))
    }
}

/// The entries of a part in a log of `size`.
pub(super) fn span(first: u64, size: u64) -> Range<u64> {
    first..size.min(first.saturating_add(PART))
}

impl Piece {
    /// A piece of these rows and of the hashes of the entries beside them, with its proof.
    pub(super) async fn new(
        log: &LogReader,
        head: &Signed,
        first: u64,
        rows: BTreeMap<u64, Kept>,
        others: BTreeMap<u64, Hash>,
    ) -> Result<Self> {
        let part = span(first, log.size());
        let mut beside = Vec::new();
        for range in tlog::inclusion(first, log.size())? {
            if !is_within(&range, &part) {
                beside.push(log.hash(range).await?.to_string());
            }
        }
        let others = others.into_iter().map(|(n, hash)| (n, hash.to_string())).collect();
        let proof = Proof { first, checkpoint: head.note.clone(), others, beside };
        Ok(Self { rows, proof })
    }

    fn parse(text: &str) -> Option<Self> {
        let (proof, lines) = text.split_once('\n')?;
        let rows = lines.lines().map(|line| {
            let (index, rest) = line.split_once(' ')?;
            let (epoch, row) = rest.split_once(' ')?;
            let row = TrailRow::from_json(row).ok()?;
            Some((index.parse().ok()?, Kept { epoch: epoch.parse().ok()?, row }))
        });
        Some(Self { proof: serde_json::from_str(proof).ok()?, rows: rows.collect::<Option<_>>()? })
    }

    fn text(&self) -> Result<String> {
        let mut text = json(&self.proof)?;
        text.push('\n');
        for (index, Kept { epoch, row }) in &self.rows {
            text.extend([
                &*index.to_string(),
                " ",
                &*epoch.to_string(),
                " ",
                &row.to_line()?,
                "\n",
            ]);
        }
        Ok(text)
    }

    /// Why these are not rows that the log's key has vouched for, if they are not.
    fn refuted(&self, month: Month, keys: &[Verifier]) -> Option<String> {
        let proven = || -> Result<()> {
            let proof = &self.proof;
            let head = Signed::open(&proof.checkpoint, keys)?.head;
            let part = span(proof.first, head.size);
            let mut leaves = Vec::new();
            for index in part.clone() {
                leaves.push(match (self.rows.get(&index), proof.others.get(&index)) {
                    (Some(kept), None) => Hash::leaf(&kept.leaf().encode()?),
                    (None, Some(hash)) => hash.parse()?,
                    _ => return Err(tlog::Error::NotIncluded.into()),
                });
            }
            let mut beside = proof.beside.iter();
            let mut hashes = Vec::new();
            for range in tlog::inclusion(proof.first, head.size)? {
                hashes.push(if is_within(&range, &part) {
                    over(&leaves, &range, part.start)
                } else {
                    beside.next().ok_or(tlog::Error::NotIncluded)?.parse()?
                });
            }
            let leaf = *leaves.first().ok_or(tlog::Error::NotIncluded)?;
            Ok(tlog::verify_inclusion(leaf, proof.first, head.size, head.root, &hashes)?)
        };
        if self.rows.values().any(|kept| Month::of(kept.row.event_timestamp) != month) {
            return Some("it has rows of another month".to_owned());
        }
        proven().err().map(|error| format!("its rows are not what was sealed: {error}"))
    }
}

impl Kept {
    /// Its entry, from what it says now.
    pub(super) fn leaf(&self) -> Leaf {
        Leaf::Row(RowLeaf {
            epoch: self.epoch,
            xid: self.row.xid,
            id: self.row.id,
            at_micros: self.row.event_timestamp.as_microsecond(),
            row_hash: self.row.digest(),
        })
    }
}

fn is_within(range: &Range<u64>, part: &Range<u64>) -> bool {
    part.start <= range.start && range.end <= part.end
}

/// The hash over some of the entries of a part.
fn over(leaves: &[Hash], range: &Range<u64>, first: u64) -> Hash {
    let place = |n: u64| usize::try_from(n.saturating_sub(first)).unwrap_or(usize::MAX);
    let mut edge = Edge::default();
    for leaf in leaves.iter().take(place(range.end)).skip(place(range.start)) {
        edge.push(*leaf, |_, _| {});
    }
    edge.root()
}

fn json(of: &impl Serialize) -> Result<String> {
    serde_json::to_string(of).map_err(|error| Error::Json(error.to_string()))
}

/// The files of the archive of one log.
impl Archive {
    fn damaged(&self, path: &str, what: &str) -> Error {
        Error::Damaged { place: self.shelf.place(), what: format!("{path}: {what}") }
    }

    /// What lies at `path`; `None` when nothing does.
    async fn text(&self, origin: &str, path: &str) -> Result<Option<String>> {
        let Some(sealed) = self.shelf.read(path, MAX_BYTES).await? else { return Ok(None) };
        let text = self.seals.open(&name(origin, path), &sealed);
        let text = text.map_err(|why| self.damaged(path, &why))?;
        let text =
            String::from_utf8(text).map_err(|error| self.damaged(path, &error.to_string()))?;
        Ok(Some(text))
    }

    async fn put(&self, origin: &str, path: String, text: &str) -> Result<()> {
        let sealed =
            self.seals.seal(&name(origin, &path), text.as_bytes()).map_err(Error::Signing)?;
        self.shelf.put(vec![(path, sealed)]).await
    }

    async fn value<T: DeserializeOwned>(&self, origin: &str, path: &str) -> Result<Option<T>> {
        let Some(text) = self.text(origin, path).await? else { return Ok(None) };
        let value = serde_json::from_str(&text);
        value.map(Some).map_err(|error| self.damaged(path, &error.to_string()))
    }

    /// Which months there are.
    pub(super) async fn months(&self, origin: &str) -> Result<BTreeSet<Month>> {
        let named: BTreeSet<String> = self.value(origin, INDEX).await?.unwrap_or_default();
        let months = named.iter().map(|name| name.parse::<Month>().ok()).collect::<Option<_>>();
        months.ok_or_else(|| self.damaged(INDEX, "it names what is no month"))
    }

    /// Notes that there is one more.
    pub(crate) async fn note(&self, origin: &str, month: Month) -> Result<()> {
        let mut months = self.months(origin).await?;
        if months.insert(month) {
            let named: Vec<String> = months.iter().map(Month::to_string).collect();
            self.put(origin, INDEX.to_owned(), &json(&named)?).await?;
        }
        Ok(())
    }

    /// What there is of a month; `None` when nothing is.
    pub(super) async fn manifest(&self, origin: &str, month: Month) -> Result<Option<Manifest>> {
        self.value(origin, &format!("{month}/manifest")).await
    }

    pub(super) async fn put_manifest(
        &self,
        origin: &str,
        month: Month,
        manifest: &Manifest,
    ) -> Result<()> {
        self.put(origin, format!("{month}/manifest"), &json(manifest)?).await
    }

    /// A piece, if it is there and is what the log's key has vouched for.
    pub(super) async fn piece(&self, month: Month, part: u64, keys: &[Verifier]) -> Result<Piece> {
        let (origin, path) = (origin(keys), path(month, part));
        let text = self.text(origin, &path).await?;
        let text = text.ok_or_else(|| self.damaged(&path, "it is not there"))?;
        let piece = Piece::parse(&text).filter(|piece| piece.proof.first == part * PART);
        let piece = piece.ok_or_else(|| self.damaged(&path, "it is no part of an archive"))?;
        match piece.refuted(month, keys) {
            Some(why) => Err(self.damaged(&path, &why)),
            None => Ok(piece),
        }
    }

    pub(super) async fn put_piece(
        &self,
        origin: &str,
        month: Month,
        part: u64,
        piece: &Piece,
    ) -> Result<()> {
        self.put(origin, path(month, part), &piece.text()?).await
    }
}

#[cfg(test)]
impl Archive {
    /// Leaves a month as it was archived before it was noted between what its rows lie.
    pub(crate) async fn without_spans(&self, keys: &[Verifier], month: Month) -> Result<()> {
        let manifest = self.manifest(origin(keys), month).await?;
        let mut value = serde_json::to_value(manifest).unwrap_or_default();
        value.as_object_mut().and_then(|manifest| manifest.remove("spans"));
        self.put(origin(keys), format!("{month}/manifest"), &value.to_string()).await
    }
}

/// What the log with these keys is called.
pub(super) fn origin(keys: &[Verifier]) -> &str {
    keys.first().map(Verifier::name).unwrap_or_default()
}

fn path(month: Month, part: u64) -> String {
    format!("{month}/{part:09}")
}

/// What a file is called when it is sealed: it opens as no other one, and as none of another log.
fn name(origin: &str, path: &str) -> String {
    format!("{origin} archive {path}")
}
