//! What every operation of the OpenAPI document has in common: the headers of a signed call, the
//! security schemes, the envelope of a refusal.

use carbon_protocol::envelope::Envelope;
use carbon_protocol::signature;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required,
    ResponseBuilder, Type,
};
use utoipa::{PartialSchema as _, ToSchema as _};

/// Headers of a signed call.
const SIGNED: [(&str, &str, bool); 5] = [
    (signature::APP_ID, "The calling application.", true),
    (signature::TIMESTAMP, "Milliseconds since 1970, at most five minutes off.", true),
    (signature::NONCE, "8 to 64 characters, used once.", true),
    (signature::SIGN_TYPE, "HMAC-SM3 (default) or HMAC-SHA256.", false),
    (signature::SIGN, "Hexadecimal, over METHOD\\nPATH?QUERY\\nTIMESTAMP\\nNONCE\\nBODY\\n.", true),
];

/// The document of a table of routes, with what its operations have in common.
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("碳普惠总平台 · Carbon inclusion platform")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every answer is an envelope {code, msg, data, requestId}; code \"0\" is success. \
             Calls under /api/v1 are signed and, but for Z101, carry a bearer token.",
        ))
        .build();
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete_operation(path, operation);
        }
    }
    let mut schemas = Vec::new();
    Envelope::<()>::schemas(&mut schemas);
    let components = document.components.take().unwrap_or_default();
    let bearer = |text| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
        SecurityScheme::Http(scheme.build())
    };
    document.components = Some(
        ComponentsBuilder::from(components)
            .schemas_from_iter(schemas)
            .schema("Refusal", Envelope::<()>::schema())
            // What utoipa calls the data of an envelope that has none.
            .schema("TupleUnit", ObjectBuilder::new().schema_type(Type::Null).build())
            .security_scheme("token", bearer("The token of Z101."))
            .security_scheme("operator", bearer("The operator's key."))
            .build(),
    );
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let scheme = match path {
        _ if path.starts_with("/admin/") => Some("operator"),
        "/api/v1/Z101" => None,
        _ if path.starts_with("/api/") => Some("token"),
        _ => return,
    };
    if let Some(scheme) = scheme {
        let required = SecurityRequirement::new(scheme, Vec::<String>::new());
        operation.security.get_or_insert_default().push(required);
    }
    if path.starts_with("/api/") {
        let parameters = operation.parameters.get_or_insert_default();
        for (name, text, required) in SIGNED {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(if required { Required::True } else { Required::False })
                .description(Some(text))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
                .build();
            parameters.push(RefOr::T(parameter));
        }
    }
    let refusal = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
    let refused = ResponseBuilder::new()
        .description("A refusal: `reason`, `field`, `detail` and `retryable` say more.")
        .content("application/json", refusal)
        .build();
    operation.responses.responses.insert("default".into(), RefOr::T(refused));
}
