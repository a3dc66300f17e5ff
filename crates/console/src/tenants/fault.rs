//! What goes wrong with tenants, as HTTP says it.

use axum::http::StatusCode;
use tenancy::Error;

use super::Stopped;
use crate::keys::fault::Fault;

impl From<Stopped> for Fault {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Rest(error) => error.into(),
            Stopped::People(error) => {
                tracing::error!(%error, "a tenant's people could not be shut out or let in");
                Self::fixed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "partly",
                    "this was not done as a whole, and the log says what is missing; try again until \
                     it is answered with 200",
                )
            }
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match &error {
            Error::NoTenant(_) => Self::fixed(
                StatusCode::NOT_FOUND,
                "unknown-tenant",
                "this tenant has no database of its own; nothing was changed",
            ),
            Error::NotActive { .. } | Error::NoCache(_) => Self::fixed(
                StatusCode::CONFLICT,
                "not-active",
                "this tenant is not let in just now: it is suspended, or being made, moved or \
                 erased; nothing was changed",
            ),
            Error::WasErased(_) => Self::fixed(
                StatusCode::CONFLICT,
                "erased",
                "this tenant was erased, and nothing is made for it again; nothing was changed",
            ),
            Error::NoRedis(_) => Self::fixed(
                StatusCode::SERVICE_UNAVAILABLE,
                "no-redis",
                "there is no Redis here; nothing was made",
            ),
            Error::Taken(_) => Self::fixed(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "this tenant is being changed; nothing was done, try again",
            ),
            Error::Leases(_) => Self::fixed(
                StatusCode::TOO_MANY_REQUESTS,
                "logins",
                "the tenant has as many logins as it may have; use one for as long as it is good, \
                 nothing was made",
            ),
            Error::HasFiles(_) => Self::fixed(
                StatusCode::CONFLICT,
                "has-files",
                "there are files under this name, which a new tenant must not get; nothing was made",
            ),
            Error::Partly { .. } => {
                tracing::error!(error = %error, "a tenant was turned only in part");
                Self::fixed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "partly",
                    "this was done only in part, and the log says what is missing; try again until \
                     it is answered with 200",
                )
            }
            // What these say names servers and files: it is for whoever runs the service.
            other => {
                tracing::error!(error = %other, "a tenant could not be served");
                Self::fixed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "this cannot be done just now, and the log says why; try again",
                )
            }
        }
    }
}
