//! The store as a whole, on a folder and on a bucket, with rows in a real database.

mod keeper;
mod life;
mod races;
mod standing;
pub(crate) mod world;

use std::fs;

use kernel::{Condition, FileFault, Listing, NewFile, TenantFiles as _};

use world::{bytes, in_bucket, name, tenant, world};

/// Lengths around the borders of segments and parts.
const LENGTHS: [usize; 8] =
    [0, 1, 1000, (1 << 20) - 57, (1 << 20) - 56, 1 << 20, (16 << 20) + 3, 17 << 20];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_comes_back_whole_and_in_parts() {
    for world in [world().await, in_bucket().await] {
        for (n, length) in LENGTHS.into_iter().enumerate() {
            let content = bytes(length, 3);
            let file = format!("file {n}");
            let written = world.put("sinar", &file, &content).await.unwrap();
            assert!(!written.replaced);
            assert_eq!(written.card.bytes, length as u64);
            assert!(world.get("sinar", &file).await.unwrap() == content, "{length}");
            let middle = length / 2;
            let (from, to) = (middle, (middle + 4096).min(length));
            let part = world.part("sinar", &file, from as u64..to as u64).await.unwrap();
            assert!(part == content[from..to], "{length}");
        }
        let card = world.files.find(&tenant("sinar"), &name("file 2")).await.unwrap();
        assert_eq!(card.content_type, "text/plain");
        assert_eq!(card.sha256.len(), 64);
        world.files.remove(&tenant("sinar"), &name("file 2"), &Condition::None).await.unwrap();
        assert_eq!(world.get("sinar", "file 2").await, Err(FileFault::Missing));
        let used = world.files.usage(&tenant("sinar")).await.unwrap().used;
        let left: usize = LENGTHS.iter().sum();
        assert_eq!((used.files, used.bytes), (7, (left - 1000) as u64));
    }
}

/// Names are bytes: nothing in them is a path, a pattern or another spelling of something.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_be_called_anything() {
    let world = world().await;
    let long = "x".repeat(1024);
    let names = [
        "../../etc/passwd",
        "/",
        ".",
        "..",
        "a\0b",
        "a/../b",
        "%2e%2e%2f",
        "CON",
        "a.",
        " a ",
        "é",
        "e\u{301}",
        "\u{202e}gpj.exe",
        "\n",
        "\\..\\x",
        "'; DROP SCHEMA files; --",
        "%",
        "_",
        "⁄..",
        "😀",
        long.as_str(),
    ];
    for (n, odd) in names.iter().enumerate() {
        world.put("sinar", odd, format!("content {n}").as_bytes()).await.unwrap();
    }
    for (n, odd) in names.iter().enumerate() {
        assert_eq!(world.get("sinar", odd).await.unwrap(), format!("content {n}").as_bytes());
        assert_eq!(world.get("bintang", odd).await, Err(FileFault::Missing), "{odd:?}");
    }
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    let listing = Listing { limit: 1000, ..Listing::default() };
    let page = world.files.list(&tenant("sinar"), listing).await.unwrap();
    let listed: Vec<&str> = page.files.iter().map(|card| card.name.as_str()).collect();
    assert_eq!(listed, sorted);
    assert_eq!(page.next, None);
    let (sinar, mut walked) = (tenant("sinar"), Vec::new());
    let mut walk = world.files.walk(&sinar);
    while let Some(card) = walk.next().await.unwrap() {
        walked.push(card.name.as_str().to_owned());
    }
    assert_eq!(walked, sorted);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_page_by_page() {
    let world = world().await;
    for n in 0..25 {
        world.put("sinar", &format!("a/{n:02}"), b"x").await.unwrap();
        world.put("bintang", &format!("a/{n:02}"), b"y").await.unwrap();
    }
    for other in ["a", "a0", "b", "A/1"] {
        world.put("sinar", other, b"x").await.unwrap();
    }
    let sinar = tenant("sinar");
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let listing = Listing { prefix: "a/", cursor: cursor.as_deref(), limit: 7 };
        let page = world.files.list(&sinar, listing).await.unwrap();
        assert!(page.files.len() <= 7);
        seen.extend(page.files.into_iter().map(|card| card.name.as_str().to_owned()));
        let Some(next) = page.next else { break };
        let foreign = Listing { prefix: "a/", cursor: Some(&next), limit: 7 };
        for other in ["bintang", "nobody"] {
            let refused = world.files.list(&tenant(other), foreign).await;
            assert_eq!(refused, Err(FileFault::Cursor), "{other}");
        }
        cursor = Some(next);
    }
    assert_eq!(seen, (0..25).map(|n| format!("a/{n:02}")).collect::<Vec<_>>());
    let all = Listing { limit: usize::MAX, ..Listing::default() };
    assert_eq!(world.files.list(&sinar, all).await.unwrap().files.len(), 29);
}

/// Nothing of whose a file is, what it is called or what is in it can be seen in the store, or is
/// open to others there.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_says_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world().await;
    let secret = b"the marge of Sinar is 17 percent".repeat(100);
    world.put("sinar-tenant", "marges-of-2026.csv", &secret).await.unwrap();
    let objects = world.objects();
    assert_eq!(objects.len(), 1);
    let inside = objects[0].strip_prefix(world.root()).unwrap().to_str().unwrap().to_owned();
    let parts: Vec<&str> = inside.split('/').collect();
    assert_eq!(parts.len(), 2, "{inside}");
    for part in parts {
        assert!(part.len() == 32 && part.chars().all(|c| c.is_ascii_hexdigit()), "{inside}");
    }
    let stored = fs::read(&objects[0]).unwrap();
    for word in [b"Sinar".as_slice(), b"percent", b"marges", b"tenant"] {
        assert!(!stored.windows(word.len()).any(|window| window == word));
    }
    let mode = fs::metadata(world.root()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = crate::FileShelf::folder(world.root()).unwrap_err().to_string();
    assert!(refused.contains("chmod 700"), "{refused}");
}

/// Whoever can write to the store can destroy what is there, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_or_changed_in_the_store_does_not_open() {
    let world = world().await;
    world.put("sinar", "one", &bytes(3000, 1)).await.unwrap();
    world.put("sinar", "two", &bytes(3000, 2)).await.unwrap();
    world.put("bintang", "one", &bytes(3000, 3)).await.unwrap();
    let objects = world.objects();
    let whole: Vec<Vec<u8>> = objects.iter().map(|path| fs::read(path).unwrap()).collect();
    let all = [("sinar", "one"), ("sinar", "two"), ("bintang", "one")];
    let opened = async || {
        let mut opened = 0;
        for (who, what) in all {
            match world.get(who, what).await {
                Ok(_) => opened += 1,
                Err(error) => assert_eq!(error, FileFault::Damaged),
            }
        }
        opened
    };
    assert_eq!(opened().await, 3);
    for at in 0..3 {
        let other = &whole[(at + 1) % 3];
        fs::write(&objects[at], other).unwrap();
        assert_eq!(opened().await, 2, "another one's object");
        fs::write(&objects[at], &whole[at][..2000]).unwrap();
        assert_eq!(opened().await, 2, "cut off");
        let mut changed = whole[at].clone();
        changed[1500] ^= 1;
        fs::write(&objects[at], &changed).unwrap();
        assert_eq!(opened().await, 2, "changed");
        fs::remove_file(&objects[at]).unwrap();
        assert_eq!(opened().await, 2, "gone");
        fs::write(&objects[at], &whole[at]).unwrap();
        assert_eq!(opened().await, 3);
    }
    // Nor does whoever can write to the rows give a file another one's bytes.
    world
        .sql(
            "UPDATE files.files SET object = translate(object, '0123456789abcdef', \
             '123456789abcdef0') WHERE name = 'two'; \
             UPDATE files.files f SET object = translate(o.object, '123456789abcdef0', \
             '0123456789abcdef') FROM files.files o WHERE f.name = 'one' AND o.name = 'two' \
             AND f.tenant = 'sinar' AND o.tenant = 'sinar'",
        )
        .await;
    assert_eq!(opened().await, 1);
}

/// An upload that is refused or cut off changes nothing, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_happens_wholly_or_not_at_all() {
    let world = world().await;
    let (sinar, report) = (tenant("sinar"), name("report"));
    let first = world.put("sinar", "report", b"first").await.unwrap();
    let file = |bytes| NewFile { bytes, ..NewFile::default() };
    // Cut off.
    let mut writer = world.files.write(&sinar, &report, file(None)).await.unwrap();
    writer.push(&bytes(40 << 20, 1)).await.unwrap();
    assert_eq!(world.get("sinar", "report").await.unwrap(), b"first");
    drop(writer);
    // Shorter and longer than was said.
    let mut writer = world.files.write(&sinar, &report, file(Some(10))).await.unwrap();
    writer.push(b"short").await.unwrap();
    assert_eq!(writer.finish().await, Err(FileFault::Length));
    let mut writer = world.files.write(&sinar, &report, file(Some(3))).await.unwrap();
    assert_eq!(writer.push(b"long").await, Err(FileFault::Length));
    drop(writer);
    // Conditions, before and after the bytes.
    let etag = |etag: &str| Condition::Etag(vec![etag.to_owned()]);
    for condition in [Condition::Absent, etag("other")] {
        let refused = world.put_if("sinar", "report", b"second", condition).await;
        assert_eq!(refused, Err(FileFault::Condition));
    }
    for condition in [Condition::Present, etag(&first.card.etag)] {
        let refused = world.put_if("sinar", "none", b"second", condition).await;
        assert_eq!(refused, Err(FileFault::Condition));
    }
    let odd = NewFile { content_type: "text/plain\r\nX: y".to_owned(), ..NewFile::default() };
    let refused = world.files.write(&sinar, &report, odd).await.err();
    assert_eq!(refused, Some(FileFault::ContentType));
    let second = world.put_if("sinar", "report", b"second", etag(&first.card.etag)).await.unwrap();
    assert!(second.replaced);
    assert_ne!(second.card.etag, first.card.etag);
    world.settle(2).await;
    assert_eq!(world.files.usage(&sinar).await.unwrap().used.bytes, 6);
}
