//! A new authenticator app: its QR code, the same as text, and the field for its first code.

use askama::Template;
use identity::NewApp;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::Error;
use crate::pages::part::Frame;
use crate::words::Words;

/// The width of the picture, in pixels at least.
const QR_PIXELS: u32 = 240;

/// The page.
#[derive(Template)]
#[template(path = "page/enrol.html")]
pub(crate) struct EnrolPage {
    frame: Frame,
    token: String,
    next: String,
    problem: Option<String>,
    /// A picture of squares alone, drawn here.
    picture: String,
    secret: String,
}

impl EnrolPage {
    /// The page for `app`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the address does not fit a QR code.
    pub(crate) fn new(
        words: Words,
        token: String,
        next: &str,
        app: &NewApp,
        problem: Option<String>,
    ) -> Result<Self, Error> {
        let code = QrCode::with_error_correction_level(app.uri.expose(), EcLevel::M)
            .map_err(|error| Error::Internal(format!("no QR code could be drawn: {error}")))?;
        let drawn = code.render::<svg::Color<'_>>().min_dimensions(QR_PIXELS, QR_PIXELS).build();
        let picture = drawn.find("<svg").and_then(|at| drawn.get(at..)).unwrap_or_default();
        // Four letters at a time are easier to type.
        let letters: Vec<char> = app.text.expose().chars().collect();
        let groups = letters.chunks(4).map(|group| group.iter().collect::<String>());
        let secret = groups.collect::<Vec<_>>().join(" ");
        let (frame, next, picture) = (Frame::bare(words), next.to_owned(), picture.to_owned());
        Ok(Self { frame, token, next, problem, picture, secret })
    }
}
