# العربية. تُعزل القيم اللاتينية بالمحرفين U+2066 وU+2069 كي لا ينقلب ترتيبها.
# لكل لغة المفاتيح نفسها، ويقارن بينها اختبار.

brand = أمانة
skip = انتقل إلى المحتوى
pages = الصفحات
made-by = تتحقق منها «أمانة» التي تهاجم النظام أثناء عمله وفق جدول زمني وتعرض ما وجدته، حسنًا كان أم سيئًا.
machine-form = هذه الصفحة بصيغة JSON

verdict-failing = مُخفِق
verdict-unknown = غير معلوم
verdict-stale = متقادم
verdict-attested = مشهود به
verdict-proven = مُثبَت

meaning-failing = نجح هجوم في الاختراق، أو تجاوز القياس حدّه.
meaning-unknown = لا يمكن الجزم بشيء: لم يُبنَ، أو لم يُشغَّل، أو تعذّر التحقق.
meaning-stale = ثبت من قبل، لكن مضى عليه وقت أطول من أن يُعتدّ به.
meaning-attested = يشهد به شخص بوثيقة مؤرخة.
meaning-proven = هوجم أو قيس في موعده، وصمد.

standing = حال الوعود
headline-failing =
    { $count ->
        [one] وعد واحد من أصل { $total } مُخفِق.
        [two] وعدان من أصل { $total } مُخفِقان.
        [few] { $count } وعود من أصل { $total } مُخفِقة.
        [many] { $count } وعدًا من أصل { $total } مُخفِقة.
       *[other] { $count } وعد من أصل { $total } مُخفِقة.
    }
headline-unknown =
    { $count ->
        [one] لا شيء مُخفِق، لكن وعدًا واحدًا من أصل { $total } لا يمكن ضمانه.
        [two] لا شيء مُخفِق، لكن وعدين من أصل { $total } لا يمكن ضمانهما.
        [few] لا شيء مُخفِق، لكن { $count } وعود من أصل { $total } لا يمكن ضمانها.
        [many] لا شيء مُخفِق، لكن { $count } وعدًا من أصل { $total } لا يمكن ضمانها.
       *[other] لا شيء مُخفِق، لكن { $count } وعد من أصل { $total } لا يمكن ضمانها.
    }
headline-stale =
    { $count ->
        [one] لا شيء مُخفِق، لكن وعدًا واحدًا من أصل { $total } ثبت منذ زمن أطول مما ينبغي.
        [two] لا شيء مُخفِق، لكن وعدين من أصل { $total } ثبتا منذ زمن أطول مما ينبغي.
        [few] لا شيء مُخفِق، لكن { $count } وعود من أصل { $total } ثبتت منذ زمن أطول مما ينبغي.
        [many] لا شيء مُخفِق، لكن { $count } وعدًا من أصل { $total } ثبتت منذ زمن أطول مما ينبغي.
       *[other] لا شيء مُخفِق، لكن { $count } وعد من أصل { $total } ثبتت منذ زمن أطول مما ينبغي.
    }
headline-attested =
    { $count ->
        [one] كل الوعود قائمة وعددها { $total }، واحد منها بشهادة شخص.
        [two] كل الوعود قائمة وعددها { $total }، اثنان منها بشهادة شخص.
       *[other] كل الوعود قائمة وعددها { $total }، منها { $count } بشهادة شخص.
    }
headline-proven =
    { $total ->
        [one] الوعد الوحيد مُثبَت.
        [two] الوعدان مُثبَتان.
       *[other] كل الوعود مُثبَتة، وعددها { $total }.
    }
headline-none = لا تَعِد هذه الصفحة بشيء، فلا شيء يُثبَت.
as-of = حتى
since-broken = أقدمها منذ
since-held = لم يتغير شيء منذ
past-note = هذه هي الصفحة كما كانت في الماضي، أُعيد بناؤها من الأدلة المحفوظة.
past-now = اعرضها كما هي الآن
attention = ما ليس قائمًا
since = منذ

moment-label = اعرض الصفحة كما كانت في (بالتوقيت العالمي UTC)
moment-hint = مثلًا { "\u2066" }2026-03-14T09:26:53Z{ "\u2069" }
moment-show = اعرض

evidence = الأدلة
evidence-intro = كل وعد في هذه الصفحة، بترتيبه، مع آخر نتيجة وراءه.
evidence-language = ما تبلّغ به الضوابط مكتوب بالإنجليزية.
back = العودة إلى الجملة
fact-population = ما فُحص
population = { $checked } من { $total }
population-none = لا شيء
fact-measured = القياس
measured-none = لا شيء
fact-threshold = الحد
threshold-none = غير مذكور
fact-observed = وقت الرصد
fact-received = وقت الحفظ
never = لم يحدث قط
fact-since = هكذا منذ
since-none = غير معروف
fact-bite = اختبار العضّة
bite-bit = عضّ: كُشفت المخالفة المزروعة
bite-missed = لم يعضّ: فاتته المخالفة المزروعة
bite-none = لم يُجرَ بعد
bite-attested = لا ينطبق: يشهد به شخص
bite-about = يزرع اختبار العضّة المخالفة في بيئة معزولة ويشغّل الهجوم نفسه هناك. فالدليل الذي لا يمكن أن يفشل لا يثبت شيئًا.
parameters = المعاملات
why = السبب
findings = ما اختُرق
finding-object = أين
finding-what = ماذا حدث
finding-fix = ما العمل
finding-fix-none = غير معروف
findings-more =
    { $count ->
        [one] وواحد غيرها؛ تجدها كلها في JSON.
        [two] واثنان غيرها؛ تجدها كلها في JSON.
       *[other] و{ $count } غيرها؛ تجدها كلها في JSON.
    }
attack = كيف يُفحص
attack-attested = بشهادة شخص، بوثيقة مؤرخة لها صاحب وتاريخ انتهاء.
attack-none = لا يُفحص: لم يُبنَ له ضابط بعد.
not-covered = ما لا يشمله هذا
not-covered-none = لا حدود مذكورة.
mismatch = التقرير لا يطابق الصفحة: قُرئ أثناء تغييرها. أعد تحميلها.

index-title = صفحات الأمان
index-intro = تعرض كل صفحة من هذه الصفحات النتيجة الحية وراء كل وعد تقطعه.
index-none = لم تُضبط أي صفحة بعد. ضع صفحة في مجلد الصفحات ثم أعد التحميل.

sign-in-title = تسجيل الدخول
sign-in-email = البريد الإلكتروني
sign-in-password = كلمة المرور
sign-in-button = دخول
sign-in-refused = هذا العنوان وكلمة المرور لا يتطابقان. لم يتغير شيء. تحقق منهما وحاول مجددًا.
sign-in-busy = يجري التحقق من محاولات دخول كثيرة الآن. لم يتغير شيء. انتظر لحظة ثم حاول مجددًا.

account-title = حسابك
account-signed-in = لقد سجّلت الدخول.
account-name = الاسم
account-actor = المستخدم
account-tenant = المستأجر
account-role = الدور
account-sign-out = تسجيل الخروج

error-not-found = لا شيء في هذا العنوان
error-not-found-text = ربما تغيّر اسم الصفحة، أو كُتب العنوان خطأً. ابحث عنها في قائمة الصفحات.
error-method = لا يُطلب هذا العنوان بهذه الطريقة
error-method-text = لم يتغير شيء. عُد واتبع رابطًا أو أرسل النموذج مجددًا.
error-moment = لا يمكن عرض هذا الوقت
error-moment-text = اكتب وقتًا مضى بالصيغة { "\u2066" }2026-03-14T09:26:53Z{ "\u2069" }: التاريخ، ثم الحرف T، ثم الوقت، ثم Z للتوقيت العالمي. وتُكتب علامة الجمع في العنوان { "\u2066" }%2B{ "\u2069" }.
error-moment-given = طلبتَ
error-bad-request = تعذّرت قراءة الطلب
error-bad-request-text = لم يتغير شيء. عُد وأعد تحميل الصفحة ثم أرسل النموذج مرة أخرى.
error-forged = لم يأتِ النموذج من هذا الموقع
error-forged-text = لم يتغير شيء. بقي النموذج مفتوحًا أطول مما ينبغي، أو أن ملفات تعريف الارتباط معطّلة. أعد تحميل النموذج وأرسله مرة أخرى.
error-too-large = النموذج أكبر مما ينبغي
error-too-large-text = لم يتغير شيء. اختصر ما كتبته وأرسله مجددًا.
error-internal = حدث خطأ من جانبنا
error-internal-text = لم يضِع شيء مما أرسلته بسبب المحاولة. سُجّل الخطأ. حاول مجددًا، وأبلغ من يدير هذا الموقع إن استمر.
error-unavailable = لا يمكن الجواب عن هذا الآن
error-unavailable-text = لم يتغير شيء، ولا نعرض شيئًا قديمًا بدلًا منه. سُجّل ذلك. حاول مجددًا بعد قليل.
error-home = إلى صفحة الأمان
