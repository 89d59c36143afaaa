// Which chart is drawn when: what the reader sees first, the rest when the browser is idle. One
// that is out of sight and was drawn before waits until it comes into sight.
import { isDrawn } from "./charts.js";

const NEAR_PX = 150;

/** Runs `action` when nothing more urgent is to be done. */
export function whenIdle(action) {
  if (window.requestIdleCallback) window.requestIdleCallback(action, { timeout: 1000 });
  else window.setTimeout(action, 50); // Safari
}

/** After the next frame: what was drawn so far is seen, and clicks are heard, before it goes on. */
const painted = () => new Promise((resolve) => window.requestAnimationFrame(() => window.setTimeout(resolve)));
const idle = () => new Promise((resolve) => whenIdle(resolve));

function inSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > -NEAR_PX && top < window.innerHeight + NEAR_PX;
}

export class Drawing {
  #jobs = new Map();
  #turn = 0;
  #observer;

  constructor(elements) {
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: `${NEAR_PX}px` });
    for (const element of elements) this.#observer.observe(element);
  }

  /** Draw these, [element, draw] each; newer ones take the place of those that still wait. */
  async show(jobs) {
    const mine = ++this.#turn;
    this.#jobs = new Map(jobs);
    const first = jobs.filter(([element]) => inSight(element));
    const later = jobs.filter(([element]) => !inSight(element) && !isDrawn(element));
    for (const [element] of first) {
      await this.#draw(element);
      await painted();
      if (mine !== this.#turn) return;
    }
    for (const [element] of later) {
      await idle();
      if (mine !== this.#turn) return;
      await this.#draw(element);
    }
  }

  stop() {
    this.#turn += 1;
    this.#jobs.clear();
    this.#observer.disconnect();
  }

  async #draw(element) {
    const draw = this.#jobs.get(element);
    this.#jobs.delete(element);
    await draw?.();
  }

  #seen(entries) {
    for (const { isIntersecting, target } of entries) {
      // One that was never drawn has its turn in `show`.
      if (isIntersecting && isDrawn(target)) this.#draw(target);
    }
  }
}
