// Asks the worker for JSON every two seconds, with the last answer's ETag, so that an idle page
// costs a few bytes. Rests while the tab is hidden or the reader has paused it.

const EVERY_MS = 2000;
const GIVE_UP_MS = 15_000;

export class Poll {
  #url = null;
  #etag = null;
  #timer = null;
  #request = null;
  #onData;
  #onState;
  #paused = false;

  /** `onData(json)` gets every new answer; `onState(kind, detail)`: live, paused or lost. */
  constructor(onData, onState) {
    this.#onData = onData;
    this.#onState = onState;
    document.addEventListener("visibilitychange", () => this.#resume());
  }

  /** Ask this address from now on, beginning at once. */
  follow(url) {
    this.#url = url;
    this.#etag = null;
    this.#request?.abort();
    this.#ask();
  }

  get paused() {
    return this.#paused;
  }

  set paused(value) {
    this.#paused = value;
    if (value) this.#onState("paused");
    this.#resume();
  }

  #resume() {
    window.clearTimeout(this.#timer);
    if (!this.#resting()) this.#ask();
  }

  #resting() {
    return document.hidden || this.#paused;
  }

  async #ask() {
    window.clearTimeout(this.#timer);
    const url = this.#url;
    const request = new AbortController();
    this.#request = request;
    const limit = window.setTimeout(() => request.abort("late"), GIVE_UP_MS);
    try {
      const headers = this.#etag === null ? {} : { "If-None-Match": this.#etag };
      const answer = await fetch(url, { headers, signal: request.signal, cache: "no-store" });
      const data = answer.status === 304 ? null : await answer.json();
      if (url !== this.#url) return;
      if (answer.ok) this.#etag = answer.headers.get("ETag");
      if (data !== null) this.#onData(data);
      this.#onState(this.#paused ? "paused" : "live");
    } catch (error) {
      if (url !== this.#url || request !== this.#request) return;
      this.#onState("lost", String(error?.message ?? error));
    } finally {
      window.clearTimeout(limit);
      if (request === this.#request && url === this.#url && !this.#resting()) {
        this.#timer = window.setTimeout(() => this.#ask(), EVERY_MS);
      }
    }
  }
}
