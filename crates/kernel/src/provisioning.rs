//! What a tenant's own directory needs of accounts and roles.

use jiff::Timestamp;

use crate::{Fut, Grantable, Identity, TenantId};

/// Somebody whom a directory names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// The tenant of the directory.
    pub tenant: TenantId,
    /// What they sign in with; letters go there.
    pub email: String,
    /// The name to greet them by.
    pub name: String,
    /// The language of letters to them: en, id or ar.
    pub language: String,
}

/// What came of an account that a directory wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisioned {
    /// It is there, under this id.
    Account(String),
    /// Somebody has the address whom this directory does not have in hand. Who and where is not told.
    Taken,
    /// People closed the account, and a directory changes nothing of it.
    Final,
    /// The account cannot have this address or name; why.
    Unfit(&'static str),
}

/// What came of opening an account again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    /// It is open, and its holder is invited anew.
    Done,
    /// It was closed by somebody else than a directory, and stays closed.
    Final,
}

/// A role that a group of a directory gives to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedRole<'a> {
    /// The account that mapped the role, in whose name it is given: never more than that one may give.
    pub mapper: &'a str,
    /// The account that made the token by which the member came into the group after the role was mapped,
    /// where a person made that one: they answer for the member, and have to be able to give it, too.
    pub filler: Option<&'a str>,
    /// The member's account.
    pub account: &'a str,
    /// Where the role counts.
    pub tenant: &'a TenantId,
    /// The role.
    pub role: &'a str,
    /// Who does it; it begins with `directory:`.
    pub by: &'a str,
    /// Why, for whoever reviews it.
    pub reason: &'a str,
    /// Since when the account is in the group. What people took away after that is not given again.
    pub since: Timestamp,
}

/// Makes and ends accounts, and gives and takes roles, for the directories of tenants. Implemented by the
/// binary over `identity` and `access`, used by `directory`.
///
/// Every error is a text that says why it could not be told or done; asking again is safe.
pub trait Provisioning: Send + Sync {
    /// Whether the tenant is not shut out.
    fn is_open<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<bool, String>>;

    /// The account of the tenant that its directory has in hand and that has this address, open or not.
    /// Nothing is changed.
    fn in_hand<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Option<String>, String>>;

    /// An open account that nobody knows a password of, whose holder is invited by a letter. One that
    /// the tenant's directory had in hand before is opened again.
    fn provision<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Provisioned, String>>;

    /// The open account of the tenant with this address comes into the directory's hand: its id, name.
    fn adopt<'a>(
        &'a self,
        tenant: &'a TenantId,
        email: &'a str,
    ) -> Fut<'a, Result<Option<(String, String)>, String>>;

    /// Another address or name, where people have not closed the account. With another address everything
    /// ends that was given out, and the old one is told.
    fn change<'a>(
        &'a self,
        account: &'a str,
        to: &'a Provision,
    ) -> Fut<'a, Result<Provisioned, String>>;

    /// Off-boards the account, as people are: everything ends. `by` is written down.
    fn close<'a>(&'a self, account: &'a str, by: &'a str) -> Fut<'a, Result<(), String>>;

    /// Those of `accounts` that are open.
    fn open_of<'a>(&'a self, accounts: &'a [String]) -> Fut<'a, Result<Vec<String>, String>>;

    /// Opens an account again that a directory has closed, and invites its holder.
    fn reopen<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Reopened, String>>;

    /// Whether nobody else of the tenant could give roles, if `account` lost `role`, or all of them.
    fn is_last<'a>(
        &'a self,
        tenant: &'a TenantId,
        account: &'a str,
        role: Option<&'a str>,
    ) -> Fut<'a, Result<bool, String>>;

    /// Whether `account` is open and may look after the directory of `tenant` at this moment.
    fn may_direct<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>>;

    /// Whether `giver` may give `role` by the directory of `tenant` at this moment.
    fn may_give<'a>(
        &'a self,
        giver: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<bool, String>>;

    /// Whether `maker` may off-board `account` at this moment: nobody ends by a token whom they could not end
    /// themselves.
    fn may_end<'a>(
        &'a self,
        maker: &'a str,
        account: &'a str,
        tenant: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>>;

    /// The roles that `by` may map in the tenant they act in.
    fn mappable<'a>(&'a self, by: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>>;

    /// Gives a role. Whether the account has it now: `false` where it is not the mapper's or the filler's
    /// to give any more, or people have taken it away.
    fn give<'a>(&'a self, role: MappedRole<'a>) -> Fut<'a, Result<bool, String>>;

    /// The roles that directories gave in the tenant and that are held: account and role of each.
    fn given<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<(String, String)>, String>>;

    /// Takes a role that a directory gave. One that people gave stays.
    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        account: &'a str,
        role: &'a str,
        by: &'a str,
    ) -> Fut<'a, Result<(), String>>;
}
