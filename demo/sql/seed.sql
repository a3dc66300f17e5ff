-- Three fictional distributors, run once by the owner after schema.sql and before
-- `amanah protect`. No randomness: every installation shows the same prices.
--
-- The ids of categories, price lists, suppliers and products are the same for every
-- tenant, on purpose: keys begin with tenant_id, so nothing here rests on ids that
-- are hard to guess, and a leak would show at once.

INSERT INTO currencies (code, name) VALUES
    ('AED', 'UAE dirham'), ('IDR', 'Indonesian rupiah'), ('USD', 'US dollar');

INSERT INTO tenants (tenant_id, name, currency) VALUES
    ('11111111-1111-4111-8111-111111111111', 'PT Sinar Nusantara', 'IDR'),
    ('22222222-2222-4222-8222-222222222222', 'CV Bintang Timur', 'IDR'),
    ('33333333-3333-4333-8333-333333333333', 'Gulf Fresh Trading', 'AED');

-- Categories with the minimum margin that each tenant wants to see.
WITH given (tenant_id, n, name, minimum_percent) AS (VALUES
    ('11111111-1111-4111-8111-111111111111'::uuid, 1, 'Beras & tepung', 7.00),
    ('11111111-1111-4111-8111-111111111111', 2, 'Minyak & bumbu', 9.00),
    ('11111111-1111-4111-8111-111111111111', 3, 'Minuman', 12.00),
    ('22222222-2222-4222-8222-222222222222', 1, 'Perkakas tangan', 15.00),
    ('22222222-2222-4222-8222-222222222222', 2, 'Bahan bangunan', 8.00),
    ('22222222-2222-4222-8222-222222222222', 3, 'Listrik', 14.00),
    ('33333333-3333-4333-8333-333333333333', 1, 'Fruit', 10.00),
    ('33333333-3333-4333-8333-333333333333', 2, 'Vegetables', 10.00),
    ('33333333-3333-4333-8333-333333333333', 3, 'Dates & nuts', 16.00)
), added AS (
    INSERT INTO categories (tenant_id, id, name)
    SELECT tenant_id, ('00000000-0000-4000-8001-' || lpad(n::text, 12, '0'))::uuid, name
    FROM given RETURNING tenant_id, id, name
)
INSERT INTO margin_rules (tenant_id, category_id, minimum_percent)
SELECT a.tenant_id, a.id, g.minimum_percent
FROM added a JOIN given g ON g.tenant_id = a.tenant_id AND g.name = a.name;

INSERT INTO suppliers (tenant_id, id, name, city)
SELECT tenant_id::uuid, ('00000000-0000-4000-8002-' || lpad(n::text, 12, '0'))::uuid, name, city
FROM (VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 'Koperasi Tani Makmur', 'Karawang'),
    ('11111111-1111-4111-8111-111111111111', 2, 'UD Rempah Jaya', 'Surabaya'),
    ('11111111-1111-4111-8111-111111111111', 3, 'PT Segar Tirta', 'Bogor'),
    ('22222222-2222-4222-8222-222222222222', 1, 'PT Baja Mandala', 'Makassar'),
    ('22222222-2222-4222-8222-222222222222', 2, 'Toko Grosir Cahaya', 'Ambon'),
    ('22222222-2222-4222-8222-222222222222', 3, 'CV Kabel Prima', 'Surabaya'),
    ('33333333-3333-4333-8333-333333333333', 1, 'Al Ain Growers', 'Al Ain'),
    ('33333333-3333-4333-8333-333333333333', 2, 'Nile Delta Exports', 'Alexandria'),
    ('33333333-3333-4333-8333-333333333333', 3, 'Konkan Orchards', 'Ratnagiri')
) AS given (tenant_id, n, name, city);

INSERT INTO price_lists (tenant_id, id, name, is_standard)
SELECT t.tenant_id, ('00000000-0000-4000-8003-' || lpad(l.n::text, 12, '0'))::uuid,
       l.name, l.n = 1
FROM tenants t CROSS JOIN (VALUES (1, 'Wholesale'), (2, 'Retail')) AS l (n, name);

-- Products: each good in several packs, with the cost of one unit and the number of
-- units that a pack is charged for (a large pack is a little cheaper by the unit).
WITH houses (prefix, tenant_id) AS (VALUES
    ('SN', '11111111-1111-4111-8111-111111111111'::uuid),
    ('BT', '22222222-2222-4222-8222-222222222222'),
    ('GF', '33333333-3333-4333-8333-333333333333')
), goods (prefix, category, name, unit_cost, packs, factors) AS (VALUES
    ('SN', 1, 'Beras Pandan Wangi', 15200.0,
     '{5 kg,10 kg,25 kg,50 kg}'::text[], '{5,9.8,24,47}'::numeric[]),
    ('SN', 1, 'Tepung Terigu Serbaguna', 10800, '{500 g,1 kg,5 kg,25 kg}', '{0.52,1,4.8,23.4}'),
    ('SN', 1, 'Tepung Tapioka', 12300, '{500 g,1 kg,5 kg,25 kg}', '{0.53,1,4.8,23}'),
    ('SN', 1, 'Gula Pasir Kristal', 15900, '{500 g,1 kg,10 kg,50 kg}', '{0.52,1,9.8,48}'),
    ('SN', 2, 'Minyak Goreng Sawit', 16400, '{1 L,2 L,5 L,18 L}', '{1,1.95,4.8,17}'),
    ('SN', 2, 'Kecap Manis', 28500, '{135 ml,275 ml,600 ml,6 L}', '{0.17,0.3,0.62,5.6}'),
    ('SN', 2, 'Sambal Bawang', 52000, '{100 g,200 g,1 kg,5 kg}', '{0.12,0.22,1,4.7}'),
    ('SN', 2, 'Garam Beryodium', 7600, '{250 g,500 g,1 kg,10 kg}', '{0.3,0.55,1,9.5}'),
    ('SN', 3, 'Kopi Bubuk Lampung', 94000, '{65 g,165 g,500 g,1 kg}', '{0.075,0.18,0.51,1}'),
    ('SN', 3, 'Teh Melati', 61000, '{25 kantong,50 kantong,250 g,1 kg}', '{0.09,0.17,0.27,1}'),
    ('BT', 1, 'Palu Kambing', 58000, '{ringan,sedang,berat}', '{0.8,1,1.4}'),
    ('BT', 1, 'Obeng Set', 12500, '{6 buah,12 buah,24 buah}', '{5,9.5,18}'),
    ('BT', 1, 'Gergaji Kayu', 64000, '{14 inci,18 inci,22 inci}', '{0.9,1,1.25}'),
    ('BT', 1, 'Tang Kombinasi', 47000, '{6 inci,7 inci,8 inci}', '{0.85,1,1.2}'),
    ('BT', 2, 'Semen Portland', 1380, '{40 kg,50 kg,1 palet}', '{40,49,1950}'),
    ('BT', 2, 'Cat Tembok Putih', 31500, '{1 kg,5 kg,25 kg}', '{1.05,4.9,23}'),
    ('BT', 2, 'Besi Beton Ulir', 12400, '{10 mm,12 mm,16 mm}', '{7.4,10.6,18.9}'),
    ('BT', 2, 'Pipa PVC', 9800, '{0.5 inci,1 inci,3 inci}', '{2.6,4.4,13.5}'),
    ('BT', 3, 'Kabel NYM', 8700, '{10 m,50 m,100 m}', '{10,48,94}'),
    ('BT', 3, 'Lampu LED', 2100, '{5 W,9 W,14 W}', '{6,9,13}'),
    ('BT', 3, 'Stop Kontak', 18500, '{1 lubang,3 lubang,5 lubang}', '{1,2.1,3.2}'),
    ('BT', 3, 'MCB Satu Fasa', 5200, '{6 A,10 A,16 A}', '{9.5,10,10.4}'),
    ('GF', 1, 'Alphonso Mango', 17.40, '{1 kg,3 kg,10 kg}', '{1,2.9,9.4}'),
    ('GF', 1, 'Navel Orange', 3.85, '{1 kg,5 kg,15 kg}', '{1,4.8,14}'),
    ('GF', 1, 'Pomegranate', 8.20, '{1 kg,4 kg,12 kg}', '{1,3.9,11.4}'),
    ('GF', 1, 'Cavendish Banana', 3.10, '{1 kg,5 kg,13 kg}', '{1,4.8,12.2}'),
    ('GF', 2, 'Vine Tomato', 5.60, '{500 g,1 kg,6 kg}', '{0.55,1,5.7}'),
    ('GF', 2, 'Baby Cucumber', 4.75, '{500 g,1 kg,5 kg}', '{0.55,1,4.8}'),
    ('GF', 2, 'Red Onion', 2.20, '{1 kg,5 kg,20 kg}', '{1,4.7,18}'),
    ('GF', 3, 'Medjool Dates', 42.00, '{400 g,1 kg,5 kg}', '{0.44,1,4.8}'),
    ('GF', 3, 'Sukkari Dates', 24.50, '{500 g,1 kg,3 kg}', '{0.53,1,2.9}'),
    ('GF', 3, 'Roasted Cashew', 46.00, '{250 g,500 g,2 kg}', '{0.27,0.52,1.95}')
), numbered AS (
    SELECT h.tenant_id, g.*, x.pack, x.factor,
           row_number() OVER (PARTITION BY prefix ORDER BY g.category, g.name, x.factor) AS n
    FROM goods g JOIN houses h USING (prefix)
    CROSS JOIN LATERAL unnest(g.packs, g.factors) AS x (pack, factor)
), added AS (
    INSERT INTO products (tenant_id, id, category_id, sku, name, pack)
    SELECT tenant_id, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-4000-8001-' || lpad(category::text, 12, '0'))::uuid,
           prefix || '-' || lpad(n::text, 4, '0'), name, pack
    FROM numbered RETURNING tenant_id, id, sku
)
-- Two costs for each product: the present one, and a cheaper one of last quarter.
INSERT INTO cost_prices (tenant_id, product_id, supplier_id, amount, valid_from)
SELECT a.tenant_id, a.id, ('00000000-0000-4000-8002-' || lpad(n.category::text, 12, '0'))::uuid,
       round(n.unit_cost * n.factor * d.share / s.step) * s.step, current_date - d.days
FROM added a
JOIN numbered n ON n.tenant_id = a.tenant_id AND n.prefix || '-' || lpad(n.n::text, 4, '0') = a.sku
CROSS JOIN (VALUES (1.00, 12), (0.96, 104)) AS d (share, days)
CROSS JOIN LATERAL (SELECT CASE n.prefix WHEN 'GF' THEN 0.05 ELSE 50 END AS step) s;

-- Prices: a markup that differs by product, a few of them too thin; retail above it.
INSERT INTO prices (tenant_id, price_list_id, product_id, amount, changed_at)
SELECT g.tenant_id, l.id, g.id,
       greatest(1, round(c.amount * (m.markup + CASE WHEN l.is_standard THEN 0 ELSE 0.09 END)
                         / s.step)) * s.step,
       now() - make_interval(days => 20 + n % 30)
FROM products g
CROSS JOIN LATERAL (SELECT right(g.sku, 4)::int AS n) k
JOIN price_lists l ON l.tenant_id = g.tenant_id
JOIN cost_prices c ON c.tenant_id = g.tenant_id AND c.product_id = g.id
                  AND c.valid_from = current_date - 12
CROSS JOIN LATERAL (SELECT CASE WHEN n % 11 = 5 THEN 1.045 ELSE 1.17 + (n * 7 % 17) * 0.011 END
                    AS markup) m
CROSS JOIN LATERAL (SELECT CASE WHEN left(g.sku, 2) = 'GF' THEN 0.25 ELSE 100 END AS step) s;

-- Proposals on the wholesale list: some wait for a decision (of either colleague),
-- some were approved and are today's price, some were rejected.
WITH people (tenant_id, sales, manager) AS (VALUES
    ('11111111-1111-4111-8111-111111111111'::uuid, 'sari@sinar.example', 'dewi@sinar.example'),
    ('22222222-2222-4222-8222-222222222222', 'budi@bintang.example', 'rudi@bintang.example'),
    ('33333333-3333-4333-8333-333333333333', 'amal@gulf.example', 'huda@gulf.example')
), picked AS (
    SELECT p.tenant_id, p.id, p.amount, n, h.sales, h.manager,
           CASE n % 8 WHEN 3 THEN 'pending' WHEN 6 THEN 'approved' ELSE 'rejected' END AS fate,
           CASE WHEN left(g.sku, 2) = 'GF' THEN 0.25 ELSE 100 END AS step,
           n % 16 = 11 AS by_manager
    FROM prices p
    JOIN price_lists l ON l.tenant_id = p.tenant_id AND l.id = p.price_list_id AND l.is_standard
    JOIN products g ON g.tenant_id = p.tenant_id AND g.id = p.product_id
    JOIN people h ON h.tenant_id = p.tenant_id
    CROSS JOIN LATERAL (SELECT right(g.sku, 4)::int AS n) k
    WHERE n % 8 IN (3, 6) OR n % 16 = 9
), added AS (
    INSERT INTO price_changes (tenant_id, price_id, old_amount, new_amount, reason,
                               proposed_by, proposed_at)
    SELECT tenant_id, id,
           CASE fate WHEN 'approved' THEN floor(amount * 0.96 / step) * step ELSE amount END,
           CASE fate WHEN 'approved' THEN amount
                     WHEN 'pending' THEN ceil(amount * 1.04 / step + 0.5) * step
                     ELSE floor(amount * 0.85 / step) * step END,
           CASE fate WHEN 'approved' THEN 'Supplier raised the cost this quarter'
                     WHEN 'pending' THEN (ARRAY['Supplier announced a higher cost',
                         'Freight has become dearer', 'In line with the market'])[1 + n % 3]
                     ELSE 'Promotion asked for by a large customer' END,
           CASE WHEN by_manager THEN manager ELSE sales END,
           now() - make_interval(
               days => CASE fate WHEN 'pending' THEN n / 8 % 4 ELSE 6 + n % 20 END,
               hours => 1 + n % 7)
    FROM picked RETURNING tenant_id, id, price_id, proposed_by, proposed_at
)
INSERT INTO approvals (tenant_id, change_id, proposed_by, decided_by, decision, decided_at)
SELECT a.tenant_id, a.id, a.proposed_by, p.manager, p.fate, a.proposed_at + interval '5 hours'
FROM added a JOIN picked p ON p.tenant_id = a.tenant_id AND p.id = a.price_id
WHERE p.fate <> 'pending';

INSERT INTO notes (tenant_id, product_id, body, written_by, written_at)
SELECT tenant_id::uuid, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, body,
       written_by, now() - make_interval(days => days)
FROM (VALUES
    ('11111111-1111-4111-8111-111111111111', 1,
     'Panen raya: harga pemasok turun mulai bulan depan.', 'sari@sinar.example', 3),
    ('11111111-1111-4111-8111-111111111111', 3,
     'Pelanggan hotel minta harga tetap selama enam bulan.', 'dewi@sinar.example', 9),
    ('22222222-2222-4222-8222-222222222222', 1,
     'Ongkos kirim ke Ambon naik, cek lagi marginnya.', 'budi@bintang.example', 2),
    ('33333333-3333-4333-8333-333333333333', 1,
     'Season ends in July; keep two weeks of stock only.', 'amal@gulf.example', 5)
) AS given (tenant_id, n, body, written_by, days);
