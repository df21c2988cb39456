//! The picture beside the results: where reads went and how long they took, healthy and delayed, for each strategy.

use anyhow::anyhow;
use plotters::{
    backend::SVGBackend,
    prelude::{IntoDrawingArea, IntoFont, Text, WHITE},
};

use super::{
    super::picture::{Area, Drawn, Group, bars, legend},
    verdict::{Case, Row},
};

/// Room for the longest name of a strategy below its bars.
const WIDTH: u32 = 1800;
const HEIGHT: u32 = 400;
const HEIGHT_OF_HEAD: u32 = 60;

/// Draws all rows; `subtitle` says on what, when and how they were measured.
pub(super) fn draw(rows: &[Row], subtitle: &str, delayed: &str) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        compose(&root, rows, subtitle, delayed).map_err(|error| anyhow!("failed to draw: {error}"))?;
    }
    Ok(svg)
}

/// A title, and what its bars show.
type Panel = (&'static str, fn(&Case) -> f64);

fn compose(root: &Area<'_>, rows: &[Row], subtitle: &str, delayed: &str) -> Drawn {
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEIGHT_OF_HEAD);
    head.draw(&Text::new(
        subtitle.to_owned(),
        (20, 8),
        ("sans-serif", 14).into_font(),
    ))?;
    legend(&head, &["all healthy", delayed])?;
    let panels: [Panel; 3] = [
        ("reads on that worker, %", |case| case.share * 100.0),
        ("p50, ms", |case| case.p50_ms),
        ("p95, ms", |case| case.p95_ms),
    ];
    for (area, (title, value)) in body.split_evenly((1, panels.len())).iter().zip(panels) {
        let groups: Vec<Group> = rows
            .iter()
            .map(|row| Group {
                label: row.strategy.clone(),
                bars: vec![(0, value(&row.healthy)), (1, value(&row.delayed))],
            })
            .collect();
        bars(area, title, &groups)?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::verdict::{rows, tests::run};
    use super::*;

    #[test]
    fn each_strategy_has_two_bars_in_each_panel() {
        let runs = [
            run("adaptive", false, 480, 1.2),
            run("adaptive", true, 12, 1.6),
            run("random", false, 500, 1.3),
            run("random", true, 500, 21.4),
        ];
        let svg = draw(&rows(&runs), "measured somewhere", "worker1 delayed").unwrap();
        for part in [
            "adaptive",
            "random",
            "worker1 delayed",
            "48.0",
            "50.0",
            "21.4",
            "p95, ms",
        ] {
            assert!(svg.contains(part), "{part} is missing");
        }
        // background, 2 legend marks, 3 panels of 2 strategies with 2 bars
        assert_eq!(svg.matches("<rect").count(), 1 + 2 + 12);
        assert!(draw(&[], "", "").is_ok());
    }
}
