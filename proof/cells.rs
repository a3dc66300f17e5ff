//! A second PostgreSQL as an operator has it: added, filled, stopped, back again, and lost for good.

use serde_json::Value;
use store::DatabaseUrl;
use testkit::Server;
use tokio::runtime::{Builder, Runtime};

use crate::house::{House, shared};
use crate::tenants::{code, connect, held, psql};

const CLAIM: [&str; 4] = ["--page", "pages/database-tenants.md", "--claim", "isolation.database"];
/// A tenant of the first cell, and two of the second, one of which has come there.
const STAYS: &str = "Toko Tinggal";
const EAST: &str = "Toko Timur";
const MOVES: &str = "Toko \"Pindah\"";

/// A server that is to become a cell, closed as the documentation says.
struct Ground {
    runtime: Runtime,
    server: Server,
    maker: DatabaseUrl,
    superuser: DatabaseUrl,
}

fn ground() -> Ground {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, maker, superuser) = runtime.block_on(async {
        let server = testkit::own_postgres().await;
        let root = server.superuser("postgres").await;
        let maker = server.login(&root, "maker", "maker").await.url().clone();
        root.allow_roles("maker").await.unwrap();
        root.allow_databases("maker").await.unwrap();
        root.ensure_database("maker", "maker").await.unwrap();
        for name in ["postgres", "template1", "maker"] {
            root.close_database(name, &[]).await.unwrap();
        }
        root.close();
        let superuser = server.cluster().superuser("postgres");
        (server, maker, superuser)
    });
    Ground { runtime, server, maker, superuser }
}

impl Ground {
    fn stop(&self) {
        self.runtime.block_on(self.server.cluster().stop()).unwrap();
    }

    fn revive(&self) {
        self.runtime.block_on(self.server.cluster().revive()).unwrap();
    }

    fn join(&self, house: &House) {
        let (maker, superuser) = (self.maker.expose(), self.superuser.expose());
        let addresses = [
            ("AMANAH_CELL_URL", maker.expose()),
            ("AMANAH_CELL_SUPERUSER_URL", superuser.expose()),
        ];
        let added = house.run_with(&addresses, &["cell", "add", "east", "--json"]);
        assert_eq!(code(&added).0, Some(0), "{}", code(&added).1);
        let added: Value = serde_json::from_slice(&added.stdout).unwrap();
        assert_eq!(added["open_databases"].as_array().unwrap().len(), 0, "{added}");
    }
}

/// Tenants that are listed as unreachable, synthetic ones apart.
fn unreachable(house: &House) -> Vec<String> {
    let listed = held(house, &["tenant", "list"]);
    let silent = |one: &&Value| !one["unreachable"].is_null() && one["canary"] == false;
    let all = listed.as_array().unwrap().iter().filter(silent);
    all.map(|one| one["tenant"].as_str().unwrap().to_owned()).collect()
}

/// The verdict of the claim, with the exit code, after it was attacked anew; the page says the same.
fn verdict(house: &House) -> (i32, String) {
    let (exit, claims) = house.verify(&CLAIM);
    let drawn = held_or_not(house, &["page", "render", "pages/database-tenants.md"]);
    let on_page = drawn["claims"].as_array().unwrap();
    let on_page = on_page.iter().find(|claim| claim["id"] == "isolation.database").unwrap();
    assert_eq!(on_page["verdict"], claims[0]["verdict"], "{on_page:#}");
    (exit, claims[0]["verdict"].as_str().unwrap().to_owned())
}

/// As [`held`], of a command whose exit code says how a page stands.
fn held_or_not(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", code(&output).1))
}

fn count(house: &House, tenant: &str) -> String {
    psql(&connect(house, tenant), "SELECT count(*) FROM orders").unwrap()
}

/// One order for each tenant, two of them on the second cell.
fn fill(house: &House) {
    held(house, &["tenant", "add", STAYS, "--cell", "home"]);
    held(house, &["tenant", "add", EAST, "--cell", "east"]);
    held(house, &["tenant", "add", MOVES, "--cell", "home"]);
    for tenant in [STAYS, EAST, MOVES] {
        let sql = "INSERT INTO orders (buyer, total) VALUES ('x', 1)";
        psql(&connect(house, tenant), sql).unwrap();
    }
    let moved = held(house, &["tenant", "move", MOVES, "--to", "east"]);
    assert_eq!(moved["moved"]["to"], "east", "{moved}");
    assert_eq!(count(house, MOVES), "1", "its row went along");
}

/// A server that stops keeps back its own tenants and nobody else, says so everywhere, and is the
/// same when it is back; when it is gone for good, it goes with its tenants alone.
#[test]
fn a_cell_stops_comes_back_and_is_lost() {
    let house = shared();
    let ground = ground();
    ground.join(&house);
    fill(&house);
    assert_eq!(verdict(&house), (0, "proven".to_owned()));
    assert_eq!(unreachable(&house), Vec::<String>::new());
    let refused = house.run(&["cell", "remove", "east", "--lost", "east"]);
    assert!(code(&refused).1.contains("its server answers"), "{}", code(&refused).1);

    ground.stop();
    assert_eq!(unreachable(&house), [MOVES, EAST]);
    assert_eq!(house.run(&["cell", "list"]).status.code(), Some(3));
    assert_eq!(count(&house, STAYS), "1", "the others go on");
    let lost = house.run(&["tenant", "connect", EAST]);
    assert_eq!(code(&lost).0, Some(3), "{}", code(&lost).1);
    assert_eq!(verdict(&house), (3, "unknown".to_owned()));

    ground.revive();
    assert_eq!(unreachable(&house), Vec::<String>::new());
    assert_eq!((count(&house, EAST), count(&house, MOVES)), ("1".to_owned(), "1".to_owned()));
    assert_eq!(verdict(&house), (0, "proven".to_owned()));

    ground.stop();
    gives_up(&house);
    assert_eq!(count(&house, STAYS), "1");
    held(&house, &["tenant", "add", EAST]);
    for tenant in [STAYS, EAST] {
        let erased = held(&house, &["tenant", "erase", tenant, "--yes"]);
        let was_lost = erased["certificate"].as_str().unwrap().contains("which was lost at");
        assert_eq!(was_lost, tenant == EAST, "{erased}");
    }
}

/// Removes the cell as lost, step by step.
fn gives_up(house: &House) {
    let asked = house.run(&["cell", "remove", "east", "--lost", "--json"]);
    assert_eq!(code(&asked).0, Some(2), "nothing without its name: {}", code(&asked).1);
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let whose = |told: &Value| {
        let all = told["lost_cell"]["lost"].as_array().unwrap().clone();
        all.iter().map(|loss| loss["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(whose(&asked), [MOVES, EAST], "{asked}");
    let wrong = house.run(&["cell", "remove", "east", "--lost", "west"]);
    assert_eq!(code(&wrong).0, Some(2), "{}", code(&wrong).1);
    assert_eq!(unreachable(house), [MOVES, EAST], "nothing was changed");
    let removed = held(house, &["cell", "remove", "east", "--lost", "east"]);
    assert_eq!(whose(&removed), [MOVES, EAST], "{removed}");
    assert_eq!(unreachable(house), Vec::<String>::new());
    let losses = held(house, &["cell", "losses"]);
    assert_eq!(losses.as_array().unwrap().len(), 2, "{losses}");
}
