//! Futures that are ready at their first poll.

use crate::report::{Row, Target};
use crate::{ours, rivals};

pub(super) fn rows() -> Vec<Row> {
    use Target::{AtMost, None};
    let awaited = super::quiet([
        ours::bare(),
        ours::bare_owned(),
        ours::bare_acquired(),
        rivals::semaphore::acquire(),
        ours::rates::acquired(),
        rivals::governor::until_ready(),
        rivals::leaky_bucket::acquire(),
    ])
    .run();
    vec![
        Row::over("awaited: a step / an owned hold", &awaited, "acquire, bare", "handle, bare, owned", AtMost(1.5)),
        Row::over("– beside a borrowed hold", &awaited, "acquire, bare", "handle, bare", None),
        Row::over("– beside a permit of tokio's", &awaited, "acquire, bare", "tokio acquire().await", None),
        Row::over("awaited: a request under a rate", &awaited, "acquire, rate", "governor until_ready", None),
        Row::over("– beside leaky-bucket's", &awaited, "acquire, rate", "leaky-bucket acquire().await", None),
    ]
}
