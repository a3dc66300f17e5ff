//! The Rust recipe of docs/redis.md as a program: store, publish, read, and be refused beside it.
//!
//! `AMANAH_REDIS` is the address, `AMANAH_PREFIX` the prefix, `AMANAH_OTHER` a key of somebody else's.
//! It prints what it has read, and what became of the other key.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own, for a terminal: it reads its environment"
)]

use std::env::var;

use redis::AsyncCommands as _;

// recipe
async fn basket(url: &str, prefix: &str) -> redis::RedisResult<String> {
    let mut db = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let () = db.set_ex(format!("{prefix}basket"), "apples", 3600).await?;
    let () = db.publish(format!("{prefix}news"), "apples").await?;
    db.get(format!("{prefix}basket")).await
}
// end of the recipe

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, prefix) = (var("AMANAH_REDIS")?, var("AMANAH_PREFIX")?);
    println!("{}", basket(&url, &prefix).await?);
    let mut db = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let other: redis::RedisResult<Option<String>> = db.get(var("AMANAH_OTHER")?).await;
    let refused = other.is_err_and(|error| error.code() == Some("NOPERM"));
    println!("{}", if refused { "refused" } else { "answered" });
    Ok(())
}
