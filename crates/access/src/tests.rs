//! The room on a real PostgreSQL, under the login that the product runs with.

mod damaged;
mod generated;
mod holder;
mod mapped;
mod rights;
mod roles;
mod routes;
mod sweep;
mod told;

/// As much of the accounts as this room looks at.
pub(crate) const ACCOUNTS: store::Room = store::Room {
    name: "identity",
    migrations: &[store::Migration {
        name: "0001_accounts",
        sql: "CREATE SCHEMA identity; GRANT USAGE ON SCHEMA identity TO amanah_engine; \
              CREATE TABLE identity.accounts (id uuid PRIMARY KEY, email text NOT NULL, \
              tenant text NOT NULL, disabled_at timestamptz); \
              GRANT SELECT ON identity.accounts TO amanah_engine;",
    }],
};
