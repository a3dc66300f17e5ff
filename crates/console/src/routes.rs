//! The one table of routes, from which both the router and the list for attacks are made, so that
//! they cannot drift apart.

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, State as Extracted};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method};
use axum::middleware::from_fn;
use axum::routing::{self, MethodFilter, MethodRouter};
use axum::{Form, Router};

use crate::handlers::desk::{Fields, SignedInAs};
use crate::handlers::directory::{self, Deed};
use crate::handlers::factors::Change;
use crate::handlers::{
    account, again, api_keys, factors, holder, leaving, people, reset, review, roles, session,
    statics, step, support, token, trail, trust, vitals,
};
use crate::{Error, State, assets, fit, scim, voice};

/// The largest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// Everything that the console answers, without a listener. Paths that it does not know get its
/// own page of "not found".
pub fn router(state: State) -> Router {
    table()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .fallback(|| async { Error::NotFound })
        .method_not_allowed_fallback(|| async { Error::Method })
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn(fit::fit))
        .layer(from_fn(voice::speak))
        .with_state(state)
}

/// Every route as method and path, with an example in the place of each parameter.
pub fn routes() -> Vec<(Method, String)> {
    let example = |route: Route| (route.method, route.example);
    table().into_iter().map(example).collect()
}

struct Route {
    method: Method,
    path: &'static str,
    example: String,
    handler: MethodRouter<State>,
}

impl Route {
    /// The same route, tried at `example`: its path has a parameter.
    fn at(mut self, example: &str) -> Self {
        example.clone_into(&mut self.example);
        self
    }
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    let handler = routing::get(handler);
    Route { method: Method::GET, path, example: path.to_owned(), handler }
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    let handler = routing::post(handler);
    Route { method: Method::POST, path, example: path.to_owned(), handler }
}

/// A route of directories: answers and refusals are in the words of their protocol.
fn of_directories<T: 'static>(
    method: Method,
    path: &'static str,
    handler: impl Handler<T, State>,
) -> Route {
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    let handler = routing::on(filter, handler).layer(DefaultBodyLimit::max(scim::MAX_BODY_BYTES));
    Route { method, path, example: path.to_owned(), handler }
}

/// The routes of one kind of a directory's resources.
macro_rules! resources {
    ($path:literal, $list:ident $search:ident $create:ident $one:ident $replace:ident $patch:ident $remove:ident) => {
        [
            of_directories(Method::GET, $path, scim::$list),
            of_directories(Method::POST, $path, scim::$create),
            of_directories(Method::POST, concat!($path, "/.search"), scim::$search),
            of_directories(Method::GET, concat!($path, "/{id}"), scim::$one)
                .at(concat!($path, "/00000000-0000-4000-8000-000000000000")),
            of_directories(Method::PUT, concat!($path, "/{id}"), scim::$replace)
                .at(concat!($path, "/00000000-0000-4000-8000-000000000000")),
            of_directories(Method::PATCH, concat!($path, "/{id}"), scim::$patch)
                .at(concat!($path, "/00000000-0000-4000-8000-000000000000")),
            of_directories(Method::DELETE, concat!($path, "/{id}"), scim::$remove)
                .at(concat!($path, "/00000000-0000-4000-8000-000000000000")),
        ]
    };
}

/// What directories ask for.
fn directories() -> Vec<Route> {
    let mut all = vec![
        of_directories(Method::GET, "/_amanah/scim/v2/ServiceProviderConfig", scim::settings),
        of_directories(Method::GET, "/_amanah/scim/v2/ResourceTypes", scim::resource_types),
        of_directories(Method::GET, "/_amanah/scim/v2/ResourceTypes/{name}", scim::resource_type)
            .at("/_amanah/scim/v2/ResourceTypes/User"),
        of_directories(Method::GET, "/_amanah/scim/v2/Schemas", scim::schemas),
        of_directories(Method::GET, "/_amanah/scim/v2/Schemas/{id}", scim::schema)
            .at("/_amanah/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
        of_directories(Method::GET, "/_amanah/scim/v2/", scim::all),
        of_directories(Method::POST, "/_amanah/scim/v2/.search", scim::search),
    ];
    all.extend(resources!(
        "/_amanah/scim/v2/Users",
        users search_users create_user user replace_user patch_user remove_user
    ));
    all.extend(resources!(
        "/_amanah/scim/v2/Groups",
        groups search_groups create_group group replace_group patch_group remove_group
    ));
    all
}

/// A route that changes one thing about the tenant's own directory.
fn does(path: &'static str, deed: Deed) -> Route {
    let handler = move |Extracted(state): Extracted<State>,
                        identity: SignedInAs,
                        headers: HeaderMap,
                        form: Result<Form<directory::Fields>, FormRejection>| {
        directory::act(state, identity, headers, form, deed)
    };
    post(path, handler)
}

/// A route that changes one thing about the factors of whoever is signed in.
fn changes(path: &'static str, what: Change) -> Route {
    let handler = move |Extracted(state): Extracted<State>,
                        identity: SignedInAs,
                        headers: HeaderMap,
                        form: Result<Form<Fields>, FormRejection>| {
        factors::change(state, identity, headers, form, what)
    };
    post(path, handler)
}

fn table() -> Vec<Route> {
    let mut all = directories();
    all.extend(general());
    all.extend(rights());
    all
}

/// Reviews of what people may do, a tenant's own roles, and who has which.
fn rights() -> Vec<Route> {
    vec![
        get("/_amanah/people/review", review::page),
        get("/_amanah/people/review/{id}", review::report)
            .at("/_amanah/people/review/00000000-0000-4000-8000-000000000000"),
        get("/_amanah/people/review/{id}/csv", review::csv)
            .at("/_amanah/people/review/00000000-0000-4000-8000-000000000000/csv"),
        post("/_amanah/people/review/start", review::start),
        post("/_amanah/people/review/decide", review::decide),
        post("/_amanah/people/review/close", review::close),
        get("/_amanah/people/roles", roles::list),
        get("/_amanah/people/roles/edit", roles::edit),
        post("/_amanah/people/roles/edit", roles::save),
        post("/_amanah/people/roles/retire", roles::retire),
        get("/_amanah/people/{account}", holder::show)
            .at("/_amanah/people/00000000-0000-4000-8000-000000000000"),
        post("/_amanah/people/roles/give", holder::give),
        post("/_amanah/people/roles/take", holder::take),
    ]
}

fn general() -> Vec<Route> {
    vec![
        get("/trust", trust::primary),
        get("/trust/{page}", trust::named).at("/trust/example"),
        get("/trust/checkpoint/{log}", trust::checkpoint).at("/trust/checkpoint/0123456789abcdef"),
        get("/.well-known/trust.json", trust::json),
        get("/_amanah/sign-in", session::form),
        post("/_amanah/sign-in", session::sign_in),
        post("/_amanah/sign-out", session::sign_out),
        get("/_amanah/reset", reset::form),
        post("/_amanah/reset", reset::ask),
        get("/_amanah/reset/new", reset::choose),
        post("/_amanah/reset/new", reset::set),
        get("/_amanah/invitation", reset::offer),
        post("/_amanah/invitation", reset::accept),
        get("/_amanah/account", account::show),
        post("/_amanah/account/sessions", account::end_sessions),
        post("/_amanah/account/password", account::change_password),
        get("/_amanah/people", people::list),
        post("/_amanah/people/invite", people::invite),
        post("/_amanah/people/withdraw", people::withdraw),
        get("/_amanah/account/keys", api_keys::list),
        post("/_amanah/account/keys", api_keys::make),
        post("/_amanah/account/keys/end", api_keys::end),
        post("/_amanah/account/services", api_keys::make_service),
        post("/_amanah/token", token::token),
        post("/_amanah/token/revoke", token::revoke),
        get("/_amanah/identity", token::identity),
        get("/.well-known/jwks.json", token::key_set),
        get("/_amanah/step", step::form),
        post("/_amanah/step", step::code),
        post("/_amanah/step/ask", step::ask),
        post("/_amanah/step/passkey", step::passkey),
        get("/_amanah/account/security", factors::security),
        get("/_amanah/account/confirm", again::form),
        post("/_amanah/account/confirm", again::prove),
        post("/_amanah/account/confirm/ask", again::ask),
        post("/_amanah/account/confirm/passkey", again::passkey),
        get("/_amanah/factors/app", factors::app),
        post("/_amanah/factors/app", factors::start_app),
        post("/_amanah/factors/app/confirm", factors::confirm_app),
        post("/_amanah/factors/key", factors::add_key),
        post("/_amanah/factors/key/ask", factors::ask_key),
        changes("/_amanah/factors/app/remove", Change::RemoveApp),
        changes("/_amanah/factors/key/remove", Change::RemoveKey),
        changes("/_amanah/factors/key/name", Change::NameKey),
        changes("/_amanah/factors/codes", Change::NewCodes),
        get("/_amanah/people/directory", directory::show),
        does("/_amanah/people/directory/token", Deed::Make),
        does("/_amanah/people/directory/token/end", Deed::End),
        does("/_amanah/people/directory/map", Deed::Map),
        does("/_amanah/people/directory/unmap", Deed::Unmap),
        get("/_amanah/people/offboard", leaving::form),
        post("/_amanah/people/offboard", leaving::leave),
        get("/_amanah/trail", trail::page),
        get("/_amanah/support", support::page),
        get("/_amanah/support.json", support::banner),
        get("/_amanah/support/{id}", support::uses)
            .at("/_amanah/support/00000000-0000-4000-8000-000000000000"),
        post("/_amanah/support/ask", support::ask),
        post("/_amanah/support/approve", support::approve),
        post("/_amanah/support/end", support::end),
        post("/_amanah/support/enter", support::enter),
        post("/_amanah/support/leave", support::leave),
        get("/_amanah/static/{name}", statics::file).at(&assets::STYLESHEET.path),
        get("/healthz", vitals::healthy),
        get("/metrics", vitals::metrics),
    ]
}
