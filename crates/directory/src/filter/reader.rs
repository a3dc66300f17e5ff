//! Reads filters and paths, one character after the other. What is wrong is said in words.

use serde_json::Value;

use super::{Filter, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Op, Place, Scope, literal};

type Read<T> = Result<T, String>;

/// A text that is read from its beginning.
pub(crate) struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    terms: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Read<Self> {
        if text.len() > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        Ok(Self { rest: text.trim(), depth: 0, terms: 0 })
    }

    /// A filter: several that are joined by `or`.
    pub(crate) fn filter(&mut self, scope: Scope) -> Read<Filter> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} groups deep"));
        }
        let mut any = vec![self.conjunction(scope)?];
        while self.keyword("or") {
            any.push(self.conjunction(scope)?);
        }
        self.depth -= 1;
        Ok(one_or(any, Filter::Any))
    }

    fn conjunction(&mut self, scope: Scope) -> Read<Filter> {
        let mut all = vec![self.term(scope)?];
        while self.keyword("and") {
            all.push(self.term(scope)?);
        }
        Ok(one_or(all, Filter::All))
    }

    fn term(&mut self, scope: Scope) -> Read<Filter> {
        self.blanks();
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(format!("it has more than {MAX_TERMS} comparisons"));
        }
        if self.negation() {
            return Ok(Filter::Not(Box::new(self.group(scope)?)));
        }
        if self.rest.starts_with('(') {
            return self.group(scope);
        }
        let place = scope.place(self.name()?)?;
        if self.take('[') {
            return self.values(scope, place);
        }
        self.blanks();
        let word = self.name()?;
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(place));
        }
        let shown = || format!("{} is no comparison", kernel::shown(word));
        let op = Op::named(word).ok_or_else(shown)?;
        self.blanks();
        let value = self.value()?;
        Ok(Filter::Compare(place, op, literal(&place, op, &value)?))
    }

    /// A filter in round brackets.
    fn group(&mut self, scope: Scope) -> Read<Filter> {
        self.expect('(')?;
        let filter = self.filter(scope)?;
        self.blanks();
        self.expect(')')?;
        Ok(filter)
    }

    /// A filter over the values of one attribute, behind its opening bracket.
    fn values(&mut self, scope: Scope, place: Place) -> Read<Filter> {
        if matches!(scope, Scope::Element(_)) {
            return Err("a value has no values of its own".to_owned());
        }
        let filter = self.selection(&place)?;
        Ok(Filter::Values(place, Box::new(filter)))
    }

    /// What selects values of `place`, up to the closing bracket.
    pub(crate) fn selection(&mut self, place: &Place) -> Read<Filter> {
        if place.sub.is_some() || place.attribute.subs.is_empty() {
            return Err(format!("{} has no values to select from", place.attribute.name));
        }
        let filter = self.filter(Scope::Element(place.attribute))?;
        self.blanks();
        self.expect(']')?;
        Ok(filter)
    }

    /// A name: of an attribute, of a schema and an attribute, or of a comparison.
    pub(crate) fn name(&mut self) -> Read<&'a str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_:.$".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.unexpected("a name"));
        }
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        Ok(name)
    }

    /// A value, as JSON writes it.
    fn value(&mut self) -> Read<Value> {
        let end = if self.rest.starts_with('"') {
            end_of_text(self.rest).ok_or("a text does not end")?
        } else {
            let ends = |c: char| c.is_whitespace() || c == ')' || c == ']';
            self.rest.find(ends).unwrap_or(self.rest.len())
        };
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        let value = serde_json::from_str(text);
        let value = value.map_err(|_| format!("{} is no value", kernel::shown(text)))?;
        self.rest = rest;
        Ok(value)
    }

    /// `word`, if it comes next, with what is around it.
    fn keyword(&mut self, word: &str) -> bool {
        let next = self.rest.trim_start();
        // Something has to lie between.
        let Some((found, rest)) = next.split_at_checked(word.len()) else { return false };
        let ends = rest.starts_with(|c: char| c.is_whitespace() || c == '(');
        if !found.eq_ignore_ascii_case(word) || !ends || next.len() == self.rest.len() {
            return false;
        }
        self.rest = rest;
        true
    }

    /// `not`, before a bracket: elsewhere it is a name.
    fn negation(&mut self) -> bool {
        let Some((found, rest)) = self.rest.split_at_checked("not".len()) else { return false };
        let group = rest.trim_start();
        if !found.eq_ignore_ascii_case("not") || !group.starts_with('(') {
            return false;
        }
        self.rest = group;
        true
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(crate) fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, wanted: char) -> Read<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Read<()> {
        if self.rest.trim().is_empty() { Ok(()) } else { Err(self.unexpected("its end")) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.rest.chars().next() {
            Some(found) => format!("{wanted} is missing before `{}`", found.escape_default()),
            None => format!("{wanted} is missing at its end"),
        }
    }
}

/// Where a text in quotes ends, behind the second of them.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn one_or(mut several: Vec<Filter>, join: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match (several.pop(), several.is_empty()) {
        (Some(one), true) => one,
        (Some(last), false) => {
            several.push(last);
            join(several)
        }
        (None, _) => join(several),
    }
}
