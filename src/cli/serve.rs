//! Serving until a signal comes, and ending without dropping what is in flight.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::web::{self, Portal};

/// How long requests in flight may take after the signal.
const GRACE: Duration = Duration::from_secs(20);

/// Takes the address before anything that takes long.
///
/// # Errors
/// When the port is taken or the address is not this machine's.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("the address {address} is taken by another program. Stop that, or choose another with --listen 127.0.0.1:8421")
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("the address {address} may not be used by this account. Choose a port above 1023")
        }
        _ => anyhow::anyhow!("the address {address} cannot be used: {cause}"),
    })
}

/// Serves the portal until the process is told to end. Says on standard output when it is ready.
///
/// # Errors
/// When serving fails.
pub(super) async fn serve(portal: Arc<Portal>, listener: TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    // Whoever cosigned more of this log than there is says so before anybody reads.
    portal.log.meet_witnesses().await?;
    let (router, _) = web::router(&portal);
    let ending = Arc::new(Notify::new());
    let told = Arc::clone(&ending);
    let worker = tokio::spawn({
        let jobs = portal.jobs.clone();
        async move { jobs.work().await }
    });
    let sweeper = tokio::spawn({
        let accounts = portal.accounts.clone();
        async move {
            loop {
                if let Err(cause) = accounts.sweep().await {
                    tracing::warn!(%cause, "ended sessions could not be removed");
                }
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
        }
    });
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(async move {
        stopped().await;
        told.notify_one();
    });
    writeln!(std::io::stdout(), "lectern: ready http://{address}")?;
    std::io::stdout().flush()?;
    tokio::select! {
        done = std::future::IntoFuture::into_future(server) => done.context("serving failed")?,
        () = async { ending.notified().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("requests were still in flight after {} seconds and were dropped", GRACE.as_secs());
        }
    }
    sweeper.abort();
    portal.jobs.stop();
    let _ = worker.await;
    portal.log.close().await;
    portal.database.close().await;
    Ok(())
}

/// Returns when the process is asked to end.
pub(super) async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
