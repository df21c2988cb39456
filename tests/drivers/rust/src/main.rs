//! The drivers of Rust doing their ordinary work: `drivers DRIVER TARGET.json [TASK ...]` prints one line of JSON per task.

mod report;
mod with_diesel;
mod with_mysql_async;
mod with_sqlx;

use anyhow::{Context, bail};
use report::Report;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let driver = arguments.next().context("which driver?")?;
    let target = arguments.next().context("which target?")?;
    let report = Report::read(&target, arguments.collect())?;
    match driver.as_str() {
        "mysql_async" => with_mysql_async::run(&report).await,
        "sqlx" => with_sqlx::run(&report).await,
        // this one blocks
        "diesel" => tokio::task::block_in_place(|| with_diesel::run(&report)),
        other => bail!("no driver {other}"),
    }
    Ok(())
}
