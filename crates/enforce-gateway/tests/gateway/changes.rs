//! Settings that are read anew while it runs.

use enforce_gateway::{Settings, SettingsError};
use http::StatusCode;

use crate::common::{ADMIN, PRICES, World, budget, config, request};

fn reload(world: &World, policy: &str, change: impl Fn(String) -> String) -> Result<(), SettingsError> {
    let settings = Settings::of(&change(config(world.upstream, "")), policy, PRICES)?;
    world.gateway.reload(settings)
}

async fn status(world: &World, key: &str) -> StatusCode {
    world.client.ask(key, &[], &request(7)).await.status
}

#[tokio::test]
async fn a_policy_that_is_read_anew_counts_at_once_and_what_was_used_stays() {
    let world = World::new(&budget(105)).await;
    assert_eq!(status(&world, "key-a").await, StatusCode::OK);
    assert_eq!(status(&world, "key-a").await, StatusCode::TOO_MANY_REQUESTS);
    reload(&world, &budget(115), |config| config).unwrap();
    assert_eq!(status(&world, "key-a").await, StatusCode::OK);
    assert_eq!(status(&world, "key-a").await, StatusCode::TOO_MANY_REQUESTS);
    let budget = world.usage("a").budgets[0];
    assert_eq!((budget.committed, budget.limit), (20, 115));
}

#[tokio::test]
async fn keys_and_prices_are_read_anew_too() {
    let world = World::new("").await;
    reload(&world, "", |config| config.replace("key-b", "key-new")).unwrap();
    assert_eq!(status(&world, "key-b").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&world, "key-new").await, StatusCode::OK);
    let settings = Settings::of(&config(world.upstream, ""), "", &PRICES.replace("quill", "other")).unwrap();
    world.gateway.reload(settings).unwrap();
    assert_eq!(status(&world, "key-a").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_tenant_that_has_no_key_any_more_is_shown_while_it_is_known() {
    let world = World::new(&budget(1_000)).await;
    assert_eq!(status(&world, "key-b").await, StatusCode::OK);
    let without = |name: &'static str| {
        move |config: String| config.replace(&format!("[[tenant]]\nname = \"{name}\"\nkeys = [\"key-{name}\"]\n"), "")
    };
    reload(&world, &budget(1_000), without("b")).unwrap();
    reload(&world, &budget(1_000), |config| without("c")(without("b")(config))).unwrap();
    assert_eq!(status(&world, "key-b").await, StatusCode::UNAUTHORIZED);
    let told = world.client.get("/usage", ADMIN).await.json();
    let told: Vec<_> = told["tenants"].as_array().unwrap().iter().map(|tenant| tenant["tenant_id"].clone()).collect();
    assert_eq!(told, ["a", "b", "d"], "of c nothing is known");
    let table = world.gateway.usage(false);
    let row: Vec<_> = table.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["b", "1", "3", "7"]);
}

#[tokio::test]
async fn what_cannot_be_taken_over_changes_nothing_and_says_why() {
    let world = World::new(&budget(1_000)).await;
    let wrong = [
        (reload(&world, "[limits]\nmax_stepz = 5", |config| config), "max_stepz: unknown key"),
        (
            reload(&world, &format!("{}[actions]\nsteps = \"observe\"", budget(0)), |config| config),
            "cannot change while it runs",
        ),
        (
            reload(&world, &format!("{}[allowances]\nsearch = 1", budget(0)), |config| config),
            "cannot change while it runs",
        ),
        (reload(&world, &budget(0), |config| config.replace("127.0.0.1:0", "127.0.0.1:1")), "listen: cannot change"),
        (
            reload(&world, &budget(0), |config| config.replace("[requests]", "[requests]\nmax_connections = 5")),
            "max_connections: cannot change",
        ),
        (reload(&world, &budget(0), |config| config.replace("key-b", "key-a")), "somebody else's"),
    ];
    for (outcome, said) in wrong {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(status(&world, "key-a").await, StatusCode::OK);
    assert_eq!(world.usage("a").budgets[0].limit, 1_000);
}
