// Light or dark: what the system says, until the reader says otherwise. A classic script, so that
// the page is never drawn in the wrong colours first.
(() => {
  const KEY = "thalweg-theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  const chosen = () => {
    try {
      return window.localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };

  const apply = () => {
    root.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
    window.dispatchEvent(new Event("themechange"));
  };

  window.toggleTheme = () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      window.localStorage.setItem(KEY, next);
    } catch {
      // Without storage the choice holds until the page is left.
      root.dataset.theme = next;
      window.dispatchEvent(new Event("themechange"));
      return;
    }
    apply();
  };

  system.addEventListener("change", apply);
  apply();
})();
