// What a keyboard and a switch add; every page works without. The theme is set before the page is drawn.
"use strict";

(() => {
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* for this page alone */ } };
  const root = document.documentElement;
  const theme = kept("anyclaude-theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const one = (selector) => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const follow = (selector) => one(selector)?.click();
  const go = (name) => follow(`[data-go="${name}"]`);

  const switchTheme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    keep("anyclaude-theme", root.dataset.theme);
  };

  const move = (by) => {
    const all = rows();
    if (!all.length) return window.scrollBy({ top: by * 120 });
    const now = all.findIndex((row) => row.classList.contains("at"));
    const next = now < 0 ? 0 : Math.min(Math.max(now + by, 0), all.length - 1);
    all[now]?.classList.remove("at");
    all[next].classList.add("at");
    all[next].scrollIntoView({ block: "nearest" });
    all[next].querySelector("a, summary")?.focus({ preventScroll: true });
  };

  const unfold = () => {
    const all = [...document.querySelectorAll("main details")];
    const open = all.some((each) => !each.open);
    all.forEach((each) => { each.open = open; });
  };

  const help = () => { const dialog = one("dialog"); if (dialog.open) dialog.close(); else dialog.showModal(); };

  const KEYS = {
    j: () => move(1), k: () => move(-1), "/": () => one("input[type=search]")?.focus(), "?": help, t: switchTheme,
    o: unfold, u: () => go("up"), n: () => go("next"), p: () => go("previous"),
    Enter: () => one("[data-row].at a")?.click(),
  };
  const AFTER_G = { s: () => go("sessions"), f: () => go("search"), c: () => go("compare"), p: () => go("prompts") };
  let afterG = false;

  const typed = (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && typing) return typing.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return undefined;
    const own = event.target.closest("a, button, summary");
    if (event.key === "Enter" && own) return undefined;
    const act = (afterG ? AFTER_G : KEYS)[event.key];
    afterG = !afterG && event.key === "g";
    if (!act) return undefined;
    event.preventDefault();
    return act();
  };

  document.addEventListener("keydown", typed);
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-adds]").forEach((each) => { each.hidden = false; });
    one("[data-theme-switch]")?.addEventListener("click", switchTheme);
    document.querySelectorAll("[data-help]").forEach((each) => each.addEventListener("click", help));
  });
})();
