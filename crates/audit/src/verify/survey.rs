//! The first reading of a log: is every entry and every tile what the checkpoint vouches for, and which
//! entries explain something?
//!
//! Trust comes from above: the root vouches for the tiles of the right edge, and each hash of a tile
//! that is vouched for vouches for the tile below it, down to the entries. A tile that is not vouched
//! for vouches for nothing (that is CVE-2026-56865 in other programs), and what lies below it is judged
//! by the hash that the tile should have had. Between two readings nothing is kept of the entries but
//! one mark for each bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use tlog::{Edge, HEIGHT, Hash, Tile, WIDTH};

use super::accepted::Accepted;
use super::damage::Kind;
use super::order::Order;
use super::report::{Found, Told};
use crate::seal::{Bundle, Files, Read, perfect};
use crate::{EpochLeaf, ErasureLeaf, Error, Leaf, Result};

/// The most entries that cannot be read and whose rows are compared all the same.
const MAX_UNREAD: usize = 1 << 20;

/// The roots of earlier checkpoints by their size, and where they come from.
pub(super) type Earlier = BTreeMap<u64, Vec<(Hash, String)>>;

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Each epoch with the number of its entry.
    pub(super) epochs: Vec<(u64, EpochLeaf)>,
    /// Those that somebody answers for.
    pub(super) accepted: Vec<Accepted>,
    /// The numbers of epochs that rows are sealed in.
    pub(super) numbers: BTreeSet<u32>,
    /// Entries whose rows were erased.
    pub(super) erased: HashSet<u64>,
    /// Entries that are not what was sealed, or cannot be read.
    pub(super) unread: HashSet<u64>,
    /// What such an entry would have as its hash, and its number.
    pub(super) vouched: HashMap<Hash, u64>,
    /// What tells each bundle from any other.
    pub(super) marks: Vec<[u8; 32]>,
    /// Entries of which nothing can be said.
    pub(super) unsaid: u64,
    /// Entries that nobody vouches for, though they can be read.
    pub(super) doubted: Vec<Range<u64>>,
    pub(super) told: Told,
}

impl Survey {
    /// Whether every epoch is of this cluster.
    pub(super) fn is_of(&self, system: u64) -> bool {
        self.epochs.iter().all(|(_, epoch)| epoch.system == system)
    }

    /// Whether somebody answers for the epoch that begins with this entry.
    pub(super) fn accepts(&self, entry: u64) -> bool {
        self.accepted.iter().any(|one| one.entry == entry)
    }
}

/// What is known of one tile.
#[derive(Clone)]
struct Rung {
    tile: Tile,
    /// Its hashes as they lie there; none where it cannot be read.
    stored: Vec<Hash>,
    /// Whether the root vouches for them.
    trusted: bool,
    /// The hash over it that the root vouches for.
    wanted: Option<Hash>,
    /// What is wrong with it, where that is certain.
    wrong: Option<(Kind, String)>,
}

/// The reading.
pub(super) struct Surveyor<'a> {
    log: Files<'a>,
    /// The root that the checkpoint vouches for.
    root: Hash,
    kept: Earlier,
    /// What is said of epochs.
    accepted: &'a [Accepted],
    rungs: Vec<Rung>,
    /// The hashes of the tile that is being filled on each level, as they follow from the entries.
    computed: Vec<Vec<Hash>>,
    edge: Edge,
    /// Whether a gap in the entries has made the edge worthless.
    lost: bool,
    /// Whether an earlier checkpoint has shown another log.
    split: bool,
    /// Tiles that differ from what follows from the entries, while nobody vouches for either.
    open: Vec<Tile>,
    order: Order,
    survey: Survey,
}

impl<'a> Surveyor<'a> {
    pub(super) fn new(
        log: Files<'a>,
        root: Hash,
        (kept, accepted): (Earlier, &'a [Accepted]),
    ) -> Self {
        let kept = kept.into_iter().filter(|(size, _)| *size > 0).collect();
        Self {
            log,
            root,
            kept,
            accepted,
            rungs: Vec::new(),
            computed: Vec::new(),
            edge: Edge::default(),
            lost: false,
            split: false,
            open: Vec::new(),
            order: Order::default(),
            survey: Survey::default(),
        }
    }

    /// Reads everything, and tells `progress` how many entries were read.
    pub(super) async fn whole(mut self, progress: &(dyn Fn(u64) + Sync)) -> Result<Survey> {
        let edges = self.right_edge().await?;
        for bundle in 0..self.log.size.div_ceil(WIDTH) {
            self.climb(bundle, &edges).await?;
            self.bundle(bundle).await?;
            progress(self.edge.size());
        }
        self.finish(&edges);
        Ok(self.survey)
    }

    /// The partial tiles, which only the root vouches for, all of them together.
    async fn right_edge(&mut self) -> Result<Vec<Rung>> {
        let mut edges = Vec::new();
        let mut peaks = Vec::new();
        let mut level = 0;
        while self.log.hashes_at(level) > 0 {
            let (index, width) =
                (self.log.hashes_at(level) / WIDTH, self.log.hashes_at(level) % WIDTH);
            if width > 0 {
                let rung = self.rung(Tile { level, index, width }, None).await?;
                peaks.push(perfect(&rung.stored));
                edges.push(rung);
            }
            level += 1;
        }
        peaks.reverse();
        let peaks: Option<Vec<Hash>> = peaks.into_iter().collect();
        let root = peaks.and_then(|peaks| Edge::fold(&peaks)).unwrap_or_else(Hash::empty);
        let trusted = root == self.root && edges.iter().all(|rung| rung.wrong.is_none());
        for rung in &mut edges {
            rung.trusted = trusted;
        }
        Ok(edges)
    }

    /// Reads a tile, and judges it by the hash that a tile above has for it.
    async fn rung(&self, tile: Tile, wanted: Option<Hash>) -> Result<Rung> {
        let (stored, wrong) = match self.log.hashes(tile).await? {
            Read::There(stored) => (stored, None),
            Read::Missing => (Vec::new(), Some((Kind::MissingTile, "it is not there".to_owned()))),
            Read::Broken(why) => (Vec::new(), Some((Kind::AlteredTile, why))),
        };
        let fits = wanted.is_some() && perfect(&stored) == wanted;
        let wrong = wrong.or_else(|| {
            let differs = wanted.is_some() && !fits;
            let why = "its hashes are not those that the tile above has for it";
            differs.then(|| (Kind::AlteredTile, why.to_owned()))
        });
        Ok(Rung { tile, stored, trusted: fits, wanted, wrong })
    }

    /// Puts the tiles above a bundle in place, from the top.
    async fn climb(&mut self, bundle: u64, edges: &[Rung]) -> Result<()> {
        let mut levels = 0;
        while self.log.tile(levels, bundle >> (HEIGHT * levels)).is_some() {
            levels += 1;
        }
        for level in (0..levels).rev() {
            let Some(tile) = self.log.tile(level, bundle >> (HEIGHT * level)) else { continue };
            let at = usize::try_from(level).unwrap_or(usize::MAX);
            if self.rungs.get(at).is_some_and(|rung| rung.tile == tile) {
                continue;
            }
            let rung = if let Some(edge) = edges.iter().find(|edge| edge.tile == tile) {
                edge.clone()
            } else {
                let above = self.rungs.get(at + 1).filter(|rung| rung.trusted);
                let place = usize::try_from(tile.index % WIDTH).unwrap_or(0);
                let wanted = above.and_then(|rung| rung.stored.get(place)).copied();
                self.rung(tile, wanted).await?
            };
            while self.rungs.len() <= at {
                self.rungs.push(rung.clone());
            }
            if let Some(place) = self.rungs.get_mut(at) {
                *place = rung;
            }
        }
        Ok(())
    }

    /// Reads a bundle and takes its entries in.
    async fn bundle(&mut self, index: u64) -> Result<()> {
        let (bundle, wrong) = match self.log.bundle(index).await? {
            Read::There(bundle) => (bundle, None),
            Read::Missing => {
                (Bundle::default(), Some((Kind::MissingBundle, "they are not there".to_owned())))
            }
            Read::Broken(why) => {
                let why = format!("their bundle cannot be read: {why}");
                (Bundle::default(), Some((Kind::AlteredBundle, why)))
            }
        };
        self.survey.marks.push(bundle.mark());
        let first = index * WIDTH;
        let Some(rung) = self.rungs.first() else { return Ok(()) };
        let (width, trusted) = (rung.tile.width, rung.trusted);
        let stored = rung.stored.clone();
        if let Some((kind, why)) = wrong {
            self.survey.told.range(kind, first..first + width, why);
        }
        for (n, place) in (first..first + width).zip(0..) {
            let entry = bundle.entry(place);
            let own = entry.map(Hash::leaf);
            let vouched = stored.get(place).copied().filter(|_| trusted);
            if vouched.is_some() && entry.is_some() && vouched != own {
                let why = "they are not what the checkpoint vouches for".to_owned();
                self.survey.told.range(Kind::AlteredBundle, n..n + 1, why);
            }
            if let Some(entry) = entry.filter(|_| vouched.is_none() || vouched == own) {
                self.entry(n, entry);
            } else {
                self.order.gap();
                self.unread(n, vouched);
            }
            self.lost |= vouched.or(own).is_none();
            self.grow(vouched.or(own).or_else(|| stored.get(place).copied()));
        }
        Ok(())
    }

    /// What an entry explains.
    fn entry(&mut self, n: u64, entry: &[u8]) {
        let told = &mut self.survey.told;
        let leaf = match Leaf::decode(entry) {
            Ok(leaf) => leaf,
            Err(error) => return told.entry(Kind::NoEntry, n, error.to_string()),
        };
        let accepted = match &leaf {
            Leaf::Epoch(epoch) => self.accepted.iter().find(|one| one.is_of(n, epoch)),
            Leaf::Row(_) | Leaf::Erasure(_) => None,
        };
        let fits = self.order.take(n, (&leaf, accepted.is_some()), told);
        self.survey.accepted.extend(accepted.cloned());
        match leaf {
            Leaf::Epoch(epoch) => self.survey.epochs.push((n, epoch)),
            Leaf::Erasure(ErasureLeaf { index, .. }) => {
                self.survey.erased.insert(index);
            }
            Leaf::Row(row) => {
                self.survey.numbers.insert(row.epoch);
                if !fits {
                    // Its row is looked for by its hash: it would come too late in the order.
                    self.unread(n, Some(Hash::leaf(entry)));
                }
            }
        }
    }

    fn unread(&mut self, n: u64, vouched: Option<Hash>) {
        self.survey.unread.insert(n);
        match vouched.filter(|_| self.survey.vouched.len() < MAX_UNREAD) {
            Some(hash) => {
                self.survey.vouched.insert(hash, n);
            }
            None => self.survey.unsaid += 1,
        }
    }

    /// Takes one more leaf into the tree, and judges the tiles that are complete with it.
    fn grow(&mut self, leaf: Option<Hash>) {
        let mut complete = Vec::new();
        let computed = &mut self.computed;
        self.edge.push(leaf.unwrap_or_else(Hash::empty), |node, hash| {
            if node.level.is_multiple_of(HEIGHT) {
                let level = usize::try_from(node.level / HEIGHT).unwrap_or(usize::MAX);
                while computed.len() <= level {
                    computed.push(Vec::new());
                }
                if let Some(hashes) = computed.get_mut(level) {
                    hashes.push(hash);
                    if hashes.len() as u64 == WIDTH {
                        complete.push((level, std::mem::take(hashes)));
                    }
                }
            }
        });
        for (level, hashes) in complete {
            self.settle(level, &hashes);
        }
        let size = self.edge.size();
        let Some(kept) = self.kept.remove(&size) else { return };
        let root = self.edge.root();
        for (other, source) in kept {
            // The smallest says it all.
            if !self.lost && other != root && !self.split {
                self.split = true;
                let what = format!("they are others than at {source}");
                let object = format!("the first {size} entries");
                self.survey.told.say(Found::new(Kind::Split, object, what));
            }
        }
    }

    /// Judges a tile by what follows from the entries below it.
    fn settle(&mut self, level: usize, computed: &[Hash]) {
        let Some(rung) = self.rungs.get(level) else { return };
        let (tile, wanted) = (rung.tile, rung.wanted);
        if rung.trusted {
            return;
        }
        if let Some((kind, why)) = rung.wrong.clone() {
            self.survey.told.file(kind, tile.path(), why);
        } else if rung.stored != computed {
            self.open.push(tile);
        }
        if let Some(wanted) = wanted {
            let fits = !self.lost && perfect(computed) == Some(wanted);
            let leaves = span(tile);
            self.close(fits, leaves);
        }
    }

    /// The entries in `leaves` are those of the checkpoint, or not. Either way it is known now what
    /// tiles between that nobody vouched for were worth.
    fn close(&mut self, fits: bool, leaves: Range<u64>) {
        for tile in std::mem::take(&mut self.open) {
            let why = "its hashes are not those of what lies below it".to_owned();
            self.survey.told.file(Kind::AlteredTile, tile.path(), why);
        }
        if !fits && !self.survey.told.has_entries(&leaves) {
            let why = "they are not what the checkpoint vouches for; which of them cannot be said, \
                       since the tile above is damaged too";
            self.survey.told.range(Kind::AlteredBundle, leaves.clone(), why.to_owned());
            self.survey.doubted.push(leaves);
        }
    }

    fn finish(&mut self, edges: &[Rung]) {
        for (level, hashes) in std::mem::take(&mut self.computed).into_iter().enumerate() {
            if !hashes.is_empty() {
                self.settle(level, &hashes);
            }
        }
        if edges.iter().any(|rung| !rung.trusted) || !self.open.is_empty() || edges.is_empty() {
            let fits = !self.lost && self.edge.root() == self.root;
            self.close(fits, 0..self.log.size);
        }
        // Those that are left are larger than the log. The largest says it all.
        if let Some((size, kept)) = std::mem::take(&mut self.kept).pop_last()
            && let Some((_, source)) = kept.first()
        {
            let what = format!("it has {} entries, and had {size} at {source}", self.log.size);
            self.survey.told.say(Found::new(Kind::RolledBack, "the log".to_owned(), what));
        }
        self.survey.told.cut_log(self.log.size);
    }
}

/// The entries below a tile.
fn span(tile: Tile) -> Range<u64> {
    let below = |n: u64| n.checked_shl(HEIGHT * tile.level).unwrap_or(u64::MAX);
    let first = tile.index * WIDTH;
    below(first)..below(first + tile.width)
}

/// Asks anew what was read before: a log that changes in between cannot be judged.
pub(super) async fn again(log: Files<'_>, survey: &Survey, index: u64) -> Result<Bundle> {
    let bundle = match log.bundle(index).await? {
        Read::There(bundle) => bundle,
        Read::Missing | Read::Broken(_) => Bundle::default(),
    };
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    match survey.marks.get(at) {
        Some(mark) if *mark == bundle.mark() => Ok(bundle),
        _ => Err(Error::Changing(index)),
    }
}
