//! The picture beside the results: queries per second and CPU per query of each path, as SVG.
//!
//! SVG leaves the drawing of letters to whoever shows it: no font library is needed here.

use anyhow::anyhow;
use plotters::{
    backend::SVGBackend,
    coord::Shift,
    prelude::{
        BLACK, Color, DrawingArea, EmptyElement, IntoDrawingArea, IntoFont, RGBColor, Rectangle, Text, WHITE,
    },
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{summary::Row, table::thousands};

const WIDTH: u32 = 1600;
const HEIGHT_OF_PROFILE: u32 = 340;
const HEIGHT_OF_HEAD: u32 = 60;

/// Bars take turns through these; told apart by people who do not see red and green alike (Okabe and Ito's set).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x99, 0x99, 0x99),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xf0, 0xe4, 0x42),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x5e, 0x00),
];

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Bars that stand together; what has no value has no bar.
pub(super) struct Group {
    pub(super) label: String,
    /// Each with its place in the legend.
    pub(super) bars: Vec<(usize, f64)>,
}

/// Draws all rows; `subtitle` says on what and when they were measured.
pub(super) fn draw(rows: &[Row], subtitle: &str) -> anyhow::Result<String> {
    let mut names: Vec<&str> = Vec::new();
    let mut profiles: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
        if !profiles.contains(&row.profile.as_str()) {
            profiles.push(&row.profile);
        }
    }
    let count = u32::try_from(profiles.len().max(1)).unwrap_or(u32::MAX).min(16);
    let mut svg = String::new();
    {
        let size = (WIDTH, HEIGHT_OF_HEAD + HEIGHT_OF_PROFILE * count);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        compose(&root, rows, &names, &profiles, subtitle)
            .map_err(|error| anyhow!("failed to draw: {error}"))?;
    }
    Ok(svg)
}

pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

fn compose(root: &Area<'_>, rows: &[Row], names: &[&str], profiles: &[&str], subtitle: &str) -> Drawn {
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEIGHT_OF_HEAD);
    head.draw(&Text::new(
        subtitle.to_owned(),
        (20, 8),
        ("sans-serif", 14).into_font(),
    ))?;
    legend(&head, names)?;
    for (area, profile) in body.split_evenly((profiles.len().max(1), 1)).iter().zip(profiles) {
        let of_profile: Vec<&Row> = rows.iter().filter(|row| row.profile == *profile).collect();
        let (left, right) = area.split_horizontally(WIDTH / 2);
        bars(
            &left,
            &format!("{profile}: queries per second"),
            &groups(&of_profile, names, |row| row.qps),
        )?;
        let title = format!("{profile}: CPU µs per query of the hops");
        let costs = groups(&of_profile, names, |row| {
            row.cpu_us_per_query.filter(|us| *us > 0.0)
        });
        bars(&right, &title, &costs)?;
    }
    root.present()?;
    Ok(())
}

fn colour(index: usize) -> &'static RGBColor {
    COLOURS.get(index % COLOURS.len()).unwrap_or(&BLACK)
}

/// One group for each number of threads.
fn groups(rows: &[&Row], names: &[&str], value: impl Fn(&Row) -> Option<f64>) -> Vec<Group> {
    let mut threads: Vec<u32> = rows.iter().map(|row| row.threads).collect();
    threads.dedup();
    let of = |threads: u32| {
        let bars = names.iter().enumerate().filter_map(|(index, name)| {
            let row = rows
                .iter()
                .find(|row| row.threads == threads && row.name == *name)?;
            Some((index, value(row)?))
        });
        let plural = if threads == 1 { "" } else { "s" };
        Group {
            label: format!("{threads} thread{plural}"),
            bars: bars.collect(),
        }
    };
    threads.into_iter().map(of).collect()
}

/// What the colours mean.
pub(super) fn legend(head: &Area<'_>, names: &[&str]) -> Drawn {
    for (index, name) in names.iter().enumerate() {
        let x = 20 + 140 * i32::try_from(index)?;
        head.draw(&Rectangle::new([(x, 34), (x + 12, 46)], colour(index).filled()))?;
        head.draw(&Text::new(
            (*name).to_owned(),
            (x + 18, 33),
            ("sans-serif", 13).into_font(),
        ))?;
    }
    Ok(())
}

/// Groups side by side, on a scale that begins at zero.
pub(super) fn bars(area: &Area<'_>, title: &str, groups: &[Group]) -> Drawn {
    let most = groups
        .iter()
        .flat_map(|group| &group.bars)
        .map(|(_, value)| *value)
        .fold(0.0, f64::max)
        .max(1.0);
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (f64::from(width), f64::from(height));
    let (left, top, bottom) = (20.0, 44.0, height - 40.0);
    let room = (width - 2.0 * left) / groups.len().max(1) as f64;
    area.draw(&Text::new(
        title.to_owned(),
        (20, 8),
        ("sans-serif", 16).into_font(),
    ))?;
    let middle = Pos::new(HPos::Center, VPos::Bottom);
    for (at, group) in groups.iter().enumerate() {
        let start = left + room * at as f64;
        let bar = (room * 0.9 / group.bars.len().max(1) as f64).min(70.0);
        for (place, (index, value)) in group.bars.iter().enumerate() {
            let x = start + bar * place as f64;
            let y = bottom - (bottom - top) * value / most;
            let corners = [(pixel(x), pixel(y)), (pixel(x + bar - 2.0), pixel(bottom))];
            area.draw(&Rectangle::new(corners, colour(*index).filled()))?;
            let label = if *value >= 1000.0 {
                thousands(*value)
            } else {
                format!("{value:.1}")
            };
            let style = ("sans-serif", 12).into_font().color(&BLACK).pos(middle);
            let above = (pixel(x + bar / 2.0), pixel(y) - 2);
            area.draw(&(EmptyElement::at(above) + Text::new(label, (0, 0), style)))?;
        }
        area.draw(&Text::new(
            group.label.clone(),
            (pixel(start), pixel(bottom) + 8),
            ("sans-serif", 13).into_font(),
        ))?;
    }
    Ok(())
}

/// Coordinates lie within the picture, whose size is a few thousand pixels.
fn pixel(position: f64) -> i32 {
    position.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        path::HopPath,
        summary::{rows, tests::run},
    };

    #[test]
    fn every_path_has_its_bars_and_their_values() {
        let runs = [
            run(HopPath::Direct, 1, 61_250.0, &[]),
            run(
                HopPath::Pair,
                1,
                29_000.0,
                &[("gatekeeper", 15.3), ("proxy", 12.1)],
            ),
        ];
        let svg = draw(&rows(&runs), "measured somewhere").unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for part in [
            "direct",
            "pair",
            "gatekeeper",
            "61,250",
            "29,000",
            "27.4",
            "15.3",
            "12.1",
            "8 threads",
        ] {
            assert!(svg.contains(part), "{part} is missing");
        }
        // background, 4 legend marks, 2 bars of qps, 3 of CPU: none for `direct`, which has no hop
        assert_eq!(svg.matches("<rect").count(), 1 + 4 + 2 + 3);
    }

    #[test]
    fn a_benchmark_in_which_all_failed_still_has_a_picture() {
        let mut failed = run(HopPath::Direct, 1, 1.0, &[]);
        failed.figures = None;
        assert!(draw(&rows(&[failed]), "").unwrap().contains("direct"));
        assert!(draw(&[], "").is_ok());
    }
}
