//! The roles of a tenant: the list, and the form of one.

use askama::Template;

use crate::pages::part::Frame;
use crate::role_desk::{OfferedPermission, RoleCard, RoleDraft, RoleOffers};
use crate::words::Words;

/// The roles that there are.
#[derive(Template)]
#[template(path = "page/roles.html")]
pub(crate) struct RolesPage {
    frame: Frame,
    token: String,
    own: Vec<RoleCard>,
    shipped: Vec<RoleCard>,
    problem: Option<String>,
    /// A role that was not retired, and who uses it.
    used: Option<(String, String)>,
}

impl RolesPage {
    /// Shows `roles`; `token` goes with the forms.
    pub(crate) fn new(words: Words, token: String, roles: Vec<RoleCard>) -> Self {
        let (shipped, own) = roles.into_iter().partition(|role| role.shipped);
        Self { frame: Frame::bare(words), token, own, shipped, problem: None, used: None }
    }

    /// The same page after something was not done, because of `problem`.
    pub(crate) fn again(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    /// The same page after `role` was not retired, because of whoever uses it.
    pub(crate) fn in_use(mut self, role: String, by: String) -> Self {
        self.used = Some((role, by));
        self
    }
}

/// The form of a role.
#[derive(Template)]
#[template(path = "page/role_edit.html")]
pub(crate) struct RoleEditPage {
    frame: Frame,
    token: String,
    draft: RoleDraft,
    offers: RoleOffers,
    find: String,
    problem: Option<String>,
    more: Option<String>,
}

/// Permissions of one area, as they are shown.
struct Area<'a> {
    name: &'a str,
    chosen: usize,
    all: Vec<&'a OfferedPermission>,
}

impl RoleEditPage {
    /// Shows `draft` with what can be put into it; `token` goes with the form.
    pub(crate) fn new(words: Words, token: String, draft: RoleDraft, offers: RoleOffers) -> Self {
        let frame = Frame::bare(words);
        let (find, problem, more) = (String::new(), None, None);
        Self { frame, token, draft, offers, find, problem, more }
    }

    /// Shows the permissions alone whose name or title has `find` in it.
    pub(crate) fn found(mut self, find: &str) -> Self {
        find.clone_into(&mut self.find);
        self
    }

    /// The same page after something was not done, because of `problem`, which is about `more`.
    pub(crate) fn again(mut self, problem: String, more: Option<String>) -> Self {
        (self.problem, self.more) = (Some(problem), more);
        self
    }

    fn shown(&self, one: &OfferedPermission) -> bool {
        let wanted = self.find.to_lowercase();
        wanted.is_empty()
            || one.name.contains(&wanted)
            || one.title.to_lowercase().contains(&wanted)
    }

    fn areas(&self) -> Vec<Area<'_>> {
        let areas = self.offers.areas.iter().map(|(name, all)| {
            let all: Vec<_> = all.iter().filter(|one| self.shown(one)).collect();
            let chosen = all.iter().filter(|one| self.has(&one.number)).count();
            Area { name, chosen, all }
        });
        areas.filter(|area| !area.all.is_empty()).collect()
    }

    /// What was chosen and is not among what is shown.
    fn kept(&self) -> Vec<u16> {
        let areas = self.areas();
        let shown = |number: &u16| {
            areas.iter().any(|area| area.all.iter().any(|one| one.number == *number))
        };
        self.draft.permits.iter().copied().filter(|number| !shown(number)).collect()
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the template hands out references")]
    fn has(&self, number: &u16) -> bool {
        self.draft.permits.contains(number)
    }

    fn inherits(&self, name: &str) -> bool {
        self.draft.parents.iter().any(|parent| parent == name)
    }

    /// Parents that were chosen and are not offered: whoever sends them is told that they cannot.
    fn others(&self) -> Vec<&str> {
        let offered =
            |name: &&String| !self.offers.parents.iter().any(|(offered, _)| offered == *name);
        self.draft.parents.iter().filter(offered).map(String::as_str).collect()
    }

    fn factors(&self) -> [(u8, String); 3] {
        let words = self.frame.words;
        [
            (1, words.say("sign-in-password")),
            (2, words.say("security-title")),
            (3, words.say("security-keys")),
        ]
    }
}
