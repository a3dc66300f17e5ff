//! What Vault or a KMS answers, over a real connection: the first byte of an answer chooses its
//! status, and a zero begins the next one.
#![no_main]

use std::sync::OnceLock;

use kms::fuzzing::{CARDS, Told, answers};
use libfuzzer_sys::fuzz_target;
use testkit::Answers;
use tokio::runtime::{Builder, Runtime};

fn house() -> &'static (Runtime, Answers, Told) {
    static HOUSE: OnceLock<(Runtime, Answers, Told)> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = Answers::start();
        server.say(CARDS.map(|card| (200, card.into())).to_vec());
        let told = runtime.block_on(Told::open(&server.url())).expect("two roots");
        (runtime, server, told)
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (runtime, server, told) = house();
    server.say(answers(bytes));
    runtime.block_on(told.ask_transit());
    server.say(answers(bytes));
    runtime.block_on(told.ask_aws());
});
