//! Rights on large objects, which a tenant can give to any role of its server.

use super::{find, go, has, houses, tenant, works};

/// A tenant lets a neighbour read its large object. The other server has not got that neighbour: the
/// move goes on without that right, says so, and takes along what it can.
#[tokio::test]
async fn rights_of_roles_that_are_not_there_stay_behind() {
    for superuser in [true, false] {
        let (world, other) = houses(2, superuser).await;
        let neighbour = find(&world, "home-1").await.place.name().to_owned();
        let place = find(&world, "home-0").await.place.name().to_owned();
        let db = world.as_tenant("home-0").await;
        let tx = db.operator().await.unwrap();
        let numbers = "SELECT oid FROM pg_largeobject_metadata";
        let number: u32 = tx.query_one(numbers, &[]).await.unwrap().get(0);
        tx.batch(&format!(
            "GRANT SELECT, UPDATE ON LARGE OBJECT {number} TO {neighbour};
             GRANT SELECT ON LARGE OBJECT {number} TO PUBLIC"
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        db.close();
        assert!(!has(&other.root, &neighbour).await);
        let moved = go(&world, "home-0", "east").await.unwrap();
        let told = format!("the rights of the role {neighbour} on a large object: it is not there");
        assert_eq!(moved.behind, [told]);
        assert_eq!(moved.compared.objects, 1);
        works(&world, "home-0").await;
        let db = world.as_tenant("home-0").await;
        let tx = db.operator().await.unwrap();
        let rights =
            "SELECT array_agg(x.grantee::regrole::text || ' ' || x.privilege_type ORDER BY 1)
                        FROM pg_largeobject_metadata m, aclexplode(m.lomacl) x
                       WHERE m.oid = $1 AND x.grantee <> m.lomowner";
        let there: Vec<String> = tx.query_one(rights, &[&number]).await.unwrap().get(0);
        assert_eq!(there, ["- SELECT"], "everybody's right went along, in {place}");
        tx.rollback().await.unwrap();
        db.close();
        // Nothing is left of it to be told on the way back.
        assert_eq!(go(&world, "home-0", "home").await.unwrap().behind, [""; 0]);
        assert!(world.fleet.find(&tenant("home-0")).await.unwrap().cell == "home");
    }
}
