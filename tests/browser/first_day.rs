//! The first day: from an empty installation, as `lectern init` leaves it, to a reviewer's first page of source, through the pages alone.

use crate::administrators::confirm_if_asked;
use crate::browser::Browser;
use crate::portal::Portal;

#[test]
fn from_an_empty_installation_to_the_first_page() {
    let (portal, repository) = Portal::empty();
    let Some(first) = Browser::open(&portal) else { return };
    let Some(second) = Browser::open(&portal) else { return };
    let Some(reader) = Browser::open(&portal) else { return };
    first.sign_in(&portal.first_administrator);
    first.inspect();
    second.sign_in(&portal.second_administrator);

    a_product(&first, &repository.display().to_string());
    an_agreement(&first, &portal);
    let link = an_invitation(&first);
    a_password(&reader, &link);
    reader.go("/p/lantern/v1.1/file/boot/start.c");
    reader.read("main", "404");
    reader.inspect_error(404);
    a_name_in_the_agreement(&first, &second, &portal);
    a_grant(&first, &second, &portal);

    // Terms come before the first page, and then the page.
    reader.go("/");
    reader.read("h1", "Terms of GSP-1");
    reader.inspect();
    reader.push("Accept these terms");
    reader.read("h1", "desk");
    reader.follow("Lantern");
    reader.arrive_at("/p/lantern");
    reader.click("main a[href='/p/lantern/v1.1/tree/']");
    reader.arrive_at("/p/lantern/v1.1/tree/");
    reader.click("main a[href='/p/lantern/v1.1/tree/boot']");
    reader.click("main a[href='/p/lantern/v1.1/file/boot/start.c']");
    reader.read("#source", "lantern_canary");
    reader.read(".seal", "Recorded as entry");
    reader.inspect();
}

fn a_product(first: &Browser, source: &str) {
    first.follow("Products");
    first.inspect();
    first.follow("Add a product");
    first.arrive_at("/admin/products/new");
    first.inspect();
    first.fill("#name", "lantern");
    first.fill("#title", "Lantern");
    first.fill("#source", source);
    first.fill("#tags", "v*");
    first.push("Add product");
    first.arrive_at("/admin/products/lantern");
    // While it shows how far the work is, the page reloads itself when that ends.
    first.until("the index", || {
        first.go("/admin/products/lantern");
        first.words("main").contains("Their history is indexed") && first.count("[data-progress]") == 0
    });
    first.read("main", "v1.1");
    first.inspect();
}

fn an_agreement(first: &Browser, portal: &Portal) {
    first.follow("Agencies");
    first.inspect();
    first.follow("Add an agency");
    first.fill("#name", "National Review Agency");
    first.fill("#country", "Utopia");
    first.push("Add agency");
    first.read("h1", "National Review Agency");
    first.inspect();
    first.go("/admin/agreements/new");
    first.inspect();
    first.choose("#agency", "National Review Agency");
    first.fill("#reference", "GSP-1");
    first.set_date("#signed", "2026-01-02");
    first.set_date("#from", "2026-01-05");
    first.set_date("#until", &portal.soon());
    first.push("Add signed agreement");
    first.read("h1", "GSP-1");
    first.inspect();
    let agreement = first.place();
    first.go(&format!("{agreement}/terms"));
    first.inspect();
    first.fill("#text", "Take nothing away.");
    first.push("Publish this version");
    confirm_if_asked(first, &portal.first_administrator, "Publish this version");
    first.go(&format!("{agreement}/terms"));
    first.read("main", "Take nothing away.");
}

/// The link that the first administrator is shown; a reviewer's takes no second, since it alone opens nothing.
fn an_invitation(first: &Browser) -> String {
    first.follow("People");
    first.inspect();
    first.follow("Invite a person");
    first.inspect();
    first.fill("#email", "ada@agency.example");
    first.fill("#name", "Ada Reader");
    first.click("input[name='role'][value='reviewer']");
    first.choose("#agency", "National Review Agency");
    first.push("Invite person");
    first.read("h1", "Ada Reader is invited.");
    first.inspect();
    let link = first.words(".secret");
    first.follow("I have sent it");
    link
}

/// Whoever has chosen one is signed in with it.
fn a_password(reader: &Browser, link: &str) {
    let place = link.find("/invitation/").map(|at| &link[at..]).expect("a link");
    reader.go(place);
    reader.read("h1", "Ada Reader, you are invited.");
    reader.inspect();
    for field in ["#password", "#again"] {
        reader.fill(field, "a lamp for every reader");
    }
    reader.push("Choose this password");
    reader.arrive_at("/");
    reader.inspect();
}

fn a_name_in_the_agreement(first: &Browser, second: &Browser, portal: &Portal) {
    first.go("/admin/agencies/national-review-agency");
    first.follow("GSP-1");
    first.choose("#account", "Ada Reader");
    first.push("Nominate reviewer");
    first.read("main", "Ada Reader");
    second.go("/");
    second.follow("Ada Reader of National Review Agency under GSP-1");
    second.inspect();
    second.push("Approve nomination");
    confirm_if_asked(second, &portal.second_administrator, "Approve nomination");
    second.read("main .state", "Named");
}

fn a_grant(first: &Browser, second: &Browser, portal: &Portal) {
    first.go("/admin/grants/new");
    first.choose("#agency", "National Review Agency");
    first.choose("#agreement", "GSP-1");
    first.choose("#product", "Lantern");
    first.fill("#versions", "*");
    first.set_date("#until", &portal.soon());
    first.fill("#purpose", "Review");
    first.push("Preview");
    first.read("#preview", "boot/");
    first.inspect();
    first.push("Propose grant");
    first.read("h1", "Grant Lantern to National Review Agency");
    second.go(&first.place());
    second.push("Approve grant");
    confirm_if_asked(second, &portal.second_administrator, "Approve grant");
    second.read(".panel .state", "In force");
}
