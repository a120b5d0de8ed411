use crate::limits::{Action, Budget, BudgetAmount, BudgetPeriod};
use crate::policy_file::PolicyFile;

fn refusal(text: &str) -> String {
    PolicyFile::parse(text).unwrap_err().to_string()
}

#[test]
fn a_budget_says_whose_it_is_and_one_amount() {
    let amounts = "write one of steps, tokens, memory_mb, cost_usd, discovered_steps";
    for (keys, message) in [
        ("steps = 5", "line 1, column 1: budget: lacks the key on".to_owned()),
        ("on = \"tenant\"", format!("line 1, column 1: budget: lacks an amount; {amounts}")),
        ("on = \"tenant\"\nsteps = 5\ntokens = 6", format!("line 1, column 1: budget: two amounts; {amounts}")),
        (
            "on = \"execution\"\nsteps = 5",
            "line 2, column 6: budget.on: expected one of \"tenant\", \"process\", found the string \"execution\"".to_owned(),
        ),
        (
            "on = \"process\"\nmemory_mb = 5\nper = \"day\"",
            "line 4, column 7: budget.per: memory comes back, so it has no budget by the day; write total or leave it out"
                .to_owned(),
        ),
        (
            "on = \"process\"\nsteps = 5\nper = \"week\"",
            "line 4, column 7: budget.per: expected one of \"total\", \"hour\", \"day\", \"month\", found the string \"week\""
                .to_owned(),
        ),
        (
            "on = \"process\"\ncost_usd = \"5\"\noverdraft = 1",
            "line 4, column 13: budget.overdraft: an overdraft of money is in dollars; write overdraft_usd".to_owned(),
        ),
        (
            "on = \"process\"\nsteps = 5\noverdraft_usd = \"1\"",
            "line 4, column 17: budget.overdraft_usd: the budget is not one of money; write overdraft".to_owned(),
        ),
        (
            "on = \"process\"\nsteps = 5\nutc_offset_minutes = 841",
            "line 4, column 22: budget.utc_offset_minutes: no time zone is 841 minutes from UTC; write minutes from -840 to 840"
                .to_owned(),
        ),
        (
            "on = \"process\"\nsteps = 5\nper = \"hour\"\nnext_period_approves = true",
            "line 5, column 24: budget.next_period_approves: a budget whose action is refuse pauses nobody; write the action \
             pause, or leave it out"
                .to_owned(),
        ),
        (
            "on = \"process\"\nsteps = 5\naction = \"pause\"\nnext_period_approves = true",
            "line 5, column 24: budget.next_period_approves: a budget in all has no next period; write per hour, day or month, \
             or leave it out"
                .to_owned(),
        ),
    ] {
        assert_eq!(refusal(&format!("[[budget]]\n{keys}")), message);
    }
}

#[test]
fn a_budget_whose_next_period_approves_its_pauses_is_read_as_one() {
    let text =
        "[[budget]]\non = \"process\"\nsteps = 5\nper = \"hour\"\naction = \"pause\"\nnext_period_approves = true";
    let budget = Budget::new(BudgetAmount::Steps(5), BudgetPeriod::Hour).action(Action::Pause);
    let read = |text: &str| PolicyFile::parse(text).unwrap().process.budgets;
    assert_eq!(read(text), [budget.next_period_approves(true)]);
    assert_eq!(read(&text.replace("true", "false")), [budget]);
}

#[test]
fn two_budgets_of_one_scope_resource_and_period_are_refused_where_the_second_stands() {
    let day = "[[budget]]\non = \"tenant\"\ncost_usd = 5\nper = \"day\"\n";
    let refused = "budget: two of cost per day; leave one of them out";
    assert_eq!(refusal(&[day, day].concat()), format!("line 5, column 1: {refused}"));
    // Wherever the section stands that has one, too.
    let section = "[tenant]\nbudget_usd = 5\nbudget_period = \"day\"\n";
    assert_eq!(refusal(&[day, section].concat()), format!("line 1, column 1: {refused}"));
    assert_eq!(refusal(&[section, day].concat()), format!("line 4, column 1: {refused}"));
    assert_eq!(PolicyFile::parse(&[day, &day.replace("tenant", "process")].concat()).unwrap().process.budgets.len(), 1);
    assert_eq!(PolicyFile::parse(&[day, &day.replace("day", "hour")].concat()).unwrap().tenant.budgets.len(), 2);
}
