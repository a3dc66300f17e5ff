//! What several pages share: the frame around them, and the badge of a verdict.

use std::sync::Arc;

use askama::Template;
use askama::filters::HtmlSafe;
use claims::Page;
use kernel::Verdict;

use crate::assets::{ICON, STYLESHEET};
use crate::moment::Moment;
use crate::words::{Words, direction};

/// What stands around every page.
pub(crate) struct Frame {
    /// The words of the page's language.
    pub(crate) words: Words,
    /// The security pages that are served.
    pub(crate) nav: Vec<NavLink>,
    /// The moment in the past that the other pages are to be shown at too.
    pub(crate) at: Option<Moment>,
    /// The address of the stylesheet.
    pub(crate) stylesheet: &'static str,
    /// The address of the mark.
    pub(crate) icon: &'static str,
}

impl Frame {
    /// A frame without navigation.
    pub(crate) fn bare(words: Words) -> Self {
        Self::among(words, Vec::new(), None)
    }

    /// A frame with links to the other pages, at the same moment in the past as this one.
    pub(crate) fn among(words: Words, nav: Vec<NavLink>, at: Option<Moment>) -> Self {
        let (stylesheet, icon) = (&*STYLESHEET.path, &*ICON.path);
        Self { words, nav, at, stylesheet, icon }
    }
}

/// A link to a security page.
pub(crate) struct NavLink {
    /// The page's name.
    pub(crate) name: String,
    /// Its title.
    pub(crate) title: String,
    /// The language of the title.
    pub(crate) tag: &'static str,
    /// The direction of the title.
    pub(crate) dir: &'static str,
    /// Whether this is the page that is shown.
    pub(crate) current: bool,
}

impl NavLink {
    /// Links to `pages`; the one called `current` is marked.
    pub(crate) fn all(pages: &[Arc<Page>], current: &str) -> Vec<Self> {
        let link = |page: &Arc<Page>| Self {
            name: page.name.clone(),
            title: page.title.clone(),
            tag: page.title_language.tag(),
            dir: direction(page.title_language),
            current: page.name == current,
        };
        pages.iter().map(link).collect()
    }
}

/// A verdict as a word, a shape and a colour, with the number of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part/badge.html")]
pub(crate) struct Badge {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// Its word in the page's language.
    pub(crate) word: String,
    /// The number of its evidence, from one.
    pub(crate) number: usize,
}

// The template escapes what it writes.
impl HtmlSafe for Badge {}
