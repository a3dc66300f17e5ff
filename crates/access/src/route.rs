//! Which permission each of the application's routes needs.
//!
//! Compiled once into a tree of path segments. A path that two programs could read differently has
//! no place in it: what is not known for certain is not mapped, and what is not mapped is refused.

use std::collections::{BTreeMap, HashMap, HashSet};

use kernel::PermissionId;

use crate::{Catalogue, Error, Result};

mod file;
mod openapi;
mod path;

/// The largest file of routes that is read, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most templates of paths.
const MAX_TEMPLATES: usize = 10_000;
/// The longest template, in bytes, and the most segments of one.
const MAX_TEMPLATE_BYTES: usize = 1024;
const MAX_SEGMENTS: usize = 32;
/// What stands in place of a permission where being signed in is enough.
const SIGNED_IN: &str = "signed-in";

/// The methods that an application can be asked with. `HEAD` is `GET` without a body, so it has no
/// line of its own.
pub const METHODS: [&str; 6] = ["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The permission; without one, being signed in is enough.
    pub permission: Option<PermissionId>,
    /// Whether who they are must have been proven a moment ago.
    pub step_up: bool,
}

/// One method of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// In capitals.
    pub method: &'static str,
    /// `/products/{id}`.
    pub template: String,
    /// What it needs.
    pub need: Need,
}

/// Every route of the application.
#[derive(Debug)]
pub struct Routes {
    nodes: Vec<Node>,
    listed: Vec<Route>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    // The same without their case: some applications do not tell `/Export` from `/export`.
    folded: HashSet<String>,
    parameter: Option<usize>,
    // What a path from here on needs, however it goes on.
    rest: Option<Needs>,
    needs: Option<Needs>,
}

type Needs = [Option<Need>; METHODS.len()];

impl Routes {
    /// Reads a file of routes: the TOML form, or an `OpenAPI` 3 document in JSON, whose operations
    /// name their permission as `x-permission`.
    ///
    /// # Errors
    /// [`Error::Routes`] says what is wrong with which route. Nothing is taken of a file that is
    /// wrong in part.
    pub fn read(text: &str, catalogue: &Catalogue) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(wrong(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let lines = if text.trim_start().starts_with('{') {
            openapi::read(text)?
        } else {
            file::read(text)?
        };
        Self::compile(lines, catalogue)
    }

    /// What `method` on `path` needs, or `None` when nothing says so. `path` has no query.
    pub fn need(&self, method: &str, path: &str) -> Option<Need> {
        let column = column(method)?;
        if !path::is_plain(path) {
            return None;
        }
        let mut node = self.nodes.first()?;
        let mut rest = None;
        let mut segments = path.strip_prefix('/')?.split('/');
        for segment in segments.by_ref() {
            rest = node.rest.as_ref().or(rest);
            let Some(next) = node.step(segment) else {
                if node.shadows(segment) {
                    return None;
                }
                return rest.and_then(|needs| needs.get(column).copied().flatten());
            };
            node = self.nodes.get(next)?;
        }
        let needs = node.needs.as_ref().or(rest)?;
        needs.get(column).copied().flatten()
    }

    /// Every route, in the order of their templates.
    pub fn all(&self) -> &[Route] {
        &self.listed
    }

    fn compile(lines: Vec<Line>, catalogue: &Catalogue) -> Result<Self> {
        if lines.is_empty() {
            return Err(wrong("there is no route in it"));
        }
        let mut routes = Self { nodes: vec![Node::default()], listed: Vec::new() };
        let mut templates = BTreeMap::new();
        for line in lines {
            let at = format!("{} {}", line.method, line.template);
            let column = column(&line.method)
                .filter(|_| line.method != "HEAD")
                .ok_or_else(|| wrong(format!("{at}: the method is none of {METHODS:?}")))?;
            let permission = match line.permission.as_str() {
                SIGNED_IN => None,
                name => Some(
                    catalogue
                        .number(name)
                        .ok_or_else(|| wrong(format!("{at}: there is no permission {name:?}")))?,
                ),
            };
            let need = Need { permission, step_up: line.step_up };
            let needs = routes.place(&line.template)?;
            match needs.get_mut(column) {
                Some(empty @ None) => *empty = Some(need),
                _ => return Err(wrong(format!("{at} is there twice"))),
            }
            let Some(method) = METHODS.get(column).copied() else { continue };
            templates.insert((line.template, column), (method, need));
            if templates.len() > MAX_TEMPLATES {
                return Err(wrong(format!("there are more than {MAX_TEMPLATES} routes")));
            }
        }
        let list = |((template, _), (method, need))| Route { method, template, need };
        routes.listed = templates.into_iter().map(list).collect();
        Ok(routes)
    }

    /// The place in the tree that `template` leads to, made where it is missing.
    fn place(&mut self, template: &str) -> Result<&mut Needs> {
        let unusable = |why: &str| wrong(format!("{template:?}: {why}"));
        if template.len() > MAX_TEMPLATE_BYTES {
            return Err(unusable("it is longer than 1,024 bytes"));
        }
        let inner = template.strip_prefix('/').ok_or_else(|| unusable("it begins with no /"))?;
        let segments: Vec<&str> = inner.split('/').collect();
        if segments.len() > MAX_SEGMENTS {
            return Err(unusable("it has more than 32 segments"));
        }
        let (mut at, mut ends_open) = (0, false);
        for (n, segment) in segments.iter().enumerate() {
            let last = n + 1 == segments.len();
            match Segment::of(segment)
                .ok_or_else(|| unusable("a segment is neither plain nor a parameter"))?
            {
                Segment::Rest if last => ends_open = true,
                Segment::Rest => return Err(unusable("what takes the rest must be its end")),
                Segment::Literal(_) if !last && segment.is_empty() => {
                    return Err(unusable("a segment is empty"));
                }
                kind => at = self.child(at, &kind).ok_or_else(|| unusable("it has no place"))?,
            }
        }
        let node = self.nodes.get_mut(at).ok_or_else(|| unusable("it has no place"))?;
        let needs = if ends_open { &mut node.rest } else { &mut node.needs };
        Ok(needs.get_or_insert_default())
    }

    fn child(&mut self, at: usize, kind: &Segment<'_>) -> Option<usize> {
        let free = self.nodes.len();
        let node = self.nodes.get_mut(at)?;
        let child = match kind {
            Segment::Parameter => *node.parameter.get_or_insert(free),
            Segment::Literal(text) => {
                node.folded.insert(text.to_ascii_lowercase());
                *node.literals.entry((*text).to_owned()).or_insert(free)
            }
            Segment::Rest => return None,
        };
        if child == free {
            self.nodes.push(Node::default());
        }
        Some(child)
    }
}

impl Node {
    /// Whether an application that ignores case, or a slash at the end, could take what goes on with
    /// `segment` for a route that is listed: then it is no part of what takes the rest.
    fn shadows(&self, segment: &str) -> bool {
        if segment.is_empty() {
            return self.needs.is_some() && self.rest.is_none();
        }
        self.folded.contains(&segment.to_ascii_lowercase())
    }

    /// Where `segment` leads. A literal goes before a parameter, and what reads like a literal to
    /// an application that ignores case is no parameter's value.
    fn step(&self, segment: &str) -> Option<usize> {
        if let Some(next) = self.literals.get(segment) {
            return Some(*next);
        }
        let next = self.parameter.filter(|_| !segment.is_empty())?;
        let cased = segment.bytes().any(|b| b.is_ascii_uppercase());
        if cased && self.folded.contains(&segment.to_ascii_lowercase()) {
            return None;
        }
        Some(next)
    }
}

/// One segment of a template.
enum Segment<'t> {
    Literal(&'t str),
    Parameter,
    Rest,
}

impl<'t> Segment<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner else {
            let plain = !text.contains(['{', '}']) && path::is_plain_segment(text);
            return plain.then_some(Self::Literal(text));
        };
        let (name, kind) = match inner.strip_prefix('*') {
            Some(name) => (name, Self::Rest),
            None => (inner, Self::Parameter),
        };
        let named = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        (!name.is_empty() && name.bytes().all(named)).then_some(kind)
    }
}

/// A route as a file has it.
#[derive(Debug)]
struct Line {
    method: String,
    template: String,
    permission: String,
    step_up: bool,
}

fn column(method: &str) -> Option<usize> {
    let method = if method == "HEAD" { "GET" } else { method };
    METHODS.iter().position(|known| *known == method)
}

fn wrong(why: impl Into<String>) -> Error {
    Error::Routes(why.into())
}
