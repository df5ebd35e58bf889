//! Drawing of a screen as SVG, with the attributes and characters that the pictures have.
//!
//! Letters are text. Each run of letters has a position and a width, so that columns align in any
//! font. Fonts are unreliable for characters that must join or lie on a grid. These are drawn:
//! braille as dots, box drawing as lines, blocks as rectangles. The crate `anstyle-svg` writes them
//! as text: its charts fall apart in most fonts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

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
}

/// Cell of the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SvgCell {
    pub(crate) character: char,
    pub(crate) style: TextStyle,
    pub(crate) background: Rgb,
}

/// Style of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TextStyle {
    foreground: Rgb,
    bold: bool,
}

impl SvgCell {
    pub(crate) fn new(cell: &vt100::Cell, palette: &SvgPalette) -> SvgCell {
        assert!(!cell.is_wide() && !cell.dim() && !cell.underline() && !cell.italic(), "{cell:?}");
        let rgb = |colour, default| match colour {
            vt100::Color::Default => default,
            vt100::Color::Rgb(red, green, blue) => u32::from_be_bytes([0, red, green, blue]),
            vt100::Color::Idx(_) => panic!("not a true colour: {cell:?}"),
        };
        let mut foreground = rgb(cell.fgcolor(), palette.foreground);
        let mut background = rgb(cell.bgcolor(), palette.background);
        if cell.inverse() {
            std::mem::swap(&mut foreground, &mut background);
        }
        let character = cell.contents().chars().next().unwrap_or(' ');
        SvgCell { character, style: TextStyle { foreground, bold: cell.bold() }, background }
    }
}

/// Size of a cell in braille dots, the unit of all lengths. A dot is five pixels. So all numbers are
/// small.
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
            layers.add(x, y, *cell, palette);
        }
    }
    let width = rows[0].len() * CELL.0 * DOT + 2 * MARGIN;
    let height = rows.len() * CELL.1 * DOT + BAR + MARGIN;
    let SvgPalette { background, border, title: bar, .. } = palette;
    // The path is the decorative buttons of the window.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"#{background:06x}\" \
         stroke=\"#{border:06x}\"/>\n\
         <path d=\"M24 22h0m20 0h0m20 0h0\" stroke=\"#{border:06x}\" stroke-width=\"12\" \
         stroke-linecap=\"round\"/>\n\
         <text x=\"{}\" y=\"27\" text-anchor=\"middle\" fill=\"#{bar:06x}\" {FONT}>loadline</text>\n",
        escape(title),
        width - 1,
        height - 1,
        width / 2,
    );
    layers.write(&mut svg);
    svg + "</svg>\n"
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
    backgrounds: BTreeMap<Rgb, Vec<CellRect>>,
    blocks: BTreeMap<Rgb, Vec<CellRect>>,
    lines: BTreeMap<Rgb, StrokePath>,
    dots: BTreeMap<Rgb, String>,
    runs: Vec<TextRun>,
}

/// Left, top and width in dots. The height is that of a cell.
type CellRect = [usize; 3];

impl Layers {
    fn add(&mut self, x: usize, y: usize, cell: SvgCell, palette: &SvgPalette) {
        let SvgCell { character, style, background } = cell;
        let (left, top) = (x * CELL.0, y * CELL.1);
        if background != palette.background {
            join(self.backgrounds.entry(background).or_default(), [left, top, CELL.0]);
        }
        match character {
            ' ' => {}
            '\u{2800}'..='\u{28ff}' => {
                let path = self.dots.entry(style.foreground).or_default();
                let positions = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
                for (bit, (dx, dy)) in positions.into_iter().enumerate() {
                    if character as u32 >> bit & 1 == 1 {
                        let _ = write!(path, "M{} {}h0", left + dx, top + dy);
                    }
                }
            }
            '█' => join(self.blocks.entry(style.foreground).or_default(), [left, top, CELL.0]),
            '\u{2500}'..='\u{259f}' => {
                let lines = self.lines.entry(style.foreground).or_default();
                lines.add(left, top, strokes(character));
            }
            _ => self.add_letter(x, y, style, character),
        }
    }

    /// Appends to the last run if the letter continues it, also after one space.
    fn add_letter(&mut self, x: usize, y: usize, style: TextStyle, letter: char) {
        if let Some(run) = self.runs.last_mut()
            && (run.style, run.y) == (style, y)
            && x - (run.x + run.cells) <= 1
        {
            if x > run.x + run.cells {
                run.text.push(' ');
            }
            run.text.push(letter);
            run.cells = x + 1 - run.x;
            return;
        }
        self.runs.push(TextRun { style, x, y, cells: 1, text: letter.to_string() });
    }

    fn write(mut self, svg: &mut String) {
        let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {BAR}) scale({DOT})\">");
        for (colour, rects) in self.backgrounds.into_iter().chain(self.blocks) {
            let _ = write!(svg, "<path fill=\"#{colour:06x}\" d=\"");
            for [x, y, width] in rects {
                let _ = write!(svg, "M{x} {y}h{width}v{}h-{width}z", CELL.1);
            }
            *svg += "\"/>\n";
        }
        *svg += "<g fill=\"none\">\n";
        for (colour, StrokePath { path, .. }) in self.lines {
            let _ = write!(svg, "<path stroke=\"#{colour:06x}\" stroke-width=\"0.32\" ");
            let _ = writeln!(svg, "d=\"{path}\"/>");
        }
        *svg += "</g>\n<g transform=\"translate(.5 .5)\" stroke-linecap=\"round\" \
                 stroke-width=\".82\">\n";
        for (colour, path) in self.dots {
            let _ = writeln!(svg, "<path stroke=\"#{colour:06x}\" d=\"{path}\"/>");
        }
        let _ = writeln!(svg, "</g>\n</g>\n<g {FONT}>");
        self.runs.sort_by_key(|run| run.style);
        for runs in self.runs.chunk_by(|one, next| one.style == next.style) {
            let TextStyle { foreground, bold } = runs[0].style;
            let bold = if bold { " font-weight=\"700\"" } else { "" };
            let _ = writeln!(svg, "<g fill=\"#{foreground:06x}\"{bold}>");
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Start of a line in its cell of 2 by 4, and the rest of it as SVG path commands.
type Stroke = (usize, usize, &'static str);

/// Returns the lines of a box-drawing character.
fn strokes(character: char) -> &'static [Stroke] {
    match character {
        '─' => &[(0, 2, "h2")],
        '│' => &[(1, 0, "v4")],
        '└' => &[(1, 0, "v2h1")],
        '┤' => &[(1, 0, "v4"), (0, 2, "h1")],
        '┬' => &[(1, 2, "v2"), (0, 2, "h2")],
        '╌' => &[(0, 2, "m.2 0h.6m.4 0h.6")],
        other => panic!("draw {other} here"),
    }
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

/// Appends a rectangle, or extends the last one if it is the left neighbour.
fn join(rects: &mut Vec<CellRect>, [x, y, width]: CellRect) {
    match rects.last_mut() {
        Some(last) if last[0] + last[2] == x && last[1] == y => last[2] += width,
        _ => rects.push([x, y, width]),
    }
}
