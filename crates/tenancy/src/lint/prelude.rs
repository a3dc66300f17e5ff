//! What the statements of all rules begin with.

use std::sync::LazyLock;

/// What every statement of a rule can use; [`before`] takes from it what one does use. `$1` is the application's role, `$2` to `$4` are schema,
/// name and tenant column (empty for none) of the tables with tenants' rows, `$5` is the tenant
/// column that was named, `$6` and `$7` are the objects that were declared as reviewed and what they
/// were like then.
///
/// - `held`: those tables.
/// - `logins`: the application's role and every login that is a member of it, however indirectly;
///   the owner of the tables is none of them.
/// - `mine`: everybody, those, and every role that they belong to.
/// - `tied`: policies whose condition depends on the tenant's column, or on a table above.
/// - `bound`: tables whose rows Amanah's own policies hold back.
/// - `seen`: which views show which tables, through other views too.
/// - `copies`: what holds tenants' rows and knows no policies: materialised views, and the trail.
/// - `hot`: roles that can read tenants' rows past the policies, or a copy of them.
/// - `code`: functions that somebody made, ours and those of extensions left out. One is `offered`
///   when something else in the catalogue calls it: an operator asks for no right on the schema.
/// - `reach`: roles (`r`) whose rights the application can have a function run with, and relations
///   (`w`) that it can have changed, however indirectly; what a hot role reaches is not followed.
/// - `passed`: which changes of one relation PostgreSQL makes changes of another, with rights that are
///   not the caller's: through a view that can be written through, or by a rule.
/// - `moved`: which changes of which relations the application can bring about, as far as `passed`
///   and foreign keys carry them. `d` is to delete, `u` to change, `i` to add.
/// - `keyed`: what foreign keys do when a row that they point to goes (`d`) or its key changes (`u`).
/// - `acted`: what of that the application can bring about, from one foreign key to the next.
const PRELUDE: &str = concat!(
    r"
WITH RECURSIVE held AS MATERIALIZED (
    SELECT c.oid, n.oid AS space, n.nspname || '.' || c.relname AS label,
           format('%I.%I', n.nspname, c.relname) AS quoted, c.relkind, c.relowner,
           c.relrowsecurity AS rls, c.relforcerowsecurity AS forced,
           EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS child,
           h.col, quote_ident(h.col) AS qcol, a.attnum, a.attnotnull, a.attcollation,
           format_type(a.atttypid, a.atttypmod) AS coltype, format_type(a.atttypid, NULL) AS base
      FROM unnest($2::text[], $3::text[], $4::text[]) h(schema, name, col)
      JOIN pg_namespace n ON n.nspname = h.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.name AND c.relkind IN ('r', 'p')
      LEFT JOIN pg_attribute a
        ON a.attrelid = c.oid AND a.attname = h.col AND NOT a.attisdropped
), members(oid) AS (
    SELECT r.oid FROM pg_roles r WHERE r.rolname = $1::text
    UNION
    -- Since PostgreSQL 16 a membership can be without any right but to pass it on.
    SELECT a.member FROM members m JOIN pg_auth_members a ON a.roleid = m.oid
     WHERE COALESCE((to_jsonb(a) ->> 'set_option')::boolean, true)
        OR COALESCE((to_jsonb(a) ->> 'inherit_option')::boolean, true)
), logins AS MATERIALIZED (
    SELECT r.* FROM members m JOIN pg_roles r ON r.oid = m.oid
     WHERE r.rolname = $1::text
        OR r.rolcanlogin AND r.oid <> 10
           AND NOT EXISTS (SELECT FROM held h WHERE h.relowner = r.oid)
), mine AS MATERIALIZED (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL
    SELECT r.oid, quote_ident(r.rolname) FROM pg_roles r
     WHERE EXISTS (SELECT FROM logins l
                    WHERE (l.rolname = $1::text OR NOT l.rolsuper)
                      AND pg_has_role(l.oid, r.oid, 'MEMBER'))
), named(col) AS (
    SELECT $5::text
), reviewed(object, sha256) AS MATERIALIZED (
    SELECT * FROM unnest($6::text[], $7::text[])
), tied AS MATERIALIZED (
    SELECT p.oid, p.polrelid, p.polcmd, p.polpermissive, p.polname
      FROM pg_policy p JOIN held h ON h.oid = p.polrelid
     WHERE EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                      AND d.refclassid = 'pg_class'::regclass
                      AND (d.refobjid = h.oid AND d.refobjsubid = h.attnum
                           OR h.attnum IS NULL AND d.refobjid <> h.oid
                              AND d.refobjid IN (SELECT oid FROM held)))
), bound AS MATERIALIZED (
    SELECT DISTINCT polrelid FROM tied WHERE NOT polpermissive AND polname LIKE 'amanah\_%'
), policy AS (
    SELECT p.oid, p.polname, p.polcmd, p.polpermissive, p.polqual, p.polwithcheck,
           h.oid AS relation, h.label || ', policy ' || p.polname AS label, h.quoted,
           h.attnum, h.qcol, h.base,
           pg_get_expr(p.polqual, p.polrelid) AS using,
           pg_get_expr(p.polwithcheck, p.polrelid) AS checking,
           p.polrelid IN (SELECT b.polrelid FROM bound b) AS bound
      FROM pg_policy p JOIN held h ON h.oid = p.polrelid
     WHERE p.polname NOT LIKE 'amanah\_%'
       AND EXISTS (SELECT FROM mine m WHERE m.oid = ANY (p.polroles))
), reads AS MATERIALIZED (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
      FROM pg_rewrite r
      JOIN pg_depend d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
     WHERE r.oid >= 16384
), calling AS MATERIALIZED (
    -- Relations that call a function that somebody made, or one that runs a statement from a text.
    SELECT DISTINCT r.ev_class AS view
      FROM pg_rewrite r
     WHERE r.oid >= 16384
       AND (EXISTS (SELECT FROM pg_depend d
                     WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                       AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
                       AND d.refobjid >= 16384
                       AND NOT EXISTS (SELECT FROM pg_depend e
                                        WHERE e.classid = d.refclassid AND e.objid = d.refobjid
                                          AND e.deptype = 'e'))
            OR pg_get_viewdef(r.ev_class) ~ '(query|table|cursor|schema|database)_to_xml')
), kept AS MATERIALIZED (
    SELECT m.oid, m.relowner, m.relacl, n.nspname || '.' || m.relname AS label,
           format('%I.%I', n.nspname, m.relname) AS quoted,
           encode(sha256(convert_to(w.rolname || chr(10) || pg_get_viewdef(m.oid), 'UTF8')), 'hex')
               AS digest
      FROM pg_class m
      JOIN pg_namespace n ON n.oid = m.relnamespace
      JOIN pg_roles w ON w.oid = m.relowner
     WHERE m.relkind = 'm' AND m.oid >= 16384
), closure AS (
    SELECT view, relation FROM reads
    UNION
    SELECT c.view, r.relation FROM closure c JOIN reads r ON r.view = c.relation
), copies AS MATERIALIZED (
    SELECT k.oid, false AS trail, k.label, k.quoted, k.relowner, k.relacl, k.digest,
           EXISTS (SELECT FROM closure c JOIN held h ON h.oid = c.relation WHERE c.view = k.oid)
               AS of_tenants
      FROM kept k
     WHERE NOT EXISTS (SELECT FROM reviewed v WHERE v.object = k.label AND v.sha256 = k.digest)
       AND (EXISTS (SELECT FROM closure c JOIN held h ON h.oid = c.relation WHERE c.view = k.oid)
            OR EXISTS (SELECT FROM closure c
                        WHERE c.view = k.oid
                          AND c.relation = to_regclass('audit.system_audit_logs'))
            OR EXISTS (SELECT FROM calling g
                        WHERE g.view = k.oid
                           OR g.view IN (SELECT c.relation FROM closure c WHERE c.view = k.oid))
            OR EXISTS (SELECT FROM pg_attribute a
                        WHERE a.attrelid = k.oid AND a.attname = $5::text AND NOT a.attisdropped))
    UNION ALL
    SELECT c.oid, true, 'audit.system_audit_logs', 'audit.system_audit_logs', c.relowner,
           c.relacl, '', true
      FROM pg_class c WHERE c.oid = to_regclass('audit.system_audit_logs')
), opened AS (
    -- As `closure`, but a copy is not looked through: whoever reads it reads what it holds.
    SELECT view, relation, view AS last FROM reads
    UNION
    SELECT c.view, r.relation, r.view
      FROM opened c
      JOIN pg_class m ON m.oid = c.relation AND m.relkind <> 'm'
      JOIN reads r ON r.view = c.relation
), shown AS MATERIALIZED (
    -- `above`: no policy binds whoever asks for the rows; `through`: that is the reader itself.
    SELECT c.view AS oid, p.oid IS NOT NULL AS kept, w.rolsuper OR w.rolbypassrls AS above,
           COALESCE(h.rls AND h.forced, false) AS forced,
           COALESCE((SELECT o.option_value::boolean FROM pg_options_to_table(x.reloptions) o
                      WHERE o.option_name = 'security_invoker'), false) AS through
      FROM opened c
      JOIN pg_class x ON x.oid = c.last
      JOIN pg_roles w ON w.oid = x.relowner
      LEFT JOIN held h ON h.oid = c.relation
      LEFT JOIN copies p ON p.oid = c.relation
     WHERE h.oid IS NOT NULL OR p.oid IS NOT NULL
), seen AS (
    SELECT v.oid, n.nspname || '.' || v.relname AS label,
           format('%I.%I', n.nspname, v.relname) AS quoted, v.relkind, v.relowner, v.relacl,
           COALESCE((SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) o
                      WHERE o.option_name = 'security_invoker'), false) AS invoker,
           s.above, s.forced, s.kept, s.through
      FROM shown s
      JOIN pg_class v ON v.oid = s.oid AND v.relkind = 'v'
      JOIN pg_namespace n ON n.oid = v.relnamespace
     WHERE v.relpersistence <> 't'
       AND EXISTS (SELECT FROM logins l
                    WHERE has_schema_privilege(l.oid, n.oid, 'USAGE')
                      AND has_any_column_privilege(l.oid, v.oid, 'SELECT'))
), hot AS MATERIALIZED (
    SELECT w.oid FROM pg_roles w
     WHERE w.rolsuper OR w.rolbypassrls
        OR EXISTS (SELECT FROM held h WHERE pg_has_role(w.oid, h.relowner, 'USAGE'))
        OR pg_has_role(w.oid, 'pg_read_server_files', 'USAGE')
        OR pg_has_role(w.oid, 'pg_write_server_files', 'USAGE')
        OR pg_has_role(w.oid, 'pg_execute_server_program', 'USAGE')
        OR EXISTS (SELECT FROM copies p WHERE has_any_column_privilege(w.oid, p.oid, 'SELECT'))
        OR EXISTS (SELECT FROM shown s JOIN pg_class v ON v.oid = s.oid AND v.relkind = 'v'
                    WHERE NOT s.through AND (s.kept OR s.above OR NOT s.forced)
                      AND has_any_column_privilege(w.oid, v.oid, 'SELECT'))
), code AS MATERIALIZED (
    SELECT p.*, n.nspname || '.' || p.proname || '('
           || pg_get_function_identity_arguments(p.oid) || ')' AS label,
           p.oid::regprocedure::text AS quoted,
           COALESCE(NULLIF(p.prosrc, ''), pg_get_function_sqlbody(p.oid), '') AS body,
           p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) AS hung,
           EXISTS (SELECT FROM logins l
                    WHERE has_function_privilege(l.oid, p.oid, 'EXECUTE')
                      AND has_schema_privilege(l.oid, n.oid, 'USAGE')) AS callable,
           EXISTS (SELECT FROM pg_depend d
                    WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                      AND d.classid <> 'pg_trigger'::regclass) AS offered,
           w.rolname AS owner, w.oid IN (SELECT h.oid FROM hot h) AS past,
           CASE WHEN p.prosecdef THEN encode(sha256(convert_to(
               w.rolname || chr(10) || pg_get_functiondef(p.oid), 'UTF8')), 'hex') END AS digest
      FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_roles w ON w.oid = p.proowner
     WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p')
       AND n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' <> ALL (",
    store::own_functions!(),
    r")
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                          AND d.deptype = 'e')
), definer AS MATERIALIZED (
    -- The declared ones left out. A part of an aggregate is called with the aggregate's right.
    SELECT f.*, ARRAY(SELECT g.aggfnoid::oid FROM pg_aggregate g
                       WHERE f.oid IN (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn,
                                       g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn,
                                       g.aggmfinalfn)) AS aggregates
      FROM code f
     WHERE f.prosecdef
       AND NOT EXISTS (SELECT FROM reviewed v WHERE v.object = f.label AND v.sha256 = f.digest)
), events(event, word, bit, trigger, rule) AS (
    VALUES ('d', 'DELETE', 16, 8, '4'), ('i', 'INSERT', 8, 4, '3'), ('u', 'UPDATE', 4, 16, '2')
), passed AS MATERIALIZED (
    -- Through a view with its reader's rights, and by its triggers, the caller does it with its own.
    -- What an unconditional rule does is done in the place of the view's own way.
    SELECT v.oid AS view, e.event AS cause, d.refobjid AS relation, e.event
      FROM pg_class v CROSS JOIN events e
      JOIN pg_rewrite r ON r.ev_class = v.oid AND r.ev_type = '1'
      JOIN pg_depend d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
     WHERE v.relkind = 'v' AND v.oid >= 16384 AND pg_relation_is_updatable(v.oid, true) & e.bit <> 0
       AND NOT COALESCE((SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) o
                          WHERE o.option_name = 'security_invoker'), false)
       AND NOT EXISTS (SELECT FROM pg_trigger t
                        WHERE t.tgrelid = v.oid AND t.tgtype::int & 64 <> 0
                          AND t.tgtype::int & e.trigger <> 0)
       AND NOT EXISTS (SELECT FROM pg_rewrite i
                        WHERE i.ev_class = v.oid AND i.ev_type::text = e.rule AND i.is_instead
                          AND i.ev_qual::text = '<>' AND i.ev_enabled IN ('O', 'A'))
    UNION
    -- What a rule does to a relation that it names is not read.
    SELECT r.ev_class, e.event, d.refobjid, o.event
      FROM pg_rewrite r
      JOIN events e ON e.rule = r.ev_type::text
     CROSS JOIN events o
      JOIN pg_depend d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
     WHERE r.oid >= 16384 AND r.ev_enabled <> 'D'
), reach(kind, oid) AS (
    SELECT 'r', m.oid FROM mine m WHERE m.oid <> 0
    UNION
    SELECT s.kind, s.oid
      FROM reach r
     CROSS JOIN LATERAL (
        SELECT 'r', f.proowner FROM definer f
         WHERE r.kind = 'r' AND NOT f.hung
           AND (has_function_privilege(r.oid, f.oid, 'EXECUTE')
                AND (f.offered OR has_schema_privilege(r.oid, f.pronamespace, 'USAGE'))
                OR EXISTS (SELECT FROM unnest(f.aggregates) g
                            WHERE has_function_privilege(r.oid, g, 'EXECUTE')))
        UNION ALL
        SELECT 'w', c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.kind = 'r' AND c.relkind IN ('r', 'p', 'v') AND c.oid >= 16384
           AND (n.nspname, c.relname) NOT IN ",
    store::own_tables!(),
    " AND NOT ",
    store::own_partition!("c.oid"),
    r"
           AND (has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
                OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))
        UNION ALL
        SELECT 'r', f.proowner FROM pg_trigger t JOIN definer f ON f.oid = t.tgfoid
         WHERE r.kind = 'w' AND t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        UNION ALL
        SELECT 'w', p.relation FROM passed p WHERE r.kind = 'w' AND p.view = r.oid
        UNION ALL
        SELECT 'w', k.conrelid FROM pg_constraint k
         WHERE r.kind = 'w' AND k.confrelid = r.oid AND k.contype = 'f'
           AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
        UNION ALL
        SELECT 'w', i.inhrelid FROM pg_inherits i WHERE r.kind = 'w' AND i.inhparent = r.oid
     ) s(kind, oid)
     WHERE r.kind = 'w' OR r.oid NOT IN (SELECT h.oid FROM hot h)
        OR r.oid IN (SELECT m.oid FROM mine m)
), callers AS MATERIALIZED (
    SELECT r.oid FROM reach r
     WHERE r.kind = 'r' AND (r.oid NOT IN (SELECT h.oid FROM hot h)
                             OR r.oid IN (SELECT m.oid FROM mine m))
), called AS (
    -- What of `definer` the application can have called, and is no trigger.
    SELECT f.* FROM definer f
     WHERE NOT f.hung
       AND EXISTS (SELECT FROM callers r
                    WHERE has_function_privilege(r.oid, f.oid, 'EXECUTE')
                          AND (f.offered OR has_schema_privilege(r.oid, f.pronamespace, 'USAGE'))
                       OR EXISTS (SELECT FROM unnest(f.aggregates) g
                                   WHERE has_function_privilege(r.oid, g, 'EXECUTE')))
), keyed AS MATERIALIZED (
    SELECT k.oid, k.conrelid AS child, k.confrelid AS parent, 'd' AS cause, k.confkey AS causing,
           CASE k.confdeltype WHEN 'c' THEN 'd' ELSE 'u' END AS event, k.conkey AS columns
      FROM pg_constraint k WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
    UNION ALL
    SELECT k.oid, k.conrelid, k.confrelid, 'u', k.confkey, 'u', k.conkey
      FROM pg_constraint k WHERE k.contype = 'f' AND k.confupdtype IN ('c', 'n', 'd')
), moved(oid, event) AS (
    SELECT w.oid, e.event
      FROM reach w CROSS JOIN events e
     WHERE w.kind = 'w'
       AND EXISTS (SELECT FROM callers r
                    WHERE CASE e.event WHEN 'd' THEN has_table_privilege(r.oid, w.oid, 'DELETE')
                          ELSE has_any_column_privilege(r.oid, w.oid, e.word) END)
    UNION
    SELECT s.oid, s.event
      FROM moved m
     CROSS JOIN LATERAL (
        SELECT p.relation, p.event FROM passed p WHERE p.view = m.oid AND p.cause = m.event
        UNION ALL
        SELECT k.child, k.event FROM keyed k WHERE k.parent = m.oid AND k.cause = m.event
        UNION ALL
        SELECT i.inhrelid, m.event FROM pg_inherits i WHERE i.inhparent = m.oid
     ) s(oid, event)
), acted AS (
    SELECT k.* FROM keyed k
     WHERE EXISTS (SELECT FROM callers r
                    WHERE CASE k.cause
                          WHEN 'd' THEN has_table_privilege(r.oid, k.parent, 'DELETE')
                          ELSE EXISTS (SELECT FROM unnest(k.causing) c
                                        WHERE has_column_privilege(r.oid, k.parent, c, 'UPDATE'))
                          END)
        -- What changes it through a view or a rule has rights of somebody else.
        OR EXISTS (SELECT FROM moved m
                     JOIN passed p ON p.view = m.oid AND p.cause = m.event
                    WHERE p.relation = k.parent AND p.event = k.cause)
    UNION
    SELECT k.* FROM acted a
      JOIN keyed k ON k.parent = a.child AND k.cause = a.event
                  AND (k.cause = 'd' OR k.causing && a.columns)
)
"
);

/// What all of them are given, so that each parameter has its type where nothing else names it.
const GIVEN: &str = "given(role, schemas, names, columns, tenant, objects, digests) AS (
    SELECT $1::text, $2::text[], $3::text[], $4::text[], $5::text, $6::text[], $7::text[]
)";
const BEGIN: &str = "WITH RECURSIVE ";
/// Each part begins on a line of its own, behind the end of the one before it.
const BETWEEN: &str = "\n), ";

/// One of the queries of [`PRELUDE`].
struct Part {
    name: &'static str,
    text: &'static str,
    /// Those that it names.
    uses: Vec<&'static str>,
}

static PARTS: LazyLock<Vec<Part>> = LazyLock::new(|| {
    let inside = PRELUDE.trim().strip_prefix(BEGIN).unwrap_or(PRELUDE);
    let inside = inside.strip_suffix("\n)").unwrap_or(inside);
    let texts: Vec<&str> = inside.split(BETWEEN).collect();
    let named = |text: &'static str| words(text).next().unwrap_or_default();
    let part = |text: &'static str| {
        let told = |line: &&str| !line.trim_start().starts_with("--");
        let names: Vec<&str> = text.lines().filter(told).flat_map(words).collect();
        let others = texts.iter().copied().map(named);
        let uses = others.filter(|other| names.contains(other)).collect();
        Part { name: named(text), text, uses }
    };
    texts.iter().copied().map(part).collect()
});

fn words(text: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| !c.is_alphanumeric() && c != '_';
    text.split(apart).filter(|word| !word.is_empty())
}

/// `sql` behind those queries that it names, and that they name. The server would plan the others each
/// time, which takes longer than all the rest.
pub(super) fn before(sql: &str) -> String {
    let mut wanted: Vec<&str> = words(sql).collect();
    let mut taken = Vec::new();
    // None names a later one.
    for part in PARTS.iter().rev() {
        if wanted.contains(&part.name) {
            wanted.extend(&part.uses);
            taken.push(format!("{}\n)", part.text));
        }
    }
    taken.push(GIVEN.to_owned());
    taken.reverse();
    format!("{BEGIN}{}\n{sql}", taken.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, BETWEEN, PARTS, PRELUDE, before};

    #[test]
    fn the_parts_are_the_whole_and_none_names_a_later_one() {
        let texts: Vec<&str> = PARTS.iter().map(|part| part.text).collect();
        assert_eq!(format!("\n{BEGIN}{}\n)\n", texts.join(BETWEEN)), PRELUDE);
        assert!(PARTS.len() > 25, "{}", PARTS.len());
        for (n, part) in PARTS.iter().enumerate() {
            let later = PARTS.iter().skip(n + 1).find(|later| part.uses.contains(&later.name));
            assert!(later.is_none(), "{} names {}", part.name, later.unwrap().name);
        }
    }

    #[test]
    fn a_statement_stands_behind_what_it_uses() {
        let told = before("SELECT FROM tied");
        assert!(told.contains("tied AS MATERIALIZED (") && told.contains("held AS MATERIALIZED ("));
        assert!(!told.contains("acted AS ("), "{told}");
        assert!(told.ends_with("\n)\nSELECT FROM tied"), "{told}");
        assert!(before("SELECT FROM acted").contains("moved(oid, event) AS ("));
    }
}
