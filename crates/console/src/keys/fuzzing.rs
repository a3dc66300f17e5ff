//! A door for `fuzz/` and its like: parsers of what others can write.

use super::batch::Verb;
use super::item::Batch;

/// Reads a request's body and each of its items for each thing that can be asked. Whether one of
/// them could be done.
pub fn items(bytes: &[u8]) -> bool {
    let Ok(mut batch) = serde_json::from_slice::<Batch<'_>>(bytes) else { return false };
    let mut items = vec![batch.single()];
    for more in [batch.items, batch.vault_items].into_iter().flatten() {
        items.extend(more.0);
    }
    let verbs = [
        Verb::Encrypt,
        Verb::Decrypt,
        Verb::Rewrap,
        Verb::Hmac,
        Verb::Sign,
        Verb::VerifyHmac,
        Verb::VerifySignature,
    ];
    let _ = Verb::of_verify(&items);
    // Each of them, and not only until one is found.
    let good =
        items.iter().flat_map(|item| verbs.iter().filter(move |verb| verb.read(item).is_ok()));
    good.count() > 0
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged;

    #[test]
    fn damaged_requests_are_read_or_refused() {
        let samples = [
            r#"{"items":[{"plaintext":"AAAA","context":"QQ=="},{"plaintext":""}],"tenant":"17"}"#,
            r#"{"batch_input":[{"ciphertext":"vault:v1:AAAA","reference":"a\u00e9"},{"input":"AAAA","hmac":"vault:v1:AAAA"}],"partial_failure_response_code":200}"#,
            r#"{"input":"AAAA","signature":"amanah:v1:AAAA","key_version":1,"prehashed":false}"#,
            r#"{"plaintext":"AAAA","associated_data":"QUFB","nonce":"","type":"aes256-gcm96"}"#,
        ];
        try_damaged("items", &samples.map(|text| text.as_bytes().to_vec()), super::items);
    }
}
