//! What the registry knows of a tenant, and what of its files is given to its clients then.

use kernel::{Condition, FileFault, Listing, NewFile, TenantFiles as _};

use super::world::{World, name, tenant, world};
use crate::StandingFiles;

impl World {
    fn standing(&self) -> StandingFiles {
        StandingFiles::new(self.files.clone(), self.db.engine.clone())
    }

    /// What the tenant's clients are answered, whatever they ask.
    async fn answers(&self) -> Vec<Option<FileFault>> {
        let (files, sinar, a) = (self.standing(), tenant("sinar"), name("a"));
        vec![
            files.find(&sinar, &a).await.err(),
            files.list(&sinar, Listing { limit: 1, ..Listing::default() }).await.err(),
            files.read(&sinar, &a).await.err(),
            files.write(&sinar, &name("b"), NewFile::default()).await.err(),
            files.remove(&sinar, &name("a"), &Condition::Absent).await.err(),
        ]
    }
}

const REGISTER: &str = "
INSERT INTO tenancy.tenants (id, place, state, canary, made_at, cell)
VALUES ('sinar', 'amt_01234567_0123456789abcdef', 'active', false, now(), 'home')";

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_is_shut_out_of_its_files_too() {
    let world = world().await;
    world.put("sinar", "a", b"kept").await.unwrap();
    world.put("bintang", "a", b"other").await.unwrap();
    let all = |fault: FileFault| vec![Some(fault); 5];
    let let_in = vec![None, None, None, None, Some(FileFault::Condition)];
    assert_eq!(world.answers().await, let_in, "it has its rows in a shared database");
    world.sql(REGISTER).await;
    assert_eq!(world.answers().await, let_in);
    let (files, sinar) = (world.standing(), tenant("sinar"));
    let mut writer = files.write(&sinar, &name("a"), NewFile::default()).await.unwrap();
    writer.push(b"late").await.unwrap();
    for (state, wanted) in [
        ("state = 'suspended'", all(FileFault::Suspended)),
        ("state = 'moving', target = 'home', before = 'suspended'", all(FileFault::Suspended)),
        ("state = 'moving', target = 'home', before = 'active'", let_in.clone()),
        ("state = 'erasing', target = NULL, before = NULL", all(FileFault::Shredded)),
        ("state = 'suspended'", all(FileFault::Suspended)),
    ] {
        world.sql(&format!("UPDATE tenancy.tenants SET {state}")).await;
        assert_eq!(world.answers().await, wanted, "{state}");
    }
    assert_eq!(writer.finish().await, Err(FileFault::Suspended), "it was let in when it began");
    assert_eq!(world.get("sinar", "a").await.unwrap(), b"kept", "whoever runs it still reads");
    assert!(files.find(&tenant("bintang"), &name("a")).await.is_ok());
    // What is lost with its cell is what it was before.
    world.sql("DELETE FROM tenancy.tenants").await;
    for (was, wanted) in
        [("suspended", all(FileFault::Suspended)), ("active", let_in.clone()), ("copy", let_in)]
    {
        world
            .sql(&format!(
                "INSERT INTO tenancy.losses VALUES ('east', '1', 'amt_01234567_0123456789abcdef', \
                 'sinar', sha256('sinar'), '{was}', NULL, NULL, clock_timestamp(), 'Sari', 'it is gone')"
            ))
            .await;
        assert_eq!(world.answers().await, wanted, "{was}");
    }
}

/// Also one that never had a key, which would get a fresh one. Who has more than what was erased is not
/// gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_tenant_gets_no_new_files() {
    let world = world().await;
    let erased = |place: &str, last: bool| {
        format!(
            "INSERT INTO tenancy.erasures (tenant_sha256, place, erased_at, bytes, keys, last) \
             VALUES (sha256('sinar'), '{place}', clock_timestamp(), 0, 0, {last})"
        )
    };
    world.sql(&erased("shop", false)).await;
    let asked = world.standing().find(&tenant("sinar"), &name("a")).await;
    assert_eq!(asked.err(), Some(FileFault::Missing), "it is let in");
    world.sql(&erased("amt_01234567_0123456789abcdef", true)).await;
    assert_eq!(world.answers().await, vec![Some(FileFault::Shredded); 5]);
    assert_eq!(world.count("SELECT count(*) FROM files.tenants").await, 0);
    // Another one may be made by its name.
    world.sql(REGISTER).await;
    let (files, sinar) = (world.standing(), tenant("sinar"));
    assert!(files.write(&sinar, &name("a"), NewFile::default()).await.is_ok());
}
