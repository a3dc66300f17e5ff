//! From Markdown to the small tree of [`crate::document`]: what has no place in it is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::document::{Block, Inline, Pledge};
use crate::numbers::covered;
use crate::problem::{Fault, Problem, deceptive, shown};
use crate::target;

/// How deep lists, quotes and emphasis may lie in one another.
const MAX_DEPTH: usize = 16;
/// The most promises on one page.
const MAX_PROMISES: usize = 500;

/// What the body of a page holds, as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) blocks: Vec<Block>,
    /// The promises that could be read; their sentences and digests are still empty.
    pub(crate) pledges: Vec<Pledge>,
    /// Every list item and paragraph outside quotes, in the order of their ends.
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) problems: Vec<Problem>,
}

/// A list item or a paragraph: the words around promises.
#[derive(Debug, Default)]
pub(crate) struct Sentence {
    pub(crate) line: usize,
    /// As plain text, with every run of white space as one space.
    pub(crate) text: String,
    pub(crate) marks: Marks,
}

/// The promises that were met inside a stretch of text.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// How many, those that could not be read included.
    pub(crate) promises: usize,
    /// Indices of those that could be read.
    pub(crate) pledges: Vec<usize>,
    /// The numbers in their parameters.
    pub(crate) numbers: BTreeSet<String>,
}

/// Reads `body`, which begins on line `first_line` of the file.
pub(crate) fn read(page: &str, body: &str, first_line: usize) -> Tree {
    let mut builder = Builder {
        page,
        first_line,
        breaks: body.match_indices('\n').map(|(at, _)| at).collect(),
        stack: vec![Frame::Root(Vec::new())],
        skipping: 0,
        marks: Marks::default(),
        tree: Tree::default(),
    };
    // Tables are read so that they can be refused by name.
    let parser = Parser::new_ext(body, Options::ENABLE_TABLES);
    for (event, range) in parser.into_offset_iter() {
        let line = builder.line_of(&range);
        if !builder.event(event, line) {
            return builder.tree;
        }
    }
    builder.end()
}

/// `inlines` without their markup.
pub(crate) fn plain(inlines: &[Inline]) -> String {
    let mut text = String::new();
    gather(&mut text, inlines);
    fold(&text)
}

fn gather(text: &mut String, inlines: &[Inline]) {
    for inline in inlines {
        match inline {
            Inline::Text(part) | Inline::Code(part) => text.push_str(part),
            Inline::Strong(inner)
            | Inline::Emphasis(inner)
            | Inline::Link(_, inner)
            | Inline::Promise(_, inner) => gather(text, inner),
        }
    }
}

fn fold(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// An element whose end has not come yet.
enum Frame {
    Root(Vec<Block>),
    Quote(Vec<Block>),
    List(Vec<Vec<Block>>),
    Item(Vec<Block>, Sentence),
    /// The line it began on, and whether it stands in a tight list without a tag of its own.
    Paragraph(Vec<Inline>, usize, bool),
    Heading(u8, Vec<Inline>, usize),
    Strong(Vec<Inline>),
    Emphasis(Vec<Inline>),
    Link(String, Vec<Inline>),
    Promise(usize, Vec<Inline>, usize),
    /// A promise that could not be read: its words are kept so that the sentence stays whole.
    Broken(Vec<Inline>),
}

struct Builder<'a> {
    page: &'a str,
    first_line: usize,
    /// Offsets of the line breaks.
    breaks: Vec<usize>,
    stack: Vec<Frame>,
    /// How many elements are open inside one that was refused, itself included.
    skipping: usize,
    /// Promises since the present paragraph began.
    marks: Marks,
    tree: Tree,
}

impl Builder<'_> {
    fn line_of(&self, range: &Range<usize>) -> usize {
        self.first_line + self.breaks.partition_point(|at| *at < range.start)
    }

    fn fault(&mut self, line: usize, fault: Fault) {
        self.tree.problems.push(fault.at(self.page, line));
    }

    fn refuse(&mut self, line: usize, what: &str) {
        let fix = "Use headings, paragraphs, `- ` lists, `> ` quotes, emphasis, code and links.";
        self.fault(line, Fault::new("element", what, fix));
    }

    /// Takes one event; false when the rest of the page cannot be read.
    fn event(&mut self, event: Event<'_>, line: usize) -> bool {
        match event {
            Event::Start(_) if self.skipping > 0 => self.skipping += 1,
            Event::End(_) if self.skipping > 0 => self.skipping -= 1,
            _ if self.skipping > 0 => {}
            Event::Start(tag) => return self.start(tag, line),
            Event::End(tag) => self.close(tag),
            Event::Text(text) => self.text(&text, line, Inline::Text),
            Event::Code(code) => self.text(&code, line, Inline::Code),
            Event::SoftBreak | Event::HardBreak => self.text(" ", line, Inline::Text),
            Event::Html(_) | Event::InlineHtml(_) => self.refuse(line, "raw HTML is not shown"),
            Event::Rule => self.refuse(line, "a page has no horizontal rules"),
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => self.refuse(line, "this element has no place on a page"),
        }
        true
    }

    fn start(&mut self, tag: Tag<'_>, line: usize) -> bool {
        if self.stack.len() > MAX_DEPTH {
            let what = format!("elements lie more than {MAX_DEPTH} deep in one another");
            let fix = "Flatten them; the rest of the page was not read.";
            self.fault(line, Fault::new("depth", what, fix));
            return false;
        }
        let refused = match tag {
            Tag::Paragraph => {
                self.open_block(Frame::Paragraph(Vec::new(), line, false));
                None
            }
            Tag::Heading { level, .. } => {
                if matches!(self.stack.last(), Some(Frame::Item(..))) {
                    self.refuse(line, "a heading cannot stand in a list");
                }
                self.open_block(Frame::Heading(level as u8, Vec::new(), line));
                None
            }
            Tag::BlockQuote(_) => {
                self.open_block(Frame::Quote(Vec::new()));
                None
            }
            Tag::List(None) => {
                self.open_block(Frame::List(Vec::new()));
                None
            }
            Tag::Item => {
                let sentence = Sentence { line, ..Sentence::default() };
                self.open_block(Frame::Item(Vec::new(), sentence));
                None
            }
            Tag::Strong => {
                self.open_inline(Frame::Strong(Vec::new()), line);
                None
            }
            Tag::Emphasis => {
                self.open_inline(Frame::Emphasis(Vec::new()), line);
                None
            }
            Tag::Link { dest_url, link_type, .. } => {
                self.open_link(&dest_url, link_type, line);
                None
            }
            Tag::List(Some(_)) => Some("a page has no numbered lists: the numbers promise nothing"),
            Tag::CodeBlock(_) => Some("a page has no code blocks"),
            Tag::HtmlBlock => Some("raw HTML is not shown"),
            Tag::Image { .. } => Some("a page has no images"),
            Tag::Table(_) => Some("a page has no tables"),
            _ => Some("this element has no place on a page"),
        };
        if let Some(what) = refused {
            self.refuse(line, what);
            self.skipping = 1;
        }
        true
    }

    fn open_block(&mut self, frame: Frame) {
        self.close_implicit();
        if matches!(frame, Frame::Paragraph(..) | Frame::Heading(..)) {
            self.marks = Marks::default();
        }
        self.stack.push(frame);
    }

    fn open_inline(&mut self, frame: Frame, line: usize) {
        self.imply_paragraph(line);
        self.stack.push(frame);
    }

    fn open_link(&mut self, address: &str, kind: LinkType, line: usize) {
        let inside =
            |f: &Frame| matches!(f, Frame::Link(..) | Frame::Promise(..) | Frame::Broken(_));
        if self.stack.iter().any(inside) {
            self.fault(line, nested());
        }
        let Some(claim) = address.strip_prefix("claim:") else {
            if let Err(fault) = target::link(address) {
                self.fault(line, fault);
            }
            return self.open_inline(Frame::Link(address.to_owned(), Vec::new()), line);
        };
        self.imply_paragraph(line);
        if matches!(kind, LinkType::Autolink | LinkType::Email) {
            self.fault(line, empty());
        }
        self.marks.promises += 1;
        let frame = match target::claim(claim) {
            Ok((promise, params)) => {
                for (_, value) in params.iter() {
                    self.marks.numbers.extend(covered(value));
                }
                let index = self.tree.pledges.len();
                self.marks.pledges.push(index);
                self.tree.pledges.push(Pledge {
                    promise,
                    params,
                    sentence: String::new(),
                    digest: String::new(),
                    line,
                });
                Frame::Promise(index, Vec::new(), line)
            }
            Err(faults) => {
                // Its numbers count, so that one mistake is not told twice.
                self.marks.numbers.extend(covered(claim));
                for fault in faults {
                    self.fault(line, fault);
                }
                Frame::Broken(Vec::new())
            }
        };
        self.stack.push(frame);
    }

    fn text(&mut self, text: &str, line: usize, make: fn(String) -> Inline) {
        if let Some(c) = deceptive(text) {
            let what = format!("the text holds the invisible character {}", c.escape_debug());
            self.fault(line, Fault::new("character", what, "Take it out."));
        }
        self.imply_paragraph(line);
        self.attach(make(text.to_owned()));
    }

    /// In a tight list, Markdown gives an item's words no paragraph of their own.
    fn imply_paragraph(&mut self, line: usize) {
        if matches!(
            self.stack.last(),
            Some(Frame::Root(_) | Frame::Quote(_) | Frame::Item(..) | Frame::List(_))
        ) {
            self.marks = Marks::default();
            self.stack.push(Frame::Paragraph(Vec::new(), line, true));
        }
    }

    fn close_implicit(&mut self) {
        if matches!(self.stack.last(), Some(Frame::Paragraph(_, _, true))) {
            self.pop();
        }
    }

    fn close(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Item | TagEnd::List(_) | TagEnd::BlockQuote(_)) {
            self.close_implicit();
        }
        self.pop();
    }

    /// Ends the innermost element and puts it into the one around it.
    fn pop(&mut self) {
        match self.stack.pop() {
            Some(Frame::Quote(blocks)) => self.place(Block::Context(blocks)),
            Some(Frame::List(items)) => self.place(Block::List(items)),
            Some(Frame::Item(blocks, sentence)) => {
                self.end_item(&blocks, sentence);
                if let Some(Frame::List(items)) = self.stack.last_mut() {
                    items.push(blocks);
                }
            }
            Some(Frame::Paragraph(inlines, line, _)) => {
                self.end_paragraph(&inlines, line);
                self.place(Block::Paragraph(inlines));
            }
            Some(Frame::Heading(level, inlines, line)) => {
                let marks = std::mem::take(&mut self.marks);
                self.must_promise_nothing("a heading", marks.promises, line);
                self.place(Block::Heading(level, inlines));
            }
            Some(Frame::Strong(inlines)) => self.attach(Inline::Strong(inlines)),
            Some(Frame::Emphasis(inlines) | Frame::Broken(inlines)) => {
                self.attach(Inline::Emphasis(inlines));
            }
            Some(Frame::Link(target, inlines)) => self.attach(Inline::Link(target, inlines)),
            Some(Frame::Promise(index, inlines, line)) => {
                if !plain(&inlines).chars().any(char::is_alphanumeric) {
                    self.fault(line, empty());
                }
                self.attach(Inline::Promise(index, inlines));
            }
            Some(root @ Frame::Root(_)) => self.stack.push(root),
            None => {}
        }
    }

    fn attach(&mut self, inline: Inline) {
        let Some(
            Frame::Paragraph(inlines, ..)
            | Frame::Heading(_, inlines, _)
            | Frame::Strong(inlines)
            | Frame::Emphasis(inlines)
            | Frame::Link(_, inlines)
            | Frame::Promise(_, inlines, _)
            | Frame::Broken(inlines),
        ) = self.stack.last_mut()
        else {
            return;
        };
        match (inlines.last_mut(), inline) {
            (Some(Inline::Text(before)), Inline::Text(text)) => before.push_str(&text),
            (_, inline) => inlines.push(inline),
        }
    }

    fn place(&mut self, block: Block) {
        if let Some(Frame::Root(blocks) | Frame::Quote(blocks) | Frame::Item(blocks, _)) =
            self.stack.last_mut()
        {
            blocks.push(block);
        }
    }

    fn end_paragraph(&mut self, inlines: &[Inline], line: usize) {
        let marks = std::mem::take(&mut self.marks);
        let text = plain(inlines);
        // What Markdown did not take for a link is left as its source.
        if text.contains("](") {
            self.fault(line, nested());
        }
        if self.stack.iter().any(|f| matches!(f, Frame::Quote(_))) {
            return self.must_promise_nothing("a quote", marks.promises, line);
        }
        if let Some(Frame::Item(_, sentence)) = self.stack.last_mut() {
            sentence.text = fold(&format!("{} {text}", sentence.text));
            sentence.marks.promises += marks.promises;
            sentence.marks.pledges.extend(marks.pledges);
            sentence.marks.numbers.extend(marks.numbers);
        } else {
            self.tree.sentences.push(Sentence { line, text, marks });
        }
    }

    /// An item with no words of its own is a sentence only when it holds nothing at all.
    fn end_item(&mut self, blocks: &[Block], sentence: Sentence) {
        let quoted = self.stack.iter().any(|f| matches!(f, Frame::Quote(_)));
        if !quoted && (!sentence.text.is_empty() || blocks.is_empty()) {
            self.tree.sentences.push(sentence);
        }
    }

    fn must_promise_nothing(&mut self, place: &str, promises: usize, line: usize) {
        if promises > 0 {
            let what = format!("a promise stands in {place}, where words promise nothing");
            let fix = "Move it into a list item or a paragraph.";
            self.fault(line, Fault::new("place", what, fix));
        }
    }

    fn end(mut self) -> Tree {
        if let Some(Frame::Root(blocks)) = self.stack.pop() {
            self.tree.blocks = blocks;
        }
        let promises = self.tree.pledges.len();
        if promises > MAX_PROMISES {
            let what = format!("{promises} promises are more than the {MAX_PROMISES} of one page");
            self.fault(1, Fault::new("size", what, "Make two pages of it."));
        }
        self.tree
    }
}

fn nested() -> Fault {
    Fault::new(
        "nested-link",
        format!("`{}` was left over from a link", shown("](")),
        "Links cannot stand inside links, and a target holds no spaces; end one before the next.",
    )
}

fn empty() -> Fault {
    Fault::new(
        "empty-promise",
        "a promise has no words",
        "Put the promise itself between the brackets.",
    )
}
