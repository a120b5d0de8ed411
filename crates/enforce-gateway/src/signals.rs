//! What the system tells the process.

use std::convert::Infallible;
use std::io;

/// Waits for ctrl-c, or to be told to end.
pub(crate) async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Does something at each hangup; never, where there is no such signal.
pub(crate) async fn on_hangup(each: impl Fn()) -> io::Result<Infallible> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())?;
        while hangups.recv().await.is_some() {
            each();
        }
    }
    drop(each);
    std::future::pending().await
}
