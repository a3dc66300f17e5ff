//! Why scripts are withheld: what a tenant that had them could do, on a real server.

use std::time::Duration;

use ::redis::Value;

use super::{enter, tenant, world};
use crate::redis::wire::{packed, text};

const HOUR: Duration = Duration::from_hours(1);
/// Writes, and does not end.
const ENDLESS: &str = "redis.call('SET', KEYS[1], 1) while true do end";

/// Rules on keys hold inside of scripts, whether a key is declared or not; that is not the trouble.
/// The store of scripts tells who has a text, and one that does not end stops everybody, beyond what
/// whoever runs the server can end.
#[tokio::test]
async fn one_tenant_with_scripts_stops_all() {
    let world = world().await;
    let (a, b) = (
        world.redis.lease(&tenant("a"), HOUR).await.unwrap(),
        world.redis.lease(&tenant("b"), HOUR).await.unwrap(),
    );
    let login = a.url.expose().split([':', '/']).nth(3).unwrap().to_owned();
    let rules = "+eval +evalsha +fcall +script|exists";
    world.run(&format!("ACL SETUSER {login} {rules}")).await;
    let (mine, theirs) = (format!("{}k", a.prefix), format!("{}k", b.prefix));
    world.run(&format!("SET {theirs} secret")).await;
    let mut me = enter(&a).await.unwrap();

    let get = "return redis.call('GET', KEYS[1] or ARGV[1])";
    for line in [["EVAL", get, "1", &theirs], ["EVAL", get, "0", &theirs]] {
        let refused = me.ask(line).await.unwrap_err().to_string();
        assert!(refused.contains("access"), "{refused}");
    }

    // Whether anybody has sent a text is told by its digest.
    let loaded = world.admin().await.ask(["SCRIPT", "LOAD", "return 42"]).await.unwrap();
    let asked = ["SCRIPT", "EXISTS", &text(&loaded).unwrap(), &"0".repeat(40)];
    let known = me.ask(asked).await.unwrap();
    assert_eq!(known, Value::Array(vec![Value::Int(1), Value::Int(0)]));

    world.run("CONFIG SET busy-reply-threshold 1").await;
    me.send(&packed(["EVAL", ENDLESS, "1", &mine])).await.unwrap();
    let mut admin = world.admin().await;
    while !matches!(admin.try_ask(["PING"]).await.unwrap(), Value::ServerError(_)) {}
    let killed = admin.ask(["SCRIPT", "KILL"]).await.unwrap_err().to_string();
    assert!(killed.contains("UNKILLABLE"), "{killed}");
    let stopped = enter(&b).await.unwrap().ask(["GET", &theirs]).await.unwrap_err().to_string();
    assert!(stopped.contains("BUSY"), "{stopped}");
    let stopped = world.redis.keep().await.unwrap_err().to_string();
    assert!(stopped.contains("BUSY"), "{stopped}");

    // Only the end of the server ends it, with what everybody had there.
    let pid = std::fs::read_to_string(world.server.pid_file()).unwrap();
    let ended = std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(ended.success());
}
