//! What the service says of itself: RFC 7644, section 4.

use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use directory::{Kind, MAX_COUNT};
use serde_json::{Map, Value, json};

use super::{MAX_BODY_BYTES, admit, answer, fault::Fault, resources::LIST};
use crate::{Origin, State};

type Told = Result<Response, Fault>;

/// `GET /_amanah/scim/v2/ServiceProviderConfig`.
pub(crate) async fn settings(
    extract::State(state): extract::State<State>,
    from: Origin,
    headers: HeaderMap,
) -> Told {
    let admitted = admit(&state, &from, &headers).await?;
    let no = json!({ "supported": false });
    let told = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": MAX_BODY_BYTES },
        "filter": { "supported": true, "maxResults": MAX_COUNT },
        "changePassword": no,
        "sort": no,
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Token of a directory",
            "description": "A token that is made for the directory of one tenant",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", admitted.directory.base()),
        },
    });
    Ok(answer(StatusCode::OK, &object(told)))
}

/// `GET /_amanah/scim/v2/ResourceTypes`.
pub(crate) async fn resource_types(
    extract::State(state): extract::State<State>,
    from: Origin,
    headers: HeaderMap,
) -> Told {
    let admitted = admit(&state, &from, &headers).await?;
    let base = admitted.directory.base();
    Ok(list(&[kind(Kind::User, base), kind(Kind::Group, base)]))
}

/// `GET /_amanah/scim/v2/ResourceTypes/{name}`.
pub(crate) async fn resource_type(
    extract::State(state): extract::State<State>,
    from: Origin,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Told {
    let admitted = admit(&state, &from, &headers).await?;
    let found = [Kind::User, Kind::Group].into_iter().find(|kind| kind.name() == name);
    let found = found.ok_or_else(Fault::missing)?;
    Ok(answer(StatusCode::OK, &object(kind(found, admitted.directory.base()))))
}

/// `GET /_amanah/scim/v2/Schemas`.
pub(crate) async fn schemas(
    extract::State(state): extract::State<State>,
    from: Origin,
    headers: HeaderMap,
) -> Told {
    let admitted = admit(&state, &from, &headers).await?;
    let base = admitted.directory.base();
    let all = directory::schemas().into_iter().map(|(id, it)| whole(base, id, it));
    Ok(list(&all.collect::<Vec<Value>>()))
}

/// `GET /_amanah/scim/v2/Schemas/{id}`.
pub(crate) async fn schema(
    extract::State(state): extract::State<State>,
    from: Origin,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Told {
    let admitted = admit(&state, &from, &headers).await?;
    let mut all = directory::schemas().into_iter();
    let (id, it) = all.find(|(known, _)| *known == id).ok_or_else(Fault::missing)?;
    Ok(answer(StatusCode::OK, &object(whole(admitted.directory.base(), id, it))))
}

fn whole(base: &str, id: &str, mut schema: Map<String, Value>) -> Value {
    let meta = json!({ "resourceType": "Schema", "location": format!("{base}/Schemas/{id}") });
    schema.insert("meta".to_owned(), meta);
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"]);
    schema.insert("schemas".to_owned(), schemas);
    Value::Object(schema)
}

fn kind(kind: Kind, base: &str) -> Value {
    let mut told = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name(),
        "name": kind.name(),
        "endpoint": kind.endpoint(),
        "schema": kind.core(),
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{}", kind.name()),
        },
    });
    if let (Some(fields), Some(urn)) = (told.as_object_mut(), kind.extension()) {
        let extensions = json!([{ "schema": urn, "required": false }]);
        fields.insert("schemaExtensions".to_owned(), extensions);
    }
    told
}

fn list(resources: &[Value]) -> Response {
    let told = json!({
        "schemas": [LIST],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    answer(StatusCode::OK, &object(told))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
