//! The clients' recipes of docs/binding.md, as they stand there, through a real `PgBouncer`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kernel::{Actor, Clock as _, Scope, Secret, SystemClock, SystemRng, TenantId};
use store::Host;
use tenancy::{BindingKey, TenantBinder};

use crate::house::{directory, example, root};

const SCHEMA: &str = "CREATE TABLE product (company_id integer NOT NULL, name text NOT NULL);
    INSERT INTO product VALUES (1, 'apple'), (1, 'banana'), (2, 'cherry');
    GRANT SELECT ON product TO {app}";

/// What a recipe's program prints: its rows, and how many rows the next transaction on the same
/// connection sees without a binding.
const EXPECTED: &str = "apple banana\n0\n";

const PYTHON: &str = "
import os, psycopg
db = psycopg.connect(autocommit=True, prepare_threshold=None)
print(*products(db, os.environ['AMANAH_BINDING']))
print(len(db.execute('SELECT name FROM product').fetchall()))
";

const NODE: &str = "
const { Client } = require('pg');
(async () => {
  const db = new Client();
  await db.connect();
  console.log((await products(db, process.env.AMANAH_BINDING)).join(' '));
  console.log((await db.query('SELECT name FROM product')).rows.length);
  await db.end();
})().catch((error) => { console.error(error); process.exit(1); });
";

const PHP: &str = "
$db = new PDO('pgsql:', getenv('PGUSER'), getenv('PGPASSWORD'), [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);
echo implode(' ', products($db, getenv('AMANAH_BINDING'))), PHP_EOL;
echo count($db->query('SELECT name FROM product')->fetchAll()), PHP_EOL;
";

/// The block of this language in the document.
fn recipe(language: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/binding.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A protected table behind a pooler, and a token.
struct World {
    pooler: testkit::Pooler,
    token: Secret,
}

impl World {
    async fn new() -> Self {
        let shop = testkit::protected(SCHEMA, "company_id", ("-1", "-2"), &[&tenancy::ROOM]).await;
        let key = BindingKey::generate(&SystemRng).unwrap();
        let tx = shop.owner.operator().await.unwrap();
        tenancy::install_key(&tx, &key, SystemClock.now()).await.unwrap();
        let plan = tenancy::plan(&tx, "company_id", &shop.app_role).await.unwrap();
        tx.commit().await.unwrap();
        tenancy::apply(&shop.owner, shop.superuser.as_ref(), &plan).await.unwrap();
        let binder = TenantBinder::new(Arc::new(SystemClock), key, &shop.name);
        let (tenant, actor) = (TenantId::new("1").unwrap(), Actor::new("a recipe").unwrap());
        let token = binder.token(&tenant, &actor, Scope::ReadWrite);
        Self { pooler: testkit::pgbouncer(shop.intruder.url(), 1), token }
    }

    /// Runs a program that finds its server and its token in the environment.
    fn run(&self, command: &mut Command) -> String {
        let url = self.pooler.url();
        let Host::Socket(folder) = &url.host else { panic!("the pooler has a socket") };
        let output = command
            .env("PGHOST", folder)
            .env("PGPORT", url.port.to_string())
            .env("PGUSER", &url.user)
            .env("PGPASSWORD", url.password.as_ref().unwrap().expose())
            .env("PGDATABASE", &url.database)
            .env("AMANAH_BINDING", self.token.expose())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A recipe with what calls it, as a file.
fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn python_does_as_the_document_says() {
    let (world, dir) = (World::new().await, directory());
    let file = written(dir.path(), "recipe.py", &(recipe("python") + PYTHON));
    let mut python = Command::new(testkit::python_tool("python"));
    assert_eq!(world.run(python.arg(file)), EXPECTED);
}

#[tokio::test]
async fn node_does_as_the_document_says() {
    let (world, dir) = (World::new().await, directory());
    let file = written(dir.path(), "recipe.js", &(recipe("js") + NODE));
    let modules = root().join("target/tools/node/node_modules");
    assert!(modules.join("pg").exists(), "pg is not installed: run `make peers`");
    assert_eq!(world.run(Command::new("node").arg(file).env("NODE_PATH", modules)), EXPECTED);
}

#[tokio::test]
async fn php_does_as_the_document_says() {
    let (world, dir) = (World::new().await, directory());
    let file = written(dir.path(), "recipe.php", &format!("<?php\n{}{PHP}", recipe("php")));
    assert_eq!(world.run(Command::new("php").arg(file)), EXPECTED);
}

/// The program is compiled with the rest of the sample application; it holds the recipe word for
/// word.
#[tokio::test]
async fn rust_does_as_the_document_says() {
    let source = std::fs::read_to_string(root().join("demo/examples/bind.rs")).unwrap();
    let (_, rest) = source.split_once("// recipe\n").unwrap();
    assert_eq!(rest.split_once("// end of the recipe").unwrap().0, recipe("rust"));
    let world = World::new().await;
    assert_eq!(world.run(&mut Command::new(example("bind"))), EXPECTED);
}
