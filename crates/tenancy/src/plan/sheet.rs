//! Plans on a terminal. Whatever names hold, each line is one of ours: a table's name can neither
//! look like another line of the plan nor move the cursor.

use std::fmt;

use kernel::{shown, shown_sql};

use super::{Advice, Plan, Step};

/// Letters that the marks at the beginning of a line take.
const MARK: usize = 9;

/// Lines about a plan, in one of two forms: a list with a line for each thing that is changed, or a
/// script that can be pasted into `psql`, where everything but the statements is a comment.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    script: bool,
    text: String,
}

impl Sheet {
    /// A list without SQL.
    pub fn list() -> Self {
        Self::default()
    }

    /// A script.
    pub fn script() -> Self {
        Self { script: true, ..Self::default() }
    }

    /// One line that belongs to no mark.
    pub fn title(&mut self, words: &str) {
        let comment = if self.script { "-- " } else { "" };
        self.add(&format!("{comment}{}", shown(words)));
    }

    /// One line: a mark and words.
    pub fn say(&mut self, mark: &str, words: &str) {
        let comment = if self.script { "-- " } else { "  " };
        self.add(&format!("{comment}{mark:<MARK$} {}", shown(words)));
    }

    /// Whose rows are kept apart, and what endangers that.
    pub fn tables(&mut self, plan: &Plan) {
        for warning in &plan.warnings {
            self.say("WARNING", warning);
        }
        for (table, how) in &plan.held {
            self.say("tenant", &format!("{table}: {how}"));
        }
        for table in &plan.shared {
            self.say("shared", &format!("{table}: not isolated; every tenant sees its rows"));
        }
    }

    /// Steps, in this order. In a list, what is done to one thing is one line, where it is first
    /// touched.
    pub fn steps(&mut self, mark: &str, steps: &[Step]) {
        if self.script {
            for step in steps {
                self.say(mark, &format!("{}: {}", step.object, step.why));
                self.sql(&step.sql);
            }
            return;
        }
        let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
        for step in steps {
            let found = lines.iter().position(|(object, _)| *object == step.object);
            match found.and_then(|n| lines.get_mut(n)) {
                Some((_, briefs)) if briefs.contains(&step.brief.as_str()) => {}
                Some((_, briefs)) => briefs.push(&step.brief),
                None => lines.push((&step.object, vec![&step.brief])),
            }
        }
        for (object, briefs) in lines {
            self.say(mark, &format!("{object}: {}", briefs.join(", ")));
        }
    }

    /// What is left to a person. What the claim fails without has a mark of its own.
    pub fn advice(&mut self, all: &[Advice]) {
        let (needed, rest): (Vec<_>, Vec<_>) = all.iter().partition(|advice| advice.needed);
        for advice in needed {
            let words = format!(
                "{}: {}. Until that is put right, isolation.rows fails",
                advice.object, advice.why
            );
            self.one(("NEEDED", &words), advice);
        }
        for advice in rest {
            self.one(("advice", &format!("{}: {}", advice.object, advice.why)), advice);
        }
    }

    fn one(&mut self, (mark, words): (&str, &str), advice: &Advice) {
        self.say(mark, words);
        if let Some(sql) = advice.sql.as_ref().filter(|_| self.script) {
            self.sql(sql);
        }
    }

    /// Statements, each of which ends with `;`. What stands beside the margin begins one.
    fn sql(&mut self, sql: &str) {
        let sql = shown_sql(sql);
        for line in sql.split('\n').map(str::trim_end).filter(|line| !line.is_empty()) {
            self.add(line);
        }
        if !sql.trim_end().ends_with(';') {
            self.text.pop();
            self.text.push_str(";\n");
        }
    }

    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

/// The whole plan, as a script.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sheet = Sheet::script();
        sheet.tables(self);
        sheet.steps("do", &self.steps);
        sheet.steps("superuser", &self.privileged);
        sheet.advice(&self.advice);
        sheet.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Sheet;
    use crate::Step;

    fn step(object: &str, brief: &str, sql: &str) -> Step {
        let (object, brief) = (object.to_owned(), brief.to_owned());
        Step { object, brief, why: "it is so".to_owned(), sql: sql.to_owned() }
    }

    #[test]
    fn a_list_has_a_line_for_each_thing() {
        let mut sheet = Sheet::list();
        let steps = [
            step("public.a", "NOT NULL", "x"),
            step("z\n  do        public.a: nothing", "FORCE", "y"),
            step("public.a", "5 policies", "z"),
            step("public.a", "5 policies", "z"),
        ];
        sheet.steps("do", &steps);
        assert_eq!(
            sheet.to_string(),
            "  do        public.a: NOT NULL, 5 policies\n  \
             do        z\\n  do        public.a: nothing: FORCE"
        );
    }

    #[test]
    fn a_script_ends_every_statement_and_keeps_names_on_their_line() {
        let mut sheet = Sheet::script();
        sheet.steps("do", &[step("t", "FORCE", "ALTER TABLE \"a\nb\\\"\n  FORCE;\nGRANT 1 TO 2")]);
        sheet.steps("do", &[step("t", "FORCE", "SELECT 'x';\n")]);
        assert_eq!(
            sheet.to_string(),
            "-- do        t: it is so\nALTER TABLE U&\"a\\000ab\\\\\"\n  FORCE;\nGRANT 1 TO 2;\n\
             -- do        t: it is so\nSELECT 'x';"
        );
    }
}
