//! A door for `fuzz/` and its like: parsers of what others can write.

use cipher::{Context, Material, field::FieldKey};
use kernel::Secret;

use crate::file::book::Book;
use crate::{
    AwsRoot, AwsSetting, Generation, Result, Root, Token, TransitRoot, TransitSetting, Wrapped,
};

/// The file of a root, read and written again; nothing when it is refused.
pub fn book(bytes: &[u8]) -> Option<Vec<u8>> {
    Book::reread(bytes, &FieldKey::new(&Material::new([7; 32])).ok()?)
}

/// Statuses that a root may answer with. None of them makes us wait before we ask again.
const STATUSES: [u16; 6] = [200, 200, 200, 400, 403, 404];
/// What a root answers when it is opened: Vault's key, and that of AWS KMS.
pub const CARDS: [&str; 2] = [
    r#"{"data":{"type":"aes256-gcm96","exportable":false,"allow_plaintext_backup":false,"latest_version":3,"min_decryption_version":1}}"#,
    r#"{"KeyMetadata":{"Arn":"arn:aws:kms:eu-west-1:1:key/1","KeyState":"Enabled","KeyUsage":"ENCRYPT_DECRYPT","KeySpec":"SYMMETRIC_DEFAULT"}}"#,
];

/// Answers out of `bytes`: the first byte of each chooses its status, a zero begins the next.
pub fn answers(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let answer = |part: &[u8]| {
        let (first, body) = part.split_first().unwrap_or((&0, &[]));
        let status = STATUSES.get(usize::from(*first) % STATUSES.len());
        (status.copied().unwrap_or(200), body.to_vec())
    };
    bytes.split(|byte| *byte == 0).map(answer).collect()
}

/// The two roots that speak HTTP, with a server that answers as it is told.
pub struct Told {
    transit: TransitRoot,
    aws: AwsRoot,
}

impl Told {
    /// Opens both at `address`, whose answers are to be [`CARDS`] in their order.
    ///
    /// # Errors
    /// When it answers otherwise.
    pub async fn open(address: &str) -> Result<Self> {
        let variable = |name: &str| (name.to_owned(), Secret::new("X".repeat(20)));
        let transit = TransitSetting {
            address: address.to_owned(),
            mount: "transit".to_owned(),
            key: "root".to_owned(),
            installation: "0123abcd".to_owned(),
            namespace: None,
            token: Token::Fixed(Secret::new("X".repeat(20))),
            authority: None,
        };
        let aws = AwsSetting {
            key: "alias/root".to_owned(),
            installation: "0123abcd".to_owned(),
            region: "eu-west-1".to_owned(),
            endpoint: Some(address.to_owned()),
            environment: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(variable).to_vec(),
        };
        let transit = TransitRoot::open(&transit, false).await?;
        Ok(Self { transit, aws: AwsRoot::open(&aws, false).await? })
    }

    /// Asks Vault's engine for each thing that is read. Whether anything was understood.
    pub async fn ask_transit(&self) -> bool {
        ask(&self.transit, "dmF1bHQ6djE6QUFBQQ==").await
    }

    /// Asks AWS KMS.
    pub async fn ask_aws(&self) -> bool {
        ask(&self.aws, "AAAA").await
    }
}

async fn ask(root: &dyn Root, bytes: &str) -> bool {
    let (context, generation) = (Context::of("fuzz"), Generation("v1".to_owned()));
    let current = root.current().await.is_ok();
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.is_ok();
    let key = Wrapped { generation, bytes: bytes.to_owned() };
    let opened = root.unwrap(&key, &context).await.is_ok();
    let destroyed = root.destroy(&key.generation).await.is_ok();
    current || wrapped || opened || destroyed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cipher::{Context, Material};
    use kernel::{Secret, SystemClock, SystemRng};
    use testkit::{Answers, try_damaged, try_damaged_again};

    use super::{CARDS, Told, answers, book};
    use crate::{FileRoot, Root as _};

    #[tokio::test]
    async fn a_damaged_file_of_a_root_is_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let secret = Secret::new("a secret of the environment".to_owned());
        let place = dir.path().join("root");
        let root = FileRoot::create(&place, &secret, clock, rng).await.unwrap();
        let first = std::fs::read(&place).unwrap();
        root.wrap(&Material::new([1; 32]), &Context::of("test")).await.unwrap();
        let old = root.current().await.unwrap();
        root.roll().await.unwrap();
        root.destroy(&old).await.unwrap();
        try_damaged_again("book", &[first, std::fs::read(&place).unwrap()], book);
    }

    /// A root that answers anything else than it should is an error, and never a panic.
    #[test]
    fn damaged_answers_are_understood_or_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Answers::start();
        server.say(CARDS.map(|card| (200, card.into())).to_vec());
        let told = runtime.block_on(Told::open(&server.url())).unwrap();
        let sealed = r#"{"data":{"ciphertext":"vault:v3:AAAA","plaintext":"AAAA"}}"#;
        let encrypted = r#"{"KeyId":"arn:aws:kms:eu-west-1:1:key/1","CiphertextBlob":"AAAA","Plaintext":"AAAA"}"#;
        let card_and_encrypted =
            [CARDS[1].trim_end_matches('}'), "},", encrypted.trim_start_matches('{')].concat();
        let said = r#"{"__type":"a#NotFoundException","message":"no"}"#;
        let errors = r#"{"errors":["no"]}"#;
        let in_turn = |parts: &[(&str, &str)]| {
            let parts = parts.iter().map(|(status, body)| format!("{status}{body}").into_bytes());
            parts.collect::<Vec<_>>().join(&0)
        };
        let (good, bad) = ("\u{1}", "\u{3}");
        let samples = [
            in_turn(&[(good, CARDS[0]), (good, CARDS[0]), (good, sealed)]),
            in_turn(&[(good, CARDS[1]), (good, CARDS[1]), (good, encrypted)]),
            in_turn(&[(bad, errors), (good, CARDS[0]), (good, sealed)]),
            in_turn(&[(bad, said), (good, &card_and_encrypted)]),
        ];
        let turns = std::cell::Cell::new(0_usize);
        try_damaged("answers", &samples, |bytes| {
            // A request takes a while; every so many of the damaged ones are enough here.
            let turn = turns.replace(turns.get() + 1);
            if !turn.is_multiple_of(41) && !samples.iter().any(|sample| sample == bytes) {
                return true;
            }
            let both = [true, false].map(|transit| {
                server.say(answers(bytes));
                runtime.block_on(async {
                    if transit { told.ask_transit().await } else { told.ask_aws().await }
                })
            });
            both.contains(&true)
        });
    }
}
