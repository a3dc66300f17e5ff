//! Gateways that meet on a channel.

use super::{tenant, world};

#[tokio::test]
async fn what_one_tells_all_hear_and_no_tenant_does() {
    let world = world().await;
    let (mut one, mut hears_one) = world.redis.meet("limits").await.unwrap();
    let (mut other, mut hears_other) = world.redis.meet("limits").await.unwrap();
    one.tell(b"\x01\x00\r\n$-1").await.unwrap();
    other.tell(b"second").await.unwrap();
    for hearer in [&mut hears_one, &mut hears_other] {
        assert_eq!(hearer.hear().await.unwrap(), b"\x01\x00\r\n$-1");
        assert_eq!(hearer.hear().await.unwrap(), b"second");
    }
    // A tenant neither hears nor tells.
    let lease = world.redis.lease(&tenant("one"), std::time::Duration::from_hours(1)).await;
    let mut theirs = super::enter(&lease.unwrap()).await.unwrap();
    for command in
        [&["SUBSCRIBE", "amanah-0123abcd-limits"][..], &["PUBLISH", "amanah-0123abcd-limits", "x"]]
    {
        let refused = theirs.ask(command).await.unwrap_err().to_string();
        assert!(refused.contains("NOPERM"), "{command:?}: {refused}");
    }
    // Once the server is gone, whoever hears is told.
    world.run("CLIENT KILL TYPE pubsub").await;
    assert!(hears_one.hear().await.is_err());
}
