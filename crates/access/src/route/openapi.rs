//! An `OpenAPI` 3 document as routes: each operation names its permission as `x-permission`.

use serde_json::{Map, Value};

use super::{Line, wrong};
use crate::Result;

/// The keys of a path item that are operations.
const OPERATIONS: [&str; 8] = ["get", "head", "options", "post", "put", "patch", "delete", "trace"];

pub(super) fn read(text: &str) -> Result<Vec<Line>> {
    let document: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.") {
        return Err(wrong("it is JSON, but no OpenAPI 3 document"));
    }
    let base = base(&document)?;
    let paths = document.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or_else(|| wrong("the document has no paths"))?;
    let mut lines = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        let template = format!("{base}{path}");
        let item = item.as_object().ok_or_else(|| wrong(format!("{path} is no path item")))?;
        if item.contains_key("$ref") {
            return Err(wrong(format!("{path} is a reference; write the path item itself")));
        }
        for (key, operation) in item.iter().filter(|(key, _)| OPERATIONS.contains(&key.as_str())) {
            lines.extend(line(&template, key, operation)?);
        }
    }
    Ok(lines)
}

/// An operation without a permission is not mapped, so it is refused: said here, since a forgotten
/// line would otherwise show only when somebody asks for it.
fn line(template: &str, key: &str, operation: &Value) -> Result<Option<Line>> {
    let method = key.to_ascii_uppercase();
    let at = format!("{method} {template}");
    if key == "head" || key == "trace" {
        // HEAD is decided as GET, and TRACE never reaches the application.
        return Ok(None);
    }
    let operation: &Map<String, Value> =
        operation.as_object().ok_or_else(|| wrong(format!("{at} is no operation")))?;
    let permission = operation.get("x-permission").and_then(Value::as_str);
    let permission = permission.ok_or_else(|| {
        wrong(format!("{at} has no x-permission; write signed-in if it needs none"))
    })?;
    let step_up = match operation.get("x-step-up") {
        None => false,
        Some(Value::Bool(step_up)) => *step_up,
        Some(_) => return Err(wrong(format!("{at}: x-step-up is true or false"))),
    };
    let permission = permission.to_owned();
    Ok(Some(Line { method, template: template.to_owned(), permission, step_up }))
}

/// The path of the first server, which stands before every path of the document.
fn base(document: &Value) -> Result<String> {
    let servers = document.get("servers").and_then(Value::as_array);
    let Some(servers) = servers.filter(|servers| !servers.is_empty()) else {
        return Ok(String::new());
    };
    let mut bases = servers.iter().map(|server| {
        let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
            None => url,
        };
        path.trim_end_matches('/').to_owned()
    });
    let first = bases.next().unwrap_or_default();
    if bases.any(|other| other != first) {
        return Err(wrong("its servers have different paths, so that no route is certain"));
    }
    if first.contains('{') {
        return Err(wrong("its server's path has variables, so that no route is certain"));
    }
    Ok(first)
}
