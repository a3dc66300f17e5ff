//! What reaches past the policies: views with their owner's rights, materialised views, rights to
//! empty a table or hang a trigger on it, to set a sequence or make objects, and what can be seen of
//! other sessions.

use std::collections::BTreeMap;

use store::{ident, qualified};

use super::facts::{Facts, Reading, RightsOf, Shares, Temporary};
use super::{Plan, Step};
use crate::Census;
use crate::census::Name;

impl Plan {
    pub(super) fn reach(&mut self, census: &Census, facts: &Facts) {
        let mut views: BTreeMap<&Name, Vec<&Reading>> = BTreeMap::new();
        for reading in &facts.views {
            if census.find(&reading.table).is_some() {
                views.entry(&reading.view).or_default().push(reading);
            }
        }
        for (view, readings) in &views {
            self.view(view, readings);
        }
        self.rights(census, facts, &|view| views.contains_key(view));
        self.later_rights(facts);
        self.makers(facts);
        self.setters(facts);
        self.temporary(facts);
        self.shares(&facts.shares);
    }

    fn view(&mut self, view: &Name, readings: &[&Reading]) {
        let Some(first) = readings.first() else {
            return;
        };
        if first.kind != "v" || first.rights_of == RightsOf::Reader {
            return;
        }
        let label = format!("{}.{}", view.0, view.1);
        let sql = format!("ALTER VIEW {} SET (security_invoker = true)", ident_of(view));
        if !first.ours {
            let why = "it reads tenants' rows with the rights of its owner, who is somebody else";
            if first.rights_of == RightsOf::Above {
                self.need(label, why, Some(sql));
            } else {
                self.advise(label, why, Some(sql));
            }
        } else if readings.iter().all(|r| r.app_reads_table) {
            let why = "the view reads with the rights of its reader, not of its owner";
            self.step(label, "its reader's rights", why, sql);
        } else if first.rights_of == RightsOf::Above {
            let why = "it shows every tenant's rows, because row security does not bind its \
                       owner. It was left as it is because the application may not read the \
                       tables below it: grant that, then plan again";
            self.need(label, why, Some(sql));
        } else {
            let why = "it reads with its owner's rights, whom the policies bind as long as they \
                       are forced. It was left as it is because the application may not read the \
                       tables below it";
            self.advise(label, why, Some(sql));
        }
    }

    fn rights(&mut self, census: &Census, facts: &Facts, is_view: &dyn Fn(&Name) -> bool) {
        // Relation and grantee: the rights.
        let mut all: BTreeMap<(&Name, &str), (bool, Vec<&str>)> = BTreeMap::new();
        for right in &facts.rights {
            let matview = right.kind == "m";
            let concerns = if matview {
                is_view(&right.relation)
            } else {
                census.find(&right.relation).is_some()
            };
            if concerns {
                let entry = all.entry((&right.relation, &right.grantee)).or_default();
                entry.0 = matview;
                entry.1.push(&right.word);
            }
        }
        for ((relation, grantee), (matview, rights)) in all {
            let (what, why) = if matview {
                let why = "a materialised view holds every tenant's rows and knows no policies";
                ("ALL".to_owned(), why)
            } else {
                let why = "these rights are not subject to row security";
                (rights.join(", "), why)
            };
            let sql = format!("REVOKE {what} ON {} FROM {}", ident_of(relation), role(grantee));
            let brief = if matview { "all rights revoked" } else { "grants narrowed" };
            self.step(format!("{}.{}", relation.0, relation.1), brief, why, sql);
        }
    }

    /// Tables and sequences that are made later come with these rights.
    fn later_rights(&mut self, facts: &Facts) {
        let mut all: BTreeMap<(&str, &str, &str, &str, bool), Vec<&str>> = BTreeMap::new();
        for right in &facts.later {
            let key = (right.role.as_str(), right.schema.as_str(), right.grantee.as_str());
            let key = (key.0, key.1, key.2, right.of.as_str(), right.ours);
            all.entry(key).or_default().push(&right.word);
        }
        for ((maker, schema, grantee, of, ours), rights) in all {
            let (place, object) = if schema.is_empty() {
                (String::new(), format!("default privileges of {maker}"))
            } else {
                let object = format!("default privileges of {maker} in schema {schema}");
                (format!(" IN SCHEMA {}", ident(schema)), object)
            };
            let defaults = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {}{place}", ident(maker));
            let (rights, grantee) = (rights.join(", "), role(grantee));
            let mut sql = format!("{defaults} REVOKE {rights} ON {of} FROM {grantee}");
            if of == "SEQUENCES" {
                // UPDATE alone lets an application draw numbers too, and it still has to.
                sql = format!("{sql};\n{defaults} GRANT USAGE ON {of} TO {grantee}");
            }
            let why = if of == "SEQUENCES" {
                "with this right on sequences that are made later, one tenant could stop or repeat \
                 the numbers of all"
            } else {
                "tables that are made later would come with rights that are not subject to row \
                 security"
            };
            if ours {
                self.step(object, "narrowed", why, sql);
            } else {
                self.advise(object, why, Some(sql));
            }
        }
    }

    /// An application draws numbers, and setting a sequence is another right.
    fn setters(&mut self, facts: &Facts) {
        for setter in &facts.setters {
            let (sequence, grantee) = (ident_of(&setter.sequence), role(&setter.grantee));
            let revoke = format!("REVOKE UPDATE ON SEQUENCE {sequence} FROM {grantee}");
            let sql = if setter.draws {
                revoke
            } else {
                format!("{revoke};\nGRANT USAGE ON SEQUENCE {sequence} TO {grantee}")
            };
            let why = "with setval() one tenant could stop or repeat the numbers of all; drawing one \
                       takes USAGE alone";
            let object = format!("{}.{}", setter.sequence.0, setter.sequence.1);
            if setter.ours {
                self.step(object, "UPDATE revoked", why, sql);
            } else {
                self.need(object, why, Some(sql));
            }
        }
    }

    fn makers(&mut self, facts: &Facts) {
        for maker in &facts.makers {
            let (schema, grantee) = (ident(&maker.schema), role(&maker.grantee));
            let object = format!("schema {}", maker.schema);
            // A queue, for instance, keeps its tables there and changes them by itself.
            if maker.own && !maker.meant {
                let why = "it belongs to the application, and so does all that is in it. No search \
                           path that is known here names it: see that none of the application's \
                           does";
                self.advise(object, why, None);
                continue;
            }
            if maker.own {
                let why = "it belongs to the application, which puts views and functions there that \
                           later requests of every tenant run: $user is in everybody's search path. \
                           No right takes that from an owner";
                let sql = format!(
                    "ALTER SCHEMA {schema} OWNER TO {};\nGRANT USAGE ON SCHEMA {schema} TO {grantee}",
                    ident(&facts.owner)
                );
                self.need(object, why, Some(sql));
                continue;
            }
            let sql = format!("REVOKE CREATE ON SCHEMA {schema} FROM {grantee}");
            let why = "whoever makes objects can put one in the place of another's, in any schema \
                       that a search path names";
            if maker.ours {
                self.step(object, "CREATE revoked", why, sql);
            } else {
                self.need(object, why, Some(sql));
            }
        }
    }

    /// The binding holds without this; it is a second wall.
    fn temporary(&mut self, facts: &Facts) {
        if facts.temporary == Temporary::Granted {
            return;
        }
        let step = Step {
            object: format!("database {}", facts.database),
            brief: "TEMPORARY revoked".to_owned(),
            why:
                "types and functions of a session's own are what attacks on the binding are built \
                  from"
                    .to_owned(),
            sql: format!("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", ident(&facts.database)),
        };
        if facts.temporary == Temporary::OpenHere {
            self.steps.push(step);
        } else {
            self.privileged.push(step);
        }
        let role = &self.app_role;
        self.warnings.push(format!(
            "Only roles with a grant of their own will make temporary tables. If the application \
             needs them, GRANT TEMPORARY ON DATABASE {} TO {}.",
            ident(&facts.database),
            ident(role)
        ));
    }

    fn shares(&mut self, open: &[Shares]) {
        let mut add = |share: Shares, object: &str, why: &str, sql: &str| {
            if open.contains(&share) {
                self.privileged.push(Step {
                    object: object.to_owned(),
                    brief: "revoked from PUBLIC".to_owned(),
                    why: why.to_owned(),
                    sql: sql.to_owned(),
                });
            }
        };
        let seen = "every session of the application has one role, so each sees the statements of \
                    the others with the values written in them";
        add(
            Shares::ActivityView,
            "pg_stat_activity",
            seen,
            "REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC;\n\
             GRANT SELECT ON pg_catalog.pg_stat_activity TO pg_monitor",
        );
        add(
            Shares::Activity,
            "pg_stat_get_activity",
            seen,
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) FROM PUBLIC;\n\
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO pg_monitor",
        );
        add(
            Shares::BackendActivity,
            "pg_stat_get_backend_activity",
            seen,
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_backend_activity(integer) FROM \
             PUBLIC;\nGRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_backend_activity(integer) \
             TO pg_monitor",
        );
        add(
            Shares::Signals,
            "pg_cancel_backend, pg_terminate_backend",
            "every session of the application has one role, so each can end the others",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(integer),\n  \
             pg_catalog.pg_terminate_backend(integer, bigint) FROM PUBLIC;\n\
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(integer),\n  \
             pg_catalog.pg_terminate_backend(integer, bigint) TO pg_signal_backend",
        );
        if open.contains(&Shares::HasLarge) {
            let why = "large objects belong to the application's role and not to a tenant: every \
                       tenant's session reads all of them. Keep files outside the database, or in \
                       a bytea column";
            self.need("large objects".to_owned(), why, None);
        } else {
            add(
                Shares::MakesLarge,
                "large objects",
                "a large object belongs to the application's role and not to a tenant; there are \
                 none yet",
                "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), \
                 pg_catalog.lo_create(oid),\n  pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC",
            );
        }
    }
}

fn ident_of(name: &Name) -> String {
    qualified(&name.0, &name.1)
}

/// A role for SQL; the empty name stands for everybody.
fn role(name: &str) -> String {
    if name.is_empty() {
        return "PUBLIC".to_owned();
    }
    ident(name)
}
