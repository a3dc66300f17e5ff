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
bite-unmade = تعذّر إجراؤها
bite-none = لم يُجرَ بعد
bite-attested = لا ينطبق: يشهد به شخص
bite-about = يزرع اختبار العضّة المخالفة في بيئة معزولة ويشغّل الهجوم نفسه هناك. فالدليل الذي لا يمكن أن يفشل لا يثبت شيئًا.
parameters = المعاملات
why = السبب
reason-not-built = لم يُبنَ: لا يوجد بعد ضابط يُثبت هذا
reason-not-attested = غير مشهود به: لا يمكن لأحد أن يشهد بهذا هنا بعد
reason-not-run = لم يُشغَّل بعد
reason-no-bite = صمد الدليل، لكنه لا يُحتسب إلا بعد إجراء اختبار العضّة: لم يتبيّن بعد أن هذا الضابط يمكن أن يفشل
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

trail-title = نقاط تحقّق سجل التدقيق
trail-intro = تُثبت كل نقطة في أسطر قليلة كل ما دوّنه السجل حتى الآن. احتفظ بواحدة: من يملكها يستطيع أن يعرف لاحقًا هل غُيّر شيء قبلها.
trail-entries =
    { $count ->
        [zero] لا قيود
        [one] قيد واحد
        [two] قيدان
        [few] { $count } قيود
        [many] { $count } قيدًا
       *[other] { $count } قيد
    }
trail-signed = وُقّعت
trail-witness = الشاهد
trail-self = بشهادة ذاتية: لا يحتفظ بنقاط تحقّقه شاهد خارج أيدينا.

index-title = صفحات الأمان
index-intro = تعرض كل صفحة من هذه الصفحات النتيجة الحية وراء كل وعد تقطعه.
index-none = لم تُضبط أي صفحة بعد. ضع صفحة في مجلد الصفحات ثم أعد التحميل.

sign-in-title = تسجيل الدخول
sign-in-email = البريد الإلكتروني
sign-in-password = كلمة المرور
sign-in-button = دخول
sign-in-refused = هذا العنوان وكلمة المرور لا يتطابقان. لم يتغير شيء. تحقق منهما وحاول مجددًا.
sign-in-busy = يجري التحقق من محاولات دخول كثيرة الآن. لم يتغير شيء. انتظر لحظة ثم حاول مجددًا.
sign-in-later = تكررت المحاولة أكثر مما ينبغي. لم يتغير شيء. انتظر بضع دقائق، أو ادخل بمتصفح استعملته من قبل، أو عيّن كلمة مرور جديدة.

account-title = حسابك
account-signed-in = لقد سجّلت الدخول.
account-name = الاسم
account-actor = المستخدم
account-tenant = المستأجر
account-role = الدور
account-sign-out = تسجيل الخروج

step-title = الخطوة الثانية
step-enrol = دورك يطلب عاملًا ثانيًا، ولا يوجد أي عامل بعد. أعدّ واحدًا للمتابعة.
step-code = رمز تطبيق المصادقة
step-recovery = رمز الاسترداد
step-code-or = ستة أرقام من التطبيق. وإن لم يكن لديك التطبيق فأحد رموز الاسترداد؛ كل رمز صالح مرة واحدة.
step-code-once = كل رمز صالح مرة واحدة.
step-button = متابعة
step-anew = بدء تسجيل الدخول من جديد
factor-wrong = هذا الرمز غير صحيح أو استُخدم من قبل. انتظر الرمز التالي ثم حاول مجددًا.
factor-passkey-refused = لم يُقبل مفتاح المرور هذا. لم يتغير شيء. حاول مجددًا.
factor-wait = كانت هناك رموز خاطئة كثيرة. انتظر قليلًا، 15 دقيقة على الأكثر، ثم حاول مجددًا.
factor-last = أحد أدوارك يطلب هذا العامل. لم يتغير شيء. أضف عاملًا آخر أولًا.
factor-none = لا يوجد هذا العامل في حسابك، أو لا يمكن إضافة المزيد. لم يتغير شيء.
factor-app-add = إعداد تطبيق مصادقة
factor-key-add = إضافة مفتاح مرور أو مفتاح أمان
factor-key-use = استخدام مفتاح مرور أو مفتاح أمان

app-title = تطبيق المصادقة
app-scan = امسح هذا الرمز بتطبيق المصادقة لديك.
app-qr = رمز QR لتطبيق المصادقة
app-type = أو اكتب هذا المفتاح:
app-code = الرمز الذي يعرضه التطبيق الآن
app-confirm = تأكيد

codes-title = رموز الاسترداد
codes-print = اطبع هذه الرموز واحفظها بعيدًا عن هاتفك. كل رمز يفتح حسابك مرة واحدة، بعد كلمة المرور، عند ضياع التطبيق أو المفتاح.
codes-once = تُعرض الرموز هذه المرة فقط. الرموز السابقة لم تعد صالحة.
codes-on = حفظتها؛ متابعة

key-title = مفتاح المرور
key-how = يطلب المتصفح مفتاح المرور أو مفتاح الأمان عند الضغط على الزر.
key-script = متصفحك لا يشغّل البرنامج النصي الوحيد الذي تحتاجه مفاتيح المرور. استخدم طريقة أخرى أو اسمح به.
key-failed = لم يقدّم المتصفح مفتاح مرور. لم يتغير شيء. حاول مجددًا.
key-name = اسم المفتاح، لك

again-title = هل هذا أنت؟
again-why = ما ستفعله حسّاس، وقد أثبتّ هويتك قبل أكثر من عشر دقائق.
again-button = تأكيد

security-title = العوامل الثانية
security-intro = العامل الثاني يمنع دخول من يعرف كلمة مرورك. كلما غيّرت عاملًا انتهت كل جلساتك الأخرى.
security-app = تطبيق المصادقة
security-app-there = أُعدّ تطبيق.
security-app-none = لم يُعدّ أي تطبيق.
security-app-replace = استبدال التطبيق
security-remove = إزالة
security-keys = مفاتيح المرور ومفاتيح الأمان
security-keys-none = لا يوجد شيء.
security-made = أُنشئ
security-used = آخر استخدام
security-rename = تغيير الاسم
security-codes = رموز الاسترداد
security-codes-left =
    { $count ->
        [zero] لم يبق أي رمز.
        [one] بقي رمز واحد.
        [two] بقي رمزان.
        [few] بقيت { $count } رموز.
        [many] بقي { $count } رمزًا.
       *[other] بقي { $count } رمز.
    }
security-codes-new = إنشاء رموز جديدة

reset-title = كلمة مرور جديدة
reset-link = نسيت كلمة المرور؟
reset-intro = اكتب عنوان البريد لحسابك، فتصل إليه رسالة فيها رابط لتعيين كلمة مرور جديدة.
reset-button = أرسل الرسالة
reset-asked = إن كان لهذا العنوان حساب فالرسالة في طريقها إليه. رابطها صالح 15 دقيقة. ابحث في البريد غير المرغوب أيضًا، واطلب مجددًا إن لم يصل شيء.
reset-done = عُيّنت كلمة مرورك الجديدة وأُنهي كل ما كان مفتوحًا باسمك. سجّل الدخول بها.
link-over-title = انتهى هذا الرابط
link-over = يعمل الرابط مرة واحدة ولوقت قصير، والأحدث وحده هو الصالح. لم يتغير شيء. اطلب رابطًا جديدًا.
link-another-title = فُتح رابط آخر
link-another = فُتح رابط من رسالة أخرى في هذا المتصفح بعد هذا النموذج. لم يتغير شيء ولم يُرسل ما كتبته إلى أي جهة. افتح الرابط الذي في رسالتك مرة أخرى.

invitation-title = أنت مدعو
invitation-by = الداعي
invitation-done = أُنشئ حسابك. سجّل الدخول بعنوانك وكلمة المرور التي اخترتها.

password-title = كلمة المرور
password-intro = كلمة المرور الجديدة تنهي كل جلساتك الأخرى.
password-current = كلمة المرور الحالية
password-new = كلمة المرور الجديدة
password-button = عيّن كلمة المرور
password-changed = تغيّرت كلمة مرورك، وأُنهيت كل جلساتك الأخرى.

sessions-title = الجلسات المفتوحة
sessions-browser = المتصفح
sessions-since = فُتحت (التوقيت العالمي)
sessions-seen = آخر استعمال (التوقيت العالمي)
sessions-end = إنهاء
sessions-this = هذه
sessions-end-others = أنهِ كل الجلسات الأخرى
sessions-ended = انتهت.

people-title = الأشخاص
people-closed = مغلق
people-invited = المدعوون
people-until = صالحة حتى (التوقيت العالمي)
people-withdraw = سحب
people-withdrawn = سُحبت الدعوة وانتهى رابطها.
people-invite = دعوة
people-invite-done = الرسالة في طريقها. رابطها صالح 72 ساعة.
people-language = لغة الرسالة

trouble-password = كلمة المرور هذه قصيرة جدًا أو طويلة جدًا أو سهلة التخمين أو من كلمات سُرقت في مكان آخر. لم يتغير شيء. اختر غيرها: عدة كلمات لا صلة بينها خيار جيد.
trouble-wrong = كلمة المرور الحالية غير صحيحة. لم يتغير شيء. حاول مجددًا.
trouble-field = لا يمكن قبول العنوان أو الاسم أو الدور كما هو. لم يتغير شيء. تحقق مما كتبت وأرسله مجددًا.
trouble-busy = يجري العمل على كلمات مرور كثيرة الآن. لم يتغير شيء. انتظر لحظة ثم حاول مجددًا.
trouble-later = تكررت المحاولة أكثر مما ينبغي. لم يتغير شيء. انتظر بضع دقائق ثم حاول مجددًا.

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

# مفاتيح البرامج.
keys-title = مفاتيح البرامج
keys-what = يُظهر البرنامج مفتاحًا بدلًا من تسجيل الدخول. لا يستطيع المفتاح أكثر مما تستطيع أنت، ويتوقف حين تفقد ما يحتاج إليه.
keys-made = هذا هو المفتاح الجديد. انسخه الآن: لن يُعرض مرة أخرى، ولا يستطيع أحد استرجاعه.
keys-none = ليس لديك مفاتيح.
keys-name = المفتاح
keys-ends = ينتهي
keys-used = آخر استعمال
keys-state = الحالة
keys-state-good = صالح
keys-state-expired = منتهٍ
keys-state-revoked = ملغى
keys-never = لم يُستعمل
keys-scope-count = { $count ->
    [zero] لا صلاحيات
    [one] صلاحية واحدة
    [two] صلاحيتان
    [few] { $count } صلاحيات
    [many] { $count } صلاحية
   *[other] { $count } صلاحية
}
keys-end = إلغاء
keys-new = إنشاء مفتاح
keys-for-what = الغرض منه
keys-for-whom = صاحبه
keys-for-me = أنا
keys-days = عدد الأيام حتى ينتهي، 365 على الأكثر
keys-scopes = صلاحياته وبينها مسافات؛ اتركه فارغًا لكل صلاحياتك
keys-permits = الصلاحيات التي لديك
keys-make = إنشاء المفتاح
keys-form = الاسم أو عدد الأيام غير مناسب. لم يُنشأ شيء. اكتب اسمًا لا يزيد على 100 حرف، ومن 1 إلى 365 يومًا.
keys-scope = لا يستطيع المفتاح ما لا تستطيعه أنت، وتُكتب صلاحياته بأسمائها. لم يُنشأ شيء.
keys-refused = تعذر إنشاء المفتاح: المفاتيح كثيرة، أو انتهت جلستك. ألغِ ما لا تحتاج إليه، أو سجّل الدخول من جديد.
keys-service-new = إنشاء خدمة
keys-service-what = الخدمة حساب لا يسجّل أحد الدخول إليه. لها مفاتيح وأدوار خاصة بها، وأنت المسؤول عنها.
keys-service-name = اسم الخدمة
keys-service-make = إنشاء الخدمة
keys-back = العودة إلى حسابك
account-keys = مفاتيح البرامج
support-title = وصول فريق الدعم
support-inside = أنت في الداخل بصفة الدعم:
support-until = حتى
support-leave = مغادرة
support-answers-intro = لا يرى فريق الدعم لدينا شيئا من بياناتكم إلا إذا سمحتم له هنا. ينتهي السماح من تلقاء نفسه، ويمكنكم إنهاؤه في أي لحظة، وكل طلب جرى مدرج.
support-ask-title = طلب السماح بالدخول
support-ask-intro = يجب أن يوافق شخص من ذلك المستأجر. يرى من أنت والتذكرة والسبب وكل طلب تجريه.
support-tenant = المستأجر
support-ticket = التذكرة
support-reason = السبب
support-hours = الساعات
support-scope = النطاق
support-scope-ro = قراءة فقط
support-scope-rw = قراءة وكتابة
support-ask = طلب
support-none = لم يطلب شيء.
support-asked = ينتظر جوابا
support-lapsed = لم يجب عليه في وقته
support-denied = رفض
support-live = يمكن للدعم الدخول
support-ended = أنهي
support-over = انتهى
support-by = طلبه
support-asked-at = وقت الطلب
support-approved = وافق عليه
support-ended-by = أنهاه
support-uses = الطلبات
support-approve = السماح للدعم بالدخول
support-deny = رفض
support-end = إنهاء الآن
support-enter = دخول
support-refused = ليس لك أن تفعل هذا. لم يتغير شيء.
support-step-up = مضى وقت طويل على إثبات هويتك. لم يتغير شيء. سجل الخروج ثم الدخول وافعل ذلك خلال عشر دقائق.
support-gone = لا يوجد وصول كهذا هنا، أو أنه انتهى. لم يتغير شيء.
support-unfit = لا يمكن طلب ذلك هكذا. لم يتغير شيء. اكتب مستأجرا وتذكرة وسببا ومن 1 إلى 24 ساعة.
support-full = أسئلة كثيرة تنتظر هناك. لم يتغير شيء. اسحب أحدها أولا.
support-uses-title = ما فعله الدعم
support-uses-intro = كل طلب مر بهذا السماح، الأحدث أولا. في سجل التدقيق معرفات الطلبات نفسها.
support-uses-none = لم يجر أي طلب.
support-use-at = متى
support-use-what = الطلب
support-use-request = المعرف
support-back = العودة إلى القائمة

leaving-title = إنهاء وصول شخص
leaving-intro = تنتهي فورا وفي كل مكان جميع جلساته ورموزه ومفاتيحه وعوامله الثانية وأدواره، ولا يستطيع الدخول من جديد. لا يمكن التراجع عن ذلك هنا.
leaving-email = عنوان بريد من يغادر
leaving-successor = عنوان بريد من يتسلم خدماته، وإلا انتهت معه
leaving-button = إنهاء كل شيء
leaving-done = أنهي كل شيء لدى
leaving-left = ما زال هذا موجودا. أرسل الاستمارة مرة أخرى.
leaving-nobody = لا أحد في مؤسستك لديه هذا العنوان. لم يتغير شيء.
leaving-unfit = يجب أن يكون المتسلم شخصا آخر من مؤسستك. لم يتغير شيء.
leaving-refused = ليس لك أن تفعل هذا: لا ينهي أحد وصول نفسه أو وصول من يحق له أكثر. لم يتغير شيء.

review-title = مراجعات الصلاحيات
review-intro = تجمّد المراجعة كل دور ووصول للدعم ومفتاح برنامج في لحظة واحدة. أبقِ كل واحد أو ألغِه مع ذكر السبب. ولا يقرر أحد في شأن ما لديه هو.
review-due = موعد المراجعة القادمة حتى
review-late = تأخرت المراجعة. كان موعدها حتى
review-open = في انتظار القرار
review-started = بدأها
review-rows = الصفوف
review-progress = قُرّر في { $decided } من { $rows }
review-see = عرض الكل
review-orphan = لم يعد صاحبه موجودًا
review-kind = النوع
review-given = منحه
review-own = هذا لك: يقرر فيه شخص آخر.
review-keep = إبقاء
review-revoke = إلغاء
review-revoke-again = إلغاء مرة أخرى
review-close-intro = قُرّر في كل شيء. من يغلق المراجعة يوقّعها باسمه.
review-finding = ما تبيّن، إن وُجد
review-close = إغلاق وتوقيع
review-start = بدء مراجعة
review-past = مراجعات سابقة
review-frozen = وقت التجميد
review-ended = انتهت
review-signed = وقّعها
review-closed = أغلقها
review-abandoned = تخلى عنها
review-unsigned = لا أحد
review-sign = توقيع
review-report-title = تقرير مراجعة
review-csv = لجدول بيانات (CSV)
review-holder = من
review-what = ماذا
review-decision = القرار
review-waits = لم يُقرر بعد
review-kept = أُبقي
review-revoked = أُلغي وتأكد زواله
review-unverified = أُلغي ولم يتأكد زواله
review-back = العودة إلى المراجعات
review-refused = ليس لك أن تفعل هذا. لم يتغير شيء.
review-gone = لا توجد هنا مراجعة أو صف كهذا مفتوح. لم يتغير شيء.
review-unfit = اذكر السبب في 1000 حرف على الأكثر. لم يتغير شيء.
review-is-open = توجد مراجعة مفتوحة. لم يتغير شيء. قرر في صفوفها أولا.
review-still-counts = أُلغي وما زال ساريا: مُنح من جديد في هذه الأثناء. القرار محفوظ. ألغِه مرة أخرى.
review-undecided = لم يُقرر في كل الصفوف ولم يتأكد كل إلغاء. لم يتغير شيء.
review-more =
    { $count ->
        [zero] لا ينتظر أي صف آخر.
        [one] ينتظر صف آخر، ويظهر بعد القرار في هذه.
        [two] ينتظر صفان آخران، ويظهران بعد القرار في هذه.
        [few] تنتظر { $count } صفوف أخرى، وتظهر بعد القرار في هذه.
        [many] ينتظر { $count } صفا آخر، وتظهر بعد القرار في هذه.
       *[other] ينتظر { $count } صف آخر، وتظهر بعد القرار في هذه.
    }

people-back = العودة إلى الأشخاص
roles-title = الأدوار
roles-intro = يمكن أن تكون لمؤسستك أدوار خاصة بها إلى جانب الأدوار العامة. ولا يضع أحد في دور ما لا يحق له هو.
roles-new = إنشاء دور
roles-own = أدوار مؤسستك
roles-none = لا يوجد شيء بعد.
roles-for = لمن
roles-permits = الصلاحيات
roles-parents = يشمل كل ما في
roles-parents-intro = له كل ما لهذه الأدوار، وما تناله لاحقا أيضا.
roles-holders = عدد أصحابه
roles-retire = إيقاف
roles-retire-anyway = إيقافه على أي حال: يفقدونه
roles-in-use = هذا الدور مستعمل. لم يتغير شيء.
roles-shipped = الأدوار العامة
roles-edit-title = دور
roles-edit-intro = يحق لصاحب الدور ما هو محدد، ابتداء من الطلب التالي.
roles-name = الاسم: حروف وأرقام ASCII مع مسافة أو شرطة واحدة بينها
roles-factor = كيف يثبت أصحابه هويتهم، على الأقل
roles-find = إظهار الصلاحيات التي فيها هذه الكلمة
roles-find-button = بحث
roles-save = حفظ الدور
roles-back = العودة إلى الأدوار
roles-beyond = لا يمنح أحد ما ليس لديه. لم يتغير شيء. ليس لديك:
roles-weak = كل دور يسمح بكل ما يسمح به هذا الدور لا بد أن يطلب عاملا ثانيا أيضا. لم يتغير شيء. اختره أو انزع بعض الصلاحيات:
roles-weak-key = كل دور يسمح بكل ما يسمح به هذا الدور لا بد أن يطلب مفتاح أمان أيضا. لم يتغير شيء. اختره أو انزع بعض الصلاحيات:
roles-strength = لا يجعل هذا الدور يطلب أقل إلا من دخل بعامل ثان. لم يتغير شيء. ادخل به ثم احفظ من جديد:
roles-strength-key = لا يجعل هذا الدور يطلب أقل إلا من دخل بمفتاح مرور أو مفتاح أمان. لم يتغير شيء. ادخل به ثم احفظ من جديد:
roles-step-up = مضى وقت طويل على إثبات هويتك. لم يتغير شيء ولم يضع ما كتبته. أكّد هويتك في صفحة حسابك في لسان آخر ثم احفظ من جديد.
roles-gone = ليس لمؤسستك دور خاص كهذا. لم يتغير شيء.
roles-unfit = لا يمكن استعمال الاسم أو حقل آخر. لم يتغير شيء. يحتاج الدور إلى اسم وإلى ذكر من يكون له.
roles-taken = يوجد دور بهذا الاسم أو بما يشبهه. لم يتغير شيء. اختر اسما آخر.
roles-cycle = سيرث الدور من نفسه. لم يتغير شيء. احذف أحد الأدوار التي يشملها.
roles-full = لدى مؤسستك أقصى عدد من الأدوار. لم يتغير شيء. أوقف أحدها أولا.
directory-title = دليل مؤسستكم
directory-intro = يمكن لدليل مؤسستكم (Entra ID أو Okta) أن ينشئ الحسابات هنا وينهيها، وأن تمنح مجموعاته الأدوار. ومن يعطّله الدليل يُخرج فورًا.
directory-address = العنوان للدليل
directory-users = المستخدمون
directory-active = النشطون
directory-groups = المجموعات
directory-group = المجموعة
directory-members = الأعضاء
directory-none = لم يرسل الدليل أي مجموعة بعد.
directory-map = منح المجموعة هذا الدور
directory-unmap = سحب
directory-tokens = الرموز
directory-token = رمز دليل مؤسستكم
directory-name = الغرض منه
directory-days = عدد الأيام حتى ينتهي
directory-used = آخر استخدام
directory-make = إنشاء رمز
directory-made = انسخ الرمز الآن. لن يُعرض مرة أخرى، وينتهي عند خروجك من المؤسسة.
directory-revoke = إنهاء
directory-done = تم.
directory-refused = ليس لك أن تفعل هذا: لا يمنح أحد ما لا يملكه. لم يتغير شيء.
directory-gone = لم يعد هذا موجودًا. لم يتغير شيء.
directory-unfit = للرمز اسم من 100 بايت على الأكثر ويعيش من يوم إلى 365 يومًا، ولا يعيش أكثر من 20 معًا. لم يتغير شيء.
