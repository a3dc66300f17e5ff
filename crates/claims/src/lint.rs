//! The rules of a page, all of them at once: a writer wants to see every fault in one go.

use std::collections::BTreeMap;

use crate::approval;
use crate::digest::digest;
use crate::document::Page;
use crate::front::{self, Front};
use crate::numbers::{Seen, seen};
use crate::problem::{Fault, Problem, shown};
use crate::tree::{self, Sentence, Tree};

/// The largest page, in bytes.
pub const MAX_PAGE_BYTES: usize = 256 * 1024;

impl Page {
    /// Reads a page from Markdown. `name` is the file's name without its ending.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines. Whether its sentences were
    /// approved is not looked at: that is [`crate::lint`].
    pub fn parse(name: &str, source: &str) -> Result<Self, Vec<Problem>> {
        let draft = Draft::read(name, source);
        match draft.front {
            Some(front) if draft.problems.is_empty() => Ok(Self {
                name: name.to_owned(),
                title: front.title,
                language: front.language,
                title_language: front.title_language,
                blocks: draft.tree.blocks,
                pledges: draft.tree.pledges,
            }),
            _ => Err(draft.problems),
        }
    }
}

/// Everything that is wrong with a page and its approvals, in the order of the page's lines;
/// nothing when it may be published. `approvals` is the text of the file beside the page, or `None`
/// when there is none.
pub fn lint(name: &str, source: &str, approvals: Option<&str>) -> Vec<Problem> {
    let draft = Draft::read(name, source);
    // A promise that could not be read would make its own approval look left over.
    let whole = draft.problems.is_empty();
    let mut problems = draft.problems;
    let pledges = &draft.tree.pledges;
    problems.extend(approval::check(name, pledges, approvals, whole));
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// A page as far as it could be read, and what is wrong with it.
struct Draft {
    front: Option<Front>,
    tree: Tree,
    problems: Vec<Problem>,
}

impl Draft {
    fn read(page: &str, source: &str) -> Self {
        if source.len() > MAX_PAGE_BYTES {
            let what = format!("the page is larger than {} KiB", MAX_PAGE_BYTES / 1024);
            let fault = Fault::new("size", what, "Make two pages of it.");
            return Self { front: None, tree: Tree::default(), problems: vec![fault.at(page, 1)] };
        }
        let split = front::split(page, source);
        let mut tree = tree::read(page, split.body, split.first_line);
        let mut problems = split.problems;
        problems.append(&mut tree.problems);
        for sentence in &tree.sentences {
            problems.extend(unlinked(page, sentence));
            problems.extend(numbers(page, sentence));
        }
        word(&mut tree);
        problems.extend(duplicates(page, &tree));
        problems.sort_by_key(|problem| problem.line);
        Self { front: split.front, tree, problems }
    }
}

/// Gives every promise its sentence and its digest.
fn word(tree: &mut Tree) {
    for sentence in &tree.sentences {
        for index in &sentence.marks.pledges {
            if let Some(pledge) = tree.pledges.get_mut(*index) {
                let params = pledge.params.to_string();
                pledge.digest = digest(pledge.promise.id, &params, &sentence.text);
                pledge.sentence.clone_from(&sentence.text);
            }
        }
    }
}

fn unlinked(page: &str, sentence: &Sentence) -> Option<Problem> {
    if sentence.marks.promises > 0 {
        return None;
    }
    let (what, fix) = if sentence.text.is_empty() {
        ("a list item is empty".to_owned(), "Remove it.")
    } else {
        (
            format!("the sentence “{}” promises nothing", shown(&sentence.text)),
            "Link its promise to a claim, or put it in a `> ` quote.",
        )
    };
    Some(Fault::new("unlinked", what, fix).at(page, sentence.line))
}

fn numbers(page: &str, sentence: &Sentence) -> Vec<Problem> {
    // A sentence without any promise was already told what it lacks.
    if sentence.marks.promises == 0 {
        return Vec::new();
    }
    let fault = |seen| match seen {
        Seen::Number(number) if sentence.marks.numbers.contains(&number) => None,
        Seen::Number(number) => Some(Fault::new(
            "digit",
            format!("the number {} is no parameter of a promise in its sentence", shown(&number)),
            "Give it to a claim as a parameter in the same unit, or leave it out.",
        )),
        Seen::Other(c) => Some(Fault::new(
            "digit",
            format!("`{}` reads as a number and cannot be checked", c.escape_debug()),
            "Write numbers in the digits 0 to 9 or in Arabic-Indic digits.",
        )),
    };
    seen(&sentence.text)
        .into_iter()
        .filter_map(fault)
        .map(|fault| fault.at(page, sentence.line))
        .collect()
}

fn duplicates(page: &str, tree: &Tree) -> Vec<Problem> {
    let mut first: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for pledge in &tree.pledges {
        let key = (pledge.promise.id, pledge.params.to_string());
        if let Some(line) = first.get(&key) {
            let with =
                if key.1.is_empty() { String::new() } else { format!(" with `{}`", shown(&key.1)) };
            let what = format!("`{}`{with} is promised on line {line} already", key.0);
            let fix = "Say it once: one promise has one sentence.";
            problems.push(Fault::new("duplicate", what, fix).at(page, pledge.line));
        } else {
            first.insert(key, pledge.line);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::{MAX_PAGE_BYTES, lint};
    use crate::document::{Block, Inline, Page};

    const HEAD: &str = "---\ntitle: T\nlanguage: en\n---\n";

    /// Bad pages by the rule that they break. Those without a head get one.
    const BAD: &[(&str, &str)] = &[
        ("front-matter", "no head at all\n"),
        ("front-matter", "---\ntitle: T\n"),
        ("front-matter", "---\ntitle: \"T\"\nlanguage: fr\nlanguage: en\nlang: en\nx\n---\n"),
        ("front-matter", "---\ntitle:\n---\n"),
        ("element", "<b>x</b> [a](claim:mfa.totp)"),
        ("element", "<div>\nx\n</div>"),
        ("element", "![alt](https://a.example/x.png) [a](claim:mfa.totp)"),
        ("element", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("element", "```\nlet x = 1;\n```\n\n    indented"),
        ("element", "1. [a](claim:mfa.totp)"),
        ("element", "> x\n\n---"),
        ("element", "- # Uptime 99.999"),
        ("depth", "> > > > > > > > > > > > > > > > > > deep"),
        ("link", "> [a](javascript:alert) [b](http://b.example) [c](//c.example)"),
        ("nested-link", "- [outer [inner](claim:mfa.totp) words](claim:edge.csp)"),
        ("nested-link", "- [words](claim:mfa totp) and [more](claim:edge.csp)"),
        ("character", "- [a\u{202e}b](claim:mfa.totp) &#8294;"),
        ("place", "# [Heading](claim:mfa.totp)\n\n> [quote](claim:edge.csp)"),
        ("unknown-claim", "- [a](claim:isolation.row), [b](claim:nonsense), [c](claim:)"),
        ("parameter", "- [every 5 days](claim:backup.wal?evry=5m&x)"),
        ("parameter", "- [kept](claim:backup.daily?keep=30&every=24h&every=24h&to=x)"),
        ("parameter", "- [a](claim:transit.tls?min=1.%zz)"),
        ("duplicate", "- [a](claim:mfa.totp)\n- [b](claim:mfa.totp)"),
        ("duplicate", "- [1 d](claim:backup.wal?every=1d), [1 d](claim:backup.wal?every=1d)"),
        ("empty-promise", "- x [](claim:mfa.totp) [**…**](claim:edge.csp) <claim:edge.csrf>"),
        ("unlinked", "We take security seriously.\n\n- [link](https://a.example)\n-\n"),
        (
            "digit",
            "- Kept [for 90 days, at 99,9 % and 1.000](claim:backup.daily?every=24h&keep=30d).\n\
             - ٣٠ [AES-256, ½](claim:rest.disk)",
        ),
    ];

    fn page(body: &str) -> String {
        if body.starts_with("---\ntitle") || body.starts_with("no head") {
            body.to_owned()
        } else {
            format!("{HEAD}{body}")
        }
    }

    #[test]
    fn every_rule_has_a_bad_page() {
        let mut golden = String::new();
        let mut rules = BTreeSet::new();
        for (rule, body) in BAD {
            let problems = Page::parse("bad", &page(body)).unwrap_err();
            assert!(problems.iter().any(|p| p.rule == *rule), "{rule}: {problems:?}");
            writeln!(golden, "{rule}: {body:?}").unwrap();
            for problem in problems {
                rules.insert(problem.rule);
                writeln!(golden, "    {problem}").unwrap();
            }
        }
        insta::assert_snapshot!(golden);
        let big = " ".repeat(MAX_PAGE_BYTES + 1);
        let many: String = (0..501)
            .fold(HEAD.to_owned(), |text, n| text + &format!("- [x](claim:edge.headers?h{n}=x)\n"));
        for source in [big, many] {
            let problems = Page::parse("bad", &source).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].rule, "size");
        }
    }

    #[test]
    fn a_good_page_becomes_a_tree() {
        let source = format!(
            "{HEAD}# Head\n\n> Since 2019.\n\n- Kept \
             [every *24*\n  hours](claim:backup.daily?every=24h) and \
             [`hashed`](claim:password.argon2id).\n  - Inner [words](claim:mfa.totp).\n"
        );
        let page = Page::parse("good", &source).unwrap();
        let [Block::Heading(1, _), Block::Context(_), Block::List(items)] = &page.blocks[..] else {
            panic!("{:?}", page.blocks)
        };
        let [Block::Paragraph(words), Block::List(_)] = &items[0][..] else { panic!("{items:?}") };
        assert_eq!(words[0], Inline::Text("Kept ".to_owned()));
        assert!(matches!(words[1], Inline::Promise(0, _)));
        let all: Vec<_> =
            page.pledges.iter().map(|p| (p.promise.id, p.line, p.sentence.as_str())).collect();
        let outer = "Kept every 24 hours and hashed.";
        assert_eq!(
            all,
            [
                ("backup.daily", 9, outer),
                ("password.argon2id", 10, outer),
                ("mfa.totp", 11, "Inner words.")
            ]
        );
        assert_ne!(page.pledges[0].digest, page.pledges[1].digest);
    }

    #[test]
    fn line_breaks_do_not_change_the_digest_and_everything_else_does() {
        let digest = |body: &str| {
            let page = Page::parse("p", &format!("{HEAD}{body}")).unwrap();
            page.pledges[0].digest.clone()
        };
        let one = digest("- It ends [after 5 m](claim:session.timeout?idle=5m).");
        assert_eq!(one, digest("It ends\n*[after\n5 m](claim:session.timeout?idle=5m)*."));
        for other in [
            "- It ends [after 5 h](claim:session.timeout?idle=5m).",
            "- It ends [after 5 m](claim:session.timeout?idle=5h).",
            "- It ends [after 5 m](claim:session.timeout?idle=5m&absolute=5h).",
            "- It ends [after 5 m](claim:backup.wal?every=5m).",
            "- It ends [after 5 m](claim:session.timeout?idle=5m)!",
        ] {
            assert_ne!(one, digest(other), "{other}");
        }
    }

    #[test]
    fn the_pages_in_this_repository_are_sound() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pages");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let source = std::fs::read_to_string(&path).unwrap();
                let problems = Page::parse(name, &source).err().unwrap_or_default();
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                assert!(all.is_empty(), "{}", all.join("\n"));
                count += 1;
            }
        }
        assert!(count >= 6, "only {count} pages were found");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_text_panics_the_parser(text in "\\PC{0,200}") {
            let _ = lint("p", &text, Some(&text));
        }

        #[test]
        fn no_markdown_panics_the_parser(
            pieces in prop::collection::vec(prop::sample::select(&[
                "- ", "> ", "# ", "1. ", "\n", "\n\n", "  ", "    ", "[", "](claim:mfa.totp)", "](",
                "](claim:backup.daily?every=24h)", ")", "*", "**", "_", "`", "```\n", "<b>", "|",
                "|---|\n", "---\n", "![", "<claim:edge.csp>", "&#0;", "&#x202e;", "24", "é", "ب",
                "\\", "\t", "\r", "\0", "[a]: claim:edge.csp\n", "<!--", "word ",
            ][..]), 0..60)
        ) {
            let text = pieces.concat();
            let _ = lint("p", &format!("{HEAD}{text}"), None);
        }
    }
}
