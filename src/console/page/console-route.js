// SPDX-License-Identifier: MIT
//
// The address: #/view, #/view/id, #/view?name=value. Everything that is shown can be linked to, and "back" goes back.

export function route() {
  const [, view = "overview", id, search = ""] = location.hash.match(/^#\/([a-z]*)(?:\/([^?]*))?(?:\?(.*))?$/) || [];
  let name = id;
  try {
    name = id && decodeURIComponent(id);
  } catch { /* as it stands */ }
  return {view, id: name, search};
}

export const parameters = () => Object.fromEntries(new URLSearchParams(route().search));

// replace: no new entry of the history; for what is tried out, as orders and filters are.
export function go(view, id, search = {}, replace = false) {
  const query = new URLSearchParams(search).toString();
  const hash = `#/${view}${id === undefined ? "" : "/" + encodeURIComponent(id)}${query ? "?" + query : ""}`;
  if (hash === location.hash) return;
  if (replace) {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}
