//! What sysbench does in a run: `sysbench/profiles/*.toml`.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::limits;

/// Profiles that travel inside the binary, by name.
const BUILT_IN: [(&str, &str); 3] = [
    (
        "point-select",
        include_str!("../../../sysbench/profiles/point-select.toml"),
    ),
    (
        "read-only",
        include_str!("../../../sysbench/profiles/read-only.toml"),
    ),
    (
        "read-write",
        include_str!("../../../sysbench/profiles/read-write.toml"),
    ),
];

/// One profile, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Profile {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) settings: Settings,
}

/// A profile's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    /// One line for people.
    pub(super) description: String,
    /// sysbench's script, e.g. `oltp_point_select`.
    pub(super) script: String,
    /// Tables `sbtest1` to `sbtestN`.
    pub(super) tables: u32,
    /// Rows of each table.
    pub(super) rows: u32,
    /// How long one run lasts.
    pub(super) seconds: u32,
    /// How long each path is warmed up before a series of runs; not measured.
    pub(super) warm_up_seconds: u32,
    /// Handed to sysbench as `--key=value`.
    #[serde(default)]
    pub(super) options: BTreeMap<String, String>,
}

/// Finds a profile: a built-in one by name, or a file's path that ends in `.toml`.
pub(super) fn load(name_or_file: &str) -> anyhow::Result<Profile> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_file) {
        return parse(name, text);
    }
    let path = Path::new(name_or_file);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let known: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        bail!(
            "no profile is called `{name_or_file}` (there are {}, or a path to a .toml file)",
            known.join(", ")
        );
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> anyhow::Result<Profile> {
    let settings: Settings =
        toml::from_str(text).with_context(|| format!("failed to read profile `{name}`"))?;
    let bounds = [
        ("tables", settings.tables, 1, limits::TABLES_MAX),
        ("rows", settings.rows, 1, limits::ROWS_MAX),
        ("seconds", settings.seconds, 1, limits::SECONDS_MAX),
        (
            "warm-up-seconds",
            settings.warm_up_seconds,
            0,
            limits::SECONDS_MAX,
        ),
    ];
    let wrong: Vec<_> = bounds
        .iter()
        .filter(|(_, value, least, most)| !(least..=most).contains(&value))
        .map(|(key, value, least, most)| format!("{key} = {value} is not within {least} to {most}"))
        .collect();
    if !wrong.is_empty() {
        bail!("profile `{name}`: {}", wrong.join("; "));
    }
    // these are ours: a second value would make the run something else than the table says
    const OURS: [&str; 6] = ["threads", "time", "events", "tables", "table-size", "db-ps-mode"];
    if let Some(key) = settings
        .options
        .keys()
        .find(|key| OURS.contains(&key.replace('_', "-").as_str()) || key.starts_with("mysql"))
    {
        bail!("profile `{name}`: option `{key}` is set by the benchmark itself");
    }
    Ok(Profile {
        name: name.to_owned(),
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_valid_and_none_is_forgotten() {
        for (name, _) in BUILT_IN {
            assert_eq!(load(name).unwrap().name, name);
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sysbench/profiles");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        files.sort();
        assert_eq!(files, BUILT_IN.map(|(name, _)| name.to_owned()));
    }

    #[test]
    fn mistakes_in_a_profile_are_named() {
        let good = BUILT_IN[0].1;
        let message = |text: &str| format!("{:#}", parse("mine", text).unwrap_err());
        assert!(message(&good.replace("tables =", "tabels =")).contains("tabels"));
        let both = good
            .replace("tables = 1", "tables = 0")
            .replace("seconds = 10", "seconds = 99999");
        assert!(message(&both).contains("tables = 0"));
        assert!(message(&both).contains("seconds = 99999"));
        assert!(message(&format!("{good}threads = \"4\"\n")).contains("set by the benchmark itself"));
        assert!(message(&format!("{good}mysql-host = \"x\"\n")).contains("set by the benchmark itself"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        assert!(
            load("fast")
                .unwrap_err()
                .to_string()
                .contains("point-select, read-only, read-write")
        );
    }
}
