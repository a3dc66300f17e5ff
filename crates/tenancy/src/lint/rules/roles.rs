//! Rules about who the application is, and who else there is.

use super::Severity::{Leak, Note};
use super::Who::Superuser;
use super::{Find, Rule};
use crate::lint::facts::or_declare;

const ABOVE: &str = "roles that no policy binds";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM441",
        title: "Row security does not bind the application",
        channel: ABOVE,
        severity: Leak,
        why: "Policies do not hold for a superuser and for a role with BYPASSRLS, nor for whoever \
              can become one with SET ROLE. Nothing else in the database keeps tenants apart then. A login \
              that is a member of the application's role counts as the application.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'role', 'role ' || a.rolname,
                    CASE WHEN r.oid = a.oid THEN 'it is a superuser or has BYPASSRLS'
                         ELSE 'it can become ' || r.rolname
                              || ', who is a superuser or has BYPASSRLS' END,
                    CASE WHEN r.oid = a.oid
                         THEN format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS', a.rolname)
                         ELSE format('REVOKE %I FROM %I', r.rolname, a.rolname) END
               FROM logins a
               JOIN pg_roles r ON r.oid = a.oid
                 OR (NOT a.rolsuper AND pg_has_role(a.oid, r.oid, 'MEMBER'))
              WHERE r.rolsuper OR r.rolbypassrls ORDER BY a.rolname, r.rolname",
        ),
    },
    Rule {
        id: "AM442",
        title: "The application owns its tables",
        channel: ABOVE,
        severity: Leak,
        why: "The owner of a table can switch its policies off, and so can SQL that is injected \
              into an application with the owner's rights. Let the application log in as a role \
              that owns nothing.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'role', 'role ' || a.rolname,
                    CASE WHEN w.oid = a.oid
                         THEN 'it owns ' || count(*) || ' of the tables with tenants'' rows'
                         ELSE 'it has the rights of ' || w.rolname || ', who owns '
                              || count(*) || ' of the tables with tenants'' rows' END,
                    CASE WHEN w.oid <> a.oid THEN format('REVOKE %I FROM %I', w.rolname, a.rolname)
                         WHEN d.datdba <> a.oid AND NOT pg_has_role(a.oid, d.datdba, 'MEMBER')
                         THEN string_agg(format('ALTER TABLE %s OWNER TO %I', h.quoted,
                                                pg_get_userbyid(d.datdba)), ';' || chr(10))
                         ELSE '-- Make another role for the application, then name it:' || chr(10)
                              || format('CREATE ROLE %I LOGIN', d.datname || '_app') END
               FROM logins a CROSS JOIN held h JOIN pg_roles w ON w.oid = h.relowner
               JOIN pg_database d ON d.datname = current_database()
              WHERE NOT a.rolsuper AND pg_has_role(a.oid, w.oid, 'MEMBER')
              GROUP BY a.oid, a.rolname, w.oid, w.rolname, d.datdba, d.datname
              ORDER BY a.rolname, w.rolname",
        ),
    },
    Rule {
        id: "AM443",
        title: "The application has rights over the server",
        channel: ABOVE,
        severity: Leak,
        why: "Reading the server's files, running its programs, seeing everybody's statements, \
              making roles and replicating the database are each a way past every policy.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'role', 'role ' || a.rolname, 'it belongs to ' || r.rolname,
                    format('REVOKE %I FROM %I', r.rolname, a.rolname)
               FROM logins a JOIN pg_roles r ON pg_has_role(a.oid, r.oid, 'MEMBER')
              WHERE NOT a.rolsuper
                AND r.rolname IN ('pg_read_server_files', 'pg_write_server_files',
                    'pg_execute_server_program', 'pg_read_all_stats', 'pg_monitor',
                    'pg_signal_backend', 'pg_read_all_data', 'pg_write_all_data',
                    'pg_create_subscription', 'pg_maintain')
             UNION ALL
             SELECT 'role', 'role ' || a.rolname, w.what,
                    format('ALTER ROLE %I %s', a.rolname, w.word)
               FROM logins a
              CROSS JOIN LATERAL (VALUES
                    (a.rolreplication, 'it may replicate the whole server', 'NOREPLICATION'),
                    (a.rolcreaterole, 'it may make roles, and belong to them', 'NOCREATEROLE'))
                    w(holds, what, word)
              WHERE NOT a.rolsuper AND w.holds ORDER BY 2, 3",
        ),
    },
    Rule {
        id: "AM444",
        title: "The application may change settings of the server",
        channel: ABOVE,
        severity: Leak,
        why: "session_replication_role puts triggers and foreign keys to sleep, and other settings \
              that only a superuser may change decide what is logged and loaded.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'setting', 'setting ' || p.parname,
                    'the application may do this with it: '
                        || string_agg(DISTINCT x.privilege_type, ', '),
                    format('REVOKE %s ON PARAMETER %s FROM %s',
                           string_agg(DISTINCT x.privilege_type, ', '), p.parname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_parameter_acl p CROSS JOIN LATERAL aclexplode(p.paracl) x
               JOIN mine m ON m.oid = x.grantee
              GROUP BY p.parname ORDER BY 2",
        ),
    },
    Rule {
        id: "AM445",
        title: "Something that the server keeps to itself was granted",
        channel: ABOVE,
        severity: Leak,
        why: "Passwords, samples of every column's values, files of the server: its own tables and \
              functions that nobody is given, and somebody has granted.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'table', 'pg_catalog.' || c.relname, 'the application may read it',
                    format('REVOKE ALL ON pg_catalog.%I FROM %s', c.relname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_class c JOIN pg_init_privs i
                 ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
              CROSS JOIN LATERAL aclexplode(c.relacl) x JOIN mine m ON m.oid = x.grantee
              WHERE c.relnamespace = 'pg_catalog'::regnamespace AND x.grantee <> c.relowner
                AND m.name !~ '^pg_'
                AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) o WHERE o.grantee = 0)
              GROUP BY c.relname
             UNION ALL
             SELECT 'function', 'pg_catalog.' || f.oid::regprocedure,
                    'the application may call it',
                    format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s', f.oid::regprocedure,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_proc f JOIN pg_init_privs i
                 ON i.classoid = 'pg_proc'::regclass AND i.objoid = f.oid
              CROSS JOIN LATERAL aclexplode(f.proacl) x JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND m.name !~ '^pg_'
                AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) o WHERE o.grantee = 0)
              GROUP BY f.oid ORDER BY 2",
        ),
    },
    Rule {
        id: "AM446",
        title: "Another login is not bound by row security",
        channel: ABOVE,
        severity: Note,
        why: "Backups and reports need a role with BYPASSRLS, and every server has a superuser. \
              Each such login reads all tenants: know them all.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'role', 'role ' || r.rolname, 'it logs in, and no policy binds it',
                    format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS', r.rolname)
               FROM pg_roles r
              WHERE r.rolcanlogin AND (r.rolsuper OR r.rolbypassrls) AND r.oid <> 10
                AND r.oid NOT IN (SELECT l.oid FROM logins l)
              ORDER BY r.rolname",
        ),
    },
    Rule {
        id: "AM447",
        title: "Sessions of the application begin with a setting that nobody declared",
        channel: "settings of a role",
        severity: Leak,
        why: "Every role may change its own settings and its password, and no right takes that away. \
              One injected ALTER ROLE lasts: statement_timeout, standard_conforming_strings or \
              search_path of its choice is there in each later session of every tenant. What was \
              there when the database was protected is known.",
        who: Superuser,
        find: Find::Sql(concat!(
            "SELECT 'setting', i.label, 'each session of the role begins with it, and nobody declared \
                    it', format('ALTER ROLE %I %sRESET %I', i.rolname, i.place, i.name)",
            or_declare!("i.label", "i.digest"),
            "  FROM (
                SELECT l.rolname, split_part(c.entry, '=', 1) AS name,
                       'role ' || l.rolname || ', setting ' || split_part(c.entry, '=', 1)
                           || CASE WHEN s.setdatabase <> 0 THEN ' here' ELSE '' END AS label,
                       CASE WHEN s.setdatabase <> 0
                            THEN format('IN DATABASE %I ', current_database()) ELSE '' END AS place,
                       encode(sha256(convert_to(c.entry, 'UTF8')), 'hex') AS digest
                  FROM pg_db_role_setting s
                  LEFT JOIN pg_database d ON d.oid = s.setdatabase
                  JOIN logins l ON l.oid = s.setrole
                 CROSS JOIN LATERAL unnest(s.setconfig) c(entry)
                 WHERE (s.setdatabase = 0 OR d.datname = current_database())
                   AND to_regclass('amanah.reviewed') IS NOT NULL) i
              WHERE NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = i.label AND v.sha256 = i.digest)
              ORDER BY 2",
        )),
    },
];
