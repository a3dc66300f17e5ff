//! The TOML form of routes: a path, and a permission for each method.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Line, wrong};
use crate::Result;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    route: Vec<RouteText>,
}

#[derive(Deserialize)]
struct RouteText {
    path: String,
    #[serde(default, rename = "step-up")]
    step_up: Vec<String>,
    #[serde(flatten)]
    methods: BTreeMap<String, toml::Value>,
}

pub(super) fn read(text: &str) -> Result<Vec<Line>> {
    let text: Text = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
    let mut lines = Vec::new();
    for route in text.route {
        let RouteText { path, step_up, methods } = route;
        if let Some(other) = step_up.iter().find(|method| !methods.contains_key(*method)) {
            return Err(wrong(format!("{path}: step-up names {other}, which has no permission")));
        }
        if methods.is_empty() {
            return Err(wrong(format!("{path}: no method of it has a permission")));
        }
        for (method, permission) in methods {
            let toml::Value::String(permission) = permission else {
                return Err(wrong(format!("{path}: {method} is no permission's name")));
            };
            let step_up = step_up.contains(&method);
            lines.push(Line { method, template: path.clone(), permission, step_up });
        }
    }
    Ok(lines)
}
