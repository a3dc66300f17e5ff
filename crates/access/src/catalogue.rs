//! The shipped catalogue: permissions and roles as a text, compiled and checked as a whole.
//!
//! Nothing of it is taken when any part of it is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use jiff::SignedDuration;
use kernel::{Bits, PermissionId, own};
use serde::Deserialize;

use crate::{Error, Result, name};

/// The largest catalogue that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// The longest title, in bytes.
const MAX_TITLE_BYTES: usize = 200;
/// The most shipped roles.
const MAX_ROLES: usize = 64;
/// The shortest and the longest limit of a role's sessions, in seconds.
const LIMITS: std::ops::RangeInclusive<i64> = 60..=7_776_000;

const SHIPPED: &str = include_str!("../catalogue/access.toml");
const IDS: &str = include_str!("../catalogue/ids.txt");

/// Permissions and roles, checked and flattened.
#[derive(Debug)]
pub struct Catalogue {
    permissions: Vec<Permission>,
    numbers: HashMap<String, PermissionId>,
    roles: Vec<Role>,
}

/// One thing that somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its number, which no other permission ever gets.
    pub id: PermissionId,
    /// `RESOURCE.ACTION`.
    pub name: String,
    /// What it lets somebody do, in a few words.
    pub title: String,
    /// The part of the product that it belongs to.
    pub area: String,
}

/// A shipped role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Who should have it, in a few words.
    pub title: String,
    /// How its holders have to prove who they are: 1, 2 or 3.
    pub factor: i16,
    /// How long a session of a holder lives unused.
    pub idle: Option<SignedDuration>,
    /// How long it lives at most.
    pub absolute: Option<SignedDuration>,
    /// The roles that it has everything of.
    pub parents: Vec<String>,
    /// What it permits by itself.
    pub own: Bits,
    /// The same with what its parents permit.
    pub all: Bits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    area: Vec<AreaText>,
    role: Vec<RoleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaText {
    name: String,
    title: String,
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleText {
    name: String,
    title: String,
    #[serde(default = "one")]
    factor: i16,
    idle: Option<String>,
    absolute: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    permits: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

const fn one() -> i16 {
    1
}

impl Catalogue {
    /// The one that this program was built with.
    ///
    /// # Errors
    /// Never in a program whose tests have run: they compile it.
    pub fn shipped() -> Result<&'static Self> {
        static COMPILED: OnceLock<std::result::Result<Catalogue, String>> = OnceLock::new();
        let compiled = COMPILED.get_or_init(|| {
            Self::compile(SHIPPED, IDS).map_err(|error| match error {
                Error::Catalogue(why) => why,
                other => other.to_string(),
            })
        });
        compiled.as_ref().map_err(|why| Error::Catalogue(why.clone()))
    }

    /// Compiles `text` with the numbers of `ids`, a line `NAME NUMBER` for each permission that
    /// there ever was.
    ///
    /// # Errors
    /// [`Error::Catalogue`] says what is wrong with which part.
    pub fn compile(text: &str, ids: &str) -> Result<Self> {
        if text.len() > MAX_BYTES || ids.len() > MAX_BYTES {
            return Err(wrong(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let given = numbers(ids)?;
        let text: Text = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        let permissions = permissions(text.area, &given)?;
        let numbers: HashMap<String, PermissionId> =
            permissions.iter().map(|p| (p.name.clone(), p.id)).collect();
        for (id, name) in own::ALL {
            if numbers.get(name) != Some(&id) {
                return Err(wrong(format!(
                    "{name} must be there with the number {}, because Amanah's own pages ask for it",
                    id.number()
                )));
            }
        }
        let roles = roles(text.role, &permissions)?;
        Ok(Self { permissions, numbers, roles })
    }

    /// Every permission, in the order of their numbers.
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Every role, in the order of the text.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The permission of this name.
    pub fn number(&self, name: &str) -> Option<PermissionId> {
        self.numbers.get(name).copied()
    }

    /// The names of what is in `bits`, in the order of their numbers.
    pub fn names(&self, bits: &Bits) -> Vec<&str> {
        let held = self.permissions.iter().filter(|p| bits.has(p.id));
        held.map(|p| p.name.as_str()).collect()
    }
}

fn wrong(why: impl Into<String>) -> Error {
    Error::Catalogue(why.into())
}

/// The numbers that were ever given out. Neither a name nor a number stands there twice.
fn numbers(ids: &str) -> Result<BTreeMap<&str, PermissionId>> {
    let (mut by_name, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (n, line) in ids.lines().enumerate() {
        let line_of = |why: &str| wrong(format!("line {} of the numbers: {why}", n + 1));
        let (name, number) =
            line.split_once(' ').ok_or_else(|| line_of("write it as NAME NUMBER"))?;
        let number: u16 = number.parse().map_err(|_| line_of("the number cannot be read"))?;
        let id = PermissionId::new(number).ok_or_else(|| line_of("the number is too large"))?;
        if !taken.insert(id) || by_name.insert(name, id).is_some() {
            return Err(line_of("this name or this number was given out before"));
        }
    }
    Ok(by_name)
}

fn permissions(
    areas: Vec<AreaText>,
    given: &BTreeMap<&str, PermissionId>,
) -> Result<Vec<Permission>> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for area in areas {
        title("area", &area.name, &area.title)?;
        for (name, title_of) in area.permissions {
            if !name::is_permission(&name) {
                return Err(wrong(format!("{name:?} is no name of the form RESOURCE.ACTION")));
            }
            title("permission", &name, &title_of)?;
            let Some(id) = given.get(name.as_str()) else {
                return Err(wrong(format!("{name} has no number; add a line to ids.txt")));
            };
            if !seen.insert(name.clone()) {
                return Err(wrong(format!("{name} is there twice")));
            }
            all.push(Permission { id: *id, name, title: title_of, area: area.name.clone() });
        }
    }
    all.sort_by_key(|permission| permission.id);
    Ok(all)
}

fn title(kind: &str, name: &str, title: &str) -> Result<()> {
    let plain = !title.trim().is_empty()
        && title.len() <= MAX_TITLE_BYTES
        && !title.chars().any(char::is_control);
    if plain { Ok(()) } else { Err(wrong(format!("the {kind} {name:?} has no usable title"))) }
}

fn roles(texts: Vec<RoleText>, permissions: &[Permission]) -> Result<Vec<Role>> {
    if texts.len() > MAX_ROLES {
        return Err(wrong(format!("there are more than {MAX_ROLES} roles")));
    }
    let (mut roles, mut likes) = (Vec::<Role>::new(), BTreeMap::new());
    for text in texts {
        name::check_role(&text.name).map_err(|why| wrong(format!("{:?}: {why}", text.name)))?;
        title("role", &text.name, &text.title)?;
        if let Some(other) = likes.insert(name::likeness(&text.name), text.name.clone()) {
            return Err(wrong(format!("the roles {other:?} and {:?} look alike", text.name)));
        }
        if !(1..=3).contains(&text.factor) {
            return Err(wrong(format!("{}: the factor is 1, 2 or 3", text.name)));
        }
        let mut own = Bits::EMPTY;
        for pattern in &text.permits {
            matching(&text.name, pattern, permissions)?.into_iter().for_each(|p| own.insert(p));
        }
        for pattern in &text.except {
            for permission in matching(&text.name, pattern, permissions)? {
                own.remove(permission);
            }
        }
        roles.push(Role {
            factor: text.factor,
            idle: limit(&text.name, text.idle.as_deref())?,
            absolute: limit(&text.name, text.absolute.as_deref())?,
            name: text.name,
            title: text.title,
            parents: text.parents,
            own,
            all: own,
        });
    }
    flatten(roles)
}

/// What `pattern` stands for: a name, `RESOURCE.*`, `*.ACTION` or `*.*`.
fn matching(role: &str, pattern: &str, permissions: &[Permission]) -> Result<Vec<PermissionId>> {
    let fits = |wanted: &str, part: &str| wanted == "*" || wanted == part;
    let found: Vec<PermissionId> = match pattern.split_once('.') {
        Some((resource, action)) => permissions
            .iter()
            .filter(|p| {
                p.name.split_once('.').is_some_and(|(r, a)| fits(resource, r) && fits(action, a))
            })
            .map(|p| p.id)
            .collect(),
        None => Vec::new(),
    };
    if found.is_empty() {
        return Err(wrong(format!("{role}: {pattern:?} stands for no permission")));
    }
    Ok(found)
}

fn limit(role: &str, text: Option<&str>) -> Result<Option<SignedDuration>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<SignedDuration>() {
        Ok(limit) if LIMITS.contains(&limit.as_secs()) => Ok(Some(limit)),
        _ => Err(wrong(format!("{role}: {text:?} is no limit; write 15m or 8h"))),
    }
}

/// Adds to each role what its parents permit, and theirs.
fn flatten(mut roles: Vec<Role>) -> Result<Vec<Role>> {
    let places: HashMap<String, usize> =
        roles.iter().enumerate().map(|(n, role)| (role.name.clone(), n)).collect();
    for role in &roles {
        for parent in &role.parents {
            if !places.contains_key(parent) {
                return Err(wrong(format!("{}: there is no role {parent:?}", role.name)));
            }
        }
    }
    // Each round settles the roles whose parents are all settled; a round that settles none has
    // found a ring.
    let mut settled: HashMap<String, Bits> = HashMap::new();
    while settled.len() < roles.len() {
        let before = settled.len();
        for role in &mut roles {
            let parents: Option<Vec<Bits>> =
                role.parents.iter().map(|parent| settled.get(parent).copied()).collect();
            if let Some(parents) = parents.filter(|_| !settled.contains_key(&role.name)) {
                role.all = parents.iter().fold(role.own, |all, parent| all.or(parent));
                settled.insert(role.name.clone(), role.all);
            }
        }
        if settled.len() == before {
            let ring: Vec<&str> = roles
                .iter()
                .filter(|role| !settled.contains_key(&role.name))
                .map(|role| role.name.as_str())
                .collect();
            return Err(wrong(format!(
                "a role inherits from itself, among these: {}",
                ring.join(", ")
            )));
        }
    }
    Ok(roles)
}
