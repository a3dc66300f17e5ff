//! A claim's parameters: the numbers of the sentence, which are the thresholds of its proof.

use std::collections::BTreeMap;
use std::fmt;

use crate::catalogue::Promise;
use crate::{UnitError, Value};

/// Checked parameters of one claim. Every name is known to the claim and every value fits its
/// unit; required ones are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    // Text and value together: the text is what the page prints, in its own unit.
    all: BTreeMap<String, (String, Value)>,
}

/// Parameters that do not fit their claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// The claim has no such parameter.
    #[error("`{claim}` has no parameter `{name}`; it takes {known}")]
    Unknown {
        /// The claim's id.
        claim: &'static str,
        /// The name that was given.
        name: String,
        /// The names it takes.
        known: String,
    },
    /// The same name twice.
    #[error("`{name}` is given twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A parameter that the claim cannot do without.
    #[error("`{claim}` needs the parameter `{name}`")]
    Missing {
        /// The claim's id.
        claim: &'static str,
        /// The name that is missing.
        name: &'static str,
    },
    /// The value has another shape.
    #[error("`{name}`: {error}")]
    Value {
        /// The parameter.
        name: String,
        /// What is wrong with its value.
        error: UnitError,
    },
}

impl Params {
    /// Checks `pairs` of name and text against what `promise` takes.
    ///
    /// # Errors
    /// At the first name or value that does not fit.
    pub fn check<'a>(
        promise: &'static Promise,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ParamError> {
        let mut all = BTreeMap::new();
        for (name, text) in pairs {
            let unit = promise.unit_of(name).ok_or_else(|| ParamError::Unknown {
                claim: promise.id,
                name: name.chars().take(40).collect(),
                known: promise.known_names(),
            })?;
            let value = unit
                .parse(text)
                .map_err(|error| ParamError::Value { name: name.to_owned(), error })?;
            if all.insert(name.to_owned(), (text.to_owned(), value)).is_some() {
                return Err(ParamError::Twice { name: name.to_owned() });
            }
        }
        match promise.params.iter().find(|p| p.required && !all.contains_key(p.name)) {
            Some(missing) => Err(ParamError::Missing { claim: promise.id, name: missing.name }),
            None => Ok(Self { all }),
        }
    }

    /// No parameters at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The checked value of `name`.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.all.get(name).map(|(_, value)| value)
    }

    /// The text of every parameter as the page wrote it, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|(name, (text, _))| (name.as_str(), text.as_str()))
    }
}

/// Writes the [`canonical`] text, by name: how evidence and approvals name a claim's parameters.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&canonical(self.iter()))
    }
}

/// `pairs` of name and value as one text: `name=value` with `&` between, in the order given. What
/// would be mistaken for punctuation (`%`, `&`, `=`) is percent-encoded, so that different pairs
/// never have the same text.
pub fn canonical<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
    }
    text
}

fn encode(text: &mut String, part: &str) {
    for c in part.chars() {
        match c {
            '%' => text.push_str("%25"),
            '&' => text.push_str("%26"),
            '=' => text.push_str("%3D"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ParamError, Params};
    use crate::catalogue;

    fn check(id: &str, pairs: &[(&str, &str)]) -> Result<Params, ParamError> {
        Params::check(catalogue::find(id).unwrap(), pairs.iter().copied())
    }

    #[test]
    fn names_values_and_presence_are_checked() {
        assert!(check("backup.daily", &[("every", "24h"), ("keep", "30d")]).is_ok());
        assert!(matches!(
            check("backup.daily", &[("evry", "24h")]),
            Err(ParamError::Unknown { .. })
        ));
        assert!(matches!(check("backup.daily", &[("every", "24")]), Err(ParamError::Value { .. })));
        assert!(matches!(
            check("backup.daily", &[("every", "1d"), ("every", "2d")]),
            Err(ParamError::Twice { .. })
        ));
        assert!(matches!(check("backup.daily", &[]), Err(ParamError::Missing { .. })));
    }

    #[test]
    fn an_open_claim_takes_any_header_name() {
        let params = check("edge.headers", &[("x-frame-options", "SAMEORIGIN")]).unwrap();
        assert_eq!(params.to_string(), "x-frame-options=SAMEORIGIN");
    }

    #[test]
    fn punctuation_inside_a_value_cannot_pose_as_another_parameter() {
        let one = check("edge.headers", &[("a", "1&b=2")]).unwrap();
        let two = check("edge.headers", &[("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(one.to_string(), "a=1%26b%3D2");
        assert_eq!(two.to_string(), "a=1&b=2");
    }
}
