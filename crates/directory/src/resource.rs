//! Resources as they come and go: names as the schema writes them, values of its types, sizes within
//! bounds, and no more than was asked for.

use serde_json::{Map, Value, json};

use crate::filter::{boolean, folded};
use crate::schema::{Attribute, Found, Kind, Mutability, Type};
use crate::{Error, Result};

/// The longest text of an attribute, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;
/// How many values an attribute of a user has at most.
const MAX_VALUES: usize = 50;
/// How many members a group has at most.
pub const MAX_MEMBERS: usize = 10_000;
/// How many names a request may ask for, or leave out.
const MAX_NAMES: usize = 100;

/// Where several values of one attribute are told apart by their `value` alone.
pub(crate) const MEMBERS: &str = "members";

/// What a body says of a resource, as we write it. What we alone may change, and what is not known,
/// is left out.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Value`].
pub(crate) fn canonical(kind: Kind, body: &Value) -> Result<Map<String, Value>> {
    let body = body.as_object().ok_or_else(|| syntax("it is no JSON object"))?;
    let schemas = field(body, "schemas")?.and_then(Value::as_array);
    let named = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(kind.core()));
    if !schemas.is_some_and(|all| all.iter().any(named)) {
        return Err(Error::Syntax(format!("`schemas` does not name {}", kind.core())));
    }
    let mut resource = Map::new();
    for (name, value) in body {
        let extension = kind.extension().filter(|urn| urn.eq_ignore_ascii_case(name));
        match (extension, value) {
            (Some(urn), Value::Object(within)) => {
                let mut kept = Map::new();
                for (name, value) in within {
                    keep(&mut kept, kind.find(Some(urn), name), value)?;
                }
                if !kept.is_empty() && resource.insert(urn.to_owned(), kept.into()).is_some() {
                    return Err(syntax("it says something twice"));
                }
            }
            (Some(_), Value::Null) => {}
            (Some(_), _) => return Err(Error::Value(format!("{name} is no object"))),
            (None, _) if name.contains(':') => {}
            (None, _) => keep(&mut resource, kind.find(None, name), value)?,
        }
    }
    check(kind, &resource)?;
    Ok(resource)
}

fn keep(into: &mut Map<String, Value>, found: Option<Found>, value: &Value) -> Result<()> {
    let Some(Found { attribute, .. }) = found else { return Ok(()) };
    let ours = attribute.mutability == Mutability::ReadOnly || attribute.name == "schemas";
    if ours || value.is_null() {
        return Ok(());
    }
    let value = coerced(attribute, value)?;
    if value.as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    match into.insert(attribute.name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(syntax("it says something twice")),
    }
}

/// The field of this name, whatever the case of its letters.
///
/// # Errors
/// [`Error::Syntax`] when there are two.
pub(crate) fn field<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>> {
    let mut found = body.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let first = found.next().map(|(_, value)| value);
    if found.next().is_some() {
        return Err(syntax("it says something twice"));
    }
    Ok(first)
}

fn syntax(why: &str) -> Error {
    Error::Syntax(why.to_owned())
}

/// `value` as the attribute has it: an array where it has several.
pub(crate) fn coerced(attribute: &Attribute, value: &Value) -> Result<Value> {
    if !attribute.many {
        return one(attribute, value);
    }
    let values: Vec<Value> = match value {
        Value::Array(all) => all.iter().map(|each| one(attribute, each)).collect::<Result<_>>()?,
        single => vec![one(attribute, single)?],
    };
    Ok(Value::Array(values.into_iter().filter(|value| !is_empty(value)).collect()))
}

/// One value of it.
pub(crate) fn one(attribute: &Attribute, value: &Value) -> Result<Value> {
    let wrong = || Error::Value(format!("{} is of another type", attribute.name));
    match (attribute.kind, value) {
        (Type::Boolean, Value::Bool(_)) => Ok(value.clone()),
        // Microsoft's directory writes its truth in quotes.
        (Type::Boolean, Value::String(text)) => boolean(text).map(Value::Bool).ok_or_else(wrong),
        (Type::Text | Type::Reference | Type::Moment, Value::String(text)) => {
            text_of(attribute, text)
        }
        (Type::Complex, Value::Object(fields)) => complex(attribute, fields),
        // A value alone stands for the object that has it.
        (Type::Complex, Value::String(_)) => {
            let sub = attribute.sub("value").ok_or_else(wrong)?;
            Ok(json!({ "value": one(sub, value)? }))
        }
        _ => Err(wrong()),
    }
}

fn text_of(attribute: &Attribute, text: &str) -> Result<Value> {
    if text.len() > MAX_TEXT_BYTES {
        let why = format!("{} has more than {MAX_TEXT_BYTES} bytes", attribute.name);
        return Err(Error::Value(why));
    }
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.contains(odd) {
        return Err(Error::Value(format!("{} holds control characters", attribute.name)));
    }
    Ok(Value::String(text.to_owned()))
}

fn complex(attribute: &Attribute, fields: &Map<String, Value>) -> Result<Value> {
    let mut kept = Map::new();
    for (name, value) in fields {
        let sub = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly);
        let Some(sub) = sub else { continue };
        if value.is_null() {
            continue;
        }
        if kept.insert(sub.name.to_owned(), one(sub, value)?).is_some() {
            return Err(syntax("it says something twice"));
        }
    }
    Ok(Value::Object(kept))
}

/// Whether there is nothing in it.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

/// Whether a resource, as we write it, is whole and within its bounds.
///
/// # Errors
/// [`Error::Value`] and [`Error::TooMany`].
pub(crate) fn check(kind: Kind, resource: &Map<String, Value>) -> Result<()> {
    let name = match kind {
        Kind::User => "userName",
        Kind::Group => "displayName",
    };
    let named = resource.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if named.is_empty() {
        return Err(Error::Value(format!("{name} is missing")));
    }
    if resource.get("externalId").is_some_and(|id| id.as_str().is_none_or(str::is_empty)) {
        return Err(Error::Value("externalId is empty".to_owned()));
    }
    for (name, value) in resource {
        let Some(values) = value.as_array() else { continue };
        fits(name, values.len())?;
        let first = values.iter().filter(|value| is_primary(value)).count();
        if first > 1 {
            return Err(Error::Value(format!("{name} has more than one primary value")));
        }
    }
    Ok(())
}

/// Whether the attribute `name` can have so many values.
///
/// # Errors
/// [`Error::TooMany`].
pub(crate) fn fits(name: &str, values: usize) -> Result<()> {
    let most = if name == MEMBERS { MAX_MEMBERS } else { MAX_VALUES };
    if values > most {
        return Err(Error::TooMany(format!("{name} has at most {most} values")));
    }
    Ok(())
}

/// Whether it is the first choice.
pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool).unwrap_or_default()
}

/// Who a member is, whatever the case of the letters.
pub(crate) fn member_id(value: &Value) -> Option<String> {
    value.get("value").and_then(Value::as_str).map(folded)
}

/// What is to be told of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these attributes.
    pub attributes: Vec<String>,
    /// Not these attributes.
    pub excluded: Vec<String>,
}

impl Wanted {
    /// # Errors
    /// [`Error::TooMany`] when too many names are asked for.
    pub(crate) fn check(&self) -> Result<()> {
        if self.attributes.len() + self.excluded.len() > MAX_NAMES {
            return Err(Error::TooMany(format!("at most {MAX_NAMES} attributes can be named")));
        }
        Ok(())
    }

    /// Whether an attribute is told, if it is nobody's part.
    pub fn has(&self, name: &str) -> bool {
        let named = |all: &[String]| {
            all.iter().any(|one| {
                let last = one.rsplit(':').next().unwrap_or_default();
                last.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(name))
            })
        };
        let excluded = self
            .excluded
            .iter()
            .any(|one| one.rsplit(':').next().is_some_and(|last| last.eq_ignore_ascii_case(name)));
        if self.attributes.is_empty() { !excluded } else { named(&self.attributes) }
    }

    /// The part of `resource` that is to be told. Names that are not known select nothing.
    pub(crate) fn part(&self, kind: Kind, resource: Map<String, Value>) -> Map<String, Value> {
        if !self.attributes.is_empty() {
            let mut part = Map::new();
            for name in ["schemas", "id"] {
                part.extend(resource.get_key_value(name).map(|(k, v)| (k.clone(), v.clone())));
            }
            for name in &self.attributes {
                copy(kind, name, &resource, &mut part);
            }
            return part;
        }
        let mut part = resource;
        for name in &self.excluded {
            leave_out(kind, name, &mut part);
        }
        part
    }
}

/// The parts of a name in the schema: the extension, the attribute, and one within it.
fn parts(kind: Kind, name: &str) -> Option<(Found, Option<&'static Attribute>)> {
    let (schema, rest) = match name.rsplit_once(':') {
        Some((schema, rest)) => (Some(schema), rest),
        None => (None, name),
    };
    let (first, second) = match rest.split_once('.') {
        Some((first, second)) => (first, Some(second)),
        None => (rest, None),
    };
    let found = kind.find(schema, first)?;
    match second {
        None => Some((found, None)),
        Some(second) => Some((found, Some(found.attribute.sub(second)?))),
    }
}

fn copy(kind: Kind, name: &str, from: &Map<String, Value>, to: &mut Map<String, Value>) {
    if let Some(urn) = kind.extension().filter(|urn| urn.eq_ignore_ascii_case(name)) {
        to.extend(from.get(urn).map(|value| (urn.to_owned(), value.clone())));
        return;
    }
    let Some((Found { extension, attribute }, sub)) = parts(kind, name) else { return };
    let (source, target) = match extension {
        None => (Some(from), to),
        Some(urn) => {
            let Some(within) = from.get(urn).and_then(Value::as_object) else { return };
            let made = to.entry(urn).or_insert_with(|| Value::Object(Map::new()));
            let Some(made) = made.as_object_mut() else { return };
            (Some(within), made)
        }
    };
    let Some(value) = source.and_then(|map| map.get(attribute.name)) else { return };
    let Some(sub) = sub else {
        target.insert(attribute.name.to_owned(), value.clone());
        return;
    };
    let only = |value: &Value| {
        let found = value.get(sub.name).map(|found| (sub.name.to_owned(), found.clone()));
        Value::Object(found.into_iter().collect())
    };
    match (value, target.get_mut(attribute.name)) {
        (Value::Array(all), None) => {
            let all: Vec<Value> = all.iter().map(only).collect();
            target.insert(attribute.name.to_owned(), Value::Array(all));
        }
        (Value::Array(all), Some(Value::Array(there))) => {
            for (value, there) in all.iter().zip(there) {
                merge(there, only(value));
            }
        }
        (one, None) => {
            target.insert(attribute.name.to_owned(), only(one));
        }
        (one, Some(there)) => merge(there, only(one)),
    }
}

fn merge(there: &mut Value, more: Value) {
    if let (Value::Object(there), Value::Object(more)) = (there, more) {
        there.extend(more);
    }
}

fn leave_out(kind: Kind, name: &str, part: &mut Map<String, Value>) {
    if let Some(urn) = kind.extension().filter(|urn| urn.eq_ignore_ascii_case(name)) {
        part.remove(urn);
        return;
    }
    let Some((Found { extension, attribute }, sub)) = parts(kind, name) else { return };
    if attribute.always {
        return;
    }
    let within = match extension {
        None => Some(part),
        Some(urn) => part.get_mut(urn).and_then(Value::as_object_mut),
    };
    let Some(within) = within else { return };
    let Some(sub) = sub else {
        within.remove(attribute.name);
        return;
    };
    match within.get_mut(attribute.name) {
        Some(Value::Array(all)) => {
            for one in all.iter_mut().filter_map(Value::as_object_mut) {
                one.remove(sub.name);
            }
        }
        Some(Value::Object(one)) => {
            one.remove(sub.name);
        }
        _ => {}
    }
}
