//! What `[headers]` says: the headers of every answer, and the content security policy of the
//! application's.

use gateway::HeaderPolicy;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Headers {
    strict_transport_security: String,
    x_frame_options: String,
    x_xss_protection: String,
    referrer_policy: String,
    permissions_policy: String,
    cross_origin_opener_policy: String,
    cross_origin_resource_policy: String,
    cross_origin_embedder_policy: String,
    csp: Csp,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Csp {
    application: String,
    framed_by_this_site: bool,
}

impl Headers {
    /// The same for the gateway.
    ///
    /// # Errors
    /// The key and what it can be, when a value is none of its header.
    pub(crate) fn policy(&self) -> Result<HeaderPolicy, String> {
        let mut policy = HeaderPolicy::default();
        for (key, value) in [
            ("strict_transport_security", &self.strict_transport_security),
            ("x_frame_options", &self.x_frame_options),
            ("x_xss_protection", &self.x_xss_protection),
            ("referrer_policy", &self.referrer_policy),
            ("permissions_policy", &self.permissions_policy),
            ("cross_origin_opener_policy", &self.cross_origin_opener_policy),
            ("cross_origin_resource_policy", &self.cross_origin_resource_policy),
            ("cross_origin_embedder_policy", &self.cross_origin_embedder_policy),
        ] {
            let with = policy.with(&key.replace('_', "-"), value);
            policy = with.map_err(|why| format!("headers.{key}: {why}"))?;
        }
        let policy = policy.framed_by_this_site(self.csp.framed_by_this_site);
        policy
            .with_application_csp(&self.csp.application)
            .map_err(|why| format!("headers.csp.application: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use gateway::HeaderPolicy;

    use super::super::{Config, tests::with};

    /// The shipped default is what the gateway has by itself.
    #[test]
    fn the_default_is_the_gateways() {
        let told = Config::load(None).unwrap().headers.policy().unwrap();
        assert_eq!(told, HeaderPolicy::default());
    }

    /// What is no value is refused at the start, with the key and with what it can be.
    #[test]
    fn values_are_checked_at_the_start() {
        let error = |text: &str| format!("{:#}", with(text).unwrap_err());
        let frames = error("[headers]\nx_frame_options = \"ALLOWALL\"");
        assert!(frames.contains("headers.x_frame_options") && frames.contains("deny"), "{frames}");
        let injected = error("[headers]\nreferrer_policy = \"no-referrer\\r\\nSet-Cookie: a=b\"");
        assert!(injected.contains("headers.referrer_policy"), "{injected}");
        let csp = error("[headers.csp]\napplication = \"default-src *\"");
        assert!(csp.contains("headers.csp.application") && csp.contains("object-src"), "{csp}");
        assert!(error("[headers]\nx_powered_by = \"us\"").contains("x_powered_by"));
        assert!(with("[headers]\nx_frame_options = \"DENY\"").is_ok());
    }
}
