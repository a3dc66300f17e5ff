//! What the rules are asked against: the shape of the tables, and the catalogue behind one prelude
//! that every statement begins with.

use std::collections::HashSet;

use store::{Table, Tx};

use super::Found;
use crate::{Census, Held, Result, attack, plan, sql};

/// Names are looked up in the server's own schema, and printed with theirs.
pub(super) const PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// The database, the login, whether the usual role of the application is there.
pub(super) const LOGIN: &str = "
SELECT current_database()::text, current_user::text,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_database() || '_app')";

pub(super) const ROLE: &str = "SELECT FROM pg_roles r WHERE r.rolname = $1";

/// What every statement of a rule can use. `$1` is the application's role, `$2` to `$4` are schema,
/// name and tenant column (empty for none) of the tables with tenants' rows, `$5` is the tenant
/// column that was named.
///
/// - `held`: those tables.
/// - `mine`: everybody, the application's role, and every role that it belongs to.
/// - `tied`: policies whose condition depends on the tenant's column, or on a table above.
/// - `bound`: tables whose rows Amanah's own policies hold back.
/// - `code`: functions that somebody made, ours and those of extensions left out.
/// - `seen`: which views show which tables, through other views too.
pub(super) const PRELUDE: &str = r"
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
), mine AS MATERIALIZED (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL
    SELECT r.oid, quote_ident(r.rolname) FROM pg_roles r
     WHERE pg_has_role($1::text::name, r.oid, 'MEMBER')
), named(col) AS (
    SELECT $5::text
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
), code AS (
    SELECT p.*, n.nspname || '.' || p.proname || '('
           || pg_get_function_identity_arguments(p.oid) || ')' AS label,
           p.oid::regprocedure::text AS quoted,
           COALESCE(NULLIF(p.prosrc, ''), pg_get_function_sqlbody(p.oid), '') AS body,
           p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) AS hung,
           has_function_privilege($1::text, p.oid, 'EXECUTE')
               AND has_schema_privilege($1::text, n.oid, 'USAGE') AS callable,
           w.rolname AS owner,
           w.rolsuper OR w.rolbypassrls
               OR EXISTS (SELECT FROM held h WHERE pg_has_role(w.oid, h.relowner, 'USAGE'))
               AS past
      FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_roles w ON w.oid = p.proowner
     WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p')
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('amanah', 'amanah_guard', 'audit')
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                          AND d.deptype = 'e')
), reads AS (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
      FROM pg_rewrite r
      JOIN pg_depend d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
), closure AS (
    SELECT view, relation, false AS kept FROM reads
    UNION
    SELECT c.view, r.relation, c.kept OR m.relkind = 'm'
      FROM closure c
      JOIN reads r ON r.view = c.relation
      JOIN pg_class m ON m.oid = c.relation
), seen AS (
    SELECT v.oid, n.nspname || '.' || v.relname AS label,
           format('%I.%I', n.nspname, v.relname) AS quoted, v.relkind, v.relowner, v.relacl,
           COALESCE((SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) o
                      WHERE o.option_name = 'security_invoker'), false) AS invoker,
           w.rolsuper OR w.rolbypassrls AS above, h.rls AND h.forced AS forced, c.kept
      FROM closure c
      JOIN held h ON h.oid = c.relation
      JOIN pg_class v ON v.oid = c.view AND v.relkind IN ('v', 'm')
      JOIN pg_namespace n ON n.oid = v.relnamespace
      JOIN pg_roles w ON w.oid = v.relowner
     WHERE n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'amanah', 'amanah_guard', 'audit')
       AND has_schema_privilege($1::text, n.oid, 'USAGE')
       AND has_any_column_privilege($1::text, v.oid, 'SELECT')
)
";

/// The shape of a database, and what the application may write.
pub(super) struct Facts<'a> {
    pub(super) tables: &'a [Table],
    pub(super) census: &'a Census,
    pub(super) tenant_column: &'a str,
    app_role: &'a str,
    schemas: Vec<&'a str>,
    names: Vec<&'a str>,
    columns: Vec<&'a str>,
    writes: HashSet<(String, String, String)>,
}

impl<'a> Facts<'a> {
    /// `about` is the tenant's column and the application's role.
    pub(super) async fn read(
        tx: &Tx,
        tables: &'a [Table],
        census: &'a Census,
        about: (&'a str, &'a str),
    ) -> Result<Self> {
        let (tenant_column, app_role) = about;
        let rights = tx.query(sql::COLUMN_RIGHTS, &[&app_role]).await?;
        let written = rights.iter().filter(|row| row.get(4) || row.get(5));
        let held = || census.held.iter();
        Ok(Self {
            tables,
            census,
            tenant_column,
            app_role,
            schemas: held().map(|h| h.table.schema.as_str()).collect(),
            names: held().map(|h| h.table.name.as_str()).collect(),
            columns: held().map(|h| h.column().unwrap_or_default()).collect(),
            writes: written.map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
        })
    }

    /// Whether the application may put a value into this column.
    pub(super) fn writes(&self, held: &Held, column: &str) -> bool {
        let table = &held.table;
        self.writes.contains(&(table.schema.clone(), table.name.clone(), column.to_owned()))
    }

    pub(super) async fn ask(&self, tx: &Tx, sql: &str) -> Result<Vec<Found>> {
        let found = |row: &store::Row| Found {
            kind: row.get(0),
            object: row.get(1),
            what: row.get(2),
            fix: row.get(3),
        };
        Ok(self.rows(tx, sql).await?.iter().map(found).collect())
    }

    pub(super) async fn make(
        &self,
        tx: &Tx,
        sql: &str,
        make: fn(&[String]) -> Option<String>,
    ) -> Result<Vec<Found>> {
        let found = |row: &store::Row| {
            let material: Vec<String> = row.get(3);
            let fix = make(&material)?;
            Some(Found { kind: row.get(0), object: row.get(1), what: row.get(2), fix })
        };
        Ok(self.rows(tx, sql).await?.iter().filter_map(found).collect())
    }

    async fn rows(&self, tx: &Tx, sql: &str) -> Result<Vec<store::Row>> {
        let sql = format!("{PRELUDE}{sql}");
        let Self { app_role, schemas, names, columns, tenant_column, .. } = self;
        Ok(tx.query(&sql, &[app_role, schemas, names, columns, tenant_column]).await?)
    }

    /// The policies of a database that was protected once.
    pub(super) async fn policies(&self, tx: &Tx) -> Result<Vec<Found>> {
        if !is_installed(tx).await? {
            return Ok(Vec::new());
        }
        let departures = plan::departures(tx, self.census).await?;
        let found = departures.into_iter().map(|(object, what, fix)| Found {
            kind: "table".to_owned(),
            object,
            what: format!("its policies differ from the plan: {what}"),
            fix,
        });
        Ok(found.collect())
    }

    /// What is in schema `amanah`.
    pub(super) async fn installed(&self, tx: &Tx) -> Result<Vec<Found>> {
        if !is_installed(tx).await? {
            return Ok(Vec::new());
        }
        let found = attack::installed(tx, self.app_role).await?.into_iter().map(|finding| Found {
            kind: "binding".to_owned(),
            object: finding.object,
            what: finding.what,
            fix: format!("-- {}", finding.fix.unwrap_or_default()),
        });
        Ok(found.collect())
    }
}

async fn is_installed(tx: &Tx) -> Result<bool> {
    let sql = "SELECT pg_catalog.to_regclass('amanah.binding_key') IS NOT NULL";
    Ok(tx.query_one(sql, &[]).await?.get(0))
}
