//! Filters: RFC 7644, section 3.4.2.2, read against the schema, so that what cannot be compared is
//! refused before anything is looked at.

mod reader;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::schema::{Attribute, Found, Kind, Type};
use crate::work::Work;
use crate::{Error, Result};
pub(crate) use reader::Reader;

/// The longest filter or path, in bytes.
pub(crate) const MAX_BYTES: usize = 4096;
/// How deep groups may lie within each other.
pub(crate) const MAX_DEPTH: usize = 16;
/// How many comparisons one filter has at most.
pub(crate) const MAX_TERMS: usize = 100;

/// A question about one resource, or about one of several values.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    All(Vec<Self>),
    /// One of them at least.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Whether there is a value.
    Present(Place),
    /// How a value compares.
    Compare(Place, Op, Literal),
    /// Whether one value of several is such.
    Values(Place, Box<Self>),
}

/// Where values are: an attribute, and perhaps one within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Begins with.
    Sw,
    /// Ends with.
    Ew,
    /// Later in order.
    Gt,
    /// Equal or later.
    Ge,
    /// Earlier in order.
    Lt,
    /// Equal or earlier.
    Le,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// No value.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// Text: as it was written, and without the case of its letters.
    Text(String, String),
    /// A moment.
    Moment(Timestamp),
}

/// What names are looked up in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    /// A resource.
    Resource(Kind),
    /// One of the values of this attribute.
    Element(&'static Attribute),
}

impl Filter {
    /// Reads a filter about resources of `kind`.
    ///
    /// # Errors
    /// [`Error::Filter`] with what is wrong.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let mut reader = Reader::new(text).map_err(Error::Filter)?;
        let read = reader.filter(Scope::Resource(kind)).and_then(|filter| {
            reader.end()?;
            Ok(filter)
        });
        read.map_err(Error::Filter)
    }

    /// Whether `resource`, with its names as the schema writes them, is such. When `work` is spent behind it,
    /// that is not known.
    pub(crate) fn matches(&self, resource: &Map<String, Value>, work: &mut Work) -> bool {
        work.look(1);
        if work.is_spent() {
            return false;
        }
        match self {
            Self::All(all) => all.iter().all(|one| one.matches(resource, work)),
            Self::Any(any) => any.iter().any(|one| one.matches(resource, work)),
            Self::Not(one) => !one.matches(resource, work),
            Self::Present(place) => {
                let values = place.values(resource);
                work.look(values.len());
                values.into_iter().any(is_there)
            }
            Self::Compare(place, op, literal) => {
                let leaf = place.leaf();
                let values = place.compared(resource);
                work.look(values.len());
                match (op, literal) {
                    (Op::Eq, Literal::Null) => !values.into_iter().any(is_there),
                    (Op::Ne, Literal::Null) => values.into_iter().any(is_there),
                    // What has no value differs from every one.
                    (Op::Ne, _) if values.is_empty() => true,
                    _ => values.into_iter().any(|value| compare(leaf, (*op, literal), value, work)),
                }
            }
            Self::Values(place, filter) => {
                let values = place.values(resource).into_iter().filter_map(Value::as_object);
                values.into_iter().any(|value| filter.matches(value, work))
            }
        }
    }

    /// The text that the attribute `name` of the core has to equal for any resource to match, if
    /// there is one: by it the database narrows what is looked at.
    pub(crate) fn wants(&self, name: &str) -> Option<&str> {
        match self {
            Self::All(all) => all.iter().find_map(|one| one.wants(name)),
            Self::Compare(Place { extension: None, attribute, sub: None }, Op::Eq, literal) => {
                match literal {
                    Literal::Text(text, _) if attribute.name == name => Some(text),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether it asks about this attribute.
    pub(crate) fn names(&self, name: &str) -> bool {
        match self {
            Self::All(several) | Self::Any(several) => several.iter().any(|one| one.names(name)),
            Self::Not(one) => one.names(name),
            Self::Present(place) | Self::Compare(place, ..) | Self::Values(place, _) => {
                place.attribute.name == name
            }
        }
    }

    /// What a value has to have at least to match, where only that is asked: for a value that is to
    /// be made.
    pub(crate) fn template(&self) -> Option<Map<String, Value>> {
        match self {
            Self::All(all) => {
                let mut whole = Map::new();
                for one in all {
                    whole.extend(one.template()?);
                }
                Some(whole)
            }
            Self::Compare(place, Op::Eq, literal) if place.sub.is_none() => {
                let value = match literal {
                    Literal::Boolean(yes) => Value::Bool(*yes),
                    Literal::Text(text, _) => Value::String(text.clone()),
                    Literal::Null | Literal::Moment(_) => return None,
                };
                Some(Map::from_iter([(place.attribute.name.to_owned(), value)]))
            }
            _ => None,
        }
    }
}

impl Scope {
    /// The place that `name` stands for: `[URN:]attribute[.sub]`.
    pub(crate) fn place(self, name: &str) -> std::result::Result<Place, String> {
        let unknown = || format!("{} is not known", kernel::shown(name));
        let (schema, rest) = match name.rsplit_once(':') {
            Some((schema, rest)) => (Some(schema), rest),
            None => (None, name),
        };
        let (first, second) = match rest.split_once('.') {
            Some((first, second)) => (first, Some(second)),
            None => (rest, None),
        };
        let Found { extension, attribute } = match self {
            Self::Resource(kind) => kind.find(schema, first).ok_or_else(unknown)?,
            Self::Element(_) if schema.is_some() || second.is_some() => return Err(unknown()),
            Self::Element(of) => {
                Found { extension: None, attribute: of.sub(first).ok_or_else(unknown)? }
            }
        };
        let sub = match second {
            Some(second) => Some(attribute.sub(second).ok_or_else(unknown)?),
            None => None,
        };
        Ok(Place { extension, attribute, sub })
    }
}

impl Place {
    /// What is compared: the attribute within, the value of several, or the attribute itself.
    pub(crate) fn leaf(&self) -> &'static Attribute {
        self.sub.or_else(|| self.attribute.sub("value")).unwrap_or(self.attribute)
    }

    /// The values there are, each of several by itself.
    fn values<'a>(&self, resource: &'a Map<String, Value>) -> Vec<&'a Value> {
        let within = match self.extension {
            Some(urn) => resource.get(urn).and_then(Value::as_object),
            None => Some(resource),
        };
        let value = within.and_then(|map| map.get(self.attribute.name));
        let values: Vec<&Value> = match value {
            None => Vec::new(),
            Some(Value::Array(several)) => several.iter().collect(),
            Some(one) => vec![one],
        };
        match self.sub {
            None => values,
            Some(sub) => values.into_iter().filter_map(|value| value.get(sub.name)).collect(),
        }
    }

    fn compared<'a>(&self, resource: &'a Map<String, Value>) -> Vec<&'a Value> {
        let leaf = self.leaf();
        let values = self.values(resource);
        if self.sub.is_some() || std::ptr::eq(leaf, self.attribute) {
            return values;
        }
        values.into_iter().filter_map(|value| value.get(leaf.name)).collect()
    }
}

impl Op {
    pub(crate) fn named(word: &str) -> Option<Self> {
        let all = [
            ("eq", Self::Eq),
            ("ne", Self::Ne),
            ("co", Self::Co),
            ("sw", Self::Sw),
            ("ew", Self::Ew),
            ("gt", Self::Gt),
            ("ge", Self::Ge),
            ("lt", Self::Lt),
            ("le", Self::Le),
        ];
        all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, op)| op)
    }

    const fn is_about_text(self) -> bool {
        matches!(self, Self::Co | Self::Sw | Self::Ew)
    }
}

/// `value` as what `place` is compared with, if it can be.
pub(crate) fn literal(
    place: &Place,
    op: Op,
    value: &Value,
) -> std::result::Result<Literal, String> {
    let leaf = place.leaf();
    let equal = matches!(op, Op::Eq | Op::Ne);
    let never = || format!("{} is not compared so", leaf.name);
    match (leaf.kind, value) {
        (_, Value::Null) if equal => Ok(Literal::Null),
        (Type::Boolean, Value::Bool(yes)) if equal => Ok(Literal::Boolean(*yes)),
        // Microsoft's directory writes its truth in quotes.
        (Type::Boolean, Value::String(text)) if equal => {
            boolean(text).map(Literal::Boolean).ok_or_else(never)
        }
        (Type::Text | Type::Reference, Value::String(text)) => {
            Ok(Literal::Text(text.clone(), folded(text)))
        }
        (Type::Moment, Value::String(text)) if !op.is_about_text() => {
            text.parse().map(Literal::Moment).map_err(|_| "this is no moment".to_owned())
        }
        _ => Err(never()),
    }
}

/// Yes or no in letters.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(
    leaf: &Attribute,
    (op, literal): (Op, &Literal),
    value: &Value,
    work: &mut Work,
) -> bool {
    work.compare(value.as_str().map_or(0, str::len), leaf.exact);
    if work.is_spent() {
        return false;
    }
    match (literal, value) {
        (Literal::Boolean(wanted), Value::Bool(is)) => match op {
            Op::Ne => is != wanted,
            _ => is == wanted,
        },
        (Literal::Text(wanted, without_case), Value::String(is)) => {
            if leaf.exact {
                ordered(op, is.as_str(), wanted.as_str())
            } else {
                ordered(op, &folded(is), without_case)
            }
        }
        (Literal::Moment(wanted), Value::String(is)) => {
            is.parse::<Timestamp>().is_ok_and(|is| in_order(op, is.cmp(wanted)))
        }
        _ => matches!(op, Op::Ne),
    }
}

/// Text whose letters' case does not matter.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn ordered(op: Op, is: &str, wanted: &str) -> bool {
    match op {
        Op::Co => is.contains(wanted),
        Op::Sw => is.starts_with(wanted),
        Op::Ew => is.ends_with(wanted),
        _ => in_order(op, is.cmp(wanted)),
    }
}

const fn in_order(op: Op, order: std::cmp::Ordering) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Co | Op::Sw | Op::Ew => false,
    }
}
