//! Sun codes (小程序太阳码): what a citizen saves and scans in WeChat, drawn as one path of inline SVG,
//! so that neither a script nor an image has to be let through.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code, as its standard (ISO/IEC 18004) asks for.
const QUIET: usize = 4;

/// A code as SVG: its path, and the side of its square in modules.
///
/// WeChat's own round codes are drawn by WeChat alone. It opens a mini-program by a square code,
/// too, when the code's address is one that the mini-program has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SunCode {
    /// Side of the square, the quiet zone included.
    pub side: usize,
    /// The dark modules, as the path's commands.
    pub path: String,
}

impl SunCode {
    /// The code of a text; none where it is too long for one.
    pub fn of(text: &str) -> Option<Self> {
        // A quarter of a screenshot may be lost to a fold, a thumb or a poor lens.
        let code = QrCode::with_error_correction_level(text, EcLevel::Q).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (row, line) in code.to_colors().chunks(width).enumerate() {
            let mut column = 0;
            for run in line.chunk_by(|a, b| a == b) {
                if run.first() == Some(&Color::Dark) {
                    let (x, y, length) = (column + QUIET, row + QUIET, run.len());
                    // Writing into a text cannot fail.
                    let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
                }
                column += run.len();
            }
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules of a path, painted back onto a square.
    fn painted(code: &SunCode) -> Vec<Vec<bool>> {
        let mut square = vec![vec![false; code.side]; code.side];
        for run in code.path.split('M').skip(1) {
            let numbers: Vec<usize> =
                run.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let [x, y, length, 1, back] = numbers[..] else { panic!("{run}") };
            assert_eq!(length, back);
            square[y][x..x + length].fill(true);
        }
        square
    }

    #[test]
    fn the_path_paints_the_very_modules_of_the_code() {
        let text = "https://wx.example/carbon/electric-car?scene=city";
        let code = SunCode::of(text).unwrap();
        let square = painted(&code);
        let right = QrCode::with_error_correction_level(text, EcLevel::Q).unwrap();
        for (y, line) in square.iter().enumerate() {
            for (x, dark) in line.iter().enumerate() {
                let inside = |at: usize| (QUIET..code.side - QUIET).contains(&at);
                let expected =
                    inside(x) && inside(y) && right[(x - QUIET, y - QUIET)] == Color::Dark;
                assert_eq!(*dark, expected, "{x} {y}");
            }
        }
    }

    #[test]
    fn the_longest_address_has_a_code_and_a_book_has_none() {
        assert!(SunCode::of(&format!("https://wx.example/{}", "a".repeat(493))).is_some());
        assert_eq!(SunCode::of(&"a".repeat(5000)), None);
    }
}
