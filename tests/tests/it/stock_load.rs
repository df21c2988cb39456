//! sysbench, as anybody would run it.

use anyhow::{Context, ensure};
use harness::program::{on_path, run};
use harness::{Cluster, on_each_engine};
use tokio::process::Command;

on_each_engine!(sysbench_prepares_and_runs_without_an_error);

const THREADS: u32 = 32;
const SECONDS: u32 = 3;

async fn sysbench_prepares_and_runs_without_an_error(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("sysbench").await?;
    let door = cluster.door()?;
    let program = on_path("sysbench").context("no sysbench: run scripts/setup test")?;
    let sysbench = |script: &str| -> anyhow::Result<Command> {
        let mut command = Command::new(&program);
        command
            .args([
                script,
                "--db-driver=mysql",
                "--mysql-host=127.0.0.1",
                "--mysql-user=app",
                "--tables=2",
            ])
            .arg(format!("--mysql-port={}", door.port))
            .arg(format!("--mysql-password={}", door.password("app")?))
            .arg(format!("--mysql-db={schema}"))
            .arg("--table-size=5000");
        Ok(command)
    };
    run(sysbench("oltp_common")?.arg("prepare")).await?;
    cluster.settle().await?;
    for script in ["oltp_point_select", "oltp_read_only", "oltp_read_write"] {
        for prepared in ["auto", "disable"] {
            let mut command = sysbench(script)?;
            command
                .arg(format!("--threads={THREADS}"))
                .arg(format!("--time={SECONDS}"))
                .arg(format!("--db-ps-mode={prepared}"))
                .arg("run");
            let printed = run(&mut command)
                .await
                .with_context(|| format!("{script} {prepared}"))?;
            ensure!(!printed.contains("FATAL"), "{script} {prepared}: {printed}");
            let total = number(&printed, "queries:").context("no count of queries")?;
            ensure!(total > f64::from(THREADS), "{script} {prepared}: {printed}");
            assert_eq!(
                number(&printed, "reconnects:"),
                Some(0.0),
                "{script} {prepared}: {printed}"
            );
        }
    }
    Ok(())
}

fn number(printed: &str, name: &str) -> Option<f64> {
    let line = printed.lines().find(|line| line.trim_start().starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
