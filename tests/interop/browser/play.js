"use strict";
// Opens the page in Chromium, starts the players given as JSON, and prints a
// JSON line with each player's report until it is stopped.
//
//   node play.js CHROMIUM PROFILE PAGE '[{"name": ..., "kind": ..., "url": ...}]'

const { chromium } = require("playwright-core");

const REPORT_EACH = 250;
const [executablePath, profile, page_url, players] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    ignoreHTTPSErrors: true,
    args: [
      // As root Chromium runs only without its sandbox.
      "--no-sandbox",
      "--disable-gpu",
      "--autoplay-policy=no-user-gesture-required",
      // It must not talk to anyone but the two servers of the test.
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  process.on("SIGTERM", async () => {
    await browser.close();
    process.exit(0);
  });
  const page = await browser.newPage();
  page.on("console", (message) => console.error(message.text()));
  await page.goto(page_url);
  for (const { name, kind, url } of JSON.parse(players)) {
    await page.evaluate(([n, k, u]) => play(n, k, u), [name, kind, url]);
  }
  for (;;) {
    console.log(JSON.stringify(await page.evaluate(() => report())));
    await new Promise((resolve) => setTimeout(resolve, REPORT_EACH));
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
