//! What somebody may do, as a set of small numbers that is decided in nanoseconds.

use std::fmt;

/// How many permissions a catalogue can have.
pub const MAX_PERMISSIONS: usize = WORDS * 64;
/// The words of a set; 16 of them are two lines of the cache.
const WORDS: usize = 16;

/// One permission, by its number. Numbers are given out once and never again, so that a session
/// that was read a moment ago cannot mean another permission by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionId(u16);

impl PermissionId {
    /// The permission of this number, or `None` from [`MAX_PERMISSIONS`] on.
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < MAX_PERMISSIONS { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The permissions that Amanah's own pages ask for. Every catalogue has them, under these numbers
/// and names.
pub mod own {
    use super::PermissionId;

    /// Seeing who belongs to the tenant, and with which roles.
    pub const PEOPLE_READ: PermissionId = PermissionId(0);
    /// Inviting somebody into the tenant.
    pub const PEOPLE_INVITE: PermissionId = PermissionId(1);
    /// Granting, revoking and defining roles.
    pub const PEOPLE_ROLES: PermissionId = PermissionId(2);
    /// Ending everything that somebody has.
    pub const PEOPLE_OFFBOARD: PermissionId = PermissionId(3);
    /// Letting the vendor's support in, for a time.
    pub const PEOPLE_SUPPORT: PermissionId = PermissionId(4);
    /// Deciding in an access review.
    pub const PEOPLE_REVIEW: PermissionId = PermissionId(5);
    /// Making and revoking the keys of services.
    pub const PEOPLE_KEYS: PermissionId = PermissionId(6);
    /// Letting the tenant's own directory provision accounts.
    pub const PEOPLE_DIRECTORY: PermissionId = PermissionId(7);
    /// Asking a tenant for access as the vendor's support.
    pub const SUPPORT_ASK: PermissionId = PermissionId(8);

    /// Reading what was recorded in the tenant.
    pub const TRAIL_READ: PermissionId = PermissionId(9);

    /// Each with its name.
    pub const ALL: [(PermissionId, &str); 10] = [
        (PEOPLE_READ, "people.read"),
        (PEOPLE_INVITE, "people.invite"),
        (PEOPLE_ROLES, "people.roles"),
        (PEOPLE_OFFBOARD, "people.offboard"),
        (PEOPLE_SUPPORT, "people.support"),
        (PEOPLE_REVIEW, "people.review"),
        (PEOPLE_KEYS, "people.keys"),
        (PEOPLE_DIRECTORY, "people.directory"),
        (SUPPORT_ASK, "support.ask"),
        (TRAIL_READ, "trail.read"),
    ];
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Bits([u64; WORDS]);

impl Bits {
    /// No permission at all.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Whether `permission` is in it.
    pub fn has(&self, permission: PermissionId) -> bool {
        let (word, bit) = place(permission);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Puts `permission` in.
    pub fn insert(&mut self, permission: PermissionId) {
        let (word, bit) = place(permission);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Takes `permission` out.
    pub fn remove(&mut self, permission: PermissionId) {
        let (word, bit) = place(permission);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// What is in this one alone.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    /// Whether all of it is in `other`.
    pub fn within(&self, other: &Self) -> bool {
        self.without(other).is_empty()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// How many are in it.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Each of them, from the lowest number on.
    pub fn iter(&self) -> impl Iterator<Item = PermissionId> + '_ {
        (0..).map_while(PermissionId::new).filter(|permission| self.has(*permission))
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut joined = Self::EMPTY;
        for (word, (a, b)) in joined.0.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *word = join(*a, *b);
        }
        joined
    }
}

impl FromIterator<PermissionId> for Bits {
    fn from_iter<I: IntoIterator<Item = PermissionId>>(permissions: I) -> Self {
        let mut bits = Self::EMPTY;
        permissions.into_iter().for_each(|permission| bits.insert(permission));
        bits
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(PermissionId::number)).finish()
    }
}

const fn place(permission: PermissionId) -> (usize, u64) {
    ((permission.0 / 64) as usize, 1 << (permission.0 % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bits, MAX_PERMISSIONS, PermissionId, own};

    fn id(number: u16) -> PermissionId {
        PermissionId::new(number).unwrap()
    }

    #[test]
    fn numbers_end_where_the_set_does() {
        let last = u16::try_from(MAX_PERMISSIONS - 1).unwrap();
        let mut bits = Bits::EMPTY;
        bits.insert(id(last));
        assert!(bits.has(id(last)) && bits.count() == 1);
        assert_eq!(PermissionId::new(last + 1), None);
        assert!(own::ALL.iter().enumerate().all(|(n, (id, _))| usize::from(id.number()) == n));
    }

    proptest! {
        /// A set of bits behaves as the library's own set does.
        #[test]
        fn it_is_a_set(a in prop::collection::btree_set(0u16..1024, 0..40),
                       b in prop::collection::btree_set(0u16..1024, 0..40)) {
            let bits = |set: &std::collections::BTreeSet<u16>| set.iter().map(|n| id(*n)).collect::<Bits>();
            let (x, y) = (bits(&a), bits(&b));
            prop_assert!(x.iter().map(PermissionId::number).eq(a.iter().copied()));
            prop_assert_eq!(x.or(&y), bits(&a.union(&b).copied().collect()));
            prop_assert_eq!(x.and(&y), bits(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(x.without(&y), bits(&a.difference(&b).copied().collect()));
            prop_assert_eq!(x.within(&y), a.is_subset(&b));
            let mut taken = x;
            for n in &a {
                taken.remove(id(*n));
            }
            prop_assert!(taken.is_empty());
        }
    }
}
