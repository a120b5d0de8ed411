//! Registrations: unknown, twice, for ever.

use crate::*;

#[tokio::test]
async fn an_unknown_execution_is_allowed() {
    let middleware = EnforcementMiddleware::new();
    let (id, limits, policy) = (ExecutionId::new(), unlimited(), disabled());
    let answers = [
        middleware.check_step_allowed(&id, &limits).await,
        middleware.check_tokens_allowed(&id, &limits, 0).await,
        middleware.check_wall_time_allowed(&id, &limits).await,
        middleware.check_all_limits(&id, &limits).await,
        middleware.check_discovered_step_limit(&id, &policy).await,
        middleware.check_discovery_depth_limit(&id, &policy).await,
        middleware.check_cost_threshold(&id, &policy).await,
        middleware.check_idle_timeout(&id, &policy).await,
        middleware.check_long_running_limits(&id, &policy).await,
    ];
    for answer in answers {
        let kind = blocked(answer).map(|violation| (violation.violation_type, violation.retry));
        assert_eq!(kind, Some((ViolationType::UnknownExecution, Retry::Never)));
    }
    assert_eq!(middleware.unknown_allowed(), 0);
    assert!(middleware.get_usage(&id).await.is_none());

    // As in the seed, by name and counted.
    let lenient = middleware.clone().allowing_unknown_executions();
    assert_eq!(lenient.check_all_limits(&id, &limits).await, EnforcementResult::Allowed);
    assert_eq!(lenient.check_idle_timeout(&id, &policy).await, EnforcementResult::Allowed);
    assert_eq!(middleware.unknown_allowed(), 2);
    assert!(lenient.reserve(&id, Demand::step()).await.is_err());
    assert!(middleware.check_all_limits(&id, &limits).await.is_blocked());
}

#[tokio::test]
async fn a_record_on_an_unknown_execution_is_dropped_in_silence() {
    let middleware = EnforcementMiddleware::new();
    let id = ExecutionId::new();
    assert!(middleware.try_record_step(&id).await.is_err());
    assert!(middleware.try_record_tokens(&id, 1, 1).await.is_err());
    assert!(middleware.try_record_discovered_step(&id).await.is_err());
    assert!(middleware.try_record_cost(&id, 0.01).await.is_err());
    assert!(middleware.try_push_discovery_depth(&id).await.is_err());
    assert!(middleware.charge(&id, Actual::none().steps(1)).await.is_err());
    assert_eq!(middleware.records_dropped(), 0); // told, not dropped
    middleware.record_step(&id).await;
    middleware.record_tokens(&id, 1, 1).await;
    middleware.record_discovered_step(&id).await;
    middleware.record_cost(&id, 0.01).await;
    middleware.push_discovery_depth(&id).await;
    middleware.pop_discovery_depth(&id).await;
    assert_eq!(middleware.records_dropped(), 6);
}

#[tokio::test]
async fn an_id_registered_twice_takes_two_slots_and_returns_one() -> Outcome {
    let limits = ResourceLimits { max_concurrent_executions: Some(2), ..unlimited() };
    let enforcer = Enforcer::builder().limits(limits.clone()).build()?;
    let middleware = EnforcementMiddleware::from(enforcer);
    let id = registered(&middleware).await?;
    let again = middleware.register_execution(id.clone(), tenant()).await;
    assert!(matches!(again, Err(RegisterError::Duplicate { id: taken }) if taken == id.as_str()));
    assert_eq!(middleware.enforcer().live_executions("tenant_acme"), 1);

    middleware.unregister_execution(&id).await;
    middleware.unregister_execution(&id).await;
    assert_eq!(middleware.enforcer().live_executions("tenant_acme"), 0);
    let (_one, _other) = (registered(&middleware).await?, registered(&middleware).await?);
    assert!(matches!(registered(&middleware).await, Err(RegisterError::Refused(_))));
    assert!(middleware.check_concurrency_allowed(&tenant(), &limits).await.is_blocked());
    Ok(())
}

#[tokio::test]
async fn the_tenant_map_never_shrinks() -> Outcome {
    let (middleware, _time) = by_hand()?;
    for number in 0..1_000 {
        let id = ExecutionId::from(format!("exec_{number}"));
        middleware.register_execution(id.clone(), format!("tenant_{number}").into()).await?;
        middleware.record_step(&id).await;
        middleware.unregister_execution(&id).await;
    }
    middleware.enforcer().evict_idle_tenants();
    assert_eq!((middleware.enforcer().tenant_count(), middleware.enforcer().execution_count()), (0, 0));

    // Without being asked, a full table makes room by itself.
    let middleware = EnforcementMiddleware::from(Enforcer::builder().max_tenants(4).build()?);
    for number in 0..1_000 {
        let id = ExecutionId::from(format!("exec_{number}"));
        middleware.register_execution(id.clone(), format!("tenant_{number}").into()).await?;
        middleware.record_step(&id).await;
        middleware.unregister_execution(&id).await;
    }
    assert!(middleware.enforcer().tenant_count() <= 4);
    Ok(())
}
