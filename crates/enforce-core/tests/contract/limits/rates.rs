//! Rates of a provider: exact to the nanosecond (Q1).

use std::time::Duration;

use enforce_core::{
    Action, Actual, Demand, EnforcementPolicy, EnforcementViolation, Execution, LimitActions, ManualClock, ProviderKey,
    ProviderPolicy, RatesRefused, ResourceLimits, Retry, Timestamp, ViolationType,
};

use crate::common::{DAY, NOON, SECOND, builder, kind, noon, pass, register, unlimited};

struct Rated {
    time: ManualClock,
    run: Execution,
    provider: ProviderKey,
    other: ProviderKey,
}

fn rated(policy: ProviderPolicy, action: Action) -> Rated {
    let time = noon();
    let actions = LimitActions { rate: action, ..Default::default() };
    let policy = builder(&time).provider(policy).policy(EnforcementPolicy { actions, ..Default::default() });
    let enforcer = policy.build().unwrap();
    let [provider, other] = ["provider", "other"].map(|name| enforcer.provider(name).unwrap());
    Rated { time, run: register(&enforcer, "exec", "tenant"), provider, other }
}

fn requests(per_minute: u64, burst: u64) -> ProviderPolicy {
    ProviderPolicy { requests_per_minute: Some(per_minute), request_burst: Some(burst), ..Default::default() }
}

impl Rated {
    fn request(&self) -> Result<(), EnforcementViolation> {
        self.run.reserve(Demand::step().provider(self.provider)).map(drop)
    }

    fn tokens(&self, tokens: u64) -> Result<(), EnforcementViolation> {
        let hold = self.run.reserve(Demand::step().provider(self.provider).tokens(tokens, 0))?;
        hold.settle(Actual::tokens(tokens, 0));
        Ok(())
    }

    fn wait(&self, refused: &EnforcementViolation) {
        let Retry::After(delay) = refused.retry else { panic!("{refused:?}") };
        self.time.advance(delay);
    }
}

#[test]
fn q1_simultaneous_callers_get_exactly_the_burst() {
    for burst in [0, 1, 2, 60, 1_000] {
        let rated = rated(requests(60, burst), Action::Refuse);
        assert!((0..burst).all(|_| rated.request().is_ok()));
        let refused = rated.request().unwrap_err();
        let after = if burst == 0 { Retry::Never } else { Retry::After(Duration::from_secs(1)) };
        assert_eq!((refused.as_cause().to_string().as_str(), refused.retry), ("provider:rate_limit", after));
        assert_eq!((refused.used, refused.asked, refused.limit, refused.remaining), (burst, 1, burst, 0));
        assert_eq!(refused.rates, Some(RatesRefused::Requests));
        assert!(
            rated.run.reserve(Demand::step().provider(rated.other)).is_ok() == (burst > 0),
            "each provider has its own"
        );
        assert!(rated.run.reserve(Demand::step()).is_ok(), "who names no provider asks no rate");
    }
}

#[test]
fn q1_the_delay_suffices_and_a_nanosecond_less_does_not() {
    for per_minute in [1, 7, 58, 60, 350, 1_200, 48_000_000, 60_000_000_000, 58 * 60_000_000_000] {
        let rated = rated(requests(per_minute, 2), Action::Refuse);
        for _ in 0..20 {
            let refused = std::iter::repeat_with(|| rated.request()).find_map(Result::err).unwrap();
            let Retry::After(delay) = refused.retry else { panic!("{refused:?}") };
            pass(&rated.time, delay.as_nanos() as u64 - 1);
            assert!(rated.request().is_err(), "{per_minute} a minute");
            pass(&rated.time, 1);
            assert!(rated.request().is_ok(), "{per_minute} a minute");
        }
    }
}

#[test]
fn q1_no_window_admits_more_than_the_burst_and_what_refills_in_it() {
    let rated = rated(requests(350, 3), Action::Refuse);
    let mut admitted: Vec<u128> = Vec::new();
    let mut steps = [0, 1, 7, 171_428_571, 171_428_572, 50_000_000, 1_000_000_000].into_iter().cycle();
    for _ in 0..700 {
        if rated.request().is_ok() {
            admitted.push(rated.time.now().as_nanos().into());
        }
        pass(&rated.time, steps.next().unwrap());
    }
    for (first, start) in admitted.iter().enumerate() {
        for (count, end) in (1..).zip(&admitted[first..]) {
            assert!(count <= 3 + (end - start) * 350 / 60_000_000_000, "{count} from {start} to {end}");
        }
    }
}

#[test]
fn q1_a_clock_that_steps_back_grants_nothing_and_the_delay_suffices_even_then() {
    let rated = rated(requests(60, 1), Action::Refuse);
    assert!(rated.request().is_ok());
    for back in [1, SECOND, DAY, NOON] {
        rated.time.set(Timestamp::from_nanos(NOON - back));
        let refused = rated.request().unwrap_err();
        assert_eq!(refused.retry, Retry::After(Duration::from_nanos(back + SECOND)), "{back}");
    }
    let refused = rated.request().unwrap_err();
    rated.wait(&refused);
    assert!(rated.request().is_ok());
}

#[test]
fn tokens_are_measured_against_what_is_left_of_the_burst() {
    let policy = ProviderPolicy { tokens_per_minute: Some(600), token_burst: Some(1_000), ..Default::default() };
    let rated = rated(policy, Action::Refuse);
    assert_eq!(rated.tokens(600), Ok(()));
    let refused = rated.tokens(500).unwrap_err();
    assert_eq!((refused.used, refused.asked, refused.limit, refused.remaining), (600, 500, 1_000, 400));
    assert_eq!((refused.retry, refused.rates), (Retry::After(Duration::from_secs(10)), Some(RatesRefused::Tokens)));
    assert_eq!(refused.to_string(), "rate_limit exceeded: 1100 / 1000 (110%)");
    assert_eq!(rated.tokens(refused.remaining), Ok(()), "what remains is admitted");
    assert_eq!(rated.tokens(0), Ok(()), "nothing is always left");
    let never = rated.tokens(1_001).unwrap_err();
    assert_eq!((never.retry, never.remaining), (Retry::Never, 1_000), "more than the burst never fits");
    pass(&rated.time, 50_000_000);
    let half = rated.tokens(1).unwrap_err();
    assert_eq!((half.used, half.retry), (1_000, Retry::After(Duration::from_millis(50))), "half a token is none");
}

#[test]
fn t2_requests_and_tokens_are_charged_together_or_not_at_all_and_the_latest_delay_counts() {
    let policy = ProviderPolicy {
        requests_per_minute: Some(60),
        request_burst: Some(2),
        tokens_per_minute: Some(60),
        token_burst: Some(10),
    };
    let rated = rated(policy, Action::Refuse);
    assert_eq!(rated.tokens(6), Ok(()));
    for _ in 0..3 {
        assert_eq!(rated.tokens(5).unwrap_err().rates, Some(RatesRefused::Tokens), "no request was charged for it");
    }
    assert_eq!(rated.tokens(4), Ok(()));
    let both = rated.tokens(10).unwrap_err();
    assert_eq!((both.rates, both.retry), (Some(RatesRefused::Both), Retry::After(Duration::from_secs(10))));
    assert_eq!((both.used, both.asked, both.limit), (2, 1, 2), "the figures are the first one's");
    let never = rated.tokens(11).unwrap_err();
    assert_eq!((never.rates, never.retry), (Some(RatesRefused::Both), Retry::Never), "never if one never fits");
    rated.wait(&both);
    assert_eq!(rated.tokens(10), Ok(()));
}

#[test]
fn t2_a_demand_that_another_limit_refuses_charges_no_rate() {
    let time = noon();
    let limits = ResourceLimits { max_tokens: 1, ..unlimited() };
    let enforcer = builder(&time).provider(requests(60, 1)).limits(limits).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("provider").unwrap());
    assert_eq!(kind(run.reserve(demand.tokens(2, 0))), Some(ViolationType::TokenLimit));
    assert!(run.check(demand).is_allowed() && run.reserve(demand).is_ok());
    assert_eq!(kind(run.reserve(demand)), Some(ViolationType::RateLimit));
    assert_eq!(run.snapshot().steps, 1, "and a rate that refuses takes no step");
}

#[test]
fn a_rate_refuses_for_now_and_observing_it_charges_what_it_would_have_admitted() {
    let rated = rated(requests(60, 1), Action::Observe);
    let observed = || rated.run.reserve(Demand::step().provider(rated.provider)).unwrap().observed();
    assert_eq!(observed(), None);
    for _ in 0..3 {
        assert_eq!(observed().unwrap().retry, Retry::After(Duration::from_secs(1)), "what it refuses is not charged");
    }
    pass(&rated.time, SECOND);
    assert_eq!(observed(), None);
    for action in [Action::Halt, Action::Pause] {
        let actions = LimitActions { rate: action, ..Default::default() };
        let policy = EnforcementPolicy { actions, ..Default::default() };
        assert_eq!(builder(&noon()).policy(policy).build().unwrap_err().key, "rate");
    }
}

#[test]
fn a_rates_tokens_may_differ_from_those_set_aside() {
    let policy = ProviderPolicy { tokens_per_minute: Some(60), ..Default::default() };
    let rated = rated(policy, Action::Refuse);
    let demand = Demand::step().provider(rated.provider).tokens(1_000, 0);
    let hold = rated.run.reserve(demand.rate_tokens(60)).unwrap();
    assert_eq!(rated.run.reserve(demand.rate_tokens(1)).unwrap_err().asked, 1);
    assert!(rated.run.reserve(demand.rate_tokens(0)).is_ok());
    hold.settle(Actual::tokens(5, 5));
    assert!(rated.run.reserve(demand.rate_tokens(1)).is_err(), "what the caller said is what counts");
    pass(&rated.time, 60 * SECOND);
    drop(rated.run.reserve(demand.rate_tokens(60)).unwrap());
    assert!(rated.run.reserve(demand.rate_tokens(60)).is_ok(), "a dropped hold gives it back");
}
