//! The conformance suite: each subject's conversations, with the manager itself and through, on each engine.

use anyhow::ensure;
use harness::conformance::{script, suite};
use harness::{Cluster, on_each_engine};

macro_rules! subjects {
    ($($name:ident),+ $(,)?) => {
        $(async fn $name(cluster: &Cluster) -> anyhow::Result<()> {
            suite::run(cluster, stringify!($name)).await
        })+
        on_each_engine!($($name),+);
        const SUBJECTS: &[&str] = &[$(stringify!($name)),+];
    };
}

subjects!(
    administration,
    charsets,
    commands,
    connectors,
    diagnostics,
    errors,
    infile,
    kills,
    large,
    logins,
    multi,
    pipelines,
    prepared,
    procedures,
    shapes,
    texts,
    transactions,
    types,
    variables,
    writes
);

#[test]
fn every_script_is_run() -> anyhow::Result<()> {
    let mut run = SUBJECTS.to_vec();
    run.sort_unstable();
    let scripts = script::subjects()?;
    ensure!(run == scripts, "{run:?} are run, {scripts:?} are there");
    Ok(())
}
