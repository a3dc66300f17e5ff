//! What the letters say in Arabic.

use kernel::Notice;

use super::{Kind, Words};

pub(super) const fn arabic(kind: Kind) -> Words {
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
        Kind::Notice(notice) => arabic_sign_in(notice),
    }
}

const fn arabic_sign_in(notice: Notice) -> Words {
    match notice {
        Notice::PasswordChanged => {
            ("تغيّرت كلمة مرورك", "مرحبًا {name}،\n\nتغيّرت كلمة مرور حسابك، وأُنهيت كل الجلسات الأخرى.")
        }
        Notice::PasswordReset => (
            "عُيّنت كلمة مرور جديدة",
            "مرحبًا {name}،\n\nعُيّنت كلمة مرور جديدة برابط أرسلناه إلى هذا العنوان، وأُنهيت كل \
             الجلسات.",
        ),
        Notice::NewBrowser => (
            "تسجيل دخول جديد",
            "مرحبًا {name}،\n\nسجّل أحدهم الدخول إلى حسابك بمتصفح لا نعرفه: {detail}.",
        ),
        Notice::AppAdded => (
            "أضيف تطبيق مصادقة",
            "مرحبًا {name}،\n\nأضيف تطبيق مصادقة إلى حسابك، وأُنهي كل ما عداه مما كان مفتوحًا باسمك.",
        ),
        Notice::AppRemoved => {
            ("أزيل تطبيق المصادقة", "مرحبًا {name}،\n\nأزيل تطبيق المصادقة من حسابك.")
        }
        Notice::PasskeyAdded => (
            "أضيف مفتاح مرور",
            "مرحبًا {name}،\n\nأضيف مفتاح المرور أو مفتاح الأمان هذا إلى حسابك: {detail}.",
        ),
        Notice::PasskeyRemoved => (
            "أزيل مفتاح مرور",
            "مرحبًا {name}،\n\nأزيل مفتاح المرور أو مفتاح الأمان هذا من حسابك: {detail}.",
        ),
        Notice::FactorsRemoved => (
            "أزيلت وسائل التحقق الإضافية",
            "مرحبًا {name}،\n\nأزال القائمون على هذا الموقع كل وسائل التحقق الإضافية من حسابك مع رموز \
             الاسترداد، وأُنهي كل ما كان مفتوحًا باسمك. وإلى أن تُعِدّ وسيلة جديدة تكفي كلمة المرور وحدها \
             لفتح ما تسمح به أدوارك: فسجّل الدخول قريبًا، وأعِدّها في {site}/_amanah/account/security.",
        ),
        Notice::CodesRenewed => (
            "رموز استرداد جديدة",
            "مرحبًا {name}،\n\nأُنشئت رموز استرداد جديدة لحسابك، وبطلت الرموز القديمة.",
        ),
        Notice::CodeUsed => (
            "استُعمل رمز استرداد",
            "مرحبًا {name}،\n\nاستُعمل رمز استرداد لحسابك. الباقي منها: {detail}. تُنشأ رموز جديدة في \
             {site}/_amanah/account/security.",
        ),
        other => arabic_rights(other),
    }
}

const fn arabic_rights(notice: Notice) -> Words {
    match notice {
        Notice::KeyMade => (
            "أُنشئ مفتاح برمجي",
            "مرحبًا {name}،\n\nأُنشئ باسمك مفتاح للبرامج (API) اسمه {detail}. تُعرض المفاتيح وتُنهى في \
             {site}/_amanah/account/keys.",
        ),
        Notice::TokensReused => (
            "أُخرج برنامج",
            "مرحبًا {name}،\n\nعاد رمز سبق أن استعمله برنامج لك مرة ثانية. قد تكون لدى أحدهم نسخة منه، \
             ولذلك أُنهيت كل رموز ذلك الدخول.",
        ),
        Notice::AddressChanged => {
            ("تغيّر عنوانك", "مرحبًا {name}،\n\nتغيّر عنوان البريد لحسابك إلى {detail}.")
        }
        Notice::RolesGranted => ("مُنحت دورًا", "مرحبًا {name}،\n\nمُنحت هذا الدور: {detail}."),
        Notice::RolesTaken => ("سُحب منك دور", "مرحبًا {name}،\n\nسُحب منك هذا الدور: {detail}."),
        Notice::RoleLoosened => (
            "دور لك صار يطلب أقل",
            "مرحبًا {name}،\n\nهذا الدور من أدوارك صار يطلب إثباتًا أضعف لهويتك من قبل، أو يدع الجلسات \
             تدوم أطول: {detail}.",
        ),
        Notice::SupportApproved => (
            "سُمح بدخول الدعم",
            "مرحبًا {name}،\n\nسُمح بدخول الدعم: {detail}. ما يفعله، ونهايته، في \
             {site}/_amanah/support.",
        ),
        Notice::SessionsEnded => ("أُنهيت جلسات", "مرحبًا {name}،\n\nأُنهيت جلسات لحسابك: {detail}."),
        Notice::Closed => {
            ("أُغلق حسابك", "مرحبًا {name}،\n\nأُغلق حسابك، وأُنهي كل ما كان مفتوحًا باسمك.")
        }
        // What has words is above; a test looks for some that has none.
        _ => ("", ""),
    }
}
