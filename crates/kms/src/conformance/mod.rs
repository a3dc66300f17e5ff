//! One suite for all roots: the same checks against each, and the answers side by side in a golden
//! table. A root that behaves otherwise than the others changes the table.

mod careless;

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material};
use kernel::{Fut, SystemRng};

use self::careless::CarelessBench;
use crate::{Destruction, Error, Generation, Result, Root, Wrapped};
use crate::{aws, file, pkcs11, transit};

/// What a back end brings to the suite.
pub(crate) trait Bench: Send + Sync {
    /// Opens the root as another process would; with `create` the first time.
    fn open(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>>;
    /// Another root of the same kind.
    fn other(&self) -> Fut<'_, Arc<dyn Root>>;
    /// Opens the root as another installation with the same settings would.
    fn stranger(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>>;
    /// Lets the root be out of reach, or in reach again.
    fn cut(&self, cut: bool);
}

/// The checks and what each came to.
type Column = Vec<(&'static str, String)>;

/// Every back end against every check. The token's library takes its folder from the environment,
/// so this runs in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_root_behaves_alike() {
    let Some(token) = testkit::softhsm("conformance::every_root_behaves_alike") else { return };
    let benches: [(&str, Box<dyn Bench>); 4] = [
        ("file", Box::new(file::tests::FileBench::new())),
        ("aws-kms", Box::new(aws::tests::AwsBench::new().await)),
        ("transit", Box::new(transit::tests::TransitBench::new().await)),
        ("pkcs11", Box::new(pkcs11::tests::TokenBench::new(token))),
    ];
    let mut columns = Vec::new();
    for (name, bench) in &benches {
        columns.push((*name, run(bench.as_ref()).await));
    }
    let mut table = table(&columns);
    table.push_str("\nmoto, which stands for AWS here, by itself (AWS refuses all three):\n");
    for (what, answer) in aws::tests::gaps().await {
        writeln!(table, "{what:<44}{answer}").unwrap();
    }
    insta::assert_snapshot!("conformance", table);
}

/// What the documentation shows of this suite is its result.
#[test]
fn the_documentation_shows_the_table() {
    let docs = include_str!("../../../../docs/roots.md");
    let snapshot = include_str!("snapshots/kms__conformance__conformance.snap");
    let table = snapshot.splitn(3, "---\n").nth(2).unwrap().trim_matches('\n');
    assert!(docs.contains(&format!("\n```\n{table}\n```\n")), "copy it to docs/roots.md:\n{table}");
}

/// The suite itself is tried: a root that keeps none of the promises breaks most rows.
#[tokio::test]
async fn the_suite_notices_a_careless_root() {
    let column = run(&CarelessBench).await;
    insta::assert_snapshot!("careless", table(&[("careless", column)]));
}

/// All checks, in order: later ones build on what earlier ones left.
async fn run(bench: &dyn Bench) -> Column {
    let mut column = Column::new();
    let mut add = |check: &'static str, answer: String| column.push((check, answer));
    add("a root that is not there", outcome(bench.open(false).await.map(|_| "is made")));
    let root = bench.open(true).await.unwrap();
    let context = Context::of("test").with("ring");
    let key = Material::generate(&SystemRng).unwrap();
    let first = root.wrap(&key, &context).await.unwrap();
    let opens = async |root: &dyn Root, wrapped: &Wrapped| {
        outcome(root.unwrap(wrapped, &context).await.map(|opened| same(&opened, &key)))
    };

    add("what is wrapped", opens(&*root, &first).await);
    let names = root.current().await.unwrap() == first.generation;
    add("names the current generation", if names { "yes" } else { "NO" }.to_owned());
    for (name, wrong) in [
        ("for another context", Context::of("test").with("other")),
        ("for no context", Context::of("test")),
    ] {
        add(name, outcome(root.unwrap(&first, &wrong).await.map(|_| "OPENS")));
    }
    add("with changed bytes", changed(&*root, &first, &context).await);
    let alien = bench.other().await.wrap(&key, &context).await.unwrap();
    let alien = Wrapped { generation: first.generation.clone(), bytes: alien.bytes };
    add("wrapped by another root", opens(&*root, &alien).await);
    for (check, name) in
        [("of an unheard-of generation", "nobody"), ("of a generation without name", "")]
    {
        let unknown = Wrapped { generation: Generation(name.to_owned()), ..first.clone() };
        add(check, opens(&*root, &unknown).await);
    }
    column.append(&mut strangers(bench, &key, &context, &first, &*root).await);
    let (generations, mut rest) = lives(bench, &root, &key, &context, &first).await;
    column.append(&mut rest);
    column.append(&mut outage(bench, &root, &key, &context, &generations).await);
    column
}

/// Another installation, whose settings are the same: our root is none for it, and it makes, rolls
/// and destroys its own.
async fn strangers(
    bench: &dyn Bench,
    key: &Material,
    context: &Context,
    ours: &Wrapped,
    root: &dyn Root,
) -> Column {
    let mut column = Column::new();
    let mut add = |check: &'static str, answer: String| column.push((check, answer));
    let found = bench.stranger(false).await.map(|_| "TAKES OURS");
    add("another installation's root", outcome(found));
    let theirs = bench.stranger(true).await.unwrap();
    add("ours, with its root", outcome(theirs.unwrap(ours, context).await.map(|_| "OPENS")));
    let old = theirs.wrap(key, context).await.unwrap().generation;
    theirs.roll().await.unwrap();
    theirs.destroy(&old).await.unwrap();
    let opened = root.unwrap(ours, context).await.map(|opened| same(&opened, key));
    add("ours, after it destroyed its own", outcome(opened));
    column
}

/// Generations come, are disabled, and go.
async fn lives(
    bench: &dyn Bench,
    root: &Arc<dyn Root>,
    key: &Material,
    context: &Context,
    first: &Wrapped,
) -> (Vec<Wrapped>, Column) {
    let mut column = Column::new();
    let mut add = |check: &'static str, answer: String| column.push((check, answer));
    let opens = async |root: &dyn Root, wrapped: &Wrapped| {
        outcome(root.unwrap(wrapped, context).await.map(|opened| same(&opened, key)))
    };
    let twin = bench.open(false).await.unwrap();
    let fresh = root.roll().await.unwrap();
    add("after a roll, the one before", opens(&**root, first).await);
    let second = root.wrap(key, context).await.unwrap();
    let moved = second.generation == fresh && fresh != first.generation;
    add("after a roll, wraps", if moved { "with the new one" } else { "WITH THE OLD" }.to_owned());
    let seen = twin.current().await.is_ok_and(|current| current == fresh);
    let seen = seen && opens(&*twin, &second).await == "opens";
    add("another process", if seen { "sees the roll" } else { "DOES NOT SEE IT" }.to_owned());

    root.disable(&first.generation).await.unwrap();
    add("disabled", opens(&**root, first).await);
    add("disabled, in another process", opens(&*twin, first).await);
    add(
        "disabled, rewrapped",
        outcome(root.rewrap(std::slice::from_ref(first), context).await.map(|_| "DONE")),
    );
    root.enable(&first.generation).await.unwrap();
    add("enabled again", opens(&**root, first).await);

    let batch = [first.clone(), second.clone(), first.clone()];
    let rewrapped = root.rewrap(&batch, context).await.unwrap();
    let all = rewrapped.iter().all(|wrapped| wrapped.generation == fresh);
    let mut answers = Vec::new();
    for wrapped in &rewrapped {
        answers.push(opens(&**root, wrapped).await);
    }
    answers.dedup();
    add("a batch rewrapped", format!("{} of 3 {}", if all { 3 } else { 0 }, answers.join(", ")));
    let bad = [first.clone(), flipped(&second, 20)];
    add("a batch with one bad", outcome(root.rewrap(&bad, context).await.map(|_| "PART OF IT")));
    let other = Context::of("test").with("other");
    add("a batch for another use", outcome(root.rewrap(&batch, &other).await.map(|_| "DONE")));

    add("destroying the current one", outcome(root.destroy(&fresh).await.map(|_| "DESTROYED")));
    add("the current one afterwards", opens(&**root, &second).await);
    add("destroying the one before", destroyed(root.destroy(&first.generation).await));
    add("destroyed", opens(&**root, first).await);
    add("destroyed, in another process", opens(&*twin, first).await);
    add(
        "destroyed, rewrapped",
        outcome(root.rewrap(std::slice::from_ref(first), context).await.map(|_| "DONE")),
    );
    add("destroyed, enabled", outcome(root.enable(&first.generation).await.map(|()| "BACK")));
    add("destroying it again", destroyed(root.destroy(&first.generation).await));
    let nobody = Generation("nobody".to_owned());
    add("destroying nobody's", outcome(root.destroy(&nobody).await.map(|_| "DONE")));
    add("what was rewrapped before", opens(&**root, &rewrapped[0]).await);
    add("the one after it", opens(&*twin, &second).await);
    (vec![second, rewrapped[0].clone()], column)
}

/// An outage: errors, no change, and everything as before afterwards.
async fn outage(
    bench: &dyn Bench,
    root: &Arc<dyn Root>,
    key: &Material,
    context: &Context,
    generations: &[Wrapped],
) -> Column {
    let mut column = Column::new();
    let mut add = |check: &'static str, answer: String| column.push((check, answer));
    let before = root.current().await.unwrap();
    bench.cut(true);
    add("out of reach, wrap", outcome(root.wrap(key, context).await.map(|_| "WRAPS")));
    add(
        "out of reach, unwrap",
        outcome(root.unwrap(&generations[0], context).await.map(|_| "OPENS")),
    );
    add("out of reach, roll", outcome(root.roll().await.map(|_| "ROLLS")));
    add(
        "out of reach, destroy",
        outcome(root.destroy(&generations[0].generation).await.map(|_| "DONE")),
    );
    add("out of reach, open", outcome(bench.open(false).await.map(|_| "OPENS")));
    bench.cut(false);
    let mut kept = root.current().await.is_ok_and(|current| current == before);
    for wrapped in generations {
        let opened = root.unwrap(wrapped, context).await;
        kept &= opened.is_ok_and(|opened| opened.expose() == key.expose());
    }
    add("in reach again", if kept { "all as before" } else { "SOMETHING IS LOST" }.to_owned());
    column
}

/// What a call came to, in a word: in upper case what no root may ever do there.
fn outcome(result: Result<&'static str>) -> String {
    match result {
        Ok(done) => done.to_owned(),
        Err(Error::Unavailable { .. }) => "unavailable".to_owned(),
        Err(Error::Missing { .. }) => "missing".to_owned(),
        Err(Error::Denied { .. }) => "denied".to_owned(),
        Err(Error::Refused) => "refused".to_owned(),
        Err(Error::Disabled(_)) => "says disabled".to_owned(),
        Err(Error::Destroyed(_)) => "says destroyed".to_owned(),
        Err(Error::Current(_)) => "says current".to_owned(),
        Err(Error::Damaged { .. }) => "says damaged".to_owned(),
        Err(other) => format!("ERROR {other}"),
    }
}

fn same(opened: &Material, key: &Material) -> &'static str {
    if opened.expose() == key.expose() { "opens" } else { "GIVES ANOTHER KEY" }
}

fn destroyed(result: Result<Destruction>) -> String {
    match result {
        Ok(Destruction::Done) => "done".to_owned(),
        Ok(Destruction::Scheduled(_)) => "scheduled".to_owned(),
        Err(error) => outcome(Err(error)),
    }
}

/// Every kind of damage, each of which must be refused.
async fn changed(root: &dyn Root, wrapped: &Wrapped, context: &Context) -> String {
    let length = BASE64.decode(&wrapped.bytes).unwrap().len();
    let mut bad: Vec<Wrapped> = (0..8).map(|n| flipped(wrapped, n * (length - 1) / 7)).collect();
    let text = |bytes: &str| Wrapped { bytes: bytes.to_owned(), ..wrapped.clone() };
    let half: String = wrapped.bytes.chars().take(wrapped.bytes.len() / 8 * 4).collect();
    bad.extend(["", "AAAA", "no base64", "é", &half].map(text));
    bad.push(text(&format!("{0}{0}", wrapped.bytes.trim_end_matches('='))));
    let mut answers = Vec::new();
    for wrapped in &bad {
        answers.push(outcome(root.unwrap(wrapped, context).await.map(|_| "OPENS")));
    }
    answers.sort();
    answers.dedup();
    answers.join(", ")
}

fn flipped(wrapped: &Wrapped, place: usize) -> Wrapped {
    let mut bytes = BASE64.decode(&wrapped.bytes).unwrap();
    bytes[place] ^= 1;
    Wrapped { bytes: BASE64.encode(bytes), ..wrapped.clone() }
}

fn table(columns: &[(&str, Column)]) -> String {
    let mut text = format!("{:<34}", "");
    for (name, _) in columns {
        write!(text, "{name:<20}").unwrap();
    }
    for (row, (check, _)) in columns[0].1.iter().enumerate() {
        write!(text, "\n{check:<34}").unwrap();
        for (_, column) in columns {
            write!(text, "{:<20}", column[row].1).unwrap();
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
