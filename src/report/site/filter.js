(() => {
  "use strict";
  const form = document.getElementById("filter");
  if (!form) return;
  const count = document.getElementById("count");
  const rows = [...document.querySelectorAll("#services tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const fields = [...form.elements].filter((field) => field.name);

  const show = () => {
    const value = (name) => (form.elements[name] ? form.elements[name].value : "");
    const words = value("text").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = ["team", "class", "status"].every((name) => !value(name) || row.dataset[name] === value(name))
        && words.every((word) => texts[index].includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    const all = rows.length === 1 ? "1 service" : `${rows.length} services`;
    if (shown === rows.length) count.textContent = all;
    else count.textContent = shown > 0 ? `${shown} of ${all}` : `No service matches the filters (0 of ${all}).`;
  };

  const keep = () => {
    const kept = new URLSearchParams();
    fields.forEach((field) => { if (field.value) kept.set(field.name, field.value); });
    const hash = kept.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const read = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    if (location.hash && !fields.some((field) => kept.has(field.name))) return;
    fields.forEach((field) => { field.value = kept.get(field.name) || ""; });
    fields.forEach((field) => { if (field.selectedIndex === -1) field.value = ""; });
    show();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { show(); keep(); });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    fields.forEach((field) => { field.value = ""; });
    show();
    keep();
  });
  window.addEventListener("hashchange", read);
  form.hidden = false;
  show();
  read();
})();
