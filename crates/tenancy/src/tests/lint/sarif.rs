//! SARIF that viewers take: against the official schema, and what code scanning asks beyond it.

use serde_json::Value;

use super::super::fixture::{self, DJANGO, NUMBERS};
use crate::{RULES, lint, sarif};

/// The schema of the standard's second edition, as OASIS publishes it.
const SCHEMA: &str = include_str!("sarif-schema-2.1.0.json");

#[tokio::test]
async fn it_fits_the_official_schema() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let mut linted = lint(&guarded.protected.owner, "company_id", None).await.unwrap();
    linted.database = "ünï code/shop".to_owned();
    let made = sarif(std::slice::from_ref(&linted), "0.1.0");
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    // The standard's own pattern of languages, which we do not name, has a bracket too many.
    for place in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][place]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&made).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    // The test notices what it is for.
    let mut broken = made.clone();
    broken["runs"][0]["results"][0]["level"] = "leak".into();
    assert!(!validator.is_valid(&broken));
    let run = &made["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), linted.findings.len());
    assert!(results.len() > 10, "{made:#}");
    let mut prints: Vec<&str> = Vec::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "databases/%C3%BCn%C3%AF%20code%2Fshop");
        assert_eq!(place["region"]["startLine"], 1);
        let message = result["message"]["text"].as_str().unwrap();
        assert!(message.contains(result["properties"]["fix"].as_str().unwrap()), "{result}");
        prints.push(result["partialFingerprints"]["amanahObject/v1"].as_str().unwrap());
    }
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), results.len(), "each finding has a fingerprint of its own");
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), RULES.len());
}

/// Nothing found is a run without results, which closes what was open.
#[test]
fn nothing_found_is_a_run() {
    let made = sarif(&[], "0.1.0");
    assert_eq!(made["runs"][0]["results"], Value::Array(Vec::new()));
}
