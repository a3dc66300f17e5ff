//! The vocabulary that every room of the house shares.
//!
//! It promises that a claim can only be called proven when something was looked at: an
//! empty population, an error or an old input cannot be turned into [`Outcome::Holds`],
//! because [`Proof::weigh`] is the only way to make one.
//!
//! It does no I/O: time and randomness come in through [`Clock`] and [`Rng`], and the only
//! code in the project that reads them is in [`SystemClock`] and [`SystemRng`].

mod attestation;
pub mod catalogue;
mod clock;
mod control;
mod credentials;
mod enrolments;
mod files;
mod granting;
mod hex;
mod holdings;
mod identity;
mod lookback;
mod notice;
mod params;
mod peer;
mod percent;
mod permission;
mod ports;
mod proof;
mod provisioning;
mod rng;
mod secret;
mod shown;
mod synthetic;
mod tenant;
mod unit;
mod verdict;

pub use attestation::{Attestation, Attestations, Vouched};
pub use clock::{Clock, ManualClock, SystemClock};
pub use control::{Card, Control, Cx, Fut};
pub use credentials::{Credentials, TokenKey, TokenKeys};
pub use enrolments::Enrolments;
pub use files::{
    Condition, FileCard, FileFault, FileName, FilePage, FileReader, FileWriter, Listing,
    MAX_CONTENT_TYPE_BYTES, MAX_FILE_NAME_BYTES, MAX_FILES_LISTED, NewFile, Opened, Quota,
    Sealable, SealedSource, Sealer, Sealing, Seals, TenantFiles, Written,
};
pub use granting::{Grantable, Granting, Invited};
pub use hex::{hex, unhex};
pub use holdings::{Holding, Holdings, NOBODY};
pub use identity::{Door, Identity, RECENT, Standing, Strength, Support};
pub use lookback::{Found, Lookback, Runs};
pub use notice::Notice;
pub use params::{ParamError, Params, canonical};
pub use peer::Peer;
pub use percent::percent;
pub use permission::{Bits, MAX_PERMISSIONS, PermissionId, own};
pub use ports::{
    Binder, Custody, Gatekeeper, NONCE_HEADER, NoStandings, Passage, Planted, REFUSED_HEADER,
    SessionToken, Sessions, Signatory, Standings, Vault,
};
pub use proof::{Finding, Outcome, Population, Proof};
pub use provisioning::{MappedRole, Provision, Provisioned, Provisioning, Reopened};
pub use rng::{FixedRng, Rng, RngError, SystemRng, random_hex};
pub use secret::Secret;
pub use shown::{shown, shown_lines, shown_sql};
pub use synthetic::{SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, is_synthetic};
pub use tenant::{Actor, IdError, MAX_ID_BYTES, Scope, TenantId};
pub use unit::{MAX_VALUE_BYTES, Unit, UnitError, Value};
pub use verdict::Verdict;
