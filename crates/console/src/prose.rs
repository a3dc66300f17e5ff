//! A page's own text as a flat run of pieces, so that the template is one loop and neither it nor
//! this file recurses: however deep a page nests, no stack is used up.

use claims::{Block, Inline};
use kernel::Verdict;

use crate::pages::part::Badge;
use crate::target;

/// The deepest heading that HTML has.
const DEEPEST_HEADING: usize = 6;

/// What the template writes, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A start tag without attributes.
    Open(&'static str),
    /// An end tag.
    Close(&'static str),
    /// Text, to be escaped.
    Text(&'a str),
    /// The start of an ordinary link.
    Link {
        /// Where it leads; checked by [`target::is_link`].
        target: &'a str,
        /// Whether that is another site.
        foreign: bool,
    },
    /// The start of linked words that promise something.
    Promise {
        /// The number of its evidence.
        number: usize,
        /// What can be said of it.
        verdict: Verdict,
    },
    /// The end of them, where the badge stands.
    PromiseEnd(Badge),
    /// A line end in the source between two blocks.
    Break,
}

/// Lays out `blocks`; `badge` draws the verdict of the promise with an index.
pub(crate) fn lay_out<'a>(blocks: &'a [Block], badge: &dyn Fn(usize) -> Badge) -> Vec<Piece<'a>> {
    let mut outline = Outline::default();
    let mut pieces = Vec::new();
    let mut todo: Vec<Todo<'a>> = blocks.iter().rev().map(Todo::Block).collect();
    while let Some(next) = todo.pop() {
        match next {
            Todo::Piece(piece) => pieces.push(piece),
            Todo::Block(block) => open_block(block, &mut outline, &mut todo),
            Todo::Item(blocks) => wrap(&mut todo, "li", blocks.iter().map(Todo::Block)),
            Todo::Inline(inline) => open_inline(inline, badge, &mut todo),
        }
    }
    pieces
}

/// What is still to be laid out, the next one last.
enum Todo<'a> {
    Piece(Piece<'a>),
    Block(&'a Block),
    Item(&'a [Block]),
    Inline(&'a Inline),
}

fn open_block<'a>(block: &'a Block, outline: &mut Outline, todo: &mut Vec<Todo<'a>>) {
    todo.push(Todo::Piece(Piece::Break));
    match block {
        Block::Heading(level, words) => {
            let tag = outline.tag(*level);
            wrap(todo, tag, words.iter().map(Todo::Inline));
        }
        Block::Paragraph(words) => wrap(todo, "p", words.iter().map(Todo::Inline)),
        Block::List(items) => wrap(todo, "ul", items.iter().map(|item| Todo::Item(item))),
        Block::Context(blocks) => wrap(todo, "blockquote", blocks.iter().map(Todo::Block)),
    }
}

fn open_inline<'a>(inline: &'a Inline, badge: &dyn Fn(usize) -> Badge, todo: &mut Vec<Todo<'a>>) {
    match inline {
        Inline::Text(text) => todo.push(Todo::Piece(Piece::Text(text))),
        Inline::Strong(words) => wrap(todo, "strong", words.iter().map(Todo::Inline)),
        Inline::Emphasis(words) => wrap(todo, "em", words.iter().map(Todo::Inline)),
        Inline::Code(text) => {
            wrap(todo, "code", [Todo::Piece(Piece::Text(text))].into_iter());
        }
        Inline::Link(target, words) => {
            let words = words.iter().map(Todo::Inline);
            if target::is_link(target) {
                let foreign = target::is_foreign(target);
                let open = Piece::Link { target, foreign };
                enclose(todo, open, words, Piece::Close("a"));
            } else {
                // A link that may not be followed keeps its words.
                todo.extend(words.rev());
            }
        }
        Inline::Promise(index, words) => {
            let badge = badge(*index);
            let open = Piece::Promise { number: badge.number, verdict: badge.verdict };
            enclose(todo, open, words.iter().map(Todo::Inline), Piece::PromiseEnd(badge));
        }
    }
}

fn wrap<'a>(
    todo: &mut Vec<Todo<'a>>,
    tag: &'static str,
    inner: impl DoubleEndedIterator<Item = Todo<'a>>,
) {
    enclose(todo, Piece::Open(tag), inner, Piece::Close(tag));
}

fn enclose<'a>(
    todo: &mut Vec<Todo<'a>>,
    open: Piece<'a>,
    inner: impl DoubleEndedIterator<Item = Todo<'a>>,
    close: Piece<'a>,
) {
    todo.push(Todo::Piece(close));
    todo.extend(inner.rev());
    todo.push(Todo::Piece(open));
}

/// The levels of the headings that are open. The title is the page's first heading, so its own
/// begin below that, and none is deeper than its parent by more than one.
#[derive(Default)]
struct Outline(Vec<u8>);

impl Outline {
    fn tag(&mut self, level: u8) -> &'static str {
        while self.0.last().is_some_and(|open| *open >= level) {
            self.0.pop();
        }
        self.0.push(level);
        match self.0.len().saturating_add(1).min(DEEPEST_HEADING) {
            2 => "h2",
            3 => "h3",
            4 => "h4",
            5 => "h5",
            _ => "h6",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &str) -> Vec<Inline> {
        vec![Inline::Text(words.to_owned())]
    }

    fn unknown(index: usize) -> Badge {
        Badge { verdict: Verdict::Unknown, word: "unknown".to_owned(), number: index + 1 }
    }

    fn opened(blocks: &[Block]) -> Vec<&'static str> {
        let pieces = lay_out(blocks, &unknown);
        let tags = pieces.iter().filter_map(|piece| match piece {
            Piece::Open(tag) => Some(*tag),
            _ => None,
        });
        tags.collect()
    }

    #[test]
    fn headings_follow_each_other_whatever_the_page_skips() {
        let levels = [3, 1, 4, 4, 2, 6, 1, 6];
        let blocks: Vec<Block> = levels.iter().map(|l| Block::Heading(*l, text("x"))).collect();
        assert_eq!(opened(&blocks), ["h2", "h2", "h3", "h3", "h3", "h4", "h2", "h3"]);
    }

    #[test]
    fn every_start_has_its_end() {
        let list = Block::List(vec![vec![Block::Paragraph(vec![
            Inline::Strong(text("a")),
            Inline::Promise(0, vec![Inline::Emphasis(text("b"))]),
        ])]]);
        let blocks = [Block::Context(vec![list])];
        let mut open = Vec::new();
        for piece in lay_out(&blocks, &unknown) {
            match piece {
                Piece::Open(tag) => open.push(tag),
                Piece::Promise { number, .. } => {
                    assert_eq!(number, 1);
                    open.push("promise");
                }
                Piece::Close(tag) => assert_eq!(open.pop(), Some(tag)),
                Piece::PromiseEnd(_) => assert_eq!(open.pop(), Some("promise")),
                Piece::Text(_) | Piece::Link { .. } | Piece::Break => {}
            }
        }
        assert!(open.is_empty());
    }

    #[test]
    fn a_link_to_a_script_keeps_its_words_alone() {
        let link = Inline::Link("javascript:alert(1)".to_owned(), text("press"));
        let blocks = [Block::Paragraph(vec![link])];
        let pieces = lay_out(&blocks, &unknown);
        assert!(pieces.contains(&Piece::Text("press")));
        assert!(!pieces.iter().any(|p| matches!(p, Piece::Link { .. })));
    }

    #[test]
    fn depth_costs_no_stack() {
        let bottom = Block::Paragraph(text("bottom"));
        let block = (0..2_000).fold(bottom, |inner, _| Block::Context(vec![inner]));
        assert_eq!(opened(&[block]).len(), 2_001);
    }
}
