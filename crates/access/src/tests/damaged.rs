//! Catalogues that somebody got wrong.

use crate::{Catalogue, Error, Matrix};

const IDS: &str = "people.read 0\npeople.invite 1\npeople.roles 2\npeople.offboard 3\n\
    people.support 4\npeople.review 5\npeople.keys 6\npeople.directory 7\nsupport.ask 8\n\
    trail.read 9\nnotes.read 10\nnotes.add 11\n";

fn text(roles: &str) -> String {
    let own = kernel::own::ALL.map(|(_, name)| format!("\"{name}\" = \"{name}\"\n")).concat();
    format!(
        "[[area]]\nname = \"A\"\ntitle = \"All\"\n[area.permissions]\n{own}\"notes.read\" = \"See\"\n\
         \"notes.add\" = \"Add\"\n{roles}"
    )
}

fn role(name: &str, parents: &str, permits: &str) -> String {
    format!(
        "[[role]]\nname = \"{name}\"\ntitle = \"T\"\nparents = {parents}\npermits = {permits}\n"
    )
}

fn refused(text: &str, ids: &str) -> String {
    match Catalogue::compile(text, ids) {
        Err(Error::Catalogue(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn parents_bring_what_they_have_and_no_ring_is_taken() {
    let good = text(&(role("a", "[\"b\"]", "[\"notes.add\"]") + &role("b", "[]", "[\"*.read\"]")));
    let catalogue = Catalogue::compile(&good, IDS).unwrap();
    let a = catalogue.roles().first().unwrap();
    assert_eq!(catalogue.names(&a.all), ["people.read", "trail.read", "notes.read", "notes.add"]);
    assert_eq!(catalogue.names(&a.own), ["notes.add"]);

    let own = role("a", "[\"a\"]", "[\"notes.add\"]");
    assert!(refused(&text(&own), IDS).contains("inherits from itself"));
    let ring = role("a", "[\"b\"]", "[\"notes.add\"]")
        + &role("b", "[\"c\"]", "[\"notes.add\"]")
        + &role("c", "[\"a\"]", "[\"notes.add\"]")
        + &role("free", "[]", "[\"notes.add\"]");
    let why = refused(&text(&ring), IDS);
    assert!(why.ends_with("a, b, c"), "{why}");
}

#[test]
fn what_is_wrong_is_named() {
    let r = |name: &str| role(name, "[]", "[\"notes.add\"]");
    for (roles, part) in [
        (r("editor") + &r("Ed1tor"), "look alike"),
        (r("\u{435}ditor"), "ASCII"),
        (r(""), "empty"),
        (role("a", "[\"x\"]", "[\"notes.add\"]"), "no role"),
        (role("a", "[]", "[\"notes.paint\"]"), "stands for no permission"),
        (role("a", "[]", "[\"paint.*\"]"), "stands for no permission"),
        (role("a", "[]", "[\"*\"]"), "stands for no permission"),
        (r("a") + "factor = 4\n", "factor"),
        (r("a") + "idle = \"5s\"\n", "no limit"),
        (r("a") + "idle = \"soon\"\n", "no limit"),
        (r("a") + "extra = 1\n", "unknown field"),
    ] {
        let why = refused(&text(&roles), IDS);
        assert!(why.contains(part), "{why}");
    }
    let whole = text(&r("a"));
    for (ids, part) in [
        (IDS.replace("notes.add 11", "notes.add 10"), "given out before"),
        (IDS.replace("notes.add 11", "notes.add 1024"), "too large"),
        (IDS.replace("notes.add 11", "notes.add -1"), "cannot be read"),
        (IDS.replace("notes.add 11", "notes.add"), "NAME NUMBER"),
        (IDS.replace("notes.add 11\n", ""), "has no number"),
        (IDS.replace("people.read 0", "people.read 12"), "must be there"),
    ] {
        let why = refused(&whole, &ids);
        assert!(why.contains(part), "{why}");
    }
    assert!(refused(&whole.replace("\"See\"", "\" \""), IDS).contains("title"));
    assert!(refused(&whole.replace("notes.read", "Notes.read"), IDS).contains("form"));
    assert!(refused(&" ".repeat(1024 * 1024 + 1), IDS).contains("larger"));
}

/// Whatever becomes of the bytes, it is an answer and never a panic.
#[test]
fn damaged_texts_are_refused() {
    let sample = text(&role("a", "[]", "[\"notes.add\"]"));
    testkit::try_damaged("catalogue", &[sample.into_bytes()], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = Catalogue::compile(IDS, &text);
        Catalogue::compile(&text, IDS).is_ok()
    });
    let sample = Matrix::of(Catalogue::shipped().unwrap()).to_string();
    let sample: Vec<&str> = sample.lines().take(40).collect();
    testkit::try_damaged("matrix", &[(sample.join("\n") + "\n").into_bytes()], |bytes| {
        Matrix::read(&String::from_utf8_lossy(bytes)).is_ok()
    });
    for bad in
        ["# 01", "0000 x people.read", "# 01 a\n0000 xx b", "# 01 a\n9999 x b", "# 01 a\n0 y b"]
    {
        assert!(Matrix::read(bad).is_err(), "{bad}");
    }
}
