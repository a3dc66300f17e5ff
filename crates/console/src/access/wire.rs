//! What requests say. Fields that are not known are ignored, as the specification wants it.

use std::fmt::{self, Formatter};

use kernel::TenantId;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::MAX_EVALUATIONS;
use crate::keys::fault::Fault;

/// Where a tenant is named, in the context and in properties.
const TENANT: &str = "tenant";
/// What says in the context that the subject does it now, and is not only asked about.
const USE: &str = "amanah_use";

/// Who.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subject {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Left out where it is what is searched for.
    pub(super) id: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Does what.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Action {
    pub(super) name: String,
}

/// With what.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// One question, or the part of it that stands here.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Question {
    pub(super) subject: Option<Subject>,
    pub(super) action: Option<Action>,
    pub(super) resource: Option<Resource>,
    pub(super) context: Option<Map<String, Value>>,
}

/// One question with what is said of all of them. It borrows, so that what is said once is held once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<'a> {
    pub(super) subject: Option<&'a Subject>,
    pub(super) action: Option<&'a Action>,
    pub(super) resource: Option<&'a Resource>,
    context: Option<&'a Map<String, Value>>,
}

/// Several, with what is the same in all of them.
#[derive(Debug, Deserialize)]
pub(super) struct Questions {
    #[serde(flatten)]
    pub(super) common: Question,
    /// One more than may be asked at most, where there are more.
    #[serde(default, deserialize_with = "bounded")]
    pub(super) evaluations: Vec<Question>,
    #[serde(default)]
    pub(super) options: Options,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    pub(super) evaluations_semantic: Semantic,
}

/// Reads one more than [`MAX_EVALUATIONS`] and passes over the rest: memory is for those that are answered.
fn bounded<'de, D: Deserializer<'de>>(body: D) -> Result<Vec<Question>, D::Error> {
    struct Bounded;
    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<Question>;

        fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
            to.write_str("a list of evaluations")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while read.len() <= MAX_EVALUATIONS {
                let Some(question) = list.next_element()? else { return Ok(read) };
                read.push(question);
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(read)
        }
    }
    body.deserialize_seq(Bounded)
}

/// How far several questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Semantic {
    /// All of them.
    #[default]
    ExecuteAll,
    /// Up to the first that is denied.
    DenyOnFirstDeny,
    /// Up to the first that is permitted.
    PermitOnFirstPermit,
}

/// A search.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    #[serde(flatten)]
    pub(super) question: Question,
    #[serde(default)]
    pub(super) page: Page,
}

/// Which part of the results.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    pub(super) token: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Question {
    /// The question with what is missing in it taken from `common`.
    pub(super) fn over<'a>(&'a self, common: &'a Self) -> Whole<'a> {
        Whole {
            subject: self.subject.as_ref().or(common.subject.as_ref()),
            action: self.action.as_ref().or(common.action.as_ref()),
            resource: self.resource.as_ref().or(common.resource.as_ref()),
            context: self.context.as_ref().or(common.context.as_ref()),
        }
    }

    /// The question as it stands.
    pub(super) fn whole(&self) -> Whole<'_> {
        self.over(self)
    }

    /// See [`Whole::tenant`].
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Fault> {
        self.whole().tenant()
    }
}

impl Whole<'_> {
    /// Whether it is asked because the subject does it now. Questions are also asked to draw a page, by
    /// which nobody uses anything.
    ///
    /// # Errors
    /// [`Fault`] when what says so is neither `true` nor `false`.
    pub(super) fn is_use(&self) -> Result<bool, Fault> {
        let said = self.context.and_then(|context| context.get(USE));
        let unreadable =
            || Fault::bad(USE, "this is `true` where the subject does it now, or `false`");
        said.map_or(Ok(false), |said| said.as_bool().ok_or_else(unreadable))
    }

    /// The tenant that it is about: in the context, in the properties of subject or resource, or
    /// as the resource itself. All that name one must name the same.
    ///
    /// # Errors
    /// [`Fault`] when two differ, or one is no tenant's id.
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Fault> {
        let mut named = Vec::new();
        named.extend(self.context.and_then(|context| context.get(TENANT)));
        named.extend(self.subject.and_then(|subject| subject.properties.get(TENANT)));
        named.extend(self.resource.and_then(|resource| resource.properties.get(TENANT)));
        let itself = self.resource.filter(|resource| resource.kind == TENANT);
        let itself = itself.and_then(|resource| resource.id.as_deref());
        let mut found: Option<&str> = itself;
        for value in named {
            let unreadable = || Fault::bad("tenant", "this is not a tenant's id");
            let text = value.as_str().ok_or_else(unreadable)?;
            if found.is_some_and(|found| found != text) {
                return Err(Fault::TENANTS);
            }
            found = Some(text);
        }
        found.map(crate::keys::caller::tenant).transpose()
    }
}
