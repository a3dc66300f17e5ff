//! Whether a checkpoint continues what was seen before: a function of the two, and of nothing else.

use std::fmt;

use tlog::{Hash, Head, consistency, verify_consistency};

/// What a checkpoint is, beside what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It continues it, or says it once more.
    Continues,
    /// Whoever sent it names another size as the one that was seen. That is no fault: another request
    /// may have been faster.
    Elsewhere,
    /// It says that it is the continuation of more than itself.
    Backwards,
    /// What is sent beside it is no proof of anything, whatever the log has signed: strangers can send
    /// what everybody knows in this way.
    Worthless,
    /// It does not fit.
    Misfit(Misfit),
}

/// How the log's signed words do not fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// Two trees of one size: somebody is shown another history. Both signatures prove it.
    Split,
    /// Fewer entries at a later time: entries were taken off the end. Both signatures prove it, unless
    /// the clock of the log was put back.
    RolledBack,
    /// The proof does not show that the known tree is the beginning of this one. The log may have
    /// another history; or somebody has sent its checkpoint with a proof that is worth nothing.
    Unproven,
}

impl Misfit {
    /// A short name, for files and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::RolledBack => "rolled-back",
            Self::Unproven => "unproven",
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Split => "split view: another tree of the same size",
            Self::RolledBack => "rolled back: fewer entries, signed later",
            Self::Unproven => "not shown to continue what was seen",
        })
    }
}

/// What `shown` is beside `known`, when whoever sent it says that `old` was seen and that `proof`
/// leads on from there.
pub fn judge(known: &Head, old: u64, shown: &Head, proof: &[Hash]) -> Judgement {
    if old > shown.size {
        return Judgement::Backwards;
    }
    // What both signatures prove counts whatever the request says beside it.
    if shown.size == known.size && shown.root != known.root {
        return Judgement::Misfit(Misfit::Split);
    }
    if shown.size < known.size && known.time.is_some() && shown.time > known.time {
        return Judgement::Misfit(Misfit::RolledBack);
    }
    if old != known.size {
        return Judgement::Elsewhere;
    }
    if verify_consistency((known.size, known.root), (shown.size, shown.root), proof).is_ok() {
        return Judgement::Continues;
    }
    let same = (shown.size, shown.root) == (known.size, known.root);
    let is_proof = consistency(old, shown.size).is_ok_and(|hashes| hashes.len() == proof.len());
    if same || !is_proof { Judgement::Worthless } else { Judgement::Misfit(Misfit::Unproven) }
}
