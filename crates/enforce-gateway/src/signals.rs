//! What the system tells the process. Whoever asks is told of every signal from then on, and no signal ends the process by
//! itself any more: so it is asked before anybody learns that there is a process to be told anything.

use std::convert::Infallible;
use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-c, or that it is to end.
#[derive(Debug)]
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: (Signal, Signal),
}

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?),
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            let (interrupt, terminate) = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
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
