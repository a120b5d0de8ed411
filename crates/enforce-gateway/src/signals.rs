//! What the system tells the process. Whoever asks is told of every signal from then on, and no signal ends the process by
//! itself any more: so it is asked before anybody learns that there is a process to be told anything.

use std::convert::Infallible;
use std::io;

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Ctrl-c, or that it is to end.
pub(crate) fn stop() -> io::Result<impl Future<Output = io::Result<()>>> {
    #[cfg(unix)]
    {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        })
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c())
}

/// Does something at each hangup; never, where there is no such signal.
pub(crate) fn on_hangup(each: impl Fn()) -> io::Result<impl Future<Output = Infallible>> {
    #[cfg(unix)]
    {
        let mut hangups = signal(SignalKind::hangup())?;
        Ok(async move {
            while hangups.recv().await.is_some() {
                each();
            }
            std::future::pending().await
        })
    }
    #[cfg(not(unix))]
    {
        drop(each);
        Ok(std::future::pending())
    }
}
