//! One's own second factor.

use std::fmt::Write as _;

use askama::Template;
use qrcodegen::{QrCode as Encoded, QrCodeEcc};

use super::everyone::FactorLine;
use super::format::filters;
use super::forms::FieldErrors;
use super::shell::Shell;

/// `/account/second-factor?next=`; posts `next` and `csrf` to `…/begin`, `code`, `next`, `csrf` to `…/confirm`, `code` and `csrf` to
/// `…/recovery` and `…/off`.
#[derive(Debug, Template)]
#[template(path = "pages/second_factor.html")]
pub struct FactorPage {
    pub shell: Shell,
    pub csrf: String,
    /// Nothing else is open before one is set up.
    pub due: bool,
    /// Those of this role must have one.
    pub required: bool,
    pub factor: Option<FactorLine>,
    /// What is being set up.
    pub begun: Option<Begun>,
    /// Where to go once it is set up; may be empty.
    pub next: String,
    pub errors: FieldErrors,
}

/// What an app takes: as a picture, as a link on the same device, and as text.
#[derive(Clone, Debug)]
pub struct Begun {
    pub picture: QrCode,
    pub uri: String,
    /// In groups of four.
    pub secret: String,
}

/// The one page that ever shows recovery codes.
#[derive(Debug, Template)]
#[template(path = "pages/recovery_codes.html")]
pub struct RecoveryCodes {
    pub shell: Shell,
    pub heading: String,
    pub codes: Vec<String>,
    /// Where to go on.
    pub next: String,
}

/// A QR code, to be drawn.
#[derive(Clone, Debug)]
pub struct QrCode {
    /// Modules to a side, with the margin of four around it that scanners want.
    pub side: i32,
    /// The dark modules as an SVG path, one stroke for each run.
    pub path: String,
}

const MARGIN: i32 = 4;

impl QrCode {
    /// `None` for more text than one can hold.
    pub fn of(text: &str) -> Option<Self> {
        let code = Encoded::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let run = (x..code.size()).take_while(|&x| code.get_module(x, y)).count();
                if run > 0 {
                    // Writing to a text does not fail.
                    let _ = write!(path, "M{},{}h{run}v1h-{run}z", x + MARGIN, y + MARGIN);
                }
                x += i32::try_from(run).unwrap_or(0) + 1;
            }
        }
        Some(Self { side: code.size() + 2 * MARGIN, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a path draws.
    fn drawn(code: &QrCode) -> Vec<Vec<bool>> {
        let side = usize::try_from(code.side).unwrap();
        let mut modules = vec![vec![false; side]; side];
        for run in code.path.split('M').filter(|run| !run.is_empty()) {
            let (x, rest) = run.split_once(',').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            modules[y][x..x + length].fill(true);
        }
        modules
    }

    #[test]
    fn what_is_drawn_reads_as_what_was_to_be_said() {
        let uri = "otpauth://totp/Lectern:ada%40one%2Eexample?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Lectern&algorithm=SHA1&digits=6&period=30";
        let modules = drawn(&QrCode::of(uri).unwrap());
        // Four pixels to a module, as a camera sees it.
        let side = modules.len() * 4;
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if modules[y / 4][x / 4] { 0 } else { 255 });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].decode().unwrap().1, uri);
    }

    #[test]
    fn more_than_it_can_hold_is_none() {
        assert!(QrCode::of(&"x".repeat(4000)).is_none());
    }
}
