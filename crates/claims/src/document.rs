//! A page as a small tree, so that whoever draws it (HTML, a terminal) needs no Markdown parser.

use kernel::Params;
use kernel::catalogue::Promise;

/// The languages a page can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Bahasa Indonesia.
    #[serde(rename = "id")]
    Indonesian,
    /// Arabic, written from right to left.
    #[serde(rename = "ar")]
    Arabic,
}

impl Language {
    /// The language of this BCP 47 tag.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag {
            "en" => Some(Self::English),
            "id" => Some(Self::Indonesian),
            "ar" => Some(Self::Arabic),
            _ => None,
        }
    }

    /// Its BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
            Self::Arabic => "ar",
        }
    }
}

/// A page that has been read and found free of errors of form.
#[derive(Debug, Clone)]
pub struct Page {
    /// The file's name without its ending: the page's name in commands and addresses.
    pub name: String,
    /// The title from the front matter.
    pub title: String,
    /// The language from the front matter.
    pub language: Language,
    /// The title's own language, where it differs from the body's.
    pub title_language: Language,
    /// What the page says, in order.
    pub blocks: Vec<Block>,
    /// What the page promises, in order. [`Inline::Promise`] points into this list.
    pub pledges: Vec<Pledge>,
}

/// One promise on one page: the claim, its parameters, and the words that make it.
#[derive(Debug, Clone)]
pub struct Pledge {
    /// The entry of the catalogue.
    pub promise: &'static Promise,
    /// The numbers of the sentence, which are the thresholds of its proof.
    pub params: Params,
    /// The whole sentence around the linked words, as plain text.
    pub sentence: String,
    /// SHA-256 over id, parameters and sentence, in lower-case hexadecimal.
    pub digest: String,
    /// The line of the link in the file, counted from one.
    pub line: usize,
}

/// A block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading and its level, 1 to 6.
    Heading(u8, Vec<Inline>),
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A list; every item is a list of blocks.
    List(Vec<Vec<Self>>),
    /// A `> context` quotation: words that promise nothing.
    Context(Vec<Self>),
}

/// A run of text inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// Strong text.
    Strong(Vec<Self>),
    /// Emphasised text.
    Emphasis(Vec<Self>),
    /// Code.
    Code(String),
    /// An ordinary link: target and text. Only `https:`, `mailto:` and relative targets are let in.
    Link(String, Vec<Self>),
    /// Linked words that promise something: the index of the pledge, and the words.
    Promise(usize, Vec<Self>),
}
