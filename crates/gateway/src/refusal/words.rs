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
            format!("{code}\n\n{}\n\n{request} {request_id}\n", indonesian(refusal))
        }
        // Plain text has no direction of its own: each line is set apart as one from right to left.
        Language::Arabic => format!(
            "{code}\n\n\u{2067}{}\u{2069}\n\n\u{2067}{request} \u{2066}{request_id}\u{2069}\u{2069}\n",
            arabic(refusal)
        ),
    }
}

const SHED_INDONESIAN: &str = "Banyak orang asing meminta di sini saat ini, dan yang sudah masuk \
    didahulukan. Tidak ada yang dilakukan. Tunggu selama yang disebutkan Retry-After, dalam detik, lalu \
    coba lagi.";
const SHED_ARABIC: &str = "يطلب كثير من الغرباء هنا الآن، ويُقدَّم من سجّلوا دخولهم. لم يُنفَّذ شيء. انتظر \
    المدة التي يذكرها Retry-After بالثواني، ثم حاول مرة أخرى.";

const fn indonesian(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_) => {
            "Permintaan ini bukan HTTP yang dapat kami baca, sehingga tidak ada yang dilakukan."
        }
        Refusal::InClear => {
            "Alamat ini hanya melayani HTTPS, dan tidak ada yang dilakukan. Tulis https:// lalu coba \
             lagi. Jika kata sandi atau token dikirim ke sini, orang lain mungkin telah membacanya: \
             gantilah."
        }
        Refusal::SignedOut => "Masuklah terlebih dahulu, lalu coba lagi.",
        Refusal::Undecided => {
            "Saat ini tidak dapat diperiksa siapa yang masuk, sehingga tidak ada yang dilakukan. Anda \
             tidak dikeluarkan. Coba lagi sebentar lagi."
        }
        Refusal::BadToken => {
            "Token ini tidak dikenal, kedaluwarsa, atau dicabut, sehingga tidak ada yang dilakukan. \
             Dapatkan token lain, lalu coba lagi."
        }
        Refusal::TwoCredentials => {
            "Permintaan ini menunjukkan token dan kuki, atau dua token, sehingga tidak ada yang \
             dilakukan. Kirim salah satunya saja."
        }
        Refusal::BrowserOnly => {
            "Halaman ini untuk orang yang masuk dengan peramban, sehingga tidak ada yang dilakukan."
        }
        Refusal::CrossSite => {
            "Perubahan ini dimulai dari situs lain, sehingga tidak ada yang dilakukan. Buka halamannya \
             sendiri dan coba lagi dari sana."
        }
        Refusal::NotFound | Refusal::Unmapped => "Tidak ada halaman seperti itu di sini.",
        Refusal::Denied => {
            "Peran Anda tidak mencakup ini, sehingga tidak ada yang dilakukan. Administrator \
             organisasi Anda dapat memberikan peran yang mencakupnya."
        }
        Refusal::StepUp => {
            "Ini memerlukan bukti baru tentang siapa Anda, sehingga tidak ada yang dilakukan. Berikan \
             di /_amanah/account/confirm, lalu coba lagi."
        }
        Refusal::Unrecorded => {
            "Akses ini tidak dapat dicatat, sehingga tidak diizinkan. Tidak ada yang dilakukan. Coba \
             lagi."
        }
        Refusal::Method => "Metode ini tidak digunakan di sini.",
        Refusal::SlowBody => {
            "Permintaan tidak tiba tepat waktu, sehingga tidak ada yang dilakukan. Coba lagi."
        }
        Refusal::BodyTooLarge => {
            "Permintaan ini lebih besar dari yang diizinkan, sehingga tidak ada yang dilakukan."
        }
        Refusal::TargetTooLong => "Alamat ini lebih panjang dari yang diizinkan.",
        Refusal::HeadTooLarge => "Header permintaan ini lebih besar dari yang diizinkan.",
        Refusal::Broken => {
            "Terjadi kesalahan di pihak kami. Coba lagi; jika terjadi dua kali, sampaikan nomor di \
             bawah ini kepada pengelola."
        }
        Refusal::UpstreamDown => {
            "Aplikasi tidak menjawab, sehingga tidak ada yang dilakukan. Coba lagi sebentar lagi."
        }
        Refusal::UpstreamMalformed => {
            "Jawaban aplikasi tidak dapat dibaca. Tidak diketahui apakah sesuatu telah dilakukan: \
             periksa dahulu sebelum mencoba lagi."
        }
        Refusal::Busy => {
            "Terlalu banyak permintaan sedang dibaca. Tidak ada yang dilakukan. Coba lagi."
        }
        Refusal::UpstreamSlow => {
            "Aplikasi tidak menjawab tepat waktu. Tidak diketahui apakah sesuatu telah dilakukan: \
             periksa dahulu sebelum mencoba lagi."
        }
        Refusal::UnderAttack(_) => SHED_INDONESIAN,
        Refusal::Limited(_) => {
            "Ini diminta terlalu sering, sehingga tidak ada yang dilakukan. Tunggu selama yang \
             disebutkan Retry-After, dalam detik, lalu coba lagi."
        }
    }
}

const fn arabic(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_) => "هذا الطلب ليس HTTP يمكننا قراءته، فلم يُنفَّذ شيء.",
        Refusal::InClear => {
            "هذا العنوان لا يتحدث إلا HTTPS، ولم يُنفَّذ شيء. اكتب https:// وحاول مرة أخرى. إذا أُرسلت \
             كلمة مرور أو رمز إلى هنا فقد يكون غيرك قرأه: استبدله."
        }
        Refusal::SignedOut => "سجّل الدخول أولًا، ثم حاول مرة أخرى.",
        Refusal::Undecided => {
            "لا يمكن الآن معرفة من سجّل الدخول، فلم يُنفَّذ شيء. لم يُسجَّل خروجك. حاول مرة أخرى بعد \
             قليل."
        }
        Refusal::BadToken => {
            "الرمز مجهول أو منتهي الصلاحية أو ملغى، فلم يُنفَّذ شيء. احصل على رمز آخر وحاول مرة أخرى."
        }
        Refusal::TwoCredentials => {
            "يحمل الطلب رمزًا وملف تعريف ارتباط، أو رمزين، فلم يُنفَّذ شيء. أرسل واحدًا منهما فقط."
        }
        Refusal::BrowserOnly => "هذه الصفحة لمن سجّل الدخول بمتصفح، فلم يُنفَّذ شيء.",
        Refusal::CrossSite => {
            "بدأ هذا التغيير من موقع آخر، فلم يُنفَّذ شيء. افتح الصفحة نفسها وحاول من هناك."
        }
        Refusal::NotFound | Refusal::Unmapped => "لا توجد صفحة كهذه هنا.",
        Refusal::Denied => {
            "أدوارك لا تشمل هذا، فلم يُنفَّذ شيء. يستطيع مسؤول في مؤسستك أن يمنح دورًا يشمله."
        }
        Refusal::StepUp => {
            "يحتاج هذا إلى إثبات جديد لهويتك، فلم يُنفَّذ شيء. قدّمه في /_amanah/account/confirm ثم حاول \
             مرة أخرى."
        }
        Refusal::Unrecorded => "تعذّر تدوين هذا الوصول، فلم يُسمح به. لم يُنفَّذ شيء. حاول مرة أخرى.",
        Refusal::Method => "هذه الطريقة غير مستخدمة هنا.",
        Refusal::SlowBody => "لم يصل الطلب في الوقت المحدد، فلم يُنفَّذ شيء. حاول مرة أخرى.",
        Refusal::BodyTooLarge => "الطلب أكبر من المسموح، فلم يُنفَّذ شيء.",
        Refusal::TargetTooLong => "العنوان أطول من المسموح.",
        Refusal::HeadTooLarge => "ترويسات الطلب أكبر من المسموح.",
        Refusal::Broken => "حدث خطأ من جانبنا. حاول مرة أخرى؛ وإذا تكرر فأخبر المشغّل بالرقم أدناه.",
        Refusal::UpstreamDown => "التطبيق لا يجيب، فلم يُنفَّذ شيء. حاول مرة أخرى بعد قليل.",
        Refusal::UpstreamMalformed => {
            "تعذّرت قراءة جواب التطبيق. لا يُعرف هل نُفِّذ شيء: تحقّق قبل أن تحاول مرة أخرى."
        }
        Refusal::Busy => "تُقرأ الآن طلبات كثيرة جدًا. لم يُنفَّذ شيء. حاول مرة أخرى.",
        Refusal::UpstreamSlow => {
            "لم يجب التطبيق في الوقت المحدد. لا يُعرف هل نُفِّذ شيء: تحقّق قبل أن تحاول مرة أخرى."
        }
        Refusal::UnderAttack(_) => SHED_ARABIC,
        Refusal::Limited(_) => {
            "طُلب هذا مرات كثيرة جدًا، فلم يُنفَّذ شيء. انتظر المدة التي يذكرها Retry-After بالثواني، ثم \
             حاول مرة أخرى."
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::{Language, page};
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
