//! Changes to a part of a resource: RFC 7644, section 3.5.2, and what the directories that there are
//! make of it.
//!
//! All operations are applied to a copy, one after the other; when one of them cannot be, none was.
//! Beyond the RFC it is understood: names of operations in any case, truth in quotes, names with dots
//! or brackets as keys of a value without a path, values that are not wrapped in an object, and the
//! removal of some of several values that are told in `value`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::filter::{Filter, Place};
use crate::path::Target;
use crate::resource::{MEMBERS, check, coerced, field, fits, is_empty, is_primary, member_id, one};
use crate::schema::{Attribute, Kind, Mutability, Type};
use crate::work::Work;
use crate::{Error, Result};

/// The schema of a body with changes.
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How many operations one request has at most.
const MAX_OPERATIONS: usize = 1000;
/// What directories send along in a value without a path, and what is ours alone.
const SENT_ALONG: [&str; 3] = ["id", "schemas", "meta"];

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// `resource`, as we write it, with the changes of `body`.
///
/// # Errors
/// [`Error::Syntax`], [`Error::Path`], [`Error::NoTarget`], [`Error::Value`], [`Error::Mutability`],
/// [`Error::TooMany`]; all of `resource` is as it was then.
pub(crate) fn apply(
    kind: Kind,
    resource: &Map<String, Value>,
    body: &Value,
) -> Result<Map<String, Value>> {
    let syntax = |why: &str| Error::Syntax(why.to_owned());
    let body = body.as_object().ok_or_else(|| syntax("it is no JSON object"))?;
    let schemas = field(body, "schemas")?.and_then(Value::as_array);
    let named = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH));
    if !schemas.is_some_and(|all| all.iter().any(named)) {
        return Err(Error::Syntax(format!("`schemas` does not name {PATCH}")));
    }
    let operations = field(body, "Operations")?.and_then(Value::as_array);
    let operations = operations.ok_or_else(|| syntax("`Operations` is no array"))?;
    if operations.is_empty() {
        return Err(syntax("`Operations` is empty"));
    }
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooMany(format!("a request has at most {MAX_OPERATIONS} operations")));
    }
    let mut changed = resource.clone();
    let mut work = Work::new();
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| syntax("an operation is no object"))?;
        operate(kind, &mut changed, operation, &mut work)?;
        tidy(&mut changed, &mut work);
        work.check()?;
    }
    check(kind, &changed)?;
    Ok(changed)
}

fn operate(
    kind: Kind,
    resource: &mut Map<String, Value>,
    operation: &Map<String, Value>,
    work: &mut Work,
) -> Result<()> {
    let named = field(operation, "op")?.and_then(Value::as_str).unwrap_or_default();
    let verbs = [("add", Verb::Add), ("replace", Verb::Replace), ("remove", Verb::Remove)];
    let verb = verbs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(named));
    let wrong = || Error::Syntax(format!("{} is no operation", kernel::shown(named)));
    let (_, verb) = verb.ok_or_else(wrong)?;
    let value = field(operation, "value")?;
    let path = match field(operation, "path")? {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(path.trim()).filter(|path| !path.is_empty()),
        Some(_) => return Err(Error::Path("it is no text".to_owned())),
    };
    match (verb, path, value) {
        (Verb::Remove, None, _) => Err(Error::NoTarget("a removal names a path".to_owned())),
        (Verb::Remove, Some(path), value) => {
            let value = value.filter(|value| !value.is_null());
            remove(resource, &Target::parse(kind, path)?, value, work)
        }
        (_, _, None) => Err(Error::Value("`value` is missing".to_owned())),
        (_, Some(path), Some(value)) => {
            set(resource, &Target::parse(kind, path)?, value, (verb, work))
        }
        (_, None, Some(Value::Object(values))) => several(kind, resource, values, (verb, work)),
        (_, None, Some(_)) => Err(Error::Value("without a path, it is an object".to_owned())),
    }
}

/// The values of an operation without a path. What is not known is ignored there, as in a whole
/// resource.
fn several(
    kind: Kind,
    resource: &mut Map<String, Value>,
    values: &Map<String, Value>,
    (verb, work): (Verb, &mut Work),
) -> Result<()> {
    for (key, value) in values {
        if SENT_ALONG.iter().any(|name| name.eq_ignore_ascii_case(key)) {
            continue;
        }
        match Target::parse(kind, key) {
            Ok(target) => set(resource, &target, value, (verb, work))?,
            Err(error) if key.contains('[') => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

fn set(
    resource: &mut Map<String, Value>,
    target: &Target,
    value: &Value,
    (verb, work): (Verb, &mut Work),
) -> Result<()> {
    if value.is_null() {
        return remove(resource, target, None, work);
    }
    match target {
        Target::Extension(urn) => {
            let wrong = || Error::Value(format!("{urn} is no object"));
            let values = value.as_object().ok_or_else(wrong)?;
            // Each of its attributes is set by itself; what is not told stays.
            let keyed = values.iter().map(|(name, value)| (format!("{urn}:{name}"), value.clone()));
            several(Kind::User, resource, &keyed.collect(), (verb, work))
        }
        Target::Place(place) => {
            writable(place)?;
            let within = within(resource, place)?;
            set_place(within, place, value, (verb, work))
        }
        Target::Selected(place, filter) => {
            writable(place)?;
            let within = within(resource, place)?;
            set_selected(within, (place, filter), value, (verb, work))
        }
    }
}

/// Where the attribute of `place` is written.
fn within<'a>(
    resource: &'a mut Map<String, Value>,
    place: &Place,
) -> Result<&'a mut Map<String, Value>> {
    let Some(urn) = place.extension else { return Ok(resource) };
    let made = resource.entry(urn).or_insert_with(|| Value::Object(Map::new()));
    made.as_object_mut().ok_or_else(|| Error::Value(format!("{urn} is no object")))
}

fn writable(place: &Place) -> Result<()> {
    let ours = |one: &Attribute| one.mutability == Mutability::ReadOnly || one.name == "schemas";
    let attribute = place.attribute;
    if ours(attribute) || place.sub.is_some_and(ours) {
        return Err(Error::Mutability(attribute.name.to_owned()));
    }
    Ok(())
}

fn set_place(
    within: &mut Map<String, Value>,
    place: &Place,
    value: &Value,
    (verb, work): (Verb, &mut Work),
) -> Result<()> {
    let (attribute, name) = (place.attribute, place.attribute.name);
    look(within.get(name), work)?;
    match (place.sub, attribute.many, attribute.kind) {
        (None, true, _) => {
            let more = coerced(attribute, value)?;
            let there = within.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let (Some(there), Value::Array(more)) = (there.as_array_mut(), more) else {
                return Err(Error::Value(format!("{name} is no array")));
            };
            if verb == Verb::Replace {
                there.clear();
            }
            append(attribute, there, more, work)?;
        }
        (None, false, Type::Complex) => {
            let more = one(attribute, value)?;
            let there = within.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let (Value::Object(there), Value::Object(more)) = (there, more) {
                there.extend(more);
            }
            // What is told as no value goes.
            for gone in value.as_object().into_iter().flatten().filter(|(_, v)| v.is_null()) {
                if let (Some(sub), Some(Value::Object(there))) =
                    (attribute.sub(gone.0), within.get_mut(name))
                {
                    there.remove(sub.name);
                }
            }
        }
        (None, false, _) => {
            within.insert(name.to_owned(), one(attribute, value)?);
        }
        (Some(sub), false, _) => {
            let value = one(sub, value)?;
            let there = within.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(there) = there {
                there.insert(sub.name.to_owned(), value);
            }
        }
        (Some(sub), true, _) => {
            let value = one(sub, value)?;
            let there = within.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(there) = there else { return Ok(()) };
            if there.is_empty() {
                there.push(Value::Object(Map::new()));
            }
            for one in there.iter_mut().filter_map(Value::as_object_mut) {
                one.insert(sub.name.to_owned(), value.clone());
            }
        }
    }
    Ok(())
}

/// What an operation looks at, before it does.
///
/// # Errors
/// [`Error::TooMany`] when that is too much in one request.
fn look(values: Option<&Value>, work: &mut Work) -> Result<()> {
    work.look(values.and_then(Value::as_array).map_or(1, Vec::len));
    work.check()
}

/// Puts `more` behind what is there, without saying anything twice. The last first choice is it. No more
/// is compared than the attribute can have.
fn append(
    attribute: &Attribute,
    there: &mut Vec<Value>,
    mut more: Vec<Value>,
    work: &mut Work,
) -> Result<()> {
    fits(attribute.name, more.len())?;
    if attribute.name == MEMBERS {
        work.look(there.len() + more.len());
        let mut known: HashSet<String> = there.iter().filter_map(member_id).collect();
        more.retain(|one| member_id(one).is_none_or(|id| known.insert(id)));
        there.append(&mut more);
        return fits(attribute.name, there.len());
    }
    for value in more {
        work.look(there.len());
        if is_primary(&value) {
            demote(there);
        }
        if !there.contains(&value) {
            there.push(value);
        }
        fits(attribute.name, there.len())?;
    }
    Ok(())
}

/// None of them is the first choice any more.
fn demote(values: &mut [Value]) {
    for one in values.iter_mut().filter_map(Value::as_object_mut) {
        if one.contains_key("primary") {
            one.insert("primary".to_owned(), Value::Bool(false));
        }
    }
}

fn set_selected(
    within: &mut Map<String, Value>,
    (place, filter): (&Place, &Filter),
    value: &Value,
    (verb, work): (Verb, &mut Work),
) -> Result<()> {
    let (attribute, name) = (place.attribute, place.attribute.name);
    let value = match place.sub {
        Some(sub) => Value::Object(Map::from_iter([(sub.name.to_owned(), one(sub, value)?)])),
        None => single(attribute, value)?,
    };
    let there = within.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(there) = there else { return Ok(()) };
    let mut chosen: Vec<bool> = there.iter().map(|one| selects(filter, one, work)).collect();
    work.check()?;
    if !chosen.contains(&true) {
        let none = || Error::NoTarget(format!("no value of {name} is selected"));
        if verb == Verb::Replace {
            return Err(none());
        }
        // An addition makes the value that its filter describes.
        there.push(Value::Object(filter.template().ok_or_else(none)?));
        fits(name, there.len())?;
        chosen.push(true);
    }
    if is_primary(&value) {
        demote(there);
    }
    for (one, _) in there.iter_mut().zip(chosen).filter(|(_, chosen)| *chosen) {
        if verb == Verb::Replace && place.sub.is_none() {
            one.clone_from(&value);
        } else if let (Value::Object(one), Value::Object(more)) = (one, &value) {
            one.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    Ok(())
}

/// One value of several, which may be told in an array.
fn single(attribute: &Attribute, value: &Value) -> Result<Value> {
    match value {
        Value::Array(all) => match all.as_slice() {
            [value] => one(attribute, value),
            _ => Err(Error::Value(format!("one value of {} is meant", attribute.name))),
        },
        value => one(attribute, value),
    }
}

fn selects(filter: &Filter, value: &Value, work: &mut Work) -> bool {
    value.as_object().is_some_and(|value| filter.matches(value, work))
}

fn remove(
    resource: &mut Map<String, Value>,
    target: &Target,
    value: Option<&Value>,
    work: &mut Work,
) -> Result<()> {
    let place = match target {
        Target::Extension(urn) => {
            resource.remove(*urn);
            return Ok(());
        }
        Target::Place(place) | Target::Selected(place, _) => place,
    };
    writable(place)?;
    let (attribute, name) = (place.attribute, place.attribute.name);
    // Without it nobody could tell whether somebody has access.
    if attribute.required || name == "active" {
        return Err(Error::Mutability(name.to_owned()));
    }
    let within = match place.extension {
        None => resource,
        Some(urn) => match resource.get_mut(urn).and_then(Value::as_object_mut) {
            Some(within) => within,
            None => return Ok(()),
        },
    };
    look(within.get(name), work)?;
    let Some(there) = within.get_mut(name) else { return Ok(()) };
    match (target, place.sub, there) {
        (Target::Selected(_, filter), None, Value::Array(there)) => {
            there.retain(|one| !selects(filter, one, work));
        }
        (Target::Selected(_, filter), Some(sub), Value::Array(there)) => {
            for one in there.iter_mut() {
                if selects(filter, one, work) {
                    take_out(one, sub);
                }
            }
        }
        (_, Some(sub), Value::Array(there)) => {
            for one in there {
                take_out(one, sub);
            }
        }
        (_, Some(sub), one) => take_out(one, sub),
        // Some of several, told by themselves.
        (_, None, Value::Array(there)) if value.is_some_and(|value| !is_empty(value)) => {
            let gone = coerced(attribute, value.unwrap_or(&Value::Null))?;
            take_told(attribute, there, gone.as_array().map_or(&[], Vec::as_slice), work)?;
        }
        (_, None, _) => {
            within.remove(name);
        }
    }
    // What was chosen while nothing could be looked at any more was not chosen.
    work.check()
}

/// Takes out those of several that are told. A member is told by who they are.
fn take_told(
    attribute: &Attribute,
    there: &mut Vec<Value>,
    gone: &[Value],
    work: &mut Work,
) -> Result<()> {
    fits(attribute.name, gone.len())?;
    if attribute.name == MEMBERS {
        work.look(there.len() + gone.len());
        let gone: HashSet<String> = gone.iter().filter_map(member_id).collect();
        there.retain(|one| member_id(one).is_none_or(|id| !gone.contains(&id)));
        return Ok(());
    }
    work.look(there.len() * gone.len());
    there.retain(|one| !gone.iter().any(|other| told(one, other)));
    Ok(())
}

fn take_out(value: &mut Value, sub: &Attribute) {
    if let Value::Object(value) = value {
        value.remove(sub.name);
    }
}

/// Whether `one` has everything that is told of it.
fn told(one: &Value, told: &Value) -> bool {
    let has = |told: &Map<String, Value>| told.iter().all(|(name, v)| one.get(name) == Some(v));
    one == told || told.as_object().is_some_and(has)
}

/// Takes out what holds nothing any more.
fn tidy(resource: &mut Map<String, Value>, work: &mut Work) {
    for value in resource.values_mut() {
        work.look(value.as_array().map_or(1, Vec::len));
        match value {
            Value::Array(all) => all.retain(|one| !is_empty(one)),
            Value::Object(map) => map.retain(|_, value| !is_empty(value)),
            _ => {}
        }
    }
    resource.retain(|_, value| !is_empty(value));
}
