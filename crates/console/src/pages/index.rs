//! The list of the security pages, shown where no page is the primary one.

use std::sync::Arc;

use askama::Template;
use claims::Page;

use crate::pages::part::{Frame, NavLink};
use crate::words::{Words, direction, endonym};

/// The list of pages.
#[derive(Template)]
#[template(path = "page/index.html")]
pub(crate) struct IndexPage {
    frame: Frame,
    entries: Vec<Entry>,
}

impl IndexPage {
    /// Lists `pages` in their order.
    pub(crate) fn new(words: Words, pages: &[Arc<Page>]) -> Self {
        let entry = |(link, page): (NavLink, &Arc<Page>)| Entry {
            link,
            hreflang: page.language.tag(),
            dir: direction(page.language),
            language: endonym(page.language),
        };
        let links = NavLink::all(pages, "").into_iter();
        let entries = links.zip(pages).map(entry).collect();
        let frame = Frame::bare(words);
        Self { frame, entries }
    }
}

struct Entry {
    link: NavLink,
    hreflang: &'static str,
    dir: &'static str,
    language: &'static str,
}
