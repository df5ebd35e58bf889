//! Shapes of characters that join or lie on a grid, in a cell of 2 by 4 braille dots.

/// Returns the positions of the dots of a braille character.
pub(super) fn dots(character: char) -> impl Iterator<Item = (usize, usize)> {
    let positions = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    (0..8).filter(move |bit| character as u32 >> bit & 1 == 1).map(move |bit| positions[bit])
}

/// Returns the rectangles of a block element: left, top, width and height in eighths of the cell's.
pub(super) fn block_rects(character: char) -> Vec<[usize; 4]> {
    let code = character as usize;
    match character {
        '▀' => vec![[0, 0, 8, 4]],
        '▁'..='█' => vec![[0, 0x2588 - code, 8, code - 0x2580]],
        '▉'..='▏' => vec![[0, 0, 0x2590 - code, 8]],
        '▐' => vec![[4, 0, 4, 8]],
        '▔' => vec![[0, 0, 8, 1]],
        '▕' => vec![[7, 0, 1, 8]],
        '▖'..='▟' => {
            // One bit for each quarter: top left, top right, bottom left, bottom right.
            let quarters = [4, 8, 1, 13, 9, 7, 11, 2, 6, 14][code - 0x2596];
            let positions = [[0, 0, 4, 4], [4, 0, 4, 4], [0, 4, 4, 4], [4, 4, 4, 4]];
            (0..4).filter(|bit| quarters >> bit & 1 == 1).map(|bit| positions[bit]).collect()
        }
        _ => Vec::new(),
    }
}

/// Start of a line in its cell of 2 by 4, and the rest of it as SVG path commands.
pub(super) type Stroke = (usize, usize, &'static str);

/// Returns the lines of a box-drawing character and their width in hundredths of a dot.
pub(super) fn frame_strokes(character: char) -> Option<(u32, &'static [Stroke])> {
    let strokes: &[Stroke] = match character {
        '─' | '━' => &[(0, 2, "h2")],
        '│' | '┃' => &[(1, 0, "v4")],
        '┌' => &[(2, 2, "h-1v2")],
        '┐' => &[(0, 2, "h1v2")],
        '└' => &[(1, 0, "v2h1")],
        '┘' => &[(1, 0, "v2h-1")],
        '├' => &[(1, 0, "v4"), (1, 2, "h1")],
        '┤' => &[(1, 0, "v4"), (0, 2, "h1")],
        '┬' => &[(1, 2, "v2"), (0, 2, "h2")],
        '┴' => &[(1, 0, "v2"), (0, 2, "h2")],
        '┼' => &[(1, 0, "v4"), (0, 2, "h2")],
        '╭' => &[(1, 4, "v-1q0-1 1-1")],
        '╮' => &[(1, 4, "v-1q0-1-1-1")],
        '╰' => &[(1, 0, "v1q0 1 1 1")],
        '╯' => &[(1, 0, "v1q0 1-1 1")],
        '╴' => &[(0, 2, "h1")],
        '╵' => &[(1, 0, "v2")],
        '╶' => &[(1, 2, "h1")],
        '╷' => &[(1, 2, "v2")],
        '╌' | '┄' | '┈' => &[(0, 2, "m.2 0h.6m.4 0h.6")],
        '╎' | '┆' | '┊' => &[(1, 0, "m0 .2v.6m0 .4v.6m0 .4v.6m0 .4v.6")],
        _ => return None,
    };
    Some((if matches!(character, '━' | '┃') { 60 } else { 32 }, strokes))
}
