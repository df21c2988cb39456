//! The keeper's process; see `harness::keeper`.

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(harness::keeper::keep(std::env::args().skip(1)))
}
