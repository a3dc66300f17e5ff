//! The clients' recipes of docs/redis.md, as they stand there, on a real Redis.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Secret, SystemClock, SystemRng, TenantId, random_hex};
use tenancy::{CACHE_ROOM, CacheLease, FLEET_ROOM, Redis, RedisSettings, Server, ServerSettings};

use crate::house::{directory, example, root};

/// What a recipe's program prints: what it has read, and what became of another tenant's key.
const EXPECTED: &str = "apples\nrefused\n";

const PYTHON: &str = "
import os
print(basket(os.environ['AMANAH_REDIS'], os.environ['AMANAH_PREFIX']))
try:
    redis.Redis.from_url(os.environ['AMANAH_REDIS']).get(os.environ['AMANAH_OTHER'])
    print('answered')
except redis.exceptions.NoPermissionError:
    print('refused')
";

const DJANGO: &str = "
import django.conf, redis
django.conf.settings.configure(CACHES=CACHES)
from django.core.cache import cache
cache.set('basket', 'apples', 3600)
print(cache.get('basket'))
cache.key_prefix = 'another'
try:
    cache.get('basket')
    print('answered')
except redis.exceptions.NoPermissionError:
    print('refused')
";

const NODE: &str = "
(async () => {
  const { AMANAH_REDIS: url, AMANAH_PREFIX: prefix, AMANAH_OTHER: other } = process.env;
  console.log(await basket(url, prefix));
  const db = new Redis(url, { enableReadyCheck: false });
  const told = await db.get(other).then(() => 'answered', (error) => error.message);
  console.log(told.startsWith('NOPERM') ? 'refused' : told);
  db.disconnect();
})().catch((error) => { console.error(error); process.exit(1); });
";

const PHP: &str = "
echo basket(getenv('AMANAH_REDIS'), getenv('AMANAH_PREFIX')), PHP_EOL;
$at = parse_url(getenv('AMANAH_REDIS'));
$db = new Redis();
$db->connect($at['host'], $at['port']);
$db->auth([$at['user'], $at['pass']]);
try {
    $db->get(getenv('AMANAH_OTHER'));
    echo 'answered', PHP_EOL;
} catch (RedisException $error) {
    echo str_starts_with($error->getMessage(), 'NOPERM') ? 'refused' : $error, PHP_EOL;
}
";

/// The block of this language in the document.
fn recipe(language: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/redis.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A tenant's login, with another tenant beside it.
struct World {
    lease: CacheLease,
    other: String,
}

impl World {
    async fn new() -> Self {
        let data = testkit::server_dir("redis/server.pid");
        let password = Secret::new(random_hex(&SystemRng, 8).unwrap());
        let settings =
            ServerSettings { data: data.clone(), program: None, memory_mib: 64, password };
        let server = Server::open(&settings, &SystemRng).await.unwrap().unwrap();
        let settings = RedisSettings {
            registry: testkit::database(&[&FLEET_ROOM, &CACHE_ROOM]).await.owner,
            data,
            program: None,
            installation: "0123abcd".to_owned(),
            naming: Secret::new("a secret for names".to_owned()),
            trusted: Vec::new(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        };
        let redis = Redis::on_managed(settings, &server);
        let lease = async |tenant: &str| {
            redis.lease(&TenantId::new(tenant).unwrap(), Duration::from_mins(10)).await.unwrap()
        };
        let (lease, other) = (lease("a").await, lease("b").await);
        Self { lease, other: format!("{}basket", other.prefix) }
    }

    /// Runs a program that finds its address, its prefix and another's key in the environment.
    fn run(&self, command: &mut Command) -> String {
        let output = command
            .env("AMANAH_REDIS", self.lease.url.expose())
            .env("AMANAH_PREFIX", &self.lease.prefix)
            .env("AMANAH_OTHER", &self.other)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a recipe with what calls it.
    fn file(&self, program: &mut Command, text: &str) -> String {
        let dir = directory();
        let file = dir.path().join("recipe");
        std::fs::write(&file, text).unwrap();
        self.run(program.arg(file))
    }
}

#[tokio::test]
async fn python_and_django_do_as_the_document_says() {
    let world = World::new().await;
    let python = || Command::new(testkit::python_tool("python"));
    let text = format!("import redis\n{}{PYTHON}", recipe("python"));
    assert_eq!(world.file(&mut python(), &text), EXPECTED);
    let given =
        "import os\nurl, prefix = os.environ['AMANAH_REDIS'], os.environ['AMANAH_PREFIX']\n";
    assert_eq!(world.file(&mut python(), &format!("{given}{}{DJANGO}", recipe("py"))), EXPECTED);
}

#[tokio::test]
async fn node_does_as_the_document_says() {
    let modules = root().join("target/tools/node/node_modules");
    assert!(modules.join("ioredis").exists(), "ioredis is not installed: run `make peers`");
    let text = format!("const Redis = require('ioredis');\n{}{NODE}", recipe("js"));
    let mut node = Command::new("node");
    assert_eq!(World::new().await.file(node.env("NODE_PATH", modules), &text), EXPECTED);
}

#[tokio::test]
async fn php_does_as_the_document_says() {
    let text = format!("<?php\n{}{PHP}", recipe("php"));
    assert_eq!(World::new().await.file(&mut Command::new("php"), &text), EXPECTED);
}

/// The program is compiled with the rest of the sample application; it holds the recipe word for
/// word.
#[tokio::test]
async fn rust_does_as_the_document_says() {
    let source = std::fs::read_to_string(root().join("demo/examples/cache.rs")).unwrap();
    let (_, rest) = source.split_once("// recipe\n").unwrap();
    assert_eq!(rest.split_once("// end of the recipe").unwrap().0, recipe("rust"));
    let program = example("cache");
    assert_eq!(World::new().await.run(&mut Command::new(program)), EXPECTED);
}
