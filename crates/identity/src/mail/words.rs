//! What the letters say, in three languages. In a text, `{name}`, `{tenant}`, `{detail}`, `{when}`,
//! `{link}` and `{site}` stand for what the letter is about.

mod arabic;

use kernel::Notice;

use arabic::arabic;

/// The languages of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Indonesian.
    Indonesian,
    /// Arabic.
    Arabic,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Indonesian, Self::Arabic];

    /// Its tag, as the database writes it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
            Self::Arabic => "ar",
        }
    }

    /// The language of `tag`; English for one that is not known.
    pub fn of(tag: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.tag() == tag).unwrap_or_default()
    }
}

/// Which letter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A link that sets a new password.
    Reset,
    /// A link that sets the first password of an account that a directory made.
    Provisioned,
    /// A link that makes an account.
    Invited,
    /// An invitation of somebody who has an account already.
    InvitedAgain,
    /// Something has happened to an account.
    Notice(Notice),
}

impl Kind {
    /// Its name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Provisioned => "provisioned",
            Self::Invited => "invited",
            Self::InvitedAgain => "invited-again",
            Self::Notice(notice) => notice.name(),
        }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let own = [Self::Reset, Self::Provisioned, Self::Invited, Self::InvitedAgain].into_iter();
        let notices = Notice::ALL.into_iter().map(Self::Notice);
        own.chain(notices).find(|kind| kind.name() == name)
    }
}

/// What a letter is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) when: &'a str,
    pub(crate) link: &'a str,
    pub(crate) site: &'a str,
}

/// The subject and the text of a letter. What people call themselves, their tenant and their things is
/// made [`plain`]; only our own addresses are links.
pub(crate) fn say(kind: Kind, language: Language, facts: &Facts<'_>) -> (String, String) {
    let (subject, body) = pattern(kind, language);
    let (name, tenant) = (plain(facts.name), plain(facts.tenant));
    let detail = match kind {
        // It is checked to be an address, and nothing else.
        Kind::Notice(Notice::AddressChanged) => facts.detail.to_owned(),
        _ => plain(facts.detail),
    };
    let facts = &Facts { name: &name, tenant: &tenant, detail: &detail, ..*facts };
    let body = match kind {
        Kind::Notice(_) => format!("{body}\n\n{}", doubt(language)),
        _ => body.to_owned(),
    };
    (fill(subject, facts), fill(&body, facts))
}

/// A name that no program takes for an address, and that stays on its line: what holds an address
/// together is replaced, so that nobody can have us send people to a page of theirs.
fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut letters = kernel::shown(name).chars().collect::<Vec<_>>().into_iter().peekable();
    while let Some(c) = letters.next() {
        text.push(match c {
            '\u{2028}' | '\u{2029}' | ':' | '/' | '@' | '<' | '>' | '\u{ff0f}' | '\u{ff1a}'
            | '\u{2044}' => ' ',
            '.' | '\u{3002}' | '\u{ff0e}'
                if letters.peek().is_some_and(|next| !next.is_whitespace()) =>
            {
                '·'
            }
            other => other,
        });
    }
    text
}

/// Puts the facts into the places of `pattern`, once: a name like `{link}` stays a name.
fn fill(pattern: &str, facts: &Facts<'_>) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        text.push_str(match place {
            "name" => facts.name,
            "tenant" => facts.tenant,
            "detail" => facts.detail,
            "when" => facts.when,
            "link" => facts.link,
            "site" => facts.site,
            _ => "",
        });
        rest = after;
    }
    text.push_str(rest);
    text
}

const fn doubt(language: Language) -> &'static str {
    match language {
        Language::English => {
            "It was at {when} (UTC). If this was not you, set a new password at {site}/_amanah/reset, \
             which ends everything that is open in your name, and tell your administrator.\n"
        }
        Language::Indonesian => {
            "Waktunya {when} (UTC). Jika ini bukan Anda, buat kata sandi baru di \
             {site}/_amanah/reset, yang mengakhiri semua sesi atas nama Anda, dan beri tahu \
             administrator Anda.\n"
        }
        Language::Arabic => {
            "كان ذلك في {when} (بالتوقيت العالمي). إن لم تكن أنت من فعل ذلك فعيّن كلمة مرور جديدة في \
             {site}/_amanah/reset، فتنتهي كل الجلسات المفتوحة باسمك، وأخبر مسؤول النظام لديك.\n"
        }
    }
}

/// A subject and a text.
type Words = (&'static str, &'static str);

fn pattern(kind: Kind, language: Language) -> Words {
    match language {
        Language::English => english(kind),
        Language::Indonesian => indonesian(kind),
        Language::Arabic => arabic(kind),
    }
}

const fn english(kind: Kind) -> Words {
    match kind {
        Kind::Reset => (
            "Set a new password",
            "Hello {name},\n\nsomebody asked at {when} (UTC) for a new password of your account. If \
             it was you, open this link within 15 minutes; it works once:\n\n{link}\n\nIf it was \
             not you, there is nothing to do: your password stays as it is.\n",
        ),
        Kind::Provisioned => (
            "Your account",
            "Hello {name},\n\n{tenant} has made an account for you. Open this link within 3 days to choose \
             your password; it works once:\n\n{link}\n\nIf that time is over, ask for a new password at \
             {site}/_amanah/reset. If you do not know what this is about, there is nothing to do.\n",
        ),
        Kind::Invited => (
            "You are invited",
            "Hello,\n\n{name} invites you to {tenant}. Open this link within 3 days to choose your \
             name and password; it works once:\n\n{link}\n\nIf you do not know what this is about, \
             there is nothing to do: no account was made.\n",
        ),
        Kind::InvitedAgain => (
            "You are invited",
            "Hello,\n\n{name} invites you to {tenant}, but you have an account already, and an \
             account belongs to one tenant. Sign in at {site}/_amanah/sign-in, or answer {name}.\n",
        ),
        Kind::Notice(notice) => english_sign_in(notice),
    }
}

const fn english_sign_in(notice: Notice) -> Words {
    match notice {
        Notice::PasswordChanged => (
            "Your password was changed",
            "Hello {name},\n\nthe password of your account was changed. All other sessions \
             were ended.",
        ),
        Notice::PasswordReset => (
            "Your password was set anew",
            "Hello {name},\n\na new password was set with a link that we had sent to this \
             address. All sessions were ended.",
        ),
        Notice::NewBrowser => (
            "A new sign-in",
            "Hello {name},\n\nsomebody signed in to your account with a browser that we do not \
             know: {detail}.",
        ),
        Notice::AppAdded => (
            "An authenticator app was added",
            "Hello {name},\n\nan authenticator app was added to your account. Everything else that \
             was open in your name was ended.",
        ),
        Notice::AppRemoved => (
            "The authenticator app was removed",
            "Hello {name},\n\nthe authenticator app was removed from your account.",
        ),
        Notice::PasskeyAdded => (
            "A passkey was added",
            "Hello {name},\n\nthis passkey or security key was added to your account: {detail}.",
        ),
        Notice::PasskeyRemoved => (
            "A passkey was removed",
            "Hello {name},\n\nthis passkey or security key was removed from your account: \
             {detail}.",
        ),
        Notice::FactorsRemoved => (
            "Your second factors were removed",
            "Hello {name},\n\nall second factors of your account, with its recovery codes, were \
             removed by whoever runs this site, and everything that was open in your name was \
             ended. Until you set one up again, your password alone opens what your roles allow: \
             sign in soon, and set one up at {site}/_amanah/account/security.",
        ),
        Notice::CodesRenewed => (
            "New recovery codes",
            "Hello {name},\n\nnew recovery codes were made for your account. The old ones are \
             void.",
        ),
        Notice::CodeUsed => (
            "A recovery code was used",
            "Hello {name},\n\na recovery code of your account was used. So many are left: \
             {detail}. New ones are made at {site}/_amanah/account/security.",
        ),
        other => english_rights(other),
    }
}

const fn english_rights(notice: Notice) -> Words {
    match notice {
        Notice::KeyMade => (
            "An API key was made",
            "Hello {name},\n\nan API key was made in your name, called {detail}. Keys are listed \
             and ended at {site}/_amanah/account/keys.",
        ),
        Notice::TokensReused => (
            "A program was signed out",
            "Hello {name},\n\na token that a program of yours had used came back a second time. \
             Somebody may have a copy, so that all tokens of that sign-in were ended.",
        ),
        Notice::AddressChanged => (
            "Your address was changed",
            "Hello {name},\n\nthe e-mail address of your account was changed to {detail}.",
        ),
        Notice::RolesGranted => {
            ("You were given a role", "Hello {name},\n\nyou were given this role: {detail}.")
        }
        Notice::RolesTaken => (
            "A role was taken from you",
            "Hello {name},\n\nthis role was taken from you: {detail}.",
        ),
        Notice::RoleLoosened => (
            "A role of yours asks for less",
            "Hello {name},\n\nthis role of yours asks for less proof of who you are than before, or \
             lets sessions last longer: {detail}.",
        ),
        Notice::SupportApproved => (
            "Support was let in",
            "Hello {name},\n\nsupport was let in: {detail}. What it does, and its end, are at \
             {site}/_amanah/support.",
        ),
        Notice::SessionsEnded => (
            "Sessions were ended",
            "Hello {name},\n\nsessions of your account were ended: {detail}.",
        ),
        Notice::Closed => (
            "Your account was closed",
            "Hello {name},\n\nyour account was closed, and everything that was open in your \
             name was ended.",
        ),
        // What has words is above; a test looks for some that has none.
        _ => ("", ""),
    }
}

const fn indonesian(kind: Kind) -> Words {
    match kind {
        Kind::Reset => (
            "Buat kata sandi baru",
            "Halo {name},\n\npada {when} (UTC) seseorang meminta kata sandi baru untuk akun Anda. \
             Jika itu Anda, buka tautan ini dalam 15 menit; tautan ini berlaku satu kali:\n\n{link}\
             \n\nJika bukan Anda, tidak perlu melakukan apa pun: kata sandi Anda tetap sama.\n",
        ),
        Kind::Provisioned => (
            "Akun Anda",
            "Halo {name},\n\n{tenant} membuat akun untuk Anda. Buka tautan ini dalam 3 hari untuk memilih \
             kata sandi Anda; tautan ini berlaku satu kali:\n\n{link}\n\nJika waktunya sudah lewat, \
             mintalah kata sandi baru di {site}/_amanah/reset. Jika Anda tidak tahu apa maksudnya, tidak \
             perlu melakukan apa pun.\n",
        ),
        Kind::Invited => (
            "Anda diundang",
            "Halo,\n\n{name} mengundang Anda ke {tenant}. Buka tautan ini dalam 3 hari untuk memilih \
             nama dan kata sandi; tautan ini berlaku satu kali:\n\n{link}\n\nJika Anda tidak tahu \
             apa maksudnya, tidak perlu melakukan apa pun: tidak ada akun yang dibuat.\n",
        ),
        Kind::InvitedAgain => (
            "Anda diundang",
            "Halo,\n\n{name} mengundang Anda ke {tenant}, tetapi Anda sudah punya akun, dan satu \
             akun milik satu penyewa. Masuklah di {site}/_amanah/sign-in, atau jawab {name}.\n",
        ),
        Kind::Notice(notice) => indonesian_sign_in(notice),
    }
}

const fn indonesian_sign_in(notice: Notice) -> Words {
    match notice {
        Notice::PasswordChanged => (
            "Kata sandi Anda diganti",
            "Halo {name},\n\nkata sandi akun Anda diganti. Semua sesi lain diakhiri.",
        ),
        Notice::PasswordReset => (
            "Kata sandi Anda dibuat baru",
            "Halo {name},\n\nkata sandi baru dibuat dengan tautan yang kami kirim ke alamat \
             ini. Semua sesi diakhiri.",
        ),
        Notice::NewBrowser => (
            "Masuk dari peramban baru",
            "Halo {name},\n\nseseorang masuk ke akun Anda dengan peramban yang tidak kami \
             kenal: {detail}.",
        ),
        Notice::AppAdded => (
            "Aplikasi autentikator ditambahkan",
            "Halo {name},\n\naplikasi autentikator ditambahkan pada akun Anda. Semua yang lain \
             yang terbuka atas nama Anda diakhiri.",
        ),
        Notice::AppRemoved => (
            "Aplikasi autentikator dihapus",
            "Halo {name},\n\naplikasi autentikator dihapus dari akun Anda.",
        ),
        Notice::PasskeyAdded => (
            "Kunci sandi ditambahkan",
            "Halo {name},\n\nkunci sandi atau kunci keamanan ini ditambahkan pada akun Anda: \
             {detail}.",
        ),
        Notice::PasskeyRemoved => (
            "Kunci sandi dihapus",
            "Halo {name},\n\nkunci sandi atau kunci keamanan ini dihapus dari akun Anda: \
             {detail}.",
        ),
        Notice::FactorsRemoved => (
            "Faktor kedua Anda dihapus",
            "Halo {name},\n\nsemua faktor kedua akun Anda, beserta kode pemulihannya, dihapus oleh \
             pengelola situs ini, dan semua yang terbuka atas nama Anda diakhiri. Sebelum Anda \
             memasangnya lagi, kata sandi saja sudah membuka apa yang diizinkan peran Anda: segera \
             masuk, dan pasang lagi di {site}/_amanah/account/security.",
        ),
        Notice::CodesRenewed => (
            "Kode pemulihan baru",
            "Halo {name},\n\nkode pemulihan baru dibuat untuk akun Anda. Yang lama tidak berlaku \
             lagi.",
        ),
        Notice::CodeUsed => (
            "Kode pemulihan dipakai",
            "Halo {name},\n\nsatu kode pemulihan akun Anda dipakai. Sisanya: {detail}. Yang baru \
             dibuat di {site}/_amanah/account/security.",
        ),
        other => indonesian_rights(other),
    }
}

const fn indonesian_rights(notice: Notice) -> Words {
    match notice {
        Notice::KeyMade => (
            "Kunci API dibuat",
            "Halo {name},\n\nsebuah kunci API dibuat atas nama Anda, bernama {detail}. Kunci \
             didaftar dan diakhiri di {site}/_amanah/account/keys.",
        ),
        Notice::TokensReused => (
            "Sebuah program dikeluarkan",
            "Halo {name},\n\ntoken yang sudah dipakai program Anda datang lagi untuk kedua \
             kalinya. Mungkin seseorang punya salinannya, maka semua token dari sesi masuk itu \
             diakhiri.",
        ),
        Notice::AddressChanged => (
            "Alamat Anda diganti",
            "Halo {name},\n\nalamat surel akun Anda diganti menjadi {detail}.",
        ),
        Notice::RolesGranted => {
            ("Anda diberi peran", "Halo {name},\n\nAnda diberi peran ini: {detail}.")
        }
        Notice::RolesTaken => {
            ("Peran Anda dicabut", "Halo {name},\n\nperan ini dicabut dari Anda: {detail}.")
        }
        Notice::RoleLoosened => (
            "Peran Anda meminta lebih sedikit",
            "Halo {name},\n\nperan Anda ini meminta bukti diri yang lebih lemah daripada sebelumnya, \
             atau membiarkan sesi berlangsung lebih lama: {detail}.",
        ),
        Notice::SupportApproved => (
            "Dukungan diizinkan masuk",
            "Halo {name},\n\ndukungan diizinkan masuk: {detail}. Apa yang dilakukannya, dan \
             akhirnya, ada di {site}/_amanah/support.",
        ),
        Notice::SessionsEnded => {
            ("Sesi diakhiri", "Halo {name},\n\nsesi akun Anda diakhiri: {detail}.")
        }
        Notice::Closed => (
            "Akun Anda ditutup",
            "Halo {name},\n\nakun Anda ditutup, dan semua yang terbuka atas nama Anda diakhiri.",
        ),
        // What has words is above; a test looks for some that has none.
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests;
