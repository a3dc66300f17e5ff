//! The command line of `amanah directory`.

use clap::{Args, Subcommand};
use kernel::TenantId;

#[derive(Debug, Subcommand)]
pub(crate) enum Directory {
    /// Tokens that the directory of a tenant shows.
    #[command(subcommand)]
    Token(Token),
    /// List what the directory of a tenant has here: users, groups, and the roles that they give.
    #[command(after_help = "Example: amanah directory list --tenant 17")]
    List {
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Have the members of a group get a role, in the name of an administrator of the tenant: never more
    /// than that one may give.
    #[command(after_help = "Example: amanah directory map Pricing editor --as sari@shop.example")]
    Map(Map),
    /// Have a group not give a role any more. Its members lose it at once.
    #[command(after_help = "Example: amanah directory unmap Pricing editor --tenant 17")]
    Unmap {
        /// The group, by its name or id.
        #[arg(value_name = "GROUP")]
        group: String,
        /// The role.
        #[arg(value_name = "ROLE")]
        role: String,
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Give an account that people made into the hand of its tenant's directory, which can change and
    /// end it from then on.
    #[command(after_help = "Example: amanah directory adopt sari@shop.example --tenant 17")]
    Adopt {
        /// The account.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// Its tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// List what was done by the directory of a tenant and about it, and by which token.
    #[command(after_help = "Example: amanah directory log --tenant 17 --json")]
    Log {
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it. It is shown once.
    #[command(
        after_help = "Example: amanah directory token create --tenant 17 --name \"Entra ID\" --days 180"
    )]
    Create(Create),
    /// List the tokens, without the tokens.
    #[command(after_help = "Example: amanah directory token list --tenant 17")]
    List {
        /// Of this tenant alone.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: Option<TenantId>,
    },
    /// End a token. It is refused from the next request on.
    #[command(after_help = "Example: amanah directory token revoke 0123456789ab")]
    Revoke {
        /// The token, by the twelve characters after `ams_`.
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The tenant whose directory it is for.
    #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: String,
    /// How many days it lives, 1 to 365.
    #[arg(long, value_name = "DAYS", default_value_t = 180)]
    pub(crate) days: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Map {
    /// The group, by its name or id.
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// The role.
    #[arg(value_name = "ROLE")]
    pub(crate) role: String,
    /// Whoever maps it: an account of the tenant that has `people.directory` and all that the role
    /// allows.
    #[arg(long = "as", value_name = "EMAIL")]
    pub(crate) by: String,
}
