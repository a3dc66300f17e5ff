//! The service that says what an account may do.

use kernel::{Fut, Standing, Standings, TenantId};
use store::Db;

/// Rights in the control database. Share it in an `Arc`.
#[derive(Debug, Clone)]
pub struct Access {
    db: Db,
}

impl Access {
    /// The service over `db`, a login of the control database that is a member of
    /// `amanah_engine`.
    pub const fn new(db: Db) -> Self {
        Self { db }
    }
}

impl Standings for Access {
    fn standing<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        grant: Option<&'a str>,
    ) -> Fut<'a, Result<Standing, String>> {
        Box::pin(async move {
            let _ = &self.db;
            match grant {
                None => Ok(Standing::default()),
                Some(_) => Err("there is no such grant of support".to_owned()),
            }
        })
    }
}
