//! A door for `fuzz/`: what programs ask about their own actions.

use super::wire::{Questions, Search};

/// Reads a request's body as questions and as a search. Whether there is one in it that could be
/// asked.
pub fn question(bytes: &[u8]) -> bool {
    let _ = serde_json::from_slice::<Search>(bytes).is_ok_and(|s| s.question.tenant().is_ok());
    let Ok(questions) = serde_json::from_slice::<Questions>(bytes) else { return false };
    let Questions { common, evaluations, .. } = questions;
    for one in evaluations {
        let whole = one.over(&common);
        drop((whole.tenant(), whole.is_use()));
    }
    common.tenant().is_ok()
}

#[cfg(test)]
mod tests {
    use testkit::try_damaged;

    #[test]
    fn damaged_questions_are_read_or_refused() {
        let samples = [
            r#"{"subject":{"type":"user","id":"a@b","properties":{"tenant":"17"}},"action":{"name":"prices.read"},"resource":{"type":"price","id":"1","properties":{"tenant":"17"}},"context":{"tenant":"17","amanah_use":true,"x":[1,{}]}}"#,
            r#"{"subject":{"type":"user","id":"a@b"},"resource":{"type":"tenant","id":"17"},"evaluations":[{"action":{"name":"prices.read"}},{"action":{"name":"a\u00e9"}}],"options":{"evaluations_semantic":"deny_on_first_deny"},"page":{"token":"","limit":3}}"#,
        ];
        try_damaged("question", &samples.map(|text| text.as_bytes().to_vec()), super::question);
    }
}
