//! What is made of the catalogue: its SQL, its numbers, the matrix and the gaps. Each is a file that
//! is reviewed; where it is out of date it is written anew, and the test fails once.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use kernel::{Bits, PermissionId};
use serde::Deserialize;

use crate::controls::Chart;
use crate::{Access, Catalogue, Matrix, Routes};

/// What the pages promise.
const PERMISSIONS: usize = 528;
const ROLES: usize = 18;
/// How wide a line of numbers becomes, in characters.
const WIDTH: usize = 100;

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn same(name: &str, wanted: &str) {
    let there = std::fs::read_to_string(file(name)).unwrap_or_default();
    if there != wanted {
        std::fs::write(file(name), wanted).unwrap();
        panic!("{name} was out of date and is written anew: review and commit it");
    }
}

#[test]
fn the_counts_are_those_of_the_pages() {
    let catalogue = Catalogue::shipped().unwrap();
    assert_eq!(catalogue.permissions().len(), PERMISSIONS);
    assert_eq!(catalogue.roles().len(), ROLES);
    let titles: BTreeSet<_> = catalogue.permissions().iter().map(|p| &p.title).collect();
    assert_eq!(titles.len(), PERMISSIONS, "two permissions have the same title");
}

#[test]
fn the_sql_is_the_catalogue() {
    same("sql/0002_catalogue.sql", &sql(Catalogue::shipped().unwrap()));
}

#[test]
fn the_matrix_is_the_reviewed_one() {
    let matrix = Matrix::of(Catalogue::shipped().unwrap());
    same("catalogue/matrix.txt", &matrix.to_string());
    assert_eq!(Matrix::golden().unwrap(), matrix);
}

#[test]
fn the_routes_of_the_sample_application_are_the_reviewed_ones() {
    let text = include_str!("../../../../demo/routes.toml");
    let routes = Routes::read(text, Catalogue::shipped().unwrap()).unwrap();
    let chart = Chart::of(&routes, &Matrix::golden().unwrap());
    same("../../demo/routes-matrix.txt", &chart.to_string());
    let everybody = chart.rows().map(|(_, cells)| cells.len()).sum::<usize>();
    assert_eq!(everybody, (routes.all().len() + 1) * (ROLES + 3));
}

/// What nobody has, or the owner alone, is so on purpose.
#[test]
fn each_gap_has_its_reason() {
    #[derive(Deserialize)]
    struct Gaps {
        gap: Vec<Gap>,
    }
    #[derive(Deserialize)]
    struct Gap {
        reason: String,
        permissions: Vec<String>,
    }
    let catalogue = Catalogue::shipped().unwrap();
    let mut gaps = BTreeSet::new();
    for permission in catalogue.permissions() {
        let holders = catalogue.roles().iter().filter(|role| role.all.has(permission.id));
        let holders: Vec<&str> = holders.map(|role| role.name.as_str()).collect();
        if holders.is_empty() || holders == ["owner"] {
            gaps.insert(permission.name.clone());
        }
    }
    let text = std::fs::read_to_string(file("catalogue/gaps.toml")).unwrap();
    let known: Gaps = toml::from_str(&text).unwrap();
    assert!(known.gap.iter().all(|gap| gap.reason.len() > 20));
    let known: Vec<String> = known.gap.into_iter().flat_map(|gap| gap.permissions).collect();
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "twice");
    assert_eq!(gaps, known.into_iter().collect());
}

/// Who may grant roles can grant each role but the owner's and the staff's, since they have all of it.
#[test]
fn an_administrator_can_give_what_the_organisation_needs() {
    let catalogue = Catalogue::shipped().unwrap();
    let of = |name: &str| catalogue.roles().iter().find(|role| role.name == name).unwrap();
    let given = catalogue.roles().iter().filter(|role| role.all.within(&of("administrator").all));
    let beyond: BTreeSet<&str> = catalogue.roles().iter().map(|r| r.name.as_str()).collect();
    let given: BTreeSet<&str> = given.map(|role| role.name.as_str()).collect();
    let beyond: Vec<&str> = beyond.difference(&given).copied().collect();
    assert_eq!(beyond, ["operator", "owner", "support"]);
    for (_, name) in kernel::own::ALL.iter().filter(|(_, name)| name.starts_with("people.")) {
        assert!(of("administrator").all.has(catalogue.number(name).unwrap()), "{name}");
    }
    let people = catalogue.permissions().iter().filter(|p| p.name.starts_with("people."));
    let people: Bits = people.map(|p| p.id).collect();
    assert!(of("support").all.and(&people).is_empty(), "support never touches people");
}

/// The migrations and the text come to the same, through the very statement that sessions are read by.
#[tokio::test]
async fn the_database_decides_as_the_matrix_says() {
    let base = testkit::database(&[&crate::ROOM]).await;
    let access = Access::new(base.engine.clone(), std::sync::Arc::new(kernel::SystemClock));
    let (live, golden) = (access.matrix().await.unwrap(), Matrix::golden().unwrap());
    assert_eq!(live.permissions, golden.permissions);
    for role in &golden.roles {
        assert_eq!(live.permits(role), golden.permits(role), "{role}");
    }
    assert_eq!(live.roles.len(), golden.roles.len());
}

/// A permission that is taken out keeps its number, counts for nothing, and another one never gets it.
#[tokio::test]
async fn a_permission_that_is_taken_out_is_retired() {
    let text = include_str!("../../catalogue/access.toml");
    let ids = include_str!("../../catalogue/ids.txt");
    let gone = "\"media.reorder\" = \"Put product pictures into another order\"\n";
    let less = text.replace(gone, "");
    assert_ne!(less, text);
    let less = Catalogue::compile(&less, ids).unwrap();
    assert_eq!(less.number("media.reorder"), None);
    let reused = format!("{ids}media.turn {}\n", PERMISSIONS - 1);
    assert!(Catalogue::compile(text, &reused).is_err(), "a number was given out twice");

    let base = testkit::database(&[&crate::ROOM]).await;
    let access = Access::new(base.engine.clone(), std::sync::Arc::new(kernel::SystemClock));
    let before = Catalogue::shipped().unwrap().number("media.reorder").unwrap();
    assert!(access.matrix().await.unwrap().permits("editor").unwrap().has(before));
    let tx = base.owner.operator().await.unwrap();
    tx.batch(&sql(&less)).await.unwrap();
    tx.commit().await.unwrap();
    let after = access.matrix().await.unwrap();
    assert!(!after.permits("editor").unwrap().has(before) && after.permissions.len() == 527);
    let tx = base.owner.operator().await.unwrap();
    let kept = "SELECT retired_at IS NOT NULL FROM access.permissions WHERE name = 'media.reorder'";
    assert!(tx.query_one(kept, &[]).await.unwrap().get::<_, bool>(0));
    tx.commit().await.unwrap();
}

/// The whole catalogue as statements that may run over any earlier one.
fn sql(catalogue: &Catalogue) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut out = String::from(
        "-- Why: the shipped permissions and roles, written out of catalogue/access.toml by a test.\n\
         -- Lock: ROW EXCLUSIVE on the tables of permissions and roles; reading goes on.\n\
         -- Undo: run the catalogue before it; numbers that were given out stay given.\n\n\
         INSERT INTO access.permissions (id, name, title) VALUES\n",
    );
    let rows = catalogue.permissions().iter();
    let rows: Vec<String> = rows
        .map(|p| format!("    ({}, {}, {})", p.id.number(), quoted(&p.name), quoted(&p.title)))
        .collect();
    out.push_str(&rows.join(",\n"));
    out.push_str("\nON CONFLICT (id) DO UPDATE SET name = excluded.name, title = excluded.title, retired_at = NULL;\n");
    let ids: Bits = catalogue.permissions().iter().map(|p| p.id).collect();
    let _ = write!(
        out,
        "UPDATE access.permissions SET retired_at = now() WHERE retired_at IS NULL AND id <> ALL (ARRAY[\n{}]);\n\n",
        numbers(&ids)
    );
    roles(&mut out, catalogue);
    out
}

fn roles(out: &mut String, catalogue: &Catalogue) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let seconds = |limit: Option<jiff::SignedDuration>| {
        limit.map_or("NULL".to_owned(), |limit| limit.as_secs().to_string())
    };
    let rows: Vec<String> = catalogue
        .roles()
        .iter()
        .map(|r| {
            let (idle, absolute) = (seconds(r.idle), seconds(r.absolute));
            let (name, title) = (quoted(&r.name), quoted(&r.title));
            format!("    ({name}, {title}, {}, {idle}, {absolute})", r.factor)
        })
        .collect();
    let _ = write!(
        out,
        "INSERT INTO access.roles (name, title, factor, idle_seconds, absolute_seconds) VALUES\n{}\n\
         ON CONFLICT (coalesce(tenant, ''), translate(lower(name), '01i35 -', 'olles')) DO UPDATE SET\n    \
         title = excluded.title, factor = excluded.factor, idle_seconds = excluded.idle_seconds,\n    \
         absolute_seconds = excluded.absolute_seconds, retired_at = NULL;\n",
        rows.join(",\n")
    );
    let names: Vec<String> = catalogue.roles().iter().map(|r| quoted(&r.name)).collect();
    let _ = write!(
        out,
        "UPDATE access.roles SET retired_at = now() WHERE tenant IS NULL AND retired_at IS NULL AND name NOT IN\n    ({});\n\n\
         DELETE FROM access.role_permissions WHERE role IN (SELECT id FROM access.roles WHERE tenant IS NULL);\n\
         DELETE FROM access.role_parents WHERE role IN (SELECT id FROM access.roles WHERE tenant IS NULL);\n",
        names.join(", ")
    );
    for role in catalogue.roles() {
        let _ = write!(
            out,
            "INSERT INTO access.role_permissions (role, permission) SELECT id, unnest(ARRAY[\n{}]::smallint[])\n    \
             FROM access.roles WHERE tenant IS NULL AND name = {};\n",
            numbers(&role.own),
            quoted(&role.name)
        );
    }
    let mut parents = BTreeSet::new();
    for role in catalogue.roles() {
        for parent in &role.parents {
            parents.insert((role.name.as_str(), parent.as_str()));
        }
    }
    let pairs: Vec<String> =
        parents.iter().map(|(r, p)| format!("    ({}, {})", quoted(r), quoted(p))).collect();
    let _ = write!(
        out,
        "INSERT INTO access.role_parents (role, parent) SELECT r.id, p.id FROM (VALUES\n{}) AS given (role, parent)\n    \
         JOIN access.roles r ON r.tenant IS NULL AND r.name = given.role\n    \
         JOIN access.roles p ON p.tenant IS NULL AND p.name = given.parent;\n",
        pairs.join(",\n")
    );
}

/// Numbers in lines of a readable width.
fn numbers(bits: &Bits) -> String {
    let (mut lines, mut line) = (Vec::new(), String::from("   "));
    for n in bits.iter().map(PermissionId::number) {
        if line.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, String::from("   ")));
        }
        let _ = write!(line, " {n},");
    }
    lines.push(line);
    lines.join("\n").trim_end_matches(',').to_owned()
}
