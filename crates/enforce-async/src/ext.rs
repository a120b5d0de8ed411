//! What an execution can do for whoever awaits.

use std::future::Future;

use enforce_core::{Demand, Execution};

use crate::acquire::Acquire;
use crate::run::Run;
use crate::state::{Halted, Resumed};

/// Waiting and being stopped, for tasks. Every future of it is cancel safe: it says so, and how, at its type.
///
/// Futures that may have to wait for a moment need a tokio runtime with time enabled, and panic without one as soon as
/// they do: [`ExecutionExt::acquire`] where a rate, a deadline or [`Acquire::within`] is waited for, [`ExecutionExt::run`]
/// where a time is limited.
pub trait ExecutionExt {
    /// [`Execution::reserve_owned`] that waits its turn, for as long as waiting helps; [`Acquire::within`] bounds it.
    ///
    /// # Errors
    /// At once where waiting is pointless: the limit is used up for good, the execution is halted or has ended, or as many
    /// demands wait as may. After the time of [`Acquire::within`], what refused it last.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_async::{Demand, Enforcer, ExecutionExt, ResourceLimits, Retry};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_acme").register()?;
    /// let hold = run.acquire(Demand::step().tokens(600, 300)).await?;
    ///
    /// let demand = Demand::step().tokens(100, 100);
    /// let refused = run.acquire(demand).within(Duration::ZERO).await.unwrap_err();
    /// assert_eq!(refused.retry, Retry::WhenFreed);
    /// let waiter = tokio::spawn({
    ///     let run = run.clone();
    ///     async move { run.acquire(demand).await.map(drop) }
    /// });
    /// tokio::task::yield_now().await; // it stands in line
    /// drop(hold);
    /// assert!(waiter.await?.is_ok());
    /// assert!(run.acquire(Demand::step().tokens(1_001, 0)).await.is_err()); // would never fit
    /// # Ok(())
    /// # }
    /// ```
    fn acquire(&self, demand: Demand) -> Acquire<&Execution>;

    /// Waits until it is halted or has ended, and says which, and why.
    ///
    /// It sees states and no times: a deadline halts when somebody asks, or [`ExecutionExt::run`] looks.
    ///
    /// ```
    /// use enforce_async::{Cause, Enforcer, ExecutionExt, Status, ViolationType};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_acme").register()?;
    /// let halted = tokio::spawn(run.halted());
    /// run.halt(Cause::own(ViolationType::Requested));
    /// assert_eq!(halted.await?, Status::Halted(Cause::own(ViolationType::Requested)));
    /// # Ok(())
    /// # }
    /// ```
    fn halted(&self) -> Halted;

    /// Waits until it is not paused, by itself or from above: live, halted or ended, as the status says. At once if it is
    /// not paused now. A pause that the next period of a budget approves
    /// ([`Budget::next_period_approves`](enforce_core::Budget::next_period_approves)) it ends at that moment.
    fn resumed(&self) -> Resumed;

    /// Runs `future` until it is done, or the execution is halted, has ended, or its wall time, active time or idle timeout
    /// is over, whatever comes first. A deadline is carried out as a demand would carry it out. A pause stops nothing: what
    /// the future asks meanwhile is refused, or waits.
    ///
    /// **Stopped at once.** Each poll looks at the execution first. So no poll that begins after `halt` has returned, to
    /// whoever, polls `future`; one that had begun may end. On a runtime of one thread that is: never after a `halt`.
    /// `future` is dropped before the poll that says *stopped* returns, and its holds end by their policies.
    ///
    /// # Errors
    /// [`Stopped`](crate::Stopped), with what stopped it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_async::{Clock, Enforcer, ExecutionExt, ResourceLimits, TokioClock, ViolationType};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limits = ResourceLimits { max_wall_time_ms: 60_000, ..ResourceLimits::unlimited() };
    /// let enforcer = Enforcer::builder().limits(limits).clock(Clock::custom(TokioClock::new())).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_acme").register()?;
    /// assert_eq!(run.run(async { 42 }).await, Ok(42));
    ///
    /// let stopped = run.run(std::future::pending::<()>()).await.unwrap_err();
    /// assert_eq!(stopped.cause().map(|cause| cause.violation_type), Some(ViolationType::WallTimeLimit));
    /// assert_eq!(stopped.to_string(), "stopped: halted by wall_time_limit");
    /// # Ok(())
    /// # }
    /// ```
    fn run<F: Future>(&self, future: F) -> Run<F>;

    /// Cancels `token` when the execution is over, as [`ExecutionExt::run`] would stop; for work that knows such a token
    /// and winds down by itself. To be spawned; ends with `None` if something else has cancelled it before.
    ///
    /// **Cancel safety.** Dropped, it leaves the token as it is.
    ///
    /// ```
    /// use enforce_async::{Cause, Enforcer, ExecutionExt, ViolationType};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_acme").register()?;
    /// let token = CancellationToken::new();
    /// tokio::spawn(run.cancel_when_over(token.clone()));
    /// run.halt(Cause::own(ViolationType::Requested));
    /// token.cancelled().await;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cancellation-token")]
    fn cancel_when_over(
        &self,
        token: tokio_util::sync::CancellationToken,
    ) -> impl Future<Output = Option<crate::Stopped>> + Send + use<Self> + 'static
    where
        Self: Sized;
}

impl ExecutionExt for Execution {
    #[inline]
    fn acquire(&self, demand: Demand) -> Acquire<&Execution> {
        Acquire::new(self, demand)
    }

    fn halted(&self) -> Halted {
        Halted(self.watch())
    }

    fn resumed(&self) -> Resumed {
        Resumed::new(self.watch())
    }

    fn run<F: Future>(&self, future: F) -> Run<F> {
        Run::new(self, future)
    }

    #[cfg(feature = "cancellation-token")]
    fn cancel_when_over(
        &self,
        token: tokio_util::sync::CancellationToken,
    ) -> impl Future<Output = Option<crate::Stopped>> + Send + use<> + 'static {
        crate::token::cancel_when_over(self, token)
    }
}
