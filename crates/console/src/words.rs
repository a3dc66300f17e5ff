//! The console's own words in the three languages. What a page promises is not here: that is
//! written in the page.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use claims::Language;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, negotiate_languages, parse_accepted_languages};
use kernel::Verdict;
use unic_langid::LanguageIdentifier;

/// The words of one language.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    language: Language,
    bundle: &'static FluentBundle<FluentResource>,
}

impl Words {
    /// The words of `language`.
    pub(crate) fn of(language: Language) -> Self {
        let bundle: &'static FluentBundle<FluentResource> = match language {
            Language::English => &ENGLISH,
            Language::Indonesian => &INDONESIAN,
            Language::Arabic => &ARABIC,
        };
        Self { language, bundle }
    }

    /// The words that the reader's browser asks for; English when it asks for none of ours.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let wanted = parse_accepted_languages(header.unwrap_or_default());
        let ours = [Language::English, Language::Indonesian, Language::Arabic].map(id);
        let best = negotiate_languages(&wanted, &ours, None, NegotiationStrategy::Filtering);
        let language = best.first().and_then(|id| Language::from_tag(id.language.as_str()));
        Self::of(language.unwrap_or(Language::English))
    }

    /// The text called `key`; the key itself when there is none, which a test rules out.
    pub(crate) fn say(self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text called `key` with numbers in it, declined as the language asks.
    pub(crate) fn count(self, key: &str, numbers: &[(&'static str, u64)]) -> String {
        let mut args = FluentArgs::new();
        for (name, number) in numbers {
            args.set(*name, *number);
        }
        self.format(key, Some(&args))
    }

    /// The word for a verdict.
    pub(crate) fn verdict(self, verdict: Verdict) -> String {
        self.say(&format!("verdict-{verdict}"))
    }

    /// What a verdict means, in a sentence.
    pub(crate) fn meaning(self, verdict: Verdict) -> String {
        self.say(&format!("meaning-{verdict}"))
    }

    /// The BCP 47 tag of the language.
    pub(crate) const fn tag(self) -> &'static str {
        self.language.tag()
    }

    /// The direction of its script, as HTML writes it.
    pub(crate) const fn dir(self) -> &'static str {
        direction(self.language)
    }

    /// Whether what the controls report, which is English, is in another language than the page.
    pub(crate) fn foreign(self) -> bool {
        self.language != Language::English
    }

    /// The attributes of an element that holds what a control reports, for screen readers and for
    /// the direction of the text. A constant, so it is safe to write unescaped.
    pub(crate) fn english(self) -> &'static str {
        if self.foreign() { r#" lang="en" dir="ltr""# } else { "" }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let pattern = self.bundle.get_message(key).and_then(|m| m.value());
        let Some(pattern) = pattern else {
            tracing::error!(key, language = self.tag(), "a text is missing");
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, args, &mut errors);
        for error in errors {
            tracing::error!(key, %error, "a text could not be written in full");
        }
        text.into_owned()
    }
}

/// The direction of a language's script, as HTML writes it.
pub(crate) const fn direction(language: Language) -> &'static str {
    match language {
        Language::English | Language::Indonesian => "ltr",
        Language::Arabic => "rtl",
    }
}

/// The name of a language in that language.
pub(crate) const fn endonym(language: Language) -> &'static str {
    match language {
        Language::English => "English",
        Language::Indonesian => "Bahasa Indonesia",
        Language::Arabic => "العربية",
    }
}

const ENGLISH_TEXT: &str = include_str!("../locales/en.ftl");
const INDONESIAN_TEXT: &str = include_str!("../locales/id.ftl");
const ARABIC_TEXT: &str = include_str!("../locales/ar.ftl");

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::English, ENGLISH_TEXT));
static INDONESIAN: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::Indonesian, INDONESIAN_TEXT));
static ARABIC: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::Arabic, ARABIC_TEXT));

fn id(language: Language) -> LanguageIdentifier {
    // Our own tags parse; a test formats with each.
    language.tag().parse().unwrap_or_default()
}

fn bundle(language: Language, text: &str) -> FluentBundle<FluentResource> {
    // Text that does not parse is left out and what remains is used; a test sees to it that
    // nothing is left out.
    let resource = match FluentResource::try_new(text.to_owned()) {
        Ok(resource) | Err((resource, _)) => resource,
    };
    let mut bundle = FluentBundle::new_concurrent(vec![id(language)]);
    // Only numbers are put into the texts, which need no isolation from the text around them.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use axum::http::HeaderValue;
    use fluent_syntax::ast::{Entry, InlineExpression, Pattern, PatternElement};
    use fluent_syntax::parser;

    use super::*;

    const ALL: [(&str, &str); 3] =
        [("en", ENGLISH_TEXT), ("id", INDONESIAN_TEXT), ("ar", ARABIC_TEXT)];

    /// Every key of a locale; fails on text that does not parse, and on a key given twice.
    fn keys(name: &str, text: &'static str) -> BTreeSet<&'static str> {
        let resource =
            parser::parse(text).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
        let mut keys = BTreeSet::new();
        for entry in resource.body {
            if let Entry::Message(message) = entry {
                assert!(message.value.is_some(), "{name}: {} is empty", message.id.name);
                assert!(keys.insert(message.id.name), "{name}: {} twice", message.id.name);
            }
        }
        keys
    }

    #[test]
    fn every_locale_has_the_same_keys_and_all_of_it_parses() {
        let english = keys("en", ENGLISH_TEXT);
        for (name, text) in ALL {
            assert_eq!(keys(name, text), english, "{name}");
        }
    }

    /// The keys that the templates and the code say, as a quoted word after `say(` or `count(`.
    fn said() -> BTreeSet<String> {
        fn walk(folder: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.extension().is_some_and(|e| e == "rs" || e == "html") {
                    let text = fs::read_to_string(&path).unwrap();
                    for call in ["say(\"", "count(\""] {
                        found.extend(text.split(call).skip(1).filter_map(|rest| {
                            rest.split_once('"').map(|(key, _)| key.to_owned())
                        }));
                    }
                }
            }
        }
        let mut found = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        walk(&root.join("src"), &mut found);
        walk(&root.join("templates"), &mut found);
        found.retain(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        found
    }

    #[test]
    fn every_key_is_said_and_every_said_key_exists() {
        let mut said = said();
        for verdict in Verdict::ALL {
            for family in ["verdict", "meaning", "headline"] {
                said.insert(format!("{family}-{verdict}"));
            }
        }
        for slug in crate::pages::sample::errors().iter().map(crate::Error::slug) {
            said.insert(format!("error-{slug}"));
            said.insert(format!("error-{slug}-text"));
        }
        let known: BTreeSet<String> =
            keys("en", ENGLISH_TEXT).into_iter().map(str::to_owned).collect();
        assert_eq!(said, known);
    }

    /// The variables that a locale uses, by key.
    fn variables(text: &'static str) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        fn walk(pattern: &Pattern<&'static str>, found: &mut BTreeSet<&'static str>) {
            use fluent_syntax::ast::Expression;
            for element in &pattern.elements {
                let PatternElement::Placeable { expression } = element else {
                    continue;
                };
                let (inline, variants) = match expression {
                    Expression::Inline(inline) => (inline, None),
                    Expression::Select { selector, variants } => (selector, Some(variants)),
                };
                if let InlineExpression::VariableReference { id } = inline {
                    found.insert(id.name);
                }
                for variant in variants.into_iter().flatten() {
                    walk(&variant.value, found);
                }
            }
        }
        let mut all = BTreeMap::new();
        for entry in parser::parse(text).unwrap().body {
            if let Entry::Message(message) = entry {
                let mut found = BTreeSet::new();
                walk(&message.value.unwrap(), &mut found);
                all.insert(message.id.name, found);
            }
        }
        all
    }

    #[test]
    fn a_translation_asks_for_no_number_that_it_is_not_given() {
        let english = variables(ENGLISH_TEXT);
        for (name, text) in ALL {
            for (key, used) in variables(text) {
                assert!(used.is_subset(&english[key]), "{name}: {key} uses {used:?}");
            }
        }
    }

    #[test]
    fn numbers_are_declined() {
        let fail = |language, count| {
            Words::of(language).count("headline-failing", &[("count", count), ("total", 12)])
        };
        assert_eq!(fail(Language::English, 1), "One of 12 promises is failing.");
        assert_eq!(fail(Language::English, 3), "3 of 12 promises are failing.");
        assert_eq!(fail(Language::Indonesian, 3), "3 dari 12 janji gagal.");
        assert!(fail(Language::Arabic, 2).starts_with("وعدان"));
        assert!(fail(Language::Arabic, 3).starts_with("3 وعود"));
    }

    #[test]
    fn the_browser_is_heard() {
        let asked = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(value));
            Words::asked(&headers).tag()
        };
        assert_eq!(asked("id-ID,id;q=0.9,en;q=0.8"), "id");
        assert_eq!(asked("ar-EG"), "ar");
        assert_eq!(asked("de-DE,ar;q=0.5"), "ar");
        assert_eq!(asked("de-DE"), "en");
        assert_eq!(asked("*;;;,,\"<script>"), "en");
        assert_eq!(Words::asked(&HeaderMap::new()).tag(), "en");
    }
}
