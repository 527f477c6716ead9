// What the frame needs beyond NiceGUI: the current entry of the navigation, signing out.
window.roundhouseCurrent = (path) => {
  for (const link of document.querySelectorAll(".rh-nav-item")) {
    const own = "/" + link.dataset.path.split("/")[1];
    if (own === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
};
window.roundhouseSignOut = () => {
  const form = Object.assign(document.createElement("form"), { method: "post", action: "/logout" });
  document.body.append(form);
  form.submit();
};
// A row of links that is wider than a phone: the current one is brought into view, the page stays where it is.
window.roundhouseShowCurrent = () => {
  for (const row of document.querySelectorAll(".rh-subnav")) {
    const one = row.querySelector("[aria-current]");
    if (one) row.scrollLeft = one.offsetLeft - row.offsetLeft - (row.clientWidth - one.offsetWidth) / 2;
  }
};
window.roundhouseToEnd = (id) => {
  const element = document.getElementById(`c${id}`);
  if (element) element.scrollTop = element.scrollHeight;
};
window.roundhouseMenu = (open) => {
  const shown = open ?? !document.body.classList.contains("rh-nav-open");
  document.body.classList.toggle("rh-nav-open", shown);
  document.querySelector(".rh-menu-button")?.setAttribute("aria-expanded", String(shown));
};
document.addEventListener("click", (event) => {
  if (!event.target.closest(".rh-menu-button")) window.roundhouseMenu(false);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") window.roundhouseMenu(false);
});
