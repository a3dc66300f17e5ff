//! Names that cannot be taken for one another.

/// The longest name of a role, in bytes.
pub(crate) const MAX_ROLE_BYTES: usize = 64;
/// The longest half of a permission's name, in bytes.
const MAX_PART_BYTES: usize = 31;

/// Whether `name` is `RESOURCE.ACTION`, of small letters and hyphens.
pub(crate) fn is_permission(name: &str) -> bool {
    let part = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b == b'-')
            && part.len() <= MAX_PART_BYTES
    };
    name.split_once('.').is_some_and(|(resource, action)| part(resource) && part(action))
}

/// Checks a role's name: ASCII letters, digits, single spaces and hyphens.
///
/// ASCII alone: a Cyrillic letter that looks like a Latin one makes another name that reads the
/// same, and every form of a composed letter is a third.
pub(crate) fn check_role(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_ROLE_BYTES {
        return Err("it is longer than 64 bytes");
    }
    let words = name.split([' ', '-']);
    let whole =
        words.map(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric()));
    if whole.into_iter().all(|whole| whole) {
        Ok(())
    } else {
        Err("write ASCII letters and digits, with single spaces or hyphens between them")
    }
}

/// What `name` looks like: names of one likeness are one name to a reader. The database's index
/// does the same.
pub(crate) fn likeness(name: &str) -> String {
    let folded = name.chars().filter(|c| !matches!(c, ' ' | '-'));
    let folded = folded.map(|c| match c.to_ascii_lowercase() {
        '0' => 'o',
        '1' | 'i' => 'l',
        '3' => 'e',
        '5' => 's',
        other => other,
    });
    folded.collect()
}

#[cfg(test)]
mod tests {
    use super::{check_role, is_permission, likeness};

    #[test]
    fn names_that_look_alike_are_one() {
        for (a, b) in [
            ("administrator", "Administrator"),
            ("administrator", "adm1nistrator"),
            ("administrator", "admlnlstrator"),
            ("people-manager", "People Manager"),
            ("people-manager", "peoplemanager"),
            ("owner", "0wn3r"),
        ] {
            assert_eq!(likeness(a), likeness(b), "{a} {b}");
        }
        assert_ne!(likeness("editor"), likeness("auditor"));
    }

    #[test]
    fn a_name_is_ascii_and_plain() {
        for good in ["editor", "Night shift 2", "a", "x-y"] {
            assert_eq!(check_role(good), Ok(()), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            " ",
            "a ",
            "-a",
            "a--b",
            "a  b",
            "a\tb",
            "a\u{a0}b",
            "\u{430}dmin",
            "e\u{301}",
            "é",
            "ﬁnance",
            "a\u{200b}b",
            "x\0",
            "a;b",
            &long,
        ] {
            assert!(check_role(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a", "a.", ".a", "a.b.c", "A.b", "a.b1", "a .b", &"a".repeat(70)] {
            assert!(!is_permission(bad), "{bad:?}");
        }
        assert!(is_permission("people.read") && is_permission("sales-orders.close"));
    }
}
