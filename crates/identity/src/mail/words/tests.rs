//! Every letter, in every language.

use std::collections::BTreeSet;

use kernel::Notice;

use super::{Facts, Kind, Language, pattern, say};

fn kinds() -> impl Iterator<Item = Kind> {
    let own = [Kind::Reset, Kind::Provisioned, Kind::Invited, Kind::InvitedAgain].into_iter();
    own.chain(Notice::ALL.into_iter().map(Kind::Notice))
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

#[test]
fn each_letter_tells_the_same_in_every_language() {
    let names: BTreeSet<&str> = kinds().map(Kind::name).collect();
    assert_eq!(names.len(), kinds().count());
    for kind in kinds() {
        assert_eq!(Kind::named(kind.name()), Some(kind));
        let (_, english) = pattern(kind, Language::English);
        for language in Language::ALL {
            assert_eq!(Language::of(language.tag()), language);
            let (subject, body) = pattern(kind, language);
            assert!(places(subject).is_empty() && !subject.is_empty(), "{kind:?}");
            assert_eq!(places(body), places(english), "{kind:?} {language:?}");
        }
    }
    assert_eq!(Kind::named("nothing"), None);
}

#[test]
fn no_name_leads_anywhere_or_leaves_its_line() {
    let name = "Free money: https://evil.example/x\r\nBcc: a@b.example\u{2028}J.R. Sari";
    let facts = Facts { name, tenant: "www.evil.example", ..Facts::default() };
    let facts = Facts { detail: "http:\\\\evil。example", link: "https://ours/", ..facts };
    // An address is checked to be one.
    let others = || kinds().filter(|kind| *kind != Kind::Notice(Notice::AddressChanged));
    for language in Language::ALL {
        for kind in others() {
            let (subject, body) = say(kind, language, &facts);
            let text = format!("{subject}{body}").replace("https://ours/", "");
            for bad in
                ["evil.example", "evil。example", "://", "a@b", "http:", "Bcc:", "\r", "\u{2028}"]
            {
                assert!(!text.contains(bad), "{kind:?}: {bad} in {text}");
            }
        }
    }
    assert_eq!(super::plain("PT. Maju Jaya"), "PT. Maju Jaya");
    assert_eq!(super::plain("إيمان"), "إيمان");
}

#[test]
fn what_is_put_in_is_not_looked_at_again() {
    let facts = Facts { name: "{link}", link: "https://x/", when: "now", ..Facts::default() };
    let (_, body) = say(Kind::Reset, Language::English, &facts);
    assert!(body.starts_with("Hello {link},"), "{body}");
    assert_eq!(body.matches("https://x/").count(), 1);
    let notice = Kind::Notice(Notice::Closed);
    let (_, body) = say(notice, Language::Arabic, &Facts { when: "T", ..facts });
    assert!(body.contains("T (") && body.contains("/_amanah/reset"), "{body}");
}
