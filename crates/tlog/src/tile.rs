//! Tiles (C2SP tlog-tiles): the hashes of a tree in files of 256 neighbours each, of every eighth
//! level, and the bundles with the entries themselves. A full file never changes; a partial one has
//! its number of hashes in its name, and is read only until the full one is there.

use crate::{Error, HASH_BYTES, Hash, Node, Result};

/// Hashes of a full tile, and entries of a full bundle.
pub const WIDTH: u64 = 256;
/// Levels of the tree that lie between one level of tiles and the next.
pub const HEIGHT: u32 = 8;
/// The names of folders and files hold three digits each.
const GROUP: u64 = 1_000;

/// One tile of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Its level: that of its hashes in the tree, divided by eight.
    pub level: u32,
    /// Which one of its level.
    pub index: u64,
    /// How many hashes it has, 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The tile of a tree of `size` that leads to `node`, and where in it the hashes below the node
    /// begin; `None` when the tree does not have that node whole.
    pub fn of(node: Node, size: u64) -> Option<(Self, usize)> {
        let (level, below) = (node.level / HEIGHT, node.level % HEIGHT);
        let first = node.index.checked_shl(below)?;
        let there = hashes_at(size, level);
        let index = first / WIDTH;
        let width = WIDTH.min(there.checked_sub(index * WIDTH)?);
        let offset = first % WIDTH;
        let fits = offset + (1 << below) <= width;
        fits.then_some((Self { level, index, width }, usize::try_from(offset).ok()?))
    }

    /// Where it lies.
    pub fn path(&self) -> String {
        let Self { level, index, width } = self;
        format!("tile/{level}/{}{}", name(*index), partial(*width))
    }

    /// The hashes in the bytes of this tile.
    ///
    /// # Errors
    /// When they are not as many as the tile has.
    pub fn read(&self, bytes: &[u8]) -> Result<Vec<Hash>> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() || u64::try_from(hashes.len()).ok() != Some(self.width) {
            return Err(Error::Tile("it does not have as many hashes as its name says"));
        }
        Ok(hashes.iter().copied().map(Hash::new).collect())
    }
}

/// The tiles of a tree of `size` that a tree of `old`, its beginning, does not have in this width.
pub fn tiles(old: u64, size: u64) -> Vec<Tile> {
    let mut all = Vec::new();
    let mut level = 0;
    while let (before, now) = (hashes_at(old, level), hashes_at(size, level))
        && now > 0
    {
        if now > before {
            let ones = (before / WIDTH..now.div_ceil(WIDTH)).map(|index| Tile {
                level,
                index,
                width: WIDTH.min(now - index * WIDTH),
            });
            all.extend(ones);
        }
        level += 1;
    }
    all
}

/// How many hashes a tree of `size` has in its tiles of this level.
pub fn hashes_at(size: u64, level: u32) -> u64 {
    size.checked_shr(level * HEIGHT).unwrap_or(0)
}

/// Where the bundle `index` with `width` entries lies.
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}{}", name(index), partial(width))
}

/// `1234067` as `x001/x234/067`.
fn name(index: u64) -> String {
    let mut name = format!("{:03}", index % GROUP);
    let mut rest = index / GROUP;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % GROUP);
        rest /= GROUP;
    }
    name
}

fn partial(width: u64) -> String {
    if width < WIDTH { format!(".p/{width}") } else { String::new() }
}
