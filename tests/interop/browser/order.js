// Tells the errors that page.html finds in what a video does: picture times that are shown,
// "to TIME" where a seek begins, "seeked" and "emptied". Arguments: page.html and a list of these.
"use strict";

const { readFileSync } = require("node:fs");
const [page, steps] = process.argv.slice(2);
const script = readFileSync(page, "utf8").match(/<script>([^]*)<\/script>/)[1];
const watchOrder = new Function(`${script}; return watchOrder;`)();

const video = new EventTarget();
video.requestVideoFrameCallback = (shown) => { video.shown = shown; };
const player = { video, errors: [] };
watchOrder(player);
for (const step of JSON.parse(steps)) {
  if (typeof step === "number") {
    video.shown(0, { mediaTime: step, presentationTime: performance.now() });
  } else if (step.startsWith("to ")) {
    video.currentTime = Number(step.slice(3));
    video.seeking = true;
    video.dispatchEvent(new Event("seeking"));
  } else {
    video.seeking = false;
    video.dispatchEvent(new Event(step));
  }
}
console.log(JSON.stringify(player.errors));
