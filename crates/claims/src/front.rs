//! The few lines at the head of a page: a strict reader of its own, since three keys with plain
//! text need no YAML.

use crate::document::Language;
use crate::problem::{Fault, Problem, deceptive, shown};

/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

const EXAMPLE: &str =
    "Begin the page with a line `---`, then `title: …` and `language: en`, then a line `---`.";

/// What the front matter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) title: String,
    pub(crate) language: Language,
    pub(crate) title_language: Language,
}

/// The front matter as far as it could be read, and the body behind it.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    pub(crate) front: Option<Front>,
    pub(crate) body: &'a str,
    /// The line of the file on which the body begins, counted from one.
    pub(crate) first_line: usize,
    pub(crate) problems: Vec<Problem>,
}

/// Reads the front matter of `source`. Every fault in it is reported, and the body is found as
/// long as the closing line is there.
pub(crate) fn split<'a>(page: &str, source: &'a str) -> Split<'a> {
    let mut rest = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut reader = Reader::new(page);
    let mut number = 1;
    if take_line(&mut rest) != Some("---") {
        reader.fault(1, "the page has no front matter", EXAMPLE);
        return reader.end(source, 1);
    }
    loop {
        number += 1;
        match take_line(&mut rest) {
            Some("---") => break,
            Some(line) => reader.line(number, line),
            None => {
                reader.fault(1, "the front matter has no end", EXAMPLE);
                return reader.end("", number);
            }
        }
    }
    reader.end(rest, number + 1)
}

/// Takes the first line off `rest`, without its line break; `None` at the end.
fn take_line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = tail;
    Some(line.strip_suffix('\r').unwrap_or(line).trim_end())
}

struct Reader<'p> {
    page: &'p str,
    title: Option<String>,
    language: Option<Language>,
    title_language: Option<Language>,
    seen: Vec<String>,
    problems: Vec<Problem>,
}

impl<'p> Reader<'p> {
    const fn new(page: &'p str) -> Self {
        Self {
            page,
            title: None,
            language: None,
            title_language: None,
            seen: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn fault(&mut self, line: usize, what: impl Into<String>, fix: impl Into<String>) {
        let fault = Fault::new("front-matter", what, fix);
        self.problems.push(fault.at(self.page, line));
    }

    fn line(&mut self, number: usize, line: &str) {
        let Some((key, value)) = line.split_once(':') else {
            let what = format!("`{}` is not a key and a value", shown(line));
            return self.fault(number, what, "Write `key: value`.");
        };
        let (key, value) = (key.trim_end(), value.trim());
        if self.seen.iter().any(|seen| seen == key) {
            let what = format!("`{}` is given twice", shown(key));
            return self.fault(number, what, "Keep one of them.");
        }
        self.seen.push(key.to_owned());
        match key {
            "title" => self.title = self.check_title(number, value),
            "language" => self.language = self.check_language(number, value),
            "title_language" => self.title_language = self.check_language(number, value),
            _ => {
                let what = format!("the front matter has no key `{}`", shown(key));
                let fix = "It takes `title`, `language` and `title_language`.";
                self.fault(number, what, fix);
            }
        }
    }

    fn check_title(&mut self, number: usize, value: &str) -> Option<String> {
        if value.is_empty() {
            self.fault(number, "the title is empty", "Give the page a title.");
        } else if value.chars().count() > MAX_TITLE_CHARS {
            let what = format!("the title is longer than {MAX_TITLE_CHARS} characters");
            self.fault(number, what, "Shorten it.");
        } else if value.starts_with(['"', '\'']) {
            let what = "the title stands in quotation marks, which would be shown";
            self.fault(number, what, "Write it without them.");
        } else if let Some(c) = deceptive(value) {
            let what = format!("the title holds the invisible character {}", c.escape_debug());
            self.fault(number, what, "Take it out.");
        } else {
            return Some(value.to_owned());
        }
        None
    }

    fn check_language(&mut self, number: usize, value: &str) -> Option<Language> {
        let language = Language::from_tag(value);
        if language.is_none() {
            let what = format!("a page cannot be written in `{}`", shown(value));
            let fix = "The languages are `en`, `id` and `ar`.";
            self.fault(number, what, fix);
        }
        language
    }

    fn end(mut self, body: &str, first_line: usize) -> Split<'_> {
        // A file without any front matter was already told so.
        let told = self.seen.is_empty() && !self.problems.is_empty();
        for key in ["title", "language"] {
            if !told && !self.seen.iter().any(|seen| seen == key) {
                self.fault(1, format!("the front matter has no `{key}`"), EXAMPLE);
            }
        }
        let front = self.title.zip(self.language).map(|(title, language)| Front {
            title,
            language,
            title_language: self.title_language.unwrap_or(language),
        });
        Split { front, body, first_line, problems: self.problems }
    }
}

#[cfg(test)]
mod tests {
    use super::{Front, split};
    use crate::document::Language;

    #[test]
    fn the_head_is_read_and_the_body_is_left() {
        let split = split("p", "\u{feff}---\r\ntitle: Aman: data\r\nlanguage: id\r\n---\r\nIsi\n");
        assert_eq!(split.problems, []);
        assert_eq!((split.body, split.first_line), ("Isi\n", 5));
        let front = Front {
            title: "Aman: data".to_owned(),
            language: Language::Indonesian,
            title_language: Language::Indonesian,
        };
        assert_eq!(split.front, Some(front));
    }

    #[test]
    fn a_title_may_be_in_another_language() {
        let split = split("p", "---\ntitle: أمان\nlanguage: en\ntitle_language: ar\n---\n");
        assert_eq!(split.front.unwrap().title_language, Language::Arabic);
    }
}
