//! Threads that start together on shared ground and are waited for.

/// The ground of one interleaving. It is shared by the standard library's `Arc`, which the explorer does not see: the
/// promises are about the words on it, and a modelled count would multiply the interleavings by those of its own.
pub(crate) type Ground<S> = std::sync::Arc<S>;

fn spawn<S: Send + Sync + 'static, T: 'static>(
    ground: &Ground<S>,
    run: impl FnOnce(&S) -> T + 'static,
) -> loom::thread::JoinHandle<T> {
    let ground = Ground::clone(ground);
    loom::thread::spawn(move || run(&ground))
}

/// Two threads, one of them this one.
pub(crate) fn two<S: Send + Sync + 'static, A: 'static, B>(
    ground: S,
    a: impl FnOnce(&S) -> A + 'static,
    b: impl FnOnce(&S) -> B,
) -> (A, B, Ground<S>) {
    let ground = Ground::new(ground);
    let a = spawn(&ground, a);
    let b = b(&ground);
    (a.join().unwrap(), b, ground)
}

/// Three threads, one of them this one.
pub(crate) fn three<S: Send + Sync + 'static, A: 'static, B: 'static, C>(
    ground: S,
    a: impl FnOnce(&S) -> A + 'static,
    b: impl FnOnce(&S) -> B + 'static,
    c: impl FnOnce(&S) -> C,
) -> (A, B, C, Ground<S>) {
    let ground = Ground::new(ground);
    let a = spawn(&ground, a);
    let b = spawn(&ground, b);
    let c = c(&ground);
    (a.join().unwrap(), b.join().unwrap(), c, ground)
}
