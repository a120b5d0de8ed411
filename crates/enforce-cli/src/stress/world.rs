//! What all threads share: the engine under test, who is registered with it, and its clock.

use std::sync::Arc;
use std::time::Duration;

use enforce_core::{
    Action, AllowanceKey, Clock, ConfigError, EnforcementPolicy, Enforcer, LimitActions, ManualClock, ModelKey,
    ProviderKey, RateLimit, RatePeriod, RateUnit, ResourceLimits, TenantPolicy, Timestamp,
};
use parking_lot::Mutex;

use super::error::StressError;
use super::hold::Open;
use super::node::Node;
use super::plan::Plan;
use super::tenant::Tenant;

/// How many providers demands name.
pub(crate) const PROVIDERS: usize = 3;

/// Requests per minute of each provider, and at once.
pub(crate) const REQUESTS_PER_MINUTE: u64 = 600;
pub(crate) const REQUEST_BURST: u64 = 50;

/// Units of the allowance of each execution.
pub(crate) const ALLOWED_UNITS: u64 = 5;

/// Where the manual clock begins: noon of a day, so that days turn while it runs.
const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);

/// Everyone asks one execution at once.
#[derive(Debug, Clone)]
pub(crate) struct Rush {
    pub(crate) node: Arc<Node>,
    pub(crate) tokens: u64,
    /// As many fit together.
    pub(crate) room: u64,
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) enforcer: Enforcer,
    pub(crate) clock: ManualClock,
    /// Where executions live: one each, if it could be registered.
    pub(crate) places: Vec<Mutex<Option<Arc<Node>>>>,
    pub(crate) tenants: Vec<Tenant>,
    /// Holds on their way to another thread, by who is to take them.
    pub(crate) handed: Vec<Mutex<Vec<Open<'static>>>>,
    pub(crate) providers: [ProviderKey; PROVIDERS],
    pub(crate) model: ModelKey,
    pub(crate) tool: AllowanceKey,
    pub(crate) rush: Mutex<Option<Rush>>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Result<Self, StressError> {
        let clock = ManualClock::starting_at(START);
        let enforcer = enforcer(&plan, &clock)?;
        let provider = |name: &str| enforcer.provider(name).map_err(|error| StressError::Setup(error.to_string()));
        let providers = [provider("p0")?, provider("p1")?, provider("p2")?];
        let model = enforcer.model("m").map_err(|error| StressError::Setup(error.to_string()))?;
        let tool = enforcer.allowance("tool").map_err(|error| StressError::Setup(error.to_string()))?;
        let (lasting, fleeting) = (plan.lasting_tenants(), plan.fleeting_tenants());
        let room = (plan.executions / lasting) as u64;
        let lasting = (0..lasting).map(|number| Tenant::lasting(number, room));
        let fleeting = (0..fleeting).map(Tenant::fleeting);
        let tenants: Vec<_> = lasting.chain(fleeting).chain([Tenant::of_rushes()]).collect();
        tenants.iter().try_for_each(|tenant| tenant.introduce(&enforcer))?;
        let places = std::iter::repeat_with(|| Mutex::new(None)).take(plan.executions).collect();
        let handed = (0..plan.threads).map(|_| Mutex::new(Vec::new())).collect();
        let rush = Mutex::new(None);
        Ok(Self { plan, enforcer, clock, places, tenants, handed, providers, model, tool, rush })
    }

    /// Another engine with the same limits and the same clock, which knows nobody yet.
    pub(crate) fn another(&self) -> Result<Enforcer, StressError> {
        let enforcer = enforcer(&self.plan, &self.clock)?;
        self.tenants.iter().try_for_each(|tenant| tenant.introduce(&enforcer))?;
        Ok(enforcer)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Whoever lives at a place.
    pub(crate) fn at(&self, place: usize) -> Option<Arc<Node>> {
        self.places.get(place)?.lock().clone()
    }
}

fn enforcer(plan: &Plan, clock: &ManualClock) -> Result<Enforcer, ConfigError> {
    let actions = LimitActions {
        steps: Action::Halt,
        tokens: Action::Refuse,
        cost: Action::Pause,
        discovered_steps: Action::Refuse,
        ..LimitActions::default()
    };
    let minute = RatePeriod::Minute;
    // Roots and children of one tenant at a time, and as many again that have ended and are not let go yet.
    let room = (plan.executions as u64).saturating_mul(4).saturating_add(1_024);
    Enforcer::builder()
        .limits(ResourceLimits::unlimited())
        .policy(EnforcementPolicy { actions, ..EnforcementPolicy::default() })
        .tenant(TenantPolicy { max_concurrent_executions: Some(8), ..TenantPolicy::default() })
        .rate(RateLimit::provider(RateUnit::Requests, REQUESTS_PER_MINUTE, minute).burst(REQUEST_BURST))
        .rate(RateLimit::provider(RateUnit::TotalTokens, 120_000, minute).burst(20_000))
        .rate(RateLimit::tenant_provider(RateUnit::Requests, 60, minute).burst(20))
        .rate(RateLimit::model(RateUnit::OutputTokens, 60_000, minute).burst(10_000))
        .allowance("tool", ALLOWED_UNITS)
        .clock(Clock::manual(clock))
        .max_executions(room)
        .build()
}
