//! The table of rules, in the order of their ids.

mod carried;
mod code;
mod keys;
mod policies;
mod rights;
mod roles;
mod rows;
mod server;
mod views;

use super::{Find, Found, Rule, Severity, Who};

/// Rules about tables whose rows belong to nobody that could be told: the proof does not attack
/// those tables and says so in its population.
pub(super) const UNTOLD: &[&str] = &[rows::UNFIT, rows::VAGUE];

/// Rules about what a plan takes away and what is no leak by itself: where it is back, the proof says
/// so beside its result.
pub(super) const WALLS: &[&str] = &["AM402", "AM404", "AM405"];

/// How many rules there are.
const COUNT: usize = rows::RULES.len()
    + policies::RULES.len()
    + views::RULES.len()
    + code::RULES.len()
    + carried::RULES.len()
    + keys::RULES.len()
    + rights::RULES.len()
    + roles::RULES.len()
    + server::RULES.len();

/// Every rule.
pub static RULES: &[Rule] = &{
    let families = [
        rows::RULES,
        policies::RULES,
        views::RULES,
        code::RULES,
        carried::RULES,
        keys::RULES,
        rights::RULES,
        roles::RULES,
        server::RULES,
    ];
    joined(&families)
};

#[expect(clippy::indexing_slicing, reason = "runs when the program is compiled")]
const fn joined(families: &[&[Rule]]) -> [Rule; COUNT] {
    let mut all = [rows::RULES[0]; COUNT];
    let (mut n, mut family) = (0, 0);
    while family < families.len() {
        let mut i = 0;
        while i < families[family].len() {
            all[n] = families[family][i];
            n += 1;
            i += 1;
        }
        family += 1;
    }
    all
}
