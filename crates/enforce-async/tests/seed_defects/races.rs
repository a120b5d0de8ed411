//! Races and counters.

use crate::*;

/// All tasks ask before any of them records: the answer to the last is as out of date as can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n_tasks_pass_one_check_but_only_one_reservation() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let limits = ResourceLimits { max_steps: 1, ..unlimited() };
    let id = ExecutionId::new();
    middleware.register_execution_with(id.clone(), tenant(), limits.clone(), disabled()).await?;

    let all_have_asked = Arc::new(Barrier::new(usize::try_from(TASKS)?));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (middleware, id, limits) = (middleware.clone(), id.clone(), limits.clone());
            let all_have_asked = Arc::clone(&all_have_asked);
            tokio::spawn(async move {
                let advised = middleware.check_step_allowed(&id, &limits).await.is_allowed();
                all_have_asked.wait().await;
                let decided = middleware.reserve(&id, Demand::step()).await.is_ok();
                (u64::from(advised), u64::from(decided))
            })
        })
        .collect();
    let (mut advised, mut decided) = (0, 0);
    for task in tasks {
        let (one, other) = task.await?;
        advised += one;
        decided += other;
    }
    assert_eq!((advised, decided), (TASKS, 1));
    assert_eq!(middleware.get_usage(&id).await.map(|usage| usage.step_count()), Some(1));
    Ok(())
}

#[tokio::test]
async fn pop_at_depth_0_wraps_to_4294967295() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    middleware.pop_discovery_depth(&id).await;
    let policy = LongRunningExecutionPolicy::standard();
    assert!(middleware.check_discovery_depth_limit(&id, &policy).await.is_allowed());
    middleware.push_discovery_depth(&id).await;
    let snapshot = middleware.get_usage_snapshot(&id).await.ok_or("registered")?;
    assert_eq!((snapshot.discovery_depth, snapshot.max_discovery_depth), (1, 1));
    Ok(())
}

/// Every task waits at its deepest for all the others: the true maximum is the number of tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_depth_maximum_is_lost_to_a_race() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    let all_are_deep = Arc::new(Barrier::new(usize::try_from(TASKS)?));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (middleware, id, all_are_deep) = (middleware.clone(), id.clone(), Arc::clone(&all_are_deep));
            tokio::spawn(async move {
                middleware.push_discovery_depth(&id).await;
                all_are_deep.wait().await;
                middleware.pop_discovery_depth(&id).await;
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    let snapshot = middleware.get_usage_snapshot(&id).await.ok_or("registered")?;
    assert_eq!((snapshot.discovery_depth, snapshot.max_discovery_depth), (0, TASKS));
    Ok(())
}
