//! What the letters say, in three languages. In a text, `{name}`, `{tenant}`, `{detail}`, `{when}`,
//! `{link}` and `{site}` stand for what the letter is about.

use kernel::Notice;

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
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) when: &'a str,
    pub(crate) link: &'a str,
    pub(crate) site: &'a str,
}

/// The subject and the text of a letter.
pub(crate) fn say(kind: Kind, language: Language, facts: &Facts<'_>) -> (String, String) {
    let (subject, body) = pattern(kind, language);
    let body = match kind {
        Kind::Notice(_) => format!("{body}\n\n{}", doubt(language)),
        _ => body.to_owned(),
    };
    (fill(subject, facts), fill(&body, facts))
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

fn pattern(kind: Kind, language: Language) -> (&'static str, &'static str) {
    match language {
        Language::English => english(kind),
        Language::Indonesian => indonesian(kind),
        Language::Arabic => arabic(kind),
    }
}

const fn english(kind: Kind) -> (&'static str, &'static str) {
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
        Kind::Notice(notice) => match notice {
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
            Notice::FactorAdded => (
                "A way to sign in was added",
                "Hello {name},\n\nthis was added to your account: {detail}.",
            ),
            Notice::FactorRemoved => (
                "A way to sign in was removed",
                "Hello {name},\n\nthis was removed from your account: {detail}.",
            ),
            Notice::AddressChanged => (
                "Your address was changed",
                "Hello {name},\n\nthe e-mail address of your account was changed to {detail}.",
            ),
            Notice::RolesGranted => {
                ("What you may do was changed", "Hello {name},\n\nyou were given: {detail}.")
            }
            Notice::SessionsEnded => (
                "Sessions were ended",
                "Hello {name},\n\nsessions of your account were ended: {detail}.",
            ),
            Notice::Closed => (
                "Your account was closed",
                "Hello {name},\n\nyour account was closed, and everything that was open in your \
                 name was ended.",
            ),
        },
    }
}

const fn indonesian(kind: Kind) -> (&'static str, &'static str) {
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
        Kind::Notice(notice) => match notice {
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
            Notice::FactorAdded => (
                "Cara masuk ditambahkan",
                "Halo {name},\n\nini ditambahkan pada akun Anda: {detail}.",
            ),
            Notice::FactorRemoved => {
                ("Cara masuk dihapus", "Halo {name},\n\nini dihapus dari akun Anda: {detail}.")
            }
            Notice::AddressChanged => (
                "Alamat Anda diganti",
                "Halo {name},\n\nalamat surel akun Anda diganti menjadi {detail}.",
            ),
            Notice::RolesGranted => ("Hak Anda diubah", "Halo {name},\n\nAnda diberi: {detail}."),
            Notice::SessionsEnded => {
                ("Sesi diakhiri", "Halo {name},\n\nsesi akun Anda diakhiri: {detail}.")
            }
            Notice::Closed => (
                "Akun Anda ditutup",
                "Halo {name},\n\nakun Anda ditutup, dan semua yang terbuka atas nama Anda diakhiri.",
            ),
        },
    }
}

const fn arabic(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Reset => (
            "تعيين كلمة مرور جديدة",
            "مرحبًا {name}،\n\nطلب أحدهم في {when} (بالتوقيت العالمي) كلمة مرور جديدة لحسابك. إن كنت \
             أنت فافتح هذا الرابط خلال 15 دقيقة، وهو يعمل مرة واحدة:\n\n{link}\n\nوإن لم تكن أنت \
             فلا حاجة إلى فعل شيء: تبقى كلمة مرورك كما هي.\n",
        ),
        Kind::Provisioned => (
            "حسابك",
            "مرحبًا {name}،\n\nأنشأت {tenant} حسابًا لك. افتح هذا الرابط خلال 3 أيام لتختار كلمة مرورك، وهو \
             يعمل مرة واحدة:\n\n{link}\n\nوإن انقضت المدة فاطلب كلمة مرور جديدة في {site}/_amanah/reset. \
             وإن كنت لا تعرف ما هذا فلا حاجة إلى فعل شيء.\n",
        ),
        Kind::Invited => (
            "أنت مدعو",
            "مرحبًا،\n\nيدعوك {name} إلى {tenant}. افتح هذا الرابط خلال 3 أيام لتختار اسمك وكلمة \
             مرورك، وهو يعمل مرة واحدة:\n\n{link}\n\nوإن كنت لا تعرف ما هذا فلا حاجة إلى فعل شيء: \
             لم يُنشأ أي حساب.\n",
        ),
        Kind::InvitedAgain => (
            "أنت مدعو",
            "مرحبًا،\n\nيدعوك {name} إلى {tenant}، لكن لديك حسابًا بالفعل، والحساب يتبع مستأجرًا \
             واحدًا. سجّل الدخول في {site}/_amanah/sign-in أو أجب {name}.\n",
        ),
        Kind::Notice(notice) => match notice {
            Notice::PasswordChanged => (
                "تغيّرت كلمة مرورك",
                "مرحبًا {name}،\n\nتغيّرت كلمة مرور حسابك، وأُنهيت كل الجلسات الأخرى.",
            ),
            Notice::PasswordReset => (
                "عُيّنت كلمة مرور جديدة",
                "مرحبًا {name}،\n\nعُيّنت كلمة مرور جديدة برابط أرسلناه إلى هذا العنوان، وأُنهيت كل \
                 الجلسات.",
            ),
            Notice::NewBrowser => (
                "تسجيل دخول جديد",
                "مرحبًا {name}،\n\nسجّل أحدهم الدخول إلى حسابك بمتصفح لا نعرفه: {detail}.",
            ),
            Notice::FactorAdded => {
                ("أضيفت وسيلة للدخول", "مرحبًا {name}،\n\nأضيف هذا إلى حسابك: {detail}.")
            }
            Notice::FactorRemoved => {
                ("أزيلت وسيلة للدخول", "مرحبًا {name}،\n\nأزيل هذا من حسابك: {detail}.")
            }
            Notice::AddressChanged => {
                ("تغيّر عنوانك", "مرحبًا {name}،\n\nتغيّر عنوان البريد لحسابك إلى {detail}.")
            }
            Notice::RolesGranted => ("تغيّر ما يجوز لك", "مرحبًا {name}،\n\nمُنحت: {detail}."),
            Notice::SessionsEnded => {
                ("أُنهيت جلسات", "مرحبًا {name}،\n\nأُنهيت جلسات لحسابك: {detail}.")
            }
            Notice::Closed => {
                ("أُغلق حسابك", "مرحبًا {name}،\n\nأُغلق حسابك، وأُنهي كل ما كان مفتوحًا باسمك.")
            }
        },
    }
}

#[cfg(test)]
mod tests {
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
    fn what_is_put_in_is_not_looked_at_again() {
        let facts = Facts { name: "{link}", link: "https://x/", when: "now", ..Facts::default() };
        let (_, body) = say(Kind::Reset, Language::English, &facts);
        assert!(body.starts_with("Hello {link},"), "{body}");
        assert_eq!(body.matches("https://x/").count(), 1);
        let notice = Kind::Notice(Notice::Closed);
        let (_, body) = say(notice, Language::Arabic, &Facts { when: "T", ..facts });
        assert!(body.contains("T (") && body.contains("/_amanah/reset"), "{body}");
    }
}
