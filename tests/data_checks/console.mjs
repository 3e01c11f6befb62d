#!/usr/bin/env node
// Checks the console pages in a real browser.
//
//     node tests/data_checks/console.mjs --slowburn BINARY [--shared DIR] --work DIR
//
// It creates three fleets: the demo, one with malicious texts, and PetShop if `--shared` has it. For each it opens
// the page of the fleet, of a team and of services, from a disk and from a server, wide and narrow, light and dark, with and
// without JavaScript, and prints them. It exits with code 1 on any of these:
//
//   * a console message, a dialog, or a request other than for the page itself
//   * a finding of axe that is serious or critical
//   * a page that scrolls horizontally, or is empty without JavaScript
//   * a filter that does not match its label
//   * budgets of PetShop that differ from the known ones, or a known incident missing on its pages
//
// Screenshots and PDFs stay in `--work` for inspection. It installs its dependencies: Chromium from Debian's packages,
// playwright-core and axe-core from npm.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const VERSIONS = { "playwright-core": "1.64.1", "axe-core": "4.14.1" };
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const DEMO_AT = "2026-11-01T00:00Z";

function options() {
  const found = {};
  for (let place = 2; place < process.argv.length; place += 2) found[process.argv[place].replace(/^--/, "")] = process.argv[place + 1];
  if (!found.slowburn || !found.work) throw new Error("--slowburn and --work are needed");
  return found;
}

function run(command, line, more = {}) {
  const done = spawnSync(command, line, { encoding: "utf8", maxBuffer: 1 << 28, ...more });
  if (done.status !== 0) throw new Error(`${command} ${line.join(" ")} ended with ${done.status}: ${done.stderr ?? done.error}`);
  return done.stdout;
}

/** What is held, and what is not. */
class Checks {
  held = 0;
  wrong = [];

  hold(name, is, told = "") {
    if (is) this.held += 1;
    else this.wrong.push(told === "" ? name : `${name}: ${told}`);
  }

  end() {
    console.log(`the console: ${this.held} checks pass, ${this.wrong.length} fail`);
    this.wrong.slice(0, 40).forEach((line) => console.log(`  ${line}`));
    process.exit(this.wrong.length > 0 || this.held === 0 ? 1 : 0);
  }
}

/** Chromium, and the modules that drive it. */
function installed() {
  const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((name) => fs.existsSync(name));
  if (!chromium) {
    run("apt-get", ["update", "-qq"]);
    run("apt-get", ["install", "-y", "-qq", "chromium"], { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  }
  const folder = path.join(ROOT, "target/test-browser");
  const wanted = JSON.stringify({ private: true, dependencies: VERSIONS });
  const list = path.join(folder, "package.json");
  if (!fs.existsSync(path.join(folder, "node_modules")) || fs.readFileSync(list, "utf8") !== wanted) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(list, wanted);
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder });
    fs.writeFileSync(list, wanted);
  }
  const require = createRequire(pathToFileURL(path.join(folder, "x.js")));
  return {
    chromium: chromium ?? "/usr/bin/chromium",
    playwright: require("playwright-core").chromium,
    axe: fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"),
  };
}

/** A fleet in a folder of its own. */
class Scene {
  constructor(folder, binary, at) {
    Object.assign(this, { folder, binary, at });
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
  }

  write(name, text) {
    fs.mkdirSync(path.dirname(path.join(this.folder, name)), { recursive: true });
    fs.writeFileSync(path.join(this.folder, name), text);
  }

  slowburn(line, at = this.at) {
    const env = { PATH: process.env.PATH, SLOWBURN_AT: at, NO_COLOR: "1" };
    return run(this.binary, line, { cwd: this.folder, env });
  }

  site() {
    this.slowburn(["report", "--dry-run-state", "--out", "site"]);
    return path.join(this.folder, "site");
  }
}

const stamp = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 16) + "Z";
const CORRECTION = (id, reason, author, service, from, to) => `id: ${id}\nreason: ${reason}\ncategory: planned\nauthor: ${author}\n`
  + `scope: { service: ${service} }\nstart: ${from}\nend: ${to}\ntime_zone: UTC\n`;

/** Twelve services over thirty days, with an outage, a slow burn, a regression and a gap. */
function demo(folder, binary) {
  const scene = new Scene(folder, binary, DEMO_AT);
  fs.cpSync(path.join(ROOT, "slos"), path.join(folder, "slos"), { recursive: true });
  scene.write("slos/corrections/reindex.yaml",
    CORRECTION("search-reindex", "the index is rebuilt, announced to all teams", "jane@example.com", "search", "2026-10-18T02:00", "2026-10-18T08:30"));
  scene.slowburn(["simulate", "--out", "logs", "--scale", "0.5"]);
  scene.slowburn(["run", "--logs", "logs", "--quiet", "--dry-run", "paper", "--since", "2026-10-27T06:00Z"]);
  return scene;
}

const HOSTILE = ["\"<script>alert(1)</script>\"", "\"javascript:alert(document.domain)\"", "\"'><img src=x onerror=alert(1)>\"",
  "\"https://example.com/\\\" onfocus=\\\"alert(1)\\\" autofocus=\\\"\"", "\"</style></svg><h1>big</h1>\"", `"${"w".repeat(990)}"`];

/** Owners who mean no good. */
function hostile(folder, binary) {
  const scene = new Scene(folder, binary, DEMO_AT);
  scene.write("slos/fleet.yaml", "sources: { given: { counts: ./counts, delay: 0m } }\nalerts: { stale_after: none }\nclasses:\n  critical:\n"
    + `    slos: {}\n    windows: [7d]\n    policy: { 75%: { then: ${HOSTILE[2]}, blocks: deploys } }\n`);
  const long = `a${"b-".repeat(49)}c`;
  HOSTILE.forEach((text, number) => {
    const [team, service] = number % 2 ? [long, `${long.slice(0, 97)}${number}`] : ["mart", `svc-${number}`];
    scene.write(`slos/${team}/${service}.yaml`, `service: ${service}\nclass: critical\nrunbook: ${text}\ndashboard: ${text}\nlabels: { note: ${text} }\n`
      + `slos: { ${number % 2 ? long : "orders"}: { indicator: counts, file: ${number}.csv, objective: 99.9% } }\n`);
    scene.write(`slos/corrections/${number}.yaml`, CORRECTION(`c${number}`, text, text, service, "2026-10-30T08:00", "2026-10-30T08:20"));
    const start = Date.parse("2026-10-24T00:00Z");
    const rows = Array.from({ length: 8 * 1440 }, (_, slot) => `${stamp(start + slot * 60000)},100,${slot > 9000 && slot < 9030 ? 100 : 0}`);
    scene.write(`counts/${number}.csv`, `minute,total,bad\n${rows.join("\n")}\n`);
  });
  scene.slowburn(["run", "--quiet", "--dry-run", "paper", "--since", "2026-10-28T00:00Z"]);
  scene.slowburn(["gate", "svc-0", "--override", "<b>\u202efixes</b>", "--by", "<i>jane\u001b[31m</i>"], "2026-10-31T12:00Z");
  return scene;
}

/** Real traffic with 42 injected incidents. */
function petshop(folder, binary, data) {
  const scene = new Scene(folder, binary, "2023-04-30T15:35Z");
  const balancers = new Set(fs.readdirSync(path.join(data, "AWSLogs"), { recursive: true }).filter((name) => name.endsWith(".log.gz"))
    .map((name) => path.basename(name).split("_elasticloadbalancing_")[1].split("_")[1].replaceAll(".", "/")));
  scene.write("slos/fleet.yaml", `sources: { logs: { access_logs: ${data}, delay: 0m } }\nclasses: { bare: {} }\n`);
  for (const balancer of balancers) {
    const name = balancer.split("/")[1];
    scene.write(`slos/pets/${name}.yaml`, `service: ${name}\nload_balancer: ${balancer}\nslos:\n  availability: 99%\n`
      + "  latency: { objective: 99%, under: 500ms, measure: total }\n");
  }
  scene.slowburn(["run", "--quiet", "--days", "14", "--silent"]);
  return scene;
}

/** A server of the files below a folder. */
function served(root) {
  const kinds = { ".html": "text/html; charset=utf-8", ".json": "application/json", ".md": "text/markdown" };
  const server = http.createServer((request, answer) => {
    const file = path.join(root, decodeURIComponent(new URL(request.url, "http://x").pathname).replace(/^\/a\/prefix\//, ""));
    if (!fs.existsSync(file)) {
      answer.writeHead(404).end();
      return;
    }
    answer.writeHead(200, { "content-type": kinds[path.extname(file)] ?? "text/plain" }).end(fs.readFileSync(file));
  });
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready({ server, url: `http://127.0.0.1:${server.address().port}/a/prefix/` })));
}

/** A page that tells of everything it should not do. */
async function open(context, url, checks, name) {
  const page = await context.newPage();
  page.on("console", (message) => checks.hold(name, false, `said ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => checks.hold(name, false, `failed: ${error}`));
  page.on("dialog", (dialog) => {
    checks.hold(name, false, `opened a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const asked = request.url();
    checks.hold(`${name} asks for itself`, asked.split("#")[0] === url.split("#")[0] || asked.startsWith("data:"), asked);
  });
  await page.goto(url);
  return page;
}

/** Findings of axe that matter. It is run beside the page, so that the page's policy stays as it is. */
async function audited(page, axe) {
  await page.evaluate(axe);
  const result = await page.evaluate(async () => {
    const found = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.slice(0, 3).map((node) => node.html.slice(0, 120)) }));
  });
  return result.filter(({ impact }) => impact === "serious" || impact === "critical");
}

const scrollsSideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const WIDE = { viewport: { width: 1280, height: 900 } };
const NARROW = { viewport: { width: 375, height: 812 }, isMobile: true, hasTouch: true };
const KINDS = {
  "wide-light": WIDE,
  "wide-dark": { ...WIDE, colorScheme: "dark" },
  "narrow-light": NARROW,
  "narrow-dark": { ...NARROW, colorScheme: "dark" },
  "no-script": { ...WIDE, javaScriptEnabled: false },
};

/** One page in every way that somebody may look at it. */
async function looked(browser, checks, tools, work, name, url, kinds = Object.keys(KINDS)) {
  const shot = (kind) => path.join(work, "shots", `${name}-${kind}`);
  for (const [kind, more] of kinds.map((kind) => [kind, KINDS[kind]])) {
    const context = await browser.newContext(more);
    const page = await open(context, url, checks, `${name} ${kind}`);
    await page.screenshot({ path: `${shot(kind)}.png`, fullPage: true });
    if (kind === "no-script") {
      checks.hold(`${name} needs no script`, await page.locator("h1").innerText() !== "");
      checks.hold(`${name} shows no filter that cannot work`, !(await page.locator("#filter").isVisible()));
    } else {
      const wide = await scrollsSideways(page);
      checks.hold(`${name} ${kind} does not scroll sideways`, wide <= 0, `${wide} px`);
      const findings = await audited(page, tools.axe);
      checks.hold(`${name} ${kind} can be heard and used`, findings.length === 0, JSON.stringify(findings));
    }
    if (kind === "wide-light") {
      await page.emulateMedia({ media: "print" });
      checks.hold(`${name} prints no filter`, !(await page.locator("#filter").isVisible()));
      await page.pdf({ path: `${shot("print")}.pdf`, format: "A4", printBackground: true });
    }
    await context.close();
  }
}

/** The filter as a person uses it. */
async function filtered(browser, checks, name, url) {
  const context = await browser.newContext();
  const page = await open(context, url, checks, `${name} filter`);
  const shown = () => page.locator("#services tbody tr:visible").count();
  const all = await shown();
  const count = () => page.locator("#count").innerText();
  checks.hold(`${name} counts`, await count() === `${all} services`, await count());
  await page.selectOption("#team", "shop");
  const teams = await page.locator("#services tbody tr:visible td.team").allInnerTexts();
  checks.hold(`${name} filters by team`, teams.length > 0 && teams.length < all && teams.every((team) => team === "shop"), teams.join());
  checks.hold(`${name} says how many`, await count() === `${teams.length} of ${all} services`, await count());
  checks.hold(`${name} is announced`, await page.locator("#count").getAttribute("role") === "status");
  await page.fill("#text", "no-such-service");
  checks.hold(`${name} says that no service matches`, await count() === `No service matches the filters (0 of ${all} services).`, await count());
  await page.fill("#text", "sear");
  checks.hold(`${name} filters by text`, await shown() === 1, `${await shown()}`);
  checks.hold(`${name} keeps the filter in its address`, page.url().endsWith("#text=sear&team=shop"), page.url());
  const again = await open(context, page.url(), checks, `${name} filter again`);
  checks.hold(`${name} comes back filtered`, await again.locator("#services tbody tr:visible").count() === 1);
  await page.keyboard.press("Enter");
  await page.click("#filter button");
  checks.hold(`${name} shows all again`, await shown() === all);
  await page.selectOption("#status", "exhausted");
  const chips = await page.locator("#services tbody tr:visible .chip").allInnerTexts();
  checks.hold(`${name} filters by status`, chips.length > 0 && chips.every((chip) => chip.includes("exhausted")), chips.join());
  await page.goto(url);
  await page.keyboard.press("Tab");
  checks.hold(`${name} begins with a way past the head`, await page.evaluate(() => document.activeElement.className) === "skip");
  await page.keyboard.press("Enter");
  checks.hold(`${name} keeps all after the skip`, await shown() === all);
  await context.close();
}

/** What the pages of PetShop must show. */
async function recognised(browser, checks, data, site) {
  const context = await browser.newContext();
  const stretches = [];
  const used = {};
  for (const file of fs.readdirSync(path.join(site, "services/pets"))) {
    const name = file.replace(".html", "");
    const page = await open(context, pathToFileURL(path.join(site, "services/pets", file)).href, checks, `petshop ${name}`);
    used[name] = await page.evaluate(() => {
      const made = [...document.querySelectorAll("section[aria-labelledby='slo-availability'] .calculation div")];
      const number = (label, pattern) => {
        const text = made.find((one) => one.querySelector("dt").textContent === label).querySelector("dd").textContent;
        return Number(pattern.exec(text)[1].replaceAll(",", ""));
      };
      // The budget is projected to the whole window; the known figures are those of the traffic that there is.
      const projection = number("Budget", /× ([\d,]+) =/) / number("Counted", /of ([\d,]+) /);
      return number("Used", /= ([\d.]+)%/) * projection;
    });
    for (const slo of ["availability", "latency"]) {
      const rows = await page.evaluate((slo) => [...document.querySelectorAll(`section[aria-labelledby='slo-${slo}'] table`)]
        .filter((table) => table.querySelector("thead").textContent.startsWith("FromTo"))
        .flatMap((table) => [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("time")].map((time) => Date.parse(time.dateTime)))), slo);
      rows.forEach(([from, to]) => stretches.push({ slo, from: from / 1000, to: to / 1000 }));
    }
  }
  const shares = Object.values(used).map(Math.round).sort((one, other) => one - other);
  checks.hold("the budgets of PetShop are used as is known", shares.join() === "30,82,177", JSON.stringify(used));
  const incidents = fs.readFileSync(path.join(data, "incidents.csv"), "utf8").trim().split("\n").slice(1).map((line) => line.split(","));
  checks.hold("PetShop has 42 incidents", incidents.length === 42, `${incidents.length}`);
  let seen = 0;
  for (const [from, to, source, slo] of incidents) {
    const fits = stretches.some((one) => one.slo === slo && one.from < Number(to) && one.to > Number(from));
    checks.hold(`the pages of PetShop show ${source}`, fits, slo);
    seen += fits ? 1 : 0;
  }
  console.log(`petshop: ${JSON.stringify(used)} of the budgets used; ${seen} of ${incidents.length} incidents on its pages, of ${stretches.length} stretches`);
  await context.close();
}

async function main() {
  const given = options();
  const tools = installed();
  const binary = path.resolve(given.slowburn);
  const work = path.resolve(given.work);
  const checks = new Checks();
  fs.mkdirSync(path.join(work, "shots"), { recursive: true });
  const sites = { demo: demo(path.join(work, "demo"), binary).site(), hostile: hostile(path.join(work, "hostile"), binary).site() };
  const data = given.shared && path.resolve(given.shared, "data/petshop");
  if (data && fs.existsSync(data)) sites.petshop = petshop(path.join(work, "petshop"), binary, data).site();
  else console.log("left out: PetShop, because its data is not there");
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "console-check-"));
  const browser = await tools.playwright.launch({ executablePath: tools.chromium, headless: true, args: FLAGS, env: { ...process.env, HOME: profile } });
  const host = await served(sites.demo);
  try {
    console.log(`three fleets made and written after ${Math.round(performance.now() / 1000)} s`);
    const pages = [["index", "index.html"], ["team", "teams/shop.html"], ["service", "services/shop/search.html"]];
    for (const [name, file] of pages) await looked(browser, checks, tools, work, `demo-${name}`, host.url + file);
    await filtered(browser, checks, "demo from a server", `${host.url}index.html`);
    await filtered(browser, checks, "demo from a disk", pathToFileURL(path.join(sites.demo, "index.html")).href);
    for (const [name, file] of pages) {
      const context = await browser.newContext();
      await (await open(context, pathToFileURL(path.join(sites.demo, file)).href, checks, `demo-${name} from a disk`)).close();
      await context.close();
    }
    const files = fs.readdirSync(sites.hostile, { recursive: true }).filter((name) => name.endsWith(".html"));
    for (const [number, file] of files.entries()) {
      const url = pathToFileURL(path.join(sites.hostile, file)).href;
      await looked(browser, checks, tools, work, `hostile-${number}`, url, ["wide-light", "narrow-light"]);
    }
    if (sites.petshop) {
      await recognised(browser, checks, data, sites.petshop);
      for (const file of fs.readdirSync(path.join(sites.petshop, "services/pets")).slice(0, 1)) {
        const url = pathToFileURL(path.join(sites.petshop, "services/pets", file)).href;
        await looked(browser, checks, tools, work, "petshop-service", url, ["wide-light", "narrow-dark"]);
      }
    }
    console.log(`all looked at after ${Math.round(performance.now() / 1000)} s`);
  } finally {
    await browser.close();
    host.server.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
  checks.end();
}

await main();
