//! The refusals in the languages of the console's pages. Whoever asks for none of them reads English, and
//! so does whoever was refused before they could say what they read.

use fluent_langneg::{NegotiationStrategy, negotiate_languages, parse_accepted_languages};
use http::header::{ACCEPT_LANGUAGE, HeaderMap};
use unic_langid::LanguageIdentifier;

use super::Refusal;

/// A language that refusals are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    English,
    Indonesian,
    Arabic,
}

impl Language {
    const ALL: [Self; 3] = [Self::English, Self::Indonesian, Self::Arabic];

    /// The one that the reader's browser asks for; English when it asks for none of ours.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        let Some(wanted) = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
        else {
            return Self::English;
        };
        let wanted = parse_accepted_languages(wanted);
        let ours = Self::ALL.map(|one| one.tag().parse::<LanguageIdentifier>().unwrap_or_default());
        let best = negotiate_languages(&wanted, &ours, None, NegotiationStrategy::Filtering);
        let best = best.first().map(|one| one.language.as_str());
        let found = Self::ALL.into_iter().find(|one| best == Some(one.tag()));
        found.unwrap_or_default()
    }

    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
            Self::Arabic => "ar",
        }
    }

    /// What stands before the number of the request.
    const fn request(self) -> &'static str {
        match self {
            Self::English => "Request",
            Self::Indonesian => "Permintaan",
            Self::Arabic => "الطلب",
        }
    }
}

/// One line for each refusal: its label, an equals sign, and its text. A test compares them.
const INDONESIAN: &str = include_str!("words/id.txt");
const ARABIC: &str = include_str!("words/ar.txt");

/// What one of those files says of a refusal; in English where it says nothing.
fn said(language: &'static str, refusal: Refusal) -> &'static str {
    let mut lines = language.lines().filter_map(|line| line.split_once(" = "));
    let found = lines.find(|(label, _)| *label == refusal.label());
    found.map_or(refusal.text(), |(_, text)| text)
}

/// The page of a refusal: plain text, in `language`.
pub(super) fn page(refusal: Refusal, language: Language, request_id: &str) -> String {
    let status = refusal.status();
    let (code, request) = (status.as_u16(), language.request());
    match language {
        Language::English => {
            let title = status.canonical_reason().unwrap_or("Refused");
            format!("{code} {title}\n\n{}\n\n{request} {request_id}\n", refusal.text())
        }
        Language::Indonesian => {
            format!("{code}\n\n{}\n\n{request} {request_id}\n", said(INDONESIAN, refusal))
        }
        // Plain text has no direction of its own: each line is set apart as one from right to left.
        Language::Arabic => format!(
            "{code}\n\n\u{2067}{}\u{2069}\n\n\u{2067}{request} \u{2066}{request_id}\u{2069}\u{2069}\n",
            said(ARABIC, refusal)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::{ARABIC, INDONESIAN, Language, page};
    use crate::refusal::Refusal;

    fn asked(header: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(header).unwrap());
        Language::asked(&headers)
    }

    /// The reader's order of preference counts, and a region is no other language.
    #[test]
    fn the_reader_chooses() {
        for (header, language) in [
            ("id", Language::Indonesian),
            ("id-ID,en;q=0.8", Language::Indonesian),
            ("ar-SA", Language::Arabic),
            ("fr, ar;q=0.5, en;q=0.1", Language::Arabic),
            ("fr", Language::English),
            ("", Language::English),
            (";;;q=,", Language::English),
        ] {
            assert_eq!(asked(header), language, "{header}");
        }
        assert_eq!(Language::asked(&HeaderMap::new()), Language::English);
    }

    /// Nothing is said twice, and nothing of what there is no refusal for.
    #[test]
    fn each_line_belongs_to_a_refusal() {
        let labels: BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.label()).collect();
        for language in [INDONESIAN, ARABIC] {
            let said: Vec<&str> =
                language.lines().map(|line| line.split_once(" = ").unwrap().0).collect();
            assert_eq!(said.len(), labels.len());
            assert_eq!(said.into_iter().collect::<BTreeSet<_>>(), labels);
        }
    }

    /// Each refusal is said in each language in words of its own, with the number of the request.
    #[test]
    fn each_refusal_is_said_in_each_language() {
        for refusal in Refusal::ALL {
            let said: BTreeSet<String> =
                Language::ALL.map(|language| page(refusal, language, "a1b2")).into();
            assert_eq!(said.len(), Language::ALL.len(), "{refusal:?}");
            for text in said {
                assert!(text.starts_with(refusal.status().as_str()), "{text}");
                assert!(text.contains("a1b2"), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_the_reader(header in "[ -~]{0,80}") {
            asked(&header);
        }
    }
}
