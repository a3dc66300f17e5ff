//! Whether somebody may do something, once or many times.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use kernel::{Bits, PermissionId, TenantId};
use serde::Serialize;

use super::wire::{Question, Questions, Semantic, Whole};
use super::{MAX_EVALUATIONS, Served, Subject, unavailable};
use crate::keys::body::{Asked, Note, json, work};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// About how long the answer to one question is, in bytes.
const ROOM_BYTES: usize = 160;
/// The types of subjects that are people with an account.
pub(super) const PEOPLE: [&str; 2] = ["user", "account"];

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/access/v1/evaluation", post(one))
        .route("/access/v1/evaluations", post(many))
}

/// An answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Decision {
    decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Why>,
}

/// Why a question could not even be asked.
#[derive(Debug, Clone, Serialize)]
struct Why {
    error: Wrong,
}

#[derive(Debug, Clone, Serialize)]
struct Wrong {
    status: u16,
    message: String,
}

impl Decision {
    const fn of(decision: bool) -> Self {
        Self { decision, context: None }
    }

    fn wrong(fault: &Fault) -> Self {
        let message = fault.message.to_string();
        let error = Wrong { status: fault.status.as_u16(), message };
        Self { decision: false, context: Some(Why { error }) }
    }
}

/// People who were read for this request, by the name that they were asked by, with what they may do:
/// those alone whom the token reaches. Nothing of it outlives the request, so that what is taken from
/// somebody counts for nothing in the next one.
#[derive(Default)]
pub(super) struct Read(HashMap<String, (Subject, Bits)>);

impl Read {
    /// Who was asked about by this name, if they are in `tenant`: somebody of another one has no rights in
    /// it, whatever they have at home.
    pub(super) fn find(&self, id: &str, tenant: Option<&TenantId>) -> Option<(&Subject, Bits)> {
        let (subject, permits) = self.0.get(id)?;
        let here = tenant.is_none_or(|tenant| *tenant == subject.home);
        here.then_some((subject, *permits))
    }
}

/// A question that has an answer.
struct Clear<'a> {
    id: &'a str,
    tenant: Option<TenantId>,
    /// None where nobody can have it, or nobody is asked about: nothing has to be read for that.
    permission: Option<PermissionId>,
    is_use: bool,
}

async fn one(
    State(served): State<Served>,
    who: Caller,
    Note(held): Note,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let question: Question = held.parse()?;
    let decision = served.decide_one(&who, question.whole()).await?;
    json(&who.share, StatusCode::OK, ROOM_BYTES, &Decision::of(decision))
}

async fn many(
    State(served): State<Served>,
    who: Caller,
    Asked(held): Asked,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let Questions { common, evaluations, options } = work(held.len(), move || held.parse()).await?;
    if evaluations.is_empty() {
        // As the specification has it, this is one question.
        let decision = served.decide_one(&who, common.whole()).await?;
        return json(&who.share, StatusCode::OK, ROOM_BYTES, &Decision::of(decision));
    }
    if evaluations.len() > MAX_EVALUATIONS {
        return Err(Fault::bad("evaluations", "a request has at most 1,000 evaluations"));
    }
    let clear: Vec<Result<Clear<'_>, Fault>> =
        evaluations.iter().map(|question| served.clear(question.over(&common))).collect();
    let place = served.place(&who).await?;
    let read = served.read(&who, clear.iter().flatten()).await?;
    drop(place);
    let mut answers = Vec::with_capacity(clear.len());
    for question in &clear {
        let answer = match question {
            Ok(question) => Decision::of(served.answer(question, &read)),
            Err(fault) => Decision::wrong(fault),
        };
        let last = match options.evaluations_semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !answer.decision,
            Semantic::PermitOnFirstPermit => answer.decision,
        };
        answers.push(answer);
        if last {
            break;
        }
    }
    let room = answers.len() * ROOM_BYTES;
    json(&who.share, StatusCode::OK, room, &serde_json::json!({ "evaluations": answers }))
}

impl Served {
    /// Whether the subject of `question` may do its action.
    async fn decide_one(&self, who: &Caller, question: Whole<'_>) -> Result<bool, Fault> {
        let question = self.clear(question)?;
        let read = self.read(who, std::iter::once(&question)).await?;
        Ok(self.answer(&question, &read))
    }

    /// The question, when there is sense in it.
    fn clear<'a>(&self, question: Whole<'a>) -> Result<Clear<'a>, Fault> {
        let missing = |what| Fault::bad("question", what);
        let subject = question.subject.ok_or(missing("there is no subject in it"))?;
        let action = question.action.ok_or(missing("there is no action in it"))?;
        if question.resource.is_none() {
            return Err(missing("there is no resource in it"));
        }
        let id = subject.id.as_deref().ok_or(missing("the subject has no id"))?;
        let (tenant, is_use) = (question.tenant()?, question.is_use()?);
        let permission = self.decisions.permission(&action.name);
        let permission = permission.filter(|_| PEOPLE.contains(&subject.kind.as_str()));
        Ok(Clear { id, tenant, permission, is_use })
    }

    /// Reads whom the questions are about.
    async fn read<'a>(
        &self,
        who: &Caller,
        questions: impl Iterator<Item = &'a Clear<'a>>,
    ) -> Result<Read, Fault> {
        let asked = questions.filter(|question| question.permission.is_some());
        let names: BTreeSet<&str> = asked.map(|question| question.id).collect();
        self.people(who, &names.into_iter().collect::<Vec<_>>()).await
    }

    /// Reads who has these names, and what they may do: the same two statements, whether there are such
    /// people, and wherever they are.
    pub(super) async fn people(&self, who: &Caller, names: &[&str]) -> Result<Read, Fault> {
        if names.is_empty() {
            return Ok(Read::default());
        }
        let mut found = self.decisions.subjects(names).await.map_err(|why| unavailable(&why))?;
        let mut homes = HashMap::new();
        found.retain(|_, subject| {
            let home = homes.entry(subject.home.clone());
            *home.or_insert_with_key(|home| self.reaches(who, home))
        });
        // One may have been asked about by its id and by its address.
        let each: BTreeMap<&str, &Subject> =
            found.values().map(|subject| (subject.account.as_str(), subject)).collect();
        let each: Vec<Subject> = each.into_values().cloned().collect();
        let permits = self.decisions.permits(&each).await.map_err(|why| unavailable(&why))?;
        let with = |(name, subject): (String, Subject)| {
            let permits = permits.get(&subject.account).copied().unwrap_or_default();
            (name, (subject, permits))
        };
        Ok(Read(found.into_iter().map(with).collect()))
    }

    fn answer(&self, question: &Clear<'_>, read: &Read) -> bool {
        let Some(permission) = question.permission else { return false };
        let Some((subject, permits)) = read.find(question.id, question.tenant.as_ref()) else {
            return false;
        };
        let may = permits.has(permission);
        if may && question.is_use {
            self.decisions.used(subject, permission);
        }
        may
    }
}
