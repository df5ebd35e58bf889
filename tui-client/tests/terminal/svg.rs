//! Drawing of a screen as SVG.
//!
//! Letters are text. Each run of letters has a position and a width, so that columns align in any
//! font. Fonts are unreliable for characters that must join or lie on a grid. These are drawn:
//! braille as dots, box drawing as lines, blocks as rectangles.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZero;

use self::glyphs::Stroke;

mod glyphs;

/// Colour as 0xRRGGBB.
pub(crate) type Rgb = u32;

/// Colours of a terminal.
pub(crate) struct SvgPalette {
    pub(crate) foreground: Rgb,
    pub(crate) background: Rgb,
    /// Border of the window.
    pub(crate) border: Rgb,
    /// Text in the title bar.
    pub(crate) title: Rgb,
    pub(crate) ansi: [Rgb; 16],
}

/// Cell of the screen.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a terminal has these attributes")]
pub(crate) struct SvgCell {
    /// Empty after a character that is two cells wide.
    pub(crate) text: String,
    pub(crate) foreground: vt100::Color,
    pub(crate) background: vt100::Color,
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) underline: bool,
    pub(crate) reverse: bool,
}

impl From<&vt100::Cell> for SvgCell {
    fn from(cell: &vt100::Cell) -> SvgCell {
        let is_blank = !cell.has_contents() && !cell.is_wide_continuation();
        SvgCell {
            text: if is_blank { " ".to_owned() } else { cell.contents().to_owned() },
            foreground: cell.fgcolor(),
            background: cell.bgcolor(),
            bold: cell.bold(),
            dim: cell.dim(),
            underline: cell.underline(),
            reverse: cell.inverse(),
        }
    }
}

/// Size of a cell in braille dots, the unit of all lengths. A dot is five pixels. So nearly all
/// numbers are small integers.
const CELL: (usize, usize) = (2, 4);
const DOT: usize = 5;

/// Distance from the edge of the window to the cells in pixels: at the sides and below, and above.
const MARGIN: usize = 20;
const BAR: usize = 48;

/// Most monospaced fonts have an advance of 0.6 em, which fills a cell at this size.
const FONT: &str = "font-family=\"ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',Consolas,\
                    monospace\" font-size=\"16.6\"";
/// Distance from the top of a cell to the baseline in pixels.
const BASELINE: usize = 15;

/// Draws rows of cells as a window.
pub(crate) fn draw(title: &str, rows: &[Vec<SvgCell>], palette: &SvgPalette) -> String {
    let mut layers = Layers::default();
    for (y, row) in rows.iter().enumerate() {
        for (x, cell) in row.iter().enumerate() {
            layers.add(x, y, cell, palette);
        }
    }
    let cols = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = cols * CELL.0 * DOT + 2 * MARGIN;
    let height = rows.len() * CELL.1 * DOT + BAR + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n",
        escape(title),
    );
    window(&mut svg, width, height, palette);
    layers.write(&mut svg);
    svg += "</svg>\n";
    svg
}

fn window(svg: &mut String, width: usize, height: usize, palette: &SvgPalette) {
    let _ = writeln!(
        svg,
        "<rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"#{:06x}\" \
         stroke=\"#{:06x}\"/>",
        width - 1,
        height - 1,
        palette.background,
        palette.border,
    );
    // Decorative buttons of the window.
    let _ = writeln!(
        svg,
        "<path d=\"M24 22h0m20 0h0m20 0h0\" stroke=\"#{:06x}\" stroke-width=\"12\" \
         stroke-linecap=\"round\"/>",
        palette.border,
    );
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"27\" text-anchor=\"middle\" fill=\"#{:06x}\" {FONT}>loadline</text>",
        width / 2,
        palette.title,
    );
}

/// Style of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TextStyle {
    foreground: Rgb,
    bold: bool,
    underline: bool,
}

/// Adjacent letters of the same style.
#[derive(Debug)]
struct TextRun {
    style: TextStyle,
    x: usize,
    y: usize,
    cells: usize,
    text: String,
}

/// Shapes by colour, one short path for each colour.
#[derive(Debug, Default)]
struct Layers {
    backgrounds: BTreeMap<Rgb, Vec<QuarterRect>>,
    blocks: BTreeMap<Rgb, Vec<QuarterRect>>,
    /// Keyed by colour and width in hundredths of a dot.
    lines: BTreeMap<(Rgb, u32), StrokePath>,
    dots: BTreeMap<Rgb, String>,
    runs: Vec<TextRun>,
}

/// Left, top, width and height in quarters of a dot.
type QuarterRect = [usize; 4];

impl Layers {
    fn add(&mut self, x: usize, y: usize, cell: &SvgCell, palette: &SvgPalette) {
        let mut foreground = palette.colour(cell.foreground, palette.foreground);
        let mut background = palette.colour(cell.background, palette.background);
        if cell.dim {
            foreground = mix(foreground, background, 60);
        }
        if cell.reverse {
            std::mem::swap(&mut foreground, &mut background);
        }
        let (left, top) = (x * CELL.0, y * CELL.1);
        let cell_rect = [left * 4, top * 4, CELL.0 * 4, CELL.1 * 4];
        if background != palette.background {
            join(self.backgrounds.entry(background).or_default(), cell_rect);
        }
        let mut characters = cell.text.chars();
        let character = match (characters.next(), characters.next()) {
            (Some(c), None) => c,
            _ => '\0',
        };
        match character {
            '\u{2800}'..='\u{28ff}' => {
                let path = self.dots.entry(foreground).or_default();
                for (dx, dy) in glyphs::dots(character) {
                    let _ = write!(path, "M{} {}h0", left + dx, top + dy);
                }
            }
            '\u{2591}'..='\u{2593}' => {
                let shade = mix(foreground, background, 25 * (character as u32 - 0x2590));
                join(self.blocks.entry(shade).or_default(), cell_rect);
            }
            '\u{2580}'..='\u{259f}' => {
                for [x, y, width, height] in glyphs::block_rects(character) {
                    let block = [left * 4 + x, top * 4 + 2 * y, width, 2 * height];
                    join(self.blocks.entry(foreground).or_default(), block);
                }
            }
            _ => {
                if let Some((width, strokes)) = glyphs::frame_strokes(character) {
                    self.lines.entry((foreground, width)).or_default().add(left, top, strokes);
                } else {
                    let style =
                        TextStyle { foreground, bold: cell.bold, underline: cell.underline };
                    self.add_letter(x, y, style, &cell.text);
                }
            }
        }
    }

    /// Appends to the last run if the letter continues it, also after one space.
    fn add_letter(&mut self, x: usize, y: usize, style: TextStyle, text: &str) {
        if text == " " {
            return;
        }
        if let Some(run) = self.runs.last_mut()
            && (run.style, run.y) == (style, y)
            && x - (run.x + run.cells) <= 1
        {
            if x > run.x + run.cells {
                run.text.push(' ');
            }
            run.text += text;
            run.cells = x + 1 - run.x;
            return;
        }
        self.runs.push(TextRun { style, x, y, cells: 1, text: text.to_owned() });
    }

    fn write(mut self, svg: &mut String) {
        let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {BAR}) scale({DOT})\">");
        for (colour, rects) in self.backgrounds.into_iter().chain(self.blocks) {
            let _ = writeln!(svg, "<path fill=\"#{colour:06x}\" d=\"{}\"/>", outline(&rects));
        }
        *svg += "<g fill=\"none\">\n";
        for ((colour, width), lines) in self.lines {
            let width = f64::from(width) / 100.0;
            let _ = write!(svg, "<path stroke=\"#{colour:06x}\" stroke-width=\"{width}\" ");
            let _ = writeln!(svg, "d=\"{}\"/>", lines.path);
        }
        *svg += "</g>\n<g transform=\"translate(.5 .5)\" stroke-linecap=\"round\" \
                 stroke-width=\".82\">\n";
        for (colour, path) in self.dots {
            let _ = writeln!(svg, "<path stroke=\"#{colour:06x}\" d=\"{path}\"/>");
        }
        let _ = writeln!(svg, "</g>\n</g>\n<g {FONT}>");
        self.runs.sort_by_key(|run| run.style);
        for runs in self.runs.chunk_by(|one, next| one.style == next.style) {
            let style = runs[0].style;
            let bold = if style.bold { " font-weight=\"700\"" } else { "" };
            let line = if style.underline { " text-decoration=\"underline\"" } else { "" };
            let _ = writeln!(svg, "<g fill=\"#{:06x}\"{bold}{line}>", style.foreground);
            for run in runs {
                run.write(svg);
            }
            *svg += "</g>\n";
        }
        *svg += "</g>\n";
    }
}

impl TextRun {
    fn write(&self, svg: &mut String) {
        let x = MARGIN + self.x * CELL.0 * DOT;
        let y = BAR + self.y * CELL.1 * DOT + BASELINE;
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\"");
        if self.cells > 1 {
            let _ = write!(svg, " textLength=\"{}\"", self.cells * CELL.0 * DOT);
        }
        let _ = writeln!(svg, ">{}</text>", escape(&self.text));
    }
}

impl SvgPalette {
    fn colour(&self, colour: vt100::Color, fallback: Rgb) -> Rgb {
        match colour {
            vt100::Color::Default => fallback,
            vt100::Color::Idx(index @ ..16) => self.ansi[usize::from(index)],
            // A cube of six steps each of red, green and blue, then greys.
            vt100::Color::Idx(index @ 16..232) => {
                let step = |part: usize| [0, 95, 135, 175, 215, 255][part % 6];
                let index = usize::from(index) - 16;
                step(index / 36) << 16 | step(index / 6) << 8 | step(index)
            }
            vt100::Color::Idx(index) => (8 + 10 * (u32::from(index) - 232)) * 0x01_01_01,
            vt100::Color::Rgb(red, green, blue) => u32::from_be_bytes([0, red, green, blue]),
        }
    }
}

/// Mixes `percent` of the first colour with the second.
fn mix(one: Rgb, other: Rgb, percent: u32) -> Rgb {
    let part = |shift: u32| {
        let (one, other) = (one >> shift & 0xff, other >> shift & 0xff);
        ((one * percent + other * (100 - percent)) / 100) << shift
    };
    part(16) | part(8) | part(0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Lines as one short path.
#[derive(Debug, Default)]
struct StrokePath {
    path: String,
    /// End of the last horizontal line.
    pen: Option<(usize, usize)>,
}

impl StrokePath {
    fn add(&mut self, left: usize, top: usize, strokes: &[Stroke]) {
        for &(x, y, path) in strokes {
            let (x, y) = (left + x, top + y);
            if self.pen != Some((x, y)) {
                let _ = write!(self.path, "M{x} {y}");
            }
            self.path += path;
            let length = path.strip_prefix('h').and_then(|length| length.parse::<usize>().ok());
            self.pen = length.map(|length| (x + length, y));
        }
    }
}

/// Appends a rectangle, or extends the last one if it is the left neighbour and as high.
fn join(rects: &mut Vec<QuarterRect>, [x, y, width, height]: QuarterRect) {
    match rects.last_mut() {
        Some(last) if last[0] + last[2] == x && (last[1], last[3]) == (y, height) => {
            last[2] += width;
        }
        _ => rects.push([x, y, width, height]),
    }
}

fn outline(rects: &[QuarterRect]) -> String {
    let mut path = String::new();
    for rect in rects {
        let [x, y, width, height] = rect.map(|quarters| quarters as f64 / 4.0);
        let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
    }
    path
}

/// Draws one row of a terminal after this output.
fn draw_written(written: &str) -> String {
    let mut parser = vt100::Parser::new(NonZero::new(1).unwrap(), NonZero::new(12).unwrap(), 0);
    parser.process(written.as_bytes());
    let screen = parser.screen();
    let row = (0..12).filter_map(|x| screen.cell(0, x)).map(SvgCell::from).collect();
    let ansi = std::array::from_fn(|index| 0xc0_00_00 + index as Rgb);
    let palette = SvgPalette {
        foreground: 0xee_ee_ee,
        background: 0,
        border: 0x11_11_11,
        title: 0x22_22_22,
        ansi,
    };
    draw("a & b", &[row], &palette)
}

fn check(written: &str, elements: &[&str]) {
    let svg = draw_written(written);
    for element in elements {
        assert!(svg.contains(element), "{written:?} gives {element}:\n{svg}");
    }
}

#[test]
fn letters_keep_their_columns_and_colours() {
    check(
        " a <b   \x1b[1;32mok",
        &[
            "<title>a &amp; b</title>",
            "<g fill=\"#eeeeee\">\n<text x=\"30\" y=\"63\" textLength=\"40\">a &lt;b</text>\n</g>",
            "<g fill=\"#c00002\" font-weight=\"700\">\n<text x=\"100\" y=\"63\" textLength=\"20\">ok<",
        ],
    );
    check("\x1b[38;5;196ma\x1b[38;5;255mb\x1b[38;2;1;2;3mc", &["#ff0000", "#eeeeee", "#010203"]);
    check("\x1b[2mfaint", &["<g fill=\"#8e8e8e\">"]);
    check("\x1b[4mlink", &[" text-decoration=\"underline\">"]);
    check("\x1b[7mab", &["<path fill=\"#eeeeee\" d=\"M0 0h4v4h-4z\"/>", "<g fill=\"#000000\">"]);
}

#[test]
fn characters_that_join_are_drawn_and_not_written() {
    check("⠁⢀", &["<path stroke=\"#eeeeee\" d=\"M0 0h0M3 3h0\"/>"]);
    check("└──┬", &["d=\"M1 0v2h1M2 2h2h2M7 2v2M6 2h2\"/>"]);
    check("▄▄▌", &["d=\"M0 2h4v2h-4zM4 0h1v4h-1z\"/>"]);
    check("▞", &["d=\"M1 0h1v2h-1zM0 2h1v2h-1z\"/>"]);
    assert!(!draw_written("⠁└─▄").contains("<text x=\"20\""));
}
