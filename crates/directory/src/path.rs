//! What an operation of a PATCH is about: RFC 7644, section 3.5.2.

use crate::filter::{Filter, Place, Reader, Scope};
use crate::schema::Kind;
use crate::{Error, Result};

/// What an operation is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// All that an extension says.
    Extension(&'static str),
    /// An attribute, or one within it.
    Place(Place),
    /// Those values of an attribute that are such, or what is called `sub` in the place in each of them.
    Selected(Place, Filter),
}

impl Target {
    /// Reads a path.
    ///
    /// # Errors
    /// [`Error::Path`] with what is wrong.
    pub(crate) fn parse(kind: Kind, text: &str) -> Result<Self> {
        Self::read(kind, text).map_err(Error::Path)
    }

    fn read(kind: Kind, text: &str) -> std::result::Result<Self, String> {
        let mut reader = Reader::new(text)?;
        let name = reader.name()?;
        let extension = kind.extension().filter(|urn| urn.eq_ignore_ascii_case(name));
        if let Some(urn) = extension {
            reader.end()?;
            return Ok(Self::Extension(urn));
        }
        let mut place = Scope::Resource(kind).place(name)?;
        if !reader.take('[') {
            reader.end()?;
            return Ok(Self::Place(place));
        }
        if !place.attribute.many {
            return Err(format!("{} has one value, and none to select", place.attribute.name));
        }
        let filter = reader.selection(&place)?;
        if reader.take('.') {
            let sub = reader.name()?;
            let unknown = || format!("{} is not known", kernel::shown(sub));
            place.sub = Some(place.attribute.sub(sub).ok_or_else(unknown)?);
        }
        reader.end()?;
        Ok(Self::Selected(place, filter))
    }
}
