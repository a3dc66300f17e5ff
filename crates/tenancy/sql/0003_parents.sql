-- Why: a table called p has the name by which its policy knew the table that it points to. Where both
--      have a column of the same name, the parent was compared with itself, and a tenant with such a row
--      saw the rows of all; where the parent has none, the table could not be made.
-- Lock: none on existing objects; a function is replaced, with its rights as they are.
-- Undo: put the function of 0002_guard back; tables called p are then isolated no more.

-- The condition by which a row belongs to its parents' tenant, or NULL when the table has no parents
-- with tenants' rows that every row points to. It is written as `amanah protect` writes it, which also
-- finds and mends what was written before.
CREATE OR REPLACE FUNCTION amanah_guard.by_parents(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH link AS (
        SELECT k.conname,
               format('(EXISTS (SELECT 1 FROM %I.%I %s WHERE (%s)))', n.nspname, t.relname, above.name,
                      string_agg(format('%s.%I = %I.%I', above.name, theirs.attname, me.relname,
                                        own.attname),
                                 ' AND ' ORDER BY u.place)) AS held,
               string_agg(format('%I IS NULL', own.attname), ' OR ' ORDER BY u.place) AS missing,
               bool_and(own.attnotnull) AS required
          FROM pg_constraint k
          JOIN pg_class me ON me.oid = k.conrelid
          JOIN pg_class t ON t.oid = k.confrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace
         -- Under the table's own name the parent would be compared with itself.
         CROSS JOIN LATERAL (SELECT CASE WHEN me.relname = 'p' THEN 'q' ELSE 'p' END) above(name)
         CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u(own, theirs, place)
          JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = u.own
          JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = u.theirs
         WHERE k.conrelid = relation AND k.contype = 'f' AND k.conparentid = 0
           AND k.confrelid <> relation AND amanah_guard.reads_tenants(k.confrelid)
         GROUP BY k.conname, n.nspname, t.relname, above.name
    )
    SELECT string_agg(CASE WHEN required THEN held ELSE format('(%s OR %s)', missing, held) END,
                      ' AND ' ORDER BY conname)
      FROM link HAVING bool_or(required)
$$;
