//! What a bite looks for: one finding, by which it is known that a violation would be found.

use super::Report;

/// A finding that is looked for. The battery ends when it has come up.
pub(crate) struct Quarry<'a> {
    /// Words of the finding. Where they name an attack, no other could come to it, and none is made.
    pub(crate) told: &'a str,
    /// Whether it has come up.
    pub(crate) is_found: &'a (dyn Fn(&Report) -> bool + Sync),
}

impl Quarry<'_> {
    /// Whether an attack of this name could come to it.
    pub(super) fn is_named(&self, attack: &str) -> bool {
        !self.told.starts_with('(') || naming(attack).contains(self.told)
    }
}

/// How a finding names the attack that got through.
pub(super) fn naming(attack: &str) -> String {
    format!("({attack}: ")
}

#[cfg(test)]
mod tests {
    use super::Quarry;

    /// Words that name an attack, or the beginning of some, leave out no attack that they name.
    #[test]
    fn only_what_cannot_come_to_it_is_left_out() {
        let is_named = |told, attack| Quarry { told, is_found: &|_| false }.is_named(attack);
        assert!(is_named("", "read-all") && is_named("its body was changed", "read-all"));
        assert!(is_named("(read-", "read-all") && is_named("(bind-again: ", "bind-again"));
        assert!(
            !is_named("(bind-again: ", "bind-again-later") && !is_named("(read-", "unread-all")
        );
    }
}
