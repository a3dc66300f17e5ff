//! A protected database in one call.

use std::sync::Arc;

use kernel::{
    Actor, Clock, Control, Cx, Params, Proof, Scope, Secret, SystemClock, SystemRng, TenantId,
};
use store::{Protected, TenantTx};

use crate::{
    BindingKey, Form, Guarded, Plan, ROOM, TenantBinder, apply, controls, install_key, plan,
};

/// Tables as a Django project makes them.
pub(crate) const DJANGO: &str = include_str!("django.sql");
/// The canaries of a database with whole numbers.
pub(crate) const NUMBERS: (&str, &str) = ("-2000000001", "-2000000002");

/// The application's tables with the room installed and nothing protected.
pub(super) async fn bare(schema: &str, column: &str, canaries: (&str, &str)) -> Guarded {
    let protected = testkit::protected(schema, column, canaries, &[&ROOM]).await;
    let key = BindingKey::generate(&SystemRng).unwrap();
    let tx = protected.owner.operator().await.unwrap();
    install_key(&tx, &key, SystemClock.now()).await.unwrap();
    tx.commit().await.unwrap();
    Guarded { protected, key: key.into() }
}

/// Both forms of the binding: what holds in one has to hold in the other.
pub(super) const FORMS: [Form; 2] = [Form::Portable, Form::VerifyOnce];

/// Gives a database the form that is wanted, whatever its cluster would allow.
pub(super) async fn shape(guarded: &Guarded, form: Form) {
    let owner = store::ident(&guarded.protected.owner.url().user);
    as_superuser(guarded, &format!("GRANT SET ON PARAMETER backtrace_functions TO {owner}")).await;
    let tx = guarded.protected.owner.operator().await.unwrap();
    form.install(&tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// The same after `protect`.
pub(crate) async fn protected(schema: &str, column: &str, canaries: (&str, &str)) -> Guarded {
    let guarded = bare(schema, column, canaries).await;
    let plan = planned(&guarded.protected).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, superuser, &plan).await.unwrap();
    guarded
}

pub(super) async fn planned(protected: &Protected) -> Plan {
    try_plan(protected).await.unwrap()
}

pub(super) async fn try_plan(protected: &Protected) -> crate::Result<Plan> {
    let tx = protected.owner.operator().await.unwrap();
    let made = plan(&tx, &protected.tenant_column, &protected.app_role).await;
    tx.rollback().await.unwrap();
    made
}

/// Runs statements as the owner.
pub(super) async fn as_owner(guarded: &Guarded, sql: &str) {
    let tx = guarded.protected.owner.operator().await.unwrap();
    tx.batch(&sql.replace("{app}", &guarded.protected.app_role)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Runs statements as the superuser.
pub(super) async fn as_superuser(guarded: &Guarded, sql: &str) {
    let tx = guarded.protected.superuser.as_ref().unwrap().operator().await.unwrap();
    if sql.contains("ON PARAMETER") {
        tx.batch(crate::form::ONE_AT_A_TIME).await.unwrap();
    }
    tx.batch(&sql.replace("{app}", &guarded.protected.app_role)).await.unwrap();
    tx.commit().await.unwrap();
}

/// A good token of `tenant`.
pub(super) fn token(guarded: &Guarded, tenant: &str) -> Secret {
    let (key, name) = (guarded.key.clone(), &guarded.protected.name);
    let binder = TenantBinder::new(Arc::new(SystemClock), key, name);
    let tenant = TenantId::new(tenant).unwrap();
    let actor = Actor::new("sari@one.example").unwrap();
    binder.token(&tenant, &actor, Scope::ReadWrite)
}

/// A transaction of the application that is bound to `tenant`.
pub(super) async fn bound(guarded: &Guarded, tenant: &str) -> TenantTx {
    guarded.protected.intruder.tenant(&token(guarded, tenant)).await.unwrap()
}

pub(super) fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

fn control(guarded: &Guarded) -> Arc<dyn Control> {
    controls(vec![guarded.clone()]).into_iter().next().unwrap()
}

pub(super) async fn prove(guarded: &Guarded) -> Proof {
    control(guarded).prove(&cx(), &Params::none()).await
}

pub(super) async fn bite(guarded: &Guarded) -> Proof {
    control(guarded).bite(&cx()).await
}
