//! Several servers in one terminal.

use std::time::Duration;

use crate::stage::{PtyTerminal, TestAgent};

const FAST: Duration = Duration::from_millis(50);

#[test]
fn two_servers_are_shown_and_the_end_of_one_does_not_affect_the_other() {
    let (one, two) = (TestAgent::start(0, FAST), TestAgent::start(0, FAST));
    let (first, second) = (one.address.to_string(), two.address.to_string());
    let mut terminal = PtyTerminal::run_loadline(&[&first, &second]);
    let both = |screen: &str| screen.contains("2 sources") && screen.contains("2 LIVE");
    let screen = terminal.wait_for("both sources", both);
    let line = |screen: &str, name: &str| {
        screen.lines().find(|line| line.contains(name)).map(ToOwned::to_owned)
    };
    assert!(line(&screen, &first).is_some() && line(&screen, &second).is_some(), "{screen}");
    drop(one);
    let screen = terminal.wait_for_text("RECONNECTING");
    assert!(line(&screen, &second).is_some_and(|line| line.contains("LIVE")), "{screen}");
    terminal.press("j\r");
    terminal.wait_for("the dashboard of the second", |screen| {
        screen.contains("2 of 2") && screen.contains("Memory") && screen.contains(" LIVE ")
    });
    terminal.press("N");
    terminal.wait_for_text("1 of 2");
    terminal.press("v");
    terminal.wait_for_text("Tab metric");
    terminal.quit();
}
