//! A sample of everything that a page can be handed, for the golden files and the screenshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use claims::{BiteReport, Block, ClaimReport, Inline, Language, Page, Pledge, Report};
use identity::{Ceremony, Factors, Has, NewApp, PasskeyCard};
use jiff::{Span, Timestamp};
use kernel::{
    Actor, Door, Finding, Identity, Params, Population, Secret, Standing, Strength, TenantId,
    Verdict, catalogue,
};

use crate::{ApiKey, Error, KeyRack, LogHead, Service, Witnessed};

/// The moment of every sample.
pub(crate) fn now() -> Timestamp {
    "2026-03-14T09:26:53Z".parse().unwrap()
}

/// A page in English with a promise of every verdict.
pub(crate) fn english() -> (Arc<Page>, Report) {
    let title = "Security at Example";
    let mut page = Draft::new("example", title, Language::English, Language::English);
    page.heading(1, "Where your data lives");
    page.paragraph(
        "Example keeps the prices and margins of wholesalers. This page says how, and \
        shows whether it is so.",
    );
    page.list(&[
        (
            "Customer rows are separated by ",
            "row-level security in the database",
            ".",
            "isolation.rows",
            &[],
        ),
        ("Traffic is encrypted with ", "TLS 1.3 or later", ".", "transit.tls", &[("min", "1.3")]),
        (
            "Backups run ",
            "every 24 hours and are kept for 30 days",
            ".",
            "backup.daily",
            &[("every", "24h"), ("keep", "30d")],
        ),
    ]);
    page.heading(2, "People");
    page.list(&[
        ("Engineers sign ", "a confidentiality agreement", ".", "people.nda", &[]),
        (
            "We rehearse a disaster ",
            "every 90 days",
            ", from the backups alone.",
            "backup.drill",
            &[("every", "90d")],
        ),
    ]);
    page.context("We are a team of nine in two countries. This sentence promises nothing.");
    page.heading(1, "Reading on");
    page.blocks.push(Block::Paragraph(vec![
        text("The rules are in "),
        Inline::Link("https://example.com/policy".to_owned(), vec![text("our policy")]),
        text("; write to "),
        Inline::Link(
            "mailto:security@example.com".to_owned(),
            vec![Inline::Code("security@example.com".to_owned())],
        ),
        text(". "),
        Inline::Strong(vec![text("Nothing here is hidden")]),
        text(", "),
        Inline::Emphasis(vec![text("least of all what fails")]),
        text("."),
    ]));
    let page = page.page();
    let claims = vec![
        failing(&page, 0),
        proven(&page, 1),
        stale(&page, 2),
        attested(&page, 3),
        not_built(&page, 4),
    ];
    finish(page, claims)
}

/// The same house when all is well, in Indonesian.
pub(crate) fn indonesian() -> (Arc<Page>, Report) {
    let title = "Keamanan di Contoh";
    let mut page = Draft::new("contoh", title, Language::Indonesian, Language::Indonesian);
    page.heading(1, "Data Anda");
    page.list(&[
        (
            "Baris pelanggan dipisahkan dengan ",
            "keamanan tingkat baris di basis data",
            ".",
            "isolation.rows",
            &[],
        ),
        ("Setiap insinyur menandatangani ", "perjanjian kerahasiaan", ".", "people.nda", &[]),
    ]);
    let page = page.page();
    let claims = vec![proven(&page, 0), attested(&page, 1)];
    finish(page, claims)
}

/// A page in Arabic whose bite did not bite.
pub(crate) fn arabic() -> (Arc<Page>, Report) {
    let mut page = Draft::new("mithal", "الأمان في مثال", Language::Arabic, Language::Arabic);
    page.heading(1, "بياناتك");
    page.paragraph("تحفظ «مثال» أسعار عملائها وهوامش أرباحهم، وتبيّن هذه الصفحة كيف.");
    page.list(&[
        (
            "تُفصل صفوف العملاء عن طريق ",
            "أمان على مستوى الصف في قاعدة البيانات",
            ".",
            "isolation.rows",
            &[],
        ),
        ("تُشفّر الاتصالات ببروتوكول ", "TLS 1.3 أو أحدث", ".", "transit.tls", &[("min", "1.3")]),
        ("يوقّع المهندسون ", "اتفاقية سرية", ".", "people.nda", &[]),
    ]);
    page.context("نحن فريق من تسعة أشخاص في بلدين.");
    let page = page.page();
    let mut toothless = proven(&page, 1);
    toothless.verdict = Verdict::Unknown;
    toothless.reason = "blunt";
    "its last bite did not bite, so its proofs say nothing".clone_into(&mut toothless.detail);
    toothless.bite = Some(BiteReport {
        made: true,
        bit: false,
        at: ago(90),
        detail: "TLS 1.0 was enabled on a scratch listener and was not noticed".to_owned(),
    });
    let claims = vec![failing(&page, 0), toothless, attested(&page, 2)];
    finish(page, claims)
}

/// A page whose every text tries to be markup.
pub(crate) fn hostile() -> (Arc<Page>, Report) {
    let evil = EVIL;
    let mut page = Draft::new(EVIL, evil, Language::English, Language::Arabic);
    page.heading(4, evil);
    page.list(&[(evil, evil, evil, "isolation.rows", &[]), ("a", "b", "c", "people.nda", &[])]);
    page.context(evil);
    let target = "javascript:alert(1)".to_owned();
    page.blocks.push(Block::Paragraph(vec![
        Inline::Link(target, vec![text(evil)]),
        Inline::Link("https://example.com/\"onclick=alert(1)".to_owned(), vec![text("x")]),
        Inline::Code(evil.to_owned()),
        Inline::Promise(7, vec![text("a promise that nobody made")]),
    ]));
    let page = page.page();
    let mut claim = failing(&page, 0);
    claim.detail = evil.to_owned();
    claim.measured = evil.to_owned();
    claim.threshold = evil.to_owned();
    claim.attack = evil.to_owned();
    claim.not_covered = vec![evil.to_owned()];
    claim.population = Some(Population::new(1, 2, evil));
    claim.findings = (0..60).map(|_| Finding::new(evil, evil).fix(evil)).collect();
    claim.params = BTreeMap::from([(evil.to_owned(), evil.to_owned())]);
    claim.bite = Some(BiteReport { made: true, bit: true, at: ago(1), detail: evil.to_owned() });
    // The second promise has no entry, as when the page was changed while it was read.
    finish(page, vec![claim])
}

/// A log that witnesses keep, one that nobody does, and one whose names try to be markup.
pub(crate) fn logs() -> Vec<LogHead> {
    let witness = |by: &str, size, minutes| Witnessed { by: by.to_owned(), size, at: ago(minutes) };
    let log = |id: &str, size, witnesses| LogHead {
        id: id.to_owned(),
        size,
        signed: Some(now()),
        witnesses,
    };
    let known = vec![witness("witness.example/w1", 1_234, 0), witness(EVIL, 11, 9)];
    vec![log("0123456789abcdef", 1_234, known), log(EVIL, 1, Vec::new())]
}

/// What the hostile page says everywhere.
pub(crate) const EVIL: &str = "<script>alert('1')</script><b onclick=\"x\" style='y'>&amp;";

/// One of every error, so that none goes without its page.
pub(crate) fn errors() -> Vec<Error> {
    let all = vec![
        Error::NotFound,
        Error::Method,
        Error::Moment("yesterday".to_owned()),
        Error::BadRequest,
        Error::Forged,
        Error::Over,
        Error::TooLarge,
        Error::Internal("a secret cause".to_owned()),
        Error::Unavailable("a secret cause".to_owned()),
    ];
    // A new error does not compile until it is named here: add it above too.
    for error in &all {
        match error {
            Error::NotFound
            | Error::Method
            | Error::Moment(_)
            | Error::BadRequest
            | Error::Over
            | Error::Forged
            | Error::TooLarge
            | Error::Internal(_)
            | Error::Unavailable(_) => {}
        }
    }
    all
}

/// Somebody who is signed in.
pub(crate) fn identity() -> Arc<Identity> {
    Arc::new(Identity {
        account: "00000000-0000-4000-8000-000000000001".to_owned(),
        actor: Actor::new("sari@toko.example").unwrap(),
        name: "Sari".to_owned(),
        tenant: TenantId::new("toko-sari").unwrap(),
        standing: Standing { roles: vec!["approver".to_owned()], ..Standing::default() },
        strength: Strength::One,
        authenticated_at: now(),
        session: "00000000-0000-4000-8000-000000000002".to_owned(),
        door: Door::Browser,
    })
}

/// A page that is being written.
struct Draft {
    page: Page,
    blocks: Vec<Block>,
}

type Line<'a> = (&'a str, &'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

impl Draft {
    fn new(name: &str, title: &str, language: Language, title_language: Language) -> Self {
        let page = Page {
            name: name.to_owned(),
            title: title.to_owned(),
            language,
            title_language,
            blocks: Vec::new(),
            pledges: Vec::new(),
        };
        Self { page, blocks: Vec::new() }
    }

    fn heading(&mut self, level: u8, words: &str) {
        self.blocks.push(Block::Heading(level, vec![text(words)]));
    }

    fn paragraph(&mut self, words: &str) {
        self.blocks.push(Block::Paragraph(vec![text(words)]));
    }

    fn context(&mut self, words: &str) {
        self.blocks.push(Block::Context(vec![Block::Paragraph(vec![text(words)])]));
    }

    /// Items of: words before, the promise, words after, the claim and its parameters.
    fn list(&mut self, lines: &[Line<'_>]) {
        let mut items = Vec::new();
        for (before, words, after, id, params) in lines {
            let promise = catalogue::find(id).unwrap();
            let index = self.page.pledges.len();
            self.page.pledges.push(Pledge {
                promise,
                params: Params::check(promise, params.iter().copied()).unwrap(),
                sentence: format!("{before}{words}{after}"),
                digest: "0".repeat(64),
                line: index + 5,
            });
            let promise = Inline::Promise(index, vec![text(words)]);
            items.push(vec![Block::Paragraph(vec![text(before), promise, text(after)])]);
        }
        self.blocks.push(Block::List(items));
    }

    fn page(mut self) -> Page {
        self.page.blocks = self.blocks;
        self.page
    }
}

fn finish(page: Page, claims: Vec<ClaimReport>) -> (Arc<Page>, Report) {
    let report = Report {
        page: page.name.clone(),
        title: page.title.clone(),
        language: page.language,
        at: now(),
        verdict: Verdict::worst(claims.iter().map(|claim| claim.verdict)),
        claims,
    };
    (Arc::new(page), report)
}

fn text(words: &str) -> Inline {
    Inline::Text(words.to_owned())
}

fn ago(minutes: i64) -> Timestamp {
    now() - Span::new().minutes(minutes)
}

fn claim(page: &Page, index: usize, verdict: Verdict) -> ClaimReport {
    let pledge = &page.pledges[index];
    let params = pledge.params.iter().map(|(n, t)| (n.to_owned(), t.to_owned()));
    ClaimReport {
        id: pledge.promise.id.to_owned(),
        params: params.collect(),
        sentence: pledge.sentence.clone(),
        verdict,
        population: None,
        measured: String::new(),
        threshold: String::new(),
        observed_at: None,
        received_at: None,
        since: None,
        bite: None,
        reason: "holds",
        detail: String::new(),
        findings: Vec::new(),
        attack: String::new(),
        not_covered: Vec::new(),
    }
}

fn failing(page: &Page, index: usize) -> ClaimReport {
    ClaimReport {
        population: Some(Population::new(12, 12, "tables with tenant rows")),
        measured: "2 of 348 attacks got through".to_owned(),
        threshold: "0 attacks".to_owned(),
        observed_at: Some(ago(4)),
        received_at: Some(ago(3)),
        since: Some(ago(34)),
        bite: Some(BiteReport {
            made: true,
            bit: true,
            at: ago(600),
            detail: "a table without row-level security was planted and was found".to_owned(),
        }),
        reason: "broken",
        detail: "public.margins: a row of the other canary was read; public.price_list: a row of \
            the other canary was read through a view"
            .to_owned(),
        findings: vec![
            Finding::new("public.margins", "a row of the other canary was read")
                .fix("ALTER TABLE public.margins FORCE ROW LEVEL SECURITY"),
            Finding::new("public.price_list", "a row of the other canary was read through a view"),
        ],
        attack: "One synthetic tenant, holding a valid binding, tries to read and write the rows \
            of another in every table, view and function it can reach."
            .to_owned(),
        not_covered: vec![
            "Timing of queries over shared indexes.".to_owned(),
            "Whoever holds the database owner's password.".to_owned(),
        ],
        ..claim(page, index, Verdict::Failing)
    }
}

fn proven(page: &Page, index: usize) -> ClaimReport {
    ClaimReport {
        population: Some(Population::new(14, 14, "handshakes")),
        measured: "TLS 1.3 alone was accepted".to_owned(),
        threshold: "no older than TLS 1.3".to_owned(),
        observed_at: Some(ago(11)),
        received_at: Some(ago(11)),
        since: Some(ago(60 * 24 * 41)),
        bite: Some(BiteReport {
            made: true,
            bit: true,
            at: ago(61),
            detail: "TLS 1.2 was enabled on a scratch listener and was found".to_owned(),
        }),
        attack: "Real handshakes with every older protocol and every weak suite.".to_owned(),
        not_covered: vec!["Connections that do not pass the gateway.".to_owned()],
        ..claim(page, index, Verdict::Proven)
    }
}

fn stale(page: &Page, index: usize) -> ClaimReport {
    ClaimReport {
        population: Some(Population::new(30, 30, "days")),
        measured: "the newest is 23 h old".to_owned(),
        threshold: "24 h".to_owned(),
        observed_at: Some(ago(60 * 75)),
        received_at: Some(ago(60 * 74)),
        since: Some(ago(60 * 26)),
        reason: "old",
        detail: "last proven 3 days ago; it counts for 2 days".to_owned(),
        attack: "Reads the repository and compares age and count with the schedule.".to_owned(),
        ..claim(page, index, Verdict::Stale)
    }
}

fn attested(page: &Page, index: usize) -> ClaimReport {
    ClaimReport {
        population: Some(Population::new(9, 9, "people")),
        measured: "signed by all, until 2026-12-31".to_owned(),
        threshold: "every person".to_owned(),
        observed_at: Some(ago(60 * 24 * 70)),
        received_at: Some(ago(60 * 24 * 69)),
        since: Some(ago(60 * 24 * 69)),
        ..claim(page, index, Verdict::Attested)
    }
}

fn not_built(page: &Page, index: usize) -> ClaimReport {
    ClaimReport {
        reason: "not-built",
        detail: "not built: no control proves this yet".to_owned(),
        ..claim(page, index, Verdict::Unknown)
    }
}

/// Keys in every state, and a service with a hostile name.
pub(crate) fn rack() -> KeyRack {
    let day = |day: i64| now() + Span::new().hours(24 * day);
    let key = |id: &str, name: &str| ApiKey {
        id: id.to_owned(),
        name: name.to_owned(),
        service: None,
        scopes: vec!["people.read".to_owned()],
        created_at: day(-3),
        expires_at: day(30),
        last_used_at: None,
        revoked: false,
    };
    KeyRack {
        keys: vec![
            ApiKey { last_used_at: Some(day(-1)), ..key("ab12cd34", "nightly export") },
            ApiKey { service: Some(EVIL.to_owned()), ..key("bb12cd34", EVIL) },
            ApiKey { expires_at: day(-1), scopes: Vec::new(), ..key("cb12cd34", "old") },
            ApiKey { revoked: true, ..key("db12cd34", "lost") },
        ],
        services: vec![Service {
            account: "00000000-0000-4000-8000-000000000003".to_owned(),
            name: EVIL.to_owned(),
            owner: "sari@toko.example".to_owned(),
        }],
        makes_services: true,
        permits: vec!["people.read".to_owned(), "people.keys".to_owned()],
    }
}

/// A new app.
pub(crate) fn app() -> NewApp {
    let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let uri = format!("otpauth://totp/Amanah:sari%40toko.example?secret={text}&issuer=Amanah");
    NewApp { uri: Secret::new(uri), text: Secret::new(text.to_owned()) }
}

/// Recovery codes.
pub(crate) fn codes() -> Vec<Secret> {
    ["0123-4567-89AB-CDEF", "GHJK-MNPQ-RSTV-WXYZ"].map(|code| Secret::new(code.to_owned())).into()
}

/// A ceremony, with a name that wants to be more than a name.
pub(crate) fn ceremony() -> Ceremony {
    Ceremony {
        challenge: vec![7; 32],
        party: "localhost".to_owned(),
        account: "00000000-0000-4000-8000-000000000001".to_owned(),
        email: "sari@toko.example".to_owned(),
        name: EVIL.to_owned(),
        keys: vec![vec![1, 2, 3], vec![255; 16]],
    }
}

/// Second factors, one of which has such a name too.
pub(crate) fn factors() -> Factors {
    let card = |n: u8, name: &str, last_used_at| PasskeyCard {
        id: format!("00000000-0000-4000-8000-00000000000{n}"),
        name: name.to_owned(),
        made_at: Timestamp::UNIX_EPOCH,
        last_used_at,
    };
    Factors {
        has: Has { app: true, codes: 9, passkeys: 2 },
        passkeys: vec![card(1, "Blue", None), card(2, EVIL, Some(Timestamp::UNIX_EPOCH))],
    }
}
