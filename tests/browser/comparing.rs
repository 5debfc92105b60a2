//! Two versions side by side: from the product to what differs, to a file, from change to change and from file to file.

use crate::browser::{Browser, ESCAPE};
use crate::portal::Portal;

#[test]
fn compares_two_versions() {
    let portal = Portal::open();
    let Some(browser) = Browser::open(&portal) else { return };
    browser.sign_in(&portal.first_reviewer);

    browser.go("/p/lantern");
    browser.follow("Changes since v1.0");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1");
    browser.read(".sum", "2 files differ: 1 changed, 1 added, 0 removed, 0 renamed");
    browser.read(".seal", "Recorded as entry");
    browser.inspect();
    browser.follow("kernel/");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1?dir=kernel");
    browser.read(".sum", "1 file differs in kernel/");
    browser.inspect();
    browser.back();
    browser.follow_in(".facet", "Only added");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1?only=added");
    assert_eq!(browser.count(".differing li"), 1);
    browser.follow("Show all again");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1");
    browser.fill(".globform input[name=path]", "*.h");
    browser.push("Filter");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1?path=*.h");
    browser.inspect();
    // What is asked for goes along.
    browser.follow("boot/table.h");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1/boot/table.h?path=*.h");
    assert_eq!(browser.count("a[rel=next]"), 0, "one header differs");
    browser.go("/p/lantern/compare/v1.0/v1.1");
    browser.follow("boot/table.h");
    a_file(&browser);

    browser.go("/p/lantern/compare/v1.0/v1.1");
    browser.follow_in(".versus", "Swap");
    browser.arrive_at("/p/lantern/compare/v1.1/v1.0");
    browser.read(".sum", "1 removed");
    browser.choose(".versus select[name=to]", "v1.1");
    browser.push("Compare");
    browser.arrive_at("/p/lantern/compare/v1.1/v1.1");
    browser.read(".sum", "Nothing that you may read differs");
    browser.inspect();
}

fn a_file(browser: &Browser) {
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1/boot/table.h");
    browser.read("h1", "table.h");
    assert_eq!(browser.count(".diff .add"), 2);
    assert_eq!(browser.count(".diff .del"), 1);
    browser.read(".diff .del mark", "on");
    browser.inspect();
    // From change to change by keys; the help names them.
    browser.press(&["n"]);
    browser.until("the first change", || browser.focused("[data-change]"));
    browser.press(&["?"]);
    browser.read("dialog[open]", "Next and previous change");
    browser.press(&[ESCAPE]);
    browser.until("the keys closed", || browser.count("dialog") == 0);
    browser.follow("Side by side");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1/boot/table.h?view=split");
    browser.inspect();
    browser.follow("Ignore it");
    browser.arrive_at("/p/lantern/compare/v1.0/v1.1/boot/table.h?view=split&space=ignore");
    browser.read(".notices", "White space is left aside");
    browser.push("Both sides");
    browser.read(".sides", "100644");
    browser.inspect();
    // To the next file, as it is looked at here; and back.
    browser.press(&["j"]);
    browser.until("the next file", || browser.place().contains("/kernel/later.rs"));
    browser.read(".filehead", "Added in v1.1");
    browser.inspect();
    browser.press(&["k"]);
    browser.until("the file before", || browser.place().contains("/boot/table.h"));
    // A line's number leads to the line in its version.
    browser.click(".diff .add a");
    // There, what has changed is marked, and can be gone through.
    browser.until("the line", || browser.place().starts_with("/p/lantern/v1.1/file/boot/table.h?since=v1.0#L"));
    browser.read(".notices", "from v1.0.");
    browser.until("the changed lines marked", || browser.count(".stretch > div.add") > 0);
    browser.press(&["n"]);
    browser.read(".hitcount", "1 of ");
    browser.inspect();
}
