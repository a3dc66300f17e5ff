//! What a ciphertext belongs to, as bytes that are authenticated with it.

/// What a ciphertext belongs to: whose it is, what for, and which object. Which parts there are is
/// the business of whoever writes one; here they are only kept apart.
///
/// Each part is written behind its length in eight bytes, so that no two different lists of parts
/// give the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context(Vec<u8>);

impl Context {
    /// Begins one for `kind`: a fixed word with a version, as `amanah/field/1`, so that what was
    /// sealed as one kind of thing never opens as another.
    pub fn of(kind: &'static str) -> Self {
        Self(Vec::new()).with(kind)
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// Adds a part that may be missing, which differs from an empty one.
    #[must_use]
    pub fn maybe(self, part: Option<impl AsRef<[u8]>>) -> Self {
        match part {
            Some(part) => self.with([1]).with(part),
            None => self.with([0]),
        }
    }

    /// The bytes to authenticate.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Context;

    #[test]
    fn parts_cannot_be_moved_across_their_border() {
        assert_ne!(Context::of("k").with("ab").with("c"), Context::of("k").with("a").with("bc"));
        assert_ne!(Context::of("k").with("").with("a"), Context::of("k").with("a").with(""));
        assert_ne!(Context::of("k").maybe(Some("")), Context::of("k").maybe(None::<&str>));
    }
}
