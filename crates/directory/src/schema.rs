//! What is known of users and groups: RFC 7643, sections 3, 4 and 7, as far as it is kept here.
//!
//! Attributes that are not in these tables are ignored where a whole resource is sent, and refused
//! where a path names them. Passwords are never taken from a directory.

use serde_json::{Map, Value, json};

/// The schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// What an enterprise says of its users besides.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// Yes or no.
    Boolean,
    /// A moment, as RFC 3339 writes it.
    Moment,
    /// An address of something.
    Reference,
    /// Several attributes under one name.
    Complex,
}

/// Who may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// The directory.
    ReadWrite,
    /// We alone.
    ReadOnly,
    /// The directory, once.
    Immutable,
}

/// One attribute.
#[expect(clippy::struct_excessive_bools, reason = "RFC 7643, section 7, knows them by these names")]
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, as it is written.
    pub name: &'static str,
    /// What its values are.
    pub kind: Type,
    /// Whether it has several.
    pub many: bool,
    /// Whether small and large letters differ.
    pub exact: bool,
    /// Whether every resource has it.
    pub required: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// Whether it is told whatever is asked for.
    pub always: bool,
    /// Whether it is unique in the tenant.
    pub unique: bool,
    /// What it is made of.
    pub subs: &'static [Attribute],
    /// What it is, for people.
    pub words: &'static str,
}

impl Attribute {
    const fn new(name: &'static str, kind: Type, words: &'static str) -> Self {
        Self {
            name,
            kind,
            many: false,
            exact: matches!(kind, Type::Reference),
            required: false,
            mutability: Mutability::ReadWrite,
            always: false,
            unique: false,
            subs: &[],
            words,
        }
    }

    const fn text(name: &'static str, words: &'static str) -> Self {
        Self::new(name, Type::Text, words)
    }

    const fn complex(name: &'static str, subs: &'static [Self], words: &'static str) -> Self {
        let mut this = Self::new(name, Type::Complex, words);
        this.subs = subs;
        this
    }

    const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn ours(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// The attribute of this name within it, whatever the case of its letters.
    pub fn sub(&self, name: &str) -> Option<&'static Self> {
        let subs: &'static [Self] = self.subs;
        subs.iter().find(|one| one.name.eq_ignore_ascii_case(name))
    }

    fn shown(&self) -> Value {
        let kind = match self.kind {
            Type::Text => "string",
            Type::Boolean => "boolean",
            Type::Moment => "dateTime",
            Type::Reference => "reference",
            Type::Complex => "complex",
        };
        let mutability = match self.mutability {
            Mutability::ReadWrite => "readWrite",
            Mutability::ReadOnly => "readOnly",
            Mutability::Immutable => "immutable",
        };
        let mut shown = json!({
            "name": self.name,
            "type": kind,
            "multiValued": self.many,
            "description": self.words,
            "required": self.required,
            "caseExact": self.exact,
            "mutability": mutability,
            "returned": if self.always { "always" } else { "default" },
            "uniqueness": if self.unique { "server" } else { "none" },
        });
        if let Value::Object(fields) = &mut shown {
            if self.kind == Type::Reference {
                fields.insert("referenceTypes".to_owned(), json!(["external", "User", "Group"]));
            }
            if !self.subs.is_empty() {
                let subs: Vec<Value> = self.subs.iter().map(Self::shown).collect();
                fields.insert("subAttributes".to_owned(), json!(subs));
            }
        }
        shown
    }
}

const fn text(name: &'static str, words: &'static str) -> Attribute {
    Attribute::text(name, words)
}

static META: [Attribute; 5] = [
    text("resourceType", "What it is").exact().ours(),
    Attribute::new("created", Type::Moment, "When it was made").ours(),
    Attribute::new("lastModified", Type::Moment, "When it was last changed").ours(),
    Attribute::new("location", Type::Reference, "Where it is").ours(),
    text("version", "The entity tag of this version").exact().ours(),
];

/// What every resource has.
static COMMON: [Attribute; 4] = [
    text("id", "The id that we gave it").exact().ours().always().unique(),
    text("externalId", "The id that the directory gave it").exact(),
    Attribute::complex("meta", &META, "About the resource").ours(),
    Attribute::new("schemas", Type::Reference, "The schemas of the resource").many().always(),
];

static NAME: [Attribute; 6] = [
    text("formatted", "The whole name"),
    text("familyName", "The family's name"),
    text("givenName", "The given name"),
    text("middleName", "The middle name"),
    text("honorificPrefix", "What goes before the name"),
    text("honorificSuffix", "What goes behind the name"),
];

/// A value with its kind, of which one is the first.
static PLURAL: [Attribute; 4] = [
    text("value", "The value"),
    text("display", "The value, for people"),
    text("type", "Its kind, such as work"),
    Attribute::new("primary", Type::Boolean, "Whether it is the first choice"),
];

static ADDRESS: [Attribute; 8] = [
    text("formatted", "The whole address"),
    text("streetAddress", "The street"),
    text("locality", "The town"),
    text("region", "The region"),
    text("postalCode", "The postal code"),
    text("country", "The country"),
    text("type", "Its kind, such as work"),
    Attribute::new("primary", Type::Boolean, "Whether it is the first choice"),
];

static BELONGS: [Attribute; 4] = [
    text("value", "The id of the group").exact().ours(),
    Attribute::new("$ref", Type::Reference, "Where the group is").ours(),
    text("display", "The name of the group").ours(),
    text("type", "Always direct").ours(),
];

static MEMBER: [Attribute; 4] = [
    text("value", "The id of the user").exact().immutable(),
    Attribute::new("$ref", Type::Reference, "Where the user is").ours(),
    text("display", "The name of the user").ours(),
    text("type", "Always User").ours(),
];

static MANAGER: [Attribute; 3] = [
    text("value", "The id of the manager").exact(),
    Attribute::new("$ref", Type::Reference, "Where the manager is"),
    text("displayName", "The name of the manager"),
];

static USERS: [Attribute; 16] = [
    text("userName", "What they sign in with: an e-mail address, or beside one")
        .required()
        .unique(),
    Attribute::complex("name", &NAME, "The parts of their name"),
    text("displayName", "What they are called"),
    text("nickName", "What they are called by friends"),
    Attribute::new("profileUrl", Type::Reference, "Where more about them is"),
    text("title", "What they do"),
    text("userType", "How they belong to the enterprise"),
    text("preferredLanguage", "The language of letters to them: en, id or ar"),
    text("locale", "How dates and numbers are written for them"),
    text("timezone", "Their time zone"),
    Attribute::new("active", Type::Boolean, "Whether they have access; false ends everything"),
    Attribute::complex("emails", &PLURAL, "Their e-mail addresses").many(),
    Attribute::complex("phoneNumbers", &PLURAL, "Their telephone numbers").many(),
    Attribute::complex("ims", &PLURAL, "Where they can be written to").many(),
    Attribute::complex("addresses", &ADDRESS, "Where they can be found").many(),
    Attribute::complex("groups", &BELONGS, "The groups that they are in").many().ours(),
];

static ENTERPRISES: [Attribute; 6] = [
    text("employeeNumber", "Their number in the enterprise"),
    text("costCenter", "Their cost center"),
    text("organization", "Their organization"),
    text("division", "Their division"),
    text("department", "Their department"),
    Attribute::complex("manager", &MANAGER, "Who they answer to"),
];

static GROUPS: [Attribute; 2] = [
    text("displayName", "Its name, unique in the tenant").required().unique(),
    Attribute::complex("members", &MEMBER, "Who is in it: users, and no groups").many(),
];

/// The two kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// Several of them.
    Group,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Where resources of this kind are, below the base.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// Its schema.
    pub const fn core(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// The schema besides, where there is one.
    pub const fn extension(self) -> Option<&'static str> {
        match self {
            Self::User => Some(ENTERPRISE),
            Self::Group => None,
        }
    }

    const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => &USERS,
            Self::Group => &GROUPS,
        }
    }

    /// The attribute of this name, of a schema's or of the core, whatever the case of its letters.
    pub(crate) fn find(self, schema: Option<&str>, name: &str) -> Option<Found> {
        let named = |one: &&'static Attribute| one.name.eq_ignore_ascii_case(name);
        match schema {
            Some(urn) if self.extension().is_some_and(|known| known.eq_ignore_ascii_case(urn)) => {
                let attribute = ENTERPRISES.iter().find(named)?;
                Some(Found { extension: self.extension(), attribute })
            }
            Some(urn) if !self.core().eq_ignore_ascii_case(urn) => None,
            _ => {
                let attribute = self.attributes().iter().chain(&COMMON).find(named)?;
                Some(Found { extension: None, attribute })
            }
        }
    }
}

/// An attribute, and whether it is the extension's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
}

/// Every schema, as `/Schemas` tells it, without where it is.
pub fn schemas() -> Vec<(&'static str, Map<String, Value>)> {
    let all: [(&'static str, &str, &str, &[Attribute]); 3] = [
        (USER, "User", "A person with an account", &USERS),
        (GROUP, "Group", "Several people", &GROUPS),
        (ENTERPRISE, "EnterpriseUser", "What an enterprise says of a person", &ENTERPRISES),
    ];
    let shown = |(id, name, words, attributes): (&'static str, &str, &str, &[Attribute])| {
        let attributes: Vec<Value> = attributes.iter().map(Attribute::shown).collect();
        let mut fields = Map::new();
        fields.insert("id".to_owned(), json!(id));
        fields.insert("name".to_owned(), json!(name));
        fields.insert("description".to_owned(), json!(words));
        fields.insert("attributes".to_owned(), json!(attributes));
        (id, fields)
    };
    all.into_iter().map(shown).collect()
}
