# Bahasa Indonesia. Setiap bahasa memiliki kunci yang sama; sebuah pengujian membandingkannya.

brand = Amanah
skip = Langsung ke isi
pages = Halaman
made-by = Diperiksa oleh Amanah, yang menyerang sistem yang sedang berjalan secara terjadwal dan menampilkan hasilnya, baik maupun buruk.
machine-form = Halaman ini sebagai JSON

verdict-failing = gagal
verdict-unknown = belum diketahui
verdict-stale = kedaluwarsa
verdict-attested = dinyatakan
verdict-proven = terbukti

meaning-failing = Sebuah serangan berhasil menembus, atau hasil ukur melewati batasnya.
meaning-unknown = Tidak ada yang dapat dikatakan: belum dibuat, belum dijalankan, atau tidak dapat dipastikan.
meaning-stale = Pernah terbukti, tetapi sudah terlalu lama untuk dihitung.
meaning-attested = Seseorang menjaminnya dengan dokumen bertanggal.
meaning-proven = Diserang atau diukur sesuai jadwal, dan bertahan.

standing = Keadaan janji-janji ini
headline-failing = { $count } dari { $total } janji gagal.
headline-unknown = Tidak ada yang gagal, tetapi { $count } dari { $total } janji belum dapat dijamin.
headline-stale = Tidak ada yang gagal, tetapi { $count } dari { $total } janji terbukti terlalu lama yang lalu.
headline-attested = Semua { $total } janji terpenuhi; { $count } di antaranya berdasarkan pernyataan seseorang.
headline-proven = Semua { $total } janji terbukti.
headline-none = Halaman ini tidak menjanjikan apa pun, sehingga tidak ada yang dapat dibuktikan.
as-of = Per
since-broken = Yang terlama sejak
since-held = Tidak berubah sejak
past-note = Ini adalah halaman sebagaimana adanya di masa lalu, disusun kembali dari bukti yang tersimpan.
past-now = Tampilkan keadaan sekarang
attention = Yang tidak terpenuhi
since = sejak

moment-label = Lihat halaman sebagaimana adanya pada (UTC)
moment-hint = Misalnya 2026-03-14T09:26:53Z
moment-show = Tampilkan

evidence = Bukti
evidence-intro = Setiap janji di halaman ini, sesuai urutannya, dengan hasil terakhir di baliknya.
evidence-language = Laporan dari tiap kendali ditulis dalam bahasa Inggris.
back = Kembali ke kalimatnya
fact-population = Yang diperiksa
population = { $checked } dari { $total }
population-none = tidak ada
fact-measured = Hasil ukur
measured-none = tidak ada
fact-threshold = Batas
threshold-none = tidak disebutkan
fact-observed = Diamati
fact-received = Disimpan
never = belum pernah
fact-since = Demikian sejak
since-none = tidak diketahui
fact-bite = Uji gigit
bite-bit = Menggigit: pelanggaran yang ditanam ditemukan
bite-missed = Tidak menggigit: pelanggaran yang ditanam terlewat
bite-unmade = Tidak dapat dilakukan
bite-none = Belum dijalankan
bite-attested = Tidak berlaku: dijamin oleh seseorang
bite-about = Uji gigit menanam pelanggaran di lingkungan terpisah dan menjalankan serangan yang sama di sana. Bukti yang tidak bisa gagal tidak membuktikan apa pun.
parameters = Parameter
why = Sebabnya
reason-not-built = belum dibuat: belum ada kendali yang membuktikannya
reason-not-attested = belum dinyatakan: pernyataan untuk janji ini belum dapat diberikan di sini
reason-not-run = belum dijalankan
reason-no-bite = buktinya bertahan, tetapi baru dihitung setelah uji gigitnya dijalankan: belum ditunjukkan bahwa kendali ini bisa gagal
findings = Yang tertembus
finding-object = Di mana
finding-what = Apa yang terjadi
finding-fix = Yang perlu dilakukan
finding-fix-none = tidak diketahui
findings-more = Dan { $count } lagi; JSON memuat semuanya.
attack = Cara memeriksanya
attack-attested = Oleh seseorang, dengan dokumen bertanggal yang memiliki penanggung jawab dan masa berlaku.
attack-none = Tidak diperiksa: belum ada kendali yang dibuat untuknya.
not-covered = Yang tidak tercakup
not-covered-none = Tidak ada batasan yang disebutkan.
mismatch = Laporan tidak sesuai dengan halaman: dibaca saat halaman sedang diubah. Muat ulang.

trail-title = Titik periksa jejak audit
trail-intro = Masing-masing menyatakan dalam beberapa baris semua yang dicatat jejak audit sampai kini. Simpanlah satu: pemegangnya kelak dapat mengetahui apakah sesuatu sebelumnya telah diubah.
trail-entries = { $count } entri
trail-signed = ditandatangani
trail-witness = Saksi
trail-self = Dinyatakan sendiri: tidak ada saksi di luar kendali kami yang menyimpan titik periksanya.

index-title = Halaman keamanan
index-intro = Setiap halaman ini menampilkan hasil terkini di balik setiap janji yang dibuatnya.
index-none = Belum ada halaman yang diatur. Letakkan sebuah halaman di folder halaman lalu muat ulang.

sign-in-title = Masuk
sign-in-email = Alamat surel
sign-in-password = Kata sandi
sign-in-button = Masuk
sign-in-refused = Alamat dan kata sandi itu tidak cocok. Tidak ada yang diubah. Periksa keduanya lalu coba lagi.
sign-in-busy = Terlalu banyak upaya masuk yang sedang diperiksa. Tidak ada yang diubah. Tunggu sebentar lalu coba lagi.

account-title = Akun Anda
account-signed-in = Anda sudah masuk.
account-name = Nama
account-actor = Pengguna
account-tenant = Penyewa
account-role = Peran
account-sign-out = Keluar

error-not-found = Tidak ada apa pun di alamat ini
error-not-found-text = Halamannya mungkin berganti nama, atau alamatnya salah ketik. Carilah di daftar halaman.
error-method = Alamat ini tidak diminta dengan cara itu
error-method-text = Tidak ada yang diubah. Kembalilah dan ikuti sebuah tautan atau kirim ulang formulirnya.
error-moment = Waktu itu tidak dapat ditampilkan
error-moment-text = Tulis waktu yang sudah lewat dalam bentuk 2026-03-14T09:26:53Z: tanggal, huruf T, jam, dan Z untuk UTC. Tanda plus di alamat ditulis %2B.
error-moment-given = Anda meminta
error-bad-request = Permintaan tidak dapat dibaca
error-bad-request-text = Tidak ada yang diubah. Kembalilah, muat ulang halamannya, lalu kirim formulirnya sekali lagi.
error-forged = Formulir itu tidak berasal dari situs ini
error-forged-text = Tidak ada yang diubah. Formulir terbuka terlalu lama, atau kuki dimatikan. Muat ulang formulirnya lalu kirim sekali lagi.
error-too-large = Formulir terlalu besar
error-too-large-text = Tidak ada yang diubah. Persingkat isinya lalu kirim lagi.
error-internal = Terjadi kesalahan di pihak kami
error-internal-text = Tidak ada kiriman Anda yang hilang karena mencoba. Kesalahan ini sudah dicatat. Coba lagi, dan beri tahu pengelola situs bila berlanjut.
error-unavailable = Ini belum dapat dijawab saat ini
error-unavailable-text = Tidak ada yang diubah, dan tidak ada data lama yang ditampilkan sebagai gantinya. Hal ini sudah dicatat. Coba lagi sebentar lagi.
error-home = Ke halaman keamanan
