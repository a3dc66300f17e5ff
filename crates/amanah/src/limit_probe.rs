//! Sends the forms that are limited, from addresses of this machine that nobody else has.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::anyhow;
use gateway::AUTHORITY_FILE;
use gateway::controls::{FormSender, LimitTarget};
use kernel::Fut;

use crate::installation::Installation;
use crate::probe::{ANSWER, Authority, Edge, RESET, SIGN_IN, connect_from};

/// What nobody's password is.
const WRONG: &str = "not anybody's password";

/// The running gateway. It is shown no secret: these are counted like everybody's.
struct Forms(Edge);

/// What the proof attacks at `address`. It shows nothing to the limits.
pub(crate) fn target(
    installation: &Installation,
    address: SocketAddr,
) -> anyhow::Result<LimitTarget> {
    let config = &installation.config;
    let authority = Authority::File(installation.data.folder("tls")?.join(AUTHORITY_FILE));
    let edge = Edge { address, authority, proof: None };
    let told = config.limits.at_the_edge(&[]);
    let path = config.limits.contact.paths.first();
    Ok(LimitTarget {
        forms: Arc::new(Forms(edge)),
        sign_in: [told.sign_in.address, told.sign_in.prefix],
        account: config.limits.sign_in.account.0,
        reset: [told.reset.address, told.reset.prefix],
        contact: [told.contact.address, told.contact.prefix],
        contact_path: path.map(|path| path.replace('*', "proof")),
    })
}

impl Forms {
    async fn send(
        &self,
        from: Ipv4Addr,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<u16, String> {
        let Self(edge) = self;
        let asked = async {
            let connection = connect_from(from, edge.address, &edge.authority.pem()?).await?;
            let (parts, ..) = edge.post_over(connection, (path, path), None, fields).await?;
            anyhow::Ok(parts.status.as_u16())
        };
        let answer = tokio::time::timeout(ANSWER, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
        answer.map_err(|error| format!("{path} from {from}: {error:#}"))
    }
}

impl FormSender for Forms {
    fn sign_in<'a>(&'a self, from: Ipv4Addr, email: &'a str) -> Fut<'a, Result<u16, String>> {
        Box::pin(async move {
            let fields = [("next", "/"), ("email", email), ("password", WRONG)];
            self.send(from, SIGN_IN, &fields).await
        })
    }

    fn reset<'a>(&'a self, from: Ipv4Addr, email: &'a str) -> Fut<'a, Result<u16, String>> {
        Box::pin(async move { self.send(from, RESET, &[("email", email)]).await })
    }
}
