// What the browser prefers, in cookies that the server reads: language, theme, time zone. Nothing secret.
(() => {
  const keep = (name, value) => {
    document.cookie = `rh_${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax`;
  };
  keep("zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  window.roundhousePrefer = (name, value, reload) => {
    keep(name, value);
    if (reload) window.location.reload();
  };
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.addEventListener("click", () => window.roundhousePrefer("language", button.dataset.language, true));
  }
})();
