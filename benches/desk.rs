//! How long an administrator waits for each page, with a hundred agencies, 2,000 people and 20,000 grants, on SQLite and on PostgreSQL.
//!
//! `cargo bench --bench desk` measures the real router in this process, without a network. The people and grants are written in a few
//! transactions, and no entries for them: what is measured is reading. The goal is 100 ms for every page; this reports and judges nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use cluster::Cluster;
use lectern::database::{Kind, Tx};
use site::{Reader, Site, cores, say};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

mod cluster;
#[expect(dead_code, reason = "other benches use more of it")]
mod site;

const AGENCIES: i64 = 100;
const PEOPLE: i64 = 2_000;
const GRANTS: i64 = 20_000;
const PRODUCTS: i64 = 5;
/// Rows that one statement writes.
const ROWS: i64 = 500;
const DAY: i64 = 86_400_000_000;

/// How long an administrator waits for each page
#[derive(Parser)]
struct Options {
    /// How often each page is asked for
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// Where to put everything: on the disk that is meant
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let dir = fs::canonicalize(&options.dir)?;
    let root = TempDir::with_prefix_in("lectern-bench-", &dir)?;
    say(&format!("{AGENCIES} agencies, {PEOPLE} people, {GRANTS} grants, {} cores, each page {} times", cores(), options.times))?;
    measure_on("SQLite", &root.path().join("sqlite"), None, options.times).await?;
    let Some(cluster) = Cluster::start(&dir)? else {
        return say("\nPostgreSQL: not measured, its server programs (initdb) are not on this machine");
    };
    measure_on("PostgreSQL", &root.path().join("postgresql"), Some(cluster.url()), options.times).await
}

async fn measure_on(database: &str, data: &Path, url: Option<String>, times: usize) -> anyhow::Result<()> {
    let site = Site::open(data, url).await?;
    let began = Instant::now();
    let reader = site.administrator_signed_in("administrator@vendor.example").await?;
    fill(&site).await.context("writing people and grants")?;
    if site.portal.database.kind() == Kind::Postgres {
        // As its autovacuum does within a minute.
        sqlx::query("ANALYZE").execute(site.portal.database.pool()).await?;
    }
    say(&format!("\n{database}, written in {:.1} s\n", began.elapsed().as_secs_f64()))?;
    say("| page | p50 ms | slowest ms |\n|---|--:|--:|")?;
    let last = link(&site, &reader, "/admin/grants", "next").await?;
    for (what, address) in [
        ("desk", "/"),
        ("grants", "/admin/grants"),
        ("grants, second page", last.as_str()),
        ("grants in force", "/admin/grants?state=in-force"),
        ("grants suspended", "/admin/grants?state=suspended"),
        ("grants of an agency", "/admin/grants?agency=agency-7"),
        ("grants by words", "/admin/grants?q=review%2017"),
        ("grants by words that nothing holds", "/admin/grants?q=zzzz"),
        ("a grant", "/admin/grants/ent_b7"),
        ("form of a grant", "/admin/grants/new"),
        ("agencies", "/admin/agencies"),
        ("an agency", "/admin/agencies/agency-7"),
        ("agreements", "/admin/agreements"),
        ("agreements due for renewal", "/admin/agreements?due=renewal"),
        ("an agreement", "/admin/agreements/agr_b7"),
        ("nominations", "/admin/nominations"),
        ("people", "/admin/people"),
        ("people by words", "/admin/people?q=reviewer%2017"),
        ("a person", "/admin/people/acc_b7"),
        ("campaigns", "/admin/campaigns"),
        ("a campaign", "/admin/campaigns/cmp_b0"),
        ("unused grants of a campaign", "/admin/campaigns/cmp_b0?state=waiting&point=unused"),
        ("a grant in a campaign", "/admin/campaigns/cmp_b0/grants/ent_b857"),
        ("form of a campaign", "/admin/campaigns/new"),
        ("suspensions", "/admin/suspensions"),
        ("products", "/admin/products"),
    ] {
        let mut took = Vec::new();
        for _ in 0..times.max(1) {
            took.push(site.timed(&reader, address).await?.1);
        }
        took.sort_unstable();
        let ms = |of: Option<&Duration>| of.map_or(0.0, |of| of.as_secs_f64() * 1e3);
        say(&format!("| {what} | {:.1} | {:.1} |", ms(took.get(took.len() / 2)), ms(took.last())))?;
    }
    site.close().await;
    Ok(())
}

/// Where the link of a page with this `rel` leads.
async fn link(site: &Site, reader: &Reader, address: &str, rel: &str) -> anyhow::Result<String> {
    let page = site.get(reader, address, false).await?;
    let href = page.split(&format!("rel=\"{rel}\" href=\"")).nth(1).and_then(|rest| rest.split('"').next());
    Ok(href.context("no such link")?.replace("&#38;", "&").replace("&amp;", "&"))
}

async fn fill(site: &Site) -> anyhow::Result<()> {
    let now = site.portal.clock.now().micros();
    let mut tx = site.portal.database.begin().await?;
    let who = "(SELECT MIN(id) FROM accounts WHERE role = 'administrator')";
    write(&mut tx, PRODUCTS, "products (id, name, title, source, tags, branches, created_at)", |n| {
        format!("('prd_b{n}', 'product-{n}', 'Product {n}', '/nowhere/{n}', '*', '', {now})")
    })
    .await?;
    write(&mut tx, AGENCIES, "agencies (id, slug, name, country, created_at)", |n| {
        format!("('agy_b{n}', 'agency-{n}', 'Agency {n}', 'Country {}', {now})", n % 30)
    })
    .await?;
    write(&mut tx, PEOPLE, "accounts (id, email, name, role, agency_id, password, lineage, created_at)", |n| {
        let agency = n % AGENCIES;
        format!(
            "('acc_b{n}', 'reviewer.{n}@agency-{agency}.example', 'Reviewer {n}', 'reviewer', 'agy_b{agency}', 'none', 'acc_b{n}', {now})"
        )
    })
    .await?;
    // A tenth of the agreements end within ninety days.
    write(&mut tx, AGENCIES, "agreements (id, agency_id, reference, starts_at, ends_at, created_at)", |n| {
        let end = now + DAY * if n % 10 == 0 { 60 } else { 400 };
        format!("('agr_b{n}', 'agy_b{n}', 'REF-{n}', {}, {end}, {now})", now - 100 * DAY)
    })
    .await?;
    write(&mut tx, PEOPLE, "nominations (id, agreement_id, account_id, state, nominated_by, nominated_at, decided_by, decided_at)", |n| {
        let (agency, waits) = (n % AGENCIES, n % 20 == 0);
        let (state, by, at) = if waits { ("nominated", "NULL", "NULL".to_owned()) } else { ("approved", who, now.to_string()) };
        format!("('nom_b{n}', 'agr_b{agency}', 'acc_b{n}', '{state}', {who}, {}, {by}, {at})", now - n)
    })
    .await?;
    let grant = "entitlements (id, agreement_id, product_id, versions, includes, excludes, starts_at, ends_at, purpose, state, proposed_by,
        proposed_at, decided_by, decided_at, reason)";
    // Of twenty one waits, two were refused, five are over, and two end within thirty days.
    write(&mut tx, GRANTS, grant, |n| {
        let (agency, product) = (n % AGENCIES, n % PRODUCTS);
        let state = match n / AGENCIES % 20 {
            0 => "proposed",
            1 | 2 => "refused",
            _ => "approved",
        };
        let end = match n / AGENCIES % 20 {
            3..=7 => now - DAY,
            8 | 9 => now + 20 * DAY,
            _ => now + 50 * DAY,
        };
        let decided = if state == "proposed" { "NULL, NULL".to_owned() } else { format!("{who}, {now}") };
        format!(
            "('ent_b{n}', 'agr_b{agency}', 'prd_b{product}', 'v{}.*', 'src/part-{}', '', {}, {end}, 'review {}', '{state}', {who}, {}, {decided}, NULL)",
            n % 7,
            n % 40,
            now - 90 * DAY,
            n % 50,
            now - n * 1_000_000
        )
    })
    .await?;
    write(&mut tx, GRANTS, "entitlement_approvals (entitlement_id, approved_by, approved_at)", |n| {
        format!("('ent_b{n}', 'acc_b0', {now})")
    })
    .await?;
    write(&mut tx, 5, "suspensions (id, subject, reason, placed_by, placed_at, state)", |n| {
        format!("('sus_b{n}', 'agy_b{n}', 'an incident', {who}, {now}, 'placed')")
    })
    .await?;
    // Of everything in force; a tenth of it unused.
    let due = now + 30 * DAY;
    write(&mut tx, 1, "campaigns (id, name, due_at, counted_to, opened_by, opened_at, state)", |n| {
        format!("('cmp_b{n}', 'Autumn', {due}, 0, {who}, {now}, 'open')")
    })
    .await?;
    let items = format!(
        "INSERT INTO campaign_grants (campaign_id, entitlement_id, due_at, state, last_used_at, files, opens, refusals, unused, broad)
         SELECT 'cmp_b0', id, {due}, 'pending', CASE WHEN id LIKE '%7' THEN NULL ELSE {now} - LENGTH(id) END, 9, 100, 0,
             CASE WHEN id LIKE '%7' THEN 1 ELSE 0 END, 0
         FROM entitlements WHERE state = 'approved' AND ends_at > {now}"
    );
    sqlx::query(AssertSqlSafe(items)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes so many rows in statements of [`ROWS`].
async fn write(tx: &mut Tx, number: i64, into: &str, row: impl Fn(i64) -> String) -> anyhow::Result<()> {
    for first in (0..number).step_by(usize::try_from(ROWS)?) {
        let rows: Vec<String> = (first..number.min(first + ROWS)).map(&row).collect();
        sqlx::query(AssertSqlSafe(format!("INSERT INTO {into} VALUES {}", rows.join(", ")))).execute(&mut **tx).await?;
    }
    Ok(())
}
