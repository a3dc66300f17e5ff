//! Every page, drawn from its sample and kept as a golden file, and the rules that all obey.

use std::collections::BTreeSet;

use askama::Template;
use claims::Language;
use identity::{Has, Offer, Stage};
use kernel::{Grantable, Secret};

use super::account::AccountPage;
use super::account_sample;
use super::again::AgainPage;
use super::api_keys::KeysPage;
use super::challenge::{Challenge, ChallengePage};
use super::codes::CodesPage;
use super::directory::DirectoryPage;
use super::directory_sample;
use super::enrol::EnrolPage;
use super::error::ErrorPage;
use super::holder::{Draft, HolderPage};
use super::index::IndexPage;
use super::key::KeyPage;
use super::leaving::LeavingPage;
use super::letter::{AskPage, MessagePage, PasswordPage};
use super::people::PeoplePage;
use super::review::{ReviewPage, ReviewReportPage};
use super::review_sample;
use super::roles::{RoleEditPage, RolesPage};
use super::sample;
use super::security::SecurityPage;
use super::sign_in::SignInPage;
use super::step::StepPage;
use super::support::{SupportPage, SupportUsesPage};
use super::support_sample;
use super::trail::TrailPage;
use super::trail_sample;
use super::trust::TrustPage;
use crate::assets::{CHALLENGE_SCRIPT, ICON, PASSKEY_SCRIPT, STYLESHEET};
use crate::words::Words;
use crate::{LeavingReport, RoleHolder};

/// Every page by the name of its golden file.
fn all() -> Vec<(String, String)> {
    let samples = [
        ("english", sample::english()),
        ("indonesian", sample::indonesian()),
        ("arabic", sample::arabic()),
        ("hostile", sample::hostile()),
    ];
    let pages: Vec<_> = samples.iter().take(3).map(|(_, (page, _))| page.clone()).collect();
    let words = Words::of(Language::English);
    let arabic = Words::of(Language::Arabic);
    let mut all = Vec::new();
    for (name, (page, report)) in &samples {
        let past = *name == "indonesian";
        let logs = if past { Vec::new() } else { sample::logs() };
        let drawn = TrustPage::new(page, report, &pages, past, &logs);
        all.push((format!("trust-{name}"), drawn.render()));
    }
    all.push(("index".to_owned(), IndexPage::new(words, &pages).render()));
    all.push(("index-empty".to_owned(), IndexPage::new(words, &[]).render()));
    let form = |words| SignInPage::new(words, "00ff".to_owned(), "/prices");
    all.push(("sign-in".to_owned(), form(words).render()));
    let refused = form(arabic).again(sample::EVIL.to_owned(), arabic.say("sign-in-refused"));
    all.push(("sign-in-refused".to_owned(), refused.render()));
    let made = Secret::new(format!("amk_ab12cd34_{}_abc123", "x".repeat(43)));
    let keys = |words, made, problem| {
        KeysPage::new(words, sample::rack(), "00ff".to_owned(), made, problem, sample::now())
    };
    all.push(("api-keys".to_owned(), keys(words, Some(made), None).render()));
    let indonesian = Words::of(Language::Indonesian);
    all.push((
        "api-keys-refused".to_owned(),
        keys(indonesian, None, Some(indonesian.say("keys-scope"))).render(),
    ));
    let none = KeysPage::new(
        arabic,
        crate::KeyRack::default(),
        "00ff".to_owned(),
        None,
        None,
        sample::now(),
    );
    all.push(("api-keys-none".to_owned(), none.render()));
    all.extend(factors(words));
    all.extend(support(words, arabic));
    all.extend(accounts(words, arabic));
    all.extend(rights(words, indonesian, arabic));
    let asked = |again, next| Challenge {
        action: "/_amanah/challenge",
        token: "00ff",
        bits: 16,
        wait: 5,
        next,
        again,
    };
    let first = ChallengePage::new(words, asked(false, "/prices"), "");
    all.push(("challenge".to_owned(), first.render()));
    let again = ChallengePage::new(arabic, asked(true, sample::EVIL), "");
    all.push(("challenge-again-arabic".to_owned(), again.render()));
    for error in sample::errors() {
        all.push((format!("error-{}", error.slug()), ErrorPage::new(words, &error).render()));
    }
    all.into_iter().map(|(name, page)| (name, page.unwrap())).collect()
}

/// The pages of support and of leaving.
fn support(words: Words, arabic: Words) -> Vec<(String, askama::Result<String>)> {
    let mut all = Vec::new();
    let inside = SupportPage::new(words, support_sample::inside(), Vec::new(), "00ff".to_owned());
    all.push(("support-inside".to_owned(), inside.render()));
    let staff = SupportPage::new(
        words,
        support_sample::staff(),
        support_sample::support(),
        "00ff".to_owned(),
    );
    let refused = staff.again(None, words.say("support-unfit"));
    all.push(("support-asks".to_owned(), refused.render()));
    let answers = SupportPage::new(
        arabic,
        support_sample::chief(),
        support_sample::support(),
        "00ff".to_owned(),
    );
    all.push(("support-answers-arabic".to_owned(), answers.render()));
    let uses = SupportUsesPage::new(words, &sample::identity(), support_sample::uses());
    all.push(("support-uses".to_owned(), uses.render()));
    let trail = |words| TrailPage::new(words, &trail_sample::wanted());
    all.push(("trail".to_owned(), trail(words).with(trail_sample::seen()).render()));
    let much = trail(arabic).again(arabic.say("records-too-much"));
    all.push(("trail-too-much-arabic".to_owned(), much.render()));
    let leaving = |words| LeavingPage::new(words, "00ff".to_owned());
    let evil = leaving(words).again(sample::EVIL.to_owned(), words.say("leaving-nobody"));
    all.push(("leaving-nobody".to_owned(), evil.render()));
    let report = LeavingReport {
        email: sample::EVIL.to_owned(),
        ended: vec!["sessions: 2".to_owned()],
        left: vec!["the role editor in 41".to_owned()],
    };
    all.push(("leaving-done-arabic".to_owned(), leaving(arabic).done(report).render()));
    let role = || Grantable { name: "editor".to_owned(), title: sample::EVIL.to_owned() };
    let of = |words| {
        let form = ("00ff".to_owned(), "https://amanah.example/_amanah/scim/v2");
        DirectoryPage::new(words, form, directory_sample::directory(), vec![role()], sample::now())
    };
    let made = of(words).made(Secret::new("ams_made".to_owned()));
    all.push(("directory-made".to_owned(), made.render()));
    let refused = of(arabic).again(arabic.say("directory-refused"));
    all.push(("directory-refused-arabic".to_owned(), refused.render()));
    all
}

/// The pages of reviews and of roles.
fn rights(words: Words, indonesian: Words, arabic: Words) -> Vec<(String, askama::Result<String>)> {
    let token = || "00ff".to_owned();
    let now = sample::now();
    let page = |words, seen| ReviewPage::new(words, seen, token(), now);
    let bare_review = page(words, crate::ReviewsSeen::default());
    let open = page(words, review_sample::reviews());
    let late = page(arabic, review_sample::reviews()).again(arabic.say("review-still-counts"));
    let report = |words| ReviewReportPage::new(words, review_sample::sheet());
    let roles = |words| RolesPage::new(words, token(), review_sample::roles());
    let used = roles(arabic).in_use("Night shift".to_owned(), sample::EVIL.to_owned());
    let edit =
        |words| RoleEditPage::new(words, token(), review_sample::draft(), review_sample::offers());
    let beyond = edit(indonesian).again(indonesian.say("roles-beyond"), Some("x.y".to_owned()));
    let chief = review_sample::chief();
    let holder = |words, holder, at| {
        HolderPage::new(words, (token(), "/_amanah/people/1".to_owned()), holder, (&chief, at))
    };
    let given = holder(words, review_sample::holder(), now).done(words.say("holder-given"));
    let refused = Draft {
        role: "Night shift".to_owned(),
        reason: sample::EVIL.to_owned(),
        last: "2026-12-31".to_owned(),
    };
    let more = Some("encryption.destroy".to_owned());
    let refused = holder(arabic, review_sample::holder(), now).drafted(refused);
    let refused = refused.again(arabic.say("holder-beyond"), more);
    let tired =
        holder(indonesian, review_sample::holder(), now + jiff::SignedDuration::from_hours(1));
    let own = RoleHolder { own: true, ..review_sample::holder() };
    let bare = RoleHolder { held: Vec::new(), over: Vec::new(), ..review_sample::holder() };
    let named = [
        ("holder-given", given.render()),
        ("holder-refused-arabic", refused.render()),
        ("holder-confirms", tired.render()),
        ("holder-own", holder(words, own, now).render()),
        ("holder-none", holder(words, bare, now).render()),
        ("review-none", bare_review.render()),
        ("review-open", open.render()),
        ("review-arabic", late.render()),
        ("review-report", report(words).render()),
        ("roles", roles(words).render()),
        ("roles-in-use-arabic", used.render()),
        ("role-edit", edit(words).found("prices").render()),
        ("role-edit-refused", beyond.render()),
    ];
    named.into_iter().map(|(name, page)| (name.to_owned(), page)).collect()
}

/// The pages of second factors.
fn factors(words: Words) -> Vec<(String, askama::Result<String>)> {
    let (token, next) = (|| "00ff".to_owned(), "/prices");
    let wrong = |words: Words| Some(words.say("factor-wrong"));
    let (indonesian, arabic) = (Words::of(Language::Indonesian), Words::of(Language::Arabic));
    let prove = Stage::Prove(Offer { app: true, codes: true, passkeys: true });
    let step = StepPage::new(words, token(), next, &prove, None).render();
    let refused = StepPage::new(arabic, token(), next, &prove, wrong(arabic)).render();
    let enrol = Stage::Enrol { app: true };
    let first = StepPage::new(indonesian, token(), next, &enrol, None).render();
    let app = EnrolPage::new(words, token(), next, &sample::app(), wrong(words)).unwrap().render();
    let codes = CodesPage::new(words, &sample::codes(), next).render();
    let (making, using) = ("/_amanah/factors/key", "/_amanah/step/passkey");
    let made = KeyPage::making(words, token(), next, making, &sample::ceremony()).render();
    let used = KeyPage::using(words, token(), next, using, &sample::ceremony()).render();
    let security = SecurityPage::new(words, token(), sample::factors(), None).render();
    let has = sample::factors().has;
    let again = AgainPage::new(words, token(), next, has, None).render();
    let bare = AgainPage::new(words, token(), next, Has::default(), wrong(words)).render();
    let named = [
        ("step", step),
        ("step-refused", refused),
        ("step-enrol", first),
        ("app", app),
        ("codes", codes),
        ("key-made", made),
        ("key-used", used),
        ("security", security),
        ("again", again),
        ("again-password", bare),
    ];
    named.into_iter().map(|(name, page)| (name.to_owned(), page)).collect()
}

/// Accounts, and what letters lead to.
fn accounts(words: Words, arabic: Words) -> Vec<(String, askama::Result<String>)> {
    let token = || "00ff".to_owned();
    let account =
        |words| AccountPage::new(words, sample::identity(), token(), account_sample::sessions());
    let people =
        || PeoplePage::new(arabic, &review_sample::chief(), token(), account_sample::people());
    let said = |words: Words, key| MessagePage::new(words, words.say("reset-title"), key);
    let set = PasswordPage::reset(words, (token(), token()));
    let invited =
        PasswordPage::invitation(arabic, (token(), token()), Some(account_sample::offer()));
    let again = invited.again(sample::EVIL.to_owned(), arabic.say("trouble-password"));
    let name = str::to_owned;
    vec![
        (name("account"), account(words).render()),
        (name("account-done"), account(arabic).done(arabic.say("sessions-ended")).render()),
        (name("people"), people().again(arabic.say("trouble-field")).render()),
        (name("reset"), AskPage::new(words, token()).render()),
        (name("reset-asked"), said(words, words.say("reset-asked")).with_sign_in().render()),
        (name("reset-new"), set.render()),
        (name("invitation"), again.render()),
    ]
}

#[test]
fn every_page_is_as_it_was_agreed() {
    for (name, html) in all() {
        // The names hold a digest, which would change every file with every colour.
        let html = html
            .replace(&STYLESHEET.path, "/_amanah/static/console.css")
            .replace(&ICON.path, "/_amanah/static/mark.svg")
            .replace(&PASSKEY_SCRIPT.path, "/_amanah/static/passkey.js")
            .replace(&CHALLENGE_SCRIPT.path, "/_amanah/static/challenge.js");
        insta::assert_snapshot!(name, html);
    }
}

/// The start tags of a page, without their angle brackets.
fn tags(html: &str) -> Vec<&str> {
    let starts = html.split('<').skip(1);
    starts
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|rest| rest.split_once('>').expect("a tag ends").0)
        .collect()
}

/// The value of a tag's attribute.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// The names of a tag's attributes: what stands outside the quotes, up to the equals signs.
fn attributes(tag: &str) -> Vec<&str> {
    let outside = tag.split('"').step_by(2);
    outside.flat_map(str::split_whitespace).map(|word| word.trim_end_matches('=')).collect()
}

#[test]
fn nothing_runs_inline_and_everything_said_is_escaped() {
    for (name, html) in all() {
        for tag in tags(&html) {
            let word = tag.split([' ', '\n']).next().unwrap();
            // Each script is a file of ours.
            let ours = [&PASSKEY_SCRIPT, &CHALLENGE_SCRIPT]
                .map(|script| format!("script src=\"{}\" nonce=\"\" defer", script.path));
            assert!(word != "script" || ours.iter().any(|one| one == tag), "{name}: {tag}");
            assert!(!matches!(word, "style" | "b" | "iframe" | "base"), "{name}: {tag}");
            for key in attributes(tag) {
                assert!(!key.starts_with("on") && key != "style", "{name}: {tag}");
            }
            for place in ["href", "src", "action"] {
                let target = attribute(tag, place).unwrap_or("/");
                assert!(!target.starts_with("javascript:"), "{name}: {tag}");
            }
        }
    }
}

#[test]
fn every_input_has_a_label_and_every_id_is_unique() {
    for (name, html) in all() {
        let tags = tags(&html);
        let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        for (n, id) in ids.iter().enumerate() {
            assert!(!ids[..n].contains(id), "{name}: {id} twice");
        }
        for tag in &tags {
            for place in ["for", "aria-labelledby", "aria-describedby"] {
                let Some(target) = attribute(tag, place) else {
                    continue;
                };
                assert!(ids.contains(&target), "{name}: {place}={target}");
            }
            let fragment = attribute(tag, "href").and_then(|href| href.strip_prefix('#'));
            // A promise that nobody made has no evidence to lead to.
            if let Some(id) = fragment.filter(|id| *id != "claim-8") {
                assert!(ids.contains(&id), "{name}: #{id}");
            }
            if tag.starts_with("input") && attribute(tag, "type") != Some("hidden") {
                let label = format!("label for=\"{}\"", attribute(tag, "id").expect("an id"));
                assert!(tags.contains(&label.as_str()), "{name}: {tag}");
            }
        }
    }
}

#[test]
fn headings_begin_with_one_and_skip_none() {
    for (name, html) in all() {
        let mut last = 0;
        let mut firsts = 0;
        for tag in tags(&html) {
            let word = tag.split([' ', '\n']).next().unwrap();
            let Some(level) = word.strip_prefix('h').and_then(|n| n.parse::<u8>().ok()) else {
                continue;
            };
            firsts += u8::from(level == 1);
            assert!(level <= last + 1, "{name}: h{level} after h{last}");
            last = level;
        }
        assert_eq!(firsts, 1, "{name}");
    }
}

#[test]
fn the_language_and_its_direction_are_said() {
    for (name, html) in all() {
        let right = name.contains("arabic")
            || matches!(
                &*name,
                "sign-in-refused"
                    | "api-keys-none"
                    | "step-refused"
                    | "account-done"
                    | "people"
                    | "invitation"
            );
        let expected = match name.as_str() {
            _ if right => "html lang=\"ar\" dir=\"rtl\"",
            "trust-indonesian" | "api-keys-refused" | "step-enrol" | "role-edit-refused"
            | "holder-confirms" => "html lang=\"id\" dir=\"ltr\"",
            _ => "html lang=\"en\" dir=\"ltr\"",
        };
        assert!(tags(&html).contains(&expected), "{name}");
    }
}

#[test]
fn what_fails_comes_first_and_what_is_lost_is_unknown() {
    let (page, report) = sample::english();
    let html = TrustPage::new(&page, &report, &[], false, &[]).render().unwrap();
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("#claim-1\">Customer rows") < place("#claim-5\">We rehearse"));
    assert!(place("#claim-5\">We rehearse") < place("#claim-3\">Backups run"));
    assert!(place("What does not stand") < place("Where your data lives"));

    // Without a report, nothing of the page is proven and nothing of it is hidden.
    let mut empty = report.clone();
    empty.claims.clear();
    let html = TrustPage::new(&page, &empty, &[], false, &[]).render().unwrap();
    assert_eq!(html.matches("class=\"claim unknown\"").count(), page.pledges.len());
    assert!(!html.contains("class=\"claim proven\""));

    // Nor is anything proven by an entry about another promise.
    let mut shifted = report;
    shifted.claims.rotate_left(1);
    let html = TrustPage::new(&page, &shifted, &[], false, &[]).render().unwrap();
    assert_eq!(html.matches("class=\"claim unknown\"").count(), page.pledges.len());
}

/// Where the reason is always put the same way, no reader is left with English; where the control
/// gives it in its own words, these are shown and marked as English.
#[test]
fn fixed_reasons_speak_the_language_of_the_page() {
    let mut said = BTreeSet::new();
    for (page, mut report) in [sample::english(), sample::indonesian(), sample::arabic()] {
        "in the control's words".clone_into(&mut report.claims[0].detail);
        for reason in ["not-built", "not-attested", "not-run", "no-bite"] {
            report.claims[0].reason = reason;
            let html = TrustPage::new(&page, &report, &[], false, &[]).render().unwrap();
            assert!(!html.contains("in the control&#39;s words"), "{reason}");
            let text = Words::of(page.language).say(&format!("reason-{reason}"));
            assert!(html.contains(&format!("<span>{text}</span>")), "{text}");
            assert!(said.insert(text), "{reason} twice");
        }
        report.claims[0].reason = "broken";
        let html = TrustPage::new(&page, &report, &[], false, &[]).render().unwrap();
        let marked = Words::of(page.language).english();
        assert!(html.contains(&format!("<span{marked}>in the control&#39;s words</span>")));
    }
}

#[test]
fn the_cause_of_an_error_is_not_shown() {
    for (name, html) in all() {
        assert!(!html.contains("a secret cause"), "{name}");
    }
}
