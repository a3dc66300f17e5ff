//! Hashing passwords with Argon2id on a bounded pool.
//!
//! Each hash needs 19 MiB and some 20 ms of a core, unless the operator has it cost more. The pool has a fixed number of memory arenas,
//! each used by one hash at a time on a thread of the pool ([`crate::workers`]), and a queue of bounded
//! length before them: a flood of sign-ins is told "busy" and takes neither the memory nor the threads
//! that serve everybody else.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use kernel::{Rng, Secret};
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::stored::{Cost, OUTPUT_BYTES, SALT_BYTES, Stored};
use crate::workers::Workers;
use crate::{Error, Result};

/// The most hashes at once, however many cores there are.
const MOST_AT_ONCE: usize = 8;
/// The most memory that all hashes take together, in KiB: 152 MiB. Where one costs more, fewer go on at
/// once; one always does.
const MOST_KIB: u32 = 155_648;
/// How many may wait for each that goes on: whoever comes last waits for a third of a second.
const QUEUE_EACH: usize = 16;
/// The shortest password, in bytes.
pub(crate) const MIN_PASSWORD_BYTES: usize = 8;
/// The longest password, in bytes. It is checked before anything is hashed.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1_024;

/// How much hashing may go on, and what a new hash costs.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// What each new hash costs.
    pub cost: Cost,
    /// Hashes at once; each has its own memory. One less than there are cores leaves one to everybody else.
    pub at_once: usize,
    /// How many may wait for their turn before others are told "busy".
    pub queue: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self { cost: Cost::default(), at_once: 2, queue: 32 }
    }
}

impl Pool {
    /// The pool of a machine with so many cores, whose new hashes cost `cost`: a hash at once for each core but
    /// one, which is left to whoever is signed in, up to eight and to 152 MiB, and sixteen that wait for each
    /// of these.
    pub fn of_cores(cores: NonZero<usize>, cost: Cost) -> Self {
        let fit = MOST_KIB.checked_div(cost.memory).and_then(|fit| usize::try_from(fit).ok());
        let spared = cores.get().saturating_sub(1);
        let at_once = spared.min(MOST_AT_ONCE).min(fit.unwrap_or(MOST_AT_ONCE)).max(1);
        Self { cost, at_once, queue: at_once * QUEUE_EACH }
    }
}

/// Checks the size of a password before anything is done with it.
pub(crate) const fn fits(password: &str) -> bool {
    MIN_PASSWORD_BYTES <= password.len() && password.len() <= MAX_PASSWORD_BYTES
}

/// The bounded pool.
#[derive(Debug)]
pub(crate) struct Hasher {
    pool: Pool,
    // Whoever waits or hashes.
    door: Arc<Semaphore>,
    // Whoever hashes.
    turns: Arc<Semaphore>,
    // Arenas at rest. There are never more than turns, since each hash takes one or makes one.
    arenas: Arc<Mutex<Vec<Vec<Block>>>>,
    workers: Workers,
}

impl Hasher {
    /// A pool; its arenas are made when they are first needed.
    ///
    /// # Errors
    /// [`Error::Pool`] when nothing could ever be hashed.
    pub(crate) fn new(pool: Pool) -> Result<Self> {
        let in_all = pool.at_once.saturating_add(pool.queue);
        if pool.at_once == 0 || in_all > Semaphore::MAX_PERMITS {
            return Err(Error::Pool);
        }
        Ok(Self {
            pool,
            door: Arc::new(Semaphore::new(in_all)),
            turns: Arc::new(Semaphore::new(pool.at_once)),
            arenas: Arc::default(),
            workers: Workers::new(pool.at_once),
        })
    }

    /// What new hashes cost.
    pub(crate) const fn cost(&self) -> Cost {
        self.pool.cost
    }

    /// Hashes a password that is to be stored.
    ///
    /// # Errors
    /// [`Error::Busy`], or when there is no randomness.
    pub(crate) async fn make(&self, password: &Secret, rng: &dyn Rng) -> Result<Stored> {
        let mut salt = vec![0; SALT_BYTES];
        rng.fill(&mut salt)?;
        self.derive(password, self.cost(), salt, OUTPUT_BYTES).await
    }

    /// Whether `password` is the one behind `stored`. The time does not depend on how much of
    /// the two agrees.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(crate) async fn verify(&self, password: &Secret, stored: &Stored) -> Result<bool> {
        let salt = stored.salt.clone();
        let tried = self.derive(password, stored.cost, salt, stored.output.len()).await?;
        Ok(tried.output.ct_eq(&stored.output).into())
    }

    async fn derive(
        &self,
        password: &Secret,
        cost: Cost,
        salt: Vec<u8>,
        bytes: usize,
    ) -> Result<Stored> {
        let place = Arc::clone(&self.door).try_acquire_owned().map_err(|_| Error::Busy)?;
        // An old, dearer hash takes the turns of so many as its memory is worth, as far as there are.
        let standard = self.pool.cost.memory;
        let worth = cost.memory.div_ceil(standard.max(1)).max(1);
        let turns = worth.min(u32::try_from(self.pool.at_once).unwrap_or(u32::MAX));
        let taken = Arc::clone(&self.turns).acquire_many_owned(turns).await;
        let turn = taken.map_err(|_| Error::Busy)?;
        let (password, arenas) = (password.clone(), Arc::clone(&self.arenas));
        let space = Space { standard, turns };
        // The permits go with the work: if the caller loses patience, the thread is still busy.
        let work = move || {
            let _held: [OwnedSemaphorePermit; 2] = [place, turn];
            hash(&password, cost, salt, bytes, (&arenas, space))
        };
        self.workers.run(work).await?
    }
}

/// What a hash may take of the arenas.
#[derive(Clone, Copy)]
struct Space {
    // The size of an arena at rest, in KiB.
    standard: u32,
    // How many of them are its own.
    turns: u32,
}

fn hash(
    password: &Secret,
    cost: Cost,
    salt: Vec<u8>,
    bytes: usize,
    (arenas, space): (&Mutex<Vec<Vec<Block>>>, Space),
) -> Result<Stored> {
    let failed = |e: argon2::Error| Error::Hash(e.to_string());
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(bytes)).map_err(failed)?;
    let standard = usize::try_from(space.standard).unwrap_or_default();
    let mut arena = {
        let mut rest = arenas.lock().unwrap_or_else(PoisonError::into_inner);
        let own = rest.pop().unwrap_or_default();
        // The others whose turns it has give their memory to it.
        for _ in 1..space.turns {
            rest.pop();
        }
        own
    };
    arena.resize(params.block_count().max(standard), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = Zeroizing::new(vec![0; bytes]);
    let done = argon2.hash_password_into_with_memory(
        password.expose().as_bytes(),
        &salt,
        &mut output,
        &mut arena,
    );
    if arena.len() > standard {
        // An old, dearer hash: give the rest back.
        arena.truncate(standard);
        arena.shrink_to_fit();
    }
    arenas.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
    done.map_err(failed)?;
    let output = output.to_vec();
    Ok(Stored { cost, salt, output })
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, PasswordVerifier as _};
    use kernel::{FixedRng, Secret};

    use super::{Hasher, Pool, fits};
    use crate::Error;
    use crate::stored::{Cost, Stored};

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_is_what_the_library_itself_accepts() {
        let hasher = Hasher::new(Pool::default()).unwrap();
        let stored = hasher.make(&secret("correct horse"), &FixedRng::new(7)).await.unwrap();
        let text = stored.to_string();
        assert!(Stored::judge(&text).is_ok(), "{text}");
        let oracle = Argon2::default();
        assert!(oracle.verify_password(b"correct horse", &*text).is_ok());
        assert!(oracle.verify_password(b"correct house", &*text).is_err());
        assert!(hasher.verify(&secret("correct horse"), &stored).await.unwrap());
        assert!(!hasher.verify(&secret("correct house"), &stored).await.unwrap());
    }

    #[tokio::test]
    async fn a_dear_hash_is_checked_and_its_memory_is_given_back() {
        let hasher = Hasher::new(Pool { at_once: 1, queue: 1, ..Pool::default() }).unwrap();
        let dear = Cost::new(40_000, 1);
        let stored = hasher.derive(&secret("password"), dear, vec![3; 16], 32).await.unwrap();
        assert!(hasher.verify(&secret("password"), &stored).await.unwrap());
        let arenas = hasher.arenas.lock().unwrap();
        assert_eq!(arenas.len(), 1);
        assert_eq!(arenas[0].len(), 19_456);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_is_told_busy_and_takes_no_more_than_its_arenas() {
        let hasher = std::sync::Arc::new(
            Hasher::new(Pool { at_once: 2, queue: 2, ..Pool::default() }).unwrap(),
        );
        let mut flood = tokio::task::JoinSet::new();
        for n in 0..20 {
            let hasher = std::sync::Arc::clone(&hasher);
            flood.spawn(
                async move { hasher.make(&secret("a long password"), &FixedRng::new(n)).await },
            );
        }
        let answers = flood.join_all().await;
        let busy = answers.iter().filter(|a| matches!(a, Err(Error::Busy)));
        let made = answers.iter().filter(|a| a.is_ok());
        let (busy, made) = (busy.count(), made.count());
        assert!(made >= 4 && busy + made == 20, "{made} made, {busy} busy");
        assert!(hasher.arenas.lock().unwrap().len() <= 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn old_dearer_hashes_take_no_more_memory_than_new_ones() {
        let pool = Pool { at_once: 3, queue: 12, ..Pool::default() };
        let hasher = std::sync::Arc::new(Hasher::new(pool).unwrap());
        for _ in 0..3 {
            hasher.arenas.lock().unwrap().push(vec![argon2::Block::new(); 19_456]);
        }
        let mut flood = tokio::task::JoinSet::new();
        for n in 0..3 {
            let hasher = std::sync::Arc::clone(&hasher);
            flood.spawn(async move {
                let dear = Cost::new(58_368, 1);
                hasher.derive(&secret("password"), dear, vec![n; 16], 32).await.unwrap();
                // Nobody else had a turn, and nothing was at rest beside it.
                hasher.arenas.lock().unwrap().len()
            });
        }
        assert!(flood.join_all().await.into_iter().all(|at_rest| at_rest <= 1));
        assert_eq!(hasher.turns.available_permits(), 3);
    }

    #[test]
    fn a_pool_is_as_large_as_the_machine_and_bounded() {
        let cores = |cores| std::num::NonZero::new(cores).unwrap();
        let of = |count| Pool::of_cores(cores(count), Cost::default());
        assert_eq!((of(1).at_once, of(1).queue), (1, 16));
        assert_eq!((of(2).at_once, of(2).queue), (1, 16));
        assert_eq!((of(4).at_once, of(4).queue), (3, 48));
        assert_eq!((of(256).at_once, of(256).queue), (8, 128));
        let dear = |memory| Pool::of_cores(cores(256), Cost::new(memory, 2)).at_once;
        assert_eq!((dear(19_457), dear(38_912), dear(65_536), dear(u32::MAX)), (7, 4, 2, 1));
    }

    #[test]
    fn size_is_bounded_before_hashing() {
        assert!(!fits(&"a".repeat(7)) && fits(&"a".repeat(8)));
        assert!(fits(&"a".repeat(1_024)) && !fits(&"a".repeat(1_025)));
    }
}
