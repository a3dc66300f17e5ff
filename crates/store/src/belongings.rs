//! What is removed from a database again: known objects one by one, and never what somebody else
//! has put beside them or hung on them.

use crate::{Result, Tx, ident, sql};

/// What goes with its table.
const HANGING: [&str; 2] = ["TRIGGER", "POLICY"];

/// Objects that were installed in a schema of their own.
#[derive(Debug, Clone, Copy)]
pub struct Belongings {
    /// The schema.
    pub schema: &'static str,
    /// Its objects in the order in which they can be dropped: the word `FUNCTION`, `TABLE`, `TRIGGER`
    /// or `POLICY`, then the name. A function's has its argument types, a trigger's and a policy's is
    /// after its table and a space.
    pub objects: &'static [(&'static str, &'static str)],
}

impl Belongings {
    /// What is in the schema or hangs on it and is none of the objects, as people name it. It is told
    /// by numbers in the catalogue, whatever its name. Triggers and event triggers with the
    /// numbers `besides` are left out.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn others(&self, tx: &Tx, besides: &[u32]) -> Result<Vec<String>> {
        let named = |word: &str| -> Vec<String> {
            let ours = self.objects.iter().filter(|(what, _)| *what == word);
            ours.map(|(_, name)| format!("{}.{name}", ident(self.schema))).collect()
        };
        let (functions, tables) = (named("FUNCTION"), named("TABLE"));
        let triggers = [named("TRIGGER"), named("POLICY")].concat();
        let named: String = ident(self.schema);
        let bound: crate::Bound<'_> = &[&named, &functions, &tables, &triggers, &besides];
        let rows = tx.query(sql::OTHERS, bound).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The statements that drop the objects that are there, each of which is refused where something
    /// else needs the object, and then the schema when it is empty. What is in `kept` stays, and the
    /// schema with it.
    #[must_use]
    pub fn removal(&self, kept: &[&str]) -> String {
        let schema = ident(self.schema);
        let goes = |(what, name): &&(&str, &str)| !HANGING.contains(what) && !kept.contains(name);
        let mut all: Vec<String> = self
            .objects
            .iter()
            .filter(goes)
            .map(|(what, name)| format!("DROP {what} IF EXISTS {schema}.{name} RESTRICT"))
            .collect();
        if kept.is_empty() {
            all.push(format!("DROP SCHEMA IF EXISTS {schema} RESTRICT"));
        }
        all.join(";\n")
    }
}
